"""What records mean, against closed forms: durations that are stated, rates that change, times that rounding moves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ketasim import library
from ketasim.dose import parse, resolve
from ketasim.errors import InvalidData
from ketasim.model import assemble
from ketasim.results import wide_table
from ketasim.simulation import simulate
from ketasim.solve._steady import correction

ONE = {"CL": 1.0, "V": 20.0}
K = 0.05


def amounts(table: dict[str, object], **more: object) -> np.ndarray:
    """Amount in the central compartment of generic/one_cmt at the observation records."""
    parameters = {**ONE, **more.pop("parameters", {})}  # type: ignore[dict-item]
    got = simulate("generic/one_cmt", pd.DataFrame({"ID": 1, "CMT": 2, **table}), parameters=parameters, **more)  # type: ignore[arg-type]
    return wide_table(got)["CENT"].to_numpy()


def infused(t: np.ndarray, rate: float, lasts: float) -> np.ndarray:
    """Amount after an infusion from 0 on, elimination K."""
    return rate / K * (1 - np.exp(-K * np.minimum(t, lasts))) * np.exp(-K * np.maximum(t - lasts, 0.0))


@pytest.mark.parametrize(
    ("columns", "lasts"), [({"TINF": [2.0, 0, 0, 0]}, 2.0), ({"RATE": [50.0, 0, 0, 0]}, 1.0)], ids=["duration", "rate"]
)
def test_availability_lowers_the_rate_of_a_stated_duration_and_shortens_a_stated_rate(
    columns: dict[str, object], lasts: float
) -> None:
    t = np.array([0.0, 1.0, 2.0, 3.0])
    got = amounts({"TIME": t, "AMT": [100.0, 0, 0, 0], **columns}, parameters={"F2": 0.5}, times=t[1:])
    np.testing.assert_allclose(got, infused(t[1:], 50.0 / lasts, lasts), rtol=1e-6)


def test_words_state_a_duration() -> None:
    """100 mg over 2 h enter within 2 h, half of them available or not."""
    t = np.array([1.0, 2.0, 3.0])
    got = simulate("generic/one_cmt", "100 mg iv over 2 h", parameters={**ONE, "F2": 0.5}, times=t, states=True)
    np.testing.assert_allclose(got["state"]["CENT"].values[0], infused(t, 25.0, 2.0), rtol=1e-6)
    assert resolve(parse("100 mg iv over 2 h"), assemble(library.load("generic/one_cmt")), {}).duration.tolist() == [[2.0]]


@pytest.mark.parametrize("later", [[], [51.4]])
def test_a_dose_at_the_last_time_is_given_whatever_the_last_bit(later: list[float]) -> None:
    """3 times 16.8 h is 50.400000000000006 h, and means 50.4 h."""
    n = len(later)
    table = {"TIME": [0.0, 50.4, *later], "AMT": [100.0, 0, *[0] * n], "II": [16.8, 0, *[0] * n], "ADDL": [3, 0, *[0] * n]}
    want = 100 * sum(np.exp(-K * 16.8 * k) for k in range(4))
    assert amounts(table)[0] == pytest.approx(want, rel=1e-7)


def test_times_that_differ_in_the_last_bit_are_one_record_time() -> None:
    """Neither does the clock run backwards there, nor does a value that moves to it move at once."""
    table = {"TIME": [0.0, 3 * 16.8, 50.4, 60.0], "AMT": [100.0, 0, 0, 0], "CL": [1.0, 1.0, 1.0, 3.0]}
    flat = amounts({**table, "CL": 1.0}, interpolation="linear")
    got = amounts(table, interpolation="linear")
    np.testing.assert_allclose(got[:2], flat[:2], rtol=1e-6)
    assert got[2] == pytest.approx(got[1] * np.exp(-(1.0 + 3.0) / 2 / 20 * 9.6), rel=1e-5)
    assert amounts({"TIME": [0.0, 60.0], "AMT": [100.0, 0]}, times=[3 * 16.8])[0] == pytest.approx(flat[0], rel=1e-6)


MOVING = {"TIME": [0.0, 4.0, 6.0, 8.0, 12.0], "AMT": [100.0, 0, 0, 0, 0], "RATE": [-1, 0, 0, 0, 0], "R2": [10.0, 10, 20, 20, 20]}


def test_a_modelled_rate_acts_continuously_and_a_modelled_duration_belongs_to_its_dose() -> None:
    """100 mg at 10/h to 4 h, at 20/h from there: 7 h (carried back); from 6 h: 8 h (carried forward)."""
    t = np.array([4.0, 6.0, 8.0, 12.0])
    early, late = (np.where(t > a, infused(np.maximum(t - a, 0.0), 20.0, b), 0.0) for a, b in ((4.0, 3.0), (6.0, 2.0)))
    np.testing.assert_allclose(amounts(MOVING), infused(t, 10.0, 4.0) + early, rtol=1e-6)
    np.testing.assert_allclose(amounts(MOVING, interpolation="locf"), infused(t, 10.0, 6.0) + late, rtol=1e-6)
    lasting = {k: v for k, v in MOVING.items() if k != "R2"} | {"RATE": [-2, 0, 0, 0, 0], "D2": [5.0, 5, 1, 1, 1]}
    np.testing.assert_allclose(amounts(lasting), infused(t, 20.0, 5.0), rtol=1e-6)


def test_rates_that_change_differ_between_subjects_and_repeat() -> None:
    """As each subject alone; an additional dose takes the rate of its own time."""
    rows = {
        "TIME": [0.0, 4.0, 6.0, 30.0],
        "AMT": [100.0, 0, 0, 0],
        "RATE": [-1, 0, 0, 0],
        "II": [5.0, 0, 0, 0],
        "ADDL": [1, 0, 0, 0],
    }
    one, two = ({**rows, "R2": [50.0, 50.0, rate, 40.0]} for rate in (20.0, 100.0))
    alone = [amounts(table) for table in (one, two)]
    both = pd.concat([pd.DataFrame({"ID": i, "CMT": 2, **table}) for i, table in ((1, one), (2, two))])
    got = wide_table(simulate("generic/one_cmt", both, parameters=ONE))["CENT"].to_numpy()
    np.testing.assert_allclose(got, np.concatenate(alone), rtol=1e-9)
    # The second dose: 20/h from 5 to 6 h, and 40/h from there until 100 have entered.
    t = 30.0
    want = infused(np.array(t), 50.0, 2.0) + infused(np.array(t - 5.0), 20.0, 1.0) + infused(np.array(t - 6.0), 40.0, 2.0)
    assert alone[0][-1] == pytest.approx(float(want), rel=1e-6)


def test_a_rate_that_becomes_nothing_is_refused() -> None:
    with pytest.raises(InvalidData, match="becomes 0 while the infusion runs"):
        amounts({**MOVING, "R2": [10.0, 10, 0, 0, 0]})


STEADY = {"TIME": [0.0, 1.0], "AMT": [100.0, 0], "SS": [1, 0], "II": [12.0, 0]}


@pytest.mark.parametrize("rate", [0.0, 20.0])
def test_what_an_interval_keeps_does_not_hinder_its_steady_state(rate: float) -> None:
    """Nothing goes to the periphery: the steady state is that of one compartment; saturable or not, periodic or constant."""
    table = pd.DataFrame({"ID": 1, "CMT": 2, **STEADY, "RATE": [rate, 0]})
    for vmax in (0.0, 4.0):
        shared = {**ONE, "VMAX": vmax, "KM": 2.0}
        want = wide_table(simulate("generic/one_cmt", table, parameters=shared))["CENT"].to_numpy()
        got = wide_table(simulate("generic/two_cmt", table, parameters={**shared, "Q": 0.0}))
        np.testing.assert_allclose(got["CENT"], want, rtol=1e-6)
        assert got["PERI"].tolist() == [0.0]


def test_totals_of_states_that_only_exchange_stay_at_steady_state() -> None:
    """Newton's step leaves a conserved total and an idle state alone, and still finds the rest."""
    move = np.array([[0.6, 0.3, 0.0, 0.0], [0.4, 0.7, 0.0, 0.0], [0.0, 0.0, 0.5, 0.0], [0.0, 0.0, 0.0, 1.0]])
    x, given = np.array([1.0, 2.0, 0.0, 7.0]), np.array([0.0, 0.0, 1.0, 0.0])
    x = x + correction(np.eye(4) - move, move @ x + given - x)
    np.testing.assert_allclose(x, [9 / 7, 12 / 7, 2.0, 7.0], rtol=1e-12)


