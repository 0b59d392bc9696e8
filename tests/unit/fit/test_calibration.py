"""Priors, likelihood and the stored outcome; the slow fit itself is not run here."""

from __future__ import annotations

import json
import math
import tomllib
from pathlib import Path

import numpy as np
import pytest

import ketasim.library
from ketasim import library
from ketasim.errors import InvalidEntry, InvalidOption, SolverFailure
from ketasim.fit import calibrate_pk, package_observations
from ketasim.fit._calibrate_pk import _converged, _with_number
from ketasim.fit._objective import make_objective, row_sd, typical_value
from ketasim.fit._priors import PRIORS as PRIORS_FILE
from ketasim.fit._priors import load_priors
from ketasim.model import assemble
from ketasim.population import typical_values

LIBRARY = Path(ketasim.library.__file__).parent
PRIORS = load_priors()


@pytest.fixture(scope="module")
def objective():
    return make_objective(assemble(library.load("ketasim_reference")), package_observations(), PRIORS)


def test_prior_median_is_at_zero() -> None:
    values = PRIORS.values(np.zeros(len(PRIORS.all)), np)
    for prior in PRIORS.all:
        assert values[prior.name] == pytest.approx(prior.median, rel=1e-12)
        assert prior.sd > 0.0


def test_values_have_one_place_in_the_coordinates() -> None:
    z = np.random.default_rng(8).standard_normal(len(PRIORS.all))
    assert PRIORS.coordinates(PRIORS.values(z, np)) == pytest.approx(z, abs=1e-9)


def test_shares_that_are_alike_a_priori_move_together() -> None:
    z = np.random.default_rng(9).standard_normal((len(PRIORS.all), 20_000))
    values = PRIORS.values(z, np)
    s, r = (np.log(x / (1.0 - x)) for x in (values["fm_hnk"], values["fm_hnk_r"]))
    # SDs of the entry: 0.96 of S, 0.58 of the difference; a sampled SD is off by more than 4 % once in 1e15 runs.
    assert np.std(s) == pytest.approx(0.96, rel=0.04)
    assert np.std(r - s) == pytest.approx(0.58, rel=0.04)
    assert max(values["fm_hnk"].max(), values["fm_hnk_r"].max()) < 1.0


@pytest.mark.parametrize("beside", ["fm_hnk_r", "CLint", "nothing"])
def test_a_prior_beside_nothing_like_it_is_refused(beside: str, tmp_path: Path) -> None:
    path = tmp_path / "priors.toml"
    path.write_text(PRIORS_FILE.read_text().replace('beside = "fm_hnk"', f'beside = "{beside}"'))
    with pytest.raises(InvalidEntry, match=f"beside = '{beside}' names no quantity above it of form 'logitnormal'"):
        load_priors(path)


def test_every_prior_has_a_parameter_and_a_reason() -> None:
    model = assemble(library.load("ketasim_reference"))
    for prior in PRIORS.parameters:
        drug, _, name = prior.name.rpartition(".")
        assert prior.at.strip(), prior.name
        assert name in (library.comedication(drug).multipliers if drug else model.params)
        if not drug:
            assert model.params[name].unit == prior.unit


def test_what_is_calibrated_is_marked_so_and_nothing_else() -> None:
    model = assemble(library.load("ketasim_reference"))
    marked = {name for name, number in model.numbers.items() if number.source == "ketasim_calibration"}
    assert marked == {prior.name for prior in PRIORS.parameters if "." not in prior.name}


def test_only_calibration_rows_are_used(objective) -> None:
    assert len(objective.observations) > 200
    assert {o.use for o in objective.observations} == {"calibration"}


def test_study_offsets_are_integrated_out_exactly(objective) -> None:
    z = np.zeros(len(PRIORS.all))
    values = PRIORS.values(z, np)
    residual = objective.log_observed - np.log(objective.predictions(z, np))
    total = 0.0
    for block in objective.blocks:
        tau = values[f"tau.{block.analyte}"] if block.analyte else 0.0
        covariance = np.diag(block.sd**2) + tau**2
        r = residual[block.rows]
        constant = np.log(block.sd**2).sum()
        total += 0.5 * (r @ np.linalg.solve(covariance, r) + np.linalg.slogdet(covariance)[1] - constant)
    assert objective.negative_log_posterior(z, np) == pytest.approx(total, rel=1e-9)


