"""Differentiable target: the same step program as a JAX function of one patient, mapped over patients, on CPU or GPU.

Orders of events and steps are those of the CPU engine; values (amounts, rates, lags, durations, steady states, parameters) are
recomputed from the parameters inside JAX, so that gradients reach all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from ketasim.dose._clock import on_clock
from ketasim.dose._gaps import check_interpolation
from ketasim.dose._template import EventTemplate
from ketasim.errors import InvalidOption
from ketasim.solve._algebra import compile_system
from ketasim.solve._asked import asked
from ketasim.solve._driver import Interpolation, Reference, _moving, _own_reference, _Run, check_values, ranks_of
from ketasim.solve._jax_course import Course, Person
from ketasim.solve._jax_equations import Equations, equations_of
from ketasim.solve._jax_flow import halvings
from ketasim.solve._jax_steady import Steady
from ketasim.solve._numba import METHODS, kernel_for
from ketasim.solve._plan import plan
from ketasim.solve._timeline import Group

if TYPE_CHECKING:
    from ketasim.model import Model

jax.config.update("jax_enable_x64", True)
Array = Any
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@asked
def differentiable(
    model: Model, template: EventTemplate, params: Mapping[str, Floats], times: Floats, *, rtol: float = 1e-6,
    reference: Reference | None = None, interpolation: Interpolation = "nocb", at_record: Ints | None = None, method: str = "rodas5p",
) -> Callable[[Mapping[str, Array]], tuple[Array, Array]]:  # fmt: skip
    """A JAX function of the parameters for one set of event records.

    Parameters
    ----------
    params : model parameters -> (subject,), around which the order of events is fixed (it must be the same for all subjects).
    times : (time,), h. Everything else as `ketasim.solve.solve`.

    Returns
    -------
    function : parameters -> (states (time, state, subject), ports (time, port, subject)), in the order of ``model.system.states``
        and ``model.system.ports``; can be jitted and differentiated. Values that the records carry hold, whatever is given for
        them. A patient without a steady state is NaN.

    Raises
    ------
    InvalidOption: events whose order differs between subjects.
    """
    check_interpolation(interpolation)
    check_values(model, template, params)
    moving = _moving(template, params) if interpolation == "linear" else ()
    kernel = kernel_for(model, moving, method)
    t_out = on_clock(times)
    rank = ranks_of(t_out, at_record)
    run = _Run(kernel, template, params, t_out, rank, rtol, (), True, interpolation, moving, 1)
    groups, blocks, initial = run._timelines(template, run.params)
    if any(e is not None and e.fixed for g in groups for e in g.knot_events):
        raise InvalidOption(
            "the differentiable target has neither modelled rates (RATE -1) that change while their infusion runs, nor more than 100 "
            "infusions that overlap at steady state."
        )
    if len(groups) != 1:
        raise InvalidOption("the differentiable target needs one order of events for all subjects; solve the others apart.")
    grid = run._plans(reference or _own_reference(model, template)).get(groups[0].signature)
    grid = grid or plan(kernel, groups[0], blocks, initial, t_out, rtol)
    group, equations = groups[0], equations_of(model, compile_system(model.system, moving), METHODS[method])
    split = halvings(equations, _coefficients(equations, blocks))
    course = Course(equations, template, group, grid, run.start, float(t_out[-1]), split)
    steady = {row: Steady(equations, template, row, orbit, moving, split) for row, orbit in _orbits(group).items()}
    return _Target(course, steady, run.params, blocks, t_out, rank, moving)


def _orbits(group: Group) -> dict[int, Any]:
    """Record -> its steady state, as the CPU found it."""
    return {e.record: e.orbit for events in group.op_events for e in events if e.what == "ss"}


def _coefficients(equations: Equations, blocks: Floats) -> Floats:
    """(coefficient, block and patient) at the parameters given: (block, parameter, subject)."""
    rows = np.moveaxis(blocks, 1, -1).reshape(-1, blocks.shape[1])
    return np.asarray(equations.coefficient_rows(jnp.asarray(rows))).T


class _Target:
    """The function returned by `differentiable`."""

    def __init__(
        self, course: Course, steady: Mapping[int, Steady], params: Mapping[str, Floats], blocks: Floats, times: Floats, ranks: Ints,
        moving: tuple[str, ...],
    ) -> None:  # fmt: skip
        self.course, self.steady, self.times, self.ranks, self.moving = course, steady, times, ranks, moving
        self.names = tuple(params)
        self.carried = {name: v for name, v in course.template.overrides.items() if name in params}
        program = course.equations.program
        self.blocks = np.moveaxis(blocks, -1, 0)  # (subject, block, parameter)
        self.columns = [name if name in params and name not in self.carried else None for name in program.params]
        self.rows = sorted({e.record for e in course.group.knot_events if e is not None and e.record >= 0})

    def __call__(self, params: Mapping[str, Array]) -> tuple[Array, Array]:
        m, template = len(self.course.group.subjects), self.course.template
        given = {
            name: jnp.broadcast_to(jnp.asarray(params[name], float), (m,)) for name in self.names if name not in self.carried
        }
        carried = {name: jnp.asarray(v.T) for name, v in self.carried.items()}
        guesses = {row: steady.guess for row, steady in self.steady.items()}
        states, ports = jax.vmap(self._one)(given, carried, jnp.asarray(self.blocks), jnp.asarray(template.amt.T),
                                            jnp.asarray(template.rate.T), jnp.asarray(template.duration.T), guesses)  # fmt: skip
        return jnp.moveaxis(states, 0, -1), jnp.moveaxis(ports, 0, -1)

    def _one(
        self, given: Mapping[str, Array], carried: Mapping[str, Array], blocks: Array, amounts: Array, rates: Array,
        durations: Array, guesses: Mapping[int, tuple[Array, Array]],
    ) -> tuple[Array, Array]:  # fmt: skip
        """States and ports of one patient at all output times."""
        course, equations = self.course, self.course.equations
        records = {row: {**given, **{name: v[row] for name, v in carried.items()}} for row in self.rows}
        first = {**given, **{name: v[0] for name, v in carried.items()}}
        p = jnp.stack([blocks[:, j] if name is None else jnp.broadcast_to(given[name], blocks[:, j].shape)
                       for j, name in enumerate(self.columns)], axis=1) if self.columns else blocks  # fmt: skip
        orbits = {row: steady(records[row], (amounts, rates, durations), *guesses[row]) for row, steady in self.steady.items()}
        person = Person(p, equations.coefficient_rows(p), records, amounts, rates, durations, orbits)
        x0 = equations.start(first, self.moving, course.start)
        stored, flow = course.run(person, x0, x0)
        states, block = course.states_at(stored, flow, self.times, self.ranks)
        ports = jax.vmap(equations.port_row)(states, p[block])
        return states[:, : equations.program.own], ports
