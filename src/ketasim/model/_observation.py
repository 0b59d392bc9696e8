"""What is seen of a port: how a measured value is spread around it. Declarations only; the arithmetic stands in `_seen`.

Random numbers come in from outside, so that everything is pure: each family takes standard normal or uniform numbers (`draws` says
which) and gives a sample; `log_density` is the logarithm of its density, or of its probability where values are counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ketasim.errors import InvalidModel
from ketasim.model._declare import Expr, Mechanism, Port, State

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class Observation:
    """One way of seeing a port: `Normal`, `LogNormal`, `LogitNormal`, `Binomial`, `Ordinal` or `Count`.

    Attributes
    ----------
    port : that is seen. at : place in the source of the numbers of the family.
    draws : random numbers that `sample` takes.
    """

    port: str
    at: str = field(default="", kw_only=True)
    draws: ClassVar[Literal["normal", "uniform"]] = "normal"

    def sample(self, values: ArrayLike, random: ArrayLike) -> NDArray[np.float64]:
        """Values as they would have been measured; NaN where the port has none (a failed patient).

        Parameters
        ----------
        values : of the port, any shape. random : numbers of the kind `draws`, of that shape or one that broadcasts with it.

        Raises
        ------
        InvalidData: a value of the port that the family cannot have.
        """
        from ketasim.model._seen import sample

        return sample(self, values, random)

    def log_density(self, y: ArrayLike, values: ArrayLike) -> NDArray[np.float64]:
        """Logarithm of the density (or probability) of `y`, where the port has the values `values`.

        Minus infinity for what cannot be measured, NaN where the port has no value.
        """
        from ketasim.model._seen import log_density

        return log_density(self, y, values)

    def _check(self, need: str, *holds: bool) -> None:
        if not all(holds):
            raise InvalidModel(f"{type(self).__name__} of '{self.port}': {need}.")


@dataclass(frozen=True, slots=True)
class Normal(Observation):
    """Normal around the port: SD = sqrt((proportional f)^2 + additive^2), `additive` in the port's unit."""

    additive: float = 0.0
    proportional: float = 0.0

    def __post_init__(self) -> None:
        self._check("give additive or proportional above 0, none below", self.additive >= 0, self.proportional >= 0,
                    self.additive + self.proportional > 0)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LogNormal(Observation):
    """Log-normal with the port as median; `sd` of the logarithm."""

    sd: float

    def __post_init__(self) -> None:
        self._check("give sd above 0", self.sd > 0)


@dataclass(frozen=True, slots=True)
class LogitNormal(Observation):
    """Bounded scale: normal on the logit of the position between `low` and `high`, with the port as median; never outside."""

    low: float
    high: float
    sd: float

    def __post_init__(self) -> None:
        self._check("give sd above 0 and low below high", self.sd > 0, self.low < self.high, isfinite(self.high - self.low))


@dataclass(frozen=True, slots=True)
class Binomial(Observation):
    """Number of successes out of `n`; the port is the probability of one. With n = 1: yes or no."""

    n: int = 1
    draws: ClassVar[Literal["normal", "uniform"]] = "uniform"

    def __post_init__(self) -> None:
        self._check("give n as a whole number, at least 1", self.n >= 1, self.n == int(self.n))


@dataclass(frozen=True, slots=True)
class Ordinal(Observation):
    """Ordered grades 0, 1, 2 ... by cumulative logits: P(grade <= k) = logit^-1(cuts[k] - port); the port raises the grade.

    cuts : ascending, one fewer than there are grades.
    """

    cuts: tuple[float, ...]
    draws: ClassVar[Literal["normal", "uniform"]] = "uniform"

    def __post_init__(self) -> None:
        self._check("give cuts ascending, at least one", len(self.cuts) > 0, all(b > a for a, b in pairwise(self.cuts)))


@dataclass(frozen=True, slots=True)
class Count(Observation):
    """Negative binomial count with the port as mean: variance = mean + overdispersion mean^2; 0 is Poisson's."""

    overdispersion: float = 0.0
    draws: ClassVar[Literal["normal", "uniform"]] = "uniform"

    def __post_init__(self) -> None:
        self._check("give overdispersion of 0 or more", 0 <= self.overdispersion < inf)


#: Families by their names in entries.
FAMILIES: Mapping[str, type[Observation]] = {
    "normal": Normal, "log_normal": LogNormal, "logit_normal": LogitNormal, "binomial": Binomial, "ordinal": Ordinal, "count": Count,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TimeToEvent:
    """Time of an event that happens once; the port is its cumulative hazard (see `Hazard`), linear between the times it is known at."""

    port: str

    def sample(self, times: ArrayLike, values: ArrayLike, random: ArrayLike) -> NDArray[np.float64]:
        """Event times (person,), h, as `event_times`."""
        from ketasim.model._seen import event_times

        return event_times(times, values, random)

    def log_density(self, when: ArrayLike, happened: ArrayLike, times: ArrayLike, values: ArrayLike) -> NDArray[np.float64]:
        """Log likelihood (person,) of an event at `when`, or of none until then where `happened` is false (censored).

        times : (time,), h. values : (time, person), cumulative hazard. A time outside `times` has minus infinity.
        """
        from ketasim.model._seen import log_density_of_event

        return log_density_of_event(when, happened, times, values)


class Hazard(Mechanism):
    """Sums up a hazard over time: what a `TimeToEvent` sees.

    In a scope it stands for one kind of event: ``Part(Hazard(), {}).scoped("relapse", bind={"hazard": "relapse_hazard"})`` has the state
    ``relapse.cumulative`` and writes ``relapse.cumulative_hazard``.
    """

    reads = {"hazard": Port("1/h", "hazard of the event", (0.0, inf))}
    states = {"cumulative": State("1", "cumulative hazard")}
    writes = {"cumulative_hazard": Port("1", "cumulative hazard", (0.0, inf))}

    def rates(self, t: Expr, x: Mapping[str, Any], u: Mapping[str, Any], p: Mapping[str, Any]) -> Mapping[str, Any]:
        """The hazard itself."""
        return {"cumulative": u["hazard"]}

    def outputs(self, t: Expr, x: Mapping[str, Any], u: Mapping[str, Any], p: Mapping[str, Any]) -> Mapping[str, Any]:
        """The sum so far."""
        return {"cumulative_hazard": x["cumulative"]}
