"""Withdrawal as adaptation and rebound: what long use has built up shows itself when the substance goes, and fades."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ketasim.clinical import Floats, View

#: Longest step, h, over which the share of the substance that is gone may be taken as constant.
STEP = 2.0


def personal(view: View, name: str, median: Floats, sd: Floats) -> Floats:
    """A person's own number, log-normal about the median, (person,); the same person has the same one in every course."""
    from scipy.special import ndtri

    return median * np.exp(sd * ndtri(view.luck(f"own/{name}")))


def faded(
    adapted: Floats, rebound: Floats, gone: Callable[[float], Floats], dt: float, tau_adapted: Floats, tau_rebound: Floats
) -> tuple[Floats, Floats]:
    """Adaptation and rebound `dt` hours later.

    Parameters
    ----------
    gone : h from now -> share of the substance's action that is missing then, (person,). tau_adapted, tau_rebound : h.

    Notes
    -----
    ``N' = -N c / tau_N`` and ``R' = (N c - R) / tau_R``, with the missing share c taken at the middle of steps of `STEP` at most; within a
    step the solution is exact.
    """
    steps = max(int(np.ceil(dt / STEP - 1e-9)), 1)
    width = dt / steps
    for k in range(steps):
        missing = gone((k + 0.5) * width)
        slow, fast = missing / tau_adapted, 1.0 / tau_rebound
        apart = fast - slow
        apart = np.where(np.abs(apart) < 1e-9, 1e-9, apart)
        kept, left = np.exp(-slow * width), np.exp(-fast * width)
        rebound = rebound * left + missing * adapted * fast / apart * (kept - left)
        adapted = adapted * kept
    return adapted, rebound
