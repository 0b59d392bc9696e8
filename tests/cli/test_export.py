"""``ketasim export`` and ``ketasim describe --html``: doses, data sets, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import Result

Run = Callable[..., Result]
INFUSION = "esketamine iv 10 mg over 30 min"


def test_sbml_with_doses(run: Run) -> None:
    done = run("export", "sbml", "pk/otto2021", "--dose", INFUSION, "--weight", "50", "-o", "model.xml")
    assert done.exit_code == 0, done.output
    text = Path("model.xml").read_text()
    assert text.count("<event ") == 2 and 'id="WT" name="body weight [kg]" value="50"' in text
    assert "<event" not in run("export", "sbml", "pk/otto2021").stdout


@pytest.mark.parametrize(("format", "column"), [("mrgsolve", "WT"), ("nonmem", "DVID")])
def test_model_with_its_data_set(run: Run, format: str, column: str) -> None:
    done = run("export", format, "pk/otto2021", "--dose", INFUSION, "--population", "adults", "-n", "4", "--times", "0:2:1",
               "--data", "data.csv", "-o", "model.txt")  # fmt: skip
    assert done.exit_code == 0, done.output
    table = pd.read_csv("data.csv")
    assert table["ID"].nunique() == 4 and column in table and (table["EVID"] == 1).sum() == 4
    assert table["WT"].nunique() == 4


def test_json(run: Run) -> None:
    data = json.loads(run("export", "mrgsolve", "pk/simons2022", "--occasions", "2", "--json").stdout)
    assert data["format"] == "mrgsolve" and "OCC == 2" in data["text"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("mrgsolve", "pk/otto2021", "--dose", INFUSION), "give --dose and --data"),
        (("nonmem", "pk/otto2021", "--data", "d.csv"), "give --dose and --data"),
        (("sbml", "pk/otto2021", "--population", "adults", "-n", "3"), "one person"),
        (("sbml", "pk/otto2021", "--dose", INFUSION, "--weight", "0"), "between 0.5 and 500"),
        (("mrgsolve", "pk/otto2021", "-n", "3"), "add --dose and --data"),
        (("smbl", "pk/otto2021"), "Close: 'sbml'"),
        (("nonmem", "pk/otto2021", "--dose", INFUSION, "--data", "a.csv", "-o", "a.csv"), "both name a.csv"),
        (("sbml", "pk/otto2021", "--occasions", "2"), "--occasions: no meaning in SBML"),
        (("sbml", "pk/otto2021", "--times", "0,1"), "--times: no meaning without a data set"),
        (("mrgsolve", "pk/otto2021", "--weight", "50"), "--weight: no meaning without a data set"),
        (
            ("mrgsolve", "pk/otto2021", "--dose", INFUSION, "--data", "a.csv", "--population", "adults", "--weight", "50"),
            "whose patients have weights of their own",
        ),
    ],
)
def test_refusals(run: Run, words: tuple[str, ...], said: str) -> None:
    done = run("export", *words)
    assert done.exit_code != 0 and said in done.stderr.replace("\n", " ")
    assert not list(Path().iterdir())


def test_describe_html(run: Run) -> None:
    assert run("describe", "pk/otto2021", "--html").stdout.startswith("<!doctype html>")
    assert run("describe", "pk/otto2021", "--html", "-o", "page.html").exit_code == 0
    assert "<math" in Path("page.html").read_text()
    assert run("describe", "pk/otto2021", "--html", "-o", "page.txt").exit_code != 0
    assert run("describe", "pk/otto2021", "--html", "--json").exit_code != 0
