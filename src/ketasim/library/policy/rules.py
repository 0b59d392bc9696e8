"""Rules of care that labels, trials and clinics print, and the luck of attendance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ketasim.clinical import Level, Policy, Seen
from ketasim.model import Param


class HoldOnPressure(Policy):
    """No session while blood pressure before it exceeds a limit."""

    params = {
        "systolic": Param("1", "limit of systolic pressure before a session, mmHg"),
        "diastolic": Param("1", "limit of diastolic pressure before a session, mmHg"),
    }

    def decide(self, level: Level, seen: Seen) -> Level:
        """Held where either pressure is above its limit."""
        limits = {"sbp": self.values["systolic"], "dbp": self.values["diastolic"]}
        held = [seen.before_dose[measure] > limit for measure, limit in limits.items() if measure in seen.before_dose]
        return np.where(np.any(held, axis=0), -1, level) if held else level


class StepUp(Policy):
    """A larger dose for those who do not respond after some sessions."""

    params = {
        "sessions": Param("1", "sessions at the planned dose before it is raised"),
        "factor": Param("1", "larger dose over the planned one", (1.0, float("inf"))),
    }

    @property
    def factors(self) -> tuple[float, ...]:
        """The planned dose and the larger one."""
        return (1.0, self.values["factor"])

    def decide(self, level: Level, seen: Seen) -> Level:
        """Raised for non-responders, and kept for whoever had it before."""
        had = (seen.given == 1).any(axis=0) if len(seen.given) else np.zeros(len(level), bool)
        due = (seen.n_given >= self.values["sessions"]) & ~seen.responds
        return np.where((level >= 0) & (had | due), 1, level)


class SpaceOut(Policy):
    """Sessions further apart after induction, further still in remission."""

    params = {
        "induction": Param("h", "end of induction"),
        "remission": Param("h", "shortest time between sessions in remission"),
        "otherwise": Param("h", "shortest time between sessions otherwise"),
    }

    def decide(self, level: Level, seen: Seen) -> Level:
        """Left out while the last session is too recent."""
        if seen.time < self.values["induction"]:
            return level
        shortest = np.where(seen.remits, self.values["remission"], self.values["otherwise"])
        # A session an hour early is not left out: schedules in words are not that exact.
        return np.where(seen.since_given() >= shortest - 1.0, level, -1)


class StopWithoutResponse(Policy):
    """The drug ends for those without response at the end of induction."""

    params = {"time": Param("h", "when response is judged")}

    def __init__(self, values: Mapping[str, float]) -> None:
        super().__init__(values)
        self._stopped: NDArray[np.bool_] | None = None

    def decide(self, level: Level, seen: Seen) -> Level:
        """Judged once, at the first session at or after the time."""
        if seen.session == 0:
            self._stopped = None
        if seen.time >= self.values["time"]:
            self._stopped = ~seen.responds if self._stopped is None else self._stopped
            return np.where(self._stopped, -1, level)
        return level


class MissSessions(Policy):
    """Sessions missed at random."""

    params = {"share": Param("1", "share of sessions that are missed", (0.0, 1.0))}

    def decide(self, level: Level, seen: Seen) -> Level:
        """By the luck of each person and session."""
        return np.where(seen.luck("missed", seen.session) < self.values["share"], -1, level)


class DropOut(Policy):
    """People leave care at a constant rate; they are not rated any more and get nothing."""

    params = {"share": Param("1", "share that leaves within four weeks", (0.0, 0.999))}

    def stays(self, seen: Seen) -> NDArray[np.bool_]:
        """By one number of luck for the whole course."""
        rate = -np.log1p(-self.values["share"]) / 672.0
        return -np.log(seen.luck("drop_out")) > rate * seen.time
