"""What a model can be made of: scopes and binding, factors, defaults, shared states, initial values."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq

import ketasim
from ketasim import library
from ketasim.dose import EventTemplate
from ketasim.errors import InvalidModel, InvalidOption, PortConflict, UnitMismatch, UnmetPort
from ketasim.exchange import export_mrgsolve, export_nonmem, export_sbml
from ketasim.model import Mechanism, Model, Number, Param, Part, Port, State, assemble, mechanism_graph
from ketasim.model.functions import hill
from ketasim.solve import STATUS, solve

NO_DOSE = EventTemplate(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 1)), np.zeros((0, 1)), np.zeros(0),
                        np.zeros(0, np.int64), np.zeros(0, np.int64), np.array([1]))  # fmt: skip


def at(model: Model, times: list[float], **given: float) -> dict[str, np.ndarray]:
    """States and ports of the typical patient without doses."""
    params = {name: np.array([given.get(name, value)]) for name, value in model.typical().items()}
    got = solve(model, NO_DOSE, params, np.array(times), rtol=1e-9)
    states = {name: got.states[:, i, 0] for i, name in enumerate(got.state_names)}
    return states | {name: got.ports[:, i, 0] for i, name in enumerate(got.port_names)}


def number(value: float, unit: str = "1") -> Number:
    return Number(value, unit, kind="assumed", note="invented")


class Drug(Mechanism):
    """A drug that is there from the start and leaves."""

    states = {"drug": State("umol/L", initial=2.0)}
    writes = {"C_brain": Port("umol/L")}

    def rates(self, t: Any, x: Any, u: Any, p: Any) -> Any:
        return {"drug": -0.5 * x["drug"]}

    def outputs(self, t: Any, x: Any, u: Any, p: Any) -> Any:
        return {"C_brain": x["drug"]}


class Block(Mechanism):
    """Block of a receptor that a drug reaches with a delay."""

    params = {"Ki": Param("nmol/L"), "ke0": Param("1/h")}
    states = {"near": State("nmol/L")}
    reads = {"C": Port("nmol/L")}
    writes = {"block": Port("1")}

    def rates(self, t: Any, x: Any, u: Any, p: Any) -> Any:
        return {"near": p["ke0"] * (u["C"] - x["near"])}

    def outputs(self, t: Any, x: Any, u: Any, p: Any) -> Any:
        return {"block": hill(x["near"], p["Ki"])}


class Release(Mechanism):
    """What a block lets go; reads the block that stands in its own scope."""

    reads = {"block": Port("1")}
    writes = {"glutamate": Port("1", combine="sum")}

    def outputs(self, t: Any, x: Any, u: Any, p: Any) -> Any:
        return {"glutamate": u["block"]}


BLOCK = Part(Block(), {"Ki": number(500.0, "nmol/L"), "ke0": number(3.0, "1/h")}, id="block")
INNER = BLOCK.scoped("nmda_interneuron", bind={"C": "C_brain"})
OUTER = Part(Block(), {"Ki": number(2000.0, "nmol/L"), "ke0": number(1.0, "1/h")}, id="other").scoped(
    "nmda_pyramidal", {"C": "C_brain"}
)


def twice() -> Model:
    release = Part(Release(), {}, id="release")
    return assemble(Drug(), INNER, OUTER, release.scoped("nmda_interneuron"), release.scoped("nmda_pyramidal"), id="twice")


def test_a_mechanism_stands_twice_under_two_scopes() -> None:
    model = twice()
    assert set(model.params) == {f"nmda_{where}.{name}" for where in ("interneuron", "pyramidal") for name in ("Ki", "ke0")}
    times = [0.0, 1.0, 4.0]
    got = at(model, times)
    for scope, ki, ke0 in (("nmda_interneuron", 500.0, 3.0), ("nmda_pyramidal", 2000.0, 1.0)):
        near = 2000.0 * ke0 / (ke0 - 0.5) * (np.exp(-0.5 * np.array(times)) - np.exp(-ke0 * np.array(times)))
        np.testing.assert_allclose(got[f"{scope}.near"], near, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(got[f"{scope}.block"], near / (ki + near), rtol=1e-7, atol=1e-12)
    # Each reads the block of its own scope, and what sums is shared.
    np.testing.assert_allclose(got["glutamate"], got["nmda_interneuron.block"] + got["nmda_pyramidal.block"], rtol=1e-12)
    changed = model.with_values({"nmda_pyramidal.Ki": 500.0, "nmda_pyramidal.ke0": 3.0})
    again = at(changed, times)
    np.testing.assert_allclose(again["nmda_pyramidal.block"], got["nmda_interneuron.block"], rtol=1e-12)


def test_names_with_a_scope_reach_every_way_out() -> None:
    model = twice()
    text = model.describe()
    assert "nmda_interneuron.Ki" in text and "Block (nmda_pyramidal)" in text
    assert "nmda_pyramidal.Ki" in model.describe("html")
    graph = mechanism_graph(model)
    assert 'Block_nmda_pyramidal["Block (nmda_pyramidal)"] --> nmda_pyramidal_block([nmda_pyramidal.block])' in graph
    sbml, mrgsolve, nonmem = export_sbml(model), export_mrgsolve(model), export_nonmem(model)
    assert 'id="nmda_interneuron_Ki"' in sbml
    assert "dxdt_nmda_pyramidal_near" in mrgsolve and "nmda_pyramidal_Ki is nmda_pyramidal.Ki" in mrgsolve
    assert "nmda_pyramidal.Ki" in nonmem and "NMDA_PYRAM" in nonmem
    copy = pickle.loads(pickle.dumps(INNER))
    assert (
        copy.mechanism.params == INNER.mechanism.params
        and assemble(Drug(), copy).fingerprint == assemble(Drug(), INNER).fingerprint
    )
    assert INNER.scoped("elsewhere").mechanism.params.keys() == {"elsewhere.Ki", "elsewhere.ke0"}


def test_what_scopes_refuse() -> None:
    with pytest.raises(InvalidModel, match="give one part a scope"):
        assemble(Drug(), BLOCK, OUTER, Part(Block(), OUTER.numbers and {"Ki": number(1.0, "nmol/L"), "ke0": number(1.0, "1/h")}))
    with pytest.raises(InvalidModel, match=r"names 'D', which is no port of Block.* It has: C, block"):
        BLOCK.scoped("a", {"D": "C_brain"})
    with pytest.raises(InvalidModel, match="scope 'a b' is no name"):
        BLOCK.scoped("a b")
    with pytest.raises(UnmetPort, match=r"bind it to another name"):
        assemble(Drug(), BLOCK.scoped("a"))

    class Plasma(Mechanism):
        writes = {"C_venous": Port("umol/L", analyte="s_ketamine", site="venous")}

        def outputs(self, t: Any, x: Any, u: Any, p: Any) -> Any:
            return {"C_venous": 1.0}

    one = Part(Plasma(), {}, id="one")
    with pytest.raises(PortConflict, match=r"'a.C_venous' and 'b.C_venous' are both s_ketamine, venous"):
        assemble(one.scoped("a"), one.scoped("b"))


class Signal(Mechanism):
    """A signal whose strength others may scale, under a stress that may be given."""

    states = {"signal": State("1")}
    reads = {"gain": Port("1", "factor on the signal", (0.0, 10.0), default=1.0), "stress": Port("1", default=0.25)}
    writes = {"seen": Port("1")}

    def rates(self, t: Any, x: Any, u: Any, p: Any) -> Any:
        return {"signal": u["gain"] + u["stress"] - x["signal"]}

    def outputs(self, t: Any, x: Any, u: Any, p: Any) -> Any:
        return {"seen": u["gain"]}


class Factor(Mechanism):
    """An intervention: writes a factor."""

    params = {"share": Param("1")}
    writes = {"gain": Port("1", combine="product")}

    def outputs(self, t: Any, x: Any, u: Any, p: Any) -> Any:
        return {"gain": p["share"]}


def test_factors_multiply_and_a_port_nobody_writes_takes_its_default() -> None:
    alone = assemble(Signal(), id="alone")
    rise = 1.0 - np.exp(-np.array([0.0, 1.0, 3.0]))
    np.testing.assert_allclose(at(alone, [0.0, 1.0, 3.0])["signal"], 1.25 * rise, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(at(alone, [0.0, 1.0, 3.0], stress=1.0)["signal"], 2.0 * rise, rtol=1e-9, atol=1e-12)
    assert "nothing: 0.25, or an input" in alone.describe() and set(alone.inputs) == {"gain", "stress"}
    half = Part(Factor(), {"share": number(0.5)}, id="half").scoped("opioid")
    fifth = Part(Factor(), {"share": number(0.2)}, id="fifth").scoped("mtor")
    both = assemble(Signal(), half, fifth, id="both")
    assert set(both.inputs) == {"stress"} and "product of its writers" in both.describe()
    np.testing.assert_allclose(at(both, [0.0, 1.0, 3.0])["signal"], 0.35 * rise, rtol=1e-9, atol=1e-12)


def test_an_input_acts_over_time_and_its_steps_meet_the_doses_of_their_time() -> None:
    model = assemble(library.load("generic/one_cmt"), Signal(), id="signal")
    times = [0.0, 1.0, 2.0, 3.0, 5.0]
    options: dict[str, Any] = {"times": times, "states": True, "inputs": {"stress": [(1.0, 0.0), (2.0, 3.0)]}}
    result = ketasim.simulate(model, "esketamine iv 20 mg over 30 min then after 2 h esketamine iv 10 mg bolus", **options)
    # gain 1, stress 0.25 to 1 h, 0 to 2 h, then 3
    one = 1.25 * (1 - np.exp(-1.0))
    two = 1.0 + (one - 1.0) * np.exp(-1.0)
    want = [0.0, one, two, 4.0 + (two - 4.0) * np.exp(-1.0), 4.0 + (two - 4.0) * np.exp(-3.0)]
    np.testing.assert_allclose(result["state"]["signal"].values[0], want, rtol=1e-6, atol=1e-12)
    assert result.attrs["inputs"] == ["stress: 0 from 1 h, 3 from 2 h"]
    plain = ketasim.simulate(model, "esketamine iv 20 mg over 30 min then after 2 h esketamine iv 10 mg bolus", times=times)
    np.testing.assert_allclose(result["plasma"]["venous"], plain["plasma"]["venous"], rtol=1e-7)
    many = ketasim.simulate(
        model, "esketamine iv 20 mg over 30 min then after 2 h esketamine iv 10 mg bolus", n=3, variability=False, **options
    )
    np.testing.assert_allclose(many["state"]["signal"].values, np.tile(want, (3, 1)), rtol=1e-6, atol=1e-12)
    table = pd.DataFrame({"ID": 1, "TIME": [0.0, *times[1:]], "AMT": [80.0, 0, 0, 0, 0], "EVID": [1, 0, 0, 0, 0], "CMT": 1,
                          "stress": [0.25, 0.0, 3.0, 3.0, 3.0]})  # fmt: skip
    got = ketasim.simulate(model, table, interpolation="locf")["output"]["signal"].values
    np.testing.assert_allclose(got, want[1:], rtol=1e-6)
    for bad, said in (
        ({"gains": [(0, 1)]}, "'gains' is no input of signal. Close: 'gain'"),
        ({"seen": [(0, 1)]}, "'seen' is written by a mechanism"),
        ({"gain": [(0, 11.0)]}, "11 1 is outside"),
        ({"stress": [(2, 0), (1, 1)]}, "ascending"),
        ({"stress": [0, 1]}, "pairs of a time in h"),
    ):
        with pytest.raises(InvalidOption, match=said):
            ketasim.simulate(model, "esketamine iv 20 mg", inputs=bad)


def test_what_factors_and_defaults_refuse() -> None:
    class Sum(Mechanism):
        writes = {"gain": Port("1", combine="sum")}

    class Dose(Mechanism):
        writes = {"gain": Port("umol", combine="product")}

    class Other(Mechanism):
        reads = {"gain": Port("1", default=2.0)}

    half = Part(Factor(), {"share": number(0.5)}, id="half")
    with pytest.raises(PortConflict, match="combine"):
        assemble(half, Sum())
    with pytest.raises(UnitMismatch, match="multiply"):
        assemble(Dose())
    with pytest.raises(PortConflict, match="two defaults: 1 1, and 2 1 in Other"):
        assemble(Signal(), Other())


class Cortisol(Mechanism):
    """Turnover that starts at its rest."""

    params = {"kin": Param("nmol/L/h"), "kout": Param("1/h")}
    states = {"cortisol": State("nmol/L", initial=lambda p: p["kin"] / p["kout"])}

    def rates(self, t: Any, x: Any, u: Any, p: Any) -> Any:
        return {"cortisol": p["kin"] - p["kout"] * x["cortisol"]}


class Stress(Mechanism):
    """Adds to cortisol's rate, in another unit, and reads it."""

    adds = {"cortisol": State("umol/L")}

    def rates(self, t: Any, x: Any, u: Any, p: Any) -> Any:
        return {"cortisol": 0.001 - 0.5 * x["cortisol"]}


