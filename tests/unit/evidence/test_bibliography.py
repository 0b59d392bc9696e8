"""Import of RIS and BibTeX: entries become sources that nobody has read yet, each paper once, under a key that is free."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.evidence.conftest import GOOD, put

from ketasim import evidence
from ketasim.errors import InvalidData, OutputError
from ketasim.evidence import Imported
from ketasim.evidence._bibtex import plain, read_entries

RIS = """\
TY  - JOUR
AU  - Doe, Jane
AU  - Roe, Richard
PY  - 2031/05/01
TI  - An invented trial
JO  - J Invented Res
DO  - https://doi.org/10.1000/invented.1
ER  -

TY  - JOUR
A1  - Doe, Jane
Y1  - 2031
T1  - Another invented trial: with a title
      that goes on
AN  - 12345678
UR  - https://example.org/another
ER  -
"""
BIBTEX = r"""
% a comment
@comment{kept for a program}
@string{ji = "J Invented Res"}
@article{mueller2031,
  author = {M{\"u}ller, J. and Ga{\'\i}n, Børge and others},
  title = "{An} invented trial of {K}etamine \& others",
  journal = ji # { B},
  year = 2031, month = jan, doi={10.1000/invented.3}
}
@Online(page1, title={A page}, url={https://example.org/a_b}, date = {2030-02-01})
"""


def bring(tmp_path: Path, text: str, name: str) -> Imported:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return evidence.import_record(file, tmp_path / "own")


def sources(tmp_path: Path) -> dict[str, dict[str, str]]:
    loaded = evidence.load(tmp_path / "own")
    frame = loaded.table("sources")
    return {key: loaded.sources[key] for key in frame[frame["origin"] == "user"]["source"]}


def test_ris(tmp_path: Path) -> None:
    assert bring(tmp_path, RIS, "a.ris").added == {"sources": 2}
    first, second = sources(tmp_path).values()
    assert first == {
        "source": "doe2031", "authors": "Doe, Jane et al.", "year": "2031", "title": "An invented trial", "journal": "J Invented Res",
        "doi": "10.1000/invented.1", "pmid": "", "nct": "", "read_from": "", "how_read": "not_read",
        "paper": "",
    }  # fmt: skip
    assert (second["source"], second["pmid"], second["read_from"]) == ("doe2031b", "12345678", "https://example.org/another")
    assert second["title"] == "Another invented trial: with a title that goes on"


def test_bibtex(tmp_path: Path) -> None:
    assert bring(tmp_path, BIBTEX, "a.bib").added == {"sources": 2}
    found = sources(tmp_path)
    assert found["mueller2031"] == {
        "source": "mueller2031", "authors": "Müller, J. et al.", "year": "2031", "title": "An invented trial of Ketamine & others",
        "journal": "J Invented Res B", "doi": "10.1000/invented.3", "pmid": "", "nct": "", "read_from": "", "how_read": "not_read",
        "paper": "",
    }  # fmt: skip
    assert (found["page1"]["year"], found["page1"]["read_from"]) == ("2030", "https://example.org/a_b")


def test_what_is_there_is_not_entered_again(tmp_path: Path) -> None:
    bring(tmp_path, RIS, "a.ris")
    again = bring(tmp_path, RIS, "a.ris")
    assert again.added == {}
    assert again.left_out[0] == "'An invented trial' is already there as 'doe2031'."
    key, doi = next((key, source["doi"]) for key, source in evidence.load().sources.items() if source["doi"])
    known = bring(tmp_path, f"TY  - JOUR\nTI  - Known\nDO  - {doi.upper()}\nER  - \n", "known.ris")
    assert known.left_out == (f"'Known' is already there as '{key}'.",)


def test_a_key_of_another_paper_is_not_taken_over(tmp_path: Path) -> None:
    known = evidence.load().sources
    key = next(key for key in known if f"{key}b" not in known)
    done = bring(tmp_path, f"@article{{{key}, title={{An invented title}}, year={{2031}}}}", "a.bib")
    assert done.remarks == (f"the key '{key}' is taken; 'An invented title' is entered as '{key}b'.",)
    assert set(sources(tmp_path)) == {f"{key}b"}


def test_no_fact_may_rest_on_an_entry_that_nobody_read(tmp_path: Path) -> None:
    bring(tmp_path, RIS, "a.ris")
    put(tmp_path / "own", "trials", GOOD["trials"] | {"source": "doe2031"})
    with pytest.raises(InvalidData, match=r"'doe2031' is listed as not_read\. Say in sources\.csv"):
        evidence.load(tmp_path / "own")


REFUSED = [
    ("a.ris", "hello\n", r"a\.ris, line 1: 'hello' is not RIS"), ("a.ris", "", "no record"),
    ("a.ris", "TY  - JOUR\nTI  - x\n", "the last record has no end"), ("a.bib", "", "no BibTeX entry"),
    ("a.bib", "\n@article{a, title={x}\n", r"a\.bib, line 2: this entry holds something that is no 'name = \{value\}', or does not end"),
    ("a.bib", "@article{a title={x}}", "line 1: the entry has no key"), ("a.bib", "@misc{a, title=}", "field 'title': has no value"),
    ("a.bib", "@misc{a, title={x}", "does not end"), ("a.bib", "@misc{a, title={x", "the brace does not close"),
    ("a.bib", '@misc{a, title="x}', "the quote does not close"), ("a.bib", "@misc{a, year=1}\n@misc{a, year=2}", "line 2: the key 'a' stands twice"),
    ("a.txt", "x", r"unknown ending '\.txt'\. Import \.json"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "said"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_read_is_one_message_and_leaves_nothing(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(InvalidData, match=said):
        bring(tmp_path, text, name)
    assert not (tmp_path / "own").exists()


def test_places_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"gone\.bib: cannot be read \(No such file"):
        evidence.import_record(tmp_path / "gone.bib", tmp_path / "own")
    (tmp_path / "own").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        bring(tmp_path, RIS, "a.ris")
    (tmp_path / "latin.ris").write_bytes("TY  - JOUR\nAU  - Müller".encode("latin-1"))
    with pytest.raises(InvalidData, match="not UTF-8, byte 18"):
        evidence.import_record(tmp_path / "latin.ris", tmp_path / "other")


LATEX = {r"M{\"u}ller": "Müller", r"M\"uller": "Müller", r"Ga{\'\i}n": "Gaín", r"Fran{\c c}ois": "François", r"{\O}sterg{\aa}rd": "Østergård",
         r"Stra{\ss}e": "Straße", r"A \& B 50\%": "A & B 50%", r"\emph{in vivo}": "in vivo", "{NMDA}~receptor": "NMDA receptor",
         r"Nov{\'a}k{\v{c}}": "Novákč", r"\textit{R}-ketamine": "R-ketamine"}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), LATEX.items(), ids=LATEX)
def test_commands_of_latex(text: str, expected: str) -> None:
    assert plain(text) == expected


@given(st.text('ab{}"\\#@,= \n(é', max_size=60))
def test_any_text_gives_entries_or_one_message(text: str) -> None:
    try:
        entries = read_entries(f"@article{{k, title = {text}}}", "f.bib")
    except InvalidData:
        return
    assert all(isinstance(value, str) for fields in entries.values() for value in fields.values())


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.text("abc XYZ0-9.,;()éß", max_size=30), max_size=5))
def test_what_is_written_is_read(fields: dict[str, str]) -> None:
    text = "@article{key1,\n" + ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items()) + "\n}\n"
    assert read_entries(text, "f.bib") == {"key1": {name: " ".join(value.split()) for name, value in fields.items()}}
