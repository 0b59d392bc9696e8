"""A course of care in people: sessions, activities, visits and decisions in the order of time, on arrays of people.

`Carry` is everything about people at one time; `advance` moves it on. Between sessions all is closed form, or a step of a day.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ketasim.clinical._declare import Disorder, DisorderEntry, Values, View
from ketasim.clinical._people import Patients, TrialEffects
from ketasim.clinical._policy import Policy, Seen
from ketasim.clinical._safety import Reactions
from ketasim.clinical._store import Store

Floats = NDArray[np.float64]
_DAY = 24.0
#: Side effects of a session by measure, given the number of the session and the level everybody gets (-1: not given).
SessionEffects = Callable[[int, NDArray[np.int64]], Mapping[str, Reactions]]
#: Share of NMDA receptors blocked, (person,), given the time, h, and the level everybody got in the last session.
Occupancy = Callable[[float, NDArray[np.int64]], Floats]


@dataclass(frozen=True)
class Session:
    """One session of the drug.

    Attributes
    ----------
    time : h since the start. s_ketamine, r_ketamine : peaks of unbound drug in brain, ng/mL, (person,), or (level, person) where a
        policy may choose between levels of dose; 0 where nothing is given.
    """

    time: float
    s_ketamine: Floats
    r_ketamine: Floats

    def peaks(self, level: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Peaks at the level each person gets; 0 at level -1."""
        people, given = np.arange(len(level)), level >= 0
        return tuple(
            np.where(given, np.atleast_2d(a)[np.maximum(level, 0), people], 0.0) for a in (self.s_ketamine, self.r_ketamine)
        )  # type: ignore[return-value]


@dataclass(frozen=True)
class Activity:
    """Something done or given beside the drug: exposure, ECT, a therapy session, a dose of diazepam; `strength` in the unit the disorder reads."""

    time: float
    kind: str
    strength: float | Floats = 1.0


@dataclass(frozen=True)
class Carry:
    """People at one time.

    Attributes
    ----------
    store : what sessions left. own : states of the disorder, (person,) each. hazard : cumulative hazard of every event, (person,).
    happened : h at which an event happened, NaN before, (person,) each. fleeting : part of the departure that fades. day : its day.
    """

    store: Store
    own: Mapping[str, Floats]
    hazard: Mapping[str, Floats]
    happened: Mapping[str, Floats]
    departure: Floats
    fleeting: Floats | None = None
    day: int = -1

    @property
    def time(self) -> float:
        """h since the start."""
        return self.store.time


@dataclass(frozen=True)
class Outcome:
    """What scales and records show.

    Attributes
    ----------
    visits : h, (visit,). score, latent : points and latent improvement of the first scale, (visit, person). baseline : (person,).
    store : what has arrived of the drug, relative to one reference session, (visit, person). others : further scales, (visit, person).
    readings : what the disorder tells beside scales, (visit, person). level : of each session, -1 not given, (session, person).
    in_care : who has not dropped out, (visit, person). happened : event -> h, NaN where it did not, (person,).
    reactions : side effects by measure, sessions one after the other.
    """

    visits: Floats
    score: Floats
    latent: Floats
    store: Floats
    baseline: Floats
    level: NDArray[np.int64]
    in_care: NDArray[np.bool_]
    others: Mapping[str, Floats] = field(default_factory=dict[str, Floats])
    readings: Mapping[str, Floats] = field(default_factory=dict[str, Floats])
    happened: Mapping[str, Floats] = field(default_factory=dict[str, Floats])
    reactions: tuple[Mapping[str, Reactions], ...] = ()


