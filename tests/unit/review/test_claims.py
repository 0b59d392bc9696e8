"""The claims as data, and their answers from the package's evidence."""

from __future__ import annotations

import re

import pytest

from ketasim import evidence
from ketasim.errors import UnknownEntry
from ketasim.review import VERDICTS, claim, claims, review, write_page

IDS = ["H1-3", "P1-8", "E1-6", "D0", "M1-4", "M5", "M6-9", "D1-5", "B1-8", "A1-8", "O1-9", "T1-7", "C1-5", "S1-10"]


def expected_ids() -> set[str]:
    out: set[str] = set()
    for part in IDS:
        letter, first, last = re.fullmatch(r"([A-Z])(\d+)(?:-(\d+))?", part).groups()  # type: ignore[union-attr]
        out |= {f"{letter}{k}" for k in range(int(first), int(last or first) + 1)}
    return out


@pytest.fixture(scope="module")
def answers() -> dict[str, object]:
    return {a.claim.id: a for a in review([c.id for c in claims() if c.method != "pk"])}


def test_all_claims_are_there_in_both_languages() -> None:
    assert {c.id for c in claims()} == expected_ids()
    assert len(claims()) == 79
    for c in claims():
        assert c.en.endswith("."), c.id
        assert re.search(r"[\u4e00-\u9fff]", c.zh), c.id


@pytest.mark.parametrize("one", claims(), ids=lambda c: c.id)
def test_every_claim_says_how_it_is_answered(one) -> None:
    assert one.answer["how"].endswith(".")
    if one.method in ("evidence", "synthesis"):
        assert one.answer["rule"] in {"share", "range", "few", "many", "covered", "incidence", "pooled"}
        assert "source" in one.answer["query"]


def test_every_answer_has_a_verdict_and_its_reason(answers) -> None:
    for name, answer in answers.items():
        assert answer.verdict in VERDICTS, name
        assert answer.reason.endswith("."), name
        counted = answer.claim.answer.get("rule") == "few"  # finding none is an answer
        assert answer.claim.method in ("model", "none", "computed") or answer.rows or answer.model or counted, name


def test_what_needs_the_mechanism_is_not_guessed(answers) -> None:
    for answer in answers.values():
        assert (answer.verdict == "not yet testable") == (answer.claim.method == "model" and not answer.experiments)


def test_claims_on_mechanisms_are_run_on_the_cascade_beside_the_evidence(answers) -> None:
    for name in ("M1", "M2", "M3", "M4", "M5", "M6", "M7", "M8", "M9", "E3", "E4", "E5", "H3", "S3", "T1"):
        run = answers[name].model
        assert run is not None and run.lines, name
        assert run.counted == sum(not line["by_construction"] for line in run.lines), name
    assert answers["E4"].verdict != answers["E4"].model.verdict, "evidence and model are told apart"
    assert answers["H1"].model is None
    m5, s3 = answers["M5"], answers["S3"]
    assert m5.verdict == "not testable" and "mor.occupancy" in m5.reason, "a question left open stays open"
    assert s3.verdict == "partly" and "Not in the model: dissociation" in s3.reason, "what the model lacks is no support"
    assert answers["M7"].model_text.startswith("partly: 2 of 2"), "two directions are too few for a full verdict"
    assert answers["T2"].as_dict()["model"]["directions"][0]["predicted"] == "up"


def test_a_claim_without_its_experiment_is_refused() -> None:
    from dataclasses import replace

    from ketasim.errors import InvalidEntry
    from ketasim.review._answer import _Runs

    lost = replace(claim("T1"), id="T99")
    with pytest.raises(InvalidEntry, match="claim T99: no experiment"):
        _Runs(None).answer(lost)


def test_contradictions_are_results(answers) -> None:
    # Read in the evidence: (2R,6R)-HNK in patients does not go with response (farmer2020, grunebaum2019, tdc_review).
    assert answers["E4"].verdict in ("partly", "contradicted")
    assert {"farmer2020", "grunebaum2019"} <= set(answers["E4"].sources)
    assert answers["B5"].verdict == "not testable"
    assert "28.9" in answers["B5"].reason
    # The null trial of repeated dosing in PTSD counts against claim T6.
    assert any(row["source"] == "abdallah2022" and not row["agrees"] for row in answers["T6"].rows)


def test_pooled_answer_carries_its_studies(answers) -> None:
    d0 = answers["D0"]
    assert d0.numbers["studies"] == sum("events1" in row for row in d0.rows) >= 3
    assert d0.numbers["ci_low"] < d0.numbers["estimate"] < d0.numbers["ci_high"]


def test_unknown_claim_is_one_clear_message() -> None:
    with pytest.raises(UnknownEntry, match="no claim 'Q9'"):
        claim("Q9")


def test_page_holds_every_claim(answers, tmp_path) -> None:
    path = write_page(list(answers.values()), tmp_path / "page.html", evidence.load())
    text = path.read_text(encoding="utf-8")
    assert all(f'id="{name}"' in text for name in answers)
    assert "does not advise on treatment" in text
