"""Reads tables and checks them against the schema: every problem names file, line, column, value and what is allowed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ketasim.csvtext import csv_rows
from ketasim.errors import InvalidData, UnitMismatch, close_names
from ketasim.evidence._people import not_people
from ketasim.evidence._schema import ANNOTATIONS, ROB1, ROB2, TABLES, Column, Table

#: Problems shown in one message; the rest is counted.
SHOWN = 20
#: What is counted rather than measured, or has no dimension of its own.
COUNTED = ("ratio", "fold", "patients", "points", "hedges_g", "cohens_d", "r", "flag", "sign", "effect", "target")
_RANGE = re.compile(r"(\S+?)\s*-\s*(\S+)")
Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands."""

    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file.parent.name}/{self.file.name}, line {self.line}"


@dataclass(frozen=True)
class Rows:
    """Rows of one table with their places; the first `known` of them are not checked again."""

    table: str
    rows: list[Row]
    places: list[Place]
    known: int = 0


@dataclass(frozen=True)
class _Keys:
    """What a row may refer to."""

    sources: frozenset[str]
    unread: frozenset[str]
    arms: Mapping[str, list[str]]


def read(path: Path, table: str) -> Rows:
    """Rows of a file; a wrong header or encoding is one clear message. Empty lines are left out."""
    spec = TABLES[table]
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidData(f"{path}: not UTF-8 (byte {error.start}). Save the file as UTF-8.") from None
    except OSError as error:
        raise InvalidData(f"{path}: cannot be read ({error.strerror}).") from None
    lines = csv_rows(text.splitlines(keepends=True), path)
    header = [name.strip() for name in next(lines, (0, []))[1]]
    _check_header(path, header, table, spec)
    rows, places = list[Row](), list[Place]()
    for line, cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            raise InvalidData(
                f"{path}, line {line}: {len(cells)} cells, but the header has {len(header)} columns. "
                "Put texts that hold a comma into double quotes."
            )
        values = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
        rows.append({name: values.get(name, "") for name in spec.columns})
        places.append(Place(path, line))
    return Rows(table, rows, places)


def _check_header(path: Path, header: list[str], table: str, spec: Table) -> None:
    unknown = [name for name in header if name not in spec.columns]
    missing = [name for name, column in spec.columns.items() if column.required and name not in header]
    sign = next((sign for sign in ";\t" if len(header) == 1 and sign in header[0]), "")
    if sign:
        shown = "';'" if sign == ";" else "tabs"
        raise InvalidData(f"{path}, line 1: one column only, '{header[0][:40]}'. Separate columns with commas, not with {shown}.")
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
    """Everything that breaks the schema in a whole set of tables, in the order of the tables and lines."""
    arms: dict[str, list[str]] = {}
    for name in ("trials", "analysis_sets"):
        for row in content[name].rows if name in content else ():
            arms.setdefault(row["trial"], []).append(row["arm"])
    sources = content["sources"].rows if "sources" in content else []
    unread = frozenset(row["source"] for row in sources if row["how_read"] == "not_read")
    keys = _Keys(frozenset(row["source"] for row in sources), unread, arms)
    found: list[str] = []
    for name, rows in content.items():
        spec = TABLES[name]
        for row, place in list(zip(rows.rows, rows.places, strict=True))[rows.known :]:
            found += [f"{place}, {message}" for message in (*_cells(row, spec, keys), *_whole_row(row, name))]
        found += [*_repeated(rows, spec), *_backwards(rows, spec)]
    found += _papers(content["sources"], keys.sources) if "sources" in content else []
    return found


def from_memory(content: Mapping[str, Rows]) -> list[str]:
    """Rows that rest on memory: a user may keep such rows, marked; the package holds none."""
    return [
        f"{place}, column 'confidence': 'recalled'. Only what was read stands in a table; look it up, or leave the row out."
        for rows in content.values()
        for row, place in zip(rows.rows, rows.places, strict=True)
        if row.get("confidence") == "recalled"
    ]


def _papers(sources: Rows, known: frozenset[str]) -> Iterator[str]:
    for row, place in list(zip(sources.rows, sources.places, strict=True))[sources.known :]:
        if row["paper"] and row["paper"] not in known:
            yield f"{place}, column 'paper': no source '{row['paper']}'.{close_names(row['paper'], known)}"


def _cells(row: Row, spec: Table, keys: _Keys) -> Iterator[str]:
    for name, column in spec.columns.items():
        value = row[name]
        if not value:
            if column.required:
                yield f"column '{name}': empty, but every row needs it."
        elif message := _value(value, column, f"{name}_text" if f"{name}_text" in spec.columns else ""):
            yield f"column '{name}': '{value}' {message}"
        elif column.kind == "key" and value not in keys.sources:
            yield f"column '{name}': no source '{value}'.{close_names(value, keys.sources)} Add it to sources.csv."
        elif column.kind == "key" and value in keys.unread and row.get("confidence") != "recalled":
            yield f"column '{name}': '{value}' is listed as not_read. Say in sources.csv, column 'how_read', how this fact was read."
        elif column.kind == "trial" and value not in keys.arms:
            yield f"column '{name}': no trial '{value}' in trials.csv.{close_names(value, keys.arms)}"
        elif column.kind == "arm" and value not in keys.arms.get(row["trial"], ()):
            known = sorted(keys.arms.get(row["trial"], ()))
            there = f"its arms: {', '.join(known)}" if known else f"no such trial.{close_names(row['trial'], keys.arms)}"
            yield (
                f"column 'arm': '{value}' of trial '{row['trial']}' is not in trials.csv ({there}). "
                "Add the arm there, or, for a subgroup or pooled group, to analysis_sets.csv."
            )


