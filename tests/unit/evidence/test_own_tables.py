"""Users' own tables: what is right is merged and marked, every kind of mistake gets one message that says where and what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.unit.evidence.conftest import GOOD, put

from ketasim import evidence
from ketasim.errors import InvalidData
from ketasim.evidence import TABLES

#: table, column, value, what the message says about it
WRONG_CELLS = [
    ("trials", "trial", "", "empty, but every row needs it"),
    ("trials", "disorder", "depression", "is not one of mdd, trd"),
    ("trials", "drug", "Ketamin", "is not one of racemic_ketamine"),
    ("trials", "route", "i.v.", "is not one of iv, im"),
    ("trials", "dose_unit", "mg per kilo", "does not begin with a unit ketasim knows"),
    ("trials", "infusion_min", "-40", "is below 0"),
    ("trials", "female_percent", "155", "is above 100"),
    ("trials", "age_mean", "forty", "is not a number"),
    ("trials", "weight_kg", "0.07", "is below 1"),
    ("trials", "source", "mine2025", r"no source 'mine2025'\. Close: 'mine2026'"),
    ("trials", "confidence", "sure", "is not one of read, digitised, derived, recalled"),
    ("outcomes", "arm", "ketamin", r"'ketamin' of trial 'MINE' is not in trials\.csv \(its arms: ketamine"),
    ("outcomes", "trial", "MINNE", "no such trial"),
    ("outcomes", "time_h", "-1", "is below 0"),
    ("outcomes", "sd", "-8", "is below 0"),
    ("outcomes", "mean", "15,2", "is not a number"),
    ("outcomes", "mean", "inf", "is not a finite number"),
    ("outcomes", "n", "20.5 (ITT)", "is not a number"),
    ("outcomes", "response_percent", "101", "is above 100"),
    ("outcomes", "response_percent", "42", "42 % is no whole number of 20 people.*in a row of its own"),
    ("outcomes", "other_value", "none", "is not a number.*Words go to the column 'other_value_text'"),
    ("contrasts", "value", "not significant", "Words go to the column 'value_text'"),
    ("outcomes", "scale", "", "empty"),
    ("contrasts", "kind", "rct", "is not one of trial, meta_analysis, network"),
    ("contrasts", "ci_low", "-2", "ci_low"),
    ("contrasts", "ci_high", "-20", "above ci_high"),
    ("contrasts", "value", "7.9", "outside its own interval"),
    ("safety", "value", "250", "is not a percentage"),
    ("safety", "spread", "40-12", "neither a number nor a range"),
    ("safety", "spread_type", "ci", "is not one of sd, se"),
    ("interactions", "ratio", "-1.3", "is below 0"),
    ("interactions", "ratio", "1.9", "outside its own interval"),
    ("receptor_affinity", "unit", "micro M", "does not begin with a unit"),
    ("receptor_affinity", "value", "<0.4", "is not a number"),
    ("mechanism_findings", "direction", "increase", "is not one of up, down, none"),
    ("mechanism_findings", "time_after_h", "-2", "is below 0"),
    ("pk_observations", "unit", "ngs/mL", "does not begin with a unit"),
    ("sources", "year", "26", "is below 1950"),
    ("sources", "paper", "mine2062", r"no source 'mine2062'\. Close: 'mine2026'"),
    ("sources", "how_read", "skimmed", "is not one of full_text"),
    ("sources", "how_read", "not_read", "listed as not_read"),
    ("trial_annotations", "trial", "OTHER", r"no trial 'OTHER' in trials\.csv"),
    ("trial_annotations", "field", "funding", "is not one of control_type, masking, sponsor"),
    ("risk_of_bias", "judgement", "medium", "is not one of low, some_concerns"),
    ("risk_of_bias", "domain", "sequence", "is not a domain of rob2"),
    ("analysis_sets", "kind", "women", "is not one of pooled"),
    ("holdout", "kind", "trial", "is not one of clinical"),
]


@pytest.mark.parametrize(("table", "column", "value", "said"), WRONG_CELLS, ids=lambda v: str(v)[:24])
def test_a_wrong_cell_is_named_with_file_line_column_value_and_what_is_allowed(
    folder: Path, table: str, column: str, value: str, said: str
) -> None:
    put(folder, table, GOOD[table] | {column: value})
    with pytest.raises(InvalidData) as refused:
        evidence.load(folder)
    message = str(refused.value)
    assert re.search(said, message), message
    assert column in message
    if said != "listed as not_read":  # stands at the facts, not at the source
        assert f"own/{table}.csv, line 2" in message
    assert not value or value in message.replace("'", "")


def test_what_is_right_is_merged_and_marked(folder: Path) -> None:
    own, alone = evidence.load(folder), evidence.load()
    for name in TABLES:
        merged, before = own.table(name), alone.table(name)
        new = merged[merged["origin"] == "user"]
        assert len(new) == (1 if name in GOOD else 0), name
        assert len(merged) == len(before) + len(new)
    mine = own.table("trials").iloc[-1]
    assert (mine["sponsor"], mine["rob_overall"], mine["rob_missing"]) == ("University", "low", "not assessed")
    assert "Doe J (2026). A trial." in own.citation("mine2026")


def test_ones_own_held_out_trial_is_marked_everywhere(folder: Path) -> None:
    own = evidence.load(folder)
    for name in ("trials", "outcomes", "contrasts", "safety"):
        table = own.table(name)
        assert list(table[table["origin"] == "user"]["holdout"]) == [True], name


def test_own_rows_may_stand_on_the_packages_trials_and_sources(folder: Path) -> None:
    arms = evidence.load().table("trials")
    first = arms.iloc[0]
    row = GOOD["outcomes"] | {"trial": first["trial"], "arm": first["arm"], "time_h": "1.23", "source": first["source"]}
    put(folder, "outcomes", row)
    assert list(evidence.load(folder).table("outcomes").iloc[-1][["trial", "time_h", "origin"]]) == [first["trial"], 1.23, "user"]


def test_several_folders_build_on_each_other(folder: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    put(second, "outcomes", GOOD["outcomes"] | {"time_h": "48"})
    times = evidence.load(folder, second).table("outcomes")
    assert list(times[times["origin"] == "user"]["time_h"]) == [24, 48]
    with pytest.raises(InvalidData, match="no such trial"):
        evidence.load(second)


def test_a_fact_given_twice_is_refused(folder: Path) -> None:
    put(folder, "outcomes", GOOD["outcomes"], GOOD["outcomes"])
    with pytest.raises(InvalidData, match=r"own/outcomes\.csv, line 3, the same fact stands in own/outcomes\.csv, line 2"):
        evidence.load(folder)


def test_a_fact_of_the_package_is_not_added_again(folder: Path) -> None:
    """Word for word it is the package's own row; told in another way it is refused."""
    row = evidence.load().rows("receptor_affinity")[0]
    put(folder, "receptor_affinity", row)
    assert len(evidence.load(folder).rows("receptor_affinity")) == len(evidence.load().rows("receptor_affinity"))
    put(folder, "receptor_affinity", row | {"note": "mine"})
    with pytest.raises(InvalidData, match=r"the same fact stands in mechanism/receptor_affinity\.csv, line 2"):
        evidence.load(folder)


