"""Doses whose unit was probably mistaken are named; those of trials, labels and anaesthesia are not."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from ketasim import evidence
from ketasim.dose import parse, resolve
from ketasim.dose._plausible import limits
from ketasim.errors import ImplausibleDose
from ketasim.simulation import as_model

MODEL, WEIGHT = as_model("ketasim_reference"), {"WT": np.array([70.0])}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "ketamine 500 g iv",
            r"'500 g racemic ketamine iv bolus': 500,000 mg in an adult of 70 kg is more than 5 times the largest",
        ),
        (
            "esketamine nasal 56 mg/kg",
            r"3,920 mg .* more than 3 times the largest single dose of the evidence by this route \(112 mg\)",
        ),
        ("esketamine nasal 56 ug", r"0\.056 mg .* less than a 50th of the smallest single dose of the evidence \(5 mg\)"),
        ("0.5 g/kg racemic ketamine iv over 40 min", "Is the unit right"),
    ],
)
def test_slips_of_a_unit_are_named(text: str, said: str) -> None:
    with pytest.warns(ImplausibleDose, match=said):
        resolve(parse(text), MODEL, WEIGHT)


@pytest.mark.parametrize(
    "text",
    ["esketamine nasal 84 mg", "ketamine 4.5 mg/kg iv", "10 mg/kg racemic ketamine im", "racemic ketamine iv 0.6 mg/kg/h over 96 h", "0.1 mg/kg ketamine iv"],
)  # fmt: skip
def test_doses_that_are_given_pass(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ImplausibleDose)
        resolve(parse(text), MODEL, WEIGHT)


def test_the_limits_are_the_extremes_of_the_evidence() -> None:
    tables = [pd.read_csv(evidence.path(name), comment="#") for name in ("safety/safety.csv", "pk/pk_observations.csv")]
    rows = pd.concat(
        [
            t[t["drug"].fillna("").str.fullmatch("(racemic_|es|ar)ketamine") & t["dose_unit"].isin(("mg", "mg racemate"))]
            for t in tables
        ]
    )
    doses = pd.to_numeric(rows["dose"].astype(str).str.split(r"[-/]").explode(), errors="coerce").dropna()
    assert limits()["largest"][0] == doses.max()
    assert limits()["smallest"][0] == doses[doses > 0].min()
