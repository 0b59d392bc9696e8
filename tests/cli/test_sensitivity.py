"""``ketasim sensitivity``: table, files, JSON, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from tests.cli.conftest import Run

NASAL = "esketamine nasal 56 mg"


def test_table_files_and_what_it_rests_on(run: Run, tmp_path: Path) -> None:
    ran = run(
        "sensitivity",
        NASAL,
        "--of",
        "auc",
        "--range",
        "Kpuu=0.3..1",
        "--global",
        "8",
        "--top",
        "2",
        "-o",
        "bars.csv",
        "-o",
        "bars.svg",
    )
    assert ran.exit_code == 0, ran.stderr
    assert "auc:s_ketamine: 268.8 h × ng/mL as the model stands" in ran.stdout
    assert "with interactions" in ran.stdout
    assert "Without effect here" in ran.stderr and "Kpuu" in ran.stderr.split("Without effect here")[1].split("Held")[0]
    assert "Held, as nothing says how sure they are" in ran.stderr
    table = pd.read_csv(tmp_path / "bars.csv")
    assert list(table.parameter[:2]) == ["F_nasal", "Qh"]
    assert table.total.notna().sum() == 2, "the two widest go into the global analysis"
    assert "F_nasal" in (tmp_path / "bars.svg").read_text()


def test_json_holds_everything(run: Run) -> None:
    ran = run("sensitivity", NASAL, "--over", "people", "--json")
    data = json.loads(ran.stdout)
    assert {row["outcome"] for row in data["tornado"]} == {"cmax:s_ketamine", "auc:s_ketamine"}
    assert data["over"] == "people" and "ka_im" in data["without_effect"] and data["sobol"] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--of", "cmx"), "Close: 'cmax'"),
        (("--global", "100"), "power of two"),
        (("--range", "Kpuu"), "write NAME=LOW..HIGH"),
        (("-o", "x.html"), "must end in .csv"),
    ],
)
def test_refusals(run: Run, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    ran = run("sensitivity", NASAL, *words)
    assert ran.exit_code != 0 and said in ran.stderr and "Traceback" not in ran.stderr
    assert not list(tmp_path.iterdir())
