"""Drugs, salts and analytes: molar masses from molecular formulas, and what a dose of each drug releases.

No doses here, and no kinetics: only chemistry.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

from ketasim.arguments import checked
from ketasim.errors import UnknownEntry, close_names

Form = Literal["base", "hydrochloride"]

#: Conventional (abridged) standard atomic weights, g/mol: IUPAC 2021, doi 10.1515/pac-2019-0603.
ATOMIC_MASS: Mapping[str, float] = MappingProxyType({"H": 1.008, "C": 12.011, "N": 14.007, "O": 15.999, "Cl": 35.45})

_KETAMINE = "C13H16ClNO"
_NORKETAMINE = "C12H14ClNO"
_HYDROXYNORKETAMINE = "C12H14ClNO2"
_DEHYDRONORKETAMINE = "C12H12ClNO"

#: Molecular formula of every analyte (free base); enantiomers share the formula of their total.
FORMULA: Mapping[str, str] = MappingProxyType(
    {
        prefix + name: formula
        for name, formula in (
            ("ketamine", _KETAMINE),
            ("norketamine", _NORKETAMINE),
            ("hnk", _HYDROXYNORKETAMINE),
            ("dhnk", _DEHYDRONORKETAMINE),
        )
        for prefix in ("", "s_", "r_")
    }
)

ANALYTES: tuple[str, ...] = tuple(FORMULA)


#: Drugs by name -> analyte -> moles released per mole dosed. A racemate is half S- and half R-enantiomer by moles.
DRUGS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "racemic_ketamine": MappingProxyType({"s_ketamine": 0.5, "r_ketamine": 0.5}),
        "esketamine": MappingProxyType({"s_ketamine": 1.0}),
        "arketamine": MappingProxyType({"r_ketamine": 1.0}),
    }
)

#: Analyte of an assay that does not separate enantiomers -> the drug its models were made for.
TOTALS: Mapping[str, str] = MappingProxyType({"ketamine": "racemic_ketamine"})

FORMS: tuple[Form, ...] = ("base", "hydrochloride")
ROUTES: tuple[str, ...] = (
    "iv", "im", "sc", "nasal", "oral", "oral_prolonged_release", "sublingual", "buccal", "rectal", "inhaled",
    "ip",
)  # fmt: skip

#: Esketamine base in one nasal spray device, mg (US label: 32.3 mg hydrochloride = 28 mg base).
DEVICE_MG = 28.0
#: What the last digit of the label's 32.3 mg leaves open: 32.3 mg of hydrochloride are 28.005 mg of base, and still one device.
LABEL_ROUNDING = 0.05 / 32.3


@lru_cache(maxsize=256)
def formula_mass(formula: str) -> float:
    """Molar mass of a molecular formula, g/mol.

    Examples
    --------
    >>> round(formula_mass("C13H16ClNO"), 2)
    237.73
    """
    parts = re.findall(r"([A-Z][a-z]?)(\d*)", formula)
    if not parts or "".join(a + n for a, n in parts) != formula or any(a not in ATOMIC_MASS for a, _ in parts):
        raise UnknownEntry(f"'{formula}' is no formula over the elements {', '.join(ATOMIC_MASS)}. Write e.g. '{_KETAMINE}'.")
    return sum(ATOMIC_MASS[atom] * int(count or 1) for atom, count in parts)


@checked
def molar_mass(analyte: str, form: Form = "base") -> float:
    """Molar mass of an analyte, or of a mole of drug in a salt form, g/mol.

    Parameters
    ----------
    analyte : e.g. ``s_norketamine``; a drug name (``esketamine``) means its parent compound.
    form : ``base`` or ``hydrochloride``.

    Raises
    ------
    UnknownEntry: the analyte or the form is not known.

    Examples
    --------
    >>> round(molar_mass("racemic_ketamine", "hydrochloride"), 2)
    274.19
    """
    formula = _KETAMINE if analyte in DRUGS else FORMULA.get(analyte)
    if formula is None:
        raise UnknownEntry(f"no analyte '{analyte}'.{close_names(analyte, ANALYTES)} Known: {', '.join(ANALYTES)}.")
    if form not in FORMS:
        raise UnknownEntry(f"no form '{form}' of a drug.{close_names(form, FORMS)} There are: {', '.join(FORMS)}.")
    return formula_mass(formula) + (formula_mass("HCl") if form == "hydrochloride" else 0.0)


@checked
def salt_factor(form: Form = "hydrochloride") -> float:
    """Mass of ketamine base in one unit of mass of the form: 0.867 for the hydrochloride, 1 for the base.

    Examples
    --------
    >>> round(32.3 * salt_factor("hydrochloride"), 1)  # mg of hydrochloride in one esketamine nasal device -> mg base
    28.0
    """
    return molar_mass("ketamine") / molar_mass("ketamine", form)


@checked
def has_molar_mass(name: str) -> bool:
    """Whether `molar_mass` knows the analyte or drug."""
    return name in FORMULA or name in DRUGS
