"""What a disorder's equations expect of the arms of trials: means, spreads and shares, with exact derivatives.

The course is that of `ketasim.clinical`, one arm a person, all of them at once. Individuals around it are integrated by Gauss-Hermite
quadrature. Parameters may carry lanes on a leading axis; a small imaginary part in a lane gives an exact derivative (complex step).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from ketasim.clinical import Course, DisorderEntry, Patients, Session, TrialEffects
from ketasim.fit.clinical._arms import Arm, Result
from ketasim.fit.clinical._drivers import sessions_of

#: Real, or complex where a derivative is asked for.
Numbers = NDArray[Any]
#: Luck of a trial, in this order: early and late control response, drug; and of an arm.
EFFECTS = ("early", "late", "drug", "arm")
#: Step of the central difference that linearises the effects; its error is a hundred-millionth of an effect.
_STEP = 1e-4
_NODES, _raw = np.polynomial.hermite_e.hermegauss(7)
_WEIGHTS = _raw / _raw.sum()


@dataclass(frozen=True)
class Point:
    """One arm at one time, seen through one kind of result."""

    arm: int
    visit: int
    kind: str
    cut: float


@dataclass(frozen=True)
class Expected:
    """Expectations of results, (lane, result), and how the luck of a trial or an arm moves them, (effect, lane, point)."""

    value: Numbers
    moved: Numbers


@dataclass(frozen=True)
class Design:
    """Arms, points and results of one calibration.

    Attributes
    ----------
    sessions : of all arms. visits : h. baseline, baseline_sd : points, (arm,). mix : (result, point), 1, and -1 for the arm compared with.
    """

    entry: DisorderEntry
    results: tuple[Result, ...]
    arms: tuple[Arm, ...]
    switches: Mapping[str, NDArray[np.float64]]
    sessions: tuple[Session, ...]
    visits: NDArray[np.float64]
    points: tuple[Point, ...]
    mix: NDArray[np.float64]

    @property
    def baseline(self) -> NDArray[np.float64]:
        """Mean severity at the start, (arm,)."""
        return np.array([arm.baseline for arm in self.arms])

    @property
    def baseline_sd(self) -> NDArray[np.float64]:
        """SD of severity at the start, (arm,)."""
        return np.array([arm.baseline_sd for arm in self.arms])

    def expected(self, p: Mapping[str, Numbers]) -> Expected:
        """Expectations; p : parameter -> number, or (lane, 1)."""
        steps = _STEP * np.concatenate([np.zeros((1, 4)), np.eye(4), -np.eye(4)])
        luck = TrialEffects(*(column[:, None, None] for column in steps.T))  # type: ignore[arg-type]
        latent = self.latent(p, luck)
        arm, visit = (np.array([getattr(point, name) for point in self.points]) for name in ("arm", "visit"))
        seen = self._seen(latent[..., visit, arm], p)
        seen = seen if seen.ndim == 3 else seen[:, None]
        return Expected(seen[0] @ self.mix.T, (seen[1:5] - seen[5:]) / (2.0 * _STEP))

    def latent(self, p: Mapping[str, Numbers], luck: TrialEffects | None = None) -> Numbers:
        """Latent improvement, (..., visit, arm), along the course of the clinical layer."""
        n = len(self.arms)
        people = Patients(np.arange(n), {self.entry.scale.id: self.baseline}, np.zeros(n), 0, typical=True)
        course = Course(self.entry, self.switches, people, p, luck)  # type: ignore[arg-type]
        carry, found = course.start(), []
        agenda = sorted([(t, 0, k) for k, t in enumerate(self.visits)] + [(s.time, 1, k) for k, s in enumerate(self.sessions)])
        for time, is_session, k in agenda:
            carry = course.advance(carry, time)
            if is_session:
                carry = course.treat(carry, self.sessions[k].s_ketamine, self.sessions[k].r_ketamine)
            else:
                found.append(course.latents(carry)[self.entry.scale.id])
        return np.stack(np.broadcast_arrays(*found), axis=-2)

    def _seen(self, latent: Numbers, p: Mapping[str, Numbers]) -> Numbers:
        """What every point shows at a latent improvement, (..., point)."""
        seen = np.empty_like(latent)
        for kind, look in (("change", _change), ("spread", _spread), ("response", _response), ("remission", _remission)):
            chosen = np.array([point.kind == kind for point in self.points])
            if chosen.any():
                arms = np.array([point.arm for point in self.points])[chosen]
                cut = np.array([point.cut for point in self.points])[chosen]
                seen[..., chosen] = look(_Individuals(self, arms, cut, latent[..., chosen], p))
        return seen


class _Individuals:
    """People around the typical one: logits of severity at the start and later, at the nodes of the quadrature."""

    def __init__(self, design: Design, arms: NDArray[np.int64], cut: Numbers, latent: Numbers, p: Mapping[str, Numbers]) -> None:
        self.scale, self.cut, self.latent = design.entry.scale, cut, latent
        mean, sd = design.baseline[arms], design.baseline_sd[arms]
        span = self.scale.high - self.scale.low
        self.start = self.scale.latent(mean)
        share = (mean - self.scale.low) / span
        self.start_sd = sd / (span * share * (1.0 - share))
        self.width = p["w0"] + p["w1"] * np.maximum(latent, 0.0)

    def at_start(self) -> Numbers:
        """Logits at the start, (..., point, node)."""
        return self.start[..., None] + self.start_sd[..., None] * _NODES


def _change(who: _Individuals) -> Numbers:
    """Mean change, points."""
    both = np.sqrt(who.start_sd**2 + who.width**2)
    later = who.scale.score((who.start - who.latent)[..., None] + both[..., None] * _NODES)
    return (later - who.scale.score(who.at_start())) @ _WEIGHTS


def _spread(who: _Individuals) -> Numbers:
    """Logarithm of the SD of the change, points."""
    start = who.at_start()
    later = start[..., None] - who.latent[..., None, None] + who.width[..., None, None] * _NODES
    change = who.scale.score(later) - who.scale.score(start)[..., None]
    mean, square = ((x @ _WEIGHTS) @ _WEIGHTS for x in (change, change**2))
    return 0.5 * np.log(square - mean**2)


def _response(who: _Individuals) -> Numbers:
    """Probit of the share that responds; scores are whole points, as `Scale.responds` counts."""
    start = who.at_start()
    scale, score = who.scale, who.scale.score(start)
    needed = scale.latent(
        np.clip(scale.low + (score - scale.low) * (1.0 - scale.response) + 0.25, scale.low + 0.06, scale.high - 0.06)
    )
    share = ndtr((needed - start + who.latent[..., None]) / who.width[..., None]) @ _WEIGHTS
    return probit(share)


def _remission(who: _Individuals) -> Numbers:
    """Probit of the share at or below the cut-off."""
    both = np.sqrt(who.start_sd**2 + who.width**2)
    return (who.scale.latent(who.cut + 0.5) - who.start + who.latent) / both


def probit(share: Numbers) -> Numbers:
    """Normal quantile, kept off 0 and 1; with the derivative of a complex step."""
    from scipy.special import ndtri

    real = np.clip(share.real, 1e-6, 1.0 - 1e-6)
    x = ndtri(real)
    if not np.iscomplexobj(share):
        return x
    inside = (share.real == real) * np.sqrt(2.0 * np.pi) * np.exp(0.5 * x**2)
    return x + 1j * share.imag * inside


def make_design(entry: DisorderEntry, results: Sequence[Result]) -> Design:
    """Arms and times of results, in one course."""
    arms = tuple({one.key: one for r in results for one in (r.arm, r.against) if one is not None}.values())
    place = {arm.key: k for k, arm in enumerate(arms)}
    visits = np.unique([r.time for r in results])
    points: dict[Point, int] = {}
    mix = np.zeros((len(results), 2 * len(results)))
    for i, r in enumerate(results):
        for arm, sign in ((r.arm, 1.0), (r.against, -1.0)):
            if arm is not None:
                kind = "change" if r.kind == "difference" else r.kind
                cut = r.cut if r.cut == r.cut else entry.scale.remission
                point = Point(place[arm.key], int(np.searchsorted(visits, r.time)), kind, cut)
                mix[i, points.setdefault(point, len(points))] = sign
    known = entry.equations.switches
    switches = {name: np.array([arm.switches.get(name, 0.0) for arm in arms]) for name in known}
    sessions = tuple(sessions_of([arm.regimen for arm in arms]))
    return Design(entry, tuple(results), arms, switches, sessions, visits, tuple(points), mix[:, : len(points)])
