"""Where a new study should find what was observed: draws of the model in new studies, and the row's own error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ketasim.errors import KetasimError
from ketasim.fit import Observation, Plan, predict, row_sd, typical
from ketasim.library import comedication
from ketasim.population import multiplier_values, typical_values

#: 90 % of a normal distribution lie within so many SDs.
_WITHIN = 1.6449
_SEED = 1


def new_study_sd(plan: Plan, rows: Sequence[Observation], draws: int) -> NDArray[np.float64]:
    """SD of the log of what a new study would report for every row, (row,).

    Parameters
    ----------
    plan : of these rows, all of which the model predicts. draws : of the model's typical values in a new study, the same that
        ``simulate --draws`` takes.
    """
    drugs = {o.comedication: comedication(o.comedication) for o in rows if o.comedication}
    drawn = np.array([_drawn(plan, drugs, k) for k in range(draws)])
    own = np.array([row_sd(o) for o in rows])
    return np.sqrt(drawn.var(axis=0, ddof=1) + own**2)


def _drawn(plan: Plan, drugs: Mapping[str, object], k: int) -> NDArray[np.float64]:
    """Logarithms of the predictions in one new study, (row,)."""
    values = typical_values(plan.model, k, _SEED, between_study=True)
    effects = {
        name: multiplier_values(plan.model, name, drug.multipliers, k, _SEED, drug.between_study)  # type: ignore[attr-defined]
        for name, drug in drugs.items()
    }
    predicted = np.array(
        [float(x) for x in predict(plan, lambda of: typical(plan.model, dict(of[0]), values, effects.get(of[1])))]
    )
    return np.log(np.where(predicted > 0.0, predicted, np.nan))


def interval(predicted: float, sd: float) -> tuple[float, float]:
    """The 90 % interval around a prediction."""
    return predicted * float(np.exp(-_WITHIN * sd)), predicted * float(np.exp(_WITHIN * sd))


def says_how_sure(plan: Plan) -> bool:
    """Whether draws of the model's typical values can be made."""
    try:
        drawn = typical_values(plan.model, 0, _SEED)
    except KetasimError:
        return False
    return drawn != typical_values(plan.model, None, _SEED)
