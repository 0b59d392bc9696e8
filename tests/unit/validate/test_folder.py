"""Trials of any folder: words of a table read as a treatment, predictions without their outcomes, reasons where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ketasim import library
from ketasim.clinical import drawn_values
from ketasim.dose import parse
from ketasim.errors import InvalidData
from ketasim.fit.clinical import Arm, Result, make_objective
from ketasim.validate import FolderScore, validate_folder, write_folder_tables
from ketasim.validate._arm_words import NotUnderstood, switches, treatment

SOURCES = (
    "source,authors,year,title,journal,doi,how_read\ndoe2031,Doe J,2031,An invented trial,J Invented Res,10.1000/x.1,full_text\n"
)
TRIALS = """\
trial,arm,disorder,population,design,drug,route,dose,dose_unit,infusion_min,schedule,n_randomised,background,source,confidence,note
DOE-1,ketamine,trd,outpatients,"parallel, double-blind",racemic_ketamine,iv,0.5,mg/kg,40,single,30,,doe2031,read,
DOE-1,midazolam,trd,same,"parallel, double-blind",midazolam,iv,0.045,mg/kg,40,single,30,,doe2031,read,
DOE-1,ect,trd,same,"parallel, double-blind",ect,ect,,,,3/week x 2 weeks,30,,doe2031,read,
"""
OUTCOMES = """\
trial,arm,scale,time_h,n,mean,sd,change_from_baseline,change_sd,response_percent,remission_percent,source,confidence,note
DOE-1,ketamine,madrs,0,30,33.0,5.1,,,,,doe2031,read,
DOE-1,ketamine,madrs,24,30,18.5,10.2,-14.5,9.4,60,30,doe2031,read,
DOE-1,ketamine,hamd17,24,30,,,-10,7,,,doe2031,read,
DOE-1,ketamine,bdi,24,30,,,-10,7,,,doe2031,read,
DOE-1,midazolam,madrs,0,30,32.4,4.8,,,,,doe2031,read,
DOE-1,midazolam,madrs,24,29,25.1,9.0,-7.3,8.6,24,10,doe2031,read,
DOE-1,ect,madrs,24,30,,,-20,9,,,doe2031,read,
"""
CONTRASTS = """\
study,kind,comparison,disorder,scale,time_h,metric,value,ci_low,ci_high,n,source,confidence,note
DOE-1,trial,ketamine 0.5 mg/kg vs midazolam,trd,madrs,24,mean_difference,-7.2,-12,-2.4,59,doe2031,read,
DOE-1,trial,ketamine vs midazolam,trd,madrs,24,p_value,0.004,,,59,doe2031,read,
"""


def _write(folder: Path, outcomes: str = OUTCOMES) -> Path:
    folder.mkdir()
    for name, text in (("sources", SOURCES), ("trials", TRIALS), ("outcomes", outcomes), ("contrasts", CONTRASTS)):
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    (folder / "notes.csv").write_text("what\nelse\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def score(tmp_path_factory: pytest.TempPathFactory) -> FolderScore:
    return validate_folder(_write(tmp_path_factory.mktemp("evidence") / "mine"))


def test_a_result_told_twice_is_scored_once_and_none_is_refused(tmp_path: Path) -> None:
    twice = OUTCOMES + next(line + "\n" for line in OUTCOMES.split("\n") if ",24,30,-" in line or ",-14.5," in line)
    table = validate_folder(_write(tmp_path / "twice", twice)).table
    told = table[(table["arm"] == "ketamine") & (table["kind"] == "change") & (table["scale"] == "madrs")]
    assert told["reason"].tolist()[0] == "" and told["reason"].tolist()[1].startswith("told twice: the same as ")
    empty = _write(tmp_path / "empty", OUTCOMES.split("\n")[0] + "\n")
    (empty / "contrasts.csv").unlink()
    with pytest.raises(InvalidData, match=r"empty: tells no result\. Give outcomes\.csv"):
        validate_folder(empty)


def _row(**changed: str) -> dict[str, str]:
    row = dict.fromkeys(TRIALS.split("\n", 1)[0].split(","), "")
    return row | {"drug": "esketamine", "route": "nasal", "dose": "56", "dose_unit": "mg", "schedule": "single"} | changed


@pytest.mark.parametrize(
    ("schedule", "days"),
    [
        ("single", [1]),
        ("", [1]),
        ("2/week x 2 weeks", [1, 4, 8, 11]),
        ("2/week x up to 2 weeks", [1, 4, 8, 11]),
        ("twice weekly for 2 weeks", [1, 4, 8, 11]),
        ("2/week", [1, 4, 8, 11]),
        ("4 infusions in 2 weeks", [1, 4, 8, 11]),
        ("6 infusions in 12 days", [1, 3, 5, 7, 9, 11]),
        ("6 infusions in 2 weeks", [1, 3, 5, 8, 10, 12]),
        ("3 at 48 h intervals", [1, 3, 5]),
        ("2 infusions: 0 h and 24 h", [1, 2]),
        ("days 1 and 4 of each 1-week period", [1, 4]),
        ("2/week x 1 week (days 1 and 4) then 1/week x 2", [1, 4, 8, 15]),
        ("weekly x 3", [1, 8, 15]),
        ("three doses in 5 days", [1, 3, 5]),
        ("4 in 2 weeks then CBT 8 weeks", [1, 4, 8, 11]),
        ("2-week induction", [1, 4, 8, 11]),
    ],
)
def test_schedules_are_read_as_they_are_meant(schedule: str, days: list[int]) -> None:
    given = treatment(_row(schedule=schedule), last=336.0)
    assert [1 + t // 24 for t, _ in parse(given.regimen).doses] == days


def test_what_follows_words_not_understood_is_not_predicted() -> None:
    given = treatment(_row(schedule="2/week x 2 weeks then individualised"), last=672.0)
    assert len(parse(given.regimen).doses) == 4
    assert given.until == 336.0


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"drug": "ect"}, "'ect' is not simulated"),
        ({"schedule": "as needed"}, "schedule 'as needed'"),
        ({"dose": ""}, "dose is not told"),
        ({"dose_unit": "drops"}, "not understood"),
        ({"background": "ECT"}, "given with ECT"),
    ],
)
def test_what_cannot_be_simulated_says_why(changed: dict[str, str], reason: str) -> None:
    with pytest.raises(NotUnderstood, match=reason):
        treatment(_row(**changed), last=24.0)


def test_assumptions_are_said() -> None:
    given = treatment(_row(route="iv", dose="0.1-0.5", dose_unit="mg/kg", drug="racemic_ketamine"), last=24.0)
    assert given.regimen == "0.3 mg/kg racemic ketamine iv over 40 min"
    assert given.assumed == ("dose 0.1-0.5 read as 0.3", "infused over 40 min")


def test_switches_follow_the_words_of_the_trial() -> None:
    known = library.disorder("trd").equations.switches
    first = _row(
        arm="a", population="adults at imminent suicide risk", design="double-blind", background="newly initiated oral AD"
    )
    second = _row(arm="b", drug="midazolam", population="same", design="same")
    assert switches(first, [first, second], known) == {"midazolam": 1.0, "inpatient": 1.0, "new_antidepressant": 1.0}
    assert switches(second, [first, second], known) == {"midazolam": 1.0, "inpatient": 1.0}
    alone = _row(design="open-label")
    assert switches(alone, [alone], known) == {"open_label": 1.0}


def test_predictions_are_those_of_the_posterior(score: FolderScore) -> None:
    """Against the mean over draws of what the model expects of the same arm."""
    entry = library.disorder("trd")
    arm = Arm("x", "y", "0.5 mg/kg racemic ketamine iv over 40 min", {"midazolam": 1.0}, "racemic iv", 33.0, 5.1, "x", ())
    objective = make_objective(entry, [Result(arm, 24.0, "change", "fit", -14.5, 30.0, 9.4 / 30**0.5)])
    draws = [drawn_values(entry, k, 1) for k in range(400)]
    numbers = [{k: np.float64(np.ravel(x)[0]) for k, x in d.items()} for d in draws[:60]]
    one_by_one = [float(np.ravel(objective.design.expected(p).value)[0]) for p in numbers]
    line = _line(score, "ketamine", "madrs", "change")
    assert line["predicted"] == pytest.approx(float(np.mean(one_by_one)), abs=0.5)
    assert line["low"] < line["predicted"] - 3 < line["predicted"] + 3 < line["high"]


def _line(score: FolderScore, arm: str, scale: str, kind: str) -> pd.Series:
    table = score.table
    return table[(table["arm"] == arm) & (table["scale"] == scale) & (table["kind"] == kind)].iloc[0]


def test_another_scale_loses_the_same_share(score: FolderScore) -> None:
    madrs, hamd = (_line(score, "ketamine", scale, "change") for scale in ("madrs", "hamd17"))
    assert hamd["predicted"] == pytest.approx(madrs["predicted"] / 1.3)
    assert hamd["observed"] == -10.0


def test_every_number_is_predicted_or_says_why(score: FolderScore) -> None:
    table = score.table
    assert ((table["reason"] == "") == table["predicted"].notna()).all()
    assert _line(score, "ketamine", "bdi", "change")["reason"].startswith("scale 'bdi'")
    assert "ect" in _line(score, "ect", "madrs", "change")["reason"]
    difference = table[table["kind"] == "difference"].iloc[0]
    change = [_line(score, arm, "madrs", "change")["predicted"] for arm in ("ketamine", "midazolam")]
    assert difference["predicted"] == pytest.approx(change[0] - change[1], abs=0.05)
    assert "'p_value' is not predicted" in score.not_predicted()


def test_outcomes_do_not_reach_their_own_predictions(score: FolderScore, tmp_path: Path) -> None:
    other = validate_folder(_write(tmp_path / "other", OUTCOMES.replace("-14.5", "-3.5").replace(",60,30,", ",10,0,")))
    np.testing.assert_array_equal(other.table["predicted"], score.table["predicted"])
    assert (other.table["observed"] != score.table["observed"]).sum() == 3


def test_a_known_control_moves_the_drug_arm(score: FolderScore) -> None:
    line, control = _line(score, "ketamine", "madrs", "change"), _line(score, "midazolam", "madrs", "change")
    assert control["observed"] < control["predicted"]
    assert line["given_control"] < line["predicted"]


def test_rows_that_break_the_format_are_named_and_the_rest_is_predicted(tmp_path: Path) -> None:
    broken = OUTCOMES + "DOE-1,lost,madrs,24,30,,,-9,9,,,doe2031,read,\n"
    found = validate_folder(_write(tmp_path / "broken", broken))
    assert any("'lost'" in problem for problem in found.problems)
    assert _line(found, "lost", "madrs", "change")["reason"] == "a group that is no arm of trials.csv"
    assert found.summary["rows"].sum() == 8
    paths = write_folder_tables(found, tmp_path / "out")
    assert len(pd.read_csv(paths[0])) == len(found.table)


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="no such folder"):
        validate_folder(tmp_path / "nowhere")
