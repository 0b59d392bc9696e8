"""Effect measures: closed forms, raw patients as the slow twin, symmetries."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from ketasim.errors import InvalidData, InvalidOption
from ketasim.synthesis import (
    CountArm,
    EffectSize,
    MeanArm,
    SkewedData,
    cluster_adjusted,
    combine_arms,
    crossover_counts,
    crossover_effect,
    crossover_margins,
    design_effect,
    effect,
    hedges_factor,
    multi_arm_effects,
    pool_correlated,
)

COUNTS = st.tuples(st.integers(0, 60), st.integers(1, 60)).map(lambda t: CountArm(min(t), max(t)))
NUMBERS = st.floats(-50, 50)
MEANS = st.builds(MeanArm, NUMBERS, st.floats(0.5, 30), st.integers(5, 300).map(float))


def raw(seed: int, mean: float, sd: float, n: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, sd, n)


def arm(x: np.ndarray) -> MeanArm:
    return MeanArm(float(x.mean()), float(x.std(ddof=1)), len(x))


@pytest.mark.parametrize(
    ("measure", "estimate", "variance"),
    [
        ("or", math.log(10 * 30 / (40 * 20)), 1 / 10 + 1 / 40 + 1 / 20 + 1 / 30),
        ("rr", math.log(0.2 / 0.4), 1 / 10 - 1 / 50 + 1 / 20 - 1 / 50),
        ("rd", -0.2, 0.2 * 0.8 / 50 + 0.4 * 0.6 / 50),
    ],
)
def test_counts(measure: str, estimate: float, variance: float) -> None:
    found = effect(measure, CountArm(10, 50), CountArm(20, 50))
    assert found.estimate == pytest.approx(estimate, rel=1e-12)
    assert found.variance == pytest.approx(variance, rel=1e-12)
    assert (found.n1, found.n2, found.corrected) == (50, 50, False)


def test_half_is_added_only_where_a_cell_is_empty() -> None:
    found = effect("or", CountArm(0, 20), CountArm(5, 20))
    assert found.estimate == pytest.approx(math.log(0.5 * 15.5 / (20.5 * 5.5)), rel=1e-12)
    assert found.corrected
    assert "0.5" in found.notes[0]
    assert not effect("rr", CountArm(20, 20), CountArm(5, 20)).corrected  # a full arm is no empty cell for a risk ratio


def test_no_events_in_either_arm_is_said() -> None:
    with pytest.raises(InvalidData, match="no events in all its arms"):
        effect("or", CountArm(0, 20), CountArm(0, 25))
    assert effect("rd", CountArm(0, 20), CountArm(0, 25)).estimate == 0


def test_standardised_difference_from_patients() -> None:
    """Twin: Hedges' g is t of the equal-variance test times root(1/n1 + 1/n2) and the factor, whose value is tabulated."""
    x, y = raw(1, 3, 4, 23), raw(2, 1, 5, 31)
    g = effect("smd", arm(x), arm(y))
    t = float(stats.ttest_ind(x, y).statistic)
    assert g.estimate == pytest.approx(hedges_factor(52) * t * math.sqrt(1 / 23 + 1 / 31), rel=1e-12)
    assert g.estimate == pytest.approx(effect("smd", t=t, n=(23, 31)).estimate, rel=1e-12)
    assert g.se == pytest.approx(effect("smd", t=t, n=(23, 31)).se, rel=1e-12)
    # The usual approximation of the factor is right to 0.1 percent from 10 degrees of freedom.
    assert hedges_factor(10) == pytest.approx(1 - 3 / (4 * 10 - 1), rel=1e-3)
    # Exact for 2: gamma(1) / (root(1) gamma(1/2)).
    assert hedges_factor(2) == pytest.approx(1 / math.sqrt(math.pi), rel=1e-12)


def test_mean_difference_from_patients() -> None:
    x, y = raw(3, 3, 4, 23), raw(4, 1, 5, 31)
    found = effect("md", arm(x), arm(y))
    welch = stats.ttest_ind(x, y, equal_var=False)
    assert found.estimate / found.se == pytest.approx(float(welch.statistic), rel=1e-12)


