"""Differentiable target: the same step program as a JAX function of one patient, mapped over patients, on CPU or GPU.

Orders of events and steps are those of the CPU engine; values (amounts, rates, lags, durations, parameters) are recomputed from
the parameters inside JAX, so that gradients reach all of them. The linear head is advanced by the same dyadic propagators.
"""

# pyright: reportArgumentType=false, reportReturnType=false, reportCallIssue=false, reportAttributeAccessIssue=false, reportIncompatibleMethodOverride=false, reportAssignmentType=false
# SymPy's annotations give its base class where it returns expressions.

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from ketasim.solve._head import DELTA, N_DENSE, Head
from ketasim.solve._numba import METHODS, kernel_for
from ketasim.solve._plan import Plan
from ketasim.solve._tableau import Tableau, hermite
from ketasim.solve._timeline import ADD, AFTER, DECIMALS, RATE, RESET, Event, Group

if TYPE_CHECKING:
    from ketasim.model import Model

jax.config.update("jax_enable_x64", True)
Array = Any
Floats = NDArray[np.float64]
#: Propagators up to 1024 h, so that every time is its binary digits once.
LEVELS = 21
#: Terms of the Taylor series, for norm times step at most 1.
TERMS = 17


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
    run = _Run(kernel, template, params, t_out, np.full(len(t_out), AFTER), rtol, (), True, "nocb", (), 1)
    groups, _, _ = run._timelines(template, run.params)
    plans = run._plans(reference or _own_reference(model, template))
    if len(groups) != 1 or groups[0].signature not in plans:
        raise InvalidOption("the differentiable target needs one order of events for all subjects; solve the others apart.")
    program = compile_system(model.system)
    return _Target(model, program, METHODS[method], template, groups[0], plans[groups[0].signature], t_out, run)


