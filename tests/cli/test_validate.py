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


def test_the_register_is_scored_and_bad_calls_are_refused(run: Run, tmp_path: Path) -> None:
    done = run("--json", "validate", "register", "--score")
    assert done.exit_code == 0
    data = json.loads(done.stdout)
    assert data["open"] + data["scored"] == len(data["rows"]) > 0
    refused = run("validate", "register", "--score", "-o", str(tmp_path / "x.csv"))
    assert refused.exit_code != 0 and "reads a register and writes none" in refused.stderr
    refused = run("validate", "register", str(tmp_path / "x.csv"))
    assert refused.exit_code != 0 and "a register to read is for --score" in refused.stderr
    refused = run("validate", "register", str(tmp_path / "x.csv"), "--score")
    assert refused.exit_code != 0 and "cannot be read as a register" in refused.stderr
