"""Pairwise meta-analysis as tables and sentences for people."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ketasim.cli import _show

if TYPE_CHECKING:
    from ketasim.synthesis import AsymmetryTest, Heterogeneity, PairwiseResult, Pooled, RegressionResult, Series, TrimFill


def show_pairwise(result: PairwiseResult, series: Mapping[str, Series]) -> None:
    """Studies, pooled effects, heterogeneity, subgroups, and repeated analyses."""
    _studies(result)
    data = result.data
    rows = [_pooled_row(m, result.model(m)) for m in ("common", "random")]
    title = (
        f"{data.measure_name[:1].upper()}{data.measure_name[1:]}, {_studies_in_words(data.k)}{_patients(result)}{_arms(result)}"
    )
    _show.text(f"{title}.")
    _show.table(("Model", *_heads(result.common), "PI low", "PI high", "p"), rows)
    _show.text(_heterogeneity(result.heterogeneity))
    _show.text(f"Common: {result.common.how}. Random: {result.random.how}.")
    _show.text("".join(f"{remark}\n" for remark in result.remarks))
    if result.subgroups:
        _subgroups(result)
    for name, found in series.items():
        _show.frame(_series_frame(found), name.replace("_", "-").capitalize())


def _studies_in_words(k: int) -> str:
    return "1 study" if k == 1 else f"{k} studies"


def _patients(result: PairwiseResult) -> str:
    n = [float(x) for x in result.data.n]
    return f", {sum(n):g} patients" if all(map(math.isfinite, n)) else ""


def _arms(result: PairwiseResult) -> str:
    one, other = result.data.treatment, result.data.control
    return f": {one or 'all treated'} against {other}" if other else ""


def _heads(pooled: Pooled) -> tuple[str, str, str]:
    return ("Ratio" if pooled.is_log else "Effect", f"{100 * pooled.level:g} % low", "high")


def _pooled_row(name: str, p: Pooled) -> tuple[Any, ...]:
    return (name, *(p.natural(v) for v in (p.estimate, p.ci_low, p.ci_high)), p.natural(p.pi_low), p.natural(p.pi_high), _p(p.p))


def _studies(result: PairwiseResult) -> None:
    frame = result.to_dataframe()
    names = [f"exp_{c}" if result.data.is_log else c for c in ("estimate", "ci_low", "ci_high")]
    weights = ("weight_common", "weight_random")
    rows = [
        (study, *(float(x) for x in values), f"{common:.1f}", f"{random:.1f}", note)
        for study, values, common, random, note in zip(
            frame["study"], frame[names].to_numpy(), *(frame[w] for w in weights), frame["note"], strict=True
        )
    ]
    _show.table(("Study", *_heads(result.common), "% common", "% random", "Note"), rows, numbers_from=1)


def _heterogeneity(h: Heterogeneity) -> str:
    if not h.df:
        return "Heterogeneity: one study; none to be seen."
    c = _show.cell
    return (
        f"Heterogeneity: tau2 {c(h.tau2)} ({c(h.tau2_low)} to {c(h.tau2_high)}, {h.method}), tau {c(h.tau)}, I2 {c(round(h.i2, 1))} % "
        f"({c(round(h.i2_low, 1))} to {c(round(h.i2_high, 1))}), H2 {c(h.h2)}, Q {c(h.q)} with {h.df} df, p {_p(h.p_q)}."
    )


def _p(p: float) -> str:
    return "-" if math.isnan(p) else "<0.0001" if p < 1e-4 else f"{p:.4f}"


def _subgroups(result: PairwiseResult) -> None:
    rows = [
        (g.name, len(g.rows), *_pooled_row("", g.random)[1:], g.heterogeneity.tau2, g.heterogeneity.i2) for g in result.subgroups
    ]
    heads = ("Subgroup", "k", *_heads(result.random), "PI low", "PI high", "p", "tau2", "I2 %")
    _show.table(heads, rows, f"By {result.subgroup} (random effects)")
    for t in result.between:
        _show.text(f"Between subgroups ({t.model}): Q {_show.cell(t.q)} with {t.df} df, p {_p(t.p)}.")
    _show.text("")


def _series_frame(series: Series) -> Any:
    frame = series.to_dataframe()
    log = series.overall.is_log
    names = [f"exp_{c}" if log else c for c in ("estimate", "ci_low", "ci_high")]
    return frame[[frame.columns[0], "k", *names, "tau2", "i2"]].rename(
        columns={f"exp_{c}": c for c in ("estimate", "ci_low", "ci_high")}
    )


def show_bias(result: PairwiseResult, tests: Mapping[str, AsymmetryTest], filled: TrimFill, model: str) -> None:
    """Tests of asymmetry and trim and fill."""
    rows = [(t.test, t.estimate, t.se, t.statistic if t.df else math.nan, t.df or "", _p(t.p)) for t in tests.values()]
    _show.table(("Test", "Estimate", "SE", "t", "df", "p"), rows, f"Funnel asymmetry, {result.data.k} studies")
    _show.text("Estimate: intercept of Egger and Harbord, slope of Peters, Kendall's tau of Begg.")
    before = result.model(model)
    after = filled.common if model == "common" else filled.random
    rows = [_pooled_row(name, p)[:4] for name, p in (("as published", before), ("with filled studies", after))]
    title = (
        f"Trim and fill ({filled.estimator}, {model}): {filled.missing} on the {filled.side} (SE {_show.cell(filled.missing_se)})"
    )
    _show.text(f"{title}.")
    _show.table(("", *_heads(before)), rows)
    _show.text(f"Trim and fill is {filled.caveat.split('. ')[-1] if '. ' in filled.caveat else filled.caveat}")


def show_regression(found: RegressionResult) -> None:
    """Coefficients, test of all covariates, what heterogeneity is left."""
    scale = " (log scale)" if found.data.is_log else ""
    rows = [(c.name, c.estimate, c.se, c.ci_low, c.ci_high, c.statistic, _p(c.p)) for c in found.coefficients]
    heads = (
        "Coefficient",
        "Estimate",
        "SE",
        f"{100 * found.level:g} % low",
        "high",
        "t" if math.isfinite(found.df) else "z",
        "p",
    )
    _show.table(heads, rows, f"Meta-regression, {found.data.k} studies{scale}")
    for name, levels in found.levels.items():
        _show.text(f"{name}: base is '{levels[0]}'.")
    if math.isfinite(found.df):
        _show.text(
            f"All covariates: F {_show.cell(found.omnibus)} with {found.df_omnibus} and {found.df:g} df, p {_p(found.p_omnibus)}."
        )
    else:
        _show.text(f"All covariates: chi2 {_show.cell(found.omnibus)} with {found.df_omnibus} df, p {_p(found.p_omnibus)}.")
    share = "none to explain" if math.isnan(found.r2) else f"{found.r2:.1f} % explained"
    _show.text(f"Left: {_heterogeneity(found.heterogeneity)} tau2 without covariates {_show.cell(found.tau2_without)}: {share}.")
