"""Whatever a user gets wrong gives one message on standard error, the right exit code and no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Run

WRONG = {
    "unknown model": (["simulate", "esketamine nasal 56 mg", "--pk", "otto2012"], 2, "Close: 'otto2021'"),
    "unknown population": (["simulate", "esketamine nasal 56 mg", "--population", "adult"], 2, "Close: 'adults'"),
    "unknown co-medication": (["simulate", "esketamine nasal 56 mg", "--with", "ticlopidin"], 2, "Close: 'ticlopidine'"),
    "unknown word": (["simulate", "esketamine nasl 56 mg"], 2, "'nasl' is not understood"),
    "unknown parameter": (["simulate", "100 mg into CENT", "--model", "generic/two_cmt", "--param", "CLL=5"], 2, "Close: 'CL'"),
    "parameter without value": (["simulate", "100 mg into CENT", "--model", "generic/two_cmt", "--param", "CL"], 2, "NAME=VALUE"),
    "factor on no parameter": (["simulate", "84 mg", "--param", "CLnt*1.2"], 2, "Close: 'CLint'"),
    "factor no number": (["simulate", "84 mg", "--param", "CLint*much"], 2, "is no number"),
    "factor beyond bounds": (["compare", "84 mg", "28 mg", "--param", "F_nasal*3"], 2, "outside [0, 1]"),
    "factor on zero": (["sensitivity", "84 mg", "--param", "CYP2B6_effect*2"], 2, "stays 0 whatever the factor"),
    "parameter twice": (["simulate", "84 mg", "--param", "CLint=300", "--param", "CLint*2"], 2, "CLint stands twice"),
    "parameter no number": (
        ["simulate", "100 mg into CENT", "--model", "generic/two_cmt", "--param", "CL=five"],
        2,
        "is no number",
    ),
    "nothing to simulate": (["simulate"], 2, "give either a regimen"),
    "both": (["simulate", "esketamine nasal 56 mg", "--data", "x.csv"], 2, "give either a regimen"),
    "missing table": (["simulate", "--data", "none.csv"], 2, "no such file"),
    "missing parameter file": (["simulate", "84 mg", "--params", "none.json"], 2, "cannot be read"),
    "ending": (["simulate", "84 mg", "-o", "out.xlsx"], 2, "unknown ending '.xlsx'"),
    "report ending": (["simulate", "84 mg", "--report", "out.pdf"], 2, ".html"),
    "same output twice": (["simulate", "84 mg", "-o", "a.csv", "-o", "a.csv"], 2, "same name"),
    "times": (["simulate", "84 mg", "--times", "0:24"], 2, "start:stop:step"),
    "negative times": (["simulate", "84 mg", "--times=-1,2"], 2, "not before 0"),
    "until": (["simulate", "84 mg", "--until", "a month"], 2, "--until 'a month' does not start with a number"),
    "unit of time": (["simulate", "84 mg", "--times", "2x"], 2, "--times '2x': 'x' is no unit of time"),
    "patients to a spreadsheet": (["population", "adults", "-o", "p.xlsx"], 2, "-o p.xlsx: the name must end in .csv"),
    "events to a spreadsheet": (["events", "84 mg", "-o", "e.xlsx"], 2, "-o e.xlsx: the name must end in .csv"),
    "parameters to a spreadsheet": (["nca", "none.csv", "-o", "p.xlsx"], 2, "-o p.xlsx: the name must end in .csv"),
    "evidence to a spreadsheet": (
        ["evidence", "sql", "show tables", "--csv", "t.xlsx"],
        2,
        "--csv t.xlsx: the name must end in .csv",
    ),
    "rows to a spreadsheet": (["evidence", "safety", "--csv", "t.xlsx"], 2, "--csv t.xlsx: the name must end in .csv"),
    "page of text": (["review", "P7", "--html", "p.txt"], 2, "--html p.txt: the name must end in .html"),
    "figure of a course": (["synthesize", "timecourse", "--figure", "c.gif"], 2, "--figure c.gif: the name must end in .png"),
    "page of no model": (["describe", "adults", "--html"], 2, "'adults' is no model"),
    "page of no model to a file": (["describe", "comedication/ticlopidine", "-o", "t.html"], 2, "is no model"),
    "people of no population": (
        ["export", "nonmem", "pk/otto2021", "--dose", "esketamine iv 10 mg", "--data", "d.csv", "-n", "2"],
        2,
        "-n: of whom? Add --population",
    ),
    "missing text file": (["simulate", "none.txt"], 2, "none.txt: cannot be read"),
    "tolerance": (["simulate", "84 mg", "--rtol", "1"], 2, "--rtol"),
    "precision": (
        ["simulate", "84 mg", "--precision", "half"],
        2,
        "--precision = 'half' is not known. Use one of: double, single.",
    ),
    "tolerance of single precision": (
        ["compare", "a: 56 mg", "b: 84 mg", "--precision", "single", "--rtol", "1e-7"],
        2,
        "1e-05 or more",
    ),
    "interpolation": (["simulate", "--data", "x.csv", "--interpolation", "cubic"], 2, "nocb"),
    "resume without output": (["simulate", "84 mg", "--resume"], 2, "--resume"),
    "late end": (["simulate", "84 mg", "--until", "1e7"], 2, "must be above 0 and below 1,000,000 h"),
    "too many times": (["simulate", "84 mg", "--times", "0:1e9:0.001"], 2, "is more than 2,000,000 output times"),
    "one arm": (["compare", "84 mg"], 2, "at least two"),
    "kind": (["list", "modles"], 2, "There are:"),
    "entry": (["describe", "otto2012"], 2, "Close: 'otto2021'"),
    "format": (["export", "sbm", "pk/otto2021"], 2, "Close: 'sbml'"),
    "two models": (["export", "sbml", "otto2021", "--pk", "herd2007"], 2, "two models"),
    "weight": (["events", "84 mg", "--weight", "0"], 2, "--weight"),
    "pack": (["--pack", "none", "list", "pk"], 2, "is no folder"),
    "patients": (["simulate", "84 mg", "-n", "0"], 2, "-n"),
    "option": (["simulate", "84 mg", "--nonsense"], 2, "--nonsense"),
}


@pytest.mark.parametrize("case", WRONG)
def test_one_message(run: Run, case: str) -> None:
    words, code, said = WRONG[case]
    done = run(*words)
    assert done.exit_code == code, done.output
    assert said in done.stderr
    assert "Traceback" not in done.output
    assert done.stdout == ""
    assert "Error: " in done.stderr


def test_parameters_in_another_file_are_no_json(run: Run) -> None:
    Path("values.csv").write_text("CL,V")
    assert "values.csv: is not valid JSON" in run("simulate", "84 mg", "--params", "values.csv").stderr


def test_unwritable_place(run: Run, tmp_path: object) -> None:
    Path("file").write_text("x")
    done = run("simulate", "84 mg", "-o", "file/out.csv")
    assert done.exit_code == 1
    assert "cannot be written" in done.stderr


def test_a_fault_of_ours_is_said_to_be_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import ketasim.population

    def broken() -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(ketasim.population, "populations", broken)
    done = run("list", "population")
    assert done.exit_code == 1
    assert "RuntimeError: broken. This is a fault of ketasim" in done.stderr


def test_interrupt(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import ketasim.population

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ketasim.population, "populations", interrupted)
    done = run("list", "population")
    assert done.exit_code == 130
    assert "Interrupted." in done.stderr


def test_warnings_of_other_packages_stay_out(run: Run) -> None:
    done = run("population", "postpartum", "-n", "20")
    assert done.exit_code == 0
    assert done.stderr.count("Warning: ") <= 1
    assert "UserWarning" not in done.stderr
