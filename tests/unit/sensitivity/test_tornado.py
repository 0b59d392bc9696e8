"""One parameter at a time: values, ends, marks, and agreement with `simulate`."""

from __future__ import annotations

import numpy as np
import pytest

import ketasim
from ketasim.errors import InvalidOption, InvalidParameter
from ketasim.results import exposure_rows
from ketasim.sensitivity import factors_of, held, outcomes_of, sobol, tornado
from ketasim.simulation import Versions

IV = "0.5 mg/kg racemic ketamine iv over 40 min"


@pytest.fixture(scope="module")
def nasal() -> Versions:
    return Versions("ketasim_reference", "esketamine nasal 56 mg")


@pytest.fixture(scope="module")
def depressed() -> Versions:
    return Versions("ketasim_reference", IV, n=30, seed=4, disorder="trd", control="midazolam")


def test_a_version_is_what_simulate_gives_with_these_values(nasal: Versions) -> None:
    outcomes = outcomes_of(nasal, ["cmax", "auc:s_norketamine"])
    for values in ({}, {"CLint": 200.0, "F_nasal": 0.3}):
        result = ketasim.simulate(dosing="esketamine nasal 56 mg", parameters=values)
        rows = {row["analyte"]: row for row in exposure_rows(result)}
        found = [outcome.of(nasal.read(values)) for outcome in outcomes]
        # Another plan of the step grid: the solver's tolerance of 1e-6, not the last bit.
        np.testing.assert_allclose(found, [rows["s_ketamine"]["cmax"], rows["s_norketamine"]["auc"]], rtol=2e-5)


def test_bars_end_at_the_quantiles_of_the_posterior(nasal: Versions) -> None:
    factors = [f for f in factors_of(nasal) if f.name in ("F_nasal", "ka_im")]
    found = tornado(nasal, factors, outcomes_of(nasal, ["auc"]))
    draws = nasal.model.parts[0].info["posterior"]["F_nasal"]
    (bar,) = found.bars["auc:s_ketamine"]
    assert (bar.low, bar.high) == pytest.approx(tuple(np.quantile(draws, [0.05, 0.95])))
    assert bar.at_low < bar.base < bar.at_high
    assert bar.swing == pytest.approx(bar.at_high - bar.at_low)
    assert found.idle == ("ka_im",)
    assert factors_of(nasal)[[f.name for f in factors_of(nasal)].index("ka_im")].mark == "prior, not data"
    assert "Kpuu_hnk" in held(nasal, ["F_nasal"])


def test_what_people_differ_in_moves_by_its_own_spread(nasal: Versions) -> None:
    factor = next(f for f in factors_of(nasal, "people") if f.name == "CLint")
    assert factor.at(0.5) == pytest.approx(349.5)
    assert factor.at(0.95) / factor.at(0.5) == pytest.approx(np.exp(1.6448536 * 0.5))
    assert next(f for f in factors_of(nasal, "people") if f.name == "ka_im").mark == "assumed"


def test_an_own_range_of_clearance_divides_the_area() -> None:
    """One compartment, all of the curve: AUC = dose / CL."""
    versions = Versions("generic/one_cmt", "racemic ketamine 50 mg iv bolus", parameters={"CL": 80.0, "V": 100.0}, until=60.0)
    outcomes = outcomes_of(versions, ["auc"])
    (bar,) = tornado(versions, factors_of(versions, ranges={"CL": (60.0, 120.0)}), outcomes).bars[outcomes[0].label]
    assert (bar.low, bar.high) == pytest.approx((63.0, 117.0))
    assert (bar.at_low / bar.base, bar.at_high / bar.base) == pytest.approx((80 / 63, 80 / 117), rel=1e-5)


def test_all_together_agrees_with_bars_where_nothing_interacts(nasal: Versions) -> None:
    factors = [f for f in factors_of(nasal) if f.name in ("F_nasal", "Qh")]
    shares = sobol(nasal, factors, outcomes_of(nasal, ["auc"]), samples=32)
    assert [s.factor.name for s in shares] == ["F_nasal", "Qh"]
    assert sum(s.total for s in shares) == pytest.approx(1.0, abs=0.15)


def test_symptoms_of_a_version_are_those_of_simulate(depressed: Versions) -> None:
    result = ketasim.simulate(dosing=IV, n=30, seed=4, disorder="trd", control="midazolam")
    outcomes = outcomes_of(depressed, ["change", "response@24", "cadss_above_4@first"])
    found = [outcome.of(depressed.read({})) for outcome in outcomes]
    wanted = [
        result["visit"]["change"][-1],
        result["visit"]["response"].sel(visit=24.0),
        result["incidence"]["first"].sel(definition="cadss_above_4"),
    ]
    np.testing.assert_allclose(found, [float(x) for x in wanted], rtol=1e-6)
    none = depressed.read({"trd.g": 0.0})
    assert outcomes[0].of(none) > found[0] + 3.0, "without an effect of the drug people improve less"
    assert outcomes[2].of(none) == found[2], "dissociation is no matter of the antidepressant effect"
    marks = {f.name: f.mark for f in factors_of(depressed)}
    assert (marks["trd.E50"], marks["trd.g"]) == ("prior, not data", "")


@pytest.mark.parametrize(
    ("asked", "words"),
    [("cmx", "Close: 'cmax'"), ("auc:s_nk", "There are: s_ketamine"), ("auctau", "does not repeat"), ("cmax@arm", "no such site"), ("change", "need a disorder")],
)  # fmt: skip
def test_a_wrong_outcome_is_refused(nasal: Versions, asked: str, words: str) -> None:
    with pytest.raises(InvalidOption, match=words):
        outcomes_of(nasal, [asked])


def test_what_cannot_be_is_refused(nasal: Versions, depressed: Versions) -> None:
    with pytest.raises(InvalidOption, match="no visit at 5 h"):
        outcomes_of(depressed, ["change@5"])
    with pytest.raises(InvalidOption, match="share of people"):
        outcomes_of(Versions("ketasim_reference", IV, disorder="trd"), ["response"])
    with pytest.raises(InvalidParameter, match="lower first"):
        factors_of(nasal, ranges={"Kpuu": (2.0, 1.0)})
    with pytest.raises(InvalidParameter, match="Close: 'Kpuu'"):
        factors_of(nasal, ranges={"Kpu": (1.0, 2.0)})
    with pytest.raises(InvalidOption, match="uncertainty or people"):
        factors_of(nasal, "everything")
    with pytest.raises(InvalidOption, match="event table"):
        Versions("ketasim_reference", __import__("pathlib").Path("events.csv"))
    with pytest.raises(InvalidOption, match="'draws' has no meaning"):
        Versions("ketasim_reference", IV, draws=5)
