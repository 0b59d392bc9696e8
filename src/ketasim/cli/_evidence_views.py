"""How rows of evidence look on a screen of 120 columns: a few columns each, numbered sources below."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ketasim.cli import _show

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, Any]
#: Columns of a table where there is no window to ask; a table never gets narrower than the second, however narrow the window.
WIDTH, _NARROWEST = 120, 80
#: A word up to the first is not broken while there is room; numbers with their interval up to the second stay on one line.
_WORD, _INTERVAL, _SHORTEST = 16, 24, 5


def _has(value: Any) -> bool:
    return bool(value) if isinstance(value, str) else value == value and value is not None


def _words(*names: str) -> Callable[[Row], str]:
    """Cells joined by blanks, empty ones left out."""
    return lambda row: " ".join(_show.cell(row[name]) for name in names if name in row and _has(row[name]))


def _first(*names: str) -> Callable[[Row], str]:
    """The first cell that is not empty: a number, else the words in its place."""
    return lambda row: next((_show.cell(row[name]) for name in names if name in row and _has(row[name])), "")


def _with(value: str, spread: str, kind: str = "") -> Callable[[Row], str]:
    """A value with its spread in brackets, the kind of spread named where it is not always the same; a spread may stand alone."""

    def shown(row: Row) -> str:
        inside = f"{row[kind]} {_show.cell(row[spread])}" if kind and _has(row[kind]) else _show.cell(row[spread])
        pieces = (_show.cell(row[value]) if _has(row[value]) else "", f"({inside})" if _has(row[spread]) else "")
        return " ".join(filter(None, pieces))

    return shown


def _interval(value: str, low: str = "ci_low", high: str = "ci_high") -> Callable[[Row], str]:
    def shown(row: Row) -> str:
        number = _first(value, f"{value}_text")(row)
        if not _has(row[low]) and not _has(row[high]):
            return number
        return f"{number} [{_show.cell(row[low])}, {_show.cell(row[high])}]".strip()

    return shown


def _time(name: str) -> Callable[[Row], str]:
    """Hours up to two days, then days."""

    def shown(row: Row) -> str:
        hours = row[name]
        if not _has(hours):
            return ""
        return f"{_show.cell(hours)} h" if abs(hours) < 48 else f"{_show.cell(hours / 24)} d"

    return shown


def _given(row: Row) -> str:
    """Drug, dose, route and length of an infusion in one cell."""
    minutes = f"{_show.cell(row['infusion_min'])} min" if _has(row["infusion_min"]) and row["infusion_min"] else ""
    dose = f"{row['dose']} {row['dose_unit']}" if _has(row["dose"]) else ""
    return " ".join(part for part in (row["drug"], dose, str(row["route"] or ""), minutes) if part)


#: Table -> heading -> what the cell shows. Text is wrapped; headings in `_RIGHT` are set right and never wrapped.
VIEWS: Mapping[str, Mapping[str, Callable[[Row], str]]] = {
    "trials": {
        "trial": _words("trial"), "arm": _words("arm"), "disorder": _words("disorder"), "given": _given, "schedule": _words("schedule"),
        "n": _words("n_randomised"), "control": _words("control_type"), "masking": _words("masking"),
    },
    "outcomes": {
        "trial": _words("trial"), "arm": _words("arm"), "scale": _words("scale"), "time": _time("time_h"), "n": _words("n"),
        "mean (SD)": _with("mean", "sd"), "change (SD)": _with("change_from_baseline", "change_sd"),
        "resp. %": _words("response_percent"), "rem. %": _words("remission_percent"),
        "other": lambda row: " ".join((row["other_metric"], _first("other_value", "other_value_text")(row))).strip(),
    },
    "contrasts": {
        "study": _words("study"), "kind": _words("kind"), "comparison": _words("comparison"), "disorder": _words("disorder"),
        "scale": _words("scale"), "time": _time("time_h"), "measure": _words("metric"), "value [CI]": _interval("value"), "n": _words("n"),
    },
    "safety": {
        "study": _words("study"), "given": _given, "event": _words("event"), "time": _time("time_h"), "measure": _words("metric"),
        "value": _with("value", "spread", "spread_type"), "control": _words("comparator_value"), "n": _words("n"),
    },
    "receptor_affinity": {
        "ligand": _words("ligand"), "target": _words("target"), "species": _words("species"), "assay": _words("assay"),
        "measure": _words("metric"), "value": _words("value", "unit"), "spread": _words("spread"),
    },
    "mechanism_findings": {
        "system": _words("system"), "in": _words("species"), "intervention": _words("intervention", "dose", "dose_unit", "route"),
        "readout": _words("readout"), "after": _time("time_after_h"), "effect": _words("effect", "effect_unit"),
        "change": _words("direction"), "n": _words("n"),
    },
    "pk_observations": {
        "given": _given, "population": _words("population"), "analyte": _words("analyte"), "n": _words("n"), "measure": _words("metric"),
        "value": _words("value", "unit"), "spread": _words("spread_type", "spread"), "at": lambda row: _at(row["note"]),
    },
    "interactions": {
        "with": _words("perpetrator"), "mechanism": _words("mechanism"), "on": _words("victim"), "route": _words("route"),
        "measure": _words("metric"), "ratio [CI]": _interval("ratio"),
    },
    "monitoring_rules": {
        "rule": _words("rule_id"), "applies to": _words("applies_to"), "if": _words("condition"), "then": _words("action"),
        "threshold": _words("threshold", "unit"), "authority": _words("authority"),
    },
    "exposure_response": {
        "model": _words("model"), "drug": _words("drug"), "endpoint": _words("endpoint"), "parameter": _words("parameter"),
        "value": _words("value", "unit"), "variability": _words("iiv"),
    },
    "sources": {"key": _words("source"), "citation": _words("citation"), "read as": _words("how_read")},
}  # fmt: skip
_RIGHT = {"time", "after", "n", "mean (SD)", "change (SD)", "resp. %", "rem. %", "value", "value [CI]", "ratio [CI]"}


def _at(note: str) -> str:
    """The time that a note of a concentration begins with."""
    return note.partition(";")[0].removeprefix("t=") if note.startswith("t=") else ""


def show(name: str, frame: pd.DataFrame, citation: Callable[[str], str]) -> None:
    """Rows with numbered sources, which stand below in full."""
    view, rows = VIEWS[name], frame.to_dict("records")
    cited = name != "sources"
    numbers: dict[str, int] = {}
    for row in rows if cited else ():
        numbers.setdefault(str(row["source"]), len(numbers) + 1)
    headings = [*view, "source" if cited else ""]
    lines = [[*(shown(row) for shown in view.values()), _source(row, numbers)] for row in rows]
    alike = [k for k in range(1, len(view)) if len(lines) > 2 and lines[0][k] and len({line[k] for line in lines}) == 1]
    if alike and cited:
        _show.text("Every row: " + ", ".join(f"{headings[k]} {lines[0][k]}" for k in alike) + ".")
        headings = [heading for k, heading in enumerate(headings) if k not in alike]
        lines = [[content for k, content in enumerate(line) if k not in alike] for line in lines]
    table(headings, lines, right=_RIGHT, stack=cited)
    for key, number in numbers.items():
        _show.text(f" [{number}] {key}: {citation(key)}")
    for row in rows:
        if cited and row["confidence"] != "read":
            _show.note("Rows without a word after the source: the number was read there. See --confidence.")
            break
    if any(row.get("holdout") for row in rows):
        _show.note("H: held out; scored and never fitted.")
    if any(row.get("origin") == "user" for row in rows):
        _show.note("U: from your own tables.")


def _source(row: Row, numbers: Mapping[str, int]) -> str:
    """Number of the source, how sure the fact is unless it was read there, and marks: H held out, U a user's own."""
    marks = ("H" if row.get("holdout") else "") + ("U" if row.get("origin") == "user" else "")
    if not numbers:
        return marks
    sure = row["confidence"] if row["confidence"] != "read" else ""
    return " ".join(part for part in (f"[{numbers[row['source']]}]", sure, marks) if part)


