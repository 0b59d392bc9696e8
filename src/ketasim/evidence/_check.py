"""Reads tables and checks them against the schema: every problem names file, line, column, value and what is allowed."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ketasim.errors import InvalidData, close_names
from ketasim.evidence._schema import TABLES, Column, Table

#: Problems shown in one message; the rest is counted.
SHOWN = 20
Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands."""

    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file.name}, line {self.line}"


@dataclass(frozen=True)
class Rows:
    """Rows of one table with their places."""

    table: str
    rows: list[Row]
    places: list[Place]


def read(path: Path, table: str) -> Rows:
    """Rows of a file; a wrong header or encoding is one clear message. Empty lines are left out."""
    spec = TABLES[table]
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidData(f"{path}: not UTF-8 (byte {error.start}). Save the file as UTF-8.") from None
    except OSError as error:
        raise InvalidData(f"{path}: cannot be read ({error.strerror}).") from None
    reader = csv.reader(text.splitlines(keepends=True))
    header = [name.strip() for name in next(reader, [])]
    _check_header(path, header, table, spec)
    rows, places = list[Row](), list[Place]()
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            raise InvalidData(
                f"{path}, line {reader.line_num}: {len(cells)} cells, but the header has {len(header)} columns. "
                "Put texts that hold a comma into double quotes."
            )
        values = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
        rows.append({name: values.get(name, "") for name in spec.columns})
        places.append(Place(path, reader.line_num))
    return Rows(table, rows, places)


def _check_header(path: Path, header: list[str], table: str, spec: Table) -> None:
    unknown = [name for name in header if name not in spec.columns]
    missing = [name for name, column in spec.columns.items() if column.required and name not in header]
    if unknown:
        raise InvalidData(
            f"{path}, line 1: column '{unknown[0]}' is not part of the table {table}.{close_names(unknown[0], spec.columns)} "
            f"Columns: {', '.join(spec.columns)}."
        )
    if missing:
        raise InvalidData(
            f"{path}, line 1: column '{missing[0]}' is missing. The table {table} needs: {', '.join(spec.columns)}."
        )
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise InvalidData(f"{path}, line 1: column '{twice}' stands twice.")


def problems(content: Mapping[str, Rows]) -> list[str]:
    """Everything that breaks the schema in a whole set of tables."""
    sources = {row["source"] for row in content["sources"].rows} if "sources" in content else set[str]()
    arms = {(row["trial"], row["arm"]) for name in ("trials", "analysis_sets") if name in content for row in content[name].rows}
    found: list[str] = []
    for name, rows in content.items():
        spec = TABLES[name]
        for row, place in zip(rows.rows, rows.places, strict=True):
            found += [f"{place}, {message}" for message in _row(row, spec, sources, arms)]
        found += _repeated(rows, spec)
    return found


def _row(row: Row, spec: Table, sources: set[str], arms: set[tuple[str, str]]) -> Iterator[str]:
    for name, column in spec.columns.items():
        value = row[name]
        if not value:
            if column.required:
                yield f"column '{name}': empty, but every row needs it."
            continue
        message = _value(value, column)
        if message:
            yield f"column '{name}': '{value}' {message}"
        elif column.kind == "key" and value not in sources:
            yield f"column '{name}': no source '{value}'.{close_names(value, sources)} Add it to sources.csv."
        elif column.kind == "arm" and (row["trial"], value) not in arms:
            known = [arm for trial, arm in arms if trial == row["trial"]]
            there = f"its arms: {', '.join(sorted(known))}" if known else "no such trial"
            yield (
                f"column 'arm': '{value}' of trial '{row['trial']}' is not in trials.csv ({there}). "
                "Add the arm there, or, for a subgroup or pooled group, to analysis_sets.csv."
            )
    low, high = row.get("ci_low", ""), row.get("ci_high", "")
    if low and high and _number(low) > _number(high):
        yield f"column 'ci_low': {low} is above ci_high = {high}."


def _value(value: str, column: Column) -> str:
    if column.kind == "choice" and value not in column.choices:
        return f"is not one of {', '.join(column.choices)}."
    if column.kind == "number":
        number = _number(value)
        if math.isnan(number):
            return "is not a number (leave the cell empty where nothing was reported)."
        if column.low is not None and number < column.low:
            return f"is below {column.low:g}."
        if column.high is not None and number > column.high:
            return f"is above {column.high:g}."
    return ""


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan


def _repeated(rows: Rows, spec: Table) -> Iterator[str]:
    seen: dict[tuple[str, ...], Place] = {}
    for row, place in zip(rows.rows, rows.places, strict=True):
        key = tuple(row[name] for name in spec.identity)
        if key in seen and rows.table != "sources":
            yield f"{place}, the same fact stands in {seen[key]}: {', '.join(v for v in key[:4] if v)}. Keep one."
        elif key in seen:
            other = next(r for r, p in zip(rows.rows, rows.places, strict=True) if p == seen[key])
            for name in ("doi", "pmid", "nct"):
                if row[name] and other[name] and row[name].lower() != other[name].lower():
                    yield f"{place}, column '{name}': source '{key[0]}' has {row[name]}, but {other[name]} in {seen[key]}."
        seen.setdefault(key, place)


def refuse(found: Iterable[str], where: str) -> None:
    """Raise one message of all problems, if there are any."""
    listed = list(found)
    if listed:
        more = f"\n  ... and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
        count = "1 problem" if len(listed) == 1 else f"{len(listed)} problems"
        raise InvalidData(f"{where}: {count}.\n  " + "\n  ".join(listed[:SHOWN]) + more)
