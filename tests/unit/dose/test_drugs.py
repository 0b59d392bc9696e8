"""Molar masses and salts."""

from __future__ import annotations

import pytest

from ketasim.dose import ANALYTES, DRUGS, has_molar_mass, molar_mass, salt_factor
from ketasim.dose._drugs import formula_mass
from ketasim.errors import UnknownEntry


@pytest.mark.parametrize(
    ("analyte", "published"), [("ketamine", 237.73), ("norketamine", 223.70), ("hnk", 239.70), ("dhnk", 221.68)]
)
def test_molar_masses_agree_with_published_ones(analyte, published):
    for name in (analyte, f"s_{analyte}", f"r_{analyte}"):
        # Published to two decimals.
        assert abs(molar_mass(name) - published) < 0.006


def test_device_of_hydrochloride_holds_the_labelled_base():
    # US label: 32.3 mg hydrochloride = 28 mg base; printed to 0.1 mg.
    assert abs(32.3 * salt_factor("hydrochloride") - 28.0) < 0.05
    assert salt_factor("base") == 1.0


def test_every_drug_releases_one_mole_per_mole():
    for parts in DRUGS.values():
        assert sum(parts.values()) == 1.0
        assert set(parts) <= set(ANALYTES)


def test_unknown_names_are_refused_with_close_ones():
    with pytest.raises(UnknownEntry, match=r"no analyte 's_norketamin'.*Close: 's_norketamine'"):
        molar_mass("s_norketamin")
    with pytest.raises(UnknownEntry, match="no formula"):
        formula_mass("C2Xx5")
    assert has_molar_mass("r_hnk") and not has_molar_mass("midazolam")
