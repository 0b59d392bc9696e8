"""Sigmoid effects of a concentration that is zero before the first dose: values, and gradients."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from ketasim.dose import parse, resolve
from ketasim.model import Entrance, Number, Param, Part, Port, State, Structure, assemble
from ketasim.model import Model as KetasimModel
from ketasim.model.functions import hill
from ketasim.solve import solve

VALUES = {"Vmax": 40.0, "Km": 2.0, "Vc": 30.0, "EC50": 0.5, "gamma": 1.5, "kout": 0.3}
TIMES = np.array([0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0])


class Saturable(Structure):
    """Saturable elimination, and a turnover that the concentration inhibits."""

    params = {
        "Vmax": Param("umol/h"), "Km": Param("umol/L"), "Vc": Param("L"), "EC50": Param("umol/L"), "gamma": Param("1"),
        "kout": Param("1/h"),
    }  # fmt: skip
    states = {"central": State("umol"), "R": State("1", initial=1.0)}
    writes = {"C": Port("umol/L", analyte="s_ketamine", site="venous")}
    routes = {"iv": {"s_ketamine": (Entrance("central"),)}}

    def rates(self, t, x, u, p):
        c = x["central"] / p["Vc"]
        inhibited = 1 - hill(c, p["EC50"], p["gamma"])
        return {"central": -p["Vmax"] * c / (p["Km"] + c), "R": p["kout"] * inhibited - p["kout"] * x["R"]}

    def outputs(self, t, x, u, p):
        return {"C": x["central"] / p["Vc"]}


class Linear(Saturable):
    """The same with linear elimination: its amounts are advanced exactly, the effect is not."""

    def rates(self, t, x, u, p):
        return {**super().rates(t, x, u, p), "central": -p["Vmax"] * x["central"] / p["Vc"]}


def model_of(kind: type[Structure]) -> KetasimModel:
    return assemble(
        Part(kind(), {k: Number(v, kind.params[k].unit, kind="assumed", note="invented") for k, v in VALUES.items()}, id="own")
    )


def truth(kind: type[Structure], amount: float, gamma: float) -> np.ndarray:
    """R at TIMES; the dose enters over 40 min."""
    v = {**VALUES, "gamma": gamma}

    def rates(rate):
        def f(t, y):
            c = max(y[0], 0.0) / v["Vc"]
            effect = c**gamma / (v["EC50"] ** gamma + c**gamma)
            out = v["Vmax"] * c / (v["Km"] + c) if kind is Saturable else v["Vmax"] * c
            return [rate - out, v["kout"] * (1 - effect) - v["kout"] * y[1]]

        return f

    options = {"method": "LSODA", "rtol": 1e-11, "atol": 1e-13}
    first = solve_ivp(rates(1.5 * amount), (0, 2 / 3), [0, 1], t_eval=[0, 0.25, 0.5, 2 / 3], **options)
    second = solve_ivp(rates(0.0), (2 / 3, 8), first.y[:, -1], t_eval=TIMES[3:], **options)
    return np.concatenate([first.y[1][:3], second.y[1]])


@pytest.mark.parametrize("gamma", [0.7, 1.0, 1.5, 2.0, 3.3])
@pytest.mark.parametrize("kind", [Saturable, Linear])
def test_effect_of_a_concentration_that_begins_at_zero(kind: type[Structure], gamma: float) -> None:
    model = model_of(kind)
    template = resolve(parse("20 mg esketamine iv over 40 min"), model, {"WT": np.array([70.0])})
    params = {k: np.array([v]) for k, v in {**VALUES, "gamma": gamma}.items()}
    expected = truth(kind, float(template.amt.max()), gamma)
    solution = solve(model, template, params, TIMES)
    assert not solution.status.any()
    np.testing.assert_allclose(solution.states[:, 1, 0], expected, rtol=3e-6)


@pytest.mark.slow
def test_gradients_are_finite_where_it_begins_at_zero() -> None:
    import jax

    from ketasim.solve import differentiable

    model = model_of(Saturable)
    template = resolve(parse("20 mg esketamine iv over 40 min"), model, {"WT": np.array([70.0])})
    params = {k: np.array([v]) for k, v in VALUES.items()}
    function = differentiable(model, template, params, TIMES, rtol=1e-8)
    gradient = jax.jacrev(lambda p: function(p)[0][-1, 1, 0])(params)
    for name, value in VALUES.items():
        ends = [
            solve(model, template, {**params, name: np.array([value * (1 + sign * 1e-5)])}, TIMES, rtol=1e-10) for sign in (1, -1)
        ]
        slope = (ends[0].states[-1, 1, 0] - ends[1].states[-1, 1, 0]) / (2e-5 * value)
        np.testing.assert_allclose(float(gradient[name][0]), slope, rtol=1e-5, atol=1e-9)
