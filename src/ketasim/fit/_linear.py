"""Exact solution of linear models on a fixed grid, for calibration and for scoring single scenarios.

Built from the same `rates` and `outputs` the engine traces: a linear structure evaluated on the unit vectors *is* its matrix.
Works on NumPy and, for gradients, on JAX. Not for population runs: that is the engine's task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
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

    `inverse` is that of A. `x` and `bolus` hold (time, state) for each column: amounts after, and what entered at, a time;
    `rate` holds (cell, state). Columns stand apart, as the reverse of cutting one out of a whole array fills another.
    """

    index: np.ndarray
    columns: Mapping[int, int]
    A: Any
    inverse: Any
    x: Sequence[Any]
    rate: Sequence[Any]
    bolus: Sequence[Any]


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
    _curves: dict[tuple[tuple[str, ...], int], Any] = field(default_factory=dict, repr=False)

    def _read(self, names: Sequence[str], scenario: int, read: Callable[[_Block, Any, int], Any]) -> Any:
        """Sum over the blocks a scenario doses; `read` gets block, weights of its states, column."""
        row = sum(self.C[self.ports[name]] for name in names)
        return sum(read(b, row[b.index], b.columns[scenario]) for b in self.blocks if scenario in b.columns)

    def port(self, names: Sequence[str], scenario: int) -> Any:
        """Sum of ports over time, (time,), port unit."""
        key = tuple(names), scenario
        if key not in self._curves:  # many observations read one curve
            self._curves[key] = self._read(names, scenario, lambda b, row, column: b.x[column] @ row)
        return self._curves[key]

    def peak(self, names: Sequence[str], scenario: int, xp: Any) -> tuple[Any, Any]:
        """Time (h) and height (port unit) of the largest value of a sum of ports: smooth in the parameters, as it may lie
        between nodes of the grid."""
        curve = self.port(names, scenario)
        at = xp.argmax(curve)
        first = xp.clip(at - 1, 0, len(self.times) - 3)
        nodes = first + np.arange(3)
        cells = nodes[:2]  # a cell has the number of the node it begins at

        def slopes(b: _Block, row: Any, column: int) -> Any:
            """Jump at the three nodes, slope after the first two, slope before the last two."""
            x, bolus, rate = b.x[column][nodes], b.bolus[column][nodes], b.rate[column][cells] @ row
            inner = row @ b.A
            return xp.concatenate([bolus @ row, x[:2] @ inner + rate, (x - bolus)[1:] @ inner + rate])

        jump, after, before = xp.split(self._read(names, scenario, slopes), (3, 5))
        return highest(xp.asarray(self.times)[nodes], curve[nodes], jump, after, before, at - first, xp)

    def at(self, names: Sequence[str], scenario: int, hours: Sequence[float]) -> Any:
        """Sum of ports at times, (len(hours),), port unit; linear between nodes, constant beyond the last."""
        curve, place = self.port(names, scenario), np.interp(hours, self.times, np.arange(len(self.times)))
        node = np.minimum(place.astype(int), len(self.times) - 2)
        return curve[node] + (place - node) * (curve[node + 1] - curve[node])

    def integral(self, names: Sequence[str], scenario: int, xp: Any) -> Any:
        """Integral of a sum of ports from 0 to every time, (time,), port unit times h; exact, not a trapezoid."""

        def read(b: _Block, row: Any, column: int) -> Any:
            share = row @ b.inverse
            bolus = b.bolus[column] @ share
            entered = xp.concatenate([bolus[:1], b.rate[column] @ share * np.diff(self.times) + bolus[1:]])
            return b.x[column] @ share - xp.cumsum(entered)

        return self._read(names, scenario, read)

    def integral_to_infinity(self, names: Sequence[str], scenario: int, xp: Any) -> Any:
        """The same to infinity, after all inputs have ended."""
        return self._read(names, scenario, lambda b, row, column: -(row @ b.inverse @ self._given(b, column)))

    def moment_to_infinity(self, names: Sequence[str], scenario: int, xp: Any) -> Any:
        """Integral of time times the ports to infinity after a bolus at time 0, port unit times h^2."""
        return self._read(names, scenario, lambda b, row, column: row @ b.inverse @ (b.inverse @ self._given(b, column)))

    def _given(self, b: _Block, column: int) -> Any:
        """All that ever enters, (state,)."""
        return np.diff(self.times) @ b.rate[column] + b.bolus[column].sum(axis=0)


