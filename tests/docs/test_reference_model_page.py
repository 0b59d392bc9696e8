"""The numbers on the page of the reference model are those that are stored, and those that the model gives now."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["quantities", "scores", "claims"])
def test_tables_are_up_to_date(name: str) -> None:
    spec = importlib.util.spec_from_file_location("reference_model_tables", ROOT / "tools" / "reference_model_tables.py")
    assert spec
    assert spec.loader
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    text = tables.PAGE.read_text(encoding="utf-8")
    assert tables.filled(text, [name]) == text, "run: python tools/reference_model_tables.py"


def test_genotypes_stand_as_code() -> None:
    """Markdown takes the stars of a bare genotype for emphasis and leaves them out."""
    for page in sorted((ROOT / "docs").rglob("*.md")):
        text = re.sub(r"^```.*?^```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        assert not re.search(r"\*\d+/\*\d+", text), page.name
