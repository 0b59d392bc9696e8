"""Generalised least squares over studies with correlated contrasts, and the estimators of the heterogeneity variance.

The studies of one number of arms are handled together, so that no matrix is larger than a study or the number of effects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from ketasim.errors import InvalidData, InvalidOption, close_names
from ketasim.synthesis._network_data import Floats, NetworkData

METHODS = {
    "dl": "generalised DerSimonian-Laird", "reml": "restricted maximum likelihood", "ml": "maximum likelihood",
}  # fmt: skip


@dataclass(frozen=True)
class Block:
    """Studies of one size: rows in the stacked contrasts, effects, covariances, design. Leading axis: study."""

    rows: np.ndarray
    y: Floats
    v: Floats
    x: Floats

    @property
    def r(self) -> Floats:
        """Structure of the heterogeneity of contrasts that share an arm: 1 on the diagonal, 1/2 beside it."""
        m = self.y.shape[1]
        return (np.eye(m) + 1.0) / 2.0


@dataclass(frozen=True)
class Stack:
    """All contrasts of a network with a design matrix.

    Attributes
    ----------
    blocks : studies by size. n : contrasts. p : rank of the design. x : (n, columns). misfit : part of Q from rounding.
    """

    blocks: tuple[Block, ...]
    n: int
    p: int
    x: Floats
    misfit: float = 0.0

    @property
    def df(self) -> int:
        """Degrees of freedom left by the design."""
        return self.n - self.p


@dataclass(frozen=True)
class Gls:
    """One weighted fit. beta, cov : estimates and covariance. q : weighted residual sum of squares. logdet : of V and of X'WX."""

    beta: Floats
    cov: Floats
    q: float
    logdet_v: float
    logdet_xwx: float


def basic_design(data: NetworkData, reference: str) -> Floats:
    """(contrasts, treatments - 1): each contrast in effects against the reference, which has no column."""
    rows = []
    columns = {t: k for k, t in enumerate(t for t in data.treatments if t != reference)}
    for study in data.studies:
        for arm in study.arms[1:]:
            row = np.zeros(len(columns))
            for t, sign in ((arm, 1.0), (study.arms[0], -1.0)):
                if t != reference:
                    row[columns[t]] += sign
            rows.append(row)
    return np.array(rows).reshape(len(rows), len(columns))


def stack(data: NetworkData, x: Floats, rank: int | None = None) -> Stack:
    """The studies of a network with a design."""
    sizes: dict[int, list[tuple[int, int]]] = {}
    at = 0
    for k, study in enumerate(data.studies):
        sizes.setdefault(len(study.arms) - 1, []).append((k, at))
        at += len(study.arms) - 1
    blocks = []
    for size, members in sorted(sizes.items()):
        rows = np.array([np.arange(start, start + size) for _, start in members])
        y = np.array([data.studies[k].effect for k, _ in members])
        v = np.array([data.studies[k].cov for k, _ in members])
        blocks.append(Block(rows, y, v, x[rows]))
    p = int(np.linalg.matrix_rank(x)) if rank is None else rank
    return Stack(tuple(blocks), at, p, x, sum(s.misfit for s in data.studies))


def gls(s: Stack, tau2: float = 0.0) -> Gls:
    """Weighted least squares at a given heterogeneity variance; a design short of rank is solved with least norm."""
    k = s.x.shape[1]
    xwx, xwy, ywy, logdet = np.zeros((k, k)), np.zeros(k), 0.0, 0.0
    for b in s.blocks:
        sigma = b.v + tau2 * b.r
        w = np.linalg.inv(sigma)
        wx = w @ b.x
        xwx += np.einsum("sij,sik->jk", b.x, wx)
        xwy += np.einsum("sij,si->j", wx, b.y)
        ywy += float(np.einsum("si,sij,sj->", b.y, w, b.y))
        logdet += float(np.linalg.slogdet(sigma)[1].sum())
    beta, cov = _solve(xwx, xwy, s.p)
    values = np.linalg.eigvalsh(xwx) if k else np.array([])
    return Gls(beta, cov, max(0.0, ywy - float(xwy @ beta)) + s.misfit, logdet, float(np.log(values[k - s.p :]).sum()))


def _solve(xwx: Floats, xwy: Floats, rank: int) -> tuple[Floats, Floats]:
    if not len(xwy):
        return xwy, xwx
    cov = np.linalg.inv(xwx) if rank == len(xwy) else np.linalg.pinv(xwx, rcond=1e-10, hermitian=True)
    return cov @ xwy, cov


def fitted_weights(s: Stack, tau2: float) -> list[Floats]:
    """Inverse covariance of each block of studies."""
    return [np.linalg.inv(b.v + tau2 * b.r) for b in s.blocks]


