"""The review's claims on pharmacokinetics and on affinity, answered by numbers of the reference model."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd

from ketasim import evidence
from ketasim.arguments import checked
from ketasim.cache import Remembered, cache_directory
from ketasim.dose import molar_mass
from ketasim.fit import solve_regimen, typical
from ketasim.library import load
from ketasim.model import Model, assemble
from ketasim.population import typical_values

_KETAMINE = ("s_ketamine", "r_ketamine")
_WEIGHT = 70.0
#: Draws of the model in a new study behind an interval, and their seed (used where the model carries standard errors only).
_DRAWS, _SEED = 40, 1
#: Raised whenever a claim is computed another way.
_VERSION = 4
_BOLUS = "0.5 mg/kg racemic ketamine iv"
_INFUSION = "0.5 mg/kg racemic ketamine iv over 40 min"
_ROUTES = {
    "iv bolus": _BOLUS, "iv infusion": _INFUSION, "im": "0.5 mg/kg racemic ketamine im", "sc": "0.5 mg/kg racemic ketamine sc",
    "nasal": "56 mg esketamine nasal", "oral": "1 mg/kg racemic ketamine oral", "sublingual": "50 mg racemic ketamine sublingual",
    "rectal": "50 mg racemic ketamine rectal",
}  # fmt: skip


@dataclass(frozen=True)
class ClaimResult:
    """A claim and what the model says to it.

    Attributes
    ----------
    low, high : range of the claim. verdict : reproduced, partly or contradicted, from `value` alone. ci_low, ci_high : 95 % of the draws
    of the model in a new study, for the typical adult; NaN where nothing that was calibrated enters.
    """

    id: str
    claim: str
    value: float
    unit: str
    low: float
    high: float
    verdict: str
    reason: str
    ci_low: float = math.nan
    ci_high: float = math.nan


class _Person:
    """The typical adult of 70 kg and what a dose does to them."""

    def __init__(self, model: Model, draw: int | None = None) -> None:
        self.model, self.p = model, typical(model, {}, typical_values(model, draw, _SEED, between_study=True))
        self._response = lru_cache(maxsize=len(_ROUTES))(lambda regimen: solve_regimen(model, regimen, self.p))

    def curve(self, regimen: str, site: str) -> tuple[np.ndarray, np.ndarray]:
        """Times (time,), h, and concentration of both enantiomers together (time,), umol/L."""
        response = self._response(regimen)
        return response.times, np.asarray(response.port(_both(site), 0))

    def peak(self, regimen: str, site: str) -> tuple[float, float]:
        """Time, h, and height, umol/L, of the peak of both enantiomers together: of the solution, between the times it is known at."""
        time, height = self._response(regimen).peak(_both(site), 0, np)
        return float(time), float(height)

    def to_infinity(self) -> tuple[float, float]:
        """Clearance L/h and steady-state volume L of the racemate from exact integrals after a bolus."""
        response = self._response(_BOLUS)
        names = _both("arterial")
        dose = 0.5 * _WEIGHT * 1000.0 / molar_mass("ketamine")
        area, moment = response.integral_to_infinity(names, 0, np), response.moment_to_infinity(names, 0, np)
        return dose / area, dose * moment / area**2

    def sampled_volume(self, last: float) -> float:
        """Steady-state volume, L, as a study that samples veins until `last` h would report it after the infusion."""
        times, c = self.curve(_INFUSION, "venous")
        inside = times <= last + 1e-9
        t, y = times[inside], c[inside]
        rate = math.log(2.0) / self.half_life(0.5 * last, last)
        area = np.trapezoid(y, t) + y[-1] / rate
        moment = np.trapezoid(y * t, t) + y[-1] * t[-1] / rate + y[-1] / rate**2
        dose = 0.5 * _WEIGHT * 1000.0 / molar_mass("ketamine")
        return float(dose / area * (moment / area - 40.0 / 60.0 / 2.0))

    def half_life(self, start: float, end: float) -> float:
        """Venous half-life seen between two times after the infusion, h."""
        times, c = self.curve(_INFUSION, "venous")
        t = np.linspace(start, end, 5)
        slope = np.polyfit(t, np.log(np.interp(t, times, c)), 1)[0]
        return float(-math.log(2.0) / slope)


def _both(site: str) -> list[str]:
    """Ports of both enantiomers."""
    return [f"C_{site}_{a}" for a in _KETAMINE]


@checked
def pk_claims(model: Model | None = None, draws: int = _DRAWS) -> list[ClaimResult]:
    """Claims P1-P8 and E1 of the review, computed.

    Parameters
    ----------
    model : assembled model with the sites of the reference model; by default the reference model. draws : of the model in a new
        study, for the intervals; 0 for none.
    """
    model = model or assemble(load("ketasim_reference"))
    person = _Person(model)
    calibrated = (_brain, _peak_time, _volume, _clearance, _half_life)
    makers = (_formula, _binding, _brain, _every_route, _peak_time, _volume, _clearance, _half_life, _affinity)
    results = [make(person) for make in makers]
    limits = _limits(model, calibrated, draws) if draws else {}
    return [replace(r, ci_low=limits[r.id][0], ci_high=limits[r.id][1]) if r.id in limits else r for r in results]


@lru_cache(maxsize=1)
def _memory() -> Remembered:
    return Remembered(cache_directory() / f"claims_pk_{_VERSION}.json")


def _limits(model: Model, makers: tuple[Callable[[_Person], ClaimResult], ...], draws: int) -> dict[str, list[float]]:
    """Claim -> 2.5th and 97.5th percentile over draws of the model in a new study; kept in the cache, as they take seconds."""
    memory = _memory()
    numbers = repr([typical_values(model, k, _SEED, between_study=True) for k in range(draws)])
    key = f"{model.fingerprint}/{hashlib.sha256(numbers.encode()).hexdigest()}"
    known = memory.get(key)
    if known is None:
        drawn = [{r.id: r.value for r in (make(_Person(model, k)) for make in makers)} for k in range(draws)]
        known = {name: [float(q) for q in np.percentile([d[name] for d in drawn], [2.5, 97.5])] for name in drawn[0]}
        memory.keep(key, known)
    return known


@checked
def pk_claims_table(model: Model | None = None) -> pd.DataFrame:
    """The same as a table, one row per claim."""
    return pd.DataFrame([asdict(result) for result in pk_claims(model)])


def _inside(value: float, low: float, high: float) -> bool:
    return low <= value <= high


def _formula(person: _Person) -> ClaimResult:
    mass = molar_mass("ketamine")
    verdict = "reproduced" if abs(mass - 237.73) < 0.01 else "contradicted"
    reason = (
        "from the formula and standard atomic weights; a racemic dose is split half and half by moles. The model uses no pKa."
    )
    return ClaimResult(
        "P1", "C13H16ClNO, molar mass 237.73 g/mol, equal parts S and R", mass, "g/mol", 237.73, 237.73, verdict, reason
    )


def _binding(person: _Person) -> ClaimResult:
    s, r = (1.0 - person.p[f"fu_{e}"] for e in "sr")
    bound = 0.5 * (s + r)
    one_inside = _inside(s, 0.10, 0.30) or _inside(r, 0.10, 0.30)
    verdict = "reproduced" if _inside(bound, 0.10, 0.30) else "partly" if one_inside else "contradicted"
    place = "inside 0.10-0.30" if verdict == "reproduced" else "above 0.30" if bound > 0.30 else "below 0.10"
    reason = (
        f"bound S {s:.2f}, R {r:.2f} (schmidt2024, an input, not a prediction): the racemate lies {place}; "
        "the esketamine label says 0.43-0.45"
    )
    return ClaimResult("P2", "low plasma protein binding", bound, "fraction bound", 0.10, 0.30, verdict, reason)


def _brain(person: _Person) -> ClaimResult:
    delay = 60.0 * (person.peak(_BOLUS, "brain_unbound")[0] - person.peak(_BOLUS, "arterial")[0])
    half = 60.0 * math.log(2.0) / person.p["k_brain"]
    reason = (
        f"after a bolus unbound brain peaks {delay:.1f} min after the artery; the half-life of {half:.1f} min is that "
        "of the effect (olofsen2022), so an upper bound for entry into brain"
    )
    verdict = "reproduced" if delay < 30.0 else "contradicted"
    return ClaimResult("P3", "brain follows plasma within minutes", delay, "min", 0.0, 30.0, verdict, reason)


def _every_route(person: _Person) -> ClaimResult:
    peaks = {name: person.peak(regimen, "venous")[1] * molar_mass("ketamine") for name, regimen in _ROUTES.items()}
    good = sum(math.isfinite(x) and x > 0.0 for x in peaks.values())
    shown = ", ".join(f"{name} {x:.0f}" for name, x in peaks.items())
    n, verdict = len(_ROUTES), "reproduced" if good == len(_ROUTES) else "contradicted"
    return ClaimResult("P4", "every route simulates", good, "routes", n, n, verdict, f"venous peaks in ng/mL: {shown}")


def _peak_time(person: _Person) -> ClaimResult:
    peak, artery = (60.0 * person.peak(_BOLUS, site)[0] for site in ("venous", "arterial"))
    reason = (
        f"a forearm vein lies behind lung mixing and forearm transit ({peak:.2f} min; the artery peaks at "
        f"{artery:.2f} min); both transit times are assumed (0.5 and 1 min): "
        "no calibration row sees the first minutes"
    )
    verdict = "reproduced" if _inside(peak, 2.0, 4.0) else "contradicted"
    return ClaimResult("P5", "peak 2-4 min after an iv bolus", peak, "min", 2.0, 4.0, verdict, reason)


def _volume(person: _Person) -> ClaimResult:
    volume, early = person.to_infinity()[1] / _WEIGHT, person.sampled_volume(8.0) / _WEIGHT
    verdict = "reproduced" if _inside(volume, 2.0, 5.0) else "partly" if _inside(early, 2.0, 5.0) else "contradicted"
    reason = (
        f"exact Vss {volume:.1f} L/kg; a study that samples to 8 h would report {early:.1f}: the figure depends on sampling time"
    )
    return ClaimResult("P6", "large distribution volume", volume, "L/kg", 2.0, 5.0, verdict, reason)


def _clearance(person: _Person) -> ClaimResult:
    clearance = person.to_infinity()[0]
    per_kg, per_min = clearance * 1000.0 / 60.0 / _WEIGHT, clearance * 1000.0 / 60.0
    verdict = "reproduced" if _inside(per_kg, 12.0, 20.0) else "partly" if _inside(per_min, 1000.0, 1600.0) else "contradicted"
    reason = f"{per_min:.0f} mL/min (claimed also as 1000-1600) or {clearance:.0f} L/h; per kg at 70 kg it is {per_kg:.1f}"
    return ClaimResult("P7", "high clearance", per_kg, "mL/min/kg", 12.0, 20.0, verdict, reason)


def _half_life(person: _Person) -> ClaimResult:
    early, late = person.half_life(2.0, 8.0), person.half_life(8.0, 24.0)
    verdict = "reproduced" if _inside(late, 2.0, 3.0) else "partly" if _inside(early, 2.0, 3.0) else "contradicted"
    reason = f"{early:.1f} h seen from 2 to 8 h, {late:.1f} h from 8 to 24 h: 2.5 h is what studies see that stop sampling early"
    return ClaimResult("P8", "half-life about 2.5 h", early, "h", 2.0, 3.0, verdict, reason)


def _affinity(person: _Person) -> ClaimResult:
    table = pd.read_csv(evidence.path("pk/enantiomer_affinity.csv"))
    ki = table.set_index("ligand")["value"]
    ratio = float(ki["r_ketamine"] / ki["s_ketamine"])
    verdict = "reproduced" if _inside(ratio, 3.0, 4.0) else "partly" if ratio > 1.0 else "contradicted"
    place = {"reproduced": "as claimed", "partly": f"same direction, ratio {'above' if ratio > 4.0 else 'below'} the claim"}
    reason = (
        f"Ki {ki['s_ketamine']:g} (S) and {ki['r_ketamine']:g} uM (R) at the PCP site of rat cortex ({table['source'].iloc[0]}), "
        f"the only source that gives both: {place.get(verdict, 'the other direction')}"
    )
    return ClaimResult(
        "E1", "S binds the NMDA receptor 3-4 times more strongly than R", ratio, "ratio Ki R/S", 3.0, 4.0, verdict, reason
    )
