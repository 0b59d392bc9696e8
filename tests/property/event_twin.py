"""A slow, obvious interpreter of NONMEM-style records for the two-compartment model: one subject, one input after the other.

Independent of the engine: matrix exponentials between events, steady state by giving the dose many times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import expm

DEPOT, CENT, PERI = 0, 1, 2
#: Doses before the record that stand for "forever"; the slowest half-life of the tests is far below this many intervals.
MANY = 400


@dataclass
class Input:
    """Something that enters: at once (rate 0), or from `time` to `end` at a rate."""

    time: float
    cmt: int
    amount: float
    rate: float = 0.0
    end: float = np.inf
    record: int = -1


def matrix(p: Mapping[str, float]) -> np.ndarray:
    """dx/dt = A x + input."""
    ka, k10, k12, k21 = p["KA"], p["CL"] / p["V"], p["Q"] / p["V"], p["Q"] / p["V2"]
    return np.array([[-ka, 0, 0], [ka, -k10 - k12, k21], [0, k12, -k21]])


def flow(A: np.ndarray, x: np.ndarray, rate: np.ndarray, h: float) -> np.ndarray:
    """State after h hours of constant input."""
    if h <= 0:
        return x
    whole = np.zeros((4, 4))
    whole[:3, :3], whole[:3, 3] = A, rate
    return (expm(whole * h) @ np.append(x, 1.0))[:3]


def entering(row: Mapping[str, float], p: Mapping[str, float], time: float, record: int) -> Input:
    """What a dose record lets in when given at `time`: F, lag and duration belong to the compartment."""
    cmt, n = int(row["CMT"]) - 1, int(row["CMT"])
    amount, begin = row["AMT"] * p.get(f"F{n}", 1.0), time + p.get(f"ALAG{n}", 0.0)
    rate = row["RATE"]
    if rate == -1:
        rate = p[f"R{n}"]
    elif rate == -2:
        rate = amount / p[f"D{n}"]
    return Input(begin, cmt, amount, rate, begin + amount / rate if rate else np.inf, record)


def interpret(rows: Sequence[Mapping[str, float]], params: Sequence[Mapping[str, float]], locf: bool = False) -> np.ndarray:
    """Amounts (row, 3) at the records with EVID 0, in order. params : per record, holding up to it, or from it on (locf)."""
    x, now = np.zeros(3), float(rows[0]["TIME"])
    waiting: list[Input] = []
    running: list[Input] = []
    out = []

    def go(to: float, A: np.ndarray, including: bool) -> None:
        nonlocal x, now
        while True:
            times = [i.time for i in waiting] + [i.end for i in running]
            at = min((t for t in times if t < to or (including and t <= to)), default=None)
            stop = to if at is None else max(at, now)
            rate = np.zeros(3)
            for i in running:
                rate[i.cmt] += i.rate
            x, now = flow(A, x, rate, stop - now), stop
            if at is None:
                return
            running[:] = [i for i in running if i.end > now]
            for i in [i for i in waiting if i.time <= now]:
                waiting.remove(i)
                if i.rate:
                    running.append(i)
                else:
                    x[i.cmt] += i.amount

    for record, (row, p) in enumerate(zip(rows, params, strict=True)):
        evid, A, time = int(row["EVID"]), matrix(params[max(record - locf, 0)]), float(row["TIME"])
        go(time, A, True)
        if evid in (3, 4):
            x = np.zeros(3)
            running.clear()
        if evid in (1, 4):
            if row["SS"]:
                before = steady(row, p, matrix(p), record)
                if row["SS"] == 1:
                    x, running[:] = np.zeros(3), []
                    waiting[:] = [i for i in waiting if i.record < 0]
                x = x + before[0]
                running.extend(Input(time + i.time, i.cmt, i.amount, i.rate, time + i.end, record) for i in before[1])
                waiting.extend(Input(time + i.time, i.cmt, i.amount, i.rate, time + i.end, record) for i in before[2])
            if row["AMT"]:
                waiting.extend(entering(row, p, time + k * row["II"], record) for k in range(int(row["ADDL"]) + 1))
            go(time, A, True)
        if evid == 0:
            out.append(x.copy())
    return np.array(out)


def steady(
    row: Mapping[str, float], p: Mapping[str, float], A: np.ndarray, record: int
) -> tuple[np.ndarray, list[Input], list[Input]]:
    """State, running and waiting inputs at time 0 of a regimen that began `MANY` intervals earlier; the dose at 0 is not among them."""
    if not row["AMT"]:  # a constant infusion, which ends here
        return np.linalg.solve(-A, np.eye(3)[int(row["CMT"]) - 1] * row["RATE"]), [], []
    x, now = np.zeros(3), -MANY * float(row["II"])
    doses = [entering(row, p, -k * row["II"], record) for k in range(MANY, 0, -1)]
    edges = sorted({t for i in doses for t in (i.time, i.end) if t <= 0.0} | {0.0})
    for at in edges:
        rate = np.zeros(3)
        for i in doses:
            if i.rate and i.time <= now and i.end > now:
                rate[i.cmt] += i.rate
        x, now = flow(A, x, rate, at - now), at
        for i in doses:
            if not i.rate and i.time == at:
                x[i.cmt] += i.amount
    return x, [i for i in doses if i.rate and i.time <= 0.0 < i.end], [i for i in doses if i.time > 0.0]
