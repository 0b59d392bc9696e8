"""Event tables: what is read, what is refused and where, grouping, writing."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from ketasim.dose import EventData, parse, read_events, resolve, write_events
from ketasim.dose._table import _owned
from ketasim.errors import InvalidData, InvalidOption, OutputError

HEAD = "ID,TIME,AMT,RATE,EVID,CMT,ADDL,II,SS\n"


@pytest.fixture
def read(tmp_path, generic):
    def reader(text: str | bytes) -> EventData:
        path = tmp_path / "d.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_events(path, generic)

    return reader


def test_letter_case_missing_values_comments_and_names(read):
    data = read(
        "\ufeff# made by hand\n\nid,Time,amt,cmt,EVID,cl,wt,Sex,DV\n; note\n1,0,100,depot,1,5,70,M,.\nC,a comment line\n"
        "1, 2.5 ,.,NA,0,.,,M,3.2\n\n2,1:30,50,2,1,7, NA ,F,\n"
    )
    assert data.records["TIME"].tolist() == [0, 2.5, 1.5]
    assert data.records["CMT"].tolist() == [0, -1, 1]
    assert data.overrides["CL"].tolist() == [5, 5, 7]
    assert data.covariates["SEX"].tolist() == ["M", "M", "F"]
    assert np.isnan(data.covariates["WT"]).tolist() == [False, True, True]
    assert data.observations["DV"].tolist() == [3.2]
    assert data.subjects()["SEX"].tolist() == ["M", "F"]
    assert data.ids.tolist() == [1, 2] and data.n_records == 3 and len(data.table) == 3


def test_evid_is_derived_where_missing(read):
    data = read("ID,TIME,AMT,RATE,SS\n1,0,100,0,0\n1,1,0,0,0\n2,0,0,10,1\n")
    assert data.records["EVID"].tolist() == [1, 0, 1]
    assert read("ID,TIME,AMT,EVID\n1,0,5,.\n1,0,0,2\n1,1,.,.\n").records["EVID"].tolist() == [1, 2, 0]


def test_doses_without_compartment_enter_the_first(read):
    assert read("ID,TIME,AMT\n1,0,5\n1,1,.\n").records["CMT"].tolist() == [0, -1]


@pytest.mark.parametrize(
    "header", ["C,ID,TIME,AMT\n.,1,0,5\nC,1,0,5\n.,1,1,0\n", "#ID,TIME,AMT\n1,0,5\n1,1,0\n", "ID\tTIME\tAMT\n1\t0\t5\n1\t1\t.\n"]
)
def test_header_forms(read, header):
    data = read(header)
    assert data.n_records == 2 and data.covariates == {}


def test_line_endings(read):
    for end in ("\r\n", "\r", "\n"):
        assert read(f"ID,TIME,AMT{end}1,0,5{end}1,1,0{end}").n_records == 2


#: rows after HEAD -> (where, message)
BAD_ROWS = {
    "1,0,-5,0,1,1,0,0,0": ("line 2, column AMT", "'-5' is negative. Allowed: 0 or more."),
    "1,0,5,0,1,4x,0,0,0": ("line 2, column CMT", "'4x' is no compartment of generic."),
    "1,0,5,0,1,9,0,0,0": ("line 2, column CMT", "'9' is no compartment of generic. Allowed: 1 DEPOT, 2 CENT, 3 PERI"),
    "1,0,5,0,1,-2,0,0,0": ("line 2, column CMT", "'-2'"),
    "1,0,5,0,1,CENTR,0,0,0": ("line 2, column CMT", "Close: 'CENT'"),
    "1,5,5,0,1,1,0,0,0\n1,4,5,0,1,1,0,0,0": ("line 3, column TIME", "'4' is before the record above (5)"),
    "1,5,5,0,1,1,0,0,0\n1,4,0,0,3,0,0,0,0\n1,3,0,0,0,0,0,0,0": ("line 4, column TIME", "unless the record is a reset"),
    "1,0,5,0,1,1,0,0,1": ("line 2, column II", "'0' with SS above 0"),
    "1,0,5,0,1,1,3,0,0": ("line 2, column II", "'0' with ADDL above 0"),
    "1,0,five,0,1,1,0,0,0": ("line 2, column AMT", "'five' is no number"),
    "1,0,5,0,1,1,0,0,0\n2,0,5,0,1,1,0,0,0\n1,1,5,0,1,1,0,0,0": ("line 4, column ID", "two separate blocks"),
    "1,0,0,10,0,1,0,0,0": ("line 2, column RATE", "'10' stands on a record with EVID 0"),
    "1,0,5,0,0,1,0,0,0": ("line 2, column AMT", "stands on a record with EVID 0"),
    "1,0,5,0,3,1,0,0,0": ("line 2, column AMT", "stands on a record with EVID 3"),
    "1,0,5,0,1,1,1,-4,0": ("line 2, column II", "'-4' is negative"),
    "1,0,5,0,5,1,0,0,0": ("line 2, column EVID", "'5' is not allowed. Allowed: 0 observation"),
    "1,0,5,0,1.5,1,0,0,0": ("line 2, column EVID", "'1.5'"),
    ".,0,5,0,1,1,0,0,0": ("line 2, column ID", "'.' is missing"),
    "1,,5,0,1,1,0,0,0": ("line 2, column TIME", "'.' is missing"),
    "1.5,0,5,0,1,1,0,0,0": ("line 2, column ID", "no whole number"),
    "1,-1,5,0,1,1,0,0,0": ("line 2, column TIME", "'-1' is not allowed"),
    "1,inf,5,0,1,1,0,0,0": ("line 2, column TIME", "'inf'"),
    "1,0,inf,0,1,1,0,0,0": ("line 2, column AMT", "is not finite"),
    "1,0,5,-3,1,1,0,0,0": ("line 2, column RATE", "'-3' is not allowed"),
    "1,0,5,-1,1,2,0,0,0": ("line 2, column RATE", "asks for the model's rate, and generic has none for compartment 'CENT'"),
    "1,0,5,-2,1,1,0,0,0": ("line 2, column RATE", "asks for the model's duration"),
    "1,0,5,0,1,1,0,0,3": ("line 2, column SS", "'3' is not allowed"),
    "1,0,5,0,1,1,1.5,2,0": ("line 2, column ADDL", "'1.5' is no number of additional doses"),
    "1,0,0,0,1,1,0,12,1": ("line 2, column AMT", "Repeated doses need an amount"),
    "1,0,0,5,1,1,0,0,0": ("line 2, column AMT", "An infusion needs an amount"),
    "1,0,5,0,1,1,0,0": ("line 2", "8 fields, but the header has 9"),
    "1,0,5,0,1,1,0,0,0,7": ("line 2", "10 fields, but the header has 9"),
    "1,0,5,0,1,1,0,0,0\n# c\n\n1,1,x,0,1,1,0,0,0": ("line 5, column AMT", "'x' is no number"),
    "1,0,-5,0,1,1,0,0,0\n1,0,-6,0,1,1,0,0,0\n1,0,-7,0,1,1,0,0,0": ("line 2, column AMT", "(2 more rows have this.)"),
}  # fmt: skip


@pytest.mark.parametrize("rows", BAD_ROWS)
def test_bad_rows_are_named(read, rows):
    where, message = BAD_ROWS[rows]
    with pytest.raises(InvalidData) as refused:
        read(HEAD + rows + "\n")
    shown = str(refused.value)
    assert f"d.csv, {where}" in shown and message in shown, shown
    assert "\n" not in shown


def test_message_as_a_whole(read):
    with pytest.raises(InvalidData) as refused:
        read("# x\n" + HEAD + "1,0,5,0,1,1,0,0,0\n1,2,-1,0,1,1,0,0,0\n")
    assert str(refused.value).endswith("d.csv, line 4, column AMT: '-1' is negative. Allowed: 0 or more.")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("# only\n", "the file is empty"),
        (HEAD, "no records"),
        ("TIME,AMT\n0,1\n", "no column ID"),
        ("ID,TIM,AMT\n1,0,1\n", "no column TIME. Close: 'TIM'"),
        ("ID,TIME,Time\n1,0,1\n", "column TIME is there twice ('TIME' and 'Time'"),
        ("ID,TIME,\n1,0,1\n", "column 3 has no name"),
        ("ID,TIME,DATE\n1,0,20260131\n", "column DATE: '2.02601e+07' is no day. Allowed: days as 2026-01-31"),
        ("ID,TIME,DATE\n1,9:30,2026-02-30\n", "column DATE: '2026-02-30' is no number. Allowed: days as 2026-01-31"),
        ("ID,TIME,DAT1\n1,0,1\n", "column DAT1 is not read"),
        ("ID,TIME\nanna,0\n", "column ID: 'anna' is no number. Allowed: whole numbers. Number the subjects 1, 2, 3"),
        ("ID,TIME\n1,23:30\n1,0:15\n", "Past midnight clock times need a column DATE"),
        ("ID,TIME\n1,2026-01-31 23:30\n1,2\n", "line 3, column TIME: '2' stands among moments"),
        (b"ID,TIME,SEX\n1,0,m\xe4nnlich\n", "line 2: not UTF-8"),
        (b"ID,TIME\0,AMT\n", "not a text file"),
        ("ID,TIME,WT\n1,0,70\n1,1,heavy\n", "line 3, column WT: 'heavy' is text in a column that also holds numbers"),
        ("ID,TIME,AMT,V\n1,0,1,-4\n", "line 2, column V: '-4' is not allowed. Allowed: 0 to inf 1"),
        ("ID,TIME,AMT,V\n1,0,1,3\n2,0,1,.\n", "line 3, column V: '.' is missing on every record of this subject"),
    ],
)
def test_bad_files(read, content, message):
    with pytest.raises(InvalidData) as refused:
        read(content)
    assert message in str(refused.value) and "d.csv" in str(refused.value)


def test_no_file_and_directory(tmp_path, generic):
    for path, message in ((tmp_path / "none.csv", "no such file"), (tmp_path, "is a folder")):
        with pytest.raises(InvalidData, match=message):
            read_events(path, generic)


def test_constant_infusion_at_steady_state_is_legal(read):
    group = read("ID,TIME,EVID,AMT,CMT,RATE,II,ADDL,SS\n1,0,1,0,2,10,0,0,1\n").groups()[0]
    assert group.template.ss.tolist() == [1] and group.template.rate.tolist() == [[10.0]]


def test_an_infusion_may_be_given_by_its_duration(read):
    data = read("ID,TIME,AMT,RATE,tinf\n1,0,100,0,0.5\n1,4,60,20,.\n1,8,7,.,\n1,9,,,\n")
    assert data.records["RATE"].tolist() == [200, 20, 0, 0]
    assert data.groups()[0].template.duration[:, 0].tolist() == [0.5, 0, 0, 0]
    both = read("ID,TIME,AMT,RATE,TINF\n1,0,100,200,0.5\n")  # as written by write_events: they agree, and the duration is stated
    assert both.groups()[0].template.duration.tolist() == [[0.5]]
    assert data.covariates == {}
    for row, message in (
        ("100,5,0.5,1", "'0.5' stands beside a RATE that is not AMT / TINF"),
        ("100,0,-1,1", "'-1' is not allowed"),
        ("0,0,2,0", "'2' stands on a record that is no dose"),
        ("0,0,2,1", "'2' without an amount"),
    ):
        with pytest.raises(InvalidData, match=rf"line 2, column TINF: {message}"):
            read(f"ID,TIME,AMT,RATE,TINF,EVID\n1,0,{row}\n")


def test_a_parameter_named_tinf_is_the_parameter(generic):
    class Own:  # as `generic`, with one more parameter
        params = {**generic.params, "Tinf": next(iter(generic.params.values()))}
        compartments, id = generic.compartments, generic.id

    data = read_events(pd.DataFrame({"ID": 1, "TIME": [0, 1], "AMT": [10, 0], "TINF": 2.0}), Own)
    assert data.overrides["Tinf"].tolist() == [2.0, 2.0] and data.records["RATE"].tolist() == [0, 0]


def test_tables_in_memory(generic):
    frame = pd.DataFrame(
        {"id": [1, 1], "time": [0.0, 1.0], "amt": [5, None], "CMT": ["DEPOT", None], "SEX": pd.Categorical(["M", "M"])}
    )
    data = read_events(frame, generic)
    assert data.records["CMT"].tolist() == [0, -1] and data.covariates["SEX"].tolist() == ["M", "M"]
    frame["amt"] = ["5", "x"]
    with pytest.raises(InvalidData, match=r"^table, row 2, column AMT: 'x' is no number"):
        read_events(frame, generic)
    with pytest.raises(InvalidData, match="no records"):
        read_events(frame.iloc[:0], generic)


def test_groups_hold_subjects_of_one_structure(read):
    data = read(
        "ID,TIME,AMT,RATE,EVID,CMT,CL\n"
        "1,0,5,0,1,1,1\n1,1,0,0,0,.,2\n"
        "2,0,7,0,1,1,3\n2,2,0,0,0,.,4\n"
        "3,0,9,0,1,1,5\n3,1,0,0,0,.,6\n"
        "4,0,9,3,1,1,7\n4,1,0,0,0,.,8\n"
        "5,0,9,0,1,1,9\n"
    )
    groups = data.groups()
    assert [g.spans.tolist() for g in groups] == [[0, 2], [1], [3], [4]]
    template, spans, times = groups[0]
    assert template.amt.tolist() == [[5, 9], [0, 0]] and template.ids.tolist() == [1, 3] and times.tolist() == [1.0]
    assert template.overrides["CL"].tolist() == [[1, 5], [2, 6]]
    assert data.rows(spans).tolist() == [[0, 4], [1, 5]]
    assert groups[3].times.size == 0


def test_the_clock_may_start_anew_at_a_reset(read):
    data = read("ID,TIME,AMT,EVID,CMT\n1,2,5,4,1\n1,4,.,0,.\n1,2,5,4,1\n1,4,.,0,.\n1,0,.,3,.\n2,2,5,4,1\n2,4,.,0,.\n")
    assert data.starts.tolist() == [0, 5, 7] and data.ids.tolist() == [1, 2]
    assert data.spans.tolist() == [0, 2, 4, 5, 7]
    assert [g.spans.tolist() for g in data.groups()] == [[0, 3], [1], [2]]
    assert [g.template.ids.tolist() for g in data.groups()] == [[1, 2], [1], [1]]


def test_what_is_written_is_read_back(tmp_path, generic, enantiomers):
    path = tmp_path / "out.csv"
    text = "ID,TIME,AMT,RATE,EVID,CMT,ADDL,II,SS,CL,DV,WT,SEX\n1,0.1,5,0.3,1,1,2,12,0,3,.,70,M\n1,1,0,0,0,0,0,0,0,3.5,1.25,.,M\n"
    path.write_text(text)
    data = read_events(path, generic)
    write_events(data, path)
    again = read_events(path, generic)
    pd.testing.assert_frame_equal(data.to_frame(), again.to_frame())
    template = resolve(parse("56 mg, 2/week x 4 week then 10 mg esketamine iv over 40 min"), enantiomers, {}, ids=[1, 2])
    write_events(template, path, enantiomers)
    (group,) = read_events(path, enantiomers).groups()
    for name in ("time", "evid", "cmt", "amt", "rate", "duration", "ii", "addl", "ss", "ids"):
        assert np.array_equal(getattr(group.template, name), getattr(template, name)), name
    assert template.duration.max() == 40 / 60
    assert np.array_equal(group.template.overrides["n_devices"], template.overrides["n_devices"])


def test_nothing_half_written(tmp_path, generic, enantiomers):
    template = resolve(parse("56 mg"), enantiomers, {})
    with pytest.raises(InvalidOption, match="needs its model"):
        write_events(template, tmp_path / "a.csv")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_events(template, tmp_path / "file" / "a.csv", enantiomers)
    with pytest.raises(OutputError, match="is a directory"):
        write_events(template, tmp_path, enantiomers)
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_arrow_holds_no_memory_of_python() -> None:
    """One run in thirty aborted at its end: a thread of Arrow's let go of Python's bytes while Python was ending."""
    body = bytes(bytearray(b"1,2\n3,4\n"))
    before = sys.getrefcount(body)
    held = _owned(body)
    assert sys.getrefcount(body) == before and held.to_pybytes() == body
