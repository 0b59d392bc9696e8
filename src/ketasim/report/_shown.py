"""Outputs asked for by name: bands over time, arms in colours, and a section of the report."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from ketasim.arguments import checked
from ketasim.errors import InvalidOption
from ketasim.report._figures import MOST_HOURS, PALETTE, arm_handles, below, styled
from ketasim.report._parts import html_figure, html_table
from ketasim.results import shown_bands, shown_names, shown_rows

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDE, _HIGH = 3.3, 2.3  # inches of a panel


@checked
def shown_figure(results: xr.DataTree | Mapping[str, xr.DataTree], *, log: bool = False) -> Figure:
    """A panel for every name that was asked for (`simulate(show=...)`): median, 25-75 % and 5-95 % of people; of an event its share.

    Parameters
    ----------
    log : logarithmic axis of values.

    Raises
    ------
    InvalidOption: nothing was asked for.
    """
    from matplotlib.figure import Figure

    arms: dict[str, Any] = {"": results} if hasattr(results, "attrs") else dict(results)  # type: ignore[dict-item]
    names = list(dict.fromkeys(name for result in arms.values() for name in shown_names(result)))
    if not names or any("output" in result.children for result in arms.values()):
        raise InvalidOption("nothing was asked for by name: simulate a regimen with show=[...] (--show NAME).")
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    with styled():
        figure = Figure(figsize=(_WIDE * columns, _HIGH * rows + 0.4 * (len(arms) > 1)), layout="constrained")
        axes = np.asarray(figure.subplots(rows, columns, squeeze=False)).ravel()
        for axis, name in zip(axes, names, strict=False):
            _panel(axis, arms, name, log)
        for axis in axes[len(names) :]:
            axis.set_visible(False)
        if len(arms) > 1:
            below(figure, arm_handles(arms))
    return figure


def _panel(axis: Axes, arms: Mapping[str, Any], name: str, log: bool) -> None:
    found = {number: shown_bands(arm, name) for number, arm in enumerate(arms.values()) if name in shown_names(arm)}
    in_hours = max(float(times[-1]) for times, _, _ in found.values()) <= MOST_HOURS
    for number, (times, bands, unit) in found.items():
        x, colour, style = times / (1.0 if in_hours else 24.0), PALETTE[number % len(PALETTE)], {}
        if unit == "share of people":
            style = {"drawstyle": "steps-post"}
        elif not np.allclose(bands[0], bands[4], equal_nan=True):
            axis.fill_between(x, bands[0], bands[4], color=colour, alpha=0.15, lw=0)
            axis.fill_between(x, bands[1], bands[3], color=colour, alpha=0.28, lw=0)
        axis.plot(x, bands[2], color=colour, lw=1.3, marker="o" if len(x) == 1 else None, **style)
        axis.set_ylabel("" if unit == "1" else unit)
    if log:
        axis.set_yscale("log")
    axis.set_title(name)
    axis.set_xlabel("hours" if in_hours else "days")


def shown_section(arms: Mapping[str, xr.DataTree]) -> str:
    """Figure and table of what was asked for by name; empty where nothing was."""
    if not all(shown_names(result) for result in arms.values()):
        return ""
    rows = [(label, *cells) for label, result in arms.items() for cells in map(_cells, shown_rows(result))]
    head = ("arm", "name", "unit", "start", "largest", "5 %", "95 %", "at h", "last", "5 %", "95 %")
    figure = html_figure(shown_figure(arms), "What was asked for by name: median, 25-75 % and 5-95 % of people.")
    return f"<h2>{escape('Outputs asked for')}</h2>{figure}{html_table(head, rows, 3)}"


def _cells(row: Mapping[str, Any]) -> tuple[Any, ...]:
    keys = ("name", "unit", "first", "largest", "largest_low", "largest_high", "largest_at_h", "last", "last_low", "last_high")
    return tuple(row[key] for key in keys)
