"""From a model, event records and individual parameters to states and ports at output times, with errors and statuses."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ketasim.dose._clock import on_clock
from ketasim.dose._gaps import check_interpolation
from ketasim.dose._template import EventTemplate
from ketasim.errors import InvalidOption, InvalidParameter, UnusedModelledInput, close_names, warn
from ketasim.solve._compiling import compiling
from ketasim.solve._head import LANES, SINGLE_LANES, levels_for
from ketasim.solve._memory import aligned
from ketasim.solve._numba import Kernel, kernel_for
from ketasim.solve._place import place
from ketasim.solve._plan import Plan, plan
from ketasim.solve._rest import rest_of
from ketasim.solve._steady import EQUILIBRIUM_SPAN, STEADY_SHARE, Flow, approach, fixed_point, period_events
from ketasim.solve._timeline import AFTER, BEFORE, Dosed, Event, Group, Inlets, Orbit, events_of, groups_of

if TYPE_CHECKING:
    from ketasim.model import Model

Floats = NDArray[np.float64]
Interpolation = Literal["nocb", "locf", "linear"]
Precision = Literal["double", "single"]
OK, DIVERGED, TOLERANCE, NO_STEADY_STATE = 0, 1, 2, 3
STATUS = {
    OK: "ok",
    DIVERGED: "the solution left the range of numbers",
    TOLERANCE: "the tolerance was not reached on the finest grid",
    NO_STEADY_STATE: "no steady state was found (does input exceed the largest elimination?)",
}
#: Latest output time, h: steps grow with the gap to be crossed, but not for ever.
MOST_HOURS = 1e9
#: Grids are refined up to this factor for patients whose error exceeds the tolerance.
MAX_REFINE = 16
#: Relative tolerance unless asked otherwise; in single precision the smallest there is: below it, estimated errors are rounding.
USUAL_RTOL: dict[str, float] = {"double": 1e-6, "single": 1e-5}
#: Bytes of results computed before they go to their place, and blocks of patients that go there side by side.
TILE, MOST_BLOCKS = 3_200_000, 64


#: Plans of late runs, by all they depend on.
_PLANNED: dict[bytes, dict[bytes, Plan]] = {}
MOST_PLANNED = 16


@dataclass(frozen=True)
class Solution:
    """Numbers of a run.

    Attributes
    ----------
    times : (time,), h. states : (time, state, subject) or empty. ports : (time, port, subject); both of float32 in single precision.
    status : (subject,), see `STATUS`; failed subjects are NaN. error : (subject,), largest estimated relative local error.
    """

    times: Floats
    states: NDArray[Any]
    ports: NDArray[Any]
    state_names: tuple[str, ...]
    port_names: tuple[str, ...]
    status: NDArray[np.int64]
    error: Floats


@dataclass(frozen=True)
class Reference:
    """Representative patients that plan the grid: records with their amounts, and their parameters (name -> (m,))."""

    template: EventTemplate
    params: Mapping[str, Floats]


def solve(
    model: Model,
    template: EventTemplate,
    params: Mapping[str, Floats],
    times: Floats,
    *,
    rtol: float | None = None,
    ports: Sequence[str] | None = None,
    states: bool = True,
    reference: Reference | None = None,
    interpolation: Interpolation = "nocb",
    at_record: NDArray[np.int64] | None = None,
    threads: int = 1,
    method: str = "auto",
    precision: Precision = "double",
) -> Solution:
    """Solve a model for all subjects of one template.

    Parameters
    ----------
    params : every model parameter -> (subject,), in declared units.
    times : (time,), h, ascending. at_record : (time,), number of the record an output belongs to: it sees what the records up to that
        one do at that very time, with its parameters; -1: nothing of it. Default: everything.
    rtol : relative error aimed at; default `USUAL_RTOL` of the precision.
    reference : who plans the grid; default the typical patient of `model` with rounded doses.
    interpolation : of values that change from record to record. method : how the nonlinear tail is advanced: ``auto`` takes
        exponential quadrature where states feed forward and RODAS5P else; ``rodas5p`` and ``rodas4`` take implicit steps throughout.
    precision : ``single`` gives float32 results, of half the size; models without implicit steps are also computed in single precision,
        which takes a little over half the time and adds some 1e-6 of rounding. Smaller tolerances than 1e-5 are refused there.

    Returns
    -------
    Solution

    Notes
    -----
    A subject's numbers depend on nothing but their own records and parameters, the reference and rtol.
    """
    t_out = on_clock(times)
    if t_out.ndim != 1 or not len(t_out) or np.any(np.diff(t_out) < 0):
        raise InvalidOption("times: give at least one output time, ascending, in hours.")
    if not (np.abs(t_out) <= MOST_HOURS).all():
        raise InvalidOption(f"times: every output time must be a number of hours, at most {MOST_HOURS:g}.")
    rtol = tolerance_of(precision, rtol)
    check_interpolation(interpolation)
    check_values(model, template, params)
    moving = _moving(template, params) if interpolation == "linear" else ()
    kernel = kernel_for(model, moving, method, single=precision == "single")
    _warn_unused(kernel, model, template)
    rank = ranks_of(t_out, at_record)
    names = tuple(kernel.ports if ports is None else ports)
    if unknown := [name for name in names if name not in kernel.ports]:
        raise InvalidOption(f"ports: {model.id} has no '{unknown[0]}'.{close_names(unknown[0], kernel.ports)} It has: {', '.join(kernel.ports)}.")  # fmt: skip
    dtype = np.float32 if precision == "single" else np.float64
    run = _Run(kernel, template, params, t_out, rank, rtol, names, states, interpolation, moving, threads, dtype)
    with compiling(kernel, model.id.partition("@")[0]):
        return run.solve(reference or _own_reference(model, template))


def tolerance_of(precision: str, rtol: float | None) -> float:
    """The tolerance asked for, or the usual one; refuses a precision that is not known, and what it cannot hold."""
    if precision not in USUAL_RTOL:
        raise InvalidOption(f"precision = '{precision}' is not known. Use one of: {', '.join(USUAL_RTOL)}.")
    rtol = USUAL_RTOL[precision] if rtol is None else rtol
    if isinstance(rtol, str) or not 1e-12 <= rtol <= 1e-1:
        raise InvalidOption(f"rtol = {rtol} is outside [1e-12, 0.1].")
    if precision == "single" and rtol < USUAL_RTOL[precision]:
        raise InvalidOption(
            f"rtol = {rtol:g} cannot be held in single precision. Use {USUAL_RTOL[precision]:g} or more, or double precision."
        )
    return rtol


def check_values(model: Model, template: EventTemplate, params: Mapping[str, Floats]) -> None:
    """Refuse parameters without a value (they would be NaN for everybody), or with values for another number of subjects.

    Raises
    ------
    InvalidParameter
    """
    if missing := [name for name in model.params if name not in params and name not in template.overrides]:
        raise InvalidParameter(f"{model.id}: no value of {', '.join(missing)}. Give every parameter, e.g. model.typical() | {{...}}.")  # fmt: skip
    n = template.n_subjects
    for name, value in params.items():
        if np.shape(value) not in ((), (1,), (n,)):
            raise InvalidParameter(f"{model.id}: {name} has values of shape {np.shape(value)}; needed is one, or one per subject: ({n},).")  # fmt: skip


def ranks_of(times: Floats, at_record: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Order of outputs among the events of their times."""
    record = np.full(len(times), -2) if at_record is None else np.asarray(at_record)
    return np.where(record >= 0, 2 * record, np.where(record == -1, BEFORE, AFTER)).astype(np.int64)


