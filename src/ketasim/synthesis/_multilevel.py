"""Several effects per study: three levels by likelihood, and a standard error that holds when their dependence is guessed wrongly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import optimize, stats

from ketasim.arguments import checked
from ketasim.errors import InvalidData, InvalidOption
from ketasim.synthesis._effect_checks import correlation as checked_correlation
from ketasim.synthesis._network_data import MEASURES, Floats
from ketasim.synthesis._pairwise_data import PairwiseData

if TYPE_CHECKING:
    import pandas as pd

#: Degrees of freedom below which robust tests are not to be trusted (Tipton 2015).
FEWEST_DF = 4.0


@dataclass(frozen=True)
class MultilevelResult:
    """Outcome of `multilevel`.

    Attributes
    ----------
    estimate, se : pooled effect (logarithm for ratios) and its standard error by the model. robust_se, df : by the sandwich (CR2) and its
        Satterthwaite degrees of freedom. ci_low, ci_high, p : robust. pi_low, pi_high : of the effect of a new study.
    tau2_study, tau2_effect : variance between studies, and between effects of one study. log_likelihood : at the maximum, without constants.
    correlation : of sampling errors within a study, as given. k, studies : effects and studies. method, measure, level : as asked.
    """

    estimate: float
    se: float
    robust_se: float
    df: float
    ci_low: float
    ci_high: float
    p: float
    pi_low: float
    pi_high: float
    tau2_study: float
    tau2_effect: float
    log_likelihood: float
    correlation: float
    k: int
    studies: int
    method: str
    measure: str
    level: float

    @property
    def is_log(self) -> bool:
        """Whether the estimate is the logarithm of a ratio."""
        return MEASURES[self.measure]

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader has to know of the interval."""
        if self.df >= FEWEST_DF:
            return ()
        return (f"The robust interval rests on {self.df:.1f} degrees of freedom; below {FEWEST_DF:g} it is not to be trusted.",)

    def as_dict(self) -> dict[str, Any]:
        """As plain data; ratios stand beside their logarithms as ``exp_...``."""
        out = asdict(self) | {"remarks": list(self.remarks)}
        if self.is_log:
            out |= {f"exp_{n}": float(np.exp(out[n])) for n in ("estimate", "ci_low", "ci_high", "pi_low", "pi_high")}
        return out

    def to_dataframe(self) -> pd.DataFrame:
        """One row."""
        import pandas as pd

        return pd.DataFrame([self.as_dict() | {"remarks": "; ".join(self.remarks)}])


@checked
def multilevel(
    data: PairwiseData, studies: Sequence[str], *, correlation: float = 0.0, method: str = "reml", level: float = 0.95
) -> MultilevelResult:
    """Pool effects of which several come from one study: several doses, scales or times, or the periods of a crossover trial.

    Parameters
    ----------
    data : the effects. studies : the study of each. correlation : of the sampling errors of two effects of one study, 0 where they are of
        different people. method : reml or ml.

    Notes
    -----
    Effect j of study i: mu + u_i + w_ij + e_ij with variances tau2_study, tau2_effect and the given ones (Konstantopoulos 2011). The
    standard error is robust to wrong dependence within studies: sandwich with the bias-reduced correction CR2 and Satterthwaite degrees of
    freedom (Tipton 2015; Pustejovsky and Tipton 2018).

    Raises
    ------
    InvalidData: fewer than two studies, or no study with two effects. InvalidOption: no such method.

    Examples
    --------
    >>> y, n = np.array([0.1, 0.3, 0.5, 0.9]), np.full(4, np.nan)
    >>> effects = PairwiseData(("a", "b", "c", "d"), y, np.full(4, 0.2), "md", n, n)
    >>> round(multilevel(effects, ["one", "one", "two", "two"]).estimate, 2)
    0.45
    """
    if method not in ("reml", "ml"):
        raise InvalidOption(f"method '{method}'. Use reml or ml.")
    r, names = checked_correlation(correlation), list(dict.fromkeys(studies))
    if len(studies) != data.k:
        raise InvalidData(f"{data.name}: {data.k} effects, but {len(studies)} names of studies.")
    if len(names) < 2 or len(names) == data.k:
        why = "one study only" if len(names) < 2 else "no study has two effects"
        raise InvalidData(f"{data.name}: {why}; three levels need several studies, and several effects in some.")
    rows = [np.flatnonzero([s == name for s in studies]) for name in names]
    blocks = [_Block(data.effect[i], _sampling(data.se[i], r)) for i in rows]
    between, within, value = _variances(blocks, method == "reml")
    return _result(blocks, between, within, value, r, method, data, level)


