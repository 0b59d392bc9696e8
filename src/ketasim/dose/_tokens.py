"""Words of a dose text with their places, so that every refusal can point at one.

Also the vocabulary: what each word or group of words stands for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

from ketasim.errors import InvalidRegimen, close_names

_DRUG_WORDS = {
    "racemic_ketamine": (
        "racemic ketamine", "racemic_ketamine", "racemic", "rac-ketamine", "rs-ketamine", "racemate", "ketamine",
        "ketamine racemate",
    ),
    "esketamine": ("esketamine", "s-ketamine", "s ketamine", "s_ketamine"),
    "arketamine": ("arketamine", "r-ketamine", "r ketamine", "r_ketamine"),
}  # fmt: skip
_ROUTE_WORDS = {
    "iv": ("iv", "i.v.", "intravenous", "intravenously"),
    "im": ("im", "i.m.", "intramuscular", "intramuscularly"),
    "sc": ("sc", "s.c.", "subcutaneous", "subcutaneously", "subcut", "subq"),
    "nasal": ("nasal", "nasally", "intranasal", "intranasally"),
    "oral": ("oral", "orally", "po", "p.o.", "by mouth"),
    "oral_prolonged_release": (
        "oral prolonged-release", "oral prolonged release", "oral_prolonged_release", "prolonged-release oral",
        "prolonged release oral",
        "prolonged-release", "prolonged release", "extended-release", "extended release",
    ),
    "sublingual": ("sublingual", "sublingually", "sl"),
    "buccal": ("buccal", "buccally"),
    "rectal": ("rectal", "rectally"),
    "inhaled": ("inhaled", "inhalation", "by inhalation"),
}  # fmt: skip
_FORM_WORDS = {
    "hydrochloride": ("hydrochloride", "hcl", "as hydrochloride", "as hcl", "as the hydrochloride"),
    "base": ("base", "as base", "as the base", "free base", "as free base"),
}
#: Words that read well and say nothing: "56 mg of esketamine by nasal spray".
FILLERS: Final = frozenset(
    {
        "of",
        "a",
        "an",
        "the",
        "dose",
        "doses",
        "given",
        "injection",
        "infused",
        "spray",
        "via",
        "by",
        "device",
        "devices",
        "each",
        "-",
        ",",
    }
)

#: Group of words -> (what it gives, value).
PHRASES: Final[Mapping[str, tuple[str, str]]] = {
    words: (kind, value)
    for kind, table in (("drug", _DRUG_WORDS), ("route", _ROUTE_WORDS), ("form", _FORM_WORDS))
    for value, group in table.items()
    for words in group
}
KEYWORDS: Final = (
    "over", "bolus", "infusion", "every", "daily", "weekly", "once", "twice", "single", "for", "on days", "starting", "after",
    "max", "round to", "then", "into", "mg", "mg/kg", "week", "day",
)  # fmt: skip
_LONGEST = max(words.count(" ") + 1 for words in PHRASES)

_TOKEN = re.compile(
    r"(?P<number>(?:\d+(?:\.\d+)?|\.\d+)(?:e[+-]?\d+)?)"
    r"|(?P<times>[x×](?=\s*\d))"
    r"|(?P<word>(?:[a-z]\.){2}|[^\W\d](?:\w|-(?=[^\W\d]))*)"
    r"|(?P<mark>[-+/(),:;*–%])",
    re.IGNORECASE,
)
#: Enantiomers in parentheses would read as groups; same length, so that places stay right.
_ENANTIOMER = re.compile(r"\(([RS])\)-(ketamine)", re.IGNORECASE)

ALLOWED: Final = """Allowed, in any order:
  amount    56 mg | 0.5 mg/kg | 0.27 mg/kg/h over 2 h | 10 ug/kg/min over 40 min
  drug      racemic ketamine (or ketamine) | esketamine | arketamine; 'as hydrochloride' or 'as base'
  route     iv | im | sc | nasal | oral | oral prolonged-release | sublingual | buccal | rectal | inhaled
  time      over 40 min | bolus
  limits    max 80 mg | round to 28 mg
  schedule  2/week x 4 week | daily x 7 | every 2 day x 5 | on days 1, 4, 7 | at 0, 12 h | single
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


def fail(text: str, start: int, end: int, message: str, allowed: str = ALLOWED) -> NoReturn:
    """Refuse with the text and a mark under the words that are meant.

    Raises
    ------
    InvalidRegimen: always.
    """
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", start)
    line = text[line_start : line_end if line_end >= 0 else len(text)]
    mark = " " * (start - line_start) + "^" * max(1, min(end, line_start + len(line)) - start)
    raise InvalidRegimen(f"dose text: {message}\n  {line}\n  {mark}\n{allowed}".rstrip())


def tokens(text: str) -> list[Token]:
    """Words of a text.

    Raises
    ------
    InvalidRegimen: a character that belongs to no word.
    """
    clean = _ENANTIOMER.sub(lambda m: m[1].lower() + "-ketamine  ", text)
    found: list[Token] = []
    at = 0
    while at < len(clean):
        if clean[at].isspace():
            at += 1
            continue
        match = _TOKEN.match(clean, at)
        if match is None:
            fail(text, at, at + 1, f"'{clean[at]}' is no part of a dose.")
        kind = match.lastgroup or "mark"
        raw = text[match.start() : match.end()].strip()
        word = "x" if kind == "times" else match[0].lower().replace("–", "-")
        found.append(Token("mark" if kind == "times" else kind, word, raw, match.start(), match.start() + len(raw)))
        at = match.end()
    return found


def phrase_at(words: list[Token], at: int) -> tuple[int, str, str] | None:
    """Longest group of vocabulary words from a place: (how many, what it gives, value)."""
    for count in range(min(_LONGEST, len(words) - at), 0, -1):
        hit = PHRASES.get(" ".join(t.word for t in words[at : at + count]))
        if hit:
            return count, *hit
    return None


def suggestion(word: str) -> str:
    """Sentence part with near vocabulary."""
    return close_names(word, [*PHRASES, *KEYWORDS])
