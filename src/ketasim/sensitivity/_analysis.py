"""One parameter at a time, and all together: which of them decide an outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ketasim.arguments import checked
from ketasim.errors import InvalidOption
from ketasim.sensitivity._factors import Factor
from ketasim.sensitivity._outcomes import Outcome
from ketasim.sensitivity._sobol import saltelli_sample, sobol_indices
from ketasim.simulation import Versions

Floats = NDArray[np.float64]
Progress = Callable[[int, int], None]
#: Ends between which one parameter is moved.
ENDS = (0.05, 0.95)
#: A swing below this share of the outcome is none: it is what the solver's tolerance leaves.
_NOTHING = 1e-5


@dataclass(frozen=True)
class Bar:
    """What one parameter does to one outcome.

    Attributes
    ----------
    low, high : the parameter at 5 and 95 %, in its unit. at_low, at_high : the outcome there. base : the outcome as the model stands.
    """

    outcome: str
    unit: str
    base: float
    factor: Factor
    low: float
    high: float
    at_low: float
    at_high: float

    @property
    def swing(self) -> float:
        """Width of the bar, the value as it stands included, in the outcome's unit; NaN where an end has no result."""
        ends = (self.base, self.at_low, self.at_high)
        return float(np.max(ends) - np.min(ends))

    def to_dict(self) -> dict[str, Any]:
        """The bar as a row."""
        return {
            "outcome": self.outcome, "outcome_unit": self.unit, "base": self.base, "parameter": self.factor.name, "value": self.factor.value,
            "unit": self.factor.unit, "low": self.low, "high": self.high, "at_low": self.at_low, "at_high": self.at_high, "swing": self.swing,
            "basis": self.factor.basis, "mark": self.factor.mark,
        }  # fmt: skip


@dataclass(frozen=True)
class Share:
    """Sobol's indices of one parameter for one outcome, each with 5 to 95 % of a bootstrap over samples."""

    outcome: str
    unit: str
    factor: Factor
    first: float
    first_interval: tuple[float, float]
    total: float
    total_interval: tuple[float, float]
    mean: float
    sd: float
    samples: int

    def to_dict(self) -> dict[str, Any]:
        """The share as a row."""
        return {
            "outcome": self.outcome, "outcome_unit": self.unit, "mean": self.mean, "sd": self.sd, "parameter": self.factor.name,
            "first": self.first, "first_low": self.first_interval[0], "first_high": self.first_interval[1], "total": self.total,
            "total_low": self.total_interval[0], "total_high": self.total_interval[1], "samples": self.samples, "basis": self.factor.basis,
            "mark": self.factor.mark,
        }  # fmt: skip


@dataclass(frozen=True)
class Tornado:
    """Bars of every outcome, the widest first; `idle` are parameters that change none of them."""

    bars: Mapping[str, tuple[Bar, ...]]
    idle: tuple[str, ...] = field(default_factory=tuple)

    def rows(self) -> list[dict[str, Any]]:
        """Every bar as a row."""
        return [bar.to_dict() for bars in self.bars.values() for bar in bars]

    def widest(self, n: int) -> tuple[Factor, ...]:
        """The factors of the `n` widest bars of every outcome."""
        found = {bar.factor.name: bar.factor for bars in self.bars.values() for bar in bars[:n]}
        return tuple(found.values())


@checked
def seconds_per_run(versions: Versions, factors: Sequence[Factor]) -> float:
    """Time one version takes, s, measured on one in which every parameter is moved, so that nothing is shared with another."""
    versions.read({})  # what is compiled once is no cost of a run
    start = perf_counter()
    versions.read({factor.name: factor.at(0.45) for factor in factors})
    return perf_counter() - start


@checked
def tornado(
    versions: Versions, factors: Sequence[Factor], outcomes: Sequence[Outcome], progress: Progress | None = None
) -> Tornado:
    """Every parameter alone from the 5th to the 95th percentile of what is known of it, all others as they stand."""
    base = [outcome.of(reading) for reading in (versions.read({}),) for outcome in outcomes]
    bars: dict[str, list[Bar]] = {outcome.label: [] for outcome in outcomes}
    for k, factor in enumerate(factors):
        ends = [factor.at(share) for share in ENDS]
        readings = [versions.read({factor.name: value}) for value in ends]
        for outcome, value in zip(outcomes, base, strict=True):
            at = [outcome.of(reading) for reading in readings]
            bars[outcome.label].append(Bar(outcome.label, outcome.unit, value, factor, ends[0], ends[1], at[0], at[1]))
        if progress:
            progress(k + 1, len(factors))
    kept = {label: _widest_first(own) for label, own in bars.items()}
    moving = {bar.factor.name for own in kept.values() for bar in own}
    return Tornado(kept, tuple(f.name for f in factors if f.name not in moving))


def _widest_first(bars: Sequence[Bar]) -> tuple[Bar, ...]:
    # A bar without a result at one end is none of the idle ones: it stands at the head, to be seen.
    moving = [bar for bar in bars if not bar.swing <= _NOTHING * abs(bar.base)]
    return tuple(sorted(moving, key=lambda bar: -np.nan_to_num(bar.swing, nan=np.inf)))


@checked
def sobol(
    versions: Versions,
    factors: Sequence[Factor],
    outcomes: Sequence[Outcome],
    samples: int = 256,
    progress: Progress | None = None,
) -> list[Share]:
    """All parameters together, independently of each other: the share of an outcome's variance that each of them makes.

    Parameters
    ----------
    factors : few, e.g. ``tornado(...).widest(10)``: every sample takes as many runs as there are factors, and two. samples : a power of two.

    Raises
    ------
    InvalidOption: no factors, or samples that are no power of two.
    """
    if not factors:
        raise InvalidOption("no parameter changes any of these outcomes, so there is no variance to share out.")
    # Kinetics last: versions that differ in what comes after it share theirs with the one before.
    factors = sorted(factors, key=lambda factor: factor.name in versions.model.numbers)
    shares = saltelli_sample(len(factors), samples, versions.seed)
    values = np.array([[[factor.at(float(u)) for factor, u in zip(factors, row, strict=True)] for row in one] for one in shares])
    found = np.full((len(outcomes), *shares.shape[:2]), np.nan)
    for i, j in np.ndindex(*shares.shape[:2]):
        reading = versions.read(dict(zip((f.name for f in factors), values[i, j], strict=True)))
        found[:, i, j] = [outcome.of(reading) for outcome in outcomes]
        if progress:
            progress(i * shares.shape[1] + j + 1, shares.shape[0] * shares.shape[1])
    return [share for k, outcome in enumerate(outcomes) for share in _shares(outcome, factors, found[k], versions.seed)]


def _shares(outcome: Outcome, factors: Sequence[Factor], values: Floats, seed: int) -> list[Share]:
    indices = sobol_indices(values, seed)
    rows = [
        Share(outcome.label, outcome.unit, factor, float(indices.first[k]), _pair(indices.first_interval[k]), float(indices.total[k]),
              _pair(indices.total_interval[k]), indices.mean, indices.sd, indices.used)
        for k, factor in enumerate(factors)
    ]  # fmt: skip
    return sorted(rows, key=lambda row: -np.nan_to_num(row.total, nan=-1.0))


def _pair(ends: Floats) -> tuple[float, float]:
    return float(ends[0]), float(ends[1])
