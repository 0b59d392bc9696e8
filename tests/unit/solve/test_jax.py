"""The differentiable target: equal to the CPU engine to rounding, gradients equal to finite differences."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.unit.solve import test_cascade as cascade
from tests.unit.solve.test_engine import template as rows_of

from ketasim import library
from ketasim.dose import EventTemplate, parse, resolve
from ketasim.errors import InvalidOption
from ketasim.model import Model, assemble
from ketasim.solve import Reference, differentiable, solve

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


#: Records of a generic/two_cmt whose interval repeats: absorption after a lag beyond II, infusions beyond II and with modelled rate
#: or duration, on top of what is there, forever, and before a reset.
REPEATING = {
    "lag beyond the interval": [{"amt": 100, "cmt": 0, "ii": 12, "ss": 1}],
    "infusion beyond the interval": [{"amt": 100, "cmt": 1, "rate": 5, "ii": 12, "ss": 1, "addl": 1}],
    "infusion of a stated duration": [{"amt": 100, "cmt": 0, "rate": 50, "duration": 2, "ii": 12, "ss": 1, "addl": 1}],
    "added to what is there": [{"amt": 50, "cmt": 1}, {"time": 3, "amt": 100, "cmt": 0, "rate": -1, "ii": 12, "ss": 2}],
    "constant infusion": [{"amt": 0, "cmt": 1, "rate": 7, "ss": 1}],
    "reset": [
        {"amt": 60, "cmt": 1, "rate": -2, "ii": 8, "ss": 1, "addl": 2},
        {"time": 20, "evid": 3},
        {"time": 22, "amt": 9, "cmt": 1},
    ],
}


def repeating(case: str, vmax: float) -> tuple[Model, EventTemplate, dict[str, np.ndarray]]:
    model = assemble(library.load("generic/two_cmt"))
    p = {k: np.full(2, v) for k, v in model.typical().items()}
    p |= {"VMAX": np.full(2, vmax), "KM": np.full(2, 40.0), "ALAG1": np.array([13.1, 13.4]), "CL": np.array([5.0, 6.0])}
    return model, rows_of(REPEATING[case], 2), p | {"F1": np.full(2, 0.7), "R1": np.full(2, 30.0), "D2": np.full(2, 2.5)}


@pytest.mark.parametrize("case", REPEATING)
def test_steady_states_agree_with_the_cpu_engine(case: str) -> None:
    model, template, p = repeating(case, 15.0)
    reference = Reference(template, p)
    want = solve(model, template, p, T, reference=reference)
    assert not want.status.any()
    states, ports = jax.jit(differentiable(model, template, p, T, reference=reference))(p)
    peak = np.abs(want.states).max(axis=0) + 1e-300
    assert np.max(np.abs(np.asarray(states) - want.states) / peak) < 1e-10
    np.testing.assert_allclose(np.asarray(ports), want.ports, rtol=1e-8, atol=1e-10 * want.ports.max())


@pytest.mark.parametrize(("case", "wrt"), [("added to what is there", "ALAG1"), ("constant infusion", "VMAX")])
def test_gradient_of_a_steady_state_is_the_finite_difference(case: str, wrt: str) -> None:
    model, template, p = repeating(case, 15.0)
    function = jax.jit(differentiable(model, template, p, T[:12], rtol=1e-9))

    def loss(value: jax.Array) -> jax.Array:
        return jnp.sum(function({**p, wrt: value})[0] ** 2)

    gradient, step = jax.grad(loss)(jnp.asarray(p[wrt])), 1e-4 * p[wrt][0]
    for i in range(2):
        shift = np.eye(2)[i] * step
        difference = (loss(p[wrt] + shift) - loss(p[wrt] - shift)) / (2 * step)
        np.testing.assert_allclose(gradient[i], difference, rtol=1e-4)


def test_an_idle_compartment_has_its_steady_state_and_what_cannot_be_followed_is_refused() -> None:
    model, template, p = repeating("constant infusion", 15.0)
    p["Q"] = np.zeros(2)
    want = solve(model, template, p, T[:3])
    assert not want.status.any()
    states = np.asarray(differentiable(model, template, p, T[:3])(p)[0])
    np.testing.assert_allclose(states, want.states, rtol=1e-8, atol=1e-9)
    rows = [{"amt": 100, "cmt": 1, "rate": -1}, {"time": 2, "evid": 2}, {"time": 4, "evid": 2}]
    changing = replace(rows_of(rows, 2), overrides={"R2": np.array([[10.0] * 2, [10.0] * 2, [20.0] * 2])})
    with pytest.raises(InvalidOption, match=r"modelled rates \(RATE -1\) that change"):
        differentiable(model, changing, p, T[:3])


def test_no_steady_state_is_no_number() -> None:
    """Input above the largest elimination, in one patient of two, reached from parameters at which there is one."""
    model, template, p = repeating("constant infusion", 15.0)
    p["CL"] = np.array([0.0, 5.0])
    function = jax.jit(differentiable(model, template, p, T[:3]))
    states = np.asarray(function({**p, "VMAX": np.array([5.0, 5.0])})[0])
    assert np.isnan(states[..., 0]).all()
    assert np.isfinite(states[..., 1]).all()


@pytest.mark.parametrize("interpolation", ["nocb", "linear"])
def test_values_may_change_from_record_to_record(interpolation: Literal["nocb", "locf", "linear"]) -> None:
    """CL of the records holds whatever is given for it; the gradient of another parameter passes through."""
    model, template, p = saturable()
    times, clearance = np.array([0.0, 6.0, 6.0, 12.0]), np.array([[5.0, 4.0], [8.0, 3.0], [8.0, 3.5], [2.0, 9.0]])
    rows = [{"time": 0.0, "amt": 100, "cmt": 0}, {"time": 6.0, "evid": 2}, {"time": 6.0, "amt": 80, "rate": 40, "cmt": 1},
            {"time": 12.0, "evid": 0}]  # fmt: skip
    template = replace(rows_of(rows, 2), overrides={"CL": clearance})
    assert np.array_equal(template.time, times)
    outputs = np.array([0.0, 3.0, 6.0, 6.0, 9.0, 12.0, 20.0])
    record = np.array([-1, -2, 1, -2, -2, 3, -2])
    options = {"interpolation": interpolation, "at_record": record, "reference": Reference(template, p)}
    want = solve(model, template, p, outputs, rtol=1e-6, method="rodas5p", **options)
    function = jax.jit(differentiable(model, template, p, outputs, rtol=1e-6, **options))
    states, ports = function({**p, "CL": jnp.full(2, 1e6)})
    np.testing.assert_allclose(np.asarray(states), want.states, rtol=1e-10, atol=1e-10 * want.states.max())
    np.testing.assert_allclose(np.asarray(ports), want.ports, rtol=1e-10, atol=1e-10 * want.ports.max())

    def loss(volume: jax.Array) -> jax.Array:
        return jnp.sum(function({**p, "V": volume})[1] ** 2)

    gradient, step = jax.grad(loss)(jnp.asarray(p["V"])), np.array([1e-3, 0.0])
    difference = (loss(p["V"] + step) - loss(p["V"] - step)) / 2e-3
    np.testing.assert_allclose(gradient[0], difference, rtol=1e-5)
