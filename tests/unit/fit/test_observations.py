"""Reading of observation tables: the package's own, and users' files with their faults."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ketasim import evidence
from ketasim.errors import InvalidData
from ketasim.fit import package_observations, read_observations
from ketasim.fit._observations import COLUMNS

ROW = {
    "source": "mine", "drug": "esketamine", "analyte": "s_ketamine", "population": "adults", "n": "12", "route": "intranasal",
    "dose": "56", "dose_unit": "mg", "infusion_min": "", "metric": "cmax", "statistic": "mean", "value": "80",
    "spread_type": "sd", "spread": "20", "unit": "ng/mL", "confidence": "read", "note": "",
}  # fmt: skip


def table(**changes: str) -> pd.DataFrame:
    return pd.DataFrame([{**ROW, **changes}])


def only(**changes: str):
    return read_observations(table(**changes))[0]


def test_every_row_of_the_package_is_marked_once_with_a_reason() -> None:
    rows = package_observations()
    shipped = pd.read_csv(evidence.path("pk/pk_observations.csv"), dtype=str)
    assert [o.row for o in rows] == list(range(2, len(shipped) + 2))
    assert {o.use for o in rows} == {"calibration", "holdout", "excluded"}
    assert all(o.reason for o in rows if o.use != "calibration")
    assert not [o for o in rows if o.use != "excluded" and o.problem]


def test_no_holdout_source_is_ever_calibrated_on() -> None:
    held = pd.read_csv(evidence.path("holdout.csv"))
    keys = set(held.loc[held["kind"] == "pk", "id"])
    rows = package_observations()
    assert keys <= {o.source for o in rows}
    assert not {o.source for o in rows if o.use == "calibration"} & keys
    # The same trials under another key.
    for o in rows:
        if (
            "Persson" in o.reason
            or o.source in ("peltoniemi2012_sjw", "peltoniemi2012_gfj", "oddb_swiss")
            or o.source == "derived_here"
        ):
            assert o.use != "calibration", o.row
    shipped = pd.read_csv(evidence.path("pk/pk_observations.csv"), dtype=str)
    persson = [i + 2 for i, text in enumerate(shipped["population"].fillna("")) if "Persson" in text]
    assert persson
    assert all(o.use == "holdout" for o in rows if o.row in persson)


def test_a_plain_row_becomes_a_regimen() -> None:
    o = only()
    assert o.regimen == "56 mg esketamine nasal"
    assert (o.site, o.metric, o.use, o.sd, o.n) == ("venous", "cmax", "user", 20.0, 12.0)


@pytest.mark.parametrize(
    ("changes", "regimen"),
    [
        (
            {"route": "intravenous", "infusion_min": "40", "dose": "0.5", "dose_unit": "mg/kg"},
            "0.5 mg/kg esketamine iv over 40 min",
        ),
        (
            {"route": "intravenous", "dose_unit": "mg HCl", "infusion_min": "30"},
            "56 mg esketamine iv over 30 min as hydrochloride",
        ),
        ({"route": "intravenous", "infusion_min": "0"}, "56 mg esketamine iv"),
        ({"route": "oral_prolonged_release", "drug": "racemic_ketamine"}, "56 mg racemic ketamine oral prolonged-release"),
        (
            {"route": "intravenous", "note": "2 steps of 60 min: 0.1, 0.2 mg/kg/h"},
            "0.1 mg/kg/h esketamine iv over 60 min then 0.2 mg/kg/h esketamine iv over 60 min",
        ),
    ],
)
def test_routes_salts_and_steps(changes: dict[str, str], regimen: str) -> None:
    assert only(**changes).regimen == regimen


@pytest.mark.parametrize(
    ("note", "hours"), [("t=40min", 2.0 / 3.0), ("t=0-24h", 24.0), ("seen t=1.5 h after", 1.5), ("no time", np.nan)]
)
def test_times_in_notes(note: str, hours: float) -> None:
    assert only(metric="auc_0_t", unit="ng*h/mL", note=note).t_h == pytest.approx(hours, nan_ok=True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"metric": "auc_0_t"}, "needs a time"),
        ({"metric": "mood"}, "not predicted"),
        ({"analyte": "ethanol"}, "not in the model"),
        ({"route": "intrathecal"}, "not modelled"),
        ({"drug": "ketamine gummies"}, "not modelled"),
        ({"dose": "28-84"}, "not one number"),
        ({"value": "0"}, "not positive"),
        ({"metric": "covariate_ratio", "unit": "ratio"}, "ratio_of"),
        ({"metric": "covariate_ratio", "unit": "ratio", "ratio_of": "auc", "comedication": "ticlopidine"}, "ratio_of (auc_inf"),
        ({"metric": "covariate_ratio", "unit": "ratio", "ratio_of": "auc_inf"}, "one of comedication, covariates, reference"),
        ({"statistic": "lower_bound"}, "not a value"),
    ],
)
def test_a_row_that_cannot_be_predicted_says_why(changes: dict[str, str], words: str) -> None:
    assert words in only(**changes).problem


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"value": "eighty"}, r"line 2, column value: 'eighty'"),
        ({"n": "twelve"}, r"line 2, column n"),
        ({"window_h": "24-8"}, "column window_h"),
        ({"covariates": "WT 80"}, "name=value"),
        ({"covariates": "CHILD_PUGH=bad"}, "line 2, column covariates: CHILD_PUGH = 'bad' is not one of none, A, B, C"),
        ({"value": "1e400"}, r"line 2, column value: '1e400' is not a number"),
    ],
)
def test_a_bad_cell_is_named(changes: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidData, match=words):
        read_observations(table(**changes))


def test_covariates_are_read_in_any_case_and_word() -> None:
    assert only(covariates="wt=80; child_pugh=moderate").covariates == {"WT": 80.0, "CHILD_PUGH": "B"}


def test_missing_and_unknown_columns() -> None:
    with pytest.raises(InvalidData, match="no column 'metric'"):
        read_observations(table().drop(columns=["metric"]))
    with pytest.raises(InvalidData, match="unknown column 'dosage'"):
        read_observations(table().assign(dosage="1"))
    with pytest.raises(InvalidData, match="no rows"):
        read_observations(table().iloc[:0])


def test_files(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    table().to_csv(file, index=False)
    assert read_observations(file)[0].regimen == "56 mg esketamine nasal"
    with pytest.raises(InvalidData, match="no such file"):
        read_observations(tmp_path / "absent.csv")
    head, row = file.read_text().splitlines()
    file.write_text(f"{head}\n{row},,\n")
    with pytest.raises(InvalidData, match=f"more fields than the header has names \\({len(ROW)}\\)"):
        read_observations(file)
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(InvalidData, match="not a readable CSV"):
        read_observations(tmp_path / "empty.csv")


def test_the_shipped_columns_are_those_of_the_format() -> None:
    assert tuple(pd.read_csv(evidence.path("pk/pk_observations.csv"), nrows=0).columns) == COLUMNS
