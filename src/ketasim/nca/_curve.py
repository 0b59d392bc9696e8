"""Areas and terminal slopes of many concentration curves on one time grid, all at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: Points before the last that may enter the terminal regression: more never win, and memory stays bounded.
LONGEST_TAIL = 60
#: A regression with more points is preferred when its adjusted R2 is within this of the best.
TIE = 1e-4
FEWEST = 3


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


def terminal(t: Floats, c: Floats, last: NDArray[np.int64], peak: NDArray[np.int64]) -> dict[str, Floats]:
    """Terminal slope of each curve: best adjusted R2 among the last points, at least three, after the peak.

    Parameters
    ----------
    t : (time,). c : (curve, time). last : (curve,), index of the last measurable point. peak : (curve,), index of Cmax.

    Returns
    -------
    LAMZ, LAMZNPT, LAMZLL, LAMZUL, R2ADJ and the intercept (ln) of each curve: (curve,), NaN where fewer than three points fall.
    """
    n, names = len(c), ("LAMZ", "LAMZNPT", "LAMZLL", "LAMZUL", "R2ADJ", "intercept")
    best = {name: np.full(n, np.nan) for name in names}
    rows = np.arange(n)
    count, sums = np.zeros(n), np.zeros((n, 5))
    score = np.full(n, -np.inf)
    for back in range(LONGEST_TAIL):
        index = last - back
        inside = index > peak
        if not inside.any():
            break
        index = np.maximum(index, 0)
        value = c[rows, index]
        use = inside & (value > 0)
        x, y = t[index], np.log(np.where(use, value, 1.0))
        # Centred on the last time, so that sums of squares lose no digits.
        x = x - t[np.maximum(last, 0)]
        count = count + use
        sums += np.where(use[:, None], np.stack([x, y, x * x, x * y, y * y], axis=1), 0.0)
        _keep_better(best, score, count, sums, use, t, index, last)
    return best


def _keep_better(
    best: dict[str, Floats], score: Floats, k: Floats, sums: Floats, use: NDArray[np.bool_], t: Floats, index: NDArray[np.int64],
    last: NDArray[np.int64],
) -> None:  # fmt: skip
    with np.errstate(divide="ignore", invalid="ignore"):
        sx, sy, sxx, sxy, syy = sums.T
        vx, vy, vxy = sxx - sx * sx / k, syy - sy * sy / k, sxy - sx * sy / k
        slope = vxy / vx
        adjusted = 1 - (1 - vxy**2 / (vx * vy)) * (k - 1) / (k - 2)
    better = use & (k >= FEWEST) & (slope < 0) & (adjusted > score - TIE)
    values = {"LAMZ": -slope, "LAMZNPT": k, "LAMZLL": t[index], "LAMZUL": t[np.maximum(last, 0)], "R2ADJ": adjusted}
    values["intercept"] = (sy - slope * sx) / k + slope * -t[np.maximum(last, 0)]
    for name, value in values.items():
        best[name] = np.where(better, value, best[name])
    np.copyto(score, np.where(better, np.maximum(adjusted, score), score))
