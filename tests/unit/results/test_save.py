"""Results as files and tables: quiet, readable by others, and the same when they come back."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pandas as pd
import pytest
import xarray as xr

import ketasim
from ketasim.results import save, to_dataframe

BRIEF = {"times": [0.0, 1.0, 2.0]}
TEXT = "esketamine nasal 56 mg"


@pytest.mark.parametrize("options", [{"n": 1}, {"n": 3}, {"n": 3, "states": True}, {"n": 3, "stream": True}])
def test_what_was_saved_comes_back_and_says_nothing(tmp_path: Path, options: dict[str, object]) -> None:
    result = ketasim.simulate(dosing=TEXT, **BRIEF, **options)  # type: ignore[arg-type]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for ending in ("zarr", "parquet", "csv", "json"):
            save(result, tmp_path / f"result.{ending}")
    assert not said
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = xr.open_datatree(tmp_path / "result.zarr", engine="zarr")
    for group in result.groups:
        xr.testing.assert_equal(found[group].to_dataset(), result[group].to_dataset())
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "result.parquet"), to_dataframe(result))


def test_json_says_null_where_nothing_is(tmp_path: Path) -> None:
    file = save(ketasim.simulate(dosing=TEXT, n=3, **BRIEF), tmp_path / "result.json")  # type: ignore[arg-type]

    def refused(word: str) -> None:
        raise AssertionError(word)

    found = json.loads(file.read_text(encoding="utf-8"), parse_constant=refused)
    assert found["concentration"]["brain_unbound"]["s_dhnk"]["0.5"] == [None, None, None]


def test_facts_of_a_streamed_cohort_are_a_table() -> None:
    table = to_dataframe(ketasim.simulate(dosing=TEXT, n=3, stream=True, **BRIEF), "subject")  # type: ignore[arg-type]
    assert table["n"].tolist() == [3]
