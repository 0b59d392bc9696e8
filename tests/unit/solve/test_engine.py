"""The engine: accuracy against closed forms, independence of chunks and neighbours, statuses, event details."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ketasim import library
from ketasim.dose import EventTemplate
from ketasim.errors import InvalidOption
from ketasim.model import Mechanism, Model, Number, Param, Part, State, assemble
from ketasim.results import wide_table
from ketasim.simulation import simulate
from ketasim.solve import STATUS, solve
from ketasim.solve._closed_form import bolus, disposition, first_order, infusion


@pytest.fixture(scope="module")
def two_cmt() -> Model:
    return assemble(library.load("generic/two_cmt"))


def template(rows: list[dict[str, float]], n: int = 1) -> EventTemplate:
    """Event template of plain rows; keys time amt cmt rate duration ii addl ss evid."""

    def column(name: str, default: float = 0.0) -> np.ndarray:
        return np.array([row.get(name, default) for row in rows], float)

    ones = np.ones((1, n))
    return EventTemplate(
        column("time"), column("evid", 1).astype(np.int64), column("cmt", 1).astype(np.int64), column("amt")[:, None] * ones,
        column("rate")[:, None] * ones, column("ii"), column("addl").astype(np.int64), column("ss").astype(np.int64),
        np.arange(1, n + 1), duration=column("duration")[:, None] * ones,
    )  # fmt: skip


def parameters(model: Model, n: int = 1, **values: object) -> dict[str, np.ndarray]:
    return {k: np.broadcast_to(np.asarray(v, float), (n,)).copy() for k, v in {**model.typical(), **values}.items()}


T = np.linspace(0.0, 48.0, 97)


def test_bolus_meets_closed_form(two_cmt: Model) -> None:
    A, rate = disposition(5.0, 30.0, (4.0,), (60.0,))
    got = solve(two_cmt, template([{"amt": 100}]), parameters(two_cmt), T, rtol=1e-8).ports[:, 0, 0]
    np.testing.assert_allclose(got, bolus(T, 100.0, A, rate), rtol=1e-8)


def test_infusion_meets_closed_form(two_cmt: Model) -> None:
    A, rate = disposition(5.0, 30.0, (4.0,), (60.0,))
    got = solve(two_cmt, template([{"amt": 100, "rate": 40}]), parameters(two_cmt), T, rtol=1e-8).ports[:, 0, 0]
    np.testing.assert_allclose(got[1:], infusion(T, 100.0, 2.5, A, rate)[1:], rtol=1e-8)


def test_absorption_with_lag_meets_closed_form(two_cmt: Model) -> None:
    A, rate = disposition(5.0, 30.0, (4.0,), (60.0,))
    p = parameters(two_cmt, F1=0.7, ALAG1=0.6)
    got = solve(two_cmt, template([{"amt": 100, "cmt": 0}]), p, T, rtol=1e-8).ports[:, 0, 0]
    want = first_order(T, 100.0, 1.2, A, rate, 0.7, 0.6)
    np.testing.assert_allclose(got[want > 0], want[want > 0], rtol=1e-7)
    assert not got[want == 0].any()


def test_three_compartments_meet_closed_form() -> None:
    model = assemble(library.load("otto2021"))
    p = parameters(model)
    A, rate = disposition(95.2, 133.0, (23.2, 157.0), (187.0, 98.8))
    events = template([{"amt": 100.0, "cmt": model.compartments.index("central"), "rate": 150.0}])
    port = list(model.ports).index("C_venous_s_ketamine")
    got = solve(model, events, p, T, rtol=1e-8).ports[:, port, 0]
    np.testing.assert_allclose(got[1:], infusion(T, 100.0, 100.0 / 150.0, A, rate)[1:], rtol=1e-7)


def test_true_error_stays_below_the_tolerance(two_cmt: Model) -> None:
    n, rng = 64, np.random.default_rng(5)
    p = parameters(
        two_cmt, n, **{k: two_cmt.typical()[k] * np.exp(0.5 * rng.standard_normal(n)) for k in ("CL", "V", "Q", "V2", "KA")}
    )
    events = template([{"amt": 100, "cmt": 0, "addl": 3, "ii": 12}], n)
    exact = solve(two_cmt, events, p, T, rtol=1e-11).ports
    for rtol in (1e-4, 1e-6, 1e-8):
        got = solve(two_cmt, events, p, T, rtol=rtol)
        assert np.max(np.abs(got.ports - exact) / (np.abs(exact) + 1e-9 * exact.max())) < 3 * rtol
        assert not got.status.any()


def test_bits_do_not_depend_on_neighbours_order_or_threads(two_cmt: Model) -> None:
    n, rng = 53, np.random.default_rng(6)
    p = parameters(two_cmt, n, CL=5.0 * np.exp(rng.standard_normal(n)), ALAG1=0.2 * np.exp(rng.standard_normal(n)))
    events = template([{"amt": 100, "cmt": 0, "addl": 2, "ii": 12}], n)
    whole = solve(two_cmt, events, p, T).states
    order = rng.permutation(n)
    shuffled = solve(two_cmt, events.take(order), {k: v[order] for k, v in p.items()}, T, threads=2).states
    assert np.array_equal(shuffled, whole[:, :, order])
    alone = solve(two_cmt, events.take(np.array([17])), {k: v[[17]] for k, v in p.items()}, T).states
    assert np.array_equal(alone[:, :, 0], whole[:, :, 17])


def test_superposition(two_cmt: Model) -> None:
    p = parameters(two_cmt)
    one, other = {"amt": 60, "rate": 20, "time": 1.0}, {"amt": 40, "cmt": 0, "time": 3.0}
    both = solve(two_cmt, template([one, other]), p, T, rtol=1e-9).ports
    apart = solve(two_cmt, template([one]), p, T, rtol=1e-9).ports + solve(two_cmt, template([other]), p, T, rtol=1e-9).ports
    np.testing.assert_allclose(both, apart, rtol=1e-7, atol=1e-12)


def test_reset_stops_infusion_and_keeps_additional_doses(two_cmt: Model) -> None:
    rows = [{"amt": 50, "rate": 5, "addl": 2, "ii": 12}, {"evid": 3, "time": 6.0, "cmt": -1}]
    got = solve(two_cmt, template(rows), parameters(two_cmt), T, rtol=1e-8).states[:, 1, 0]
    assert got[T == 6.0] == 0.0 and got[T == 11.5] == 0.0 and got[T == 13.0] > 0.0


def test_infusion_longer_than_its_interval_at_steady_state(two_cmt: Model) -> None:
    p = parameters(two_cmt)
    steady = solve(two_cmt, template([{"amt": 100, "rate": 4, "ii": 10, "ss": 1, "addl": 6}]), p, T, rtol=1e-9).states
    long = solve(two_cmt, template([{"amt": 100, "rate": 4, "ii": 10, "addl": 80}]), p, T + 700.0, rtol=1e-9).states
    np.testing.assert_allclose(steady, long, rtol=1e-6, atol=1e-9)


def test_saturable_steady_state_and_its_absence(two_cmt: Model) -> None:
    p = parameters(two_cmt, CL=0.05, VMAX=15.0)
    rows = [{"amt": 100, "ii": 12, "ss": 1, "addl": 4}]
    steady = solve(two_cmt, template(rows), p, T, rtol=1e-9)
    np.testing.assert_allclose(steady.states[T == 12.0], steady.states[T == 24.0], rtol=1e-6)
    too_much = solve(two_cmt, template([{"amt": 400, "ii": 12, "ss": 1}]), parameters(two_cmt, CL=0.0, VMAX=15.0), T)
    assert STATUS[int(too_much.status[0])].startswith("no steady state")
    assert np.isnan(too_much.states).all()


def test_a_bad_patient_is_a_status_and_harms_nobody(two_cmt: Model) -> None:
    p = parameters(two_cmt, 3, V=[30.0, np.nan, 40.0])
    got = solve(two_cmt, template([{"amt": 100}], 3), p, T)
    assert got.status.tolist() == [0, 1, 0]
    assert np.isnan(got.states[:, :, 1]).all() and np.isfinite(got.states[:, :, [0, 2]]).all()


class Rising(Mechanism):
    """A state driven by time itself and by a parameter that moves."""

    params = {"slope": Param("1/h")}
    states = {"level": State("1"), "clock": State("h")}

    def rates(self, t, x, u, p):
        return {"level": p["slope"] * t - x["level"] * p["slope"], "clock": 1 + 0 * x["clock"]}


def test_equations_may_use_time() -> None:
    model = assemble(Part(Rising(), {"slope": Number(0.5, "1/h")}, id="rising"))
    t = np.linspace(0, 10, 11)
    empty = EventTemplate(np.zeros(0), *(np.zeros(0, np.int64),) * 2, np.zeros((0, 1)), np.zeros((0, 1)), np.zeros(0),
                          np.zeros(0, np.int64), np.zeros(0, np.int64), np.array([1]))  # fmt: skip
    got = solve(model, empty, {"slope": np.array([0.5])}, t, rtol=1e-9).states[:, :, 0]
    np.testing.assert_allclose(got[:, 1], t, rtol=1e-9)
    np.testing.assert_allclose(got[:, 0], t - 2 * (1 - np.exp(-0.5 * t)), rtol=1e-6, atol=1e-9)


def test_a_reset_empties_the_body_and_does_not_turn_back_the_clock() -> None:
    model = assemble(Part(Rising(), {"slope": Number(0.5, "1/h")}, id="rising"))
    t = np.array([0.0, 5.0, 10.0, 12.0])
    reset = template([{"time": 6.0, "evid": 3}])
    level, clock = solve(model, reset, {"slope": np.array([0.5])}, t, rtol=1e-9).states[:, :, 0].T
    np.testing.assert_allclose(clock, [0.0, 5.0, 4.0, 6.0], rtol=1e-9)  # integrates 1 from the reset on
    since = t[2:] - 6.0  # level' = (t - level)/2 from 0 at 6 h
    np.testing.assert_allclose(level[2:], t[2:] - 2.0 - 4.0 * np.exp(-0.5 * since), rtol=1e-6)


def covariate_table(**values: list[float]) -> pd.DataFrame:
    base = {
        "ID": [1, 1, 1, 1],
        "TIME": [0.0, 10.0, 20.0, 30.0],
        "EVID": [1, 0, 0, 0],
        "AMT": [100.0, 0, 0, 0],
        "CMT": [2, 0, 0, 0],
    }
    return pd.DataFrame({**base, **values})


def test_interpolation_of_values_between_records() -> None:
    table = covariate_table(CL=[1.0, 3.0, 3.0, 9.0])
    fixed = {"Q": 0.0}

    def central(interpolation: str) -> np.ndarray:
        result = simulate("generic/two_cmt", table, parameters=fixed, rtol=1e-9, interpolation=interpolation)
        return wide_table(result)["CENT"].to_numpy()

    # One compartment: CENT = 100 exp(-integral of CL / V), V = 30 L.
    integrals = {"nocb": [30, 60, 150], "locf": [10, 40, 70], "linear": [20, 50, 110]}
    for interpolation, integral in integrals.items():
        np.testing.assert_allclose(
            central(interpolation), 100 * np.exp(-np.array(integral) / 30.0), rtol=1e-7, err_msg=interpolation
        )


@pytest.mark.parametrize(("amount", "clearance"), [(100.0, 3.0), (65536.0, 1.0), (65536.0, 2.0)])
@pytest.mark.parametrize("mode", [1, 2])
def test_values_may_move_from_a_steady_state_on(amount: float, clearance: float, mode: int) -> None:
    """A parameter on the move is no state whose orbit is sought: Newton's matrix would be singular, by luck of rounding or not."""
    table = covariate_table(AMT=[amount, 0, 0, 0], II=[12.0, 0, 0, 0], SS=[mode, 0, 0, 0], CL=[clearance] * 4)
    moving = covariate_table(AMT=[amount, 0, 0, 0], II=[12.0, 0, 0, 0], SS=[mode, 0, 0, 0], CL=[*[clearance] * 3, 9.0])
    constant = wide_table(simulate("generic/two_cmt", table, rtol=1e-9))["CENT"].to_numpy()
    result = simulate("generic/two_cmt", moving, rtol=1e-9, interpolation="linear")
    assert not result["subject"]["status"].any()
    np.testing.assert_allclose(wide_table(result)["CENT"].to_numpy()[:2], constant[:2], rtol=1e-7)


