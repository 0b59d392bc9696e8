"""Exponential quadrature: weights against numerical integrals, exactness for polynomials, grids."""

from __future__ import annotations

import itertools
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from scipy.integrate import quad
from scipy.interpolate import BarycentricInterpolator

from ketasim.solve._head import DELTA, LANES, SINGLE_LANES
from ketasim.solve._lanes import aligned, aligned_single, splat, store
from ketasim.solve._stencil import (
    NODES,
    SINGLE_WEIGHTS,
    WEIGHTS,
    coarse,
    copy,
    divided,
    graded,
    judge,
    landed,
    legendre,
    merged,
    missed,
    shares,
    spare_for,
    spread,
    stencils_of,
    sweep,
    weigh,
    weigh_single,
)

STEPS = np.array([0.25, 0.25, 0.5, 1.0, 1.0, 1.0, 2.0, 2.0, 3.3, 1.7])
STENCILS = stencils_of(np.array([len(STEPS)]), STEPS)
NODE_TIMES = np.concatenate([[0.0], np.cumsum(STEPS)])


def rows(n: int) -> np.ndarray:
    out = np.asarray(aligned(n * LANES))
    out[:] = 0.0
    return out


def spare() -> np.ndarray:
    """What weights of one state are made of."""
    made = rows((NODES + 2) * spare_for(LANES) // LANES)
    made[:] = 0.0
    return made


def weights_of(rates: np.ndarray, factor: float = 1.0) -> np.ndarray:
    """(kind, row, lane) of one state whose k differs by lane."""
    w, out = rows(1), rows(len(STENCILS.length) * WEIGHTS)
    w[:LANES] = rates
    weigh(
        0,
        len(STENCILS.length),
        np.arange(len(STENCILS.length)),
        np.ones((len(STENCILS.length), 1), np.bool_),
        w,
        np.zeros(1, np.int64),
        STENCILS.length,
        factor,
        STENCILS.basis,
        STENCILS.omega,
        spare(),
        out,
    )
    return out.reshape(-1, WEIGHTS, LANES)


def advanced(rates: np.ndarray, inputs: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States (node, lane) by quadrature; also the rows the error functions take."""
    n = len(STEPS)
    weights = rows(len(STENCILS.length) * WEIGHTS)
    weights[:] = weights_of(rates).ravel()
    x, u = rows(n + 1), rows(n + 1)
    x[:LANES], u[:] = start, inputs.ravel()
    _sweep(x, u, weights, n, STENCILS.window, STENCILS.kind, STENCILS.until, STENCILS.highest, 0, rows(1))
    return x.reshape(-1, LANES), u, weights


@pytest.mark.parametrize("factor", [1.0, 4.0])
@pytest.mark.parametrize("rate", [0.0, 1e-12, 0.01, 1.9, 2.1, 30.0, 5e3, -0.4])
def test_weights_are_the_integrals_of_the_polynomials(rate: float, factor: float) -> None:
    weights = weights_of(np.full(LANES, rate), factor)
    for s in (0, 3, 5, 9):
        kind, first, h = STENCILS.kind[s], STENCILS.window[s], STEPS[s] * factor
        nodes = (NODE_TIMES[first : first + NODES] - NODE_TIMES[s]) * factor
        assert weights[kind, 0, 0] == pytest.approx(np.exp(-rate * h), rel=1e-14, abs=1e-300)
        for j in range(NODES):
            polynomial = BarycentricInterpolator(nodes, np.eye(NODES)[j])
            # The integrand lives within a few 1/k of the step's end.
            near = max(0.0, h - 40.0 / rate) if rate > 0 else 0.0
            want = quad(lambda t, h=h, p=polynomial: np.exp(-rate * (h - t)) * float(p(t)), near, h, epsabs=1e-14, epsrel=1e-12)[
                0
            ]
            assert weights[kind, 1 + j, 0] == pytest.approx(want, rel=1e-9, abs=1e-11 * h)


def test_lanes_on_either_side_of_the_series_do_not_disturb_each_other() -> None:
    rates = np.geomspace(1e-3, 1e3, LANES)
    together = weights_of(rates)
    for lane, rate in enumerate(rates):
        assert np.array_equal(weights_of(np.full(LANES, rate))[:, :, lane], together[:, :, lane])


@settings(max_examples=40, deadline=None)
@given(
    coefficients=st.lists(st.floats(-3, 3), min_size=1, max_size=NODES),
    rates=st.lists(st.floats(0.0, 50.0), min_size=LANES, max_size=LANES),
    start=st.floats(-5, 5),
)
def test_inputs_that_are_polynomials_are_advanced_exactly(coefficients: list[float], rates: list[float], start: float) -> None:
    p, k = np.polynomial.Polynomial(coefficients, domain=[0, 13], window=[-1, 1]), np.array(rates)
    got, _, _ = advanced(k, np.repeat(p(NODE_TIMES)[:, None], LANES, axis=1), np.full(LANES, start))
    value = np.full(LANES, start)
    for s, h in enumerate(STEPS):
        t = NODE_TIMES[s]
        for lane in range(LANES):
            # Gauss' rule on pieces that the exponential cannot outrun.
            edges = np.linspace(0.0, h, 2 + int(k[lane] * h))
            points, share = np.polynomial.legendre.leggauss(16)
            total = sum(
                0.5 * (b - a) * np.sum(share * np.exp(-k[lane] * (h - at)) * p(t + at))
                for a, b in itertools.pairwise(edges)
                for at in [0.5 * (a + b) + 0.5 * (b - a) * points]
            )
            value[lane] = np.exp(-k[lane] * h) * value[lane] + total
        np.testing.assert_allclose(got[s + 1], value, rtol=1e-9, atol=1e-10 * (1 + np.abs(coefficients).max()))


def test_order_of_accuracy() -> None:
    """Halving every step divides the error by 2^NODES and some."""

    def error(n: int) -> float:
        steps = np.full(n, 8.0 / n)
        s, t = stencils_of(np.array([n]), steps), np.linspace(0.0, 8.0, n + 1)
        w, weights = rows(1), rows(len(s.length) * WEIGHTS)
        w[:LANES] = 0.7
        weigh(
            0,
            len(s.length),
            np.arange(len(s.length)),
            np.ones((len(s.length), 1), np.bool_),
            w,
            np.zeros(1, np.int64),
            s.length,
            1.0,
            s.basis,
            s.omega,
            spare(),
            weights,
        )
        x, u = rows(n + 1), np.repeat(np.sin(1.3 * t), LANES)
        at = rows(n + 1)
        at[:] = u
        _sweep(x, at, weights, n, s.window, s.kind, s.until, s.highest, 0, rows(1))
        # x' = sin(w t) - k x from 0
        k, f = 0.7, 1.3
        exact = (k * np.sin(f * t) - f * np.cos(f * t) + f * np.exp(-k * t)) / (k**2 + f**2)
        return float(np.abs(x.reshape(-1, LANES)[:, 0] - exact).max())

    assert error(16) / error(32) > 2 ** (NODES - 0.5)
    assert error(128) < 1e-11


def test_error_estimate_is_what_the_farthest_node_changes() -> None:
    k = np.full(LANES, 0.8)
    inputs = np.repeat((NODE_TIMES**NODES / factorial(NODES))[:, None], LANES, axis=1)  # one degree too many
    x, u, weights = advanced(k, inputs, np.zeros(LANES))
    flat, w, n = x.ravel(), rows(1), len(STEPS)
    each = np.zeros(n)
    _judge(flat, u, weights, n, STENCILS.window, STENCILS.kind, STENCILS.highest, STENCILS.widest, np.zeros(n, np.bool_), each, w)
    exact = np.zeros(n + 1)
    for s, h in enumerate(STEPS):
        t = NODE_TIMES[s]
        full = quad(lambda a, t=t, h=h: np.exp(-0.8 * (h - a)) * (t + a) ** NODES / factorial(NODES), 0, h, epsrel=1e-13)[0]
        exact[s + 1] = np.exp(-0.8 * h) * exact[s] + full
        first, out = STENCILS.window[s], 0
        nodes = NODE_TIMES[first : first + NODES]
        out = int(np.argmax(np.abs(nodes - (t + 0.5 * h))))
        fewer = BarycentricInterpolator(np.delete(nodes, out), np.delete(inputs[first : first + NODES, 0], out))
        more = BarycentricInterpolator(nodes, inputs[first : first + NODES, 0])
        change = quad(
            lambda a, t=t, h=h, m=more, f=fewer: np.exp(-0.8 * (h - a)) * float(m(t + a) - f(t + a)), 0, h, epsrel=1e-11
        )[0]
        size = max(abs(x[s, 0]), abs(x[s + 1, 0])) + 1.0
        assert each[s] == pytest.approx(abs(change) / size, rel=1e-6, abs=1e-13)
    assert w[0] == pytest.approx(each.max())
    assert np.abs(x[:, 0] - exact).max() < each.sum() * (exact.max() + 1.0)  # it bounds what really went wrong


def test_a_sweep_looks_at_errors_as_the_planner_does() -> None:
    """The largest of every fourth step, the first and the last."""
    k = np.geomspace(0.05, 3.0, LANES)
    inputs = np.repeat(np.exp(1.3 * np.sin(NODE_TIMES))[:, None], LANES, axis=1)
    x, u, weights = advanced(k, inputs, np.ones(LANES))
    n, w, each = len(STEPS), rows(1), np.zeros((len(STEPS), LANES))
    _sweep(x.ravel().copy(), u, weights, n, STENCILS.window, STENCILS.kind, STENCILS.until, STENCILS.highest, 4, w)
    for s in (0, 4, 8, n - 1):
        kind, first = STENCILS.kind[s], STENCILS.window[s]
        row = weights.reshape(-1, WEIGHTS, LANES)[kind, NODES + 1]
        each[s] = np.abs(STENCILS.highest[kind] @ inputs[first : first + NODES] * row)
        each[s] /= np.maximum(np.abs(x[s]), np.abs(x[s + 1])) + 1.0
    np.testing.assert_allclose(w, each.max(axis=0), rtol=1e-12)


def test_weights_of_single_precision_are_those_of_double_rounded() -> None:
    """At the ends of a segment too, where sums of powers cancel; decays of slow rates less one, fast ones as they are."""
    kinds = len(STENCILS.length)
    rates = np.geomspace(1e-6, 300.0, SINGLE_LANES)
    w, out = np.asarray(aligned_single(SINGLE_LANES)), np.asarray(aligned_single(kinds * SINGLE_WEIGHTS * SINGLE_LANES))
    w[:] = rates
    room, moments = (np.zeros((NODES + 2) * spare_for(SINGLE_LANES), kind) for kind in (float, np.float32))
    tables = legendre(STENCILS.basis), legendre(STENCILS.omega)
    weigh_single(
        0,
        kinds,
        np.arange(kinds),
        np.ones((kinds, 1), np.bool_),
        w,
        np.zeros(1, np.int64),
        STENCILS.length,
        1.0,
        *tables,
        room,
        moments,
        out,
    )
    single = out.reshape(kinds, SINGLE_WEIGHTS, SINGLE_LANES)
    halves = [weights_of(w[k : k + LANES].astype(float)) for k in (0, LANES)]
    double = np.concatenate(halves, axis=2)
    size = np.abs(double[:, 1 : NODES + 1]).sum(axis=1, keepdims=True)
    assert np.max(np.abs(single[:, 1 : NODES + 1] - double[:, 1 : NODES + 1]) / size) < 3e-7
    kept, decay = single[:, NODES + 2], double[:, 0]
    assert np.array_equal(kept, decay > 0.5) and set(np.unique(kept)) == {0.0, 1.0}
    np.testing.assert_allclose(single[:, 0], decay - kept, rtol=2e-7, atol=1e-30)


def test_values_within_a_step_and_their_error() -> None:
    values = np.cos(0.4 * NODE_TIMES)
    x, share = rows(len(values)), np.empty(NODES)
    x[:] = np.repeat(values, LANES)
    for s, h in enumerate(STEPS):
        kind, first = STENCILS.kind[s], STENCILS.window[s]
        worst = 0.0
        for at in (0.1, 0.5, 0.9):
            shares(STENCILS.basis, kind, at, share)
            got = share @ values[first : first + NODES]
            worst = max(worst, abs(got - np.cos(0.4 * (NODE_TIMES[s] + at * h))))
        w = rows(1)
        _spread(x, first * LANES, STENCILS.highest, STENCILS.widest, kind, w)
        assert worst <= w[0] + 1e-13


# Vectors of lanes have no Python form: these pass them on.
@njit
def _sweep(x, u, weights, n, window, kind, until, highest, every, w):  # type: ignore[no-untyped-def]
    sweep(x, u, 0, weights, 0, WEIGHTS * LANES, 0, n, 0, window, kind, until, highest, splat(1.0), every, w, 0)


@njit
def _judge(x, u, weights, n, window, kind, highest, widest, asked, each, w):  # type: ignore[no-untyped-def]
    judge(x, u, 0, weights, 0, WEIGHTS * LANES, n, 0, window, kind, highest, widest, splat(1.0), asked, each, w, 0)


@njit
def _spread(x, at, highest, widest, k, w):  # type: ignore[no-untyped-def]
    store(w, 0, spread(x, at, highest, widest, k))


def test_equal_neighbourhoods_share_a_kind() -> None:
    steps = np.full(40, 0.5)
    s = stencils_of(np.array([20, 20]), steps)
    assert len(s.length) == NODES - 1  # those at either end differ
    assert np.array_equal(s.kind[:20], s.kind[20:]) and np.array_equal(s.window[:20], s.window[20:])
    assert s.window.min() == 0 and s.window.max() == 20 + 1 - NODES


# -- grids ----------------------------------------------------------------------------------------------------------------
def well_made(grid: np.ndarray, length: float) -> None:
    assert grid.sum() == pytest.approx(length, rel=1e-13)
    assert len(grid) >= NODES - 1 and np.all(grid > 0)
    ratio = grid[1:] / grid[:-1]
    assert np.all(ratio < 4.02) and np.all(ratio > 1 / 4.02)


@settings(max_examples=100, deadline=None)
@given(length=st.floats(1e-3, 700.0), fastest=st.floats(0.0, 1e5))
def test_first_grid_sees_the_fastest_rate(length: float, fastest: float) -> None:
    grid = np.empty(4096)
    n = coarse(length, fastest, grid)
    well_made(grid[:n], length)
    assert grid[0] <= max(DELTA, 0.5 / max(fastest, 1e-9)) * 2.0 or grid[0] <= length / (NODES - 1) * 2.0
    assert n < 120


@settings(max_examples=60, deadline=None)
@given(length=st.floats(0.1, 200.0), seed=st.integers(0, 10_000))
def test_halving_and_joining_keep_a_grid_whole(length: float, seed: int) -> None:
    rng, grid = np.random.default_rng(seed), np.empty(4096)
    n = coarse(length, 5.0, grid)
    for _ in range(6):
        each = 10.0 ** rng.uniform(-14, 1, n)
        n = divided(grid, n, each, 1e-5, 1e-9) if rng.random() < 0.6 else merged(grid, n, each, 1e-5)
        well_made(grid[:n], length)


def test_halving_takes_the_steps_that_need_it() -> None:
    grid, each = np.full(64, 1.0), np.zeros(64)
    each[3] = 1.0
    n = divided(grid, 10, each, 1e-3, 1e-9)
    assert grid[:n].tolist() == [1.0] * 3 + [0.5, 0.5] + [1.0] * 6
    assert divided(grid, n, np.zeros(64), 1e-3, 1e-9) == n
    assert merged(grid, n, np.full(64, 1e-9), 1e-3) <= 9


@settings(max_examples=60, deadline=None)
@given(length=st.floats(2.0, 100.0), seed=st.integers(0, 10_000), every=st.sampled_from([0.0, 0.25, 1.0, 7.0]))
def test_landing_keeps_a_grid_whole_and_meets_outputs_that_are_not_much_denser(length: float, seed: int, every: float) -> None:
    rng, natural, grid = np.random.default_rng(seed), np.empty(4096), np.empty(8192)
    n = coarse(length, 5.0, natural)
    wanted = np.arange(every, length - 1e-9, every) if every else np.sort(rng.uniform(0.0, length, 20))
    m = landed(natural, n, length, wanted, grid)
    well_made(grid[:m], length)
    nodes = np.cumsum(grid[:m])
    if every in (1.0, 7.0):
        # Outputs that are farther apart than the steps around them are nodes.
        step = natural[np.searchsorted(np.cumsum(natural[:n]), wanted, side="right").clip(0, n - 1)]
        for at in wanted[(step <= every) & (wanted <= length - every)]:
            assert np.abs(nodes - at).min() < 1e-9
    asked = np.zeros(m, np.bool_)
    missed(grid, m, wanted, asked)
    inside = [np.any((wanted > b - h + 1e-9) & (wanted < b - 1e-9)) for b, h in zip(nodes, grid[:m], strict=True)]
    assert asked.tolist() == inside


def test_grading_halves_jumps_and_makes_enough_steps() -> None:
    grid = np.empty(200)
    grid[:3] = [0.01, 5.0, 5.0]
    n = graded(grid, 3)
    well_made(grid[:n], 10.01)
    copied = np.empty(200)
    copy(grid, 0, copied, 5, n)
    assert np.array_equal(copied[5 : 5 + n], grid[:n])
