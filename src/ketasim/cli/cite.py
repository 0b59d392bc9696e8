"""``ketasim cite``: the bibliography of what a run rests on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ketasim.cli import _show
from ketasim.cli._options import complete_model
from ketasim.cli._settings import settings
from ketasim.cli._verb import verb
from ketasim.errors import InvalidData, UnknownEntry

if TYPE_CHECKING:
    from ketasim.model import Part
    from ketasim.sources import Citations

#: Files of results that hold numbers or pictures alone, or are not read back.
_NO_SOURCES = (".csv", ".parquet", ".json", ".html", ".png", ".svg", ".pdf")


@verb
def cite(
    entries: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ENTRY...",
            autocompletion=complete_model,
            help="Models, populations, co-medications, sources, or a .zarr result.",
        ),
    ] = None,
    *,
    bibtex: Annotated[bool, typer.Option("--bibtex", help="As BibTeX.")] = False,
) -> None:
    """List the sources of models, populations, co-medications or of a saved result; without ENTRY: how to cite ketasim."""
    from ketasim import __version__
    from ketasim.sources import Citations, format_citation

    if not entries:
        own = f"The ketasim authors. ketasim {__version__}: the pharmacology of ketamine in psychiatry, executable."
        if settings.json:
            _show.emit_json({"citation": own})
        else:
            _show.text(own)
        return
    used = Citations()
    for entry in entries:
        _collect(entry, used)
    if bibtex:
        _show.text(used.bibtex().rstrip("\n"))
    elif settings.json:
        rows = [
            {"key": s.key, "keys": keys, "citation": format_citation(s), "doi": s.doi, "for": reasons}
            for s, keys, reasons in used.merged()
        ]
        _show.emit_json(rows)
    else:
        _show.text(str(used))


def _collect(entry: str, used: Citations) -> None:
    """Sources of one entry, with what each is cited for."""
    from ketasim.library import comedications, parts
    from ketasim.population import populations
    from ketasim.sources import bibliography

    shelf, _, name = entry.rpartition("/")
    if entry.rstrip("/").endswith(".zarr"):
        _collect_result(Path(entry), used)
    elif Path(entry).suffix.lower() in _NO_SOURCES:
        raise UnknownEntry(f"'{entry}' is not read for sources. Give a .zarr result, or the model; see: ketasim list pk")
    elif shelf == "population" or (not shelf and name in populations()):
        _collect_population(name, used)
    elif shelf == "source" or (not shelf and name in bibliography() and not _is_model(name)):
        used.add(name)
    elif (clinical := _clinical(shelf, name)) is not None:
        used.extend([clinical.source, *(n.source for n in clinical.numbers.values())], clinical.cite)
    elif shelf == "comedication" or (not shelf and name in [c.id for c in comedications()]):
        for c in (c for c in comedications() if c.id == name):
            used.extend([c.source, *(n.source for n in c.multipliers.values())], c.cite)
    else:
        for part in parts(entry):
            _collect_part(part, used)


def _collect_part(part: Part, used: Citations) -> None:
    from ketasim.sources import bibliography

    by_source: dict[str, list[str]] = {}
    for parameter, number in part.numbers.items():
        if number.source in bibliography():
            by_source.setdefault(number.source, []).append(parameter)
    for key, parameters in by_source.items():
        used.add(key, f"{part.cite}: {', '.join(parameters)}")


def _clinical(shelf: str, name: str) -> Any:
    """Disorder or side effect of a name, if it is one."""
    from ketasim.library import disorders, endpoints

    shelves = {"disorder": disorders, "safety": endpoints}
    found = (one for key, read in shelves.items() if shelf in ("", key) for one in read() if one.id == name)
    return next(found, None)


def _is_model(name: str) -> bool:
    from ketasim.library import load

    try:
        load(name)
    except UnknownEntry:
        return False
    return True


def _collect_population(name: str, used: Citations) -> None:
    from ketasim.population import population
    from ketasim.sources import bibliography

    found = population(name)
    for covariate, block in found.blocks.items():
        for key in block.sources:
            if key in bibliography():
                used.add(key, f"{found.cite}: {covariate}")


def _collect_result(path: Path, used: Citations) -> None:
    import xarray as xr

    if not path.is_dir():
        raise UnknownEntry(f"{path}: no such result.")
    try:
        result = xr.open_datatree(path, engine="zarr")
    except (OSError, ValueError, KeyError):
        raise InvalidData(f"{path}: is no result; ketasim simulate or compare -o {path.name} writes one.") from None
    for node in result.subtree:  # a comparison has a result per arm
        for key in node.attrs.get("sources", []):
            used.add(key, ", ".join(node.attrs.get("models", [])))
