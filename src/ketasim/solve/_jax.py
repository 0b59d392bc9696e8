"""Differentiable target: the same step program as a JAX function over arrays of patients, on CPU or GPU.

Times, orders and grids are those of the CPU engine; values (amounts, rates, lags, durations, parameters) are recomputed from
the parameters inside JAX, so that gradients reach all of them.
"""

# pyright: reportArgumentType=false, reportReturnType=false, reportCallIssue=false, reportAttributeAccessIssue=false, reportIncompatibleMethodOverride=false, reportAssignmentType=false
# SymPy's annotations give its base class where it returns expressions.

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import sympy
from numpy.typing import NDArray

from ketasim.dose._template import EventTemplate
from ketasim.errors import InvalidOption
from ketasim.solve._algebra import StepProgram, compile_system
from ketasim.solve._driver import Reference, _own_reference, _Run
from ketasim.solve._numba import METHODS, kernel_for
from ketasim.solve._plan import Plan
from ketasim.solve._tableau import Tableau
from ketasim.solve._timeline import ADD, DECIMALS, RATE, RESET, Event, Group

if TYPE_CHECKING:
    from ketasim.model import Model

jax.config.update("jax_enable_x64", True)
Array = Any
Floats = NDArray[np.float64]


def differentiable(
    model: Model, template: EventTemplate, params: Mapping[str, Floats], times: Floats, *, rtol: float = 1e-6,
    reference: Reference | None = None, method: str = "rodas5p",
) -> Callable[[Mapping[str, Array]], tuple[Array, Array]]:  # fmt: skip
    """A JAX function of the parameters for one set of event records.

    Parameters
    ----------
    params : model parameters -> (subject,), around which the order of events is fixed (it must be the same for all subjects).
    times : (time,), h.

    Returns
    -------
    function : parameters -> (states (time, state, subject), ports (time, port, subject)); can be jitted and differentiated.

    Raises
    ------
    InvalidOption: steady-state records or values that change from record to record, which this target does not take.
    """
    if np.any(template.ss) or any(np.any(v != v[:1]) for n, v in template.overrides.items() if n in params):
        raise InvalidOption("the differentiable target takes no steady-state records and no values that change between records.")
    kernel = kernel_for(model, (), method)
    t_out: Floats = np.asarray(np.round(np.asarray(times, np.float64), DECIMALS), np.float64)
    run = _Run(kernel, template, params, t_out, np.zeros(len(t_out), bool), rtol, (), True, "nocb", (), 1)
    groups, _, _ = run._timelines(template, run.params)
    plans = run._plans(reference or _own_reference(model, template))
    if len(groups) != 1 or groups[0].signature not in plans:
        raise InvalidOption("the differentiable target needs one order of events for all subjects; solve the others apart.")
    program = compile_system(model.system)
    return _Target(model, program, METHODS[method], template, groups[0], plans[groups[0].signature], t_out, run.start)


