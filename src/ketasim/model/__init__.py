"""The language of models: declarations, wiring, the symbolic trace and what is generated from it."""

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
    Variability,
)
from ketasim.model._describe import describe, latex, mechanism_graph

__all__ = [
    "CovariateEffect",
    "Entrance",
    "Expr",
    "Inlet",
    "Mechanism",
    "Model",
    "Number",
    "Param",
    "Part",
    "Port",
    "ResidualError",
    "State",
    "Structure",
    "Variability",
    "assemble",
    "describe",
    "functions",
    "latex",
    "mechanism_graph",
]
