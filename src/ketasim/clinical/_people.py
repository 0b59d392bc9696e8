"""How people and trials differ: severity at the start, personal departures from the typical course, and the luck of a trial.

All random numbers are counter-based: a person's depend on seed and id, never on who else is computed or when visits are.
"""

from __future__ import annotations

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
    ids : (person,). baseline : points, (person,). person : standard normal, lasting, (person,). seed : of the days' departures.
    typical : everybody is the typical patient: no departures at all.
    """

    ids: NDArray[np.int64]
    baseline: Floats
    person: Floats
    seed: int
    typical: bool = False

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
    n = len(ids)
    if typical:
        return Patients(ids, np.full(n, entry.baseline.mean), np.zeros(n), seed, typical=True)
    return Patients(ids, _baselines(entry.baseline, entry.scale, ids, seed), normal(seed, ids, "clinical/person"), seed)


def _baselines(baseline: Baseline, scale: Scale, ids: NDArray[np.int64], seed: int) -> Floats:
    """Normal, cut at the least severity that enters and just below the end of the scale, by inversion."""
    from scipy.special import ndtr, ndtri

    low = ndtr((baseline.least - baseline.mean) / baseline.sd)
    high = ndtr((scale.high - 1.0 - baseline.mean) / baseline.sd)
    return baseline.mean + baseline.sd * ndtri(low + (high - low) * uniform(seed, ids, "clinical/baseline"))


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