TURNOVER = {"kin": number(40.0, "nmol/L/h"), "kout": number(0.5, "1/h")}


def test_several_mechanisms_change_one_state_which_starts_at_an_expression() -> None:
    model = assemble(Part(Cortisol(), TURNOVER, id="cortisol"), Stress(), Stress(), id="shared")
    got = at(model, [0.0, 1.0, 50.0])["cortisol"]
    end = 42.0 / 1.5  # (40 + 2 x 1) nmol/L/h over 0.5 + 2 x 0.5 per h
    np.testing.assert_allclose(got, end + (80.0 - end) * np.exp(-1.5 * np.array([0.0, 1.0, 50.0])), rtol=1e-9)
    text = model.describe()
    assert "kin/kout" in text and "Stress, Stress" in text
    with pytest.raises(InvalidModel, match="adds to state 'cortisol', which no mechanism has"):
        assemble(Stress())

    class Wrong(Cortisol):
        states = {"cortisol": State("nmol/L", initial=lambda p: p["kinn"])}

    with pytest.raises(InvalidModel, match="initial value of 'cortisol' in Wrong uses 'kinn'"):
        assemble(Part(Wrong(), TURNOVER)).system


class Pair(Mechanism):
    """Two states that hold each other, at rest at the start."""

    params = {"a": Param("1/h"), "b": Param("1/h")}
    states = {"up": State("1", initial="steady"), "down": State("1", initial="steady")}

    def rates(self, t: Any, x: Any, u: Any, p: Any) -> Any:
        return {"up": p["a"] - x["down"] - x["up"], "down": p["b"] * x["up"] - 2.0 * x["down"]}


