"""Feed-forward tails: who counts as a cascade, and that quadrature gives what implicit steps of the whole system give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.solve.test_engine import parameters, template

from ketasim.errors import InvalidOption
from ketasim.model import Entrance, Inlet, Mechanism, Model, Number, Param, Part, Port, State, Structure, assemble
from ketasim.model.functions import hill, where_positive
from ketasim.solve import STATUS, Reference, solve
from ketasim.solve._algebra import compile_system
from ketasim.solve._numba import kernel_for

VALUES = {
    "CL": 80.0, "V": 100.0, "ka": 1.2, "ke0": 5.0, "F1": 0.8, "ALAG1": 0.25, "D1": 0.5, "E50": 0.3, "kin": 4.0, "kmid": 0.4, "kslow": 0.02,
    "gain": 0.5,
}  # fmt: skip
T = np.arange(0.0, 97.0, 0.5)
UNITS = {"CL": "L/h", "V": "L", "ALAG1": "h", "D1": "h", "F1": "1", "E50": "umol/L", "gain": "1"}


def declared(*names: str) -> dict[str, Param]:
    return {name: Param(UNITS.get(name, "1/h")) for name in names}


class Kinetics(Structure):
    """Depot with F, lag and duration, one compartment, effect site."""

    params = declared("CL", "V", "ka", "ke0", "F1", "ALAG1", "D1")
    states = {"depot": State("umol"), "central": State("umol"), "Ce": State("umol/L")}
    writes = {"Ceff": Port("umol/L")}
    routes = {"iv": {"s_ketamine": (Entrance("central"),)}, "oral": {"s_ketamine": (Entrance("depot"),)}}

    def inlets(self, p: Any) -> dict[str, Inlet]:
        return {"depot": Inlet(F=p["F1"], lag=p["ALAG1"], duration=p["D1"])}

    def rates(self, t: Any, x: Any, u: Any, p: Any) -> dict[str, Any]:
        C, absorbed = x["central"] / p["V"], p["ka"] * x["depot"]
        return {"depot": -absorbed, "central": absorbed - p["CL"] * C, "Ce": p["ke0"] * (C - x["Ce"])}

    def outputs(self, t: Any, x: Any, u: Any, p: Any) -> dict[str, Any]:
        return {"Ceff": x["Ce"]}


class Chain(Mechanism):
    """Receptor, a fast, a middle and a slow state, each reading those before; a level that nothing takes away."""

    params = declared("E50", "kin", "kmid", "kslow", "gain")
    states = {k: State("1", initial=1.0) for k in ("fast", "middle", "slow")} | {"total": State("h")}
    reads = {"Ceff": Port("umol/L")}
    writes = {"effect": Port("1")}

    def rates(self, t: Any, x: Any, u: Any, p: Any) -> dict[str, Any]:
        return {
            "fast": p["kin"] * (1 + p["gain"] * hill(u["Ceff"], p["E50"], 2) - x["fast"]),
            "middle": p["kmid"] * (x["fast"] ** 2 / (0.5 + x["fast"] ** 2) - x["middle"]),
            "slow": p["kslow"] * (x["middle"] * x["fast"] - x["slow"]),
            "total": x["slow"] * x["middle"],
        }

    def outputs(self, t: Any, x: Any, u: Any, p: Any) -> dict[str, Any]:
        return {"effect": x["slow"] * x["middle"] + u["Ceff"]}


class Link(Mechanism):
    """Two states after the effect site; what they read of each other and of themselves is for each test to say."""

    params = declared("kin", "kmid")
    states = {"a": State("1"), "b": State("1")}
    reads = {"Ceff": Port("umol/L")}


def part(mechanism: Mechanism) -> Part:
    return Part(mechanism, {k: Number(VALUES[k], q.unit) for k, q in mechanism.params.items()}, id=mechanism.name())


@pytest.fixture(scope="module")
def chain() -> Model:
    return assemble(part(Kinetics()), part(Chain()), id="test_chain")


def population(model: Model, n: int, seed: int = 3, spread: float = 0.3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {k: v * np.exp(spread * rng.standard_normal(n)) for k, v in model.typical().items()}


def relative(got: np.ndarray, exact: np.ndarray) -> float:
    """Largest relative error, below 1e-6 of a quantity's peak relative to that."""
    return float(np.max(np.abs(got - exact) / (np.abs(exact) + 1e-6 * np.abs(exact).max(axis=(0, 2), keepdims=True) + 1e-300)))


