"""What the fast simulators of the field do inside, in compiled code on the same machine: LSODA and a Dormand-Prince pair.

mrgsolve and rxode2 hand a compiled right-hand side to a compiled LSODA, from dose to dose; the design study found rxode2 fastest with
a Dormand-Prince method of order 5 and dense output. Here both take that part for one patient after the other, with a right-hand side
compiled by Numba from the same symbols as everything else: nothing of Python runs between a patient's first and last output.

LSODA is numbalsoda's (C++). It is not among the project's dependencies, as it builds with CMake and gfortran:
``uv pip install numbalsoda``. The Dormand-Prince pair is written out below (coefficients and dense output: Hairer, Norsett and Wanner,
Solving Ordinary Differential Equations I, 2nd edition, tables II.5.2 and II.6).
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy
from numba import cfunc, njit

from ketasim.dose import EventTemplate
from ketasim.model import Model

Race = Callable[[dict[str, np.ndarray], int, float], list[tuple[np.ndarray, float]]]
_MOST_STEPS = 100_000


def compiled_peers(model: Model, template: EventTemplate, hours: np.ndarray) -> dict[str, Race]:
    """Name -> function (params, people, rtol) -> states (time, state) and seconds of each patient."""
    rates = _rates(model)
    peers = {"DOPRI5": _dormand_prince(njit(error_model="numpy")(rates))}
    try:
        import numbalsoda
    except ImportError:
        print("LSODA in compiled code is left out: numbalsoda is not installed.")
    else:
        peers["LSODA (C++)"] = _lsoda(cfunc(numbalsoda.lsoda_sig)(rates).address, numbalsoda.lsoda)
    return {name: _race(model, template, hours, step) for name, step in peers.items()}


def _rates(model: Model) -> Callable[..., None]:
    """The right-hand side (t, x, dx, p): common parts computed once, small powers multiplied out; p ends with the rates of input."""
    system = model.system
    places = {**{s: f"x[{i}]" for i, s in enumerate(system.states)}, **{s: f"p[{i}]" for i, s in enumerate(system.params)}}
    shared, rates = sympy.cse(list(system.explicit_rates().values()), symbols=sympy.numbered_symbols("c_"))

    def text(expression: sympy.Expr) -> str:
        multiplied = expression.replace(
            lambda e: e.is_Pow and e.exp.is_Integer and 1 < abs(e.exp) < 5,
            lambda e: sympy.Mul(*[e.base] * abs(int(e.exp)), evaluate=False) ** (1 if e.exp > 0 else -1),
        )
        return sympy.pycode(multiplied).replace("math.", "")

    lines = [f"{name} = {place}" for name, place in places.items()] + [f"{name} = {text(e)}" for name, e in shared]
    lines += [f"dx[{i}] = {text(e)} + p[{len(system.params) + i}]" for i, e in enumerate(rates)]
    scope: dict[str, Any] = dict(vars(math))
    exec("def rates(t, x, dx, p):\n" + "\n".join("    " + line for line in lines), scope)
    return scope["rates"]


def _lsoda(address: int, lsoda: Any) -> Any:
    @njit
    def segment(x, times, p, rtol, atol):
        return lsoda(address, x, times, p, rtol, atol, _MOST_STEPS)

    return segment


def _dormand_prince(rates: Any) -> Any:
    """One segment by the pair of orders 5 and 4 with dense output of order 4."""

    @njit(error_model="numpy")
    def segment(x, times, p, rtol, atol):
        n, out = len(x), np.empty((len(times), len(x)))
        k1, k2, k3, k4, k5, k6, k7 = np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n)
        y, new = np.empty(n), np.empty(n)
        t, end, j = times[0], times[-1], 0
        x = x.copy()
        while j < len(times) and times[j] <= t:
            out[j] = x
            j += 1
        rates(t, x, k1, p)
        largest = 0.0
        for i in range(n):
            largest = max(largest, abs(k1[i]) / (atol + rtol * abs(x[i])))
        h = min(end - t, 0.01 / max(largest * rtol**0.8, 1e-3))
        for _ in range(_MOST_STEPS):
            if j == len(times):
                break
            h = min(h, end - t)
            for i in range(n):
                y[i] = x[i] + h * (k1[i] / 5)
            rates(t + h / 5, y, k2, p)
            for i in range(n):
                y[i] = x[i] + h * (3 / 40 * k1[i] + 9 / 40 * k2[i])
            rates(t + 0.3 * h, y, k3, p)
            for i in range(n):
                y[i] = x[i] + h * (44 / 45 * k1[i] - 56 / 15 * k2[i] + 32 / 9 * k3[i])
            rates(t + 0.8 * h, y, k4, p)
            for i in range(n):
                y[i] = x[i] + h * (19372 / 6561 * k1[i] - 25360 / 2187 * k2[i] + 64448 / 6561 * k3[i] - 212 / 729 * k4[i])
            rates(t + 8 / 9 * h, y, k5, p)
            for i in range(n):
                y[i] = x[i] + h * (
                    9017 / 3168 * k1[i] - 355 / 33 * k2[i] + 46732 / 5247 * k3[i] + 49 / 176 * k4[i] - 5103 / 18656 * k5[i]
                )
            rates(t + h, y, k6, p)
            for i in range(n):
                new[i] = x[i] + h * (
                    35 / 384 * k1[i] + 500 / 1113 * k3[i] + 125 / 192 * k4[i] - 2187 / 6784 * k5[i] + 11 / 84 * k6[i]
                )
            rates(t + h, new, k7, p)
            error = 0.0
            for i in range(n):
                e = (
                    71 / 57600 * k1[i]
                    - 71 / 16695 * k3[i]
                    + 71 / 1920 * k4[i]
                    - 17253 / 339200 * k5[i]
                    + 22 / 525 * k6[i]
                    - k7[i] / 40
                )
                error += (h * e / (atol + rtol * max(abs(x[i]), abs(new[i])))) ** 2
            error = math.sqrt(error / n)
            factor = min(10.0, max(0.2, 0.9 * max(error, 1e-10) ** -0.2))
            if error <= 1.0:
                last = end - (t + h) <= 1e-12 * end
                while j < len(times) and (times[j] <= t + h or last):
                    s = min((times[j] - t) / h, 1.0)
                    for i in range(n):
                        d = new[i] - x[i]
                        b = h * k1[i] - d
                        c = d - h * k7[i] - b
                        e = h * (
                            -12715105075 / 11282082432 * k1[i] + 87487479700 / 32700410799 * k3[i] - 10690763975 / 1880347072 * k4[i]
                            + 701980252875 / 199316789632 * k5[i] - 1453857185 / 822651844 * k6[i] + 69997945 / 29380423 * k7[i]
                        )  # fmt: skip
                        out[j, i] = x[i] + s * (d + (1 - s) * (b + s * (c + (1 - s) * e)))
                    j += 1
                t += h
                x, new, k1, k7 = new, x, k7, k1
            h *= factor
        if j == len(times):
            out[-1] = x
        return out, j == len(times)

    return segment


def _race(model: Model, template: EventTemplate, hours: np.ndarray, step: Any) -> Race:
    system, doses = model.system, template.expanded()
    n_params, n = len(system.params), len(system.states)

    @njit
    def patient(x, p, inputs, first, grid, rtol, atol):
        """States at all points of `grid`; first : where each segment begins in it; inputs : its rates of input."""
        out, fine = np.empty((len(grid), len(x))), True
        for k in range(len(inputs)):
            p[n_params:] = inputs[k]
            a, b = first[k], first[k + 1] + 1
            path, done = step(x, grid[a:b], p, rtol, atol)
            fine = fine and done
            out[a:b] = path
            x = path[-1].copy()
        return out, fine

    def run(params: dict[str, np.ndarray], people: int, rtol: float) -> list[tuple[np.ndarray, float]]:
        results = []
        for who in (0, *range(people)):  # the first run compiles and is left out
            stops = doses.time + doses.amt[:, who] / doses.rate[:, who]
            knots = np.unique(np.concatenate([[0.0, hours[-1]], doses.time, stops]))
            inputs = np.zeros((len(knots) - 1, n))
            for k, (a, _) in enumerate(itertools.pairwise(knots)):
                for d in np.flatnonzero((doses.time <= a) & (a < stops - 1e-12)):
                    inputs[k, doses.cmt[d]] += doses.rate[d, who]
            grid = np.unique(np.concatenate([knots, hours]))
            p = np.concatenate([[params[name][who] for name in system.params], np.zeros(n)])
            x = np.array([float(e.subs({s: params[str(s)][who] for s in e.free_symbols})) for e in system.initial.values()])
            begin = time.perf_counter()
            path, fine = patient(x, p, inputs, np.searchsorted(grid, knots), grid, rtol, rtol * 1e-4)
            seconds = time.perf_counter() - begin
            if not fine:
                raise RuntimeError("the end was not reached")
            results.append((path[np.isin(grid, hours)], seconds))
        return results[1:]

    return run
