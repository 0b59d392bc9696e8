"""One adverse event term: its likelihood over studies, and draws of its posterior.

A person has the reaction when the effect site exceeds a threshold of the person's own, or has it anyway. With F(C50) the share of simulated
people over their threshold and b the share without the drug, a study sees ``1 - (1 - b)(1 - F)`` with the drug and b without. Studies
differ in ``log C50`` (SD tau) and in ``logit b`` (SD tau_background); both are integrated out on a grid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit, logsumexp, ndtr
from scipy.stats import multivariate_t

Floats = NDArray[np.float64]
NAMES = ("C50", "background", "tau", "tau_background")
#: Scale of each, prior median and prior SD on it. C50: between unnoticed and everybody at clinical doses. tau: of studies of one term
#: collected in like ways; half a unit is the spread of placebo shares of one term between trials.
PRIORS = {
    "C50": ("log", 2000.0, 1.5), "background": ("logit", 0.07, 1.2), "tau": ("log", 0.5, 0.5), "tau_background": ("log", 0.5, 0.5),
}  # fmt: skip
_GRID = np.linspace(np.log(20.0), np.log(1e6), 109)
#: Nodes of a standard normal: evenly spaced and dense, as a large study tells its own share to a tenth of what studies differ by.
_NODES = np.linspace(-3.5, 3.5, 57)
_WEIGHTS = np.exp(-0.5 * _NODES**2)
#: Nodes over people, whose curve is smooth: a few are enough.
_PERSON, _PERSON_WEIGHTS = np.polynomial.hermite_e.hermegauss(13)
_PEOPLE, _DRAWS, _FREEDOM = 200, 600, 5.0
#: Rounds of adaptation: at least, and at most while draws are worth fewer than wanted.
_LEAST_ROUNDS, _MOST_ROUNDS, _WANTED = 3, 10, 200
_CENTRE = np.array([logit(m) if form == "logit" else np.log(m) for form, m, _ in PRIORS.values()])
_SPREAD = np.array([sd for _, _, sd in PRIORS.values()])


@dataclass(frozen=True)
class TermRow:
    """One published share of people with an adverse event.

    Attributes
    ----------
    study, regimen : who, and what was given. peaks : highest effect-site concentration of S-ketamine, ng/mL, (session, person).
    share : ``ever`` (of people), ``first`` (of people, first session) or ``per_session``. with_drug : people who had it, and of how many.
    without : the same of a comparator; None where there was none. line : in the table.
    trials : how many were pooled; what trials differ by averages out over them.
    """

    study: str
    regimen: str
    peaks: Floats
    share: str
    with_drug: tuple[float, float]
    without: tuple[float, float] | None = None
    line: int = 0
    trials: int = 1


@dataclass(frozen=True)
class TermFit:
    """Posterior of one term.

    Attributes
    ----------
    draws : (draw, parameter) of `NAMES`, as the numbers themselves. median, se, learned : (parameter,); the standard error on the scale of the
        prior, and the share of the prior's variance that the data removed. effective : what the draws are worth. rows : fitted.
    """

    draws: Floats
    median: Floats
    se: Floats
    learned: Floats
    effective: float
    rows: tuple[TermRow, ...] = field(repr=False)


@dataclass(frozen=True)
class People:
    """How thresholds differ: SD of their logarithm, and the share of its variance that belongs to the person."""

    spread: float
    r_person: float


def fit_term(rows: Sequence[TermRow], people: People, seed: int = 1, curves: Sequence[Floats] | None = None) -> TermFit:
    """Posterior of a term by importance sampling around its mode. Takes a second.

    Parameters
    ----------
    curves : of `over_threshold`, row by row, where they are known already.

    Raises
    ------
    ValueError: no row.
    """
    if not rows:
        raise ValueError("no row to fit")
    shapes = [over_threshold(row, people) for row in rows] if curves is None else curves

    def log_density(z: Floats) -> Floats:
        return _log_posterior(np.atleast_2d(z), rows, shapes)

    def misfit(z: Floats) -> float:
        return -float(log_density(z)[0])

    best = minimize(misfit, np.zeros(4), method="Nelder-Mead", options={"maxiter": 600, "xatol": 1e-2, "fatol": 1e-3})
    z, weight = _importance(log_density, best.x, np.linalg.inv(_curvature(misfit, best.x)), seed)
    kept = z[np.random.default_rng([seed, 12]).choice(len(z), len(z), p=weight)]
    draws = np.stack([_natural(name, kept[:, k]) for k, name in enumerate(NAMES)], axis=1)
    spread = kept.std(axis=0)
    return TermFit(
        draws, np.median(draws, axis=0), spread * _SPREAD, np.clip(1 - spread**2, 0, 1), float(1 / (weight**2).sum()), tuple(rows)
    )


def _importance(log_density: Callable[[Floats], Floats], centre: Floats, shape: Floats, seed: int) -> tuple[Floats, Floats]:
    """Draws and their weights; each round proposes from what the one before found."""
    z, weight = np.empty((0, len(centre))), np.empty(0)
    for number in range(_MOST_ROUNDS):
        if number >= _LEAST_ROUNDS and 1 / float((weight**2).sum()) >= _WANTED:
            break
        proposal = multivariate_t(centre, 1.2 * shape, df=_FREEDOM, seed=np.random.default_rng([seed, 11, number]))
        z = proposal.rvs(_DRAWS)
        log_weight = log_density(z) - proposal.logpdf(z)
        weight = np.exp(log_weight - logsumexp(log_weight))
        tame = np.minimum(weight, np.quantile(weight, 0.99))  # one heavy draw must not make the next proposal a point
        tame /= tame.sum()
        centre = tame @ z
        shape = np.cov(z.T, aweights=tame) + 1e-6 * np.eye(len(centre))
    return z, weight


def over_threshold(row: TermRow, people: People) -> Floats:
    """Share of people over their threshold at every C50 of the grid, before a study differs.

    What a session adds is integrated by its normal distribution, what lasts in a person by quadrature: the curve is smooth in C50.
    """
    peaks = row.peaks[:1] if row.share == "first" else row.peaks
    with np.errstate(divide="ignore"):
        level = np.log(np.maximum(peaks, 0.0))[:, :_PEOPLE, None] + people.spread * np.sqrt(people.r_person) * _PERSON
    session = people.spread * np.sqrt(1.0 - people.r_person)
    spared = [ndtr((c - level) / session) for c in _GRID]
    none = [one.prod(axis=0).mean(axis=0) if row.share == "ever" else one.mean(axis=(0, 1)) for one in spared]
    return 1.0 - np.array(none) @ (_PERSON_WEIGHTS / _PERSON_WEIGHTS.sum())


def shares(curve: Floats, log_c50: Floats, background: Floats) -> Floats:
    """Share of people who have it with the drug."""
    return 1.0 - (1.0 - background) * (1.0 - np.interp(log_c50, _GRID, curve))


def _natural(name: str, z: Floats) -> Floats:
    form, _, sd = PRIORS[name]
    moved = _CENTRE[NAMES.index(name)] + sd * z
    return expit(moved) if form == "logit" else np.exp(moved)


def _log_posterior(z: Floats, rows: Sequence[TermRow], curves: Sequence[Floats]) -> Floats:
    """Of standardised coordinates (draw, parameter); studies are integrated out over nodes (draw, node with drug, node without)."""
    log_c50, at_background, log_tau, log_tau_b = (_CENTRE + _SPREAD * z).T
    weights = np.log(np.outer(_WEIGHTS, _WEIGHTS) / _WEIGHTS.sum() ** 2)
    total: Floats = -0.5 * (z**2).sum(axis=1)
    for study in dict.fromkeys(row.study for row in rows):
        seen: Floats = np.zeros((len(z), len(_NODES), len(_NODES)))
        told, mine = set[tuple[float, float]](), [row for row in rows if row.study == study]
        away = _NODES / np.sqrt(mine[0].trials)
        c50 = (log_c50[:, None] + np.exp(log_tau)[:, None] * away)[:, :, None]
        background = expit(at_background[:, None] + np.exp(log_tau_b)[:, None] * away)[:, None, :]
        for row, curve in zip(rows, curves, strict=True):
            if row.study != study:
                continue
            seen += _binomial(row.with_drug, shares(curve, c50, background))
            if row.without and row.without not in told:  # one comparator stands beside several doses: it counts once
                told.add(row.without)
                seen += _binomial(row.without, background)
        total += np.asarray(logsumexp(seen + weights, axis=(1, 2)))
    return total


def _binomial(seen: tuple[float, float], share: Floats) -> Floats:
    """Log likelihood of so many of so many, but for a constant; a printed percentage need not be a whole person."""
    k, n = seen
    share = np.clip(share, 1e-9, 1 - 1e-9)
    return k * np.log(share) + (n - k) * np.log1p(-share)


def _curvature(function: Callable[[Floats], float], at: Floats, step: float = 0.05) -> Floats:
    """Second derivatives by central differences."""
    n = len(at)
    out, eye = np.empty((n, n)), step * np.eye(n)
    for i in range(n):
        for j in range(i, n):
            ends = [function(at + a * eye[i] + b * eye[j]) * a * b for a in (1, -1) for b in (1, -1)]
            out[i, j] = out[j, i] = sum(ends) / (4 * step**2)
    low = max(1e-3 - float(np.linalg.eigvalsh(out).min()), 0.0)
    return out + low * np.eye(n)
