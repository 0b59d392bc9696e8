"""The Bayesian model: priors as text, diagnostics, deviance in closed form, agreement with least squares."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.synthesis_network.networks import Rows, contrast, random_contrasts

from ketasim.errors import InvalidData, InvalidOption
from ketasim.synthesis import NotConverged, bayesian_network, bayesian_node_split, network_meta_analysis, read_network
from ketasim.synthesis._bayes import base_first, unrelated_design
from ketasim.synthesis._bayes_fit import _arm_deviance, _binomial_deviance, _study_effects
from ketasim.synthesis._bayes_model import arm_layout, heterogeneity_root, likelihood_of
from ketasim.synthesis._bayes_priors import default_priors, parse_tau_prior
from ketasim.synthesis._bayes_result import diagnose

ARMS: Rows = [
    {"study": s, "treatment": t, "mean": m, "sd": 3.0, "n": n, "events": e}
    for s, t, m, n, e in [
        ("1", "b", 4.0, 60, 20), ("1", "a", 3.0, 50, 12), ("1", "c", 6.0, 55, 30), ("2", "c", 5.0, 40, 18), ("2", "b", 4.5, 45, 17),
        ("3", "a", 2.0, 80, 16), ("3", "c", 5.5, 75, 35), ("4", "a", 2.5, 70, 20), ("4", "b", 3.0, 66, 25),
    ]
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("half-normal(5)", "tau ~ half-normal(5)"),
        (" Uniform(0, 2.5) ", "tau ~ uniform(0, 2.5)"),
        ("log-normal(-2.56, 1.74)", "tau2 ~ log-normal(-2.56, 1.74)"),
    ],
)
def test_priors(text: str, shown: str) -> None:
    assert str(parse_tau_prior(text)) == shown


@pytest.mark.parametrize("text", ["normal(1)", "half-normal(0)", "half-normal(1, 2)", "uniform(2, 1)", "log-normal(a, 1)", "5"])
def test_wrong_priors(text: str) -> None:
    with pytest.raises(InvalidOption, match=r"tau prior '.*half-normal\(S\)"):
        parse_tau_prior(text)


def test_default_prior_follows_the_scale() -> None:
    assert str(default_priors(read_network(ARMS, "or")).tau) == "tau ~ half-normal(1)"
    assert default_priors(read_network(ARMS, "md")).tau.values == (3.5,)


def test_likelihood_follows_the_data() -> None:
    kinds = {m: likelihood_of(read_network(ARMS, m)) for m in ("or", "rr", "rd", "md", "smd")}
    assert kinds == {"or": "binomial", "rr": "contrasts", "rd": "contrasts", "md": "normal arms", "smd": "normal arms"}


def test_base_arm_is_the_reference_and_nothing_else_changes() -> None:
    data = read_network(ARMS, "md")
    turned = base_first(data, "c")
    assert [s.arms[0] for s in turned.studies] == ["c", "c", "c", "a"]
    assert network_meta_analysis(turned).common.effect == pytest.approx(network_meta_analysis(data).common.effect, abs=1e-12)
    assert turned.arms is not None
    names = [turned.treatments[t] for t in turned.arms.treatment]
    assert names == [a for s in turned.studies for a in s.arms]
    assert turned.arms.values["mean"][0] == 6.0


def test_standardised_arms_differ_by_hedges_g() -> None:
    data = read_network(ARMS, "smd")
    layout = arm_layout(data)
    own = layout.study == 0
    assert np.diff(layout.value["mean"][own])[0] == pytest.approx(data.studies[0].effect[0], rel=1e-12)


def test_unrelated_effects_have_a_column_per_pair() -> None:
    data = base_first(read_network(ARMS, "md"), "a")
    x, names = unrelated_design(data)
    assert names == ("d[b : a]", "d[c : a]", "d[c : b]")
    assert np.abs(x).sum(axis=1).tolist() == [1.0] * 5


def test_heterogeneity_root() -> None:
    root = heterogeneity_root(read_network(ARMS, "md"))
    assert (root @ root.T)[:2, :2] == pytest.approx(np.array([[1, 0.5], [0.5, 1]]))
    assert (root @ root.T)[1, 2] == 0


def test_deviances_in_closed_form() -> None:
    assert _binomial_deviance(np.array([0.0, 5.0]), np.array([10.0, 10.0]), np.array([1.0, 5.0])) == pytest.approx(
        np.array([2 * 10 * np.log(10 / 9), 0.0])
    )
    rng = np.random.default_rng(1)
    # One effect, known exactly: the deviance of two arms is then chi2 with the one df of the baseline, on top of the misfit.
    deviance, at_mean = _arm_deviance(np.array([0.0, 1.0]), np.array([0.5, 0.5]), np.full((20_000, 1), 1.0), rng)
    assert deviance.mean() == pytest.approx(1.0, abs=0.05)
    assert at_mean == pytest.approx(0.0, abs=1e-3)


def test_study_effects_shrink_as_they_should() -> None:
    """y = 2 with variance 1, mean 0 with tau2 = 3: posterior mean 1.5, variance 0.75."""
    rng = np.random.default_rng(2)
    tau = np.full(40_000, 3**0.5)
    drawn = _study_effects(np.array([2.0]), np.array([[1.0]]), np.zeros((len(tau), 1)), tau, rng)
    assert drawn.mean() == pytest.approx(1.5, abs=0.02)
    assert drawn.var() == pytest.approx(0.75, rel=0.03)


def test_diagnostics_tell_good_from_bad() -> None:
    rng = np.random.default_rng(3)
    good = diagnose({"d": rng.normal(size=(4, 1000))}, 0)
    assert good.converged
    assert good.min_ess > 3000
    apart = rng.normal(size=(4, 1000)) + np.arange(4)[:, None]
    with pytest.warns(NotConverged, match=r"R-hat up to 1\.\d+ \(d"):
        assert not diagnose({"d": apart}, 0).converged
    with pytest.warns(NotConverged, match="100 of 4000 divergent"):
        diagnose({"d": rng.normal(size=(4, 1000))}, 100)


def test_wrong_requests() -> None:
    data = read_network(ARMS, "md")
    with pytest.raises(InvalidOption, match="model 'fixed'"):
        bayesian_network(data, model="fixed")
    with pytest.raises(InvalidOption, match="consistency 'split'"):
        bayesian_network(data, consistency="split")
    with pytest.raises(InvalidOption, match="at least 2 chains"):
        bayesian_network(data, chains=1)
    with pytest.raises(InvalidData, match="disconnected"):
        bayesian_network(read_network([contrast("1", "a", "b", 1.0), contrast("2", "c", "d", 1.0)], "md"))
    with pytest.raises(InvalidOption, match="nothing to split"):
        bayesian_node_split(read_network([contrast("1", "a", "b", 1.0), contrast("2", "b", "c", 1.0)], "md"), pairs=[("a", "b")])


def test_common_effects_are_the_least_squares_fit() -> None:
    """With flat priors the posterior is normal about the fit. 4 x 600 draws: means are good to se/30, so 0.15 se is five errors."""
    data = read_network(random_contrasts(1, treatments=4, studies=8), "md")
    fit = network_meta_analysis(data, reference="t0").common
    posterior = bayesian_network(data, "t0", model="common", samples=600, warmup=400)
    for row in posterior.versus().to_dict("records"):
        pair = fit.pair(row["treat1"], "t0")
        assert row["mean"] == pytest.approx(pair["estimate"], abs=0.15 * pair["se"])
        assert row["sd"] == pytest.approx(pair["se"], rel=0.12)
    assert posterior.fit.p_d == pytest.approx(3.0, abs=0.3)
    assert posterior.tau == {}
    assert "heterogeneity" not in posterior.priors
    assert posterior.as_dict()["diagnostics"]["converged"]


@pytest.mark.slow
def test_seed_decides_and_reference_does_not() -> None:
    data = read_network(ARMS, "md")
    one, same = (bayesian_network(data, "a", samples=1500, warmup=1000, seed=4) for _ in range(2))
    assert np.array_equal(one.effects, same.effects)
    other = bayesian_network(data, "b", samples=1500, warmup=1000, seed=5)
    # Both are Monte Carlo: sd 0.9 over root of some 1,500 effective draws, five errors of the difference.
    assert one.pair("c", "a")["mean"] == pytest.approx(other.pair("c", "a")["mean"], abs=0.17)
    assert one.ranking("bad").treatments[0] == "c"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ketasim.synthesis.NotConverged")  # few draws, and chains differ between processors
@pytest.mark.parametrize("measure", ["or", "md", "smd"])
def test_regression_and_measures(measure: str) -> None:
    rows = [r | {"year": 2000 + int(r["study"])} for r in ARMS]
    data = read_network(rows, measure, covariates=["year"])
    found = bayesian_network(data, "a", covariate="year", samples=800, warmup=800, effect_sd=3.0)
    assert "b[year]" in found.draws
    assert found.center == "2002.5"
    assert found.diagnostics.max_rhat < 1.03


@pytest.mark.slow
def test_node_split_agrees_with_least_squares() -> None:
    """Common effects, near-flat priors: the frequentist split is the posterior mean and sd."""
    from ketasim.synthesis import split_evidence

    data = read_network(random_contrasts(2, treatments=4, studies=10), "md")
    exact = split_evidence(network_meta_analysis(data, reference="t0"), "common", "node-splitting").rows
    found = bayesian_node_split(data, "t0", model="common", samples=1000, warmup=500)
    exact = [r for r in exact if np.isfinite(r["indirect"])]
    assert [(r["treat1"], r["treat2"]) for r in found.rows] == [(r["treat1"], r["treat2"]) for r in exact]
    for row, other in zip(found.rows, exact, strict=True):
        assert row["difference"] == pytest.approx(other["difference"], abs=0.15 * other["se_difference"])
        assert row["difference_sd"] == pytest.approx(other["se_difference"], rel=0.1)
        assert row["p"] == pytest.approx(other["p"], abs=0.08)


def test_result_without_sampling() -> None:
    """Prediction intervals and summaries need only draws."""
    from ketasim.synthesis._bayes_result import BayesResult, Diagnostics, ModelFit

    rng = np.random.default_rng(0)
    data = read_network(ARMS, "or")
    draws = {"d[b]": rng.normal(0.5, 0.1, (2, 5000)), "d[c]": rng.normal(1.0, 0.1, (2, 5000)), "tau": np.full((2, 5000), 0.3)}
    effects = np.column_stack([np.zeros(10_000), draws["d[b]"].ravel(), draws["d[c]"].ravel()])
    ok = Diagnostics(dict.fromkeys(draws, 1.0), dict.fromkeys(draws, 5000.0), 0, 10_000)
    result = BayesResult(data, "a", "random", "consistent", "binomial", draws, effects, ModelFit(9.0, 7.0, 9, {}), ok, {}, 1)
    pair = result.pair("c", "a")
    assert pair["exp_median"] == pytest.approx(np.exp(pair["median"]))
    assert pair["pi_high"] - pair["pi_low"] == pytest.approx(2 * 1.96 * (0.01 + 0.09) ** 0.5, rel=0.05)
    assert result.fit.dic == 16.0
    assert len(result.to_dataframe()) == 3
    assert set(result.as_dict()) >= {"league", "priors", "fit", "diagnostics"}
    assert result.tau["mean"] == pytest.approx(0.3)
