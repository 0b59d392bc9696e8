"""Maximum likelihood for arm means that are linear in their random effects: the engine of the curves in time and in dose.

Means y = X(shape) b + Z_1(shape) u_1 + Z_2(shape) u_2 + e with u_k ~ N(0, omega_k^2) and e ~ N(0, V), V known. Given the shape
parameters (logarithms of rates, of an ED50) and the omegas, b has a closed form; the rest is searched.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

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


@dataclass(frozen=True)
class Optimum:
    """A maximum of the likelihood, with the covariance of (b, shapes that are free)."""

    shapes: Floats
    omegas: Floats
    beta: Floats
    log_likelihood: float
    cov: Floats = field(repr=False)
    n_parameters: int


def marginal(p: Problem, shapes: Floats, omegas: Floats) -> tuple[Floats, Floats]:
    """X and the covariance of the means with the random effects integrated out."""
    x, zs = p.build(shapes)
    s = p.v.copy()
    for omega, z in zip(omegas, zs, strict=True):
        s += omega**2 * (z @ z.T)
    return x, s


def profiled(p: Problem, shapes: Floats, omegas: Floats) -> tuple[float, Floats]:
    """Negative log likelihood with b at its best, and that b."""
    x, s = marginal(p, shapes, omegas)
    try:
        low = linalg.cholesky(s, lower=True)
    except linalg.LinAlgError:
        return math.inf, np.zeros(x.shape[1])
    wx, wy = linalg.solve_triangular(low, x, lower=True), linalg.solve_triangular(low, p.y, lower=True)
    beta = np.linalg.lstsq(wx, wy, rcond=None)[0]
    rest = wy - wx @ beta
    return 0.5 * float(rest @ rest) + float(np.log(np.diag(low)).sum()) + 0.5 * p.y.size * math.log(2 * math.pi), beta


def maximise(
    p: Problem, fixed: Mapping[int, float], starts: Sequence[float] = (0.3, 0.7), near: Optimum | None = None
) -> Optimum:
    """Best shapes and omegas, `fixed` shapes as given, from one start per entry of `starts` (a place within the bounds).

    With `near`, the one start is that optimum, and no covariance is computed.
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
    cov = np.zeros((0, 0)) if near is not None else _covariance(p, shapes, omegas, beta, free)
    return Optimum(shapes, omegas, beta, -value, cov, beta.size + len(free) + p.n_random)


def _covariance(p: Problem, shapes: Floats, omegas: Floats, beta: Floats, free: list[int]) -> Floats:
    """Inverse Hessian in (b, free shapes, omegas above 0), kept for (b, free shapes).

    Every shape also carries the precision of a uniform law over its search range, so that a flat direction stays finite.
    """
    kept = [k for k, omega in enumerate(omegas) if omega > 0]
    at = np.concatenate([beta, shapes[free], np.log(omegas[kept])])

    def value(theta: Floats) -> float:
        b, s, o = theta[: beta.size], shapes.copy(), omegas.copy()
        s[free] = theta[beta.size : beta.size + len(free)]
        o[kept] = np.exp(theta[beta.size + len(free) :])
        x, cov = marginal(p, s, o)
        low = linalg.cholesky(cov, lower=True)
        rest = linalg.solve_triangular(low, p.y - x @ b, lower=True)
        return 0.5 * float(rest @ rest) + float(np.log(np.diag(low)).sum())

    hessian = second_derivatives(value, at)
    size = beta.size + len(free)
    for k, shape in enumerate(free):
        low, high = p.bounds[shape]
        hessian[beta.size + k, beta.size + k] += 12 / (high - low) ** 2
    values, vectors = np.linalg.eigh(hessian)
    good = values > 1e-10 * values.max()  # an amplitude nobody measured: no direction to draw in
    inverse = (vectors[:, good] / values[good]) @ vectors[:, good].T
    return inverse[:size, :size]


def second_derivatives(value: Callable[[Floats], float], at: Floats) -> Floats:
    """Hessian by central differences."""
    steps = 1e-3 * np.maximum(1.0, np.abs(at)) ** 0.5
    out = np.empty((at.size, at.size))
    for i in range(at.size):
        for j in range(i + 1):
            total = 0.0
            for si, sj in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
                theta = at.copy()
                theta[i] += si * steps[i]
                theta[j] += sj * steps[j]
                total += si * sj * value(theta)
            out[i, j] = out[j, i] = total / (4 * steps[i] * steps[j])
    return out


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
    for end in p.bounds[k]:
        if abs(end - best.shapes[k]) < 1e-6 or lack(end) <= 0:
            ends.append(math.copysign(math.inf, end - p.bounds[k][0] - 1e-9) if end == p.bounds[k][1] else -math.inf)
        else:
            ends.append(float(optimize.brentq(lack, best.shapes[k], end, xtol=5e-3)))
    return ShapeInterval(*ends)


def settle(
    p: Problem, assumed: Sequence[float], level: float, first: Mapping[int, float] | None = None
) -> tuple[Optimum, dict[int, float], dict[int, ShapeInterval]]:
    """Fit, fixing in turn every shape that the data leave open at both ends at its assumed value.

    A shape open at both ends, or with its best value on the edge of the range, is not identified.
    """
    fixed = dict(first or {})
    while True:
        best = maximise(p, fixed)
        intervals = {k: profile_interval(p, best, k, fixed, level) for k in range(len(p.bounds)) if k not in fixed}
        lost = [k for k, i in intervals.items() if all(i.is_open) or _on_edge(p, best, k)]
        if not lost:
            return best, fixed, intervals
        fixed[lost[0]] = assumed[lost[0]]


def _on_edge(p: Problem, best: Optimum, k: int) -> bool:
    low, high = p.bounds[k]
    return min(best.shapes[k] - low, high - best.shapes[k]) < 1e-3 * (high - low)


def draws(
    best: Optimum, free: Sequence[int], limits: Sequence[tuple[float, float]], n: int, seed: int
) -> list[tuple[Floats, Floats]]:
    """Draws of (b, shapes) from the normal law at the optimum; free shapes kept within `limits`, one pair for each."""
    middle = np.concatenate([best.beta, best.shapes[list(free)]])
    values, vectors = np.linalg.eigh((best.cov + best.cov.T) / 2)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    sampled = middle + np.random.default_rng(seed).standard_normal((n, middle.size)) @ root.T
    shapes = np.tile(best.shapes, (n, 1))
    if free:
        shapes[:, list(free)] = np.clip(sampled[:, best.beta.size :], *np.array(limits, dtype=float).T)
    return list(zip(sampled[:, : best.beta.size], shapes, strict=True))


def resample(p: Problem, best: Optimum, fixed: Mapping[int, float], n: int, seed: int) -> list[Optimum]:
    """Parametric bootstrap: refits of data drawn from the fitted model."""
    rng = np.random.default_rng(seed)
    x, s = marginal(p, best.shapes, best.omegas)
    low = linalg.cholesky(s, lower=True)
    again = partial(maximise, fixed=fixed, near=best)
    return [again(Problem(x @ best.beta + low @ rng.standard_normal(p.y.size), p.v, p.build, p.names, p.bounds, p.n_random))
            for _ in range(n)]  # fmt: skip
