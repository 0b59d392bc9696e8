"""Additive component network meta-analysis: treatments as sums of components, also across parts without a common study."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from ketasim.arguments import checked
from ketasim.errors import InvalidData, InvalidOption, close_names
from ketasim.synthesis._inconsistency import with_p
from ketasim.synthesis._network_data import MEASURES, Floats, NetworkData
from ketasim.synthesis._network_gls import gls, heterogeneity, stack
from ketasim.synthesis._network_result import NetworkEstimates, prediction_df

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ComponentResult:
    """An additive component network meta-analysis.

    Attributes
    ----------
    components : names; the inactive one has no effect and is not among them. inactive : its name or empty.
    rows : per model and component: estimate, se, interval, z, p. combinations : treatment -> its components.
    q_additive : (Q, df, p) of the additive model. q_standard : of the standard model, None where the network is disconnected.
    q_difference : (Q, df, p) testing additivity, None likewise. tau2 : heterogeneity variance of the random-effects model.
    common, random : effects of all pairs of treatments that the components identify; None where some cannot be estimated.
    """

    components: tuple[str, ...]
    inactive: str
    rows: tuple[dict[str, Any], ...]
    combinations: dict[str, tuple[str, ...]]
    q_additive: tuple[float, int, float]
    q_standard: tuple[float, int, float] | None
    q_difference: tuple[float, int, float] | None
    tau2: float
    common: NetworkEstimates
    random: NetworkEstimates

    def to_dataframe(self) -> pd.DataFrame:
        """One line per model and component."""
        import pandas as pd

        return pd.DataFrame(list(self.rows))

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""

        def part(v: tuple[float, int, float] | None) -> dict[str, Any] | None:
            return None if v is None else dict(zip(("Q", "df", "p"), v, strict=True))

        return {
            "components": list(self.rows), "inactive": self.inactive, "tau2": self.tau2,
            "combinations": {t: list(parts) for t, parts in self.combinations.items()}, "Q_additive": part(self.q_additive),
            "Q_standard": part(self.q_standard), "Q_difference": part(self.q_difference),
        }  # fmt: skip


def component_matrix(treatments: tuple[str, ...], inactive: str = "", separator: str = "+") -> tuple[Floats, tuple[str, ...]]:
    """(treatments, components): 1 where a treatment holds a component, and the components' names.

    Examples
    --------
    >>> component_matrix(("a", "a + b", "placebo"), "placebo")[0].astype(int).tolist()
    [[1, 0], [1, 1], [0, 0]]
    """
    parts = {t: split_components(t, separator) for t in treatments}
    names = tuple(sorted({c for p in parts.values() for c in p if c != inactive}))
    return np.array([[float(c in parts[t]) for c in names] for t in treatments]), names


def split_components(treatment: str, separator: str = "+") -> tuple[str, ...]:
    """Components of a treatment's name."""
    return tuple(part.strip() for part in treatment.split(separator) if part.strip())


