"""The pages on dosing say what is so: their examples run, their texts parse."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ketasim.dose import WEEK_DAYS, Regimen, parse, read_arms

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "dosing.md"
#: Outputs are compared by tests/docs.
TEXT = re.sub(r"<!-- output.*?-->\n```text\n.*?```", "", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("number", [k for k, (kind, _) in enumerate(BLOCKS) if kind == "python"])
def test_python_examples_run(number):
    exec(compile(BLOCKS[number][1], f"dosing.md block {number}", "exec"), {"__name__": "page"})


def test_texts_parse():
    texts = [line for kind, b in BLOCKS if kind == "text" for line in b.splitlines()]
    assert len(texts) >= 8
    for line in texts:
        assert parse(str(parse(line))) == parse(line)


def test_files_shown_are_read(tmp_path):
    for kind in ("toml", "yaml"):
        for text in (b for k, b in BLOCKS if k == kind):
            path = tmp_path / f"a.{kind}"
            path.write_text(text)
            assert read_arms(path)
            if "arms" not in text:
                Regimen.from_file(path)


def test_every_form_in_the_tables_parses():
    page = PAGE.read_text(encoding="utf-8")
    when = page.split("## When")[1].split("Doses per week")[0]
    rows = [line for line in when.splitlines() if line.startswith("| ") and "`" in line]
    for code in (c for line in rows for c in re.findall(r"`([^`]+)`", line.split("|")[1])):
        assert parse(f"5 mg esketamine im {code}").doses
    one = page.split("## One dose")[1].split("## When")[0]
    for code in re.findall(r"`([^`]+)`", next(line for line in one.splitlines() if line.startswith("| amount")).split("|", 2)[2]):
        assert code == "umol" or parse(f"{code} esketamine iv").doses


def test_clinic_days_shown_are_those_used():
    page = PAGE.read_text(encoding="utf-8")
    for per_week in (1, 2, 3, 4):
        assert f"| {per_week} | {', '.join(map(str, WEEK_DAYS[per_week]))} |" in page
