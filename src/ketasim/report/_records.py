"""Simulated event tables: a panel per output with every subject's records, and a section of the report."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ketasim.arguments import checked
from ketasim.errors import InvalidOption
from ketasim.report._figures import MOST_HOURS, PALETTE, arm_handles, below, styled
from ketasim.report._parts import html_figure, html_table
from ketasim.results import held_sentence, shown_names, wide_table

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDE, _HIGH = 3.3, 2.3  # inches of a panel
#: Panels of one figure; subjects that have a colour and a name each; subjects drawn at all (more are a blot that takes long to draw).
_PANELS, _NAMED, _DRAWN = 12, 7, 200
_ROWS_SHOWN = 40


def of_a_table(result: Any) -> bool:
    """Whether a result is that of an event table."""
    return "output" in getattr(result, "children", ())


@checked
def records_figure(result: xr.DataTree, *, log: bool = False) -> Figure:
    """A panel per output of a simulated event table: a line for every subject, and of one with draws the 5th to 95th percentile over draws.

    Outputs that are zero at every record, or the same as another one, have no panel; at most 12 are drawn. A line is broken where a
    reset starts the clock anew.

    Parameters
    ----------
    result : of `simulate` with an event table. log : logarithmic axis of values.

    Raises
    ------
    InvalidOption: the result of a regimen, or no output is above zero at any record.
    """
    if not of_a_table(result):
        raise InvalidOption("the result is not that of an event table; concentration_figure draws regimens.")
    drawn = _panels(result)
    if not drawn:
        raise InvalidOption("every output is zero at every record of the table: there is nothing to draw.")
    return _figure(result, drawn[:_PANELS], log)


def _figure(result: xr.DataTree, names: list[str], log: bool) -> Figure:
    from matplotlib.figure import Figure

    table, units = wide_table(result), {str(name): one.attrs["units"] for name, one in result["output"].data_vars.items()}
    people = _people(table)
    in_hours = float(table["TIME"].max()) <= MOST_HOURS
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    with styled():
        figure = Figure(figsize=(_WIDE * columns, _HIGH * rows + 0.4 * (1 < len(people) <= _NAMED)), layout="constrained")
        axes = np.asarray(figure.subplots(rows, columns, squeeze=False)).ravel()
        for axis, name in zip(axes, names, strict=False):
            _panel(axis, people, name, 1.0 if in_hours else 24.0)
            axis.set(title=name.replace("_", " "), xlabel="hours" if in_hours else "days", ylabel=units[name])
            if log:
                axis.set_yscale("log")
        for axis in axes[len(names) :]:
            axis.set_visible(False)
        if 1 < len(people) <= _NAMED:
            below(figure, arm_handles(people))
    return figure


def _people(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Records of every subject (of every replicate), each with a name."""
    if "REP" in table:
        return {
            f"subject {who}, replicate {rep}": own
            for rep, one in table.groupby("REP", sort=False)
            for who, own in one.groupby("ID", sort=False)
        }
    return {f"subject {who}": own for who, own in table.groupby("ID", sort=False)}


def _panel(axis: Axes, people: dict[str, pd.DataFrame], name: str, hours: float) -> None:
    many = len(people) > _NAMED
    for number, own in enumerate(list(people.values())[:_DRAWN]):
        colour = PALETTE[0] if many else PALETTE[number % len(PALETTE)]
        anew = np.flatnonzero(np.diff(own["TIME"].to_numpy()) < 0) + 1
        x, *ys = (np.insert(own[c].to_numpy(float), anew, np.nan) for c in ("TIME", name, *_band(own, name)))
        mark = "o" if len(own) <= _ROWS_SHOWN and not many else None
        axis.plot(x / hours, ys[0], color=colour, lw=0.7 if many else 1.2, alpha=0.4 if many else 1.0, marker=mark, ms=2.5)
        if len(ys) == 3:
            axis.fill_between(x / hours, ys[1], ys[2], color=colour, alpha=0.06 if many else 0.18, lw=0)


