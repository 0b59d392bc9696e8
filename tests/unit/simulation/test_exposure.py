"""Exposure is that of the solution: closed forms, whatever the output times, streamed or not."""

from __future__ import annotations

import numpy as np
import pytest

import ketasim
from ketasim.dose import parse
from ketasim.results import exposure_rows
from ketasim.simulation._exposure import ExposureGrid, last_interval


def curves(grid: ExposureGrid, curve: object) -> np.ndarray:
    return np.asarray(curve, float)[:, None, None]


def test_peak_area_and_half_life_of_absorption_are_those_of_the_closed_form() -> None:
    grid, ka, k = ExposureGrid(parse("50 mg esketamine oral"), 24.0), 2.0, 0.3
    peak = np.log(ka / k) / (ka - k)
    found = grid.read(curves(grid, np.exp(-k * grid.times) - np.exp(-ka * grid.times)))[:, 0, 0]
    area = (1 - np.exp(-24 * k)) / k - (1 - np.exp(-24 * ka)) / ka
    expected = [np.exp(-k * peak) - np.exp(-ka * peak), peak, area, np.log(2) / k]
    # 1e-3: the cubic between times 5 min apart; a peak is flat, so that its time is known less well than its height.
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_a_repeated_bolus_has_the_area_trough_and_accumulation_of_the_closed_form() -> None:
    k, tau, n = 0.1, 12.0, 8
    grid = ExposureGrid(parse("10 mg esketamine iv, every 12 h x 8 dose"), 90.0)  # ends within the last interval
    assert grid.interval is not None and (grid.interval.start, grid.interval.length, grid.interval.first) == (84.0, 12.0, 0.0)
    given = [(grid.times > tau * i) | ((grid.times == tau * i) & (grid.at_record == -2)) for i in range(n)]
    curve = sum(np.where(there, np.exp(-k * np.maximum(grid.times - tau * i, 0.0)), 0.0) for i, there in enumerate(given))
    found = dict(zip(grid.parameters, grid.read(curves(grid, curve))[:, 0, 0], strict=True))
    last = sum(np.exp(-k * tau * i) for i in range(n))  # just after the last dose
    one = (1 - np.exp(-k * tau)) / k
    # 1e-6: cubics of an exponential over an hour. The peak is the value after the last dose, exactly.
    np.testing.assert_allclose([found["CMAX"], found["TMAX"]], [last, 0.0], rtol=1e-12, atol=1e-12)
    expected = [last * one, last * np.exp(-k * tau), last]
    np.testing.assert_allclose([found[p] for p in ("AUCTAU", "CTROUGH", "ARAUC")], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("regimen", "end", "expected"),
    [
        ("esketamine nasal 56 mg", 24.0, None),
        ("esketamine nasal 56 mg, 2/week x 4 week", 700.0, (504.0, 168.0, 0.0)),
        ("esketamine nasal 56 mg, 2/week x 4 week", 505.0, (336.0, 168.0, 0.0)),  # the last week is not whole
        ("esketamine nasal 28 mg, daily x 3 dose then esketamine nasal 56 mg, daily x 3 dose", 200.0, (120.0, 24.0, None)),
    ],
)
def test_the_last_dosing_interval_is_what_the_regimen_repeats(
    regimen: str, end: float, expected: tuple[float, float, float | None] | None
) -> None:
    found = last_interval(parse(regimen), end)
    assert (found and (found.start, found.length, found.first)) == expected


def test_output_times_change_no_exposure_and_streams_have_the_same() -> None:
    options = {"model": "otto2021", "dosing": "28 mg esketamine iv over 40 min", "n": 41, "seed": 3, "until": 24.0}
    plain = exposure_rows(ketasim.simulate(**options))
    coarse = exposure_rows(ketasim.simulate(**{**options, "until": None}, times=[0.0, 5.0, 24.0]))
    streamed = exposure_rows(ketasim.simulate(**options, stream=True, chunk=7))
    for one, other, counted in zip(plain, coarse, streamed, strict=True):
        for name in ("cmax", "cmax_low", "cmax_high", "tmax", "auc", "auc_low", "half_life"):
            # 1e-9: rounding. 0.02: between two of 41 patients a stream may stand at either; a bin is 0.2 % wide.
            assert other[name] == pytest.approx(one[name], rel=1e-9)
            assert counted[name] == pytest.approx(one[name], rel=0.02)


def test_at_the_start_a_bolus_is_at_its_peak_and_there_is_no_area() -> None:
    grid = ExposureGrid(parse("10 mg esketamine iv"), 0.0)
    found = dict(zip(grid.parameters, grid.read(curves(grid, np.full(len(grid.times), 3.0)))[:, 0, 0], strict=True))
    assert (found["CMAX"], found["TMAX"]) == (3.0, 0.0) and np.isnan(found["AUCLST"]) and np.isnan(found["LAMZHL"])


def test_residual_error_is_of_readings_and_changes_no_exposure() -> None:
    runs = [
        ketasim.simulate("pk/otto2021", "esketamine iv 20 mg over 40 min", population="adults", n=3, until=6.0, residual=on)
        for on in (False, True)
    ]
    exact, read = (run["plasma"].to_dataset() for run in runs)
    assert not np.allclose(exact.to_array(), read.to_array(), equal_nan=True)
    assert runs[0]["exposure"].to_dataset().equals(runs[1]["exposure"].to_dataset())
