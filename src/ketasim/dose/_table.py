"""Tables as they lie on disk or in memory: columns of numbers or text, and for every row where it came from.

No rules about doses here; those are in `_rules`. Files of ten million rows go through Arrow in one pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ketasim.csvtext import csv_rows, say_semicolons, separator_of, text_bytes, with_point
from ketasim.errors import InvalidData

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

MISSING = (".", "", "NA", "N/A", "NaN", "nan", "NULL", "null")
MISSING_TEXT = "'.', nothing or NA where missing"
#: Comment and empty lines after the header; 'C' is NONMEM's mark, in the first column.
_SKIPPED = re.compile(rb"^[ \t]*(?:[#;][^\n]*|[Cc](?:[ ,\t][^\n]*)?|[ \t\r,]*)\r?$", re.MULTILINE)
#: The same where semicolons separate: a line that begins with one lacks its first field.
_SKIPPED_SEMICOLON = re.compile(rb"^[ \t]*(?:#[^\n]*|[Cc](?:[ ;\t][^\n]*)?|[ \t\r;]*)\r?$", re.MULTILINE)
_HINTS = tuple(b"\n" + c for c in (b"#", b";", b"C", b"c", b"\n", b"\r", b" ", b"\t", b","))
_CLOCK = re.compile(r"(\d+):([0-5]\d)(?::([0-5]\d(?:\.\d+)?))?")
_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[ T]00:00(?::00(?:\.0+)?)?)?")
#: Days that may be meant, of the years 1900 to 2199.
_FIRST_DAY, _LAST_DAY = date(1900, 1, 1).toordinal(), date(2200, 1, 1).toordinal()
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d?:.*)")


@dataclass
class Table:
    """Columns by canonical name: float arrays with NaN for missing, or object arrays of text with None for missing.

    Attributes
    ----------
    name : of the file, for messages. header_line, skipped : numbers of the header line and of lines left out after it;
        -1 and empty for a table in memory. decimal_comma : whether numbers may be written 0,5. clock : whether times were
        written as on a clock. dated : whether they say the day.
    """

    name: str
    n: int
    columns: dict[str, NDArray[Any]]
    header_line: int = -1
    skipped: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    decimal_comma: bool = False
    clock: bool = False
    dated: bool = False

    def where(self, row: int) -> str:
        """Place of a row: ``file.csv, line 7`` (of the file, header and comments counted) or ``table, row 6``."""
        if self.header_line < 0:
            return f"{self.name}, row {row + 1}"
        return f"{self.name}, line {line_of(row, self.header_line, self.skipped)}"

    def fail(self, row: int, column: str, value: object, problem: str, more: int = 0) -> NoReturn:
        """Refuse one cell.

        Raises
        ------
        InvalidData: always.
        """
        shown = f"{value:g}" if isinstance(value, (float, np.floating)) else str(value)
        others = f" ({more} more {'row has' if more == 1 else 'rows have'} this.)" if more else ""
        raise InvalidData(f"{self.where(row)}, column {column}: '{shown}' {problem}{others}")


def line_of(row: int, header_line: int, skipped: NDArray[np.int64]) -> int:
    """Line of the file a row stands on."""
    line = header_line + 1 + row
    while True:
        moved = header_line + 1 + row + int(np.searchsorted(skipped, line, side="right"))
        if moved == line:
            return line
        line = moved


def read_table(path: Path, canonical: Callable[[list[str], str], list[str]], numeric: Callable[[str], bool]) -> Table:
    """Read a CSV file.

    Parameters
    ----------
    canonical : (header names, file name) -> names to use; refuses what it does not like.
    numeric : whether a column must hold numbers; the others may hold numbers or text, but not both.

    Raises
    ------
    InvalidData: not a readable text table; text in a number; a line with too many or too few fields.
    """
    data = text_bytes(path)
    names, header_line, at, separator = _header(path, data)
    columns = canonical(names, str(path))
    body, skipped = _body(data, at, header_line, separator)
    del data
    if not body.strip():
        raise InvalidData(f"{path}: no records; needed are a header line with ID and TIME, and at least one row.")
    table = Table(str(path), 0, {}, header_line, skipped, separator == ";" and b"," in body)
    if separator == ";":
        say_semicolons(path)
    import pyarrow as pa

    held = _owned(body)
    del body
    try:
        arrow = _arrow(held, columns, separator, {c: pa.float64() for c in columns if numeric(c)}, comma=table.decimal_comma)
        table.n = arrow.num_rows
        left = arrow.columns[::-1]
        del arrow
        for name in columns:  # one at a time, freeing Arrow's copy: ten million rows should not be held twice
            table.columns[name] = _fast(left.pop())
    except (pa.ArrowInvalid, _UnclearError):
        _checked(table, held, columns, separator, numeric)
    return table


class _UnclearError(Exception):
    """A column Arrow's guess does not settle: read again as text."""