def _band(own: pd.DataFrame, name: str) -> list[str]:
    return [f"{name}_P05", f"{name}_P95"] if f"{name}_P05" in own else []


def _panels(result: xr.DataTree) -> list[str]:
    """Names that say something: what was asked for, else every output above zero somewhere that is not another one's twin."""
    output = result["output"].to_dataset()
    if asked := shown_names(result):
        return [name for name in asked if name in output]
    found: dict[bytes, str] = {}
    for name in output.attrs["outputs"]:
        if name in output and np.nanmax(np.abs(values := output[name].to_numpy()), initial=0.0) > 0:
            found.setdefault(values.tobytes(), str(name))
    return list(found.values())


def records_section(result: xr.DataTree) -> str:
    """Figures, and the largest value of every output, of a simulated event table."""
    names, table = _panels(result), wide_table(result)
    people = _people(table)
    if not names:
        return "<h2>Outputs</h2><p>Every output is zero at every record.</p>"
    out = ["<h2>Outputs over time</h2>"]
    lines = "One line per subject" + (f", the first {_DRAWN} of {len(people)}" if len(people) > _DRAWN else "")
    bands = "; bands: 5 to 95 % of draws of the model's numbers" if "draws" in result.children else ""
    for first in range(0, len(names), _PANELS):
        shown = names[first : first + _PANELS]
        out.append(
            html_figure(_figure(result, shown, log=False), f"{', '.join(n.replace('_', ' ') for n in shown)}. {lines}{bands}.")
        )
    if "draws" in result.children and (held := held_sentence(result)):
        out.append(f'<p class="soft">{escape(held)}</p>')
    return "".join(out) + _largest(result, people, names)


def _largest(result: xr.DataTree, people: dict[str, pd.DataFrame], names: list[str]) -> str:
    """Largest value at a record: of one subject with its time, of several how they differ."""
    output, rows = result["output"], list[tuple[Any, ...]]()
    for name in names:
        peaks = np.array([own[name].max() for own in people.values()], float)
        unit = output[name].attrs["units"]
        if len(people) == 1:
            own = next(iter(people.values()))
            at = (
                float(own["TIME"].to_numpy()[int(np.nanargmax(own[name].to_numpy()))])
                if np.isfinite(own[name].to_numpy()).any()
                else np.nan
            )
            rows.append((name.replace("_", " "), unit, peaks[0], at))
        else:
            known = peaks[np.isfinite(peaks)]
            values = np.quantile(known, (0.5, 0.05, 0.95)) if known.size else np.full(3, np.nan)
            rows.append((name.replace("_", " "), unit, *map(float, values)))
    head = ("output", "unit", *(("largest", "at h") if len(people) == 1 else ("median", "5 %", "95 %")))
    who = "" if len(people) == 1 else f" of each of {len(people)} subjects"
    note = f'<p class="soft">Largest value{who} at a record: a peak between records is not seen.</p>'
    return f"<h3>Largest values</h3>{note}{html_table(head, rows, 2)}"


def doses_section(result: xr.DataTree) -> str:
    """The records as they were read."""
    frame = result["dose"].to_dataset().to_dataframe().reset_index(drop=True)
    doses = frame[frame["EVID"] != 0] if "EVID" in frame else frame
    columns = [
        c
        for c in ("ID", "TIME", "EVID", "CMT", "AMT", "RATE", "TINF", "II", "ADDL", "SS")
        if c in doses and bool(np.any(doses[c].to_numpy() != 0))
    ]
    rest = len(doses) - _ROWS_SHOWN
    more = f'<p class="soft">... and {rest} further records.</p>' if rest > 0 else ""
    note = '<p class="soft">Records without observations; amounts in the unit of the compartment.</p>'
    return f"<h2>Doses as read</h2>{note}{html_table(columns, doses[columns].head(_ROWS_SHOWN).itertuples(index=False))}{more}"
