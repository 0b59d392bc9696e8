"""Steady states as JAX functions of one patient's parameters: the fixed point of the interval that repeats, with its gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ketasim.dose._template import EventTemplate
from ketasim.errors import InvalidOption
from ketasim.solve._jax_course import Course, Person
from ketasim.solve._jax_equations import Equations
from ketasim.solve._steady import KEPT, MAX_ITERATIONS, allowed_residual
from ketasim.solve._timeline import BEFORE, Orbit

Array = Any


def _whole(slope: Array) -> Array:
    """The derivative made regular: sums of states that an interval keeps stay as they are (as `_steady.correction` has it)."""
    left, sizes, _ = jnp.linalg.svd(slope)
    kept = left * (sizes < KEPT)[None, :]
    return slope - kept @ kept.T


class Steady:
    """The states at one steady-state record, before its dose enters.

    Newton's method begins where the CPU engine ended, at the parameters the target was made for. Its last step alone is
    differentiated: by the implicit function theorem it carries the gradient of the fixed point (the first one, not the second).
    """

    def __init__(
        self, equations: Equations, template: EventTemplate, row: int, orbit: Orbit, moving: tuple[str, ...], halvings: int
    ) -> None:
        if len(orbit.parts) != 1:
            raise InvalidOption("the differentiable target needs one order of events within an interval at steady state too.")
        group, plan = orbit.parts[0]
        self.equations, self.row, self.moving, self.span = equations, row, moving, orbit.span
        self.guess = jnp.asarray(np.nan_to_num(orbit.states).T), jnp.asarray(orbit.scale)
        self.course = Course(equations, template, group, plan, 0.0, orbit.span, halvings, row)

    def __call__(self, values: Mapping[str, Array], given: tuple[Array, Array, Array], guess: Array, scale: Array) -> Array:
        """States, (own state,). values : parameters of the record. given : amounts, rates, durations, (record,). guess : (own state,). scale : size of the input."""

        def change(x: Array, values: Mapping[str, Array]) -> Array:
            return self._after(x, values, given) - x

        frozen = {name: jax.lax.stop_gradient(v) for name, v in values.items()}
        slope_and_change = jax.jacfwd(lambda x: (change(x, frozen),) * 2, has_aux=True)

        def newton(carry: tuple[Array, ...]) -> tuple[Array, ...]:
            x, _, _, count = carry
            slope, moved = slope_and_change(x)
            found = jnp.all(jnp.abs(moved) <= allowed_residual(x, scale, jnp))
            return jnp.where(found, x, x - jnp.linalg.solve(_whole(slope), moved)), slope, found, count + 1

        def going(carry: tuple[Array, ...]) -> Array:
            return ~carry[2] & (carry[3] < MAX_ITERATIONS)

        begin = (guess, jnp.zeros((len(guess),) * 2), jnp.asarray(False), jnp.asarray(0))
        x, slope, found, _ = jax.lax.while_loop(going, newton, begin)
        x = jax.lax.stop_gradient(x)
        x = x - jnp.linalg.solve(_whole(jax.lax.stop_gradient(slope)), change(x, values))
        return jnp.where(found & jnp.all((guess < 0) | (x >= -1e-6 * scale)), x, jnp.nan)

    def _after(self, x: Array, values: Mapping[str, Array], given: tuple[Array, Array, Array]) -> Array:
        """States after one interval."""
        equations, own = self.equations, self.equations.program.own
        p = equations.constant(values)[None]
        person = Person(p, equations.coefficient_rows(p), {self.row: values}, *given, {})
        start = equations.start(values, self.moving, 0.0)
        stored, flow = self.course.run(person, start.at[:own].set(x), start)
        return self.course.states_at(stored, flow, np.array([self.span]), np.array([BEFORE]))[0][0, :own]
