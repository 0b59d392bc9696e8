"""A model in full, as text or HTML: equations, numbers with their sources, who writes and reads each port."""

from __future__ import annotations

import math
import re
from dataclasses import fields
from itertools import zip_longest
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from ketasim.arguments import checked

if TYPE_CHECKING:
    from ketasim.model._assemble import Model
    from ketasim.model._declare import CovariateEffect, Variability
    from ketasim.model._observation import Observation

#: Shown on every page that leaves the program.
NOTICE = "Research software: explores pharmacology, does not advise on treatment."


@checked
def describe(model: Model, format: str = "text") -> str:
    """Description of a model; ``format`` is ``text`` or ``html``."""
    sections = [("Parts", _parts(model)), ("Numbers", _numbers(model)), ("Equations", _equations(model)), ("States", _states(model)), ("Ports", _ports(model)),
                ("Doses", _doses(model)), ("Variability", _variability(model)), ("Sources", [("source", "reference"), *((s, _reference(s)) for s in model.citations())])]  # fmt: skip
    if format == "html":
        from ketasim.model._page import html

        return html(model, sections, NOTICE)
    return _text(model, sections)


Rows = list[tuple[str, ...]]

_WIDEST = 34  # characters of a column of text


def _reference(key: str) -> str:
    """The citation of a source key; empty for words such as ``definition`` that are no publication."""
    from ketasim.errors import UnknownEntry
    from ketasim.sources import format_citation

    try:
        return format_citation(key)
    except UnknownEntry:
        return ""


def _parts(model: Model) -> Rows:
    rows: Rows = [("part", "equations", "status", "note")]
    for part in model.parts:
        rows.append((part.cite, part.mechanism.name(), part.status, str(part.info.get("note", "") or part.info.get("title", ""))))
    return rows


def _numbers(model: Model) -> Rows:
    rows: Rows = [("name", "value", "unit", "meaning", "kind", "between subjects", "covariates", "source, place")]
    for name, number in model.numbers.items():
        kind = (
            f"ASSUMED: {number.note}" if number.kind == "assumed" else ", ".join(dict.fromkeys((number.kind, number.confidence)))
        )
        effects = "; ".join(_effect(e) for e in number.covariates)
        rows.append((name, f"{number.value:.5g}" + (f" (se {number.se:.2g})" if number.se else ""), number.unit, model.params[name].meaning, kind,
                     _spread_of(number.iiv), effects, ": ".join(filter(None, (number.source, number.at)))))  # fmt: skip
    return rows


def _spread_of(variability: Variability | None) -> str:
    if variability is None:
        return ""
    if variability.form == "lognormal":
        return f"CV {100 * math.sqrt(math.expm1(variability.omega2)):.0f} %"
    return f"SD {math.sqrt(variability.omega2):.3g} ({variability.form})"


def _effect(e: CovariateEffect) -> str:
    if e.form == "factor":
        return ", ".join(f"{e.by} {level} x {factor:g}" for level, factor in e.levels.items())
    slope = f"{'-' if e.coefficient < 0 else '+'} {abs(e.coefficient):g} ({e.by} - {e.ref:g})"
    forms = {
        "power": f"({e.by}/{e.ref:g})^{e.coefficient:g}", "power_below": f"({e.by}/{e.ref:g})^{e.coefficient:g} below {e.ref:g}",
        "exponential": f"exp({e.coefficient:g} ({e.by} - {e.ref:g}))",
        "linear": f"1 {slope}", "linear_above": f"1 {slope} above {e.ref:g}", "additive": slope, "additive_above": f"{slope} above {e.ref:g}",
    }  # fmt: skip
    return forms[e.form]


def _equations(model: Model) -> Rows:
    system = model.system
    rows: Rows = [("quantity", "equation", "unit")]
    rows += [(f"d {name}/dt", str(rate), f"{model.states[name].unit}/h") for name, rate in system.rates.items()]
    return rows + [(name, str(expression), model.ports[name].unit) for name, expression in system.ports.items()]


def _ports(model: Model) -> Rows:
    rows: Rows = [("port", "unit", "written by", "read by", "is")]
    for name, port in model.ports.items():
        writers = ", ".join(model.parts[i].mechanism.name() for i in model.writers[name])
        readers = ", ".join(p.mechanism.name() for p in model.parts if name in p.mechanism.reads)
        combined = {"": "", "sum": "sum of its writers", "product": "product of its writers"}[port.combine]
        said = " ".join(v for v in (port.meaning, port.analyte, port.site) if v)
        rows.append((name, port.unit, writers, readers or "-", "; ".join(filter(None, (said, combined)))))
    for name, port in model.inputs.items():
        readers = ", ".join(p.mechanism.name() for p in model.parts if name in p.mechanism.reads)
        rows.append((name, port.unit, f"nothing: {port.default:g}, or an input", readers, port.meaning))
    return rows