@checked
def component_network(
    data: NetworkData,
    inactive: str = "",
    *,
    separator: str = "+",
    tau2: str = "dl",
    level: float = 0.95,
    prediction: str = "df-1",
) -> ComponentResult:
    """Additive component network meta-analysis of a connected or disconnected network.

    Parameters
    ----------
    inactive : treatment without effect (placebo), from which effects count; without it only differences that the design identifies.
    separator : between components in a treatment's name. prediction : as in `network_meta_analysis`.

    Notes
    -----
    With B the contrasts and C the components of treatments, y = B C beta + error (Ruecker, Petropoulou & Schwarzer 2020; Welton et
    al. 2009). Additivity is tested by the rise of Q over the standard model, where that exists.

    Raises
    ------
    InvalidData: components that the studies cannot tell apart. UnknownEntry: no such inactive treatment.
    """
    base = _resolve_inactive(data, inactive, separator)
    c, names = component_matrix(data.treatments, base, separator)
    b = _contrast_matrix(data)
    x = b @ c
    rank = int(np.linalg.matrix_rank(x))
    _check_identified(data, x, names, rank)
    s = stack(data, x, rank)
    between = heterogeneity(s, tau2)
    fits = {"common": (gls(s), 0.0), "random": (gls(s, between), between)}
    rows, all_pairs = list[dict[str, Any]](), dict[str, NetworkEstimates]()
    for model, (fit, t2) in fits.items():
        rows += [_row(model, n, e, v, level, data.is_log) for n, e, v in zip(names, fit.beta, np.diag(fit.cov), strict=True)]
        all_pairs[model] = _pairs(data, base, c, fit.beta, fit.cov, model, t2, level, prediction_df(s.df, prediction))
    q_additive = with_p(fits["common"][0].q, s.df)
    standard, difference = _against_standard(data, b, q_additive)
    combinations = {t: split_components(t, separator) for t in data.treatments}
    return ComponentResult(
        names,
        base,
        tuple(rows),
        combinations,
        q_additive,
        standard,
        difference,
        between,
        all_pairs["common"],
        all_pairs["random"],
    )


def _resolve_inactive(data: NetworkData, inactive: str, separator: str) -> str:
    if not inactive:
        return ""
    known = {c for t in data.treatments for c in split_components(t, separator)}
    for name in known:
        if name.lower() == inactive.lower():
            return name
    raise InvalidOption(
        f"{data.name}: no component '{inactive}'.{close_names(inactive, known)} There are: {', '.join(sorted(known))}."
    )


def _contrast_matrix(data: NetworkData) -> Floats:
    b = np.zeros((data.n_contrasts, len(data.treatments)))
    row = 0
    for study in data.studies:
        for arm in study.arms[1:]:
            b[row, data.index(arm)], b[row, data.index(study.arms[0])] = 1.0, -1.0
            row += 1
    return b


def _check_identified(data: NetworkData, x: Floats, names: tuple[str, ...], rank: int) -> None:
    if rank == x.shape[1]:
        return
    _, _, vt = np.linalg.svd(x)
    loose = [n for n, size in zip(names, np.abs(vt[rank:]).max(axis=0), strict=True) if size > 1e-8]
    raise InvalidData(
        f"{data.name}: the studies cannot tell apart the effects of the components {', '.join(loose)}. Name the inactive treatment "
        "(--inactive), or write components that always occur together as one."
    )


def _row(model: str, name: str, estimate: float, variance: float, level: float, log: bool) -> dict[str, Any]:
    se, z = float(variance) ** 0.5, float(stats.norm.ppf((1 + level) / 2))
    low, high = estimate - z * se, estimate + z * se
    row = {
        "model": model, "component": name, "estimate": float(estimate), "se": se, "ci_low": low, "ci_high": high,
        "z": estimate / se, "p": float(2 * stats.norm.sf(abs(estimate) / se)),
    }  # fmt: skip
    return row | ({f"exp_{k}": float(np.exp(row[k])) for k in ("estimate", "ci_low", "ci_high")} if log else {})


def _pairs(
    data: NetworkData, base: str, c: Floats, beta: Floats, cov: Floats, model: str, tau2: float, level: float, df: float
) -> NetworkEstimates:
    """Effects of all treatments against the inactive one, or the first treatment."""
    reference = base if base in data.treatments else data.treatments[0]
    against = c - c[data.index(reference)]
    d = against @ beta
    return NetworkEstimates(
        model, data.measure, data.treatments, reference, d[:, None] - d[None, :], against @ cov @ against.T, tau2, level, df
    )


def _against_standard(
    data: NetworkData, b: Floats, additive: tuple[float, int, float]
) -> tuple[tuple[float, int, float] | None, tuple[float, int, float] | None]:
    if len(data.components()) > 1 or data.measure not in MEASURES:
        return None, None
    s = stack(data, b[:, 1:])
    standard = with_p(gls(s).q, s.df)
    return standard, with_p(max(0.0, additive[0] - standard[0]), additive[1] - standard[1])