def trace_pr(s: Stack, tau2: float = 0.0) -> float:
    """tr(P R): how fast Q grows with the heterogeneity; P = W - W X (X'WX)^- X'W."""
    cov, total, inner = gls(s, tau2).cov, 0.0, np.zeros((s.x.shape[1],) * 2)
    for b, w in zip(s.blocks, fitted_weights(s, tau2), strict=True):
        total += float(np.einsum("sij,ji->", w, b.r))
        wx = w @ b.x
        inner += np.einsum("sij,ik,skl->jl", wx, b.r, wx)
    return total - float(np.einsum("ij,ji->", cov, inner))


def dersimonian_laird(s: Stack) -> float:
    """Method of moments for networks (Jackson, White & Riley 2013; as in Ruecker & Schwarzer): (Q - df) / tr(P R), not below 0."""
    if s.df <= 0:
        return 0.0
    return max(0.0, (gls(s).q - s.df) / trace_pr(s))


def log_likelihood(s: Stack, tau2: float, restricted: bool) -> float:
    """Log-likelihood of the random-effects model up to a constant, restricted or not."""
    f = gls(s, tau2)
    return -0.5 * (f.logdet_v + f.q - s.misfit + (f.logdet_xwx if restricted else 0.0))


def score(s: Stack, tau2: float, restricted: bool) -> float:
    """Derivative of `log_likelihood` by tau2."""
    beta = gls(s, tau2).beta
    quadratic, trace = 0.0, 0.0
    for b, w in zip(s.blocks, fitted_weights(s, tau2), strict=True):
        e = np.einsum("sij,sj->si", w, b.y - b.x @ beta)
        quadratic += float(np.einsum("si,ij,sj->", e, b.r, e))
        trace += float(np.einsum("sij,ji->", w, b.r))
    return 0.5 * (quadratic - (trace_pr(s, tau2) if restricted else trace))


def maximum_likelihood(s: Stack, restricted: bool) -> float:
    """tau2 of largest (restricted) likelihood: the best of a grid, then the root of the score beside it."""
    if s.df <= 0:
        return 0.0
    own = float(np.median(np.concatenate([np.diagonal(b.v, axis1=1, axis2=2).ravel() for b in s.blocks])))
    spread = max(float(np.var(np.concatenate([b.y.ravel() for b in s.blocks]))), dersimonian_laird(s), 1e-2 * own)
    grid = np.concatenate([[0.0], spread * np.geomspace(1e-6, 1e2, 49)])
    values = [log_likelihood(s, t, restricted) for t in grid]
    best = int(np.argmax(values))
    low, high = grid[max(0, best - 1)], grid[min(len(grid) - 1, best + 1)]
    ends = score(s, low, restricted), score(s, high, restricted)
    if values[0] >= values[best] - 1e-10 or (ends[0] <= 0 and low == 0.0):
        return 0.0
    if ends[0] <= 0:
        return float(grid[best])
    if ends[1] >= 0:
        return float(grid[best])
    return float(brentq(lambda t: score(s, t, restricted), low, high, xtol=1e-14 * spread + 1e-300, rtol=1e-12))


def heterogeneity(s: Stack, method: str) -> float:
    """Heterogeneity variance by one of the `METHODS`.

    Raises
    ------
    InvalidOption: no such method.
    """
    if method not in METHODS:
        raise InvalidOption(f"no tau2 estimator '{method}'.{close_names(method, METHODS)} Use one of {', '.join(METHODS)}.")
    if method == "dl":
        return dersimonian_laird(s)
    return maximum_likelihood(s, restricted=method == "reml")


def heterogeneity_interval(s: Stack, level: float = 0.95) -> tuple[float, float]:
    """Q-profile interval of tau2 (Viechtbauer 2007, for networks Jackson et al. 2014): where Q(tau2) meets chi2 quantiles."""
    if s.df <= 0:
        return np.nan, np.nan
    ends = []
    for share in ((1 + level) / 2, (1 - level) / 2):
        wanted = float(stats.chi2.ppf(share, s.df))

        def gap(t: float, wanted: float = wanted) -> float:
            return gls(s, t).q - s.misfit - wanted

        if gap(0.0) <= 0:
            ends.append(0.0)
            continue
        high = max(dersimonian_laird(s), 1e-6)
        while gap(high) > 0 and high < 1e12:
            high *= 4
        ends.append(float(brentq(gap, 0.0, high, rtol=1e-10)))
    return ends[0], ends[1]


def check_estimable(x: Floats, names: Sequence[str], what: str) -> None:
    """Refuse a design short of rank, naming columns that cannot be told apart.

    Raises
    ------
    InvalidData: columns depend on each other.
    """
    rank = int(np.linalg.matrix_rank(x))
    if rank == x.shape[1]:
        return
    _, _, vt = np.linalg.svd(x)
    loose = [name for name, part in zip(names, np.abs(vt[rank:]).max(axis=0), strict=True) if part > 1e-8]
    raise InvalidData(
        f"{what}: the studies cannot tell apart the effects of {', '.join(loose)}. Leave out or merge some of them."
    )
