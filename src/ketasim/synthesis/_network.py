"""Frequentist network meta-analysis: common and random effects by generalised least squares, multi-arm studies included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from ketasim.arguments import checked
from ketasim.errors import InvalidOption
from ketasim.synthesis._network_data import Floats, NetworkData
from ketasim.synthesis._network_gls import Gls, Stack, basic_design, gls, heterogeneity, heterogeneity_interval, stack
from ketasim.synthesis._network_input import read_network
from ketasim.synthesis._network_result import NetworkEstimates, NetworkResult, prediction_df

if TYPE_CHECKING:
    import pandas as pd


@checked
def network_meta_analysis(
    data: NetworkData | str | Path | pd.DataFrame | Sequence[Mapping[str, Any]], measure: str = "", reference: str = "", *,
    tau2: str | float = "dl", level: float = 0.95, prediction: str = "df-1",
) -> NetworkResult:  # fmt: skip
    """Network meta-analysis of contrasts or arms.

    Parameters
    ----------
    data : a network, or anything `read_network` takes. measure : md, smd, or, rr, rd or hr; not needed for a network.
    reference : treatment the others are compared with; default a control by name, else the treatment in most studies.
    tau2 : ``dl`` (generalised method of moments), ``reml``, ``ml``, or a number to fix it. level : of the intervals.
    prediction : df of Q that prediction intervals use, ``df-1`` or ``df``, or ``normal``.

    Returns
    -------
    NetworkResult

    Raises
    ------
    InvalidData: input that cannot be used, or a disconnected network. UnknownEntry: no such reference.
    InvalidOption: no such measure, estimator or distribution.

    Notes
    -----
    Effects d minimise (y - X d)' (V + tau2 R)^-1 (y - X d): y are the contrasts of each study against its first arm, V their
    covariance within studies, and R has 1 on the diagonal and 1/2 between contrasts of one study (Lu & Ades 2004). For studies
    given by all their pairs this equals the electrical-network solution with reduced weights (Ruecker 2012; Ruecker & Schwarzer
    2014). Prediction intervals use t. With the degrees of freedom of Q less one (``df-1``) they are, for two treatments, those of
    Higgins, Thompson & Spiegelhalter (2009) with k - 2; netmeta takes ``df`` since its version 3, and ``df-1`` before. There is none
    without degrees of freedom.

    Examples
    --------
    >>> rows = [{"study": s, "treat1": a, "treat2": b, "TE": y, "seTE": 0.1} for s, a, b, y in
    ...         [("1", "x", "placebo", -1.0), ("2", "y", "placebo", -0.4), ("3", "x", "y", -0.7)]]
    >>> result = network_meta_analysis(rows, "md", "placebo")
    >>> round(result.common.pair("x", "placebo")["estimate"], 3)
    -1.033
    """
    network = data if isinstance(data, NetworkData) else read_network(data, _given(measure))
    if not 0.5 <= level < 1:
        raise InvalidOption(f"level {level:g}: the level of intervals must lie between 0.5 and 1, e.g. 0.95.")
    network.check_connected()
    base = network.resolve(reference) if reference else network.default_reference()
    s = stack(network, basic_design(network, base), len(network.treatments) - 1)
    fit = gls(s)
    between = _tau2(s, tau2)
    method = tau2 if isinstance(tau2, str) else "fixed"
    df_prediction = prediction_df(s.df, prediction)
    random = gls(s, between)
    return NetworkResult(
        network, base, estimates(network, base, fit, "common", 0.0, level, 0),
        estimates(network, base, random, "random", between, level, df_prediction),
        fit.q, s.df, float(stats.chi2.sf(fit.q, s.df)) if s.df > 0 else np.nan, method, heterogeneity_interval(s, level), level,
    )  # fmt: skip


def _given(measure: str) -> str:
    if not measure:
        raise InvalidOption("which effect measure? Say measure='md', 'smd', 'or', 'rr', 'rd' or 'hr'.")
    return measure


def _tau2(s: Stack, tau2: str | float) -> float:
    if isinstance(tau2, str):
        return heterogeneity(s, tau2.lower())
    if not (np.isfinite(tau2) and tau2 >= 0):
        raise InvalidOption(f"tau2 {tau2:g}: a heterogeneity variance is 0 or above.")
    return float(tau2)


def estimates(
    data: NetworkData, reference: str, fit: Gls, model: str, tau2: float, level: float, df_prediction: float
) -> NetworkEstimates:
    """All pairs from effects against the reference."""
    place = [k for k, t in enumerate(data.treatments) if t != reference]
    n = len(data.treatments)
    d, cov = np.zeros(n), np.zeros((n, n))
    d[place] = fit.beta[: len(place)]
    cov[np.ix_(place, place)] = fit.cov[: len(place), : len(place)]
    effect: Floats = d[:, None] - d[None, :]
    return NetworkEstimates(model, data.measure, data.treatments, reference, effect, cov, tau2, level, df_prediction)