def _header(path: Path, data: bytes) -> tuple[list[str], int, int, str]:
    """(names, line number, where the body begins, separator) of the first line that is no comment."""
    at, line = 0, 0
    while at < len(data):
        stop = data.find(b"\n", at)
        stop = len(data) if stop < 0 else stop
        line += 1
        text = data[at:stop].decode("utf-8").strip()
        at = stop + 1
        marked = text[:1] in ("#", ";") or text[:2].lower() in ("c,", "c ", "c\t") or text.lower() == "c"
        bare = text.lstrip("#; ") if text[:1] in ("#", ";") else text
        separator = separator_of(bare)
        names = [n.strip() for n in next(csv_rows([bare], path, separator), (0, []))[1]]
        is_header = {"ID", "TIME"} <= {n.upper() for n in names}
        if not text.strip(", ;\t") or (marked and not is_header):
            continue
        if len(names) == 1 and {"ID", "TIME"} <= set(bare.upper().split()):
            raise InvalidData(
                f"{path}, line {line}: fields are separated by spaces; save the table with commas, and points in numbers."
            )
        return names, line, at, separator
    raise InvalidData(f"{path}: the file is empty; needed are a header line with ID and TIME, and at least one row.")


def _body(data: bytes, at: int, header_line: int, separator: str) -> tuple[bytes, NDArray[np.int64]]:
    """The lines after the header without comments and empty ones, and the numbers of those left out."""
    start = max(at - 1, 0)
    if not any(data.find(hint, start) >= 0 for hint in _HINTS):
        return data[at:], np.zeros(0, np.int64)
    pieces: list[bytes] = []
    skipped: list[int] = []
    keep, counted, line = at, at, header_line + 1
    for match in (_SKIPPED_SEMICOLON if separator == ";" else _SKIPPED).finditer(data, at):
        if match.start() >= len(data):
            break
        line += data.count(b"\n", counted, match.start())
        counted = match.start()
        pieces.append(data[keep : match.start()])
        keep = min(match.end() + 1, len(data))
        skipped.append(line)
    pieces.append(data[keep:])
    return b"".join(pieces), np.array(skipped, np.int64)


def _owned(body: bytes) -> pa.Buffer:
    """Arrow's own copy: a thread of Arrow that lets go of Python's bytes while Python ends would abort the process."""
    import pyarrow as pa

    held = pa.allocate_buffer(len(body))
    np.frombuffer(held, np.uint8)[:] = np.frombuffer(body, np.uint8)
    return held


def _arrow(
    body: pa.Buffer, names: list[str], separator: str, types: Mapping[str, Any], handler: Any = None, comma: bool = False
) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv as reader

    return reader.read_csv(
        pa.BufferReader(body),
        read_options=reader.ReadOptions(column_names=names, use_threads=handler is None),
        parse_options=reader.ParseOptions(delimiter=separator, invalid_row_handler=handler),
        convert_options=reader.ConvertOptions(
            column_types=dict(types), null_values=list(MISSING), strings_can_be_null=True, decimal_point="," if comma else "."
        ),
    )


def _fast(column: pa.ChunkedArray) -> NDArray[Any]:
    import pyarrow as pa

    kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=float)
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan)
    raise _UnclearError


