"""Samples and log densities of what is seen of a port (`_observation`), vectorised; NaN of a port stays NaN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.arguments import checked
from ketasim.errors import InvalidData
from ketasim.model._observation import Binomial, Count, LogitNormal, LogNormal, Normal, Observation, Ordinal

Floats = NDArray[np.float64]
#: Share of a range by which a value may lie outside through rounding alone.
_ROUNDING = 1e-9


def sample(seen: Observation, values: ArrayLike, random: ArrayLike) -> Floats:
    """As `Observation.sample`."""
    return _SAMPLES[type(seen)](seen, *np.broadcast_arrays(_floats(values), _floats(random)))


def log_density(seen: Observation, y: ArrayLike, values: ArrayLike) -> Floats:
    """As `Observation.log_density`."""
    return _DENSITIES[type(seen)](seen, *np.broadcast_arrays(_floats(y), _floats(values)))


def _sample_normal(seen: Normal, f: Floats, z: Floats) -> Floats:
    return f + np.hypot(seen.proportional * f, seen.additive) * z


def _density_normal(seen: Normal, y: Floats, f: Floats) -> Floats:
    return _gauss(y - f, np.hypot(seen.proportional * f, seen.additive))


def _sample_log_normal(seen: LogNormal, f: Floats, z: Floats) -> Floats:
    return _inside(f, 0.0, np.inf, seen.port) * np.exp(seen.sd * z)


def _density_log_normal(seen: LogNormal, y: Floats, f: Floats) -> Floats:
    f = _inside(f, 0.0, np.inf, seen.port)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _where(y > 0, _gauss(np.log(y) - np.log(f), seen.sd) - np.log(y), f)


def _logit_of(seen: LogitNormal, f: Floats) -> Floats:
    from scipy.special import logit

    return logit((_inside(f, seen.low, seen.high, seen.port) - seen.low) / (seen.high - seen.low))


def _sample_logit_normal(seen: LogitNormal, f: Floats, z: Floats) -> Floats:
    from scipy.special import expit

    return seen.low + (seen.high - seen.low) * expit(_logit_of(seen, f) + seen.sd * z)


def _density_logit_normal(seen: LogitNormal, y: Floats, f: Floats) -> Floats:
    from scipy.special import logit

    centre, share = _logit_of(seen, f), (y - seen.low) / (seen.high - seen.low)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.log(share) + np.log1p(-share) + np.log(seen.high - seen.low)
        return _where((share > 0) & (share < 1), _gauss(logit(share) - centre, seen.sd) - slope, centre)


def _sample_binomial(seen: Binomial, f: Floats, u: Floats) -> Floats:
    from scipy.stats import binom

    return np.asarray(binom.ppf(u, seen.n, _inside(f, 0.0, 1.0, seen.port)), np.float64)


def _density_binomial(seen: Binomial, y: Floats, f: Floats) -> Floats:
    from scipy.special import gammaln, xlog1py, xlogy

    p = _inside(f, 0.0, 1.0, seen.port)
    allowed = (y >= 0) & (y <= seen.n) & (y == np.floor(y))
    k = np.where(allowed, y, 0.0)
    ways = gammaln(seen.n + 1) - gammaln(k + 1) - gammaln(seen.n - k + 1)
    return _where(allowed, ways + xlogy(k, p) + xlog1py(seen.n - k, -p), p)


def _sample_ordinal(seen: Ordinal, f: Floats, u: Floats) -> Floats:
    from scipy.special import expit

    below = expit(np.array(seen.cuts) - f[..., None])
    return np.where(np.isnan(f), np.nan, (u[..., None] > below).sum(axis=-1))


def _density_ordinal(seen: Ordinal, y: Floats, f: Floats) -> Floats:
    from scipy.special import log_expit

    allowed = (y >= 0) & (y <= len(seen.cuts)) & (y == np.floor(y))
    edges = np.array([-np.inf, *seen.cuts, np.inf])
    grade = np.where(allowed, y, 0).astype(int)
    low, high = edges[grade] - f, edges[grade + 1] - f
    # log(expit(high) - expit(low)) without the difference of two numbers near 1
    with np.errstate(divide="ignore", invalid="ignore"):
        return _where(allowed, log_expit(high) + log_expit(-low) + np.log(-np.expm1(low - high)), f)


def _sample_count(seen: Count, f: Floats, u: Floats) -> Floats:
    from scipy.stats import nbinom, poisson

    mean = _inside(f, 0.0, np.inf, seen.port)
    if not seen.overdispersion:
        return np.asarray(poisson.ppf(u, mean), np.float64)
    return np.asarray(nbinom.ppf(u, 1.0 / seen.overdispersion, 1.0 / (1.0 + seen.overdispersion * mean)), np.float64)


def _density_count(seen: Count, y: Floats, f: Floats) -> Floats:
    from scipy.special import gammaln, xlogy

    mean, a = _inside(f, 0.0, np.inf, seen.port), seen.overdispersion
    allowed = (y >= 0) & (y == np.floor(y))
    k = np.where(allowed, y, 0.0)
    if not a:
        return _where(allowed, xlogy(k, mean) - mean - gammaln(k + 1), mean)
    size = gammaln(k + 1 / a) - gammaln(1 / a) - gammaln(k + 1)
    return _where(allowed, size - (k + 1 / a) * np.log1p(a * mean) + xlogy(k, a * mean), mean)


_SAMPLES: dict[type[Observation], Callable[[Any, Floats, Floats], Floats]] = {
    Normal: _sample_normal, LogNormal: _sample_log_normal, LogitNormal: _sample_logit_normal, Binomial: _sample_binomial,
    Ordinal: _sample_ordinal, Count: _sample_count,
}  # fmt: skip
_DENSITIES: dict[type[Observation], Callable[[Any, Floats, Floats], Floats]] = {
    Normal: _density_normal, LogNormal: _density_log_normal, LogitNormal: _density_logit_normal, Binomial: _density_binomial,
    Ordinal: _density_ordinal, Count: _density_count,
}  # fmt: skip


@checked
def event_times(times: ArrayLike, cumulative: ArrayLike, uniform: ArrayLike) -> Floats:
    """Time of an event by inversion of its cumulative hazard; NaN where there is none until the last time.

    Parameters
    ----------
    times : (time,), h, ascending. cumulative : (time, person), cumulative hazard from the first time on.
    uniform : (person,), numbers between 0 and 1, one per person: the share of people whose event comes later.

    Returns
    -------
    (person,), h. Between two times the hazard is constant.

    Raises
    ------
    InvalidData: shapes that do not fit, times that do not ascend, or a cumulative hazard that falls.

    Examples
    --------
    >>> event_times([0.0, 10.0], [[0.0, 0.0], [1.0, 1.0]], [0.6065306597126334, 0.2])
    array([ 5., nan])
    """
    at, H = _hazard(times, cumulative)
    need = -np.log(_floats(uniform))
    if need.shape != H.shape[1:]:
        raise InvalidData(f"uniform has shape {need.shape}; needed is one number per person: {H.shape[1:]}.")
    total = H - H[0]
    happens = total[-1] >= need  # false for NaN
    row = np.clip((total < need).sum(axis=0) - 1, 0, len(at) - 2)
    person = np.arange(H.shape[1])
    low, high = total[row, person], total[row + 1, person]
    share = np.divide(need - low, high - low, out=np.zeros_like(need), where=happens & (high > low))
    return np.where(happens, at[row] + share * (at[row + 1] - at[row]), np.nan)


def log_density_of_event(when: ArrayLike, happened: ArrayLike, times: ArrayLike, cumulative: ArrayLike) -> Floats:
    """As `TimeToEvent.log_density`."""
    at, H = _hazard(times, cumulative)
    when, happened = np.broadcast_arrays(_floats(when), np.asarray(happened, bool))
    inside = (when >= at[0]) & (when <= at[-1])
    row = np.clip(np.searchsorted(at, np.where(inside, when, at[0]), side="left") - 1, 0, len(at) - 2)
    person = np.arange(H.shape[1])
    rate = (H[row + 1, person] - H[row, person]) / (at[row + 1] - at[row])
    total = H[row, person] + rate * (when - at[row]) - H[0]
    with np.errstate(divide="ignore"):
        return _where(inside, np.where(happened, np.log(rate), 0.0) - total, H[-1])


def _hazard(times: ArrayLike, cumulative: ArrayLike) -> tuple[Floats, Floats]:
    at, H = _floats(times), _floats(cumulative)
    if at.ndim != 1 or len(at) < 2 or H.ndim != 2 or len(H) != len(at):
        raise InvalidData(f"times have shape {at.shape}, the cumulative hazard {H.shape}; needed are (time,) and (time, person), 2 times at least.")  # fmt: skip
    if np.any(np.diff(at) <= 0):
        raise InvalidData("times of a cumulative hazard must ascend.")
    falls = np.diff(H, axis=0) < -1e-6 * np.maximum(1.0, np.abs(H[1:]))  # more than a solver's error
    if falls.any():
        row, person = (int(k[0]) for k in np.nonzero(falls))
        raise InvalidData(f"the cumulative hazard of person {person + 1} falls between {at[row]:g} and {at[row + 1]:g} h: a hazard is never below 0.")  # fmt: skip
    return at, np.maximum.accumulate(H, axis=0)


def _floats(values: ArrayLike) -> Floats:
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise InvalidData(f"numbers are wanted, not {type(values).__name__} of {values!r:.40}.") from None


def _inside(values: ArrayLike, low: float, high: float, port: str) -> Floats:
    """Values of a port inside a range.

    Raises
    ------
    InvalidData: one outside by more than rounding.
    """
    f = _floats(values)
    room = _ROUNDING * (high - low if np.isfinite(high - low) else 1.0)
    outside = (f < low - room) | (f > high + room)
    if outside.any():
        raise InvalidData(f"'{port}' is {f[outside].flat[0]:g}, outside [{low:g}, {high:g}]: no such value can be observed.")
    return np.clip(f, low, high)


def _gauss(difference: Floats, sd: Floats | float) -> Floats:
    return -0.5 * (difference / sd) ** 2 - np.log(sd) - 0.5 * np.log(2.0 * np.pi)


def _where(allowed: NDArray[np.bool_], value: Floats, of: Floats) -> Floats:
    """A log density; minus infinity where a value cannot be, NaN where the port has none."""
    return np.where(np.isnan(of), np.nan, np.where(allowed, value, -np.inf))
