"""The page in Chinese: no sentence of ours stays English, whatever the verdicts come to."""

from __future__ import annotations

import base64
import re
from html import unescape
from itertools import product
from pathlib import Path

import pytest

from ketasim import evidence
from ketasim.errors import InvalidOption
from ketasim.review import VERDICTS, claim, claims, language, review, write_page
from ketasim.review import _rules as rules
from ketasim.review._answer import _lacking
from ketasim.review._page import _SECTIONS
from ketasim.validate import ModelRun

ZH = language("zh")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def _row(agrees: bool | None, k: int) -> dict[str, object]:
    return {"agrees": agrees, "source": f"s{k}", "what": "x", "value": 3.0, "n": 40.0, "grp": "iv"}


def test_every_claim_verdict_and_section_has_words() -> None:
    assert {c.id for c in claims()} == set(ZH.how)
    for text in (*VERDICTS, *_SECTIONS.values()):
        assert CHINESE.search(ZH(text)), text
    for c in claims():
        assert CHINESE.search(ZH.told(c)) and CHINESE.search(ZH.claim(c)), c.id
        numbers = [set(re.findall(r"\d+(?:\.\d+)?", text)) for text in (str(c.answer["how"]), ZH.told(c))]
        assert numbers[0] <= numbers[1], c.id


def test_every_sentence_that_a_rule_can_say_has_words() -> None:
    """All outcomes of all rules, not only those that came out today."""
    found = [
        rules.share([_row(a, k) for k, a in enumerate(pattern)])
        for n in range(5)
        for pattern in product((True, False, None), repeat=n)
    ]
    rows = [_row(True, k) for k in range(4)]
    found += [rules.few(rows[:n], 2) for n in range(5)] + [rules.many(rows, 9), rules.many(rows, 1)]
    found += [
        rules.in_range(values, 2, 3, unit)
        for values in ([], [2.5], [2.1, 2.5, 9.0], [2.1, 2.5, 2.6], [8.0, 9.0, 9.5], [9.0])
        for unit in ("days", "ratio")
    ]
    found += [rules.covered(rows, events) for events in (["x"], ["x", "y"], ["y"])]
    found += [rules.incidence(some, {"iv": e, "other": 36.0}, 15.0) for some in ([], rows) for e in (3.0, 72.0)]
    both = rows + [row | {"grp": "other", "value": 36.0, "n": 500.0} for row in rows]
    found += [rules.incidence(both, {"iv": e, "other": o}, 15.0) for e, o in ((3.0, 36.0), (99.0, 99.0), (99.0, 36.0))]
    said = [
        rules.interval(*limits, 1.0, side)[1]
        for limits in ((2.0, 1.2, 3.0), (0.5, 0.2, 0.8), (1.2, 0.8, 2.0), (0.9, 0.5, 1.6))
        for side in ("above", "below")
    ]
    found += [
        rules.joined(one, "within 72 h", other) for one, other in product((rules.few(rows[:1], 2), *found[:80:8]), repeat=2)
    ]
    for text in {one.found for one in found} | {one.reason for one in found} | set(said):
        assert CHINESE.search(ZH(text)), text


def test_every_sentence_about_the_cascade_has_words() -> None:
    kinds = [
        {"output": "bdnf, 2 h", "expected": "up", "predicted": "none", "agrees": a, "by_construction": f}
        for a in (0, 1)
        for f in ("", "x")
    ]
    runs = []
    for lines in product(kinds, repeat=3):
        free = [line["agrees"] for line in lines if not line["by_construction"]]
        runs += [ModelRun("X", n * len(free), n * sum(free), "partly", lines * n) for n in (1, 2)]
    said = {text for run in runs for text in (run.found, run.reason)} - {""}
    for text in said | {_lacking(c) for c in claims()} - {""} | {"Run on the cascade", "model"}:
        assert CHINESE.search(ZH(text)), text
        assert not re.search(r"[A-Z][a-z]+ [a-z]+", ZH(text)), text


def test_the_page_is_chinese_but_for_rows_queries_and_citations(tmp_path: Path) -> None:
    whole = evidence.load()
    answers = review(["P1", "P2", "P7", "E1", "D0", "M5", "S3", "T1", "H1", "S2"], whole)
    text = write_page(answers, tmp_path / "zh.html", whole, "zh").read_text(encoding="utf-8")
    assert '<html lang="zh">' in text
    shown = re.sub(r"<style>.*?</style>|<details>.*?</details>|<p class=\"zh\">.*?</p>", "", text, flags=re.DOTALL)
    for part in re.findall(r">([^<]+)<", shown):
        assert CHINESE.search(part) or not re.search(r"[a-z]{3}", part.replace("g/mol", "")), part
    figures = [base64.b64decode(one).decode() for one in re.findall(r"svg\+xml;base64,([^\"]+)", text)]
    words = [unescape(word) for figure in figures for word in re.findall(r"<text[^>]*>([^<]*)</text>", figure)]
    assert "随机效应" in words and any(word.startswith("综述所述，12 至 20") for word in words)
    assert not any(re.search(r"claimed|found|effects|interval", word) for word in words)


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(InvalidOption, match=r"no language 'de'\. Use one of en, zh"):
        language("de")
    assert language("en")(claim("P7").en) == claim("P7").en
