"""Mode and normal approximation of a posterior, by Gauss-Newton steps, and what it says of studies that are left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ketasim.errors import SolverFailure
from ketasim.fit._objective import Linear, Objective

Floats = NDArray[np.float64]
_ROUNDS, _SMALL = 30, 0.01
_SHORTER = (1.0, 0.5, 0.25, 0.1, 0.03)


@dataclass(frozen=True)
class Mode:
    """Where the posterior is highest, and its normal approximation there.

    Attributes
    ----------
    linear : predictions around it. taus : group -> SD between studies. covariance : (parameter, parameter), in coordinates.
    tau_covariance : (group, group), in the coordinates of the SDs. misfit : negative log posterior, up to a constant.
    """

    linear: Linear
    taus: Mapping[str, float]
    covariance: Floats
    tau_covariance: Floats
    misfit: float

    def draws(self, rng: np.random.Generator, n: int) -> Floats:
        """Coordinates, (n, quantity): parameters and SDs between studies apart."""
        steps = [
            rng.multivariate_normal(np.zeros(len(c)), c, n, method="cholesky") for c in (self.covariance, self.tau_covariance)
        ]
        return self.linear.z + np.concatenate(steps, axis=1)


def find_mode(objective: Objective, log: Callable[[str], None]) -> Mode:
    """Gauss-Newton from the prior medians: slopes, SDs between studies that suit them best, one step; until nothing moves.

    The SDs maximise the likelihood with study effects and parameters integrated out (of the linear model): a joint mode would
    draw them to zero, as studies that agree with the model seem to need none.
    """
    n = len(objective.priors.parameters)
    z = np.zeros(len(objective.priors.all))
    for number in range(_ROUNDS):
        linear = objective.linear(z)
        z = np.concatenate([z[:n], _best_taus(objective, linear)])
        taus = _taus(objective, z)
        inverse = np.linalg.inv(objective.covariance(linear, taus))
        wanted = solved(objective, linear, taus)[0]
        place, misfit = _step(objective, linear, z, wanted, inverse)
        moved = float(np.abs(place - linear.z)[:n].max())
        log(f"round {number + 1}: misfit {misfit:.3f}, largest step {moved:.3f} prior SDs")
        z = place
        if moved < _SMALL:
            break
    else:
        raise SolverFailure(f"calibrate pk: no mode after {_ROUNDS} rounds; check the priors and the rows marked calibration.")
    linear = objective.linear(z)
    taus = _taus(objective, z)
    return Mode(linear, taus, solved(objective, linear, taus)[1], _tau_covariance(objective, linear, z[n:]), misfit)


def solved(
    objective: Objective, linear: Linear, taus: Mapping[str, float], rows: NDArray[np.bool_] | None = None
) -> tuple[Floats, Floats]:
    """Posterior mean and covariance of the parameters' coordinates in the linear model, from some of the rows."""
    n = len(objective.priors.parameters)
    use = np.arange(len(objective.sd)) if rows is None else np.flatnonzero(rows)
    slopes = linear.by_quantity[use, :n]
    target = (objective.log_observed - linear.log_predicted)[use] + slopes @ linear.z[:n]
    gain = np.linalg.solve(objective.covariance(linear, taus)[np.ix_(use, use)] + slopes @ slopes.T, slopes).T
    return gain @ target, np.eye(n) - gain @ slopes


def _step(objective: Objective, linear: Linear, z: Floats, wanted: Floats, inverse: Floats) -> tuple[Floats, float]:
    """The part of a step that lowers the misfit of the model itself."""
    n = len(wanted)

    def misfit(place: Floats) -> float:
        residual = objective.log_observed - objective.log_predictions(place)
        return 0.5 * float(residual @ inverse @ residual + place[:n] @ place[:n])

    here = misfit(z)
    for share in _SHORTER:
        place = z.copy()
        place[:n] += share * (wanted - z[:n])
        found = misfit(place)
        if found < here:
            return place, found
    return z, here


def _taus(objective: Objective, z: Floats) -> dict[str, float]:
    values = objective.priors.values(z, np)
    return {prior.name: float(values[prior.name]) for prior in objective.priors.between_study}


def _evidence(objective: Objective, linear: Linear) -> Callable[[Floats], float]:
    """Negative log of the density of the SDs' coordinates, parameters and study effects integrated out."""
    n = len(objective.priors.parameters)
    slopes = linear.by_quantity[:, :n]
    target = objective.log_observed - linear.log_predicted + slopes @ linear.z[:n]

    def value(u: Floats) -> float:
        taus = _taus(objective, np.concatenate([linear.z[:n], u]))
        factor = np.linalg.cholesky(objective.covariance(linear, taus) + slopes @ slopes.T)
        white = np.linalg.solve(factor, target)
        return float(0.5 * white @ white + np.log(np.diag(factor)).sum() + 0.5 * u @ u)

    return value


def _best_taus(objective: Objective, linear: Linear) -> Floats:
    from scipy.optimize import minimize

    start = linear.z[len(objective.priors.parameters) :]
    return np.asarray(minimize(_evidence(objective, linear), start, method="L-BFGS-B", options={"maxiter": 30}).x)


def _tau_covariance(objective: Objective, linear: Linear, u: Floats, step: float = 0.1) -> Floats:
    """From second differences, never wider than the prior by much."""
    value, unit = _evidence(objective, linear), step * np.eye(len(u))
    hessian = np.array([[value(u + a + b) - value(u + a - b) - value(u - a + b) + value(u - a - b) for b in unit] for a in unit])
    eigenvalues, vectors = np.linalg.eigh(hessian / (4.0 * step**2))
    return (vectors / np.maximum(eigenvalues, 0.5)) @ vectors.T
