"""Benefit against burden of the arms of a comparison: a figure and a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from ketasim.arguments import checked
from ketasim.errors import InvalidOption
from ketasim.report._figures import PALETTE, styled
from ketasim.report._parts import html_figure, html_table
from ketasim.results import BALANCE_NOTE, balance_rows, balance_table

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure


@checked
def balance_figure(arms: Mapping[str, xr.DataTree]) -> Figure:
    """People who respond against people who dissociate in a session, one point per arm, with 90 % of draws; a line joins the arms that no other
    beats in both.

    Raises
    ------
    InvalidOption: no arm has symptoms.
    """
    rows = balance_rows(arms)
    if not rows:
        raise InvalidOption("balance: no symptoms here; compare regimens with a disorder, e.g. --disorder trd.")
    with styled():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6.6, 4.6), layout="constrained")
        axis = figure.subplots()
        best = sorted((row for row in rows if row["efficient"]), key=lambda row: row["dissociation"])
        axis.plot(*(_percent(best, name) for name in ("dissociation", "response")), color="0.6", lw=1.0, ls="--", zorder=1)
        for colour, row in zip(_colours(len(rows)), rows, strict=True):
            x, y = 100 * row["dissociation"], 100 * row["response"]
            axis.errorbar(
                x, y, _reach(row, "response"), _reach(row, "dissociation"), fmt="o", color=colour, lw=0.9, label=row["arm"],
                mfc=colour if row["efficient"] else "white",
            )  # fmt: skip
        axis.set(
            xlabel="burden: % of people with CADSS above 4 in a session",
            ylabel=f"benefit: % of people who respond, day {rows[0]['time_h'] / 24:.3g}",
            ylim=(0, 100),
        )
        axis.set_xlim(left=0)
        axis.legend(loc="best", fontsize=8, title="filled: no arm is better in both", title_fontsize=8)
        axis.grid(alpha=0.25)
        return figure


def _colours(n: int) -> list[str]:
    return [PALETTE[k % len(PALETTE)] for k in range(n)]


def _percent(rows: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    return [100 * row[name] for row in rows]


def _reach(row: Mapping[str, Any], name: str) -> list[list[float]] | None:
    """How far the draws reach down and up, in points of %."""
    if f"{name}_low" not in row:
        return None
    down, up = row[name] - row[f"{name}_low"], row[f"{name}_high"] - row[name]
    return [[100 * max(down, 0.0)], [100 * max(up, 0.0)]]


def balance_section(arms: Mapping[str, xr.DataTree]) -> str:
    """Figure and table; empty for fewer than two arms with symptoms."""
    rows = balance_rows(arms)
    if len(rows) < 2:
        return ""
    head, cells = balance_table(rows)
    said = (
        "Benefit against burden: people who respond at the last visit, and people with CADSS above 4 in a session. Bars are 90 % of draws, where there are "
        "some. The better arms lie at the top left."
    )
    note = f'<p class="soft">{escape(BALANCE_NOTE)}</p>'
    return f"<h3>Benefit and burden</h3>{html_figure(balance_figure(arms), said)}{html_table(head, cells, 1)}{note}"
