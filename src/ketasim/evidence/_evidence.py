"""The evidence base as an object: tables, queries, citations; the package's own rows, and a user's merged with them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ketasim.errors import InvalidData, UnknownEntry, close_names
from ketasim.evidence._check import Place, Rows, problems, read, refuse
from ketasim.evidence._schema import ALIASES, TABLES

if TYPE_CHECKING:
    import pandas as pd

ROOT = Path(__file__).parent
#: Columns that annotations add to every arm of a trial.
_ANNOTATED = tuple(name for name in TABLES["trial_annotations"].columns if name not in ("trial", "source", "confidence", "note"))


class Evidence:
    """Checked tables of sourced facts.

    Every table has the columns of its schema and ``origin`` (``package`` or ``user``); tables about trials and studies also have
    ``holdout``: True where the row is scored and never fitted (also pooled results that contain such a trial).
    """

    def __init__(self, folders: Iterable[Path] = ()) -> None:
        self.folders = tuple(Path(folder) for folder in folders)
        self._content, self._origins = _merged(self.folders)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the tables."""
        return tuple(self._content)

    def table(self, name: str) -> pd.DataFrame:
        """A table as a data frame; numbers are floats, empty cells missing.

        Raises
        ------
        UnknownEntry: no such table.
        """
        return self._frame(self._name(name)).copy()

    def sql(self, query: str) -> pd.DataFrame:
        """Rows of a DuckDB query over all tables; queries only.

        Raises
        ------
        InvalidData: the query is not valid, or would change something.
        """
        from ketasim.evidence._database import run

        return run(self, query)

    @property
    def sources(self) -> dict[str, dict[str, str]]:
        """Source key -> its fields."""
        return {row["source"]: row for row in self._content["sources"].rows}

    def citation(self, key: str) -> str:
        """One line: authors, year, title, journal, identifier."""
        try:
            s = self.sources[key]
        except KeyError:
            raise UnknownEntry(f"no source '{key}' in the evidence base.{close_names(key, self.sources)}") from None
        who = " ".join(part for part in (s["authors"], f"({s['year']})" if s["year"] else "") if part)
        name = f"doi:{s['doi']}" if s["doi"] else f"PMID {s['pmid']}" if s["pmid"] else s["nct"] or s["read_from"]
        return ". ".join(part.rstrip(".") for part in (who, s["title"], s["journal"], name) if part) + "."

    def places(self, name: str) -> list[Place]:
        """File and line of every row of a table."""
        return self._content[self._name(name)].places

    def export(self, folder: str | Path) -> list[Path]:
        """Write every table as one CSV into a folder, in the format that `load` reads."""
        from ketasim.evidence._exchange import write_table

        return [write_table(Path(folder) / f"{name}.csv", name, rows.rows) for name, rows in self._content.items() if rows.rows]

    def _name(self, name: str) -> str:
        known = ALIASES.get(name, name)
        if known not in self._content:
            names = ", ".join([*TABLES, *ALIASES])
            raise UnknownEntry(
                f"no table '{name}' in the evidence base.{close_names(name, [*TABLES, *ALIASES])} Tables: {names}."
            )
        return known

    @lru_cache(maxsize=32)  # noqa: B019  (few objects live long)
    def _frame(self, name: str) -> pd.DataFrame:
        import pandas as pd

        spec, rows = TABLES[name], self._content[name].rows
        frame = pd.DataFrame(rows, columns=list(spec.columns), dtype=object)
        for column, kind in spec.columns.items():
            frame[column] = pd.to_numeric(frame[column], errors="coerce") if kind.kind == "number" else frame[column].astype(str)
        if name == "trials":
            frame = self._annotated(frame)
        if spec.study or name == "pk_observations":
            ids = {row["id"] for row in self._content["holdout"].rows}
            own = [frame[spec.study]] if spec.study else []
            held = [column.isin(ids) for column in (*own, *([frame["source"]] if "source" in frame else []))]
            frame["holdout"] = pd.concat(held, axis=1).any(axis=1) if len(frame) else pd.Series(dtype=bool)
        frame["origin"] = self._origins[name]
        return frame

    def _annotated(self, trials: pd.DataFrame) -> pd.DataFrame:
        """Control type, masking, design flags derived by rule from the arms; risk of bias and sponsor only where annotated."""
        given = {row["trial"]: row for row in self._content["trial_annotations"].rows}
        derived = {str(trial): _derived(arms) for trial, arms in trials.groupby("trial")}
        for column in _ANNOTATED:
            default = "not assessed" if column.startswith("rob_") else ""
            trials[column] = [given.get(t, {}).get(column) or derived[t].get(column, default) for t in trials["trial"]]
        return trials


