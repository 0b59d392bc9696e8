"""Where states stay without doses, found by numbers: the rest that a model starts from where no formula gives it."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: Steps at most; how much a step of time grows; the longest, h; relative change of the states at which they rest.
_STEPS, _GROWTH, _LONGEST, _CLOSE = 400, 2.0, 1e12, 1e-12
#: Steps of time begin with this, h.
_FIRST = 1e-3


def rest_of(module: ModuleType, params: Mapping[str, Floats], n: int) -> dict[str, Floats]:
    """Equilibrium of a kernel's resting states: state -> (subject,); NaN where none was found.

    Implicit steps of Euler from states of 0, ever longer: at first they follow the states in time, so that the rest is one these come to,
    and long ones are Newton's. Each subject's numbers depend on their own parameters only.
    """
    names, k = module.RESTING, len(module.RESTING)
    own = {name: np.broadcast_to(np.asarray(v, float), (n,)) for name, v in params.items()}
    x, step, done = np.zeros((n, k)), np.full(n, _FIRST), np.zeros(n, bool)
    with np.errstate(all="ignore"):
        for _ in range(_STEPS):
            todo = np.flatnonzero(~done & np.isfinite(x).all(axis=1))
            if not len(todo):
                break
            rate, slope = _balance(module, own, x, todo)
            move = _solve(np.eye(k) / step[todo, None, None] - slope, rate)
            x[todo] += move
            small = np.abs(move) <= _CLOSE * np.abs(x[todo])
            done[todo] = (small | (move == 0.0)).all(axis=1) & (step[todo] >= _LONGEST)
            step[todo] = np.minimum(step[todo] * _GROWTH, _LONGEST)
    x[~done] = np.nan
    return {name: x[:, i].copy() for i, name in enumerate(names)}


def _balance(module: ModuleType, own: Mapping[str, Floats], x: Floats, todo: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Rates (subject, state) and their slopes (subject, state, state) of some subjects."""
    m = len(todo)
    here = {name: v[todo] for name, v in own.items()} | {name: x[todo, i] for i, name in enumerate(module.RESTING)}
    rates, slopes = module.balance(here)
    full = [np.broadcast_to(np.asarray(v, float), (m,)) for row in slopes for v in row]
    k = len(module.RESTING)
    return np.stack([np.broadcast_to(v, (m,)) for v in rates], axis=1), np.stack(full, axis=1).reshape(m, k, k)


def _solve(matrix: Floats, right: Floats) -> Floats:
    """Solutions (subject, state) of one system per subject; NaN where a matrix has no inverse."""
    bad: NDArray[np.bool_] = np.array(~np.isfinite(matrix).all(axis=(1, 2)) | ~np.isfinite(right).all(axis=1))
    safe = np.where(bad[:, None, None], np.eye(matrix.shape[1]), matrix)
    bad |= np.linalg.det(safe) == 0.0
    safe = np.where(bad[:, None, None], np.eye(matrix.shape[1]), safe)
    found = np.linalg.solve(safe, right[:, :, None])[:, :, 0]
    return np.where(bad[:, None], np.nan, found)
