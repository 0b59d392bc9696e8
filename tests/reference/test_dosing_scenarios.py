"""A public set of dosing scenarios against closed forms, with and without a second compartment.

Doses as in `data_1001` of github.com/mrgsolve/nmtests (shared/data.R), a benchmark of NONMEM and mrgsolve: bolus and infusion,
additional doses, lag, bioavailability, modelled duration, reset, steady state. There lag and bioavailability act in the centre alone,
here where a dose goes. What they must give is computed here by superposition; of a lagged dose at steady state with a reset the two tools
give different numbers, and the closed form decides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from ketasim.results import wide_table
from ketasim.simulation import simulate

Floats = NDArray[np.float64]
CL, V, KA, V2 = 1.1, 20.0, 1.5, 30.0
#: Half hours: no observation falls on a dose.
TIMES = np.arange(0.5, 130.0, 3.0)
#: Doses before a steady state that are summed: the next one would add e^-43 at the slowest rate of 0.018 /h.
_BEFORE = 400


@dataclass(frozen=True)
class D:
    """A dose record; cmt 1 is the depot, 2 the central compartment. evid 3 resets, 4 resets and doses; dur : modelled duration, h."""

    amt: float = 0.0
    cmt: int = 1
    time: float = 0.0
    ii: float = 0.0
    addl: int = 0
    rate: float = 0.0
    ss: int = 0
    evid: int = 1
    lag: float = 0.0
    f: float = 1.0
    dur: float = 0.0


SCENARIOS: dict[str, tuple[D, ...]] = {
    "bolus with additional": (D(100, ii=24, addl=3),),
    "bolus with lag and bioavailability": (D(100, ii=24, addl=3, lag=12.13, f=2.23, cmt=2),),
    "infusion with additional": (D(100, ii=24, addl=3, rate=10, cmt=2),),
    "infusion with bioavailability": (D(480, rate=10, cmt=2, f=0.5),),
    "infusion with bioavailability and duration": (D(480, rate=-2, cmt=2, f=0.5, dur=48),),
    "infusions into the depot": (D(100, ii=24, addl=3, rate=100 / 12),),
    "infusions with lag": (D(100, ii=24, addl=3, rate=10, lag=4.15, cmt=2),),
    "infusions with lag and bioavailability": (D(100, ii=24, addl=3, rate=10, lag=3.25, f=0.412, cmt=2),),
    "steady infusions with lag and bioavailability": (D(100, ii=24, addl=3, rate=10, lag=3.16, f=0.412, ss=1, cmt=2),),
    "steady infusions longer than the interval, bioavailability": (D(100, ii=12, addl=4, rate=2, f=0.812, ss=1, cmt=2),),
    "steady infusions longer than the interval": (D(100, ii=12, addl=3, rate=2, ss=1, cmt=2),),
    "steady infusions of two intervals": (D(100, ii=6, addl=12, rate=8.3333, ss=1, cmt=2),),
    "steady infusions as long as the interval, bioavailability": (D(100, ii=10, addl=8, rate=4.12, f=0.412, ss=1, cmt=2),),
    "steady infusions as long as the interval": (D(100, ii=10, addl=8, rate=10, ss=1, cmt=2),),
    "steady bolus with lag and bioavailability": (D(100, ii=24, addl=3, lag=4, f=0.412, ss=1, cmt=2),),
    "bolus with lag and bioavailability, central": (D(100, ii=24, addl=3, lag=5, f=0.412, cmt=2),),
    "bolus then infusion": (D(100, cmt=2, lag=1), D(50, time=13, ii=24, addl=2, rate=24)),
    "modelled duration, lag and bioavailability": (D(100, rate=-2, dur=9, cmt=2, ii=24, addl=3, lag=5, f=0.61),),
    "steady modelled duration with bioavailability": (D(100, rate=-2, dur=9, cmt=2, ii=24, addl=3, ss=1, f=0.61),),
    "reset and dose": (D(100, ii=12, addl=2, rate=50, f=0.61), D(120, evid=4, time=50, f=0.5, ii=12, addl=3)),
    "reset": (D(100, ii=12, addl=3, rate=50, f=0.61), D(evid=3, time=50, cmt=2), D(120, ii=16, addl=2, time=54)),
    "reset and dose at steady state": (D(100, ii=12, evid=4, ss=1),),
    "reset and dose at steady state, additional": (D(100, ii=12, addl=2, evid=4, ss=1),),
    "reset and dose at steady state, lag": (D(100, ii=12, evid=4, ss=1, cmt=2, lag=10),),
    "reset and dose at steady state, additional and lag": (D(100, ii=12, addl=2, evid=4, ss=1, cmt=2, lag=10),),
    "reset with lag": (
        D(100, ii=12, addl=3, rate=50, f=0.61, lag=10),
        D(evid=3, time=50, cmt=2, lag=10),
        D(120, ii=16, addl=2, time=54, lag=10),
    ),
    "steady states 1 and 2": (D(100, ii=24, addl=3, ss=1), D(50, ii=24, addl=3, ss=2, time=12)),
    "constant infusion": (D(rate=100, ss=1),),
}


def modes(q: float) -> tuple[Floats, Floats]:
    """Rates, 1/h, and shares of the central amount after a unit bolus into the centre: sum of share * exp(-rate t)."""
    k10, k12, k21 = CL / V, q / V, q / V2
    total, product = k10 + k12 + k21, k10 * k21
    if q == 0.0:
        return np.array([k10]), np.array([1.0])
    root = np.sqrt(total**2 - 4.0 * product)
    fast, slow = (total + root) / 2.0, (total - root) / 2.0
    return np.array([fast, slow]), np.array([(fast - k21), (k21 - slow)]) / root


def bolus(t: Floats, cmt: int, q: float) -> Floats:
    """Central amount after a unit bolus at 0, and its integral, (2, time); 0 before."""
    rates, shares = modes(q)
    if cmt == 1:  # first-order entry: each mode is convolved with the depot's
        weights = shares * KA / (KA - rates)
        rates, shares = np.append(rates, KA), np.append(weights, -weights.sum())
    s = np.maximum(t, 0.0)[:, None]
    return np.array([np.where(t < 0, 0.0, np.exp(-rates * s) @ shares), (1.0 - np.exp(-rates * s)) @ (shares / rates)])


def expected(doses: tuple[D, ...], q: float) -> Floats:
    """Central amount at `TIMES` by superposition of single doses."""
    total = np.zeros(len(TIMES))
    for d in doses:
        after = d.time <= TIMES
        if d.evid in (3, 4) or d.ss == 1:
            total[after] = 0.0
        if d.amt == 0.0 and d.ss:  # a constant infusion that ends here, as in the other tools
            forever = bolus(np.array([np.inf]), d.cmt, q)[1]
            total[after] += d.rate * (forever - bolus(TIMES[after] - d.time, d.cmt, q)[1])
        if d.amt == 0.0:
            continue
        first = -_BEFORE if d.ss else 0
        for j in range(first, d.addl + 1):
            t = TIMES - (d.time + d.lag + j * d.ii)
            length = d.dur if d.rate < 0 else d.f * d.amt / d.rate if d.rate else 0.0
            if length:
                one = d.f * d.amt / length * (bolus(t, d.cmt, q)[1] - bolus(t - length, d.cmt, q)[1])
            else:
                one = d.f * d.amt * bolus(t, d.cmt, q)[0]
            total[after] += one[after]
    return total


@pytest.mark.reference
@pytest.mark.parametrize("q", [0.0, 2.0], ids=["one compartment", "two compartments"])
def test_dosing_scenarios(q: float) -> None:
    """All at once, a subject each: to 1e-6, which is what steady states are iterated to."""
    tables = []
    for number, doses in enumerate(SCENARIOS.values(), 1):
        rows = [
            {"ID": number, "TIME": d.time, "EVID": d.evid, "AMT": d.amt, "RATE": d.rate, "CMT": d.cmt, "II": d.ii, "ADDL": d.addl, "SS": d.ss,
             f"F{d.cmt}": d.f, f"ALAG{d.cmt}": d.lag, f"D{d.cmt}": d.dur or 2.0}
            for d in doses
        ]  # fmt: skip
        rows += [{"ID": number, "TIME": t, "EVID": 0} for t in TIMES]
        table = pd.DataFrame(
            rows,
            columns=["ID", "TIME", "EVID", "AMT", "RATE", "CMT", "II", "ADDL", "SS", "F1", "F2", "ALAG1", "ALAG2", "D1", "D2"],
        )
        table = table.sort_values("TIME", kind="stable")
        for name in ("F1", "F2", "ALAG1", "ALAG2", "D1", "D2"):
            table[name] = table[name].ffill().bfill().fillna({"F": 1.0, "A": 0.0, "D": 2.0}[name[0]])
        tables.append(table.fillna(0.0))
    found = wide_table(
        simulate("generic/two_cmt", pd.concat(tables), parameters={"CL": CL, "V": V, "KA": KA, "Q": q, "V2": V2}, rtol=1e-9)
    )
    for number, (name, doses) in enumerate(SCENARIOS.items(), 1):
        got, want = found.loc[found["ID"] == number, "CENT"].to_numpy(), expected(doses, q)
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-7 * want.max(), err_msg=name)