def _states(model: Model) -> Rows:
    """States that start elsewhere than at 0, and those several mechanisms act on."""
    rows: Rows = [("state", "unit", "starts at", "also changed by")]
    system = model.system
    for name, state in model.states.items():
        others = ", ".join(p.mechanism.name() for p in model.parts if name in p.mechanism.adds)
        start = "rest, found by numbers" if name in system.resting else str(system.initial[name])
        if others or not system.initial[name].is_zero:
            rows.append((name, state.unit, start, others or "-"))
    return rows


def _doses(model: Model) -> Rows:
    rows: Rows = [("route", "analyte", "compartment", "F", "lag", "duration", "rate")]
    for route, by_analyte in model.routes.items():
        for analyte, entrances in by_analyte.items():
            for entrance in entrances:
                inlet = model.system.inlets.get(entrance.compartment)
                values: tuple[Any, ...] = (inlet.F, inlet.lag, inlet.duration, inlet.rate) if inlet else (1, 0, None, None)
                rows.append((route, analyte or "any", entrance.compartment, *("-" if v is None else str(v) for v in values)))
    return rows


def _variability(model: Model) -> Rows:
    rows: Rows = [("what", "value")]
    rows += [(f"{name} between occasions", _spread_of(number.iov)) for name, number in model.numbers.items() if number.iov]
    rows += [(f"covariance of {a} and {b} (log scale)", f"{value:.4g}") for (a, b), value in model.correlations.items()]
    for r in model.residual:
        rows.append(
            (f"residual error of {r.port}", f"proportional {r.proportional:g}, additive {r.additive:g}, log SD {r.exponential:g}")
        )
    rows += [(f"what is seen of {observation.port}", _seen(observation)) for observation in model.observations]
    return rows


def _seen(observation: Observation) -> str:
    """Family, numbers and place: ``LogitNormal: low 0, high 60, sd 0.4; Table 3``."""
    own = ((f.name, getattr(observation, f.name)) for f in fields(observation) if f.name not in ("port", "at"))
    numbers = ", ".join(f"{name} {value if isinstance(value, tuple) else f'{value:g}'}" for name, value in own)
    return "; ".join(filter(None, (f"{type(observation).__name__}: {numbers}", observation.at)))


def _text(model: Model, sections: list[tuple[str, Rows]]) -> str:
    lines = [model.id, "=" * len(model.id)]
    for title, rows in sections:
        if len(rows) < 2:
            continue
        lines += ["", title, "-" * len(title)]
        if title == "Equations":
            lines += [f"{name} = {equation}   [{unit}]" for name, equation, unit in rows[1:]]
            continue
        widths = [min(_WIDEST, max(len(row[i]) for row in rows)) for i in range(len(rows[0]))]
        for row in rows:
            lines += _row_lines(row, widths)
    return "\n".join(lines)


def _row_lines(row: tuple[str, ...], widths: list[int]) -> list[str]:
    """A row of a table; longer cells go on below themselves, the last one to the right."""
    cells = [
        wrap(cell, width, break_long_words=False, break_on_hyphens=False)
        for cell, width in zip(row[:-1], widths[:-1], strict=True)
    ] + [[row[-1]]]
    columns = zip_longest(*cells, fillvalue="")
    return ["  ".join(part.ljust(w) for part, w in zip(parts, widths, strict=True)).rstrip() for parts in columns]


@checked
def latex(model: Model) -> str:
    """Every equation of a model as LaTeX lines."""
    import sympy

    lines = [rf"\frac{{d\,\mathrm{{{name}}}}}{{dt}} = {sympy.latex(rate)}" for name, rate in model.system.rates.items()]
    lines += [rf"\mathrm{{{name}}} = {sympy.latex(value)}" for name, value in model.system.ports.items()]
    return "\n".join(line.replace("_", r"\_") if "mathrm" in line.split("=")[0] else line for line in lines)


@checked
def mechanism_graph(model: Model) -> str:
    """Who writes and reads each port, as a Mermaid flowchart."""
    lines = ["flowchart LR"]
    for name, writers in model.writers.items():
        lines += [f"  {_node(model.parts[i].mechanism.name())} --> {_box(name)}" for i in writers]
    for name in (*model.ports, *model.inputs):
        lines += [f"  {_box(name)} --> {_node(p.mechanism.name())}" for p in model.parts if name in p.mechanism.reads]
    for name in model.states:
        lines += [f"  {_node(p.mechanism.name())} --> {_box(name)}" for p in model.parts if name in p.mechanism.adds]
    return "\n".join(lines)


def _plain(name: str) -> str:
    """A name as Mermaid's identifiers allow it: a dot or a bracket ends them."""
    return re.sub(r"\W+", "_", name).strip("_")


def _node(name: str) -> str:
    return name if name.isidentifier() else f'{_plain(name)}["{name}"]'


def _box(name: str) -> str:
    return f"{_plain(name)}([{name}])"