class Curbed(Mechanism):
    """A state that curbs its own production: no formula for its rest."""

    params = {"kin": Param("1/h"), "n": Param("1")}
    states = {"level": State("1", initial="steady")}

    def rates(self, t: Any, x: Any, u: Any, p: Any) -> Any:
        return {"level": p["kin"] / (1.0 + x["level"] ** p["n"]) - x["level"]}


def test_states_start_at_rest_by_formula_or_by_numbers() -> None:
    pair = assemble(Part(Pair(), {"a": number(3.0, "1/h"), "b": number(4.0, "1/h")}), id="pair")
    assert not pair.system.resting
    got = at(pair, [0.0, 100.0])
    np.testing.assert_allclose(got["up"], 1.0, rtol=1e-12)
    np.testing.assert_allclose(got["down"], 2.0, rtol=1e-12)
    curbed = assemble(Part(Curbed(), {"kin": number(20.0, "1/h"), "n": number(2.5)}), id="curbed")
    for kin in (20.0, 0.3):
        rest = brentq(lambda x, kin=kin: kin / (1.0 + x**2.5) - x, 0.0, 30.0, xtol=1e-14)
        np.testing.assert_allclose(at(curbed, [0.0, 30.0], kin=kin)["level"], rest, rtol=1e-9)
    with pytest.raises(InvalidModel, match="cannot look for it"):
        export_mrgsolve(curbed)

    class Grows(Mechanism):
        states = {"x": State("1", initial="steady")}

        def rates(self, t: Any, x: Any, u: Any, p: Any) -> Any:
            return {"x": 1.0}

    with pytest.raises(InvalidModel, match="no single place of rest"):
        assemble(Grows()).system


