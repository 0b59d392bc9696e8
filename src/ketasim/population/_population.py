"""Library populations: TOML entries of sourced covariate distributions become cohorts. The numbers live in the entries."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ketasim.arguments import checked
from ketasim.csvtext import csv_rows, text_bytes
from ketasim.documents import document, file_text
from ketasim.errors import Extrapolation, InvalidEntry, InvalidOption, UnknownEntry, close_names, warn
from ketasim.population._cohort import Cohort
from ketasim.population._covariates import COVARIATES, cyp2b6_phenotype
from ketasim.population._parse import Block, parse_block
from ketasim.population._random import check_seed, is_whole, uniform

#: Name of a table beside a population.
_PLAIN_NAME = re.compile(r"\w[\w.-]{0,99}")
#: Patients of one cohort: their covariates alone would fill 80 GB.
MOST_PATIENTS = 1_000_000_000


#: Patients whose middle is the typical one.
_FOR_TYPICAL = 1001


def _middle(values: NDArray[Any]) -> NDArray[Any]:
    """Median of numbers, the most frequent word, (1,)."""
    if values.dtype.kind in "fiu":
        return np.array([np.median(values)])
    words, counts = np.unique(values, return_counts=True)
    return words[[np.argmax(counts)]]


@dataclass(frozen=True, repr=False)
class Population:
    """A joint distribution of covariates, from the library or from a file of the same form.

    Attributes
    ----------
    id, revision, status : as in the entry; results cite ``adults@1``.
    notes : what limits its use. extrapolation : why results of this population go beyond what was measured; empty if they do not.
    blocks : covariate -> distribution with its provenance, in the order of drawing.
    """

    id: str
    revision: int
    status: str
    title: str
    description: str
    blocks: Mapping[str, Block]
    notes: str = ""
    extrapolation: str = ""
    info: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __repr__(self) -> str:
        """One line, without the distributions."""
        return f"<Population {self.cite}: {', '.join(self.blocks)}; see describe()>"

    def _repr_html_(self) -> str:
        """In a notebook: every distribution with its source."""
        from html import escape

        return f"<pre>{escape(self.describe())}</pre>"

    @property
    def cite(self) -> str:
        """Identifier with revision: ``adults@1``."""
        return f"{self.id}@{self.revision}"

    @property
    def sources(self) -> tuple[str, ...]:
        """Keys of all sources, in order of first use."""
        return tuple(dict.fromkeys(source for block in self.blocks.values() for source in block.sources))

    def typical(self) -> Cohort:
        """The typical patient: medians of numbers, the most frequent of categories, over a thousand patients."""
        people = self.sample(_FOR_TYPICAL, 1)
        middle = {name: _middle(np.asarray(values)) for name, values in people.covariates.items()}
        return Cohort(
            np.array([1]),
            middle,
            1,
            f"typical {self.id}",
            f"typical patient of {self.id}",
            sources=people.sources,
            described=True,
        )

    def sample(self, n: int, seed: int, start: int = 0) -> Cohort:
        """Cohort of `n` patients with ids ``start .. start + n - 1``.

        Patient 7 of a seed is the same patient whatever `n` and `start`, so a large cohort can be made in chunks.
        Weight follows from body mass index and height (drawn independently of one another given age and sex).

        Parameters
        ----------
        n : number of patients. seed : integer in 0 .. 2^64 - 1. start : id of the first patient.

        Warns
        -----
        Extrapolation: the population goes beyond what was measured.

        Examples
        --------
        >>> from ketasim.population import population
        >>> cohort = population("adults").sample(1000, seed=1)
        >>> sorted(cohort.covariates)
        ['AGE', 'BMI', 'CYP2B6', 'CYP2B6_PHENOTYPE', 'EGFR', 'HT', 'RACE', 'SEX', 'WT']
        """
        if not is_whole(n) or not 1 <= n <= MOST_PATIENTS:
            raise InvalidOption(f"n = {n!r}: the number of patients is a whole number from 1 to {MOST_PATIENTS:,}.")
        check_seed(seed)
        beyond = f"population '{self.id}': {self.extrapolation}"
        if self.extrapolation:
            warn(beyond, Extrapolation, stacklevel=2)
        ids = np.arange(start, start + int(n), dtype=np.int64)
        drawn: dict[str, NDArray[Any]] = {}
        for name, block in self.blocks.items():
            drawn[name] = block.distribution.draw(uniform(seed, ids, f"covariate/{name}"), drawn)
        _derive(drawn)
        notes = " ".join(text for text in (self.notes, self.extrapolation and f"Extrapolation: {self.extrapolation}.") if text)
        return Cohort(ids, drawn, seed, self.cite, self.description, notes, self.sources, (beyond,) if self.extrapolation else ())

    def describe(self) -> str:
        """What is drawn, how, and where each number comes from."""
        lines = [f"{self.cite} ({self.status}): {self.title}", self.description]
        for name, block in self.blocks.items():
            head = f"{name} {COVARIATES[name].unit}".rstrip()
            lines.append(f"  {head}: {block.text} [{block.provenance}] {block.note}".rstrip())
        lines += [f"Note: {self.notes}"] if self.notes else []
        lines += [f"Extrapolation: {self.extrapolation}"] if self.extrapolation else []
        return "\n".join(lines)


def population(name: str) -> Population:
    """Population of the library by name; `populations` lists the names.

    Raises
    ------
    UnknownEntry: no population of that name. InvalidOption: no name.

    Examples
    --------
    >>> population("japanese").cite
    'japanese@1'
    """
    if not isinstance(name, str):
        raise InvalidOption(
            f"population is of type {type(name).__name__}: give the name of a library population. Patients of your own are a Cohort: "
            f"cohort_from_table(table), or population_from_file(path).sample(n, seed)."
        )
    return _library(name.strip().lower().split("@")[0])


@lru_cache(maxsize=64)
def _library(name: str) -> Population:
    entry = _folder() / f"{name}.toml"
    if not entry.is_file():
        raise UnknownEntry(
            f"no population '{name}' in the library.{close_names(name, populations())} Known: {', '.join(populations())}."
        )
    return _load(entry.read_text(encoding="utf-8"), f"library/population/{name}.toml", None)


def populations() -> tuple[str, ...]:
    """Names of the library's populations, in alphabetical order."""
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in _folder().iterdir() if entry.name.endswith(".toml")))


