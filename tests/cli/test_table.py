"""Tables on screens of any width: a number broken in two would be read as another one."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from ketasim.cli._table import Column, are_words, print_entries, print_table

COLUMNS = [
    Column("analyte", ["s_ketamine", "s_norketamine"], False),
    Column("Cmax", ["75.52", "149.7"], True),
    Column("Cmax 5-95 %", ["35.85 - 152.8", "73.61 - 260.7"], True),
    Column("AUC / nasal esketamine", ["0.07319", "1"], True),
    Column("remark", ["", "no fitted curve for it, as the data end before"], False),
]


def printed(width: int) -> str:
    text = StringIO()
    print_table(Console(file=text, width=width), COLUMNS, 1, "title")
    return text.getvalue()


@pytest.mark.parametrize("width", [40, 50, 80, 160])
def test_numbers_and_names_stay_whole(width: int) -> None:
    text = printed(width)
    for column in COLUMNS[:4]:
        assert all(cell in text for cell in column.cells)
    assert max(map(len, text.splitlines())) <= width and text.count("title") == 1


def test_what_does_not_fit_follows_with_the_first_column() -> None:
    assert printed(160).count("s_norketamine") == 1
    assert printed(50).count("s_norketamine") == 2
    assert printed(50).index("Cmax") < printed(50).index("esketamine")


def test_words_are_told_from_numbers() -> None:
    assert are_words(["estimated", "", "assumed"]) and are_words(["56 mg esketamine: into nasal", "-"])
    for numbers in (["75.5", "1.013e+04"], ["54 %", "2 h"], ["open", "0.0259"], ["-", ""], ["2066 - 2578"]):
        assert not are_words(numbers)


ENTRIES = [
    Column("name", ["otto2021", "bracketed[x]"], False),
    Column("title", ["S-ketamine and norketamine, intravenous, with a sentence that goes on beyond any line", "Short"], False),
    Column("analytes", ["s_ketamine, s_norketamine", ""], False),
    Column("routes", ["iv", "oral, sublingual, nasal, inhaled, and others"], False),
]


@pytest.mark.parametrize("width", [40, 60, 80])
def test_entries_in_a_narrow_window_stand_under_each_other(width: int) -> None:
    text = StringIO()
    print_entries(Console(file=text, width=width), ENTRIES)
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0] == "otto2021" and "bracketed[x]" in lines
    words = " ".join(text.getvalue().split())
    assert "analytes: s_ketamine, s_norketamine; routes: iv" in words and "a sentence that goes on beyond any line" in words


def test_entries_in_a_wide_window_are_a_table() -> None:
    text = StringIO()
    print_entries(Console(file=text, width=120), ENTRIES)
    assert text.getvalue().splitlines()[1].split() == ["name", "title", "analytes", "routes"]
