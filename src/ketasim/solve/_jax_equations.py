"""A model's step program as JAX functions of one patient."""

# pyright: reportArgumentType=false, reportCallIssue=false
# SymPy's annotations give its base class where it returns expressions.

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import sympy
from numpy.typing import NDArray

from ketasim.solve._algebra import StepProgram
from ketasim.solve._jax_step import jax_function, stage_functions
from ketasim.solve._tableau import Tableau

if TYPE_CHECKING:
    from ketasim.model import Model

Array = Any
_INLETS = ("F", "lag", "duration", "rate")


@dataclass(frozen=True)
class Equations:
    """What one patient's parameters and states are put into.

    Attributes
    ----------
    names : all parameters of the model. coefficients : p -> list, of the linear part. initial : values by name -> list.
    port_values : (x, p) -> list. inlets : state -> kind -> function of values by name. functions : rates and Jacobian of the tail, (x, p) -> list.
    head, tail : positions of states. entries : (row, column, coefficient) of the head's matrix. head_constants : (row, coefficient).
    p is ordered as ``program.params``, x as ``program.states``.
    """

    program: StepProgram
    tableau: Tableau
    names: tuple[str, ...]
    coefficients: Callable[[Any], list[Any]]
    initial: Callable[[Any], list[Any]]
    port_values: Callable[[Any, Any], list[Any]]
    inlets: Mapping[str, Mapping[str, Callable[[Any], Any]]]
    functions: tuple[Callable[..., Any], Callable[..., Any]]
    head: NDArray[np.int64]
    tail: NDArray[np.int64]
    entries: tuple[tuple[int, int, int], ...]
    head_constants: tuple[tuple[int, int], ...]

    def coefficient_rows(self, p: Array) -> Array:
        """(block, coefficient) of parameters (block, parameter)."""

        def one(values: Array) -> Array:
            q = self.coefficients(list(values))
            return jnp.stack([jnp.asarray(v, float) for v in q]) if q else jnp.zeros(0)

        return jax.vmap(one)(p)

    def port_row(self, x: Array, p: Array) -> Array:
        """Ports (port,) at states (state,)."""
        values = self.port_values(list(x), list(p))
        return jnp.stack([jnp.asarray(v, float) for v in values]) if values else jnp.zeros(0)

    def start(self, values: Mapping[str, Array], moving: tuple[str, ...], time: float) -> Array:
        """First states (state,): the model's own, parameters that move, and time where the equations use it."""
        own = [*self.initial(self.listed(values)), *(values[name] for name in moving)]
        more = len(self.program.states) - len(own)
        return jnp.stack([jnp.asarray(v, float) for v in (*own, *[time] * more)])

    def constant(self, values: Mapping[str, Array]) -> Array:
        """Parameters (parameter,) where nothing moves."""
        return jnp.stack([jnp.asarray(values.get(name, 0.0), float) for name in self.program.params])

    def listed(self, values: Mapping[str, Array]) -> list[Array]:
        """Values by name as `initial` and inlets take them."""
        return [values[name] for name in self.names]


def equations_of(model: Model, program: StepProgram, tableau: Tableau) -> Equations:
    """Trace a model once."""
    system = model.system
    p = [sympy.Symbol(f"p{i}", real=True) for i in range(len(program.params))]
    x = [sympy.Symbol(f"x{i}", real=True) for i in range(len(program.states))]
    by_name = [sympy.Symbol(name, real=True) for name in model.params]
    own = {sympy.Symbol(name, real=True): p[i] for i, name in enumerate(program.params)}
    own |= {sympy.Symbol(name, real=True): x[i] for i, name in enumerate(program.states)}
    explicit = system.explicit_ports()
    place = {i: k for k, i in enumerate(program.head)}
    return Equations(
        program, tableau, tuple(model.params),
        coefficients=jax_function([p], [e for _, e in program.coefficients]),
        initial=jax_function([by_name], [system.initial_expressions("the JAX target")[s] for s in system.states]),
        port_values=jax_function([x, p], [explicit[n].xreplace(own) for n in explicit]),
        inlets={
            s: {k: jax_function([by_name], getattr(i, k)) for k in _INLETS if getattr(i, k) is not None}
            for s, i in system.inlets.items()
        },
        functions=stage_functions(program, x, p),
        head=np.array(program.head, np.int64), tail=np.array(program.tail, np.int64),
        entries=tuple((place[i], place[j], int(str(s)[1:])) for (i, j), s in program.linear.items() if i in place),
        head_constants=tuple((place[i], int(str(s)[1:])) for i, s in program.constant.items() if i in place),
    )  # fmt: skip
