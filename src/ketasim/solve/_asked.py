"""What the solver is asked for, held against the model: kinds of arguments, and names of parameters (a misspelt one would change nothing, unseen)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from ketasim.arguments import checked
from ketasim.errors import InvalidParameter, close_names

if TYPE_CHECKING:
    from ketasim.dose import EventTemplate
    from ketasim.model import Model

P = ParamSpec("P")
R = TypeVar("R")
Solver = Callable[Concatenate["Model", "EventTemplate", Mapping[str, Any], P], R]


def asked(solver: Solver[P, R]) -> Solver[P, R]:
    """The solver, refusing arguments of another kind and values of parameters the model does not have.

    Raises
    ------
    InvalidOption, InvalidParameter: (on a call).
    """

    @wraps(solver)
    def held(model: Model, template: EventTemplate, params: Mapping[str, Any], *args: P.args, **kwargs: P.kwargs) -> R:
        for name in params:
            if name not in model.params:
                raise InvalidParameter(f"{model.id} has no parameter '{name}'.{close_names(str(name), model.params)} It has: {', '.join(model.params)}.")  # fmt: skip
        return solver(model, template, params, *args, **kwargs)

    return checked(held)
