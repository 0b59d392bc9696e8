"""Implicit steps of the nonlinear tail as a JAX function of one patient: the arithmetic of the CPU's RODAS steps."""

# pyright: reportArgumentType=false, reportReturnType=false, reportCallIssue=false, reportAttributeAccessIssue=false, reportAssignmentType=false
# SymPy's annotations give its base class where it returns expressions.

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
import sympy

from ketasim.solve._algebra import StepProgram
from ketasim.solve._tableau import Tableau

Array = Any


class _PowerOf(sympy.Function):
    """A power as `_power` computes it."""


def _power(base: Array, exponent: Array) -> Array:
    """base^exponent whose gradient at base 0 is 0 instead of 0/0: a state is 0 before its first dose."""
    above = base > 0
    at_zero = jnp.where(exponent == 0, 1.0, jnp.where(exponent > 0, 0.0, jnp.inf))
    return jnp.where(above, jnp.where(above, base, 1.0) ** exponent, jnp.where(base == 0, at_zero, jnp.nan))


def jax_function(arguments: list[Any], expressions: Any) -> Callable[..., Any]:
    """Expressions as a JAX function whose gradients are finite where states are 0."""

    def broken(e: sympy.Basic) -> bool:
        return isinstance(e, sympy.Pow) and not e.exp.is_Integer and abs(e.exp) != sympy.Rational(1, 2)

    def safe(e: Any) -> Any:
        return sympy.sympify(e).replace(broken, lambda power: _PowerOf(*power.args))

    content = [safe(e) for e in expressions] if isinstance(expressions, list) else safe(expressions)
    return sympy.lambdify(arguments, content, [{"_PowerOf": _power}, "jax"], cse=True)


def stage_functions(
    program: StepProgram, x: list[sympy.Symbol], p: list[sympy.Symbol]
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    rest_known = {sympy.Symbol(n, real=True): e for n, e in (*program.coefficients, *program.rest_temporaries)}
    jacobian_known = {sympy.Symbol(n, real=True): e for n, e in (*program.coefficients, *program.jacobian_temporaries)}

    def whole(expression: sympy.Expr, known: Mapping[sympy.Symbol, sympy.Expr]) -> sympy.Expr:
        while expression.free_symbols & set(known):
            expression = expression.xreplace(known)
        return expression

    rest = jax_function([x, p], [whole(e, rest_known) for e in program.rest.values()])
    jacobian = jax_function([x, p], [whole(e, jacobian_known) for e in program.jacobian.values()])
    return rest, jacobian


def tail_step(
    program: StepProgram, tableau: Tableau, functions: tuple[Callable[..., Any], Callable[..., Any]], x: Array, r: Array,
    p: list[Array], q: list[Array], h: Array, nodes: list[dict[int, Array]], slopes: dict[int, Array],
) -> tuple[Array, Array]:  # fmt: skip
    """Rosenbrock step of the tail with the head's values at the stages; returns its states and the interpolant."""
    rest, jacobian = functions
    tail = program.tail
    hi = 1.0 / h

    def everything(own: Array, given: dict[int, Array]) -> list[Array]:
        values = [jnp.zeros(())] * len(program.states)
        for k, i in enumerate(tail):
            values[i] = own[k]
        for i, v in given.items():
            values[i] = v
        return values

    start = x[np.array(tail)]
    entries = dict(zip(program.jacobian, jacobian(everything(start, nodes[0]), p), strict=True))
    for (i, j), s in program.linear.items():
        if i in tail:
            entries[i, j] = entries.get((i, j), 0.0) + q[int(str(s)[1:])]
    w = _factorise(program, entries, hi / tableau.gamma)
    drift = jnp.stack([sum((entries[i, j] * slopes[j] for j in slopes if (i, j) in entries), jnp.zeros(())) for i in tail])

    def rates(own: Array, given: dict[int, Array]) -> Array:
        u = everything(own, given)
        rows = {i: r[i] for i in tail}
        for i, s in program.constant.items():
            if i in rows:
                rows[i] = rows[i] + q[int(str(s)[1:])]
        for (i, j), s in program.linear.items():
            if i in rows:
                rows[i] = rows[i] + q[int(str(s)[1:])] * u[j]
        for i, value in zip(program.rest, rest(u, p), strict=True):
            rows[i] = rows[i] + value
        return jnp.stack([rows[i] for i in tail])

    gamma = tableau.nodes[1]
    stages: list[Array] = []
    u = start
    for s in range(tableau.stages):
        if s:
            u = u + stages[-1] if tableau.repeats(s) else start + sum(a * k for a, k in zip(tableau.a[s], stages, strict=False))
        g = sum((c * k for c, k in zip(tableau.c[s], stages, strict=False)), jnp.zeros_like(start))
        stages.append(_substitute(program, w, rates(u, nodes[s]) + hi * g + gamma[s] * h * drift))
    dense = jnp.stack([sum(c * k for c, k in zip(row, stages, strict=True) if c) for row in tableau.dense])
    return u + stages[-1], dense


def _factorise(program: StepProgram, entries: dict[tuple[int, int], Any], dg: Array) -> dict[tuple[int, int], Any]:
    w = {(i, j): (dg if i == j else jnp.zeros(())) - entries.get((i, j), 0.0) for i, j in program.pattern}
    left = set(program.tail)
    for k in program.order:
        left.remove(k)
        for i in [i for i in left if (i, k) in w]:
            w[i, k] = w[i, k] / w[k, k]
            for j in [j for j in left if (k, j) in w]:
                w[i, j] = w[i, j] - w[i, k] * w[k, j]
    return w


def _substitute(program: StepProgram, w: dict[tuple[int, int], Any], right: Array) -> Array:
    k = {i: right[position] for position, i in enumerate(program.tail)}
    left = set(program.tail)
    for pivot in program.order:
        left.remove(pivot)
        for i in left:
            if (i, pivot) in w:
                k[i] = k[i] - w[i, pivot] * k[pivot]
    done: set[int] = set()
    for pivot in reversed(program.order):
        for j in done:
            if (pivot, j) in w:
                k[pivot] = k[pivot] - w[pivot, j] * k[j]
        k[pivot] = k[pivot] / w[pivot, pivot]
        done.add(pivot)
    return jnp.stack([k[i] for i in program.tail])
