"""Step grids, planned once: an adaptive run of typical patients decides the steps; every patient then uses the same shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ketasim.solve._numba import Kernel
from ketasim.solve._timeline import ADD, RATE, RESET, Group

Floats = NDArray[np.float64]
#: Local tolerance of planned steps relative to the tolerance asked for: room for patients who differ from the reference.
#: The embedded estimate belongs to the lower order, so the true error stays below it.
PLAN_SAFETY = 0.5
#: States below this share of their own peak are followed in absolute terms.
FLOOR_SHARE = 1e-7
MAX_STEPS = 20_000


@dataclass(frozen=True)
class Plan:
    """Steps per segment as shares of its length. first : (segment,) offset into `fraction`; floor : (state,)."""

    n_steps: NDArray[np.int64]
    first: NDArray[np.int64]
    fraction: Floats
    floor: Floats


def plan(kernel: Kernel, group: Group, params: Floats, initial: Floats, t_out: Floats, rtol: float) -> Plan:
    """Plan the steps of a group.

    Parameters
    ----------
    group : timeline of up to `LANES` representative subjects. params : (block, parameter, m). initial : (state, m).
    """
    peaks = np.full(len(kernel.states), 1e-300)
    _walk(kernel, group, params, initial, t_out, max(rtol, 1e-3), np.full(len(kernel.states), 1e-9), peaks)
    floor = np.maximum(FLOOR_SHARE * peaks, 1e-30)
    steps = _walk(kernel, group, params, initial, t_out, rtol * PLAN_SAFETY, floor, peaks)
    counts = np.array([len(s) for s in steps], np.int64)
    first = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
    return Plan(counts, first, np.concatenate([np.asarray(s) for s in steps]), floor)


class _Lanes:
    """The kernel's step on one block of lanes, driven from Python."""

    def __init__(self, kernel: Kernel, floor: Floats, m: int) -> None:
        module = kernel.module
        self.module, self.floor = module, floor
        self.n, self.lanes = module.N, module.L
        self.w = np.zeros(module.SIZE)
        rows = self.w.reshape(-1, module.L)

        def part(offset: int, count: int) -> Floats:
            return rows[offset // module.L : offset // module.L + count]

        self.x, self.r = part(module.AT_X, self.n), part(module.AT_R, self.n)
        self.p, self.h = part(module.AT_P, module.NP), part(module.AT_H, 1)[0]
        self.y, self.error = part(module.AT_Y, self.n), part(module.AT_E, 1)[0]
        part(module.AT_F, self.n)[:] = floor[:, None]
        self.pick = np.minimum(np.arange(module.L), m - 1)

    def step(self, h: Floats) -> float:
        """Take one trial step of the lanes; returns the largest error ratio."""
        self.h[:] = np.maximum(h, 1e-12)
        self.module.step(self.w)
        idle = h <= 0
        self.y[:, idle], self.error[idle] = self.x[:, idle], 0.0
        worst = float(np.max(self.error))
        return worst if np.isfinite(worst) and np.all(np.isfinite(self.y)) else np.inf

    def dense(self, theta: float) -> Floats:
        """States inside the last trial step."""
        xb = np.empty(self.n * self.lanes)
        self.module.dense(self.w, np.full(self.lanes, theta), xb)
        return xb.reshape(self.n, self.lanes)


def _walk(
    kernel: Kernel, group: Group, params: Floats, initial: Floats, t_out: Floats, tolerance: float, floor: Floats, peaks: Floats
) -> list[list[float]]:
    lanes = _Lanes(kernel, floor, len(group.subjects))
    lanes.x[:] = initial[:, lanes.pick]
    block, plan_steps = -1, []
    for s in range(group.length.shape[0]):
        _apply(group, s, lanes, initial)
        if group.block[s] != block:
            block = int(group.block[s])
            lanes.p[:] = params[block][:, lanes.pick]
            kernel.module.coefficients(lanes.w)
        np.maximum(peaks, np.max(np.abs(lanes.x), axis=1), out=peaks)
        length = group.length[s][lanes.pick]
        start = float(np.min(group.start[s]))
        inside = t_out[(t_out >= start) & (t_out <= start + float(np.max(length)))]
        plan_steps.append(
            _segment(lanes, length, tolerance, kernel.order, peaks, (inside - start) / max(float(np.max(length)), 1e-12))
        )
    return plan_steps


def _apply(group: Group, s: int, lanes: _Lanes, initial: Floats) -> None:
    for k in range(group.op_first[s], group.op_first[s + 1]):
        code, state, value = group.op_code[k], group.op_state[k], group.op_value[k][lanes.pick]
        if code == ADD:
            lanes.x[state] += value
        elif code == RATE:
            lanes.r[state] = value
        elif code == RESET:
            lanes.x[:], lanes.r[:] = initial[:, lanes.pick], 0.0
        else:
            lanes.x[state] = value


def _segment(lanes: _Lanes, length: Floats, tolerance: float, order: int, peaks: Floats, outputs: Floats) -> list[float]:
    if np.max(length) <= 0:
        return [1.0]
    done, share, shares = 0.0, 0.1, list[float]()
    while done < 1.0 - 1e-12:
        share = min(share, 1.0 - done)
        if 1.0 - done - share < 0.1 * share:  # no sliver at the end
            share = 1.0 - done
        error = lanes.step(length * share)
        if error <= tolerance and np.any((outputs > done) & (outputs < done + share)):
            error = max(error, _dense_error(lanes, length * share))
        if error > tolerance and share > 1e-13 and len(shares) < MAX_STEPS:
            share *= max(0.1, 0.85 * (tolerance / error) ** (1 / order)) if np.isfinite(error) else 0.1
            continue
        lanes.x[:] = lanes.y
        np.maximum(peaks, np.max(np.abs(lanes.x), axis=1), out=peaks)
        done += share
        shares.append(share)
        share *= min(6.0, 0.85 * (tolerance / max(error, 1e-300)) ** (1 / order))
    total = sum(shares)
    return [s / total for s in shares]


def _dense_error(lanes: _Lanes, h: Floats) -> float:
    """Error of the interpolant in the middle of the step, against a step of half the length."""
    middle = lanes.dense(0.5)
    end = lanes.y.copy()
    lanes.step(h / 2)
    exact = lanes.y.copy()
    lanes.y[:] = end
    scale = np.maximum(np.abs(exact), np.abs(middle)) + lanes.floor[:, None]
    return float(np.max(np.where(h > 0, np.abs(exact - middle) / scale, 0.0)))
