"""What a run rests on, in HTML: who got what, which values were replaced, what to be wary of, the sources."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from ketasim.errors import UnknownEntry
from ketasim.report._parts import html_table
from ketasim.results import assumed_sentence, warnings_of

if TYPE_CHECKING:
    import xarray as xr

Arms = Mapping[str, "xr.DataTree"]


def facts(arms: Arms) -> str:
    """Regimen, co-medication, model and people of every arm, and the values that are not the library's."""
    with_drugs = any(len(result.attrs.get("comedication", ())) for result in arms.values())
    head = ("arm", "regimen", *(("co-medication",) if with_drugs else ()), "model", "population", "patients", "seed")
    rows = [
        (
            label,
            r.attrs["regimen"],
            *((_drugs(r),) if with_drugs else ()),
            *(r.attrs[k] for k in ("model", "population", "n", "seed")),
        )
        for label, r in arms.items()
    ]
    return "<h2>What was simulated</h2>" + html_table(head, rows, 4 + with_drugs) + _replaced(arms)


def _drugs(result: xr.DataTree) -> str:
    return ", ".join(map(str, result.attrs.get("comedication", ()))) or "none"


def _replaced(arms: Arms) -> str:
    """Values the user replaced, each once with the arms it holds in (unless in all)."""
    found: dict[tuple[Any, ...], list[str]] = {}
    for label, result in arms.items():
        for row in result.attrs.get("replaced", ()):
            found.setdefault((row["name"], float(row["value"]), float(row["library"]), row["unit"]), []).append(label)
    if not found:
        return ""
    rows = [
        (name + ("" if len(labels) == len(arms) else f" ({', '.join(labels)})"), unit, f"{value:g}", f"{library:g}")
        for (name, value, library, unit), labels in found.items()
    ]
    note = '<p class="soft">Typical values set for this run in place of those of the library.</p>'
    return f"<h3>Values replaced</h3>{note}{html_table(('parameter', 'unit', 'here', 'library'), rows, 2)}"


def warned(arms: Arms) -> str:
    """What the run warned of; empty where nothing."""
    texts = warnings_of(arms)
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f'<h2>Warnings</h2><ul class="notice">{items}</ul>' if texts else ""


def evidence(arms: Arms) -> str:
    """Sources of every arm, what is provisional and what is assumed."""
    models = dict.fromkeys(str(r.attrs["model"]).partition("@")[0] for r in arms.values())
    describe = ", ".join(f"<code>ketasim describe {escape(model)}</code>" for model in models)
    provisional, assumed, sources = (_together(arms, key) for key in ("provisional", "assumed", "sources"))
    warn = (
        f"<p>Provisional entries (second entry or published checkpoint missing): {escape(', '.join(provisional))}.</p>"
        if provisional
        else ""
    )
    guess = (
        f"<p>Parameters that are assumed, not estimated from a source: <code>{escape(', '.join(assumed))}</code>.</p>"
        if assumed
        else ""
    )
    people = f"<p>{escape(sentence)}</p>" if (sentence := assumed_sentence(arms)) else ""
    items = "".join(f"<li>{_reference(key)}</li>" for key in sources)
    return (
        f"<h2>Evidence</h2><p>Every number of the model carries its source: {describe}.</p>{warn}{guess}{people}<ul>{items}</ul>"
    )


def _together(arms: Arms, key: str) -> list[str]:
    """What the arms list under a key, each once."""
    return list(dict.fromkeys(str(item) for result in arms.values() for item in result.attrs.get(key, ())))


def _reference(key: str) -> str:
    """A citation, its DOI or other address as a link: nothing is loaded before a reader follows it."""
    from ketasim.sources import cite, format_citation

    try:
        source = cite(key)
    except UnknownEntry:  # a user's own source need not be in our bibliography
        return escape(key)
    text = format_citation(source)
    if not source.link:
        return escape(text)
    return f'{escape(text.removesuffix(source.address))}<a href="{escape(source.link)}">{escape(source.address)}</a>'
