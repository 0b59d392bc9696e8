"""Exact solution of linear models on a fixed grid, for calibration and for scoring single scenarios.

Built from the same `rates` and `outputs` the engine traces: a linear structure evaluated on the unit vectors *is* its matrix.
Works on NumPy and, for gradients, on JAX. Not for population runs: that is the engine's task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ketasim.errors import InvalidModel
from ketasim.model import Model

#: Cells of the grid as (width in h, number): fine after a dose, coarse in the tail; ends at 49 h.
CELLS = ((0.25 / 60, 40), (1.0 / 60, 80), (3.0 / 60, 110), (0.5, 84))
_HALVINGS, _TAYLOR = 6, 10


@dataclass(frozen=True)
class Input:
    """One release of drug into one compartment: `amount` umol from `start` over `duration` h (0 for a bolus).

    `amount` and `duration` may be JAX values; `start` is a plain number.
    """

    state: int
    start: float
    amount: Any
    duration: Any = 0.0
    is_bolus: bool = True


@dataclass(frozen=True)
class _Block:
    """One part of the state that nothing connects with the rest (an enantiomer), for the scenarios that dose it.

    `x` and `given` hold (time, state) for each column: amounts, and cumulative input. They are cut apart once; cutting
    the column out again for every row that reads it would have its reverse fill a whole array with zeros every time.
    """

    index: np.ndarray
    columns: Mapping[int, int]
    A: Any
    x: tuple[Any, ...]
    given: tuple[Any, ...]


@dataclass(frozen=True)
class Response:
    """What a set of scenarios does to one parameter set.

    Attributes
    ----------
    times : (time,), h. C : (port, state). ports : port name -> row of `C`. blocks : independent parts of the state.
    """

    times: np.ndarray
    C: Any
    ports: Mapping[str, int]
    blocks: tuple[_Block, ...]

    def _read(self, names: Sequence[str], scenario: int, read: Callable[[_Block, Any, int], Any]) -> Any:
        """Sum over the blocks a scenario doses; `read` gets block, weights of its states, column."""
        row = sum(self.C[self.ports[name]] for name in names)
        return sum(read(b, row[b.index], b.columns[scenario]) for b in self.blocks if scenario in b.columns)

    def port(self, names: Sequence[str], scenario: int) -> Any:
        """Sum of ports over time, (time,), port unit."""
        return self._read(names, scenario, lambda b, row, column: b.x[column] @ row)

    def integral(self, names: Sequence[str], scenario: int, xp: Any) -> Any:
        """Integral of a sum of ports from 0 to every time, (time,), port unit times h; exact, not a trapezoid."""
        return self._read(names, scenario, lambda b, row, column: (b.x[column] - b.given[column]) @ xp.linalg.solve(b.A.T, row))

    def integral_to_infinity(self, names: Sequence[str], scenario: int, xp: Any) -> Any:
        """The same to infinity, after all inputs have ended."""
        return self._read(names, scenario, lambda b, row, column: -(b.given[column][-1] @ xp.linalg.solve(b.A.T, row)))

    def moment_to_infinity(self, names: Sequence[str], scenario: int, xp: Any) -> Any:
        """Integral of time times the ports to infinity after a bolus at time 0, port unit times h^2."""

        def read(b: _Block, row: Any, column: int) -> Any:
            return row @ xp.linalg.solve(b.A, xp.linalg.solve(b.A, b.given[column][-1]))

        return self._read(names, scenario, read)


def grid() -> np.ndarray:
    """Times of the grid, (time,), h, from 0."""
    steps = np.concatenate([np.full(n, width) for width, n in CELLS])
    return np.concatenate([[0.0], np.cumsum(steps)])


def matrices(model: Model, p: Mapping[str, Any], xp: Any) -> tuple[Any, Any, dict[str, int]]:
    """System matrix A (state, state), output matrix C (port, state) and the row of each port in C.

    Raises
    ------
    InvalidModel: the model is not linear with constant coefficients, so that no matrix describes it.
    """
    n = len(model.states)
    unit = dict(zip(model.states, np.eye(n), strict=True))
    rates, outputs = _evaluate(model, unit, p, 0.0, xp.zeros(n))
    A = xp.stack([xp.zeros(n) + rates[name] for name in model.states])
    C = xp.stack([xp.zeros(n) + outputs[name] for name in model.ports])
    if xp is np:
        _check_linear(model, p, A)
    return A, C, {name: i for i, name in enumerate(model.ports)}


def _evaluate(
    model: Model, x: Mapping[str, Any], p: Mapping[str, Any], t: float, nothing: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Rates and ports at a state; ports that feed ports settle after as many sweeps as there are parts."""
    ports: dict[str, Any] = dict.fromkeys(model.ports, nothing)
    rates: dict[str, Any] = {}
    for _ in model.parts:
        new: dict[str, Any] = dict.fromkeys(model.ports, nothing)
        for index, part in enumerate(model.parts):
            u = {name: ports[name] * model.factors[index, name] for name in part.mechanism.reads}
            for name, value in part.mechanism.outputs(t, x, u, p).items():
                new[name] = new[name] + value * model.factors.get((index, f"write:{name}"), 1.0)
        ports = new
    for index, part in enumerate(model.parts):
        u = {name: ports[name] * model.factors[index, name] for name in part.mechanism.reads}
        rates |= part.mechanism.rates(t, x, u, p)
    return rates, ports


