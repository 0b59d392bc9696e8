"""Cohorts and users' covariate tables."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from ketasim.errors import InvalidData
from ketasim.model import CovariateEffect, Number, Param, Variability
from ketasim.population import Cohort, cohort_from_table, individual_parameters, population


def write(folder: Path, text: str) -> Path:
    path = folder / "people.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_take_keeps_ids_and_seed() -> None:
    cohort = population("adults").sample(10, seed=4)
    part = cohort.take(slice(3, 6))
    assert list(part.ids) == [3, 4, 5]
    assert part.seed == 4
    np.testing.assert_array_equal(part["WT"], cohort["WT"][3:6])
    np.testing.assert_array_equal(cohort.take(cohort["SEX"] == "male")["SEX"], "male")


def test_arrays_are_read_only() -> None:
    cohort = Cohort([1, 2], {"WT": [70, 80]})
    with pytest.raises(ValueError, match="read-only"):
        cohort["WT"][0] = 1.0
    assert cohort["WT"].dtype == np.float64


def test_describe_names_units_shares_and_sources() -> None:
    text = population("japanese").sample(200, seed=1).describe()
    assert "kg" in text and "japanese 100.0 %" in text and "mhlw2024" in text


@pytest.mark.parametrize(
    ("ids", "covariates", "message"),
    [([1, 1], {}, "ID 1 occurs twice"), ([1, 2], {"WT": [70.0]}, "WT has shape"), ([1.5], {}, "whole numbers")],
)
def test_impossible_cohorts(ids: list[float], covariates: dict[str, list[float]], message: str) -> None:
    with pytest.raises(InvalidData, match=message):
        Cohort(ids, covariates)  # type: ignore[arg-type]


def test_table_of_any_case_with_comments(tmp_path: Path) -> None:
    path = write(
        tmp_path, "# made by hand\nid,Age,sex,wt,Ht,race,site\n3,40,F,60,165,Japanese,A\n8,51,male,80.5,180,Caucasian,B\n"
    )
    cohort = cohort_from_table(path, seed=9)
    assert list(cohort.ids) == [3, 8] and cohort.seed == 9 and cohort.name == "people"
    assert list(cohort["SEX"]) == ["female", "male"]
    assert list(cohort["RACE"]) == ["japanese", "white"]
    assert list(cohort["SITE"]) == ["A", "B"]
    np.testing.assert_allclose(cohort["BMI"], [60 / 1.65**2, 80.5 / 1.8**2], rtol=1e-15)


def test_ids_are_counted_where_none_are_given() -> None:
    assert list(cohort_from_table(pd.DataFrame({"WT": [70, 80, 90]})).ids) == [1, 2, 3]


def test_ids_that_are_no_plain_numbers_are_kept_as_written(tmp_path: Path) -> None:
    for ids in (["P-3", "P-1"], ["007", "8"], ["12345678901234567890", "2"], ["1", "B"]):
        cohort = cohort_from_table(write(tmp_path, f"ID,WT\n{ids[0]},70\n{ids[1]},80\n"))
        assert cohort.ids.tolist() == ids and cohort.to_frame()["ID"].tolist() == ids
    assert cohort_from_table(pd.DataFrame({"ID": [3.0, 1.0], "WT": [70, 80]})).ids.tolist() == [3, 1]


def test_a_name_has_its_own_random_numbers_in_any_company() -> None:
    model = SimpleNamespace(
        params={"CL": Param("L/h")}, numbers={"CL": Number(90.0, "L/h", iiv=Variability(omega2=0.09))}, correlations={}
    )
    both = individual_parameters(model, Cohort(["P-3", "P-1"], {}, seed=5))["CL"]
    alone = individual_parameters(model, Cohort(["P-1"], {}, seed=5))["CL"]
    assert both[1] == alone[0] and both[0] != both[1]


def test_heads_may_name_units(tmp_path: Path) -> None:
    cohort = cohort_from_table(write(tmp_path, "ID,WT [lb],Ht (m),AGE (months),BMI (kg/m²),SEX (F/M)\n1,154.3,1.75,480,22.9,F\n"))
    assert set(cohort.covariates) == {"WT", "HT", "AGE", "BMI", "SEX"}
    got = [cohort["WT"][0], cohort["HT"][0], cohort["AGE"][0], cohort["BMI"][0]]
    np.testing.assert_allclose(got, [154.3 * 0.45359237, 175.0, 40.0, 22.9], rtol=1e-12)
    with pytest.raises(InvalidData, match=r"column 'WT \[cm\]': WT is in kg, which 'cm' does not convert to"):
        cohort_from_table(write(tmp_path, "WT [cm]\n70\n"))
    with pytest.raises(InvalidData, match=r"line 2, column WT: WT = 3175\.15 is outside 0\.3 to 400 kg"):
        cohort_from_table(write(tmp_path, "WT [lb]\n7000\n"))


def test_gaps_of_columns_without_meaning_are_kept(tmp_path: Path) -> None:
    cohort = cohort_from_table(write(tmp_path, "ID,WT,CRP,SITE,X\n1,70,1.5,Leiden,\n2,80,,NA,.\n"))
    np.testing.assert_array_equal(cohort["CRP"], [1.5, np.nan])
    assert cohort["SITE"].tolist() == ["Leiden", ""] and np.isnan(cohort["X"]).all()
    assert "no value 50.0 %" in cohort.describe() and "X                no value" in cohort.describe()


def test_a_gap_is_refused_where_a_model_uses_the_column() -> None:
    effect = CovariateEffect("SITE", "factor", levels={"leiden": 0.5})
    model = SimpleNamespace(
        params={"CL": Param("L/h")}, numbers={"CL": Number(90.0, "L/h", covariates=(effect,))}, correlations={}
    )
    with pytest.raises(InvalidData, match="CL depends on covariate SITE, which has no value for 1 of 2 patients"):
        individual_parameters(model, Cohort([1, 2], {"SITE": ["Leiden", ""]}))
    with pytest.raises(InvalidData, match="has no value for 1 of 2 patients"):
        individual_parameters(model, Cohort([1, 2], {"SITE": [1.0, np.nan]}))


def test_codes_explain_numbers() -> None:
    frame = pd.DataFrame({"sex": [0, 1.0], "CHILD_PUGH": ["none", "mild"]})
    cohort = cohort_from_table(frame, codes={"SEX": {0: "male", 1: "female"}})
    assert list(cohort["SEX"]) == ["male", "female"]
    assert list(cohort["CHILD_PUGH"]) == ["none", "A"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ID,WT\n1,70\n2,heavy\n", r"people.csv, line 3, column WT: 'heavy' is not a number"),
        ("ID,WT\n# pause\n1,.\n", r"line 3, column WT: no value"),
        ("ID,WT\n1,70\n1,80\n", r"line 3, column ID: ID 1 is already in line 2"),
        ("ID,WT\nA,70\nB,75\nA,80\n", r"line 4, column ID: ID A is already in line 2"),
        ("ID,WT\nA,70\n,80\n", r"line 3, column ID: no value"),
        ("ID,WT\n1.5,70\n", r"line 2, column ID: ID = 1.5 is not a whole number"),
        ("HT\n1.72\n", r"line 2, column HT: HT = 1.72 is outside 25 to 260 cm. It looks like metres"),
        ("AGE\n480\n", r"line 2, column AGE: .* It looks like months"),
        ("SEX\n1\n", r"line 2, column SEX: SEX = '1' is not one of female, male. Numbers are ambiguous"),
        ("RACE\nJapanse\n", r"line 2, column RACE: .*Close: 'japanese'"),
        ("WT,HT,BMI\n70,175,30\n", r"line 2, column BMI: BMI = 30 disagrees with WT = 70 kg and HT = 175 cm"),
        ("WT,HT\n70,60\n", r"line 2, column WT: .* gives a BMI of 194"),
        ("WT,wt\n70,70\n", r"two columns are named WT"),
        ("WT,\n70,1\n", r"column 2 has no name"),
        ("WT,HT\n70\n", r"line 2: 1 fields, but the header has 2"),
        ("WT\n", r"no patients"),
        ("", r"the file is empty"),
    ],
)
def test_table_errors_name_file_line_column_and_value(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidData, match=message):
        cohort_from_table(write(tmp_path, text))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="no such file"):
        cohort_from_table(tmp_path / "nobody.csv")


def test_dataframe_errors_name_the_row() -> None:
    with pytest.raises(InvalidData, match="table, row 1, column WT: no value"):
        cohort_from_table(pd.DataFrame({"WT": [70.0, np.nan]}))
