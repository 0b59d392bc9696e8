"""Where the tables stand: the package's folders, and a user's merged with them and marked."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from ketasim.arguments import checked
from ketasim.errors import InvalidData, UnknownEntry, close_names
from ketasim.evidence._check import Row, Rows, from_memory, problems, read, refuse
from ketasim.evidence._schema import TABLES

ROOT = Path(__file__).parent
Content = dict[str, Rows]


def merged(folders: tuple[Path, ...]) -> tuple[Content, dict[str, list[str]]]:
    """Tables of the package and of users' folders, and where each row comes from (``package`` or ``user``).

    A row that stands word for word in the package is the package's.

    Raises
    ------
    InvalidData: a user's table breaks the format or contradicts what is there.
    """
    content = {name: Rows(name, list(rows.rows), list(rows.places), len(rows.rows)) for name, rows in _package().items()}
    origins = {name: ["package"] * len(rows.rows) for name, rows in content.items()}
    for folder in folders:
        for name, rows in _folder(folder).items():
            copies = {tuple(row.values()) for row in _package()[name].rows}  # an export comes back: its rows are not new
            for row, place in zip(rows.rows, rows.places, strict=True):
                if tuple(row.values()) not in copies:
                    content[name].rows.append(row)
                    content[name].places.append(place)
                    origins[name].append("user")
    if folders:
        refuse(problems(content), f"evidence in {', '.join(map(str, folders))}")
    return content, origins


def whole_package() -> Content:
    """Every row of the package's files, sources that stand in several folders included; nothing taken as known."""
    return {name: _joined(name, ROOT) for name in TABLES}


@checked
def check(folder: Path | None = None) -> dict[str, int]:
    """Table -> number of rows in a folder of own tables, or in the package, once all of them keep the schema.

    Raises
    ------
    InvalidData: they do not; every problem names file, line, column, value and what is allowed.
    """
    if folder is None:
        content = whole_package()
        refuse([*problems(content), *from_memory(content)], "the evidence base")
        return {name: len(rows.rows) for name, rows in content.items() if rows.rows}
    _, origins = merged((Path(folder),))
    return {name: n for name, origin in origins.items() if (n := origin.count("user"))}


@checked
def read_folder(folder: str | Path) -> tuple[Content, list[str]]:
    """Tables of a folder, and what in them breaks the format. Trials, groups and sources of the package that it does not tell itself are added.

    Raises
    ------
    InvalidData: no such folder, no rows, or a header that is not that of a table.
    """
    found = _folder(Path(folder), others=True)
    whole = dict(found)
    for name in ("sources", "trials", "analysis_sets"):
        identity = TABLES[name].identity
        own = {tuple(row[c] for c in identity) for row in found[name].rows}
        there = _package()[name]
        more = [(r, p) for r, p in zip(there.rows, there.places, strict=True) if tuple(r[c] for c in identity) not in own]
        rows, places = [r for r, _ in more], [p for _, p in more]
        whole[name] = Rows(name, rows + found[name].rows, places + found[name].places, len(rows))
    return whole, problems(whole)


@checked
def package_rows(name: str) -> list[Row]:
    """Rows of a table of the package.

    Raises
    ------
    UnknownEntry: no such table.
    """
    if name not in TABLES:
        raise UnknownEntry(f"no table '{name}' in the evidence base.{close_names(name, TABLES)} Tables: {', '.join(TABLES)}.")
    return list(_package()[name].rows)


@lru_cache(maxsize=1)
def _package() -> Content:
    """Tables of the package; checked by its tests, not at every start."""
    content = whole_package()
    sources = content["sources"]  # one paper may stand in several folders
    first = {row["source"]: (row, place) for row, place in reversed(list(zip(sources.rows, sources.places, strict=True)))}
    kept = list(first.values())[::-1]
    return content | {"sources": Rows("sources", [row for row, _ in kept], [place for _, place in kept])}


def _folder(folder: Path, others: bool = False) -> Content:
    if not folder.is_dir():
        raise InvalidData(
            f"{folder}: no such folder. Give a folder that holds tables such as trials.csv, outcomes.csv, sources.csv."
        )
    known = {f"{name}.csv" for name in TABLES}
    for path in sorted(folder.rglob("*.csv")):
        if path.name not in known and not others:
            close = close_names(path.name, known)
            raise InvalidData(f"{path}: not a table of the evidence base.{close} Names: {', '.join(sorted(known))}.")
    found = {name: _joined(name, folder) for name in TABLES}
    if not any(rows.rows for rows in found.values()):
        raise InvalidData(f"{folder}: holds no rows of evidence. Names of tables: {', '.join(sorted(known))}.")
    return found


def _joined(name: str, root: Path) -> Rows:
    parts = [read(path, name) for path in sorted(root.rglob(f"{name}.csv"))]
    return Rows(name, [row for part in parts for row in part.rows], [place for part in parts for place in part.places])
