"""What the calibration says of studies it has not seen: each study of the calibration is left out in turn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ketasim.fit._calibrate_pk import MODEL
from ketasim.fit._objective import make_objective
from ketasim.fit._observations import Observation, package_observations
from ketasim.fit._posterior import solved
from ketasim.fit._priors import load_priors
from ketasim.library import comedication, load
from ketasim.model import assemble
from ketasim.population import study_effects

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LeftOut:
    """Predictions of calibration rows by a calibration that has not seen their study.

    Attributes
    ----------
    observations : the rows. log_observed, log_predicted : (row,), on the scale of a typical person. sd : (row,) of the log of what a new
    study would report: parameters as far as they are known without it, what differs between studies, and the row's own error.
    """

    observations: tuple[Observation, ...]
    log_observed: Floats
    log_predicted: Floats
    sd: Floats


def leave_one_study_out() -> LeftOut:
    """Every study of the calibration left out in turn.

    Notes
    -----
    The calibration without a study is that of the linear model around the stored mode, with the stored SDs between studies: one
    solution of linear equations a study, instead of a calibration.
    """
    priors, model = load_priors(), assemble(load(MODEL))
    objective = make_objective(model, package_observations(), priors)
    taus = {f"tau.{effect.group}": effect.sd for effect in study_effects(model)}
    stored = {
        prior.name: comedication(drug).multipliers[name].value if drug else model.numbers[name].value
        for prior in priors.parameters
        for drug, _, name in [prior.name.rpartition(".")]
    }
    z = np.array(priors.coordinates(stored | taus))
    linear, n = objective.linear(z), len(priors.parameters)
    slopes, moved = linear.by_quantity[:, :n], linear.by_effect * objective.spread(taus)
    predicted, variance = np.empty(len(objective.sd)), np.empty(len(objective.sd))
    studies = np.array([o.study for o in objective.observations])
    for study in dict.fromkeys(studies):
        out = studies == study
        mean, covariance = solved(objective, linear, taus, ~out)
        predicted[out] = linear.log_predicted[out] + slopes[out] @ (mean - z[:n])
        variance[out] = np.einsum("ij,jk,ik->i", slopes[out], covariance, slopes[out]) + (moved[out] ** 2).sum(axis=1)
    return LeftOut(objective.observations, objective.log_observed, predicted, np.sqrt(variance + objective.sd**2))
