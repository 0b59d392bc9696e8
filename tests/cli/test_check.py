"""``ketasim validate``, ``calibrate`` and ``doctor``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Run


@pytest.mark.slow
def test_validate_pk_keeps_calibration_and_holdout_apart(run: Run) -> None:
    done = run("validate", "pk", "--json", "-o", "out")
    assert done.exit_code == 0, done.output
    groups = {row["use"]: row for row in json.loads(done.stdout)["summary"]}
    assert groups["calibration"]["rows"] > 100
    assert groups["holdout"]["rows"] > groups["holdout_comparable"]["rows"] > 20
    assert 0.7 < groups["holdout_comparable"]["inside_90"] <= 1.0
    assert {p.suffix for p in Path("out").iterdir()} == {".csv", ".png"}


@pytest.mark.slow
def test_validate_pk_leaves_one_study_out(run: Run) -> None:
    done = run("validate", "pk", "--leave-one-out")
    assert done.exit_code == 0, done.output
    assert "left out" in done.stdout and "in 90 %" in done.stdout and "Left-out rows by analyte" in done.stdout
    refused = run("validate", "pk", "--leave-one-out", "--pk", "otto2021")
    assert refused.exit_code == 2 and "of the reference model and its own rows" in refused.stderr


@pytest.mark.slow
def test_validate_claims_answers_every_one(run: Run) -> None:
    done = run("validate", "claims", "--json")
    assert done.exit_code == 0, done.output
    assert "does not advise on treatment" in done.stderr
    assert {row["id"] for row in json.loads(done.stdout)} == {"P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "E1"}


def test_validate_missing_file(run: Run) -> None:
    done = run("validate", "pk", "--observations", "none.csv")
    assert done.exit_code == 2
    assert "no such file" in done.stderr


def test_validate_says_why_an_own_row_has_no_prediction(run: Run) -> None:
    head = "source,drug,analyte,route,dose,dose_unit,metric,value,unit"
    good, bad = "mine,esketamine,s_ketamine,iv,10,mg,auc_inf,105,ng*h/mL", "mine,esketamine,s_ketamine,iv,10,mg,cmax,1,furlong"
    Path("mine.csv").write_text(f"{head}\n{good}\n{bad}\n")
    words = ("validate", "pk", "--pk", "otto2021", "--observations", "mine.csv", "--rows")
    done = run(*words)
    assert done.exit_code == 0 and "Rows without a fold error" in done.stdout and "unit 'furlong' does not fit" in done.stdout
    Path("mine.csv").write_text(f"{head}\n{bad}\n")
    done = run(*words)
    assert done.exit_code == 1 and "unit 'furlong' does not fit" in done.stdout


@pytest.mark.slow
def test_doctor(run: Run) -> None:
    done = run("doctor", "--json")
    assert done.exit_code == 0, done.output
    assert all(row["ok"] for row in json.loads(done.stdout))


def test_calibrate_help_names_the_dry_run(run: Run) -> None:
    assert "--dry-run" in run("calibrate", "pk", "--help").stdout