def test_many_overlapping_infusions_at_steady_state() -> None:
    """100 an hour, each over 100,000 h, are a constant input; over 250.5 h, as many as overlap at a time."""
    long = amounts({**STEADY, "II": [1.0, 0], "RATE": [0.001, 0]})
    np.testing.assert_allclose(long, 100.0 / K, rtol=1e-6)
    end = 400.0
    table = {"TIME": [0.0, end], "AMT": [100.0, 0], "SS": [1, 0], "II": [1.0, 0], "RATE": [100.0 / 250.5, 0]}
    doses = np.arange(0, 1200)  # those that began so many hours before; the first of them has left no trace
    want = sum(infused(np.array(end + k), 100.0 / 250.5, 250.5) for k in doses)
    assert amounts(table)[0] == pytest.approx(float(want), rel=1e-6)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"SS": [1, 0], "II": [1e-12, 0]}, "II = 1e-12 h is too short"),
        ({"SS": [1, 0], "II": [1e9, 0]}, "II = 1e.09 h is too long for a steady state"),
        ({"ADDL": [10**9, 0], "II": [1e-9, 0]}, "II = 1e-09 h is too short"),
        (
            {"ADDL": [10**5, 0], "II": [0.01, 0]},
            "about 50,001 doses, with ADDL 100000 and II 0.01 h, before the last output time, 500 h",
        ),
    ],
)
def test_work_without_end_is_refused(columns: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidData, match=message):
        amounts({"TIME": [0.0, 500.0], "AMT": [100.0, 0], **columns})
