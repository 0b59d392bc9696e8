"""Figure of what mechanisms make of a dose."""

from __future__ import annotations

import pytest

import ketasim
from ketasim.errors import InvalidOption
from ketasim.report import readout_figure
from ketasim.results import readout_rows

DOSE = "10 mg/kg {} ip"


def test_arms_are_colours_and_outputs_are_dashes() -> None:
    arms = {drug: DOSE.format(drug) for drug in ("esketamine", "arketamine")}
    results = ketasim.compare(arms, model="cascade/mouse", n=1, until=72)
    figure = readout_figure(results)
    axis = next(a for a in figure.axes if a.get_title().startswith("glutamate"))
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["glutamate", "AMPA"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(arms)
    assert axis.get_xscale() == "symlog", "minutes and days of one dose"
    assert {row["name"] for row in readout_rows(results["arketamine"])} >= {"microglia", "synaptic_strength"}


def test_outputs_of_another_model_get_a_panel_each_and_none_is_refused() -> None:
    people = {"population": "adults", "n": 5, "seed": 1}
    one = ketasim.simulate("ketasim_reference+mechanism/nmda_block", "0.5 mg/kg racemic ketamine iv over 40 min", **people)
    assert [axis.get_title() for axis in readout_figure(one).axes if axis.axison] == ["occupancy_nmda"]
    [row] = readout_rows(one)
    assert 0.1 < row["extreme"] < 0.4 and row["start"] == 0 and 0.5 < row["at"] < 1.0
    with pytest.raises(InvalidOption, match="no output of a mechanism"):
        readout_figure(ketasim.simulate("ketasim_reference", "0.5 mg/kg racemic ketamine iv over 40 min"))
