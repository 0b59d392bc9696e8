"""Steady state of periodic dosing and of constant infusion, for linear and nonlinear models alike.

The periodic orbit is the fixed point of the flow over one interval, found by Newton's method: exact in one step for linear
models, quadratic otherwise. The derivative of the flow comes from perturbed copies of each patient run beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ketasim.dose._clock import on_clock
from ketasim.solve._timeline import Dosed, Event, check_number, entering

Floats = NDArray[np.float64]
#: Interval over which a constant infusion is followed to find its equilibrium, h.
EQUILIBRIUM_SPAN = 24.0
BURN_IN, MAX_ITERATIONS = 10, 40
#: Tolerance of the flow over one interval, relative to the one asked for: what it misses adds up over all earlier intervals that a
#: slow state remembers.
STEADY_SHARE = 1e-2
#: Sums of states that an interval changes by less than this share of themselves are kept: below it differences are rounding.
KEPT = 1e-10
#: Intervals back whose infusions still run and are followed one by one; beyond, those that run throughout are one input.
MOST_BACK = 100


def phase_events(state: int, lag: Floats, dosed: Dosed, ii: float, token: int, horizon: float = np.inf) -> list[Event]:
    """Inputs within [0, horizon) that stem from doses recorded at -ii, -2 ii, ...: late arrivals and infusions still running.

    Parameters
    ----------
    lag : (subject,), h. horizon : h; where many infusions overlap, those that run beyond it are one input.
    """
    events: list[Event] = []
    back = np.ceil((lag + dosed.duration) / ii)
    n_back, through, first = np.max(back, initial=0.0), np.zeros_like(lag), np.ones_like(lag)
    if n_back > MOST_BACK and np.isfinite(horizon):
        # Begun at or before 0 and running to the horizon: those from `first` intervals back on, `through` of them.
        first = np.maximum(np.ceil(on_clock(lag / ii)), 1.0)
        through = np.maximum(np.ceil((lag + dosed.duration - horizon) / ii) - first, 0.0)
        never = np.full_like(lag, 2.0 * horizon + ii)
        events += entering(state, np.zeros_like(lag), never, np.zeros_like(lag), through * dosed.rate, -(token * 1_000_003))
        for event in events:
            event.fixed = True
        n_back = np.max(back - through)
        check_number(n_back, "overlapping infusions at steady state:")
    for j in range(1, int(n_back) + 1):
        # Whoever has inputs that run throughout skips them.
        k = j if not through.any() else np.where(j < first, float(j), j + through)
        begin = lag - k * ii
        arrives = np.where((on_clock(begin) >= 0) & (on_clock(dosed.duration) == 0), dosed.amount, 0.0)
        zero = np.zeros_like(begin)
        for event in entering(
            state,
            np.maximum(begin, zero),
            np.maximum(begin + dosed.duration, zero),
            arrives,
            dosed.rate,
            -(token * 1_000_003 + j),
        ):
            event.back, event.fixed = j, bool(through.any())
            events.append(event)
    return events


def period_events(state: int, lag: Floats, dosed: Dosed, ii: float) -> list[Event]:
    """Inputs of one interval [0, ii) of a regimen that has run forever."""
    own = np.where(on_clock(lag - ii) < 0, dosed.amount, 0.0)
    return phase_events(state, lag, dosed, ii, 1, ii) + entering(state, lag, lag + dosed.duration, own, dosed.rate, 1)


Flow = Callable[[Floats, NDArray[np.int64]], Floats]


def approach(flow: Flow, x: Floats) -> Floats:
    """States (state, subject) after some intervals: closer to the orbit, for the basin of a saturable model is not the whole space."""
    for _ in range(BURN_IN):
        x = flow(x, np.arange(x.shape[1]))
    return x


def fixed_point(flow: Flow, guess: Floats, scale: Floats, own: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Fixed point of a flow near a guess, per subject, by Newton's method.

    Parameters
    ----------
    flow : (x (state, copies), subject of each copy) -> x after one interval.
    guess : (state, subject). scale : (subject,), size of the inputs, for perturbations and tolerance.
    own : the first so many states are sought; parameters that move as states stand after them and stay as they are.

    Returns
    -------
    x : (state, subject); converged : (subject,).
    """
    n = guess.shape[1]
    x = guess.copy()
    positive = x >= 0
    converged = np.zeros(n, bool)
    for _ in range(MAX_ITERATIONS):
        todo = np.flatnonzero(~converged)
        if not len(todo):
            break
        copies = np.repeat(todo, own + 1)
        start = np.repeat(x[:, todo], own + 1, axis=1)
        step = 1e-5 * (np.abs(x[:own, todo]) + scale[todo])
        for j in range(own):
            start[j, np.arange(len(todo)) * (own + 1) + j + 1] += step[j]
        after = flow(start, copies).reshape(-1, len(todo), own + 1)
        base = after[:, :, 0]
        residual = base - x[:, todo]
        small = np.all(np.abs(residual) <= allowed_residual(x[:, todo], scale[todo], np), axis=0)
        jacobian = np.moveaxis((after[:own, :, 1:] - base[:own, :, None]), 1, 0) / step.T[:, None, :]
        converged[todo[small]] = True
        for position in np.flatnonzero(~small):
            delta = correction(np.eye(own) - jacobian[position], residual[:own, position])
            x[:own, todo[position]] = x[:own, todo[position]] + delta
        if not np.all(np.isfinite(x[:, todo])):
            x[:, todo] = np.where(np.isfinite(x[:, todo]), x[:, todo], 0.0)
    # A saturable model overwhelmed by its input has a fixed point at negative amounts, which is none of the patient's.
    converged &= ~np.any(positive & (x < -1e-6 * scale), axis=0)
    x[:, ~converged] = np.nan
    return x, converged


def allowed_residual(x: Any, scale: Any, xp: Any) -> Any:
    """How much states may change over an interval and still count as steady."""
    # The second bound refuses "fixed points" so far away that the input is lost in the rounding of the state.
    return xp.minimum(1e-10 * xp.abs(x) + 1e-12 * scale, 1e-6 * scale)


def correction(matrix: Floats, right: Floats) -> Floats:
    """Newton's step. matrix : identity less the derivative of the flow. right : what an interval changes.

    What an interval keeps whatever else happens (an idle compartment, the total of states that only exchange) makes the matrix
    singular; such sums stay as they are.
    """
    if not np.isfinite(matrix).all():
        return np.full_like(right, np.nan)
    try:
        inverse = np.linalg.inv(matrix)
        if np.abs(inverse).max() * KEPT < 1.0:
            return np.asarray(np.linalg.solve(matrix, right), np.float64)
    except np.linalg.LinAlgError:
        pass
    left, sizes, _ = np.linalg.svd(matrix)
    kept = left * (sizes < KEPT)
    try:
        return np.asarray(np.linalg.solve(matrix + kept @ kept.T, right), np.float64)
    except np.linalg.LinAlgError:
        return np.full_like(right, np.nan)
