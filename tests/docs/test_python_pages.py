"""The reference of the Python packages: every public function has its place, every parameter its own entry."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

import ketasim.nca

DOCS = Path(__file__).parents[2] / "docs"


def _module(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_parameters_on_one_line_become_entries_of_their_own() -> None:
    pytest.importorskip("griffe", reason="the documentation's dependencies are not installed")
    text = "Sums.\n\nParameters\n----------\na, b : numbers. c : a word,\n    or none.\n\nReturns\n-------\nfloat, h.\n\nRaises\n------\nInvalidOption: no.\n"
    assert _module("docstrings").rewritten(text) == (
        "Sums.\n\nParameters\n----------\na\n    numbers.\nb\n    numbers.\nc\n    a word, or none.\n\n"
        "**Returns** float, h.\n\nRaises\n------\nInvalidOption\n    no.\n\n"
    )


def test_every_public_name_is_on_the_page_of_its_package() -> None:
    page = _module("generate").package_page("nca")
    for name in ketasim.nca.__all__:
        assert f"heading: {name}\n" in page or f"`{name}`" in page