class Course:
    """A disorder, a control arm and people; `start` and `advance` move them through time.

    Parameters
    ----------
    arm : switch of the disorder -> value, for everybody. p : parameter -> value. trial : how this trial differs from the typical one.
    occupancy : time, h -> share of NMDA receptors blocked, (person,); None where nothing blocks them.
    """

    def __init__(
        self, entry: DisorderEntry, arm: Mapping[str, float], people: Patients, p: Values, trial: TrialEffects | None = None,
        occupancy: Callable[[float], Floats] | None = None,
    ) -> None:  # fmt: skip
        self.entry, self.arm, self.people, self.p, self.trial = entry, arm, people, p, trial or TrialEffects()
        self.equations: Disorder = entry.equations
        self.occupancy = occupancy
        self.threshold = {event: -np.log(people.luck(f"event/{event}")) for event in self.equations.events}

    def start(self) -> Carry:
        """People before anything."""
        n = len(self.people.ids)
        none = {event: np.zeros(n) for event in self.equations.events}
        own = self.equations.begin(self.view(Store.empty(n), 0.0), self.p)
        return Carry(Store.empty(n), own, none, {event: np.full(n, np.nan) for event in none}, np.zeros(n))

    def view(self, store: Store, time: float) -> View:
        """What the equations may look at."""
        occupied = self.occupancy(time) if self.occupancy else np.zeros(len(self.people.ids))
        return View(time, store.effect(self.p), self.arm, self.people.luck, self.people.baseline, occupied)

    def advance(self, carry: Carry, until: float) -> Carry:
        """People at a later time, h, without sessions between; own states and hazards move in steps of a day at most."""
        while carry.time < until:
            next_day = (np.floor(carry.time / _DAY + 1e-9) + 1.0) * _DAY
            carry = self._step(carry, min(until, next_day))
        while carry.day < int(until // _DAY):
            departure, fleeting = self.people.departure(carry.day + 1, self.p, carry.fleeting)
            carry = replace(carry, departure=departure, fleeting=fleeting, day=carry.day + 1)
        return carry

    def _step(self, carry: Carry, until: float) -> Carry:
        dt, store = until - carry.time, carry.store.advance(until, self.p)
        if not carry.own and not carry.hazard:
            return replace(carry, store=store)
        view = self.view(carry.store, carry.time)
        rates = self.equations.hazards(carry.own, view, self.p)
        hazard, happened = dict(carry.hazard), dict(carry.happened)
        for event, rate in rates.items():
            after = hazard[event] + rate * dt
            now = np.isnan(happened[event]) & (after >= self.threshold[event])
            with np.errstate(divide="ignore", invalid="ignore"):
                at = carry.time + (self.threshold[event] - hazard[event]) / rate
            happened[event], hazard[event] = np.where(now, at, happened[event]), after
        return replace(
            carry, store=store, own=self.equations.advance(carry.own, view, dt, self.p), hazard=hazard, happened=happened
        )

    def treat(self, carry: Carry, s_ketamine: Floats, r_ketamine: Floats) -> Carry:
        """People after a session now."""
        drive = self.equations.drive(s_ketamine, r_ketamine, self.p)
        view = self.view(carry.store, carry.time)
        own = self.equations.treated(carry.own, s_ketamine, r_ketamine, view, self.p)
        return replace(carry, store=carry.store.session(drive, self.p), own=own)

    def attend(self, carry: Carry, activity: Activity) -> Carry:
        """People after an activity now."""
        view = self.view(carry.store, carry.time)
        return replace(carry, own=self.equations.attended(carry.own, activity.kind, activity.strength, view, self.p))

    def latents(self, carry: Carry) -> dict[str, Floats]:
        """Latent improvement of the typical person on every scale: control and drug, with what the trial adds."""
        time, view = np.float64(carry.time), self.view(carry.store, carry.time)
        luck = self.equations.between_trials(time, self.arm, self.trial.early, self.trial.late, self.p)  # type: ignore[arg-type]
        control = self.equations.control(time, self.arm, self.p) + luck  # type: ignore[arg-type]
        drug = (self.p["rho"] * self.p["g"] + self.trial.drug) * view.store
        found = self.equations.latents(control, drug, carry.own, view, self.p)
        return {name: value + (self.trial.arm if carry.time > 0 else 0.0) for name, value in found.items()}

    def scores(self, carry: Carry) -> tuple[dict[str, Floats], dict[str, Floats]]:
        """Points of every scale, and the latent improvements behind them; the score at the start is the baseline."""
        latents, points = self.latents(carry), dict[str, Floats]()
        for name, latent in latents.items():
            scale, start = self.entry.scales[name], self.people.baselines[name]
            width = self.p["w0"] + self.p["w1"] * np.maximum(latent, 0.0)
            points[name] = scale.score(scale.latent(start) - latent + width * carry.departure) if carry.time > 0 else start
        return points | self.equations.shown(carry.own, self.view(carry.store, carry.time), self.p), latents


def outcome(
    entry: DisorderEntry,
    arm: Mapping[str, float],
    sessions: Sequence[Session],
    visits: Floats,
    people: Patients,
    p: Values,
    trial: TrialEffects | None = None,
    *,
    activities: Sequence[Activity] = (),
    policies: Sequence[Policy] = (),
    effects: SessionEffects | None = None,
    occupancy: Occupancy | None = None,
) -> Outcome:
    """Scores of people at visits under a course.

    Parameters
    ----------
    arm : switch of the disorder -> value, for everybody. sessions, visits : in the order of time. p : parameter -> value.
    trial : how this trial differs from the typical one. activities : what is done beside the drug. policies : decide before each
        session who gets which level, and at rounds who gets what beside. effects : side effects of a session, which policies may look at.
    occupancy : share of NMDA receptors blocked, given the time and the level everybody got last.

    Notes
    -----
    A visit at the time of a session comes before it; an activity at its time comes after it, and a round of a policy after that.
    """
    return _Walk(Course(entry, arm, people, p, trial), sessions, visits, activities, policies, effects, occupancy).done()


class _Walk:
    """One way through a course, in the order of time."""

    def __init__(
        self, course: Course, sessions: Sequence[Session], visits: Floats, activities: Sequence[Activity],
        policies: Sequence[Policy], effects: SessionEffects | None, occupancy: Occupancy | None,
    ) -> None:  # fmt: skip
        n = len(course.people.ids)
        self.course, self.sessions, self.visits, self.policies, self.effects = (
            course,
            sessions,
            np.asarray(visits, float),
            policies,
            effects,
        )
        self.taken = np.zeros(n, np.int64)
        if occupancy is not None:
            course.occupancy = lambda time: occupancy(time, self.taken)
        self.carry, self.in_care = course.start(), np.ones(n, bool)
        self.baseline = course.scores(self.carry)[0][course.entry.scale.id]
        shape = (len(self.visits), n)
        self.points = {name: np.empty(shape) for name in course.entry.scales}
        self.latent, self.store, self.present = np.empty(shape), np.empty(shape), np.ones(shape, bool)
        self.readings: dict[str, Floats] = {}
        self.level = np.full((len(sessions), n), -1)
        self.reactions: list[Mapping[str, Reactions]] = []
        last = float(self.visits[-1]) if len(self.visits) else 0.0
        self.rounds = [(float(t), policy, k) for policy in policies for k, t in enumerate(policy.rounds(last))]
        agenda = [(float(t), 0, k) for k, t in enumerate(self.visits)]
        agenda += [(s.time, 1, k) for k, s in enumerate(sessions)] + [(a.time, 2, k) for k, a in enumerate(activities)]
        agenda += [(time, 3, k) for k, (time, _, _) in enumerate(self.rounds)]
        self.agenda, self.activities = sorted(agenda), activities

    def done(self) -> Outcome:
        """All of it."""
        last_visit = float(self.visits[-1]) if len(self.visits) else 0.0
        for time, kind, k in self.agenda:
            if kind == 1 or time <= last_visit:
                self.carry = self.course.advance(self.carry, time)
                (self._visit, self._session, self._activity, self._round)[kind](k)
        entry = self.course.entry
        first = entry.scale.id
        others = {name: values for name, values in self.points.items() if name != first}
        return Outcome(
            self.visits, self.points[first], self.latent, self.store, self.baseline, self.level, self.present, others,
            self.readings, self.carry.happened, tuple(self.reactions),
        )  # fmt: skip

    def _visit(self, k: int) -> None:
        points, latents = self.course.scores(self.carry)
        for name, values in points.items():
            self.points[name][k] = values
        first = self.course.entry.scale.id
        self.latent[k], self.store[k] = latents.get(first, np.nan), self.carry.store.effect(self.course.p)
        told = self.course.equations.readings(self.carry.own, self.course.view(self.carry.store, self.carry.time), self.course.p)
        for name, values in told.items():
            self.readings.setdefault(name, np.zeros(self.latent.shape))[k] = values
        self.in_care &= self._stays(self._seen(-1, points[first]))
        self.present[k] = self.in_care

    def _session(self, k: int) -> None:
        session, n = self.sessions[k], len(self.in_care)
        level = np.where(self.in_care, 0, -1)
        if self.policies:
            points, _ = self.course.scores(self.carry)
            seen = self._seen(k, points[self.course.entry.scale.id])
            for policy in self.policies:
                level = policy.decide(level, seen)
        self.level[k] = self.taken = level
        s, r = session.peaks(level)
        self.carry = self.course.treat(self.carry, np.broadcast_to(s, (n,)), np.broadcast_to(r, (n,)))
        if self.effects is not None:
            self.reactions.append(self.effects(k, level))

    def _activity(self, k: int) -> None:
        self.carry = self.course.attend(self.carry, self.activities[k])

    def _round(self, k: int) -> None:
        time, policy, number = self.rounds[k]
        points, _ = self.course.scores(self.carry)
        seen = replace(self._seen(-1, points[self.course.entry.scale.id]), round=number)
        for kind, strength in policy.gives(seen).items():
            self.carry = self.course.attend(self.carry, Activity(time, kind, strength * self.in_care))

    def _stays(self, seen: Seen) -> NDArray[np.bool_]:
        stays = np.ones(len(self.in_care), bool)
        for policy in self.policies:
            stays &= policy.stays(seen)
        return stays

    def _before_dose(self, session: int) -> dict[str, Floats]:
        """Measures before a session that is due; the same whoever gets what."""
        if session < 0 or self.effects is None:
            return {}
        found = self.effects(session, np.full(len(self.in_care), -1))
        return {measure: one.curve[0, 0] for measure, one in found.items()}

    def _seen(self, session: int, score: Floats) -> Seen:
        people = self.course.people
        return Seen(
            self.carry.time, session, score, self.baseline, self.course.entry.scale, self.level[: max(session, 0)],
            np.array([s.time for s in self.sessions[: max(session, 0)]]), people.luck, self._before_dose(session),
        )  # fmt: skip


@dataclass(frozen=True)
class Rates:
    """What arms report: over people, per visit.

    Attributes
    ----------
    mean, sd, change, change_sd : points. response, remission : shares.
    """

    mean: Floats
    sd: Floats
    change: Floats
    change_sd: Floats
    response: Floats
    remission: Floats


def rates(entry: DisorderEntry, result: Outcome) -> Rates:
    """Means and shares over people, per visit."""
    change = result.score - result.baseline
    one = 1 if result.score.shape[1] > 1 else 0
    return Rates(
        result.score.mean(1), result.score.std(1, ddof=one), change.mean(1), change.std(1, ddof=one),
        entry.scale.responds(result.score, result.baseline).mean(1), entry.scale.remits(result.score).mean(1),
    )  # fmt: skip
