"""Tables as Excel writes them elsewhere: semicolons, decimal commas, tabs, UTF-16; alike in every place that reads a CSV file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ketasim.csvtext import SemicolonTable, as_numbers, csv_rows, plain_texts, separator_of, text_bytes, with_point
from ketasim.dose import read_events
from ketasim.errors import InvalidData
from ketasim.population import cohort_from_table
from ketasim.simulation import as_model
from ketasim.synthesis import read_pairwise

EVENTS = "ID,TIME,AMT,EVID,CMT,SEX\n1,0,1.5,1,1,male\n# a remark\n1,0.5,.,0,1,male\n,,,,,\n2,0,.25,1,1,female\n"
PEOPLE = "# from the clinic\nID,AGE,SEX,WT [lb]\n007,40,male,150.5\nanna,50.5,female,120\n"
STUDIES = "study,effect,se\nA,0.5,0.25\nB,-1.5,0.5\n"


def _as_excel(text: str) -> bytes:
    return text.replace(",", ";").replace(".", ",").replace(";,;", ";.;").encode()


FORMS = {
    "semicolon, decimal comma": (_as_excel, True),
    "semicolon, decimal point": (lambda text: text.replace(",", ";").encode(), True),
    "tab": (lambda text: text.replace(",", "\t").encode(), False),
    "UTF-16": (lambda text: text.encode("utf-16"), False),
    "UTF-16, tab, Windows line ends": (lambda text: text.replace(",", "\t").replace("\n", "\r\n").encode("utf-16"), False),
    "old Mac line ends": (lambda text: text.replace("\n", "\r").encode(), False),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("what", ["events", "people", "studies"])
def test_every_reader_takes_every_form(what: str, form: str, tmp_path: Path) -> None:
    text, (encode, says) = {"events": EVENTS, "people": PEOPLE, "studies": STUDIES}[what], FORMS[form]
    model = as_model("generic/two_cmt")
    read = {
        "events": lambda path: read_events(path, model).to_frame().drop(columns="SEX"),
        "people": lambda path: cohort_from_table(path).to_frame(),
        "studies": lambda path: read_pairwise(path, "md").effect,
    }[what]
    usual, other = tmp_path / "usual.csv", tmp_path / "other.csv"
    usual.write_text(text, encoding="utf-8")
    other.write_bytes(encode(text))
    want = read(usual)
    if says and what != "studies":
        with pytest.warns(SemicolonTable, match=r"other\.csv: read with ';' between fields"):
            found = read(other)
    else:
        found = read(other)
    assert np.array_equal(np.asarray(found), np.asarray(want)) or found.equals(want)


@pytest.mark.parametrize(
    ("rows", "message"), [("1;0;1.234,5", r"column AMT: '1\.234,5' is no number"), (";0;1", "line 2, column ID")]
)
def test_what_remains_unclear_is_refused(rows: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f"ID;TIME;AMT\n{rows}\n", encoding="utf-8")
    with pytest.warns(SemicolonTable), pytest.raises(InvalidData, match=message):
        read_events(path, as_model("generic/two_cmt"))


def test_separators_and_numbers() -> None:
    assert [separator_of(h) for h in ("ID", "ID,WT", "ID;WT [kg, lean];AGE", "ID\tWT")] == [",", ",", ";", "\t"]
    assert [with_point(c) for c in ("0,5", "-,5", "1,5e-3", "1.234,5", "1,2,3", "a,b", "5")] == ["0.5", "-.5", "1.5e-3", "1.234,5", "1,2,3", "a,b", "5"]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"\xff\xfea", "begins as UTF-16 and is damaged"), (b"a\nb\xe4", "line 2: not UTF-8 text"), (b"PK\0\0", "not a text file")],
)
def test_what_is_no_text_is_refused(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(data)
    with pytest.raises(InvalidData, match=message):
        text_bytes(path)
    with pytest.raises(InvalidData, match="is a folder; give a CSV file"):
        text_bytes(tmp_path)


def test_texts_that_a_spreadsheet_would_run_get_a_quote() -> None:
    frame = pd.DataFrame(
        {"arm": ["=cmd|x!A1", "nasal", "-2+3"], "n": [-1.0, 2.0, 3.0], "id": ["-1", "+2.5", "@x"], "=x": [1, 2, 3]}
    )
    found = plain_texts(frame)
    assert found["arm"].tolist() == ["'=cmd|x!A1", "nasal", "'-2+3"] and found["id"].tolist() == ["-1", "+2.5", "'@x"]
    assert list(found) == ["arm", "n", "id", "'=x"] and found["n"].tolist() == [-1.0, 2.0, 3.0]


def test_numbers_of_400_digits_are_none() -> None:
    assert as_numbers(pd.Series([10**400, "2", "x"], dtype=object)).isna().tolist() == [True, False, True]


def test_a_cell_without_end_is_refused() -> None:
    with pytest.raises(InvalidData, match=r"own\.csv, line 2: .*Is a quote there that is never closed"):
        list(csv_rows(["a,b\n", '1,"' + "x" * 200_000], "own.csv"))
