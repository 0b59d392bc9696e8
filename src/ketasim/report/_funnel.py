"""Funnel plots: effect against standard error, with contours of significance, filled studies and the line of Egger's test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from ketasim.arguments import checked
from ketasim.report._figures import PALETTE
from ketasim.report._forest import ratio_ticks
from ketasim.report._network_style import canvas, measure_name, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    from ketasim.synthesis import AsymmetryTest, NetworkFunnel, PairwiseResult, TrimFill

#: Two-sided p of a single study against no effect: name, upper end of the region outside, shade.
_SHADES = (("p > 0.1", 0.1, "#cfcfcf"), ("0.05 < p < 0.1", 0.05, "#e0e0e0"), ("0.01 < p < 0.05", 0.01, "#efefef"), ("p < 0.01", 0.0, "#ffffff"))  # fmt: skip


@checked
def funnel_figure(
    result: PairwiseResult, *, model: str = "random", contours: bool = True, filled: TrimFill | None = None,
    egger: AsymmetryTest | None = None, title: str = "",
) -> Figure:  # fmt: skip
    """Funnel plot.

    Parameters
    ----------
    model : whose pooled effect is the middle line. contours : shade regions of two-sided p around no effect; else show 95 % limits
        around the pooled effect. filled : of `trim_and_fill`, its studies drawn open. egger : of `asymmetry_test`, its line.
    """
    with styled():
        figure = canvas(5.4, 4.3)
        axis = figure.subplots()
        data, pooled = result.data, result.model(model)
        deepest = float(data.se.max()) * 1.08
        effects = data.effect if filled is None else filled.data.effect
        half, centre = 1.96 * deepest, 0.0 if contours else pooled.estimate
        low = min(float(effects.min()), centre - half, pooled.estimate)
        high = max(float(effects.max()), centre + half, pooled.estimate)
        low, high = low - 0.05 * (high - low), high + 0.05 * (high - low)
        shades = _contours(axis, deepest) if contours else []
        axis.plot([pooled.estimate] * 2, [0.0, deepest], color="#1a1a1a", lw=1.0, zorder=3, label="pooled effect")
        if not contours:
            _limits(axis, pooled.estimate, deepest)
        if egger is not None and np.isfinite(egger.limit):
            _egger(axis, egger, deepest)
        axis.scatter(data.effect, data.se, s=30, color=PALETTE[0], edgecolor="white", lw=0.6, zorder=5, label="studies")
        if filled is not None and filled.missing:
            extra = filled.filled
            axis.scatter(extra.effect, extra.se, s=28, facecolor="white", edgecolor=PALETTE[1], lw=1.2, zorder=5, label="filled")
        axis.set(xlim=(low, high), ylim=(deepest, 0.0), ylabel="Standard error")
        name = measure_name(data.measure)
        axis.set_xlabel(name[:1].upper() + name[1:] + (" (log scale)" if data.is_log else ""))
        if data.is_log:
            ticks = ratio_ticks(low, high, 7)
            axis.set_xticks(np.log(ticks), [f"{t:g}" for t in ticks])
        if title:
            axis.set_title(title, loc="left")
        handles = [*axis.get_legend_handles_labels()[0], *shades]
        axis.legend(
            handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.3, handlelength=1.6, fontsize=7.5
        )
    return figure


@checked
def comparison_funnel_figure(funnel: NetworkFunnel, title: str = "") -> Figure:
    """Comparison-adjusted funnel of a network: effects less the pooled effect of their comparison, a colour per comparison."""
    with styled():
        figure = canvas(5.8, 4.3)
        axis = figure.subplots()
        table = funnel.table
        deepest = float(table["se"].max()) * 1.08
        reach = max(1.96 * deepest, float(table["adjusted"].abs().max())) * 1.05
        axis.plot([0.0, 0.0], [0.0, deepest], color="#1a1a1a", lw=1.0, zorder=3)
        _limits(axis, 0.0, deepest)
        if np.isfinite(funnel.egger.limit):
            _egger(axis, funnel.egger, deepest)
        for i, (pair, part) in enumerate(table.groupby(["treat1", "treat2"], sort=True)):
            one, other = map(str, pair)
            axis.scatter(part["adjusted"], part["se"], s=30, color=PALETTE[i % len(PALETTE)], marker="os^Dv<>"[i // len(PALETTE) % 7],
                         edgecolor="white", lw=0.6, zorder=5, label=f"{one} : {other}")  # fmt: skip
        axis.set(xlim=(-reach, reach), ylim=(deepest, 0.0), ylabel="Standard error")
        axis.set_xlabel(f"Effect less that of its comparison ({'log ' if funnel.is_log else ''}{funnel.measure.upper()})")
        if title:
            axis.set_title(title, loc="left")
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.3, handlelength=1.6, fontsize=7.5)
    return figure


def _contours(axis: Axes, deepest: float) -> list[Patch]:
    """Regions of the two-sided p of a single study against no effect, and their entries in the legend."""
    from matplotlib.patches import Patch

    for _, p, shade in reversed(_SHADES[:3]):
        reach = float(stats.norm.isf(p / 2)) * deepest
        axis.fill([0.0, reach, -reach], [0.0, deepest, deepest], color=shade, lw=0, zorder=0)
    axis.plot([0.0, 0.0], [0.0, deepest], color="#777777", lw=0.8, zorder=1)
    return [Patch(facecolor=shade, edgecolor="#999999", lw=0.5, label=name) for name, _, shade in _SHADES]


def _limits(axis: Axes, centre: float, deepest: float) -> None:
    for k, sign in enumerate((-1, 1)):
        label = "95 % limits around it" if k == 0 else None
        axis.plot(
            [centre, centre + sign * 1.96 * deepest],
            [0.0, deepest],
            color="#1a1a1a",
            lw=0.9,
            ls=(0, (4, 3)),
            zorder=3,
            label=label,
        )


def _egger(axis: Axes, egger: AsymmetryTest, deepest: float) -> None:
    slope = egger.estimate
    ends = [egger.limit, egger.limit + slope * deepest]
    axis.plot(ends, [0.0, deepest], color=PALETTE[2], lw=1.3, zorder=4, label=f"Egger's line (p = {egger.p:.2g})")
