"""The text of users' tables as it lies on disk: encodings, separators and decimal commas, alike wherever a CSV file is given.

What the columns mean is for the readers. Excel writes semicolons and decimal commas where the language of the system has them,
and UTF-16 as "Unicode text".
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ketasim.errors import InvalidData, KetasimWarning, warn

if TYPE_CHECKING:
    import pandas as pd

_WITH_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class SemicolonTable(KetasimWarning):
    """A table has semicolons between its fields; a comma in a number is its decimal point."""


def absent(path: Path, wanted: str = "a CSV file") -> str:
    """Why a path cannot be read as a file, in words."""
    return f"is a folder; give {wanted}." if path.is_dir() else f"no such file. Give {wanted}."


def text_bytes(path: Path, wanted: str = "a CSV file") -> bytes:
    """The text of a file as UTF-8 without a byte order mark, with line feeds; UTF-16 is told by its mark.

    Raises
    ------
    InvalidData: no file, or none of text.
    """
    if not path.is_file():
        raise InvalidData(f"{path}: {absent(path, wanted)}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidData(f"{path}: cannot be read ({error.strerror}).") from None
    if data.startswith(_UTF16):
        try:
            data = data.decode("utf-16").encode()
        except UnicodeDecodeError:
            raise InvalidData(f"{path}: begins as UTF-16 and is damaged; save the table as CSV in UTF-8.") from None
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not data.isascii():
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise InvalidData(f"{path}, line {line}: not UTF-8 text; save the table as CSV in UTF-8.") from None
    if b"\0" in data[:4096]:
        raise InvalidData(f"{path}: not a text file; save the table as CSV in UTF-8.")
    return data.replace(b"\r", b"\n") if b"\n" not in data else data


def separator_of(header: str) -> str:
    """What stands between the fields of a header line most often: comma, semicolon or tab."""
    return max(",;\t", key=header.count)


def csv_rows(lines: Iterable[str], name: object, separator: str = ",") -> Iterator[tuple[int, list[str]]]:
    """Line number, from 1, and cells of every row. lines : with their ends, where a quoted cell may hold several.

    Raises
    ------
    InvalidData: a cell of more than 131,072 characters, as behind a quote that is never closed.
    """
    reader = csv.reader(lines, delimiter=separator)
    try:
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as error:
        raise InvalidData(
            f"{name}, line {reader.line_num}: cannot be read as CSV ({error}). Is a quote there that is never closed?"
        ) from None


def as_numbers(column: pd.Series) -> pd.Series:
    """Numbers of a column, NaN for what is none; pandas itself fails at a whole number of 400 digits."""
    import pandas as pd

    try:
        return pd.Series(pd.to_numeric(column, errors="coerce"), index=column.index)
    except OverflowError:
        return column.map(_number).astype(float)


def _number(value: Any) -> float:
    try:
        return float(str(value)) if math.isfinite(float(str(value))) else math.nan
    except ValueError:
        return math.nan


def plain_texts(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with a quote before texts that a spreadsheet would run: those that begin with ``=``, ``+``, ``-``, ``@`` or a tab,
    numbers apart. Whoever exports what others wrote (trial registries, names of arms) does not pass on their formulas.
    """
    import pandas as pd

    out = frame.rename(columns={name: _plain_text(name) for name in frame.columns if _plain_text(name) != name})
    for place, (_, column) in enumerate(frame.items()):
        if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
            continue
        known = {value: _plain_text(value) for value in column.dropna().unique()}
        if changed := {value: text for value, text in known.items() if text is not value}:
            out.isetitem(place, column.astype(object).map(lambda value, changed=changed: changed.get(value, value)))
    return out


def _plain_text(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith(("=", "+", "-", "@", "\t", "\r")) or math.isfinite(_number(value)):
        return value
    return f"'{value}"


def with_point(cell: str) -> str:
    """A number of a semicolon table as Python reads it: ``0,5`` is ``0.5``; other texts stay as they are."""
    return cell.replace(",", ".") if _WITH_COMMA.fullmatch(cell) else cell


def say_semicolons(name: object) -> None:
    """Tell how a table with semicolons was read.

    Warns
    -----
    SemicolonTable
    """
    warn(f"{name}: read with ';' between fields; a comma in a number is its decimal point.", SemicolonTable, stacklevel=4)
