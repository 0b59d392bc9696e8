"""What a network meta-analysis gives: relative effects of all pairs, and what they rest on."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from ketasim.arguments import checked
from ketasim.errors import InvalidOption, close_names
from ketasim.synthesis._network_data import MEASURES, Floats, NetworkData

if TYPE_CHECKING:
    import pandas as pd

#: Distributions of prediction intervals: t with Q's degrees of freedom less one, with Q's, or normal.
PREDICTION = ("df-1", "df", "normal")


@dataclass(frozen=True)
class NetworkEstimates:
    """Relative effects under one model.

    Attributes
    ----------
    model : ``common`` or ``random``. measure : of the effects; ratios are logarithms. treatments : names.
    effect : (treatments, treatments), row against column. se : their standard errors.
    covariance : (treatments, treatments), of the effects against the reference; zero in its row and column.
    reference : of the covariance. tau2 : heterogeneity variance in the weights. level : of the intervals.
    df_prediction : degrees of freedom of prediction intervals, infinite for the normal distribution; 0 where there are none.
    """

    model: str
    measure: str
    treatments: tuple[str, ...]
    reference: str
    effect: Floats
    covariance: Floats
    tau2: float = 0.0
    level: float = 0.95
    df_prediction: float = 0.0

    @property
    def se(self) -> Floats:
        """Standard errors, row against column."""
        d = np.diag(self.covariance)
        return np.sqrt(np.maximum(d[:, None] + d[None, :] - 2 * self.covariance, 0.0))

    @property
    def is_log(self) -> bool:
        """Whether effects are logarithms of ratios."""
        return MEASURES[self.measure]

    def pair(self, treatment: str, against: str) -> dict[str, Any]:
        """Effect of one treatment against another: estimate, se, interval, p, prediction interval (random effects)."""
        i, j = self.treatments.index(treatment), self.treatments.index(against)
        return {"treat1": treatment, "treat2": against} | self._describe(float(self.effect[i, j]), float(self.se[i, j]))

    def _describe(self, effect: float, se: float) -> dict[str, Any]:
        z = float(stats.norm.ppf((1 + self.level) / 2))
        low, high = effect - z * se, effect + z * se
        out = {
            "estimate": effect, "se": se, "ci_low": low, "ci_high": high, "z": effect / se if se else np.nan,
            "p": float(2 * stats.norm.sf(abs(effect) / se)) if se else np.nan,
        }  # fmt: skip
        if self.model == "random" and self.df_prediction > 0:
            wide = stats.t(self.df_prediction) if np.isfinite(self.df_prediction) else stats.norm
            half = float(wide.ppf((1 + self.level) / 2)) * np.sqrt(se**2 + self.tau2)
            out |= {"pi_low": effect - half, "pi_high": effect + half}
        if self.is_log:
            out |= {f"exp_{k}": float(np.exp(out[k])) for k in ("estimate", "ci_low", "ci_high", "pi_low", "pi_high") if k in out}
        return out

    def versus(self, reference: str = "") -> pd.DataFrame:
        """Every other treatment against the reference."""
        import pandas as pd

        base = reference or self.reference
        return pd.DataFrame([self.pair(t, base) for t in self.treatments if t != base])

    def to_dataframe(self) -> pd.DataFrame:
        """All pairs, each once."""
        import pandas as pd

        return pd.DataFrame([self.pair(a, b) for a, b in itertools.combinations(self.treatments, 2)])

    @property
    def prediction(self) -> str:
        """Distribution of the prediction intervals, ``t with 4 df`` or ``normal``; empty where there are none."""
        if self.model != "random" or self.df_prediction <= 0:
            return ""
        return f"t with {self.df_prediction:.0f} df" if np.isfinite(self.df_prediction) else "normal"

    def as_dict(self) -> dict[str, Any]:
        """All pairs as plain data."""
        return {
            "model": self.model, "measure": self.measure, "reference": self.reference, "tau2": self.tau2,
            "pairs": self.to_dataframe().to_dict("records"),
        }  # fmt: skip


@dataclass(frozen=True)
class NetworkResult:
    """A network meta-analysis.

    Attributes
    ----------
    data : the network. reference : treatment. common, random : estimates of both models.
    q, df, p_q : total heterogeneity and inconsistency, and its test. tau2_method : dl, reml or ml.
    tau2_interval : Q-profile interval. level : of all intervals.
    """

    data: NetworkData
    reference: str
    common: NetworkEstimates
    random: NetworkEstimates
    q: float
    df: int
    p_q: float
    tau2_method: str
    tau2_interval: tuple[float, float]
    level: float = 0.95

    @property
    def tau2(self) -> float:
        """Heterogeneity variance."""
        return self.random.tau2

    @property
    def tau(self) -> float:
        """Heterogeneity standard deviation."""
        return float(np.sqrt(self.tau2))

    @property
    def i2(self) -> float:
        """Share of Q above its expectation without heterogeneity, percent (Higgins & Thompson 2002); NaN without df."""
        return 100 * max(0.0, (self.q - self.df) / self.q) if self.df > 0 and self.q > 0 else (0.0 if self.df > 0 else np.nan)

    def i2_interval(self) -> tuple[float, float]:
        """Interval of I2 from that of H (Higgins & Thompson 2002), percent."""
        return i2_interval(self.q, self.df, self.level)

    def model(self, name: str) -> NetworkEstimates:
        """Estimates of the ``common`` or the ``random`` model."""
        return {"common": self.common, "random": self.random}[name]

    def as_dict(self) -> dict[str, Any]:
        """Summary as plain data."""
        low, high = self.i2_interval()
        return {
            "measure": self.data.measure, "reference": self.reference, "n_studies": len(self.data.studies),
            "n_treatments": len(self.data.treatments), "n_pairwise": self.data.n_pairwise, "n_designs": len(self.data.designs()),
            "treatments": list(self.data.treatments), "Q": self.q, "df": self.df, "pval_Q": self.p_q, "tau2": self.tau2,
            "tau": self.tau, "tau2_method": self.tau2_method, "tau2_ci_low": self.tau2_interval[0],
            "tau2_ci_high": self.tau2_interval[1], "I2_percent": self.i2, "I2_ci_low_percent": low, "I2_ci_high_percent": high,
            "level": self.level, "prediction": self.random.prediction,
        }  # fmt: skip

    def to_dataframe(self) -> pd.DataFrame:
        """All pairs under both models, with the number of studies that compare them directly."""
        import pandas as pd

        direct = self.data.comparisons()
        parts = [self.common.to_dataframe().assign(model="common"), self.random.to_dataframe().assign(model="random")]
        table = pd.concat(parts, ignore_index=True)
        counts = [len(direct.get((a, b), ())) for a, b in zip(table["treat1"], table["treat2"], strict=True)]
        table.insert(0, "model", table.pop("model"))
        table.insert(3, "studies", counts)
        return table

    def __str__(self) -> str:
        d = self.as_dict()
        # Without degrees of freedom there is no heterogeneity to speak of.
        i2 = f", I2 {self.i2:.1f} %" if np.isfinite(self.i2) else ""
        return (
            f"Network of {d['n_studies']} studies, {d['n_treatments']} treatments, {d['measure'].upper()} against {self.reference}: "
            f"Q {self.q:.2f} (df {self.df}), tau2 {self.tau2:.4g} ({self.tau2_method}){i2}"
        )


def prediction_df(df: int, prediction: str) -> float:
    """Degrees of freedom of prediction intervals, from those of Q: infinite for ``normal``, 0 where there can be none.

    Raises
    ------
    InvalidOption: no such choice.
    """
    if prediction not in PREDICTION:
        raise InvalidOption(
            f"prediction '{prediction}': unknown.{close_names(prediction, PREDICTION)} Use one of {', '.join(PREDICTION)}: the degrees "
            "of freedom of Q less one, those of Q, or the normal distribution."
        )
    return {"df-1": max(0, df - 1), "df": df, "normal": np.inf if df > 0 else 0}[prediction]


def i2_interval(q: float, df: int, level: float = 0.95) -> tuple[float, float]:
    """Test-based interval of I2 in percent (Higgins & Thompson 2002, appendix); H, which is 1 or more, is 1 where Q is below df."""
    if df < 1:
        return np.nan, np.nan
    k, h = df + 1, max(1.0, np.sqrt(max(q, 0.0) / df))
    if q > k:
        se = 0.5 * (np.log(q) - np.log(df)) / (np.sqrt(2 * q) - np.sqrt(2 * k - 3))
    elif k > 2:
        se = np.sqrt(1 / (2 * (k - 2)) * (1 - 1 / (3 * (k - 2) ** 2)))
    else:
        return np.nan, np.nan
    z = float(stats.norm.ppf((1 + level) / 2))
    bounds = [max(1.0, float(h * np.exp(sign * z * se))) for sign in (-1, 1)]
    return 100 * (1 - 1 / bounds[0] ** 2), 100 * (1 - 1 / bounds[1] ** 2)


@checked
def league_table(one: NetworkEstimates, order: Mapping[str, float] | None = None, digits: int = 2) -> pd.DataFrame:
    """All pairs as text, row treatment against column treatment, ratios back-transformed; sorted by a score, best first."""
    import pandas as pd

    names = sorted(one.treatments, key=lambda t: -order[t]) if order else list(one.treatments)
    cells = {}
    for column in names:
        cells[column] = [column if row == column else _cell(one.pair(row, column), one.is_log, digits) for row in names]
    return pd.DataFrame(cells, index=names)


def _cell(pair: Mapping[str, Any], is_log: bool, digits: int) -> str:
    prefix = "exp_" if is_log else ""
    estimate, low, high = (pair[prefix + k] for k in ("estimate", "ci_low", "ci_high"))
    return f"{estimate:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