def test_times_of_a_curve_that_run_backwards_are_refused(folder: Path) -> None:
    put(folder, "outcomes", GOOD["outcomes"], GOOD["outcomes"] | {"time_h": "4"})
    with pytest.raises(InvalidData, match=r"line 3, column 'time_h': 4 stands after 24 of the same curve"):
        evidence.load(folder)


def test_one_key_cannot_name_two_papers(folder: Path) -> None:
    sources = evidence.load().sources
    key = next(key for key, source in sources.items() if source["doi"])
    put(folder, "sources", GOOD["sources"], GOOD["sources"] | {"source": key, "doi": "10.1000/another"})
    with pytest.raises(InvalidData, match=f"source '{key}' has 10.1000/another, but .* Give the new source another key"):
        evidence.load(folder)


HEADERS = [
    ("trial,arm,colour\nA,b,red\n", r"column 'colour' is not part of the table trials"),
    ("trial,arm,diosrder,source,confidence\nA,b,trd,mine2026,read\n", r"'diosrder' .* Close: 'disorder'"),
    ("trial,arm,disorder\nA,b,trd\n", r"column 'source' is missing"),
    ("trial,trial,arm,disorder,source,confidence\nA,A,b,trd,mine2026,read\n", r"column 'trial' stands twice"),
    ("trial,arm,disorder,source,confidence\nA,b,trd,mine2026,read,more\n", r"line 2: 6 cells, but the header has 5 columns"),
    ("", r"column 'trial' is missing"),
]


