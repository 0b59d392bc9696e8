"""The exact solution against an independent integrator, and what must hold for any linear model."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from ketasim import library
from ketasim.errors import InvalidModel
from ketasim.fit import solve_regimen, typical
from ketasim.fit._linear import grid, independent_blocks, matrices
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
    from ketasim.fit._linear import Input, respond

    p = typical(reference, {})
    doses = [[Input(reference.compartments.index("mix_s"), 0.0, 10.0), Input(0, 0.5, 20.0, 0.3, is_bolus=False)]]
    A, _, _ = matrices(reference, p, np)
    blocks = independent_blocks(A)
    plain, traced = respond(reference, p, doses, np, blocks), respond(reference, p, doses, jax.numpy, blocks)
    for port in ("C_venous_s_ketamine", "C_arterial_s_hnk"):
        got, wanted = np.asarray(traced.port([port], 0)), plain.port([port], 0)
        np.testing.assert_allclose(got, wanted, rtol=1e-8, atol=1e-12 * wanted.max())


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
