"""Verdict rules: each can give every verdict it knows, and thresholds are where they are declared."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ketasim.errors import InvalidEntry
from ketasim.evidence import load
from ketasim.review import _rules as rules
from ketasim.review import claim
from ketasim.review._answer import _Runs
from ketasim.review._rules import CONTRADICTED, NOT_TESTABLE, PARTLY, REPRODUCED


def findings(*agrees: bool | None, source: str = "") -> list[dict[str, object]]:
    return [{"agrees": a, "source": source or f"s{k}"} for k, a in enumerate(agrees)]


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([], NOT_TESTABLE),
        (findings(None, None), NOT_TESTABLE),
        (findings(True, True, True), REPRODUCED),
        (findings(True, True, True, True, False), REPRODUCED),  # 80 %
        (findings(True, True, True, False), PARTLY),  # 75 %
        (findings(True, True), PARTLY),  # too few
        (findings(True, True, True, source="one"), PARTLY),  # one source is no replication
        (findings(True, True, True, None), PARTLY),  # a part that is not known
        (findings(True, False, False, False, False), CONTRADICTED),  # 20 %
        (findings(False), NOT_TESTABLE),  # one finding contradicts as little as it confirms
    ],
)
def test_share(rows: list[dict[str, object]], verdict: str) -> None:
    assert rules.share(rows).verdict == verdict


@pytest.mark.parametrize(
    ("estimate", "low", "high", "side", "verdict"),
    [
        (2.0, 1.2, 3.3, "above", REPRODUCED),
        (1.5, 0.8, 2.8, "above", PARTLY),
        (0.9, 0.5, 1.6, "above", CONTRADICTED),
        (0.5, 0.3, 0.8, "above", CONTRADICTED),
        (0.5, 0.3, 0.8, "below", REPRODUCED),
    ],
)
def test_interval_against_no_effect(estimate: float, low: float, high: float, side: str, verdict: str) -> None:
    assert rules.interval(estimate, low, high, 1.0, side)[0] == verdict


@given(st.floats(-3, 3), st.floats(0.01, 2))
def test_interval_turns_with_the_sign(estimate: float, half: float) -> None:
    above = rules.interval(estimate, estimate - half, estimate + half, 0.0, "above")[0]
    below = rules.interval(-estimate, -estimate - half, -estimate + half, 0.0, "below")[0]
    assert above == below


@pytest.mark.parametrize(
    ("values", "verdict"), [([8, 12], REPRODUCED), ([5, 10, 20], PARTLY), ([1, 2, 30], CONTRADICTED), ([math.nan], NOT_TESTABLE)]
)
def test_range(values: list[float], verdict: str) -> None:
    assert rules.in_range(values, 7, 14, "days").verdict == verdict


def test_counts() -> None:
    rows = [{"what": str(k)} for k in range(4)]
    assert rules.few(rows, 4).verdict == REPRODUCED
    assert rules.few(rows, 3).verdict == CONTRADICTED
    assert rules.many(rows, 4).verdict == REPRODUCED
    assert rules.many(rows, 5).verdict == CONTRADICTED


def test_covered_names_what_is_missing() -> None:
    found = rules.covered([{"what": "dizziness"}], ["dizz", "blurred"])
    assert found.verdict == PARTLY
    assert "blurred" in found.reason


def test_pooled_percentage_of_equal_studies_is_their_percentage() -> None:
    # Two studies of 50 patients with 40 %: logit(0.4) +- 1.96 sqrt(1/(100 * 0.4 * 0.6)), closed form.
    value, low, high, k = rules.pooled_percentage([(40.0, 50.0), (40.0, 50.0)])
    half = 1.96 / math.sqrt(100 * 0.4 * 0.6)
    logit = math.log(0.4 / 0.6)
    assert k == 2
    assert value == pytest.approx(40.0, rel=1e-12)
    assert (low, high) == pytest.approx([100 / (1 + math.exp(-(logit + s * half))) for s in (-1, 1)], rel=1e-12)


def test_incidence_verdicts() -> None:
    rows = [{"grp": "iv", "value": 70.0, "n": 400.0}, {"grp": "other", "value": 35.0, "n": 400.0}]
    expected = {"iv": 72.0, "other": 36.0}
    assert rules.incidence(rows, expected, 5.0).verdict == REPRODUCED
    assert rules.incidence([{**rows[0], "value": 20.0}, rows[1]], expected, 5.0).verdict == PARTLY
    assert rules.incidence([{**r, "value": 5.0} for r in rows], expected, 5.0).verdict == CONTRADICTED
    assert rules.incidence([], expected, 5.0).verdict == NOT_TESTABLE


def test_only_what_is_asked_is_computed() -> None:
    one = claim("P1")
    with pytest.raises(InvalidEntry, match="claim P1: what is computed is 'molar_mass', not 'pka'"):
        _Runs(load()).answer(replace(one, answer={**one.answer, "rule": "pka"}))


def test_electroconvulsive_therapy_is_a_word() -> None:
    rows = load().sql(claim("D4").answer["query"])
    assert len(rows) and not rows["what"].str.contains("ptsd|all effects|bias-corrected", case=False).any()
    # An interval that includes no difference is no proof of equality.
    assert rows["agrees"].isna().any()
