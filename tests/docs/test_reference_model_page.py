"""The numbers on the page of the reference model are those that are stored, and those that the model gives now."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

from ketasim import library

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


def test_counts_of_draws_with_impossible_shares_are_those_of_the_posterior() -> None:
    part = library.load("ketasim_reference")
    draws = {name: np.asarray(values) for name, values in part.info["posterior"].items()}
    f_3A4 = 1.0 - draws["f_2B6"] - draws["f_other"]
    with_ticlopidine = draws["f_2B6"] * draws["ticlopidine.A_2B6_liver"] + f_3A4
    to_hnk = draws["fm_hnk"] * draws["ratio_fm_hnk_r"]
    median = part.numbers["fm_hnk"].value * part.numbers["ratio_fm_hnk_r"].value
    text = " ".join((ROOT / "docs" / "explanation" / "reference-model.md").read_text(encoding="utf-8").split())
    assert f"above 1 in {np.sum(f_3A4 < 0)} of the {len(f_3A4):,} stored draws" in text
    assert f"{np.sum(with_ticlopidine < 0)} of them form less than none" in text
    assert f"is {median:.2f} at the medians and above 1 in {np.sum(to_hnk > 1)} draws" in text


def test_genotypes_stand_as_code() -> None:
    """Markdown takes the stars of a bare genotype for emphasis and leaves them out."""
    for page in sorted((ROOT / "docs").rglob("*.md")):
        text = re.sub(r"^```.*?^```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        assert not re.search(r"\*\d+/\*\d+", text), page.name
