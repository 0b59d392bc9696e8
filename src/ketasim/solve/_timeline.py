"""Event records become timelines: ordered knots with state operations, the same order for all subjects of a group.

NONMEM's semantics: EVID 0-4, ADDL/II, lag, F, RATE > 0, -1 and -2, resets. A reset stops infusions and leaves additional
doses scheduled (as mrgsolve does); a steady-state record (SS=1) cancels both (as NONMEM's guide says).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ketasim.dose._clock import SHORTEST_INTERVAL, on_clock
from ketasim.dose._template import EventTemplate
from ketasim.errors import InvalidData

Floats = NDArray[np.float64]
ADD, RATE, RESET, SET = 0, 1, 2, 3
#: Longest interval whose steady state is sought, h, and inputs of a subject that are followed one by one (some seconds).
LONGEST_INTERVAL, MOST_INPUTS = 1e6, 20_000
#: Ranks among what happens at one time: before all events, the ends of infusions aside, and after all.
FIRST, BEFORE, AFTER = -4, -3, 2**62


@dataclass
class Event:
    """Something that happens to every subject, each at their own time.

    ``what``: add | on | off | reset | ss | block | set. ``time`` (subject,). ``value`` (subject,), or (state, subject) for ``ss``.
    ``record`` and ``repeat``: the record it stems from and its number among the additional doses; ``back``: how many intervals before
    the record its dose was given, at steady state. ``fixed``: it is not what the parameters of its one record say. ``orbit``: of ``ss``, how its value was found. ``late``: whether it comes after what
    the record itself observes, as the values of the next record do.
    """

    time: Floats
    what: str
    state: int = -1
    value: Floats | None = None
    token: int = -1
    record: int = -1
    mode: int = 1
    repeat: int = 0
    late: bool = False
    back: int = 0
    fixed: bool = False
    orbit: Orbit | None = None

    @property
    def rank(self) -> int:
        """Order among the events and outputs of one time; an output of record r has 2 r. Infusions end first."""
        return FIRST if self.what == "off" else 2 * self.record + self.late


@dataclass
class Group:
    """Subjects whose events come in one order: arrays for the kernel.

    Attributes
    ----------
    subjects : (m,) positions. start, length : (segment, m), h. block : (segment,). op_* : operations before each segment.
    opens : (segment,), rank of the event that opens the next one.
    """

    subjects: NDArray[np.int64]
    start: Floats
    length: Floats
    block: NDArray[np.int64]
    op_first: NDArray[np.int64]
    op_code: NDArray[np.int64]
    op_state: NDArray[np.int64]
    op_value: Floats
    opens: NDArray[np.int64]
    signature: bytes = b""
    knot_events: tuple[Event | None, ...] = ()
    op_events: tuple[tuple[Event, ...], ...] = ()


@dataclass(frozen=True)
class Inlets:
    """How doses enter: ``get(kind, state, p)`` gives F, lag, duration or rate over parameter arrays, or None."""

    get: Callable[[str, int, Mapping[str, Floats]], Floats | None]
    names: tuple[str, ...]


def record_parameters(template: EventTemplate, params: Mapping[str, Floats], row: int) -> dict[str, Floats]:
    """Parameter values that hold at one record."""
    own = {name: values[row] for name, values in template.overrides.items() if name in params}
    return {**params, **own}


@dataclass(frozen=True)
class Orbit:
    """Steady state of one record: the model's own states before its dose enters, (state, subject), and the interval that repeats.

    parts : order of events and steps of every group of subjects. scale : (subject,), size of the inputs. span : h.
    """

    states: Floats
    parts: tuple[tuple[Group, Any], ...]
    scale: Floats
    span: float


@dataclass(frozen=True)
class Dosed:
    """What a record gives: amount, rate of its infusion and how long that takes, h, each (subject,); rate and duration 0: at once."""

    amount: Floats
    rate: Floats
    duration: Floats


SteadyState = Callable[[int, dict[str, Floats], Floats, Dosed, float], Orbit]


def events_of(
    template: EventTemplate, params: Mapping[str, Floats], inlets: Inlets, steady: SteadyState, end: float,
    interpolation: str = "nocb",
) -> list[Event]:  # fmt: skip
    """Expand records into single events, per subject times.

    end : h; additional doses that come later for everybody are left out. interpolation : of values that change between records.
    """
    events: list[Event] = []
    n = template.n_subjects
    for row in range(len(template.time)):
        evid, at = int(template.evid[row]), np.full(n, template.time[row])
        if evid in (3, 4):
            events.append(Event(at, "reset", record=row))
        if evid in (1, 4):
            _dose(events, template, row, record_parameters(template, params, row), inlets, steady, end,
                  _rate_course(template, params, row, inlets, interpolation))  # fmt: skip
    return events


def _dose(
    events: list[Event], template: EventTemplate, row: int, p: dict[str, Floats], inlets: Inlets, steady: SteadyState, end: float,
    course: RateCourse | None = None,
) -> None:  # fmt: skip
    n, state, ii = template.n_subjects, int(template.cmt[row]), float(template.ii[row])
    amount = template.amt[row] * _inlet(inlets, "F", state, p, n, 1.0)
    lag = _inlet(inlets, "lag", state, p, n, 0.0)
    rate, duration = _input(template, row, amount, p, inlets)
    mode = int(template.ss[row])
    if mode and ii > 0:
        check_interval(template, row)
    at = np.full(n, template.time[row])
    if mode and ii == 0:
        orbit = steady(state, p, lag, Dosed(amount, rate, duration), 0.0)
        events.append(Event(at, "ss", state, orbit.states, record=row, mode=mode, orbit=orbit))
        return
    if mode:
        from ketasim.solve._steady import phase_events

        dosed = Dosed(amount, rate, duration)
        orbit = steady(state, p, lag, dosed, ii)
        events.append(Event(at, "ss", state, orbit.states, record=row, mode=mode, orbit=orbit))
        for event in phase_events(state, lag, dosed, ii, len(events), max(end - template.time[row], 0.0)):
            event.time, event.record = event.time + at, row
            events.append(event)
    if template.addl[row]:
        check_interval(template, row)
        given = min(float(template.addl[row]), (end - np.min(at + lag)) / ii) + 1.0
        check_number(
            len(events) / 2 + given,
            f"doses, with ADDL {template.addl[row]} and II {ii:g} h, before the last output time, {end:g} h:",
        )
    for k in range(int(template.addl[row]) + 1):
        begin = on_clock(at + k * ii + lag)
        if k and np.all(begin > end):
            break
        token = row * 1_000_003 + k
        if course is None:
            entered = entering(state, begin, begin + duration, amount, rate, token)
        else:
            entered = _in_pieces(state, begin, amount, course, token)
        for event in entered:
            event.record, event.repeat = row, k
            events.append(event)


def check_interval(template: EventTemplate, row: int) -> None:
    """Refuse intervals of repeated doses that the clock does not resolve, and steady states of intervals beyond a life."""
    ii, steady = float(template.ii[row]), bool(template.ss[row])
    where = f"record at {template.time[row]:g} h: II = {ii:g} h"
    if ii < SHORTEST_INTERVAL:
        raise InvalidData(f"{where} is too short for repeated doses; at least {SHORTEST_INTERVAL:g} h (3.6 ms). Is it in hours? An input without "
                          "pauses is an infusion: give RATE.")  # fmt: skip
    if steady and ii > LONGEST_INTERVAL:
        raise InvalidData(f"{where} is too long for a steady state; at most {LONGEST_INTERVAL:g} h (114 years). Is it in hours? Without SS the dose "
                          "is a single one.")  # fmt: skip


def check_number(number: float, what: str) -> None:
    """Refuse more inputs than can be followed one by one in a sensible time."""
    if number > MOST_INPUTS:
        raise InvalidData(
            f"about {number:,.0f} {what} at most {MOST_INPUTS:,} are followed one by one. Give fewer doses, a longer interval, an "
            "earlier last output time, or one infusion in their place."
        )


def entering(state: int, begin: Floats, finish: Floats, amount: Floats, rate: Floats, token: int) -> list[Event]:
    """A dose of every subject: an infusion from `begin` to `finish`, or all at once where these are one time."""
    lasts = on_clock(finish) > on_clock(begin)
    events: list[Event] = []
    if np.any(lasts):
        # Where the infusion takes no time its rate is 0: its end, which sorts first, would not stop it.
        on = np.where(lasts, rate, 0.0)
        events += [Event(begin, "on", state, on, token), Event(finish, "off", state, on, token)]
    if not np.all(lasts):
        at_once = np.where(lasts, 0.0, amount)
        if not events or np.any(at_once):
            events.append(Event(begin, "add", state, at_once))
    return events


@dataclass(frozen=True)
class RateCourse:
    """A modelled rate over time: ``rates`` (piece, subject) hold between ``edges`` (piece + 1,), h."""

    edges: Floats
    rates: Floats


def _rate_course(
    template: EventTemplate, params: Mapping[str, Floats], row: int, inlets: Inlets, interpolation: str
) -> RateCourse | None:
    """The modelled rate where it changes between records; none where it stays, or is not asked for.

    A modelled rate acts continuously, and a modelled duration belongs to its dose (NONMEM's help, "rate parameter" and "duration
    parameter"). Values on a line between records are ketasim's own; there the dose record's rate holds.
    """
    state, rows = int(template.cmt[row]), len(template.time)
    constant = template.ss[row] and template.ii[row] == 0
    if not template.overrides or constant or not np.all(template.rate[row] == -1) or interpolation == "linear":
        return None
    found = [inlets.get("rate", state, record_parameters(template, params, r)) for r in range(rows)]
    if any(value is None for value in found):
        return None
    rates = np.array([np.broadcast_to(np.asarray(value, float), (template.n_subjects,)) for value in found])
    if np.array_equal(rates, np.broadcast_to(rates[:1], rates.shape)):
        return None
    # Carried backward, a record's value holds up to its time; carried forward, from there on.
    inner = template.time[:-1] if interpolation == "nocb" else template.time[1:]
    return RateCourse(np.concatenate([[-np.inf], inner, [np.inf]]), rates)


def _in_pieces(state: int, begin: Floats, amount: Floats, course: RateCourse, token: int) -> list[Event]:
    """An infusion whose rate changes while it runs, until the amount has entered."""
    events: list[Event] = []
    left = amount.copy()
    for j, (opens, closes) in enumerate(pairwise(course.edges)):
        start, rate = np.maximum(begin, opens), course.rates[j]
        room = np.maximum(closes - start, 0.0)
        runs = (left > 0) & (room > 0)
        if np.any(runs & (rate <= 0)):
            raise InvalidData(
                f"RATE = -1: the modelled rate becomes {rate[runs & (rate <= 0)][0]:g} while the infusion runs; it must be above 0."
            )
        needs = left / np.where(runs, rate, 1.0)
        lasts = np.where(runs, np.minimum(room, needs), 0.0)
        ends = runs & (needs <= room)
        if np.any(runs):
            at_once = np.where(ends & (left == amount), amount, 0.0)
            events += entering(state, start, start + lasts, at_once, np.where(runs, rate, 0.0), token + (j << 60))
        left = np.where(ends, 0.0, left - rate * lasts)
    for event in events:
        event.fixed = True
    return events


def _inlet(inlets: Inlets, kind: str, state: int, p: dict[str, Floats], n: int, default: float) -> Floats:
    value = inlets.get(kind, state, p)
    return np.full(n, default) if value is None else np.broadcast_to(np.asarray(value, float), (n,))


def _input(template: EventTemplate, row: int, amount: Floats, p: dict[str, Floats], inlets: Inlets) -> tuple[Floats, Floats]:
    """Rate and duration of the input of a dose record; (0, 0) for a bolus."""
    given, state = template.rate[row], int(template.cmt[row])
    zero = np.zeros_like(amount)
    if np.all(given == 0):
        return zero, zero
    kind = float(given.flat[0])
    name = inlets.names[state]
    if kind == -1:
        rate = inlets.get("rate", state, p)
        if rate is None:
            raise InvalidData(
                f"RATE = -1 for compartment '{name}', but the model declares no modelled rate for it; give RATE > 0."
            )
        rate = np.broadcast_to(np.asarray(rate, float), amount.shape)
        if np.any(rate <= 0):
            who = int(np.flatnonzero(rate <= 0)[0])
            raise InvalidData(
                f"RATE = -1 for compartment '{name}', but the modelled rate of ID {template.ids[who]} is {rate[who]:g}: it must be above 0."
            )
        return rate, amount / rate
    if kind == -2:
        if template.ss[row] and template.ii[row] == 0:
            raise InvalidData(
                f"RATE = -2 for compartment '{name}' with SS and no II: a constant infusion has no duration. Give RATE > 0 or -1."
            )
        duration = inlets.get("duration", state, p)
        if duration is None:
            raise InvalidData(
                f"RATE = -2 for compartment '{name}', but the model declares no modelled duration for it; give RATE > 0."
            )
        duration = np.broadcast_to(np.asarray(duration, float), amount.shape)
        return np.where(duration > 0, amount / np.where(duration > 0, duration, 1.0), 0.0), np.maximum(duration, 0.0)
    stated = template.duration[row]
    # A stated duration holds whatever is available of the amount; a rate holds until that has entered.
    rate = np.where(stated > 0, amount / np.where(stated > 0, stated, 1.0), given)
    steady_constant = template.amt[row] == 0
    lasts = np.where(stated > 0, stated, amount / np.where(given > 0, given, 1.0))
    return rate, np.where(steady_constant, 0.0, lasts)


def groups_of(events: list[Event], n: int, start: float, t_out: Floats, n_blocks_first: int = 0) -> list[Group]:
    """Sort events per subject, split subjects by order of events, and write the kernel's arrays."""
    end = float(t_out[-1])
    events = sorted(events, key=lambda e: e.rank)
    times = on_clock(np.array([e.time for e in events]).reshape(len(events), n))
    seen = np.any(times <= end, axis=1)
    events, times = [e for e, it in zip(events, seen, strict=True) if it], times[seen]
    if not len(events):
        return [_group([], np.zeros((0, n)), np.arange(n), start, end, n_blocks_first)]
    rows = np.argsort(times[:, 0], kind="stable")
    if _same_order(times, rows):
        group = _group([events[i] for i in rows], times[rows], np.arange(n), start, end, n_blocks_first)
        group.signature = rows.astype(np.int32).tobytes()
        return [group]
    order = np.argsort(times, axis=0, kind="stable")
    _, first, member = np.unique(order.astype(np.int32), axis=1, return_index=True, return_inverse=True)
    member = np.ravel(member)
    out = []
    for g, column in enumerate(first):
        subjects = np.flatnonzero(member == g)
        rows = order[:, column]
        group = _group([events[i] for i in rows], times[rows][:, subjects], subjects, start, end, n_blocks_first)
        group.signature = rows.astype(np.int32).tobytes()
        out.append(group)
    return out


def _same_order(times: Floats, rows: NDArray[np.int64]) -> bool:
    """Whether sorting puts the events of every subject in the order `rows`. times : (event, subject)."""
    return all(bool(np.all(times[b] >= times[a] if b > a else times[b] > times[a])) for a, b in pairwise(rows))


Op = tuple[int, int, Floats, tuple[Event, ...]]


def _group(events: list[Event], times: Floats, subjects: NDArray[np.int64], start: float, end: float, block: int) -> Group:
    m = len(subjects)
    origins = list[Event | None]([None])
    ops: list[list[Op]] = [[]]
    blocks = [block]
    active: dict[int, Event] = {}
    cancelled: set[int] = set()
    for event in events:
        # Every event opens its own segment, of length zero where it coincides with the one before: merging would depend on who
        # else is in the group, and a segment of length zero changes nothing.
        origins.append(event)
        ops.append([])
        blocks.append(blocks[-1])
        if event.what == "block":
            blocks[-1] = event.mode
        elif not (event.record in cancelled and event.what in ("add", "on")):
            _operate(event, subjects, ops[-1], active, cancelled)
    start_times = np.empty((len(events) + 1, m))
    start_times[0] = start
    np.maximum(times, start, out=start_times[1:])
    finish = np.maximum(end, start_times[-1])
    length = np.empty_like(start_times)
    np.subtract(start_times[1:], start_times[:-1], out=length[:-1])
    np.subtract(finish, start_times[-1], out=length[-1])
    flat = [op for segment in ops for op in segment]
    counts = np.cumsum([0, *(len(segment) for segment in ops)])
    value = np.array([op[2] for op in flat]).reshape(len(flat), m)
    return Group(
        subjects, start_times, length, np.array(blocks, np.int64), counts.astype(np.int64),
        np.array([op[0] for op in flat], np.int64), np.array([op[1] for op in flat], np.int64), value,
        np.array([*(event.rank for event in events), AFTER + 1], np.int64),
        knot_events=tuple(origins), op_events=tuple(op[3] for op in flat),
    )  # fmt: skip


def _operate(event: Event, subjects: NDArray[np.int64], ops: list[Op], active: dict[int, Event], cancelled: set[int]) -> None:
    zero = np.zeros(len(subjects))

    def running(state: int) -> Op:
        # The sum is formed anew each time, so that it is exactly zero when no infusion runs.
        on = tuple(e for e in active.values() if e.state == state)
        return RATE, state, sum((e.value[subjects] for e in on if e.value is not None), zero), on

    value = zero if event.value is None else event.value[..., subjects]
    if event.what == "reset":
        active.clear()
        ops.append((RESET, 0, zero, ()))
    elif event.what == "add":
        ops.append((ADD, event.state, value, (event,)))
    elif event.what == "on":
        active[event.token] = event
        ops.append(running(event.state))
    elif event.what == "off" and event.token in active:
        state = active.pop(event.token).state
        ops.append(running(state))
    elif event.what == "ss":
        if event.mode == 1:
            cancelled.update(range(event.record))
            ops.extend((RATE, state, zero, ()) for state in sorted({e.state for e in active.values()}))
            active.clear()
        code = SET if event.mode == 1 else ADD
        ops.extend((code, state, value[state], (event,)) for state in range(value.shape[0]))
    elif event.what == "set":
        ops.append((SET, event.state, value, (event,)))
