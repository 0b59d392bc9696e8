"""Figures of model-based meta-analysis: time course by arm, and dose-response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ketasim.arguments import checked
from ketasim.report._figures import PALETTE
from ketasim.report._network_style import canvas, caption, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ketasim.synthesis import DoseResponse, TimeCourseResult

_GREY = "#8a8a8a"


@checked
def time_course_figure(result: TimeCourseResult) -> Figure:
    """Change from baseline over time, a panel per treatment: arms by size, the fitted curve and its band, held-out arms open."""
    names = result.treatments
    across = min(3, len(names))
    down = -(-len(names) // across)
    with styled():
        figure = canvas(2.6 * across + 0.4, 2.45 * down + 0.75, dpi=200)
        axes = figure.subplots(down, across, sharey=True, sharex=True, squeeze=False).ravel()
        for axis in axes[len(names) :]:
            axis.set_axis_off()
        times = sorted({r.time_h for r in result.data.rows if r.treatment in names})
        for k, name in enumerate(names):
            _panel(axes[k], result, name, k, times)
            if k % across == 0:
                axes[k].set_ylabel(f"change ({result.data.scale})")
            axes[k].tick_params(labelbottom=True)
            if k + across >= len(names):
                axes[k].set_xlabel("time since first dose")
            _hours_axis(axes[k], times)
        held = any(r.treatment in names for r in result.data.held_out)
        caption(figure, f"Change from baseline after one dose. Filled points: arm means, area by patients{_grey_note(result)}. "
                f"Line and band: fitted mean course over the mean course of its control, {result.level:.0%}; dashed beyond the times measured."
                + (" Open diamonds: held out, not fitted." if held else ""))  # fmt: skip
    return figure


def _grey_note(result: TimeCourseResult) -> str:
    return ", joined within an arm" if len(result.data.fitted) > len({(r.study, r.arm) for r in result.data.fitted}) else ""


def _panel(axis: Axes, result: TimeCourseResult, name: str, k: int, times: list[float]) -> None:
    colour = _GREY if any(r.control and r.treatment == name for r in result.data.rows) else PALETTE[k % len(PALETTE)]
    grid = np.geomspace(0.6 * times[0], 1.35 * times[-1], 120)
    course = result.curve(name, grid)
    own = [r.time_h for r in result.data.fitted if r.treatment == name]
    inside = (grid >= min(own) * 0.9) & (grid <= max(own) * 1.1)
    axis.fill_between(grid, course["ci_low"], course["ci_high"], color=colour, alpha=0.16, linewidth=0)
    axis.plot(grid, course["estimate"], color=colour, linewidth=1.0, linestyle=(0, (4, 3)), alpha=0.8)
    axis.plot(grid[inside], course["estimate"][inside], color=colour, linewidth=1.8)
    arms: dict[tuple[str, str], list[Any]] = {}
    for r in result.data.rows:
        if r.treatment == name:
            arms.setdefault((r.study, r.arm), []).append(r)
    for rows in arms.values():
        t, y = [r.time_h for r in rows], [r.change for r in rows]
        if rows[0].holdout:
            axis.scatter(t, y, marker="D", s=26, facecolor="white", edgecolor="#1a1a1a", linewidth=1.0, zorder=4)
            continue
        axis.plot(t, y, color=colour, linewidth=0.6, alpha=0.6, zorder=2)
        axis.scatter(t, y, s=[10 + 1.3 * r.n for r in rows], color=colour, alpha=0.75, edgecolor="white", linewidth=0.6, zorder=3)
    axis.axhline(0, color="#bbbbbb", linewidth=0.8, zorder=0)
    studies = len({r.study for r in result.data.fitted if r.treatment == name})
    axis.set_title(f"{_plain(name)} ({studies} {'study' if studies == 1 else 'studies'})", fontsize=9, loc="left")


def _hours_axis(axis: Axes, times: list[float]) -> None:
    """Logarithmic time with the usual visits as ticks."""
    from matplotlib.ticker import FixedLocator, NullFormatter

    axis.set_xscale("log")
    visits = {0.5: "30 min", 1: "1 h", 2: "2 h", 4: "4 h", 24: "1 d", 72: "3 d", 168: "7 d", 336: "14 d", 672: "28 d"}
    shown = {t: label for t, label in visits.items() if 0.6 * times[0] <= t <= 1.35 * times[-1]}
    axis.xaxis.set_major_locator(FixedLocator(list(shown)))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.xaxis.set_minor_locator(FixedLocator([]))
    axis.set_xticks(list(shown), list(shown.values()))
    axis.set_xlim(0.6 * times[0], 1.35 * times[-1])


def _plain(name: str) -> str:
    return name.replace("_", " ")


@checked
def dose_response_figure(result: DoseResponse) -> Figure:
    """Effect against control by dose: differences of the studies with their intervals and the models that could be fitted."""
    from scipy import stats

    z = float(stats.norm.ppf((1 + result.level) / 2))
    with styled():
        figure = canvas(4.6, 3.7, dpi=200)
        axis = figure.subplots()
        held = [s for s in result.scores if s.predicted is not None]
        top = max([c["dose"] for c in result.contrasts] + [s.row.dose for s in held], default=1.0)
        grid = np.linspace(0, 1.1 * top, 150)[1:]
        for k, (name, model) in enumerate(result.models.items()):
            course = model.curve(grid, level=result.level)
            is_best = result.best is model
            lost = any(p["estimate"] is None for p in model.parameters)
            label = f"{'Emax' if name == 'emax' else name} (AIC {model.aic:.1f}{', ED50 not identified' if lost else ''})"
            axis.plot(grid, course["estimate"], color=PALETTE[k], linewidth=1.8 if is_best else 1.1, label=label,
                      linestyle=(0, (4, 3)) if lost else "-", zorder=5 if is_best else 2)  # fmt: skip
            if is_best:
                axis.fill_between(grid, course["ci_low"], course["ci_high"], color=PALETTE[k], alpha=0.15, linewidth=0)
        _differences(axis, result, z, top)
        axis.axhline(0, color="#bbbbbb", linewidth=0.8, zorder=0)
        axis.set_xlabel(f"dose ({result.unit})" if result.unit else "dose")
        axis.set_ylabel(f"difference from control ({result.scale})")
        axis.set_xlim(0, 1.12 * top)
        if result.models or result.contrasts:
            figure.legend(fontsize=7, frameon=False, loc="outside lower left", ncols=2)
        else:
            axis.text(0.5, 0.5, "not enough data", transform=axis.transAxes, ha="center", color=_GREY)
        caption(figure, f"{_plain(result.label)}: difference from control {result.window_h[0]:g} to {result.window_h[1]:g} h after one dose. "
                f"Points: studies with {result.level:.0%} interval, area by patients, side by side at a dose they share. "
                f"Band: {result.level:.0%}, of the model of lowest AIC." + (" Open diamonds: held out, not fitted." if held else ""))  # fmt: skip
    return figure


def _differences(axis: Axes, result: DoseResponse, z: float, top: float) -> None:
    for dose in sorted({c["dose"] for c in result.contrasts}):
        here = [c for c in result.contrasts if c["dose"] == dose]
        for k, c in enumerate(here):
            x = dose + (k - (len(here) - 1) / 2) * 0.022 * top  # beside each other, not on top
            axis.plot(
                [x, x], [c["difference"] - z * c["se"], c["difference"] + z * c["se"]], color="#555555", linewidth=0.9, zorder=3
            )
            axis.scatter([x], [c["difference"]], s=10 + 0.6 * c["n"], color="#333333", edgecolor="white", linewidth=0.6, zorder=4)
    held = [s.row for s in result.scores if s.predicted is not None]
    if held:
        axis.scatter([r.dose for r in held], [r.change for r in held], marker="D", s=28, facecolor="white", edgecolor="#1a1a1a",
                     zorder=5, label="held out")  # fmt: skip