def solver_of(model: Model, precision: str = "double") -> str:
    """How the states of a model are advanced, in words."""
    kernel = kernel_for(model)
    if precision == "double":
        return kernel.solver
    return f"{kernel.solver}, {'in double precision, kept in single' if kernel.implicit else 'in single precision'}"


def _moving(template: EventTemplate, params: Mapping[str, Floats]) -> tuple[str, ...]:
    changing = (name for name, v in template.overrides.items() if name in params and np.any(v != v[:1]))
    return tuple(sorted(changing))


def _own_reference(model: Model, template: EventTemplate) -> Reference:
    """Typical patient with the template's doses rounded to one digit: a plan that does not depend on who else is there."""
    one = template.take(slice(0, 1))
    typical = {name: np.array([value]) for name, value in model.typical().items()}
    overrides = {n: np.full((len(one.time), 1), float(typical[n][0])) for n in one.overrides if n in typical}
    rounded = EventTemplate(one.time, one.evid, one.cmt, _one_digit(one.amt), _one_digit(one.rate), one.ii, one.addl, one.ss,
                            one.ids, overrides, one.labels, one.duration)  # fmt: skip
    return Reference(rounded, typical)


def _one_digit(values: Floats) -> Floats:
    size = np.where(values > 0, 10.0 ** np.floor(np.log10(np.where(values > 0, values, 1.0))), 1.0)
    return np.where(values > 0, np.round(values / size) * size, values)