def agree(model: Model, rows: list[dict[str, float]], params: dict[str, np.ndarray], times: np.ndarray, **options: Any) -> None:
    """Cascade and implicit steps, both at a tight tolerance, and the cascade at looser ones against that."""
    n = len(next(iter(params.values())))
    events = template(rows, n)
    exact = solve(model, events, params, times, rtol=1e-10, method="rodas5p", **options)
    assert not exact.status.any()
    for rtol in (1e-4, 1e-6, 1e-9):
        got = solve(model, events, params, times, rtol=rtol, **options)
        assert not got.status.any()
        for mine, other in ((got.states, exact.states), (got.ports, exact.ports)):
            assert relative(mine, other) < 10 * rtol


# -- who is a cascade -----------------------------------------------------------------------------------------------------
def linked(rates: Any) -> Model:
    kind = type("Link", (Link,), {"rates": lambda self, t, x, u, p: rates(x, u["Ceff"], p)})
    return assemble(part(Kinetics()), part(kind()), id="test_link")


def levels(rates: Any) -> tuple[tuple[int, ...], ...]:
    return compile_system(linked(rates).system, ()).cascade


def test_levels_follow_who_reads_whom(chain: Model) -> None:
    program = compile_system(chain.system, ())
    names = [[program.states[i].split(".")[-1] for i in level] for level in program.cascade]
    assert names == [["fast"], ["middle"], ["slow"], ["total"]]
    assert kernel_for(chain).cascade and not kernel_for(chain, method="rodas5p").cascade


def test_states_that_do_not_read_each_other_share_a_level() -> None:
    both = levels(lambda x, C, p: {"a": C / (1 + C) - p["kin"] * x["a"], "b": C**2 - p["kmid"] * x["b"]})
    assert [len(level) for level in both] == [2]


@pytest.mark.parametrize(
    "rates",
    [
        pytest.param(lambda x, C, p: {"a": C / (1 + C) - p["kin"] * x["b"], "b": x["a"] ** 2 - x["b"]}, id="feedback"),
        pytest.param(lambda x, C, p: {"a": C - p["kin"] * x["a"] ** 2, "b": x["a"] - x["b"]}, id="own nonlinearity"),
        pytest.param(lambda x, C, p: {"a": C - p["kin"] * x["a"] * C, "b": x["a"] - x["b"]}, id="loss that moves"),
        pytest.param(
            lambda x, C, p: {"a": where_positive(C - 0.1, C, 0.0) - p["kin"] * x["a"], "b": x["a"] - x["b"]}, id="switch"
        ),
    ],
)
def test_other_tails_take_implicit_steps(rates: Any) -> None:
    assert levels(rates) == ()


def test_unknown_method_is_refused(chain: Model) -> None:
    with pytest.raises(InvalidOption, match=r"method = 'magic'.*auto, rodas4, rodas5p"):
        solve(chain, template([{"amt": 1}]), parameters(chain), T, method="magic")


# -- same numbers as implicit steps ---------------------------------------------------------------------------------------
CENTRAL, DEPOT = 1, 0
SCENARIOS = {
    "infusions": [{"amt": 150, "rate": 225, "cmt": CENTRAL, "ii": 24, "addl": 3}],
    "boluses at odd times": [{"amt": 150, "cmt": CENTRAL, "time": 0.317}, {"amt": 80, "cmt": CENTRAL, "time": 41.234567}],
    "lag and F of each patient": [{"amt": 200, "cmt": DEPOT, "ii": 24, "addl": 2}],
    "modelled duration": [{"amt": 200, "rate": -2, "cmt": DEPOT, "ii": 12, "addl": 4}],
    "reset within an infusion": [{"amt": 150, "rate": 10, "cmt": CENTRAL}, {"time": 6.5, "evid": 3}, {"amt": 50, "cmt": CENTRAL, "time": 30}],
    "doses at one time": [{"amt": 150, "cmt": CENTRAL, "time": 8}, {"amt": 100, "cmt": DEPOT, "time": 8}],
    "dose into a state of the tail": [{"amt": 0.5, "cmt": 3, "time": 5}, {"amt": 1.0, "rate": 0.2, "cmt": 4, "time": 7}],
    "nothing": [{"amt": 0, "cmt": CENTRAL}],
}  # fmt: skip


