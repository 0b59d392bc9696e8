"""Outputs, states and clinical readings by name: in tables, streams, event tables and figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import ketasim
from ketasim.errors import InvalidOption
from ketasim.report import shown_figure
from ketasim.results import main_table, shown_rows, shown_table

NASAL, PORT, STATE = "esketamine nasal 56 mg", "C_brain_unbound_s_ketamine", "central_s"


@pytest.fixture(scope="module")
def everybody():
    return ketasim.simulate(dosing=NASAL, population="adults", n=30, show=[STATE, PORT], states=True, until=12)


def test_a_row_per_value_in_the_order_asked_for(everybody) -> None:
    table = shown_table(everybody)
    assert list(table.columns) == ["subject", "time", "name", "value", "unit"]
    assert list(table.name.unique()) == [STATE, PORT]
    assert dict(zip(table.name, table.unit, strict=True)) == {STATE: "umol", PORT: "umol/L"}
    state = table[table.name == STATE].pivot(index="subject", columns="time", values="value").to_numpy()
    np.testing.assert_array_equal(state, everybody["state"][STATE].to_numpy())
    # umol/L times g/mol is ng/mL: the port is what the site reports.
    port = table[table.name == PORT].pivot(index="subject", columns="time", values="value").to_numpy()
    np.testing.assert_allclose(port * 237.725, everybody["plasma"]["brain_unbound"].sel(analyte="s_ketamine"), rtol=2e-5)


def test_states_asked_for_by_name_are_not_all_states() -> None:
    result = ketasim.simulate(dosing=NASAL, show=[STATE], until=2)
    assert "state" not in result.children and list(result["shown"].to_dataset().data_vars) == [STATE]


def test_streamed_bands_are_those_of_everybody(everybody) -> None:
    streamed = ketasim.simulate(dosing=NASAL, population="adults", n=30, show=[STATE, PORT], stream=True, until=12, chunk=7)
    for one, other in zip(shown_rows(streamed), shown_rows(everybody), strict=True):
        # Bins are 1.1 % wide; among 30 people the ranks of quantiles lie between two of them.
        assert (one["name"], one["largest"]) == (other["name"], pytest.approx(other["largest"], rel=0.05))
    assert set(shown_table(streamed).columns) == {"quantile", "time", "name", "value", "unit"}


def test_a_course_by_name() -> None:
    result = ketasim.simulate(
        dosing=NASAL, n=20, disorder="bipolar", show=["madrs", "cadss", "mania", "occupancy_nmda", "sbp_largest"]
    )
    table = shown_table(result)
    assert list(table.name.unique()) == ["madrs", "cadss", "mania", "occupancy_nmda", "sbp_largest"]
    mania = table[table.name == "mania"]
    assert len(mania) == 20 and (mania.time.notna() == (mania.value == 1)).all()
    assert table[table.name == "madrs"].time.max() == 168.0
    rows = {row["name"]: row for row in shown_rows(result)}
    assert rows["madrs"]["last"] == pytest.approx(float(result["score"]["madrs"][:, -1].median()))
    assert [axis.get_title() for axis in shown_figure(result).axes if axis.get_visible()] == list(rows)


def test_columns_of_an_event_table() -> None:
    table = pd.DataFrame({"ID": 1, "TIME": [0.0, 1.0, 2.0], "EVID": [1, 0, 0], "AMT": [100.0, 0, 0], "CMT": [2, 0, 0]})
    result = ketasim.simulate("generic/two_cmt", table, show=["CP"])
    assert list(main_table(result).columns) == ["ID", "TIME", "CP"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"show": ["occupancy"], "disorder": "trd"}, "Close: 'occupancy_nmda'"),
        ({"show": ["C_brain_unbound_s"]}, "Close: 'C_brain_unbound_s_.*ketasim describe ketasim_reference lists"),
        ({"show": "central_s"}, r"give a list of names, e.g. \['central_s'\]"),
        ({"show": ["drug_effect"], "disorder": "trd", "stream": True}, "does not keep it"),
        ({"show": ["central_s"], "disorder": "trd", "policies": ["hold_on_pressure"]}, "planned doses"),
    ],
)
def test_what_cannot_be_shown_is_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidOption, match=words):
        ketasim.simulate(dosing=NASAL, **options)
