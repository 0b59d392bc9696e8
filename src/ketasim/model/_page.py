"""A model's description as one HTML page: no script, nothing from the network, equations as MathML."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ketasim.model import _mathml

if TYPE_CHECKING:
    from ketasim.model._assemble import Model

Rows = list[tuple[str, ...]]

_LONG = 30  # characters from which a text is broken into lines

_STYLE = """
:root{color-scheme:light dark;--line:#d5d9e0;--soft:#667085;--warn:#9a3412}
@media (prefers-color-scheme:dark){:root{--line:#3a4150;--soft:#9aa4b5;--warn:#fdba74}}
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:78rem;padding:0 1.2rem}
h1{font-size:1.5rem;margin:0 0 .2rem;overflow-wrap:anywhere}h2{font-size:1.1rem;margin:2.2rem 0 .5rem}
nav a{margin-right:1rem}p.notice{color:var(--soft);margin:.2rem 0 1rem}
.wide{overflow-x:auto}table.rows{border-collapse:collapse;font-size:.86rem}
table.rows td,table.rows th{border-bottom:1px solid var(--line);padding:.3rem .8rem .3rem 0;text-align:left;vertical-align:top}
table.rows th{color:var(--soft);font-weight:600;white-space:nowrap}
td.eq{white-space:nowrap}td.long{min-width:14rem}math{font-size:1.05rem}
mtable.cases mtd{text-align:left;padding:.1em .5em}.assumed{color:var(--warn)}
"""


def html(model: Model, sections: list[tuple[str, Rows]], notice: str) -> str:
    """The page.

    Parameters
    ----------
    sections : title and rows, the first row being the head; "Equations" is replaced by formulas.
    """
    shown = [(title, rows) for title, rows in sections if len(rows) > 1]
    titles = [title for title, _ in shown]
    titles[titles.index("Equations") : titles.index("Equations") + 1] = ["Equations", "Outputs", "Individuals"]
    links = " ".join(f'<a href="#{title.lower()}">{title}</a>' for title in titles)
    body = "".join(_equations(model) if title == "Equations" else _table(title, rows) for title, rows in shown)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(model.id)}</title><style>{_STYLE}</style></head><body><h1>{escape(model.id)}</h1>"
        f'<p class="notice">{escape(notice)}</p><nav>{links}</nav>{body}</body></html>'
    )


def _table(title: str, rows: Rows) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
    body = "".join("<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in rows[1:])
    return f'<h2 id="{title.lower()}">{title}</h2><div class="wide"><table class="rows"><tr>{head}</tr>{body}</table></div>'


def _cell(text: str) -> str:
    """A cell; long texts keep a width at which they can be read, in a box that scrolls."""
    kinds = " ".join(name for name, holds in (("assumed", text.startswith("ASSUMED")), ("long", len(text) > _LONG)) if holds)
    return f'<td class="{kinds}">{escape(text)}</td>' if kinds else f"<td>{escape(text)}</td>"


def _equations(model: Model) -> str:
    """States, outputs and individual parameters."""
    system = model.system
    states = [(_mathml.equation(_mathml.derivative(n), _mathml.expression(e)), f"{model.states[n].unit}/h", model.states[n].meaning)
              for n, e in system.rates.items()]  # fmt: skip
    ports = [(_mathml.equation(_mathml.symbol(n), _mathml.expression(e)), model.ports[n].unit, model.ports[n].meaning)
             for n, e in system.ports.items()]  # fmt: skip
    people = [(_mathml.individual(n, number), number.unit, model.params[n].meaning) for n, number in model.numbers.items()
              if number.covariates or number.iiv or number.iov]  # fmt: skip
    out = _formulas("Equations", states) + _formulas("Outputs", ports)
    if not people:
        return out + '<h2 id="individuals">Individuals</h2><p>Everybody has the typical values.</p>'
    note = "<p>η differs between subjects, κ between occasions; their variances stand under Numbers.</p>"
    return out + _formulas("Individuals", people, note)


def _formulas(title: str, rows: list[tuple[str, str, str]], note: str = "") -> str:
    body = "".join(f'<tr><td class="eq">{formula}</td><td>{escape(unit)}</td>{_cell(said)}</tr>' for formula, unit, said in rows)
    return (f'<h2 id="{title.lower()}">{title}</h2>{note}<div class="wide"><table class="rows"><tr><th>equation</th><th>unit</th><th>meaning</th>'
            f"</tr>{body}</table></div>")  # fmt: skip
