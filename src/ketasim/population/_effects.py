"""Covariate effects: the forms of `CovariateEffect` applied to typical values, vectorised over patients and records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ketasim.arguments import checked
from ketasim.errors import InvalidData, InvalidModel, close_names
from ketasim.model import CovariateEffect, Number
from ketasim.model._effect import is_shift, size_of
from ketasim.population._covariates import COVARIATES, WIDER_LEVEL

FloatArray = NDArray[np.float64]
Covariates = Mapping[str, NDArray[Any]]


def apply_effects(parameter: str, value: FloatArray, effects: tuple[CovariateEffect, ...], covariates: Covariates) -> FloatArray:
    """`value` with every effect applied in the order declared.

    Parameters
    ----------
    parameter : its name, for messages.
    value : typical value, () or any shape that broadcasts with the covariates.
    covariates : name -> (n,) or (r, n).

    Returns
    -------
    array of the broadcast shape.

    Raises
    ------
    InvalidData: a covariate that the cohort lacks and that has no default, or that is a word where a number is needed.
    """
    for effect in effects:
        column = _column(parameter, effect.by, covariates)
        if column is None:
            continue
        if effect.form == "factor":
            value = value * _factor(effect, column)
        else:
            value = _numeric(parameter, effect, value, column)
    return value


@checked
def assumed_covariates(numbers: Mapping[str, Number], given: Iterable[str]) -> dict[str, str]:
    """Covariates the parameters depend on that a cohort does not have, and what is taken in their place.

    Parameters
    ----------
    numbers : ``model.numbers``. given : names of the cohort's covariates.

    Returns
    -------
    covariate -> level, or ``reference``; empty when nothing was assumed.

    Examples
    --------
    >>> effect = CovariateEffect("CYP2B6", "factor", levels={"*6/*6": 0.5})
    >>> assumed_covariates({"CL": Number(90.0, "L/h", covariates=(effect,))}, ["WT"])
    {'CYP2B6': '*1/*1'}
    """
    have = {name.upper() for name in given}
    used = dict.fromkeys(effect.by.upper() for number in numbers.values() for effect in number.covariates)
    return {name: COVARIATES[name].default or "reference" for name in used if name not in have and name in COVARIATES}


def _column(parameter: str, by: str, covariates: Covariates) -> NDArray[Any] | None:
    """Values of a covariate; its default, or None for no effect, where the cohort does not have it."""
    names = {name.upper(): name for name in covariates}
    if by.upper() in names:
        values = np.asarray(covariates[names[by.upper()]])
        if by.upper() not in COVARIATES and (gaps := int(np.sum(values == "" if values.dtype.kind == "U" else values != values))):
            raise InvalidData(
                f"parameter {parameter} depends on covariate {by}, which has no value for {gaps} of {values.size} patients. "
                "Fill it in, or leave the patients out."
            )
        return values
    known = COVARIATES.get(by.upper())
    if known is not None and known.default:
        return np.array(known.default)
    if known is not None and known.is_neutral:
        return None
    have = ", ".join(covariates) or "none"
    raise InvalidData(
        f"parameter {parameter} depends on covariate {by}, which the cohort lacks (it has: {have}).{close_names(by, covariates)} "
        f"Add {by}{f' [{known.unit}]' if known is not None and known.unit else ''} to the cohort, or take a library population."
    )


def _numeric(parameter: str, effect: CovariateEffect, value: FloatArray, column: NDArray[Any]) -> FloatArray:
    if column.dtype.kind not in "fiu":
        raise InvalidData(
            f"parameter {parameter}: covariate {effect.by} must be a number for the form '{effect.form}'; it is a word."
        )
    if effect.form.startswith("power") and effect.ref <= 0:
        raise InvalidModel(
            f"parameter {parameter}: the reference of {effect.by} is {effect.ref:g}; a power needs a positive one."
        )
    with np.errstate(invalid="ignore"):  # power of a number below zero: NaN, which is told with the patient's ID
        size = size_of(effect, column.astype(np.float64))
    return value + size if is_shift(effect) else value * size


def _factor(effect: CovariateEffect, column: NDArray[Any]) -> FloatArray:
    """Multiplier per patient: of the level, else of the wider group it belongs to, else 1."""
    factors = {level.lower(): float(factor) for level, factor in effect.levels.items()}
    wider = WIDER_LEVEL.get(effect.by.upper(), {})
    words = _words(column)
    result = np.ones(words.shape)
    for level in np.unique(words):
        name = str(level)
        result[words == level] = factors.get(name, factors.get(wider.get(name, ""), 1.0))
    return result


def _words(column: NDArray[Any]) -> NDArray[np.str_]:
    """Levels in lower case; coded levels as they are written in an entry (1.0 becomes '1')."""
    if column.dtype.kind == "U":
        return np.char.lower(column)
    values, inverse = np.unique(column, return_inverse=True)
    return np.array([f"{value:g}" for value in values])[inverse].reshape(column.shape)
