"""Tornado plots: what each parameter does to an outcome, the widest bar first, and its share of the variance beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ketasim.arguments import checked
from ketasim.errors import InvalidOption
from ketasim.report._figures import PALETTE, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ketasim.sensitivity import Bar, Share, Tornado

_LOW, _HIGH, _FIRST, _TOTAL = PALETTE[5], PALETTE[1], PALETTE[2], "#c9c9c9"
_ROW, _HEAD, _WIDTH, _BESIDE = 0.26, 0.95, 6.6, 2.6  # inches
#: Bars of an outcome at most; further ones are too narrow to be read.
MOST_BARS = 15


@checked
def tornado_figure(result: Tornado, shares: Sequence[Share] = (), *, most: int = MOST_BARS) -> Figure:
    """Bars of every outcome below each other.

    Parameters
    ----------
    shares : Sobol's indices of `sobol`; drawn beside the bars where given. most : bars of an outcome.

    Raises
    ------
    InvalidOption: no bar to draw, or fewer than one asked for.
    """
    from matplotlib.figure import Figure

    drawn = {label: bars[:most] for label, bars in result.bars.items() if bars}
    if not drawn or most < 1:
        raise InvalidOption("no parameter changes any of these outcomes, so there is no bar to draw.")
    heights = [max(len(bars), 2) * _ROW + _HEAD for bars in drawn.values()]
    with styled():
        columns = 2 if shares else 1
        figure = Figure(figsize=(_WIDTH + _BESIDE * (columns - 1), sum(heights)), layout="constrained")
        widths = [_WIDTH, _BESIDE][:columns]
        grid = figure.subplots(len(drawn), columns, squeeze=False, gridspec_kw={"height_ratios": heights, "width_ratios": widths})
        for (label, bars), row in zip(drawn.items(), grid, strict=True):
            _bars(row[0], bars)
            if shares:
                _indices(row[1], [share for share in shares if share.outcome == label])
        grid[0][0].legend(loc="lower right")
    return figure


def _bars(axes: Axes, bars: Sequence[Bar]) -> None:
    for k, bar in enumerate(bars):
        for value, color, label in ((bar.at_low, _LOW, "parameter at 5 %"), (bar.at_high, _HIGH, "parameter at 95 %")):
            axes.barh(k, value - bar.base, left=bar.base, color=color, height=0.7, label=label if k == 0 else None)
    base, unit = bars[0].base, bars[0].unit
    axes.axvline(base, color="#1a1a1a", lw=0.8)
    axes.set_yticks(np.arange(len(bars)), [_name(bar.factor.name, bar.factor.mark) for bar in bars])
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlabel("share of people" if unit == "1" else unit)
    axes.set_title(f"{bars[0].outcome}, {base:.4g} as the model stands", loc="left")
    axes.grid(visible=False, axis="y")


def _indices(axes: Axes, shares: Sequence[Share]) -> None:
    at = np.arange(len(shares))
    axes.barh(at, [s.total for s in shares], color=_TOTAL, height=0.7, label="with interactions")
    axes.barh(at, [s.first for s in shares], color=_FIRST, height=0.35, label="alone")
    axes.set_yticks(at, [_name(s.factor.name, s.factor.mark) for s in shares])
    axes.set_ylim(len(shares) - 0.4, -0.6)
    axes.set_xlim(left=0.0)
    axes.set_xlabel("share of variance")
    axes.grid(visible=False, axis="y")
    axes.legend(loc="lower right")


def _name(name: str, mark: str) -> str:
    """A parameter, marked where no data stand behind its spread."""
    return f"{name} ({mark.split(',')[0].split(' ')[0]})" if mark else name
