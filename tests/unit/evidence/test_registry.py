"""Import of a ClinicalTrials.gov record: what it says becomes rows, what it does not say stays empty or is named as left out.

The record is invented in the shape of API version 2 (tests/unit/evidence/data).
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ketasim import evidence
from ketasim.errors import InvalidData
from ketasim.evidence import Imported
from ketasim.evidence._registry import clinical_trial
from ketasim.evidence._registry_words import comparison_measure, disorder, dose, drug, hours, minutes, number, route, scale

RECORD = Path(__file__).parent / "data" / "NCT00000000.json"
Load = Callable[..., Any]


@pytest.fixture
def record() -> dict[str, Any]:
    return json.loads(RECORD.read_text())


@pytest.fixture
def own(tmp_path: Path) -> Path:
    evidence.import_record(RECORD, tmp_path / "own")
    return tmp_path / "own"


def bring(tmp_path: Path, record: Any) -> tuple[Imported, Path]:
    """Import a record as a file; what was done, and the folder."""
    tmp_path.mkdir(exist_ok=True)
    file = tmp_path / "record.json"
    file.write_text(record if isinstance(record, str) else json.dumps(record))
    return evidence.import_record(file, tmp_path / "own"), tmp_path / "own"


def mine(folder: Path, table: str) -> Any:
    frame = evidence.load(folder).table(table)
    return frame[frame["origin"] == "user"]


# -- a whole record ------------------------------------------------------------------------------------------------------
def test_round_trip(own: Path) -> None:
    """Imported rows pass the check, are marked as the user's, and each leads to the record."""
    loaded = evidence.load(own)
    for name, count in {"trials": 2, "outcomes": 23, "contrasts": 3, "safety": 9, "trial_annotations": 3, "sources": 1}.items():
        rows = mine(own, name)
        assert len(rows) == count, name
        assert set(rows["source"]) == {"nct00000000"}, name
    assert loaded.citation("nct00000000") == (
        "Invented University (2031). Invented Trial of Ketamine Against Midazolam. ClinicalTrials.gov. NCT00000000."
    )
    assert loaded.sources["nct00000000"]["how_read"] == "registry_results"
    assert not any(mine(own, "trials")["holdout"])


def test_arms(own: Path) -> None:
    ketamine, midazolam = mine(own, "trials").to_dict("records")
    assert {k: ketamine[k] for k in ("arm", "disorder", "drug", "route", "dose", "dose_unit", "infusion_min", "n_randomised")} == {
        "arm": "Ketamine", "disorder": "trd", "drug": "racemic_ketamine", "route": "iv", "dose": "0.5", "dose_unit": "mg/kg",
        "infusion_min": 40, "n_randomised": 30,
    }  # fmt: skip
    assert (ketamine["age_mean"], ketamine["female_percent"], ketamine["weight_kg"]) == (41.5, 60, 80.2)
    assert midazolam["female_percent"] == pytest.approx(100 * 14 / 29, abs=0.005, rel=0)  # written with four digits
    for arm in (ketamine, midazolam):
        given = arm["control_type"], arm["masking"], arm["crossover"], arm["sponsor"], arm["rob_overall"]
        assert given == ("active", "double-blind", "no", "Invented University", "not assessed")


OUTCOMES = [
    # what picks the row, columns
    ("scale == 'madrs' and time_h == 0", {"n": 30, "mean": 33.1, "sd": 5.2}),
    ("mean == 18.6", {"time_h": 24, "n": 29, "sd": 10.4}),
    ("mean == 22.9", {"time_h": 168, "n": 28, "sd": 11}),
    ("change_from_baseline == -14.2", {"time_h": 24, "change_sd": 9.1, "other_metric": ""}),
    ("change_from_baseline == -10.5", {"time_h": 168, "other_metric": "se_of_ls_change", "other_value": 1.6}),
    ("response_percent > 0", {"time_h": 24, "response_percent": 58.62, "other_metric": "patients", "other_value": 17,
                              "confidence": "derived"}),
    ("remission_percent > 0", {"time_h": 168, "remission_percent": 31.03, "other_value": 9, "confidence": "derived"}),
    ("other_value == 20", {"other_metric": "participants", "confidence": "read"}),
    ("other_metric == 'percent_change'", {"other_value": -43, "time_h": 24}),
    ("other_metric == 'peak_mean'", {"scale": "cadss", "other_value": 21.4}),
    ("other_metric == 'median'", {"scale": "cadss", "other_value": 18}),
    ("scale == 'qids_sr'", {"time_h": 672, "mean": 9.8, "other_metric": "ci95_of_mean", "other_value_text": "8.1 to 11.5"}),
]  # fmt: skip


