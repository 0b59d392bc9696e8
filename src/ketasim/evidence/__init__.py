"""Sourced facts: trials, outcomes, contrasts, safety, affinities, mechanisms, pharmacokinetics. Content and its loader; nothing computes.

``load()`` gives the package's evidence, ``load("my_folder")`` the same with a user's tables merged in and marked.
"""

from __future__ import annotations

from pathlib import Path

from ketasim.arguments import checked
from ketasim.evidence._evidence import Evidence
from ketasim.evidence._exchange import Imported, import_record
from ketasim.evidence._files import check, package_rows, read_folder
from ketasim.evidence._schema import ALIASES, TABLES

__all__ = ["ALIASES", "TABLES", "Evidence", "Imported", "check", "import_record", "load", "package_rows", "path", "read_folder"]


@checked
def path(table: str) -> Path:
    """Path of a table in the package, e.g. ``path("pk/pk_observations.csv")``."""
    return Path(__file__).parent / table


@checked
def load(*folders: str | Path) -> Evidence:
    """The evidence base, with tables of users' folders merged in.

    Raises
    ------
    InvalidData: a user's table breaks the format; the message names file, line, column, value and what is allowed.
    """
    return Evidence(Path(folder) for folder in folders)
