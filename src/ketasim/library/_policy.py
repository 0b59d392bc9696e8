"""Policies of care: numbers from TOML, rules from the class an entry names."""

from __future__ import annotations

import inspect
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ketasim.arguments import checked
from ketasim.clinical import Policy, PolicyEntry
from ketasim.errors import InvalidEntry, InvalidOption, UnknownEntry, close_names
from ketasim.library._convert import number_from
from ketasim.library._find import files
from ketasim.library._modules import changed, module_of
from ketasim.library._schema import NumberFile, Text, _File, read
from ketasim.library._words import check_sources

_CALL = re.compile(r"^\s*(\w+)\s*(?:\(([^()]*)\))?\s*$")


class PolicyFile(_File):
    """One policy."""

    id: Text
    title: Text
    revision: int = Field(ge=1)
    status: Literal["checked", "provisional"]
    rule: Text
    source: Text
    notes: tuple[str, ...] = ()
    param: dict[str, NumberFile] = Field(default_factory=dict)


@checked
def policy(name: str) -> PolicyEntry:
    """Policy by name, e.g. ``policy("hold_on_pressure")``.

    Raises
    ------
    UnknownEntry: no such policy. InvalidEntry: the file breaks the rules.
    """
    plain, known = name.strip().lower().removeprefix("policy/"), files("policy")
    if plain not in known:
        raise UnknownEntry(f"no policy '{name}' in the library.{close_names(plain, known)} It has: {', '.join(known)}.")
    return _read(known[plain], (known[plain].stat().st_mtime_ns, changed(known[plain].parents[1])))


def policies() -> list[PolicyEntry]:
    """All policies of the library and of packs in use."""
    return [policy(name) for name in files("policy")]


@checked
def policy_from(text: str) -> tuple[PolicyEntry, Policy]:
    """A policy as people write it: a name, with numbers of their own in brackets: ``missed_sessions(share=0.2)``.

    Raises
    ------
    UnknownEntry: no such policy. InvalidOption: it cannot be read, or has no such number.
    """
    match = _CALL.match(text)
    if match is None:
        raise InvalidOption(f"policy '{text}': write a name, or name(number=value, ...), e.g. missed_sessions(share=0.2).")
    entry = policy(match[1])
    values = dict(_pair(part, entry, text) for part in (match[2] or "").split(",") if part.strip())
    return entry, entry.made(values)


def _pair(part: str, entry: PolicyEntry, text: str) -> tuple[str, float]:
    name, equals, given = (piece.strip() for piece in part.partition("="))
    if not equals or name not in entry.numbers:
        raise InvalidOption(
            f"policy '{text}': {entry.id} has no number '{name}'.{close_names(name, entry.numbers)} It has: "
            f"{', '.join(f'{k}={n.value:g}' for k, n in entry.numbers.items())}."
        )
    try:
        value = float(given)
    except ValueError:
        raise InvalidOption(f"policy '{text}': {name} = '{given}' is no number.") from None
    low, high = entry.kind.params[name].bounds
    if not low <= value <= high:
        raise InvalidOption(f"policy '{text}': {name} = {value:g} is outside [{low:g}, {high:g}].")
    return name, value


@lru_cache(maxsize=256)
def _read(path: Path, state: Any) -> PolicyEntry:
    where = "/".join(path.parts[-2:])
    entry = read(path, PolicyFile, where)
    check_sources(entry, where)
    module_name, _, class_name = entry.rule.partition(":")
    kind = getattr(module_of(module_name, path, where), class_name, None)
    if not (inspect.isclass(kind) and issubclass(kind, Policy)):
        raise InvalidEntry(f"{where}: rule is '{entry.rule}', which is no Policy; write 'module:Class'.")
    if wrong := sorted(set(entry.param) ^ set(kind.params)):
        raise InvalidEntry(f"{where} [param.{wrong[0]}]: {entry.rule} has the numbers {', '.join(kind.params)}; give each once.")
    numbers = {
        name: number_from(entry.param[name], param, entry, f"{where} [param.{name}]") for name, param in kind.params.items()
    }
    return PolicyEntry(entry.id, entry.title, entry.revision, entry.status, kind, numbers, entry.source, entry.notes)
