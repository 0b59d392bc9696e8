"""The posterior of the reference model: log-normal observations, and parameters that differ from study to study."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ketasim.fit._observations import Observation
from ketasim.fit._predict import Plan, Situation, make_plan, predict
from ketasim.fit._priors import Priors, load_priors
from ketasim.fit._typical import typical
from ketasim.library import comedication
from ketasim.model import Model, StudyEffect
from ketasim.population import moved, shifted

Floats = NDArray[np.float64]
_TYPICAL_STATISTICS = ("model_typical",)
#: Step of the difference quotients, in prior SDs or on the scale of an effect: small against what the model bends over.
_STEP = 0.02


@dataclass(frozen=True)
class Linear:
    """The logarithms of the predictions around one place.

    Attributes
    ----------
    z : (quantity,), the place. log_predicted : (row,). by_quantity : (row, quantity), slopes in z. by_effect : (row, effect), slopes in
    the shifts of a study.
    """

    z: Floats
    log_predicted: Floats
    by_quantity: Floats
    by_effect: Floats


@dataclass(frozen=True)
class Objective:
    """Data and priors of one calibration, ready to be evaluated.

    `sd` is that of each row within its study, on the log scale; `effects` are those of the priors, and one of every interaction.
    """

    plan: Plan
    priors: Priors
    observations: tuple[Observation, ...]
    log_observed: Floats
    sd: Floats
    effects: tuple[StudyEffect, ...]

    @cached_property
    def same_study(self) -> NDArray[np.bool_]:
        """Whether two rows are of one study, (row, row)."""
        studies = np.array([o.study for o in self.observations])
        return studies[:, None] == studies[None, :]

    def log_predictions(self, z: Floats, effect: StudyEffect | None = None, shift: float = 0.0) -> Floats:
        """Logarithms of the predicted values of the used rows at coordinates z, (row,), in the units of the rows.

        effect, shift : moves what differs in one study.
        """
        values, model = self.priors.values(z, np), self.plan.model
        own = {name: x for name, x in values.items() if "." not in name}
        if effect and effect.group != "interaction":
            own |= shifted({**model.typical(), **own}, effect.on, shift, model.params)

        def parameters(of: Situation) -> dict[str, Any]:
            drug = of[1]
            own_shift = shift if effect and effect.name == f"interaction/{drug}" else 0.0
            changed = {
                name.split(".", 1)[1]: moved(x, own_shift, x < 1.0)
                for name, x in values.items()
                if drug and name.startswith(f"{drug}.")
            }
            return typical(model, dict(of[0]), own, changed)

        return np.log(np.array([float(x) for x in predict(self.plan, parameters)]))

    def linear(self, z: Floats) -> Linear:
        """Slopes by one-sided difference quotients."""
        here = self.log_predictions(z)
        places = z + _STEP * np.eye(len(self.priors.parameters), len(z))
        by_quantity = np.zeros((len(here), len(z)))  # SDs between studies move no prediction
        for k, place in enumerate(places):
            by_quantity[:, k] = (self.log_predictions(place) - here) / _STEP
        by_effect = [(self.log_predictions(z, effect, _STEP) - here) / _STEP for effect in self.effects]
        return Linear(z, here, by_quantity, np.array(by_effect).T.reshape(len(here), len(self.effects)))

    def spread(self, taus: Mapping[str, float]) -> Floats:
        """SD of every effect, (effect,), at SDs between studies by group."""
        return np.array([taus.get(f"tau.{effect.group}", effect.sd) for effect in self.effects])

    def covariance(self, linear: Linear, taus: Mapping[str, float]) -> Floats:
        """Of the rows' logarithms around a model that is right on average, (row, row)."""
        shifts = linear.by_effect * self.spread(taus)
        return np.diag(self.sd**2) + np.where(self.same_study, shifts @ shifts.T, 0.0)


def make_objective(model: Model, observations: Sequence[Observation], priors: Priors) -> Objective:
    """Objective on the rows marked calibration that the model can predict."""
    chosen = [o for o in observations if o.use == "calibration"]
    plan = make_plan(model, chosen)
    used = tuple(o for i, o in enumerate(chosen) if i not in plan.problems)
    drugs = dict.fromkeys(o.comedication for o in used if o.comedication)
    interactions = tuple(
        StudyEffect(f"interaction/{d}", s, (), "interaction") for d in drugs if (s := comedication(d).between_study)
    )
    observed = np.array([math.log(typical_value(o)) for o in used])
    sd = np.array([row_sd(o, priors) for o in used])
    return Objective(make_plan(model, used), priors, used, observed, sd, priors.effects + interactions)


def typical_value(o: Observation) -> float:
    """Observed value as that of a typical person: an arithmetic mean with its SD becomes the geometric mean of a log-normal."""
    if o.statistic == "mean" and math.isfinite(o.sd):
        return o.value / math.sqrt(1.0 + (o.sd / o.value) ** 2)
    return o.value


def row_sd(o: Observation, priors: Priors | None = None) -> float:
    """SD of a row on the log scale: within-study misfit, sampling error of the mean, reading error of a figure."""
    settings = (priors or load_priors()).settings
    variance = settings["within_study"][o.metric] ** 2
    if math.isfinite(o.sd) and math.isfinite(o.n):
        variance += math.log(1.0 + (o.sd / o.value) ** 2) / o.n
    elif o.study in settings["digitised"] and o.source.endswith("digitised"):
        variance += (settings["digitised"][o.study] / o.value) ** 2
    elif o.statistic not in _TYPICAL_STATISTICS:
        variance += (
            settings["unreported"]["cv"] ** 2 / o.n if math.isfinite(o.n) else settings["unreported"]["typical_value"] ** 2
        )
    return math.sqrt(variance)