@given(COUNTS, COUNTS, st.sampled_from(["or", "rr", "rd"]))
@settings(max_examples=60, deadline=None)
def test_swapping_the_arms_turns_the_sign_of_counts(one: CountArm, other: CountArm, measure: str) -> None:
    assume(0 < one.events + other.events < one.n + other.n)
    there, back = effect(measure, one, other), effect(measure, other, one)
    assert there.estimate == pytest.approx(-back.estimate, rel=1e-12, abs=1e-14)
    assert there.se == pytest.approx(back.se, rel=1e-12)


@given(MEANS, MEANS, st.floats(0.1, 20), NUMBERS)
@settings(max_examples=60, deadline=None)
def test_units_scale_differences_and_leave_standardised_ones(one: MeanArm, other: MeanArm, factor: float, shift: float) -> None:
    def changed(a: MeanArm) -> MeanArm:
        return MeanArm(a.mean * factor + shift, a.sd * factor, a.n)

    md, smd = effect("md", changed(one), changed(other)), effect("smd", changed(one), changed(other))
    assert md.estimate == pytest.approx(factor * effect("md", one, other).estimate, rel=1e-9, abs=1e-9)
    assert md.se == pytest.approx(factor * effect("md", one, other).se, rel=1e-9)
    assert smd.estimate == pytest.approx(effect("smd", one, other).estimate, rel=1e-9, abs=1e-9)


@given(st.floats(0.1, 8), st.floats(0.01, 2), st.sampled_from(["or", "rr", "hr"]), st.floats(0.5, 0.99))
@settings(max_examples=50, deadline=None)
def test_ratios_come_back_from_their_interval_and_p(ratio: float, se: float, measure: str, level: float) -> None:
    assume(abs(math.log(ratio)) / se > 1e-3)
    known = EffectSize(measure, math.log(ratio), se)
    low, high = known.interval(level)
    from_ci = effect(measure, estimate=ratio, ci=(math.exp(low), math.exp(high)), level=level)
    assert (from_ci.estimate, from_ci.se) == (pytest.approx(known.estimate, abs=1e-12), pytest.approx(se, rel=1e-9))
    p = float(2 * stats.norm.sf(abs(known.estimate) / se))
    assume(p > 1e-250)
    assert effect(measure, estimate=ratio, p=p).se == pytest.approx(se, rel=1e-8)
    assert effect(measure, estimate=known.estimate, se=se, log=True).as_dict()["exp_estimate"] == pytest.approx(ratio)


def test_standard_error_from_a_t_test() -> None:
    x, y = raw(5, 3, 4, 12), raw(6, 1, 4, 14)
    test = stats.ttest_ind(x, y)
    by_p = effect("md", estimate=float(x.mean() - y.mean()), p=float(test.pvalue), df=24)
    by_t = effect("md", estimate=float(x.mean() - y.mean()), t=float(test.statistic))
    pooled = math.sqrt((11 * x.var(ddof=1) + 13 * y.var(ddof=1)) / 24 * (1 / 12 + 1 / 14))
    assert (by_p.se, by_t.se) == (pytest.approx(pooled, rel=1e-9), pytest.approx(pooled, rel=1e-12))


def test_deviation_from_the_interval_of_a_mean() -> None:
    x = raw(7, 10, 3, 15)
    low, high = stats.t.interval(0.9, 14, loc=x.mean(), scale=stats.sem(x))
    assert MeanArm.from_ci(float(x.mean()), low, high, 15, level=0.9).sd == pytest.approx(x.std(ddof=1), rel=1e-9)


def test_change_from_baseline_from_patients() -> None:
    before = raw(8, 30, 5, 40)
    after = 0.6 * before + raw(9, -5, 4, 40)
    change = after - before
    r = float(np.corrcoef(before, after)[0, 1])
    found = MeanArm.from_change(arm(before), arm(after), r)
    assert (found.mean, found.sd) == (pytest.approx(change.mean(), rel=1e-9), pytest.approx(change.std(ddof=1), rel=1e-9))
    assert found.estimated
    assert "correlation" in found.notes[0]


