"""ketasim: the pharmacology of ketamine in psychiatry, executable."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Scenario", "__version__", "assemble", "compare", "parse", "population", "run", "simulate"]

_HOMES = {
    "simulate": "ketasim.simulation",
    "compare": "ketasim.simulation",
    "run": "ketasim.simulation",
    "Scenario": "ketasim.simulation",
    "parse": "ketasim.dose",
    "population": "ketasim.population",
    "assemble": "ketasim.model",
}

if TYPE_CHECKING:
    from ketasim.dose import parse
    from ketasim.model import assemble
    from ketasim.population import population
    from ketasim.simulation import Scenario, compare, run, simulate


def __getattr__(name: str) -> Any:
    """Public names are loaded on first use, so that the command line answers at once."""
    if name in _HOMES:
        home = import_module(_HOMES[name])
        # The package of populations can be called, and stays what 'import ketasim.population as p' gives.
        value = home if home.__name__ == f"ketasim.{name}" else getattr(home, name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'ketasim' has no attribute '{name}'")


def __dir__() -> list[str]:
    """The verbs and nouns."""
    return sorted(__all__)
