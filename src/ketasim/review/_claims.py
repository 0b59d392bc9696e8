"""The claims of the review as data: what it says, and how each is answered."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ketasim import evidence
from ketasim.arguments import checked
from ketasim.errors import InvalidEntry, UnknownEntry, close_names

METHODS = ("pk", "experiment", "evidence", "synthesis", "computed", "model", "none")
KINDS = ("fact", "quantity", "behaviour", "evidence", "gap")
REVIEW = (
    "Zhang K, Cheng Z, Wang Y. Advances in ketamine therapy for multiple psychiatric disorders. doi:10.11886/scjsws20250531003"
)


@dataclass(frozen=True)
class Claim:
    """One claim of the review, in our words.

    Attributes
    ----------
    id, section, kind, ref : as in the review (ref: its reference numbers). en, zh : what it says.
    target : what must come out, where the review or the evidence says so. answer : how it is answered; see `METHODS`.
    """

    id: str
    section: str
    kind: str
    ref: tuple[int, ...]
    en: str
    zh: str
    target: Any
    answer: Mapping[str, Any]

    @property
    def method(self) -> str:
        """How the claim is answered."""
        return str(self.answer["method"])

    @property
    def queries(self) -> tuple[str, ...]:
        """Queries behind the answer, one for each part of the claim; they run as they stand."""
        parts = (self.answer, self.answer.get("also", {}))
        return tuple(str(part["query"]).strip() for part in parts if part.get("query"))

    @property
    def target_text(self) -> str:
        """The target in words."""
        if not isinstance(self.target, Mapping):
            return str(self.target or "")
        rest = dict(self.target)
        low, high = rest.pop("low", None), rest.pop("high", None)
        name = str(rest.pop("metric", "")).replace("_", " ")
        bounds = " to ".join(f"{x:g}" for x in (low, high) if x is not None)
        others = "; ".join(f"{key.replace('_', ' ')} {value}" for key, value in rest.items())
        return "; ".join(filter(None, (f"{name} {bounds}".strip(), others)))


@lru_cache(maxsize=1)
def claims() -> tuple[Claim, ...]:
    """All claims, in the order of the review."""
    content = tomllib.loads(evidence.path("claims/claims.toml").read_text(encoding="utf-8"))
    found = tuple(
        Claim(c["id"], c["section"], c["kind"], tuple(c["ref"]), c["en"], c["zh"], c.get("target"), c["answer"])
        for c in content["claim"]
    )
    for claim in found:
        if claim.method not in METHODS or claim.kind not in KINDS:
            raise InvalidEntry(f"claims.toml, claim {claim.id}: method '{claim.method}' or kind '{claim.kind}' is unknown.")
    return found


@checked
def claim(name: str) -> Claim:
    """A claim by its id, in any letter case.

    Raises
    ------
    UnknownEntry: no such claim.
    """
    known = {c.id.upper(): c for c in claims()}
    if name.upper() not in known:
        raise UnknownEntry(f"no claim '{name}'.{close_names(name.upper(), known)} Claims: {', '.join(c.id for c in claims())}.")
    return known[name.upper()]
