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
)

if TYPE_CHECKING:
    from ketasim.model._seen import event_times

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


def __getattr__(name: str) -> Any:
    """What needs NumPy is loaded when first asked for: a listing of the library does without."""
    if name != "event_times":
        raise AttributeError(f"module 'ketasim.model' has no attribute '{name}'")
    from ketasim.model._seen import event_times

    return event_times