@pytest.mark.parametrize(("query", "columns"), OUTCOMES, ids=lambda v: v if isinstance(v, str) else "")
def test_outcomes(own: Path, query: str, columns: dict[str, Any]) -> None:
    (row,) = mine(own, "outcomes").query(f"arm == 'Ketamine' and {query}").to_dict("records")
    assert {name: row[name] for name in columns} == columns


def test_a_value_that_was_not_computed_has_no_row(own: Path) -> None:
    """NA on day 8 for midazolam: only its least squares change and the remitters stand there."""
    rows = mine(own, "outcomes").query("arm == 'Midazolam' and time_h == 168 and mean == mean")
    assert rows.empty


def test_spreads_without_a_column_stand_in_the_note(own: Path) -> None:
    (row,) = mine(own, "outcomes").query("other_value == 18").to_dict("records")
    assert row["note"].endswith("full range 0 to 52")


def test_comparisons(own: Path) -> None:
    day8, day2, odds = mine(own, "contrasts").to_dict("records")
    assert [row["comparison"] for row in (day8, day2, odds)] == ["Ketamine vs Midazolam"] * 3
    assert (day8["metric"], day8["time_h"], day8["value"], day8["ci_low"], day8["ci_high"]) == (
        "mean_difference",
        168,
        -4.4,
        -8.76,
        -0.04,
    )
    assert "p 0.048; standard error of mean 2.18; Ketamine minus midazolam." in day8["note"]
    assert day2["ci_low"] != day2["ci_low"], "90 % limits have no place in columns of 95 %"
    assert "90 % interval -10.7 to -2.9" in day2["note"]
    assert (odds["metric"], odds["value"]) == ("or", 4.25)


def test_side_effects(own: Path) -> None:
    rows = mine(own, "safety")
    (dissociation,) = rows.query("event == 'dissociation' and drug == 'racemic_ketamine'").to_dict("records")
    assert {k: dissociation[k] for k in ("metric", "value", "n", "route", "dose", "confidence")} == {
        "metric": "incidence_percent", "value": 36.67, "n": 30, "route": "iv", "dose": "0.5", "confidence": "derived",
    }  # fmt: skip
    assert "11 of 30" in dissociation["note"]
    assert "reported above 5 %" in dissociation["note"]
    assert list(rows[rows["event"] == "death"]["value"]) == [0, 0]
    assert list(rows[rows["event"] == "suicidal_ideation"]["metric"]) == ["serious_incidence_percent"] * 2
    assert len(rows[rows["event"] == "blood_pressure_increased"]) == 1, "a group without a count has no row"


def test_what_no_column_holds_is_named(tmp_path: Path) -> None:
    said = "\n".join(evidence.import_record(RECORD, tmp_path / "own").left_out)
    for part in ("Item 10 (Suicidal Thoughts)': a part of a scale", "CGI Score': no number that a column holds (geometric mean)",
                 "Plasma Concentration of Ketamine': no scale", "Mean Difference (Net) of 1 groups"):  # fmt: skip
        assert part in said


def test_a_second_import_adds_nothing(own: Path) -> None:
    before = {path.name: path.read_text() for path in own.iterdir()}
    assert evidence.import_record(RECORD, own).added == {}
    assert {path.name: path.read_text() for path in own.iterdir()} == before


