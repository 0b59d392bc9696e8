"""Maximum likelihood for arm means that are linear in their random effects: the engine of the curves in time and in dose.

Means y = X(shape) b + Z_1(shape) u_1 + Z_2(shape) u_2 + e with u_k ~ N(0, omega_k^2) and e ~ N(0, V), V known. Given the shape
parameters (logarithms of rates, of an ED50) and the omegas, b has a closed form; the rest is searched.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize, stats

Floats = NDArray[np.float64]
#: What the shape parameters make of the rows: design of the fixed effects, and one design per random effect.
Build = Callable[[Floats], tuple[Floats, tuple[Floats, ...]]]
#: An omega below this part of the spread of the data counts as 0.
_NO_SPREAD = 1e-3


@dataclass(frozen=True)
class Problem:
    """Data and model of a fit. `bounds` : of every shape parameter, a logarithm. `spread` : scale of the data, for the omegas."""

    y: Floats
    v: Floats
    build: Build
    names: tuple[str, ...]
    bounds: tuple[tuple[float, float], ...]
    n_random: int

    @property
    def spread(self) -> float:
        """Standard deviation of the data, 1 where they do not vary."""
        return float(np.std(self.y)) or 1.0

    @cached_property
    def whitened(self) -> tuple[Floats, float]:
        """What makes the residuals independent of variance 1, and the constant of the log likelihood."""
        low = linalg.cholesky(self.v, lower=True)
        whitener = linalg.solve_triangular(low, np.eye(self.y.size), lower=True)
        return whitener, float(np.log(np.diag(low)).sum()) + 0.5 * self.y.size * math.log(2 * math.pi)


@dataclass(frozen=True)
class Optimum:
    """A fit: `log_likelihood` is the maximum, and shapes are where it is.

    Omegas and b are there too, until `restricted` replaces them; `cov` is of (b, shapes that are free), empty before.
    """

    shapes: Floats
    omegas: Floats
    beta: Floats
    log_likelihood: float
    n_parameters: int
    cov: Floats = field(default_factory=lambda: np.zeros((0, 0)), repr=False)


def marginal(p: Problem, shapes: Floats, omegas: Floats) -> tuple[Floats, Floats]:
    """X and the covariance of the means with the random effects integrated out."""
    x, zs = p.build(shapes)
    s = p.v.copy()
    for omega, z in zip(omegas, zs, strict=True):
        s += omega**2 * (z @ z.T)
    return x, s


def profiled(p: Problem, shapes: Floats, omegas: Floats) -> tuple[float, Floats]:
    """Negative log likelihood with b at its best, and that b.

    By the matrix identity of Woodbury, so that what is factored has the size of the random effects, not of the data.
    """
    x, zs = p.build(shapes)
    whitener, constant = p.whitened
    wx, wy = whitener @ x, whitener @ p.y
    z = whitener @ np.hstack([omega * z for omega, z in zip(omegas, zs, strict=True)]) if zs else np.zeros((p.y.size, 0))
    low = np.linalg.cholesky(np.eye(z.shape[1]) + z.T @ z)
    ux = np.linalg.solve(low, z.T @ wx)
    information = wx.T @ wx - ux.T @ ux
    beta = np.linalg.lstsq(information, wx.T @ wy - ux.T @ np.linalg.solve(low, z.T @ wy), rcond=1e-12)[0]
    rest = wy - wx @ beta
    taken = np.linalg.solve(low, z.T @ rest)
    value = 0.5 * (float(rest @ rest) - float(taken @ taken)) + float(np.log(np.diag(low)).sum()) + constant
    return value, beta


def maximise(
    p: Problem, fixed: Mapping[int, float], starts: Sequence[float] = (0.3, 0.7), near: Optimum | None = None
) -> Optimum:
    """Best shapes and omegas, `fixed` shapes as given, from one start per entry of `starts` (a place within the bounds).

    With `near`, the one start is that optimum.
    """
    free = [k for k in range(len(p.bounds)) if k not in fixed]
    floor, top = math.log(_NO_SPREAD * p.spread * 0.1), math.log(5 * p.spread)
    bounds = [p.bounds[k] for k in free] + [(floor, top)] * p.n_random

    def split(theta: Floats) -> tuple[Floats, Floats]:
        shapes = np.array([fixed.get(k, 0.0) for k in range(len(p.bounds))])
        shapes[free] = theta[: len(free)]
        return shapes, np.exp(theta[len(free) :])

    best, least = None, math.inf
    begins = [
        [lo + place * (hi - lo) for lo, hi in bounds[: len(free)]] + [math.log(0.4 * p.spread)] * p.n_random for place in starts
    ]
    if near is not None:
        begins = [[*near.shapes[free], *np.log(np.maximum(near.omegas, 0.05 * p.spread))]]
    for begin in map(np.array, begins):
        if begin.size == 0:
            best, least = begin, profiled(p, *split(begin))[0]
            break
        found = optimize.minimize(lambda t: profiled(p, *split(t))[0], begin, method="L-BFGS-B", bounds=bounds)
        if best is None or found.fun < least - 1e-9:
            best, least = found.x, float(found.fun)
    shapes, omegas = split(np.asarray(best, dtype=float))
    omegas = np.where(omegas < _NO_SPREAD * p.spread, 0.0, omegas)
    value, beta = profiled(p, shapes, omegas)
    return Optimum(shapes, omegas, beta, -value, beta.size + len(free) + p.n_random)


@dataclass(frozen=True)
class ShapeInterval:
    """Profile-likelihood interval of a shape parameter; an end is infinite where the data set no limit within the search range."""

    low: float
    high: float

    @property
    def is_open(self) -> tuple[bool, bool]:
        """Whether the data leave the lower and the upper end open."""
        return math.isinf(self.low), math.isinf(self.high)


def profile_interval(p: Problem, best: Optimum, k: int, fixed: Mapping[int, float], level: float) -> ShapeInterval:
    """Where the log likelihood, maximised over all else, falls by half the chi-square quantile."""
    drop = float(stats.chi2.ppf(level, 1)) / 2

    def lack(value: float) -> float:
        return best.log_likelihood - maximise(p, {**fixed, k: value}, near=best).log_likelihood - drop

    ends = []
    for end, beyond in zip(p.bounds[k], (-math.inf, math.inf), strict=True):
        is_open = abs(end - best.shapes[k]) < 1e-6 or lack(end) <= 0
        ends.append(beyond if is_open else float(optimize.brentq(lack, best.shapes[k], end, xtol=5e-3)))
    return ShapeInterval(*ends)


def settle(
    p: Problem, assumed: Sequence[float], level: float, first: Mapping[int, float] | None = None
) -> tuple[Optimum, dict[int, float], dict[int, ShapeInterval]]:
    """Fit, fixing in turn every shape that is not identified.

    A shape open at both ends goes to its assumed value. One whose best value lies on the edge of the range, while the data
    exclude the other end, stays on that edge: the data have spoken.
    """
    fixed = dict(first or {})
    while True:
        best = maximise(p, fixed)
        intervals = {k: profile_interval(p, best, k, fixed, level) for k in range(len(p.bounds)) if k not in fixed}
        silent = [k for k, i in intervals.items() if all(i.is_open)]
        edged = [k for k in intervals if _edge(p, best, k) is not None]
        if silent:
            fixed[silent[0]] = assumed[silent[0]]
        elif edged:
            fixed[edged[0]] = float(p.bounds[edged[0]][_edge(p, best, edged[0]) or 0])
        else:
            return best, fixed, intervals


def _edge(p: Problem, best: Optimum, k: int) -> int | None:
    """0 or 1 where the best value lies on the lower or upper end of the range searched."""
    low, high = p.bounds[k]
    near = [abs(best.shapes[k] - end) < 1e-3 * (high - low) for end in (low, high)]
    return near.index(True) if any(near) else None
