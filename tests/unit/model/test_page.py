"""The HTML description: formulas are well formed, complete and need nothing from outside."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
import sympy

from ketasim import library
from ketasim.model import _mathml, assemble
from ketasim.model._trace import symbol

ENTRIES = ["perezruixo2021", "simons2022", "ketasim_reference", "generic/two_cmt"]


def formulas(page: str) -> list[ElementTree.Element]:
    """Every formula, parsed; a broken one fails here."""
    return [ElementTree.fromstring(text.replace("&#160;", " ")) for text in re.findall(r"<math .*?</math>", page)]


def words(formula: ElementTree.Element) -> str:
    return "".join(formula.itertext())


@pytest.mark.parametrize("entry", ENTRIES)
def test_page_has_a_formula_for_every_state_output_and_varied_parameter(entry: str) -> None:
    model = assemble(library.load(entry))
    page = model.describe("html")
    varied = [n for n in model.numbers.values() if n.covariates or n.iiv or n.iov]
    assert len(formulas(page)) == len(model.states) + len(model.ports) + len(varied)
    assert not re.search(r"<script|<link|src=|href=.http|url\(", page)
    for formula, (name, rate) in zip(formulas(page), model.system.rates.items(), strict=False):
        said = words(formula).replace(" ", "_")
        assert said.startswith(f"d{name.replace('_', '', 1)}dt=")
        assert all(str(s).replace("_", "", 1) in said for s in rate.free_symbols)
    assert page.count("<td>") > 20 and all(f">{name}<" in page for name in model.numbers)


def test_text_tables_keep_their_columns() -> None:
    """Longer cells go on below themselves; the last column takes what is left of the line."""
    lines = assemble(library.load("ketasim_reference")).describe().splitlines()
    table = lines[lines.index("Numbers") + 2 : lines.index("Equations") - 1]
    starts = [table[0].index(head) for head in ("unit", "meaning", "kind", "covariates", "source, place")]
    assert all(line[start - 2 : start] in ("  ", "") for line in table for start in starts)
    assert not any("derived, derived" in line or "1 + -" in line for line in lines)


def test_sources_are_written_out() -> None:
    page = assemble(library.load("otto2021")).describe("html")
    assert re.search(r'<td>otto2021</td><td class="long">Otto [^<]{40,}</td>', page)


def test_page_is_no_wider_than_a_telephone() -> None:
    """Links wrap, as words between spaces do; tables scroll in boxes of their own, where long texts and formulas keep their width."""
    page = assemble(library.load("otto2021")).describe("html")
    assert "</a> <a" in page and "</a><a" not in page
    assert page.count("<table") == page.count('<div class="wide"><table') > 0
    assert "td.eq{white-space:nowrap}" in page and 'class="long">intercompartmental' in page and "td.long{min-width" in page


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        ("a*b/(c + d)", "a·bc+d"),
        ("a - (b - c)", "a+c−b"),
        ("-a*(b + c)", "−a·(b+c)"),
        ("(a + b)**2", "(a+b)2"),
        ("exp(-a*t)", "e−a·t"),
        ("a/(b*(c + d))", "ab·(c+d)"),
        ("sqrt(a)/2", "12·a"),
        ("Max(a, 0)", "max(0,a)"),
    ],
)
def test_brackets_stand_where_they_are_needed(expression: str, shown: str) -> None:
    text = _mathml.expression(sympy.sympify(expression, locals={n: symbol(n) for n in "abcdt"}))
    assert words(ElementTree.fromstring(f"<math>{text}</math>")) == shown


def test_numbers_are_short() -> None:
    assert _mathml.expression(sympy.Float(0.1 + 0.2)) == "<mn>0.3</mn>"
    assert "−9" in _mathml.expression(sympy.Float(2.5e-9)) and "2.5" in _mathml.expression(sympy.Float(2.5e-9))


def test_factors_of_one_are_left_out() -> None:
    assert "<mn>1</mn><mo>·" not in assemble(library.load("otto2021")).describe("html")
