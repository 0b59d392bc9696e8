"""Network meta-regression: effects that change with a property of the study, such as dose, route or kind of control."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from ketasim.arguments import checked
from ketasim.errors import InvalidData, InvalidOption
from ketasim.synthesis._network import estimates
from ketasim.synthesis._network_data import Floats, NetworkData
from ketasim.synthesis._network_gls import basic_design, check_estimable, gls, heterogeneity, stack
from ketasim.synthesis._network_result import NetworkEstimates

if TYPE_CHECKING:
    import pandas as pd

INTERACTIONS = ("common", "independent")


@dataclass(frozen=True)
class NetworkRegression:
    """A network meta-regression.

    Attributes
    ----------
    covariate : its name. center : value (number or level) at which `estimates` hold. interaction : common or independent.
    coefficients : per slope: name, estimate, se, interval, z, p. estimates : effects of all pairs at `center`.
    tau2 : residual heterogeneity variance; tau2_without : that of the same studies without the covariate.
    q, df, p_q : residual heterogeneity. test : (chi2, df, p) of all slopes together. n_studies : with a value of the covariate.
    """

    covariate: str
    center: str
    interaction: str
    coefficients: tuple[dict[str, Any], ...]
    estimates: NetworkEstimates
    tau2: float
    tau2_without: float
    q: float
    df: int
    p_q: float
    test: tuple[float, int, float]
    n_studies: int

    def to_dataframe(self) -> pd.DataFrame:
        """One line per slope."""
        import pandas as pd

        return pd.DataFrame(list(self.coefficients))

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "covariate": self.covariate, "center": self.center, "interaction": self.interaction, "n_studies": self.n_studies,
            "coefficients": list(self.coefficients), "tau2": self.tau2, "tau2_without_covariate": self.tau2_without, "Q": self.q,
            "df": self.df, "pval_Q": self.p_q, "test": dict(zip(("chi2", "df", "p"), self.test, strict=True)),
            "estimates": {row["treat1"]: row for row in self.estimates.versus().to_dict("records")},
        }  # fmt: skip


@checked
def network_regression(
    data: NetworkData,
    covariate: str,
    reference: str = "",
    *,
    interaction: str = "common",
    tau2: str = "reml",
    level: float = 0.95,
) -> NetworkRegression:
    """Random-effects network meta-regression on a covariate of the studies.

    Parameters
    ----------
    data : a network read with this covariate. reference : treatment whose contrasts with the others change with the covariate.
    interaction : ``common`` (one slope for every treatment against the reference) or ``independent`` (one for each).
    tau2 : dl, reml or ml.

    Notes
    -----
    In study i the effect of treatment k against the reference is d_k + b_k (x_i - center), hence between k and l
    d_k - d_l + (b_k - b_l)(x_i - center): with a common slope, contrasts between two treatments other than the reference do not
    change (Dias et al. 2013, TSD 3). A number is centred at its mean over studies, a text at its most frequent level.

    Raises
    ------
    InvalidData: fewer than two values, or slopes that the studies cannot estimate. InvalidOption: unknown covariate or interaction.
    """
    if interaction not in INTERACTIONS:
        raise InvalidOption(f"no interaction '{interaction}'. Use one of {', '.join(INTERACTIONS)}.")
    kept = with_covariate(data, covariate)
    kept.check_connected()
    base = kept.resolve(reference) if reference else kept.default_reference()
    values, names, center = covariate_columns(kept, covariate)
    x = basic_design(kept, base)
    slopes, labels = interaction_design(kept, base, values, names, interaction)
    full = np.hstack([x, slopes])
    check_estimable(full, [*(t for t in kept.treatments if t != base), *labels], f"{data.name}: regression on '{covariate}'")
    s = stack(kept, full)
    between = heterogeneity(s, tau2)
    fit, common = gls(s, between), gls(s)
    n = x.shape[1]
    b, cov = fit.beta[n:], fit.cov[n:, n:]
    chi2 = float(b @ np.linalg.solve(cov, b))
    z = float(stats.norm.ppf((1 + level) / 2))
    rows = tuple(_row(name, float(e), float(v) ** 0.5, z) for name, e, v in zip(labels, b, np.diag(cov), strict=True))
    return NetworkRegression(
        covariate, center, interaction, rows, estimates(kept, base, fit, "random", between, level, max(0, s.df - 1)), between,
        heterogeneity(stack(kept, x), tau2), common.q, s.df, float(stats.chi2.sf(common.q, s.df)) if s.df > 0 else np.nan,
        (chi2, len(b), float(stats.chi2.sf(chi2, len(b)))), len(kept.studies),
    )  # fmt: skip


def _row(name: str, estimate: float, se: float, z: float) -> dict[str, Any]:
    return {
        "slope": name, "estimate": estimate, "se": se, "ci_low": estimate - z * se, "ci_high": estimate + z * se, "z": estimate / se,
        "p": float(2 * stats.norm.sf(abs(estimate) / se)),
    }  # fmt: skip


def with_covariate(data: NetworkData, covariate: str) -> NetworkData:
    """The studies that have a value of the covariate.

    Raises
    ------
    InvalidOption: the network was read without it. InvalidData: no two values differ.
    """
    if covariate not in data.covariates:
        known = ", ".join(data.covariates) or "none"
        raise InvalidOption(f"{data.name}: read without the covariate '{covariate}' (it has: {known}); name it in read_network.")
    values = data.covariates[covariate]
    keep = [k for k, v in enumerate(values) if v]
    if len({values[k] for k in keep}) < 2:
        raise InvalidData(f"{data.name}: the covariate '{covariate}' has fewer than two different values; nothing to regress on.")
    kept = data.take(keep)
    lost = [t for t in data.treatments if not any(t in s.arms for s in kept.studies)]
    if lost:
        raise InvalidData(f"{data.name}: without a value of '{covariate}' no study is left of {', '.join(lost)}.")
    return kept


def covariate_columns(data: NetworkData, covariate: str) -> tuple[Floats, list[str], str]:
    """(studies, columns) centred; names of the columns; what they are centred at."""
    values = data.covariates[covariate]
    numbers = np.array([_number(v) for v in values])
    if np.isfinite(numbers).all():
        center = float(numbers.mean())
        return (numbers - center)[:, None], [covariate], f"{center:g}"
    levels = sorted(set(values), key=lambda v: (-values.count(v), v))
    table = np.array([[float(v == name) for name in levels[1:]] for v in values])
    return table, [f"{covariate}={name}" for name in levels[1:]], levels[0]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def interaction_design(
    data: NetworkData, reference: str, values: Floats, names: list[str], interaction: str
) -> tuple[Floats, list[str]]:
    """(contrasts, slopes) and the name of each slope."""
    x = basic_design(data, reference)
    study = np.concatenate([np.full(len(s.arms) - 1, k) for k, s in enumerate(data.studies)])
    columns, labels = [], list[str]()
    others = [t for t in data.treatments if t != reference]
    for j, name in enumerate(names):
        per_treatment = x * values[study, j][:, None]
        if interaction == "common":
            columns.append(per_treatment.sum(axis=1, keepdims=True))
            labels.append(name)
        else:
            used = [k for k in range(len(others)) if np.abs(per_treatment[:, k]).max() > 0]
            columns.append(per_treatment[:, used])
            labels += [f"{name}: {others[k]}" for k in used]
    return np.hstack(columns), labels