# -- other records -------------------------------------------------------------------------------------------------------
def test_a_crossover_keeps_its_arms_and_its_sequences_apart(tmp_path: Path, record: dict[str, Any]) -> None:
    record["protocolSection"]["designModule"]["designInfo"]["interventionModel"] = "CROSSOVER"
    flow = record["resultsSection"]["participantFlowModule"]
    for group, title in zip(flow["groups"], ("Ketamine, Then Midazolam", "Midazolam, Then Ketamine"), strict=True):
        group["title"] = title
    flow["periods"].append({"title": "Second Intervention", "milestones": flow["periods"][0]["milestones"]})
    folder = bring(tmp_path, record)[1]
    arms = mine(folder, "trials")
    assert list(arms["arm"]) == ["Ketamine", "Midazolam"]
    assert arms["n_randomised"].isna().all(), "patients per sequence are not patients per arm"
    assert set(arms["crossover"]) == {"yes"}


def test_groups_of_results_that_are_no_arms_are_analysis_sets(tmp_path: Path, record: dict[str, Any]) -> None:
    groups = record["resultsSection"]["outcomeMeasuresModule"]["outcomeMeasures"][2]["groups"]
    groups[0]["title"], groups[1]["title"] = "KETAMINE ", "Midazolam, women"
    folder = bring(tmp_path, record)[1]
    (row,) = mine(folder, "analysis_sets").to_dict("records")
    assert (row["arm"], row["kind"]) == ("Midazolam, women", "not_described")
    assert set(mine(folder, "outcomes")["arm"]) == {"Ketamine", "Midazolam", "Midazolam, women"}


def test_without_results_arms_come_in_and_the_rest_is_named(tmp_path: Path, record: dict[str, Any]) -> None:
    del record["resultsSection"]
    done, folder = bring(tmp_path, record)
    assert done.added == {"sources": 1, "trials": 2, "trial_annotations": 3}
    assert done.left_out == ("outcomes and side effects: the record has no results.",)
    assert mine(folder, "trials")["n_randomised"].isna().all()


def test_a_search_answer_with_one_study_is_that_study(tmp_path: Path, record: dict[str, Any]) -> None:
    assert bring(tmp_path, {"studies": [record]})[0].added["outcomes"] == 23


def test_a_study_that_is_there_already_is_named(tmp_path: Path, record: dict[str, Any]) -> None:
    package = evidence.load()
    free = package.table("trials").query("not holdout")
    trial, nct = next(
        (t, package.sources[s]["nct"]) for t, s in zip(free["trial"], free["source"], strict=True) if package.sources[s]["nct"]
    )
    record["protocolSection"]["identificationModule"]["nctId"] = nct
    done, folder = bring(tmp_path, record)
    assert re.search(rf"ketasim has facts of {nct} already \(trial .*{trial}.*Do not count them twice", done.remarks[0])
    assert not mine(folder, "trials")["holdout"].any()
    assert bring(tmp_path / "other", record | {"hasResults": False})[0].remarks == done.remarks


def test_a_held_out_study_stays_held_out_under_its_number(tmp_path: Path, record: dict[str, Any]) -> None:
    """Else a trial kept for scoring would slip into a fit under another name."""
    package = evidence.load()
    held = package.table("trials").query("holdout")
    nct = next(package.sources[key]["nct"] for key in held["source"] if package.sources[key]["nct"])
    record["protocolSection"]["identificationModule"]["nctId"] = nct
    done, folder = bring(tmp_path, record)
    assert any("held out" in remark for remark in done.remarks)
    for name in ("trials", "outcomes", "contrasts", "safety"):
        assert mine(folder, name)["holdout"].all(), name


REFUSED = [
    ("{", r"record\.json: not JSON \(line 1"), ("<xml/>", "not JSON"), ("", "not JSON"), ("[1, 2]", "no 'protocolSection'"),
    ({"FullStudiesResponse": {}}, "no 'protocolSection'"), ({"studies": []}, "holds 0 studies; import one at a time"),
    ({"protocolSection": {}}, r"nctId is '', not an NCT number"),
    ({"protocolSection": {"identificationModule": {"nctId": "NCT1"}}}, "'NCT1', not an NCT number"),
    ({"protocolSection": {"identificationModule": {"nctId": "NCT00000000"}, "armsInterventionsModule": {"armGroups": ["x"]}}},
     "NCT00000000 is not shaped as a study"),
]  # fmt: skip


