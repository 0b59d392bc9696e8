"""Verdict rules: each can give every verdict it knows, and thresholds are where they are declared."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ketasim.errors import InvalidEntry
from ketasim.evidence import load
from ketasim.review import Claim, claim, claims
from ketasim.review import _rules as rules
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
        (0.9, 0.5, 1.6, "above", NOT_TESTABLE),  # no effect is in the interval: neither shown nor excluded
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
    ("values", "verdict"),
    [
        ([8, 10, 12], REPRODUCED),
        ([5, 10, 20], PARTLY),
        ([1, 2, 30], CONTRADICTED),
        ([math.nan], NOT_TESTABLE),
        ([8, 12], PARTLY),  # two values confirm as little as they contradict
        ([1, 2], NOT_TESTABLE),
    ],
)
def test_range(values: list[float], verdict: str) -> None:
    assert rules.in_range(values, 7, 14, "days").verdict == verdict


def test_counts() -> None:
    rows = [{"what": str(k)} for k in range(4)]
    assert rules.few(rows, 4).verdict == PARTLY  # little was entered; that is no proof that little is known
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
    rows = [{"grp": "iv", "value": 70.0, "n": 400.0}, {"grp": "other", "value": 35.0, "n": 400.0}] * 3
    expected = {"iv": 72.0, "other": 36.0}

    def with_iv(value: float) -> list[dict[str, object]]:
        return [{**r, "value": value} if r["grp"] == "iv" else r for r in rows]

    assert rules.incidence(rows, expected, 5.0).verdict == REPRODUCED
    assert rules.incidence(with_iv(20.0), expected, 5.0).verdict == PARTLY
    assert rules.incidence([{**r, "value": 5.0} for r in rows], expected, 5.0).verdict == CONTRADICTED
    assert rules.incidence([], expected, 5.0).verdict == NOT_TESTABLE
    # Two studies of each confirm in part and contradict nothing.
    assert rules.incidence(rows[:4], expected, 5.0).verdict == PARTLY
    assert rules.incidence([{**r, "value": 5.0} for r in rows[:4]], expected, 5.0).verdict == NOT_TESTABLE


@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [
        (REPRODUCED, REPRODUCED, REPRODUCED),
        (REPRODUCED, PARTLY, PARTLY),
        (REPRODUCED, CONTRADICTED, PARTLY),
        (REPRODUCED, NOT_TESTABLE, PARTLY),
        (CONTRADICTED, CONTRADICTED, CONTRADICTED),
        (CONTRADICTED, NOT_TESTABLE, NOT_TESTABLE),
        (PARTLY, CONTRADICTED, PARTLY),
    ],
)
def test_two_parts(one: str, other: str, verdict: str) -> None:
    for parts in ((one, other), (other, one)):
        found = rules.joined(*_with_name(*(rules.Finding(f"found {v}", v, f"because {v}.") for v in parts)))
        assert found.verdict == verdict and found.found == f"found {parts[0]} | second: found {parts[1]}"


def _with_name(one: rules.Finding, other: rules.Finding) -> tuple[rules.Finding, str, rules.Finding]:
    return one, "second", other


@pytest.mark.parametrize("one", [c for c in claims() if c.answer.get("rule") == "share"], ids=lambda c: c.id)
def test_every_row_can_disagree(one: Claim) -> None:
    """A row that agrees whatever it says is no finding."""
    query = " ".join(one.queries).lower()
    assert not re.search(r"\btrue as agrees|direction in \('(up|down)', '(up|down)'\)", query)


def test_claims_are_asked_what_they_claim() -> None:
    whole = load()
    rows = {name: [whole.sql(query) for query in claim(name).queries] for name in ("D0", "D1", "D2", "C3", "S2", "B1", "B3")}
    assert {"grunebaum2018", "abbar2022"} <= set(rows["D0"][1]["source"])  # suicidal ideation
    assert rows["D1"][0]["value"].tolist() == [10.0, 9.0] and rows["D1"][1]["agrees"].all()  # no riluzole, and within 72 h
    assert rows["D2"][0]["what"].tolist()[0].startswith("Zarate2006") and not rows["D2"][0]["what"].str.contains("esk").any()
    assert set(rows["C3"][1]["what"].str.split().str[0]) == {"rodriguez2013", "rodriguez2016"}  # the first hours
    assert "TRD_SI_Taiwan" in set(rows["S2"][0]["what"]) and rows["S2"][0]["what"].is_unique
    assert not rows["B1"][0]["source"].isin(["parsaik2015"]).any()
    assert rows["B3"][0]["agrees"].isna().all()


def test_only_what_is_asked_is_computed() -> None:
    one = claim("P1")
    with pytest.raises(InvalidEntry, match="claim P1: what is computed is 'molar_mass', not 'pka'"):
        _Runs(load()).answer(replace(one, answer={**one.answer, "rule": "pka"}))


def test_electroconvulsive_therapy_is_a_word() -> None:
    rows = load().sql(claim("D4").answer["query"])
    assert len(rows) and not rows["what"].str.contains("ptsd|all effects|bias-corrected", case=False).any()
    # An interval that includes no difference is no proof of equality.
    assert rows["agrees"].isna().any()