class _Target:
    """The function returned by `differentiable`."""

    def __init__(
        self, model: Model, program: StepProgram, tableau: Tableau, template: EventTemplate, group: Group, plan: Plan,
        t_out: Floats, run: _Run,
    ) -> None:  # fmt: skip
        self.model, self.program, self.template, self.group, self.plan = model, program, template, group, plan
        self.t_out, self.start, self.tableau = t_out, run.start, tableau
        self.n, self.names = len(program.states), program.params
        p = [sympy.Symbol(f"p{i}", real=True) for i in range(len(program.params))]
        x = [sympy.Symbol(f"x{i}", real=True) for i in range(self.n)]
        self.coefficients = sympy.lambdify([p], [e for _, e in program.coefficients], "jax", cse=True)
        own = {sympy.Symbol(n, real=True): p[i] for i, n in enumerate(program.params)}
        self.initial = sympy.lambdify([p], [model.system.initial[s].xreplace(own) if s in model.system.initial else sympy.Float(run.start)
                                            for s in program.states], "jax")  # fmt: skip
        explicit = model.system.explicit_ports()
        state = {sympy.Symbol(n, real=True): x[i] for i, n in enumerate(program.states)}
        self.port_values = sympy.lambdify([x, p], [explicit[n].xreplace({**own, **state}) for n in explicit], "jax", cse=True)
        self.inlets = {s: {k: sympy.lambdify([p], getattr(i, k).xreplace(own), "jax") for k in ("F", "lag", "duration", "rate")
                           if getattr(i, k) is not None} for s, i in model.system.inlets.items()}  # fmt: skip
        self.functions = _stage_functions(program, x, p)
        self.head, self.tail = np.array(program.head, int), np.array(program.tail, int)
        place = {i: k for k, i in enumerate(program.head)}
        self.entries = [(place[i], place[j], s) for (i, j), s in program.linear.items() if i in place]
        values = np.array(
            [
                np.broadcast_to(v, len(group.subjects))
                for v in self.coefficients(list(run._array(run.params, template.n_subjects)))
            ]
        )
        self.halvings = self._halvings(values)
        self.steps = self._steps()

    def _halvings(self, q: Floats) -> int:
        """How often DELTA is halved before the Taylor series is short enough for the fastest patient."""
        if not self.entries:
            return 0
        pattern = Head(len(self.head), tuple((i, j) for i, j, _ in self.entries))
        inside = [self.entries[k] for k in pattern.inside]
        sums = np.zeros((len(self.head), q.shape[1]))
        for _, j, s in inside:
            sums[j] += np.abs(q[int(str(s)[1:])])
        return max(0, int(np.ceil(np.log2(max(float(sums.max()) * DELTA, 1e-300)))))

    def _steps(self) -> tuple[NDArray[np.int64], NDArray[np.bool_], Floats]:
        """Segment, whether a step opens it, and planned length of every step; enough for the longest segment of any subject."""
        segment, opens, share = list[int](), list[bool](), list[float]()
        for s, longest in enumerate(self.group.length.max(axis=1)):
            planned = self.plan.steps[self.plan.first[s] : self.plan.first[s] + self.plan.n_steps[s]]
            lengths = self.group.length[s].copy() if len(self.tail) else np.array([longest])
            for k in range(100_000):
                h = planned[min(k, len(planned) - 1)] if len(self.tail) else np.inf
                segment.append(s)
                opens.append(k == 0)
                share.append(float(min(h, 1e300)))
                lengths = np.where(lengths <= 1.05 * h, 0.0, lengths - h)
                if not np.any(lengths > 0):
                    break
            # Lags and durations may move a little while the function is differentiated or fitted: one step to spare.
            if len(self.tail):
                segment.append(s)
                opens.append(False)
                share.append(share[-1])
        return np.array(segment), np.array(opens), np.array(share)

    def __call__(self, params: Mapping[str, Array]) -> tuple[Array, Array]:
        m = len(self.group.subjects)
        p = jnp.stack([jnp.broadcast_to(jnp.asarray(params[name], float), (m,)) for name in self.names], axis=-1)
        amounts, rates = jnp.asarray(self.template.amt.T), jnp.asarray(self.template.rate.T)
        states, ports = jax.vmap(self._one)(p, amounts, rates)
        return jnp.moveaxis(states, 0, -1), jnp.moveaxis(ports, 0, -1)

    def _one(self, values: Array, amounts: Array, given: Array) -> tuple[Array, Array]:
        """States and ports of one patient at all output times."""
        p = list(values)
        q = [jnp.asarray(v, float) for v in self.coefficients(p)]
        x0 = jnp.stack([jnp.asarray(v, float) for v in self.initial(p)])
        event = _Events(self, p, amounts, given)
        starts = jnp.stack([jnp.asarray(self.start, float) if e is None else jnp.maximum(event(e)[0], self.start)
                            for e in self.group.knot_events])  # fmt: skip
        ends = jnp.concatenate([starts[1:], jnp.maximum(jnp.asarray(self.t_out[-1:]), starts[-1:])])
        adds, resets, rates = self._operations(x0, event)
        flow = _Flow(self, q, rates)
        segment, opens, share = (jnp.asarray(v) for v in self.steps)

        def body(carry: tuple[Array, Array], now: tuple[Array, ...]) -> tuple[tuple[Array, Array], Any]:
            y, t = carry
            where, first, planned = now
            y = jnp.where(first & resets[where], x0, y) + jnp.where(first, adds[where], 0.0)
            t = jnp.where(first, starts[where], t)
            rest = jnp.maximum(ends[where] - t, 0.0)
            h = jnp.where(rest <= 1.05 * planned, rest, planned)
            after, dense = self._step(y, h, where, p, q, rates, flow)
            return (after, t + h), (y, after, dense, t, h, where)

        stored = jax.lax.scan(jax.checkpoint(body), (x0, starts[0]), (segment, opens, share))[1]
        return self._outputs(stored, p, flow)

    def _step(
        self, y: Array, h: Array, where: Array, p: list[Array], q: list[Array], rates: Array, flow: _Flow
    ) -> tuple[Array, Array]:
        """States after a step of length h, and the interpolant of the tail."""
        after = y.at[self.head].set(flow.move(y[self.head], h, where)) if len(self.head) else y
        if not len(self.tail):
            return after, jnp.zeros((0, 0))
        nodes, slopes = self._input(y, after, h, where, flow)
        lives = h > 0
        end, dense = _tail_step(
            self.program, self.tableau, self.functions, y, rates[where], p, q, jnp.where(lives, h, 1e-12), nodes, slopes
        )
        return after.at[self.tail].set(jnp.where(lives, end, y[self.tail])), jnp.where(lives, dense, 0.0)

    def _input(
        self, y: Array, after: Array, h: Array, where: Array, flow: _Flow
    ) -> tuple[list[dict[int, Array]], dict[int, Array]]:
        """Head states the tail reads at every stage (quintic Hermite), and their slopes at the start."""
        coupled = list(self.program.coupled)
        if not coupled:
            return [{} for _ in range(self.tableau.stages)], {}
        begin, end = flow.derivatives(y[self.head], where), flow.derivatives(after[self.head], where)
        place = {i: k for k, i in enumerate(self.program.head)}
        pick = np.array([place[i] for i in coupled])
        x0, v0, a0 = (d[pick] for d in begin)
        x1, v1, a1 = (d[pick] for d in end)
        nodes = []
        for s in self.tableau.nodes[0]:
            w = hermite(s)
            value = w[0] * x0 + w[1] * h * v0 + w[2] * h * h * a0 + w[3] * h * h * a1 + w[4] * h * v1 + w[5] * x1
            nodes.append(dict(zip(coupled, value, strict=True)))
        return nodes, dict(zip(coupled, v0, strict=True))

    def _operations(self, x0: Array, event: _Events) -> tuple[Array, Array, Array]:
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
                    add = add.at[state].add(event(group.op_events[k][0])[1])
                elif code == RATE:
                    running = running.at[state].set(sum((event(e)[1] for e in group.op_events[k]), jnp.zeros(())))
            adds.append(add)
            resets.append(reset)
            rates.append(running)
        return jnp.stack(adds), jnp.asarray(resets), jnp.stack(rates)

    def _outputs(self, stored: Any, p: list[Array], flow: _Flow) -> tuple[Array, Array]:
        before, after, dense, t, h, where = stored

        def at(time: Array) -> Array:
            # The step that holds an output time: the last one that starts at or before it (after events at that very time).
            k = jnp.clip(jnp.sum(t <= time + 1e-12) - 1, 0, len(t) - 1)
            x = before[k]
            if len(self.head):
                x = x.at[self.head].set(flow.move(x[self.head], jnp.maximum(time - t[k], 0.0), where[k]))
            if len(self.tail):
                theta = jnp.clip((time - t[k]) / jnp.where(h[k] > 0, h[k], 1.0), 0.0, 1.0)
                inner = dense[k, -1]
                for row in range(dense.shape[1] - 2, -1, -1):
                    inner = dense[k, row] + theta * inner
                inside = (1 - theta) * before[k][self.tail] + theta * (after[k][self.tail] + (1 - theta) * inner)
                x = x.at[self.tail].set(inside)
            return x

        states = jax.vmap(at)(jnp.asarray(self.t_out))
        ports = self.port_values([states[:, i] for i in range(self.n)], p)
        n_out = len(self.t_out)
        values = jnp.stack([jnp.broadcast_to(v, (n_out,)) for v in ports], axis=1) if ports else jnp.zeros((n_out, 0))
        return states[:, : len(self.model.states)], values


