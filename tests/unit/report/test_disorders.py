"""One course in several disorders: a panel and a row each, with how certain it is."""

from __future__ import annotations

import pytest

import ketasim
from ketasim.errors import InvalidOption
from ketasim.report import disorders_figure, disorders_rows


@pytest.fixture(scope="module")
def courses():
    arms = {"placebo": "placebo", "ketamine": "0.5 mg/kg racemic ketamine iv over 40 min"}
    return {
        name: ketasim.compare(arms, disorder=name, population="adults", n=4, seed=1, draws=2, visits=[0.0, 1.0, 24.0])
        for name in ("bipolar", "aws")
    }


def test_every_disorder_has_a_panel_and_a_row_with_its_certainty(courses) -> None:
    figure, rows = disorders_figure(courses), disorders_rows(courses)
    panels = [axis for axis in figure.axes if axis.lines]
    assert [row["disorder"] for row in rows] == ["bipolar", "aws"] and len(panels) == 2
    for row, panel in zip(rows, panels, strict=True):
        assert row["certainty"] in " ".join(panel.get_title().split())
        assert row["with"] - row["without"] == pytest.approx(row["change"]) and row["change_low"] <= row["change_high"]
    assert "no controlled data" in rows[1]["certainty"]
    assert "chance that the drug does nothing" in rows[0]["certainty"]
    assert len(panels[0].lines) == 3, "two arms and the line of no change"


def test_what_holds_no_courses_is_refused(courses) -> None:
    for make in (disorders_figure, disorders_rows):
        with pytest.raises(InvalidOption, match="give disorder -> arm -> result"):
            make({})
        with pytest.raises(InvalidOption):
            make({"trd": {"ketamine": ketasim.simulate(dosing="esketamine iv 20 mg over 40 min", times=[0.0, 1.0])}})
