"""The frequentist fit against a slow twin, closed forms, and what must not change it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.synthesis_network.networks import contrast, random_contrasts, twin

from ketasim.errors import InvalidOption, UnknownEntry
from ketasim.synthesis import EffectSize, PairwiseData, network_meta_analysis, pairwise, read_network
from ketasim.synthesis._network_gls import basic_design, log_likelihood, score, stack
from ketasim.synthesis._network_result import i2_interval


@pytest.mark.parametrize("seed", range(6))
def test_twin(seed: int) -> None:
    """Common and random effects of networks with studies of two to four arms, to rounding."""
    rows = random_contrasts(seed)
    found, slow = network_meta_analysis(rows, "md"), twin(rows)
    common = twin(rows, tau2=0.0)
    assert list(found.data.treatments) == slow.treatments
    assert (found.q, found.df) == (pytest.approx(slow.q, rel=1e-9, abs=0), slow.df)
    assert found.tau2 == pytest.approx(slow.tau2, rel=1e-8, abs=1e-12)
    for one, other in ((found.common, common), (found.random, slow)):
        assert one.effect == pytest.approx(other.effect, rel=1e-7, abs=1e-9)
        assert one.se == pytest.approx(other.se, rel=1e-7, abs=1e-9)


def test_rounded_multi_arm_contrasts() -> None:
    """Contrasts of a three-arm study printed with two decimals do not close exactly; all of them count, as in the twin."""
    rows = [contrast("1", "a", "b", 0.33, 0.2), contrast("1", "a", "c", 0.67, 0.25), contrast("1", "b", "c", 0.33, 0.22)]
    rows += [contrast("2", "a", "b", 0.5, 0.3), contrast("3", "b", "c", 0.1, 0.3)]
    found, slow = network_meta_analysis(rows, "md"), twin(rows)
    assert found.q == pytest.approx(slow.q, rel=1e-9, abs=0)
    assert found.common.effect == pytest.approx(twin(rows, tau2=0.0).effect, rel=1e-9, abs=1e-12)


def test_two_treatments_are_pairwise_meta_analysis() -> None:
    """Inverse variance and DerSimonian-Laird in their textbook form."""
    y, se = np.array([0.1, 0.9, 0.5, -0.2]), np.array([0.2, 0.3, 0.15, 0.25])
    w = 1 / se**2
    mean = w @ y / w.sum()
    q = float(w @ (y - mean) ** 2)
    tau2 = (q - 3) / (w.sum() - (w**2).sum() / w.sum())
    found = network_meta_analysis([contrast(str(k), "x", "p", *v) for k, v in enumerate(zip(y, se, strict=True))], "md", "p")
    assert found.q == pytest.approx(q, rel=1e-12)
    assert found.tau2 == pytest.approx(tau2, rel=1e-12)
    v = 1 / (se**2 + tau2)
    pair = found.random.pair("x", "p")
    assert pair["estimate"] == pytest.approx(float(v @ y / v.sum()), rel=1e-12)
    assert pair["se"] == pytest.approx(float(v.sum() ** -0.5), rel=1e-12)


def test_indirect_comparison() -> None:
    """Without a direct comparison, effects subtract and variances add (Bucher 1997)."""
    found = network_meta_analysis([contrast("1", "a", "p", -1.0, 0.3), contrast("2", "b", "p", -0.4, 0.4)], "md", "p")
    pair = found.common.pair("a", "b")
    assert (pair["estimate"], pair["se"]) == (pytest.approx(-0.6, rel=1e-12), pytest.approx(0.5, rel=1e-12))
    assert np.isnan(found.p_q)
    assert "pi_low" not in found.random.pair("a", "b")


def test_equal_arms_of_a_three_arm_study_borrow_nothing() -> None:
    """Alone, a multi-arm study returns its own contrasts with their own standard errors."""
    rows = [contrast("1", "a", "p", 1.0, 0.5), contrast("1", "b", "p", 0.4, 0.6), contrast("1", "a", "b", 0.6, 0.4)]
    found = network_meta_analysis(rows, "md", "p")
    for row in rows:
        pair = found.common.pair(row["treat1"], row["treat2"])
        assert (pair["estimate"], pair["se"]) == (pytest.approx(row["TE"], rel=1e-9), pytest.approx(row["seTE"], rel=1e-9))


@pytest.mark.parametrize("method", ["reml", "ml"])
def test_likelihood_estimates_are_maxima(method: str) -> None:
    rows = random_contrasts(3, spread=0.6)
    found = network_meta_analysis(rows, "md", tau2=method)
    data = found.data
    s = stack(data, basic_design(data, found.reference))
    restricted = method == "reml"
    assert found.tau2 > 0
    assert score(s, found.tau2, restricted) == pytest.approx(0.0, abs=1e-6)
    best = log_likelihood(s, found.tau2, restricted)
    assert all(log_likelihood(s, found.tau2 * f, restricted) < best for f in (0.5, 0.9, 1.1, 2.0))


def test_score_is_the_derivative() -> None:
    """Central differences of the log-likelihood; 1e-5 is their truncation error."""
    data = read_network(random_contrasts(4), "md")
    s = stack(data, basic_design(data, "t0"))
    for restricted in (True, False):
        step = 1e-5
        numeric = (log_likelihood(s, 0.2 + step, restricted) - log_likelihood(s, 0.2 - step, restricted)) / (2 * step)
        assert score(s, 0.2, restricted) == pytest.approx(numeric, rel=1e-5, abs=0)


def test_homogeneous_studies_have_no_heterogeneity() -> None:
    rows = [contrast(str(k), "x", "p", 0.5, 0.2) for k in range(5)]
    for method in ("dl", "reml", "ml"):
        found = network_meta_analysis(rows, "md", "p", tau2=method)
        assert found.tau2 == 0.0
        assert found.i2 == 0.0


def test_q_profile_interval_meets_its_quantiles() -> None:
    from scipy.stats import chi2

    from ketasim.synthesis._network_gls import gls

    found = network_meta_analysis(random_contrasts(5, spread=0.8), "md")
    s = stack(found.data, basic_design(found.data, found.reference))
    low, high = found.tau2_interval
    assert 0 < low < found.tau2 < high
    assert gls(s, low).q == pytest.approx(chi2.ppf(0.975, s.df), rel=1e-6)
    assert gls(s, high).q == pytest.approx(chi2.ppf(0.025, s.df), rel=1e-6)


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), reference=st.integers(0, 4))
def test_reference_does_not_matter(seed: int, reference: int) -> None:
    rows = random_contrasts(seed, studies=9)
    one, other = network_meta_analysis(rows, "md", "t0"), network_meta_analysis(rows, "md", f"t{reference}")
    assert one.random.effect == pytest.approx(other.random.effect, rel=1e-7, abs=1e-9)
    assert one.random.se == pytest.approx(other.random.se, rel=1e-7, abs=1e-9)


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), factor=st.floats(0.01, 50.0))
def test_change_of_unit(seed: int, factor: float) -> None:
    """Effects scale with the unit, tau2 with its square; Q and ranks stay."""
    rows = random_contrasts(seed, studies=9)
    scaled = [r | {"TE": r["TE"] * factor, "seTE": r["seTE"] * factor} for r in rows]
    one, other = network_meta_analysis(rows, "md"), network_meta_analysis(scaled, "md")
    assert other.q == pytest.approx(one.q, rel=1e-6)
    assert other.tau2 == pytest.approx(one.tau2 * factor**2, rel=1e-6, abs=1e-10 * factor**2)
    assert other.random.effect == pytest.approx(factor * one.random.effect, rel=1e-6, abs=1e-9 * factor)


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), data=st.data())
def test_order_and_direction_of_rows_do_not_matter(seed: int, data: st.DataObject) -> None:
    rows = random_contrasts(seed, studies=8)
    mixed = data.draw(st.permutations(rows))
    flips = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    mixed = [
        contrast(r["studlab"], r["treat2"], r["treat1"], -r["TE"], r["seTE"]) if f else r
        for r, f in zip(mixed, flips, strict=True)
    ]
    one, other = network_meta_analysis(rows, "md"), network_meta_analysis(mixed, "md")
    assert other.random.effect == pytest.approx(one.random.effect, rel=1e-6, abs=1e-8)
    assert other.tau2 == pytest.approx(one.tau2, rel=1e-6, abs=1e-9)


def test_tables() -> None:
    found = network_meta_analysis(random_contrasts(1), "or", "t0")
    table = found.to_dataframe()
    assert len(table) == 20
    assert set(table["model"]) == {"common", "random"}
    row = table.iloc[0]
    assert row["exp_estimate"] == pytest.approx(np.exp(row["estimate"]))
    assert list(found.random.versus()["treat2"]) == ["t0"] * 4
    assert found.as_dict()["n_pairwise"] == len(random_contrasts(1))
    assert "tau2" in str(found)


def test_prediction_interval_is_wider_and_uses_t() -> None:
    from scipy.stats import t

    found = network_meta_analysis(random_contrasts(2, spread=0.7), "md", "t0")
    pair = found.random.pair("t1", "t0")
    half = float(t.ppf(0.975, found.df - 1)) * np.sqrt(pair["se"] ** 2 + found.tau2)
    assert pair["pi_high"] - pair["estimate"] == pytest.approx(half, rel=1e-12)
    assert pair["pi_low"] < pair["ci_low"]


def test_options_are_checked() -> None:
    rows = random_contrasts(0)
    with pytest.raises(UnknownEntry, match=r"no treatment 't9'.*t0, t1"):
        network_meta_analysis(rows, "md", "t9")
    with pytest.raises(InvalidOption, match=r"'relm'. Close: 'reml'"):
        network_meta_analysis(rows, "md", tau2="relm")
    with pytest.raises(InvalidOption, match="level 95"):
        network_meta_analysis(rows, "md", level=95)
    with pytest.raises(InvalidOption, match="which effect measure"):
        network_meta_analysis(rows)
    assert network_meta_analysis(rows, "md", tau2=0.25).tau2 == 0.25


def test_reference_in_any_letter_case_and_by_default() -> None:
    rows = [contrast("1", "x", "Placebo", 1.0), contrast("2", "x", "y", 1.0), contrast("3", "x", "y", 1.2)]
    assert network_meta_analysis(rows, "md", "PLACEBO").reference == "Placebo"
    assert network_meta_analysis(rows, "md").reference == "Placebo"
    assert network_meta_analysis(rows[1:], "md").reference == "x"


def test_a_hundred_studies_take_less_than_a_second() -> None:
    """The fit takes 10 ms, the whole analysis half a second (benchmarks/network.py); the bound is for slow machines."""
    import time

    rows = random_contrasts(1, treatments=15, studies=100)
    begin = time.perf_counter()
    network_meta_analysis(rows, "md", tau2="reml")
    assert time.perf_counter() - begin < 1.0


def test_upper_limit_of_i2_where_q_is_below_its_degrees_of_freedom() -> None:
    # netmeta 3.6 on the Parkinson and Dong networks: 79.20 and 33.25; H is 1 there, not below.
    assert i2_interval(2.287890, 4) == pytest.approx((0.0, 79.20), abs=0.005, rel=0)
    assert i2_interval(40.963592, 48) == pytest.approx((0.0, 33.25), abs=0.005, rel=0)


@pytest.mark.parametrize(("choice", "pairwise_choice"), [("df-1", "k-2"), ("df", "k-1"), ("normal", "normal")])
def test_prediction_interval_of_two_treatments(choice: str, pairwise_choice: str) -> None:
    """That of a pairwise meta-analysis: Q has k - 1 degrees of freedom."""
    rows = [contrast(str(k), "a", "b", y, se) for k, (y, se) in enumerate([(0.1, 0.1), (0.8, 0.2), (-0.4, 0.15), (0.5, 0.1)])]
    pair = network_meta_analysis(rows, "md", prediction=choice).random.pair("a", "b")
    data = PairwiseData.from_effects([EffectSize("md", row["TE"], row["seTE"]) for row in rows])
    single = pairwise(data, method="dl", prediction=pairwise_choice).random
    assert (pair["pi_low"], pair["pi_high"]) == pytest.approx((single.pi_low, single.pi_high), rel=1e-9)


def test_an_unknown_prediction_interval_is_refused() -> None:
    with pytest.raises(InvalidOption, match="prediction 'k-2': unknown"):
        network_meta_analysis([contrast("1", "a", "b", 0.1, 0.1)], "md", prediction="k-2")
