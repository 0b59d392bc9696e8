"""The posterior of the reference model: log-normal observations, partially pooled by study and analyte."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ketasim.fit._observations import Observation
from ketasim.fit._predict import Plan, Situation, make_plan, predict
from ketasim.fit._priors import Priors
from ketasim.fit._typical import typical
from ketasim.model import Model

_TYPICAL_STATISTICS = ("model_typical",)


@dataclass(frozen=True)
class Block:
    """Rows of one study and analyte, which share an offset. `sd` within the study, log scale, (row,)."""

    study: str
    analyte: str
    rows: np.ndarray
    sd: np.ndarray


@dataclass(frozen=True)
class Objective:
    """Data and priors of one calibration, ready to be evaluated."""

    plan: Plan
    priors: Priors
    observations: tuple[Observation, ...]
    log_observed: np.ndarray
    blocks: tuple[Block, ...]

    def predictions(self, z: Any, xp: Any) -> Any:
        """Predicted values of the used rows at coordinates z, (row,), in the units of the rows."""
        values = self.priors.values(z, xp)
        own = {name: x for name, x in values.items() if "." not in name}

        def parameters(of: Situation) -> dict[str, Any]:
            drug = of[1]
            changed = {name.split(".", 1)[1]: x for name, x in values.items() if drug and name.startswith(f"{drug}.")}
            return typical(self.plan.model, dict(of[0]), own, changed)

        return xp.stack([xp.asarray(x) for x in predict(self.plan, parameters, xp)])

    def negative_log_posterior(self, z: Any, xp: Any) -> Any:
        """Up to a constant; z are standard normal under the prior, study offsets are integrated out exactly."""
        values = self.priors.values(z, xp)
        residual = self.log_observed - xp.log(self.predictions(z, xp))
        total = 0.5 * xp.sum(z**2)
        for block in self.blocks:
            r, weight = residual[block.rows], 1.0 / block.sd**2
            tau = values[f"tau.{block.analyte}"] if block.analyte else 0.0
            inflation = 1.0 + tau**2 * weight.sum()
            total = total + 0.5 * (xp.sum(weight * r**2) - (tau * xp.sum(weight * r)) ** 2 / inflation + xp.log(inflation))
        return total


def make_objective(model: Model, observations: Sequence[Observation], priors: Priors) -> Objective:
    """Objective on the rows marked calibration that the model can predict."""
    chosen = [o for o in observations if o.use == "calibration"]
    plan = make_plan(model, chosen)
    used = tuple(o for i, o in enumerate(chosen) if i not in plan.problems)
    plan = make_plan(model, used)
    groups: dict[tuple[str, str], list[int]] = {}
    for i, o in enumerate(used):
        key = (f"{o.study}/row {o.row}", "") if o.metric == "covariate_ratio" else (o.study, _analyte_class(o.analyte))
        groups.setdefault(key, []).append(i)
    blocks = tuple(
        Block(study, analyte, np.array(rows), np.array([row_sd(used[i], priors) for i in rows]))
        for (study, analyte), rows in groups.items()
    )
    return Objective(plan, priors, used, np.array([math.log(typical_value(o)) for o in used]), blocks)


def _analyte_class(analyte: str) -> str:
    return analyte[2:] if analyte[:2] in ("s_", "r_") else analyte


def typical_value(o: Observation) -> float:
    """Observed value as that of a typical person: an arithmetic mean with its SD becomes the geometric mean of a log-normal."""
    if o.statistic == "mean" and math.isfinite(o.sd):
        return o.value / math.sqrt(1.0 + (o.sd / o.value) ** 2)
    return o.value


def row_sd(o: Observation, priors: Priors) -> float:
    """SD of a row on the log scale: within-study misfit, sampling error of the mean, reading error of a figure."""
    settings = priors.settings
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


def jax_objective(objective: Objective) -> Callable[[Any], Any]:
    """The negative log posterior as a JAX function of z."""
    import jax.numpy as jnp

    return lambda z: objective.negative_log_posterior(z, jnp)
