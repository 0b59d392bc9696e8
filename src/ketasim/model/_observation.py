"""What is seen of a port: how a measured value is spread around it. Random numbers come in from outside, so that everything is pure.

Each family takes standard normal or uniform numbers (`draws` says which) and gives a sample; `log_density` is the logarithm of its
density, or of its probability where values are counted. Values of a port are arrays; NaN (a failed patient) stays NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.arguments import checked
from ketasim.errors import InvalidData, InvalidModel
from ketasim.model._declare import Mechanism, Port, State

Floats = NDArray[np.float64]
#: Share of a range by which a value may lie outside through rounding alone.
_ROUNDING = 1e-9


@runtime_checkable
class Observation(Protocol):
    """One way of seeing a port: `Normal`, `LogNormal`, `LogitNormal`, `Binomial`, `Ordinal` or `Count`."""

    @property
    def port(self) -> str:
        """Port that is seen."""
        ...

    #: Random numbers that `sample` takes.
    draws: ClassVar[Literal["normal", "uniform"]]

    def sample(self, values: ArrayLike, random: ArrayLike) -> Floats:
        """Values as they would have been measured; `random` has the shape of `values`, or one that broadcasts with it."""
        ...

    def log_density(self, y: ArrayLike, values: ArrayLike) -> Floats:
        """Logarithm of the density (or probability) of `y`, of which the port has the values `values`."""
        ...


@dataclass(frozen=True, slots=True)
class Normal:
    """Normal around the port: SD = sqrt((proportional f)^2 + additive^2), `additive` in the port's unit."""

    port: str
    additive: float = 0.0
    proportional: float = 0.0
    draws: ClassVar[Literal["normal", "uniform"]] = "normal"

    def __post_init__(self) -> None:
        _check(self, "give additive or proportional above 0, none below", self.additive >= 0, self.proportional >= 0,
               self.additive + self.proportional > 0)  # fmt: skip

    def sample(self, values: ArrayLike, random: ArrayLike) -> Floats:
        """As `Observation.sample`."""
        f = _floats(values)
        return f + self._sd(f) * _floats(random)

    def log_density(self, y: ArrayLike, values: ArrayLike) -> Floats:
        """As `Observation.log_density`."""
        f = _floats(values)
        return _log_normal_density(_floats(y) - f, self._sd(f))

    def _sd(self, f: Floats) -> Floats:
        return np.hypot(self.proportional * f, self.additive)


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Log-normal with the port as median; `sd` of the logarithm."""

    port: str
    sd: float
    draws: ClassVar[Literal["normal", "uniform"]] = "normal"

    def __post_init__(self) -> None:
        _check(self, "give sd above 0", self.sd > 0)

    def sample(self, values: ArrayLike, random: ArrayLike) -> Floats:
        """As `Observation.sample`."""
        return _inside(values, 0.0, np.inf, self.port) * np.exp(self.sd * _floats(random))

    def log_density(self, y: ArrayLike, values: ArrayLike) -> Floats:
        """As `Observation.log_density`; minus infinity for what is not above 0."""
        f, y = _inside(values, 0.0, np.inf, self.port), _floats(y)
        with np.errstate(divide="ignore", invalid="ignore"):
            return _where(y > 0, _log_normal_density(np.log(y) - np.log(f), self.sd) - np.log(y), f)


@dataclass(frozen=True, slots=True)
class LogitNormal:
    """Bounded scale: normal on the logit of the position between `low` and `high`, with the port as median; never outside."""

    port: str
    low: float
    high: float
    sd: float
    draws: ClassVar[Literal["normal", "uniform"]] = "normal"

    def __post_init__(self) -> None:
        _check(self, "give sd above 0 and low below high", self.sd > 0, self.low < self.high, np.isfinite(self.high - self.low))

    def sample(self, values: ArrayLike, random: ArrayLike) -> Floats:
        """As `Observation.sample`."""
        from scipy.special import expit

        return self.low + (self.high - self.low) * expit(self._logit(values) + self.sd * _floats(random))

    def log_density(self, y: ArrayLike, values: ArrayLike) -> Floats:
        """As `Observation.log_density`; minus infinity at the bounds and outside."""
        from scipy.special import logit

        centre, share = self._logit(values), (_floats(y) - self.low) / (self.high - self.low)
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = np.log(share) + np.log1p(-share) + np.log(self.high - self.low)
            return _where((share > 0) & (share < 1), _log_normal_density(logit(share) - centre, self.sd) - slope, centre)

    def _logit(self, values: ArrayLike) -> Floats:
        from scipy.special import logit

        return logit((_inside(values, self.low, self.high, self.port) - self.low) / (self.high - self.low))


@dataclass(frozen=True, slots=True)
class Binomial:
    """Number of successes out of `n`; the port is the probability of one. With n = 1: yes or no."""

    port: str
    n: int = 1
    draws: ClassVar[Literal["normal", "uniform"]] = "uniform"

    def __post_init__(self) -> None:
        _check(self, "give n as a whole number, at least 1", self.n >= 1, self.n == int(self.n))

    def sample(self, values: ArrayLike, random: ArrayLike) -> Floats:
        """As `Observation.sample`."""
        from scipy.stats import binom

        p, u = np.broadcast_arrays(_inside(values, 0.0, 1.0, self.port), _floats(random))
        return np.asarray(binom.ppf(u, self.n, p), np.float64)

    def log_density(self, y: ArrayLike, values: ArrayLike) -> Floats:
        """As `Observation.log_density`; minus infinity for what is no number of successes."""
        from scipy.special import gammaln, xlog1py, xlogy

        p, y = _inside(values, 0.0, 1.0, self.port), _floats(y)
        allowed = (y >= 0) & (y <= self.n) & (y == np.floor(y))
        k = np.where(allowed, y, 0.0)
        ways = gammaln(self.n + 1) - gammaln(k + 1) - gammaln(self.n - k + 1)
        return _where(allowed, ways + xlogy(k, p) + xlog1py(self.n - k, -p), p)


@dataclass(frozen=True, slots=True)
class Ordinal:
    """Ordered grades 0, 1, 2 ... by cumulative logits: P(grade <= k) = logit^-1(cuts[k] - port); the port raises the grade.

    cuts : ascending, one fewer than there are grades.
    """

    port: str
    cuts: tuple[float, ...]
    draws: ClassVar[Literal["normal", "uniform"]] = "uniform"

    def __post_init__(self) -> None:
        _check(self, "give cuts ascending, at least one", len(self.cuts) > 0, bool(np.all(np.diff(self.cuts) > 0)))

    def sample(self, values: ArrayLike, random: ArrayLike) -> Floats:
        """As `Observation.sample`."""
        f, u = np.broadcast_arrays(_floats(values), _floats(random))
        return np.where(np.isnan(f), np.nan, (u[..., None] > self._below(f)).sum(axis=-1))

    def log_density(self, y: ArrayLike, values: ArrayLike) -> Floats:
        """As `Observation.log_density`; minus infinity for what is no grade."""
        from scipy.special import log_expit

        f, y = np.broadcast_arrays(_floats(values), _floats(y))
        allowed = (y >= 0) & (y <= len(self.cuts)) & (y == np.floor(y))
        edges = np.array([-np.inf, *self.cuts, np.inf])
        grade = np.where(allowed, y, 0).astype(int)
        low, high = edges[grade] - f, edges[grade + 1] - f
        # log(expit(high) - expit(low)) without the difference of two numbers near 1
        with np.errstate(divide="ignore", invalid="ignore"):
            both = log_expit(high) + log_expit(-low) + np.log(-np.expm1(low - high))
        return _where(allowed, both, f)

    def _below(self, f: Floats) -> Floats:
        from scipy.special import expit

        return expit(np.array(self.cuts) - f[..., None])


@dataclass(frozen=True, slots=True)
class Count:
    """Negative binomial count with the port as mean: variance = mean + overdispersion mean^2; 0 is Poisson's."""

    port: str
    overdispersion: float = 0.0
    draws: ClassVar[Literal["normal", "uniform"]] = "uniform"

    def __post_init__(self) -> None:
        _check(self, "give overdispersion of 0 or more", self.overdispersion >= 0, np.isfinite(self.overdispersion))

    def sample(self, values: ArrayLike, random: ArrayLike) -> Floats:
        """As `Observation.sample`."""
        from scipy.stats import nbinom, poisson

        mean, u = np.broadcast_arrays(_inside(values, 0.0, np.inf, self.port), _floats(random))
        if not self.overdispersion:
            return np.asarray(poisson.ppf(u, mean), np.float64)
        return np.asarray(nbinom.ppf(u, 1.0 / self.overdispersion, 1.0 / (1.0 + self.overdispersion * mean)), np.float64)

    def log_density(self, y: ArrayLike, values: ArrayLike) -> Floats:
        """As `Observation.log_density`; minus infinity for what is no count."""
        from scipy.special import gammaln, xlogy

        mean, y = np.broadcast_arrays(_inside(values, 0.0, np.inf, self.port), _floats(y))
        allowed = (y >= 0) & (y == np.floor(y))
        k, a = np.where(allowed, y, 0.0), self.overdispersion
        if not a:
            return _where(allowed, xlogy(k, mean) - mean - gammaln(k + 1), mean)
        size = gammaln(k + 1 / a) - gammaln(1 / a) - gammaln(k + 1)
        return _where(allowed, size - (k + 1 / a) * np.log1p(a * mean) + xlogy(k, a * mean), mean)


