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


def test_a_stated_duration_is_the_modelled_one_where_less_than_the_whole_dose_is_available() -> None:
    """NONMEM and mrgsolve keep RATE and shorten the infusion by F; RATE -2 with D from TINF keeps the time."""
    model = assemble(library.load("ketasim_reference"))
    doses = resolve(
        parse("10 mg esketamine inhaled over 30 min, daily x 2 then 10 mg esketamine iv over 1 h"), model, {"WT": [70.0]}
    )
    table = dataset(model, doses, {"WT": [70.0], "AGE": [40.0]}, times=[1.0], nonmem=True)
    given = table[table["EVID"] == 1]
    inhaled = model.compartments.index("inhaled_s") + 1
    assert given[given["CMT"] == inhaled][["RATE", "TINF", "ADDL"]].to_numpy().tolist() == [[-2.0, 0.5, 0.0]] * 2
    assert (given[given["CMT"] != inhaled]["RATE"] > 0).all()
    assert set(given[given["CMT"] != inhaled]["TINF"]) == {0.0}
    assert f"  D{inhaled} = TINF" in export_nonmem(model).splitlines()
    assert "D_inhaled_s = TINF > 0.0 ? TINF : 0.0;" in export_mrgsolve(model).splitlines()
    assert "TINF" in dataset(model, doses, {"WT": [70.0], "AGE": [40.0]}).columns
    both = assemble(library.load("generic/one_cmt"))  # with a modelled duration of its own
    assert "  IF (TINF.GT.0) D2 = TINF" in export_nonmem(both).splitlines()
    assert "D_CENT = TINF > 0.0 ? TINF : D2;" in export_mrgsolve(both).splitlines()
