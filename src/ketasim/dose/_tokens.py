"""Words of a dose text with their places, so that every refusal can point at one.

Also the vocabulary: what each word or group of words stands for.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

from ketasim.errors import InvalidRegimen

_DRUG_WORDS = {
    "racemic_ketamine": (
        "racemic ketamine", "racemic_ketamine", "racemic", "rac-ketamine", "rs-ketamine", "racemate", "ketamine",
        "ketamine racemate",
    ),
    "esketamine": ("esketamine", "s-ketamine", "s ketamine", "s_ketamine"),
    "arketamine": ("arketamine", "r-ketamine", "r ketamine", "r_ketamine"),
}  # fmt: skip
_ROUTE_WORDS = {
    "iv": ("iv", "intravenous", "intravenously"),
    "im": ("im", "intramuscular", "intramuscularly"),
    "sc": ("sc", "subcutaneous", "subcutaneously", "subcut", "subq"),
    "nasal": ("nasal", "nasally", "intranasal", "intranasally"),
    "oral": ("oral", "orally", "po", "by mouth"),
    "oral_prolonged_release": (
        "oral prolonged-release", "oral prolonged release", "oral_prolonged_release", "prolonged-release oral",
        "prolonged release oral",
        "prolonged-release", "prolonged release", "extended-release", "extended release",
    ),
    "sublingual": ("sublingual", "sublingually", "sl"),
    "buccal": ("buccal", "buccally"),
    "rectal": ("rectal", "rectally"),
    "inhaled": ("inhaled", "inhalation", "by inhalation"),
    "ip": ("ip", "intraperitoneal", "intraperitoneally"),
}  # fmt: skip
_FORM_WORDS = {
    "hydrochloride": ("hydrochloride", "hcl", "as hydrochloride", "as hcl", "as the hydrochloride"),
    "base": ("base", "as base", "as the base", "free base", "as free base"),
}


@dataclass(frozen=True)
class Brand:
    """What the label of a brand says: the drug, the route where there is one, and what its strength counts."""

    drug: str
    route: str
    note: str


#: Brands whose labels give the strength as base. Sources: US labels of Spravato and Ketalar (How Supplied),
#: German Fachinformation of Ketanest S (section 2).
BRANDS: Final[Mapping[str, Brand]] = {
    "spravato": Brand(
        "esketamine", "nasal",
        "Spravato is esketamine nasal spray, labelled in mg of base (a device of 28 mg holds 32.3 mg of hydrochloride)",
    ),
    "ketalar": Brand(
        "racemic_ketamine", "",
        "Ketalar is racemic ketamine, labelled in mg of base (10 mg are 11.53 mg of hydrochloride)",
    ),
    "ketanest s": Brand(
        "esketamine", "",
        "Ketanest S is esketamine, labelled in mg of base (5 mg are 5.77 mg of hydrochloride)",
    ),
}  # fmt: skip
_BRAND_WORDS = {name: (name, name.replace(" ", "-")) for name in BRANDS}

#: Words that read well and say nothing: "56 mg of esketamine by nasal spray".
FILLERS: Final = frozenset(
    (
        "of", "a", "an", "as", "the", "dose", "doses", "given", "administered", "injection", "infused", "spray", "via", "by",
        "device", "devices", "tablet", "tablets", "capsule", "solution", "each", "stat", "-", ",",
    )
)  # fmt: skip

#: Group of words -> (what it gives, value).
PHRASES: Final[Mapping[str, tuple[str, str]]] = {
    words: (kind, value)
    for kind, table in (
        ("drug", _DRUG_WORDS), ("route", _ROUTE_WORDS), ("form", _FORM_WORDS), ("brand", _BRAND_WORDS),
    )
    for value, group in table.items()
    for words in group
}  # fmt: skip
KEYWORDS: Final = (
    "over", "bolus", "infusion", "every", "daily", "weekly", "once", "twice", "single", "for", "on days", "starting", "after",
    "max", "round to", "then", "into", "except", "week", "day", "weeks", "days", "hours", "minutes",
)  # fmt: skip
_LONGEST = max(words.count(" ") + 1 for words in PHRASES)

#: Characters of one regimen's text that are read, and the largest number in it.
_CHARACTERS, _LARGEST = 20_000, 1e12
_TOKEN = re.compile(
    r"(?P<number>(?:\d+(?:\.\d+)?|\.\d+)(?:e[+-]?\d+)?)"
    r"|(?P<times>[x×](?=\s*\d))"
    r"|(?P<dotted>[a-z](?:\.(?:[a-z]|\d+))+\.?(?!\w))"
    r"|(?P<word>[^\W\d](?:\w|-(?=[^\W\d]))*)"
    r"|(?P<mark>[-+/(),:;*–%])",
    re.IGNORECASE,
)
_NUMBERS: Final = {
    word: str(k)
    for k, word in enumerate(
        ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), start=1
    )
}  # fmt: skip
#: Spellings that the words of the grammar would break apart. What stands for them has the same length, so that places stay right.
_ENANTIOMER = re.compile(
    r"(?<!\w)(?:\((?P<a>[RS])\)|(?P<b>[RS])\s?\([-+−–]\)|(?P<c>[RS])[+−–]|\((?P<sign>[-+−–])\))[-\s]?ketamine", re.IGNORECASE
)
_RACEMATE = re.compile(r"(?<!\w)(?:\((?:R\W{0,2}S|S\W{0,2}R|±)\)|R[,/]S|S[,/]R|±)[-\s]?ketamine", re.IGNORECASE)
_PER = re.compile(r"(?<=[a-zµμ1¹])(?:\s?[·⋅∙.*]\s?|\s)(?P<unit>kg|h|hr|min)(?:\^?[-−–]1(?!\d)|⁻¹)", re.IGNORECASE)

#: Shown by ``ketasim events --help``.
GRAMMAR: Final = """Words of a regimen, in any order:
  amount    56 mg | 0.5 mg/kg | 0.27 mg/kg/h over 2 h | 10 ug/kg/min over 40 min
  drug      racemic ketamine (or ketamine) | esketamine | arketamine; 'as hydrochloride' or 'as base'
  route     iv | im | sc | nasal | oral | oral prolonged-release | sublingual | buccal | rectal | inhaled | ip
  time      over 40 min | bolus
  limits    max 80 mg | round to 28 mg
  schedule  2/week x 4 week | daily x 7 | every 2 day x 5 | on days 1, 4, 7 | at 0, 12 h | single
  missed    except dose 3 | except doses 3 and 5
  start     starting day 2 | after 3 day
