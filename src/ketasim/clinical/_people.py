"""How people and trials differ: severity at the start, personal departures from the typical course, and the luck of a trial.

All random numbers are counter-based: a person's depend on seed and id, never on who else is computed or when visits are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ketasim.clinical._declare import Baseline, DisorderEntry, Scale, Values
from ketasim.population import normal, uniform

Floats = NDArray[np.float64]
_DAY = 24.0


@dataclass(frozen=True)
class Patients:
    """Severity and departures of people.

    Attributes
    ----------
    ids : (person,). baselines : scale -> points, (person,); the first scale first. person : standard normal, lasting, (person,). seed : of the days' departures.
    typical : everybody is the typical patient: no departures at all.
    """

    ids: NDArray[np.int64]
    baselines: Mapping[str, Floats]
    person: Floats
    seed: int
    typical: bool = False

    @property
    def baseline(self) -> Floats:
        """Points of the first scale at the start, (person,)."""
        return next(iter(self.baselines.values()))

    def luck(self, name: str, number: int = 0) -> Floats:
        """Uniform random number of each person for a purpose, (person,); of the typical patient a half."""
        return np.full(len(self.ids), 0.5) if self.typical else uniform(self.seed, self.ids, f"clinical/{name}", number)

    def departure(self, day: int, p: Values, so_far: Floats | None) -> tuple[Floats, Floats]:
        """Standard normal departure on a day, (person,), and the fleeting part that the next day goes on from.

        A share `r_person` of its variance lasts; the rest fades from day to day with time constant `tau_day`.
        """
        if self.typical:
            return np.zeros(len(self.ids)), np.zeros(len(self.ids))
        fresh = normal(self.seed, self.ids, "clinical/day", day)
        keep = np.exp(-_DAY / p["tau_day"])
        fleeting = fresh if so_far is None else keep * so_far + np.sqrt(1.0 - keep**2) * fresh
        return np.sqrt(p["r_person"]) * self.person + np.sqrt(1.0 - p["r_person"]) * fleeting, fleeting


def patients(entry: DisorderEntry, ids: NDArray[np.int64], seed: int, *, typical: bool = False) -> Patients:
    """People with the disorder: baselines and personal departures by seed and id."""
    n, starts, scales = len(ids), entry.baselines, entry.scales
    if typical:
        return Patients(ids, {name: np.full(n, start.mean) for name, start in starts.items()}, np.zeros(n), seed, typical=True)
    # One rank for all scales: who is severe on one is severe on the others.
    rank = uniform(seed, ids, "clinical/baseline")
    found = {name: _baselines(start, scales[name], rank) for name, start in starts.items()}
    return Patients(ids, found, normal(seed, ids, "clinical/person"), seed)


def _baselines(baseline: Baseline, scale: Scale, rank: Floats) -> Floats:
    """Normal, cut at the least severity that enters and just below the end of the scale, by inversion."""
    from scipy.special import ndtr, ndtri

    if baseline.sd == 0.0:
        return np.full(len(rank), baseline.mean)
    low = ndtr((baseline.least - baseline.mean) / baseline.sd)
    high = ndtr((scale.high - 0.01 * (scale.high - scale.low) - baseline.mean) / baseline.sd)
    return baseline.mean + baseline.sd * ndtri(low + (high - low) * rank)


@dataclass(frozen=True)
class TrialEffects:
    """How one trial differs from others, added on the latent scale: early and late control response, drug, arm."""

    early: float = 0.0
    late: float = 0.0
    drug: float = 0.0
    arm: float = 0.0


def trial_effects(p: Values, seed: int, draw: int, arm: str) -> TrialEffects:
    """Effects of a new trial: shared by its arms, but for `arm`."""

    def of(stream: str, sd: str) -> float:
        return float(p[sd]) * float(normal(seed, np.array([draw]), f"trial/{stream}")[0])

    return TrialEffects(of("early", "su"), of("late", "su2"), of("drug", "sv"), of(f"arm/{arm}", "sa"))
