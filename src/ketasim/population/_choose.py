"""People of a population who meet conditions, or with covariates set: who is asked for, in words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ketasim.arguments import checked
from ketasim.errors import InvalidOption, close_names
from ketasim.population._cohort import Cohort
from ketasim.population._covariates import COVARIATES
from ketasim.population._population import Population, population, population_from_file
from ketasim.population._table import cohort_from_table

_CONDITION = re.compile(r"^\s*([A-Za-z_]\w*)\s*(>=|<=|!=|==|=|>|<|\s)\s*(.+?)\s*$")
_RANGE = re.compile(r"^(-?[\d.eE+-]+?)\s*\.\.\s*(-?[\d.eE+-]+)$")
#: People looked at for each one wanted, at most: conditions met by fewer are refused.
_MOST_TRIES = 1000
_BATCH = 4096


@dataclass(frozen=True)
class Condition:
    """One condition on a covariate, as written, and its test."""

    name: str
    text: str
    meets: Callable[[NDArray[Any]], NDArray[np.bool_]]


@checked
def conditions(text: str) -> tuple[Condition, ...]:
    """Conditions in words, all of which must hold: ``SEX=female, AGE>=65, WT 55..65``.

    Raises
    ------
    InvalidOption: one cannot be read.
    """
    return tuple(_condition(part) for part in text.split(",") if part.strip())


def _condition(text: str) -> Condition:
    match = _CONDITION.match(text)
    if match is None:
        raise InvalidOption(
            f"where '{text.strip()}': write NAME=VALUE, NAME>=VALUE or NAME LOW..HIGH, e.g. SEX=female, AGE>=65, WT 55..65."
        )
    name, sign, given = match[1], match[2].strip(), match[3]
    if span := _RANGE.match(given):
        low, high = _number(span[1], text), _number(span[2], text)
        if low > high:
            raise InvalidOption(f"where '{text.strip()}': {low:g} is above {high:g}; write the lower one first.")
        return Condition(name, text.strip(), lambda values: (_floats(values, name) >= low) & (_floats(values, name) <= high))
    if sign in ("=", "==", "!="):
        wanted = given.strip("'\"")
        return Condition(name, text.strip(), lambda values: _equal(values, wanted) != (sign == "!="))
    if sign not in (">=", "<=", ">", "<"):
        raise InvalidOption(f"where '{text.strip()}': a sign is missing, e.g. {name}={given} or {name}>={given}.")
    limit = _number(given, text)
    compare = {">=": np.greater_equal, "<=": np.less_equal, ">": np.greater, "<": np.less}[sign]
    return Condition(name, text.strip(), lambda values: compare(_floats(values, name), limit))


def _number(given: str, text: str) -> float:
    try:
        return float(given)
    except ValueError:
        raise InvalidOption(f"where '{text.strip()}': '{given}' is no number.") from None


def _floats(values: NDArray[Any], name: str) -> NDArray[np.float64]:
    if values.dtype.kind not in "fiu":
        raise InvalidOption(f"where: {name} is a word ({', '.join(sorted(set(map(str, values[:50]))))}); write {name}=... .")
    return values.astype(float)


def _equal(values: NDArray[Any], wanted: str) -> NDArray[np.bool_]:
    if values.dtype.kind in "fiu":
        return values.astype(float) == _number(wanted, wanted)
    known = sorted(set(map(str, values)))
    if wanted not in known and len(values) > 200:
        raise InvalidOption(f"where: nobody is '{wanted}'.{close_names(wanted, known)} There are: {', '.join(known)}.")
    return values.astype(str) == wanted


@checked
def chosen(name: str, n: int, seed: int, where: str = "", set: Mapping[str, Any] | None = None) -> Cohort:
    """People of a population (name, .toml, or .csv with everybody) who meet conditions, some covariates set to one value.

    Ids stay those of the population, so that a person is the same person in other choices.

    Raises
    ------
    InvalidOption: conditions cannot be read, name a covariate that is not there, or are met by almost nobody.
    """
    wanted = conditions(where)
    found = _from_table(name, n, seed, wanted) if name.lower().endswith(".csv") else _from_population(name, n, seed, wanted)
    covariates = dict(found.covariates)
    for key, value in (set or {}).items():
        if key not in covariates:
            raise InvalidOption(
                f"set {key}: {found.name} has no such covariate.{close_names(key, covariates)} It has: {', '.join(covariates)}."
            )
        covariates[key] = np.full(len(found), _settable(key, value, covariates[key].dtype.kind in "fiu"))
    words = "; ".join(
        [
            found.name,
            *(one.text for one in wanted),
            *(f"{key} set to {f'{value:g}' if isinstance(value, float) else value}" for key, value in (set or {}).items()),
        ]
    )
    return Cohort(found.ids, covariates, seed=seed, name=words, description=found.description, described=found.described)


def _settable(name: str, value: Any, is_number: bool) -> Any:
    """A value that a covariate may have.

    Raises
    ------
    InvalidOption: no number, one of no human, or no level of it.
    """
    known = COVARIATES.get(name)
    if not is_number:
        levels = known.levels if known is not None else ()
        if levels and str(value) not in levels:
            raise InvalidOption(
                f"set {name}: '{value}' is no level of it.{close_names(str(value), levels)} There are: {', '.join(levels)}."
            )
        return str(value)
    low, high = (known.low, known.high) if known is not None else (-np.inf, np.inf)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InvalidOption(f"set {name}: '{value}' is no number.") from None
    if not low <= number <= high:
        raise InvalidOption(f"set {name}: {number:g} is not allowed. Allowed: {low:g} to {high:g}.")
    return number


def _from_table(name: str, n: int, seed: int, wanted: tuple[Condition, ...]) -> Cohort:
    table = cohort_from_table(name, seed=seed, name=Path(name).name)
    kept = np.flatnonzero(_meets(table, wanted))
    if not len(kept):
        raise InvalidOption(f"where: nobody of {name} meets {', '.join(one.text for one in wanted)}.")
    return table.take(kept)


def _from_population(name: str, n: int, seed: int, wanted: tuple[Condition, ...]) -> Cohort:
    source: Population = population_from_file(name) if name.lower().endswith(".toml") else population(name)
    if not wanted:
        return source.sample(n, seed)
    pieces: list[Cohort] = []
    have, start = 0, 0
    while have < n:
        if start > max(_MOST_TRIES * n, 20 * _BATCH):
            raise InvalidOption(
                f"where: {have} of {start:,} people of {source.id} meet {', '.join(one.text for one in wanted)}; {n} are wanted. "
                "Widen the conditions, or set covariates."
            )
        batch = source.sample(_BATCH, seed, start=start)
        kept = np.flatnonzero(_meets(batch, wanted))[: n - have]
        if len(kept):
            pieces.append(batch.take(kept))
        have, start = have + len(kept), start + _BATCH
    covariates = {key: np.concatenate([p.covariates[key] for p in pieces]) for key in pieces[0].covariates}
    ids = np.concatenate([p.ids for p in pieces])
    return Cohort(ids, covariates, seed=seed, name=pieces[0].name, description=pieces[0].description)


def _meets(people: Cohort, wanted: tuple[Condition, ...]) -> NDArray[np.bool_]:
    meets = np.ones(len(people), bool)
    for one in wanted:
        if one.name not in people.covariates:
            raise InvalidOption(
                f"where '{one.text}': {people.name} has no covariate '{one.name}'.{close_names(one.name, people.covariates)} It has: {', '.join(people.covariates)}."
            )
        meets &= one.meets(np.asarray(people.covariates[one.name]))
    return meets
