"""Entries in virtual people: parameters stay meaningful, and nobody fails."""

from __future__ import annotations

import numpy as np
import pytest

import ketasim
from ketasim import library
from ketasim.model import assemble
from ketasim.population import individual_parameters, population

ENTRIES = [entry.name for kind in library.KINDS for entry in library.entries(kind) if not entry.is_addon]
DOSES = {
    "pk/otto2021": "esketamine iv 10 mg over 30 min",
    "pk/derived_r_ketamine": "arketamine iv 10 mg over 30 min",
    "pk/simons2022": "esketamine sublingual 50 mg",
    "pk/perezruixo2021": "esketamine nasal 84 mg",
    "pk/derived_rs_chain": "0.5 mg/kg ketamine iv over 40 min",
    "pk/ashraf2018": "esketamine oral 14 mg",
    "pk/flint2017": "esketamine iv 0.5 mg/kg over 40 min",
}


@pytest.mark.parametrize("name", ENTRIES)
def test_individual_parameters_of_adults_are_finite_and_within_bounds(name: str) -> None:
    model = assemble(library.load(name))
    found = individual_parameters(model, population("adults").sample(200, seed=7))
    for parameter, values in found.items():
        low, high = model.params[parameter].bounds
        assert np.isfinite(values).all(), parameter
        assert (values >= low).all(), parameter
        assert (values <= high).all(), parameter


@pytest.mark.slow
@pytest.mark.parametrize("name", DOSES)
def test_a_cohort_simulates_without_a_failed_subject(name: str) -> None:
    result = ketasim.simulate(name, DOSES[name], n=40, seed=3, times=np.arange(0.0, 24.5, 0.5))
    assert (result["subject"]["status"] == 0).all()
    for site in result["plasma"].data_vars.values():
        assert np.isfinite(site.values).all()
        assert site.values.min() >= -1e-6 * site.values.max()  # no negative concentration beyond rounding