@checked
def population_from_file(path: str | Path) -> Population:
    """Population of a user's own TOML file of the library's form; its tables are looked for beside it, then in the library.

    Raises
    ------
    InvalidEntry: the file breaks a rule; names file, block and value.
    """
    path = Path(path)
    try:
        text = file_text(path, "toml")
    except (OSError, ValueError) as error:
        raise InvalidEntry(f"{path}: cannot be read ({error}).") from None
    return _load(text, str(path), path.parent)


@lru_cache(maxsize=1)
def population_sources() -> dict[str, dict[str, str]]:
    """Bibliography of the library's populations: source key -> authors, year, title, journal, doi, url, how_read."""
    with (_folder() / "sources.csv").open(encoding="utf-8") as handle:
        return {row["source"]: row for row in csv.DictReader(handle)}


def _folder() -> Traversable:
    return files("ketasim") / "library" / "population"


def _load(text: str, where: str, beside: Path | None) -> Population:
    try:
        raw = document(text, "toml")
    except ValueError as error:
        raise InvalidEntry(f"{where}: not valid TOML ({error}).") from None
    for key in ("id", "revision", "title", "description", "covariate"):
        if key not in raw:
            raise InvalidEntry(f"{where}: '{key}' is missing.")
    for key in ("id", "status", "title", "description", "notes", "extrapolation", "basis"):
        if not isinstance(raw.get(key, ""), str):
            raise InvalidEntry(f"{where}: {key} = {str(raw[key])[:80]}; needed is a text.")
    if not isinstance(raw["covariate"], dict):
        raise InvalidEntry(f"{where}: covariate = {str(raw['covariate'])[:80]}; needed are tables, e.g. [covariate.AGE].")
    if not is_whole(raw["revision"]):
        raise InvalidEntry(f"{where}: revision = {raw['revision']!r} is no whole number.")
    blocks: dict[str, Block] = {}
    for name, block in raw["covariate"].items():
        blocks[name] = parse_block(
            name, block, f"{where} [covariate.{name}]", {n: b.distribution for n, b in blocks.items()},
            lambda table: _table(table, where, beside),
        )  # fmt: skip
    if {"WT", "HT", "BMI"} <= set(blocks):
        raise InvalidEntry(f"{where}: WT, HT and BMI are drawn, and would disagree. Leave one out; WT follows from HT and BMI.")
    if beside is None:
        _check_sources(blocks, where)
    known = {"id", "revision", "status", "title", "description", "notes", "extrapolation", "covariate", "basis"}
    unknown = sorted(set(raw) - known)
    if unknown:
        raise InvalidEntry(
            f"{where}: unknown entry '{unknown[0]}'.{close_names(unknown[0], known)} Allowed: {', '.join(sorted(known))}."
        )
    return Population(
        id=raw["id"],
        revision=int(raw["revision"]),
        status=raw.get("status", "provisional"),
        title=raw["title"],
        description=raw["description"],
        blocks=blocks,
        notes=raw.get("notes", ""),
        extrapolation=raw.get("extrapolation", ""),
        info={"basis": raw.get("basis", "")},
    )


def _check_sources(blocks: Mapping[str, Block], where: str) -> None:
    for name, block in blocks.items():
        for source in block.sources:
            if source not in population_sources():
                raise InvalidEntry(f"{where} [covariate.{name}]: source '{source}' is not in library/population/sources.csv.")


def _table(name: str, where: str, beside: Path | None) -> list[dict[str, str]]:
    if not _PLAIN_NAME.fullmatch(name):
        raise InvalidEntry(f"{where}: table '{name[:80]}'; needed is the name of a file in the same folder, without .csv.")
    own = beside / f"{name}.csv" if beside else None
    if own and own.is_file():
        rows = [cells for _, cells in csv_rows(text_bytes(own).decode().splitlines(keepends=True), own) if cells]
        return [dict(zip(rows[0], cells, strict=False)) for cells in rows[1:]]
    path = _folder() / "tables" / f"{name}.csv"
    if not path.is_file():
        raise InvalidEntry(f"{where}: no table '{name}.csv' in library/population/tables.")
    with path.open(encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def _derive(drawn: dict[str, NDArray[Any]]) -> None:
    """Covariates that follow from others: weight from BMI and height, phenotype from genotype."""
    if {"BMI", "HT"} <= set(drawn) and "WT" not in drawn:
        drawn["WT"] = drawn["BMI"] * (drawn["HT"] / 100.0) ** 2
    if "CYP2B6" in drawn:
        drawn["CYP2B6_PHENOTYPE"] = np.array(cyp2b6_phenotype(drawn["CYP2B6"]))