class _Target:
    """The function returned by `differentiable`."""

    def __init__(
        self, model: Model, program: StepProgram, tableau: Tableau, template: EventTemplate, group: Group, plan: Plan,
        t_out: Floats, start: float,
    ) -> None:  # fmt: skip
        self.model, self.program, self.template, self.group, self.plan = model, program, template, group, plan
        self.t_out, self.start = t_out, start
        self.n = len(program.states)
        self.names = program.params
        p = [sympy.Symbol(f"p{i}", real=True) for i in range(len(program.params))]
        x = [sympy.Symbol(f"x{i}", real=True) for i in range(self.n)]
        self.coefficients = sympy.lambdify([p], [e for _, e in program.coefficients], "jax", cse=True)
        own = {sympy.Symbol(n, real=True): p[i] for i, n in enumerate(program.params)}
        self.initial = sympy.lambdify([p], [model.system.initial[s].xreplace(own) if s in model.system.initial else sympy.Float(start)
                                            for s in program.states], "jax")  # fmt: skip
        explicit = model.system.explicit_ports()
        state = {sympy.Symbol(n, real=True): x[i] for i, n in enumerate(program.states)}
        self.port_values = sympy.lambdify([x, p], [explicit[n].xreplace({**own, **state}) for n in explicit], "jax", cse=True)
        self.inlets = {s: {k: sympy.lambdify([p], getattr(i, k).xreplace(own), "jax") for k in ("F", "lag", "duration", "rate")
                           if getattr(i, k) is not None} for s, i in model.system.inlets.items()}  # fmt: skip
        self.step = partial(_step, program, tableau, _stage_functions(program, x, p))
        self.tableau = tableau

    def __call__(self, params: Mapping[str, Array]) -> tuple[Array, Array]:
        m = len(self.group.subjects)
        p = [jnp.broadcast_to(jnp.asarray(params[name], float), (m,)) for name in self.names]
        q = (
            jnp.stack([jnp.broadcast_to(jnp.asarray(v, float), (m,)) for v in self.coefficients(p)])
            if self.program.coefficients
            else jnp.zeros((1, m))
        )
        x0 = jnp.stack([jnp.broadcast_to(jnp.asarray(v, float), (m,)) for v in self.initial(p)])
        starts = jnp.stack(
            [
                jnp.full(m, self.start) if e is None else jnp.maximum(self._event(e, p)[0], self.start)
                for e in self.group.knot_events
            ]
        )
        ends = jnp.concatenate([starts[1:], jnp.maximum(jnp.full((1, m), self.t_out[-1]), starts[-1:])])
        stored = self._advance(x0, p, q, starts, ends - starts)
        return self._outputs(stored, p, m)

    def _advance(self, x0: Array, p: list[Array], q: Array, starts: Array, lengths: Array) -> Any:
        """One scan over all steps of all segments, so that the step is traced and compiled once."""
        adds, resets, rates = self._operations(x0, p)
        counts = self.plan.n_steps
        segment = np.repeat(np.arange(len(counts)), counts)
        opens = np.zeros(len(segment), bool)
        opens[self.plan.first] = True

        def body(carry: tuple[Array, Array], now: tuple[Array, ...]) -> tuple[tuple[Array, Array], Any]:
            y, t = carry
            where, first, share = now
            y = jnp.where(first & resets[where], x0, y) + jnp.where(first, adds[where], 0.0)
            t = jnp.where(first, starts[where], t)
            h = jnp.maximum(lengths[where] * share, 1e-12)
            after, dense = self.step(y, rates[where], p, q, h)
            lives = lengths[where] > 0
            after, dense = jnp.where(lives[None], after, y), jnp.where(lives[None, None], dense, 0.0)
            return (after, t + jnp.where(lives, h, 0.0)), (y, after, dense, t, h)

        steps = (jnp.asarray(segment), jnp.asarray(opens), jnp.asarray(self.plan.fraction))
        return jax.lax.scan(jax.checkpoint(body), (x0, starts[0]), steps)[1]

    def _event(self, event: Event, p: list[Array]) -> tuple[Array, Array]:
        """Time and value (amount or rate) of a dose event, from the parameters."""
        t, row = self.template, event.record
        state = self.program.states[event.state]
        inlet = self.inlets.get(state, {})
        one = jnp.ones_like(p[0])
        amount = t.amt[row] * (inlet["F"](p) if "F" in inlet else one)
        time = t.time[row] + event.repeat * t.ii[row] + (inlet["lag"](p) if "lag" in inlet else 0.0) * one
        if event.what == "add":
            return time, amount
        kind = float(t.rate[row].flat[0])
        rate = inlet["rate"](p) * one if kind == -1 else amount / inlet["duration"](p) if kind == -2 else jnp.asarray(t.rate[row])
        return time + (amount / rate if event.what == "off" else 0.0), rate

    def _operations(self, x0: Array, p: list[Array]) -> tuple[Array, Array, Array]:
        """Per segment: what is added to the states, whether they are reset first, and the input rates."""
        group, zero = self.group, jnp.zeros_like(x0)
        adds, resets, rates, running = [], [], [], zero
        for s in range(len(group.block)):
            add, reset = zero, False
            for k in range(group.op_first[s], group.op_first[s + 1]):
                code, state = group.op_code[k], int(group.op_state[k])
                if code == RESET:
                    add, reset, running = zero, True, zero
                elif code == ADD:
                    add = add.at[state].add(self._event(group.op_events[k][0], p)[1])
                elif code == RATE:
                    running = running.at[state].set(
                        sum((self._event(e, p)[1] for e in group.op_events[k]), jnp.zeros_like(x0[0]))
                    )
            adds.append(add)
            resets.append(reset)
            rates.append(running)
        return jnp.stack(adds), jnp.asarray(resets), jnp.stack(rates)

    def _outputs(self, stored: Any, p: list[Array], m: int) -> tuple[Array, Array]:
        before, after, dense, t, h = stored
        # The step that holds an output time: the last one that starts at or before it (after events at that very time).
        index = jnp.clip(jnp.sum(t[None] <= jnp.asarray(self.t_out)[:, None, None] + 1e-12, axis=1) - 1, 0, len(t) - 1)
        lane = jnp.arange(m)[None, :]
        theta = jnp.clip((jnp.asarray(self.t_out)[:, None] - t[index, lane]) / h[index, lane], 0.0, 1.0)[:, None, :]

        def pick(array: Array) -> Array:
            return jnp.moveaxis(array[index, ..., lane], -1, 1)

        y0, y1 = pick(before), pick(after)
        d = jnp.moveaxis(dense[index, :, :, lane], 1, -1)
        inner = d[:, -1]
        for row in range(d.shape[1] - 2, -1, -1):
            inner = d[:, row] + theta * inner
        states = (1 - theta) * y0 + theta * (y1 + (1 - theta) * inner)
        own = len(self.model.states)
        ports = self.port_values([states[:, i] for i in range(self.n)], [v[None, :] for v in p])
        values = (
            jnp.stack([jnp.broadcast_to(v, states[:, 0].shape) for v in ports], axis=1)
            if ports
            else jnp.zeros((len(self.t_out), 0, m))
        )
        return states[:, :own], values