def _checked(table: Table, body: pa.Buffer, names: list[str], separator: str, numeric: Callable[[str], bool]) -> None:
    """The careful way: everything as text first, so that the first bad cell can be named."""
    import pyarrow as pa

    bad: list[tuple[int, int, int]] = []

    def too_wide(row: Any) -> str:
        if not bad:
            bad.append((row.number or 1, row.expected_columns, row.actual_columns))
        return "skip"

    try:
        arrow = _arrow(body, names, separator, {name: pa.string() for name in names}, too_wide)
    except pa.ArrowInvalid as error:
        raise InvalidData(f"{table.name}: not a table of comma-separated values ({error}).") from None
    if bad:
        number, want, got = bad[0]
        raise InvalidData(
            f"{table.where(number - 1)}: {got} fields, but the header has {want}. Each column needs a value or '.'."
        )
    table.n = arrow.num_rows
    for name, column in zip(names, arrow.columns, strict=True):
        table.columns[name] = _text_column(table, name, column, numeric(name))


def _text_column(table: Table, name: str, column: pa.ChunkedArray, numeric: bool) -> NDArray[Any]:
    import pyarrow as pa
    import pyarrow.compute

    pc: Any = pyarrow.compute  # its functions are made at run time, which type checkers cannot see

    trimmed = pc.utf8_trim_whitespace(column)
    trimmed = pc.if_else(pc.is_in(trimmed, value_set=pa.array(MISSING)), pa.scalar(None, pa.string()), trimmed)
    try:
        return _fast(pc.cast(pc.replace_substring(trimmed, ",", ".") if table.decimal_comma else trimmed, pa.float64()))
    except pa.ArrowInvalid:
        pass
    codes = pc.dictionary_encode(trimmed).combine_chunks()
    words = [str(w) for w in codes.dictionary.to_pylist()]
    index = codes.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return settle_text(table, name, words, index, numeric)


def settle_text(table: Table, name: str, words: list[str], index: NDArray[Any], numeric: bool) -> NDArray[Any]:
    """Numbers or text of a column given as distinct words and (row,) positions in them, -1 where missing.

    Raises
    ------
    InvalidData: text in a column of numbers, or numbers and text mixed.
    """
    values = np.array([_number(with_point(word) if table.decimal_comma else word, name) for word in words] + [np.nan])
    if name == "TIME":
        table.clock = any(":" in word for word in words)
        _one_kind_of_time(table, words, values, index)
    wrong = np.append(np.isnan(values[:-1]), False)
    if not wrong.any():
        return values[index]
    if name == "CMT":  # names and numbers may mix
        return np.array([*words, None], dtype=object)[index]
    if numeric or not wrong[:-1].all():
        rows = np.flatnonzero(wrong[index])
        need = f"is no number. Allowed: {_ALLOWED.get(name, 'numbers with a decimal point')}; {MISSING_TEXT}."
        if not numeric:
            need = "is text in a column that also holds numbers. Allowed: only numbers, or only text."
        table.fail(int(rows[0]), name, words[index[rows[0]]], need, len(rows) - 1)
    return np.array([*words, None], dtype=object)[index]


_ALLOWED = {
    "ID": "whole numbers. Number the subjects 1, 2, 3 ... and keep their names in a column of its own (--keep NAME)",
    "TIME": "hours, clock times (9:30, 9:30:00) or moments (2026-01-31 09:30)",
    "DATE": "days as 2026-01-31",
    "DV": "numbers with a decimal point. Below the limit of quantification leave DV missing, and keep the limit in a column of its own (--keep NAME)",
}


def _number(word: str, name: str) -> float:
    """A number; a clock time or a moment of TIME in hours, a day of DATE in days. NaN where it is none."""
    if name == "DATE":
        found = _DAY.fullmatch(word)
        return _day(word[:10]) if found else np.nan
    if name == "TIME":
        moment = _MOMENT.fullmatch(word)
        clock = _CLOCK.fullmatch(moment[2] if moment else word)
        if clock:
            return (
                (24.0 * _day(moment[1]) if moment else 0.0)
                + int(clock[1])
                + int(clock[2]) / 60.0
                + float(clock[3] or 0.0) / 3600.0
            )
    try:
        return float(word) if "_" not in word else np.nan
    except ValueError:
        return np.nan