@dataclass(frozen=True)
class _Block:
    """Effects of one study and the covariance of their sampling errors."""

    y: Floats
    v: Floats

    def total(self, between: float, within: float) -> Floats:
        """Their covariance under the model."""
        return self.v + between + within * np.eye(len(self.y))


def _sampling(se: Floats, correlation: float) -> Floats:
    return np.outer(se, se) * (correlation + (1 - correlation) * np.eye(len(se)))


def _variances(blocks: Sequence[_Block], restricted: bool) -> tuple[float, float, float]:
    """Variances between studies and within, and the log-likelihood there; the best of several starts, as it may have several tops."""
    scale = float(np.var(np.concatenate([b.y for b in blocks]))) or 1.0
    starts = [(scale * a, scale * b) for a in (0.02, 0.5) for b in (0.02, 0.5)]
    fits = [
        optimize.minimize(lambda x: -_likelihood(blocks, *x, restricted), start, method="L-BFGS-B", bounds=[(0.0, None)] * 2,
                          options={"ftol": 1e-15, "gtol": 1e-10})
        for start in starts
    ]  # fmt: skip
    best = min(fits, key=lambda fit: float(fit.fun))
    return float(best.x[0]), float(best.x[1]), -float(best.fun)


def _likelihood(blocks: Sequence[_Block], between: float, within: float, restricted: bool) -> float:
    """Log-likelihood, the mean at its best; constants are left out."""
    wx, wy, yy, size = 0.0, 0.0, 0.0, 0.0
    for b in blocks:
        low = np.linalg.cholesky(b.total(between, within))
        one, y = (np.linalg.solve(low, column) for column in (np.ones(len(b.y)), b.y))
        wx, wy, yy, size = wx + one @ one, wy + one @ y, yy + y @ y, size + 2 * float(np.log(np.diag(low)).sum())
    return float(-0.5 * (size + yy - wy**2 / wx + (np.log(wx) if restricted else 0.0)))


def _result(
    blocks: Sequence[_Block], between: float, within: float, value: float, r: float, method: str, data: PairwiseData, level: float
) -> MultilevelResult:
    totals = [b.total(between, within) for b in blocks]
    weights = [np.linalg.solve(v, np.ones(len(v))) for v in totals]
    information = float(sum(w.sum() for w in weights))
    mean = float(sum(w @ b.y for w, b in zip(weights, blocks, strict=True))) / information
    robust, df = _robust([b.y - mean for b in blocks], totals, weights, 1 / information)
    half = float(stats.t.isf((1 - level) / 2, df)) * robust
    wide = float(stats.t.isf((1 - level) / 2, df)) * float(np.sqrt(robust**2 + between + within))
    p = float(2 * stats.t.sf(abs(mean) / robust, df))
    return MultilevelResult(
        mean, float(np.sqrt(1 / information)), robust, df, mean - half, mean + half, p, mean - wide, mean + wide, between, within, value,
        r, data.k, len(blocks), method, data.measure, level,
    )  # fmt: skip


def _robust(
    residuals: Sequence[Floats], totals: Sequence[Floats], weights: Sequence[Floats], variance: float
) -> tuple[float, float]:
    """Standard error by the sandwich with CR2, and its degrees of freedom; variance : of the mean under the model."""
    adjusted, error = [], 0.0
    for e, v, w in zip(residuals, totals, weights, strict=True):
        upper = np.linalg.cholesky(v).T
        inner = upper @ (v - variance) @ upper.T
        values, vectors = np.linalg.eigh(inner)
        good = values > 1e-12 * values.max()
        root = (vectors[:, good] / np.sqrt(values[good])) @ vectors[:, good].T
        a = upper.T @ root @ upper
        adjusted.append(a.T @ w * variance)  # so that the contribution of a study is this row times its residuals
        error += float(adjusted[-1] @ e) ** 2
    # Covariance of the contributions under the model: residuals of two studies are joined by the mean they share.
    own = np.array([g @ v @ g for g, v in zip(adjusted, totals, strict=True)])
    sums = np.array([g.sum() for g in adjusted])
    joint = np.diag(own) - variance * np.outer(sums, sums)
    return float(np.sqrt(error)), float(np.trace(joint) ** 2 / (joint**2).sum())
