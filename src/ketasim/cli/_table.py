"""Tables for terminals of any width: words wrap, numbers never; what does not fit goes on in a further table below."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

#: Letters of a word (or address) from which a column of text may break within it.
_LONGEST_WORD = 20
#: Letters up to which the first column, which names the row, stays whole.
_LONGEST_NAME = 34
#: Letters a column of words needs at least so that one likes to read it, and up to which cells of entries share a line.
_ROOM, _SHORT = 24, 40
#: Heads of columns that need no name in front of their cells.
_BARE = ("title", "citation", "what")
#: Between columns, and at both edges together.
_GAP, _EDGES = 3, 2


@dataclass(frozen=True)
class Column:
    """A head and its cells. is_number : set right, and not to be broken."""

    head: str
    cells: Sequence[str]
    is_number: bool

    @property
    def width(self) -> int:
        """With everything on one line."""
        return max(map(len, (self.head, *self.cells)))

    @property
    def least(self) -> int:
        """With every word on a line of its own, and every number whole."""
        longest = max(map(len, self.head.split()), default=0)
        if self.is_number:
            return max(longest, *map(len, self.cells), 1)
        words = [len(word) for text in self.cells for word in text.split()]
        return min(max(longest, *words, 1), _LONGEST_WORD)


def are_words(cells: Iterable[str]) -> bool:
    """Whether half the cells or more hold a word; units such as % and h are none, nor is the open end of an interval."""
    said = [text for text in cells if text not in ("", "-", "open")]
    return bool(said) and 2 * sum(bool(re.search(r"[^\W\d_]{2}", text)) for text in said) >= len(said)


def print_table(console: Console, columns: Sequence[Column], keys: int, title: str = "") -> None:
    """Print a table; where it is too wide, further ones with the rest of the columns follow, each with the first `keys`."""
    for number, block in enumerate(_blocks(columns, keys, console.width)):
        console.print(_rich(block, console.width, "" if number else title))


def _blocks(columns: Sequence[Column], keys: int, width: int) -> list[list[Column]]:
    first, blocks = list(columns[:keys]), list[list[Column]]([[]])
    for column in columns[keys:]:
        if blocks[-1] and _total(c.least for c in (*first, *blocks[-1], column)) > width:
            blocks.append([])
        blocks[-1].append(column)
    return [[*first, *block] for block in blocks]


def _total(widths: Iterable[int]) -> int:
    known = list(widths)
    return sum(known) + _GAP * (len(known) - 1) + _EDGES


def _rich(columns: Sequence[Column], width: int, title: str) -> Table:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    out = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold", pad_edge=False)
    tight = _total(column.width for column in columns) > width
    for place, column in enumerate(columns):
        head = fill(column.head, column.least) if tight and column.is_number else column.head
        whole = column.is_number or (place == 0 and column.width <= _LONGEST_NAME)
        out.add_column(escape(head), justify="right" if column.is_number else "left", overflow="fold", no_wrap=whole)
    for row in zip(*(column.cells for column in columns), strict=True):
        out.add_row(*map(escape, row))
    return out


def print_entries(console: Console, columns: Sequence[Column]) -> None:
    """A table where words have room in it; in a narrower window an entry under the other, with what it is called in front."""
    from rich.markup import escape

    if _total(min(column.width, _ROOM) for column in columns) <= console.width:
        console.print(_rich(columns, console.width, ""))
        return
    name, *others = columns
    for row, title in enumerate(name.cells):
        console.print(f"[bold]{escape(title)}[/bold]")
        whole = [column for column in others if column.head in _BARE or len(column.cells[row]) > _SHORT]
        lines = [_said(column, row) for column in whole]
        lines.append("; ".join(filter(None, (_said(column, row) for column in others if column not in whole))))
        for line in filter(None, lines):
            console.print(escape(fill(line, console.width, initial_indent="  ", subsequent_indent="    ")), soft_wrap=True)


def _said(column: Column, row: int) -> str:
    """A cell behind its head; titles and citations speak for themselves."""
    text = column.cells[row]
    return text if not text or column.head in _BARE else f"{column.head}: {text}"
