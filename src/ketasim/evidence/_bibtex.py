"""Reads BibTeX as reference managers write it: braces, quotes, bare numbers, @string names, accents of LaTeX."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from ketasim.errors import InvalidData

#: key of the entry -> its fields, names in lower case.
Entries = dict[str, dict[str, str]]

_MARKS = {"`": "\u0300", "'": "\u0301", "^": "\u0302", "~": "\u0303", '"': "\u0308", "=": "\u0304", ".": "\u0307", "c": "\u0327",
          "v": "\u030c", "u": "\u0306", "H": "\u030b", "r": "\u030a", "k": "\u0328"}  # fmt: skip
_LETTERS = {
    "ss": "ß",
    "o": "ø",
    "O": "Ø",
    "ae": "æ",
    "AE": "Æ",
    "oe": "œ",
    "OE": "Œ",
    "aa": "å",
    "AA": "Å",
    "l": "ł",
    "L": "Ł",
    "i": "i",
}
_NAME = re.compile(r"\s*([\w:.+/-]+)\s*=\s*")
_BARE = re.compile(r"[\w:.+/-]+")
_MONTHS = dict.fromkeys(("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), "")


def read_entries(text: str, file: str) -> Entries:
    """Entries of a BibTeX text, comments and preambles passed over.

    Raises
    ------
    InvalidData: an entry does not end, a field is not ``name = value``, or a key stands twice; the message names the line.
    """
    found: Entries = {}
    words = dict(_MONTHS)
    position = 0
    while match := re.compile(r"@\s*(\w+)\s*[{(]").search(text, position):
        kind, position = match[1].lower(), match.end()
        if kind in ("comment", "preamble"):
            continue
        where = f"{file}, line {text.count(chr(10), 0, match.start()) + 1}"
        if kind == "string":
            fields, position = _fields(text, position, where, words)
            words |= fields
            continue
        key = re.compile(r"\s*([^\s,{}=]+)\s*,").match(text, position)
        if key is None:
            raise InvalidData(f"{where}: the entry has no key. It begins with, e.g., '@article{{doe2020,'.")
        fields, position = _fields(text, key.end(), where, words)
        if key[1] in found:
            raise InvalidData(f"{where}: the key '{key[1]}' stands twice. Give each entry its own.")
        found[key[1]] = {name: plain(value) for name, value in fields.items()}
    return found


def _fields(text: str, position: int, where: str, words: dict[str, str]) -> tuple[dict[str, str], int]:
    """Fields up to the bracket that closes the entry, and where it ends."""
    fields: dict[str, str] = {}
    while True:
        end = re.compile(r"\s*,?\s*[})]").match(text, position)
        if end is not None:
            return fields, end.end()
        name = _NAME.match(text, position + len(re.compile(r"\s*,?").match(text, position)[0]))  # type: ignore[index]
        if name is None:
            raise InvalidData(f"{where}: this entry holds something that is no 'name = {{value}}', or does not end with '}}'.")
        parts, position = _value(text, name.end(), f"{where}, field '{name[1]}'", words)
        fields[name[1].lower()] = " ".join("".join(parts).split())


def _value(text: str, position: int, where: str, words: dict[str, str]) -> tuple[list[str], int]:
    """Parts of a value, which ``#`` joins, and where it ends."""
    parts: list[str] = []
    while True:
        if text[position : position + 1] in ("{", '"'):
            end = _closing(text, position, where)
            parts.append(text[position + 1 : end])
            position = end + 1
        elif bare := _BARE.match(text, position):
            parts.append(words.get(bare[0].lower(), bare[0]))
            position = bare.end()
        else:
            raise InvalidData(f"{where}: has no value. Write name = {{value}}.")
        more = re.compile(r"\s*#\s*").match(text, position)
        if more is None:
            return parts, position
        position = more.end()


def _closing(text: str, start: int, where: str) -> int:
    """Place of the brace or quote that ends the value which begins at `start`; braces inside nest."""
    quoted, depth = text[start] == '"', 0
    for k in range(start + (1 if quoted else 0), len(text)):
        if text[k - 1 : k] == "\\" and k > start + 1:
            continue
        if quoted and depth == 0 and text[k] == '"':
            return k
        depth += {"{": 1, "}": -1}.get(text[k], 0)
        if depth == 0 and not quoted:
            return k
    raise InvalidData(f"{where}: the {'quote' if quoted else 'brace'} does not close.")


def plain(text: str) -> str:
    """Text without the commands of LaTeX: accents become letters, braces go."""
    text = re.sub(r"\\([`'^~\"=.]|[cvuHrk](?![a-zA-Z]))\s*\{?\s*(\\?[a-zA-Z])\}?", _accented, text)
    text = re.sub(r"\\([a-zA-Z]{1,2})(?![a-zA-Z])\s*(\{\})?", lambda m: _LETTERS.get(m[1], m[0]), text)
    text = re.sub(r"\\([&%$#_{}])", r"\1", text)
    text = re.sub(r"\\(?:emph|textit|textbf|textsuperscript|mathrm)\b", "", text)
    return unicodedata.normalize("NFC", " ".join(re.sub(r"[{}]", "", text).replace("~", " ").split()))


def _accented(match: re.Match[str]) -> str:
    return unicodedata.normalize("NFC", match[2].removeprefix("\\") + _MARKS[match[1]])


def authors(text: str) -> Iterator[str]:
    """Names between ``and``."""
    yield from (name for name in re.split(r"\s+and\s+", text) if name)
