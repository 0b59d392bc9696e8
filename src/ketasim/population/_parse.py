"""From a block of a population's TOML to a distribution with its provenance, or one clear refusal."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ketasim.documents import is_number
from ketasim.errors import InvalidEntry, close_names
from ketasim.population._covariates import COVARIATES
from ketasim.population._distribution import (
    ByLevel,
    Categorical,
    Distribution,
    FloatArray,
    Lms,
    Normal,
    Uniform,
    drawn_levels,
    reachable,
)

Rows = list[dict[str, str]]

_PROVENANCE = {"unit", "source", "at", "kind", "confidence", "note", "distribution"}
_FIELDS = {
    "uniform": {"low", "high", "by", "levels"},
    "normal": {"mean", "sd", "range", "by", "levels"},
    "lognormal": {"mean", "sd", "range", "by", "levels"},
    "categorical": {"levels", "by"},
    "lms": {"table", "truncated", "centiles"},
    "genotype": {"table", "by"},
}
#: What the values of a block are.
_TEXT, _NUMBER, _PAIR, _TABLE = (
    "a text",
    "a number",
    "two numbers, the second larger",
    "a table of levels, e.g. {female = 0.5, male = 0.5}",
)
_TYPES = {
    **dict.fromkeys(("unit", "source", "at", "kind", "confidence", "note", "distribution", "by", "table"), _TEXT),
    **dict.fromkeys(("low", "high", "mean", "sd"), _NUMBER),
    **dict.fromkeys(("range", "truncated", "centiles"), _PAIR),
    "levels": _TABLE,
}
#: Columns of tables: texts and numbers.
_COLUMNS = {
    "lms": (("covariate", "sex", "source", "at", "kind", "note"), ("age", "L", "M", "S")),
    "genotype": (("covariate", "level", "source", "at", "kind", "note"), ("frequency",)),
}
_KINDS = ("estimated", "fixed", "derived", "assumed")
_SHARES_SUM = 1e-6


@dataclass(frozen=True)
class Block:
    """One covariate of a population: its distribution, in words, and where the numbers come from."""

    distribution: Distribution
    text: str
    sources: tuple[str, ...]
    provenance: str
    note: str = ""


def parse_block(
    name: str, raw: Mapping[str, Any], where: str, before: Mapping[str, Distribution], table: Callable[[str], Rows]
) -> Block:
    """Distribution of covariate `name`.

    Parameters
    ----------
    raw : the TOML block. where : place for messages. before : covariates drawn earlier, with their distributions. table : reader of a
        named table.
    """
    if name not in COVARIATES:
        raise InvalidEntry(f"{where}: '{name}' is not a covariate of the register.{close_names(name, COVARIATES)}")
    _check_types(raw, where)
    kind = raw.get("distribution", "")
    if kind not in _FIELDS:
        raise InvalidEntry(f"{where}: distribution = '{kind}'. Allowed: {', '.join(_FIELDS)}.")
    unknown = sorted(set(raw) - _PROVENANCE - _FIELDS[kind])
    if unknown:
        raise InvalidEntry(f"{where}: '{unknown[0]}' means nothing for {kind}. Allowed: {', '.join(sorted(_FIELDS[kind]))}.")
    if not COVARIATES[name].is_category and raw.get("unit") != COVARIATES[name].unit:
        raise InvalidEntry(f"{where}: unit = '{raw.get('unit', '')}'; {name} is in '{COVARIATES[name].unit}'.")
    for needed in ("AGE", "SEX") if kind == "lms" else (raw["by"],) if "by" in raw else ():
        if needed not in before:
            raise InvalidEntry(f"{where}: depends on {needed}, which must come earlier in the file.")
    if kind in ("lms", "genotype"):
        return _from_table(name, kind, raw, where, before, table)
    _check_provenance(raw, where)
    distribution = _conditional(name, kind, raw, where, before) if "by" in raw else _plain(name, kind, raw, where)
    sources = tuple(key for key in str(raw.get("source", "")).replace(" ", "").split(";") if key)
    place = ", ".join(str(raw[key]) for key in ("source", "at") if raw.get(key))
    provenance = f"{place}; {raw['kind']}" if place else str(raw["kind"])
    return Block(distribution, _words(kind, raw), sources, provenance, str(raw.get("note", "")))


def _check_types(raw: Any, where: str) -> None:
    """Every value is of the kind its key needs."""
    if not isinstance(raw, Mapping):
        raise InvalidEntry(f"{where} = {_shown(raw)}: needed is a table of names and values.")
    for key, value in raw.items():
        needed = _TYPES.get(key, "")
        right = {
            _TEXT: isinstance(value, str), _NUMBER: is_number(value), _PAIR: _is_pair(value),
            _TABLE: isinstance(value, Mapping) and bool(value),
        }  # fmt: skip
        if needed and not right[needed]:
            raise InvalidEntry(f"{where}: {key} = {_shown(value)}; needed is {needed}.")


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(is_number, value)) and value[0] < value[1]


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # a whole number of thousands of digits
        return "a number too large to be meant"
    return text if len(text) <= 80 else f"{text[:80]}..."


def _plain(name: str, kind: str, raw: Mapping[str, Any], where: str) -> Uniform | Normal | Categorical:
    if COVARIATES[name].is_category != (kind == "categorical"):
        raise InvalidEntry(
            f"{where}: {name} is a {'category' if COVARIATES[name].is_category else 'number'}; {kind} cannot draw it."
        )
    if kind == "categorical":
        return _categorical(name, raw, where)
    part = _numeric(kind, raw, where)
    _check_human(name, part, where)
    return part


def _numeric(kind: str, raw: Mapping[str, Any], where: str) -> Uniform | Normal:
    try:
        if kind == "uniform":
            return Uniform(float(raw["low"]), float(raw["high"]))
        low, high = raw.get("range", (-np.inf, np.inf))
        part = Normal(float(raw["mean"]), float(raw["sd"]), float(low), float(high), log=kind == "lognormal")
    except KeyError as missing:
        raise InvalidEntry(f"{where}: {kind} needs {missing}.") from None
    except (TypeError, ValueError):
        raise InvalidEntry(f"{where}: the numbers of {kind} must be plain numbers, its range two numbers.") from None
    if part.sd <= 0 or (part.log and part.mean <= 0) or not reachable(part):
        raise InvalidEntry(
            f"{where}: no {kind} between {part.low:g} and {part.high:g} has mean {part.mean:g} and SD {part.sd:g}."
        )
    return part


def _check_human(name: str, part: Uniform | Normal, where: str) -> None:
    """Refuse what may draw a patient who cannot be, such as one of negative weight."""
    low, high = part.reach
    known = COVARIATES[name]
    if not low < high:
        raise InvalidEntry(f"{where}: from {low:g} to {high:g}: the second number must be the larger one.")
    if low < known.low or high > known.high:
        raise InvalidEntry(
            f"{where}: reaches from {low:.4g} to {high:.4g}; {name} is {known.low:g} to {known.high:g} {known.unit}. "
            "Check the unit, or narrow it: range = [low, high]."
        )


def _categorical(name: str, raw: Mapping[str, Any], where: str) -> Categorical:
    levels = raw.get("levels", {})
    unknown = [level for level in levels if level not in COVARIATES[name].levels]
    if unknown or not levels:
        allowed = COVARIATES[name].levels
        raise InvalidEntry(
            f"{where}: levels of {name} expected ({', '.join(allowed)}); got {', '.join(levels) or 'none'}."
            f"{close_names(unknown[0], allowed) if unknown else ''}"
        )
    if not all(map(is_number, levels.values())):
        raise InvalidEntry(f"{where}: the shares of the levels must be plain numbers.")
    total = float(sum(levels.values()))
    if min(levels.values()) < 0:
        raise InvalidEntry(f"{where}: the share of a level is {min(levels.values()):g}; needed is 0 to 1.")
    if abs(total - 1.0) > _SHARES_SUM:
        raise InvalidEntry(f"{where}: the shares of the levels sum to {total:g}; needed is 1.")
    return Categorical(tuple(levels), tuple(float(share) / total for share in levels.values()))


def _conditional(name: str, kind: str, raw: Mapping[str, Any], where: str, before: Mapping[str, Distribution]) -> ByLevel:
    by, parts = raw["by"], raw.get("levels", {})
    missing = [level for level in parts if level not in COVARIATES[by].levels]
    if not parts or missing:
        raise InvalidEntry(
            f"{where}: levels of {by} expected ({', '.join(COVARIATES[by].levels)}); got {', '.join(parts) or 'none'}."
        )
    for level, part in parts.items():
        _check_types({"levels": part} if kind == "categorical" else part, f"{where} {by} = {level}")
    inner = {level: {"levels": part} if kind == "categorical" else part for level, part in parts.items()}
    _check_covered(by, tuple(parts), where, before)
    return ByLevel(by, {level: _plain(name, kind, part, f"{where} {by} = {level}") for level, part in inner.items()})


def _check_covered(by: str, levels: tuple[str, ...], where: str, before: Mapping[str, Distribution]) -> None:
    """Every level this population draws has its numbers."""
    for level in drawn_levels(before[by]):
        if level not in levels:
            raise InvalidEntry(f"{where}: no numbers for {by} = {level}, which this population draws.")


def _from_table(
    name: str, kind: str, raw: Mapping[str, Any], where: str, before: Mapping[str, Distribution], table: Callable[[str], Rows]
) -> Block:
    if "table" not in raw:
        raise InvalidEntry(f'{where}: {kind} needs table = "...", a file of library/population/tables without .csv.')
    rows = [row for row in table(raw["table"]) if row.get("covariate") == name]
    if not rows:
        raise InvalidEntry(f"{where}: table '{raw['table']}' has no rows of {name}.")
    _check_columns(rows, kind, f"{where} table '{raw['table']}'")
    for row in rows:
        _check_provenance(row, f"{where} table '{raw['table']}'")
    sexes = tuple(dict.fromkeys(row["sex"] for row in rows)) if kind == "lms" else ()
    if sexes and sexes != ("both",):
        _check_covered("SEX", sexes, f"{where} table '{raw['table']}'", before)
    sources = tuple(dict.fromkeys(row["source"] for row in rows if row["source"]))
    kinds = "/".join(dict.fromkeys(row["kind"] for row in rows))
    distribution: Distribution = _genotypes(rows, where) if kind == "genotype" else _lms(rows, raw)
    return Block(
        distribution,
        _table_words(kind, raw, rows),
        sources,
        f"{'; '.join(sources)}, table {raw['table']}; {kinds}",
        str(raw.get("note", "")),
    )


def _check_columns(rows: Rows, kind: str, where: str) -> None:
    """Every row has its texts and numbers."""
    texts, numbers = _COLUMNS[kind]
    for row in rows:
        for column in (*texts, *numbers):
            value = row.get(column)
            if value is None:
                raise InvalidEntry(f"{where}: has no column '{column}', or a row without it.")
            if column in numbers and not _is_finite(value):
                raise InvalidEntry(f"{where}: {column} = '{value[:80]}'; needed is a number.")


def _is_finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _lms(rows: Rows, raw: Mapping[str, Any]) -> Lms:
    knots: dict[str, tuple[FloatArray, FloatArray, FloatArray, FloatArray]] = {}
    for sex in dict.fromkeys(row["sex"] for row in rows):
        mine = sorted((row for row in rows if row["sex"] == sex), key=lambda row: float(row["age"]))
        ages, power, median, spread = (np.array([float(row[column]) for row in mine]) for column in ("age", "L", "M", "S"))
        knots[sex] = (ages, power, median, spread)
    low, high = raw.get("truncated", (-np.inf, np.inf))
    first, last = raw.get("centiles", (0.0, 1.0))
    return Lms(knots, float(low), float(high), (float(first), float(last)))


def _genotypes(rows: Rows, where: str) -> ByLevel:
    """Genotypes in Hardy-Weinberg proportions of the frequency of allele *6, per ethnicity."""
    parts: dict[str, Uniform | Normal | Categorical] = {}
    for row in rows:
        q = float(row["frequency"])
        if not 0.0 <= q <= 1.0:
            raise InvalidEntry(f"{where}: allele frequency {q:g} of {row['level']} is outside 0 to 1.")
        parts[row["level"]] = Categorical(("*1/*1", "*1/*6", "*6/*6"), ((1 - q) ** 2, 2 * q * (1 - q), q**2))
    missing = sorted(set(COVARIATES["RACE"].levels) - set(parts))
    if missing:
        raise InvalidEntry(f"{where}: no allele frequency for RACE = {missing[0]}.")
    return ByLevel("RACE", parts)


def _check_provenance(raw: Mapping[str, Any], where: str) -> None:
    kind = raw.get("kind", "")
    if kind not in _KINDS:
        raise InvalidEntry(f"{where}: kind = '{kind}'. Allowed: {', '.join(_KINDS)}.")
    if kind == "assumed" and not raw.get("note"):
        raise InvalidEntry(f"{where}: an assumed number needs a note that says why.")
    if kind != "assumed" and not (raw.get("source") and raw.get("at")):
        raise InvalidEntry(f"{where}: a number that is not assumed needs source and at (the place in the source).")


def _words(kind: str, raw: Mapping[str, Any]) -> str:
    if "by" not in raw:
        return _plain_words(kind, raw)
    parts = {level: {"levels": part} if kind == "categorical" else part for level, part in raw["levels"].items()}
    return f"by {raw['by']}: " + "; ".join(f"{level} {_plain_words(kind, part)}" for level, part in parts.items())


def _plain_words(kind: str, part: Mapping[str, Any]) -> str:
    if kind == "uniform":
        return f"uniform {part['low']:g} to {part['high']:g}"
    if kind == "categorical":
        return ", ".join(f"{level} {100 * share:g} %" for level, share in part["levels"].items())
    limits = f", {part['range'][0]:g} to {part['range'][1]:g}" if "range" in part else ""
    return f"{kind}, mean {part['mean']:g}, SD {part['sd']:g}{limits}"


def _table_words(kind: str, raw: Mapping[str, Any], rows: Rows) -> str:
    if kind == "genotype":
        shares = ", ".join(f"{row['level']} {float(row['frequency']):g}" for row in rows)
        return f"Hardy-Weinberg genotypes by RACE, frequency of *6: {shares}"
    by = "age and sex" if any(row["sex"] != "both" for row in rows) else "age"
    limits = f", only {raw['truncated'][0]:g} to {raw['truncated'][1]:g}" if "truncated" in raw else ""
    tails = f", centiles {100 * raw['centiles'][0]:g} to {100 * raw['centiles'][1]:g}" if "centiles" in raw else ""
    return f"Box-Cox normal by {by}{limits}{tails}"
