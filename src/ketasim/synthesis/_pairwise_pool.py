"""Pooling of one effect per study: inverse variance (common, random), Mantel-Haenszel, Peto."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from ketasim.arguments import checked
from ketasim.errors import InvalidData, InvalidOption
from ketasim.synthesis._heterogeneity import Heterogeneity, heterogeneity, least_squares
from ketasim.synthesis._network_data import MEASURES, Floats
from ketasim.synthesis._pairwise_data import PairwiseData

if TYPE_CHECKING:
    import pandas as pd

POOLING = {"inverse": "inverse variance", "mh": "Mantel-Haenszel", "peto": "Peto"}
PREDICTION = ("k-2", "k-1", "normal")


@dataclass(frozen=True)
class Rules:
    """How effects are pooled.

    Attributes
    ----------
    method : estimator of tau2. hk : '', 'hk' (Hartung-Knapp) or 'adhoc' (never below the usual variance). level : of intervals.
    pooling : inverse, mh or peto (the common-effect model). prediction : distribution of the prediction interval.
    """

    method: str = "reml"
    hk: str = ""
    level: float = 0.95
    pooling: str = "inverse"
    prediction: str = "k-2"


@dataclass(frozen=True)
class Pooled:
    """A pooled effect under one model.

    Attributes
    ----------
    model : common or random. how : of pooling and interval, in words. measure : of the effect; ratios are logarithms.
    estimate, se, ci_low, ci_high : pooled effect. statistic, df, p : its test against no effect; df is infinite for a normal.
    pi_low, pi_high : prediction interval of the effect in a new study, NaN where there is none.
    weights : (study,), in percent. tau2 : in the weights. level : of the intervals. k : studies.
    """

    model: str
    how: str
    measure: str
    estimate: float
    se: float
    ci_low: float
    ci_high: float
    statistic: float
    df: float
    p: float
    pi_low: float
    pi_high: float
    weights: Floats
    tau2: float
    level: float
    k: int

    @property
    def is_log(self) -> bool:
        """Whether the estimate is the logarithm of a ratio."""
        return MEASURES[self.measure]

    def natural(self, value: float) -> float:
        """A value on the scale a reader knows: ratios instead of their logarithms."""
        return exponential(value) if self.is_log else value

    def as_dict(self) -> dict[str, Any]:
        """As plain data without the weights; ratios stand beside their logarithms as ``exp_...``."""
        names = ("model", "how", "measure", "k", "estimate", "se", "ci_low", "ci_high", "statistic", "df", "p", "pi_low", "pi_high", "tau2", "level")  # fmt: skip
        out: dict[str, Any] = {name: getattr(self, name) for name in names}
        if self.is_log:
            out |= {f"exp_{n}": exponential(out[n]) for n in ("estimate", "ci_low", "ci_high", "pi_low", "pi_high")}
        return out

    def to_dataframe(self) -> pd.DataFrame:
        """One row."""
        import pandas as pd

        return pd.DataFrame([self.as_dict()])


def pool(data: PairwiseData, rules: Rules, tau2: float | None = None) -> tuple[Pooled, Pooled, Heterogeneity]:
    """Common effect, random effects and heterogeneity; with `tau2` given, that is used instead of an estimate."""
    found = heterogeneity(data.effect, data.variance, None, rules.method, rules.level)
    return pool_common(data, rules), pool_random(data, rules, found.tau2 if tau2 is None else tau2), found


def pool_common(data: PairwiseData, rules: Rules) -> Pooled:
    """One true effect in all studies."""
    if rules.pooling == "mh":
        return mantel_haenszel(data, rules.level)
    w = 1 / data.variance
    how = "Peto" if rules.pooling == "peto" else "inverse variance"
    return _pooled("common", how, data, float(w @ data.effect / w.sum()), float(1 / np.sqrt(w.sum())), w, 0.0, rules.level)


def pool_random(data: PairwiseData, rules: Rules, tau2: float) -> Pooled:
    """True effects scatter around a mean with variance `tau2`.

    Notes
    -----
    Hartung-Knapp: variance times q = sum(w (y - mean)^2) / (k - 1), t with k - 1 degrees of freedom; the ad hoc form takes max(1, q).
    Prediction interval: mean -+ t root(se^2 + tau2), k - 2 degrees of freedom (Higgins et al. 2009) unless asked otherwise.
    """
    fit = least_squares(data.effect, data.variance, np.ones((data.k, 1)), tau2)
    mean, se, df, how = float(fit.coefficients[0]), float(np.sqrt(fit.covariance[0, 0])), math.inf, f"{rules.method}, normal"
    if rules.hk and data.k > 1:
        q, df = fit.q / (data.k - 1), float(data.k - 1)
        if rules.hk == "adhoc":
            q, how = max(1.0, q), f"{rules.method}, Hartung-Knapp (ad hoc)"
        else:
            how = f"{rules.method}, Hartung-Knapp"
        # Studies that agree exactly have q of 0 up to rounding; an interval without width would say more than is known.
        se *= math.sqrt(max(q, 1e-12))
    found = _pooled("random", how, data, mean, se, fit.weights, tau2, rules.level, df)
    low, high = _prediction(data.k, mean, se, tau2, rules)
    return replace(found, pi_low=low, pi_high=high)


def _prediction(k: int, mean: float, se: float, tau2: float, rules: Rules) -> tuple[float, float]:
    if k < 3:
        return math.nan, math.nan
    df = {"k-2": k - 2, "k-1": k - 1, "normal": math.inf}[rules.prediction]
    half = _quantile(rules.level, df) * math.sqrt(se**2 + tau2)
    return mean - half, mean + half


def _quantile(level: float, df: float) -> float:
    return float(stats.t.isf((1 - level) / 2, df) if math.isfinite(df) else stats.norm.isf((1 - level) / 2))


def _pooled(
    model: str,
    how: str,
    data: PairwiseData,
    mean: float,
    se: float,
    weights: Floats,
    tau2: float,
    level: float,
    df: float = math.inf,
) -> Pooled:
    half = _quantile(level, df) * se
    z = mean / se
    p = float(2 * (stats.t.sf(abs(z), df) if math.isfinite(df) else stats.norm.sf(abs(z))))
    return Pooled(
        model, how, data.measure, mean, se, mean - half, mean + half, z, df, p, math.nan, math.nan, 100 * weights / weights.sum(), tau2,
        level, data.k,
    )  # fmt: skip


def _counts(data: PairwiseData, what: str) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    if data.counts is None:
        raise InvalidOption(
            f"{data.name}: {what} needs the events and patients of both arms of every study; here are only effects."
        )
    a, n1, c, n2 = data.counts.T
    return a, n1, c, n2, n1 + n2


@checked
def mantel_haenszel(data: PairwiseData, level: float = 0.95) -> Pooled:
    """Common odds ratio, risk ratio or risk difference by Mantel and Haenszel; empty cells need no correction.

    Notes
    -----
    Variances: odds ratio by Robins, Breslow and Greenland (1986); risk ratio and difference by Greenland and Robins (1985).
    """
    if data.measure not in ("or", "rr", "rd"):
        raise InvalidOption(f"Mantel-Haenszel pools or, rr and rd from counts, not {data.measure}.")
    a, n1, c, n2, n = _counts(data, "Mantel-Haenszel")
    b, d = n1 - a, n2 - c
    if data.measure == "rd":
        w = n1 * n2 / n
        variance = float(((a * b * n2**3 + c * d * n1**3) / (n1 * n2 * n**2)).sum() / w.sum() ** 2)
        return _checked_mh(data, float((w @ (a / n1 - c / n2)) / w.sum()), variance, w, level)
    if data.measure == "rr":
        r, s = a * n2 / n, c * n1 / n
    else:
        r, s = a * d / n, b * c / n
    up, down = float(r.sum()), float(s.sum())
    if up <= 0 or down <= 0:
        raise InvalidData(
            f"{data.name}: one of the arms has no events (or only events) over all studies; Mantel-Haenszel gives no ratio."
        )
    if data.measure == "rr":
        variance = float(((n1 * n2 * (a + c) - a * c * n) / n**2).sum()) / (up * down)
    else:
        p, q = (a + d) / n, (b + c) / n
        variance = float(p @ r) / (2 * up**2) + float(p @ s + q @ r) / (2 * up * down) + float(q @ s) / (2 * down**2)
    return _checked_mh(data, math.log(up / down), variance, s, level)


def _checked_mh(data: PairwiseData, estimate: float, variance: float, w: Floats, level: float) -> Pooled:
    if not variance > 0:
        raise InvalidData(f"{data.name}: the counts leave no variance to pool by Mantel-Haenszel.")
    return _pooled("common", "Mantel-Haenszel", data, estimate, math.sqrt(variance), w, 0.0, level)


def peto_effects(data: PairwiseData) -> PairwiseData:
    """Study effects as Peto's one-step log odds ratios, (O - E) / V with variance 1 / V (Yusuf et al. 1985)."""
    if data.measure != "or":
        raise InvalidOption(f"Peto's method gives odds ratios, not {data.measure}; use --measure or.")
    a, n1, c, n2, n = _counts(data, "Peto's method")
    m = a + c
    v = n1 * n2 * m * (n - m) / (n**2 * (n - 1))
    return replace(data, effect=(a - n1 * m / n) / v, se=1 / np.sqrt(v), corrected=())


def exponential(x: float) -> float:
    """e to the x, infinite beyond the largest number: limits of two studies at a high level lie there."""
    return math.exp(x) if x < math.log(sys.float_info.max) or math.isnan(x) else math.inf
