"""Tables and notes for people, JSON for programs: results to standard output, all else to standard error."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from ketasim.cli._settings import settings

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from ketasim.population import Cohort

NOTICE = "Research software: explores pharmacology, does not advise on treatment."


def console(err: bool = False) -> Console:
    """Rich console; wide where the output is no terminal, so that a pipe does not cut tables."""
    from rich.console import Console

    stream = sys.stderr if err else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else 160, highlight=False, soft_wrap=False)


def note(text: str) -> None:
    """A remark beside the result: standard error, silent under ``--quiet``."""
    if not settings.quiet:
        typer.echo(text, err=True)


def numbering(cohort: Cohort) -> None:
    """Say that patients with names are numbered, where a table holds numbers only."""
    if cohort.ids.dtype.kind == "U":
        note(f"{cohort.name}: event tables hold no names; ID 1 to {len(cohort)} are the patients in the order of the file.")


def notice() -> None:
    """The research-use notice, wherever results are shown."""
    note(NOTICE)


def text(content: str) -> None:
    """Plain text to standard output."""
    typer.echo(content)


def emit_json(data: Any) -> None:
    """Data as JSON; not-a-number becomes null."""
    typer.echo(json.dumps(plain(data), indent=1, ensure_ascii=False))


def plain(value: Any) -> Any:
    """Arrays, numpy numbers and mappings as plain data."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, (list, tuple, set)):
        return [plain(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, (str, int, bool)) or value is None else str(value)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "", numbers_from: int = 1) -> None:
    """A table for people; columns from `numbers_from` on are set right unless they hold words, left out without any value."""
    from ketasim.cli._table import Column, are_words, print_table

    lines = [[cell(value) for value in row] for row in rows]
    found = [(k, head, [line[k] for line in lines]) for k, head in enumerate(columns)]
    kept = [one for one in found if one[0] < numbers_from or any(text not in ("", "-") for text in one[2])]
    shown = [Column(head, cells, k >= numbers_from and not are_words(cells)) for k, head, cells in kept]
    print_table(console(), shown, numbers_from, title)


def entries(rows: Sequence[Mapping[str, Any]]) -> None:
    """What the library holds, for people: a table, or one entry under the other in a narrow window."""
    from ketasim.cli._table import Column, print_entries

    print_entries(console(), [Column(head, [cell(row[head]) for row in rows], False) for head in rows[0]])


def frame(data: pd.DataFrame, title: str = "", numbers_from: int = 1, limit: int = 60) -> None:
    """A data frame as a table for people, or as records under ``--json``."""
    if settings.json:
        emit_json(data.to_dict("records"))
        return
    table([str(c) for c in data.columns], data.head(limit).itertuples(index=False), title, numbers_from)
    if len(data) > limit:
        note(f"{len(data) - limit} more rows; -o FILE.csv or --json gives all.")


def cell(value: Any) -> str:
    """A value as a reader likes it: four significant digits."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, str)):
        return str(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    if math.isnan(number):
        return "-"
    return f"{number:.0f}" if number.is_integer() and abs(number) < 1e6 else f"{number:.4g}"
