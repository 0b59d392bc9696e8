"""Questions to the evidence base: each gives an estimate with a rating, or says that data do not suffice."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ketasim.errors import UnknownEntry
from ketasim.synthesis import PairwiseData, answer_question, pairwise, pooled_percentage, questions
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


def test_fewer_than_two_studies_are_not_pooled() -> None:
    assert answer_question("ocd").summary == "Not enough data: 2 studies are needed to pool; found: rodriguez2013."


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


@pytest.mark.parametrize("k", [2, 3, 4])
def test_two_or_three_studies_are_shown_not_pooled(k: int) -> None:
    n = np.full(k, np.nan)
    data = PairwiseData(tuple("abcd"[:k]), np.array([0.2, 2.9, 1.0, 1.5][:k]), np.array([0.4, 0.5, 0.6, 0.7][:k]), "or", n, n)
    result = pairwise(data, hk="adhoc", level=0.999)
    assert k > 2 or result.as_dict()["random"]["exp_ci_high"] == math.inf
    text = _summary(result)
    assert ("too few to pool usefully, by study a 1.22 (0.56 to 2.68)" in text) == (k < 4)