@pytest.mark.parametrize("rows", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_agrees_with_implicit_steps(chain: Model, rows: list[dict[str, float]]) -> None:
    agree(chain, rows, population(chain, 11), T)


def test_agrees_at_irregular_times(chain: Model) -> None:
    rng = np.random.default_rng(8)
    times = np.unique(np.concatenate([[0.0, 2.0 / 3.0, 2.0 / 3.0 + 1e-9], rng.uniform(0, 200.0, 60), [500.0]]))
    agree(chain, SCENARIOS["infusions"], population(chain, 5), times)


def test_values_before_a_dose_are_those_before_it(chain: Model) -> None:
    times = np.array([0.0, 24.0, 24.0, 48.0])
    before = np.array([-2, -1, -2, -2])
    rows = [{"amt": 150, "cmt": CENTRAL, "ii": 24, "addl": 1}]
    agree(chain, rows, population(chain, 3), times, at_record=before)
    got = solve(chain, template(rows), parameters(chain), times, at_record=before).states[:, CENTRAL, 0]
    assert got[2] - got[1] == pytest.approx(150.0, rel=1e-9)


def test_segments_longer_than_planned_go_on(chain: Model) -> None:
    """A plan made for lags of minutes serves patients whose lags are hours and days."""
    n = 9
    params = parameters(chain, n, ALAG1=np.linspace(0.0, 60.0, n), D1=np.linspace(0.1, 30.0, n))
    events = template([{"amt": 200, "rate": -2, "cmt": DEPOT}, {"amt": 50, "cmt": CENTRAL, "time": 95.0}], n)
    reference = Reference(events.take(slice(0, 1)), {k: v[:1] for k, v in parameters(chain).items()})
    exact = solve(chain, events, params, T, rtol=1e-10, method="rodas5p")
    for rtol in (1e-4, 1e-7):
        got = solve(chain, events, params, T, rtol=rtol, reference=reference)
        assert not got.status.any()
        assert relative(got.states, exact.states) < 10 * rtol


def test_patients_unlike_the_reference_are_solved_again(chain: Model) -> None:
    """Ten times faster receptors than planned for: the error estimate has to notice."""
    n = 4
    params = parameters(chain, n, kin=[4.0, 40.0, 400.0, 4000.0], ke0=[5.0, 50.0, 0.5, 5.0])
    events = template(SCENARIOS["infusions"], n)
    exact = solve(chain, events, params, T, rtol=1e-10, method="rodas5p").states
    for rtol in (1e-3, 1e-5, 1e-7):
        got = solve(chain, events, params, T, rtol=rtol)
        assert not got.status.any() and np.all(got.error <= rtol)
        assert relative(got.states, exact) < 10 * rtol


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_regimen_agrees(chain: Model, data: st.DataObject) -> None:
    rows = data.draw(
        st.lists(
            st.fixed_dictionaries({
                "time": st.floats(0, 90).map(lambda v: round(v, 3)), "amt": st.floats(1, 300), "cmt": st.sampled_from([DEPOT, CENTRAL]),
                "rate": st.sampled_from([0.0, 20.0, 500.0]), "ii": st.sampled_from([0.0, 7.3, 24.0]), "addl": st.integers(0, 3),
            }), min_size=1, max_size=4,
        )
    )  # fmt: skip
    for row in rows:
        row["addl"] = row["addl"] if row["ii"] else 0
    rows.sort(key=lambda row: row["time"])
    params = population(chain, 8, seed=data.draw(st.integers(0, 100)), spread=0.5)
    events = template(rows, 8)
    exact = solve(chain, events, params, T, rtol=1e-9, method="rodas5p").states
    got = solve(chain, events, params, T, rtol=1e-6)
    assert not got.status.any()
    assert relative(got.states, exact) < 1e-5


def test_parameters_that_move_between_records(chain: Model) -> None:
    """Linear interpolation makes a parameter a state; one that only feeds inputs leaves a cascade a cascade."""
    events = template([{"amt": 150, "cmt": CENTRAL}, {"time": 48.0, "evid": 2}, {"time": 96.0, "evid": 2}])
    events.overrides["E50"] = np.array([[0.2], [0.5], [0.3]])
    assert kernel_for(chain, ("E50",)).cascade
    exact = solve(chain, events, parameters(chain), T, rtol=1e-10, method="rodas5p", interpolation="linear").states
    got = solve(chain, events, parameters(chain), T, rtol=1e-7, interpolation="linear").states
    np.testing.assert_allclose(got, exact, rtol=3e-7, atol=1e-9)


def test_steady_state_is_what_many_doses_lead_to() -> None:
    model = linked(lambda x, C, p: {"a": C / (1 + C) - p["kin"] * x["a"], "b": x["a"] ** 2 - p["kmid"] * x["b"]})
    params, dose = population(model, 5), {"amt": 150.0, "rate": 100.0, "cmt": CENTRAL, "ii": 24.0}
    steady = solve(model, template([{**dose, "ss": 1, "addl": 3}], 5), params, T, rtol=1e-9)
    long = solve(model, template([{**dose, "addl": 30}], 5), params, T + 24.0 * 27, rtol=1e-9)
    assert kernel_for(model).cascade and not steady.status.any()
    np.testing.assert_allclose(steady.states, long.states, rtol=1e-6, atol=1e-12)


def test_what_only_grows_has_no_steady_state(chain: Model) -> None:
    got = solve(chain, template([{"amt": 150, "cmt": CENTRAL, "ii": 24, "ss": 1}]), parameters(chain), T)
    assert STATUS[int(got.status[0])].startswith("no steady state")


# -- same bits ------------------------------------------------------------------------------------------------------------
def test_bits_do_not_depend_on_neighbours_order_chunks_or_threads(chain: Model) -> None:
    n = 211
    params = population(chain, n, spread=0.6)
    rows = [{"amt": 200, "rate": -2, "cmt": DEPOT, "ii": 24, "addl": 2}, {"amt": 80, "cmt": CENTRAL, "time": 30.0}]
    events = template(rows, n)
    whole = solve(chain, events, params, T, rtol=1e-5)
    order = np.random.default_rng(4).permutation(n)
    shuffled = solve(chain, events.take(order), {k: v[order] for k, v in params.items()}, T, rtol=1e-5, threads=2)
    assert np.array_equal(shuffled.states, whole.states[:, :, order])
    assert np.array_equal(shuffled.ports, whole.ports[:, :, order])
    few = np.array([17, 18, 150])
    some = solve(chain, events.take(few), {k: v[few] for k, v in params.items()}, T, rtol=1e-5)
    assert np.array_equal(some.states, whole.states[:, :, few])


def test_bits_do_not_depend_on_whether_neighbours_share_their_times(chain: Model) -> None:
    """Lanes with equal times are written together, others one by one: the numbers are the same."""
    n = 8
    params = parameters(chain, n, CL=np.linspace(60.0, 100.0, n))
    events = template([{"amt": 200, "cmt": DEPOT, "ii": 24, "addl": 2}], n)
    together = solve(chain, events, params, T).states
    params["ALAG1"][5] = 0.7
    apart = solve(chain, events, params, T).states
    others = np.arange(n) != 5
    assert np.array_equal(together[:, :, others], apart[:, :, others])


def test_ports_alone_and_states_alone_are_the_same_numbers(chain: Model) -> None:
    events, params = template(SCENARIOS["infusions"], 3), population(chain, 3)
    both = solve(chain, events, params, T)
    assert np.array_equal(solve(chain, events, params, T, ports=()).states, both.states)
    assert np.array_equal(solve(chain, events, params, T, states=False).ports, both.ports)


def test_a_bad_patient_is_a_status_and_harms_nobody(chain: Model) -> None:
    params = parameters(chain, 3, kin=[4.0, np.nan, 4.0])
    got = solve(chain, template(SCENARIOS["infusions"], 3), params, T)
    assert got.status.tolist() == [0, 1, 0]
    assert np.isnan(got.states[:, :, 1]).all() and np.isfinite(got.states[:, :, [0, 2]]).all()
