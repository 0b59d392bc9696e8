"""Policies: decisions about people before a session and at a visit, on arrays of people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from ketasim.model import Number, Param

if TYPE_CHECKING:
    from ketasim.clinical._declare import Scale

Floats = NDArray[np.float64]
Level = NDArray[np.int64]


@dataclass(frozen=True)
class Seen:
    """What is known when a decision is made.

    Attributes
    ----------
    time : h. session : number of the session that is due, from 0; -1 at a visit. score : now, baseline : at the start, (person,).
    given : levels of earlier sessions, -1 where not given, (session, person). times : when they were due, h.
    luck : name -> uniform random number of each person, e.g. ``seen.luck("missed", 3)``.
    before_dose : pressure and other measures before this session, (person,) each; empty at a visit.
    round : number of the round of this policy that is due, from 0; -1 at visits and sessions.
    """

    time: float
    session: int
    score: Floats
    baseline: Floats
    scale: Scale
    given: Level
    times: Floats
    luck: Callable[..., Floats]
    before_dose: Mapping[str, Floats]
    round: int = -1

    @property
    def n_given(self) -> NDArray[np.int64]:
        """How many sessions each person has had."""
        return (self.given >= 0).sum(axis=0)

    @property
    def responds(self) -> NDArray[np.bool_]:
        """Who meets the scale's criterion of response now."""
        return self.scale.responds(self.score, self.baseline)

    @property
    def remits(self) -> NDArray[np.bool_]:
        """Who meets the scale's criterion of remission now."""
        return self.scale.remits(self.score)

    def since_given(self) -> Floats:
        """Hours since the last session each person had; infinite before the first."""
        if not len(self.given):
            return np.full(len(self.score), np.inf)
        at = np.where(self.given >= 0, self.times[:, None], -np.inf)
        return self.time - at.max(axis=0)


class Policy:
    """A rule of care. A concrete policy declares parameters and gives `decide`, `stays`, or `rounds` with `gives`; it is final.

    Attributes
    ----------
    params : parameter -> `Param`; values come from the TOML entry, or from the user. levels : level -> factor on the planned dose.
    activities : activities of disorders that `gives` may give; the disorder has to know them.
    """

    params: ClassVar[Mapping[str, Param]] = {}
    activities: ClassVar[tuple[str, ...]] = ()

    def __init__(self, values: Mapping[str, float]) -> None:
        self.values = dict(values)

    @property
    def factors(self) -> tuple[float, ...]:
        """Factors on the planned dose that levels 0, 1, ... mean; level 0 is the planned dose."""
        return (1.0,)

    def decide(self, level: Level, seen: Seen) -> Level:
        """Who gets which level now, (person,); -1 is no session."""
        return level

    def stays(self, seen: Seen) -> NDArray[np.bool_]:
        """Who stays in care after this visit."""
        return np.ones(len(seen.score), bool)

    def rounds(self, last: float) -> Floats:
        """When people are looked at beside visits and sessions, h, up to the last visit; never, by default."""
        return np.empty(0)

    def gives(self, seen: Seen) -> Mapping[str, Floats]:
        """What is done at a round: activity -> strength, (person,); 0 is nothing."""
        return {}


@dataclass(frozen=True)
class PolicyEntry:
    """A policy with its numbers: what ``library.policy("hold_on_pressure")`` returns."""

    id: str
    title: str
    revision: int
    status: str
    kind: type[Policy]
    numbers: Mapping[str, Number]
    source: str = ""
    notes: tuple[str, ...] = ()

    @property
    def cite(self) -> str:
        """Identifier with revision."""
        return f"{self.id}@{self.revision}"

    def made(self, values: Mapping[str, float] | None = None) -> Policy:
        """The policy, with some of its numbers replaced."""
        return self.kind({name: number.value for name, number in self.numbers.items()} | dict(values or {}))