def _warn_unused(kernel: Kernel, model: Model, template: EventTemplate) -> None:
    for state in {int(c) for c, e in zip(template.cmt, template.evid, strict=True) if e in (1, 4)}:
        name = kernel.states[state]
        asked = {float(v) for v in np.unique(template.rate[template.cmt == state])}
        entrances = [e for by in model.routes.values() for es in by.values() for e in es if e.compartment == name]
        if any(e.zero_order for e in entrances) and -2.0 not in asked and not any(v > 0 for v in asked):
            warn(
                f"compartment '{name}' has a modelled duration, but its doses have RATE = {min(asked):g}: they enter at once. "
                "Set RATE = -2 to use it.", UnusedModelledInput, stacklevel=4,
            )  # fmt: skip


class _Run:
    """One call of `solve`: holds what all groups share."""

    def __init__(
        self, kernel: Kernel, template: EventTemplate, params: Mapping[str, Floats], t_out: Floats, rank: NDArray[np.int64],
        rtol: float, ports: tuple[str, ...], want_states: bool, interpolation: Interpolation, moving: tuple[str, ...], threads: int,
        dtype: type[np.floating[Any]] = np.float64,
    ) -> None:  # fmt: skip
        self.kernel, self.template, self.t_out, self.rank, self.rtol, self.dtype = kernel, template, t_out, rank, rtol, dtype
        self.params = {name: np.broadcast_to(np.asarray(v, float), (template.n_subjects,)) for name, v in params.items()}
        self.ports, self.want_states, self.interpolation, self.moving, self.threads = (
            ports,
            want_states,
            interpolation,
            moving,
            threads,
        )
        self.inlets = Inlets(lambda kind, state, p: kernel.inlet(kind, kernel.states[state], p), kernel.states)
        self.own = len(kernel.states) - len(moving) - kernel.uses_time  # states of the model itself
        self.start = float(min(t_out[0], template.time[0] if len(template.time) else t_out[0]))
        self.gap = float(np.max(np.diff(t_out, prepend=self.start)))

    def solve(self, reference: Reference) -> Solution:
        n, n_port = self.template.n_subjects, len(self.ports)
        states = aligned((len(self.t_out), self.own if self.want_states else 0, n), self.dtype)
        ports = aligned((len(self.t_out), n_port, n), self.dtype)
        status, error = np.zeros(n, np.int64), np.zeros(n)
        groups, blocks, initial = self._timelines(self.template, self.params)
        plans = self._plans(reference)
        for group in groups:
            chosen = plans.get(group.signature)
            if chosen:
                self._solve_group(group, chosen, blocks, initial, states, ports, status, error)
            # Subjects the common grid does not fit, or whose events come in another order, get a grid of their own.
            alone = np.flatnonzero(status[group.subjects] == TOLERANCE) if chosen else np.arange(len(group.subjects))
            for part in _singles(group, alone):
                grid = plan(self.kernel, part, blocks[:, :, part.subjects], initial[:, part.subjects], self.t_out, self.rtol)
                self._solve_group(part, grid, blocks, initial, states, ports, status, error)
        status[~np.isfinite(initial).all(axis=0)] = NO_STEADY_STATE if self.kernel.module.RESTING else DIVERGED
        for group in groups:
            lost = ~np.isfinite(group.op_value).all(axis=0) if group.op_value.size else np.zeros(len(group.subjects), bool)
            status[group.subjects[lost]] = NO_STEADY_STATE
        if np.any(status != OK):
            states[:, :, status != OK] = np.nan
            ports[:, :, status != OK] = np.nan
        return Solution(self.t_out, states, ports, self.kernel.states[: self.own], self.ports, status, error)

    def _plans(self, reference: Reference) -> dict[bytes, Plan]:
        """Steps per order of events; the chunks of a cohort share them."""
        template = reference.template.take(slice(0, LANES))
        own = {name: np.asarray(v)[:LANES] for name, v in reference.params.items()}
        key = self._plan_key(template, own)
        plans = _PLANNED.get(key)
        if plans is None:
            groups, blocks, initial = self._timelines(template, own)
            plans = {
                g.signature: plan(self.kernel, g, blocks[:, :, g.subjects], initial[:, g.subjects], self.t_out, self.rtol)
                for g in groups
                if np.isfinite(g.op_value).all() and np.isfinite(initial[:, g.subjects]).all()
            }
            if len(_PLANNED) >= MOST_PLANNED:
                _PLANNED.clear()
            _PLANNED[key] = plans
        return plans

    def _plan_key(self, template: EventTemplate, own: Mapping[str, Floats]) -> bytes:
        """Everything a plan depends on."""
        facts = (
            self.kernel.module.__name__,
            self.rtol,
            self.start,
            self.interpolation,
            self.moving,
            tuple(own),
            tuple(template.overrides),
        )
        records = (getattr(template, name) for name in ("time", "evid", "cmt", "amt", "rate", "duration", "ii", "addl", "ss"))
        digest = hashlib.sha256(repr(facts).encode())
        for array in (self.t_out, self.rank, *records, *own.values(), *template.overrides.values()):
            digest.update(repr(np.shape(array)).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.digest()

    def _solve_group(
        self, group: Group, grid: Plan, blocks: Floats, initial: Floats, states: NDArray[Any], ports: NDArray[Any],
        status: NDArray[np.int64], error: Floats,
    ) -> None:  # fmt: skip
        # Who, how finely, and whether in single precision; a run leaves those who need another one.
        runs = [(np.arange(len(group.subjects)), 1, self.dtype == np.float32 and self.kernel.single is not None)]
        while runs:
            todo, refine, single = runs.pop()
            subjects = group.subjects[todo]
            mine = (
                slice(None) if len(subjects) == states.shape[2] and subjects[-1] - subjects[0] == len(subjects) - 1 else subjects
            )
            errors, failed = self._kernel_run(
                group, todo, grid, refine, blocks[:, :, mine], initial[:, mine], states, ports, subjects, single
            )
            if self.dtype == np.float32 and not single:  # what double precision holds may still be too large to be kept
                failed |= ~np.isfinite(states[:, :, subjects]).all(axis=(0, 1))
            error[subjects], status[subjects] = errors, np.where(failed, DIVERGED, OK)
            missed = ~failed & (errors > grid.accept * self.rtol)
            if single:  # whoever single precision does not hold is tried in double precision, with the same steps first
                again = [(todo[failed], refine, False), (todo[missed], 2 * refine, False)]
            elif self.kernel.linear:
                again = []
            elif refine >= MAX_REFINE:
                status[subjects[missed]] = TOLERANCE
                again = []
            else:
                again = [(todo[failed | missed], 2 * refine, False)]
            runs += [run for run in again if len(run[0])]

    def _kernel_run(
        self, group: Group, pick: NDArray[np.int64], grid: Plan, refine: int, blocks: Floats, initial: Floats, states: NDArray[Any],
        ports: NDArray[Any], columns: NDArray[np.int64], single: bool = False,
    ) -> tuple[Floats, NDArray[np.bool_]]:  # fmt: skip
        """Run chosen subjects of a group into `columns` of ``states`` and ``ports`` (time, ., subject); returns errors and who failed."""
        m, kernel = len(pick), self.kernel
        whole = m == len(group.subjects)
        error, failed = np.empty(m), np.empty(m, np.int64)
        want = np.array([kernel.ports.index(name) for name in self.ports], np.int64)
        keep = np.arange(states.shape[1], dtype=np.int64)
        start, length, values, blocks, initial = (
            np.ascontiguousarray(a)
            for a in (
                *(a if whole else a[:, pick] for a in (group.start, group.length, group.op_value.reshape(-1, len(group.subjects)))), blocks, initial,
            )
        )  # fmt: skip
        levels = levels_for(max(self.gap, grid.longest))
        # A row of lanes has the same size in both precisions.
        blocks_of_tile = min(MOST_BLOCKS, max(1, TILE // (LANES * 8 * max(1, len(self.t_out) * (len(keep) + len(want))))))
        width = (SINGLE_LANES if single else LANES) * blocks_of_tile
        advance, dtype = (kernel.single if single and kernel.single else kernel.module).run, np.float32 if single else np.float64
        steps = grid.arguments(refine, dtype)

        def work(tiles: range) -> None:
            x_tile, o_tile = (aligned((width * len(self.t_out) * len(kept),), dtype) for kept in (keep, want))
            for a in tiles:
                b = min(a + width, m)
                advance(
                    a, b, start, length, *steps, group.op_first, group.op_code, group.op_state, values, group.block, blocks, initial, self.t_out,
                    self.rank, group.opens, grid.floor, levels, keep, want, x_tile, o_tile, error, failed,
                )  # fmt: skip
                place(x_tile, states, columns[a:b])
                place(o_tile, ports, columns[a:b])

        starts = range(0, m, width)
        threads = max(1, min(self.threads, len(starts)))
        parts = [starts[len(starts) * i // threads : len(starts) * (i + 1) // threads] for i in range(threads)]
        if threads == 1:
            work(starts)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(work, parts))
        return error, failed != 0

    # -- timelines ----------------------------------------------------------------------------------------------------
    def _timelines(self, template: EventTemplate, params: Mapping[str, Floats]) -> tuple[list[Group], Floats, Floats]:
        params = {name: np.asarray(v, float) for name, v in params.items()}
        events = events_of(template, params, self.inlets, self._steady, float(self.t_out[-1]), self.interpolation)
        blocks, switches = self._blocks(template, params)
        groups = groups_of(events + switches, template.n_subjects, self.start, self.t_out)
        first = {**params, **{n: v[0] for n, v in template.overrides.items() if n in params}} if len(template.time) else params
        initial = self._initial(first, template.n_subjects)
        return groups, blocks, initial

    def _initial(self, params: Mapping[str, Floats], n: int) -> Floats:
        module = self.kernel.module
        values = module.initial({**params, **rest_of(module, params, n)} if module.RESTING else params)
        initial = np.array([np.broadcast_to(np.asarray(v, float), (n,)) for v in values])
        for name in self.moving:
            initial[self.kernel.states.index(name)] = params[name]
        if self.kernel.uses_time:
            initial[self.kernel.states.index("t")] = self.start
        return initial

    def _array(self, params: Mapping[str, Floats], n: int) -> Floats:
        zero = np.zeros(n)
        return np.array([np.broadcast_to(params.get(name, zero), (n,)) for name in self.kernel.params])

    def _blocks(self, template: EventTemplate, params: Mapping[str, Floats]) -> tuple[Floats, list[Event]]:
        """Parameter sets and the times they change; linear interpolation moves parameters as states instead."""
        n = template.n_subjects
        changing = [name for name in template.overrides if name in params]
        if not changing or not len(template.time):
            return self._array(params, n)[None], []
        rows = [{**params, **{name: template.overrides[name][r] for name in changing}} for r in range(len(template.time))]
        if all(
            np.array_equal(template.overrides[name], np.broadcast_to(template.overrides[name][0], (len(rows), n)))
            for name in changing
        ):
            return self._array(rows[0], n)[None], []
        events: list[Event] = []
        sets = []
        for r, values in enumerate(rows):
            time = np.full(n, template.time[r])
            if self.interpolation == "linear":
                values = self._slopes(template, r, values, events, time)
            sets.append(self._array(values, n))
            # Next observation carried backward: the interval that begins at record r has the values of record r + 1.
            follows = min(r + 1, len(rows) - 1) if self.interpolation == "nocb" else r
            events.append(Event(time, "block", record=r, mode=follows, late=self.interpolation == "nocb"))
        return np.array(sets), events

    def _slopes(
        self, template: EventTemplate, r: int, values: dict[str, Floats], events: list[Event], time: Floats
    ) -> dict[str, Floats]:
        later = np.flatnonzero(template.time > template.time[r])
        values = dict(values)
        for name in self.moving:
            column = template.overrides[name]
            gap = template.time[later[0]] - template.time[r] if len(later) else 1.0
            values[f"slope_{name}"] = (column[later[0]] - column[r]) / gap if len(later) else np.zeros_like(column[r])
            events.append(Event(time, "set", self.kernel.states.index(name), column[r], record=r))
        return values

    def _steady(self, state: int, p: dict[str, Floats], lag: Floats, dosed: Dosed, ii: float) -> Orbit:
        """Steady state at a record; without II, of a constant infusion."""
        n, kernel = len(lag), self.kernel
        span = ii if ii > 0 else EQUILIBRIUM_SPAN
        if ii > 0:
            events = period_events(state, lag, dosed, ii)
        else:
            events = [Event(np.zeros(n), "on", state, dosed.rate, 1)]
        scale = np.maximum(np.abs(dosed.amount) if ii > 0 else dosed.rate * span, 1e-12)
        rtol = float(np.clip(self.rtol * STEADY_SHARE, 1e-12, 1e-9))
        inner = _Run(
            kernel, self.template, p, np.array([span]), np.array([BEFORE]), rtol, (), True, "nocb", self.moving, self.threads
        )
        inner.start, inner.gap = 0.0, span
        empty = inner._initial(p, n)
        guess = approach(inner._flow(inner._parts(events, p, empty), p, empty), empty)
        # Planned again where the states are what they come to: steps of an empty body are too long for a full one.
        parts = inner._parts(events, p, guess)
        orbit, _ = fixed_point(inner._flow(parts, p, guess), guess, scale, self.own)
        return Orbit(orbit[: self.own], parts, scale, span)

    def _parts(self, events: list[Event], p: Mapping[str, Floats], typical: Floats) -> tuple[tuple[Group, Plan], ...]:
        """Orders of events with their steps, which suit states like `typical` (state, subject)."""
        n = typical.shape[1]
        blocks, likely = self._array(p, n)[None], np.where(np.isfinite(typical), typical, 0.0)

        def planned(g: Group) -> Plan:
            first = g.subjects[:LANES]
            return plan(self.kernel, _first_lanes(g), blocks[:, :, first], likely[:, first], self.t_out, self.rtol)

        return tuple((g, planned(g)) for g in groups_of(events, n, 0.0, self.t_out))

    def _flow(self, planned: tuple[tuple[Group, Plan], ...], p: Mapping[str, Floats], typical: Floats) -> Flow:
        """States after the one output time, from any states before."""
        n = typical.shape[1]
        blocks, likely = self._array(p, n)[None], np.where(np.isfinite(typical), typical, 0.0)
        parts = [(g, grid, self._refinement(g, grid, blocks, likely)) for g, grid in planned]

        def flow(x: Floats, owners: NDArray[np.int64]) -> Floats:
            after, nothing = np.empty_like(x, order="C"), np.empty((1, 0, x.shape[1]))
            for group, grid, refinement in parts:
                position = np.full(n, -1)
                position[group.subjects] = np.arange(len(group.subjects))
                inside = position[owners] >= 0
                for refine in np.unique(refinement):
                    copies = np.flatnonzero(inside & (refinement[position[owners]] == refine))
                    mine = owners[copies]
                    self._kernel_run(
                        group, position[mine], grid, int(refine), blocks[:, :, mine], x[:, copies], after[None], nothing, copies
                    )
            return after

        return flow

    def _refinement(self, group: Group, grid: Plan, blocks: Floats, x: Floats) -> NDArray[np.int64]:
        """By how much each subject of a group has to divide the steps: once for all, so that the flow stays smooth."""
        m = len(group.subjects)
        refinement, todo, refine = np.ones(m, np.int64), np.arange(m), 1
        scratch, nothing = np.empty((1, x.shape[0], x.shape[1])), np.empty((1, 0, x.shape[1]))
        while len(todo) and not self.kernel.linear:
            refinement[todo] = refine
            subjects = group.subjects[todo]
            errors, _ = self._kernel_run(
                group, todo, grid, refine, blocks[:, :, subjects], x[:, subjects], scratch, nothing, subjects
            )
            todo, refine = todo[~(errors <= grid.accept * self.rtol)], refine * 2
            if refine > MAX_REFINE:
                break
        return refinement


def _first_lanes(group: Group) -> Group:
    m = slice(0, LANES)
    return Group(group.subjects[m], group.start[:, m], group.length[:, m], group.block, group.op_first, group.op_code, group.op_state,
                 group.op_value[:, m] if group.op_value.size else group.op_value, group.opens, group.signature)  # fmt: skip


def _singles(group: Group, chosen: NDArray[np.int64]) -> Iterator[Group]:
    """Each chosen subject of a group alone."""
    return (
        Group(group.subjects[[i]], group.start[:, [i]], group.length[:, [i]], group.block, group.op_first, group.op_code,
              group.op_state, group.op_value[:, [i]] if group.op_value.size else np.zeros((0, 1)), group.opens, group.signature)
        for i in chosen
    )  # fmt: skip