def highest(t: Any, y: Any, jump: Any, after: Any, before: Any, at: Any, xp: Any) -> tuple[Any, Any]:
    """Time and height of the peak of a curve at or beside a node of two cells.

    Over a cell the curve is the cubic of the values and slopes at its ends. Where it rises before the node and falls after
    it (the end of an infusion), or jumps up to it (a bolus), the node itself is the peak.

    Parameters
    ----------
    t, y, jump : time, value and jump at the three nodes, (3,); the value is the one after the jump.
    after, before : slope at the begin and at the end of the two cells, (2,). at : number of the highest node.
    """
    left = (at > 0) & (before[xp.clip(at - 1, 0, 1)] < 0.0) & (jump[at] <= 0.0)
    k = xp.clip(xp.where(left, at - 1, at), 0, 1)
    width = t[k + 1] - t[k]
    inside = (left | (at < 2)) & (after[k] > 0.0) & (before[k] < 0.0)
    begin, end = xp.where(inside, after[k], 1.0), xp.where(inside, before[k], -1.0)
    mean = xp.where(inside, (y[k + 1] - jump[k + 1] - y[k]) / width, 0.0)
    # slope over the cell, s from 0 to 1: begin + b s + a s^2; it passes zero once, as its ends differ in sign
    a, b = 3.0 * (begin + end - 2.0 * mean), 6.0 * mean - 4.0 * begin - 2.0 * end
    s = 2.0 * begin / (xp.sqrt(b**2 - 4.0 * a * begin) - b)
    top = y[k] + width * s * (begin + s * (b / 2.0 + s * a / 3.0))
    return xp.where(inside, t[k] + s * width, t[at]), xp.where(inside, top, y[at])


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
    if any(port.combine == "product" for port in model.ports.values()) or any(part.mechanism.adds for part in model.parts):
        raise InvalidModel(f"{model.id}: ports that multiply and states several mechanisms change are not read here; exact scoring needs matrices.")  # fmt: skip
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
            rate, bolus = zip(*(_inputs(doses, times, place, xp) for doses in own.values()), strict=True)
            columns = {k: column for column, k in enumerate(own)}
            inverse = xp.linalg.inv(part)
            x = _advance(part, inverse, xp.stack(rate, axis=2), xp.stack(bolus, axis=2), xp)
            apart = [path[:, :, 0] for path in xp.split(x, len(own), axis=2)]
            solved.append(_Block(index, columns, part, inverse, apart, rate, bolus))
    return Response(times, C, ports, tuple(solved))


def _advance(A: Any, inverse: Any, rate: Any, bolus: Any, xp: Any) -> Any:
    """States over the grid, (time, state, column)."""
    states, begin = [bolus[:1]], 0
    for (_, n), (P, G) in zip(CELLS, _propagators(A, inverse, xp), strict=True):
        drive = xp.einsum("ij,kjs->kis", G, rate[begin : begin + n]) + bolus[begin + 1 : begin + n + 1]
        states.append(_stage(P, states[-1][-1], drive, xp))
        begin += n
    return xp.concatenate(states)


def _inputs(doses: Sequence[Input], times: np.ndarray, place: Mapping[int, int], xp: Any) -> tuple[Any, Any]:
    """Mean rate per cell (cell, state) and boluses per time (time, state) of one scenario."""
    lower, upper = times[:-1], times[1:]
    rate: list[Any] = [np.zeros(len(lower))] * len(place)
    bolus: list[Any] = [np.zeros(len(times))] * len(place)
    for dose in doses:
        state = place[dose.state]
        if dose.is_bolus:
            at = np.zeros(len(times))
            at[int(np.argmin(np.abs(times - dose.start)))] = 1.0
            bolus[state] = bolus[state] + dose.amount * at
        else:
            end = dose.start + dose.duration
            share = xp.clip(xp.minimum(upper, end) - np.maximum(lower, dose.start), 0.0, None) / (upper - lower)
            rate[state] = rate[state] + (dose.amount / dose.duration) * share
    return xp.stack(rate, axis=1), xp.stack(bolus, axis=1)


def _propagators(A: Any, inverse: Any, xp: Any) -> list[tuple[Any, Any]]:
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
    return [(power, inverse @ (power - unit)) for power in powers]


def _stage(P: Any, x: Any, drive: Any, xp: Any) -> Any:
    """States after each of equal cells, (cell, state, column): x <- P x + drive."""
    if xp is not np:
        return _jax_stage()(P, x, drive)
    path = np.empty_like(drive)
    for k in range(len(drive)):
        x = P @ x + drive[k]
        path[k] = x
    return path


@cache
def _jax_stage() -> Callable[[Any, Any, Any], Any]:
    """`_stage` under JAX with its adjoint written out: one product a cell backwards, and one for all of P's gradient."""
    import jax

    def forward(P: Any, x: Any, drive: Any) -> Any:
        def step(state: Any, u: Any) -> tuple[Any, Any]:
            state = P @ state + u
            return state, state

        path = jax.lax.scan(step, x, drive)[1]
        return path, (P, x, path)

    def backward(kept: Any, of_path: Any) -> Any:
        P, x, path = kept

        def step(later: Any, own: Any) -> tuple[Any, Any]:
            adjoint = own + P.T @ later
            return adjoint, adjoint

        adjoint = jax.lax.scan(step, jax.numpy.zeros_like(x), of_path, reverse=True)[1]
        before = jax.numpy.concatenate([x[None], path[:-1]])
        return jax.numpy.einsum("kis,kjs->ij", adjoint, before), P.T @ adjoint[0], adjoint

    stage = jax.custom_vjp(lambda P, x, drive: forward(P, x, drive)[0])
    stage.defvjp(forward, backward)
    return stage
