"""What goes wrong in a model is seen: states that run away, outputs that are no numbers or leave their range."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import ketasim
from ketasim.errors import OutOfRange, UnitMismatch
from ketasim.model import Entrance, Inlet, Number, Param, Part, Port, State, Structure, Variability, assemble
from ketasim.model import Model as KetasimModel

INF = float("inf")


class Own(Structure):
    """Growth by the square of the amount: infinite at 1 / (k dose)."""

    params = {"k": Param("1/umol/h")}
    states = {"central": State("umol")}
    writes = {"C": Port("umol/L", analyte="s_ketamine", site="venous", bounds=(0.0, INF))}
    routes = {"iv": {"s_ketamine": (Entrance("central"),)}}

    def rates(self, t, x, u, p):
        return {"central": p["k"] * x["central"] ** 2}

    def outputs(self, t, x, u, p):
        return {"C": x["central"]}


class Lost(Own):
    """Loss at a constant rate, below nothing; and an output that divides by it."""

    writes = {**Own.writes, "ratio": Port("1")}

    def rates(self, t, x, u, p):
        return {"central": -p["k"] + 0 * x["central"]}

    def outputs(self, t, x, u, p):
        return {"C": x["central"], "ratio": 1 / x["central"]}


def model_of(kind: type[Structure], value: float, cv: float = 0.0) -> KetasimModel:
    iiv = Variability(float(np.log1p(cv**2)), "lognormal") if cv else None
    return assemble(Part(kind(), {"k": Number(value, kind.params["k"].unit, kind="assumed", note="invented", iiv=iiv)}, id="own"))


@pytest.mark.filterwarnings("ignore::ketasim.errors.FailedPatients")
@pytest.mark.parametrize("times", [[0, 0.05, 0.1, 0.15], [0, 0.05, 0.1, 0.19, 0.3, 5]])
def test_states_that_run_away_are_no_numbers_and_spoil_nobody_else(times: list[float]) -> None:
    result = ketasim.simulate(model_of(Own, 1.0, 0.8), "5 umol esketamine iv bolus", n=8, times=times, states=True)
    k, got = result["subject"]["k"].values, result["state"]["central"].values
    lives = max(times) < 1 / (5 * k)
    assert 0 < lives.sum() < 8 or max(times) == 5
    np.testing.assert_array_equal(result["subject"]["status"].values != 0, ~lives)
    assert np.isnan(got[~lives]).all()
    np.testing.assert_allclose(got[lives], (5 / (1 - 5 * k[:, None] * np.array(times)))[lives], rtol=2e-6)


def test_outputs_out_of_range_or_no_numbers_are_named() -> None:
    with pytest.warns(OutOfRange) as seen:
        ketasim.simulate(model_of(Lost, 4.0), "5 umol esketamine iv bolus", times=[0, 1, 2], states=True)
    text = " ".join(str(w.message) for w in seen)
    assert "output 'C' of own@1 falls below 0 umol/L" in text
    with pytest.warns(OutOfRange, match="'ratio' of own@1 is no finite number"):
        ketasim.simulate(model_of(Lost, 5.0), "5 umol esketamine iv bolus", times=[0, 1], states=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", OutOfRange)
        ketasim.simulate(dosing="esketamine nasal 56 mg", n=5)


def _rate(factor: float) -> KetasimModel:
    class Decay(Structure):
        params = {"k": Param("1/h")}
        states = {"central": State("umol")}
        writes = {"C": Port("umol/L", analyte="s_ketamine", site="venous")}
        routes = {"iv": {"s_ketamine": (Entrance("central"),)}}

        def rates(self, t, x, u, p):
            return {"central": -factor * p["k"] * x["central"]}

        def outputs(self, t, x, u, p):
            return {"C": x["central"]}

    return assemble(Part(Decay(), {"k": Number(1.0, "1/h", kind="assumed", note="invented")}, id="own"))


def test_models_that_differ_only_in_what_their_equations_call_are_told_apart() -> None:
    """Compiled models are found again by their equations, not by where these stand or by the address of the model."""
    for factor in (1.0, 2.0):
        result = ketasim.simulate(_rate(factor), "5 umol esketamine iv bolus", times=[0.0, 1.0], states=True)
        np.testing.assert_allclose(result["state"]["central"].values[0, 1], 5 * np.exp(-factor), rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unit": "umol/L"}, "is in umol/L, and Units declares nmol/L"),
        ({"unit": "banana"}, "not a unit"),
        ({"extra": 1}, "a number for 'extra', which is no parameter"),
        ({"param": "nmol/min"}, "equations run in hours"),
        ({"initial": True}, "declare both in one unit"),
        ({"lag": True}, "lag of 'central' in Units is 'Ki'"),
    ],
)
def test_units_of_own_models_are_checked(change: dict[str, object], message: str) -> None:
    kind = str(change.get("param", "nmol/L"))

    class Units(Structure):
        params = {"Ki": Param(kind)}
        states = {"central": State("umol/L", initial="Ki" if change.get("initial") else 0.0)}
        writes = {"C": Port("umol/L", analyte="s_ketamine", site="venous")}

        def rates(self, t, x, u, p):
            return {"central": -x["central"]}

        def outputs(self, t, x, u, p):
            return {"C": x["central"]}

        def inlets(self, p):
            return {"central": Inlet(lag=p["Ki"])} if change.get("lag") else {}

    numbers = {"Ki": Number(1.0, str(change.get("unit", kind)), kind="assumed", note="invented")}
    numbers |= {"extra": numbers["Ki"]} if "extra" in change else {}
    with pytest.raises((UnitMismatch, ketasim.errors.InvalidParameter), match=message):
        _ = assemble(Part(Units(), numbers, id="own")).system
