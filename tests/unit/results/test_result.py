"""Results and comparisons know their table."""

from __future__ import annotations

import pandas as pd
import pytest
import xarray as xr

import ketasim
from ketasim.errors import InvalidOption
from ketasim.results import Comparison, Result, to_dataframe


def test_a_result_is_a_tree_with_a_table() -> None:
    result = ketasim.simulate("pk/otto2021", "esketamine iv 10 mg over 40 min", n=3, times=[0, 1, 2])
    assert isinstance(result, Result) and isinstance(result, xr.DataTree)
    pd.testing.assert_frame_equal(result.to_dataframe(), to_dataframe(result))
    assert list(result.to_dataframe("subject")["subject"]) == [0, 1, 2]


def test_arms_have_one_table() -> None:
    arms = ketasim.compare({"low": "10 mg into CENT", "high": "20 mg into CENT"}, model="generic/two_cmt", times=[0, 1])
    assert isinstance(arms, Comparison) and isinstance(arms, dict)
    table = arms.to_dataframe()
    assert list(table)[:3] == ["arm", "subject", "time"] and table["arm"].tolist() == ["low", "low", "high", "high"]
    assert table["venous"][2] == pytest.approx(2 * table["venous"][0])
    with pytest.raises(InvalidOption, match=r"arm low: the result has no group 'score'"):
        arms.to_dataframe("score")
