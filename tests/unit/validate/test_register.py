"""Predictions before results: written once, never changed, scored when the evidence comes to hold the result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ketasim.errors import InvalidData
from ketasim.evidence import load
from ketasim.validate import REGISTER, append_register, model_hash, read_register, register_trials, score_register

SOURCES = "source,authors,year,title,how_read\ndoe2031,Doe J,2031,An invented record,registry_results\n"
TRIALS = """\
trial,arm,disorder,design,drug,route,dose,dose_unit,infusion_min,schedule,n_randomised,source,confidence
DOE-9,ketamine,trd,"parallel, double-blind",racemic_ketamine,iv,0.5,mg/kg,40,single,40,doe2031,read
DOE-9,midazolam,trd,"parallel, double-blind",midazolam,iv,0.045,mg/kg,40,single,38,doe2031,read
"""
PLANNED = "trial,scale,time_h,kind,source,confidence,note\nDOE-9,madrs,24,change,doe2031,read,\nDOE-9,madrs,168,response,doe2031,read,\n"
OUTCOMES = """\
trial,arm,scale,time_h,n,mean,change_from_baseline,response_percent,source,confidence
DOE-9,ketamine,madrs,26,40,,-14,,doe2031,read
DOE-9,midazolam,madrs,26,38,,-7,,doe2031,read
DOE-9,ketamine,madrs,168,40,,,90,doe2031,read
"""


def _folder(where: Path, outcomes: str = "") -> Path:
    where.mkdir(exist_ok=True)
    tables = {"sources": SOURCES, "trials": TRIALS, "planned": PLANNED} | ({"outcomes": outcomes} if outcomes else {})
    for name, text in tables.items():
        (where / f"{name}.csv").write_text(text, encoding="utf-8")
    return where


def _mine(table: pd.DataFrame) -> pd.DataFrame:
    return table.loc[table["trial"] == "DOE-9", :]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return _mine(register_trials(load(_folder(tmp_path_factory.mktemp("register") / "mine"))))


def test_arms_and_their_difference_are_predicted_with_what_they_rest_on(made: pd.DataFrame) -> None:
    assert list(made["kind"]) == ["change", "change", "response", "response", "difference"]
    assert all(row["low"] < row["predicted"] < row["high"] for row in made.to_dict("records"))
    change = made[made["kind"] == "change"].set_index("arm")["predicted"]
    difference = made[made["kind"] == "difference"].iloc[0]
    assert difference["predicted"] == pytest.approx(change["ketamine"] - change["midazolam"], abs=1e-3) and difference["n"] == 78
    assert difference["against"] == "midazolam" and set(made["files_sha256"]) == {model_hash()} and set(made["seed"]) == {1}


def test_lines_are_added_once_and_never_changed(made: pd.DataFrame, tmp_path: Path) -> None:
    file = tmp_path / "register.csv"
    assert append_register(made, file) == len(made)
    first = file.read_text()
    assert append_register(made.assign(registered="later"), file) == 0
    assert append_register(made.assign(files_sha256="other"), file) == len(made)
    assert file.read_text().startswith(first)
    file.write_text("trial,arm\nx,y\n")
    with pytest.raises(InvalidData, match=r"line 1: not a register; .* Missing: registered"):
        append_register(made, file)


def test_results_are_set_beside_what_was_predicted(made: pd.DataFrame, tmp_path: Path) -> None:
    file = tmp_path / "register.csv"
    append_register(made, file)
    known = load(_folder(tmp_path / "mine", OUTCOMES))
    append_register(made.assign(files_sha256="other", registered="later"), file)  # the same predictions, of changed files
    score = score_register(file, known)
    found = score.table.set_index(["arm", "kind"])
    assert found.loc[("ketamine", "change"), "observed"] == -14 and found.loc[("ketamine", "change"), "observed_time_h"] == 26
    assert found.loc[("ketamine", "difference"), "observed"] == -7
    assert found.loc[("ketamine", "response"), "observed"] == 0.9 and found.loc[("ketamine", "response"), "inside"] is False
    assert score.open == 1 and found.loc[("midazolam", "response"), "inside"] is None
    late = _mine(register_trials(known)).to_dict("records")
    assert {row["reason"] for row in late} == {"results stand in the evidence: too late to predict"}
    assert all(np.isnan(row["predicted"]) for row in late)


def test_the_package_holds_predictions_of_trials_that_have_not_told() -> None:
    held = read_register(REGISTER)
    assert {"nct05004896", "nct02624596", "nct04560660", "more_kare"} <= set(held["trial"])
    for row in held.to_dict("records"):
        assert np.isfinite(row["predicted"]) == (row["reason"] == "") and len(row["files_sha256"]) == 16, row
    told = load().table("outcomes")
    assert not set(told.loc[told["time_h"] > 0, "trial"]) & {"nct05004896", "nct02624596"}
