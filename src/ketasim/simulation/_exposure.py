"""Exposure of every patient, read from the solution on times of its own: output times asked for change none of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ketasim.dose import Dose, Item, Regimen
from ketasim.nca._curve import half_life
from ketasim.results import REPEATED, WHOLE, since_dose

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: Times after a dose begins or an infusion ends, as (step, until), min: the first minutes see a bolus mix (the reference model's
#: artery peaks within one), later ones absorption. What this misses of peaks and areas: docs/decisions/0009-exposure.md.
_STEPS = ((0.25, 2.5), (0.5, 5.0), (1.0, 15.0), (2.5, 40.0), (5.0, 120.0), (15.0, 480.0))
#: Hours are followed so long after a dose or an infusion, h; then days.
_HOURLY = 168.0
#: Decimals of times, h: what is nearer is one time.
_DECIMALS = 9
#: Points of the cubic between two times, and times of the terminal slope at most.
_POINTS, _TAIL = 4, 16


def _after() -> Floats:
    """Times after an event, (time,), h, from 0."""
    bounds = (0.0, *(until for _, until in _STEPS))
    pieces = [np.arange(low, until, step) for low, (step, until) in zip(bounds, _STEPS, strict=False)]
    return np.concatenate([*pieces, bounds[-1:]]) / 60.0


_AFTER = _after()


def quiet_times(events: Iterable[float], end: float) -> Floats:
    """Every hour from 0 to `end` while a dose or an infusion (events, h) is less than a week ago, then every day; and the end."""
    hours = np.arange(0.0, end + 1e-9, 1.0)
    ages = since_dose(hours, np.unique(np.array([0.0, *events])))
    return np.append(hours[(ages <= _HOURLY) | (hours % 24.0 == 0.0)], end)


@dataclass(frozen=True)
class Interval:
    """A dosing interval, h: `first` is the one it is compared with, where the regimen began with the same doses; else None."""

    start: float
    length: float
    first: float | None


def last_interval(regimen: Regimen, end: float) -> Interval | None:
    """The last interval after which the regimen repeats whose doses all begin before `end`; None where nothing repeats.

    Two doses a week repeat after a week. A list of times repeats after the shortest span that moves each of them onto another.
    """
    found = [
        (start, period) for item in regimen.items if (period := _period(item)) and (start := _last(item, period, end)) is not None
    ]
    if not found:
        return None
    latest, period = max(found)
    # Doses of the same rhythm (morning and evening) belong to one interval, which begins with the first of them.
    start = min(s for s, p in found if p == period and s > latest - period)
    if not regimen.doses[0][0] + period <= start or _within(regimen, regimen.doses[0][0], period) != _within(
        regimen, start, period
    ):
        return Interval(start, period, None)
    return Interval(start, period, regimen.doses[0][0])


def _period(item: Item) -> float:
    """Hours after which the doses of an item repeat; 0 for none."""
    times, n = np.array(item.times), item.schedule.n
    if n < 2 or item.schedule.every:
        return item.schedule.every if n > 1 else 0.0
    for m in range(1, n):
        shifts = times[m:] - times[:-m]
        if np.ptp(shifts) < 1e-6:
            return float(shifts[0])
    return 0.0


def _last(item: Item, period: float, end: float) -> float | None:
    """Begin of the last block of an item whose doses all begin before `end`."""
    times = np.array(item.times)
    block = np.floor((times - times[0]) / period + 1e-9)
    whole = [k for k in np.unique(block) if times[block == k].max() < end]
    return float(times[0] + period * whole[-1]) if whole else None


def _within(regimen: Regimen, start: float, length: float) -> list[tuple[float, Dose]]:
    """Doses of an interval, with their time in it."""
    return [(round(t - start, 6), dose) for t, dose in regimen.doses if start - 1e-9 <= t < start + length - 1e-9]


class ExposureGrid:
    """Times at which a solution is read, and what is read there.

    Parameters
    ----------
    regimen : as given. end : last output time, h: peaks and areas are those of 0 to `end`.

    Attributes
    ----------
    times : (time,), h. at_record : (time,), -1 where the value before a dose of that time is meant, else -2. parameters : names,
        `WHOLE` and, where the regimen repeats, `REPEATED`. interval : the last dosing interval, which may end after `end`.
    """

    def __init__(self, regimen: Regimen, end: float) -> None:
        self.end, self.interval = end, last_interval(regimen, end)
        self.parameters = WHOLE + (REPEATED if self.interval else ())
        horizon = end if self.interval is None else max(end, self.interval.start + self.interval.length)
        starts = {t for t, _ in regimen.doses}
        self.doses = np.round(sorted(starts), _DECIMALS)
        stops = {t + dose.duration_h for t, dose in regimen.doses}
        events = np.unique(np.round([t for t in starts | stops if t < horizon], _DECIMALS))
        marks = [0.0, end, horizon]
        if self.interval:
            begins = [self.interval.start, *([] if self.interval.first is None else [self.interval.first])]
            marks += [t for begin in begins for t in (begin, begin + self.interval.length)]
        pieces = [quiet_times(events, horizon), np.array(marks), *(event + _AFTER for event in events)]
        once = np.unique(np.round(np.concatenate(pieces), _DECIMALS))
        once = once[(once >= 0.0) & (once <= round(horizon, _DECIMALS))]
        # A dose may jump: the value before it ends one piece, the value after it begins the next.
        before = np.intersect1d(once, self.doses)
        before = before[before > 0.0]
        times = np.concatenate([once, before])
        order = np.lexsort((np.repeat([1, 0], (len(once), len(before))), times))
        self.times, self.at_record = times[order], np.repeat([-2, -1], (len(once), len(before)))[order]
        # No cubic reaches over a dose, the end of an infusion or the end of what is asked for.
        breaks = np.isin(self.times, np.append(events, round(end, _DECIMALS))) & (self.at_record == -2)
        self._edges = np.unique(np.concatenate([[0], np.flatnonzero(breaks), [len(self.times) - 1]]))

    @property
    def facts(self) -> dict[str, Any]:
        """What the parameters are of, for the result."""
        if self.interval is None:
            return {"end": self.end}
        return {"end": self.end, "tau": self.interval.length, "interval_start": self.interval.start}

    def beside(self, shown: Floats) -> tuple[Floats, Ints, Ints]:
        """Own times and output times together with their records, and the rows of the output times."""
        own = self.at_record == -1
        after = np.unique(np.concatenate([self.times[~own], shown]))
        times, at = np.concatenate([after, self.times[own]]), np.repeat([-2, -1], (len(after), int(own.sum())))
        order = np.lexsort((-at, times))
        times, at = times[order], at[order]
        rows = np.flatnonzero(at == -2)
        return times, at, rows[np.searchsorted(times[rows], shown)]

    def among(self, times: Floats, at_record: Ints) -> Ints:
        """Rows of the own times among all."""
        rows = np.empty(len(self.times), np.int64)
        for kind in (-2, -1):
            there = np.flatnonzero(at_record == kind)
            own = self.at_record == kind
            rows[own] = there[np.searchsorted(times[there], self.times[own])]
        return rows

    def read(self, values: NDArray[Any]) -> NDArray[Any]:
        """Exposure of curves: (parameter, analyte, subject) from concentrations (time, analyte, subject)."""
        shape = values.shape[1:]
        curves = values.reshape(len(self.times), -1)
        peak, at = self._peak(curves)
        out = [peak, since_dose(at, self.doses), self._area(curves, 0.0, self.end), self._half_life(curves)]
        if self.interval is not None:
            start, length, first = self.interval.start, self.interval.length, self.interval.first
            area = self._area(curves, start, start + length)
            single = np.full_like(area, np.nan) if first is None else self._area(curves, first, first + length)
            with np.errstate(divide="ignore", invalid="ignore"):
                out += [area, curves[self._place(start + length)], area / np.where(single > 0, single, np.nan)]
        return np.stack(out).reshape(len(out), *shape)

    def _place(self, time: float) -> int:
        """Row of a time, the one before a dose of that time."""
        return int(np.searchsorted(self.times, round(time, _DECIMALS), side="left"))

    @cached_property
    def _stencils(self) -> tuple[Ints, Ints]:
        """First of the points of the cubic on every cell between two times, and how many there are: (cell,)."""
        cells = np.arange(len(self.times) - 1)
        piece = np.searchsorted(self._edges, cells, side="right") - 1
        begin = self._edges[piece]
        # The last row of a piece that ends at a dose is the value before it.
        end = self._edges[np.minimum(piece + 1, len(self._edges) - 1)]
        jumps = (self.at_record[np.maximum(end - 1, 0)] == -1) & (end - 1 > begin)
        end = np.where(jumps, end - 1, end)
        return np.maximum(np.minimum(cells - 1, end - _POINTS + 1), begin), np.minimum(end - begin + 1, _POINTS)

    def _weights(self, start: float, end: float) -> Floats:
        """Weights of the values in the integral from `start` to `end`, (time,), h: exact for the cubics."""
        weights, t = np.zeros(len(self.times)), self.times
        first, count = self._stencils
        nodes, shares = np.polynomial.legendre.leggauss(2)  # two nodes integrate a cubic exactly
        low, high = round(start, _DECIMALS), round(end, _DECIMALS)
        inside = (t[:-1] >= low) & (t[1:] <= high) & (np.diff(t) > 0)
        for number in range(2, _POINTS + 1):
            k = np.flatnonzero(inside & (count == number))
            points = first[k, None] + np.arange(number)
            half = (t[k + 1] - t[k]) / 2.0
            at = t[k, None] + half[:, None] * (nodes + 1.0)
            for j in range(number):
                own, others = t[points[:, j]], np.delete(t[points], j, axis=1)
                basis = np.prod((at[:, :, None] - others[:, None]) / (own[:, None] - others)[:, None], axis=2)
                np.add.at(weights, points[:, j], half * (basis @ shares))
        return weights

    def _area(self, curves: NDArray[Any], start: float, end: float) -> NDArray[Any]:
        if end <= start:
            return np.full(curves.shape[1], np.nan)
        if (start, end) not in self._known:
            self._known[start, end] = self._weights(start, end)
        return self._known[start, end].astype(curves.dtype) @ curves

    @cached_property
    def _known(self) -> dict[tuple[float, float], Floats]:
        return {}

    def _peak(self, curves: NDArray[Any]) -> tuple[NDArray[Any], Floats]:
        """Largest value from 0 to the end and its time, (curve,): that of the cubics beside the largest value on the grid."""
        t, first, count = self.times, *self._stencils
        asked = curves[t <= round(self.end, _DECIMALS)]
        k = np.argmax(asked, axis=0)
        columns = np.arange(curves.shape[1])
        best, at = curves[k, columns].astype(np.float64), t[k]
        for cell in (k - 1, k) if len(t) >= _POINTS else ():
            inside = (cell >= 0) & (cell < len(asked) - 1)
            cell = np.clip(cell, 0, len(t) - 2)
            from_row = np.minimum(first[cell], max(len(t) - _POINTS, 0))
            who = np.flatnonzero(inside & (count[cell] == _POINTS) & (t[cell + 1] > t[cell]))
            rows = from_row[who] + np.arange(_POINTS)[:, None]
            top, when = _summit(t[rows], curves[rows, columns[who]].astype(np.float64))
            with np.errstate(invalid="ignore"):
                higher = (when >= t[cell[who]]) & (when <= t[cell[who] + 1]) & (top > best[who])
            best[who[higher]], at[who[higher]] = top[higher], when[higher]
        return best, np.where(np.isfinite(best), at, np.nan)

    def _half_life(self, curves: NDArray[Any]) -> NDArray[Any]:
        """Terminal half-life to the end, h, (curve,), by the rule of non-compartmental analysis on what follows the last event."""
        last = int(np.searchsorted(self.times, round(self.end, _DECIMALS), side="right")) - 1
        begin = int(self._edges[np.searchsorted(self._edges, last, side="left") - 1]) if last > 0 else 0
        rows = np.arange(begin, last + 1)
        spaced = np.linspace(self.times[begin], self.times[last], _TAIL)
        rows = np.unique(rows[np.searchsorted(self.times[rows], spaced).clip(0, len(rows) - 1)])
        if len(rows) < 3:
            return np.full(curves.shape[1], np.nan)
        return half_life(self.times[rows], np.asarray(curves[rows].T, np.float64))


def _summit(t: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Height and time of the local maximum of cubics through four points, NaN where there is none. t, y : (4, curve)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        d01, d12, d23 = np.diff(y, axis=0) / np.diff(t, axis=0)
        e012, e123 = (d12 - d01) / (t[2] - t[0]), (d23 - d12) / (t[3] - t[1])
        a, x1, x2 = (e123 - e012) / (t[3] - t[0]), t[1] - t[0], t[2] - t[0]
        # y0 + c s + b s^2 + a s^3, s from the first point
        b, c = e012 - a * (x1 + x2), d01 - e012 * x1 + a * x1 * x2
        root = np.sqrt(b * b - 3.0 * a * c)
        s = np.where(b < 0.0, c / (root - b), -(b + root) / (3.0 * a))
        return y[0] + s * (c + s * (b + s * a)), t[0] + s