def _value(value: str, column: Column, words: str) -> str:
    if column.kind == "choice" and value not in column.choices:
        return f"is not one of {', '.join(column.choices)}.{close_names(value, column.choices)}"
    if column.kind == "unit" and not unit_known(value):
        return f"does not begin with a unit ketasim knows, e.g. mg/kg, ng/mL, h, percent, or one of {', '.join(COUNTED)}."
    if column.kind == "range":
        low, high = _ends(value)
        return "" if low <= high else "is neither a number nor a range such as 0.5-1.2 with the lower end first."
    if column.kind == "number":
        number = _number(value)
        if math.isnan(number):
            beside = f" Words go to the column '{words}'." if words else ""
            return f"is not a number (leave the cell empty where nothing was reported).{beside}"
        if math.isinf(number):
            return "is not a finite number (leave the cell empty where nothing was reported)."
        if column.low is not None and number < column.low:
            return f"is below {column.low:g}."
        if column.high is not None and number > column.high:
            return f"is above {column.high:g}."
    return ""


def _whole_row(row: Row, table: str) -> Iterator[str]:
    """What several cells of a row must agree on."""
    low, high = _number(row.get("ci_low", "")), _number(row.get("ci_high", ""))
    name = "ratio" if table == "interactions" else "value"
    value = _number(row.get(name, ""))
    if low > high:
        yield f"column 'ci_low': {low:g} is above ci_high = {high:g}."
    elif value < low or value > high:
        yield f"column '{name}': {value:g} lies outside its own interval, {row['ci_low'] or '...'} to {row['ci_high'] or '...'}."
    for label, amount in (("metric", name), ("other_metric", "other_value")):
        text, number = row.get(label, ""), _number(row.get(amount, ""))
        share = re.search(r"(incidence|responders?|remitters?|relapsed|abstinent)\w*_percent$", text)
        if share and (number < 0 or number > 100):
            yield f"column '{amount}': {number:g} is not a percentage (0 to 100) of {text}."
    yield from not_people(row)
    if table == "trial_annotations":
        allowed = ANNOTATIONS.get(row["field"], ())
        if row["value"] and allowed and row["value"] not in allowed:
            yield f"column 'value': '{row['value']}' is not a {row['field']}. Use one of {', '.join(allowed)}."
    if table == "risk_of_bias":
        domains = {"rob1": ROB1, "rob2": ROB2}.get(row["tool"], ())
        if domains and row["domain"] and row["domain"] not in domains:
            yield f"column 'domain': '{row['domain']}' is not a domain of {row['tool']}. It has {', '.join(domains)}."


@lru_cache(maxsize=512)
def unit_known(text: str) -> bool:
    """Whether a unit begins with one ketasim knows; a remark may follow after a blank (``ng/mL target``)."""
    from ketasim.units import parse_unit

    first, *remark = re.sub(r"^per\s+", "1/", text).split()
    if len(remark) > 1 and remark[0] == "per":
        first, *remark = f"{first}/({remark[1]})", *remark[2:]
    if remark and re.match(r"per$|/", remark[0]):
        return False  # half a unit: the other half is no remark
    if first in COUNTED or first.split("_")[0] in ("percent", "correlation") or first.endswith("_points"):
        return True
    try:
        parse_unit(first.replace("beats/", "1/"))
    except UnitMismatch:
        return False
    return True


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan


def _ends(value: str) -> tuple[float, float]:
    """Ends of a range; both the same for one number; not-a-number where it is neither."""
    one = _number(value)
    match = _RANGE.fullmatch(value)
    return (one, one) if match is None or not math.isnan(one) else (_number(match[1]), _number(match[2]))


def _repeated(rows: Rows, spec: Table) -> Iterator[str]:
    seen: dict[tuple[str, ...], int] = {}
    for k, (row, place) in enumerate(zip(rows.rows, rows.places, strict=True)):
        key = tuple(row[name] for name in spec.identity)
        first = seen.setdefault(key, k)
        if first == k or k < rows.known:
            continue
        if rows.table != "sources":
            yield f"{place}, the same fact stands in {rows.places[first]}: {', '.join(v for v in key[:4] if v)}. Keep one."
            continue
        other = rows.rows[first]
        for name in ("doi", "pmid", "nct"):
            if row[name] and other[name] and row[name].lower() != other[name].lower():
                yield (
                    f"{place}, column '{name}': source '{key[0]}' has {row[name]}, but {other[name]} in {rows.places[first]}. "
                    "Give the new source another key."
                )


def _backwards(rows: Rows, spec: Table) -> Iterator[str]:
    """Times of one curve in one file that run backwards: mostly a slip, and always hard to read."""
    last: dict[tuple[object, ...], float] = {}
    for k, (row, place) in enumerate(zip(rows.rows, rows.places, strict=True) if spec.time else ()):
        key = (place.file, *(row[name] for name in spec.series))
        time = _number(row[spec.time])
        if time < last.get(key, -math.inf) and k >= rows.known:
            curve = ", ".join(row[name] for name in spec.series[:3])
            yield f"{place}, column '{spec.time}': {time:g} stands after {last[key]:g} of the same curve ({curve}). Order rows by time."
        if not math.isnan(time):
            last[key] = time


def refuse(found: Iterable[str], where: str) -> None:
    """Raise one message of all problems, if there are any."""
    listed = list(found)
    if listed:
        more = f"\n  ... and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
        count = "1 problem" if len(listed) == 1 else f"{len(listed)} problems"
        raise InvalidData(f"{where}: {count}.\n  " + "\n  ".join(listed[:SHOWN]) + more)