def show_all(frame: pd.DataFrame) -> None:
    """Every column, one row under the other: too wide for a table."""
    for k, row in enumerate(frame.to_dict("records")):
        _show.text(
            ("\n" if k else "") + "\n".join(f"{name:22} {_show.cell(value)}" for name, value in row.items() if _has(value))
        )


def show_plain(frame: pd.DataFrame) -> None:
    """Any data frame, numbers set right."""
    from pandas.api.types import is_numeric_dtype

    columns = [str(column) for column in frame.columns]
    numeric = {column for column in columns if is_numeric_dtype(frame[column]) and frame[column].dtype != bool}
    rows = [["" if not _has(value) else _show.cell(value) for value in row] for row in frame.itertuples(index=False)]
    table(columns, rows, right=numeric)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], right: set[str], stack: bool = False) -> None:
    """A table as wide as the window, 120 columns where there is none; empty columns left out, long cells wrapped.

    stack : where words would have to be broken, the first column becomes a line of its own above its rows.
    """
    kept = [k for k in range(len(headings)) if not rows or any(row[k] for row in rows)]
    cells = [[row[k] for k in kept] for row in rows]
    titles = [headings[k] for k in kept]
    window = max(shutil.get_terminal_size((WIDTH, 24)).columns, _NARROWEST)
    above: Sequence[str] = ()
    stacked = stack and _least([titles, *cells], titles, right) > window
    if stacked:
        above, titles, cells = [row[0] for row in cells], titles[1:], [row[1:] for row in cells]
    widths = _widths([*cells, titles], [title in right for title in titles], window - 2 * (len(titles) - 1 + stacked))
    margin = "  " if stacked else ""
    for line in (*_lines(titles, widths, titles, right), "-" * min(sum(widths) + 2 * (len(widths) - 1), window)):
        _show.text(margin + line)
    for k, row in enumerate(cells):
        if stacked and (k == 0 or above[k] != above[k - 1]):
            _show.text(above[k])
        for line in _lines(row, widths, titles, right):
            _show.text(margin + line)