class Runaway(Mechanism):
    """A state that feeds itself: it rests only while its feed is weak."""

    params = {"feed": Param("1/h")}
    states = {"level": State("1", initial="steady")}

    def rates(self, t: Any, x: Any, u: Any, p: Any) -> Any:
        return {"level": 1.0 + p["feed"] * x["level"] ** 2 - x["level"]}


def test_whoever_has_no_rest_is_told_and_others_keep_theirs() -> None:
    model = assemble(Part(Runaway(), {"feed": number(0.1, "1/h")}), id="runaway")
    three = replace(NO_DOSE, amt=np.zeros((0, 3)), rate=np.zeros((0, 3)), ids=np.array([1, 2, 3]))
    feed = np.array([0.1, 0.3, 0.2])
    got = solve(model, three, {"feed": feed}, np.array([0.0, 5.0]), rtol=1e-9)
    assert [STATUS[s] for s in got.status] == ["ok", STATUS[3], "ok"] and "no steady state" in STATUS[3]
    lower = (1 - np.sqrt(1 - 4 * feed[[0, 2]])) / (2 * feed[[0, 2]])  # of two rests, the one reached from 0
    np.testing.assert_allclose(got.states[:, 0, [0, 2]], np.tile(lower, (2, 1)), rtol=1e-8)
    alone = solve(model, NO_DOSE, {"feed": feed[2:]}, np.array([0.0, 5.0]), rtol=1e-9)
    np.testing.assert_array_equal(alone.states[0, 0], got.states[0, 0, 2:])


def test_a_scope_renames_what_an_entry_says_of_its_parameters() -> None:
    part = library.load("ketasim_reference").scoped("body")
    assert set(part.numbers) == set(part.mechanism.params) and all(name.startswith("body.") for name in part.numbers)
    assert {name for effect in part.info["between_study"] for name in effect.on} <= set(part.numbers)
    stored = part.info["posterior"]
    assert stored and all(name in part.numbers for name in stored if name.startswith("body."))
    assert len(part.info["between_study"]) > 0 and any(name.startswith("body.") for name in stored)
    model = assemble(part)
    assert {e.compartment for by in model.routes.values() for es in by.values() for e in es} <= set(model.states)
