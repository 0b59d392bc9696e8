"""Covariate distributions of the library: from one uniform number per patient and the covariates drawn before.

The language is small on purpose: uniform, normal, lognormal, lms (Box-Cox normal by age and sex), categorical, and tables
of these by another category. No expressions. SciPy is imported where it is used: a list of populations needs none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Drawn = Mapping[str, NDArray[Any]]
_INFINITE = float("inf")


@dataclass(frozen=True)
class Uniform:
    """Every value between low and high equally likely."""

    low: float
    high: float

    @property
    def reach(self) -> tuple[float, float]:
        """Lowest and highest value."""
        return self.low, self.high

    def draw(self, u: FloatArray, drawn: Drawn) -> FloatArray:
        return self.low + (self.high - self.low) * u


@dataclass(frozen=True)
class Normal:
    """Normal, or log-normal with ``log=True``, between bounds; `mean` and `sd` are those of the bounded values themselves.

    A trial reports the mean and SD of the patients it enrolled between two ages; so do these numbers.
    """

    mean: float
    sd: float
    low: float = -_INFINITE
    high: float = _INFINITE
    log: bool = False

    @property
    def reach(self) -> tuple[float, float]:
        """Bounds; where there are none, six SDs, which one of a billion patients leaves."""
        mu, sigma = _underlying(self.mean, self.sd, self.low, self.high, self.log)
        low, high = mu - 6 * sigma, mu + 6 * sigma
        low, high = (float(np.exp(low)), float(np.exp(high))) if self.log else (low, high)
        return (self.low if np.isfinite(self.low) else low), (self.high if np.isfinite(self.high) else high)

    def draw(self, u: FloatArray, drawn: Drawn) -> FloatArray:
        from scipy.special import ndtr, ndtri

        mu, sigma = _underlying(self.mean, self.sd, self.low, self.high, self.log)
        low, high = _scale(self.low, self.high, self.log)
        at_low, at_high = ndtr((low - mu) / sigma), ndtr((high - mu) / sigma)
        value = mu + sigma * ndtri(at_low + (at_high - at_low) * u)
        return np.asarray(np.clip(np.exp(value) if self.log else value, self.low, self.high), dtype=np.float64)


@dataclass(frozen=True)
class Lms:
    """Box-Cox normal by age and sex (Cole and Green 1992): M (1 + L S z)^(1/L), with L, M, S linear between ages.

    Attributes
    ----------
    knots : sex (or ``both``) -> (ages, L, M, S), each (k,). Outside the ages the nearest knot holds.
    low, high : only patients between these values are drawn (a trial's entry criterion), all ages and sexes keeping their shape.
    centiles : lowest and highest centile drawn; published curves are not meant for the far tails.
    """

    knots: Mapping[str, tuple[FloatArray, FloatArray, FloatArray, FloatArray]]
    low: float = -_INFINITE
    high: float = _INFINITE
    centiles: tuple[float, float] = (0.0, 1.0)

    def draw(self, u: FloatArray, drawn: Drawn) -> FloatArray:
        from scipy.special import ndtr, ndtri

        power, median, spread = self._curves(drawn, u.shape)
        low = np.maximum(ndtr(_z_score(self.low, power, median, spread)), self.centiles[0])
        high = np.minimum(ndtr(_z_score(self.high, power, median, spread)), self.centiles[1])
        z = ndtri(low + (high - low) * u)
        is_log = np.abs(power) < 1e-9
        safe = np.where(is_log, 1.0, power)
        boxcox = median * np.power(np.maximum(1.0 + safe * spread * z, 1e-12), 1.0 / safe)
        return np.asarray(np.where(is_log, median * np.exp(spread * z), boxcox), dtype=np.float64)

    def _curves(self, drawn: Drawn, shape: tuple[int, ...]) -> tuple[FloatArray, FloatArray, FloatArray]:
        power, median, spread = np.empty(shape), np.empty(shape), np.empty(shape)
        for sex, (ages, *curves) in self.knots.items():
            here = np.ones(shape, dtype=bool) if sex == "both" else drawn["SEX"] == sex
            for target, curve in zip((power, median, spread), curves, strict=True):
                target[here] = np.interp(drawn["AGE"][here], ages, curve)
        return power, median, spread


@dataclass(frozen=True)
class Categorical:
    """Levels with their shares, which sum to one."""

    levels: tuple[str, ...]
    shares: tuple[float, ...]

    def draw(self, u: FloatArray, drawn: Drawn) -> NDArray[np.str_]:
        upper = np.cumsum(self.shares)[:-1]
        return np.array(self.levels)[np.searchsorted(upper, u, side="right")]


@dataclass(frozen=True)
class ByLevel:
    """One distribution per level of a covariate drawn before."""

    by: str
    parts: Mapping[str, Uniform | Normal | Categorical]

    def draw(self, u: FloatArray, drawn: Drawn) -> NDArray[Any]:
        result: NDArray[Any] | None = None
        for level, part in self.parts.items():
            here = drawn[self.by] == level
            values = part.draw(u[here], {})
            if result is None:
                result = np.empty(u.shape, dtype=np.float64 if values.dtype.kind == "f" else "U32")
            result[here] = values
        return np.asarray(result) if result is not None else np.empty(0)


Distribution = Uniform | Normal | Lms | Categorical | ByLevel
Kind = Literal["uniform", "normal", "lognormal", "lms", "categorical"]


def _z_score(value: float, power: FloatArray, median: FloatArray, spread: FloatArray) -> FloatArray:
    if not np.isfinite(value):
        return np.full(power.shape, value)
    ratio = value / median
    is_log = np.abs(power) < 1e-9
    safe = np.where(is_log, 1.0, power)
    return np.asarray(np.where(is_log, np.log(ratio), (np.power(ratio, safe) - 1.0) / safe) / spread, dtype=np.float64)


def _scale(low: float, high: float, log: bool) -> tuple[float, float]:
    if not log:
        return low, high
    return (float(np.log(low)) if low > 0 else -_INFINITE), (float(np.log(high)) if np.isfinite(high) else _INFINITE)


@lru_cache(maxsize=256)
def _underlying(mean: float, sd: float, low: float, high: float, log: bool) -> tuple[float, float]:
    """Parameters of the unbounded normal (of the logarithm) whose bounded values have the mean and SD asked for."""
    start = _unbounded(mean, sd, log)
    bounds = _scale(low, high, log)
    if not np.isfinite(bounds[0]) and not np.isfinite(bounds[1]):
        return start

    def misfit(theta: FloatArray) -> FloatArray:
        got_mean, got_sd = _moments(float(theta[0]), float(np.exp(theta[1])), bounds, log)
        return np.array([(got_mean - mean) / sd, got_sd / sd - 1.0])

    from scipy.optimize import least_squares  # its import takes longer than the fit

    found: Any = least_squares(misfit, [start[0], np.log(start[1])], xtol=1e-12, ftol=1e-12)
    if np.max(np.abs(found.fun)) > 1e-4:
        return (float("nan"), float("nan"))
    return float(found.x[0]), float(np.exp(found.x[1]))


def drawn_levels(distribution: Distribution) -> tuple[str, ...]:
    """Levels a category may have."""
    parts = distribution.parts.values() if isinstance(distribution, ByLevel) else (distribution,)
    shares = [pair for part in parts if isinstance(part, Categorical) for pair in zip(part.levels, part.shares, strict=True)]
    return tuple(dict.fromkeys(level for level, share in shares if share > 0))


def reachable(part: Normal) -> bool:
    """Whether a bounded normal with this mean and SD exists."""
    return bool(np.isfinite(_underlying(part.mean, part.sd, part.low, part.high, part.log)[0]))


def _unbounded(mean: float, sd: float, log: bool) -> tuple[float, float]:
    if not log:
        return mean, sd
    sigma = float(np.sqrt(np.log1p((sd / mean) ** 2)))
    return float(np.log(mean)) - sigma**2 / 2, sigma


def _moments(mu: float, sigma: float, bounds: tuple[float, float], log: bool) -> tuple[float, float]:
    """Mean and SD of the bounded values, by the midpoint rule over 4000 equal shares."""
    from scipy.special import ndtr, ndtri

    share = (np.arange(4000) + 0.5) / 4000
    low, high = ndtr((bounds[0] - mu) / sigma), ndtr((bounds[1] - mu) / sigma)
    values = mu + sigma * ndtri(np.clip(low + (high - low) * share, 1e-300, 1 - 1e-16))
    values = np.exp(values) if log else values
    return float(values.mean()), float(values.std())
