"""Meta-regression: mixed-effects model of effects on properties of studies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from ketasim.arguments import checked
from ketasim.errors import InvalidData, InvalidOption, KetasimWarning, warn
from ketasim.synthesis._heterogeneity import (
    Heterogeneity,
    LeastSquares,
    checked_method,
    estimate_tau2,
    heterogeneity,
    least_squares,
)
from ketasim.synthesis._network_data import Floats
from ketasim.synthesis._network_table import Table
from ketasim.synthesis._pairwise_data import PairwiseData
from ketasim.synthesis._pairwise_input import read_pairwise

if TYPE_CHECKING:
    import pandas as pd

#: Below so many studies per coefficient a meta-regression says little (Cochrane Handbook 10.11.5.1).
STUDIES_PER_COVARIATE = 10


class FewStudies(KetasimWarning):
    """Fewer studies than the method needs to be informative."""


@dataclass(frozen=True)
class Coefficient:
    """One coefficient of a meta-regression; on the log scale for ratios."""

    name: str
    estimate: float
    se: float
    ci_low: float
    ci_high: float
    statistic: float
    p: float


@dataclass(frozen=True)
class RegressionResult:
    """A meta-regression.

    Attributes
    ----------
    data : studies used. covariates : columns. levels : of columns of words, the first is the base. coefficients : intercept first.
    covariance : (p, p). test : ``knapp-hartung`` or ``normal``. df : of the t distribution, infinite for the normal.
    omnibus, df_omnibus, p_omnibus : test of all covariates together (F under Knapp-Hartung, else chi2).
    heterogeneity : what is left; its Q is that of residuals. tau2_without : tau2 without covariates.
    r2 : percent of tau2 that the covariates explain, NaN where there is none to explain. level : of intervals.
    """

    data: PairwiseData
    covariates: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    coefficients: tuple[Coefficient, ...]
    covariance: Floats
    test: str
    df: float
    omnibus: float
    df_omnibus: int
    p_omnibus: float
    heterogeneity: Heterogeneity
    tau2_without: float
    r2: float
    level: float

    def predict(self, **values: float | str) -> dict[str, float]:
        """The mean effect at values of the covariates, with confidence and prediction interval.

        Raises
        ------
        InvalidOption: a covariate is missing, unknown, or has a value that no study has.

        Examples
        --------
        >>> rows = [{"study": str(k), "TE": 0.1 * k, "seTE": 0.2, "dose": float(k)} for k in range(12)]
        >>> round(meta_regression(rows, "md", ["dose"]).predict(dose=5.0)["estimate"], 3)
        0.5
        """
        if set(values) != set(self.covariates):
            raise InvalidOption(f"values are needed for {', '.join(self.covariates)}; given: {', '.join(values) or 'none'}.")
        x = [1.0]
        for name in self.covariates:
            if name in self.levels:
                x += _dummies(str(values[name]), self.levels[name], name)
            else:
                x.append(float(values[name]))
        row = np.array(x)
        mean, se = float(row @ [c.estimate for c in self.coefficients]), float(np.sqrt(row @ self.covariance @ row))
        q = _quantile(self.level, self.df)
        wide = q * math.hypot(se, self.heterogeneity.tau)
        return {
            "estimate": mean, "se": se, "ci_low": mean - q * se, "ci_high": mean + q * se, "pi_low": mean - wide, "pi_high": mean + wide,
        }  # fmt: skip

    def to_dataframe(self) -> pd.DataFrame:
        """One row per coefficient."""
        import pandas as pd

        return pd.DataFrame([vars(c) for c in self.coefficients])

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "measure": self.data.measure, "k": self.data.k, "covariates": list(self.covariates),
            "levels": {k: list(v) for k, v in self.levels.items()}, "coefficients": [vars(c) for c in self.coefficients], "test": self.test,
            "omnibus": self.omnibus, "df_omnibus": self.df_omnibus, "df": self.df, "p_omnibus": self.p_omnibus,
            "heterogeneity": self.heterogeneity.as_dict(), "tau2_without": self.tau2_without, "r2": self.r2, "level": self.level,
            "excluded": dict(self.data.excluded),
        }  # fmt: skip


@checked
def meta_regression(
    data: PairwiseData | Table | str | Path | pd.DataFrame | Sequence[Mapping[str, Any]], measure: str = "",
    covariates: Sequence[str] = (), *, method: str = "reml", hk: bool | str = True, level: float = 0.95,
    base: Mapping[str, str] | None = None, **reading: Any,
) -> RegressionResult:  # fmt: skip
    """Regression of effects on covariates of the studies, with residual heterogeneity.

    Parameters
    ----------
    data, measure : see `read_pairwise`, whose options go into `reading`. covariates : columns; numbers enter as they are, words as
        differences from a base. method : estimator of tau2. hk : Knapp and Hartung's test (``"adhoc"`` never shrinks standard errors).
    base : value that is the base of a column of words; else the first in alphabetical order.

    Raises
    ------
    InvalidData: too few studies, or covariates that say the same. InvalidOption: no covariates, or unknown ones.

    Examples
    --------
    >>> rows = [{"study": str(k), "TE": 0.1 * k, "seTE": 0.2, "dose": float(k)} for k in range(12)]
    >>> round(meta_regression(rows, "md", ["dose"]).coefficients[1].estimate, 3)
    0.1
    """
    names = list(dict.fromkeys(covariates))
    if not names:
        raise InvalidOption("a meta-regression needs at least one covariate.")
    method = checked_method(method)
    if hk not in (True, False, "", "hk", "adhoc"):
        raise InvalidOption(f"hk '{hk}': unknown. Use True, False or 'adhoc'.")
    found = read_pairwise(data, measure or getattr(data, "measure", ""), covariates=names, **reading)
    found = _complete(found, names)
    x, labels, levels = _design(found, names, base or {})
    _check_design(found, x, labels)
    tau2 = estimate_tau2(found.effect, found.variance, x, method)
    fit = least_squares(found.effect, found.variance, x, tau2)
    return _result(found, names, levels, labels, x, fit, method, "hk" if hk is True else hk or "", level)


def _complete(data: PairwiseData, names: Sequence[str]) -> PairwiseData:
    """Studies with all covariates; the others are said."""

    from ketasim.synthesis._network_data import StudyExcluded

    good = [all(data.column(n)[i].strip() for n in names) for i in range(data.k)]
    for i, there in enumerate(good):
        if not there:
            absent = ", ".join(n for n in names if not data.column(n)[i].strip())
            warn(f"{data.name}: study '{data.studies[i]}' is left out: no {absent}.", StudyExcluded, stacklevel=4)
    return data if all(good) else data.take([i for i, there in enumerate(good) if there])


def _design(
    data: PairwiseData, names: Sequence[str], base: Mapping[str, str]
) -> tuple[Floats, list[str], dict[str, tuple[str, ...]]]:
    columns, labels, levels = [np.ones(data.k)], ["intercept"], dict[str, tuple[str, ...]]()
    for name in names:
        values = data.numbers(name)
        if values is not None and name not in base:
            columns.append(values)
            labels.append(name)
            continue
        words = data.column(name)
        order = sorted(set(words))
        if name in base:
            if base[name] not in order:
                raise InvalidOption(f"{data.name}: column '{name}' has no value '{base[name]}'. It has: {', '.join(order)}.")
            order = [base[name], *(w for w in order if w != base[name])]
        if len(order) < 2:
            raise InvalidData(f"{data.name}: '{name}' is '{order[0]}' in all studies; a covariate must vary.")
        levels[name] = tuple(order)
        columns += list(np.array([_dummies(w, order, name) for w in words], dtype=np.float64).T)
        labels += [f"{name} {w}" for w in order[1:]]
    return np.column_stack(columns), labels, levels


def _dummies(word: str, levels: Sequence[str], name: str) -> list[float]:
    if word not in levels:
        raise InvalidOption(f"{name}: no study has the value '{word}'. Values: {', '.join(levels)}.")
    return [float(word == level) for level in levels[1:]]


def _check_design(data: PairwiseData, x: Floats, labels: Sequence[str]) -> None:

    k, p = x.shape
    if k <= p:
        raise InvalidData(
            f"{data.name}: {k} studies for {p} coefficients ({', '.join(labels)}); more studies than coefficients are needed."
        )
    scaled = x / np.maximum(np.abs(x).max(axis=0), 1e-300)
    if np.linalg.matrix_rank(scaled) < p:
        raise InvalidData(
            f"{data.name}: the covariates {', '.join(labels[1:])} say the same in these studies, or one does not vary; drop one."
        )
    if k < STUDIES_PER_COVARIATE * (p - 1):
        warn(
            f"{data.name}: {k} studies for {p - 1} coefficient{'s' if p > 2 else ''}; below {STUDIES_PER_COVARIATE} studies for each, a "
            "meta-regression can suggest but hardly show.",
            FewStudies,
            stacklevel=4,
        )


def _result(
    data: PairwiseData, names: Sequence[str], levels: Mapping[str, tuple[str, ...]], labels: Sequence[str], x: Floats, fit: LeastSquares,
    method: str, hk: str, level: float,
) -> RegressionResult:  # fmt: skip
    k, p = x.shape
    factor = fit.q / (k - p) if hk else 1.0
    if hk == "adhoc":
        factor = max(1.0, factor)
    covariance, df = fit.covariance * max(factor, 1e-12), float(k - p) if hk else math.inf
    b, se = fit.coefficients, np.sqrt(np.diag(covariance))
    half = _quantile(level, df) * se
    coefficients = tuple(
        Coefficient(labels[j], float(b[j]), float(se[j]), float(b[j] - half[j]), float(b[j] + half[j]), float(b[j] / se[j]), _two_sided(b[j] / se[j], df))
        for j in range(p)
    )  # fmt: skip
    wald = float(b[1:] @ np.linalg.solve(covariance[1:, 1:], b[1:]))
    omnibus = wald / (p - 1) if hk else wald
    p_omnibus = float(stats.f.sf(omnibus, p - 1, k - p) if hk else stats.chi2.sf(omnibus, p - 1))
    left = heterogeneity(data.effect, data.variance, x, method, level)
    without = estimate_tau2(data.effect, data.variance, None, method)
    r2 = 100 * max(0.0, 1 - left.tau2 / without) if without > 0 else math.nan
    return RegressionResult(
        data, tuple(names), levels, coefficients, covariance, "knapp-hartung" if hk else "normal", df, omnibus, p - 1, p_omnibus, left,
        without, r2, level,
    )  # fmt: skip


def _quantile(level: float, df: float) -> float:
    return float(stats.t.isf((1 - level) / 2, df) if math.isfinite(df) else stats.norm.isf((1 - level) / 2))


def _two_sided(statistic: float, df: float) -> float:
    return float(2 * (stats.t.sf(abs(statistic), df) if math.isfinite(df) else stats.norm.sf(abs(statistic))))
