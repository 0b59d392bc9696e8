"""The bibliography and the collector of citations."""

from __future__ import annotations

from pathlib import Path

import pytest

from ketasim import sources
from ketasim.errors import InvalidEntry, UnknownEntry

ENTRY = """@article{doe2031,
  author = {Doe, J and others},
  year = {2031},
  title = {Of {Braces} and, commas},
  doi = {10.1/X},
}
"""


def read(tmp_path: Path, text: str) -> object:
    file = tmp_path / "more.bib"
    file.write_text(text, encoding="utf-8")
    sources.add_bibliography(file)
    try:
        return sources.bibliography()
    finally:
        sources.remove_bibliography(file)


def test_bibliography_is_complete_enough_to_be_cited() -> None:
    known = sources.bibliography()
    assert len(known) > 60
    for key, source in known.items():
        assert source.key == key
        assert source.title, key
        assert sources.format_citation(source), key


def test_nested_braces_and_comments(tmp_path: Path) -> None:
    found = read(tmp_path, "% a comment @article{no,\n" + ENTRY)["doe2031"]  # type: ignore[index]
    assert found.title == "Of {Braces} and, commas"
    assert found.doi == "10.1/X"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ENTRY + ENTRY, "source 'doe2031' stands twice"),
        (ENTRY.replace("{2031}", "2031"), "near line 3: expected 'name = {value},'"),
        (ENTRY.replace("10.1/X},\n}", "10.1/X"), "braces of field 'doi' do not close"),
        (ENTRY.replace("doe2031", "otto2021"), "source 'otto2021' is already in the bibliography"),
    ],
)
def test_broken_bibliographies_say_where(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InvalidEntry, match=words):
        read(tmp_path, text)


def test_unknown_key_is_an_error_with_close_ones() -> None:
    with pytest.raises(UnknownEntry, match=r"no source 'oto2021' in the bibliography\. Close: 'otto2021'"):
        sources.cite("oto2021")
    with pytest.raises(UnknownEntry):
        sources.Citations().add("nobody1900")


def test_sources_of_populations_are_in_the_one_register() -> None:
    from ketasim.population import population_sources

    for key in population_sources():
        assert sources.cite(key).title
    assert sources.format_citation("fryar2025").startswith("Fryar CD, Gu Q")


def test_citation_for_readers() -> None:
    text = sources.format_citation("clements1981")
    assert text == (
        "Clements JA, Nimmo WS (1981). Pharmacokinetics and analgesic effect of ketamine in man. "
        "Br J Anaesth 53:27-30. doi:10.1093/bja/53.1.27"
    )


def test_two_keys_of_one_doi_are_one_source() -> None:
    used = sources.Citations()
    used.add("peltoniemi2012rif", "rifampicin@1: A_3A4_gut")
    used.add("otto2021", "otto2021@1: CL")
    used.extend(["peltoniemi2012_rif"], "interaction table")
    used.add("otto2021", "otto2021@1: CL")
    assert len(used) == 2
    (rifampicin, keys, reasons), (_, _, once) = used.merged()
    assert rifampicin.key == "peltoniemi2012rif"
    assert keys == ("peltoniemi2012rif", "peltoniemi2012_rif")
    assert reasons == ("rifampicin@1: A_3A4_gut", "interaction table")
    assert once == ("otto2021@1: CL",)
    assert "for: rifampicin@1: A_3A4_gut; interaction table" in str(used)
    assert used.bibtex().count("@article") == 2
