"""Shapes that are hard on a Jacobian or on steps: powers at zero, switches, segments longer than the planned ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import sympy
from scipy.integrate import solve_ivp
from tests.unit.solve.test_engine import template

from ketasim.errors import InvalidModel
from ketasim.exchange import export_mrgsolve, export_nonmem, export_sbml
from ketasim.model import Entrance, Mechanism, Model, Number, Param, Part, Port, State, Structure, assemble
from ketasim.model.functions import cos, hill, sin, where_positive
from ketasim.solve import solve
from ketasim.solve._jax import differentiable

VALUES = {"CL": 80.0, "V": 100.0, "ke0": 5.0, "E50": 0.3, "gamma": 1.7, "k": 1.0}
T = np.arange(0.0, 25.0)


class Kinetics(Structure):
    """One compartment and an effect site, both empty before the first dose."""

    params = {"CL": Param("L/h"), "V": Param("L"), "ke0": Param("1/h")}
    states = {"C": State("umol"), "Ce": State("umol/L")}
    writes = {"Ceff": Port("umol/L")}
    routes = {"iv": {"s_ketamine": (Entrance("C"),)}}

    def rates(self, t: Any, x: Any, u: Any, p: Any) -> dict[str, Any]:
        C = x["C"] / p["V"]
        return {"C": -p["CL"] * C, "Ce": p["ke0"] * (C - x["Ce"])}

    def outputs(self, t: Any, x: Any, u: Any, p: Any) -> dict[str, Any]:
        return {"Ceff": x["Ce"]}


class Sigmoid(Mechanism):
    """The exponent is a parameter, so that a power of zero stands in the equations before the first dose."""

    params = {"E50": Param("umol/L"), "gamma": Param("1"), "k": Param("1/h")}
    states = {"E": State("1")}
    reads = {"Ceff": Port("umol/L")}

    def rates(self, t: Any, x: Any, u: Any, p: Any) -> dict[str, Any]:
        return {"E": p["k"] * (hill(u["Ceff"], p["E50"], p["gamma"]) - x["E"])}


class Switch(Mechanism):
    """Two constants, switched by time alone."""

    params = {"k": Param("1/h")}
    states = {"E": State("1")}

    def rates(self, t: Any, x: Any, u: Any, p: Any) -> dict[str, Any]:
        return {"E": p["k"] * (where_positive(t - 2.0, 1.0, 0.0) - x["E"])}


def part(mechanism: Mechanism) -> Part:
    return Part(mechanism, {k: Number(VALUES[k], q.unit) for k, q in mechanism.params.items()}, id=mechanism.name())


def values(model: Model, n: int, **given: Any) -> dict[str, np.ndarray]:
    return {k: np.broadcast_to(np.asarray(v, float), (n,)).copy() for k, v in {**model.typical(), **given}.items()}


@pytest.fixture(scope="module")
def sigmoid() -> Model:
    return assemble(part(Kinetics()), part(Sigmoid()), id="test_sigmoid")


def test_a_sigmoid_with_any_exponent_starts_from_zero(sigmoid: Model) -> None:
    gammas = np.array([0.7, 1.0, 1.7, 2.0, 3.3])
    # The dose comes after an hour in which everything is exactly zero.
    run = solve(
        sigmoid,
        template([{"time": 1.0, "amt": 150.0, "rate": 225.0, "cmt": 0}], 5),
        values(sigmoid, 5, gamma=gammas),
        T,
        rtol=1e-7,
    )
    assert not run.status.any()
    E = run.state_names.index("E")
    for who, gamma in enumerate(gammas):
        v = {**VALUES, "gamma": gamma}

        def rates(t: float, y: np.ndarray, v: dict[str, float] = v) -> list[float]:
            effect = max(y[1], 0.0) ** v["gamma"]
            given = 225.0 if 1.0 <= t < 1.0 + 150.0 / 225.0 else 0.0
            C = y[0] / v["V"]
            return [given - v["CL"] * C, v["ke0"] * (C - y[1]), v["k"] * (effect / (v["E50"] ** v["gamma"] + effect) - y[2])]

        want = solve_ivp(rates, (0, 24), [0.0, 0.0, 0.0], t_eval=T, rtol=1e-9, atol=1e-12, max_step=0.02, method="LSODA").y[2]
        np.testing.assert_allclose(run.states[:, E, who], want, rtol=1e-4, atol=1e-6)


def test_a_switch_between_constants_is_passed() -> None:
    model = assemble(part(Switch()), id="test_switch")
    run = solve(model, template([{"time": 0.0, "amt": 0.0, "cmt": 0}]), values(model, 1), T, rtol=1e-6)
    assert not run.status.any()
    np.testing.assert_allclose(
        run.states[:, run.state_names.index("E"), 0], np.where(T > 2, 1 - np.exp(-(T - 2)), 0), rtol=1e-5, atol=1e-9
    )


def test_segments_longer_than_the_planned_ones_come_to_an_end(sigmoid: Model) -> None:
    """The plan is made for infusions of minutes; one patient's takes 200 times as long."""
    rates = np.array([[9000.0, 45.0]])
    events = template([{"time": 0.0, "amt": 150.0, "cmt": 0}], 2)
    events = type(events)(events.time, events.evid, events.cmt, events.amt, rates, events.ii, events.addl, events.ss, events.ids)
    both = solve(sigmoid, events, values(sigmoid, 2), T, rtol=1e-6)
    alone = solve(sigmoid, events.take(slice(1, 2)), values(sigmoid, 1), T, rtol=1e-8)
    assert not both.status.any()
    E = both.state_names.index("E")
    np.testing.assert_allclose(both.states[:, E, 1], alone.states[:, E, 0], rtol=1e-4)


