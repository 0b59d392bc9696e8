"""Co-medications: by how much another drug changes the activity of an enzyme, per organ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ketasim.arguments import checked
from ketasim.errors import InvalidEntry, UnknownEntry, close_names
from ketasim.library._convert import number_from
from ketasim.library._find import files, register
from ketasim.library._schema import ComedicationFile, read
from ketasim.library._words import check_sources
from ketasim.model import Number, Param

_ACTIVITY = Param("1", "multiplier on an activity parameter")


@dataclass(frozen=True)
class Comedication:
    """A drug taken beside ketamine.

    Attributes
    ----------
    multipliers : activity parameter (``A_2B6_liver``, ``A_3A4_gut``...) -> factor with its source, 1 = no change.
    mechanism, schedule : in words, as studied.
    between_study : SD between studies of a shift of all multipliers together, log scale, below 1 logit; 0 where nothing says.
    """

    id: str
    title: str
    mechanism: str
    schedule: str
    status: str
    revision: int
    multipliers: Mapping[str, Number]
    source: str
    note: str = ""
    between_study: float = 0.0

    @property
    def cite(self) -> str:
        """Identifier with revision: ``ticlopidine@1``."""
        return f"{self.id}@{self.revision}"

    @property
    def is_quantified(self) -> bool:
        """Whether there is a number behind it."""
        return bool(self.multipliers)


@checked
def comedication(name: str) -> Comedication:
    """Co-medication by name, e.g. ``comedication("ticlopidine")``.

    Raises
    ------
    UnknownEntry: no such co-medication, or one that is listed without a number yet.
    """
    plain = name.strip().lower().replace(" ", "_").replace("'", "").removeprefix("comedication/")
    known = files("comedication")
    if plain not in known:
        raise UnknownEntry(f"no co-medication '{name}' in the library.{close_names(plain, known)} It has: {', '.join(known)}.")
    found = _read(known[plain])
    if not found.is_quantified:
        raise UnknownEntry(f"co-medication '{plain}' has no multiplier yet: it would change nothing. {found.note}")
    return found


def comedications() -> list[Comedication]:
    """All co-medications, also those without a number yet."""
    return [_read(path) for path in files("comedication").values()]


def _read(path: Path) -> Comedication:
    where = "/".join(path.parts[-3:])
    entry = read(path, ComedicationFile, where)
    check_sources(entry, where)
    known = register()
    multipliers = {}
    for name, raw in entry.multiplier.items():
        if not name.startswith("A_"):
            raise InvalidEntry(
                f"{where} [multiplier.{name}]: only activity parameters (A_2B6_liver, A_3A4_gut ...) can be multiplied."
            )
        if known.find("parameter", name) is None:
            near = close_names(name, known.sections["parameter"])
            raise InvalidEntry(f"{where} [multiplier.{name}]: no parameter of the register.{near} Names of your own go into names.toml.")  # fmt: skip
        multipliers[name] = number_from(raw, _ACTIVITY, entry, f"{where} [multiplier.{name}]")
    return Comedication(
        entry.id, entry.title, entry.mechanism, entry.schedule, entry.status, entry.revision, multipliers,
        entry.source, entry.note, entry.between_study.value if entry.between_study else 0.0,
    )  # fmt: skip
