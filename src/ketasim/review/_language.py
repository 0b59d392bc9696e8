"""The page of the review in another language: fixed words, sentences with numbers, and how each claim is answered."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ketasim.arguments import checked
from ketasim.errors import InvalidOption
from ketasim.review._claims import Claim

LANGUAGES = ("en", "zh")
#: Between two sentences of ours.
_SENTENCES = re.compile(r"(?<=\.) (?=[A-Z])")


@dataclass(frozen=True)
class Language:
    """Texts of a language; what it has no words for stays as it is.

    Attributes
    ----------
    code : for ``lang`` of a page. words : text -> text. patterns : of whole texts, with what takes their place.
    how : claim -> how it is answered.
    """

    code: str
    words: Mapping[str, str]
    patterns: tuple[tuple[re.Pattern[str], str], ...]
    how: Mapping[str, str]

    def __call__(self, text: str) -> str:
        """A text in this language: as a whole where it has words for it, else sentence by sentence."""
        if self.code == "en":
            return text
        if text in self.words:
            return self.words[text]
        if " | " in text:  # a claim of two parts
            return " | ".join(map(self, text.split(" | ")))
        part, colon, rest = text.partition(": ")
        if colon and part in self.words:
            return f"{self.words[part]}：{self(rest)}"
        for pattern, said in self.patterns:
            if found := pattern.fullmatch(text):
                return found.expand(said)
        sentences = _SENTENCES.split(text)
        return "".join(self(one) for one in sentences) if len(sentences) > 1 else text

    def claim(self, claim: Claim) -> str:
        """What the review says."""
        return claim.en if self.code == "en" else claim.zh

    def told(self, claim: Claim) -> str:
        """How a claim is answered."""
        return self.how.get(claim.id, str(claim.answer["how"]))

    def reason(self, claim: Claim, reason: str) -> str:
        """Why a verdict came about; where it is how the claim is answered, in those words."""
        return self.told(claim) if reason == claim.answer["how"] else self(reason)


@checked
def language(code: str) -> Language:
    """A language by its code.

    Raises
    ------
    InvalidOption: no such language.
    """
    if code not in LANGUAGES:
        raise InvalidOption(f"no language '{code}'. Use one of {', '.join(LANGUAGES)}.")
    return _read(code)


@lru_cache(maxsize=len(LANGUAGES))
def _read(code: str) -> Language:
    if code == "en":
        return Language(code, {}, (), {})
    content = tomllib.loads((Path(__file__).parent / f"{code}.toml").read_text(encoding="utf-8"))
    patterns = tuple((re.compile(one["re"]), one[code]) for one in content["pattern"])
    return Language(code, content["words"], patterns, content["how"])
