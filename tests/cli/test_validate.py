"""``ketasim validate trials`` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run
from tests.unit.validate.test_folder import OUTCOMES, SOURCES, TRIALS


def _folder(where: Path, outcomes: str) -> Path:
    for name, text in (("sources", SOURCES), ("trials", TRIALS), ("outcomes", outcomes)):
        (where / f"{name}.csv").write_text(text, encoding="utf-8")
    return where


def test_a_folder_is_scored_as_json_with_every_row(tmp_path: Path, run: Run) -> None:
    done = run("--json", "validate", "trials", str(_folder(tmp_path, OUTCOMES)), "--rows", "-o", str(tmp_path / "out"))
    assert done.exit_code == 0
    data = json.loads(done.stdout)
    assert data["predicted"] == 7
    assert len(data["rows"]) == 9
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["summary"] == data["summary"]
    assert {r["kind"] for r in data["summary"]} == {"change", "response", "remission"}


def test_nothing_to_predict_is_no_success(tmp_path: Path, run: Run) -> None:
    head = OUTCOMES.split("\n", 1)[0]
    done = run("validate", "trials", str(_folder(tmp_path, f"{head}\nDOE-1,ect,madrs,24,30,,,-20,9,,,doe2031,read,\n")))
    assert done.exit_code == 1
    assert "'ect' is not simulated" in done.output
