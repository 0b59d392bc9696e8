"""Areas and terminal slopes of many concentration curves on one time grid, all at once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: Points before the last that may enter the terminal regression: more never win, and memory stays bounded.
LONGEST_TAIL = 60
#: A regression with more points is preferred when its adjusted R2 is within this of the best.
TIE = 1e-4
FEWEST = 3
#: A last time this near to the end of the dosing interval (relative) is its end: clock times less their start are rounded.
#: A curve that falls by a smaller share over its terminal phase is flat.
ROUNDING = 1e-9


def segments(t: Floats, c: Floats, log_down: bool) -> tuple[Floats, Floats]:
    """Area and first-moment area of each interval: linear, or logarithmic where the curve falls.

    Parameters
    ----------
    t : (time,), h. c : (curve, time). log_down : logarithmic rule on falling intervals.

    Returns
    -------
    areas, moments : (curve, time - 1).
    """
    dt, c0, c1 = np.diff(t), c[:, :-1], c[:, 1:]
    area = (c0 + c1) / 2 * dt
    moment = (t[:-1] * c0 + t[1:] * c1) / 2 * dt
    if log_down:
        falling = (c1 < c0) & (c1 > 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.log(c0 / c1) / dt
            log_area = (c0 - c1) / rate
            log_moment = (t[:-1] * c0 - t[1:] * c1) / rate + (c0 - c1) / rate**2
        area, moment = np.where(falling, log_area, area), np.where(falling, log_moment, moment)
    return area, moment


def dosing_interval(
    t: Floats, c: Floats, tau: float, log_down: bool, found: Mapping[str, Floats], aumc: Floats
) -> tuple[Floats, Floats]:
    """Area and first-moment area from the dose to `tau` after it.

    An interval that `tau` cuts is interpolated by the rule of its area. Where the values end before `tau`, the rest comes from CLST
    and LAMZ, as in AUCIFO.

    Parameters
    ----------
    t : (time,), h, from 0. c : (curve, time). found : TLST, CLST, AUCLST and LAMZ, each (curve,). aumc : (curve,), to TLST.

    Returns
    -------
    area, moment : (curve,), NaN where values end before `tau` and there is no LAMZ.
    """
    if t[-1] < tau * (1 - ROUNDING):
        return _extrapolated(tau, found, aumc)
    tau = min(tau, float(t[-1]))
    k = int(np.searchsorted(t, tau))
    c1, c2, share = c[:, k - 1], c[:, k], (tau - t[k - 1]) / (t[k] - t[k - 1])
    at_tau = c1 + share * (c2 - c1)
    if log_down:
        falling = (c2 < c1) & (c2 > 0)
        at_tau = np.where(falling, c1 * (np.where(falling, c2, 1.0) / np.where(falling, c1, 1.0)) ** share, at_tau)
    area, moment = segments(np.append(t[:k], tau), np.column_stack([c[:, :k], at_tau]), log_down)
    return area.sum(axis=1), moment.sum(axis=1)


def _extrapolated(tau: float, found: Mapping[str, Floats], aumc: Floats) -> tuple[Floats, Floats]:
    last, value, rate = found["TLST"], found["CLST"], found["LAMZ"]
    rest = np.exp(-rate * (tau - last))
    area = value / rate * (1 - rest)
    moment = value / rate * (last + 1 / rate - rest * (tau + 1 / rate))
    return found["AUCLST"] + area, aumc + moment


def terminal(t: Floats, c: Floats, last: NDArray[np.int64], peak: NDArray[np.int64], begin: float = -np.inf) -> dict[str, Floats]:
    """Terminal slope of each curve: best adjusted R2 among the last points, at least three, after the peak.

    Parameters
    ----------
    t : (time,). c : (curve, time). last : (curve,), index of the last measurable point. peak : (curve,), index of Cmax.
    begin : time after which a terminal phase can begin, the end of an infusion.

    Returns
    -------
    LAMZ, LAMZNPT, LAMZLL, LAMZUL, R2ADJ and the intercept (ln) of each curve: (curve,), NaN where fewer than three points fall. Where the
    line says no more than the mean of the points does, R2ADJ is 0 or below and the others are NaN.
    """
    n, names = len(c), ("LAMZ", "LAMZNPT", "LAMZLL", "LAMZUL", "R2ADJ", "intercept")
    best = {name: np.full(n, np.nan) for name in names}
    rows = np.arange(n)
    count, sums = np.zeros(n), np.zeros((n, 5))
    score = np.full(n, -np.inf)
    at_last = c[rows, last]
    for back in range(LONGEST_TAIL):
        index = last - back
        inside = (index > peak) & (t[np.maximum(index, 0)] > begin)
        if not inside.any():
            break
        index = np.maximum(index, 0)
        value = c[rows, index]
        use = inside & (value > 0)
        # Centred on the last point, so that sums of squares lose no digits: equal values have no slope, not one of rounding.
        x, y = t[index] - t[last], np.log(np.where(use, value, 1.0) / np.where(use, at_last, 1.0))
        count = count + use
        sums += np.where(use[:, None], np.stack([x, y, x * x, x * y, y * y], axis=1), 0.0)
        _keep_better(best, score, count, sums, use, t, index, last)
    with np.errstate(divide="ignore"):
        best["intercept"] += np.log(at_last)
    says_nothing = best["R2ADJ"] <= 0
    return {name: value if name == "R2ADJ" else np.where(says_nothing, np.nan, value) for name, value in best.items()}


def half_life(t: Floats, c: Floats) -> Floats:
    """Terminal half-life of each curve, (curve,), h; NaN where fewer than three points fall. t : (time,), h. c : (curve, time)."""
    positive = c > 0
    last = np.where(positive.any(axis=1), c.shape[1] - 1 - np.argmax(positive[:, ::-1], axis=1), 0)
    return np.log(2) / terminal(t, c, last, np.argmax(c, axis=1))["LAMZ"]


def _keep_better(
    best: dict[str, Floats], score: Floats, k: Floats, sums: Floats, use: NDArray[np.bool_], t: Floats, index: NDArray[np.int64],
    last: NDArray[np.int64],
) -> None:  # fmt: skip
    with np.errstate(divide="ignore", invalid="ignore"):
        sx, sy, sxx, sxy, syy = sums.T
        vx, vy, vxy = sxx - sx * sx / k, syy - sy * sy / k, sxy - sx * sy / k
        slope = vxy / vx
        adjusted = 1 - (1 - vxy**2 / (vx * vy)) * (k - 1) / (k - 2)
    better = use & (k >= FEWEST) & (-slope * (t[last] - t[index]) > ROUNDING) & (adjusted > score - TIE)
    values = {"LAMZ": -slope, "LAMZNPT": k, "LAMZLL": t[index], "LAMZUL": t[last], "R2ADJ": adjusted}
    values["intercept"] = (sy - slope * sx) / k - slope * t[last]
    for name, value in values.items():
        best[name] = np.where(better, value, best[name])
    np.copyto(score, np.where(better, np.maximum(adjusted, score), score))
