"""Rows of a network file as text with their line, columns by any of their usual names, and numbers that name their place.

Only reading: what the numbers mean is decided in `_network_input`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ketasim.csvtext import absent, csv_rows, separator_of, text_bytes
from ketasim.errors import InvalidData, InvalidOption

if TYPE_CHECKING:
    import pandas as pd

#: Role of a column -> spellings in use, without letter case and punctuation.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "study": ("study", "studlab", "studyid", "studylabel", "studyname", "trial", "trialid", "s", "id", "author"),
    "treat1": ("treat1", "treatment1", "trt1", "t1", "arm1", "intervention1"),
    "treat2": ("treat2", "treatment2", "trt2", "t2", "arm2", "intervention2"),
    "te": ("te", "effect", "estimate", "yi", "y", "md", "smd", "g", "diff", "logor", "lnor", "lor", "logrr", "lnrr", "loghr", "lnhr",
           "lhr", "rd", "theta"),
    "sete": ("sete", "sete1", "se", "sei", "stderr", "stderror", "standarderror", "selogor", "selogrr", "seloghr", "selnor", "selnrr",
             "selnhr", "semd", "sesmd"),
    "treatment": ("treatment", "treat", "trt", "arm", "intervention", "group", "t"),
    "events": ("events", "event", "r", "responders", "responder", "cases", "nevents", "x"),
    "n": ("n", "total", "ntotal", "samplesize", "size", "ntot", "nrandomised", "nrandomized", "npatients"),
    "mean": ("mean", "y", "m", "meanchange", "change", "diff"),
    "sd": ("sd", "std", "stddev", "standarddeviation"),
    "se": ("se", "stderr", "standarderror", "sem"),
    "n1": ("n1", "ntreat1"),
    "n2": ("n2", "ntreat2"),
}  # fmt: skip
_MISSING = {"", "na", "nan", ".", "null", "none", "-"}


def plain_name(name: object) -> str:
    """A column name without letter case, blanks and punctuation."""
    return re.sub(r"[^a-z0-9]", "", str(name).lower())


@dataclass(frozen=True)
class Table:
    """Rows as text.

    Attributes
    ----------
    name : of the file, or ``table``. columns : as written. rows : cells by column. lines : where each row stands.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    decimal_comma: bool = False

    def find(self, role: str, but: Sequence[str] = ()) -> int:
        """Index of the column of a role, -1 if there is none; a spelling higher in the list of synonyms wins."""
        plain = [plain_name(c) for c in self.columns]
        for spelling in SYNONYMS[role]:
            for k, column in enumerate(plain):
                if column == spelling and self.columns[k] not in but:
                    return k
        return -1

    def column(self, name: str) -> int:
        """Index of a column by its name in any letter case, -1 if there is none."""
        exact = [k for k, c in enumerate(self.columns) if c == name]
        close = [k for k, c in enumerate(self.columns) if plain_name(c) == plain_name(name)]
        return (exact or close or [-1])[0]

    def where(self, row: int, column: int | None = None) -> str:
        """``file.csv, line 4, column TE``."""
        at = f"{self.name}, line {self.lines[row]}"
        return at if column is None else f"{at}, column {self.columns[column]}"

    def is_missing(self, row: int, column: int) -> bool:
        """Whether a cell is empty or says that it is missing."""
        return self.rows[row][column].lower() in _MISSING

    def number(self, row: int, column: int) -> float:
        """A cell as a finite number; NaN where missing.

        Raises
        ------
        InvalidData: text in a number; names file, line, column and value.
        """
        text = self.rows[row][column]
        if text.lower() in _MISSING:
            return math.nan
        try:
            value = float(text.replace(",", ".") if self.decimal_comma else text)
        except ValueError:
            value = math.inf
        if not math.isfinite(value):
            raise InvalidData(
                f"{self.where(row, column)}: '{text}' is no number; write a number, or leave it empty where missing."
            )
        return value

    def text(self, row: int, column: int) -> str:
        """A cell as a name; never empty.

        Raises
        ------
        InvalidData: the cell is empty.
        """
        text = self.rows[row][column]
        if not text:
            raise InvalidData(f"{self.where(row, column)}: is empty; a name is needed.")
        return text

    def decimals(self, row: int, column: int) -> int:
        """Decimals a number was printed with."""
        text = self.rows[row][column].replace(",", ".").lower()
        mantissa, _, exponent = text.partition("e")
        shown = len(mantissa.partition(".")[2])
        return shown - int(exponent) if re.fullmatch(r"[+-]?\d+", exponent) else shown


def read_table(data: Table | str | Path | pd.DataFrame | Sequence[Mapping[str, Any]]) -> Table:
    """A CSV file (comma, semicolon or tab), a DataFrame, or a list of records; a table stays what it is.

    Raises
    ------
    InvalidOption: no such file. InvalidData: the file is no table.
    """
    if isinstance(data, Table):
        return data
    if isinstance(data, (str, Path)):
        return _read_file(Path(data))
    if hasattr(data, "columns"):
        columns = tuple(str(c) for c in data.columns)  # type: ignore[union-attr]
        values: list[list[Any]] = [list(row) for row in data.itertuples(index=False)]  # type: ignore[union-attr]
    else:
        records = list(data)  # type: ignore[arg-type]
        if not all(isinstance(record, Mapping) for record in records):
            raise InvalidData("a list of records holds something else: give a dict per row, e.g. [{'study': 'A', 'n': 10}].")
        columns = tuple(dict.fromkeys(str(k) for r in records for k in r))
        values = [[r.get(c) for c in columns] for r in records]
    rows = tuple(tuple(_as_text(v) for v in row) for row in values)
    return _checked(Table("table", columns, rows, tuple(range(1, len(rows) + 1))))


def _as_text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if hasattr(value, "item"):
        value = value.item()
    text = str(value).strip()
    return "" if text in ("nan", "<NA>", "NaT") else text


def _read_file(path: Path) -> Table:
    wanted = "a CSV file with one row per contrast or per arm"
    if not path.is_file():
        raise InvalidOption(f"{path}: {absent(path, wanted)}")
    lines = text_bytes(path, wanted).decode().splitlines()
    kept = [(k, line) for k, line in enumerate(lines, 1) if line.strip(' ,;\t"') and not line.lstrip().startswith("#")]
    if not kept:
        raise InvalidData(f"{path}: holds no rows; needed is a header line and one row per contrast or per arm.")
    separator = separator_of(kept[0][1])
    cells = [[c.strip() for c in next(csv_rows([line], f"{path}, line {at}", separator))[1]] for at, line in kept]
    columns = tuple(cells[0])
    for (line, _), row in zip(kept[1:], cells[1:], strict=True):
        if len(row) != len(columns) and any(row[len(columns) :]):
            raise InvalidData(
                f"{path}, line {line}: has {len(row)} cells where the header has {len(columns)}; quote cells with commas."
            )
    rows = tuple(tuple((row + [""] * len(columns))[: len(columns)]) for row in cells[1:])
    return _checked(Table(str(path), columns, rows, tuple(k for k, _ in kept[1:]), decimal_comma=separator == ";"))


def _checked(table: Table) -> Table:
    first: dict[str, int] = {}
    twice = [c for k, c in enumerate(table.columns) if c and first.setdefault(c, k) != k]
    if twice:
        raise InvalidData(f"{table.name}: the column '{twice[0]}' stands twice; rename one.")
    if not table.rows:
        raise InvalidData(f"{table.name}: holds a header but no rows; needed is one row per contrast or per arm.")
    return table
