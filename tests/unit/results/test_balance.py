"""Benefit beside burden of the arms of a comparison."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pytest

import ketasim
from ketasim.errors import InvalidOption
from ketasim.report import balance_figure
from ketasim.results import balance_rows, balance_table
from ketasim.results._balance import _beats


@lru_cache(maxsize=1)
def arms() -> Any:
    regimens = {
        "drug": "0.5 mg/kg racemic ketamine iv over 40 min, 2/week x 1 week",
        "placebo": "placebo iv, 2/week x 1 week",
        "little": "0.02 mg/kg racemic ketamine iv over 40 min, 2/week x 1 week",
    }
    return ketasim.compare(regimens, disorder="trd", n=60, draws=8, visits=[0, 24, 168])


def test_numbers_are_those_of_the_tables() -> None:
    row = balance_rows(arms())[0]
    tree = arms()["drug"]
    response = np.asarray(tree["visit"]["response"])
    assert row["response"] == response[-1]
    assert row["days_well"] == pytest.approx(0.5 * (response[0] + response[1]) + 3.0 * (response[1] + response[2]))
    assert row["dissociation"] == float(tree["incidence"]["per_session"].sel(definition="cadss_above_4"))
    assert (row["sessions"], row["clinic_hours"]) == (2.0, 4.0)
    drawn = np.asarray(tree["draws_visit"]["change"])[:, -1]
    assert (row["change_low"], row["change_high"]) == tuple(np.quantile(drawn, [0.05, 0.95]))


def test_who_is_beaten_in_both_is_not_efficient() -> None:
    rows = {row["arm"]: row for row in balance_rows(arms())}
    for row in rows.values():
        assert row["efficient"] == (not any(_beats(other, row) for other in rows.values()))
    assert rows["drug"]["efficient"]
    worse = {"response": 0.3, "dissociation": 0.5}
    assert _beats({"response": 0.4, "dissociation": 0.5}, worse)
    assert not _beats({"response": 0.4, "dissociation": 0.6}, worse)
    assert not _beats(worse, worse)


def test_table_and_figure_have_every_arm() -> None:
    rows = balance_rows(arms())
    head, cells = balance_table(rows)
    assert {len(line) for line in cells} == {len(head)}
    figure = balance_figure(arms())
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == [row["arm"] for row in rows]


def test_without_symptoms_there_is_nothing_to_balance() -> None:
    plain = {"a": ketasim.simulate(dosing="56 mg esketamine nasal", n=1)}
    assert balance_rows(plain) == []
    with pytest.raises(InvalidOption, match="disorder"):
        balance_figure(plain)
