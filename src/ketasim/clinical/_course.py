"""A course of care in people: sessions and visits in the order of time, on arrays of people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ketasim.clinical._declare import DisorderEntry, Values
from ketasim.clinical._people import Patients, TrialEffects
from ketasim.clinical._store import Store

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Session:
    """One session of the drug.

    Attributes
    ----------
    time : h since the start. s_ketamine, r_ketamine : peaks of unbound drug in brain, ng/mL, (person,); 0 where nothing was given.
    """

    time: float
    s_ketamine: Floats
    r_ketamine: Floats


@dataclass(frozen=True)
class Outcome:
    """What the scale shows.

    Attributes
    ----------
    visits : h, (visit,). score, latent : points and latent improvement, (visit, person). baseline : points, (person,).
    store : what has arrived of the drug, relative to one reference session, (visit, person).
    """

    visits: Floats
    score: Floats
    latent: Floats
    store: Floats
    baseline: Floats


def outcome(
    entry: DisorderEntry,
    arm: Mapping[str, float],
    sessions: Sequence[Session],
    visits: Floats,
    people: Patients,
    p: Values,
    trial: TrialEffects | None = None,
) -> Outcome:
    """Scores of people at visits under a course.

    Parameters
    ----------
    arm : switch of the disorder -> value, for everybody. sessions, visits : in the order of time. p : parameter -> value.
    trial : how this trial differs from the typical one; None is the typical one.

    Notes
    -----
    The score at the start is the baseline. A visit at the time of a session comes before it.
    """
    n = len(people.ids)
    shape = (len(visits), n)
    score, latent, effects = np.empty(shape), np.empty(shape), np.empty(shape)
    store, fleeting, day, waiting = Store.empty(n), None, -1, list(sessions)
    departure = np.zeros(n)
    for k, t in enumerate(map(float, visits)):
        while waiting and waiting[0].time < t:
            store = _after(store, waiting.pop(0), entry, p)
        store = store.advance(t, p)
        while day < int(t // 24.0):
            day += 1
            departure, fleeting = people.departure(day, p, fleeting)
        effects[k] = store.effect(p)
        latent[k] = improvement(entry, t, arm, effects[k], p, trial or TrialEffects())
        width = p["w0"] + p["w1"] * np.maximum(latent[k], 0.0)
        score[k] = (
            entry.scale.score(entry.scale.latent(people.baseline) - latent[k] + width * departure) if t > 0 else people.baseline
        )
    return Outcome(np.asarray(visits, float), score, latent, effects, people.baseline)


def _after(store: Store, session: Session, entry: DisorderEntry, p: Values) -> Store:
    given = store.advance(session.time, p)
    return given.session(entry.equations.drive(session.s_ketamine, session.r_ketamine, p), p)


def improvement(
    entry: DisorderEntry, t: float, arm: Mapping[str, float], effect: Floats, p: Values, trial: TrialEffects
) -> Floats:
    """Latent improvement of the typical person at a time: control and drug, with what the trial adds."""
    equations, time = entry.equations, np.float64(t)
    control = equations.control(time, arm, p) + equations.between_trials(time, arm, trial.early, trial.late, p)  # type: ignore[arg-type]
    drug = (p["g"] + trial.drug) * effect
    return equations.combined(control, drug, p) + (trial.arm if t > 0 else 0.0)


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
