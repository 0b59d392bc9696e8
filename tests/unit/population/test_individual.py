"""Individual parameters: covariate forms, variability, correlation, occasions, uncertainty, co-medication, refusals."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from ketasim.errors import InvalidData, InvalidModel, InvalidOption, InvalidParameter
from ketasim.model import CovariateEffect, Number, Param, Variability
from ketasim.population import (
    Cohort,
    OutOfBounds,
    assumed_covariates,
    cv_from_omega2,
    individual_parameters,
    normal,
    omega2_from_cv,
    typical_values,
)

N = 40_000


@dataclass
class Stub:
    """The part of a model this package reads."""

    numbers: dict[str, Number]
    correlations: dict[tuple[str, str], float] = field(default_factory=dict)
    bounds: dict[str, tuple[float, float]] = field(default_factory=dict)
    parts: tuple[Any, ...] = ()

    @property
    def params(self) -> dict[str, Param]:
        return {name: Param(n.unit, bounds=self.bounds.get(name, (0.0, float("inf")))) for name, n in self.numbers.items()}


@dataclass
class Entry:
    """A part with a posterior."""

    info: dict[str, Any]
    cite: str = "mine@1"
    numbers: dict[str, Number] = field(default_factory=dict)


@dataclass
class Drug:
    multipliers: dict[str, Number]


def one(effects: tuple[CovariateEffect, ...] = (), value: float = 10.0, **more: Any) -> Stub:
    return Stub({"CL": Number(value, "L/h", covariates=effects, **more)})


def people(n: int = N, seed: int = 5, **covariates: Any) -> Cohort:
    return Cohort(np.arange(n), covariates, seed)


@pytest.mark.parametrize(
    ("effect", "value", "expected"),
    [
        (CovariateEffect("WT", "power", 70.0, 0.75), 140.0, 10 * 2**0.75),
        (CovariateEffect("EGFR", "power_below", 100.0, 0.42), 20.0, 10 * 0.2**0.42),
        (CovariateEffect("EGFR", "power_below", 100.0, 0.42), 180.0, 10.0),
        (CovariateEffect("WT", "linear", 70.0, 0.01), 80.0, 11.0),
        (CovariateEffect("WT", "exponential", 70.0, 0.01), 80.0, 10 * np.exp(0.1)),
        (CovariateEffect("WT", "additive", 70.0, 0.2), 80.0, 12.0),
        (CovariateEffect("AGE", "linear_above", 60.0, -0.02), 70.0, 8.0),
        (CovariateEffect("AGE", "linear_above", 60.0, -0.02), 50.0, 10.0),
        (CovariateEffect("AGE", "additive_above", 60.0, -0.1), 70.0, 9.0),
        (CovariateEffect("AGE", "additive_above", 60.0, -0.1), 20.0, 10.0),
    ],
)
def test_numeric_forms(effect: CovariateEffect, value: float, expected: float) -> None:
    got = individual_parameters(one((effect,)), Cohort([1], {effect.by: [value]}))["CL"]
    np.testing.assert_allclose(got, [expected], rtol=1e-14)


def test_effects_are_neutral_at_the_reference_and_apply_in_order() -> None:
    effects = (CovariateEffect("WT", "power", 70.0, 0.75), CovariateEffect("AGE", "additive", 40.0, 1.0))
    at_reference = individual_parameters(one(effects), Cohort([1], {"WT": [70.0], "AGE": [40.0]}))["CL"]
    np.testing.assert_array_equal(at_reference, [10.0])
    np.testing.assert_allclose(
        individual_parameters(one(effects), Cohort([1], {"WT": [140.0], "AGE": [41.0]}))["CL"], [10 * 2**0.75 + 1], rtol=1e-14
    )


def test_levels_fall_back_on_the_wider_group() -> None:
    race = {"RACE": ["white", "japanese", "chinese", "asian"]}
    asian = CovariateEffect("RACE", "factor", levels={"Asian": 0.36})
    japanese = CovariateEffect("race", "factor", levels={"japanese": 1.34})
    np.testing.assert_allclose(individual_parameters(one((asian,)), Cohort([1, 2, 3, 4], race))["CL"], [10, 3.6, 3.6, 3.6])
    np.testing.assert_allclose(individual_parameters(one((japanese,)), Cohort([1, 2, 3, 4], race))["CL"], [10, 13.4, 10, 10])


def test_coded_levels_match_their_number() -> None:
    effect = CovariateEffect("SITE", "factor", levels={"2": 0.5})
    np.testing.assert_allclose(individual_parameters(one((effect,)), Cohort([1, 2], {"SITE": [1, 2]}))["CL"], [10, 5])


def test_missing_covariates_name_parameter_and_covariate() -> None:
    effect = CovariateEffect("WT", "power", 70.0, 0.75)
    with pytest.raises(InvalidData, match=r"parameter CL depends on covariate WT, which the cohort lacks \(it has: AGE\)"):
        individual_parameters(one((effect,)), Cohort([1], {"AGE": [40.0]}))


def test_documented_defaults_are_neutral_and_listed() -> None:
    effects = (
        CovariateEffect("CYP2B6", "factor", levels={"*6/*6": 0.15}),
        CovariateEffect("EGFR", "power", 100.0, 0.19),
        CovariateEffect("CHILD_PUGH", "factor", levels={"B": 0.3}),
        CovariateEffect("RACE", "factor", levels={"asian": 0.36}),
    )
    model = one(effects)
    np.testing.assert_array_equal(individual_parameters(model, Cohort([1, 2]))["CL"], [10.0, 10.0])
    assumed = assumed_covariates(model.numbers, ["WT"])
    assert assumed == {"CYP2B6": "*1/*1", "EGFR": "reference", "CHILD_PUGH": "none", "RACE": "other"}
    cohort = Cohort([1], {"CYP2B6": ["*6/*6"], "EGFR": [100.0], "CHILD_PUGH": ["B"], "RACE": ["white"]})
    np.testing.assert_allclose(individual_parameters(model, cohort)["CL"], [10 * 0.15 * 0.3], rtol=1e-14)


def test_word_where_a_number_is_needed() -> None:
    with pytest.raises(InvalidData, match="SEX must be a number"):
        individual_parameters(one((CovariateEffect("SEX", "linear", 1.0, 0.1),)), Cohort([1], {"SEX": ["male"]}))


def test_power_needs_a_positive_reference() -> None:
    with pytest.raises(InvalidModel, match="power needs a positive one"):
        individual_parameters(one((CovariateEffect("WT", "power", 0.0, 0.1),)), Cohort([1], {"WT": [70.0]}))


def test_lognormal_moments() -> None:
    # 5 standard errors: false-alarm rate below 1e-6 per line.
    omega2 = omega2_from_cv(0.3)
    logs = np.log(individual_parameters(one(iiv=Variability(omega2)), people())["CL"] / 10.0)
    assert abs(logs.mean()) < 5 * np.sqrt(omega2 / N)
    assert abs(logs.var() / omega2 - 1) < 5 * np.sqrt(2 / N)
    assert cv_from_omega2(omega2) == pytest.approx(0.3, rel=1e-14)


def test_logit_and_normal_forms() -> None:
    z = normal(5, np.arange(N), "eta/CL")
    logit = individual_parameters(one(value=0.54, iiv=Variability(0.5, "logit")), people())["CL"]
    np.testing.assert_allclose(logit, 1 / (1 + np.exp(-(np.log(0.54 / 0.46) + np.sqrt(0.5) * z))), rtol=1e-12)
    shifted = individual_parameters(one(value=100.0, iiv=Variability(4.0, "normal")), people())["CL"]
    np.testing.assert_allclose(shifted, 100 + 2 * z, rtol=1e-14)


def test_logit_at_one_stays_one_and_above_one_is_refused() -> None:
    np.testing.assert_array_equal(
        individual_parameters(one(value=1.0, iiv=Variability(0.5, "logit")), people(3))["CL"], [1, 1, 1]
    )
    with pytest.raises(InvalidParameter, match="must stay in 0 to 1"):
        individual_parameters(one(value=1.2, iiv=Variability(0.5, "logit")), people(3))


def three(correlations: dict[tuple[str, str], float]) -> Stub:
    numbers = {name: Number(1.0, "L", iiv=Variability(omega2)) for name, omega2 in {"CL": 0.09, "Vc": 0.04, "ka": 0.25}.items()}
    return Stub(numbers, correlations)


def test_correlated_etas_have_the_declared_covariance() -> None:
    # SD of a sample covariance is sqrt((ab + c^2) / N); 5 of them: false-alarm rate below 1e-6 per pair.
    covariances = {("CL", "Vc"): 0.03, ("Vc", "ka"): -0.05}
    drawn = individual_parameters(three(covariances), people())
    logs = np.log(np.stack([drawn[name] for name in ("CL", "Vc", "ka")]))
    expected = np.array([[0.09, 0.03, 0.0], [0.03, 0.04, -0.05], [0.0, -0.05, 0.25]])
    spread = np.sqrt((np.outer(np.diag(expected), np.diag(expected)) + expected**2) / N)
    assert np.all(np.abs(np.cov(logs) - expected) < 5 * spread)


def test_uncorrelated_parameters_keep_their_numbers_when_others_are_correlated() -> None:
    alone, mixed = individual_parameters(three({}), people(50)), individual_parameters(three({("CL", "Vc"): 0.03}), people(50))
    np.testing.assert_array_equal(alone["ka"], mixed["ka"])


def test_correlation_of_one_is_allowed() -> None:
    drawn = individual_parameters(three({("CL", "Vc"): 0.06}), people(50))
    np.testing.assert_allclose(np.log(drawn["CL"]) * 0.2, np.log(drawn["Vc"]) * 0.3, atol=1e-7)


@pytest.mark.parametrize(
    ("correlations", "message"),
    [
        ({("CL", "Vc"): 0.5}, "CL, Vc are not positive definite .*largest correlation is 8.33 between CL and Vc"),
        ({("CL", "Q1"): 0.01}, "Q1 has no variability between patients"),
    ],
)
def test_impossible_covariances(correlations: dict[tuple[str, str], float], message: str) -> None:
    with pytest.raises(InvalidModel, match=message):
        individual_parameters(three(correlations), people(3))


def test_occasions_differ_within_a_patient_and_add_to_the_variation_between() -> None:
    model = one(iiv=Variability(0.09), iov=Variability(0.04))
    cohort = people()
    first, second = (np.log(individual_parameters(model, cohort, occasion=k)["CL"] / 10) for k in (0, 1))
    # 5 standard errors of variance and covariance: false-alarm rate below 1e-6 per line.
    assert abs(first.var() - 0.13) < 5 * 0.13 * np.sqrt(2 / N)
    assert abs(np.cov(first, second)[0, 1] - 0.09) < 5 * np.sqrt((0.13**2 + 0.09**2) / N)
    records = individual_parameters(model, cohort, occasion=np.stack([np.zeros(N, int), np.ones(N, int)]))["CL"]
    np.testing.assert_allclose(np.log(records / 10), np.stack([first, second]), rtol=1e-12)


def test_variability_can_be_chosen() -> None:
    model, cohort = one(iiv=Variability(0.09), iov=Variability(0.04)), people(100)
    eta, occasion = 0.3 * normal(5, np.arange(100), "eta/CL"), 0.2 * normal(5, np.arange(100), "iov/CL", 0)
    np.testing.assert_array_equal(individual_parameters(model, cohort, variability=False)["CL"], 10.0)
    np.testing.assert_allclose(individual_parameters(model, cohort, variability="between")["CL"], 10 * np.exp(eta), rtol=1e-14)
    np.testing.assert_allclose(
        individual_parameters(model, cohort, variability="occasion")["CL"], 10 * np.exp(occasion), rtol=1e-14
    )
    with pytest.raises(InvalidOption, match="variability = 'all'"):
        individual_parameters(model, cohort, variability="all")  # type: ignore[arg-type]


def test_two_forms_of_one_parameter_are_refused() -> None:
    with pytest.raises(InvalidModel, match=r"parameter CL: .* two forms"):
        individual_parameters(one(iiv=Variability(0.1), iov=Variability(0.1, "normal")), people(2))


def test_time_varying_covariates_give_records() -> None:
    model = one((CovariateEffect("WT", "power", 70.0, 1.0),), iiv=Variability(0.09))
    model.numbers["Vc"] = Number(5.0, "L")
    cohort = people(3, WT=[70.0, 80.0, 90.0])
    drawn = individual_parameters(model, cohort, covariates={"wt": np.array([[70.0, 80, 90], [140, 160, 180]])})
    assert drawn["CL"].shape == (2, 3) and drawn["Vc"].shape == (3,)
    np.testing.assert_allclose(drawn["CL"][1], 2 * individual_parameters(model, cohort)["CL"], rtol=1e-14)
    with pytest.raises(InvalidOption, match=r"covariate WT has shape \(2,\)"):
        individual_parameters(model, cohort, covariates={"WT": np.array([70.0, 80.0])})


def test_uncertainty_from_standard_errors() -> None:
    # 2000 draws, 5 standard errors: false-alarm rate below 1e-5.
    model = Stub(
        {
            "CL": Number(10.0, "L/h", se=2.0),
            "F": Number(0.9, "1", se=0.05),
            "slope": Number(-1.0, "1", se=0.5),
            "Vc": Number(5.0, "L"),
        },
        bounds={"F": (0.0, 1.0), "slope": (-float("inf"), float("inf"))},
    )
    draws = [typical_values(model, k, seed=2) for k in range(2000)]
    logs = np.log([d["CL"] for d in draws])
    assert abs(logs.mean() - np.log(10)) < 5 * 0.2 / np.sqrt(2000)
    assert abs(logs.std() / np.sqrt(np.log1p(0.04)) - 1) < 5 / np.sqrt(4000)
    fractions = np.array([d["F"] for d in draws])
    assert fractions.max() < 1.0 and abs(np.median(fractions) - 0.9) < 0.01
    assert min(d["slope"] for d in draws) < 0
    assert {d["Vc"] for d in draws} == {5.0}
    assert draws[7] == typical_values(model, 7, seed=2)


def test_one_draw_holds_for_all_patients() -> None:
    drawn = individual_parameters(one(se=2.0), people(5), uncertainty=3)["CL"]
    assert np.unique(drawn).size == 1 and drawn[0] != 10.0


def test_posterior_of_the_entry_is_used_row_by_row() -> None:
    model = Stub({"CL": Number(10.0, "L/h", se=2.0), "Vc": Number(5.0, "L")})
    model.parts = (Entry({"posterior": {"CL": [9.0, 11.0], "Vc": [4.0, 6.0]}}),)
    assert typical_values(model, 1, seed=0) == {"CL": 11.0, "Vc": 6.0}
    assert typical_values(model, 2, seed=0) == {"CL": 9.0, "Vc": 4.0}
    model.parts = (Entry({"posterior": {"CL": [9.0, 11.0], "Vc": [4.0]}}),)
    with pytest.raises(InvalidModel, match=r"mine@1: the posterior's columns have \[1, 2\] draws"):
        typical_values(model, 0, seed=0)


def test_uncertainty_given_directly_or_wrongly() -> None:
    assert typical_values(one(), {"CL": 12.0}, seed=0) == {"CL": 12.0}
    with pytest.raises(InvalidParameter, match=r"uncertainty sets 'CLL'.*Close: 'CL'"):
        typical_values(one(), {"CLL": 12.0}, seed=0)
    with pytest.raises(InvalidOption, match="uncertainty = -1"):
        typical_values(one(), -1, seed=0)


def test_comedication_multiplies_and_several_drugs_combine() -> None:
    model = Stub({"A_2B6_liver": Number(1.0, "1"), "CL": Number(10.0, "L/h")})
    ticlopidine = Drug({"A_2B6_liver": Number(0.2, "1"), "A_2B6_gut": Number(0.2, "1")})
    drawn = individual_parameters(model, people(2), comedication=[ticlopidine, {"A_2B6_liver": 0.5}])
    np.testing.assert_allclose(drawn["A_2B6_liver"], [0.1, 0.1], rtol=1e-14)
    np.testing.assert_array_equal(drawn["CL"], [10.0, 10.0])


@pytest.mark.parametrize(
    ("comedication", "message"),
    [
        (["ticlopidine"], "is a name; give the library entry"),
        ("ticlopidine", "takes a list"),
        ([{"A_3A4_gut": 2.0}], "acts on A_3A4_gut, none of which the model has"),
    ],
)
def test_comedication_that_cannot_act(comedication: Any, message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        individual_parameters(one(), people(2), comedication=comedication)


def test_negative_multiplier() -> None:
    with pytest.raises(InvalidParameter, match="multiplies CL by -1"):
        individual_parameters(one(), people(2), comedication=[{"CL": -1.0}])


def test_values_outside_bounds_fail_their_patient_only() -> None:
    model = one((CovariateEffect("AGE", "additive_above", 60.0, -0.5),))
    with pytest.warns(OutOfBounds, match=r"CL = -5 L/h \(patient 2\) is outside 0 to inf; so for 1 of 2 patients"):
        drawn = individual_parameters(model, Cohort([1, 2], {"AGE": [60.0, 90.0]}))["CL"]
    assert drawn[0] == 10.0 and np.isnan(drawn[1])
    with pytest.raises(InvalidParameter, match="for every patient"):
        individual_parameters(model, Cohort([2], {"AGE": [90.0]}))


def test_a_quiet_model_gives_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        individual_parameters(one(iiv=Variability(0.09)), people(100))


def test_number_is_not_changed() -> None:
    model = one(iiv=Variability(0.09))
    before = replace(model.numbers["CL"])
    individual_parameters(model, people(5))
    assert model.numbers["CL"] == before
