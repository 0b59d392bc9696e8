"""Rules of care that labels, trials and clinics print, and the luck of attendance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ketasim.clinical import Floats, Level, Policy, Seen
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


class SymptomTriggered(Policy):
    """A benzodiazepine by the score of alcohol withdrawal, looked at every few hours."""

    params = {
        "every": Param("h", "time between looks", (0.25, float("inf"))),
        "first": Param("1", "score from which diazepam is given, points"),
        "second": Param("1", "score from which more is given, points"),
        "dose": Param("mg", "diazepam from the first score on", (0.0, float("inf"))),
        "larger": Param("mg", "diazepam from the second score on", (0.0, float("inf"))),
    }
    activities = ("benzodiazepine",)

    def rounds(self, last: float) -> Floats:
        """Every few hours from the start to the last visit."""
        return np.arange(0.0, last + 1e-9, self.values["every"])

    def gives(self, seen: Seen) -> Mapping[str, Floats]:
        """By the score now; 10 mg of diazepam is a strength of 1."""
        low = np.where(seen.score >= self.values["first"], self.values["dose"], 0.0)
        return {"benzodiazepine": np.where(seen.score >= self.values["second"], self.values["larger"], low) / 10.0}


class BuprenorphineInduction(Policy):
    """Buprenorphine from a score of opioid withdrawal on: steps on the first day while signs remain, then one dose a day."""

    params = {
        "every": Param("h", "time between looks", (0.25, 24.0)),
        "threshold": Param("1", "score at which the first dose is given, points"),
        "again": Param("1", "score at which the next step is given, points"),
        "step": Param("mg", "a dose on the first day", (0.0, float("inf"))),
        "most": Param("mg", "largest sum on the first day", (0.0, float("inf"))),
        "daily": Param("mg", "a day's dose from the second day on", (0.0, float("inf"))),
    }
    activities = ("buprenorphine",)

    def __init__(self, values: Mapping[str, float]) -> None:
        super().__init__(values)
        self._begun: Floats = np.empty(0)
        self._doses: Floats = np.empty(0)
        self._day: Floats = np.empty(0)

    def rounds(self, last: float) -> Floats:
        """Every few hours from the start to the last visit."""
        return np.arange(0.0, last + 1e-9, self.values["every"])

    def gives(self, seen: Seen) -> Mapping[str, Floats]:
        """Steps on the day it began, a dose every 24 h after; 16 mg is a strength of 1."""
        v, n = self.values, len(seen.score)
        if seen.round == 0:
            self._begun, self._doses, self._day = np.full(n, np.inf), np.zeros(n), np.zeros(n)
        new = np.isinf(self._begun) & (seen.score >= v["threshold"])
        self._begun = np.where(new, seen.time, self._begun)
        day = np.floor(np.maximum(seen.time - self._begun, 0.0) / 24.0 + 1e-9)
        in_steps = np.isfinite(self._begun) & (day == 0) & (new | (seen.score >= v["again"]))
        step = np.where(in_steps, np.minimum(v["step"], v["most"] - self._doses), 0.0)
        given = np.where(day > self._day, v["daily"], step)
        self._doses, self._day = self._doses + step, day
        return {"buprenorphine": given / 16.0}
