"""Users' own covariates: a CSV file or DataFrame, one row per patient, becomes a checked cohort."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ketasim.arguments import checked
from ketasim.csvtext import csv_rows, say_semicolons, separator_of, text_bytes, with_point
from ketasim.errors import InvalidData, UnitMismatch, listed
from ketasim.population._cohort import Cohort
from ketasim.population._covariates import COVARIATES, level_of
from ketasim.units import factor

if TYPE_CHECKING:
    import pandas as pd

_MISSING = {"", ".", "na", "nan", "none", "null", "n/a"}
_HEAD_WITH_UNIT = re.compile(r"(\w+)\s*[\[(]\s*([^\])]+?)\s*[\])]")
#: An ID that loses nothing as a number: 007 would lose its zeros, twenty digits their last ones.
PLAIN_ID = re.compile(r"[+-]?(0|[1-9]\d{0,14})(\.\d*)?")
# BMI written beside weight and height may be rounded to whole numbers; more than this is another patient's BMI.
_BMI_TOLERANCE = 0.05


@dataclass(frozen=True)
class _Table:
    """Rows as text, with the line of the file (or row of the DataFrame) each came from.

    factors : column -> what turns its numbers into the register's unit, where the head names another unit.
    """

    where: str
    columns: tuple[str, ...]
    factors: Mapping[str, float]
    rows: list[list[str]]
    lines: list[int]
    unit: str = "line"

    def place(self, row: int, column: str) -> str:
        return f"{self.where}, {self.unit} {self.lines[row]}, column {column}"


@checked
def cohort_from_table(
    table: str | PathLike[str] | pd.DataFrame,
    *,
    seed: int = 0,
    codes: Mapping[str, Mapping[Any, str]] | None = None,
    name: str = "",
    description: str = "",
) -> Cohort:
    """Cohort of a user's own covariate table.

    Parameters
    ----------
    table : path of a CSV file with a header line, or a DataFrame; one row per patient. Column names in any case. ``ID`` is
        optional (1, 2, 3 ... otherwise), whole numbers or names. Known columns are checked: AGE [year], SEX, WT [kg], HT [cm], BMI [kg/m^2], RACE,
        CYP2B6, CHILD_PUGH, EGFR [mL/min/1.73m^2] ...; others are kept as they are, gaps included. A head may name another unit: ``WT [lb]``. Lines
        that start with ``#`` are skipped.
    seed : seed of the random numbers of these patients.
    codes : meaning of coded categories, e.g. ``{"SEX": {0: "male", 1: "female"}}``.

    Returns
    -------
    Cohort. BMI is added where WT and HT are given.

    Raises
    ------
    InvalidData: names file, line, column and value.

    Examples
    --------
    >>> import pandas as pd
    >>> cohort_from_table(pd.DataFrame({"wt": [70, 82.5], "sex": ["F", "M"]}))["SEX"]
    array(['female', 'male'], dtype='<U6')
    """
    import pandas as pd

    if not isinstance(table, (str, PathLike, pd.DataFrame)):
        raise InvalidData(
            f"a table of patients is a DataFrame or the path of a .csv; got something of type {type(table).__name__}."
        )
    content = _from_frame(table) if isinstance(table, pd.DataFrame) else _from_file(Path(table))
    if not content.rows:
        raise InvalidData(f"{content.where}: no patients. The table needs a header line and one line per patient.")
    meaning = {key.upper(): {_code(code): word for code, word in words.items()} for key, words in (codes or {}).items()}
    columns: dict[str, NDArray[Any]] = {}
    ids: NDArray[Any] = np.arange(1, len(content.rows) + 1)
    for position, column in enumerate(content.columns):
        if column == "ID":
            ids = _ids(content, [row[position] for row in content.rows])
            continue
        texts = [meaning.get(column, {}).get(_code(row[position]), row[position]) for row in content.rows]
        columns[column] = _parse(content, column, texts)
    _complete_bmi(content, columns)
    default = content.where if not isinstance(table, pd.DataFrame) else "table"
    return Cohort(ids, columns, seed, name or Path(default).stem, description or f"covariates from {default}", described=True)


def _from_file(path: Path) -> _Table:
    rows: list[list[str]] = []
    lines: list[int] = []
    text = text_bytes(path, "a CSV file with one line per patient").decode()
    first = next((line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")), "")
    separator = separator_of(first)
    for line, row in csv_rows(StringIO(text, newline=""), path, separator):
        if row and any(cell.strip() for cell in row) and not row[0].lstrip().startswith("#"):
            rows.append([with_point(cell.strip()) if separator == ";" else cell.strip() for cell in row])
            lines.append(line)
    if separator == ";":
        say_semicolons(path)
    if not rows:
        raise InvalidData(f"{path}: the file is empty. It needs a header line such as ID,AGE,SEX,WT.")
    header, factors = _header(str(path), rows[0])
    for row, line in zip(rows[1:], lines[1:], strict=True):
        if len(row) != len(header):
            raise InvalidData(f"{path}, line {line}: {len(row)} fields, but the header has {len(header)} ({listed(header)}).")
    return _Table(str(path), header, factors, rows[1:], lines[1:])


def _from_frame(frame: pd.DataFrame) -> _Table:
    import pandas as pd

    header, factors = _header("table", [str(column) for column in frame.columns])
    rows = [["" if pd.isna(cell) else str(cell).strip() for cell in row] for row in frame.itertuples(index=False, name=None)]
    return _Table("table", header, factors, rows, list(range(len(rows))), unit="row")


def _header(where: str, cells: list[str]) -> tuple[tuple[str, ...], dict[str, float]]:
    """Names of the columns, and factors of those whose head names a unit."""
    named = [_name_and_factor(where, cell.strip()) for cell in cells]
    header = tuple(name for name, _ in named)
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        raise InvalidData(
            f"{where}: columns are separated by '{';' if ';' in header[0] else 'tabs'}'; save the table with commas, and points in numbers."
        )
    first: dict[str, int] = {}
    for position, column in enumerate(header):
        if not column:
            raise InvalidData(f"{where}: column {position + 1} has no name. Give every column a name, e.g. WT.")
        if "/" in column:
            raise InvalidData(f"{where}: column '{column}': the name of a column cannot hold '/'. Rename it.")
        if first.setdefault(column, position) != position:
            raise InvalidData(f"{where}: two columns are named {column} (case does not count). Rename or remove one.")
    return header, dict(named)


def _name_and_factor(where: str, cell: str) -> tuple[str, float]:
    """``WT [lb]`` is WT in pounds; what is no covariate of the register keeps its head."""
    found = _HEAD_WITH_UNIT.fullmatch(cell)
    known = COVARIATES.get(found[1].upper()) if found else None
    if found is None or known is None:
        return cell.upper(), 1.0
    unit = found[2].replace("²", "^2").replace("m2", "m^2")
    try:
        return found[1].upper(), factor(unit, known.unit) if known.unit else 1.0
    except UnitMismatch:
        raise InvalidData(
            f"{where}: column '{cell}': {found[1].upper()} is in {known.unit}, which '{unit}' does not convert to."
        ) from None


def _parse(table: _Table, column: str, texts: list[str]) -> NDArray[Any]:
    known = COVARIATES.get(column)
    if known is None:
        return _kept(texts)
    _refuse_missing(table, column, texts)
    if known.is_category:
        return np.array([level_of(column, text, table.place(row, column)) for row, text in enumerate(texts)])
    numbers = [_number(text) for text in texts]
    scale = table.factors[column]
    for row, (text, number) in enumerate(zip(texts, numbers, strict=True)):
        if number is None:
            raise InvalidData(f"{table.place(row, column)}: '{text}' is not a number.")
        value = number * scale
        if not known.low <= value <= known.high:
            shown = text if scale == 1.0 else f"{value:g}"
            raise InvalidData(
                f"{table.place(row, column)}: {column} = {shown} is outside {known.low:g} to {known.high:g} {known.unit}."
                f"{_unit_hint(column, value)}"
            )
    return np.array(numbers, dtype=np.float64) * scale


def _kept(texts: list[str]) -> NDArray[Any]:
    """A column of no meaning to the register: numbers (NaN where missing) if all are, else words; refused only where a model uses it."""
    given = ["" if text.lower() in _MISSING else text for text in texts]
    numbers = [_number(text) if text else np.nan for text in given]
    return np.array(given) if None in numbers else np.array(numbers, dtype=np.float64)


def _refuse_missing(table: _Table, column: str, texts: list[str]) -> None:
    for row, text in enumerate(texts):
        if text.lower() in _MISSING and not (column == "CHILD_PUGH" and text.lower() == "none"):
            raise InvalidData(
                f"{table.place(row, column)}: no value ('{text}'). Fill it in, or leave the patient or the column out."
            )


def _unit_hint(column: str, number: float) -> str:
    if column == "HT" and 0.3 < number < 2.6:
        return " It looks like metres: write centimetres."
    if column == "AGE" and number > 125:
        return " It looks like months or days: write years."
    if column == "WT" and number > 400:
        return " It looks like grams or pounds: write kilograms."
    return f" Write it in {COVARIATES[column].unit}."


def _ids(table: _Table, texts: list[str]) -> NDArray[Any]:
    """Whole numbers where every ID is one, else the IDs as they are written."""
    _refuse_missing(table, "ID", texts)
    ids = _numbers_of(table, texts) if all(PLAIN_ID.fullmatch(text) for text in texts) else np.array(texts)
    first_seen: dict[Any, int] = {}
    for row, value in enumerate(ids.tolist()):
        if value in first_seen:
            first = f"{table.unit} {table.lines[first_seen[value]]}"
            raise InvalidData(
                f"{table.place(row, 'ID')}: ID {texts[row]} is already in {first}. A covariate table has one line per patient."
            )
        first_seen[value] = row
    return ids


def _numbers_of(table: _Table, texts: list[str]) -> NDArray[np.int64]:
    for row, text in enumerate(texts):
        if not float(text).is_integer():
            raise InvalidData(f"{table.place(row, 'ID')}: ID = {text} is not a whole number.")
    return np.array([int(float(text)) for text in texts], dtype=np.int64)


def _complete_bmi(table: _Table, columns: dict[str, NDArray[Any]]) -> None:
    if "WT" not in columns or "HT" not in columns:
        return
    bmi = columns["WT"] / (columns["HT"] / 100.0) ** 2
    if "BMI" in columns:
        for row in np.flatnonzero(np.abs(columns["BMI"] / bmi - 1.0) > _BMI_TOLERANCE):
            raise InvalidData(
                f"{table.place(int(row), 'BMI')}: BMI = {columns['BMI'][row]:g} disagrees with WT = {columns['WT'][row]:g} kg "
                f"and HT = {columns['HT'][row]:g} cm, which give {bmi[row]:.1f} kg/m^2. Correct one."
            )
    low, high = COVARIATES["BMI"].low, COVARIATES["BMI"].high
    for row in np.flatnonzero((bmi < low) | (bmi > high)):
        raise InvalidData(
            f"{table.place(int(row), 'WT')}: WT = {columns['WT'][row]:g} kg with HT = {columns['HT'][row]:g} cm gives a BMI of "
            f"{bmi[row]:.1f} kg/m^2, outside {low:g} to {high:g}. Check both units (kg, cm)."
        )
    columns.setdefault("BMI", bmi)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _code(value: Any) -> str:
    """Codes compare as numbers where they are numbers: 1, '1' and 1.0 are one code."""
    number = _number(str(value).strip())
    return f"{number:g}" if number is not None else str(value).strip().lower()
