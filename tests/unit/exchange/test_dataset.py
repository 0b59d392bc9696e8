"""Data sets beside exported models hold what the model reads."""

from __future__ import annotations

import re

import numpy as np
import pytest

from ketasim import library
from ketasim.dose import parse, resolve
from ketasim.errors import InvalidData
from ketasim.exchange import dataset, export_mrgsolve, export_nonmem
from ketasim.model import assemble
from ketasim.population import population


def test_columns_are_those_of_the_control_stream() -> None:
    model = assemble(library.load("ketasim_reference"))
    cohort = population("japanese").sample(3, 1)
    doses = resolve(parse("esketamine nasal 56 mg, 2/week x 1 week"), model, cohort.covariates, ids=cohort.ids)
    table = dataset(model, doses, cohort.covariates, times=[1.0, 24.0], nonmem=True)
    named = re.search(r"\$INPUT (.*(?:\n  .*)*)", export_nonmem(model))
    assert named is not None and list(table.columns) == named[1].split()
    assert table.notna().all(axis=None)
    assert set(table["RACE"]) == {3} and set(table["NDEVICES"]) == {2.0}  # 3: japanese, 56 mg: two devices
    seen = table[table["EVID"] == 0]
    assert len(seen) == 3 * 2 * table["DVID"].max() and set(seen["MDV"]) == {0}
    for who, each in table.groupby("ID"):
        row = int(np.flatnonzero(np.asarray(cohort.ids) == who)[0])
        assert np.all(each["WT"] == cohort.covariates["WT"][row])
        assert np.all(np.diff(each["TIME"]) >= 0)


def test_named_subjects_are_numbered() -> None:
    model = assemble(library.load("otto2021"))
    covariates = {"WT": [70.0, 90.0]}
    named = resolve(parse("esketamine iv 0.2 mg/kg over 30 min"), model, covariates, ids=["P-2", "P-1"])
    table = dataset(model, named, covariates, times=[1.0])
    assert table.groupby("ID")["WT"].first().to_dict() == {1: 70.0, 2: 90.0}


def test_occasions_have_a_column_where_the_model_has_them() -> None:
    model = assemble(library.load("simons2022"))
    doses = resolve(parse("esketamine sublingual 50 mg, daily x 2"), model, {"WT": np.array([70.0])})
    covariates = {"WT": [70.0]}
    assert "OCC" not in dataset(model, doses, covariates)
    assert set(dataset(model, doses, covariates, occasions=2)["OCC"]) == {1}
    assert "OCC" in dataset(model, doses, covariates, occasions=2, nonmem=True)
    assert "OCC : 1 : occasion" in export_mrgsolve(model, occasions=2)


def test_a_missing_covariate_is_refused() -> None:
    model = assemble(library.load("otto2021"))
    doses = resolve(parse("esketamine iv 10 mg over 30 min"), model, {})
    with pytest.raises(InvalidData, match="covariate WT"):
        dataset(model, doses, {"AGE": [40.0]})
