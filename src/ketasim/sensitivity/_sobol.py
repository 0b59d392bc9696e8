"""Sobol's indices from samples: Saltelli's arrangement, first-order and total indices, and how sure they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from ketasim.arguments import checked
from ketasim.errors import InvalidOption

Floats = NDArray[np.float64]
#: Repetitions of the bootstrap over samples, and the ends of its interval.
_REPEATS, _ENDS = 200, (0.05, 0.95)
#: The sequence has directions for twice as many columns.
_MOST_FACTORS = 10_000


@dataclass(frozen=True)
class SobolIndices:
    """Indices of one outcome; the interval is 5 to 95 % of a bootstrap over samples.

    Attributes
    ----------
    first : share of the variance that goes when the factor alone were known, (factor,). total : share that stays when all but it were
        known, interactions included. first_interval, total_interval : (factor, 2). mean, sd : of the outcome. used : samples without
        those in which an outcome was missing.
    """

    first: Floats
    total: Floats
    first_interval: Floats
    total_interval: Floats
    mean: float
    sd: float
    used: int


@checked
def saltelli_sample(factors: int, samples: int, seed: int) -> Floats:
    """Shares, (sample, factors + 2, factor), from a scrambled Sobol' sequence: rows A, B, and A with one column of B each.

    Parameters
    ----------
    samples : a power of two, so that the sequence keeps its balance; every one takes factors + 2 runs.

    Raises
    ------
    InvalidOption: no factor, or samples that are no power of two.
    """
    if samples < 2 or samples & (samples - 1):
        raise InvalidOption(f"samples = {samples}: give a power of two, e.g. 128, 256 or 512.")
    if not 1 <= factors <= _MOST_FACTORS:
        raise InvalidOption(f"{factors} parameters to vary together: give 1 to {_MOST_FACTORS}.")
    both = qmc.Sobol(2 * factors, scramble=True, rng=seed).random(samples)
    a, b = both[:, :factors], both[:, factors:]
    rows = np.repeat(a[:, None, :], factors + 2, axis=1)
    rows[:, 1] = b
    for k in range(factors):
        rows[:, k + 2, k] = b[:, k]
    # A share of exactly 0 or 1 would be an infinite value of an unbounded parameter.
    return np.clip(rows, 1e-9, 1.0 - 1e-9)


@checked
def sobol_indices(values: Floats, seed: int = 0) -> SobolIndices:
    """First-order and total indices of one outcome.

    Parameters
    ----------
    values : (sample, factors + 2), in the order of `saltelli_sample`; samples in which one is not finite are left out.
    seed : of the bootstrap.

    Notes
    -----
    First order: mean of B (A_B - A) over the variance; total: half the mean of (A - A_B)^2 over it, where A_B is A with one column of B
    (Saltelli et al. 2010, Comput Phys Commun 181:259, table 2 b and f). Outcomes are centred first, which lessens the error of the first-order estimate.

    Raises
    ------
    InvalidOption: fewer than two samples are whole, or values in other rows and columns.
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 2 or values.shape[1] < 3:
        raise InvalidOption(f"values of shape {values.shape}: give one row per sample and a column per parameter, and two.")
    whole = values[np.isfinite(values).all(axis=1)]
    if len(whole) < 2:
        raise InvalidOption(
            f"{len(values) - len(whole)} of {len(values)} samples have no result; indices need two at least. Vary less."
        )
    first, total = _indices(whole)
    rng = np.random.Generator(np.random.Philox(seed))
    again = [_indices(whole[rng.integers(0, len(whole), len(whole))]) for _ in range(_REPEATS)]
    intervals = [np.quantile(np.stack([one[k] for one in again]), _ENDS, axis=0).T for k in (0, 1)]
    both = whole[:, :2]
    return SobolIndices(first, total, intervals[0], intervals[1], float(both.mean()), float(both.std()), len(whole))


def _indices(values: Floats) -> tuple[Floats, Floats]:
    centred = values - values[:, :2].mean()
    a, b, mixed = centred[:, 0], centred[:, 1], centred[:, 2:]
    variance = float(np.mean(centred[:, :2] ** 2))
    if variance <= 0.0:
        return np.full(mixed.shape[1], np.nan), np.full(mixed.shape[1], np.nan)
    first = np.mean(b[:, None] * (mixed - a[:, None]), axis=0) / variance
    total = np.mean((a[:, None] - mixed) ** 2, axis=0) / (2.0 * variance)
    return first, total
