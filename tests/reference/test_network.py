"""Network meta-analyses against published results; data/network/README.md says where each number was read."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ketasim.errors import KetasimWarning
from ketasim.synthesis import (
    BayesResult,
    NetworkData,
    bayesian_network,
    bayesian_node_split,
    network_meta_analysis,
    read_network,
)

DATA = Path(__file__).parent / "data" / "network"
SENN: dict[str, Any] = json.loads((DATA / "senn2013.expected.json").read_text())
TOLERANCE = SENN["tolerance_absolute"]


@pytest.mark.reference
def test_senn() -> None:
    found = network_meta_analysis(DATA / "senn2013.csv", "md", "plac", tau2="dl")
    summary = found.as_dict()
    assert {k: summary[k] for k in ("Q", "df", "tau2")} == {k: pytest.approx(SENN[k], abs=TOLERANCE) for k in ("Q", "df", "tau2")}
    assert summary["I2_percent"] == pytest.approx(SENN["I2_percent"], abs=0.005)  # printed to two decimals
    for model in ("common", "random"):
        for treatment, (estimate, se) in SENN[model].items():
            pair = found.model(model).pair(treatment, "plac")
            assert (pair["estimate"], pair["se"]) == (pytest.approx(estimate, abs=TOLERANCE), pytest.approx(se, abs=TOLERANCE))


@pytest.mark.reference
def test_senn_from_the_command_line() -> None:
    from ketasim.cli._app import app

    words = ["synthesize", "network", "--data", str(DATA / "senn2013.csv"), "--measure", "md", "--reference", "plac", "--json"]
    found = json.loads(CliRunner().invoke(app, words).stdout)
    assert found["Q"] == pytest.approx(SENN["Q"], abs=TOLERANCE)
    for model in ("common", "random"):
        for treatment, numbers in SENN[model].items():
            assert found[model][treatment] == pytest.approx(numbers, abs=TOLERANCE)


@pytest.mark.reference
def test_prediction_intervals() -> None:
    """Computed with netmeta 3.6, which takes the degrees of freedom of Q (4 and 23); the effects have been those of ketasim to 1e-13."""
    parkinson = network_meta_analysis(DATA / "parkinson.csv", "md", "1", prediction="df").random
    assert parkinson.prediction == "t with 4 df"
    pair = parkinson.pair("1", "4")
    assert (pair["pi_low"], pair["pi_high"]) == pytest.approx((-0.8049, 1.8529), abs=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KetasimWarning)
        pair = network_meta_analysis(smoking(), prediction="df").random.pair("Group counselling", "No intervention")
    assert (pair["pi_low"], pair["pi_high"]) == pytest.approx((-0.9109, 2.7155), abs=1e-4)


@pytest.mark.reference
def test_parkinson_common_effects() -> None:
    """With priors N(0, 100^2) and 4,000 draws the published posterior is least squares to Monte Carlo error: 5 x sd / root(1500)."""
    found = network_meta_analysis(DATA / "parkinson.csv", "md", "1").common
    for treatment, mean, sd in (("4", -0.54, 0.47), ("2", -1.81, 0.34), ("3", -0.50, 0.49), ("5", -0.84, 0.52)):
        pair = found.pair(treatment, "1")
        assert pair["estimate"] == pytest.approx(mean, abs=0.13 * sd + 0.005)
        assert pair["se"] == pytest.approx(sd, abs=0.05 * sd + 0.005)


def smoking() -> NetworkData:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KetasimWarning)  # zero cells: the likelihood of counts needs no correction
        return read_network(DATA / "smoking.csv", "or")


def agrees(found: BayesResult, published: dict[str, tuple[float, float]]) -> None:
    """Both sides are Monte Carlo with a thousand effective draws or more: four errors of the difference are 0.18 sd."""
    table = found.parameters().set_index("parameter")
    for name, (mean, sd) in published.items():
        assert table.loc[name, "mean"] == pytest.approx(mean, abs=0.18 * sd + 0.005), name
        assert table.loc[name, "sd"] == pytest.approx(sd, abs=0.12 * sd + 0.005), name


@pytest.mark.slow
@pytest.mark.reference
def test_smoking_random_effects() -> None:
    found = bayesian_network(smoking(), "No intervention", tau_prior="half-normal(5)", seed=3)
    assert found.diagnostics.converged
    assert found.likelihood == "binomial"
    agrees(
        found,
        {"d[Group counselling]": (1.10, 0.44), "d[Individual counselling]": (0.84, 0.25), "d[Self-help]": (0.50, 0.41), "tau": (0.84, 0.19)},
    )  # fmt: skip
    assert found.fit.points == 50
    assert found.fit.deviance == pytest.approx(53.5, abs=1.0)
    assert found.fit.p_d == pytest.approx(43.5, abs=1.0)
    assert found.fit.dic == pytest.approx(97.0, abs=1.5)


@pytest.mark.slow
@pytest.mark.reference
def test_smoking_unrelated_mean_effects() -> None:
    """Group counselling comes before the others by name there as here, so the base arms of the multi-arm trials agree."""
    found = bayesian_network(smoking(), "No intervention", consistency="unrelated", tau_prior="half-normal(5)", seed=4)
    agrees(
        found,
        {
            "d[Group counselling : No intervention]": (1.13, 0.79), "d[Individual counselling : No intervention]": (0.90, 0.27),
            "d[Self-help : No intervention]": (0.36, 0.57), "d[Individual counselling : Group counselling]": (-0.30, 0.59),
            "d[Self-help : Group counselling]": (-0.61, 0.70), "d[Self-help : Individual counselling]": (0.21, 1.04), "tau": (0.93, 0.22),
        },
    )  # fmt: skip
    assert found.fit.dic == pytest.approx(99.0, abs=1.5)


@pytest.mark.slow
@pytest.mark.reference
def test_smoking_node_split() -> None:
    """Self-help against individual counselling: direct 0.07 (0.66), indirect -0.63 (0.52), difference 0.70 (0.82), p 0.39.

    The published split gives the difference to one side in three-arm trials, ours to both in halves, so agreement is to 0.3 sd.
    """
    pair = [("Self-help", "Individual counselling")]
    row = bayesian_node_split(smoking(), "No intervention", pairs=pair, tau_prior="half-normal(5)", seed=5).rows[0]
    assert (row["treat1"], row["treat2"]) == ("Individual counselling", "Self-help")
    assert -row["direct"] == pytest.approx(0.07, abs=0.2)
    assert -row["indirect"] == pytest.approx(-0.63, abs=0.16)
    assert row["difference_sd"] == pytest.approx(0.82, rel=0.15)
    assert row["p"] == pytest.approx(0.39, abs=0.1)
    assert row["dic"] == pytest.approx(97.5, abs=2.0)


@pytest.mark.slow
@pytest.mark.reference
def test_parkinson_random_effects() -> None:
    found = bayesian_network(read_network(DATA / "parkinson.csv", "md"), "1", tau_prior="half-normal(5)", seed=6)
    agrees(found, {"d[4]": (-0.53, 0.61), "d[2]": (-1.86, 0.54), "d[3]": (-0.50, 0.64)})
    assert found.tau["median"] == pytest.approx(0.26, abs=0.06)
    assert found.fit.points == 15
    assert found.fit.deviance == pytest.approx(13.7, abs=0.6)
    assert found.fit.p_d == pytest.approx(12.4, abs=0.6)


@pytest.mark.slow
def test_bayesian_and_least_squares_agree_on_senn() -> None:
    """Random effects: posterior means within a fifth of a standard error of the fit at the REML heterogeneity."""
    data = read_network(DATA / "senn2013.csv", "md")
    fit = network_meta_analysis(data, reference="plac", tau2="reml").random
    found = bayesian_network(data, "plac", seed=7)
    for row in found.versus().to_dict("records"):
        pair = fit.pair(row["treat1"], "plac")
        assert row["mean"] == pytest.approx(pair["estimate"], abs=0.2 * pair["se"])
        assert pair["se"] < row["sd"] * 1.05 < 1.3 * pair["se"]