@dataclass(frozen=True, slots=True)
class TimeToEvent:
    """Time of an event that happens once; the port is its cumulative hazard (see `Hazard`), linear between the times it is known at."""

    port: str

    def sample(self, times: ArrayLike, values: ArrayLike, random: ArrayLike) -> Floats:
        """Event times (person,), h, as `event_times`."""
        return event_times(times, values, random)

    def log_density(self, when: ArrayLike, happened: ArrayLike, times: ArrayLike, values: ArrayLike) -> Floats:
        """Log likelihood (person,) of an event at `when`, or of none until then where `happened` is false (censored).

        times : (time,), h. values : (time, person), cumulative hazard. A time outside `times` has minus infinity.
        """
        at, H = _hazard(times, values)
        when, happened = np.broadcast_arrays(_floats(when), np.asarray(happened, bool))
        inside = (when >= at[0]) & (when <= at[-1])
        row = np.clip(np.searchsorted(at, np.where(inside, when, at[0]), side="left") - 1, 0, len(at) - 2)
        person = np.arange(H.shape[1])
        rate = (H[row + 1, person] - H[row, person]) / (at[row + 1] - at[row])
        total = H[row, person] + rate * (when - at[row]) - H[0]
        with np.errstate(divide="ignore"):
            return _where(inside, np.where(happened, np.log(rate), 0.0) - total, H[-1])


