"""Networks to test with, and a slow twin of the frequentist analysis: all pairs, electrical network, pseudo-inverses."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np

Rows = list[dict[str, Any]]


def contrast(study: str, one: str, other: str, effect: float, se: float = 0.1) -> dict[str, Any]:
    return {"studlab": study, "treat1": one, "treat2": other, "TE": effect, "seTE": se}


def random_contrasts(seed: int, treatments: int = 5, studies: int = 14, most_arms: int = 4, spread: float = 0.3) -> Rows:
    """A connected random network in contrast format; multi-arm studies give all pairs, from arms of their own variances."""
    rng = np.random.default_rng(seed)
    names = [f"t{k}" for k in range(treatments)]
    truth = rng.normal(size=treatments)
    rows: Rows = []
    for s in range(studies):
        size = int(rng.integers(2, most_arms + 1)) if s >= treatments else 2
        arms = [s, (s + 1) % treatments] if s < treatments - 1 else list(rng.choice(treatments, size, replace=False))
        level = truth[arms] + rng.normal(0, spread, len(arms))
        variance = rng.uniform(0.02, 0.2, len(arms))
        level = level + rng.normal(0, np.sqrt(variance))
        for i, j in itertools.combinations(range(len(arms)), 2):
            se = float(np.sqrt(variance[i] + variance[j]))
            rows.append(contrast(f"s{s}", names[arms[i]], names[arms[j]], float(level[i] - level[j]), se))
    return rows


class Twin(NamedTuple):
    treatments: list[str]
    effect: np.ndarray
    se: np.ndarray
    q: float
    df: int
    tau2: float


def twin(rows: Rows, tau2: float | None = None) -> Twin:
    """Ruecker's electrical network on all pairs, with reduced weights (Ruecker 2012; Ruecker & Schwarzer 2014).

    Without `tau2` the method of moments estimates it: (Q - df) / tr((I - H) (BB' o E / 2) W), where E marks pairs of one study.
    """
    names = sorted({r[k] for r in rows for k in ("treat1", "treat2")})
    m, n = len(rows), len(names)
    b = np.zeros((m, n))
    for k, r in enumerate(rows):
        b[k, names.index(r["treat1"])], b[k, names.index(r["treat2"])] = 1, -1
    y = np.array([r["TE"] for r in rows])
    same = np.array([[a["studlab"] == c["studlab"] for c in rows] for a in rows], dtype=float)
    w = np.diag(_reduced_weights(rows, 0.0))
    _, h, q = _fit(b, w, y)
    df = sum(
        len({r[k] for r in rows if r["studlab"] == s for k in ("treat1", "treat2")}) - 1 for s in {r["studlab"] for r in rows}
    )
    df -= n - 1
    if tau2 is None:
        tau2 = max(0.0, (q - df) / np.trace((np.eye(m) - h) @ (b @ b.T * same / 2) @ w)) if df > 0 else 0.0
    w = np.diag(_reduced_weights(rows, tau2))
    inverse, _, _ = _fit(b, w, y)
    level = inverse @ b.T @ w @ y
    d = np.diag(inverse)
    return Twin(names, level[:, None] - level[None, :], np.sqrt(d[:, None] + d[None, :] - 2 * inverse), q, df, tau2)


def _reduced_weights(rows: Rows, tau2: float) -> np.ndarray:
    out = np.zeros(len(rows))
    for study in {r["studlab"] for r in rows}:
        own = [k for k, r in enumerate(rows) if r["studlab"] == study]
        arms = sorted({rows[k][c] for k in own for c in ("treat1", "treat2")})
        v = np.zeros((len(arms), len(arms)))
        for k in own:
            i, j = arms.index(rows[k]["treat1"]), arms.index(rows[k]["treat2"])
            v[i, j] = v[j, i] = rows[k]["seTE"] ** 2 + tau2
        center = np.eye(len(arms)) - 1 / len(arms)
        laplace = np.linalg.pinv(-center @ v @ center / 2)
        for k in own:
            out[k] = -laplace[arms.index(rows[k]["treat1"]), arms.index(rows[k]["treat2"])]
    return out


def _fit(b: np.ndarray, w: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    inverse = np.linalg.pinv(b.T @ w @ b)
    h = b @ inverse @ b.T @ w
    e = y - h @ y
    return inverse, h, float(e @ w @ e)
