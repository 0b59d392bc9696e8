"""Closed forms of the linear mammillary models with one to three compartments: the engine's twin in tests and quick answers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ketasim.errors import InvalidParameter

Floats = NDArray[np.float64]


def disposition(CL: float, Vc: float, Q: tuple[float, ...] = (), Vp: tuple[float, ...] = ()) -> tuple[Floats, Floats]:
    """Unit impulse response of the central concentration: sum of A_i exp(-lambda_i t).

    Parameters
    ----------
    CL : L/h. Vc : L. Q, Vp : L/h and L of up to two peripheral compartments.

    Returns
    -------
    coefficients A : (n,), 1/L. rates lambda : (n,), 1/h, descending.

    Raises
    ------
    InvalidParameter: a volume or clearance that is not above 0, or more than two peripheral compartments.

    Notes
    -----
    The rate matrix of a mammillary model is similar to a symmetric one, so its eigenvalues are real and the expansion exists.

    Examples
    --------
    >>> A, rate = disposition(CL=5.0, Vc=30.0)
    >>> [round(float(v), 4) for v in (A[0], rate[0])]
    [0.0333, 0.1667]
    """
    if len(Q) != len(Vp) or len(Q) > 2 or min((CL, Vc, *Q, *Vp)) <= 0:
        raise InvalidParameter(
            f"disposition: CL={CL}, Vc={Vc}, Q={Q}, Vp={Vp}; needed are positive values and at most two peripheral pairs."
        )
    n = 1 + len(Q)
    symmetric = np.zeros((n, n))
    symmetric[0, 0] = -(CL + sum(Q)) / Vc
    for i, (q, v) in enumerate(zip(Q, Vp, strict=True), 1):
        symmetric[i, i] = -q / v
        symmetric[0, i] = symmetric[i, 0] = q / np.sqrt(Vc * v)
    values, vectors = np.linalg.eigh(symmetric)
    return vectors[0] ** 2 / Vc, -values


def bolus(t: Floats, dose: float, A: Floats, rate: Floats) -> Floats:
    """Concentration after a bolus at time 0; zero before."""
    t = np.asarray(t, float)
    return np.where(t >= 0, dose * np.exp(-np.outer(np.maximum(t, 0), rate)) @ A, 0.0)


def infusion(t: Floats, dose: float, duration: float, A: Floats, rate: Floats) -> Floats:
    """Concentration during and after a constant infusion that starts at time 0."""
    t = np.asarray(t, float)[:, None]
    running = np.clip(t, 0.0, duration)
    after = np.maximum(t - duration, 0.0)
    return np.where(t[:, 0] >= 0, dose / duration * ((-np.expm1(-rate * running)) / rate * np.exp(-rate * after)) @ A, 0.0)


def first_order(t: Floats, dose: float, ka: float, A: Floats, rate: Floats, F: float = 1.0, lag: float = 0.0) -> Floats:
    """Concentration after first-order absorption; ka must differ from every disposition rate."""
    t = np.maximum(np.asarray(t, float) - lag, 0.0)[:, None]
    return F * dose * (ka / (ka - rate) * (np.exp(-rate * t) - np.exp(-ka * t))) @ A
