"""Single precision: what rounding costs, who is solved in double precision all the same, and that bits depend on nobody else."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.solve.test_cascade import CENTRAL, DEPOT, Chain, Kinetics, T, linked, part, population
from tests.unit.solve.test_engine import parameters, template

from ketasim.errors import InvalidOption
from ketasim.model import Model, assemble
from ketasim.solve import Solution, solve, solver_of
from ketasim.solve._numba import kernel_for

#: Largest error of single precision, relative to a value and 1e-3 of its peak: some fifty roundings.
ROUNDING = 3e-6
DOSES = [{"amt": 200, "rate": -2, "cmt": DEPOT, "ii": 24, "addl": 2}, {"amt": 80, "rate": 60, "cmt": CENTRAL, "time": 30.0}]


@pytest.fixture(scope="module")
def chain() -> Model:
    """Linear kinetics before a cascade."""
    return assemble(part(Kinetics()), part(Chain()))


@pytest.fixture(scope="module")
def feedback() -> Model:
    """Kinetics before two states that read each other: implicit steps."""
    return linked(lambda x, C, p: {"a": C / (1 + C) - p["kin"] * x["a"] - x["b"], "b": x["a"] - p["kmid"] * x["b"]})


def off(single: Solution, double: Solution) -> float:
    """Largest difference of states and ports, relative to the value and 1e-3 of its peak."""
    worst = 0.0
    for got, want in ((single.states, double.states), (single.ports, double.ports)):
        assert got.dtype == np.float32 and want.dtype == np.float64
        floor = 1e-3 * np.abs(want).max(axis=0) + 1e-30
        worst = max(worst, float(np.max(np.abs(got - want) / (np.abs(want) + floor))))
    return worst


def test_a_cascade_differs_by_rounding(chain: Model) -> None:
    events, params = template(DOSES, 40), population(chain, 40, spread=0.5)
    double = solve(chain, events, params, T, rtol=1e-5)
    single = solve(chain, events, params, T, precision="single")
    assert kernel_for(chain, single=True).single is not None and not single.status.any()
    assert off(single, double) < ROUNDING


@pytest.mark.parametrize("doses", ["plain", "steady", "reset"])
def test_a_linear_model_differs_by_rounding(doses: str) -> None:
    model = assemble(part(Kinetics()))
    rows = {
        "plain": [{"amt": 100, "cmt": 0, "ii": 7.3, "addl": 5}],
        "steady": [{"amt": 100, "cmt": 1, "rate": 11.0, "ii": 6.0, "ss": 1, "addl": 3}, {"amt": 40, "cmt": 0, "time": 20.1}],
        "reset": [{"amt": 100, "cmt": 1}, {"evid": 4, "amt": 70, "rate": -2, "cmt": 0, "time": 13.0}],
    }[doses]
    params = parameters(model, 21, ALAG1=np.linspace(0.0, 1.7, 21), CL=np.geomspace(10.0, 300.0, 21))
    times = np.linspace(0.0, 60.0, 241)
    double, single = (solve(model, template(rows, 21), params, times, precision=p) for p in ("double", "single"))
    assert kernel_for(model).linear and not single.status.any()
    assert off(single, double) < ROUNDING


def test_slow_rates_do_not_drown_over_months(chain: Model) -> None:
    """Thousands of steps of a state that moves by a millionth in each: rounding must not add up."""
    days = np.arange(0.0, 24 * 120, 1.0)
    params = parameters(chain, 2, kslow=[1e-5, 1e-4])
    events = template([{"amt": 200, "rate": -2, "cmt": DEPOT, "ii": 24, "addl": 119}], 2)
    double = solve(chain, events, params, days, rtol=1e-5)
    single = solve(chain, events, params, days, precision="single")
    assert off(single, double) < 30 * ROUNDING


def test_implicit_steps_stay_in_double_precision(feedback: Model) -> None:
    events, params = template([{"amt": 150.0, "rate": 100.0, "cmt": CENTRAL}], 9), population(feedback, 9)
    double = solve(feedback, events, params, T, rtol=1e-5)
    single = solve(feedback, events, params, T, precision="single")
    assert kernel_for(feedback, single=True).single is None
    assert np.array_equal(single.states, double.states.astype(np.float32))
    assert solver_of(feedback, "single").endswith("in double precision, kept in single")


def test_who_single_precision_does_not_suit_is_solved_in_double_precision(chain: Model) -> None:
    """A patient a hundred times as fast as planned for misses the tolerance at first."""
    params, events = parameters(chain, 3, kin=[4.0, 400.0, 4.0]), template(DOSES, 3)
    single, exact = solve(chain, events, params, T, precision="single"), solve(chain, events, params, T, rtol=1e-10)
    assert not single.status.any() and single.error.max() <= 1e-6
    assert off(single, exact) < 3 * ROUNDING


def test_what_is_too_large_to_be_kept_is_a_status_and_harms_nobody() -> None:
    """A concentration of 1e40 is a number in double precision only."""
    model = assemble(part(Kinetics()))
    events = template([{"amt": 1e30, "cmt": CENTRAL}], 3)
    params = parameters(model, 3, V=[100.0, 1e-10, 100.0], CL=[80.0, 1e-20, 80.0])
    single, double = (solve(model, events, params, T[:4], ports=(), precision=p) for p in ("single", "double"))
    assert single.status.tolist() == [0, 1, 0] and double.status.tolist() == [0, 0, 0]
    assert np.isnan(single.states[:, :, 1]).all()
    np.testing.assert_allclose(single.states[:, :, [0, 2]], double.states[:, :, [0, 2]], rtol=ROUNDING)


def test_bits_do_not_depend_on_neighbours_order_chunks_or_threads(chain: Model) -> None:
    n = 211
    params = population(chain, n, spread=0.6)
    events = template(DOSES, n)
    whole = solve(chain, events, params, T, precision="single")
    order = np.random.default_rng(4).permutation(n)
    shuffled = solve(chain, events.take(order), {k: v[order] for k, v in params.items()}, T, threads=2, precision="single")
    assert np.array_equal(shuffled.states, whole.states[:, :, order])
    assert np.array_equal(shuffled.ports, whole.ports[:, :, order])
    few = np.array([17, 18, 150])
    some = solve(chain, events.take(few), {k: v[few] for k, v in params.items()}, T, precision="single")
    assert np.array_equal(some.states, whole.states[:, :, few])


def test_bits_do_not_depend_on_whether_neighbours_share_their_times(chain: Model) -> None:
    n = 16
    params = parameters(chain, n, CL=np.linspace(60.0, 100.0, n))
    events = template([{"amt": 200, "cmt": DEPOT, "ii": 24, "addl": 2}], n)
    together = solve(chain, events, params, T, precision="single").states
    params["ALAG1"][5] = 0.7
    apart = solve(chain, events, params, T, precision="single").states
    others = np.arange(n) != 5
    assert np.array_equal(together[:, :, others], apart[:, :, others])


def test_values_that_move_between_records(chain: Model) -> None:
    rows = [{"amt": 100, "cmt": CENTRAL}, {"evid": 2, "time": 24.0}, {"evid": 2, "time": 48.0}]
    events = template(rows, 3)
    events.overrides["CL"] = np.array([[60.0, 80.0, 90.0], [90.0, 70.0, 50.0], [60.0, 65.0, 70.0]])
    for interpolation in ("nocb", "locf", "linear"):
        double = solve(chain, events, parameters(chain, 3), T, rtol=1e-5, interpolation=interpolation)
        single = solve(chain, events, parameters(chain, 3), T, interpolation=interpolation, precision="single")
        assert off(single, double) < ROUNDING


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "half"}, "precision = 'half' is not known. Use one of: double, single."),
        ({"precision": "single", "rtol": 1e-6}, "cannot be held in single precision. Use 1e-05 or more, or double precision."),
        ({"precision": "single", "rtol": 1.0}, "outside"),
    ],
)
def test_what_cannot_be_held_is_refused(chain: Model, options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        solve(chain, template(DOSES), parameters(chain), T, **options)  # type: ignore[arg-type]
