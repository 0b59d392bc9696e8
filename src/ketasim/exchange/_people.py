"""What makes people differ, ready for other tools: covariates as columns of numbers, random effects in blocks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.errors import InvalidData, InvalidOption
from ketasim.population import COVARIATES
from ketasim.population._effects import apply_effects

if TYPE_CHECKING:
    from ketasim.model import CovariateEffect, Model, Number

#: Data item with the duration of an infusion, h, where it is stated and the available fraction would change it; else 0.
STATED = "TINF"
#: Set by nasal doses where a model has it; a column of the data like a covariate.
DEVICES = "n_devices"


@dataclass(frozen=True)
class Column:
    """A covariate as another tool's data set has it: numbers only.

    Attributes
    ----------
    value : of a person with the typical values. codes : level -> number; empty for a covariate that is a number.
    """

    name: str
    value: float
    meaning: str
    unit: str = ""
    codes: Mapping[str, int] = field(default_factory=dict)

    @property
    def note(self) -> str:
        """Meaning with unit or codes: ``CYP2B6 genotype, 0 *1/*1, 1 *1/*6, 2 *6/*6``."""
        said = ", ".join(f"{code} {level}" for level, code in self.codes.items())
        return f"{self.meaning}, {said}" if said else self.meaning

    def numbers(self, values: ArrayLike) -> NDArray[np.float64]:
        """A column of a cohort as numbers.

        Raises
        ------
        InvalidData: a level without a code.
        """
        array = np.asarray(values)
        if not self.codes or array.dtype.kind in "fiu":
            return array.astype(np.float64)
        known = {level.lower(): code for level, code in self.codes.items()}
        unknown = sorted({str(v) for v in array.ravel()} - {v for v in map(str, array.ravel()) if v.lower() in known})
        if unknown:
            raise InvalidData(f"covariate {self.name} = '{unknown[0]}' has no code; there are: {', '.join(self.codes)}.")
        return np.array([known[str(v).lower()] for v in array.ravel()], dtype=np.float64).reshape(array.shape)


def columns(model: Model) -> dict[str, Column]:
    """Covariates the parameters depend on, by upper-case name, in order of first use."""
    effects: dict[str, list[CovariateEffect]] = {}
    for number in model.numbers.values():
        for effect in number.covariates:
            effects.setdefault(effect.by.upper(), []).append(effect)
    return {name: _column(name, used) for name, used in effects.items()}


def _column(name: str, effects: list[CovariateEffect]) -> Column:
    known = COVARIATES.get(name)
    meaning, unit = (known.meaning, known.unit) if known is not None else (name, "")
    named = list(dict.fromkeys(level for e in effects for level in e.levels))
    if not named and not (known is not None and known.is_category):
        return Column(name, effects[0].ref, meaning, unit)
    levels = list(known.levels) if known is not None and known.is_category else []
    if not levels and all(_is_whole(level) for level in named):  # coded in the source, its codes stay
        return Column(name, float(min(map(float, named)) - 1), f"{meaning}, any other number is the reference", unit, {v: int(float(v)) for v in named})  # fmt: skip
    codes = {level: i for i, level in enumerate(levels or ["other", *named])}
    neutral = (
        known.default if known is not None and known.default else next((v for v in codes if v not in named), next(iter(codes)))
    )
    return Column(name, float(codes[neutral]), meaning, unit, codes)


def _is_whole(text: str) -> bool:
    try:
        return float(text) == int(float(text))
    except ValueError:
        return False


def factors(effect: CovariateEffect, column: Column) -> dict[float, tuple[int, ...]]:
    """Multipliers of a `factor` effect other than 1, each with the codes it holds for; found by ketasim's own rule for levels."""
    out: dict[float, tuple[int, ...]] = {}
    for level, code in column.codes.items():
        value = float(apply_effects("", np.ones(1), (effect,), {column.name: np.array([level])})[0])
        if value != 1.0:
            out[value] = (*out.get(value, ()), code)
    return out


@dataclass(frozen=True)
class Random:
    """Random effects in the order of their numbers.

    Attributes
    ----------
    blocks : groups of parameters with their lower-triangular covariances, rows of a matrix.
    between : parameter -> number of its ETA. within : parameter -> numbers of its ETAs, one per occasion.
    occasions : variance between occasions by parameter.
    """

    blocks: tuple[tuple[tuple[str, ...], tuple[tuple[float, ...], ...]], ...]
    between: Mapping[str, int]
    within: Mapping[str, tuple[int, ...]]
    occasions: Mapping[str, float]


def random_effects(model: Model, occasions: int) -> Random:
    """Blocks of between-subject variability, correlated where the model says so, then variability between occasions.

    Raises
    ------
    InvalidOption: `occasions` is no whole number above zero.
    """
    if isinstance(occasions, bool) or not isinstance(occasions, (int, np.integer)) or occasions < 1:
        raise InvalidOption(f"occasions = {occasions!r}: give a whole number, at least 1.")
    varied = {name: n.iiv.omega2 for name, n in model.numbers.items() if n.iiv is not None and n.iiv.omega2 > 0}
    blocks, between = [], dict[str, int]()
    for members in _groups(list(varied), model.correlations):
        rows = tuple(
            tuple(varied[a] if a == b else _covariance(model, a, b) for b in members[: i + 1]) for i, a in enumerate(members)
        )
        blocks.append((members, rows))
        between |= {name: len(between) + i for i, name in enumerate(members, 1)}
    within, used = dict[str, tuple[int, ...]](), len(between)
    variances = {name: n.iov.omega2 for name, n in model.numbers.items() if n.iov is not None and n.iov.omega2 > 0}
    for name in variances:
        within[name] = tuple(range(used + 1, used + occasions + 1))
        used += occasions
    return Random(tuple(blocks), between, within, variances)


def _covariance(model: Model, a: str, b: str) -> float:
    return model.correlations.get((a, b), model.correlations.get((b, a), 0.0))


def _groups(names: list[str], pairs: Mapping[tuple[str, str], float]) -> list[tuple[str, ...]]:
    """Parameters connected by covariances, each group at the place of its first member."""
    group = {name: {name} for name in names}
    for a, b in pairs:
        merged = group[a] | group[b]
        group |= dict.fromkeys(merged, merged)
    seen: set[str] = set()
    out = []
    for name in names:
        if name not in seen:
            out.append(tuple(n for n in names if n in group[name]))
            seen |= group[name]
    return out


def form_of(number: Number) -> str:
    """Form of a parameter's random effects."""
    effect = number.iiv or number.iov
    return effect.form if effect is not None else "lognormal"


def reduced(model: Model) -> list[str]:
    """Compartments of which not the whole dose is available: NONMEM and mrgsolve would shorten an infusion of given rate there."""
    return [name for name, inlet in model.system.inlets.items() if inlet.F is not None and inlet.F != 1.0]


def residuals(model: Model) -> list[tuple[str, list[tuple[str, float]]]]:
    """Per output: (kind of error, variance), kinds being proportional, additive and exponential; zero ones are left out."""
    out: list[tuple[str, list[tuple[str, float]]]] = []
    for error in model.residual:
        parts = [(kind, getattr(error, kind) ** 2) for kind in ("proportional", "additive", "exponential")]
        kept = [(kind, variance) for kind, variance in parts if variance > 0 and math.isfinite(variance)]
        if error.port in model.ports and kept:
            out.append((error.port, kept))
    return out


def observed(model: Model) -> list[str]:
    """Ports a data set would hold: concentrations and what has a residual error, or every port where there is neither."""
    has_error = {port for port, _ in residuals(model)}
    return [name for name, port in model.ports.items() if port.analyte or name in has_error] or list(model.ports)


def clean(text: Any) -> str:
    """Text without the marks that another tool's comments give a meaning."""
    return str(text).replace(":", ",").replace(";", ",").replace("\n", " ")
