"""``ketasim synthesize network`` as users call it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.synthesis_network.networks import contrast, random_contrasts
from tests.unit.synthesis_network.test_models import COMPONENTS, dose_rows
from typer.testing import CliRunner, Result

DATA = Path(__file__).parents[2] / "reference" / "data" / "network"
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    from ketasim.cli._app import app

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")

    def call(*words: object) -> Result:
        done = CliRunner().invoke(app, ["synthesize", "network", *map(str, words)], prog_name="ketasim")
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    return call


def written(name: str, rows: list[dict[str, Any]]) -> str:
    head = list(dict.fromkeys(k for r in rows for k in r))
    Path(name).write_text("\n".join([",".join(head), *(",".join(str(r.get(k, "")) for k in head) for r in rows)]) + "\n")
    return name


def test_json_has_what_others_read(run: Run) -> None:
    done = run("--data", DATA / "senn2013.csv", "--measure", "md", "--reference", "plac", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["n_studies"] == 26
    assert found["n_treatments"] == 10
    assert set(found) >= {
        "reference", "Q", "df", "pval_Q", "tau2", "tau", "I2_percent", "common", "random", "league", "p_score", "Q_decomposition",
        "node_split", "estimates",
    }  # fmt: skip
    assert len(found["common"]["acar"]) == 2
    assert set(found["estimates"]["random"]["acar"]) >= {"estimate", "se", "ci_low", "ci_high", "p", "pi_low", "pi_high"}
    assert len(found["league"]["random"]) == 45
    assert found["Q_decomposition"]["between_designs"]["df"] == 7
    assert "exponentiated" not in found


@pytest.mark.parametrize("direction", ["good", "bad"])
def test_tables_say_which_end_of_the_ranking_is_best(run: Run, direction: str) -> None:
    done = run("--data", DATA / "senn2013.csv", "--measure", "md", "--reference", "plac", "--small-values", direction)
    assert f"P-score: 1 is best. Small values are {direction}" in done.stdout


def test_heterogeneity_without_degrees_of_freedom_is_left_out(run: Run) -> None:
    rows = [contrast("1", "a", "usual", -2.0, 0.5), contrast("2", "b", "usual", -3.0, 0.6)]
    done = run("--data", written("tree.csv", rows), "--measure", "md")
    assert done.exit_code == 0, done.output
    assert "I2" not in done.stdout and "nan" not in done.stdout


def test_ratios_on_both_scales(run: Run) -> None:
    import math

    done = run(
        "--data", DATA / "smoking.csv", "--measure", "or", "--reference", "no intervention", "--small-values", "bad", "--json"
    )
    found = json.loads(done.stdout)
    assert "0.5 is added" in done.stderr
    assert "log OR" in found["scale"]
    for name, (estimate, _) in found["random"].items():
        assert found["exponentiated"]["random"][name][0] == pytest.approx(math.exp(estimate))
    assert max(found["p_score"]["random"], key=lambda t: found["p_score"]["random"][t]) == "Group counselling"


def test_text(run: Run) -> None:
    done = run("--data", DATA / "senn2013.csv", "--measure", "md", "--model", "random", "--node-split")
    assert done.exit_code == 0, done.output
    for part in ("26 studies, 10 treatments", "Random effects", "P-score", "Between designs", "node-splitting"):
        assert part in done.stdout
    assert "Common effects" not in done.stdout
    assert "does not advise on treatment" in done.stderr


def test_files(run: Run) -> None:
    words = []
    for name in ("league", "figure", "rankogram", "net-heat", "contribution", "split"):
        words += [f"--{name}", f"{name}.png"]
    done = run("--data", DATA / "senn2013.csv", "--measure", "md", "--reference", "plac", *words)
    assert done.exit_code == 0, done.output
    assert all(Path(f"{w}").stat().st_size > 5_000 for w in words[1::2])
    done = run("--data", DATA / "senn2013.csv", "--measure", "md", "--league", "league.csv", "--contribution", "share.csv")
    assert Path("league.csv").read_text().startswith(",rosi,")
    assert Path("share.csv").read_text().startswith(",acar:metf,")


def test_what_is_refused_late_leaves_nothing_behind(run: Run) -> None:
    name = written("star.csv", [contrast("1", "a", "b", 0.1), contrast("2", "a", "c", 0.2)])
    done = run("--data", name, "--measure", "md", "--league", "league.csv", "--net-heat", "heat.png")
    assert done.exit_code != 0 and "Written" not in done.stderr
    assert not Path("league.csv").exists() and not Path("heat.png").exists()


def test_regression(run: Run) -> None:
    rows = [r | {"year": 2000 + k} for k, r in enumerate(random_contrasts(1, most_arms=2))]
    done = run("--data", written("net.csv", rows), "--measure", "md", "--covariate", "YEAR", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["regression"]["coefficients"][0]["slope"] == "YEAR"
    assert "Regression on year" in run("--data", "net.csv", "--measure", "md", "--covariate", "year").stdout


def test_components(run: Run) -> None:
    rows = [*COMPONENTS[:2], contrast("5", "a+b", "a+c", 0.3)]
    name = written("net.csv", rows)
    done = run("--data", name, "--measure", "md", "--components", "--inactive", "placebo", "--json")
    assert done.exit_code == 0, done.output
    assert {r["component"] for r in json.loads(done.stdout)["components"]["components"]} == {"a", "b", "c"}
    done = run("--data", name, "--measure", "md", "--components", "--inactive", "placebo", "--figure", "net.png")
    assert done.exit_code == 2
    assert "disconnected" in done.stderr
    assert not Path("net.png").exists()


def test_dose(run: Run) -> None:
    rows = dose_rows({"x": lambda d: 8 * d / (1.5 + d), "y": lambda d: 5 * d / (15 + d)}, noise=0.1)
    done = run("--data", written("net.csv", rows), "--measure", "md", "--dose", "emax", "--figure", "curves.png", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["dose_response"]["random"]["shape"] == "emax"
    assert Path("curves.png").is_file()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--measure", "odds"], 2, "no effect measure 'odds'"),
        (["--measure", "md", "--reference", "placebo"], 2, "no treatment 'placebo'"),
        (["--measure", "md", "--model", "fixed"], 2, "--model fixed"),
        (["--measure", "md", "--tau2", "pm"], 2, "tau2 estimator 'pm'"),
        (["--measure", "md", "--small-values", "low"], 2, "--small-values low"),
        (["--measure", "md", "--figure", "net.txt"], 2, "--figure net.txt: the name must end in"),
        (["--measure", "md", "--figure", "a.png", "--rankogram", "a.png"], 2, "same name"),
        (["--measure", "md", "--components", "--bayes"], 2, "different models"),
        (["--measure", "or", "--covariate", "year"], 2, "no column 'year'"),
    ],
)
def test_refusals(run: Run, words: list[str], code: int, said: str) -> None:
    done = run("--data", DATA / "senn2013.csv", *words)
    assert done.exit_code == code, done.output
    assert said in done.stderr
    assert not done.stdout


def test_bad_number(run: Run) -> None:
    Path("bad.csv").write_text("studlab,treat1,treat2,TE,seTE\n1,a,b,-1,none\n2,a,b,x1,0.2\n")
    done = run("--data", "bad.csv", "--measure", "md")
    assert done.exit_code == 1
    assert "bad.csv, line 3, column TE: 'x1' is no number" in done.stderr


@pytest.mark.slow
def test_bayes(run: Run) -> None:
    name = written("net.csv", random_contrasts(1, treatments=3, studies=9, most_arms=3))
    words = (
        "--measure",
        "md",
        "--reference",
        "t0",
        "--model",
        "random",
        "--bayes",
        "--node-split",
        "--samples",
        1000,
        "--seed",
        2,
    )
    done = run("--data", name, *words, "--tau-prior", "half-normal(1)", "--rankogram", "r.png", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["bayes"]["random"]["diagnostics"]["max_rhat"] < 1.01
    assert found["bayes"]["random"]["priors"]["heterogeneity"] == "tau ~ half-normal(1)"
    assert found["bayes_node_split"]["random"]["comparisons"]
    assert Path("r.png").is_file()
