"""Doses that nobody gives: a unit was probably mistaken. The limits and where they come from stand in ``plausible.toml``."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path

from ketasim.errors import ImplausibleDose, warn


@lru_cache(maxsize=1)
def limits() -> dict[str, tuple[float, float]]:
    """``largest`` and ``smallest`` -> (single dose of the evidence, the limit), mg."""
    data = tomllib.loads((Path(__file__).parent / "plausible.toml").read_text(encoding="utf-8"))
    return {name: (row["value"], row["value"] * row["times"]) for name, row in data.items()}


def warn_of_implausible(dose: str, mass: float, duration: float, route: str = "") -> None:
    """Warn where a unit was probably mistaken.

    Parameters
    ----------
    mass : mg of the drug as given, in an adult of 70 kg. duration : h; of an infusion of more than one, an hour's share counts.
    route : some have a largest dose of their own, as ``animal`` has.

    Warns
    -----
    ImplausibleDose
    """
    own = limits().get(f"largest_{route}")
    (largest, most), (smallest, least) = own or limits()["largest"], limits()["smallest"]
    said = ""
    if mass / max(duration, 1.0) > most:
        by = f" {'in animals' if route == 'animal' else 'by this route'} ({largest:g} mg)" if own else f" ({largest:g} mg)"
        said = f"more than {most / largest:g} times the largest single dose of the evidence{by}"
    elif 0 < mass < least:
        said = f"less than a {smallest / least:g}th of the smallest single dose of the evidence ({smallest:g} mg)"
    if said:
        warn(
            f"'{dose}': {f'{mass:,.0f}' if mass > most else f'{mass:.3g}'} mg in an adult of 70 kg is {said}. Is the unit right (g, mg, ug, mg/kg)?",
            ImplausibleDose,
            stacklevel=4,
        )