def _day(word: str) -> float:
    """Days since the year 1, NaN for a day there is not."""
    try:
        return float(date.fromisoformat(word).toordinal())
    except ValueError:
        return np.nan


def day_words(days: NDArray[np.float64]) -> NDArray[Any]:
    """Days as they were written, None where missing."""
    return np.array([None if np.isnan(day) else date.fromordinal(int(day)).isoformat() for day in days], object)


def _one_kind_of_time(table: Table, words: list[str], values: NDArray[np.float64], index: NDArray[Any]) -> None:
    """Refuse moments beside hours: which day the hours are of is not said."""
    moments = np.array([bool(_MOMENT.fullmatch(word)) for word in words] + [False])
    if moments.any() and not moments[:-1].all():
        rows = np.flatnonzero(~moments[index] & (index >= 0))
        if len(rows):
            table.fail(
                int(rows[0]),
                "TIME",
                words[index[rows[0]]],
                "stands among moments with a date. Write all as moments (2026-01-31 09:30), or none.",
            )
    table.dated |= bool(moments.any())


def from_start(table: Table) -> None:
    """Hours from the first record of each subject, where TIME or DATE say days; a column DATE is used up."""
    days = table.columns.pop("DATE", None)
    time, ids = table.columns["TIME"], table.columns["ID"]
    if days is not None:
        if table.dated:
            raise InvalidData(f"{table.name}: columns DATE and TIME both say the day. Leave DATE out.")
        # A number written as such, 20260131 or 46053, is no day that could be read in one way only.
        wrong = ~np.isnan(days) & ~((days >= _FIRST_DAY) & (days < _LAST_DAY))
        if wrong.any():
            row = int(np.argmax(wrong))
            table.fail(row, "DATE", days[row], f"is no day. Allowed: {_ALLOWED['DATE']}.", int(wrong.sum()) - 1)
        bad = np.isnan(days) | ~((time >= 0) & (time < 24))
        if bad.any():
            row = int(np.argmax(bad))
            name, what = ("DATE", ".") if np.isnan(days[row]) else ("TIME", time[row])
            table.fail(
                row,
                name,
                what,
                "beside a column DATE. Every record needs its day, and TIME the hour of that day, 0 to below 24.",
                int(bad.sum()) - 1,
            )
        time = 24.0 * days + time
    elif not table.dated:
        return
    first = np.append(True, ids[1:] != ids[:-1])
    starts = time[first][np.cumsum(first) - 1]
    # A minute is no binary fraction: back to whole milliseconds, which days since the year 1 still resolve.
    table.columns["TIME"] = np.round((time - starts) * 3.6e6) / 3.6e6


def from_frame(frame: pd.DataFrame, canonical: Callable[[list[str], str], list[str]], numeric: Callable[[str], bool]) -> Table:
    """The same for a table in memory."""
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise InvalidData(f"an event table is a DataFrame or the path of a .csv; got something of type {type(frame).__name__}.")
    table = Table("table", len(frame), {})
    names = canonical([str(c) for c in frame.columns], "table")
    if not len(frame):
        raise InvalidData("table: no records; needed are columns ID and TIME, and at least one row.")
    for position, name in enumerate(names):
        column = frame.iloc[:, position]
        if pd.api.types.is_numeric_dtype(column.dtype) and not isinstance(column.dtype, pd.CategoricalDtype):
            table.columns[name] = column.to_numpy(dtype=float, na_value=np.nan)
            continue
        index, words = pd.factorize(column.map(_cell).astype(object), use_na_sentinel=True)
        table.columns[name] = settle_text(table, name, [str(w) for w in words], index, numeric(name))
    return table


def _cell(value: object) -> object:
    text = str(value).strip()
    return None if value is None or text in MISSING or text == "<NA>" else text
