"""Scenarios: written, read and repeated bit by bit; people chosen by conditions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ketasim
from ketasim.errors import InvalidOption
from ketasim.population import chosen, population
from ketasim.simulation import Scenario, run

ARMS = {"nasal": {"dosing": "esketamine nasal 56 mg"}, "old": {"dosing": "esketamine nasal 28 mg", "population": "elderly"}}
SHARED = {"n": 6, "seed": 3, "times": [0.0, 0.5, 1.0, 4.0]}


@pytest.mark.parametrize("ending", [".toml", ".json"])
def test_a_scenario_written_down_repeats_the_run(tmp_path: Path, ending: str) -> None:
    first = Scenario(ARMS, SHARED)
    again = Scenario.from_file(first.to_file(tmp_path / f"two{ending}"))
    assert again == first
    assert again.fingerprint == first.fingerprint
    one, two = run(first), run(tmp_path / f"two{ending}")
    for label in ARMS:
        assert np.array_equal(one[label]["plasma"]["venous"], two[label]["plasma"]["venous"], equal_nan=True)
        assert one[label].attrs["scenario"] == first.fingerprint


def test_shares_of_the_people_are_the_people() -> None:
    scenario = Scenario({"nasal": ARMS["nasal"]}, SHARED | {"population": "adults"})
    whole = run(scenario)["nasal"]["plasma"]["venous"]
    parts = [run(scenario, part)["nasal"]["plasma"]["venous"] for part in ((0, 2), (2, 6))]
    assert np.array_equal(np.concatenate(parts), whole, equal_nan=True)


def test_arms_differ_in_what_they_say() -> None:
    found = ketasim.compare(ARMS, **SHARED)
    assert found["nasal"].attrs["population"] != found["old"].attrs["population"]
    assert float(found["old"]["subject"]["AGE"].min()) >= 65.0


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.floats(0.1, 200.0), min_size=1, max_size=3))
def test_any_label_and_number_survives_toml(doses: dict[str, float]) -> None:
    scenario = Scenario({label: {"dosing": f"esketamine iv {dose!r} mg", "weight": dose} for label, dose in doses.items()})
    assert Scenario.from_text(scenario.to_text(".toml"), ".toml") == scenario


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("dosing = 'x'", "format"),
        ('format = "ketasim/1"', "arm"),
        ('format = "ketasim/1"\n[arm.a]\ndosing = "x"\npopulaton = "adults"', "population"),
        ('format = "ketasim/1"\n[arm.a]\nn = 3', "dosing"),
        ('format = "ketasim/1"\n[arm.a]\ndosing = "x"\nthreads = 3', "threads"),
        ("[[[", "TOML"),
        ('format = "ketasim/1"\n[arm.a]\ndosing = "x"\nn = "many"', "whole number"),
    ],
)
def test_what_is_no_scenario_is_refused(text: str, word: str) -> None:
    with pytest.raises(InvalidOption, match=word):
        Scenario.from_text(text)


def test_people_who_meet_conditions() -> None:
    found = chosen("adults", 40, 5, "SEX=female, AGE>=45, WT 55..75")
    assert set(found["SEX"]) == {"female"}
    assert found["AGE"].min() >= 45.0
    assert found["WT"].min() >= 55.0
    assert found["WT"].max() <= 75.0
    whole = population("adults").sample(int(found.ids.max()) + 1, 5)
    assert np.array_equal(whole["WT"][found.ids], found["WT"]), "a person chosen is the person of the population"


def test_covariates_set_for_everybody() -> None:
    found = chosen("adults", 5, 1, set={"AGE": 80, "SEX": "male"})
    assert set(found["AGE"]) == {80.0}
    assert set(found["SEX"]) == {"male"}


@pytest.mark.parametrize(
    ("where", "word"),
    [
        ("AGE>=200", "are wanted"),
        ("AGEE>=20", "AGE"),
        ("AGE>=old", "no number"),
        ("WT 75..55", "lower one"),
        ("SEX>=3", "SEX"),
        ("female", "write NAME"),
    ],
)
def test_conditions_nobody_can_meet_are_refused(where: str, word: str) -> None:
    with pytest.raises(InvalidOption, match=word):
        chosen("adults", 3, 1, where)


@pytest.mark.parametrize(
    ("values", "word"),
    [({"AGE": "old"}, "no number"), ({"AGE": 900}, "not allowed"), ({"SEX": "3"}, "no level"), ({"AGEE": 3}, "AGE")],
)
def test_values_no_covariate_can_have_are_refused(values: dict, word: str) -> None:
    with pytest.raises(InvalidOption, match=word):
        chosen("adults", 2, 1, set=values)
