"""RIS and BibTeX as rows of sources. Only the record was read, not the paper: ``how_read`` says so until someone reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ketasim.errors import InvalidData
from ketasim.evidence._bibtex import authors, read_entries
from ketasim.evidence._check import Row

_TAG = re.compile(r"^([A-Z][A-Z0-9])\s{1,2}-\s?(.*)$")
_NAMES = ("doi", "pmid", "nct")


def ris(text: str, file: Path) -> list[Row]:
    """Sources of an RIS file.

    Raises
    ------
    InvalidData: a line is not RIS, or the last record has no end.
    """
    rows: list[Row] = []
    fields: dict[str, list[str]] = {}
    last = ""
    for number, line in enumerate(text.splitlines(), 1):
        match = _TAG.match(line)
        if match is None:
            if line.strip() and not fields:
                raise InvalidData(f"{file}, line {number}: '{line[:40]}' is not RIS. A record begins with, e.g., 'TY  - JOUR'.")
            if line.strip():  # a long field goes on
                fields[last][-1] += " " + line.strip()
            continue
        last, value = match[1], match[2].strip()
        if last == "ER":
            rows.append(_from_ris(fields))
            fields = {}
        else:
            fields.setdefault(last, []).append(value)
    if fields:
        raise InvalidData(f"{file}: the last record has no end. Add a line 'ER  - '.")
    if not rows:
        raise InvalidData(f"{file}: no record. A record begins with 'TY  - JOUR' and ends with 'ER  - '.")
    return rows


def _from_ris(fields: Mapping[str, list[str]]) -> Row:
    def first(*tags: str) -> str:
        return next((fields[tag][0] for tag in tags if fields.get(tag)), "")

    names = fields.get("AU") or fields.get("A1") or []
    row = _source(
        names, first("PY", "Y1", "DA"), first("TI", "T1"), first("JO", "JF", "T2", "JA"), first("DO"), first("UR", "L2")
    )
    pmid = first("PM") or (first("AN") if re.fullmatch(r"\d{5,8}", first("AN")) else "")
    return row | {"pmid": pmid}


def bibtex(text: str, file: Path) -> list[Row]:
    """Sources of a BibTeX file; its keys are kept.

    Raises
    ------
    InvalidData: the file cannot be read as BibTeX, or holds no entry.
    """
    entries = read_entries(text, str(file))
    if not entries:
        raise InvalidData(f"{file}: no BibTeX entry, such as '@article{{key, ...}}'.")
    rows: list[Row] = []
    for key, entry in entries.items():
        journal = next((entry[name] for name in ("journal", "journaltitle", "booktitle", "publisher") if entry.get(name)), "")
        names = list(authors(entry.get("author", "")))
        when = entry.get("year") or entry.get("date", "")
        row = _source(names, when, entry.get("title", ""), journal, entry.get("doi", ""), entry.get("url", ""))
        pmid = entry.get("pmid", "") or (entry.get("eprint", "") if entry.get("eprinttype", "").lower() == "pubmed" else "")
        rows.append(row | {"source": key, "pmid": pmid})
    return rows


def _source(names: list[str], year: str, title: str, journal: str, doi: str, url: str) -> Row:
    found = re.search(r"(?:19|20)\d\d", year)
    name = re.sub(r"\W", "", _family(names[0]) if names else (title.split() or ["source"])[0]).lower()
    doi = re.sub(r"^(https?://(dx\.)?doi\.org/|doi:\s*)", "", doi.strip(), flags=re.I)
    when = found[0] if found else ""
    return {
        "source": f"{name}{when}", "authors": f"{names[0]} et al." if len(names) > 1 else "".join(names), "year": when,
        "title": title, "journal": journal, "doi": doi, "read_from": "" if doi else url, "how_read": "not_read",
    }  # fmt: skip


def _family(author: str) -> str:
    """Family name: what stands before the comma, else the last word that is no initial."""
    if "," in author:
        return author.split(",")[0]
    words = [word for word in author.split() if not re.fullmatch(r"[A-Z.-]{1,4}", word)]
    return words[-1] if words else author


def without_known(rows: list[Row], known: Mapping[str, Mapping[str, str]]) -> tuple[list[Row], list[str], list[str]]:
    """Rows not yet among the known sources, under keys that are free; a remark on each that is left out; one on each renamed."""
    ids = {(name, source[name].lower()): key for key, source in known.items() for name in _NAMES if source.get(name)}
    taken, kept, left_out, renamed = set(known), list[Row](), list[str](), list[str]()
    for row in rows:
        there = next(
            (ids[name, row[name].lower()] for name in _NAMES if row.get(name) and (name, row[name].lower()) in ids), None
        )
        if there is None and _same_paper(row, known.get(row["source"])):
            there = row["source"]
        if there is not None:
            left_out.append(f"'{row['title'] or row['source']}' is already there as '{there}'.")
            continue
        key = next(name for name in _free(row["source"]) if name not in taken)
        if key != row["source"]:
            renamed.append(f"the key '{row['source']}' is taken; '{row['title']}' is entered as '{key}'.")
        taken.add(key)
        ids |= {(name, row[name].lower()): key for name in _NAMES if row.get(name)}
        kept.append(row | {"source": key})
    return kept, left_out, renamed


def _same_paper(row: Row, other: Mapping[str, str] | None) -> bool:
    words = [re.sub(r"\W+", "", source["title"]).lower() for source in (row, other) if source is not None]
    return len(words) == 2 and bool(words[0]) and words[0] == words[1]


def _free(key: str) -> Iterator[str]:
    yield key
    for letter in "bcdefghijklmnopqrstuvwxyz":
        yield f"{key}{letter}"
    yield from (f"{key}_{k}" for k in range(2, 10_000))