class Hazard(Mechanism):
    """Sums up a hazard over time: what a `TimeToEvent` sees.

    In a scope it stands for one kind of event: ``Part(Hazard(), {}).scoped("relapse", bind={"hazard": "relapse_hazard"})`` has the state
    ``relapse.cumulative`` and writes ``relapse.cumulative_hazard``.
    """

    reads = {"hazard": Port("1/h", "hazard of the event", (0.0, float("inf")))}
    states = {"cumulative": State("1", "cumulative hazard")}
    writes = {"cumulative_hazard": Port("1", "cumulative hazard", (0.0, float("inf")))}

    def rates(self, t: object, x: dict, u: dict, p: dict) -> dict:  # type: ignore[override,type-arg]
        """The hazard itself."""
        return {"cumulative": u["hazard"]}

    def outputs(self, t: object, x: dict, u: dict, p: dict) -> dict:  # type: ignore[override,type-arg]
        """The sum so far."""
        return {"cumulative_hazard": x["cumulative"]}


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


def _check(observation: Observation, need: str, *holds: object) -> None:
    if not all(holds):
        raise InvalidModel(f"{type(observation).__name__} of '{observation.port}': {need}.")


def _floats(values: ArrayLike) -> Floats:
    return np.asarray(values, np.float64)


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


def _log_normal_density(difference: Floats, sd: Floats | float) -> Floats:
    return -0.5 * (difference / sd) ** 2 - np.log(sd) - 0.5 * np.log(2.0 * np.pi)


def _where(allowed: NDArray[np.bool_], value: Floats, of: Floats) -> Floats:
    """A log density; minus infinity where a value cannot be, NaN where the port has none."""
    return np.where(np.isnan(of), np.nan, np.where(allowed, value, -np.inf))
