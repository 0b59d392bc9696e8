"""Symptoms and side effects in figures and tables of a report."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from ketasim.arguments import checked
from ketasim.errors import InvalidOption
from ketasim.report._balance import balance_section
from ketasim.report._figures import PALETTE, styled
from ketasim.report._parts import html_figure, html_table
from ketasim.results import ALIKE, care_bands, contrast_rows, draws_notes, incidence_rows, visit_rows, without_rows

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure


@checked
def symptom_figure(arms: Mapping[str, xr.DataTree]) -> Figure:
    """Score over time, median and bands over people, and shares of responders and remitters, one colour per arm."""
    arms = _with_symptoms(arms)
    with styled():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(10.0, 3.8), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        for colour, (label, result) in zip(PALETTE, arms.items(), strict=False):
            days, bands = care_bands(result, "score", str(result.attrs["scale"]))
            left.fill_between(days, bands[0], bands[4], color=colour, alpha=0.12, lw=0)
            left.fill_between(days, bands[1], bands[3], color=colour, alpha=0.22, lw=0)
            left.plot(days, bands[2], color=colour, lw=1.8, label=label)
            visit = result["visit"].to_dataset()
            right.plot(visit["visit"] / 24, 100 * visit["response"], color=colour, lw=1.8, label=f"{label}: response")
            right.plot(visit["visit"] / 24, 100 * visit["remission"], color=colour, lw=1.2, ls="--", label=f"{label}: remission")
        first = next(iter(arms.values()))
        left.set(xlabel="days since the first session", ylabel=f"{str(first.attrs['scale']).upper()}, points", title="Symptoms")
        right.set(xlabel="days since the first session", ylabel="% of people", ylim=(0, 100), title="Response and remission")
        left.legend(loc="best")
        right.legend(loc="best")
        return figure


@checked
def session_figure(arms: Mapping[str, xr.DataTree]) -> Figure:
    """Side effects over the first session, median and bands over people."""
    arms = _with_symptoms(arms)
    with styled():
        from matplotlib.figure import Figure

        first = next(iter(arms.values()))["safety"].to_dataset()
        names = [str(name) for name, one in first.data_vars.items() if one.attrs["units"] != "1"]  # reactions are in the table
        figure = Figure(figsize=(10.0, 3.2), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, len(names)))
        for axis, name in zip(axes, names, strict=True):
            for colour, (label, result) in zip(PALETTE, arms.items(), strict=False):
                hours, bands = care_bands(result, "safety", name)
                axis.fill_between(hours, bands[0], bands[4], color=colour, alpha=0.12, lw=0)
                axis.fill_between(hours, bands[1], bands[3], color=colour, alpha=0.22, lw=0)
                axis.plot(hours, bands[2], color=colour, lw=1.8, label=label)
            axis.set(
                xlabel="hours since the session began",
                ylabel=str(first[name].attrs["units"]),
                title=_plain(str(first[name].attrs["long_name"])),
            )
        axes[0].legend(loc="upper right")
        return figure


def _with_symptoms(arms: Mapping[str, xr.DataTree]) -> Mapping[str, xr.DataTree]:
    """The arms, if there are some and symptoms were simulated in all."""
    without = [label for label, result in arms.items() if "visit" not in getattr(result, "children", ())]
    if without or not arms:
        raise InvalidOption(
            f"'{without[0] if without else 'no arm'}': holds no symptoms; simulate with a disorder, e.g. disorder='trd'."
        )
    return arms


def _plain(title: str) -> str:
    return title.partition(",")[0] if len(title) > 40 else title


def care_section(arms: Mapping[str, xr.DataTree]) -> str:
    """Symptoms and side effects of a report; empty where none were simulated."""
    if not all("visit" in result.children for result in arms.values()):
        return ""
    first = next(iter(arms.values())).attrs
    controls = dict.fromkeys(f"{r.attrs['control']} ({r.attrs['control_title']})" for r in arms.values())
    said = f"{first['disorder_title']}; control: {'; '.join(controls)}. Evidence: {first['certainty']}."
    out = [f"<h2>Symptoms</h2><p>{escape(said)}</p>"]
    if len(first["from_priors"]):
        out.append(f"<p>Prior, not data: {escape(', '.join(first['from_priors']))}.</p>")
    said = f"Median, 25-75 % and 5-95 % of people in the typical trial: how people differ, not how sure the model is. Evidence: {first['certainty']}."
    out.append(html_figure(symptom_figure(arms), said))
    if len(arms) > 1:
        out.append(balance_section(arms))
    out.append(_visit_table(arms))
    out += [_without_table(label, result) for label, result in arms.items()]
    if len(arms) > 1:
        out.append(_contrast_table(arms))
    out.append("<h2>Side effects</h2>")
    if all(result["safety"].to_dataset().sizes["session"] for result in arms.values()):
        out.append(html_figure(session_figure(arms), "First session; median, 25-75 % and 5-95 % of people."))
    out.append(_incidence_table(arms))
    notes = dict.fromkeys(note for result in arms.values() for note in result.attrs["care_notes"])
    out.append("<h3>To be read with care</h3><ul>" + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>")
    return "".join(out)


def _visit_table(arms: Mapping[str, xr.DataTree]) -> str:
    drawn = all("care_draws" in result.attrs for result in arms.values())
    rows = []
    for label, result in arms.items():
        for r in visit_rows(result):
            sure = (
                (_to(r["change_low"], r["change_high"]), _to(100 * r["response_low"], 100 * r["response_high"], 0))
                if drawn
                else ()
            )
            rows.append((label, f"{r['time_h'] / 24:.3g}", f"{r['mean']:.1f}", f"{r['change']:z.1f}", f"{r['change_sd']:.1f}",
                         f"{100 * r['response']:.0f}", f"{100 * r['remission']:.0f}", *sure))  # fmt: skip
    head = (
        "arm",
        "day",
        "mean",
        "change",
        "SD of change",
        "response %",
        "remission %",
        *(("change, 90 % of draws", "response %, 90 % of draws") if drawn else ()),
    )
    notes = "".join(f'<p class="soft">{escape(text)}</p>' for text in draws_notes(list(arms.values())))
    return html_table(head, rows, 1) + notes


def _without_table(label: str, result: xr.DataTree) -> str:
    """The same people without the drug; empty where a trial tells what a control arm does."""
    if not (rows := without_rows(result)):
        return ""
    sure = ("90 % of draws",) if "mean_low" in rows[0] else ()
    cells = [
        (f"{r['time_h'] / 24:.3g}", f"{r['mean']:.1f}", f"{r['mean_without']:.1f}", f"{r['mean'] - r['mean_without']:+.1f}",
         *((_to(r["mean_low"], r["mean_high"]),) if sure else ()))
        for r in rows
    ]  # fmt: skip
    note = f'<p class="soft">Evidence: {escape(result.attrs["certainty"])}.</p>'
    return f"<h3>The same people without ketamine: {escape(label)}</h3>{html_table(('day', 'mean', 'without', 'difference', *sure), cells, 0)}{note}"


def _contrast_table(arms: Mapping[str, xr.DataTree]) -> str:
    rows = contrast_rows(arms)
    drawn = bool(rows) and "change_low" in rows[0]
    cells = [
        (r["arm"], f"{r['time_h'] / 24:.3g}", f"{r['change']:+z.1f}", *((_to(r["change_low"], r["change_high"]),) if drawn else ()),
         f"{100 * r['response']:+z.0f}", *((_to(100 * r["response_low"], 100 * r["response_high"], 0),) if drawn else ()))
        for r in rows
    ]  # fmt: skip
    sure = ("90 % of draws",) if drawn else ()
    head = ("arm", "day", "difference of change", *sure, "difference of response, points of %", *sure)
    note = f'<p class="soft">Against {escape(next(iter(arms)))}; below 0 is better. A draw is one trial with all arms, so what they share cancels.</p>'
    return f"<h3>Differences</h3>{html_table(head, cells, 1)}{note}"


def _incidence_table(arms: Mapping[str, xr.DataTree]) -> str:
    rows = [
        (label, r["title"], *(f"{100 * r[key]:.1f}" for key in ("first", "per_session", "ever")), *((_to(100 * r["ever_low"], 100 * r["ever_high"]),) if "ever_low" in r else ()))
        for label, result in arms.items()
        for r in incidence_rows(result)
    ]  # fmt: skip
    drawn = ("ever, 90 % of draws",) if rows and len(rows[0]) > 5 else ()
    return html_table(("arm", "definition", "first session %", "a session %", "ever %", *drawn), rows, 2)


def _to(low: float, high: float, digits: int = 1) -> str:
    return ALIKE if low == high else f"{low:z.{digits}f} to {high:z.{digits}f}"