@pytest.mark.parametrize(("text", "said"), HEADERS, ids=["unknown", "misspelt", "missing", "twice", "cells", "empty"])
def test_a_wrong_header_is_one_message(folder: Path, text: str, said: str) -> None:
    (folder / "trials.csv").write_text(text)
    with pytest.raises(InvalidData, match=said):
        evidence.load(folder)


def test_what_is_no_folder_of_tables_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="no such folder"):
        evidence.load(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidData, match="holds no rows of evidence"):
        evidence.load(tmp_path / "empty")
    (folder / "outcome.csv").write_text("a\n1\n")
    with pytest.raises(InvalidData, match=r"outcome\.csv: not a table of the evidence base\. Close: 'outcomes\.csv'"):
        evidence.load(folder)


def test_files_in_other_encodings_are_named(folder: Path) -> None:
    (folder / "sources.csv").write_bytes("source,how_read\nmüller2020,abstract\n".encode("latin-1"))
    with pytest.raises(InvalidData, match=r"sources\.csv: not UTF-8 \(byte 17\)"):
        evidence.load(folder)


def test_files_as_spreadsheets_write_them_are_read(folder: Path) -> None:
    """Byte-order mark, Windows line ends, blank lines, blanks around cells, another order of columns."""
    text = '\ufeffhow_read, source ,title\r\nabstract, zzz2020 ,"One, two"\r\n\r\n,,\r\n'
    (folder / "sources.csv").write_bytes((text + "full_text,mine2026,A trial\r\n").encode())
    own = evidence.load(folder)
    assert own.sources["zzz2020"]["title"] == "One, two"


def test_all_problems_come_at_once_and_a_long_list_is_cut(folder: Path) -> None:
    put(folder, "outcomes", *(GOOD["outcomes"] | {"time_h": str(k), "n": "x"} for k in range(30)))
    with pytest.raises(InvalidData, match=r"30 problems") as refused:
        evidence.load(folder)
    assert str(refused.value).endswith("... and 10 more")


def test_percentages_are_of_people(folder: Path) -> None:
    """Remission without response, or a percentage of another denominator, stands only where the row says why."""
    put(folder, "outcomes", GOOD["outcomes"] | {"response_percent": "35", "remission_percent": "45"})
    with pytest.raises(InvalidData, match="45 % in remission, but 35 % respond"):
        evidence.load(folder)
    note = "remission without response: started at 20"
    put(folder, "outcomes", GOOD["outcomes"] | {"response_percent": "35", "remission_percent": "45", "note": note})
    put(folder, "safety", GOOD["safety"] | {"n": "17", "value": "70", "note": "no whole person of 17"})
    assert evidence.check(folder)["outcomes"] == 1
    put(folder, "safety", GOOD["safety"] | {"n": "17", "value": "70"})
    with pytest.raises(InvalidData, match=r"safety\.csv, line 2, column 'value': 70 % is no whole number of 17 people"):
        evidence.load(folder)


def test_a_user_may_mark_what_is_remembered(folder: Path) -> None:
    put(folder, "trials", GOOD["trials"] | {"confidence": "recalled"})
    assert evidence.check(folder)["trials"] == 1
