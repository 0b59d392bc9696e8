"""Meta-regression, additive components, dose-response: recovered from data made without error, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.synthesis_network.networks import Rows, contrast, random_contrasts

from ketasim.errors import InvalidData, InvalidOption, UnknownEntry
from ketasim.synthesis import (
    component_network,
    dose_network,
    network_meta_analysis,
    network_regression,
    read_dose_network,
    read_network,
)
from ketasim.synthesis._component import component_matrix
from ketasim.synthesis._dose_network import DoseNotIdentified


def regression_rows(slope: dict[str, float]) -> Rows:
    """Exact effects 1 + slope (x - 2) of a, 2 + slope (x - 2) of b, against p; and a against b."""
    rows: Rows = []
    for k, x in enumerate((0.0, 1.0, 2.0, 3.0, 4.0)):
        effect = {"p": 0.0, "a": 1 + slope["a"] * (x - 2), "b": 2 + slope["b"] * (x - 2)}
        for one, other in (("a", "p"), ("b", "p"), ("a", "b")):
            rows.append(contrast(f"{one}{other}{k}", one, other, effect[one] - effect[other]) | {"x": x, "kind": f"k{x:.0f}"})
    return rows


def test_common_slope() -> None:
    data = read_network(regression_rows({"a": 0.3, "b": 0.3}), "md", covariates=["x"])
    found = network_regression(data, "x", "p")
    assert found.coefficients[0]["estimate"] == pytest.approx(0.3, rel=1e-9)
    assert found.estimates.pair("b", "p")["estimate"] == pytest.approx(2.0, rel=1e-9)
    assert found.center == "2"
    assert found.tau2 == 0.0 < found.tau2_without
    assert found.test[0] == pytest.approx(found.coefficients[0]["z"] ** 2)
    assert found.as_dict()["n_studies"] == 15


def test_independent_slopes() -> None:
    data = read_network(regression_rows({"a": 0.3, "b": -0.2}), "md", covariates=["x"])
    found = network_regression(data, "x", "p", interaction="independent")
    assert {r["slope"]: round(r["estimate"], 9) for r in found.coefficients} == {"x: a": 0.3, "x: b": -0.2}
    with pytest.raises(InvalidOption, match="interaction 'shared'"):
        network_regression(data, "x", interaction="shared")


def test_levels_of_a_text() -> None:
    rows = [contrast(str(k), "a", "p", 1.0 + 0.5 * (k % 2)) | {"control": ("saline", "active")[k % 2]} for k in range(5)]
    found = network_regression(read_network(rows, "md", covariates=["control"]), "control", "p")
    assert (found.center, found.coefficients[0]["slope"]) == ("saline", "control=active")
    assert found.coefficients[0]["estimate"] == pytest.approx(0.5, rel=1e-9)


def test_regression_refuses() -> None:
    data = read_network(regression_rows({"a": 0.3, "b": 0.3}), "md", covariates=["kind"])
    with pytest.raises(InvalidOption, match="without the covariate 'y'"):
        network_regression(data, "y")
    rows = [r | {"x": 1} for r in random_contrasts(0)]
    with pytest.raises(InvalidData, match="fewer than two different values"):
        network_regression(read_network(rows, "md", covariates=["x"]), "x")
    lone = [contrast("1", "a", "p", 1.0) | {"x": 0}, contrast("2", "b", "p", 1.0) | {"x": 1}]
    with pytest.raises(InvalidData, match="cannot tell apart"):
        network_regression(read_network(lone, "md", covariates=["x"]), "x", "p")


COMPONENTS: Rows = [
    contrast("1", "a", "placebo", 1.0),
    contrast("2", "b", "placebo", 0.5),
    contrast("3", "a+b", "placebo", 1.5),
    contrast("4", "a + c", "a", 0.2),
]


def test_components_add_up() -> None:
    found = component_network(read_network(COMPONENTS, "md"), "placebo")
    common = {r["component"]: r["estimate"] for r in found.rows if r["model"] == "common"}
    assert common == {"a": pytest.approx(1.0), "b": pytest.approx(0.5), "c": pytest.approx(0.2)}
    assert found.q_additive[:2] == (pytest.approx(0.0, abs=1e-12), 1)
    assert found.q_difference is not None
    assert found.q_difference[1] == 1
    assert found.common.pair("a + c", "b")["estimate"] == pytest.approx(0.7)


def test_components_join_a_disconnected_network() -> None:
    """No study links a+b and a+c with the rest, their components do: c = b - 0.3."""
    rows = [*COMPONENTS[:2], contrast("5", "a+b", "a+c", 0.3)]
    data = read_network(rows, "md")
    with pytest.raises(InvalidData, match="disconnected"):
        network_meta_analysis(data)
    found = component_network(data, "placebo")
    assert found.q_standard is None
    assert found.components == ("a", "b", "c")
    assert found.random.pair("a+c", "placebo")["estimate"] == pytest.approx(1.2)


def test_components_that_cannot_be_told_apart() -> None:
    with pytest.raises(InvalidData, match="components a, b"):
        component_network(read_network([contrast("1", "a+b", "placebo", 1.0)], "md"), "placebo")
    with pytest.raises(InvalidOption, match=r"no component 'plac'\. Close: 'placebo'"):
        component_network(read_network(COMPONENTS, "md"), "plac")
    assert component_matrix(("x+y", "x"), separator="+")[1] == ("x", "y")


def dose_rows(curve: dict[str, object], noise: float = 0.0) -> Rows:
    rng = np.random.default_rng(0)
    rows: Rows = []
    for s, arms in enumerate(
        [[("x", 0), ("x", 1), ("x", 4)], [("x", 0), ("y", 10)], [("y", 10), ("y", 40)], [("x", 2), ("y", 20)]] * 2
    ):
        for agent, dose in arms:
            value = 5.0 + curve[agent](dose) + noise * rng.normal()  # type: ignore[operator]
            rows.append({"study": s, "treatment": agent, "dose": dose, "mean": value, "sd": 1.0, "n": 100})
    return rows


def test_emax_curves_are_recovered() -> None:
    data = read_dose_network(dose_rows({"x": lambda d: 8 * d / (1.5 + d), "y": lambda d: 5 * d / (15 + d)}), "md")
    assert data.agents == ("x", "y")
    found = dose_network(data, "emax")
    numbers = {(r["agent"], r["parameter"]): r["estimate"] for r in found.rows}
    # The polish stops where Q is flat to 1e-14; parameters are then good to 1e-4.
    assert numbers["x", "Emax"] == pytest.approx(8.0, rel=1e-4)
    assert numbers["y", "ED50"] == pytest.approx(15.0, rel=1e-3)
    assert found.curve("x", [0.0, 1.5])["estimate"].tolist() == pytest.approx([0.0, 4.0], abs=1e-3)
    assert found.curve("x", [0.0])["se"].iloc[0] == 0.0


def test_linear_and_spline_curves() -> None:
    data = read_dose_network(dose_rows({"x": lambda d: 0.5 * d, "y": lambda d: -0.1 * d}), "md")
    for shape in ("linear", "rcs"):
        found = dose_network(data, shape, model="common")
        assert found.curve("x", [3.0])["estimate"].iloc[0] == pytest.approx(1.5, rel=1e-9)
        assert found.curve("y", [30.0])["estimate"].iloc[0] == pytest.approx(-3.0, rel=1e-9)
    assert found.df == 10 - 4


def test_the_right_shape_has_the_lower_aic() -> None:
    data = read_dose_network(dose_rows({"x": lambda d: 8 * d / (0.5 + d), "y": lambda d: 5 * d / (8 + d)}, noise=0.05), "md")
    assert dose_network(data, "emax").aic < dose_network(data, "linear").aic


def test_dose_standard_errors_by_simulation() -> None:
    """Delta-method errors against 40 simulated networks; their scatter is known to 11 %, so 40 % fails less than once in 10^3."""
    curve = {"x": lambda d: 8 * d / (1.5 + d), "y": lambda d: 5 * d / (15 + d)}
    rng, ends = np.random.default_rng(5), []
    for _ in range(40):
        rows = [r | {"mean": r["mean"] + 0.1 * rng.normal()} for r in dose_rows(curve)]
        found = dose_network(read_dose_network(rows, "md"), "emax", model="common")
        ends.append(found.curve("x", [2.0]).iloc[0])
    scatter = np.std([e["estimate"] for e in ends])
    assert scatter == pytest.approx(np.mean([e["se"] for e in ends]), rel=0.4)


def test_dose_refuses() -> None:
    data = read_dose_network(dose_rows({"x": lambda d: d, "y": lambda d: d}), "md")
    with pytest.raises(InvalidOption, match=r"no shape 'emaxx'\. Close: 'emax'"):
        dose_network(data, "emaxx")
    with pytest.raises(UnknownEntry, match="no agent 'z'"):
        dose_network(data, "linear").curve("z", [1.0])
    with pytest.warns(DoseNotIdentified, match="end of the range"):
        dose_network(data, "emax", model="common")
    one = [{"study": 1, "treatment": t, "dose": d, "mean": 1.0 * d, "sd": 1.0, "n": 9} for t, d in (("x", 0), ("x", 1))]
    with pytest.raises(InvalidData, match="'x' was studied at one dose"):
        dose_network(read_dose_network(one, "md"), "emax")
    with pytest.raises(InvalidData, match="line 2, column dose: '-1' is no dose"):
        read_dose_network([*one[:1], one[1] | {"dose": -1}], "md")
    with pytest.raises(InvalidData, match="'dose'"):
        read_dose_network([{k: v for k, v in r.items() if k != "dose"} for r in one], "md")
