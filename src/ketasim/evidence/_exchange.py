"""Evidence in: a registry record or a bibliography becomes rows of a user's own tables; tables are written whole or not at all."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ketasim.arguments import checked
from ketasim.documents import file_text
from ketasim.errors import InvalidData
from ketasim.evidence._bibliography import bibtex, ris, without_known
from ketasim.evidence._check import Row, read
from ketasim.evidence._files import package_rows
from ketasim.evidence._registry import clinical_trial
from ketasim.evidence._schema import TABLES
from ketasim.writing import replacing

ENDINGS = (".json", ".ris", ".bib")


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did.

    Attributes
    ----------
    added : table -> number of new rows. left_out : what has no place in the tables, and why. remarks : what to know before use.
    """

    added: Mapping[str, int]
    left_out: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@checked
def import_record(file: str | Path, folder: str | Path) -> Imported:
    """Add what a file says to the tables of a folder, which is made where missing. Rows already there are not added twice.

    Parameters
    ----------
    file : ``.json`` (a study of ClinicalTrials.gov, API version 2), ``.ris`` or ``.bib``.

    Raises
    ------
    InvalidData: the file, or a table already in the folder, cannot be read. OutputError: the folder cannot be written.
    """
    file, folder = Path(file), Path(folder)
    if file.suffix.lower() not in ENDINGS:
        raise InvalidData(
            f"{file}: unknown ending '{file.suffix}'. Import .json (ClinicalTrials.gov study, API v2), .ris or .bib."
        )
    try:
        text = file_text(file, "json")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise InvalidData(f"{file}: cannot be read ({why}).") from None
    have = {name: _there(folder, name) for name in TABLES}
    left_out, remarks = list[str](), list[str]()
    if file.suffix.lower() == ".json":
        found, left_out = clinical_trial(text, file)
        remarks = _known_already(found)
    else:
        known = {row["source"]: row for row in (*package_rows("sources"), *have["sources"])}
        rows, left_out, remarks = without_known((ris if file.suffix.lower() == ".ris" else bibtex)(text, file), known)
        found = {"sources": rows}
    added = {name: new for name, rows in found.items() if (new := _new(name, rows, have[name]))}
    for name, rows in added.items():
        write_table(folder / f"{name}.csv", name, _in_time(name, [*have[name], *rows]))
    return Imported({name: len(rows) for name, rows in added.items()}, tuple(left_out), tuple(remarks))


def _there(folder: Path, name: str) -> list[Row]:
    path = folder / f"{name}.csv"
    return read(path, name).rows if path.is_file() else []


def _new(name: str, rows: Iterable[Row], have: Iterable[Row]) -> list[Row]:
    """Whole rows, each fact once."""
    identity = TABLES[name].identity
    known = {tuple(row[column] for column in identity) for row in have}
    new: list[Row] = []
    for row in rows:
        whole = {column: " ".join(row.get(column, "").split()) for column in TABLES[name].columns}
        key = tuple(whole[column] for column in identity)
        if key not in known:
            known.add(key)
            new.append(whole)
    return new


def _known_already(found: dict[str, list[Row]]) -> list[str]:
    """Warn of a study that the package has under another name; one that it holds out is held out here too."""
    (source,) = found["sources"]
    keys = {row["source"] for row in package_rows("sources") if row["nct"].upper() == source["nct"]}
    names = {row["trial"] for row in package_rows("trials") if row["source"] in keys or row["trial"] == source["source"]}
    if not keys and not names:
        return []
    remarks = [
        f"ketasim has facts of {source['nct']} already (trial {', '.join(sorted(names)) or 'none'}; source "
        f"{', '.join(sorted(keys)) or 'none'}). Do not count them twice."
    ]
    held = {row["id"] for row in package_rows("holdout") if row["kind"] in ("clinical", "safety")}
    if held & (keys | names):
        found["holdout"] = [{"kind": "clinical", "id": source["source"]}]
        remarks.append("That trial is held out (scored and never fitted), so this import is too: see holdout.csv.")
    return remarks


def _in_time(name: str, rows: list[Row]) -> list[Row]:
    """Rows of a curve together and in the order of time, as the check asks for; other tables as they are."""
    spec = TABLES[name]
    if not spec.time:
        return rows
    first: dict[tuple[str, ...], int] = {}
    for row in rows:
        first.setdefault(tuple(row[column] for column in spec.series), len(first))
    return sorted(rows, key=lambda row: (first[tuple(row[c] for c in spec.series)], float(row[spec.time] or "inf")))


def write_table(path: Path, name: str, rows: Iterable[Mapping[str, str]]) -> Path:
    """Write a table whole or not at all."""
    with replacing(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(TABLES[name].columns), lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path
