"""The exact solution against an independent integrator, and what must hold for any linear model."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from ketasim import library
from ketasim.errors import InvalidModel
from ketasim.fit import solve_regimen, typical
from ketasim.fit._linear import Input, grid, independent_blocks, matrices, respond
from ketasim.model import Model, assemble


@pytest.fixture(scope="module")
def reference() -> Model:
    return assemble(library.load("ketasim_reference"))


def test_infusion_agrees_with_a_general_integrator(reference: Model) -> None:
    p = typical(reference, {})
    response = solve_regimen(reference, "0.5 mg/kg racemic ketamine iv over 40 min", p)
    mechanism, names = reference.parts[0].mechanism, list(reference.states)
    rate = 0.5 * 70.0 * 1000.0 / 237.727 / 2.0 / (40.0 / 60.0)

    def slope(t: float, x: np.ndarray) -> np.ndarray:
        rates = dict(mechanism.rates(t, dict(zip(names, x, strict=True)), {}, p))
        for e in "sr":
            rates[f"mix_{e}"] = rates[f"mix_{e}"] + (rate if t < 40.0 / 60.0 else 0.0)
        return np.array([float(rates[name]) for name in names])

    first = solve_ivp(slope, (0.0, 40.0 / 60.0), np.zeros(len(names)), method="LSODA", rtol=1e-9, atol=1e-9)
    rest = solve_ivp(slope, (40.0 / 60.0, 8.0), first.y[:, -1], method="LSODA", rtol=1e-9, atol=1e-9, t_eval=[1.0, 4.0, 8.0])
    for k, hours in enumerate((1.0, 4.0, 8.0)):
        state = dict(zip(names, rest.y[:, k], strict=True))
        wanted = mechanism.outputs(hours, state, {}, p)
        for port in ("C_venous_s_ketamine", "C_arterial_r_norketamine", "C_venous_s_hnk", "C_brain_unbound_s_ketamine"):
            got = np.interp(hours, response.times, response.port([port], 0))
            # The grid is interpolated linearly between its points (3 min there): 1e-3 covers that.
            assert got == pytest.approx(float(wanted[port]), rel=1e-3), (port, hours)


def test_area_equals_dose_over_clearance(reference: Model) -> None:
    p = typical(reference, {})
    response = solve_regimen(reference, "10 mg esketamine iv", p)
    clint = p["CLint"]
    clearance = p["Qh"] * clint / (p["Qh"] + clint)
    area = response.integral_to_infinity(["C_arterial_s_ketamine"], 0, np)
    assert area == pytest.approx(10000.0 / 237.727 / clearance, rel=1e-4)
    # The running integral gets there.
    running = response.integral(["C_arterial_s_ketamine"], 0, np)
    assert np.all(np.diff(running) > 0.0)
    assert running[-1] == pytest.approx(area, rel=0.02)


def test_oral_availability_is_gut_times_liver(reference: Model) -> None:
    p = typical(reference, {})
    oral = solve_regimen(reference, "10 mg esketamine oral", p).integral_to_infinity(["C_venous_s_ketamine"], 0, np)
    iv = solve_regimen(reference, "10 mg esketamine iv", p).integral_to_infinity(["C_venous_s_ketamine"], 0, np)
    assert oral / iv == pytest.approx(1.0 / (1.0 + p["E_gut"]) * p["Qh"] / (p["Qh"] + p["CLint"]), rel=1e-9)


def test_nothing_is_lost_when_nothing_is_cleared(reference: Model) -> None:
    p = typical(reference, {}, {"CLint": 0.0, "CL_nk": 0.0, "CL_hnk": 0.0})
    A, _, _ = matrices(reference, p, np)
    amounts = [i for i, state in enumerate(reference.states.values()) if state.unit == "umol"]
    # A column of amounts sums to what leaves the system per unit of that amount.
    assert np.abs(A[np.ix_(amounts, amounts)].sum(axis=0)).max() < 1e-9


def test_enantiomers_do_not_mix(reference: Model) -> None:
    A, _, _ = matrices(reference, typical(reference, {}), np)
    names = list(reference.states)
    for block in independent_blocks(A):
        assert len({names[i][-1] for i in block}) == 1


def test_doses_superpose(reference: Model) -> None:
    p = typical(reference, {})
    port = ["C_venous_s_ketamine"]
    once = solve_regimen(reference, "28 mg esketamine oral", p).port(port, 0)
    twice = solve_regimen(reference, "56 mg esketamine oral", p).port(port, 0)
    np.testing.assert_allclose(twice, 2.0 * once, rtol=1e-12)


def test_numpy_and_jax_agree(reference: Model) -> None:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    p = typical(reference, {})
    doses = [[Input(reference.compartments.index("mix_s"), 0.0, 10.0), Input(0, 0.5, 20.0, 0.3, is_bolus=False)]]
    A, _, _ = matrices(reference, p, np)
    blocks = independent_blocks(A)
    plain, traced = respond(reference, p, doses, np, blocks), respond(reference, p, doses, jax.numpy, blocks)
    for port in ("C_venous_s_ketamine", "C_arterial_s_hnk"):
        got, wanted = np.asarray(traced.port([port], 0)), plain.port([port], 0)
        np.testing.assert_allclose(got, wanted, rtol=1e-8, atol=1e-12 * wanted.max())
        np.testing.assert_allclose(traced.peak([port], 0, jax.numpy), plain.peak([port], 0, np), rtol=1e-8)


def _oral(ka: float, xp: Any = np) -> tuple[Any, Any]:
    """Peak of 1 mg (V = 20 L, CL = 6 L/h) absorbed at `ka`: time, h, and mg/L."""
    model = assemble(library.load("one_cmt"))
    p = {**typical(model, {}), "KA": ka, "CL": 6.0, "V": 20.0}
    doses = [Input(model.compartments.index("DEPOT"), 0.0, 1.0)]
    return respond(model, p, [doses], xp, (np.arange(len(model.states)),)).peak(["CP"], 0, xp)


@pytest.mark.parametrize("ka", [0.31, 0.7, 1.9, 11.3, 90.0])
def test_a_peak_between_nodes_is_found(ka: float) -> None:
    """Against the closed form; the largest value on the grid would be off by up to half a cell."""
    k = 6.0 / 20.0
    wanted = math.log(ka / k) / (ka - k)
    time, height = _oral(ka)
    assert np.abs(grid() - wanted).min() > 1e-4  # else the test could not fail
    assert time == pytest.approx(wanted, rel=2e-4)
    assert height == pytest.approx(math.exp(-k * wanted) / 20.0, rel=2e-6)


def test_the_gradient_of_a_peak_does_not_jump_where_the_peak_moves_on_by_a_cell() -> None:
    """The time of the largest value on the grid is a staircase in `ka`; its gradient is 0 or infinite."""
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    slope = jax.jit(jax.vmap(jax.grad(lambda ka: _oral(ka, jax.numpy)[0])))
    ka, k = np.linspace(1.7, 2.1, 81), 0.3
    times = np.log(ka / k) / (ka - k)
    assert len(np.unique(np.searchsorted(grid(), times))) > 2
    exact = 1.0 / (ka * (ka - k)) - np.log(ka / k) / (ka - k) ** 2
    np.testing.assert_allclose(np.asarray(slope(ka)), exact, rtol=0.02)


def test_a_peak_at_the_end_of_an_infusion_or_at_a_bolus_is_that_node() -> None:
    model = assemble(library.load("one_cmt"))
    p = {**typical(model, {}), "CL": 6.0, "V": 20.0}
    central = model.compartments.index("CENT")
    infusion = [Input(central, 0.0, 1.0, 0.5, is_bolus=False)]
    response = respond(model, p, [infusion, [Input(central, 0.0, 1.0)], [*infusion, Input(central, 1.0, 3.0)]], np)
    end = (1.0 - math.exp(-0.3 * 0.5)) / (0.5 * 6.0)
    expected = ((0.5, end), (0.0, 0.05), (1.0, end * math.exp(-0.15) + 0.15))
    for scenario, wanted in enumerate(expected):
        assert response.peak(["CP"], scenario, np) == pytest.approx(wanted, rel=1e-9), scenario


def test_models_of_several_parts_are_solved_together() -> None:
    model = assemble(library.load("otto2021"))
    p = typical(model, {})
    response = solve_regimen(model, "10 mg esketamine iv", p)
    area = response.integral_to_infinity(["C_venous_s_ketamine"], 0, np)
    assert area == pytest.approx(10000.0 / 237.727 / p["CL"], rel=1e-4)


def test_what_is_not_linear_is_refused() -> None:
    model = assemble(library.load("flint2017"))
    with pytest.raises(InvalidModel, match="not linear"):
        matrices(model, typical(model, {}), np)


def test_grid_is_fine_at_first_and_covers_two_days() -> None:
    times = grid()
    assert times[0] == 0.0
    assert times[-1] > 48.0
    assert np.diff(times)[0] == pytest.approx(0.25 / 60.0)
    assert np.all(np.diff(times) > 0.0)
