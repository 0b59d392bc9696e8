"""Plausible versions of the numbers of a disorder or a side effect: draws from what the fit left open."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ketasim.clinical._declare import DisorderEntry, Floats, Prior
from ketasim.clinical._safety import Endpoint
from ketasim.population import normal, uniform


def drawn_values(entry: DisorderEntry | Endpoint, draw: int, seed: int) -> dict[str, Floats]:
    """Every parameter in one draw: calibrated ones from the entry's joint posterior, other estimated ones from their normal or log-normal
    posterior, the rest as they stand.

    Correlations of estimates are kept; draws depend on seed and number only, those of a joint posterior on the number alone. In the share
    ``null`` of draws the drug does nothing.
    """
    values = entry.typical()
    joint: Mapping[str, Floats] = getattr(entry, "posterior", {})
    for name, draws in joint.items():
        values[name] = draws[draw % len(draws)]
    names = [name for name in entry.priors if name not in joint]
    steps = np.array([normal(seed, np.array([draw]), f"draw/{entry.id}/{name}")[0] for name in names])
    steps = np.linalg.cholesky(_correlation(entry, names)) @ steps
    for name, step in zip(names, steps, strict=True):
        prior = entry.priors[name]
        values[name] = _moved(values[name], prior, step)
    if "null" in values and uniform(seed, np.array([draw]), f"draw/{entry.id}/null")[0] < float(values["null"]):
        values["rho"] = np.float64(0.0)  # type: ignore[assignment]
    return values


def study_differs(endpoint: Endpoint, draw: int, seed: int) -> tuple[float, float]:
    """How the study of a draw differs from the typical one: with the drug, and before it; standard normal."""
    streams = (f"study/{endpoint.id}", f"study/{endpoint.id}/start")
    drug, start = (float(normal(seed, np.array([draw]), stream)[0]) for stream in streams)
    return drug, start


def _moved(value: Floats, prior: Prior, step: float) -> Floats:
    """A value so many standard errors off, on the scale of its prior."""
    if prior.form == "log":
        return value * np.exp(prior.se * step)
    if prior.form == "logit":
        return 1.0 / (1.0 + (1.0 - value) / value * np.exp(-prior.se * step))
    return value + prior.se * step


def _correlation(entry: DisorderEntry | Endpoint, names: list[str]) -> Floats:
    matrix = np.eye(len(names))
    for (first, second), value in entry.correlations.items():
        if first in names and second in names:
            i, j = names.index(first), names.index(second)
            matrix[i, j] = matrix[j, i] = value
    return matrix
