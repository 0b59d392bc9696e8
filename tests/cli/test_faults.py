"""Faults known from public trackers of other tools: what each input has to say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import Run


def _file(tmp_path: Path, text: str) -> str:
    path = tmp_path / "table.csv"
    path.write_text(text)
    return str(path)


def test_an_interval_narrower_than_the_common_effects_is_remarked_on(run: Run, tmp_path: Path) -> None:
    table = _file(tmp_path, "study,TE,seTE\na,0.5,0.2\nb,0.51,0.3\n")
    ran = run("synthesize", "pairwise", "--data", table, "--measure", "md", "--hk")
    assert "0.4444" in ran.stdout and "narrower than that of the common effect" in ran.stdout
    assert "narrower" not in run("synthesize", "pairwise", "--data", table, "--measure", "md").stdout


def test_two_studies_that_cannot_be_pooled_say_so(run: Run, tmp_path: Path) -> None:
    table = _file(tmp_path, "study,event1,n1,event2,n2\na,8,20,2,20\nb,5,20,4,20\n")
    ran = run("synthesize", "pairwise", "--data", table, "--measure", "or", "--hk")
    assert "2 studies cannot be pooled usefully" in ran.stdout, ran.stdout + ran.stderr
    # log OR 1.792, 0.288 and variances 0.764, 0.567, tau2 of REML: the usual interval is told beside the useless one.
    usual = re.search(r"The usual interval, which takes tau2 as known, is (\S+) to (\S+)\.", " ".join(ran.stdout.split()))
    assert usual and 0 < float(usual[1]) < 1 < float(usual[2]) < 40


def test_degrees_of_freedom_of_the_prediction_interval_are_stated(run: Run, tmp_path: Path) -> None:
    table = _file(tmp_path, "study,TE,seTE\na,0.5,0.2\nb,0.7,0.3\nc,0.1,0.2\nd,0.3,0.2\n")
    assert "t with 2 df" in run("synthesize", "pairwise", "--data", table, "--measure", "md").stdout


@pytest.mark.parametrize(
    "text",
    ["studlab,treat1,treat2,TE,seTE\nA,x,p,1,0.4\nA,y,p,2,0.4\nA,x,y,-1,\nB,x,p,1.2,0.5\n"],
)
def test_a_treatment_lost_with_its_only_study_is_named(run: Run, tmp_path: Path, text: str) -> None:
    ran = run("synthesize", "network", "--data", _file(tmp_path, text), "--measure", "md", "--reference", "p")
    assert "treatment y is left out with it" in ran.stdout + ran.stderr


def test_a_dose_no_nose_takes_is_warned_of(run: Run) -> None:
    assert "by this route (112 mg)" in run("events", "2000 mg esketamine nasal").stderr
    assert "by this route" not in run("events", "84 mg esketamine nasal").stderr


def test_a_control_stream_names_the_data_set_that_was_written(run: Run, tmp_path: Path) -> None:
    ran = run(
        "export",
        "nonmem",
        "pk/otto2021",
        "--dose",
        "esketamine iv 10 mg over 30 min",
        "--times",
        "1,2",
        "--data",
        "mine.csv",
        "-o",
        "run.ctl",
    )
    assert ran.exit_code == 0, ran.stderr
    assert "$DATA mine.csv IGNORE=@" in (tmp_path / "run.ctl").read_text()
    assert (tmp_path / "mine.csv").is_file()


def test_odd_surroundings_are_no_faults(
    shell: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A screen that matplotlib does not know, a name of bytes that are no text, a standard output that is closed."""
    words = ("simulate", "100 mg into CENT", "--pk", "generic/two_cmt", "--times", "0,1")
    monkeypatch.setenv("MPLBACKEND", "nonsense")
    done = shell(*words, "--figure", "m.png", "-o", os.fsdecode(b"\xff.html"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "m.png").is_file() and (tmp_path / os.fsdecode(b"\xff.html")).is_file()
    code = "import os, sys; os.close(1); sys.stdout = None; from ketasim.cli import main; main()"
    closed = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert closed.returncode == 0 and "fault" not in closed.stderr, closed.stderr


def test_names_of_arms_can_stand_in_a_file(run: Run) -> None:
    done = run("compare", "..: 10 mg into CENT; b: 20 mg into CENT", "--pk", "generic/two_cmt", "--times", "0,1", "-o", "x.zarr")
    assert done.exit_code == 2 and "arm '..': the name of an arm" in done.stderr


def test_effects_of_one_study_are_no_studies_of_their_own(run: Run, tmp_path: Path) -> None:
    table = _file(tmp_path, "study,trial,TE,seTE\na1,A,0.3,0.1\na2,A,0.4,0.1\nb1,B,0.1,0.2\nc1,C,0.5,0.15\nc2,C,0.7,0.2\n")
    ran = run("synthesize", "multilevel", "--data", table, "--measure", "smd", "--cluster", "trial", "--correlation", "0.5")
    assert ran.exit_code == 0 and "5 effects of 3 studies" in ran.stdout and "below 4 it is not to be trusted" in ran.stderr
    refused = run("synthesize", "multilevel", "--data", table, "--measure", "smd", "--cluster", "study")
    assert refused.exit_code != 0 and "no study has two effects" in refused.stderr


def test_rare_events_are_told_beside_the_usual_network(run: Run, tmp_path: Path) -> None:
    rows = "study,treatment,events,n\n1,a,0,40\n1,b,3,44\n2,a,1,60\n2,c,4,62\n3,b,2,50\n3,c,3,55\n"
    table = _file(tmp_path, rows)
    words = ("synthesize", "network", "--data", table, "--measure", "or", "--reference", "a", "--rare", "penalised")
    ran = run(*words, "--json")
    assert json.loads(ran.stdout)["rare"]["method"] == "penalised" and json.loads(ran.stdout)["rare"]["reference"] == "a"
    assert "Rare events (penalised), common effect" in run(*words).stdout
    refused = run(*words[:-1], "firth")
    assert refused.exit_code != 0 and "Use one of penalised, mh" in refused.stderr
