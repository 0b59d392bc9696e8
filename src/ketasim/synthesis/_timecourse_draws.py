"""Uncertainty of curves over arm means: omegas by restricted likelihood, Student t where few studies tell the spread.

Shapes stay where the likelihood is at its maximum: the restricted one depends on the scale of X, which depends on the shapes, so
that it cannot compare them. It compares omegas at given shapes, with the shapes linearised as a part of the mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import linalg, optimize, special, stats

from ketasim.synthesis._timecourse_fit import Floats, Optimum, Problem, marginal, maximise

#: Draws of the shapes and, with each of them, of the amplitudes; powers of two, as the points are quasi-random (Sobol).
_SHAPES, _AMPLITUDES = 10, 12
#: Search range of an omega^2, and below which part of the squared spread of the data it counts as 0.
_TOP, _NO_SPREAD = 25.0, 1e-6


@dataclass(frozen=True)
class Role:
    """Amplitudes that share a spread between studies: their columns, and degrees of freedom (infinite without such a spread)."""

    columns: tuple[int, ...]
    df: float = math.inf


@dataclass(frozen=True)
class Draws:
    """Draws of (b, shapes), one row each."""

    beta: Floats
    shapes: Floats

    def interval(self, column: int, level: float) -> tuple[float, float]:
        """Of one amplitude."""
        low, high = central(self.beta[:, column], level)
        return float(low), float(high)


def central(values: Floats, level: float) -> tuple[Floats, Floats]:
    """Central interval over the first axis."""
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(values, [tail, 100 - tail], axis=0)
    return low, high


def spare(fixed: Floats, random: Floats) -> int:
    """Degrees of freedom of a spread: the rank that columns of studies add to columns of treatments.

    Studies minus treatments where each study has one of them.
    """
    if not random.size:
        return 0
    both = np.hstack([fixed, random])
    return int(np.linalg.matrix_rank(both) - (np.linalg.matrix_rank(fixed) if fixed.size else 0))


def slopes(p: Problem, best: Optimum, free: Sequence[int]) -> Floats:
    """Derivative of the mean by every free shape, as columns."""
    out = np.zeros((p.y.size, len(free)))
    for column, k in enumerate(free):
        ends = []
        for sign in (1, -1):
            shapes = best.shapes.copy()
            shapes[k] += sign * 1e-4
            ends.append(p.build(shapes)[0] @ best.beta)
        out[:, column] = (ends[0] - ends[1]) / 2e-4
    return out


def restricted(p: Problem, best: Optimum, free: Sequence[int]) -> Optimum:
    """The same shapes with omegas by restricted likelihood, b and its covariance given them.

    The slopes by the shapes count as part of the mean, with the precision of a uniform law over the search range, so that a shape
    on which the data are silent takes nothing away from the spread.
    """
    x, zs = p.build(best.shapes)
    d = slopes(p, best, free)
    wide = np.array([(p.bounds[k][1] - p.bounds[k][0]) ** 2 / 12 for k in free])
    fixed_part = p.v + (d * wide) @ d.T
    basis, size, _ = np.linalg.svd(x, full_matrices=False)
    basis = basis[:, size > 1e-8 * size.max()]  # an amplitude nobody measured has no direction
    rest = p.y - x @ best.beta

    def lack(theta: Floats) -> float:
        s = fixed_part + sum((t * p.spread**2 * (z @ z.T) for t, z in zip(theta, zs, strict=True)), np.zeros_like(p.v))
        low = linalg.cholesky(s, lower=True)
        w, r = (linalg.solve_triangular(low, a, lower=True) for a in (basis, rest))
        q, upper = np.linalg.qr(w)
        r = r - q @ (q.T @ r)
        return 0.5 * float(r @ r) + float(np.log(np.diag(low)).sum() + np.log(np.abs(np.diag(upper))).sum())

    omegas = np.zeros(0)
    if p.n_random:
        starts = [np.full(p.n_random, 0.02), np.full(p.n_random, 0.5), (best.omegas / p.spread) ** 2]
        found = [optimize.minimize(lack, s, method="L-BFGS-B", bounds=[(0.0, _TOP)] * p.n_random) for s in starts]
        theta = np.asarray(min(found, key=lambda f: float(f.fun)).x)
        omegas = p.spread * np.sqrt(np.where(theta < _NO_SPREAD, 0.0, theta))
    _, s = marginal(p, best.shapes, omegas)
    j = np.hstack([x, d])
    information = j.T @ np.linalg.solve(s, j)
    information += np.diag(np.concatenate([np.zeros(x.shape[1]), 1 / wide]))
    return replace(best, omegas=omegas, beta=_given(p, best.shapes, omegas)[0], cov=_inverse(information))


def _inverse(information: Floats) -> Floats:
    scale = 1 / np.sqrt(np.maximum(np.diag(information), 1e-12 * np.diag(information).max()))
    return np.linalg.pinv(information * np.outer(scale, scale), rcond=1e-10, hermitian=True) * np.outer(scale, scale)


def _given(p: Problem, shapes: Floats, omegas: Floats) -> tuple[Floats, Floats, float]:
    """b given shapes and omegas, a root of its covariance, and the log likelihood but for a constant."""
    x, s = marginal(p, shapes, omegas)
    low = linalg.cholesky(s, lower=True)
    wx, wy = linalg.solve_triangular(low, x, lower=True), linalg.solve_triangular(low, p.y, lower=True)
    u, size, vt = np.linalg.svd(wx, full_matrices=False)
    back = np.where(size > 1e-8 * size.max(), 1 / np.maximum(size, 1e-300), 0.0)
    root = vt.T * back
    beta = root @ (u.T @ wy)
    rest = wy - wx @ beta
    return beta, root, -0.5 * float(rest @ rest) - float(np.log(np.diag(low)).sum())


def draws(
    p: Problem, best: Optimum, free: Sequence[int], roles: Sequence[Role], seed: int, shapes: Floats | None = None
) -> Draws:
    """Draws of (b, shapes): the shapes by their likelihood within the search range, or those given; b given the shapes.

    What b varies by given the shapes follows Student t with the degrees of freedom of its role. Points are quasi-random.
    """
    rng = np.random.default_rng(seed)
    if shapes is None:
        shapes = _shape_draws(p, best, free, rng)
    solved = [_given(p, one, best.omegas)[:2] for one in shapes]
    n, width = 2**_AMPLITUDES, best.beta.size
    at = rng.permutation(np.arange(n) % len(shapes))
    points = stats.qmc.Sobol(width + len(roles), rng=rng).random(n)
    normal = special.ndtri(np.clip(points[:, :width], 1e-9, 1 - 1e-9))
    middle, roots = (np.array(part) for part in zip(*solved, strict=True))
    off = np.einsum("nij,nj->ni", roots[at], normal[:, : roots.shape[2]])
    for k, role in enumerate(roles):
        if math.isfinite(role.df):
            chi2 = stats.chi2.ppf(np.clip(points[:, width + k], 1e-9, 1.0), role.df)
            off[:, list(role.columns)] *= np.sqrt(role.df / chi2)[:, None]
    return Draws(middle[at] + off, shapes[at])


def _shape_draws(p: Problem, best: Optimum, free: Sequence[int], rng: np.random.Generator) -> Floats:
    """Shapes drawn by their likelihood at the omegas found: t with 4 degrees of freedom about the maximum, weighed, resampled."""
    if not free:
        return best.shapes[None, :]
    n, k = 2**_SHAPES, len(free)
    middle, cov = best.shapes[list(free)], best.cov[best.beta.size :, best.beta.size :]
    root = np.linalg.cholesky(cov + 1e-12 * np.trace(cov) * np.eye(k))
    points = np.clip(stats.qmc.Sobol(k + 1, rng=rng).random(n), 1e-9, 1 - 1e-9)
    z = special.ndtri(points[:, :k]) * np.sqrt(4 / stats.chi2.ppf(points[:, k], 4))[:, None]
    proposed = middle + z @ root.T
    low, high = np.array([p.bounds[i] for i in free]).T
    log_weight = np.full(n, -math.inf)
    out = np.tile(best.shapes, (n, 1))
    out[:, list(free)] = proposed
    for i in np.flatnonzero(((proposed >= low) & (proposed <= high)).all(axis=1)):
        log_weight[i] = _given(p, out[i], best.omegas)[2] + 0.5 * (4 + k) * math.log1p(float(z[i] @ z[i]) / 4)
    weight = np.exp(log_weight - log_weight.max())
    steps = (rng.random() + np.arange(n)) / n
    return out[np.minimum(np.searchsorted(np.cumsum(weight) / weight.sum(), steps), n - 1)]


def refitted_shapes(p: Problem, best: Optimum, fixed: Mapping[int, float], n: int, seed: int) -> Floats:
    """Parametric bootstrap: shapes of refits of data drawn from the fitted model."""
    rng = np.random.default_rng(seed)
    x, s = marginal(p, best.shapes, best.omegas)
    low = linalg.cholesky(s, lower=True)
    samples = (replace(p, y=x @ best.beta + low @ rng.standard_normal(p.y.size)) for _ in range(n))
    return np.array([maximise(one, fixed, near=best).shapes for one in samples])
