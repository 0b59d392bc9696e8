"""Results hold what a model has: analytes of any substance and unit, outputs of any sign, states where there is nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ketasim.dose import molar_mass
from ketasim.errors import InvalidOption
from ketasim.model import Entrance, Model, Number, Param, Part, Port, State, Structure, Variability, assemble
from ketasim.results import QuantileSketch, summary, to_dataframe
from ketasim.simulation import simulate

TIMES = np.array([0.0, 1.0, 2.0])


def model_with(writes: dict[str, Port], factors: dict[str, float], cv: float = 0.0) -> Model:
    """One compartment that is lost at 1/h; every output is the amount times its factor."""

    class Own(Structure):
        params = {"k": Param("1/h")}
        states = {"central": State("umol")}
        routes = {"iv": {"s_ketamine": (Entrance("central"),)}}

        def rates(self, t, x, u, p):
            return {"central": -p["k"] * x["central"]}

        def outputs(self, t, x, u, p):
            return {name: factor * x["central"] for name, factor in factors.items()}

    Own.writes = writes
    iiv = Variability(float(np.log1p(cv**2)), "lognormal") if cv else None
    return assemble(Part(Own(), {"k": Number(1.0, "1/h", kind="assumed", note="invented", iiv=iiv)}, id="own"))


def run(model: Model, **options: object) -> xr.DataTree:
    return simulate(model, "5 umol esketamine iv bolus", times=TIMES, **options)  # type: ignore[arg-type]


def test_every_analyte_of_a_site_has_its_own_factor() -> None:
    """umol/L, mg/L and ng/mL become ng/mL; what has no molar mass here stays in umol/L, beside them."""
    units = {"s_ketamine": "umol/L", "r_ketamine": "mg/L", "midazolam": "ng/mL", "naltrexone": "umol/L"}
    ports = {f"C_{a}": Port(unit, analyte=a, site="venous") for a, unit in units.items()}
    plasma = run(model_with(ports, dict.fromkeys(ports, 0.2)))["plasma"].to_dataset()
    amount = np.exp(-TIMES)
    for analyte, factor in {"s_ketamine": molar_mass("s_ketamine"), "r_ketamine": 1000.0, "midazolam": 1.0}.items():
        np.testing.assert_allclose(plasma["venous"].sel(analyte=analyte).values[0], amount * factor, rtol=1e-6)
    assert plasma["venous"].attrs["units"] == "ng/mL"
    np.testing.assert_allclose(plasma["venous_umol_L"].sel(analyte="naltrexone").values[0], amount, rtol=1e-6)
    assert plasma["venous_umol_L"].attrs["units"] == "umol/L"
    total = plasma["venous"].sel(analyte=["s_ketamine", "r_ketamine"]).sum("analyte")
    np.testing.assert_allclose(plasma["venous"].sel(analyte="ketamine"), total, rtol=1e-12)


def test_outputs_that_are_no_concentrations_are_there_and_streamed() -> None:
    model = model_with({"score": Port("1")}, {"score": -2.0}, cv=0.5)
    whole = run(model, n=3000, population="adults")
    assert set(whole.children) == {"dose", "subject", "port"}
    streamed = run(model, n=3000, population="adults", stream=True)
    want = whole["port"]["score"].quantile(streamed["port"]["quantile"].values, "subject")
    np.testing.assert_allclose(streamed["port"]["score"].values, want.values, rtol=0.012)
    assert (streamed["port"]["score"].values[:, 1] < 0).all()
    assert list(to_dataframe(run(model)).columns) == ["ID", "TIME", "score"]
    assert summary(streamed)["output"]["score"]["0.5"] == streamed["port"]["score"].sel(quantile=0.5).values.tolist()


def test_a_model_without_outputs_gives_its_states() -> None:
    model = model_with({}, {})
    np.testing.assert_allclose(run(model)["state"]["central"].values[0], 5 * np.exp(-TIMES), rtol=1e-6)
    with pytest.raises(InvalidOption, match="own@1 has no outputs"):
        run(model, stream=True)


def test_quantiles_on_both_sides_of_zero() -> None:
    values = np.concatenate([-np.geomspace(0.01, 100.0, 400), np.zeros(101), np.geomspace(0.02, 300.0, 300)])
    sketch = QuantileSketch(1, [[(0, 1.0)], [(0, -1.0)]])
    sketch.add(values[None, None, :])
    levels = [0.0, 0.05, 0.3, 0.5, 0.55, 0.8, 1.0]
    np.testing.assert_allclose(sketch.signed_quantiles(levels)[:, 0, 0], np.quantile(values, levels), rtol=0.03)


def test_doses_of_all_patients_are_there() -> None:
    result = simulate("pk/otto2021", "0.5 mg/kg esketamine iv over 40 min, daily x 2", n=5, population="adults", times=TIMES)
    dose = result["dose"].to_dataset()
    want = result["subject"]["WT"].values * 0.5 / molar_mass("s_ketamine") * 1000.0
    np.testing.assert_allclose(dose["AMT"].values, want[:, None], rtol=1e-9)
    np.testing.assert_array_equal(dose["subject"], result["subject"]["subject"])
    assert dose["TIME"].dims == ("record",)
    assert dose["ADDL"].values.tolist() == [1]
    streamed = simulate("pk/otto2021", "0.5 mg/kg esketamine iv over 40 min", n=5, population="adults", times=TIMES, stream=True)
    assert streamed["dose"].attrs["holds"] == "records of the first of 5 patients"
