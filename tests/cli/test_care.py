"""From prescription to symptoms on the command line, in Python and streamed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import Run

import ketasim

COURSE = "0.5 mg/kg racemic ketamine iv over 40 min, 2/week x 2 week"


@pytest.fixture(scope="module")
def result():
    return ketasim.simulate(dosing=COURSE, disorder="trd", control="midazolam", n=60, seed=2, draws=8)


def test_groups_of_a_course(result) -> None:
    assert {"plasma", "score", "session", "safety", "visit", "incidence", "draws_visit", "draws_incidence"} <= set(
        result.children
    )
    score, session = result["score"].to_dataset(), result["session"].to_dataset()
    assert score["madrs"].dims == ("subject", "visit")
    assert float(score["visit"][-1]) == 336.0, "until the end of the second week"
    assert session.sizes["session"] == 4
    assert 0.1 < float(session["occupancy_nmda"].mean()) < 0.4
    assert np.isfinite(score["madrs"]).all()
    assert result.attrs["from_priors"] == list(ketasim.library.disorder("trd").from_priors)


def test_streamed_tables_are_those_of_everybody(result) -> None:
    streamed = ketasim.simulate(dosing=COURSE, disorder="trd", control="midazolam", n=60, seed=2, stream=True, chunk=17)
    for name in ("mean", "change", "response", "remission", "change_sd"):
        np.testing.assert_allclose(streamed["visit"][name], result["visit"][name], rtol=1e-6, err_msg=name)
    assert np.array_equal(streamed["incidence"]["ever"], result["incidence"]["ever"])
    exact = np.quantile(result["score"]["madrs"], 0.5, axis=0)
    # Bins are 0.05 points wide; of 60 people the median lies between two of them.
    assert np.abs(streamed["score"]["madrs"].sel(quantile=0.5) - exact).max() < 1.5


def test_command_line_shows_symptoms_and_their_grade(run: Run, tmp_path: Path) -> None:
    ran = run(
        "simulate",
        COURSE,
        "--disorder",
        "trd",
        "--control",
        "midazolam",
        "-n",
        "20",
        "--report",
        str(tmp_path / "r.html"),
        "-o",
        str(tmp_path / "s.csv"),
    )
    assert ran.exit_code == 0, ran.stderr
    for word in ("MADRS", "response", "remission", "CADSS", "systolic", "Evidence:", "Prior, not data"):
        assert word in ran.stdout + ran.stderr, word
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Symptoms" in page
    assert 0 < page.index("<h2>Answers</h2>") < page.index("<h2>What was simulated</h2>"), "answers first"
    assert "% respond" in page
    assert "To be read with care" in page
    assert "madrs" in (tmp_path / "s.csv").read_text(encoding="utf-8").splitlines()[0]


def test_json_of_a_comparison(run: Run) -> None:
    ran = run("compare", "esketamine nasal 84 mg", COURSE, "--disorder", "trd", "-n", "10", "--json")
    told = json.loads(ran.stdout)
    arms = told["arms"]
    assert told["contrasts"][0]["against"] == next(iter(arms))
    assert all(arm["visits"][0]["change"] == 0.0 for arm in arms.values())
    assert all({"definition", "ever"} <= set(arm["side_effects"][0]) for arm in arms.values())


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--disorder", "trdd"), "trd"),
        (("--disorder", "trd", "--control", "midazolan"), "midazolam"),
        (("--control", "midazolam"), "disorder"),
        (("--disorder", "trd", "--baseline", "70"), "baseline"),
        (("--disorder", "trd", "--model", "pk/otto2021"), "ketasim_reference"),
        (("--disorder", "trd", "--visits", "-3"), "--visits"),
        (("--disorder", "trd", "--visits", "0,1e9"), "50 years"),
    ],
)
def test_what_cannot_be_is_refused(run: Run, options: tuple[str, ...], word: str) -> None:
    ran = run("simulate", "esketamine iv 20 mg over 40 min", *options)
    assert ran.exit_code != 0
    assert word in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_control_arm_can_be_told_by_what_it_gives(run: Run, tmp_path: Path) -> None:
    page, words = tmp_path / "r.html", ("--disorder", "ptsd", "-n", "4", "--visits", "0,24")
    ran = run("simulate", "midazolam 0.045 mg/kg iv over 40 min", *words, "--report", str(page))
    assert ran.exit_code == 0 and "control: midazolam" in ran.stdout, ran.stderr
    assert "control: midazolam (" in page.read_text(encoding="utf-8")
    refused = run("simulate", "lithium 900 mg oral daily x 7", *words)
    assert refused.exit_code != 0 and "control arms midazolam, open_label (--control)" in refused.stderr


def test_disorders_are_listed_described_and_cited(run: Run) -> None:
    assert "midazolam" in run("list", "disorder").stdout
    assert "prior, not data" in run("describe", "trd").stdout
    assert "SE 0.186" in run("describe", "disorder/trd").stdout
    assert "EC50" in run("describe", "safety/dissociation").stdout
    assert run("cite", "trd").exit_code == 0


def test_a_comparison_is_saved_and_run_again(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "two.toml"
    words = (
        "compare",
        "a: esketamine nasal 56 mg",
        "b: esketamine nasal 56 mg",
        "--arm",
        "b: population=elderly",
        "--where",
        "SEX=female",
    )
    first = run(*words, "-n", "3", "--save-scenario", str(file), "--json")
    again = run("run", str(file), "--json")
    assert first.exit_code == again.exit_code == 0, first.stderr + again.stderr
    one, two = (json.loads(ran.stdout)["arms"] for ran in (first, again))
    assert [arm["exposure"] for arm in one.values()] == [arm["exposure"] for arm in two.values()]
    assert run("compare", "a: esketamine nasal 56 mg", "b: esketamine nasal 56 mg", "--arm", "c: n=3").exit_code != 0


def test_where_no_trial_has_a_control_the_same_people_without_ketamine_stand_beside(run: Run, tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    words = ("simulate", "0.5 mg/kg racemic ketamine iv over 40 min", "--disorder", "aws", "-n", "6", "--draws", "2")
    ran = run(*words, "--report", str(page), "--visits", "0,1,24")
    assert ran.exit_code == 0, ran.stderr
    for told in (ran.stdout + ran.stderr, page.read_text(encoding="utf-8")):
        said = " ".join(told.split())
        for word in ("he same people without ketamine", "no controlled data", "chance that the drug does nothing here 30%"):
            assert word in said, word
    told = json.loads(run(*words, "--visits", "0,1,24", "--json").stdout)
    rows = told["without_drug"]
    assert "prior, not data" in told["certainty"]
    assert rows[0]["mean"] == rows[0]["mean_without"] and rows[1]["mean"] < rows[1]["mean_without"]
    assert rows[1]["mean_low"] <= rows[1]["mean_high"] <= 0.0


def test_randomised_contrasts_of_a_disorder_are_scored(run: Run, tmp_path: Path) -> None:
    ran = run("validate", "disorders", "--disorder", "ocd", "--draws", "4", "-o", str(tmp_path))
    assert ran.exit_code == 0, ran.stderr
    said = " ".join((ran.stdout + ran.stderr).split())
    for word in ("rodriguez2013", "beaglehole2024", "a test of trend without sizes", "fewer than 8 trials in ocd"):
        assert word in said, word
    assert "rodriguez2022" not in said
    assert (tmp_path / "disorder_contrasts.csv").read_text(encoding="utf-8").startswith("disorder,study,use")
    assert run("validate", "disorders", "--disorder", "ocdd").exit_code != 0
