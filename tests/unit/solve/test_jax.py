"""The differentiable target: equal to the CPU engine to rounding, gradients equal to finite differences."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.unit.solve import test_cascade as cascade
from tests.unit.solve.test_engine import template as rows_of

from ketasim import library
from ketasim.dose import EventTemplate, parse, resolve
from ketasim.model import Model, assemble
from ketasim.solve import Reference, solve
from ketasim.solve._jax import differentiable

T = np.linspace(0.0, 30.0, 31)


def setting(name: str, regimen: str) -> tuple[Model, object, dict[str, np.ndarray]]:
    model = assemble(library.load(name))
    template = resolve(parse(regimen), model, {"WT": np.full(2, 70.0)})
    p = {k: np.full(2, v) for k, v in model.typical().items()}
    p = {**p, **{k: v[0] for k, v in template.overrides.items()}}
    return model, template, p


def test_agrees_with_the_cpu_engine_to_rounding() -> None:
    for name, regimen in (
        ("perezruixo2021", "esketamine nasal 56 mg, 2/week x 1 week"),
        ("clements1981", "0.5 mg/kg ketamine iv over 40 min"),
    ):
        model, template, p = setting(name, regimen)
        reference = Reference(template, p)
        want = solve(model, template, p, T, rtol=1e-6, reference=reference)
        states, ports = differentiable(model, template, p, T, rtol=1e-6, reference=reference)(p)
        scale = np.abs(want.states).max(axis=0)
        assert np.max(np.abs(np.asarray(states) - want.states) / (scale + 1e-30)) < 1e-10
        np.testing.assert_allclose(np.asarray(ports), want.ports, rtol=1e-9, atol=1e-12)


def saturable() -> tuple[Model, EventTemplate, dict[str, np.ndarray]]:
    """Absorption (linear, exact), saturable elimination (stepped), an infusion, a lag and an oral dose."""
    model = assemble(library.load("generic/two_cmt"))
    p = {k: np.full(2, v) for k, v in model.typical().items()}
    p |= {"VMAX": np.array([20.0, 25.0]), "KM": np.array([0.5, 0.8]), "ALAG1": np.array([0.4, 0.7])}
    table = np.array([[0.0, 1, 0, 100, 0, 0, 0, 0], [6.0, 1, 1, 80, 40, 0, 0, 0]])
    time, evid, cmt, amt, rate, ii, addl, ss = table.T

    def wide(v: np.ndarray) -> np.ndarray:
        return np.repeat(v[:, None], 2, axis=1)

    whole = [v.astype(np.int64) for v in (evid, cmt, addl, ss)]
    template = EventTemplate(time, whole[0], whole[1], wide(amt), wide(rate), ii, whole[2], whole[3], np.arange(2), {}, ())
    return model, template, p


def test_agrees_where_a_stepped_tail_follows_a_linear_head() -> None:
    model, template, p = saturable()
    reference = Reference(template, p)
    want = solve(model, template, p, T, rtol=1e-6, reference=reference)
    states, _ = differentiable(model, template, p, T, rtol=1e-6, reference=reference)(p)
    np.testing.assert_allclose(np.asarray(states), want.states, rtol=1e-10, atol=1e-10 * want.states.max())


def test_agrees_with_either_way_to_advance_a_cascade() -> None:
    """To rounding with the implicit steps it takes too, within the tolerance with quadrature."""
    model = assemble(cascade.part(cascade.Kinetics()), cascade.part(cascade.Chain()), id="test_chain")
    p = cascade.population(model, 2)
    template = rows_of([{"amt": 150, "rate": 225, "cmt": cascade.CENTRAL}], 2)
    reference = Reference(template, p)
    states, _ = differentiable(model, template, p, T, rtol=1e-7, reference=reference)(p)
    for method, rtol in (("rodas5p", 1e-10), ("auto", 3e-7)):
        want = solve(model, template, p, T, rtol=1e-7, reference=reference, method=method).states
        size = np.abs(want).max(axis=(0, 2), keepdims=True) + 1e-300
        assert np.max(np.abs(np.asarray(states) - want) / (np.abs(want) + size)) < rtol, method


@pytest.mark.parametrize(("name", "wrt"), [("clements1981", "Vc"), ("two_cmt", "VMAX"), ("two_cmt", "ALAG1"), ("two_cmt", "KA")])
def test_gradient_is_the_finite_difference(name: str, wrt: str) -> None:
    model, template, p = saturable() if name == "two_cmt" else setting(name, "0.5 mg/kg ketamine iv over 40 min")
    function = jax.jit(differentiable(model, template, p, T, rtol=1e-8))

    def loss(value: jax.Array) -> jax.Array:
        return jnp.sum(function({**p, wrt: value})[0] ** 2)

    gradient = jax.grad(loss)(jnp.asarray(p[wrt]))
    step = 1e-4 * p[wrt][0]
    for i in range(2):
        shift = np.eye(2)[i] * step
        difference = (loss(p[wrt] + shift) - loss(p[wrt] - shift)) / (2 * step)
        np.testing.assert_allclose(gradient[i], difference, rtol=1e-4)
