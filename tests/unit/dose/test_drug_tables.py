"""Event tables in the drug's own terms: what is said by drug, route, unit and form is what the same regimen says in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import ketasim
from ketasim.dose import read_events
from ketasim.errors import InvalidData
from ketasim.simulation import as_model

TIMES = [0.5, 1.0, 3.0]


@pytest.fixture(scope="module")
def reference():
    return as_model("ketasim_reference")


def rows(**first):
    """One dose, then observations."""
    return pd.DataFrame([{"ID": 1, "TIME": 0.0, **first}, *({"ID": 1, "TIME": time} for time in TIMES)])


@pytest.mark.parametrize(
    ("dose", "words"),
    [
        (
            {"AMT": 40, "DRUG": "racemic_ketamine", "ROUTE": "iv", "FORM": "hydrochloride", "TINF": 40 / 60},
            "40 mg racemic ketamine iv over 40 min as hydrochloride",
        ),
        ({"AMT": 56, "DRUG": "esketamine", "ROUTE": "nasal"}, "56 mg esketamine nasal"),
        ({"AMT": 0.5, "DRUG": "esketamine", "ROUTE": "iv", "UNIT": "mg/kg", "WT": 70, "TINF": 0.5}, "0.5 mg/kg esketamine iv over 30 min"),
        ({"AMT": 1, "DRUG": "Ketamine", "ROUTE": "oral", "UNIT": "mg/kg", "WT": 70}, "1 mg/kg racemic ketamine oral"),
    ],
)  # fmt: skip
def test_a_table_is_the_regimen_it_says(dose, words) -> None:
    table = ketasim.simulate(dosing=rows(**dose))["output"].to_dataset()
    plasma = ketasim.simulate(dosing=words, times=TIMES)["plasma"]["venous"]
    for analyte in plasma["analyte"].values:
        column = table[f"venous_{analyte}"]
        assert column.attrs["units"] == plasma.attrs["units"] == "ng/mL"
        np.testing.assert_allclose(column, plasma.sel(analyte=analyte)[0], rtol=1e-4, atol=1e-3)


def test_options_hold_where_a_record_says_nothing(reference) -> None:
    table = pd.DataFrame({"ID": [1, 1], "TIME": [0, 24], "AMT": [10, 10], "ROUTE": [None, "im"], "SS": [1, 0], "II": [24, 0]})
    data = read_events(table, reference, drug="racemic_ketamine", route="iv", form="hydrochloride")
    entered = [reference.compartments[k] for k in data.records["CMT"]]
    assert entered == ["mix_s", "mix_r", "im_s", "im_r"]
    # Two entrances of a dose at steady state: the second is added to the first.
    assert list(data.records["SS"]) == [1, 2, 0, 0]
    assert data.records["AMT"] == pytest.approx(10 * 0.5 * 1000 / 274.19, rel=1e-3)
    assert data.said == ("AMT of racemic ketamine is read in mg of hydrochloride",)


def test_columns_that_are_kept_stand_beside_each_record() -> None:
    table = rows(AMT=10, DRUG="esketamine", ROUTE="iv").assign(DV=[np.nan, 30, 20, 10], SITE=["", "a", "b", "c"])
    data = read_events(table, as_model("ketasim_reference"), keep=["site", "DV"])
    out = ketasim.simulate(dosing=data)["output"].to_dataset()
    assert list(out["SITE"].values) == ["a", "b", "c"] and list(out["DV"].values) == [30, 20, 10]


def test_moments_and_days_become_hours_from_the_first_record(reference) -> None:
    hours = [0.0, 0.5, 25.0]
    moments = ["2026-01-31 23:45", "2026-02-01 00:15:00", "2026-02-02T00:45"]
    split = {"DATE": ["2026-01-31", "2026-02-01", "2026-02-02"], "TIME": ["23:45", "0:15:00", "00:45"]}
    for columns in ({"TIME": moments}, split):
        table = pd.DataFrame({"ID": 1, **columns, "AMT": [10, np.nan, np.nan]})
        found = read_events(table, reference, drug="esketamine", route="iv")
        assert found.records["TIME"].tolist() == hours


@pytest.mark.parametrize(
    ("columns", "options", "words"),
    [
        ({}, {}, r"would enter 'oral_s', the first compartment.*--drug, --route.*Or give CMT: 1 oral_s"),
        ({"DRUG": "esketamine"}, {}, "column ROUTE: '.' is missing on a dose.*for all doses by --route"),
        ({"ROUTE": "iv"}, {"drug": "esketamin"}, "'esketamin'.*esketamine"),
        ({"DRUG": "esketamine", "ROUTE": "iv", "UNIT": "mg/kg"}, {}, "is per kg, and the record has no body weight"),
        ({"DRUG": "esketamine", "ROUTE": "nasal", "TINF": 1}, {}, "column TINF: '1' on a nasal dose"),
        ({"DRUG": "esketamine", "ROUTE": "iv", "RATE": -2}, {}, "itself says how the drug enters"),
        ({"CMT": 12}, {"drug": "esketamine", "route": "iv"}, "column CMT says where doses go, and so do the options"),
        (
            {"CMT": 12, "DRUG": "esketamine", "ROUTE": "iv"},
            {},
            "column CMT says where doses go, and column DRUG says it in words",
        ),
        ({"CMT": 12, "UNIT": "mg"}, {}, "and column UNIT says it in words"),
        ({"DRUG": "esketamine", "ROUTE": "iv", "UNIT": 3}, {}, "column UNIT: '3.?0?' is a number. Allowed: words"),
        ({"DRUG": "esketamine", "ROUTE": "iv"}, {"keep": ["DVV"]}, "no column 'DVV' to keep"),
        ({"DRUG": "esketamine", "ROUTE": "iv", "DV": "BLQ"}, {}, "Below the limit of quantification leave DV missing"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_remedy(reference, columns, options, words) -> None:
    with pytest.raises(InvalidData, match=words):
        read_events(rows(AMT=10, **columns), reference, **options)