def test_crossover_from_patients() -> None:
    one = raw(10, 20, 5, 30)
    other = 0.5 * one + raw(11, 6, 4, 30)
    r = float(np.corrcoef(one, other)[0, 1])
    found = crossover_effect("md", arm(one), arm(other), r)
    paired = stats.ttest_rel(one, other)
    assert found.estimate / found.se == pytest.approx(float(paired.statistic), rel=1e-9)
    # Without correlation a paired trial of n is as precise as two arms of n.
    loose = crossover_effect("md", arm(one), arm(other), 0.0)
    assert loose.se == pytest.approx(effect("md", arm(one), arm(other)).se, rel=1e-12)


def test_paired_risk_difference_is_that_of_the_margins() -> None:
    found = crossover_counts("rd", 12, 9, 4, 15)
    assert found.estimate == pytest.approx(21 / 40 - 16 / 40, rel=1e-12)


@given(st.lists(st.integers(2, 30), min_size=1, max_size=4), st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_combined_arms_are_the_patients_together(sizes: list[int], seed: int) -> None:
    groups = [raw(seed + k, 3 * k, 2 + k, n) for k, n in enumerate(sizes)]
    everyone = np.concatenate(groups)
    found: Any = combine_arms([arm(g) for g in groups])
    assert (found.mean, found.n) == (pytest.approx(everyone.mean(), rel=1e-9, abs=1e-9), len(everyone))
    assert found.sd == pytest.approx(everyone.std(ddof=1), rel=1e-9)


def test_several_arms_share_the_variance_of_the_control() -> None:
    control, arms = CountArm(10, 50), [CountArm(20, 60), CountArm(25, 55), CountArm(12, 40)]
    effects, cov = multi_arm_effects("or", control, arms)
    shared = 1 / 10 + 1 / 40
    assert effects == pytest.approx([effect("or", a, control).estimate for a in arms], rel=1e-12)
    assert np.diag(cov) == pytest.approx([effect("or", a, control).variance for a in arms], rel=1e-12)
    assert cov[np.triu_indices(3, 1)] == pytest.approx(np.full(3, shared), rel=1e-12)


def test_pooled_mean_contrasts_are_those_of_weighted_arms() -> None:
    """Equal deviations: generalised least squares weighs the arms by patients, less the control (closed form for means)."""
    control = MeanArm(10, 4, 30)
    arms = [MeanArm(7, 4, 20), MeanArm(5, 4, 40)]
    estimate, se = pool_correlated(*multi_arm_effects("md", control, arms))
    assert estimate == pytest.approx((20 * 7 + 40 * 5) / 60 - 10, rel=1e-12)
    assert se == pytest.approx(math.sqrt(16 / 60 + 16 / 30), rel=1e-12)


def test_design_effect() -> None:
    assert design_effect(1, 0.3) == 1
    assert design_effect(21, 0.05) == pytest.approx(2.0)
    known = EffectSize("or", 0.5, 0.2)
    assert cluster_adjusted(known, 4.0).se == pytest.approx(0.4)
    assert CountArm(20, 100).effective(2.0) == CountArm(10, 50)
    # Means: dividing patients is the same as inflating the error.
    one, other = MeanArm(5, 2, 80), MeanArm(4, 2, 60)
    assert effect("md", one.effective(2), other.effective(2)).se == pytest.approx(
        cluster_adjusted(effect("md", one, other), 2).se, rel=1e-12
    )


@given(st.floats(-20, 20), st.floats(0.5, 10), st.integers(8, 400))
@settings(max_examples=40, deadline=None)
def test_symmetric_quantiles_give_their_middle(median: float, half: float, n: int) -> None:
    found = MeanArm.from_quantiles(n, median, q1=median - half, q3=median + half)
    assert found.mean == pytest.approx(median, abs=1e-9)
    assert found.estimated


def test_quantiles_of_a_large_normal_sample_give_its_deviation() -> None:
    """For many patients the expected quartiles are -+0.6745 and the range 2 x the expected maximum."""
    assert MeanArm.from_quantiles(10**6, 0, q1=-0.6744898, q3=0.6744898).sd == pytest.approx(1, rel=1e-5)
    x = np.sort(raw(12, 50, 10, 200))
    q1, median, q3 = np.percentile(x, [25, 50, 75])
    found = MeanArm.from_quantiles(200, median, q1=q1, q3=q3, minimum=x[0], maximum=x[-1])
    assert found.sd == pytest.approx(10, rel=0.15)
    assert found.mean == pytest.approx(50, abs=1.5)


def test_skewed_quantiles_are_said() -> None:
    with pytest.warns(SkewedData, match="skewed"):
        MeanArm.from_quantiles(100, 5, q1=4.5, q3=20)


def test_margins_of_a_crossover_are_those_of_its_paired_table() -> None:
    """Variance against n (n s - a c) / (a b c d), the covariance of two log odds of one paired table (Becker and Balagtas 1993)."""
    both, one, other = 9.0, 6.0, 3.0
    n, a, c = 30.0, both + one, both + other
    r = (both / n - a * c / n**2) / math.sqrt(a * (n - a) * c * (n - c) / n**4)
    found = crossover_margins("or", a, c, n, r)
    loose = crossover_margins("or", a, c, n, 0.0)
    covariance = n * (n * both - a * c) / (a * (n - a) * c * (n - c))
    assert found.estimate == pytest.approx(math.log(a / (n - a) * (n - c) / c), rel=1e-14)
    assert loose.variance == pytest.approx(1 / a + 1 / (n - a) + 1 / c + 1 / (n - c), rel=1e-14)
    assert found.variance == pytest.approx(loose.variance - 2 * covariance, rel=1e-12)
    # 14 of 15 against 1 of 15: the paired table allows a correlation of 1/14 at most.
    assert "correlation 0.071 " in crossover_margins("or", 14, 1, 15, 0.9).notes[0]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: CountArm(5, 4), "0 <= events <= n"),
        (lambda: MeanArm(1, 0, 10), "above 0"),
        (lambda: MeanArm.from_quantiles(20, 5, q1=6, q3=8), "must not fall"),
        (lambda: MeanArm.from_quantiles(20, 5, q1=4), "give both"),
        (lambda: MeanArm.from_quantiles(20, 5), "quartiles"),
        (lambda: effect("md", CountArm(1, 5), CountArm(2, 5)), "means in both arms"),
        (lambda: effect("hr", CountArm(1, 5), CountArm(2, 5)), "time-to-event"),
        (lambda: effect("or", estimate=-0.5, se=0.1), "above 0"),
        (lambda: effect("md", estimate=1.0), "exactly one of"),
        (lambda: effect("md", estimate=1.0, se=1, p=0.5), "exactly one of"),
        (lambda: effect("md", estimate=5.0, ci=(1, 2)), "outside its interval"),
        (lambda: effect("md", estimate=5.0, p=0.0), "between 0 and 1"),
        (lambda: effect("md", estimate=0.0, p=0.5), "no standard error follows"),
        (lambda: effect("kd", CountArm(1, 5), CountArm(2, 5)), "no effect measure 'kd'"),
        (lambda: crossover_effect("md", MeanArm(1, 2, 5), MeanArm(1, 2, 5), 1.2), "between -1 and 1"),
        (lambda: crossover_effect("or", MeanArm(1, 2, 5), MeanArm(1, 2, 5), 0.2), "gives md or smd"),
        (lambda: crossover_counts("or", -1, 2, 3, 4), "0 or more"),
        (lambda: crossover_margins("rr", 2, 1, 9), "gives? an odds ratio, not rr"),
        (lambda: crossover_margins("or", 10, 1, 9), "10 and 1 responders of 9"),
        (lambda: combine_arms([CountArm(1, 5), MeanArm(1, 2, 5)]), "all counts or all means"),
        (lambda: design_effect(0.5, 0.1), "size >= 1"),
        (lambda: hedges_factor(1), "more than 1"),
    ],
)
def test_refusals(call: Any, words: str) -> None:
    with pytest.raises((InvalidData, InvalidOption), match=words):
        call()
