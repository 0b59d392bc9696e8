"""Non-compartmental analysis: closed forms, invariances, rules, messages."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from ketasim.errors import CompletedCurve, InvalidData, InvalidOption, LeftOutCurve
from ketasim.nca import analyse, compare_exposure, exposure_summary, nca, nca_table

T = np.concatenate([np.arange(0, 4, 0.25), np.arange(4, 49.0)])


@given(st.floats(0.02, 1.0), st.floats(1.0, 1e3))
def test_monoexponential_bolus(rate: float, c0: float) -> None:
    result = nca(T, c0 * np.exp(-rate * T), dose=100.0, route="bolus", method="lin-up/log-down")
    assert result["LAMZ"] == pytest.approx(rate, rel=1e-6)
    assert result["AUCIFO"] == pytest.approx(c0 / rate, rel=1e-6)
    assert result["CLO"] == pytest.approx(100.0 * rate / c0, rel=1e-6)
    assert result["MRTIVIFO"] == pytest.approx(1 / rate, rel=1e-6)
    assert result["VSSO"] == pytest.approx(100.0 / c0, rel=1e-6)


@given(st.floats(0.01, 100.0))
def test_scaling_concentration_scales_exposure(factor: float) -> None:
    curve = np.exp(-0.1 * T) - np.exp(-1.0 * T)
    one, scaled = nca(T, curve, dose=1.0), nca(T, factor * curve, dose=1.0)
    for name, power in (("AUCLST", 1), ("CMAX", 1), ("CLFO", -1), ("TMAX", 0), ("LAMZ", 0)):
        assert scaled[name] == pytest.approx(one[name] * factor**power, rel=1e-6)


def test_many_curves_equal_one_by_one() -> None:
    rng = np.random.default_rng(0)
    rates = rng.uniform(0.05, 0.5, 20)
    curves = np.exp(-rates[:, None] * T) - np.exp(-3.0 * T)
    together = analyse(T, curves)
    for i, curve in enumerate(curves):
        alone = nca(T, curve)
        for name in ("AUCLST", "LAMZ", "AUCIFO", "LAMZNPT"):
            assert together[name][i] == pytest.approx(alone[name], rel=1e-12)


def test_interval_and_steady_state_clearance() -> None:
    constant = np.full_like(T, 5.0)
    result = nca(T, constant, dose=60.0, tau=12.0)
    assert (
        result["AUCTAU"] == pytest.approx(60.0) and result["CAVG"] == pytest.approx(5.0) and result["CLFO"] == pytest.approx(1.0)
    )


@pytest.mark.parametrize(("method", "area"), [("linear", 33.5), ("lin-up/log-down", 30.7653362)])
def test_dosing_interval_ends_between_samples(method: str, area: float) -> None:
    result = nca([0, 1, 2, 4, 12], [0, 8, 6, 4, 0.5], dose=10.0, tau=8.0, method=method)
    # By hand: 4 + 7 + 10 + 12.5, and 4 + 2/ln(8/6) + 4/ln(6/4) + 8 (4 - sqrt 2)/ln 8.
    assert result["AUCTAU"] == pytest.approx(area, rel=1e-8, abs=0)
    assert result["CLFO"] == pytest.approx(10.0 / result["AUCTAU"], rel=1e-12, abs=0)
    assert not result.notes


def test_dosing_interval_beyond_the_values_is_extrapolated() -> None:
    t = np.arange(0.0, 9.0)
    result = nca(t, 10 * np.exp(-0.3 * t), dose=60.0, tau=12.0, route="bolus", method="lin-up/log-down")
    # The curve is its own terminal phase: exact but for rounding.
    assert result["AUCTAU"] == pytest.approx(10 / 0.3 * (1 - np.exp(-3.6)), rel=1e-9, abs=0)
    assert "CLST and LAMZ" in result.notes[0]


def test_dosing_interval_beyond_the_values_without_a_slope_is_missing() -> None:
    result = nca([0, 1, 2, 4], [0, 2, 4, 6], dose=60.0, tau=12.0)
    assert np.isnan(result["AUCTAU"]) and "CLFO" not in result.parameters and "CAVG" not in result.parameters
    assert "AUCTAU is missing" in result.notes[0]


def test_residence_and_volume_at_steady_state_are_of_a_single_dose() -> None:
    """Two compartments: CL 5 L/h, V1 10 L, Q 8 L/h, V2 40 L; 100 every 12 h as bolus. VSS = V1 + V2, MRT = VSS / CL."""
    k10, k12, k21, tau = 5 / 10, 8 / 10, 8 / 40, 12.0
    fast, slow = np.sort(np.roots([1.0, -(k10 + k12 + k21), k10 * k21]))[::-1]
    t = np.linspace(0.0, tau, 241)
    share = {rate: 10.0 * (k21 - rate) / (other - rate) for rate, other in ((fast, slow), (slow, fast))}
    curve = sum(a * np.exp(-rate * t) / (1 - np.exp(-rate * tau)) for rate, a in share.items())
    result = nca(t, curve, dose=100.0, route="bolus", tau=tau, method="lin-up/log-down")
    # The rest is the logarithmic rule on a curve of two exponentials, 0.05 h apart.
    assert result["VSSO"] == pytest.approx(50.0, rel=2e-4, abs=0)
    assert result["MRTIVIFO"] == pytest.approx(10.0, rel=2e-4, abs=0)
    assert result["CLO"] == pytest.approx(5.0, rel=2e-4, abs=0)


def test_residence_at_steady_state_of_an_infusion() -> None:
    """One compartment, k 0.25 1/h, V 20 L: 100 over 2 h every 8 h. MRT = 1/k, without half of the infusion."""
    k, tau, duration = 0.25, 8.0, 2.0
    rising, falling = np.linspace(0.0, duration, 401), np.linspace(duration, tau, 601)[1:]
    peak = 50 / (20 * k) * (1 - np.exp(-k * duration)) / (1 - np.exp(-k * tau))
    trough = peak * np.exp(-k * (tau - duration))
    first = 50 / (20 * k) * (1 - np.exp(-k * rising)) + trough * np.exp(-k * rising)
    curve = np.concatenate([first, peak * np.exp(-k * (falling - duration))])
    options = {"route": "infusion", "duration": duration, "tau": tau, "method": "lin-up/log-down"}
    result = nca(np.concatenate([rising, falling]), curve, dose=100.0, **options)
    # The linear rule where the curve rises is off by (k dt)^2 / 12.
    assert result["MRTIVIFO"] == pytest.approx(4.0, rel=1e-5, abs=0)
    assert result["VSSO"] == pytest.approx(20.0, rel=1e-5, abs=0)


def test_peak_of_a_bolus_is_measured() -> None:
    t = np.array([0.25, 0.5, 1.0, 2.0, 4.0])
    result = nca(t, 10 * np.exp(-0.4 * t), dose=100.0, route="bolus", method="lin-up/log-down")
    assert result["TMAX"] == 0.25 and result["CMAX"] == pytest.approx(10 * np.exp(-0.1), rel=1e-12, abs=0)
    assert result["C0"] == pytest.approx(10.0, rel=1e-12, abs=0)
    assert result["AUCIFO"] == pytest.approx(25.0, rel=1e-12, abs=0)  # from time zero
    assert result["LAMZNPT"] == 5


def test_single_dose_without_a_value_at_its_time_starts_at_zero() -> None:
    whole = nca([0, 1, 2, 4, 6, 8], [0, 6, 5, 3, 2, 1])
    for time, conc in (([1, 2, 4, 6, 8], [6, 5, 3, 2, 1]), ([-0.5, 1, 2, 4, 6, 8], [0.3, 6, 5, 3, 2, 1])):
        result = nca(time, conc)
        assert result.parameters == pytest.approx(dict(whole.parameters), rel=1e-12, abs=0)
        assert "0 (a single dose)" in result.notes[0]
    assert not whole.notes


def test_steady_state_without_a_value_at_the_dose_starts_at_the_smallest() -> None:
    result = nca([1, 2, 4, 8, 30], [6, 5, 3, 2, 1], tau=8.0)
    assert result["AUCTAU"] == pytest.approx(4 + 5.5 + 8 + 10, rel=1e-12, abs=0)
    assert result["CMAX"] == 6.0 and "smallest value up to tau" in result.notes[0]


@pytest.mark.parametrize("blq", ["zero", "missing"])
def test_a_value_below_the_limit_at_the_dose_counts_as_zero(blq: str) -> None:
    result = nca([0, 1, 2, 4, 6, 8], [0.05, 6, 5, 3, 2, 1], blq=blq, lloq=0.1)
    assert result["AUCLST"] == pytest.approx(3 + 5.5 + 8 + 5 + 3, rel=1e-12, abs=0)
    assert not result.notes


def test_quantification_limit_is_named_and_applied() -> None:
    curve = 10 * np.exp(-0.3 * T)
    result = nca(T, curve, lloq=0.1)
    assert result["TLST"] < 16.0 and "zero" in result.rules["below quantification"]


def test_table_summary_and_comparison() -> None:
    frame = pd.concat([pd.DataFrame({"id": i, "time": T, "conc": (1 + 0.1 * i) * np.exp(-0.1 * T)}) for i in range(6)])
    table = nca_table(frame)
    summary = exposure_summary(table).set_index("parameter")
    assert summary.loc["CMAX", "n"] == 6 and summary.loc["CMAX", "p05"] <= summary.loc["CMAX", "median"]
    half = table.assign(CMAX=table["CMAX"] / 2)
    ratio = compare_exposure(table, half).set_index("parameter").loc["CMAX"]
    assert ratio["ratio"] == pytest.approx(2.0) and ratio["ci90_low"] == pytest.approx(2.0)


def test_equal_values_do_not_vary() -> None:
    table = pd.DataFrame({"subject": range(30), "analyte": "k", "site": "venous", "TMAX": [0.666666667] * 30})
    assert exposure_summary(table)["geometric_cv_percent"].tolist() == [0.0]


@pytest.mark.parametrize(
    ("time", "conc", "options", "error", "message"),
    [
        ([0, 2, 1], [1, 2, 3], {}, InvalidData, "1 h follows 2 h"),
        ([0, 1, 2], [1, -2, 3], {}, InvalidData, "-2 is negative"),
        ([0, 1, 2], [1, 2, 3], {"method": "log"}, InvalidOption, "method = 'log'"),
        ([0], [1], {}, InvalidData, "at least 2 times"),
        ([0, 1, np.inf], [1, 2, 3], {}, InvalidData, "a time is infinite"),
        ([0, np.nan, 2], [1, 2, 3], {}, InvalidData, "a concentration has no time"),
        ([0, 1, 1, 2], [1, 2, 3, 4], {}, InvalidData, "two concentrations at 1 h"),
        ([0, 1, 2], [1, 2, 3], {"route": "infusion"}, InvalidOption, "needs the duration"),
        ([0, 1, 2], [1, 2, 3], {"tau": 0.0}, InvalidOption, "must be above 0"),
    ],
)
def test_messages(time: list[float], conc: list[float], options: dict[str, str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        nca(time, conc, **options)


def _table(*subjects: object, **columns: object) -> pd.DataFrame:
    curves = [pd.DataFrame({"ID": i, "TIME": T, "DV": (j + 1) * np.exp(-0.1 * T), **columns}) for j, i in enumerate(subjects)]
    return pd.concat(curves, ignore_index=True)


def test_summary_has_all_that_was_computed() -> None:
    table = nca_table(_table(1, 2, 3), dose=10.0, tau=12.0)
    assert {"CLFO", "VZFO", "AUCTAU", "CAVG", "LAMZNPT"} <= set(exposure_summary(table)["parameter"])
    assert list(exposure_summary(table, ["CMAX"])["parameter"]) == ["CMAX"]


def test_arms_are_apart() -> None:
    frame = pd.concat([_table(1, 2, arm="a"), _table(1, 2, arm="b").assign(DV=lambda f: 3 * f["DV"])], ignore_index=True)
    table = nca_table(frame)
    assert list(table.columns[:4]) == ["arm", "subject", "analyte", "site"]
    assert dict(zip(table["arm"] + table["subject"].astype(str), table["CMAX"], strict=True)) == {
        "a1": 1,
        "a2": 2,
        "b1": 3,
        "b2": 6,
    }
    assert list(exposure_summary(table, ["CMAX"])["arm"]) == ["a", "b"]


def test_an_empty_arm_is_an_arm_of_its_own() -> None:
    frame = pd.concat([_table(1, arm="a"), _table(1, arm=None)], ignore_index=True)
    assert list(nca_table(frame)["arm"].isna()) == [False, True]


def test_a_patient_who_failed_has_no_exposure() -> None:
    curves = np.stack([np.exp(-0.1 * T), np.full_like(T, np.nan)])[:, :, None]
    plasma = xr.Dataset(
        {"venous": (("subject", "time", "analyte"), curves)}, {"subject": [0, 1], "time": T, "analyte": ["s_ketamine"]}
    )
    table = nca_table(xr.DataTree.from_dict({"/plasma": plasma}), dose=1.0, tau=12.0)
    assert list(np.isnan(table["CMAX"])) == [False, True] and list(table["LAMZNPT"].isna()) == [False, True]
    assert (exposure_summary(table)["n"] == 1).all()


def test_rows_of_a_subject_are_sorted_by_time() -> None:
    frame = _table(1, 2)
    shuffled = frame.sample(frac=1.0, random_state=0)
    pd.testing.assert_frame_equal(nca_table(shuffled).sort_values("subject", ignore_index=True), nca_table(frame))


def test_points_of_the_regression_are_a_whole_number() -> None:
    frame = pd.concat([_table(1), pd.DataFrame({"ID": 2, "TIME": [0.0, 1.0, 2.0], "DV": [0.0, 1.0, 2.0]})], ignore_index=True)
    found = nca_table(frame)["LAMZNPT"]
    assert found.dtype == "Int64" and found[0] >= 3 and found[1] is pd.NA
    assert isinstance(nca(T, np.exp(-0.1 * T))["LAMZNPT"], int)


def test_completed_curves_are_counted() -> None:
    frame = _table(1, 2)
    with pytest.warns(CompletedCurve, match=r"no value at the dose time: 0 .* \(2 of 2 curves\)"):
        nca_table(frame[frame["TIME"] > 0])
    short = frame[(frame["ID"] == 1) | (frame["TIME"] <= 8)]
    with pytest.warns(CompletedCurve, match=r"AUCTAU: .* \(1 of 2 curves\)"):
        nca_table(short, tau=12.0)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"DV": -1.0}, {}, r"subject 2: concentration -1 is negative \(at 28 h"),
        ({"DV": np.inf}, {}, "subject 2: a concentration is infinite"),
        ({"TIME": 27.0}, {}, "subject 2: two concentrations at 27 h"),
        ({"DOSE": 5.0}, {"dose": "Dose"}, "subject 2: 2 different values in column Dose"),
    ],
)
def test_a_bad_subject_does_not_stop_the_table(change: dict[str, float], options: dict[str, str], message: str) -> None:
    frame = _table(1, 2, 3, DOSE=1.0)
    alone = nca_table(frame[frame["ID"] != 2], start=24.0, **options)
    for column, value in change.items():
        frame.loc[(frame["ID"] == 2) & (frame["TIME"] == 28.0), column] = value
    with pytest.warns(LeftOutCurve, match=message):
        table = nca_table(frame, start=24.0, **options)
    assert list(table["CMAX"].isna()) == [False, True, False]
    pd.testing.assert_frame_equal(table[table["subject"] != 2].reset_index(drop=True), alone)
    with pytest.raises(InvalidData, match=message):
        nca_table(frame[frame["ID"] == 2], start=24.0, **options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"dose": "amount"}, InvalidData, "no column 'amount'"),
        ({"end": 20.0}, InvalidOption, "start = 24 h, end = 20 h: the window must end after it begins"),
        ({"start": 60.0}, InvalidData, "none of 2 curves can be analysed. subject 1: .* at least 2 times; got 0"),
    ],
)
def test_messages_of_tables(options: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        nca_table(_table(1, 2, DOSE=1.0), **{"start": 24.0, **options})


def test_a_zero_before_a_bolus_is_not_its_concentration_at_time_zero() -> None:
    t = np.array([0.0, 0.5, 1, 2, 4, 6])
    curve = 10 * np.exp(-0.8 * t)
    options: dict[str, Any] = {"dose": 100.0, "route": "bolus", "method": "lin-up/log-down"}
    whole, drawn = nca(t, curve, **options), nca(t, np.where(t > 0, curve, 0.0), **options)
    assert drawn["CMAX"] == pytest.approx(curve[1], rel=1e-12, abs=0) and "drawn before it" in drawn.notes[0] and not whole.notes
    for name, value in (("C0", 10.0), ("AUCIFO", 12.5), ("CLO", 8.0), ("VSSO", 10.0)):
        assert drawn[name] == pytest.approx(value, rel=1e-9, abs=0) and whole[name] == pytest.approx(value, rel=1e-9, abs=0)
    # At steady state the value before the next bolus is a trough; one that does not rise was drawn after it.
    steady = curve / (1 - np.exp(-0.8 * 6))
    trough = nca(t, np.where(t > 0, steady, steady[-1]), tau=6.0, **options)
    assert trough["C0"] == pytest.approx(steady[0], rel=1e-9, abs=0) and trough["CLO"] == pytest.approx(8.0, rel=1e-9, abs=0)


@pytest.mark.parametrize("value", [0.1, 0.3, 7.7, 1e6, 1e12])
def test_a_flat_curve_has_no_half_life(value: float) -> None:
    result = nca([0, 0.25, 0.57, 1.12, 2.02, 3.82, 5.1], [value] * 7)
    assert np.isnan(result["LAMZ"]) and np.isnan(result["AUCIFO"]) and "LAMZHL" not in result.parameters


def test_a_terminal_fit_that_says_nothing_is_left_out() -> None:
    result = nca([0, 1, 2, 4, 6, 8, 10], [0, 10, 5, 6, 5.5, 6, 5.4])
    assert np.isnan(result["LAMZ"]) and np.isnan(result["AUCIFO"]) and result["R2ADJ"] == pytest.approx(-0.0822, abs=1e-4, rel=0)
    assert "no LAMZ: the last points fall no more than they scatter" in result.notes[0]


def test_doubtful_fits_and_large_tails_are_remarked_on() -> None:
    doubtful = nca([0, 1, 2, 4, 6, 8, 10], [0, 10, 5, 6, 4.5, 5, 4.0])
    assert 0 < doubtful["R2ADJ"] < 0.8 and doubtful["AUCPEO"] > 20
    assert "R2ADJ below 0.8" in doubtful.notes[0] and "more than 20 % of AUCIFO is extrapolated" in doubtful.notes[1]
    assert not nca(T, np.exp(-0.1 * T), route="bolus").notes


def test_the_terminal_phase_of_an_infusion_begins_after_its_end() -> None:
    t = np.array([0, 0.5, 1, 2, 3, 4, 6, 8, 12.0])
    # The peak stands early, then the curve falls slowly while the infusion runs, to 4 h, and faster after it.
    curve = np.where(t <= 4, 10 * np.exp(-0.01 * t), 10 * np.exp(-0.04 - 0.3 * (t - 4)))
    curve[0] = 0.0
    result = nca(t, curve, route="infusion", duration=4.0)
    assert result["LAMZLL"] == 6.0 and result["LAMZ"] == pytest.approx(0.3, rel=1e-9, abs=0)
    assert np.isnan(nca(t[:-1], curve[:-1], route="infusion", duration=4.0)["LAMZ"])


@pytest.mark.parametrize(("method", "areas"), [("linear", (49.25, 13.95)), ("lin-up/log-down", None)])
def test_partial_areas_add_up(method: str, areas: tuple[float, float] | None) -> None:
    frame = pd.DataFrame({"ID": 1, "TIME": [0, 2, 4, 8, 12, 24.0], "DV": [0, 10, 6, 3, 1.5, 0.2]})

    def area(start: float, end: float | None) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CompletedCurve)  # a window begins without a value, or is short
            return float(nca_table(frame, start=start, end=end, method=method)["AUCINT"][0])

    whole = nca(frame["TIME"], frame["DV"], method=method)
    first, second = area(0.0, 10.0), area(10.0, 24.0)
    assert first + second == pytest.approx(whole["AUCLST"], rel=1e-12, abs=0) and area(10.0, None) == pytest.approx(
        second, rel=1e-12, abs=0
    )
    # Beyond the last value by LAMZ, as AUCTAU.
    tail = 0.2 / whole["LAMZ"] * (1 - np.exp(-6 * whole["LAMZ"]))
    assert area(10.0, 30.0) == pytest.approx(second + tail, rel=1e-12, abs=0)
    if areas:
        assert (first, second) == pytest.approx(areas, rel=1e-12, abs=0)


@pytest.mark.filterwarnings("ignore::ketasim.errors.CompletedCurve")
def test_a_partial_area_of_a_result_is_that_of_its_table() -> None:
    curve = np.exp(-0.1 * T) - np.exp(-T)
    plasma = xr.Dataset(
        {"venous": (("subject", "time", "analyte"), curve[None, :, None])}, {"subject": [0], "time": T, "analyte": ["k"]}
    )
    frame = pd.DataFrame({"ID": 0, "TIME": T, "DV": curve})
    of_result, of_table = (
        nca_table(s, start=2.0, end=9.7)["AUCINT"][0] for s in (xr.DataTree.from_dict({"/plasma": plasma}), frame)
    )
    assert of_result == pytest.approx(of_table, rel=1e-12, abs=0) and of_table > 0


@pytest.mark.parametrize(("blq", "area"), [("zero", 30.655506), ("missing", 38.967847)])
@pytest.mark.parametrize("word", ["<0.5", "BLQ", "< 5e-1"])
def test_values_below_a_limit_may_be_words(blq: str, area: float, word: str) -> None:
    frame = pd.DataFrame({"ID": 1, "TIME": [0, 1, 2, 4, 6, 8, 12], "DV": [word, "8", "6", word, "3", "2", "1"]})
    with pytest.warns(CompletedCurve, match=rf"2 of 7 values are written as below a limit: .*\(blq = {blq}\)"):
        found = nca_table(frame, blq=blq, method="lin-up/log-down")
    assert found["AUCLST"][0] == pytest.approx(area, rel=1e-7, abs=0)
    with pytest.raises(InvalidData, match=r"DV 'trace' is no number; write a number, '<0\.5' or 'BLQ'"):
        nca_table(frame.assign(DV=frame["DV"].replace("3", "trace")))


def test_a_table_without_rows_is_refused() -> None:
    with pytest.raises(InvalidData, match="no rows"):
        nca_table(pd.DataFrame({"ID": [], "TIME": [], "DV": []}))


def test_missing_column_is_named() -> None:
    with pytest.raises(InvalidData, match="no column DV"):
        nca_table(pd.DataFrame({"ID": [1], "TIME": [0.0]}))


@pytest.mark.parametrize(
    ("time", "conc", "error", "words"),
    [
        ([0, 1], [1], InvalidData, "2 times and 1 concentrations"),
        (["a"], ["b"], InvalidData, "time: give numbers"),
        ([[0, 1]], [[1, 2]], InvalidData, r"time: give one row of numbers; got shape \(1, 2\)"),
    ],
)
def test_a_curve_is_one_row_of_pairs(time: Any, conc: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        nca(time, conc, dose=10)


@pytest.mark.parametrize("dose", [0, -1, float("nan")])
def test_a_dose_is_above_zero(dose: float) -> None:
    with pytest.raises(InvalidOption, match="a dose is a number above 0"):
        nca([0, 1, 2, 4], [0, 3, 2, 1], dose=dose)
