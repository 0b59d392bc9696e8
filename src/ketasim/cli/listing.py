"""``ketasim list``: what the library holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from ketasim.cli import _show
from ketasim.cli._settings import settings
from ketasim.cli._verb import verb
from ketasim.errors import UnknownEntry, close_names

Rows = list[dict[str, Any]]


def _models(kind: str) -> Callable[[], Rows]:
    def rows() -> Rows:
        from ketasim.library import entries

        return [
            {
                "name": e.id if kind == "pk" else e.name,
                "title": e.title,
                "drug": e.drug,
                "analytes": ", ".join(e.analytes),
                "routes": "added to another model" if e.is_addon else ", ".join(e.routes),
                "sampling": e.sampling,
                "status": f"{e.status}@{e.revision}",
            }
            for e in entries(kind)
        ]

    return rows


def _cascades() -> Rows:
    from ketasim.library import wholes

    return [
        {
            "name": one.name,
            "title": one.title,
            "parts": ", ".join(one.parts) if len(one.parts) < 4 else f"{len(one.parts)} mechanisms",
            "status": f"{one.status}@{one.revision}",
        }
        for one in wholes()
    ]


def _populations() -> Rows:
    from ketasim.population import population, populations

    found = [population(name) for name in populations()]
    return [
        {
            "name": p.id,
            "title": p.title,
            "covariates": ", ".join(p.blocks),
            "extrapolation": bool(p.extrapolation),
            "status": f"{p.status}@{p.revision}",
        }
        for p in found
    ]


def _comedications() -> Rows:
    from ketasim.library import comedications

    return [
        {
            "name": c.id,
            "title": c.title,
            "mechanism": c.mechanism,
            "factors": ", ".join(f"{k} x{v.value:g}" for k, v in c.multipliers.items()) or "no number yet",
            "status": f"{c.status}@{c.revision}",
        }
        for c in comedications()
    ]


def _disorders() -> Rows:
    from ketasim.library import disorders

    return [
        {
            "name": d.id,
            "title": d.title,
            "scale": d.scale.id,
            "control arms": ", ".join(d.controls),
            "evidence": d.grade,
            "status": f"{d.status}@{d.revision}",
        }
        for d in disorders()
    ]


def _scales() -> Rows:
    from ketasim.library import scales

    return [
        {
            "name": s.id,
            "title": s.title,
            "range": f"{s.low:g} - {s.high:g}",
            "response": f"{s.response:.0%} lost",
            "remission": f"{s.remission:g} or less",
        }
        for s in scales()
    ]


def _policies() -> Rows:
    from ketasim.library import policies

    return [
        {
            "name": one.id,
            "title": one.title,
            "numbers": ", ".join(f"{name}={number.value:g}" for name, number in one.numbers.items()),
            "notes": " ".join(one.notes),
            "status": f"{one.status}@{one.revision}",
        }
        for one in policies()
    ]


def _endpoints() -> Rows:
    from ketasim.library import endpoints

    return [
        {
            "name": e.id,
            "title": e.title,
            "unit": e.unit,
            "definitions": ", ".join(e.definitions),
            "evidence": e.grade,
            "status": f"{e.status}@{e.revision}",
        }
        for e in endpoints()
    ]


def _sources() -> Rows:
    from ketasim.sources import bibliography, format_citation

    return [
        {"name": key, "citation": format_citation(source), "read as": source.how_read} for key, source in bibliography().items()
    ]


def _gaps() -> Rows:
    from ketasim.library import not_simulable

    return [{"name": g.id, "title": g.title, "reason": g.reason, "instead": g.instead} for g in not_simulable()]


def _drugs() -> Rows:
    from ketasim.dose import DRUGS, substances

    ketamines = [
        {
            "name": name,
            "title": ", ".join(f"{share:g} {a}" for a, share in parts.items()),
            "kind": "ketamine",
            "acts on": "kinetics",
            "note": "",
        }
        for name, parts in DRUGS.items()
    ]
    others = [
        {
            "name": s.id,
            "title": s.title,
            "kind": s.kind,
            "acts on": s.activity or s.comedication or ", ".join(s.switches),
            "note": s.note,
        }
        for s in substances().values()
    ]
    return ketamines + others


def _routes() -> Rows:
    from ketasim.dose import ROUTES

    return [{"name": name} for name in ROUTES]


KINDS: dict[str, tuple[str, Callable[[], Rows]]] = {
    "pk": ("pharmacokinetic models", _models("pk")),
    "generic": ("models without a drug", _models("generic")),
    "mechanism": ("mechanisms that join a model", _models("mechanism")),
    "cascade": ("exposure and what follows in the brain, under one name", _cascades),
    "disorder": ("disorders, for --disorder", _disorders),
    "scale": ("symptom scales", _scales),
    "safety": ("side effects that are simulated with a disorder", _endpoints),
    "policy": ("rules of care, for --policy", _policies),
    "population": ("virtual populations", _populations),
    "comedication": ("drugs taken beside ketamine, for --with", _comedications),
    "drug": ("drugs and sessions of the regimen language", _drugs),
    "route": ("routes of the regimen language", _routes),
    "source": ("bibliography", _sources),
    "gap": ("published models that cannot be run, and why", _gaps),
}
_ALSO = {
    "populations": "population",
    "cascades": "cascade",
    "disorders": "disorder",
    "scales": "scale",
    "policies": "policy",
    "comedications": "comedication",
    "models": "pk",
    "sources": "source",
    "routes": "route",
    "drugs": "drug",
    "gaps": "gap",
}


def _complete(incomplete: str) -> list[str]:
    return [kind for kind in KINDS if kind.startswith(incomplete)]


@verb
def listing(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"One of: {', '.join(KINDS)}.", autocompletion=_complete)] = "",
) -> None:
    """List the library: models, populations, co-medications, sources. Without KIND: what there is to list."""
    if not kind:
        rows = [{"kind": name, "what": what, "entries": len(read())} for name, (what, read) in KINDS.items()]
    else:
        known = _ALSO.get(kind, kind)
        if known not in KINDS:
            raise UnknownEntry(f"no kind '{kind}' to list.{close_names(kind, KINDS)} There are: {', '.join(KINDS)}.")
        rows = KINDS[known][1]()
    if settings.json:
        _show.emit_json(rows)
    elif not rows:
        _show.note(f"No {KINDS[_ALSO.get(kind, kind)][0]} in the library yet.")
    else:
        _show.entries(rows)