def _least(rows: Sequence[Sequence[str]], titles: Sequence[str], right: set[str]) -> int:
    """Width of a table that breaks no word."""
    return sum(_unbroken([row[k] for row in rows], title in right) + 2 for k, title in enumerate(titles)) - 2


def _widths(rows: Sequence[Sequence[str]], numeric: Sequence[bool], room: int) -> list[int]:
    """Width of every column: what it needs while there is room; then the widest give way, first at blanks, last inside words."""
    columns = [[row[k] for row in rows] for k in range(len(numeric))]
    widths = [max(map(len, column)) for column in columns]
    whole = [_unbroken(column, number) for column, number in zip(columns, numeric, strict=True)]
    for least in (whole, [min(width, _WORD // 2) for width in whole], [_SHORTEST] * len(whole)):
        while sum(widths) > room:
            open_ = [k for k, width in enumerate(widths) if width > least[k]]
            if not open_:
                break
            widths[max(open_, key=lambda k: widths[k])] -= 1
    return widths


def _unbroken(column: Sequence[str], numeric: bool) -> int:
    """Width that breaks no word, and no number from its interval."""
    kept = [cell for cell in column if len(cell) <= _INTERVAL] if numeric else []
    pieces = [piece.rstrip() for cell in column for piece in _pieces(cell)]
    return max([*map(len, kept), *(min(len(piece), _WORD) for piece in pieces), 1])


def _lines(row: Sequence[str], widths: Sequence[int], titles: Sequence[str], right: set[str]) -> list[str]:
    """One row of the table, on as many lines as its tallest cell needs."""
    wrapped = [_wrapped(content, width) for content, width in zip(row, widths, strict=True)]
    lines: list[str] = []
    for n in range(max((len(parts) for parts in wrapped), default=0)):
        parts = [parts[n] if n < len(parts) else "" for parts in wrapped]
        aligned = [
            part.rjust(width) if title in right else part.ljust(width)
            for part, width, title in zip(parts, widths, titles, strict=True)
        ]
        lines.append("  ".join(aligned).rstrip())
    return lines


def _pieces(content: str) -> list[str]:
    """Where a cell may be broken: after blanks, and after a sign inside a long word; not after a minus or inside mg/kg."""
    return re.findall(r"(?:[^\s_/+;,-]|(?<![\w)])-|(?<!\w{4})/)*(?:[_+;,]|(?<=\w{4})/|(?<=[\w)])-)*\s*|\s+", content)


def _wrapped(content: str, width: int) -> list[str]:
    """Lines of a cell, none longer than the width; a piece that is longer is cut."""
    lines = [""]
    for piece in _pieces(content):
        while len(lines[-1]) + len(piece.rstrip()) > width:
            if lines[-1]:
                lines[-1] = lines[-1].rstrip()
                lines.append("")
            else:
                lines[-1], piece = piece[:width], piece[width:]
                lines.append("")
        lines[-1] += piece
    return [line.rstrip() for line in lines]
