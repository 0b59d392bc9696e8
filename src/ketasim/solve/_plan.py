"""Steps of the nonlinear tail, planned once: an adaptive run of typical patients decides them; every patient then takes the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import factorial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ketasim.solve._head import LANES, MAX_LEVELS
from ketasim.solve._numba import Kernel
from ketasim.solve._stencil import NODES, legendre, stencils_of
from ketasim.solve._timeline import Group

Floats = NDArray[np.float64]
#: Local tolerance of planned steps relative to the tolerance asked for: room for patients who differ from the reference.
#: The embedded estimate belongs to the lower order, so the true error stays below it.
PLAN_SAFETY = 0.5
#: The same for a cascade. Where a patient is much faster than planned for, eight nodes resolve little and the estimate says too
#: little (up to 30 times): an order of 8 makes room for that cheap.
CASCADE_SAFETY = 0.02
#: Share of the tolerance that the estimated error of a patient may take.
ACCEPT, CASCADE_ACCEPT = 1.0, 0.1
#: Slow steps are chosen for rates this many times those of the one patient who planned, or of the fastest of several.
ROOM_FOR_ONE, ROOM_FOR_SEVERAL = 4.0, 2.0
#: exp(k t) of those who planned grows to this at most: patients four times faster still do not overflow in single precision.
MOST_GROWTH = np.exp(20.0)
#: States below this share of their own peak are followed in absolute terms.
FLOOR_SHARE = 1e-7
#: Steps a plan has room for at first and at most.
ROOM, MOST_ROOM = 20_000, 5_000_000


@dataclass(frozen=True)
class Plan:
    """Steps of the tail, h. n_steps, first : (segment,) number of steps and offset into `steps`; floor : (state,); longest : h.

    accept : share of the tolerance that a patient's estimated error may take.
    """

    n_steps: NDArray[np.int64]
    first: NDArray[np.int64]
    steps: Floats
    floor: Floats
    longest: float
    accept: ClassVar[float] = ACCEPT

    def arguments(self, refine: int, dtype: type[np.floating[Any]] = np.float64) -> tuple[Any, ...]:
        """What the kernel's run takes, with every step divided; what patients' numbers are multiplied by at every step in their precision."""
        return self.n_steps, self.first, self.steps, float(refine)


@dataclass(frozen=True)
class CascadePlan(Plan):
    """Steps of a cascade: they come with stencils, and a segment may be longer than planned.

    fastest : (state of the tail,), largest rate of those who planned, 1/h. tolerance : of a step. room : how much faster others may be
    without steps that are slow against the former being too long for them.
    """

    accept: ClassVar[float] = CASCADE_ACCEPT
    fastest: Floats
    tolerance: float
    room: float
    made: dict[tuple[int, Any], tuple[Any, ...]] = field(default_factory=dict, compare=False)

    def arguments(self, refine: int, dtype: type[np.floating[Any]] = np.float64) -> tuple[Any, ...]:
        """What the kernel's run takes, with every step divided; what patients' numbers are multiplied by at every step in their precision."""
        if (refine, dtype) not in self.made:
            self.made[refine, dtype] = self._arguments(refine, dtype)
        return self.made[refine, dtype]

    def _arguments(self, refine: int, dtype: type[np.floating[Any]]) -> tuple[Any, ...]:
        planned = np.repeat(self.steps / refine, refine)
        ends = np.cumsum(self.n_steps)
        # Where nothing was planned a patient may still have some time: begin with a minute.
        last = np.array([self.steps[e - 1] if n else 1.0 / 64.0 for e, n in zip(ends, self.n_steps, strict=True)])
        onward = np.repeat(last / refine, NODES - 1)
        more = np.full(len(ends), NODES - 1)
        counts, steps = np.concatenate([self.n_steps * refine, more]), np.concatenate([planned, onward])
        first = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
        # Kinds of their own: going on stretches them, planned ones stay as they are.
        own, other = stencils_of(self.n_steps * refine, planned), stencils_of(more, onward)
        kind = np.concatenate([own.kind, other.kind + len(own.length)])
        window, until, level = (np.concatenate([getattr(s, name) for s in (own, other)]) for name in ("window", "until", "level"))
        length, basis, highest, omega, widest = (
            np.concatenate([getattr(s, name) for s in (own, other)]) for name in ("length", "basis", "highest", "omega", "widest")
        )
        series, powers = (basis, omega) if dtype == np.float64 else (legendre(basis), legendre(omega))
        # Equal lengths together; the planned kinds first.
        order = np.lexsort((length, np.arange(len(length)) >= len(own.length)))
        turns = np.arange(2 * len(ends)).reshape(2, -1).T.ravel()
        counts, first = np.ascontiguousarray(counts[turns]), np.ascontiguousarray(first[turns])
        shares = 1.0 / np.arange(1.0, NODES + 1.0)
        plain, missed = length[:, None] * np.einsum("kpn,p->kn", basis, shares), length * np.abs(omega @ shares)
        slow = np.zeros((len(counts), len(self.fastest)), np.int64)
        wanted = np.zeros((len(length), len(self.fastest)), np.bool_)
        wanted[len(own.length) :] = True
        for grid, (begin, n) in enumerate(zip(first, counts, strict=True)):
            if grid % 2 == 0 and refine == 1:  # who comes with divided steps may have rates nobody planned for
                here = slice(begin, begin + n)
                slow[grid] = self._slow_steps(steps[here], window[here], missed[kind[here]])
            for i, done in enumerate(slow[grid]):
                wanted[kind[begin + done : begin + n], i] = True
        return (
            counts, first, steps, window, kind, until, level, len(length), len(own.length), order, wanted, length, basis,
            highest.astype(dtype), widest.astype(dtype), series, powers, slow, *_tables(slow, first, steps, window), plain.astype(dtype), missed.astype(dtype),
        )  # fmt: skip

    def _slow_steps(self, h: Floats, window: NDArray[np.int64], missed: Floats) -> NDArray[np.int64]:
        """(state,), number of leading steps slow against a state: plain quadrature of exp(k t) misses less than the tolerance.

        missed : (step,), h times the integral of the polynomial whose factor the divided difference of order `NODES` - 1 is.
        """
        t = np.concatenate([[0.0], np.cumsum(h)])[:, None]
        k = self.room * self.fastest
        growth = np.exp(np.minimum(k * (t[window + NODES - 1] - t[1:]), 500.0))
        difference = (k * h[:, None]) ** (NODES - 1) / factorial(NODES - 1) * growth
        error = k * difference * missed[:, None]
        fits = (error <= self.tolerance) & (t[1:] * self.fastest <= np.log(MOST_GROWTH))
        return np.logical_and.accumulate(fits, axis=0).sum(axis=0)


def _tables(
    slow: NDArray[np.int64], first: NDArray[np.int64], steps: Floats, window: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Nodes where integrating factors are needed; grids that begin with the same steps share a table.

    Returns first node of every grid; number of the length of the step that leads to every node; lengths, h; first node of every
    table; (table, state), node before which a table is not needed any more.
    """
    at, number_of = np.zeros(len(slow), np.int64), dict[bytes, int]()
    spans, begin, ends = list[float](), list[int](), list[NDArray[np.int64]]()
    for grid, most in enumerate(slow.max(axis=1, initial=0)):
        if not most:
            continue
        needed = np.where(slow[grid] > 0, window[first[grid] + np.maximum(slow[grid], 1) - 1] + NODES, 0)
        used = steps[first[grid] : first[grid] + needed.max() - 1]
        table = number_of.setdefault(used.tobytes(), len(begin))
        if table == len(begin):
            begin.append(len(spans))
            ends.append(np.zeros_like(needed))
            spans += [used[0], *used]  # nothing leads to the first one
        at[grid] = begin[table]
        ends[table] = np.maximum(ends[table], begin[table] + needed)
    lengths, number = np.unique(np.array(spans, float), return_inverse=True)
    return at, number.astype(np.int64), lengths, np.array(begin, np.int64), np.array(ends, np.int64).reshape(-1, slow.shape[1])


