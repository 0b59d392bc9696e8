"""How much the calibration learned of each parameter from data, against the prior it began with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ketasim.arguments import checked
from ketasim.fit._priors import load_priors

#: Source key of what the calibration estimated.
CALIBRATED = "ketasim_calibration"


@checked
def learned(posterior: Mapping[str, Any]) -> dict[str, float]:
    """1 - posterior variance / prior variance of every calibrated quantity, on the log or logit scale; 0 means that it is its prior.

    Parameters
    ----------
    posterior : quantity -> draws, as the reference model carries them (``Part.info["posterior"]``).

    Returns
    -------
    quantity -> share; of those that have both a prior and draws.
    """
    priors = {prior.name: prior for prior in load_priors().parameters}
    found: dict[str, float] = {}
    for name, prior in priors.items():
        if name not in posterior:
            continue
        variance, beside = prior.sd**2, prior.beside
        while beside:  # its deviation from the median adds the own one to that of the other
            variance, beside = variance + priors[beside].sd ** 2, priors[beside].beside
        shifts = np.array([prior.shift(float(value)) for value in np.atleast_1d(posterior[name])])
        found[name] = float(1.0 - np.var(shifts) / variance)
    return found
