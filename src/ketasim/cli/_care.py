"""What ``simulate`` and ``compare`` show of symptoms and side effects, and how sure it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ketasim.cli import _show

if TYPE_CHECKING:
    import xarray as xr


def has_care(results: Mapping[str, xr.DataTree]) -> bool:
    """Whether symptoms were simulated."""
    return all("visit" in result.children for result in results.values())


def show_care(results: Mapping[str, xr.DataTree]) -> None:
    """Symptoms by visit, side effects by definition, and what the numbers rest on."""
    from ketasim.results import draws_notes, incidence_rows, visit_rows

    one = next(iter(results.values()))
    a, several = one.attrs, len(results) > 1
    _show.text(f"\n{_of_whom(results)}")
    scales = dict.fromkeys(r.attrs["scale"] for r in results.values())
    lead = ("arm",) if several else ()
    rows = [(*((label,) if several else ()), *_visit_cells(row)) for label, r in results.items() for row in visit_rows(r)]
    head = (
        *lead,
        "time",
        a["scale"].upper() if len(scales) == 1 else "score",
        "5-95 % of people",
        "change",
        "response",
        "remission",
        *_sure_head(one),
    )
    titles = dict.fromkeys(str(r.attrs["scale_title"]) for r in results.values())
    _show.table(head, rows, f"{', '.join(titles)}; means over people", numbers_from=1 + several)
    _show_more(results)
    _show_without(results)
    if several:
        _show_contrasts(results)
        _show_balance(results)
    rows = [(*((label,) if several else ()), *_incidence_cells(row)) for label, r in results.items() for row in incidence_rows(r)]
    head = (*lead, "side effect", "first session", "a session", "ever", *(("ever, 90 % of draws",) if "care_draws" in a else ()))
    _show.table(head, rows, "share of people", numbers_from=1 + several)
    for label, r in results.items():
        if len(r.attrs["policies"]):
            _show.text(f"{label + ': ' if label else ''}{', '.join(r.attrs['policies'])}: {_attendance(r)}")
    _show.note(f"Response: {a['response']}; remission: {a['remission']}.")
    _show.note(f"Evidence: {a['certainty']}.")
    if len(a["from_priors"]):
        _show.note(f"Prior, not data: {', '.join(a['from_priors'])}.")
    for text in draws_notes(list(results.values())):
        _show.note(text)
    if "care_draws" not in a:
        _show.note("Bands show how people differ in the typical trial, not how sure the model is; --draws 100 adds that.")
    for text in a["care_notes"][:1]:
        _show.note(text)


def _of_whom(results: Mapping[str, xr.DataTree]) -> str:
    """Disorder, control and baseline; those of each arm where arms differ in disorder."""
    by: dict[tuple[str, str], list[str]] = {}
    names: dict[tuple[str, str], list[str]] = {}
    for label, a in ((label, result.attrs) for label, result in results.items()):
        key = (f"{a['disorder_title']} ({a['disorder']})", f"baseline {a['scale'].upper()} {a['baseline']}")
        by.setdefault(key, []).append(f"{a['control']} ({a['control_title']})")
        names.setdefault(key, []).append(label)
    lines = [f"{title}; control: {'; '.join(dict.fromkeys(controls))}; {baseline}" for (title, baseline), controls in by.items()]
    return (
        lines[0]
        if len(lines) == 1
        else "\n".join(f"{', '.join(own)}: {line}" for own, line in zip(names.values(), lines, strict=True))
    )


def _show_more(results: Mapping[str, xr.DataTree]) -> None:
    """Further scales, records and events by visit, where the disorder has some."""
    from ketasim.results import visit_rows

    told: dict[str, list[Any]] = {}
    rows = [(label, row) for label, result in results.items() for row in visit_rows(result)]
    names = [name for name in rows[0][1] if name.endswith(("_mean", "_by_now"))] if rows else []
    for label, row in rows:
        told.setdefault(f"{label}\n{time_text(row['time_h'])}", [row[name] for name in names])
    if names:
        heads = [name.removesuffix("_mean").replace("_by_now", ", by now").replace("_", " ") for name in names]
        cells = [
            (*((key.split("\n")[0],) if len(results) > 1 else ()), key.split("\n")[1], *(f"{v:.3g}" for v in values))
            for key, values in told.items()
        ]
        _show.table(
            (*(("arm",) if len(results) > 1 else ()), "time", *heads),
            cells,
            "further measures; means over people",
            numbers_from=1 + (len(results) > 1),
        )


def _show_without(results: Mapping[str, xr.DataTree]) -> None:
    """The same people without the drug, where no trial gives a control arm."""
    from ketasim.results import without_rows

    for label, result in results.items():
        if not (rows := without_rows(result)):
            continue
        a, names = result.attrs, [k.removesuffix("_without") for k in rows[0] if k.endswith(("_mean_without", "_by_now_without"))]
        more = [name for name in names if any(r[name] != r[f"{name}_without"] for r in rows)]
        drawn = ("90 % of draws",) if "mean_low" in rows[0] else ()
        plain = [name.removesuffix("_mean").replace("_by_now", ", by now").replace("_", " ") for name in more]
        head = ("time", a["scale"].upper(), "without", "difference", *drawn, *(f"{name}, without" for name in plain))
        cells = [
            (time_text(r["time_h"]), f"{r['mean']:.1f}", f"{r['mean_without']:.1f}", f"{r['mean'] - r['mean_without']:+.1f}",
             *((f"{r['mean_low']:+.1f} to {r['mean_high']:+.1f}",) if drawn else ()), *(f"{r[f'{name}_without']:.3g}" for name in more))
            for r in rows
        ]  # fmt: skip
        _show.table(head, cells, f"{label + ': ' if label else ''}the same people without ketamine; evidence: {a['certainty']}")


def _show_contrasts(results: Mapping[str, xr.DataTree]) -> None:
    """Differences to the first arm."""
    from ketasim.results import contrast_rows

    rows = contrast_rows(results)
    drawn = bool(rows) and "change_low" in rows[0]
    cells = [
        (row["arm"], time_text(row["time_h"]), f"{row['change']:+z.1f}",
         *((f"{row['change_low']:+.1f} to {row['change_high']:+.1f}",) if drawn else ()), f"{100 * row['response']:+z.0f} points",
         *((f"{100 * row['response_low']:+.0f} to {100 * row['response_high']:+.0f}",) if drawn else ()))
        for row in rows
    ]  # fmt: skip
    sure = ("90 % of draws",) if drawn else ()
    head = ("arm", "time", "difference of change", *sure, "difference of response", *sure)
    _show.table(head, cells, f"against {next(iter(results))}; below 0 is better", numbers_from=2)


def _show_balance(results: Mapping[str, xr.DataTree]) -> None:
    """Benefit beside burden of every arm."""
    from ketasim.results import BALANCE_NOTE, balance_rows, balance_table

    rows = balance_rows(results)
    head, cells = balance_table(rows)
    _show.table(head, cells, f"Benefit and burden, day {rows[0]['time_h'] / 24:.3g}", numbers_from=1)
    _show.note(BALANCE_NOTE)


def _attendance(result: xr.DataTree) -> str:
    """How many sessions were given, and who is still in care."""
    given, stay = result["course"]["given"].to_numpy(), float(result["visit"]["in_care"][-1])
    return f"{given.sum():.1f} of {len(given)} sessions given to a person, {percent(stay)} in care at the end."


def _sure_head(result: xr.DataTree) -> tuple[str, ...]:
    return ("change, 90 % of draws", "response, 90 % of draws") if "care_draws" in result.attrs else ()


def _visit_cells(row: Mapping[str, Any]) -> tuple[Any, ...]:
    band = f"{row['low']:.1f} - {row['high']:.1f}" if row["low"] < row["high"] else ""
    cells = (
        time_text(row["time_h"]),
        f"{row['mean']:.1f}",
        band,
        f"{row['change']:z.1f}",
        percent(row["response"]),
        percent(row["remission"]),
    )
    if "change_low" not in row:
        return cells
    change = span(row["change_low"], row["change_high"], lambda x: f"{x:.1f}")
    return (*cells, change, span(row["response_low"], row["response_high"], percent))


def _incidence_cells(row: Mapping[str, Any]) -> tuple[Any, ...]:
    cells = (row["title"], percent(row["first"]), percent(row["per_session"]), percent(row["ever"]))
    return (*cells, span(row["ever_low"], row["ever_high"], percent)) if "ever_low" in row else cells


def span(low: float, high: float, text: Callable[[float], str]) -> str:
    """An interval over draws in words; where its ends are one number, that it says nothing."""
    from ketasim.results import ALIKE

    return ALIKE if low == high else f"{text(low)} - {text(high)}"


def percent(share: float) -> str:
    """A share as whole percent; small ones with a digit more."""
    return f"{100 * share:.1f} %" if 0 < share < 0.02 else f"{100 * share:.0f} %"


def time_text(hours: float) -> str:
    """Hours of the first day, days after it."""
    return f"{hours:g} h" if hours < 24 else f"day {hours / 24:g}"


def contrast_json(results: Mapping[str, xr.DataTree]) -> dict[str, Any]:
    """Differences between arms for programs."""
    from ketasim.results import balance_rows, contrast_rows

    return {"contrasts": contrast_rows(results), "balance": balance_rows(results)} if has_care(results) else {}


def care_json(result: xr.DataTree) -> dict[str, Any]:
    """Symptoms and side effects for programs."""
    from ketasim.results import incidence_rows, visit_rows, without_rows

    if "visit" not in result.children:
        return {}
    told = {
        "certainty": result.attrs["certainty"],
        "draws": int(result.attrs.get("care_draws", 0)),
        "visits": visit_rows(result),
        "side_effects": incidence_rows(result),
    }
    return told | ({"without_drug": rows} if (rows := without_rows(result)) else {})
