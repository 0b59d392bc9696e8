"""Whether what an entry says of itself agrees with the register, the bibliography and its own structure.

Numbers and their units are checked in ``_convert``.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ketasim import sources
from ketasim.errors import InvalidEntry, UnitMismatch, close_names
from ketasim.library._convert import quantity
from ketasim.model import Structure
from ketasim.units import dimension

if TYPE_CHECKING:
    from ketasim.library._register import Register
    from ketasim.library._schema import ComedicationFile, EntryFile
    from ketasim.model import Mechanism

#: Unit of what a checkpoint expects, by its metric.
EXPECTED = {"cmax": "ng/mL", "conc_at_t": "ng/mL", "auc_0_t": "ng*h/mL", "tmax": "h", "auc_ratio": "1"}
#: Analytes that stand for any drug, and for both enantiomers of the racemate where an assay does not separate them.
_ANY, _TOTAL, _RACEMATE = "drug", "ketamine", "racemic_ketamine"


def check_registered(entry: EntryFile, register: Register, where: str) -> None:
    """Refuse analytes, sites and drugs that nobody has registered.

    Raises
    ------
    InvalidEntry: with the names that are near, and those there are.
    """
    named = {
        "analyte": ("analytes", entry.analytes),
        "site": ("sampling", _sites(entry)),
        "drug": ("drug", entry.drug and (entry.drug,)),
    }
    for section, (key, names) in named.items():
        known = register.sections.get(section, {})
        for name in names:
            if name not in known:
                raise InvalidEntry(
                    f"{where} {key}: '{name}' is no {section} of the register.{close_names(name, known)} It has: {', '.join(known)}. "
                    f"Names of your own go into names.toml."
                )


def check_kept(entry: EntryFile, register: Register, where: str) -> None:
    """Refuse what nothing of the run reads, and a reader of the entry would believe: units of values reported beside the model, and
    analytes, values and times of its checkpoints.

    Raises
    ------
    InvalidEntry: an analyte that is not registered, or no quantity. UnitMismatch: no unit, or one of another dimension.
    """
    for name, number in entry.reported.items():
        with _placed(f"{where} [reported.{name}]"):
            dimension(number.unit)
    known = register.sections.get("analyte", {})
    for name, point in entry.checkpoint.items():
        place = f"{where} [checkpoint.{name}]"
        named = (point.analyte,) if isinstance(point.analyte, str) else point.analyte
        for analyte in filter(None, (*named, point.over)):
            if analyte not in known:
                raise InvalidEntry(f"{place}: '{analyte}' is no analyte of the register.{close_names(analyte, known)} It has: {', '.join(known)}.")  # fmt: skip
        with _placed(place):
            quantity(point.expect, EXPECTED[point.metric], f"{place} expect")
            quantity(point.time or "0 h", "h", f"{place} time")


@contextmanager
def _placed(place: str) -> Generator[None]:
    """Put the place in front of what is wrong with a unit."""
    try:
        yield
    except UnitMismatch as error:
        raise UnitMismatch(str(error) if str(error).startswith(place) else f"{place}: {error}") from None


def check_structure(entry: EntryFile, mechanism: Mechanism, register: Register, where: str) -> None:
    """Refuse analytes, sites, routes and a drug that the structure does not have.

    Raises
    ------
    InvalidEntry: with what the structure has.
    """
    routes = mechanism.routes if isinstance(mechanism, Structure) else {}
    taken = {analyte for doses in routes.values() for analyte in doses}
    _refuse(where, "analytes", entry, entry.analytes, {p.analyte for p in mechanism.writes.values()} | taken)
    _refuse(where, "sampling", entry, _sites(entry), {port.site for port in mechanism.writes.values()})
    _refuse(where, "routes", entry, entry.routes, routes)
    released = register.sections["drug"][entry.drug].releases if entry.drug else ()
    is_total = entry.drug == _RACEMATE and _TOTAL in taken
    if taken and _ANY not in taken and not is_total and not set(released) <= taken:
        raise InvalidEntry(f"{where} drug: a dose of {entry.drug} is {' and '.join(released)}; {entry.structure} takes doses of: {', '.join(sorted(taken))}.")  # fmt: skip


def _refuse(where: str, key: str, entry: EntryFile, names: Iterable[str], known: Iterable[str]) -> None:
    has = sorted(set(known) - {""})
    wrong = next((name for name in names if has and name not in has), None)
    if wrong is not None:
        raise InvalidEntry(
            f"{where} {key}: {entry.structure} has no '{wrong}'.{close_names(wrong, has)} It has: {', '.join(has)}."
        )


def _sites(entry: EntryFile) -> tuple[str, ...]:
    """Sites of an entry: ``venous and arterial`` names two."""
    return tuple(entry.sampling.split(" and ")) if entry.sampling else ()


def check_sources(entry: EntryFile | ComedicationFile, where: str) -> None:
    """Refuse sources that are in no bibliography in use.

    Raises
    ------
    InvalidEntry: with the place, the key, and keys that are near.
    """
    known = sources.bibliography()
    for place, key in _cited(entry):
        if key and key not in known:
            raise InvalidEntry(
                f"{where}{place} source: '{key}' is not in the bibliography.{close_names(key, known)} Add it to the pack's sources.bib."
            )


def _cited(entry: EntryFile | ComedicationFile) -> Iterator[tuple[str, str]]:
    """(place, key) of every source an entry names."""
    yield "", entry.source
    for table in ("param", "reported", "multiplier", "checkpoint"):
        for name, row in getattr(entry, table, {}).items():
            yield f" [{table}.{name}]", row.source
