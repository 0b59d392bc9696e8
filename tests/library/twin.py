"""A slow, obvious solver for one typical person: SciPy's LSODA between changes of input, on the model's symbolic equations.

Independent of the engine, needs no compilation; for single doses at time zero only.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import sympy
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from ketasim.dose import EventTemplate
from ketasim.model import Model

Floats = NDArray[np.float64]
_RTOL, _ATOL = 1e-9, 1e-10  # umol; curves are compared at 0.5 % and wider


def solve_twin(model: Model, template: EventTemplate, params: Mapping[str, float], times: Floats) -> dict[str, Floats]:
    """Ports over `times`, h, for the first subject of a template whose records are all doses at time zero."""
    system = model.system
    p = {**params, **{name: float(values[0, 0]) for name, values in template.overrides.items() if name in params}}
    symbols = [sympy.Symbol(name, real=True) for name in system.states]
    known = {sympy.Symbol(name, real=True): p[name] for name in system.params}
    t = sympy.Symbol("t", real=True)
    rates = sympy.lambdify([t, symbols], [expr.subs(known) for expr in system.explicit_rates().values()], "numpy")
    ports = {name: sympy.lambdify([t, symbols], expr.subs(known), "numpy") for name, expr in system.explicit_ports().items()}
    at_once, inputs = _inputs(model, template, known)
    edges = sorted({0.0, float(times[-1]), *(end for _, _, end in inputs if end < times[-1])})
    y, found = at_once, np.empty((len(symbols), len(times)))
    for left, right in pairwise(edges):
        into = np.zeros(len(symbols))
        for state, rate, end in inputs:
            into[state] += rate if end > left + 1e-12 else 0.0
        inside = (times >= left) & (times <= right)
        at = np.unique(np.append(times[inside], right))
        piece = solve_ivp(
            lambda now, x, into=into: np.asarray(rates(now, x), float) + into,
            (left, right), y, "LSODA", at, rtol=_RTOL, atol=_ATOL,
        )  # fmt: skip
        found[:, inside] = piece.y[:, np.searchsorted(at, times[inside])]
        y = piece.y[:, -1]
    return {name: np.broadcast_to(np.asarray(port(times, found), float), times.shape) for name, port in ports.items()}


def _inputs(
    model: Model, template: EventTemplate, known: Mapping[sympy.Symbol, float]
) -> tuple[Floats, list[tuple[int, float, float]]]:
    """Amounts that enter at once, and (state, rate, end) of what enters over time."""
    at_once = np.zeros(len(model.compartments))
    inputs: list[tuple[int, float, float]] = []
    for row in range(len(template.time)):
        if template.time[row] != 0.0 or template.evid[row] != 1:
            raise NotImplementedError("the twin knows single doses at time zero only")
        state = int(template.cmt[row])
        inlet = model.system.inlets.get(model.compartments[state])
        number = lambda value, otherwise: otherwise if value is None else float(sympy.sympify(value).subs(known))  # noqa: E731
        amount = float(template.amt[row, 0]) * number(inlet and inlet.F, 1.0)
        rate = float(template.rate[row, 0])
        if rate == -2.0:
            duration = number(inlet and inlet.duration, 0.0)
            inputs.append((state, amount / duration, duration))
        elif rate > 0.0:
            inputs.append((state, rate, amount / rate))
        else:
            at_once[state] += amount
    return at_once, inputs