def plan(kernel: Kernel, group: Group, params: Floats, initial: Floats, t_out: Floats, rtol: float) -> Plan:
    """Plan the steps of a group; without a tail there is nothing to plan.

    Parameters
    ----------
    group : timeline of up to `LANES` representative subjects. params : (block, parameter, m). initial : (state, m).
    """
    n_segments = len(group.block)
    if kernel.linear:
        one = np.ones(n_segments, np.int64)
        return Plan(one, np.arange(n_segments), np.ones(n_segments), np.zeros(len(kernel.states)), 0.0)
    peaks = np.full(len(kernel.states), 1e-300)
    rough, none = np.full(len(kernel.states), 1e-9), np.zeros(len(kernel.tail))
    _walk(kernel, group, params, initial, t_out, max(rtol, 1e-3), rough, peaks, none)
    floor = np.maximum(FLOOR_SHARE * peaks, 1e-30)
    tolerance, fastest = rtol * (CASCADE_SAFETY if kernel.cascade else PLAN_SAFETY), np.zeros(len(kernel.tail))
    counts, steps = _walk(kernel, group, params, initial, t_out, tolerance, floor, peaks, fastest)
    first = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
    longest = float(steps.max(initial=0.0))
    if kernel.cascade:
        room = ROOM_FOR_ONE if len(group.subjects) == 1 else ROOM_FOR_SEVERAL
        return CascadePlan(counts, first, steps, floor, longest, fastest, tolerance, room)
    return Plan(counts, first, steps, floor, longest)


def _walk(
    kernel: Kernel, group: Group, params: Floats, initial: Floats, t_out: Floats, tolerance: float, floor: Floats, peaks: Floats,
    fastest: Floats,
) -> tuple[NDArray[np.int64], Floats]:  # fmt: skip
    m = min(len(group.subjects), LANES)
    pick = slice(0, m)
    values = group.op_value[:, pick] if group.op_value.size else np.zeros((0, m))
    counts, room = np.empty(len(group.block), np.int64), ROOM + len(group.block)
    while room <= MOST_ROOM:
        steps = np.empty(room)
        total = kernel.module.walk(
            m, np.ascontiguousarray(group.start[:, pick]), np.ascontiguousarray(group.length[:, pick]), group.op_first, group.op_code,
            group.op_state, np.ascontiguousarray(values), group.block, np.ascontiguousarray(params[:, :, pick]),
            np.ascontiguousarray(initial[:, pick]), t_out, tolerance, kernel.order, floor, peaks, MAX_LEVELS, steps, counts, *((fastest,) if kernel.cascade else ()),
        )  # fmt: skip
        if total >= 0:
            return counts, steps[:total].copy()
        room *= 4
    # Nothing sensible needs so many: the fewest steps there can be, and the error of whoever takes them says so.
    fewest = NODES - 1 if kernel.cascade else 1
    return np.full_like(counts, fewest), np.repeat(np.maximum(group.length[:, pick].max(axis=1), 1e-9) / fewest, fewest)