class _Events:
    """Time and value (amount or rate) of the dose events of one patient, from the parameters."""

    def __init__(self, target: _Target, p: list[Array], amounts: Array, given: Array) -> None:
        self.target, self.p, self.amounts, self.given = target, p, amounts, given

    def __call__(self, event: Event) -> tuple[Array, Array]:
        t, row = self.target.template, event.record
        inlet = self.target.inlets.get(self.target.program.states[event.state], {})
        amount = self.amounts[row] * (inlet["F"](self.p) if "F" in inlet else 1.0)
        time = t.time[row] + event.repeat * t.ii[row] + (inlet["lag"](self.p) if "lag" in inlet else 0.0)
        if event.what == "add":
            return time, amount
        kind = float(t.rate[row].flat[0])
        rate = inlet["rate"](self.p) if kind == -1 else amount / inlet["duration"](self.p) if kind == -2 else self.given[row]
        return time + (amount / rate if event.what == "off" else 0.0), jnp.asarray(rate)


class _Flow:
    """Exact advance of the head of one patient: see `_linear.py`, whose arithmetic this follows with dense matrices."""

    def __init__(self, target: _Target, q: list[Array], rates: Array) -> None:
        self.n, self.halvings = len(target.head), target.halvings
        if not self.n:
            return
        rows, columns, values = (
            zip(*((i, j, q[int(str(s)[1:])]) for i, j, s in target.entries), strict=True) if target.entries else ((), (), ())
        )
        self.A = (
            jnp.zeros((self.n, self.n)).at[np.array(rows, int), np.array(columns, int)].set(jnp.stack(values) if values else 0.0)
        )
        constant = jnp.zeros(self.n)
        for k, i in enumerate(target.program.head):
            if i in target.program.constant:
                constant = constant.at[k].set(q[int(str(target.program.constant[i])[1:])])
        self.c = rates[:, target.head] + constant[None, :]
        self.one = jnp.asarray([1.0 if k < N_DENSE else 0.0 for k in range(LEVELS)])
        self.levels = self._levels()
        self.g = self._forcing()

    def _levels(self) -> Array:
        h = DELTA * 0.5**self.halvings
        term = level = self.A * h
        for k in range(2, TERMS + 1):
            term = (self.A @ term) * (h / k)
            level = level + term
        for _ in range(self.halvings):
            level = 2.0 * level + level @ level
        out = [level]
        for k in range(1, LEVELS):
            level = (2.0 * level if k <= N_DENSE else 0.0) + level @ level
            if k == N_DENSE:
                level = level + jnp.eye(self.n)
            out.append(level)
        return jnp.stack(out)

    def _forcing(self) -> Array:
        """g of every segment and level."""
        g = jax.vmap(lambda c: self._short(jnp.zeros(self.n), jnp.asarray(DELTA), c))(self.c)
        out = [g]
        for k in range(1, LEVELS):
            g = g + self.one[k - 1] * g + g @ self.levels[k - 1].T
            out.append(g)
        return jnp.stack(out, axis=1)

    def _short(self, x: Array, time: Array, c: Array) -> Array:
        h = time * 0.5**self.halvings

        def add(carry: tuple[Array, Array], k: Array) -> tuple[tuple[Array, Array], None]:
            x, term = carry
            term = (self.A @ term) * (h / k)
            return (x + term, term), None

        def part(x: Array, _: Array) -> tuple[Array, None]:
            term = h * (self.A @ x + c)
            return jax.lax.scan(add, (x + term, term), jnp.arange(2.0, TERMS + 1))[0][0], None

        return part(x, x)[0] if self.halvings == 0 else jax.lax.scan(part, x, None, length=2**self.halvings)[0]

    def move(self, x: Array, time: Array, segment: Array) -> Array:
        """State after a time: its binary digits, then what is left as a Taylor series, through which time is differentiated."""
        count = jnp.floor(jax.lax.stop_gradient(time) / DELTA + 1e-8)
        bits = jnp.floor(count / 2.0 ** jnp.arange(LEVELS)) % 2.0 > 0

        def level(x: Array, now: tuple[Array, ...]) -> tuple[Array, None]:
            matrix, g, one, bit = now
            return jnp.where(bit, one * x + matrix @ x + g, x), None

        x, _ = jax.lax.scan(level, x, (self.levels, self.g[segment], self.one, bits))
        return self._short(x, time - count * DELTA, self.c[segment])

    def derivatives(self, x: Array, segment: Array) -> tuple[Array, Array, Array]:
        """State, first and second derivative."""
        v = self.A @ x + self.c[segment]
        return x, v, self.A @ v


def _stage_functions(
    program: StepProgram, x: list[sympy.Symbol], p: list[sympy.Symbol]
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    rest_known = {sympy.Symbol(n, real=True): e for n, e in (*program.coefficients, *program.rest_temporaries)}
    jacobian_known = {sympy.Symbol(n, real=True): e for n, e in (*program.coefficients, *program.jacobian_temporaries)}

    def whole(expression: sympy.Expr, known: Mapping[sympy.Symbol, sympy.Expr]) -> sympy.Expr:
        while expression.free_symbols & set(known):
            expression = expression.xreplace(known)
        return expression

    rest = sympy.lambdify([x, p], [whole(e, rest_known) for e in program.rest.values()], "jax", cse=True)
    jacobian = sympy.lambdify([x, p], [whole(e, jacobian_known) for e in program.jacobian.values()], "jax", cse=True)
    return rest, jacobian


def _tail_step(
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
