"""Heterogeneity between studies: estimators of tau2 for any linear model of effects, its interval, Q, I2 and H2.

Only independent effects with known variances; several effects of one study are pooled before they come here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from ketasim.errors import InvalidOption, close_names

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

#: Estimators of tau2, and where they come from.
TAU2_METHODS = {
    "dl": "DerSimonian-Laird (1986)",
    "reml": "restricted maximum likelihood",
    "ml": "maximum likelihood",
    "pm": "Paule-Mandel (1982)",
    "eb": "empirical Bayes (Morris 1983)",
    "sj": "Sidik-Jonkman (2005)",
    "he": "Hedges-Olkin (1985)",
}


def checked_method(method: str) -> str:
    """An estimator of tau2 in lower case.

    Raises
    ------
    InvalidOption: no such estimator.
    """
    found = method.strip().lower()
    if found not in TAU2_METHODS:
        known = ", ".join(f"{k} ({v})" for k, v in TAU2_METHODS.items())
        raise InvalidOption(f"no estimator of tau2 '{method}'.{close_names(found, TAU2_METHODS)} Use one of {known}.")
    return found


@dataclass(frozen=True)
class LeastSquares:
    """A weighted linear model of effects at one value of tau2.

    Attributes
    ----------
    coefficients : (p,). covariance : (p, p). residuals : (k,). weights : (k,), 1 / (variance + tau2).
    """

    coefficients: Floats
    covariance: Floats
    residuals: Floats
    weights: Floats

    @property
    def q(self) -> float:
        """Weighted sum of squared residuals."""
        return float(self.weights @ self.residuals**2)


def least_squares(y: Floats, v: Floats, x: Floats, tau2: float = 0.0) -> LeastSquares:
    """Weighted least squares by a QR decomposition of the scaled design."""
    w = 1.0 / (v + tau2)
    root = np.sqrt(w)
    q, r = np.linalg.qr(root[:, None] * x)
    inverse = np.linalg.inv(r)
    b = inverse @ (q.T @ (root * y))
    return LeastSquares(b, inverse @ inverse.T, y - x @ b, w)


def _traces(v: Floats, x: Floats, tau2: float) -> tuple[float, float]:
    """trace(P) and trace(PP), with P = W - W X (X'WX)^-1 X'W."""
    w = 1.0 / (v + tau2)
    q = np.linalg.qr(np.sqrt(w)[:, None] * x)[0]
    inner = q.T @ (w[:, None] * q)
    trace, all_squared = float(w.sum() - np.trace(inner)), float((w**2).sum())
    squared = float(all_squared - 2 * np.trace(q.T @ ((w**2)[:, None] * q)) + np.trace(inner @ inner))
    if trace > 1e-6 * float(w.sum()) and squared > 1e-6 * all_squared:
        return trace, squared
    # One study outweighs all others and the differences above cancel; a basis of the residuals does not.
    rest = np.linalg.qr(np.sqrt(w)[:, None] * x, mode="complete")[0][:, x.shape[1] :]
    kernel = rest.T @ (w[:, None] * rest)
    return float(np.trace(kernel)), float((kernel**2).sum())


def generalised_q(y: Floats, v: Floats, x: Floats, tau2: float) -> float:
    """Q with weights 1 / (variance + tau2); falls as tau2 rises."""
    return least_squares(y, v, x, tau2).q


def typical_variance(v: Floats, x: Floats) -> float:
    """The within-study variance I2 is measured against (Higgins & Thompson 2002), (k - p) / trace(P)."""
    return (len(v) - x.shape[1]) / _traces(v, x, 0.0)[0]


def log_likelihood(y: Floats, v: Floats, x: Floats, tau2: float, restricted: bool) -> float:
    """Logarithm of the (restricted) likelihood at one tau2, without its constant."""
    w = 1.0 / (v + tau2)
    root = np.sqrt(w)
    q, r = np.linalg.qr(root[:, None] * x)
    z = root * y
    value = 0.5 * np.log(w).sum() - 0.5 * float(z @ z - (q.T @ z) @ (q.T @ z))
    return float(value - (np.log(np.abs(np.diag(r))).sum() if restricted else 0.0))


def _score(y: Floats, v: Floats, x: Floats, tau2: float, restricted: bool) -> float:
    fit = least_squares(y, v, x, tau2)
    trace = _traces(v, x, tau2)[0] if restricted else float(fit.weights.sum())
    return 0.5 * float((fit.weights * fit.residuals) @ (fit.weights * fit.residuals) - trace)


def estimate_tau2(y: Floats, v: Floats, x: Floats | None = None, method: str = "reml") -> float:
    """Variance of true effects around the model.

    Parameters
    ----------
    y, v : (k,), effects and their variances. x : (k, p), design; a column of ones if not given. method : see `TAU2_METHODS`.

    Notes
    -----
    The equation of the empirical Bayes estimator, sum w ((y - mean)^2 k / (k - 1) - v) = tau2 sum w with w = 1 / (v + tau2), says
    Q k / (k - 1) = k: it is that of Paule and Mandel, so the two share their code.
    A likelihood may have several maxima: the best of a grid over tau2 is refined, so that the highest is found.
    """
    x = np.ones((len(y), 1)) if x is None else x
    df = len(y) - x.shape[1]
    if df < 1:
        return 0.0
    if method == "dl":
        return max(0.0, (generalised_q(y, v, x, 0.0) - df) / _traces(v, x, 0.0)[0])
    if method == "sj":
        start = float(np.mean((y - y.mean()) ** 2))
        return start * generalised_q(y, v, x, start) / df if start > 0 else 0.0
    if method == "he":
        flat = least_squares(y, np.ones_like(v), x)
        hat = 1.0 - np.einsum("ij,jk,ik->i", x, flat.covariance, x)
        return max(0.0, (float(flat.residuals @ flat.residuals) - float(hat @ v)) / df)
    if method in ("pm", "eb"):
        return _where_q_is(y, v, x, float(df))
    return _most_likely(y, v, x, method == "reml")


def _where_q_is(y: Floats, v: Floats, x: Floats, target: float) -> float:
    """The tau2 at which Q equals `target`; 0 where Q is below it already."""
    if generalised_q(y, v, x, 0.0) <= target:
        return 0.0
    high = _widest(y, v)
    while generalised_q(y, v, x, high) > target:
        high *= 4.0
    return _root(lambda t: generalised_q(y, v, x, t) - target, 0.0, high)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    return float(optimize.brentq(function, low, high, xtol=1e-14 * max(high, 1e-12), rtol=1e-13, maxiter=500))  # type: ignore[arg-type]


def _widest(y: Floats, v: Floats) -> float:
    return float(max(np.ptp(y) ** 2, v.min(), np.finfo(float).tiny))


def _most_likely(y: Floats, v: Floats, x: Floats, restricted: bool) -> float:
    high = 4.0 * _widest(y, v)
    grid = np.concatenate([[0.0], np.geomspace(1e-6 * min(high, float(v.min())), high, 60)])
    value = [log_likelihood(y, v, x, float(t), restricted) for t in grid]
    best = int(np.argmax(value))
    low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, len(grid) - 1)])

    def score(t: float) -> float:
        return _score(y, v, x, t, restricted)

    if score(low) <= 0:
        return low if best <= 1 else float(grid[best])
    return _root(score, low, high) if score(high) < 0 else high


def tau2_error(v: Floats, x: Floats, tau2: float, method: str) -> float:
    """Asymptotic standard error of tau2; NaN for estimators without an accepted formula here (pm, eb, sj, he)."""
    df = len(v) - x.shape[1]
    if df < 1 or method not in ("dl", "reml", "ml"):
        return float("nan")
    if method == "ml":
        return float(np.sqrt(2.0 / ((1.0 / (v + tau2)) ** 2).sum()))
    if method == "reml":
        return float(np.sqrt(2.0 / _traces(v, x, tau2)[1]))
    trace, squared = _traces(v, x, 0.0)
    return float(np.sqrt(2 * df + 4 * tau2 * trace + 2 * tau2**2 * squared) / trace)


def tau2_interval(y: Floats, v: Floats, x: Floats, level: float = 0.95) -> tuple[float, float]:
    """Q-profile interval (Viechtbauer 2007): the tau2 at which Q is an extreme quantile of its chi2 distribution."""
    df = len(y) - x.shape[1]
    if df < 1:
        return float("nan"), float("nan")
    tail = (1 - level) / 2
    return _where_q_is(y, v, x, float(stats.chi2.isf(tail, df))), _where_q_is(y, v, x, float(stats.chi2.ppf(tail, df)))


@dataclass(frozen=True)
class Heterogeneity:
    """Disagreement of studies beyond chance.

    Attributes
    ----------
    method : estimator of tau2. k : studies. q, df, p_q : Cochran's Q around the common-effect model, and its test.
    tau2, tau2_se : between-study variance. tau2_low, tau2_high : Q-profile interval.
    i2, i2_low, i2_high : percent of the variance that lies between studies, tau2 / (tau2 + typical variance), with the interval
        that follows from that of tau2. i2_q : the same from Q alone, (Q - df) / Q. h2 : total over typical variance.
    """

    method: str
    k: int
    q: float
    df: int
    p_q: float
    tau2: float
    tau2_se: float
    tau2_low: float
    tau2_high: float
    i2: float
    i2_low: float
    i2_high: float
    i2_q: float
    h2: float

    @property
    def tau(self) -> float:
        """Standard deviation of true effects."""
        return float(np.sqrt(self.tau2))

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self) | {"tau": self.tau}

    def to_dataframe(self) -> pd.DataFrame:
        """One row."""
        import pandas as pd

        return pd.DataFrame([self.as_dict()])


def heterogeneity(y: Floats, v: Floats, x: Floats | None = None, method: str = "reml", level: float = 0.95) -> Heterogeneity:
    """Heterogeneity of effects around a linear model; around their mean if no design is given."""
    x = np.ones((len(y), 1)) if x is None else x
    df = len(y) - x.shape[1]
    nan = float("nan")
    if df < 1:
        return Heterogeneity(method, len(y), 0.0, 0, nan, 0.0, nan, nan, nan, nan, nan, nan, nan, nan)
    q, tau2, typical = generalised_q(y, v, x, 0.0), estimate_tau2(y, v, x, method), typical_variance(v, x)
    low, high = tau2_interval(y, v, x, level)

    def share(t: float) -> float:
        return 100.0 * t / (t + typical)

    return Heterogeneity(
        method, len(y), q, df, float(stats.chi2.sf(q, df)), tau2, tau2_error(v, x, tau2, method), low, high, share(tau2), share(low),
        share(high), 100.0 * max(0.0, 1 - df / q) if q > 0 else 0.0, 1 + tau2 / typical,
    )  # fmt: skip