def test_observation_before_a_dose_at_the_same_time_sees_the_value_before() -> None:
    table = pd.DataFrame(
        {"ID": 1, "TIME": [0.0, 12.0, 12.0, 12.0], "EVID": [1, 0, 1, 0], "AMT": [100.0, 0, 100, 0], "CMT": [2, 0, 2, 0]}
    )
    before, after = wide_table(simulate("generic/two_cmt", table, rtol=1e-9))["CENT"]
    assert after - before == pytest.approx(100.0, rel=1e-6)


def test_outputs_use_the_values_of_their_own_record() -> None:
    """Volumes change from record to record: a concentration belongs to the volume beside it."""
    table = covariate_table(V=[10.0, 20.0, 30.0, 40.0])
    for interpolation in ("nocb", "locf", "linear"):
        got = wide_table(simulate("generic/two_cmt", table, interpolation=interpolation))
        np.testing.assert_allclose(got["CENT"] / got["CP"], [20.0, 30.0, 40.0], rtol=1e-12, err_msg=interpolation)
    asked = wide_table(simulate("generic/two_cmt", table, times=[5.0, 10.0, 15.0]))
    np.testing.assert_allclose(asked["CENT"] / asked["CP"], [20.0, 20.0, 30.0], rtol=1e-12)


def test_observations_among_doses_of_one_time_see_those_before_them() -> None:
    for time in (0.0, 7.0):
        table = pd.DataFrame(
            {
                "ID": 1,
                "TIME": time,
                "EVID": [0, 1, 0, 1, 0, 3, 0],
                "AMT": [0, 100.0, 0, 50.0, 0, 0, 0],
                "CMT": [0, 2, 0, 2, 0, 0, 0],
            }
        )
        assert wide_table(simulate("generic/two_cmt", table))["CENT"].tolist() == [0.0, 100.0, 150.0, 0.0]


