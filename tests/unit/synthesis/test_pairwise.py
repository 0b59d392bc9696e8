"""Pooling: closed forms, an independent slow twin, invariants."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize, stats

from ketasim.errors import InvalidData, InvalidOption
from ketasim.synthesis import (
    TAU2_METHODS,
    CountArm,
    FewStudies,
    PairwiseData,
    asymmetry_test,
    effect,
    mantel_haenszel,
    meta_regression,
    pairwise,
    trim_and_fill,
)
from ketasim.synthesis._heterogeneity import _traces, estimate_tau2, generalised_q, heterogeneity, log_likelihood

Floats = NDArray[np.float64]
METHODS = st.sampled_from(sorted(TAU2_METHODS))


def data_of(y: Any, se: Any, measure: str = "md", **columns: Any) -> PairwiseData:
    k = len(y)
    nan = np.full(k, np.nan)
    texts = {n: tuple(map(str, v)) for n, v in columns.items()}
    return PairwiseData(tuple(f"s{i}" for i in range(k)), np.array(y, float), np.array(se, float), measure, nan, nan, None, texts)


@st.composite
def trials(draw: Any, least: int = 3, most: int = 12) -> PairwiseData:
    k = draw(st.integers(least, most))
    y = draw(st.lists(st.floats(-3, 3).map(lambda v: round(v, 4)), min_size=k, max_size=k))
    se = draw(st.lists(st.floats(0.05, 1.0).map(lambda v: round(v, 4)), min_size=k, max_size=k))
    return data_of(y, se)


def slow_restricted_likelihood(y: Floats, v: Floats, x: Floats, tau2: float) -> float:
    """Multivariate normal density of the effects, integrated over the coefficients; nothing but its textbook form."""
    big = np.diag(v + tau2)
    inverse = np.linalg.inv(big)
    info = x.T @ inverse @ x
    b = np.linalg.solve(info, x.T @ inverse @ y)
    r = y - x @ b
    return float(-0.5 * np.linalg.slogdet(big)[1] - 0.5 * np.linalg.slogdet(info)[1] - 0.5 * r @ inverse @ r)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("restricted", [True, False])
def test_likelihood_estimates_against_a_slow_twin(seed: int, restricted: bool) -> None:
    """SciPy maximises the likelihood of the twin from a fine grid; the root of the score must be there, to what a maximum resolves."""
    rng = np.random.default_rng(seed)
    k = 6 + 3 * seed
    v = rng.uniform(0.02, 0.5, k)
    y = rng.normal(0.3, np.sqrt(v + 0.15))
    x = np.column_stack([np.ones(k), rng.normal(size=k)]) if seed % 2 else np.ones((k, 1))

    def loss(t: float) -> float:
        if restricted:
            return -slow_restricted_likelihood(y, v, x, t)
        w = 1 / (v + t)
        b = np.linalg.lstsq(np.sqrt(w)[:, None] * x, np.sqrt(w) * y)[0]
        return -float(stats.norm.logpdf(y, x @ b, np.sqrt(v + t)).sum())

    grid = np.linspace(0, 3, 601)
    start = grid[int(np.argmin([loss(t) for t in grid]))]
    best = optimize.minimize_scalar(
        loss, bounds=(max(0, start - 0.005), start + 0.005), method="bounded", options={"xatol": 1e-10}
    )
    found = estimate_tau2(y, v, x, "reml" if restricted else "ml")
    assert found == pytest.approx(float(best.x), abs=2e-6)


@given(trials(), METHODS, st.floats(-5, 5), st.floats(0.1, 10))
@settings(max_examples=60, deadline=None)
def test_shift_and_scale(data: PairwiseData, method: str, shift: float, factor: float) -> None:
    assume(np.ptp(data.effect) > 1e-3)
    there = pairwise(data, method=method)
    moved = pairwise(data_of(data.effect * factor + shift, data.se * factor), method=method)
    assert moved.heterogeneity.tau2 == pytest.approx(factor**2 * there.heterogeneity.tau2, rel=1e-5, abs=1e-7 * factor**2)
    for model in ("common", "random"):
        one, other = there.model(model), moved.model(model)
        assert other.estimate == pytest.approx(factor * one.estimate + shift, rel=1e-5, abs=1e-5)
        assert other.se == pytest.approx(factor * one.se, rel=1e-5)
        assert other.weights.sum() == pytest.approx(100)
    assert moved.heterogeneity.i2 == pytest.approx(there.heterogeneity.i2, abs=1e-4)


@given(trials(), METHODS, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_order_of_studies_does_not_matter(data: PairwiseData, method: str, random: Any) -> None:
    order = list(range(data.k))
    random.shuffle(order)
    one, other = pairwise(data, method=method), pairwise(data.take(order), method=method)
    assert one.random.estimate == pytest.approx(other.random.estimate, rel=1e-6, abs=1e-8)
    assert one.random.weights[order] == pytest.approx(other.random.weights, rel=1e-5)


@given(trials(), st.sampled_from(["dl", "reml", "ml", "pm"]))
@settings(max_examples=40, deadline=None)
def test_estimators_keep_their_definitions(data: PairwiseData, method: str) -> None:
    y, v, x = data.effect, data.variance, np.ones((data.k, 1))
    tau2 = estimate_tau2(y, v, x, method)
    assert tau2 >= 0
    if method == "pm" and tau2 > 0:
        assert generalised_q(y, v, x, tau2) == pytest.approx(data.k - 1, rel=1e-8)
    if method == "dl":
        w = 1 / v
        c = w.sum() - (w**2).sum() / w.sum()
        assert tau2 == pytest.approx(max(0.0, (generalised_q(y, v, x, 0.0) - data.k + 1) / c), rel=1e-9, abs=1e-12)
    if method in ("reml", "ml"):
        best = log_likelihood(y, v, x, tau2, method == "reml")
        assert all(best >= log_likelihood(y, v, x, t, method == "reml") - 1e-9 for t in np.geomspace(1e-6, 20, 80))


@given(trials(least=4))
@settings(max_examples=40, deadline=None)
def test_q_profile_interval_is_where_q_is_its_quantile(data: PairwiseData) -> None:
    y, v, x = data.effect, data.variance, np.ones((data.k, 1))
    h = heterogeneity(y, v, x)
    assert h.tau2_low <= h.tau2_high
    assert h.i2_low <= h.i2_high
    if h.tau2_low > 0:
        assert stats.chi2.sf(generalised_q(y, v, x, h.tau2_low), data.k - 1) == pytest.approx(0.025, rel=1e-6)
    if h.tau2_high > 0:
        assert stats.chi2.cdf(generalised_q(y, v, x, h.tau2_high), data.k - 1) == pytest.approx(0.025, rel=1e-6)


def test_q_profile_covers_the_truth_as_often_as_it_says() -> None:
    """400 simulated syntheses, 95 % intervals: coverage is exact, so fewer than 365 hits happen in 1 of 1000 runs of new seeds."""
    rng = np.random.default_rng(20)
    v = rng.uniform(0.05, 0.4, 10)
    hits = 0
    for _ in range(400):
        h = heterogeneity(rng.normal(0, np.sqrt(v + 0.2)), v, method="dl")
        hits += h.tau2_low <= 0.2 <= h.tau2_high
    assert 365 <= hits <= 393


@given(st.lists(st.floats(-3, 3), min_size=3, max_size=10), st.floats(0.1, 1), METHODS)
@settings(max_examples=40, deadline=None)
def test_equal_precision_has_a_closed_form(y: list[float], se: float, method: str) -> None:
    """With equal variances tau2 is the variance of effects less that of a study, and Hartung-Knapp is the one-sample t test."""
    assume(np.std(y) > 1e-3)
    data = data_of(y, [se] * len(y))
    found = pairwise(data, method=method, hk=True)
    spread = np.var(y, ddof=0 if method == "ml" else 1)
    if method != "sj":
        assert found.heterogeneity.tau2 == pytest.approx(max(0.0, spread - se**2), rel=1e-6, abs=1e-9)
    t = stats.ttest_1samp(y, 0.0)
    assert (found.random.statistic, found.random.p) == (
        pytest.approx(float(t.statistic), rel=1e-8),
        pytest.approx(float(t.pvalue), rel=1e-6),
    )
    assert found.common.se == pytest.approx(se / math.sqrt(len(y)), rel=1e-12)


@given(trials(), METHODS)
@settings(max_examples=40, deadline=None)
def test_ad_hoc_hartung_knapp_never_shrinks(data: PairwiseData, method: str) -> None:
    usual, adhoc = pairwise(data, method=method), pairwise(data, method=method, hk="adhoc")
    assert adhoc.random.se >= usual.random.se * (1 - 1e-12)
    assert adhoc.random.ci_high - adhoc.random.ci_low > usual.random.ci_high - usual.random.ci_low


def test_prediction_interval() -> None:
    found = pairwise(data_of([0.1, 0.5, 0.9, 0.2], [0.1, 0.2, 0.15, 0.3])).random
    half = stats.t.ppf(0.975, 2) * math.sqrt(found.se**2 + found.tau2)
    assert (found.pi_low, found.pi_high) == (pytest.approx(found.estimate - half), pytest.approx(found.estimate + half))
    wide = [
        pairwise(data_of([0.1, 0.5, 0.9, 0.2], [0.1, 0.2, 0.15, 0.3]), prediction=p).random.pi_high
        for p in ("k-2", "k-1", "normal")
    ]
    assert wide[0] > wide[1] > wide[2]
    assert math.isnan(pairwise(data_of([0.1, 0.5], [0.1, 0.2])).random.pi_low)


def test_one_study_is_itself() -> None:
    found = pairwise(data_of([0.4], [0.2]), hk=True)
    assert (found.random.estimate, found.random.se, found.common.se) == (0.4, pytest.approx(0.2), pytest.approx(0.2))
    assert math.isnan(found.heterogeneity.i2)
    assert found.as_dict()["k"] == 1


@pytest.mark.parametrize(
    "y, se", [([1.0, math.nan], [1, 1]), ([1, 1], [0.0, 1]), ([1, 1], [1e-300, 1]), ([1, 1], [math.inf, 1]), ([], [])]
)
def test_effects_that_cannot_be(y: Any, se: Any) -> None:
    with pytest.raises(InvalidData, match="needed"):
        data_of(y, se)


def test_very_unlike_sizes_of_studies() -> None:
    """Standard errors over six orders of magnitude: the precise study decides; beyond, the table is wrong."""
    found = pairwise(data_of([0.3, 5.0, -2.0], [1e-3, 9e2, 5e2]), method="reml")
    assert found.common.estimate == pytest.approx(0.3, abs=1e-6)
    assert found.heterogeneity.tau2 == pytest.approx(0, abs=1e-6)
    with pytest.raises(InvalidData, match=r"'s0' .* and 's1' .* differ more than a million times"):
        data_of([0.3, 5.0], [1e-4, 1e3])


@pytest.mark.parametrize("largest", [1.0, 1e4, 1e11])
def test_traces_do_not_cancel(largest: float) -> None:
    """For a mean, trace(P) = 2 sum_{i<j} w_i w_j / sum(w), a sum of positive terms."""
    w = np.array([largest, 1.0, 2.0, 0.5])
    pairs = sum(w[i] * w[j] for i in range(4) for j in range(i))
    found, squared = _traces(1 / w, np.ones((4, 1)), 0.0)
    assert found == pytest.approx(2 * pairs / w.sum(), rel=1e-6)
    p = np.diag(w) - np.outer(w, w) / w.sum()
    if largest < 1e6:
        assert squared == pytest.approx(float((p @ p).trace()), rel=1e-9)
    assert squared > 0


def test_identical_studies() -> None:
    found = pairwise(data_of([0.4] * 5, [0.2] * 5), hk=True)
    assert found.heterogeneity.q == pytest.approx(0, abs=1e-20)
    assert found.random.se > 0
    assert pairwise(data_of([0.4] * 5, [0.2] * 5), hk="adhoc").random.se == pytest.approx(0.2 / math.sqrt(5))


@given(trials(least=6), st.integers(2, 3))
@settings(max_examples=30, deadline=None)
def test_subgroups_divide_q(data: PairwiseData, groups: int) -> None:
    """Under the common effect, Q in all is Q within the subgroups and Q between them."""
    named = data_of(data.effect, data.se, group=[f"g{i % groups}" for i in range(data.k)])
    found = pairwise(named, subgroup="group")
    assert found.heterogeneity.q == pytest.approx(
        sum(g.heterogeneity.q for g in found.subgroups) + found.between[0].q, rel=1e-8, abs=1e-9
    )
    assert sorted(i for g in found.subgroups for i in g.rows) == list(range(data.k))
    shared = pairwise(named, subgroup="group", subgroup_tau2="common")
    assert len({g.random.tau2 for g in shared.subgroups}) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewStudies)
        line = meta_regression(named, covariates=["group"], hk=False)
    # The same model twice: subgroups with one tau2, and a regression on their names.
    assert line.coefficients[0].estimate == pytest.approx(shared.subgroups[0].random.estimate, rel=1e-6, abs=1e-8)
    assert line.omnibus == pytest.approx(shared.between[1].q, rel=1e-6, abs=1e-8)


def test_test_between_subgroups_does_not_lean_on_hartung_knapp() -> None:
    """Two subgroups whose studies agree by chance: their Hartung-Knapp errors are near 0, their difference is not sure."""
    data = data_of([0.10, 0.11, 0.30, 0.31], [0.2] * 4, route=["iv", "iv", "nasal", "nasal"])
    found = pairwise(data, subgroup="route", hk=True)
    assert found.subgroups[0].random.se < 0.01
    assert found.between[1].q == pytest.approx(0.2**2 / (2 * 0.2**2 / 2), rel=1e-9)


def test_empty_subgroup_cells_are_a_group_of_their_own() -> None:
    found = pairwise(data_of([0.1, 0.2, 0.3], [0.1] * 3, route=["iv", "", "iv"]), subgroup="route")
    assert [g.name for g in found.subgroups] == ["iv", "not stated"]


@given(trials(least=3))
@settings(max_examples=20, deadline=None)
def test_leave_one_out_and_cumulative(data: PairwiseData) -> None:
    found = pairwise(data)
    out = found.leave_one_out()
    assert out.pooled[0].estimate == pytest.approx(
        pairwise(data.take(list(range(1, data.k)))).random.estimate, rel=1e-9, abs=1e-12
    )
    steps = found.cumulative(model="common")
    assert [p.k for p in steps.pooled] == list(range(1, data.k + 1))
    assert steps.pooled[-1].estimate == pytest.approx(found.common.estimate)
    assert list(out.to_dataframe()["omitted"]) == list(data.studies)


def test_cumulative_by_year() -> None:
    data = data_of([0.1, 0.2, 0.3], [0.1] * 3, year=[2012, 1999, 2005])
    assert pairwise(data).cumulative("year").labels == ("s1", "s2", "s0")


TABLES = st.lists(
    st.tuples(st.integers(0, 20), st.integers(21, 60), st.integers(0, 20), st.integers(21, 60)), min_size=1, max_size=8
)


def counts_of(tables: list[tuple[int, ...]], measure: str) -> PairwiseData:
    effects = {str(i): effect(measure, CountArm(a, n), CountArm(c, m)) for i, (a, n, c, m) in enumerate(tables) if a + c}
    data = PairwiseData.from_effects(effects)
    from dataclasses import replace

    return replace(data, counts=np.array([t for t in tables if t[0] + t[2]], dtype=float))


@given(TABLES, st.sampled_from(["or", "rr", "rd"]))
@settings(max_examples=60, deadline=None)
def test_mantel_haenszel(tables: list[tuple[int, ...]], measure: str) -> None:
    """Swapped arms turn the sign; one table gives its own effect; many copies of a table change nothing but the error."""
    assume(sum(t[0] for t in tables) and sum(t[2] for t in tables))
    data = counts_of(tables, measure)
    there = mantel_haenszel(data)
    back = mantel_haenszel(counts_of([(c, m, a, n) for a, n, c, m in tables], measure))
    assert there.estimate == pytest.approx(-back.estimate, rel=1e-9, abs=1e-12)
    assert there.se == pytest.approx(back.se, rel=1e-9)
    one = next((t for t in tables if t[0] and t[2]), None)
    if one:
        alone, single = mantel_haenszel(counts_of([one], measure)), effect(measure, CountArm(*one[:2]), CountArm(*one[2:]))
        assert alone.estimate == pytest.approx(single.estimate, rel=1e-9, abs=1e-12)
        assert alone.se == pytest.approx(single.se, rel=1e-9)
        copies = mantel_haenszel(counts_of([one] * 5, measure))
        assert (copies.estimate, copies.se) == (
            pytest.approx(alone.estimate, abs=1e-12),
            pytest.approx(alone.se / math.sqrt(5), rel=1e-9),
        )


def test_mantel_haenszel_needs_counts_and_events() -> None:
    with pytest.raises(InvalidOption, match="needs the events"):
        pairwise(data_of([0.1], [0.1], "or"), pooling="mh")
    with pytest.raises(InvalidOption, match="not md"):
        pairwise(data_of([0.1], [0.1]), pooling="mh")
    with pytest.raises(InvalidData, match="one of the arms has no events"):
        pairwise(counts_of([(0, 20, 3, 20), (0, 30, 5, 30)], "or"), pooling="mh")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "remel"}, "Close: 'reml'"),
        ({"hk": "often"}, "hk 'often'"),
        ({"level": 95.0}, "between 0 and 1"),
        ({"pooling": "glmm"}, "inverse, mh, peto"),
        ({"prediction": "k"}, "prediction"),
        ({"subgroup": "route"}, "no covariate 'route'"),
        ({"subgroup_tau2": "both"}, "separate, common"),
        ({"measure": "smd"}, "holds md, asked for was smd"),
    ],
)
def test_options_outside_what_is_allowed(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidOption, match=words):
        pairwise(data_of([0.1, 0.2], [0.1, 0.1]), **options)


# Meta-regression


@pytest.mark.parametrize("seed", range(3))
def test_regression_against_plain_least_squares(seed: int) -> None:
    """Knapp-Hartung at a known tau2 is weighted least squares with a residual variance; NumPy does that independently."""
    rng = np.random.default_rng(seed)
    k = 25
    x, se = rng.normal(size=(k, 2)), rng.uniform(0.1, 0.4, k)
    y = 0.3 + x @ [0.5, -0.2] + rng.normal(0, np.sqrt(se**2 + 0.05))
    found = meta_regression(data_of(y, se, a=x[:, 0], b=x[:, 1]), covariates=["a", "b"], method="dl")
    w = np.sqrt(1 / (se**2 + found.heterogeneity.tau2))
    design = np.column_stack([np.ones(k), x])
    b, rss, *_ = np.linalg.lstsq(w[:, None] * design, w * y)
    cov = np.linalg.inv((w[:, None] * design).T @ (w[:, None] * design)) * rss[0] / (k - 3)
    assert [c.estimate for c in found.coefficients] == pytest.approx(b, rel=1e-9)
    assert [c.se for c in found.coefficients] == pytest.approx(np.sqrt(np.diag(cov)), rel=1e-9)
    at = found.predict(a=0.0, b=0.0)
    assert (at["estimate"], at["se"]) == (pytest.approx(b[0]), pytest.approx(math.sqrt(cov[0, 0])))
    assert at["pi_low"] < at["ci_low"]
    single = meta_regression(data_of(y, se, a=x[:, 0]), covariates=["a"])
    assert single.omnibus == pytest.approx(single.coefficients[1].statistic ** 2, rel=1e-9)
    assert single.p_omnibus == pytest.approx(single.coefficients[1].p, rel=1e-9)


def test_regression_on_words_and_bases() -> None:
    data = data_of(np.arange(20.0) / 10, [0.2] * 20, route=["iv", "nasal"] * 10)
    found = meta_regression(data, covariates=["route"], base={"route": "nasal"})
    assert [c.name for c in found.coefficients] == ["intercept", "route iv"]
    assert found.predict(route="nasal")["estimate"] == pytest.approx(found.coefficients[0].estimate)
    assert found.coefficients[1].estimate == pytest.approx(-0.1)
    with pytest.raises(InvalidOption, match="no study has the value 'oral'"):
        found.predict(route="oral")
    with pytest.raises(InvalidOption, match="values are needed for route"):
        found.predict()
    with pytest.raises(InvalidOption, match="no value 'oral'"):
        meta_regression(data, covariates=["route"], base={"route": "oral"})


def test_regression_refuses_and_warns() -> None:
    y, se = np.arange(4.0), [0.2] * 4
    with pytest.raises(InvalidData, match="say the same"):
        meta_regression(data_of(y, se, a=[1, 2, 3, 4], b=[2, 4, 6, 8]), covariates=["a", "b"])
    with pytest.raises(InvalidData, match="does not vary"):
        meta_regression(data_of(y, se, a=[1, 1, 1, 1]), covariates=["a"])
    with pytest.raises(InvalidData, match="'iv' in all studies"):
        meta_regression(data_of(y, se, route=["iv"] * 4), covariates=["route"])
    with pytest.raises(InvalidData, match="4 studies for 4 coefficients"):
        meta_regression(data_of(y, se, a=["p", "q", "r", "s"]), covariates=["a"])
    with pytest.raises(InvalidOption, match="at least one covariate"):
        meta_regression(data_of(y, se))
    with pytest.warns(FewStudies, match="4 studies for 1 coefficient;"):
        meta_regression(data_of(y, se, a=[1, 2, 3, 5]), covariates=["a"])


# Small-study effects


def test_egger_in_its_first_form() -> None:
    """Standardised effect on precision, ordinary least squares (SciPy): the intercept is the slope of the weighted form."""
    rng = np.random.default_rng(4)
    se = rng.uniform(0.1, 0.6, 15)
    y = rng.normal(0.2 + se, se)
    found = asymmetry_test(data_of(y, se), "egger")
    line: Any = stats.linregress(1 / se, y / se)
    assert (found.estimate, found.se) == (pytest.approx(line.intercept, rel=1e-9), pytest.approx(line.intercept_stderr, rel=1e-9))
    assert found.limit == pytest.approx(line.slope, rel=1e-9)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(line.intercept / line.intercept_stderr), 13), rel=1e-9)


def test_harbord_and_peters_by_plain_least_squares() -> None:
    rng = np.random.default_rng(5)
    tables = [tuple(int(v) for v in (rng.integers(1, 15), n, rng.integers(1, 15), n + 3)) for n in rng.integers(20, 200, 14)]
    data = counts_of(tables, "or")
    a, n1, c, n2 = data.counts.T  # type: ignore[union-attr]
    n, m = n1 + n2, a + c
    z, v = a - m * n1 / n, n1 * n2 * m * (n - m) / (n**2 * (n - 1))
    line: Any = stats.linregress(np.sqrt(v), z / np.sqrt(v))
    found = asymmetry_test(data, "harbord")
    assert (found.estimate, found.se) == (pytest.approx(line.intercept, rel=1e-8), pytest.approx(line.intercept_stderr, rel=1e-8))
    root = np.sqrt(1 / (1 / m + 1 / (n - m)))
    b = np.linalg.lstsq(root[:, None] * np.column_stack([np.ones(14), 1 / n]), root * data.effect)[0]
    peters = asymmetry_test(data, "peters")
    assert (peters.limit, peters.estimate) == (pytest.approx(b[0], rel=1e-8), pytest.approx(b[1], rel=1e-8))
    assert peters.df == 12


def test_few_studies_are_said() -> None:
    with pytest.warns(FewStudies, match="fewer than 10 studies"):
        found = asymmetry_test(data_of([0.1, 0.4, 0.3, 0.2], [0.1, 0.3, 0.2, 0.25]))
    assert "fewer than 10" in found.caveat
    for bad, words in ((data_of([0.1, 0.2], [0.1, 0.2]), "at least 3"),):
        with pytest.raises(InvalidData, match=words):
            asymmetry_test(bad)
    twelve = data_of(np.arange(12.0), [0.1] * 12)
    for test in ("egger", "begg"):
        with pytest.raises(InvalidData, match="same precision"):
            asymmetry_test(twelve, test)
    with pytest.raises(InvalidOption, match="Close: 'egger'"):
        asymmetry_test(twelve, "eger")
    with pytest.raises(InvalidOption, match="events and patients"):
        asymmetry_test(data_of(np.arange(12.0), np.linspace(0.1, 1, 12), "or"), "peters")


def test_trim_and_fill_of_a_symmetric_and_of_a_halved_funnel() -> None:
    se = np.repeat([0.05, 0.1, 0.2, 0.3, 0.4, 0.5], 2)
    side = np.tile([-1.0, 1.0], 6)
    whole = pairwise(data_of(0.3 + side * se, se))
    assert trim_and_fill(whole).missing == 0
    assert trim_and_fill(whole).random.estimate == pytest.approx(whole.random.estimate)
    rng = np.random.default_rng(6)
    kept = [i for i in range(12) if side[i] > 0 or se[i] < 0.25]
    cut = pairwise(data_of(0.3 + side[kept] * se[kept] + rng.normal(0, 0.01, len(kept)), se[kept]))
    found = trim_and_fill(cut)
    assert (found.side, found.missing) == ("left", pytest.approx(3, abs=1))
    assert abs(found.random.estimate - 0.3) < abs(cut.random.estimate - 0.3)
    assert found.filled.k == found.missing
    assert list(found.to_dataframe()["filled"])[-found.missing :] == [True] * found.missing


@given(trials(least=5), st.sampled_from(["L0", "R0"]), st.sampled_from(["common", "random"]))
@settings(max_examples=30, deadline=None)
def test_trim_and_fill_mirrors(data: PairwiseData, estimator: str, model: str) -> None:
    assume(len(np.unique(np.abs(data.effect))) == data.k)
    one = trim_and_fill(pairwise(data), estimator, "left", model)
    other = trim_and_fill(pairwise(data_of(-data.effect, data.se)), estimator, "right", model)
    assert one.missing == other.missing
    assert one.random.estimate == pytest.approx(-other.random.estimate, rel=1e-6, abs=1e-8)


def test_results_are_plain_data() -> None:
    import json

    from ketasim.cli._show import plain

    data = data_of(np.linspace(0, 1, 12), np.linspace(0.1, 0.4, 12), "or", group=["a", "b"] * 6)
    found = pairwise(data, subgroup="group")
    parts: list[Any] = [
        found, found.common, found.heterogeneity, found.leave_one_out(), found.subgroups[0], found.between[0],
        asymmetry_test(found), trim_and_fill(found), meta_regression(data, covariates=["group"]), data,
    ]  # fmt: skip
    for part in parts:
        assert json.loads(json.dumps(plain(part.as_dict())))
        if hasattr(part, "to_dataframe"):
            assert len(part.to_dataframe())
    assert found.to_dataframe()["weight_random"].sum() == pytest.approx(100)
    assert found.random.as_dict()["exp_pi_low"] == pytest.approx(math.exp(found.random.pi_low))
