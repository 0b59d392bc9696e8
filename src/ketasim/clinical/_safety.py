"""Side effects over a session: what the drug does to a typical person, how people, sessions and readings differ, and what counts.

An endpoint follows the effect-site concentration of S-ketamine. Each incidence names its definition: threshold, of what, over what.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ketasim.clinical._declare import Prior, Values
from ketasim.model import Number, Param
from ketasim.population import normal

Floats = NDArray[np.float64]


#: Parameter of how studies differ, the same in every side effect.
STUDIES: Mapping[str, Param] = {"tau": Param("1", "SD between studies of the logarithm of the size")}


class SideEffect:
    """Equations of one side effect: its size in a typical person, and a person's own.

    A concrete side effect declares its parameters and gives `size` and `own`. It is final: not subclassed. `size` rises with the
    concentration, and `own` with `size`: the highest value of a session is that at the peak.
    """

    params: ClassVar[Mapping[str, Param]] = {}

    def size(self, effect_site: Floats, p: Values) -> Floats:
        """Mean over people at an effect-site concentration of S-ketamine, ng/mL."""
        raise NotImplementedError

    def own(self, size: Floats, person: Floats, session: Floats, p: Values) -> Floats:
        """A person's size in a session; `person` and `session` are standard normal."""
        raise NotImplementedError

    def start(self, person: Floats, p: Values) -> Floats:
        """Level before the drug; `person` is standard normal, apart from the one in `own`."""
        return np.zeros_like(person)

    def of_study(self, p: Values, study: float) -> Values:
        """Numbers of a study whose people differ before the drug; `study` is standard normal."""
        return p

    def read(self, level: Floats, reading: Floats, p: Values) -> Floats:
        """What an instrument shows; `reading` is standard normal."""
        return level


@dataclass(frozen=True)
class Definition:
    """What counts as having it.

    Attributes
    ----------
    of : ``level`` (start and effect together) or ``rise`` over the start. least : smallest value that counts, in the endpoint's unit.
    """

    id: str
    title: str
    of: Literal["level", "rise"]
    least: float
    source: str = ""


@dataclass(frozen=True, repr=False)
class Endpoint:
    """A side effect with its numbers: what ``library.endpoint("dissociation")`` returns.

    Attributes
    ----------
    readings : h after the start of a session at which it is read; the largest reading counts.
    bounds : what the scale can show. definitions : what counts, by name.
    """

    id: str
    title: str
    measure: str
    unit: str
    revision: int
    status: str
    equations: SideEffect
    numbers: Mapping[str, Number]
    priors: Mapping[str, Prior]
    definitions: Mapping[str, Definition]
    readings: tuple[float, ...]
    bounds: tuple[float, float]
    grade: str
    source: str = ""
    notes: tuple[str, ...] = ()
    correlations: Mapping[tuple[str, str], float] = field(default_factory=dict[tuple[str, str], float])

    @property
    def cite(self) -> str:
        """Identifier with revision."""
        return f"{self.id}@{self.revision}"

    def typical(self) -> dict[str, Floats]:
        """Value of every parameter as it stands in the entry."""
        return {name: np.float64(number.value) for name, number in self.numbers.items()}  # type: ignore[misc]


@dataclass(frozen=True)
class Reactions:
    """One endpoint in people.

    Attributes
    ----------
    curve : level over time in sessions, without error of reading, (session, time, person). start : before the drug, (person,).
    largest : largest of the readings of a session, (session, person).
    """

    curve: Floats
    start: Floats
    largest: Floats

    @classmethod
    def joined(cls, parts: Sequence[Reactions]) -> Reactions:
        """Sessions one after the other."""
        return cls(np.concatenate([p.curve for p in parts]), parts[0].start, np.concatenate([p.largest for p in parts]))

    def meets(self, definition: Definition) -> NDArray[np.bool_]:
        """Who meets a definition in a session, (session, person)."""
        value = self.largest - self.start if definition.of == "rise" else self.largest
        return value >= definition.least


def reactions(
    endpoint: Endpoint,
    effect_site: Floats,
    after: Floats,
    ids: NDArray[np.int64],
    seed: int,
    p: Values,
    *,
    typical: bool = False,
    study: float = 0.0,
    study_start: float = 0.0,
    first: int = 0,
) -> Reactions:
    """An endpoint over sessions.

    Parameters
    ----------
    effect_site : ng/mL, (session, time, person). after : h since the start of the session, (time,).
    study, study_start : how this study differs from the typical one, with the drug and before it, standard normal; 0 is the typical one.
    first : number of the first of these sessions in the course.
    """
    equations, (sessions, _, n) = endpoint.equations, effect_site.shape

    def random(stream: str, k: Sequence[int] | int = 0) -> Floats:
        return np.zeros(n) if typical else normal(seed, ids, f"safety/{endpoint.id}/{stream}", k)  # type: ignore[arg-type]

    person, low, high = random("person"), *endpoint.bounds
    size = equations.size(effect_site, p) * np.exp(p["tau"] * study)
    start = equations.start(random("start"), equations.of_study(p, study_start))
    curve = np.empty_like(size)
    largest = np.empty((sessions, n))
    at = [int(np.argmin(np.abs(after - time))) for time in endpoint.readings]
    for s in range(sessions):
        own = equations.own(size[s], person, random("session", first + s), p)
        curve[s] = np.clip(start + own, low, high)
        read = [equations.read(start + own[i], random("reading", (first + s) * len(at) + k), p) for k, i in enumerate(at)]
        largest[s] = np.clip(np.max(read, axis=0), low, high) if at else curve[s].max(axis=0)
    return Reactions(curve, start, largest)
