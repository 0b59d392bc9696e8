"""Side effects: numbers and definitions from TOML, equations from the class an entry names."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ketasim.arguments import checked
from ketasim.clinical import STUDIES, Definition, Endpoint, SideEffect
from ketasim.errors import UnknownEntry, close_names
from ketasim.library._disorder import EstimateFile, class_of, numbers_of, priors_of
from ketasim.library._find import files
from ketasim.library._modules import changed
from ketasim.library._schema import Text, _File, read
from ketasim.library._words import check_sources


class DefinitionFile(_File):
    """What counts as having it."""

    title: Text
    of: Literal["level", "rise"]
    least: float
    source: str = ""


class EndpointFile(_File):
    """One side effect."""

    id: Text
    title: Text
    measure: Text
    unit: Text
    revision: int = Field(ge=1)
    status: Literal["checked", "provisional"]
    equations: Text
    source: Text
    grade: Text
    readings: tuple[float, ...] = ()
    bounds: tuple[float, float]
    notes: tuple[str, ...] = ()
    definition: dict[str, DefinitionFile] = Field(default_factory=dict)
    param: dict[str, EstimateFile] = Field(default_factory=dict)


@checked
def endpoint(name: str) -> Endpoint:
    """Side effect by name, e.g. ``endpoint("dissociation")``.

    Raises
    ------
    UnknownEntry: no such side effect. InvalidEntry: the file breaks the rules.
    """
    plain, known = name.strip().lower().removeprefix("safety/"), files("safety")
    if plain not in known:
        raise UnknownEntry(f"no side effect '{name}' in the library.{close_names(plain, known)} It has: {', '.join(known)}.")
    return _read(known[plain], (known[plain].stat().st_mtime_ns, changed(known[plain].parents[1])))


def endpoints() -> list[Endpoint]:
    """All side effects of the library and of packs in use."""
    return [endpoint(name) for name in files("safety")]


@lru_cache(maxsize=256)
def _read(path: Path, state: Any) -> Endpoint:
    where = "/".join(path.parts[-2:])
    entry = read(path, EndpointFile, where)
    check_sources(entry, where)
    equations = class_of(entry.equations, SideEffect, path, where)
    definitions = {name: Definition(name, raw.title, raw.of, raw.least, raw.source) for name, raw in entry.definition.items()}
    return Endpoint(
        entry.id, entry.title, entry.measure, entry.unit, entry.revision, entry.status, equations,
        numbers_of(entry, {**STUDIES, **equations.params}, where), priors_of(entry), definitions, entry.readings, entry.bounds, entry.grade,
        entry.source, entry.notes, {},
    )  # fmt: skip