@pytest.mark.parametrize(("record", "said"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_no_record_is_one_message_and_leaves_nothing(tmp_path: Path, record: Any, said: str) -> None:
    with pytest.raises(InvalidData, match=said):
        bring(tmp_path, record)
    assert not (tmp_path / "own").exists()


def _places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(place for key, value in inside for place in _places(value, (*path, key)))]


_ALL = _places(json.loads(RECORD.read_text()))[1:]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(_ALL), st.sampled_from([None, "", "NA", 7, -1.5, True, [], {}, ["x"], {"x": "y"}, "Ketamine"]))
def test_a_damaged_record_gives_rows_or_one_message(place: tuple[Any, ...], value: Any) -> None:
    record = copy.deepcopy(json.loads(RECORD.read_text()))
    inside = record
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value
    try:
        tables, _ = clinical_trial(json.dumps(record), RECORD)
    except InvalidData:
        return
    for name, rows in tables.items():
        assert all(isinstance(cell, str) for row in rows for cell in row.values()), name


# -- words ---------------------------------------------------------------------------------------------------------------
TIMES = {
    "Baseline up to end of the double-blind treatment phase (Day 28)": "648", "Baseline, 24 hours": "24", "Baseline": "0",
    "Baseline (Day 1: predose) to 24 hours post first dose (Day 2)": "24", "Day 1, 4 hours post dose": "4", "2-hour": "2",
    "Day 2 (24 hours)": "24", "Week 4": "672", "28-day induction": "672", "230 minutes": "3.83333", "Hour 4": "4",
    # several times, or times that disagree: none
    "Day 2, Day 8": "", "Week 3 Day 4": "", "Baseline to 1, 3 and 7 days": "", "days 2, 8 and 15": "", "2 to 4 hours": "",
    "2-4 hours": "", "Day 15 (24 hours after dose)": "", "": "", "end of study": "",
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), TIMES.items(), ids=TIMES)
def test_times(text: str, expected: str) -> None:
    assert hours(text) == expected


WORDS: list[tuple[Callable[..., Any], Any, Any]] = [
    (drug, "Esketamine 84 mg", "esketamine"), (drug, "Ketamine hydrochloride", "racemic_ketamine"), (drug, "(R)-ketamine", "arketamine"),
    (drug, "Placebo matching esketamine", "placebo"), (drug, "Ketamine plus midazolam", ""), (drug, "Saline", "placebo"),
    (drug, "Drug: R-ketamine (PCN-101)", "arketamine"), (drug, "Psychotherapy", ""),
    (route, "Intranasal Esketamine Plus Oral Antidepressant", "nasal"), (route, "IV or IM", ""), (route, "oral", "oral"),
    (dose, "0.5 mg/kg over 40 min", ("0.5", "mg/kg")), (dose, "56 mg or 84 mg", ("", "")),
    (minutes, "infused over 40 minutes", "40"), (minutes, "over 40 min or over 100 min", ""),
    (scale, "Clinician-Administered PTSD Scale for DSM-5 (CAPS-5)", "caps5"), (scale, "17-item Hamilton Depression Scale", "hamd17"),
    (scale, "HAM-D total", "hamd"), (scale, "Time to relapse", ""), (scale, "CADSS at the peak, and MADRS", "cadss"),
    (disorder, "Depressive Disorder, Treatment-Resistant", "trd"), (disorder, "Major Depressive Disorder", "mdd"),
    (disorder, "Migraine", "other"), (disorder, "Suicidal ideation in major depression", "mdsi"),
    (number, "1,234.5", "1234.5"), (number, "NA", ""), (number, "<0.001", ""), (number, None, ""), (number, "1e3", ""),
    (comparison_measure, "Difference of Least Square (LS) Means", "mean_difference"), (comparison_measure, "Odds Ratio (OR)", "or"),
    (comparison_measure, "Least Square (LS) Mean Difference", "mean_difference"), (comparison_measure, "Hazard Ratio, log", ""),
    (comparison_measure, "Geometric Mean Difference", ""), (comparison_measure, "Median Difference (Final Values)", ""),
]  # fmt: skip


@pytest.mark.parametrize(("read", "text", "expected"), WORDS, ids=lambda v: v if isinstance(v, str) else None)
def test_words(read: Callable[[str], Any], text: str, expected: Any) -> None:
    assert read(text) == expected
