"""Published models that cannot be simulated from what was read: kept visible, with the reason."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

_FILE = Path(__file__).parent / "not_simulable.toml"


@dataclass(frozen=True, slots=True)
class Gap:
    """A published model outside the library. `reason` says what is missing, `instead` what to use."""

    id: str
    source: str
    title: str
    reason: str
    instead: str = ""


def not_simulable() -> list[Gap]:
    """Published ketamine models that the library knows of but cannot run."""
    data = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return [Gap(id=name, **values) for name, values in data.items()]