Join doses by 'then' (one after the other) or '+' (on one clock); parentheses hold a session."""


@dataclass(frozen=True, slots=True)
class Token:
    """A word, number or mark: `word` in lower case, `raw` as typed, its place in the text."""

    kind: str
    word: str
    raw: str
    start: int
    end: int


def fail(text: str, start: int, end: int, message: str, hint: str = "") -> NoReturn:
    """Refuse with the text and a mark under the words that are meant; `hint` is a last line.

    Raises
    ------
    InvalidRegimen: always.
    """
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", start)
    line = text[line_start : line_end if line_end >= 0 else len(text)]
    mark = " " * (start - line_start) + "^" * max(1, min(end, line_start + len(line)) - start)
    raise InvalidRegimen(f"dose text: {message}\n  {line}\n  {mark}\n{hint}".rstrip())


class Misspelt(InvalidRegimen):
    """A word that is probably another one; `corrected` is the text with that one."""

    corrected: str = ""


def misspelt(text: str, token: Token, meant: str) -> NoReturn:
    """Refuse a word, naming the one that was probably meant.

    Raises
    ------
    Misspelt: always.
    """
    try:
        fail(text, token.start, token.end, f"'{token.raw}' is not understood. Close: '{meant}'.")
    except InvalidRegimen as error:
        found = Misspelt(str(error))
        found.corrected = text[: token.start] + meant + text[token.end :]
        raise found from None


def check_length(text: str) -> None:
    """Refuse a text beyond what is read.

    Raises
    ------
    InvalidRegimen
    """
    if len(text) > _CHARACTERS:
        raise InvalidRegimen(
            f"dose text: it has {len(text):,} characters ('{text[:40]}...'); at most {_CHARACTERS:,} are read. "
            "Write many doses as an event table (--data)."
        )


def tokens(text: str) -> list[Token]:
    """Words of a text.

    Raises
    ------
    InvalidRegimen: a character that belongs to no word.
    """
    check_length(text)
    clean = _plain(text)
    found: list[Token] = []
    at = 0
    while at < len(clean):
        if clean[at].isspace():
            at += 1
            continue
        match = _TOKEN.match(clean, at)
        if match is None:
            fail(text, at, at + 1, f"'{clean[at]}' is no part of a dose; leave it out.")
        raw = text[match.start() : match.end()].strip()
        kind, word = _word_of(match)
        if kind == "number" and float(word) > _LARGEST:
            fail(text, match.start(), match.end(), f"no amount or time is above {_LARGEST:g}; write the number that is meant.")
        found.append(Token(kind, word, raw, match.start(), match.start() + len(raw)))
        at = match.end()
    return found


def _plain(text: str) -> str:
    """The text, as long as before, with enantiomers and units like "kg-1" in the words of the grammar."""

    def enantiomer(match: re.Match[str]) -> str:
        letter = match["a"] or match["b"] or match["c"] or ("s" if match["sign"] == "+" else "r")
        return f"{letter.lower()}-ketamine".ljust(len(match[0]))

    text = _RACEMATE.sub(lambda m: "ketamine".ljust(len(m[0])), text)
    text = _ENANTIOMER.sub(enantiomer, text)
    return _PER.sub(lambda m: f"/{m['unit']}".ljust(len(m[0])), text)


def _word_of(match: re.Match[str]) -> tuple[str, str]:
    """Kind and word of a token: numbers may be written out, abbreviations may have dots."""
    word = match[0].lower().replace("–", "-")
    if match.lastgroup == "times":
        return "mark", "x"
    if match.lastgroup == "dotted":
        return "word", word.replace(".", "")
    if word in _NUMBERS:
        return "number", _NUMBERS[word]
    return match.lastgroup or "mark", word


def phrase_at(words: list[Token], at: int) -> tuple[int, str, str] | None:
    """Longest group of vocabulary words from a place: (how many, what it gives, value)."""
    for count in range(min(_LONGEST, len(words) - at), 0, -1):
        hit = PHRASES.get(" ".join(t.word for t in words[at : at + count]))
        if hit:
            return count, *hit
    return None


def meaning(word: str) -> tuple[str, str]:
    """(what it gives, value) of a vocabulary word given alone, such as ``i.v.``; empty texts where it is none."""
    return PHRASES.get(word.lower().strip().replace(".", ""), ("", ""))


def nearest(word: str) -> str:
    """The word of the vocabulary that was probably meant; empty where none is near."""
    hits = difflib.get_close_matches(word, [*PHRASES, *KEYWORDS], n=1, cutoff=0.7) if len(word) > 2 else []
    return hits[0] if hits else ""