class Daily(Mechanism):
    """What follows the clock, with the constants SymPy and mathematics have for it."""

    params = {"k": Param("1/h")}
    states = {"E": State("1", initial=1.0)}

    def rates(self, t: Any, x: Any, u: Any, p: Any) -> dict[str, Any]:
        return {"E": p["k"] * (1.0 + 0.5 * sin(2.0 * sympy.pi * t / 24.0) + 0.25 * cos(math.pi * t / 6.0) - x["E"])}


class Unknown(Mechanism):
    """An error function: not among those every target has."""

    params = {"k": Param("1/h")}
    states = {"E": State("1")}

    def rates(self, t: Any, x: Any, u: Any, p: Any) -> dict[str, Any]:
        return {"E": p["k"] * sympy.erf(t) - x["E"] * p["k"]}


def wave(t: np.ndarray, k: float, w: float, sine: bool) -> np.ndarray:
    """Solution of x' = k (sin w t - x), or with cos, from 0."""
    if sine:
        return k * (k * np.sin(w * t) - w * np.cos(w * t) + w * np.exp(-k * t)) / (k**2 + w**2)
    return k * (k * np.cos(w * t) + w * np.sin(w * t) - k * np.exp(-k * t)) / (k**2 + w**2)


def test_equations_may_follow_the_clock() -> None:
    model = assemble(part(Daily()), id="test_daily")
    nothing = template([{"amt": 0.0, "cmt": 0}])
    k = np.array([0.7])
    got = solve(model, nothing, {"k": k}, T, rtol=1e-9).states[:, 0, 0]
    want = 1.0 + 0.5 * wave(T, 0.7, 2 * np.pi / 24, True) + 0.25 * wave(T, 0.7, np.pi / 6, False)
    np.testing.assert_allclose(got, want, rtol=1e-8)
    states, _ = differentiable(model, nothing, {"k": k}, T, rtol=1e-9)({"k": k})
    np.testing.assert_allclose(np.asarray(states)[:, 0, 0], want, rtol=1e-8)
    for text in (export_sbml(model), export_mrgsolve(model), export_nonmem(model).lower()):
        assert "sin" in text and "cos" in text and "pi*" not in text


def test_a_function_no_target_has_is_refused_by_name() -> None:
    model = assemble(part(Unknown()), id="test_unknown")
    with pytest.raises(InvalidModel, match=r"'E' uses erf\(\.\.\.\), which the engine does not know.*sin, cos"):
        solve(model, template([{"amt": 0.0, "cmt": 0}]), {"k": np.array([1.0])}, T)
