"""Slow steps: integrating factors, quadrature with weights that all patients share, which steps are planned so, and who leaves them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from scipy.integrate import quad

from ketasim.dose import parse, resolve
from ketasim.model import Mechanism, Model, Number, Param, Part, State, assemble
from ketasim.solve import Reference, solve
from ketasim.solve._driver import OK
from ketasim.solve._head import LANES, SINGLE_LANES
from ketasim.solve._lanes import BROAD, aligned, aligned_single, splat, splat_single
from ketasim.solve._plan import CascadePlan, _tables
from ketasim.solve._slow import factors_at, sweep_slow, tabulate
from ketasim.solve._stencil import NODES, stencils_of

STEPS = np.array([0.0625, 0.0625, 0.125, 0.25, 0.25, 0.25, 0.5, 0.5, 0.7, 0.3])
NODE_TIMES = np.concatenate([[0.0], np.cumsum(STEPS)])
STENCILS = stencils_of(np.array([len(STEPS)]), STEPS)
SHARES = 1.0 / np.arange(1.0, NODES + 1.0)
PLAIN = STENCILS.length[:, None] * np.einsum("kpn,p->kn", STENCILS.basis, SHARES)
MISSED = STENCILS.length * np.abs(STENCILS.omega @ SHARES)


@njit
def _sweep(x, u, at, factors, at_factors, n, window, kind, plain, highest, missed, every, w):  # type: ignore[no-untyped-def]
    sweep_slow(x, u, at, factors, at_factors, n, 0, window, kind, plain, highest, missed, splat(1.0), every, w, 0)


@njit
def _sweep_single(x, u, at, factors, at_factors, n, window, kind, plain, highest, missed, every, w):  # type: ignore[no-untyped-def]
    sweep_slow(x, u, at, factors, at_factors, n, 0, window, kind, plain, highest, missed, splat_single(1.0), every, w, 0)


def factors_of(rates: np.ndarray, dtype: type = float) -> np.ndarray:
    """Tables of the steps above; rates : (state, lane)."""
    n_states, lanes = rates.shape
    slow = np.full((1, n_states), len(STEPS))
    _, spans, lengths, begin, ends = _tables(slow, np.zeros(1, np.int64), STEPS, STENCILS.window)
    make = aligned if dtype is float else aligned_single
    w, out = np.asarray(make(n_states * lanes)), np.asarray(make(len(spans) * 2 * BROAD * -(-n_states * lanes // BROAD)))
    w[:] = rates.ravel()
    tabulate(w, np.arange(n_states) * lanes, lengths, spans, begin, ends, np.zeros((2 * len(lengths) + 1) * BROAD), out)
    return out


@pytest.mark.parametrize(("lanes", "dtype", "rtol"), [(LANES, float, 1e-13), (SINGLE_LANES, np.float32, 2e-7)])
def test_factors_are_exponentials(lanes: int, dtype: type, rtol: float) -> None:
    """Of every state, in its place, whatever shares a broad vector with it."""
    rates = np.geomspace(1e-4, 12.0, 5 * lanes).reshape(5, lanes)
    out, nodes = factors_of(rates, dtype), len(NODE_TIMES)
    for i, k in enumerate(rates.astype(dtype).astype(float)):
        for node, t in enumerate(NODE_TIMES):
            at = factors_at(i, lanes, nodes, node)
            np.testing.assert_allclose(out[at : at + lanes], np.exp(k * t), rtol=rtol)
            np.testing.assert_allclose(out[at + BROAD : at + BROAD + lanes], np.exp(-k * t), rtol=rtol)


def advanced(
    k: np.ndarray, inputs: np.ndarray, start: float, every: int = 0, dtype: type = float
) -> tuple[np.ndarray, np.ndarray]:
    """States (node, lane) by slow steps, and the largest errors. inputs : (node,)."""
    lanes, make, run = (LANES, aligned, _sweep) if dtype is float else (SINGLE_LANES, aligned_single, _sweep_single)
    n = len(STEPS)
    x, u, w = (np.asarray(make(size * lanes)) for size in (n + 1, n + 1, 1))
    x[:], u[:], w[:] = 0.0, np.repeat(inputs, lanes), 0.0
    x[:lanes] = start
    tables = (PLAIN.astype(dtype), STENCILS.highest.astype(dtype), MISSED.astype(dtype))
    run(x, u, 0, factors_of(k[None, :], dtype), 0, n, STENCILS.window, STENCILS.kind, *tables, every, w)
    return x.reshape(-1, lanes), w


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-2.0, 2.0), min_size=1, max_size=NODES), st.floats(-3.0, 3.0))
def test_exact_where_the_grown_input_is_a_polynomial(coefficients: list[float], start: float) -> None:
    k = 0.3
    inputs = np.exp(-k * NODE_TIMES) * np.polynomial.Polynomial(coefficients)(NODE_TIMES)
    x, _ = advanced(np.full(LANES, k), inputs, start)
    exact = np.exp(-k * NODE_TIMES) * (start + np.polynomial.Polynomial(coefficients).integ()(NODE_TIMES))
    np.testing.assert_allclose(x[:, 0], exact, rtol=1e-11, atol=1e-11 * (1.0 + np.abs(exact).max()))


@pytest.mark.parametrize(("dtype", "rtol"), [(float, 1e-6), (np.float32, 2e-6)])
def test_follows_a_constant_input(dtype: type, rtol: float) -> None:
    """Which quadrature of the input alone would follow exactly: what is missed is exp(k t)."""
    k = np.geomspace(0.01, 0.5, LANES if dtype is float else SINGLE_LANES)
    x, _ = advanced(k, np.full(len(NODE_TIMES), 2.0), 1.0, dtype=dtype)
    exact = np.exp(-k * NODE_TIMES[:, None]) + 2.0 / k * -np.expm1(-k * NODE_TIMES[:, None])
    np.testing.assert_allclose(x, exact, rtol=rtol)


def test_error_is_what_the_farthest_node_changes() -> None:
    """By the definition: the highest divided difference of the grown input times the integral of the polynomial it multiplies."""
    k, inputs = np.geomspace(0.2, 3.0, LANES), np.cos(2.0 * NODE_TIMES)
    x, w = advanced(k, inputs, 1.0, every=1)
    worst = np.zeros(LANES)
    for s, h in enumerate(STEPS):
        kind, nodes = STENCILS.kind[s], slice(STENCILS.window[s], STENCILS.window[s] + NODES)
        t = (NODE_TIMES[nodes] - NODE_TIMES[s]) / h
        out = int(np.argmax(np.abs(t - 0.5)))
        integral = quad(lambda a, t=t, out=out: float(np.prod(a - np.delete(t, out))), 0.0, 1.0, epsrel=1e-12)[0]
        difference = [np.sum(inputs[nodes] * np.exp(q * NODE_TIMES[nodes]) * STENCILS.highest[kind]) for q in k]
        error = np.abs(np.array(difference) * h * integral * np.exp(-k * NODE_TIMES[s + 1]))
        worst = np.maximum(worst, error / (np.maximum(np.abs(x[s]), np.abs(x[s + 1])) + 1.0))
    np.testing.assert_allclose(w, worst, rtol=1e-9)


def test_planned_where_quadrature_of_the_factor_misses_less_than_the_tolerance() -> None:
    """Never where a factor grows too large, fewer for faster states, none for stiff ones."""
    rates = np.array([1e-3, 0.05, 0.5, 5.0, 500.0])
    plan = CascadePlan(np.array([len(STEPS)]), np.zeros(1, np.int64), STEPS, np.zeros(0), 1.0, rates, 1e-6, 2.0)
    slow = plan._slow_steps(STEPS, STENCILS.window, MISSED[STENCILS.kind])
    assert slow[0] == len(STEPS) and slow[-1] == 0 and list(slow) == sorted(slow, reverse=True)
    for k, n in zip(rates, slow, strict=True):
        for s in range(n):
            kind, first = STENCILS.kind[s], STENCILS.window[s]
            grown = np.exp(k * (NODE_TIMES[first : first + NODES] - NODE_TIMES[s + 1]))
            assert k * abs(STENCILS.highest[kind] @ grown) * MISSED[kind] < 1e-6 / 2.0**NODES
    long = np.full(40, 4.0)
    window = stencils_of(np.array([40]), long).window
    n = plan._slow_steps(long, window, np.full(40, 1e-20))
    assert np.all(n[:3] * 4.0 * rates[:3] <= 20.0) and n[1] == 40 and n[2] == 10


class Chain(Mechanism):
    """A saturable signal of a drug, followed by a slow state."""

    params = {"k": Param("1/h"), "ks": Param("1/h")}
    states = {"drug": State("mg"), "signal": State("1", initial=1.0)}

    def rates(self, t, x, u, p):
        return {"drug": -p["k"] * x["drug"], "signal": p["ks"] * (1.0 + x["drug"] / (1.0 + x["drug"]) - x["signal"])}


def chain() -> Model:
    return assemble(Part(Chain(), {"k": Number(0.4, "1/h"), "ks": Number(0.05, "1/h")}, id="chain"), id="chain")


@pytest.mark.parametrize("precision", ["double", "single"])
def test_patients_far_from_the_plan_keep_their_accuracy(precision: str) -> None:
    """Rates from a hundredth to ten thousand times those planned for: their factors overflow, and they are solved without them."""
    model, ks = chain(), 0.05 * np.geomspace(1e-2, 1e4, 40)
    template = resolve(parse("10 mg ketamine into drug over 1 h"), model, {"WT": np.full(40, 70.0)})
    params = {"k": np.full(40, 0.4), "ks": ks}
    times = np.arange(0.0, 200.0, 4.0)
    reference = Reference(template.take(slice(0, 1)), {"k": np.array([0.4]), "ks": np.array([0.05])})
    found = solve(model, template, params, times, rtol=1e-5, reference=reference, precision=precision)  # type: ignore[arg-type]
    assert np.all(found.status == OK)
    exact = solve(model, template, params, times, rtol=1e-10, method="rodas5p")
    assert np.max(np.abs(found.states[:, 1] / exact.states[:, 1] - 1.0)) < 1e-5