def test_steady_state_is_as_exact_as_many_doses(two_cmt: Model) -> None:
    """Grids of an empty body are too coarse for a full one, and a slow state adds up what each interval misses."""
    p = parameters(two_cmt, ALAG1=3.0)
    steady = solve(two_cmt, template([{"amt": 1, "cmt": 0, "ii": 2, "ss": 1}]), p, np.zeros(1), rtol=1e-10).states
    # Two thousand doses need more steps than a plan has room for at first.
    long = solve(two_cmt, template([{"amt": 1, "cmt": 0, "ii": 2, "addl": 1999}]), p, np.array([4000.0]), rtol=1e-10)
    assert not long.status.any()
    np.testing.assert_allclose(steady, long.states, rtol=1e-8)


def test_options_are_checked(two_cmt: Model) -> None:
    with pytest.raises(InvalidOption, match="rtol"):
        solve(two_cmt, template([{"amt": 1}]), parameters(two_cmt), T, rtol=1.0)
    with pytest.raises(InvalidOption, match="ascending"):
        solve(two_cmt, template([{"amt": 1}]), parameters(two_cmt), T[::-1])


def test_last_output_time_is_never_lost(two_cmt: Model) -> None:
    for end in (110 / 60, 1 / 3, 0.7 + 0.1, 2.3):
        got = solve(two_cmt, template([{"amt": 100, "rate": 150}]), parameters(two_cmt), np.array([0.0, end / 3, end]))
        assert np.isfinite(got.ports).all() and got.ports[-1, 0, 0] > 0