def _stage_functions(
    program: StepProgram, x: list[sympy.Symbol], p: list[sympy.Symbol]
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    rest_known = {sympy.Symbol(n, real=True): e for n, e in program.rest_temporaries}
    jacobian_known = {sympy.Symbol(n, real=True): e for n, e in program.jacobian_temporaries}

    def whole(expression: sympy.Expr, known: Mapping[sympy.Symbol, sympy.Expr]) -> sympy.Expr:
        while expression.free_symbols & set(known):
            expression = expression.xreplace(known)
        return expression

    rest = sympy.lambdify([x, p], [whole(e, rest_known) for e in program.rest.values()], "jax", cse=True)
    jacobian = sympy.lambdify([x, p], [whole(e, jacobian_known) for e in program.jacobian.values()], "jax", cse=True)
    return rest, jacobian


def _step(
    program: StepProgram, tableau: Tableau, functions: tuple[Callable[..., Any], Callable[..., Any]], x: Array, r: Array,
    p: list[Array], q: Array, h: Array,
) -> tuple[Array, Array]:  # fmt: skip
    n, (rest, jacobian) = len(program.states), functions
    hi = 1.0 / h
    w = _factorise(program, x, p, q, hi / tableau.gamma, jacobian)

    def rates(u: Array) -> Array:
        rows: list[Any] = [r[i] for i in range(n)]
        for i, s in program.constant.items():
            rows[i] = rows[i] + q[int(str(s)[1:])]
        for (i, j), s in program.linear.items():
            rows[i] = rows[i] + q[int(str(s)[1:])] * u[j]
        for i, value in zip(program.rest, rest(list(u), p), strict=True):
            rows[i] = rows[i] + value
        return jnp.stack(rows)

    stages: list[Array] = []
    u = x
    for s in range(tableau.stages):
        if s:
            u = u + stages[-1] if tableau.repeats(s) else x + sum(a * k for a, k in zip(tableau.a[s], stages, strict=False))
        g = sum((c * k for c, k in zip(tableau.c[s], stages, strict=False)), jnp.zeros_like(x))
        stages.append(_substitute(program, w, rates(u) + hi[None, :] * g))
    after = u + stages[-1]
    dense = jnp.stack([sum(c * k for c, k in zip(row, stages, strict=True) if c) for row in tableau.dense])
    return after, dense


def _factorise(
    program: StepProgram, x: Array, p: list[Array], q: Array, dg: Array, jacobian: Callable[..., Any]
) -> dict[tuple[int, int], Any]:
    nonlinear = dict(zip(program.jacobian, jacobian(list(x), p), strict=True))
    w: dict[tuple[int, int], Any] = {}
    for i, j in program.pattern:
        value = dg if i == j else jnp.zeros_like(dg)
        if (i, j) in program.linear:
            value = value - q[int(str(program.linear[i, j])[1:])]
        if (i, j) in nonlinear:
            value = value - nonlinear[i, j]
        w[i, j] = value
    left = set(range(len(program.states)))
    for k in program.order:
        left.remove(k)
        for i in [i for i in left if (i, k) in w]:
            w[i, k] = w[i, k] / w[k, k]
            for j in [j for j in left if (k, j) in w]:
                w[i, j] = w[i, j] - w[i, k] * w[k, j]
    return w


def _substitute(program: StepProgram, w: dict[tuple[int, int], Any], right: Array) -> Array:
    k = [right[i] for i in range(len(program.states))]
    left = set(range(len(k)))
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
    return jnp.stack(k)
