"""Unit definitions of an SBML model, from the units the model declares."""

from __future__ import annotations

import re
from typing import Any

from ketasim.units import parse_unit, registry

_KINDS = {"meter": "metre", "gram": "gram", "kilogram": "kilogram", "second": "second", "mole": "mole", "kelvin": "kelvin",
          "ampere": "ampere", "candela": "candela"}  # fmt: skip
#: Rates standardised to a body surface: 'mL/min/1.73m^2'.
_SURFACE = re.compile(r"/\s*([\d.]+)\s*m\^2$")


class Units:
    """Defines each unit once; knows its identifier.

    Parameters
    ----------
    whole : the SBML model the definitions go into.
    """

    def __init__(self, whole: Any) -> None:
        self._whole, self._known = whole, dict[str, str]()

    def take(self, unit: str) -> str:
        """Identifier of a unit such as ``umol/L``: ``umol_per_L``."""
        if unit not in self._known:
            self._known[unit] = self._define(unit)
        return self._known[unit]

    def _define(self, unit: str) -> str:
        parts = _parts(unit)
        if not parts:
            return "dimensionless"
        stem = re.sub(r"\W+", "_", unit.replace("/", "_per_").replace("%", "percent")).strip("_")
        stem = f"per_{stem.removeprefix('1_per_')}" if stem.startswith("1_per_") else stem
        name = stem if stem[:1].isalpha() else f"unit_{stem}"
        while name in self._known.values():
            name += "_"
        definition = self._whole.createUnitDefinition()
        definition.setId(name)
        definition.setName(unit)
        for kind, exponent, multiplier in parts:
            one = definition.createUnit()
            one.setKind(_kind(kind))
            one.setExponent(exponent)
            one.setScale(0)
            one.setMultiplier(multiplier)
        return name


def _kind(name: str) -> int:
    import libsbml

    return libsbml.UnitKind_forName(name)


def _parts(unit: str) -> list[tuple[str, float, float]]:
    """(SBML kind, exponent, multiplier) of each factor of a unit; empty for a pure number."""
    out: list[tuple[str, float, float]] = []
    surface = _SURFACE.search(unit)
    if surface:
        out.append(("metre", -2.0, float(surface[1]) ** 0.5))
        unit = unit[: surface.start()]
    factors: Any = parse_unit(unit)._units  # pyright: ignore[reportPrivateUsage]
    roots: Any = registry().get_root_units  # Pint's annotations allow complex numbers here
    for name, power in dict(factors).items():
        size, root = roots(name)
        base = {str(k): float(v) for k, v in dict(root._units).items()}
        exponent, size = float(power), float(size)
        if base == {"meter": 3.0}:
            out.append(("litre", exponent, _rounded(size * 1000.0)))
            continue
        known = {_KINDS[k]: v for k, v in base.items() if k in _KINDS}
        if len(known) == 1 and next(iter(known.values())) == 1.0:
            out.append((next(iter(known)), exponent, _rounded(size)))
            continue
        out += [("dimensionless", exponent, size)] if size != 1.0 else []
        out += [(kind, v * exponent, 1.0) for kind, v in known.items()]
    return out


def _rounded(size: float) -> float:
    """Powers of ten without the last digit's noise."""
    return float(f"{size:.15g}")
