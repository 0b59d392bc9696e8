"""The register of sources: one bibliography, and a collector of what a run rests on.

Reads citations; makes none up: a key that is not in the bibliography is an error.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

from ketasim.errors import InvalidEntry, UnknownEntry, close_names

_LIBRARY = Path(__file__).parent / "library"
#: ketasim's own bibliography: BibTeX, and the table beside the populations, whose sources no model shares.
CORE_BIBLIOGRAPHIES = (_LIBRARY / "sources.bib", _LIBRARY / "population" / "sources.csv")

_added: list[Path] = []
_NAMED_FIELDS = ("author", "year", "title", "journal", "doi", "pmid", "url", "how_read")
_ENTRY = re.compile(r"@(\w+)\s*\{\s*([^,\s{}]+)\s*,")


@dataclass(frozen=True, slots=True)
class Source:
    """One source.

    Attributes
    ----------
    key : as numbers name it. kind : BibTeX entry type. how_read : ``full_text``, ``table``, ``abstract``, ``label``,
        ``registry_results``, ``secondary`` (another page that quotes it) or empty.
    fields : every field of the entry, by name.
    """

    key: str
    kind: str
    author: str = ""
    year: str = ""
    title: str = ""
    journal: str = ""
    doi: str = ""
    pmid: str = ""
    url: str = ""
    how_read: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """What makes two keys one source: DOI, else PubMed id, else the key."""
        return f"doi:{self.doi.lower()}" if self.doi else f"pmid:{self.pmid}" if self.pmid else f"key:{self.key}"

    @property
    def address(self) -> str:
        """Where it is found, as printed: DOI, else PubMed id, else URL; empty where none is known."""
        return f"doi:{self.doi}" if self.doi else f"PMID {self.pmid}" if self.pmid else self.url

    @property
    def link(self) -> str:
        """Web address of the same; empty where none is known.

        Examples
        --------
        >>> cite("otto2021").link.startswith("https://doi.org/10.")
        True
        """
        if self.doi:
            return f"https://doi.org/{quote(self.doi)}"
        if self.pmid:
            return f"https://pubmed.ncbi.nlm.nih.gov/{self.pmid}/"
        return self.url if self.url.startswith(("https://", "http://")) else ""


def add_bibliography(path: str | Path) -> None:
    """Read a further file, e.g. that of a pack: BibTeX, or CSV with the columns source, authors, year, title, journal, doi."""
    if Path(path) not in _added:
        _added.append(Path(path))


def remove_bibliography(path: str | Path) -> None:
    """Stop reading a further file."""
    if Path(path) in _added:
        _added.remove(Path(path))


def bibliography() -> Mapping[str, Source]:
    """All sources by key: ketasim's own and those of packs in use.

    Raises
    ------
    InvalidEntry: a file cannot be read, or a key stands twice.
    """
    found: dict[str, Source] = {}
    for path in (*CORE_BIBLIOGRAPHIES, *_added):
        for key, source in _read(path, path.stat().st_mtime_ns if path.is_file() else 0).items():
            if key in found:
                raise InvalidEntry(
                    f"{path.name}: source '{key}' is already in the bibliography ('{found[key].title}'). Use another key."
                )
            found[key] = source
    return found


def cite(key: str) -> Source:
    """Source of a key.

    Raises
    ------
    UnknownEntry: the key is not in the bibliography.

    Examples
    --------
    >>> cite("otto2021").year
    '2021'
    """
    known = bibliography()
    if key not in known:
        raise UnknownEntry(f"no source '{key}' in the bibliography.{close_names(key, known)} Add it to sources.bib.")
    return known[key]


def format_citation(source: Source | str) -> str:
    """A source as one line for readers.

    Examples
    --------
    >>> format_citation("fanta2015")[:24]
    'Fanta S et al. (2015). P'
    """
    found = cite(source) if isinstance(source, str) else source
    authors = [_plain_name(name) for name in found.author.split(" and ") if name]
    who = ", ".join("et al." if name == "others" else name for name in authors).replace(", et al.", " et al.")
    where = " ".join(part for part in (found.journal, _volume(found)) if part)
    parts = (f"{who} ({found.year})" if found.year and who else who or found.year, found.title, where, found.address)
    return ". ".join(part.rstrip(".") if i == 1 else part for i, part in enumerate(parts) if part)


def _plain_name(name: str) -> str:
    """``Fanta, S`` in print is ``Fanta S``; names in braces are kept whole."""
    return name.strip("{}") if name.startswith("{") else name.replace(", ", " ")


def _volume(source: Source) -> str:
    volume, pages = source.fields.get("volume", ""), source.fields.get("pages", "").replace("--", "-")
    return f"{volume}:{pages}" if volume and pages else volume or pages


@dataclass
class Citations:
    """What a run rests on: sources and why each is cited; two keys of one paper become one line.

    Examples
    --------
    >>> used = Citations()
    >>> used.add("otto2021", "otto2021@1: CL")
    >>> len(used.merged())
    1
    """

    reasons: dict[str, list[str]] = field(default_factory=dict)

    def add(self, key: str, reason: str = "") -> None:
        """Cite a source; an unknown key is an error here, not when the list is printed."""
        cite(key)
        known = self.reasons.setdefault(key, [])
        if reason and reason not in known:
            known.append(reason)

    def extend(self, keys: Iterable[str], reason: str = "") -> None:
        """Cite several sources for one reason."""
        for key in keys:
            self.add(key, reason)

    def merged(self) -> list[tuple[Source, tuple[str, ...], tuple[str, ...]]]:
        """(source, its keys, reasons), in order of first use; keys of one DOI or PubMed id together."""
        groups: dict[str, list[str]] = {}
        for key in self.reasons:
            groups.setdefault(cite(key).identity, []).append(key)
        return [
            (cite(keys[0]), tuple(keys), tuple(dict.fromkeys(reason for key in keys for reason in self.reasons[key])))
            for keys in groups.values()
        ]

    def bibtex(self) -> str:
        """The cited sources as BibTeX."""
        return "\n".join(_bibtex(source) for source, _, _ in self.merged())

    def __iter__(self) -> Iterator[Source]:
        return (source for source, _, _ in self.merged())

    def __len__(self) -> int:
        return len(self.merged())

    def __str__(self) -> str:
        lines = []
        for source, _, reasons in self.merged():
            lines.append(f"{format_citation(source)}" + (f"\n    for: {'; '.join(reasons)}" if reasons else ""))
        return "\n".join(lines)


def _bibtex(source: Source) -> str:
    body = "".join(f"  {name} = {{{value}}},\n" for name, value in source.fields.items())
    return f"@{source.kind}{{{source.key},\n{body}}}\n"


@lru_cache(maxsize=16)
def _read(path: Path, changed: int) -> Mapping[str, Source]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidEntry(f"bibliography '{path.name}' cannot be read: {error}.") from None
    return _read_table(text) if path.suffix == ".csv" else read_bibtex(text, path.name)


def _read_table(text: str) -> Mapping[str, Source]:
    """Sources of a table; its authors are one text, kept whole."""
    found: dict[str, Source] = {}
    for row in csv.DictReader(io.StringIO(text)):
        fields = {name: value.strip() for name, value in row.items() if name and value and value.strip()}
        key, authors = fields.pop("source"), fields.pop("authors", "")
        fields |= {"author": f"{{{authors}}}"} if authors else {}
        found[key] = Source(key, "misc", *(fields.get(name, "") for name in _NAMED_FIELDS), fields=fields)
    return found


def read_bibtex(text: str, name: str) -> Mapping[str, Source]:
    """Sources of a BibTeX text by key; `name` stands in messages.

    Raises
    ------
    InvalidEntry: braces do not close, or a key stands twice.
    """
    text = re.sub(r"(?m)^\s*%.*$", "", text)
    found: dict[str, Source] = {}
    for match in _ENTRY.finditer(text):
        kind, key = match.group(1).lower(), match.group(2)
        fields = dict(_fields(text, match.end(), f"{name}, entry '{key}'"))
        if key in found:
            raise InvalidEntry(f"{name}: source '{key}' stands twice.")
        found[key] = Source(key, kind, *(fields.get(field_name, "") for field_name in _NAMED_FIELDS), fields=fields)
    return found


def _fields(text: str, start: int, where: str) -> Iterator[tuple[str, str]]:
    """Fields ``name = {value}`` up to the brace that closes the entry; braces inside values nest."""
    position = start
    while True:
        match = re.compile(r"\s*(?:\}|(\w+)\s*=\s*\{)").match(text, position)
        if match is None:
            line = text[:position].count("\n") + len(text[position:]) - len(text[position:].lstrip("\n")) + 1
            raise InvalidEntry(f"{where}: near line {line}: expected 'name = {{value}},' or a closing brace.")
        if match.group(1) is None:
            return
        depth, end = 1, match.end()
        while depth:
            if end >= len(text):
                raise InvalidEntry(f"{where}: the braces of field '{match.group(1)}' do not close.")
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        yield match.group(1).lower(), " ".join(text[match.end() : end - 1].split())
        position = re.compile(r"\s*,?").match(text, end).end()  # type: ignore[union-attr]
