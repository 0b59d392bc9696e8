"""The language of models: declarations, wiring, the symbolic trace and what is generated from it."""

from typing import TYPE_CHECKING, Any

from ketasim.model import functions
from ketasim.model._assemble import Model, assemble
from ketasim.model._declare import (
    CovariateEffect,
    Entrance,
    Expr,
    Inlet,
    Mechanism,
    Number,
    Param,
    Part,
    Port,
    ResidualError,
    State,
    Structure,
    StudyEffect,
    Variability,
)
from ketasim.model._describe import describe, latex, mechanism_graph

if TYPE_CHECKING:
    from ketasim.model._observation import (
        Binomial,
        Count,
        Hazard,
        LogitNormal,
        LogNormal,
        Normal,
        Observation,
        Ordinal,
        TimeToEvent,
        event_times,
    )

__all__ = [
    "Binomial",
    "Count",
    "CovariateEffect",
    "Entrance",
    "Expr",
    "Hazard",
    "Inlet",
    "LogNormal",
    "LogitNormal",
    "Mechanism",
    "Model",
    "Normal",
    "Number",
    "Observation",
    "Ordinal",
    "Param",
    "Part",
    "Port",
    "ResidualError",
    "State",
    "Structure",
    "StudyEffect",
    "TimeToEvent",
    "Variability",
    "assemble",
    "describe",
    "event_times",
    "functions",
    "latex",
    "mechanism_graph",
]

#: Loaded when first asked for: they need NumPy, which a listing of the library does without.
_NUMERIC = frozenset(
    ("Binomial", "Count", "Hazard", "LogNormal", "LogitNormal", "Normal", "Observation", "Ordinal", "TimeToEvent", "event_times")
)


def __getattr__(name: str) -> Any:
    if name not in _NUMERIC:
        raise AttributeError(f"module 'ketasim.model' has no attribute '{name}'")
    from ketasim.model import _observation

    return getattr(_observation, name)
