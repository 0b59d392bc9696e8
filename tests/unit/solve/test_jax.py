"""The differentiable target: equal to the CPU engine to rounding, gradients equal to finite differences."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from ketasim import library
from ketasim.dose import parse, resolve
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


def test_gradient_is_the_finite_difference() -> None:
    model, template, p = setting("clements1981", "0.5 mg/kg ketamine iv over 40 min")
    function = jax.jit(differentiable(model, template, p, T, rtol=1e-8))

    def loss(value: jax.Array) -> jax.Array:
        return jnp.sum(function({**p, "Vc": value})[1])

    gradient = jax.grad(loss)(jnp.asarray(p["Vc"]))
    step = 1e-3 * p["Vc"][0]
    for i in range(2):
        shift = np.eye(2)[i] * step
        difference = (loss(p["Vc"] + shift) - loss(p["Vc"] - shift)) / (2 * step)
        np.testing.assert_allclose(gradient[i], difference, rtol=1e-5)
