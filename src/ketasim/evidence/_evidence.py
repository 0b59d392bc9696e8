"""The evidence base as an object: tables, queries, citations; the package's own rows, and a user's merged with them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ketasim.errors import UnknownEntry, close_names
from ketasim.evidence._check import Place, Row
from ketasim.evidence._families import families
from ketasim.evidence._files import merged
from ketasim.evidence._schema import ALIASES, TABLES

if TYPE_CHECKING:
    import pandas as pd


class Evidence:
    """Checked tables of sourced facts.

    Every table has the columns of its schema and ``origin`` (``package`` or ``user``). Tables that name a trial, a study or a source
    also have ``holdout``: True where the row is scored and never fitted (also pooled results that contain such a trial). A column that
    sources fill with numbers or words is split: ``value`` holds the number, ``value_text`` the words.
    """

    def __init__(self, folders: Iterable[Path] = ()) -> None:
        self.folders = tuple(Path(folder) for folder in folders)
        self._content, self._origins = merged(self.folders)
        self._frames: dict[str, pd.DataFrame] = {}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the tables."""
        return tuple(self._content)

    def table(self, name: str) -> pd.DataFrame:
        """A table as a data frame; numbers are floats, empty cells missing.

        Raises
        ------
        UnknownEntry: no such table.

        Examples
        --------
        >>> from ketasim import evidence
        >>> affinity = evidence.load().table("affinity")
        >>> affinity[(affinity.ligand == "s_ketamine") & (affinity.target == "nmda_pcp_site")].value.iloc[0]
        np.float64(0.3)
        """
        known = self._name(name)
        if known not in self._frames:
            self._frames[known] = self._frame(known)
        return self._frames[known].copy()

    def sql(self, query: str) -> pd.DataFrame:
        """Rows of a DuckDB query over all tables; queries only.

        Raises
        ------
        InvalidData: the query is not valid, or would change something.
        """
        from ketasim.evidence._database import run

        return run(self, query)

    @cached_property
    def sources(self) -> dict[str, dict[str, str]]:
        """Source key -> its fields."""
        return {row["source"]: row for row in self._content["sources"].rows}

    @cached_property
    def families(self) -> dict[str, str]:
        """Source key -> first key of the same paper: two keys of one paper are one source of evidence."""
        return families(self.sources)

    def citation(self, key: str) -> str:
        """One line: authors, year, title, journal, identifier.

        Raises
        ------
        UnknownEntry: no such source.
        """
        if key not in self.sources:
            raise UnknownEntry(f"no source '{key}' in the evidence base.{close_names(key, self.sources)}")
        return _citation(self.sources[key])

    def places(self, name: str) -> list[Place]:
        """File and line of every row of a table."""
        return self._content[self._name(name)].places

    def export(self, path: str | Path) -> list[Path]:
        """Write every table: into a folder as CSV, the format that `load` reads, or into one file, ``.json`` or ``.duckdb``."""
        from ketasim.evidence._export import export

        return export(self, Path(path))

    def rows(self, name: str) -> list[Row]:
        """Rows of a table as they stand in the files."""
        return self._content[self._name(name)].rows

    def _name(self, name: str) -> str:
        known = ALIASES.get(name, name)
        if known not in self._content:
            names = [*TABLES, *ALIASES]
            raise UnknownEntry(f"no table '{name}' in the evidence base.{close_names(name, names)} Tables: {', '.join(names)}.")
        return known

    def _frame(self, name: str) -> pd.DataFrame:
        import pandas as pd

        from ketasim.evidence._derive import annotate

        spec, rows = TABLES[name], self._content[name].rows
        frame = pd.DataFrame(rows, columns=list(spec.columns), dtype=object)
        for column, kind in spec.columns.items():
            text = frame[column].astype(str)
            frame[column] = pd.to_numeric(text, errors="coerce") if kind.kind == "number" else text
        if name == "trials":
            frame = annotate(frame, self._content["trial_annotations"].rows, self._content["risk_of_bias"].rows)
        if name == "sources":
            frame["citation"] = [_citation(row) for row in rows]
            frame["family"] = [self.families[row["source"]] for row in rows]
        if spec.study or "source" in frame:
            frame["holdout"] = self._held_out(frame, spec.study)
        frame["origin"] = self._origins[name]
        return frame

    def _held_out(self, frame: pd.DataFrame, study: str) -> pd.Series:
        """Rows whose trial, study or source is held out, under any key of the paper; pooled results that contain one count too."""
        ids = {row["id"] for row in self._content["holdout"].rows}
        held = {family for key, family in self.families.items() if key in ids}
        ids |= {key for key, family in self.families.items() if family in held}
        return frame[[column for column in (study, "source") if column in frame]].isin(ids).any(axis=1).astype(bool)


def _citation(source: Row) -> str:
    s = source
    who = " ".join(part for part in (s["authors"], f"({s['year']})" if s["year"] else "") if part)
    name = f"doi:{s['doi']}" if s["doi"] else f"PMID {s['pmid']}" if s["pmid"] else s["nct"] or s["read_from"]
    return ". ".join(part.rstrip(".") for part in (who, s["title"], s["journal"], name) if part) + "."
