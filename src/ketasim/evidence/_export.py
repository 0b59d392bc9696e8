"""Everything out of the evidence base: a folder of CSV files, one JSON file, or one DuckDB file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ketasim.errors import InvalidOption, OutputError
from ketasim.evidence._exchange import write_table
from ketasim.writing import discard, draft_folder, replacing

if TYPE_CHECKING:
    from ketasim.evidence._evidence import Evidence

ENDINGS = (".json", ".duckdb")


def export(evidence: Evidence, path: Path) -> list[Path]:
    """Write every table; returns the files written.

    Raises
    ------
    InvalidOption: the name has an ending that is not known. OutputError: the place cannot be written.
    """
    ending = path.suffix.lower()
    if path.is_dir() or not ending:
        return _folder(evidence, path)
    if ending not in ENDINGS:
        raise InvalidOption(
            f"{path}: unknown ending '{path.suffix}'. Give a folder, or a name that ends in {' or '.join(ENDINGS)}."
        )
    with replacing(path) as draft:
        _fill(evidence, draft, ending)
    return [path]


def _folder(evidence: Evidence, path: Path) -> list[Path]:
    """Tables as CSV, first all of them beside the folder, then each to its place: a full disk leaves nothing half-written."""
    beside: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = draft_folder(path.parent)
        written = [
            write_table(beside / f"{name}.csv", name, evidence.rows(name)) for name in evidence.names if evidence.rows(name)
        ]
        path.mkdir(parents=True, exist_ok=True)
        return [table.replace(path / table.name) for table in written]
    except OutputError as error:  # itself an OSError, so first
        raise OutputError(str(error).replace(str(beside), str(path))) from None
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error}).") from None
    finally:
        discard(beside)


def _fill(evidence: Evidence, part: Path, ending: str) -> None:
    if ending == ".duckdb":
        from ketasim.evidence._database import built

        shutil.copyfile(built(evidence), part)
        return
    tables = {name: evidence.rows(name) for name in evidence.names if evidence.rows(name)}
    part.write_text(json.dumps(tables, ensure_ascii=False, indent=1), encoding="utf-8")
