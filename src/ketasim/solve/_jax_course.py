"""One order of events with its steps, run by JAX for one patient: operations, steps, and states at any times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from ketasim.dose._template import EventTemplate
from ketasim.solve._jax_equations import Equations
from ketasim.solve._jax_flow import Flow
from ketasim.solve._jax_step import tail_step
from ketasim.solve._plan import Plan
from ketasim.solve._tableau import hermite
from ketasim.solve._timeline import ADD, RATE, RESET, SET, Event, Group

Array = Any
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
#: Times that differ by less, h, are one: the CPU rounds them to twice this.
_ONE_TIME = 5e-11


@dataclass(frozen=True)
class Person:
    """One patient under the trace.

    Attributes
    ----------
    p : (block, parameter). q : (block, coefficient).
    records : record -> name -> value, of the records that give doses or move values. amounts, rates, durations : (record,), as given.
    orbits : record -> states at its steady state.
    """

    p: Array
    q: Array
    records: Mapping[int, Mapping[str, Array]]
    amounts: Array
    rates: Array
    durations: Array
    orbits: Mapping[int, Array]


class Stored(NamedTuple):
    """Every step: states before and after, interpolant of the tail, time, length and segment."""

    before: Array
    after: Array
    dense: Array
    t: Array
    h: Array
    segment: Array


class Course:
    """Segments and steps that all subjects of a group share.

    Parameters
    ----------
    start, end : h. repeats : record whose interval this is, at steady state; times count from it.
    """

    def __init__(
        self, equations: Equations, template: EventTemplate, group: Group, plan: Plan, start: float, end: float, halvings: int,
        repeats: int | None = None,
    ) -> None:  # fmt: skip
        self.equations, self.template, self.group, self.start, self.end = equations, template, group, start, end
        self.halvings, self.repeats = halvings, repeats
        self.segment, self.opens, self.share = _steps(group, plan, bool(len(equations.tail)))
        # An output comes after a step whose segment was opened by an event of its time with this rank or a lower one.
        self.rank = np.concatenate([[np.iinfo(np.int64).min], group.opens[:-1]])[self.segment]

    def run(self, person: Person, x: Array, reset: Array) -> tuple[Stored, Flow]:
        """All steps from states `x`; `reset` : states after a reset."""
        events = [None if e is None else self.event(person, e) for e in self.group.knot_events]
        starts = jnp.stack([jnp.asarray(self.start, float) if e is None else jnp.maximum(e[0], self.start) for e in events])
        ends = jnp.concatenate([starts[1:], jnp.maximum(jnp.asarray([self.end]), starts[-1:])])
        clears, adds, rates = self._operations(person, reset)
        flow = Flow(self.equations, person.q, rates, self.group.block, self.halvings)

        def body(carry: tuple[Array, Array], now: tuple[Array, ...]) -> tuple[tuple[Array, Array], Stored]:
            y, t = carry
            where, first, planned = now
            y = jnp.where(first & clears[where], 0.0, y) + jnp.where(first, adds[where], 0.0)
            t = jnp.where(first, starts[where], t)
            rest = jnp.maximum(ends[where] - t, 0.0)
            h = jnp.where(rest <= 1.05 * planned, rest, planned)
            after, dense = self._step(person, y, h, where, rates, flow)
            return (after, t + h), Stored(y, after, dense, t, h, where)

        steps = (jnp.asarray(self.segment), jnp.asarray(self.opens), jnp.asarray(self.share))
        return jax.lax.scan(jax.checkpoint(body), (x, starts[0]), steps)[1], flow

    def states_at(self, stored: Stored, flow: Flow, times: Floats, ranks: Ints) -> tuple[Array, Array]:
        """States (time, state), and the block of parameters that holds: (time,). ranks : order among the events of a time."""
        head, tail, opened = self.equations.head, self.equations.tail, jnp.asarray(self.rank)
        before, after, dense, t, h, where = stored

        def at(time: Array, rank: Array) -> tuple[Array, Array]:
            begun = (t < time - _ONE_TIME) | ((t <= time + _ONE_TIME) & (opened <= rank))
            k = jnp.clip(jnp.sum(begun) - 1, 0, len(t) - 1)
            x = before[k]
            if len(head):
                x = x.at[head].set(flow.move(x[head], jnp.maximum(time - t[k], 0.0), where[k]))
            if len(tail):
                theta = jnp.clip((time - t[k]) / jnp.where(h[k] > 0, h[k], 1.0), 0.0, 1.0)
                inner = dense[k, -1]
                for row in range(dense.shape[1] - 2, -1, -1):
                    inner = dense[k, row] + theta * inner
                x = x.at[tail].set((1 - theta) * before[k][tail] + theta * (after[k][tail] + (1 - theta) * inner))
            return x, jnp.asarray(self.group.block)[where[k]]

        return jax.vmap(at)(jnp.asarray(times), jnp.asarray(ranks))

    def event(self, person: Person, event: Event) -> tuple[Array, Array]:
        """Time and value (amount or rate) of an event, from the parameters of its record."""
        t, repeats = self.template, self.repeats is not None
        row = event.record if self.repeats is None else self.repeats
        origin, ii = 0.0 if repeats else t.time[row], t.ii[row]
        if event.what not in ("add", "on", "off"):
            return jnp.asarray(origin, float), jnp.zeros(())
        lag, amount, rate, duration = self._dose(person, row, event.state)
        if repeats and ii == 0.0:  # an infusion that has run forever
            return jnp.zeros(()), rate
        begin, lasts = (event.repeat - event.back) * ii + lag, duration > _ONE_TIME
        if event.what == "add":
            # At steady state an earlier dose enters after its record or has entered before; in the interval that repeats, once.
            enters = begin > -_ONE_TIME if event.back else begin < ii - _ONE_TIME if repeats else True
            return origin + (jnp.maximum(begin, 0.0) if event.back else begin), jnp.where(enters & ~lasts, amount, 0.0)
        finish, rate = begin + duration, jnp.where(lasts, rate, 0.0)
        time = finish if event.what == "off" else begin
        if event.back:
            time, rate = jnp.maximum(time, 0.0), jnp.where(finish > 0, rate, 0.0)
        return origin + time, rate

    def _dose(self, person: Person, row: int, state: int) -> tuple[Array, Array, Array, Array]:
        """Lag, amount, rate and duration of the dose of a record."""
        equations, values = self.equations, person.records[row]
        inlet, listed = equations.inlets.get(equations.program.states[state], {}), equations.listed(values)
        lag = jnp.asarray(inlet["lag"](listed) if "lag" in inlet else 0.0, float)
        amount = jnp.asarray(person.amounts[row] * (inlet["F"](listed) if "F" in inlet else 1.0), float)
        kind = float(self.template.rate[row].flat[0])
        if kind == -2:
            duration = jnp.asarray(inlet["duration"](listed), float)
            lasts = duration > 0
            return lag, amount, jnp.where(lasts, amount / jnp.where(lasts, duration, 1.0), 0.0), jnp.maximum(duration, 0.0)
        stated = person.durations[row]
        given = jnp.where(stated > 0, amount / jnp.where(stated > 0, stated, 1.0), person.rates[row])
        rate = jnp.asarray(inlet["rate"](listed) if kind == -1 else given, float)
        flows = rate > 0
        return lag, amount, jnp.where(flows, rate, 0.0), jnp.where(flows, amount / jnp.where(flows, rate, 1.0), 0.0)

    def _operations(self, person: Person, reset: Array) -> tuple[Array, Array, Array]:
        """Per segment: which states are cleared first, what is added to them, and the input rates: (segment, state) each."""
        group, zero = self.group, jnp.zeros_like(reset)
        clears, adds, rates, running = [], [], [], zero
        for s in range(len(group.block)):
            clear, add = np.zeros(len(reset), bool), zero
            for k in range(group.op_first[s], group.op_first[s + 1]):
                code, state, events = group.op_code[k], int(group.op_state[k]), group.op_events[k]
                if code == RESET:
                    clear, add, running = np.ones(len(reset), bool), reset, zero
                elif code == ADD:
                    add = add.at[state].add(self._amount(person, events[0], state))
                elif code == SET:
                    clear[state], add = True, add.at[state].set(self._amount(person, events[0], state))
                elif code == RATE:
                    running = running.at[state].set(sum((self.event(person, e)[1] for e in events), jnp.zeros(())))
            clears.append(clear)
            adds.append(add)
            rates.append(running)
        return jnp.asarray(np.array(clears)), jnp.stack(adds), jnp.stack(rates)

    def _amount(self, person: Person, event: Event, state: int) -> Array:
        """What an event adds to a state or sets it to."""
        if event.what == "ss":
            return person.orbits[event.record][state]
        if event.what == "set":
            return person.records[event.record][self.equations.program.states[state]]
        return self.event(person, event)[1]

    def _step(self, person: Person, y: Array, h: Array, where: Array, rates: Array, flow: Flow) -> tuple[Array, Array]:
        """States after a step of length h, and the interpolant of the tail."""
        equations = self.equations
        head, tail = equations.head, equations.tail
        after = y.at[head].set(flow.move(y[head], h, where)) if len(head) else y
        if not len(tail):
            return after, jnp.zeros((0, 0))
        nodes, slopes = self._input(y, after, h, where, flow)
        block = 0 if person.p.shape[0] == 1 else jnp.asarray(self.group.block)[where]
        lives = h > 0
        end, dense = tail_step(
            equations.program, equations.tableau, equations.functions, y, rates[where], list(person.p[block]), list(person.q[block]),
            jnp.where(lives, h, 1e-12), nodes, slopes,
        )  # fmt: skip
        return after.at[tail].set(jnp.where(lives, end, y[tail])), jnp.where(lives, dense, 0.0)

    def _input(
        self, y: Array, after: Array, h: Array, where: Array, flow: Flow
    ) -> tuple[list[dict[int, Array]], dict[int, Array]]:
        """Head states the tail reads at every stage (quintic Hermite), and their slopes at the start."""
        program, head, tableau = self.equations.program, self.equations.head, self.equations.tableau
        coupled = list(program.coupled)
        if not coupled:
            return [{} for _ in range(tableau.stages)], {}
        begin, end = flow.derivatives(y[head], where), flow.derivatives(after[head], where)
        place = {i: k for k, i in enumerate(program.head)}
        pick = np.array([place[i] for i in coupled])
        x0, v0, a0 = (d[pick] for d in begin)
        x1, v1, a1 = (d[pick] for d in end)
        nodes = []
        for s in tableau.nodes[0]:
            w = hermite(s)
            value = w[0] * x0 + w[1] * h * v0 + w[2] * h * h * a0 + w[3] * h * h * a1 + w[4] * h * v1 + w[5] * x1
            nodes.append(dict(zip(coupled, value, strict=True)))
        return nodes, dict(zip(coupled, v0, strict=True))


def _steps(group: Group, plan: Plan, stepped: bool) -> tuple[Ints, NDArray[np.bool_], Floats]:
    """Segment, whether a step opens it, and planned length of every step; enough for the longest segment of any subject."""
    segment, opens, share = list[int](), list[bool](), list[float]()
    for s, longest in enumerate(group.length.max(axis=1)):
        planned = plan.steps[plan.first[s] : plan.first[s] + plan.n_steps[s]]
        lengths = group.length[s].copy() if stepped else np.array([longest])
        for k in range(100_000):
            h = planned[min(k, len(planned) - 1)] if stepped else np.inf
            segment.append(s)
            opens.append(k == 0)
            share.append(float(min(h, 1e300)))
            lengths = np.where(lengths <= 1.05 * h, 0.0, lengths - h)
            if not np.any(lengths > 0):
                break
        # Lags and durations may move a little while the function is differentiated or fitted: one step to spare.
        if stepped:
            segment.append(s)
            opens.append(False)
            share.append(share[-1])
    return np.array(segment), np.array(opens), np.array(share)
