"""``ketasim nca`` against published values of the theophylline data, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Run

DATA = Path(__file__).parents[1] / "reference" / "data" / "nca"


def test_theophylline(run: Run) -> None:
    expected = json.loads((DATA / "theoph.expected.json").read_text())
    done = run("nca", DATA / "theoph.csv", "--dose", "Dose", "--json")
    assert done.exit_code == 0, done.output
    rows = {str(row["subject"]): row for row in json.loads(done.stdout)}
    # The reference gives five decimals.
    assert {k: rows[k]["AUCLST"] for k in expected["auclast_linear"]} == pytest.approx(
        expected["auclast_linear"], abs=1e-5, rel=0
    )
    assert rows["1"]["CLFO"] == pytest.approx(4.02 / rows["1"]["AUCIFO"], rel=1e-12, abs=0)


def test_summary_and_file(run: Run) -> None:
    assert "geometric_mean" in run("nca", DATA / "theoph.csv", "--summary").stdout
    assert run("nca", DATA / "theoph.csv", "-o", "out.csv").exit_code == 0
    assert Path("out.csv").read_text().startswith("subject,")


def test_of_a_simulation(run: Run) -> None:
    run("simulate", "20 mg esketamine iv over 40 min", "--pk", "otto2021", "--until", "24h", "-n", "3", "-o", "a.zarr")
    done = run("nca", "a.zarr", "--route", "infusion", "--duration", "0.6667", "--json")
    assert done.exit_code == 0, done.output
    assert {row["analyte"] for row in json.loads(done.stdout)} >= {"s_ketamine", "s_norketamine"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--conc", "konc"], "Close: 'conc'"),
        (["--dose", "many"], "neither a number nor a column"),
        (["--method", "cubic"], "lin-up/log-down"),
        (["--blq", "half", "--lloq", "1"], "zero"),
    ],
)
def test_refusals(run: Run, words: list[str], said: str) -> None:
    done = run("nca", DATA / "theoph.csv", *words)
    assert done.exit_code == 2, done.output
    assert said in done.stderr


def test_text_in_a_number(run: Run) -> None:
    Path("bad.csv").write_text("ID,TIME,DV\n1,0,0\n1,1,five\n")
    done = run("nca", "bad.csv")
    assert done.exit_code == 1
    assert "bad.csv, line 3, column DV: 'five'" in done.stderr
