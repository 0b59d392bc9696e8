"""Where the posterior is highest, and its normal approximation there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ketasim.errors import SolverFailure
from ketasim.fit.clinical._objective import Local, Objective

Floats = NDArray[np.float64]
_ROUNDS = 200
#: The mode is found when the next step would lower the negative log posterior by less than this.
_SMALL = 1e-6
_STEP = 1e-4
#: Rounds after the first, at least and at most; degrees of freedom of the proposal; the largest Pareto shape of weights that can be trusted.
_ADAPTED, _AT_MOST, _DEGREES, _TRUSTED = 2, 8, 7.0, 0.7


@dataclass(frozen=True)
class Mode:
    """The mode.

    Attributes
    ----------
    z : (coordinate,). covariance : of the normal approximation, (coordinate, coordinate). misfit : negative log posterior. rounds : taken.
    """

    z: Floats
    covariance: Floats
    misfit: float
    rounds: int

    def draws(self, rng: np.random.Generator, n: int) -> Floats:
        """Coordinates, (draw, coordinate)."""
        return rng.multivariate_normal(self.z, self.covariance, n, method="cholesky")


def find_mode(
    objective: Objective,
    start: Floats | None = None,
    rows: NDArray[np.bool_] | None = None,
    log: Callable[[str], None] = lambda _: None,
    *,
    quick: bool = False,
) -> Mode:
    """The mode, by scoring: steps along the expected information, shortened until the posterior rises.

    Parameters
    ----------
    rows : which results count; all by default. quick : take the expected information for the curvature.

    Raises
    ------
    SolverFailure: no mode is found, or the curvature there is that of a saddle.
    """
    z = np.zeros(len(objective.names)) if start is None else start.copy()
    local = objective.local(z, rows)
    for number in range(1, _ROUNDS + 1):
        step = -np.linalg.solve(local.information, local.gradient)
        promised = -0.5 * float(local.gradient @ step)
        log(f"round {number}: misfit {local.value:.4f}, to gain {promised:.2g}")
        if promised < _SMALL:
            covariance = np.linalg.inv(local.information) if quick else _covariance(objective, z, rows)
            return Mode(z, covariance, local.value, number)
        z, local = _moved(objective, z, step, local, rows)
    raise SolverFailure(f"calibration: no mode after {_ROUNDS} rounds; check the priors and the rows marked 'fit'.")


def _moved(objective: Objective, z: Floats, step: Floats, here: Local, rows: NDArray[np.bool_] | None) -> tuple[Floats, Local]:
    """A place further along the step that is better, and what the objective is there."""
    longest = float(np.abs(step).max())
    share = min(1.0, 1.5 / longest)
    for _ in range(40):
        place = z + share * step
        if objective.value(place, rows) < here.value:
            return place, objective.local(place, rows)
        share *= 0.5
    raise SolverFailure("calibration: no step lowers the misfit; the gradient and the objective disagree.")


def _covariance(objective: Objective, z: Floats, rows: NDArray[np.bool_] | None) -> Floats:
    """Inverse of the curvature, by differences of the exact gradient."""
    unit = _STEP * np.eye(len(z))
    slopes = np.array([objective.local(z + u, rows).gradient - objective.local(z - u, rows).gradient for u in unit]) / (2 * _STEP)
    curvature = 0.5 * (slopes + slopes.T)
    if np.linalg.eigvalsh(curvature)[0] <= 0:
        raise SolverFailure("calibration: the curvature at the place found is that of a saddle, not of a mode.")
    return np.linalg.inv(curvature)


@dataclass(frozen=True)
class Posterior:
    """Draws of the posterior itself, by importance sampling from its normal approximation, adapted in rounds.

    Attributes
    ----------
    z : (draw, coordinate), equally good. effective : size of an independent sample of the same worth. tail : Pareto shape of the largest
        weights; below 0.7 the weights can be trusted.
    """

    z: Floats
    effective: float
    tail: float


def sample(
    objective: Objective, mode: Mode, rng: np.random.Generator, n: int = 4000, rows: NDArray[np.bool_] | None = None
) -> Posterior:
    """Draws of the posterior, as many as asked for; the proposal is a t distribution around what was found before.

    Raises
    ------
    SolverFailure: a few places carry all the weight, so that the draws would say nothing.
    """
    z, weight = _weighted(objective, mode.z, mode.covariance, rng, n, rows)
    tail = np.inf
    for number in range(1, _AT_MOST + 1):
        z, weight = _weighted(objective, weight @ z, np.cov(z.T, aweights=weight), rng, n, rows)
        tail = _pareto_shape(weight)
        if number >= _ADAPTED and tail <= _TRUSTED:
            break
    else:
        raise SolverFailure(
            f"calibration: the weights of the draws have a Pareto shape of {tail:.2f}, above {_TRUSTED:g}: not to be trusted."
        )
    return Posterior(z[_systematic(weight, rng, n)], float(1.0 / (weight**2).sum()), tail)


def _weighted(
    objective: Objective, centre: Floats, spread: Floats, rng: np.random.Generator, n: int, rows: NDArray[np.bool_] | None
) -> tuple[Floats, Floats]:
    """Places from a t distribution, and how much of the posterior each stands for."""
    from scipy.stats import multivariate_t

    proposal = multivariate_t(centre, spread, df=_DEGREES, seed=rng)
    z = proposal.rvs(n)
    log_weight = -objective.values_at(z, rows) - proposal.logpdf(z)
    weight = np.exp(log_weight - log_weight.max())
    return z, weight / weight.sum()


def _systematic(weight: Floats, rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """Indices in proportion to weights, in random order."""
    places = (rng.random() + np.arange(n)) / n
    chosen = np.minimum(np.searchsorted(np.cumsum(weight), places), len(weight) - 1)
    return rng.permutation(chosen)


def _pareto_shape(weight: Floats) -> float:
    """Shape of a generalised Pareto distribution of the largest weights."""
    from scipy.stats import genpareto

    ordered = np.sort(weight)
    largest = int(min(0.2 * len(weight), 3.0 * np.sqrt(len(weight))))
    return float(genpareto.fit((ordered[-largest:] - ordered[-largest - 1]) / ordered[-1], floc=0.0)[0])