def _derived(arms: pd.DataFrame) -> dict[str, str]:
    drugs, design = set(arms["drug"]) - {""}, " ".join(arms["design"]).lower()
    kinds = (
        ("inactive", {"placebo"}),
        ("active_sedative", {"midazolam"}),
        ("ect", {"ect"}),
        ("drug", {"quetiapine", "aripiprazole", "diclofenac", "other"}),
    )
    control = next((name for name, members in kinds if drugs & members), "")
    single = len(arms) == 1 or not re.search(r"random|double-blind|crossover|parallel|controlled", design)
    masking = next((word for word in ("double-blind", "rater-blinded", "single-blind", "open-label") if word in design), "")
    return {
        "control_type": control or ("none" if single else "dose"),
        "masking": masking,
        "crossover": "yes" if "crossover" in design or "cross-over" in design else "no",
        "cluster": "yes" if "cluster" in design else "no",
    }


def _merged(folders: tuple[Path, ...]) -> tuple[dict[str, Rows], Mapping[str, list[str]]]:
    content = {name: Rows(name, list(rows.rows), list(rows.places)) for name, rows in _package().items()}
    origins = {name: ["package"] * len(rows.rows) for name, rows in content.items()}
    for folder in folders:
        for name, rows in _folder(folder).items():
            content[name].rows.extend(rows.rows)
            content[name].places.extend(rows.places)
            origins[name] += ["user"] * len(rows.rows)
    if folders:
        refuse(problems(content), f"evidence in {', '.join(map(str, folders))}")
    return content, origins


@lru_cache(maxsize=1)
def _package() -> dict[str, Rows]:
    """Tables of the package; checked by its tests, not at every start."""
    return _tables(ROOT)


def _folder(folder: Path) -> dict[str, Rows]:
    if not folder.is_dir():
        raise InvalidData(
            f"{folder}: no such folder. Give a folder that holds tables such as trials.csv, outcomes.csv, sources.csv."
        )
    known = {f"{name}.csv" for name in TABLES}
    strange = [path for path in sorted(folder.rglob("*.csv")) if path.name not in known]
    if strange:
        raise InvalidData(
            f"{strange[0]}: not a table of the evidence base.{close_names(strange[0].name, known)} Names: {', '.join(sorted(known))}."
        )
    found = _tables(folder)
    if not any(rows.rows for rows in found.values()):
        raise InvalidData(f"{folder}: holds no rows of evidence. Names of tables: {', '.join(sorted(known))}.")
    return found


def _tables(root: Path) -> dict[str, Rows]:
    out: dict[str, Rows] = {}
    for name in TABLES:
        parts = [read(path, name) for path in sorted(root.rglob(f"{name}.csv"))]
        rows = [(row, place) for part in parts for row, place in zip(part.rows, part.places, strict=True)]
        if name == "sources":  # one paper may stand in several folders
            rows = list({row["source"]: (row, place) for row, place in reversed(rows)}.values())[::-1] if root == ROOT else rows
        out[name] = Rows(name, [row for row, _ in rows], [place for _, place in rows])
    return out


def check_package() -> list[str]:
    """Everything that breaks the schema in the package's own tables; empty when all is well."""
    whole = {name: read_all(name) for name in TABLES}
    return problems(whole)


def read_all(name: str) -> Rows:
    """Every row of the package's files of one table, repeated sources included."""
    parts = [read(path, name) for path in sorted(ROOT.rglob(f"{name}.csv"))]
    return Rows(name, [row for p in parts for row in p.rows], [place for p in parts for place in p.places])
