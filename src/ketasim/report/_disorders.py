"""One course in several disorders, each on its own scale with its own certainty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ketasim.arguments import checked
from ketasim.errors import InvalidOption
from ketasim.report._care import _with_symptoms
from ketasim.report._figures import PALETTE, styled

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@checked
def disorders_figure(courses: Mapping[str, Mapping[str, xr.DataTree]]) -> Figure:
    """Change of the first scale over time in each disorder, every arm; bands are 5 to 95 % of draws.

    Parameters
    ----------
    courses : disorder -> arm -> result of ``simulate``; the evidence stands over each panel.

    Raises
    ------
    InvalidOption: no disorder, or an arm without symptoms.
    """
    if not courses or not all(isinstance(arms, Mapping) for arms in courses.values()):
        raise InvalidOption("disorders_figure: give disorder -> arm -> result, e.g. {'trd': {'ketamine': result}}.")
    shown = {name: _with_symptoms(arms) for name, arms in courses.items()}
    with styled():
        from matplotlib.figure import Figure

        columns = min(len(shown), 4)
        rows = -(-len(shown) // columns)
        figure = Figure(figsize=(3.4 * columns, 3.1 * rows), layout="constrained")
        axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
        for axis, arms in zip(axes, shown.values(), strict=False):
            _panel(axis, arms)
        for axis in axes[len(shown) :]:
            axis.set_axis_off()
        axes[0].legend(loc="best")
        return figure


def _panel(axis: Axes, arms: Mapping[str, xr.DataTree]) -> None:
    """One disorder."""
    first = next(iter(arms.values())).attrs
    for colour, (label, result) in zip(PALETTE, arms.items(), strict=False):
        visit = result["visit"].to_dataset()
        days = visit["visit"].to_numpy() / 24.0
        if "draws_visit" in result.children:
            low, high = np.quantile(result["draws_visit"]["change"].to_numpy(), [0.05, 0.95], axis=0)
            axis.fill_between(days, low, high, color=colour, alpha=0.15, lw=0)
        axis.plot(days, visit["change"], color=colour, lw=1.8, label=label)
    axis.axhline(0.0, color="0.6", lw=0.6)
    axis.set(xlabel="days", ylabel=f"change of {str(first['scale']).upper()}, points")
    axis.set_title(f"{first['disorder_title']}\n{_folded(str(first['certainty']))}", fontsize=7)


def _folded(text: str, width: int = 52) -> str:
    """Text in lines of a panel's width."""
    import textwrap

    return "\n".join(textwrap.wrap(text, width))


@checked
def disorders_rows(courses: Mapping[str, Mapping[str, xr.DataTree]]) -> list[dict[str, Any]]:
    """Last arm but the first against the first, at the last visit: change of both, difference, 5-95 % of draws, and certainty.

    Raises
    ------
    InvalidOption: no disorder, or an arm without symptoms.
    """
    from ketasim.results import contrast_rows

    if not courses or not all(isinstance(arms, Mapping) for arms in courses.values()):
        raise InvalidOption("disorders_rows: give disorder -> arm -> result, e.g. {'trd': {'placebo': one, 'ketamine': two}}.")
    rows: list[dict[str, Any]] = []
    for name, arms in courses.items():
        found = contrast_rows(_with_symptoms(arms))
        attrs = next(iter(arms.values())).attrs
        changes = [float(result["visit"]["change"][-1]) for result in arms.values()]
        rows += [
            {"disorder": name, "scale": str(attrs["scale"]), "without": changes[0], "with": changes[-1], "certainty": str(attrs["certainty"])}
            | {key: found[-1].get(key, float("nan")) for key in ("change", "change_low", "change_high")}
        ]  # fmt: skip
    return rows
