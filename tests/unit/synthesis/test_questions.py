"""Questions to the evidence base: each gives an estimate with a rating, or says that data do not suffice."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ketasim.errors import UnknownEntry
from ketasim.synthesis import CountArm, PairwiseData, answer_question, effect, pairwise, pooled_percentage, questions
from ketasim.synthesis._questions import _summary


@pytest.mark.parametrize("name", [q.name for q in questions()])
def test_every_question_has_an_answer(name: str) -> None:
    answer = answer_question(name)
    assert answer.summary.endswith(".")
    if answer.summary.startswith("Not enough data"):
        assert answer.pairwise is None
        assert not answer.networks
    else:
        assert answer.rows
        assert answer.sources


def test_one_study_is_told_and_what_the_others_lack() -> None:
    """rodriguez2013: 4 of 8 against 0 of 7, 0.5 added to every cell."""
    answer = answer_question("ocd")
    assert answer.pairwise is None and answer.certainty is None
    told, lacks = answer.summary.split(" Not usable, missing: ")
    half = 1.959964 * math.sqrt(1 / 4.5 + 1 / 4.5 + 1 / 0.5 + 1 / 7.5)
    low, high = (math.exp(math.log(15.0) + side * half) for side in (-1, 1))
    assert told == f"OR: 1 study, nothing to pool, rodriguez2013 15.00 ({low:.2f} to {high:.2f})."
    assert (
        "nct02624596: results are not posted" in lacks
        and "rodriguez2013" not in lacks
        and "nct02234011: any result (terminated)" in lacks
    )


@pytest.mark.parametrize(("name", "says"), [("ptsd", "feder2014 -0.77 (-1.38 to -0.15), feder2021 -1.13"), ("alcohol", "grabski2022 10.10"),
                                            ("alcohol-abstinence", "dakwar2020 2.49"), ("opioid", "krupitsky2007 3.50")])  # fmt: skip
def test_disorders_are_answered_from_what_stands_and_the_rest_is_named(name: str, says: str) -> None:
    summary = answer_question(name).summary
    assert says in summary and "Not usable, missing: " in summary
    assert ("terasaki2022: the interval of the readmission_30d rr (0.37)" in summary) == name.startswith("alcohol")


def test_rating_names_its_reasons() -> None:
    certainty = answer_question("rapid-effect-by-control").certainty
    assert certainty is not None
    assert certainty.level in ("very low", "low", "moderate")
    assert certainty.reasons[0].startswith("risk of bias")


def test_groups_are_compared() -> None:
    result = answer_question("rapid-effect-by-control").pairwise
    assert result is not None
    assert {g.name for g in result.subgroups} == {"saline", "midazolam"}
    assert result.between


def test_what_no_trial_joins_is_not_compared() -> None:
    answer = answer_question("acute-course-network")
    treatments = [set(network.data.treatments) for network in answer.networks]
    assert len(treatments) == 2
    assert not treatments[0] & treatments[1]
    assert answer.summary.startswith("2 networks that no trial joins")
    assert "Lii2023" not in {row["study"] for row in answer.rows}, "a single infusion is no course"


def test_a_trial_counts_once_for_a_drug_and_route() -> None:
    rows = answer_question("rapid-effect-by-drug-and-route").rows
    pairs = [(row["study"], row["drug_and_route"]) for row in rows]
    assert len(pairs) == len(set(pairs)) > 5
    assert all(0 <= row["events1"] <= row["n1"] and 0 <= row["events2"] <= row["n2"] for row in rows)


def test_risk_of_bias_is_counted() -> None:
    certainty = answer_question("one-day-madrs-by-drug-and-route").certainty
    assert certainty is not None
    assert "not assessed" in certainty.reasons[0]


def test_unknown_question_is_one_clear_message() -> None:
    with pytest.raises(UnknownEntry, match="no question 'rapid'"):
        answer_question("rapid")


@given(st.lists(st.tuples(st.floats(1, 99), st.integers(20, 500)), min_size=1, max_size=6))
def test_pooled_percentage_lies_between_the_studies_and_inside_its_limits(studies: list[tuple[float, int]]) -> None:
    value, low, high, k = pooled_percentage([(p, float(n)) for p, n in studies])
    assert k == len(studies)
    assert low <= value <= high
    shares = [p for p, _ in studies]
    assert min(shares) - 1e-9 <= value <= max(shares) + 1e-9


def test_empty_cells_are_not_infinite() -> None:
    value, low, high, _ = pooled_percentage([(0.0, 26.0)])
    assert math.isfinite(value)
    assert 0 < low < value < high < 100


@pytest.mark.parametrize("k", [2, 4, 5])
def test_fewer_than_five_studies_are_shown_not_pooled(k: int) -> None:
    n = np.full(k, np.nan)
    data = PairwiseData(
        tuple("abcde"[:k]), np.array([0.2, 2.9, 1.0, 1.5, 0.7][:k]), np.array([0.4, 0.5, 0.6, 0.7, 0.8][:k]), "or", n, n
    )
    result = pairwise(data, hk="adhoc", level=0.999)
    assert k > 2 or result.as_dict()["random"]["exp_ci_high"] == math.inf
    text = _summary(result)
    assert ("too few to pool usefully, by study a 1.22 (0.56 to 2.68)" in text) == (k < 5)


@pytest.mark.parametrize("name", ["rapid-effect-by-drug-and-route", "rapid-response-network"])
def test_arms_of_a_crossover_are_the_same_people(name: str) -> None:
    """Paired arms tell more than two groups of the same size would, and their people count once."""
    answer = answer_question(name)
    assert (
        "Crossover, same people in both arms, correlation 0.5 assumed: Berman2000, Dwyer2021_adolescent, Lapidus2014, Sos2013."
        in answer.summary
    )
    if answer.pairwise is not None:
        row = next(row for row in answer.rows if row["study"] == "Sos2013")
        alone = effect("or", CountArm(row["events1"], row["n1"]), CountArm(row["events2"], row["n2"]))
        i = answer.pairwise.data.studies.index("Sos2013")
        assert answer.pairwise.data.variance[i] < alone.variance
        assert answer.pairwise.data.effect[i] == pytest.approx(alone.estimate)
    else:
        study = next(s for network in answer.networks for s in network.data.studies if s.study == "Lapidus2014")
        assert study.cov.shape == (1, 1) and study.cov[0, 0] < 1.2
