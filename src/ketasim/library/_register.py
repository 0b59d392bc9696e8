"""The closed register of names: what every parameter, compartment, port, site, analyte and covariate is called and means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ketasim.documents import document, file_text
from ketasim.errors import InvalidEntry, UnitMismatch, close_names
from ketasim.library._schema import NameFile, explain
from ketasim.model import Mechanism
from ketasim.units import dimension

CORE_REGISTER = Path(__file__).parent / "names.toml"


@dataclass(frozen=True, slots=True)
class Name:
    """One registered name. `unit` shows the dimension; an entry may use any unit of that dimension.

    `releases`: analytes a drug is given as.
    """

    name: str
    section: str
    unit: str
    meaning: str
    levels: tuple[str, ...] = ()
    releases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Register:
    """All names of ketasim and of the packs in use.

    Attributes
    ----------
    sections : section -> name -> `Name`. Sections are ``parameter``, ``compartment``, ``port``, ``site``, ``analyte``,
        ``drug``, ``covariate``, ``suffix``.
    """

    sections: Mapping[str, Mapping[str, Name]]

    def find(self, section: str, name: str) -> Name | None:
        """The registered name, also when it carries registered suffixes (``CL_nk_r`` is ``CL`` of R-norketamine)."""
        table = self.sections.get(section, {})
        base = name
        while base not in table:
            base, _, suffix = base.rpartition("_")
            if not base or suffix not in self.sections.get("suffix", {}):
                return None
        return table[base]

    def missing(self, mechanism: Mechanism) -> list[str]:
        """Names of a mechanism that are not registered, or registered with another dimension; empty when all is well."""
        found: list[str] = []
        declared = (
            ("parameter", mechanism.params),
            ("compartment", mechanism.states),
            ("port", {**mechanism.reads, **mechanism.writes}),
        )
        for section, declarations in declared:
            for scoped, declaration in declarations.items():
                name = scoped.rpartition(".")[2]
                known = self._concentration(name) if section == "port" else self.find(section, name)
                known = known or self.find(section, name)
                if known is None:
                    found.append(f"{section} '{name}' is not in names.toml.{close_names(name, self.sections.get(section, {}))}")
                elif dimension(known.unit) != dimension(declaration.unit):
                    found.append(f"{section} '{name}' has unit '{declaration.unit}', names.toml says '{known.unit}'.")
        return found

    def _concentration(self, name: str) -> Name | None:
        """Ports ``C_<site>_<analyte>`` need no entry of their own."""
        for site in self.sections.get("site", {}):
            analyte = name.removeprefix(f"C_{site}_")
            if analyte != name and analyte in self.sections.get("analyte", {}):
                return Name(name, "port", "umol/L", f"{analyte}, {site}")
        return None


def read_register(files: tuple[Path, ...]) -> Register:
    """Register of several files; a later file may add names, never change one or open a section.

    Raises
    ------
    InvalidEntry: a section or key that is not known, a name without its meaning, or one that is registered already.
    """
    return _read_register(tuple((file, file.stat().st_mtime_ns) for file in files))


@lru_cache(maxsize=8)
def _read_register(files: tuple[tuple[Path, int], ...]) -> Register:
    sections: dict[str, dict[str, Name]] = {}
    for file, _ in files:
        where = "/".join(file.parts[-2:])
        for section, table in _tables(file, where).items():
            if file != CORE_REGISTER and section not in sections:
                raise InvalidEntry(f"{where} [{section}]: no such section.{close_names(section, sections)} There are: {', '.join(sections)}.")  # fmt: skip
            known = sections.setdefault(section, {})
            for name, entry in table.items():
                if name in known:
                    raise InvalidEntry(f"{where} [{section}] {name}: is already registered ('{known[name].meaning}').")
                known[name] = _name(name, section, entry, file, f"{where} [{section}] {name}")
    return Register(sections)


def _tables(file: Path, where: str) -> dict[str, dict[str, Any]]:
    try:
        data: dict[str, Any] = document(file_text(file, "toml"), "toml")
    except ValueError as error:
        raise InvalidEntry(f"{where}: not valid TOML: {error}.") from None
    loose = next((name for name, table in data.items() if not isinstance(table, dict)), "")
    if loose:
        raise InvalidEntry(f"{where} {loose}: stands outside a section. Write it below [parameter], [compartment] or [port].")
    return data


def _name(name: str, section: str, entry: Any, file: Path, where: str) -> Name:
    values = entry if isinstance(entry, dict) else {"meaning": entry}
    try:
        said = NameFile.model_validate(values)
    except ValidationError as error:
        raise InvalidEntry(f"{where}{explain(error, values, NameFile)}") from None
    if file != CORE_REGISTER:  # those of the core are tested
        try:
            dimension(said.unit)
        except UnitMismatch as error:
            raise UnitMismatch(f"{where}: {error}") from None
    return Name(name, section, said.unit, said.meaning, said.levels, said.releases)


def covariate_unit(name: str, where: str) -> str:
    """Own unit of a covariate of the core register; names outside it are an error."""
    known = read_register((CORE_REGISTER,)).sections["covariate"]
    if name not in known:
        raise InvalidEntry(
            f"{where}: '{name}' is no covariate of the register.{close_names(name, known)} It has: {', '.join(known)}."
        )
    return known[name].unit