def _check_linear(model: Model, p: Mapping[str, Any], A: np.ndarray) -> None:
    values = np.random.default_rng(1).uniform(0.5, 2.0, len(A))
    state = dict(zip(model.states, values, strict=True))
    for t in (0.0, 10.0):
        rates, _ = _evaluate(model, state, p, t, 0.0)
        direct = np.array([float(rates[name]) for name in model.states])
        if not np.allclose(direct, A @ values, rtol=1e-9, atol=1e-9 * np.abs(direct).max()):
            raise InvalidModel(f"{model.id} is not linear in its states with constant coefficients; exact scoring needs that.")


def independent_blocks(A: np.ndarray) -> tuple[np.ndarray, ...]:
    """State indices of the parts of a system that exchange nothing."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    n, label = connected_components(csr_matrix(A != 0.0), directed=False)
    return tuple(np.flatnonzero(label == k) for k in range(n))


def respond(
    model: Model, p: Mapping[str, Any], scenarios: Sequence[Sequence[Input]], xp: Any, blocks: Sequence[np.ndarray] = ()
) -> Response:
    """Amounts over time for several scenarios that share parameters.

    Zero-order inputs are averaged over grid cells, which conserves amount; boluses are moved to the nearest grid time.

    Parameters
    ----------
    blocks : from `independent_blocks`; needed under JAX, where the pattern of A cannot be looked at.
    """
    A, C, ports = matrices(model, p, xp)
    times = grid()
    solved = []
    for index in blocks or independent_blocks(A):
        place = {int(state): k for k, state in enumerate(index)}
        own = {k: [d for d in doses if d.state in place] for k, doses in enumerate(scenarios)}
        own = {k: doses for k, doses in own.items() if doses}
        if own:
            part = A[np.ix_(index, index)] if xp is np else A[index][:, index]
            rate, bolus = _inputs(list(own.values()), times, place, xp)
            columns = {k: column for column, k in enumerate(own)}
            x, given = _advance(part, rate, bolus, times, xp)
            solved.append(_Block(index, columns, part, _cut(x, len(own)), _cut(given, len(own))))
    return Response(times, C, ports, tuple(solved))


def _advance(A: Any, rate: Any, bolus: Any, times: np.ndarray, xp: Any) -> tuple[Any, Any]:
    """States and cumulative input over the grid, each (time, state, column)."""
    x = bolus[0]
    states, begin = [x[None]], 0
    for (_, n), (P, G) in zip(CELLS, _propagators(A, xp), strict=True):
        x, path = _stage(P, G, x, rate[begin : begin + n], bolus[begin + 1 : begin + n + 1], xp)
        states.append(path)
        begin += n
    width_of = np.diff(times)[:, None, None]
    given = xp.concatenate([bolus[:1], bolus[:1] + xp.cumsum(rate * width_of + bolus[1:], axis=0)])
    return xp.concatenate(states), given


def _cut(path: Any, columns: int) -> tuple[Any, ...]:
    """(time, state, column) -> (time, state) of each column."""
    return tuple(path[:, :, k] for k in range(columns))


def _inputs(scenarios: Sequence[Sequence[Input]], times: np.ndarray, place: Mapping[int, int], xp: Any) -> tuple[Any, Any]:
    """Mean rate per cell (cell, state, scenario) and boluses per time (time, state, scenario)."""
    lower, upper = times[:-1], times[1:]
    unit = np.eye(len(place))
    rates, boluses = [], []
    for doses in scenarios:
        rate, bolus = xp.zeros((len(lower), len(place))), xp.zeros((len(times), len(place)))
        for dose in doses:
            direction = unit[place[dose.state]][None, :]
            if dose.is_bolus:
                at = np.zeros(len(times))
                at[int(np.argmin(np.abs(times - dose.start)))] = 1.0
                bolus = bolus + dose.amount * (at[:, None] * direction)
            else:
                end = dose.start + dose.duration
                share = xp.clip(xp.minimum(upper, end) - np.maximum(lower, dose.start), 0.0, None) / (upper - lower)
                rate = rate + (dose.amount / dose.duration) * share[:, None] * direction
        rates.append(rate)
        boluses.append(bolus)
    return xp.stack(rates, axis=2), xp.stack(boluses, axis=2)


def _propagators(A: Any, xp: Any) -> list[tuple[Any, Any]]:
    """expm(A w) and A^-1 (expm(A w) - 1) for each cell width w.

    Under JAX one Taylor series with scaling, then powers: the widths are multiples of each other, and products are cheap to
    differentiate where a general matrix exponential is not.
    """
    unit = xp.eye(len(A))
    if xp is np:
        from scipy.linalg import expm

        powers = [expm(A * width) for width, _ in CELLS]
    else:
        small = A * (CELLS[0][0] / 2**_HALVINGS)
        power = term = unit
        for order in range(1, _TAYLOR + 1):
            term = term @ small / order
            power = power + term
        for _ in range(_HALVINGS):
            power = power @ power
        powers = [power]
        for (width, _), (wider, _) in pairwise(CELLS):
            powers.append(xp.linalg.matrix_power(powers[-1], round(wider / width)))
    return [(power, xp.linalg.solve(A, power - unit)) for power in powers]


def _stage(P: Any, G: Any, x: Any, rate: Any, bolus: Any, xp: Any) -> tuple[Any, Any]:
    """Advance over equal cells: x <- P x + G u + bolus."""
    drive = xp.einsum("ij,kjs->kis", G, rate) + bolus
    if xp is np:
        path = np.empty_like(drive)
        for k in range(len(drive)):
            x = P @ x + drive[k]
            path[k] = x
        return x, path
    import jax

    def step(state: Any, u: Any) -> tuple[Any, Any]:
        state = P @ state + u
        return state, state

    return jax.lax.scan(step, x, drive)
