"""What is given or done beside ketamine: other drugs and sessions, as data of the library and in the words of a regimen.

``0.5 mg/kg racemic ketamine iv over 40 min weekly x 3 + exposure 90 min 24 h after each + lithium oral daily x 21``
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ketasim.arguments import checked
from ketasim.documents import document, file_text
from ketasim.errors import InvalidEntry, InvalidRegimen

#: ketasim's own shelf; those of packs are added by `add_drugs`.
CORE = Path(__file__).parents[1] / "library" / "drug"
_added: list[Path] = []
_FIELDS = {"id", "title", "kind", "revision", "status", "aliases", "unit", "usual", "switches", "activity", "comedication", "source", "note"}  # fmt: skip
_KINDS = ("drug", "session", "placebo")
_ROUTE = r"(?:oral|orally|po|iv|im|sc|nasal|sublingual|transdermal|inhaled)"
_AMOUNT = r"([\d.]+)\s*((?:mg|g|mcg|ug|mL|mmol|min|h)(?:/kg|/day)?)"
_SIZE = re.compile(
    rf"^(?:{_ROUTE}\b\s*)?(?:{_AMOUNT}(?![\w/])\s*)?(?:{_ROUTE}\b\s*)?(?:over\s+[\d.]+\s*\w+\s*)?,?\s*", re.IGNORECASE
)
_EACH = re.compile(r"^([\d.]+)\s*(min|h|d|day|days|hours?)\s+(after|before)\s+each$", re.IGNORECASE)
_HOURS = {"min": 1 / 60, "h": 1.0, "hour": 1.0, "hours": 1.0, "d": 24.0, "day": 24.0, "days": 24.0}


@dataclass(frozen=True)
class Substance:
    """A drug or a kind of session that is no ketamine: what it is called and what it acts on.

    Attributes
    ----------
    kind : ``drug``, ``session`` (something done) or ``placebo``. usual : amount that counts as 1, in `unit`.
    switches : switches of disorders it sets, those that a disorder has. activity : activity of disorders that it is.
    comedication : entry of the library that says how it changes enzymes.
    """

    id: str
    title: str
    kind: str
    aliases: tuple[str, ...] = ()
    unit: str = ""
    usual: float = 1.0
    switches: tuple[str, ...] = ()
    activity: str = ""
    comedication: str = ""
    source: str = ""
    note: str = ""


@dataclass(frozen=True)
class Beside:
    """One thing given or done beside ketamine.

    Attributes
    ----------
    substance : its id. times : h since the start, ascending. strength : amount over the usual one. text : as written.
    """

    substance: str
    times: tuple[float, ...]
    strength: float
    text: str


@checked
def add_drugs(folder: Path) -> None:
    """Read a pack's folder of drugs too."""
    if folder not in _added:
        _added.append(folder)


@checked
def remove_drugs(folder: Path) -> None:
    """Stop reading it."""
    if folder in _added:
        _added.remove(folder)


def substances() -> Mapping[str, Substance]:
    """Every drug and session by id: ketasim's own and those of packs in use.

    Raises
    ------
    InvalidEntry: a file breaks the rules, or an id or alias stands twice.
    """
    found: dict[str, Substance] = {}
    for folder in (CORE, *_added):
        for path in sorted(folder.glob("*.toml")):
            one = _read(path, path.stat().st_mtime_ns)
            if one.id in found:
                raise InvalidEntry(f"drug/{path.name}: '{one.id}' stands twice; rename one.")
            found[one.id] = one
    return found


@lru_cache(maxsize=256)
def _read(path: Path, changed: int) -> Substance:
    where = f"drug/{path.name}"
    try:
        data = document(file_text(path, "toml"), "toml")
    except (OSError, ValueError) as error:
        raise InvalidEntry(f"{where}: cannot be read ({error}).") from None
    if unknown := sorted(set(data) - _FIELDS):
        raise InvalidEntry(f"{where} {unknown[0]}: unknown key. Allowed: {', '.join(sorted(_FIELDS))}.")
    if missing := [name for name in ("id", "title", "kind", "source") if not data.get(name)]:
        raise InvalidEntry(f"{where}: '{missing[0]}' is missing.")
    if data["kind"] not in _KINDS or data["id"] != path.stem:
        raise InvalidEntry(f"{where}: kind is one of {', '.join(_KINDS)}, and id is the file's name.")
    values: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in data.items() if k not in ("revision", "status")
    }
    return Substance(**values)


def split_beside(text: str) -> tuple[list[str], list[tuple[Substance, str]]]:
    """Parts of a regimen's text that are ketamine's, and those that are not, each with the words after its name."""
    own: list[str] = []
    others: list[tuple[Substance, str]] = []
    for part in _parts(text):
        named = _named(part)
        if named is None:
            own.append(part.strip())
        else:
            others.append(named)
    return own, others


def _parts(text: str) -> list[str]:
    """Text between plus signs that stand outside parentheses."""
    parts, depth, begin = list[str](), 0, 0
    for place, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if sign == "+" and depth == 0:
            parts.append(text[begin:place])
            begin = place + 1
    return [*parts, text[begin:]]


def _named(part: str) -> tuple[Substance, str] | None:
    words = " ".join(part.replace(",", " , ").split())
    best: tuple[int, Substance, str] | None = None
    for one in substances().values():
        for name in (one.id.replace("_", " "), *one.aliases):
            match = re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", words, re.IGNORECASE)
            if match and (best is None or len(name) > best[0]):
                best = (len(name), one, f"{words[: match.start()]} {words[match.end() :]}".strip(" ,"))
    return None if best is None or re.search(r"\b\w*ketamine\b", words, re.IGNORECASE) else best[1:]


def beside_of(one: Substance, words: str, sessions: Sequence[float]) -> Beside:
    """One thing beside, from the words after its name; `sessions` are the times of ketamine, h.

    Raises
    ------
    InvalidRegimen: an amount in another unit, or a schedule that cannot be read.
    """
    match = None if _EACH.match(words) else _SIZE.match(words)
    amount, unit = (match[1], match[2]) if match else (None, None)
    strength = 1.0
    if amount:
        if one.unit and unit != one.unit:
            raise InvalidRegimen(
                f"'{one.title}': the amount is in {unit}; write it in {one.unit}, e.g. {one.id} {one.usual:g} {one.unit}."
            )
        strength = float(amount) / one.usual if one.unit else 1.0
    rest = (words[match.end() :] if match else words).strip(" ,")
    return Beside(one.id, _times(one, rest, sessions), strength, f"{one.id.replace('_', ' ')} {words.replace(' ,', ',')}".strip())


def _times(one: Substance, rest: str, sessions: Sequence[float]) -> tuple[float, ...]:
    from ketasim.dose._grammar import parse_schedule

    if each := _EACH.match(rest):
        shift = float(each[1]) * _HOURS[each[2].lower()] * (1 if each[3].lower() == "after" else -1)
        return tuple(max(time + shift, 0.0) for time in sessions)
    if not rest:
        return (0.0,)
    try:
        schedule, start = parse_schedule(rest)
    except InvalidRegimen as error:
        raise InvalidRegimen(f"'{one.title}': when? '{rest}' is no schedule; write e.g. 'weekly x 8', '2/week x 4 week' or '24 h after each'. {error}") from None  # fmt: skip
    return tuple(start + time for time in (schedule.times if schedule is not None else (0.0,)))
