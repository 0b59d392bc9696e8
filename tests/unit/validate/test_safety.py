"""Side effects of any table: words of a row read as a question, predictions, reasons where there is none, and the page that tells of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import ketasim
from ketasim import library
from ketasim.errors import InvalidData
from ketasim.evidence import TABLES
from ketasim.validate import SafetyScore, validate_safety, write_safety_tables
from ketasim.validate._arm_words import NotUnderstood
from ketasim.validate._safety_words import INCIDENCES, MEANS, hold_numbers, question

STORED = Path(__file__).parents[3] / "docs" / "validation" / "safety"
ROWS = """\
study,drug,route,dose,dose_unit,infusion_min,population,event,time_h,metric,value,n,comparator_value,source,confidence,note
DOE-1,racemic_ketamine,intravenous,0.5,mg/kg,40,TRD,sbp_change,0.67,mean_change,9,30,,doe2031,read,
DOE-1,racemic_ketamine,intravenous,0.5,mg/kg,40,TRD,cadss_gt4,,incidence_percent,55,30,,doe2031,read,
DOE-1,racemic_ketamine,intravenous,0.5,mg/kg,40,TRD,nausea,,incidence_percent,20,30,8,doe2031,read,
DOE-1,racemic_ketamine,intravenous,0.5,mg/kg,40,TRD,diplopia,,incidence_percent,20,30,8,doe2031,read,
DOE-1,racemic_ketamine,intravenous,0.5,mg/kg,40,TRD,nausea,,incidence_percent,,30,,doe2031,read,
"""


@pytest.fixture(scope="module")
def score(tmp_path_factory: pytest.TempPathFactory) -> SafetyScore:
    file = tmp_path_factory.mktemp("safety") / "mine.csv"
    file.write_text(ROWS, encoding="utf-8")
    return validate_safety(file)


def _row(**changed: str) -> dict[str, str]:
    row = dict.fromkeys(TABLES["safety"].columns, "")
    nasal = {"drug": "esketamine", "route": "intranasal", "dose": "56", "dose_unit": "mg", "population": "TRD, 4-wk pool"}
    return row | nasal | {"event": "nausea", "metric": "incidence_percent"} | changed


@pytest.mark.parametrize(
    ("changed", "regimen", "share"),
    [
        ({}, "56 mg esketamine nasal, 2/week x 4 week", "ever"),
        ({"population": "TRD, first week of treatment"}, "56 mg esketamine nasal, 2/week x 1 week", "ever"),
        ({"population": "healthy"}, "56 mg esketamine nasal", "ever"),
        ({"metric": "percent_of_sessions"}, "56 mg esketamine nasal", "first"),
        ({"dose": "56-84"}, "70 mg esketamine nasal, 2/week x 4 week", "ever"),
        ({"event": "sbp_change", "metric": "peak_mean"}, "56 mg esketamine nasal", "first"),
        (
            {
                "drug": "racemic_ketamine",
                "route": "intravenous",
                "dose": "0.5",
                "dose_unit": "mg/kg",
                "population": "TRD, 6 infusions",
            },
            "0.5 mg/kg racemic ketamine iv over 40 min, every 3 day x 6",
            "ever",
        ),
    ],
)
def test_rows_are_read_as_they_are_meant(changed: dict[str, str], regimen: str, share: str) -> None:
    asked = question(_row(**changed))
    assert (asked.regimen, asked.share) == (regimen, share)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"event": "dysgeusia"}, "'dysgeusia' as incidence_percent"),
        ({"population": "TRD stable remitters, maintenance"}, "maintenance"),
        ({"population": "ketamine abusers"}, "population"),
        ({"route": "mixed"}, "route 'mixed'"),
        ({"dose": "0.4 + 0.4/h"}, "dose '0.4"),
        ({"drug": "none"}, "none"),
        ({"metric": "percent"}, "'nausea' as percent is not predicted; it is as incidence_percent"),
        ({"event": "sbp_change", "metric": "mean_change", "time_h": "soon"}, "time_h 'soon' is no number"),
    ],
)
def test_what_cannot_be_predicted_says_why(changed: dict[str, str], reason: str) -> None:
    with pytest.raises(NotUnderstood, match=reason):
        question(_row(**changed))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"value": "28%"}, "value '28%' is no number"),
        ({"value": "120"}, "value '120' is no share"),
        ({"comparator_value": "-1"}, "comparator_value '-1' is no share"),
        ({"n": "0"}, "n '0': a study has at least one person"),
        ({"value": "inf"}, "value 'inf' is no number"),
        ({"value": ""}, "no value"),
    ],
)
def test_numbers_that_cannot_be_say_why(changed: dict[str, str], reason: str) -> None:
    hold_numbers(_row(value="20", n="30"), percent=True)
    hold_numbers(_row(value="-3.5", n="30"), percent=False)
    with pytest.raises(NotUnderstood, match=reason):
        hold_numbers(_row(**{"value": "20", "n": "30"} | changed), percent=True)


def test_every_event_has_an_endpoint() -> None:
    endpoints = library.endpoints()
    definitions = {name for e in endpoints for name in e.definitions}
    assert {definition for definition, _ in INCIDENCES.values()} <= definitions
    assert set(MEANS.values()) <= {e.measure for e in endpoints}


def test_predictions_are_those_of_a_simulated_study(score: SafetyScore) -> None:
    """Against the ordinary course of care, draws included."""
    tree = ketasim.simulate(dosing="0.5 mg/kg racemic ketamine iv over 40 min", disorder="trd", n=300, draws=30)
    drawn = tree["draws_incidence"]["first"].sel(definition="cadss_above_4")
    line = score.table[(score.table["event"] == "cadss_gt4")].iloc[0]
    assert line["predicted"] == pytest.approx(float(np.median(drawn)), abs=0.12)
    sbp = tree["safety"]["sbp"]
    rise = float((sbp - sbp.isel(after=0)).mean("subject").isel(session=0).sel(after=2 / 3, method="nearest"))
    assert score.table.iloc[0]["predicted"] == pytest.approx(rise, rel=0.15)


def test_a_comparator_has_the_share_without_drug(score: SafetyScore) -> None:
    rows = score.table[(score.table["event"] == "nausea") & (score.table["reason"] == "")].set_index("group")
    assert rows.loc["comparator", "predicted"] == pytest.approx(0.086, abs=0.05)
    assert rows.loc["drug", "predicted"] > rows.loc["comparator", "predicted"]


def test_every_number_is_predicted_or_says_why(score: SafetyScore, tmp_path: Path) -> None:
    table = score.table
    assert ((table["reason"] == "") == table["predicted"].notna()).all()
    assert table["reason"].tolist()[-2:] == ["'diplopia' as incidence_percent is not predicted", "no value"]
    paths = write_safety_tables(score, tmp_path)
    assert json.loads(paths[1].read_text())["predicted"] == 4


def test_a_file_without_the_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="no column 'study'"):
        (tmp_path / "a.csv").write_text("a,b\n1,2\n", encoding="utf-8")
        validate_safety(tmp_path / "a.csv")
    with pytest.raises(InvalidData, match="cannot be read"):
        validate_safety(tmp_path / "none.csv")


def test_the_page_tells_what_is_stored() -> None:
    stored = json.loads((STORED / "safety_summary.json").read_text(encoding="utf-8"))["summary"]
    page = (STORED.parent / "safety.md").read_text(encoding="utf-8")
    lines = re.findall(
        r"^\| (?:incidence|mean).*? \| (\d+) \| (\d+) \| ([\d.]+).*? \| \S+ \| (\d+) % \| (\d+) % \|$", page, re.MULTILINE
    )
    told = sorted((int(n), int(k), int(inside), int(fold)) for n, k, _, inside, fold in lines)
    assert told == sorted((r["rows"], r["studies"], round(100 * r["inside_90"]), round(100 * r["within_2_fold"])) for r in stored)
