"""A number against the range that someone claims for it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ketasim.arguments import checked

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CLAIMED, _FOUND = "#f0c27b", "#0b4f8a"


@checked
def range_figure(
    value: float, low: float, high: float, unit: str, title: str = "", *, ci: tuple[float, float] | None = None
) -> Figure:
    """Claimed range as a band, the number found as a point with its interval.

    Parameters
    ----------
    value, low, high : in `unit`. ci : limits of `value`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 1.7), layout="constrained")
    axes = figure.add_subplot()
    axes.axvspan(low, high, color=_CLAIMED, alpha=0.8, lw=0, label=f"claimed, {low:g} to {high:g}")
    limits = ci if ci is not None and all(map(math.isfinite, ci)) else None
    label = f"found, {value:.3g}" + (f" ({limits[0]:.3g} to {limits[1]:.3g})" if limits else "")
    errors = None if limits is None else [[max(value - limits[0], 0.0)], [max(limits[1] - value, 0.0)]]
    axes.errorbar([value], [0.0], xerr=errors, fmt="D", ms=7, color=_FOUND, capsize=4, lw=2, label=label)
    everything = [low, high, value, *(limits or ())]
    room = 0.15 * (max(everything) - min(everything) or abs(value) or 1.0)
    axes.set_xlim(max(min(everything) - room, 0.0 if min(everything) >= 0 else -math.inf), max(everything) + room)
    axes.set_ylim(-1, 1)
    axes.set_yticks([])
    axes.set_xlabel(unit)
    if title:
        axes.set_title(title, fontsize=10, loc="left")
    axes.spines[["left", "right", "top"]].set_visible(False)
    figure.legend(loc="outside upper right", ncols=2, frameon=False, fontsize=9)
    return figure
