"""``ketasim describe``: one entry in full, read before it is used."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from ketasim.cli import _show
from ketasim.cli._options import complete_model
from ketasim.cli._settings import settings
from ketasim.cli._verb import verb
from ketasim.errors import InvalidOption, UnknownEntry, close_names


@verb
def describe(
    entry: Annotated[
        str,
        typer.Argument(
            metavar="ENTRY",
            help="pk/otto2021, population/adults, comedication/ticlopidine, source/otto2021 ...",
            autocompletion=complete_model,
        ),
    ],
    *,
    out: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE.html", help="Write a model's page: .html or .txt.")
    ] = None,
    html: Annotated[bool, typer.Option("--html", help="A model's page as HTML, with its equations as formulas.")] = False,
) -> None:
    """Describe an entry: equations, numbers with their sources, who writes and reads each port.

    \b
    ketasim describe pk/otto2021
    ketasim describe pk/otto2021 --html -o otto2021.html
    """
    if html and settings.json:
        raise InvalidOption("--html and --json exclude each other; give one.")
    if (html or out is not None) and _has_no_page(entry):
        raise InvalidOption(
            f"'{entry}' is no model; --html and -o are for the pages of models. Without them: ketasim describe {entry}"
        )
    if out is not None:
        _to_file(entry, out, html)
        return
    if html:
        from ketasim.cli._values import model_of

        _show.text(model_of(entry).describe("html"))
        return
    shelf, _, name = entry.rpartition("/")
    if settings.json:
        _show.emit_json(_data(shelf, name, entry) | {"notice": _show.NOTICE})
    else:
        _show.text(_text(shelf, name, entry))
        _show.notice()


def _to_file(entry: str, out: Path, html: bool) -> None:
    from ketasim.cli._outputs import check_file
    from ketasim.cli._values import model_of
    from ketasim.writing import replacing

    check_file(out, (".html",) if html else (".html", ".txt"))
    content = model_of(entry).describe("html" if out.suffix.lower() == ".html" else "text")
    with replacing(out) as part:
        Path(part).write_text(content, encoding="utf-8")
    _show.note(f"Written: {out}")


def _has_no_page(entry: str) -> bool:
    """Whether an entry is of a kind that is described in text alone."""
    return entry.partition("/")[0] in (*_IN_TEXT, "population", "comedication", "source") or bool(_elsewhere(entry))


def _text(shelf: str, name: str, entry: str) -> str:
    if shelf == "population":
        from ketasim.population import population

        return population(name).describe()
    if shelf == "comedication":
        return _comedication(name)
    if shelf in _IN_TEXT:
        return _clinical(shelf, name)
    if shelf == "source":
        from ketasim.sources import format_citation

        return format_citation(name)
    return _model_text(entry)


#: Shelves of clinical entries, which have no equations page of their own.
_IN_TEXT = ("disorder", "safety")


def _clinical(shelf: str, name: str) -> str:
    from ketasim import library
    from ketasim.clinical import described

    return described(library.disorder(name) if shelf == "disorder" else library.endpoint(name))


def _whole(entry: str) -> str:
    """Several entries under one name: what it holds and rests on, then the model; only its parts where it is not dosed alone."""
    from ketasim.library import model_id, parts, whole
    from ketasim.model import Structure, assemble

    one, held = whole(entry), parts(entry)
    lines = [f"{one.cite} ({one.status}): {one.title}", one.note]
    if any(isinstance(part.mechanism, Structure) for part in held):
        model = assemble(*held, id=model_id(entry))
        kinds = Counter(number.kind for number in model.numbers.values())
        told = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        return "\n".join([*lines, f"Numbers: {told}.", "", model.describe()])
    return "\n".join(
        [*lines, "Joins an exposure; it is not dosed alone.", "", *(f"  {part.cite}: {part.info['title']}" for part in held)]
    )


def _model_text(entry: str) -> str:
    from ketasim.library import load
    from ketasim.model import Structure, assemble

    if entry.startswith("cascade/"):
        return _whole(entry)
    try:
        part = load(entry)
    except UnknownEntry as error:
        other = _elsewhere(entry)
        if other:
            return other
        raise error
    if not isinstance(part.mechanism, Structure):
        return _addon(part)
    return assemble(part).describe()


def _elsewhere(entry: str) -> str:
    """A bare name that is a population or co-medication."""
    if "/" in entry:
        return ""
    from ketasim.library import comedications
    from ketasim.library._find import files
    from ketasim.population import populations

    for shelf in _IN_TEXT:
        if entry in files(shelf):
            return _clinical(shelf, entry)
    if entry in populations():
        return _text("population", entry, entry)
    return _comedication(entry) if entry in [c.id for c in comedications()] else ""


def _addon(part: Any) -> str:
    mechanism, note = part.mechanism, part.info.get("note", "")
    lines = [
        f"{part.cite} ({part.status}): {part.info.get('title', '')}",
        " ".join(str(type(mechanism).__doc__ or "").split("\n\n")[0].split()),
    ]
    lines += [*([note] if note else []), "Joins another model; it is not dosed alone.", ""]
    lines += [f"  {name} = {n.value:g} {n.unit}  {_basis(n)}" for name, n in part.numbers.items()]
    lines += [f"Reads: {', '.join(mechanism.reads)}."] if mechanism.reads else []
    return "\n".join([*lines, f"Writes: {', '.join(mechanism.writes)}."] if mechanism.writes else lines)


def _basis(number: Any) -> str:
    """Where a number is from, or why it was assumed."""
    place = ": ".join(filter(None, ("" if number.kind == "assumed" else number.source, number.at)))
    return "; ".join(filter(None, (f"{number.kind}  {place}", number.note)))


def _comedication(name: str) -> str:
    from ketasim.library import comedications

    known = {c.id: c for c in comedications()}
    if name not in known:
        raise UnknownEntry(f"no co-medication '{name}' in the library.{close_names(name, known)} See: ketasim list comedication")
    c = known[name]
    lines = [f"{c.cite} ({c.status}): {c.title}", c.mechanism, f"As studied: {c.schedule}"]
    lines += [f"  {k} x {v.value:g}  [{v.kind}; {v.source}, {v.at}] {v.note}".rstrip() for k, v in c.multipliers.items()]
    return "\n".join(lines + ([f"Note: {c.note}"] if c.note else []))


def _whole_data(entry: str) -> dict[str, Any]:
    from ketasim.library import parts, whole

    one, held = whole(entry), parts(entry)
    return {
        "name": entry, "cite": one.cite, "status": one.status, "title": one.title, "note": one.note,
        "parts": [part.cite for part in held], "description": _whole(entry),
    }  # fmt: skip


def _data(shelf: str, name: str, entry: str) -> dict[str, Any]:
    if shelf in (*_IN_TEXT, "population", "comedication", "source"):
        return {"name": entry, "description": _text(shelf, name, entry)}
    from ketasim.library import load

    if entry.startswith("cascade/"):
        return _whole_data(entry)
    part = load(entry)
    numbers = {
        k: {
            "value": n.value,
            "unit": n.unit,
            "meaning": part.mechanism.params[k].meaning,
            "kind": n.kind,
            "source": n.source,
            "at": n.at,
            "confidence": n.confidence,
            "omega2": n.iiv.omega2 if n.iiv else None,
            "covariates": [e.by for e in n.covariates],
        }
        for k, n in part.numbers.items()
        if k in part.mechanism.params
    }
    states = {k: {"unit": s.unit, "meaning": s.meaning} for k, s in part.mechanism.states.items()}
    ports = {k: {"unit": p.unit, "analyte": p.analyte, "site": p.site} for k, p in part.mechanism.writes.items()}
    return {
        "name": entry,
        "cite": part.cite,
        "status": part.status,
        "title": part.info.get("title", ""),
        "parameters": numbers,
        "states": states,
        "outputs": ports,
        "description": _model_text(entry),
    }
