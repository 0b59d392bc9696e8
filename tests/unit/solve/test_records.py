"""What records mean, against closed forms: durations that are stated, rates that change, times that rounding moves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ketasim import library
from ketasim.dose import parse, resolve
from ketasim.model import assemble
from ketasim.results import wide_table
from ketasim.simulation import simulate

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