def test_means_become_typical_values() -> None:
    rows = {o.row: o for o in package_observations()}
    cmax = rows[23]
    assert typical_value(cmax) == pytest.approx(15.6 / math.sqrt(1.0 + (4.5 / 15.6) ** 2))
    assert typical_value(rows[183]) == 43.8
    assert row_sd(cmax, PRIORS) > PRIORS.settings["within_study"]["cmax"]


def test_stored_outcome_belongs_to_the_entry_and_the_priors() -> None:
    stored = json.loads((LIBRARY / "pk" / "ketasim_reference.calibration.json").read_text())
    model = assemble(library.load("ketasim_reference"))
    posterior = np.load(LIBRARY / "pk" / "ketasim_reference.posterior.npz")
    assert list(posterior["names"]) == [prior.name for prior in PRIORS.all]
    assert posterior["draws"].shape[1] == len(PRIORS.all)
    for name, quantity in stored["quantities"].items():
        drug, _, parameter = name.rpartition(".")
        if drug == "tau":
            continue
        numbers = library.comedication(drug).multipliers if drug else model.numbers
        assert numbers[parameter].value == pytest.approx(quantity["median"], rel=1e-3), name
        assert numbers[parameter].se == pytest.approx(quantity["sd"], rel=1e-2), name
    assert stored["method"] in ("nuts", "laplace")
    assert stored["rows_used"] == sum(o.use == "calibration" for o in package_observations())


def test_the_stored_mode_is_a_mode(objective) -> None:
    stored = json.loads((LIBRARY / "pk" / "ketasim_reference.calibration.json").read_text())
    z = np.array(PRIORS.coordinates({name: quantity["mode"] for name, quantity in stored["quantities"].items()}))
    here = objective.negative_log_posterior(z, np)
    # Rounded to four digits, the mode loses little.
    assert here == pytest.approx(stored["negative_log_posterior_at_mode"], abs=0.1)
    rng = np.random.default_rng(4)
    for _ in range(5):
        assert objective.negative_log_posterior(z + 0.3 * rng.standard_normal(len(z)), np) > here


def test_writing_changes_value_and_se_of_one_section_only() -> None:
    text = '[param.A]\nvalue = 1.0\nunit = "1"\nse = 0.0\n\n[param.AB]\nvalue = 2.0\nse = 0.0\n'
    new = tomllib.loads(_with_number(text, "param.A", 3.14159, 0.5, Path("x.toml")))
    assert new["param"] == {"A": {"value": 3.142, "unit": "1", "se": 0.5}, "AB": {"value": 2.0, "se": 0.0}}
    with pytest.raises(SolverFailure, match=r"no section \[param.C\]"):
        _with_number(text, "param.C", 1.0, 0.1, Path("x.toml"))


def test_options_are_checked() -> None:
    with pytest.raises(InvalidOption, match="chains = 0"):
        calibrate_pk(chains=0)


def test_the_entry_carries_its_posterior_and_every_draw_lies_within_bounds() -> None:
    model = assemble(library.load("ketasim_reference"))
    posterior = model.parts[0].info["posterior"]
    assert set(posterior) == {prior.name for prior in PRIORS.all}
    for name, draws in posterior.items():
        low, high = model.params[name].bounds if name in model.params else (0.0, math.inf)
        assert ((draws >= low) & (draws <= high)).all(), name
    # Draws stand in no order: neighbours are as far from each other as any two.
    logs = np.log(np.stack([posterior[name] for name in ("CLint", "Q1_nk", "Vc_nk")]))
    assert all(abs(np.corrcoef(x[1:], x[:-1])[0, 1]) < 0.1 for x in logs)
    # Rows keep what the data tie together: a larger intrinsic clearance goes with a smaller hepatic flow.
    assert np.corrcoef(np.log(posterior["CLint"]), np.log(posterior["Qh"]))[0, 1] < -0.2


def test_what_a_user_sets_is_not_uncertain() -> None:
    model = assemble(library.load("ketasim_reference")).with_values({"CLint": 200.0, "fu_s": 0.6})
    values = [typical_values(model, k, 1) for k in range(3)]
    assert {v["CLint"] for v in values} == {200.0}
    assert {v["fu_s"] for v in values} == {0.6}
    assert len({v["Qh"] for v in values}) == 3


@pytest.mark.parametrize("missed", [{}, {"r_hat_max": 1.01}, {"ess_min": 400.0}, {"divergences": 1}])
def test_draws_that_have_not_converged_are_not_the_posterior(missed: dict[str, float]) -> None:
    assert _converged({"r_hat_max": 1.004, "ess_min": 900.0, "divergences": 0} | missed) == (not missed)
