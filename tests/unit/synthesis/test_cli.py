"""``ketasim synthesize pairwise``, ``bias`` and ``regression`` as users call them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

DATA = Path(__file__).parents[2] / "reference" / "data" / "pairwise"
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    from ketasim.cli._app import app

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")

    def call(*words: object) -> Result:
        done = CliRunner().invoke(app, ["synthesize", *map(str, words)], prog_name="ketasim")
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    return call


def test_pairwise_for_people(run: Run) -> None:
    done = run("pairwise", "--data", DATA / "bcg.csv", "--measure", "rr", "--hk", "--subgroup", "alloc", "--cumulative", "year")
    assert done.exit_code == 0, done.output
    for words in (
        "Risk ratio, 13 studies",
        "0.4894",
        "tau2 0.3132",
        "By alloc",
        "Between subgroups (random)",
        "Cumulative",
        "TPT Madras",
    ):
        assert words in done.stdout
    assert "does not advise" in done.stderr


def test_pairwise_for_programs(run: Run) -> None:
    done = run("pairwise", "--data", DATA / "hine1989.csv", "--measure", "or", "--pooling", "mh", "--leave-one-out", "--json")
    found = json.loads(done.stdout)
    assert found["common"]["how"] == "Mantel-Haenszel"
    assert (found["treatment"], found["control"], found["k"]) == ("lidocaine", "control", 6)
    assert len(found["leave_one_out"]) == 6
    assert found["I2_percent"] == found["heterogeneity"]["i2"]
    assert found["random"]["df"] is None  # a normal distribution: infinite


def test_figures_are_written(run: Run, tmp_path: Path) -> None:
    done = run(
        "pairwise", "--data", DATA / "hine1989.csv", "--measure", "rd", "--figure", "forest.png", "--model", "both", "--favours", "drug, control"
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert (tmp_path / "forest.png").stat().st_size > 10_000
    done = run("bias", "--data", DATA / "bcg.csv", "--measure", "or", "--figure", "funnel.svg")
    assert done.exit_code == 0, done.output
    assert "Egger" in (tmp_path / "funnel.svg").read_text()


def test_bias(run: Run) -> None:
    done = run("bias", "--data", DATA / "bcg.csv", "--measure", "or", "--json")
    found = json.loads(done.stdout)
    assert list(found["tests"]) == ["egger", "begg", "peters", "harbord"]
    assert found["trim_and_fill"]["estimator"] == "L0"
    words = run("bias", "--data", DATA / "normand1999.csv", "--measure", "md").output
    assert "fewer than 10 studies" in words
    assert "harbord" not in words.split("Estimate:")[0]


def test_regression(run: Run) -> None:
    words = ("regression", "--data", DATA / "bcg.csv", "--measure", "rr", "--covariate", "ablat", "--no-hk")
    found = json.loads(run(*words, "--json").stdout)
    assert found["coefficients"][1]["name"] == "ablat"
    assert found["test"] == "normal"
    assert "chi2" in run(*words).stdout
    based = run("regression", "--data", DATA / "bcg.csv", "--measure", "rr", "--covariate", "alloc", "--base", "alloc=random")
    assert "base is 'random'" in based.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("pairwise", "--data", DATA / "bcg.csv", "--measure", "xx"), "no effect measure 'xx'"),
        (("pairwise", "--data", "absent.csv", "--measure", "or"), "no such file"),
        (("pairwise", "--data", DATA / "bcg.csv", "--measure", "or", "--figure", "a.txt"), "must end in"),
        (("pairwise", "--data", DATA / "bcg.csv", "--measure", "or", "--model", "fixed"), "--model fixed"),
        (("pairwise", "--data", DATA / "bcg.csv", "--measure", "or", "--favours", "drug"), "two names are needed"),
        (("pairwise", "--data", DATA / "bcg.csv", "--measure", "or", "--subgroup", "route"), "no column 'route'"),
        (("pairwise", "--data", DATA / "normand1999.csv", "--measure", "md", "--pooling", "mh"), "not md"),
        (("bias", "--data", DATA / "bcg.csv", "--measure", "or", "--test", "eger"), "Close: 'egger'"),
        (("bias", "--data", DATA / "bcg.csv", "--measure", "or", "--side", "up"), "no side 'up'"),
        (("regression", "--data", DATA / "bcg.csv", "--measure", "or", "--covariate", "alloc", "--base", "random"), "COLUMN=VALUE"),
    ],
)  # fmt: skip
def test_wrong_requests_are_one_message(run: Run, tmp_path: Path, words: tuple[object, ...], message: str) -> None:
    done = run(*words)
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith("Error: ")
    assert message in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_bad_row_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("study,TE,seTE\na,0.1,0.2\nb,0.2,zero\n")
    done = run("pairwise", "--data", "bad.csv", "--measure", "md")
    assert done.exit_code == 1
    assert "bad.csv, line 3, column seTE: 'zero' is no number" in done.stderr
