"""The half page a report begins with: what was run, the main numbers, how arms compare, how sure it is."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from ketasim.report._figures import pretty, rank
from ketasim.report._parts import shown
from ketasim.results import arm_words, contrast_rows, exposure_rows, incidence_rows, sureness, visit_rows

if TYPE_CHECKING:
    import xarray as xr

Arms = Mapping[str, "xr.DataTree"]
#: Side effects told in the answers; the others stand in their table.
_TOLD = ("cadss_above_4", "sbp_rise_40", "sedation_moaas")


def answers(arms: Arms) -> str:
    """Answers of every arm, one line each, comparisons, and what they rest on."""
    several = len(arms) > 1
    lines = [line for label, result in arms.items() for line in _of_arm(label if several else "", result)]
    lines += _compared(arms) if several else []
    return f"<h2>Answers</h2><ul>{''.join(f'<li>{line}</li>' for line in lines)}</ul>{_how_sure(arms)}"


def _of_arm(label: str, result: xr.DataTree) -> list[str]:
    lead = f"<strong>{escape(label)}</strong>: " if label else ""
    lines = [lead + text for text in (_exposure(result), _symptoms(result), _reactions(result)) if text]
    return lines or [f"{lead}no drug at these times."]


def _exposure(result: xr.DataTree) -> str:
    rows = sorted(exposure_rows(result), key=lambda row: rank(row["analyte"])[0])
    if not rows:
        return ""
    row = rows[0]
    band = f" (5 to 95 % of people {shown(row['cmax_low'])} to {shown(row['cmax_high'])})" if "cmax_low" in row else ""
    many = "median peak" if int(result.attrs["n"]) > 1 else "peak"
    return f"{many} of {escape(pretty(row['analyte']))} in {escape(row['site'].replace('_', ' '))} plasma {shown(row['cmax'])} {escape(row['unit'])}{band}, {shown(row['tmax'])} h after a dose begins."


def _symptoms(result: xr.DataTree) -> str:
    if "visit" not in result.children:
        return ""
    last, a = visit_rows(result)[-1], result.attrs
    sure = f", 90 % of draws {last['change_low']:.1f} to {last['change_high']:.1f}" if "change_low" in last else ""
    return (
        f"{escape(str(a['scale']).upper())} changes by {last['change']:.1f} points on average by day {last['time_h'] / 24:.3g}{sure}; "
        f"{100 * last['response']:.0f} % respond ({escape(a['response'])}), {100 * last['remission']:.0f} % remit ({escape(a['remission'])})."
    )


def _reactions(result: xr.DataTree) -> str:
    if "incidence" not in result.children:
        return ""
    told = [
        f"{escape(row['title'])}: {100 * row['ever']:.0f} % ever" for row in incidence_rows(result) if row["definition"] in _TOLD
    ]
    return "; ".join(told) + "." if told else ""


def _compared(arms: Arms) -> list[str]:
    first, *others = arms
    base = {row["analyte"]: row for row in exposure_rows(arms[first], all_totals=True)}
    lines: list[str] = []
    words = {label: text for label, text in arm_words(arms).items() if text != label}
    if words:
        lines.append(
            "Arms: " + "; ".join(f"<strong>{escape(label)}</strong> is {escape(text)}" for label, text in words.items()) + "."
        )
    for label in others:
        rows = sorted(exposure_rows(arms[label], all_totals=True), key=lambda row: rank(row["analyte"])[0])
        shared = next((row for row in rows if row["analyte"] in base and base[row["analyte"]]["auc"]), None)
        if shared is not None:
            other = base[shared["analyte"]]
            lines.append(
                f"<strong>{escape(label)}</strong> against {escape(first)}: {escape(pretty(shared['analyte']))} peak times {shared['cmax'] / other['cmax']:.2f}, "
                f"area times {shared['auc'] / other['auc']:.2f} (ratios of medians)."
            )
    if all("visit" in result.children for result in arms.values()):
        lines += [_contrast(row) for row in _last(contrast_rows(arms))]
    return lines


def _last(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of every arm the last visit."""
    return list({row["arm"]: row for row in rows}.values())


def _contrast(row: Mapping[str, Any]) -> str:
    sure = f" (90 % of draws {row['change_low']:+.1f} to {row['change_high']:+.1f})" if "change_low" in row else ""
    return (
        f"<strong>{escape(row['arm'])}</strong> against {escape(row['against'])}: {row['change']:+.1f} points by day {row['time_h'] / 24:.3g}{sure}; "
        f"{100 * row['response']:+.0f} points of percent respond."
    )


def _how_sure(arms: Arms) -> str:
    first = next(iter(arms.values()))
    said: list[str] = []
    if "grade" in first.attrs:
        said.append(f"Evidence on symptoms: {first.attrs['grade']}.")
        if len(first.attrs["from_priors"]):
            said.append(f"These numbers are prior, not data: {', '.join(first.attrs['from_priors'])}.")
    if "care_draws" not in first.attrs and not sureness(arms):
        said.append("Bands show how people differ, not how well the model is known; --draws 100 adds that.")
    return f'<p class="soft">{escape(" ".join(said))}</p>' if said else ""
