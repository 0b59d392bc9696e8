"""Priors, likelihood and the stored outcome; the slow fit itself is not run here."""

from __future__ import annotations

import json
import math
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ketasim.library
from ketasim import library
from ketasim.errors import InvalidEntry, SolverFailure
from ketasim.fit import leave_one_study_out, package_observations
from ketasim.fit._objective import make_objective, row_sd, typical_value
from ketasim.fit._posterior import solved
from ketasim.fit._priors import PRIORS as PRIORS_FILE
from ketasim.fit._priors import load_priors
from ketasim.fit._record import with_numbers
from ketasim.model import assemble
from ketasim.population import study_effects, typical_values

LIBRARY = Path(ketasim.library.__file__).parent
PRIORS = load_priors()


@pytest.fixture(scope="module")
def objective():
    return make_objective(assemble(library.load("ketasim_reference")), package_observations(), PRIORS)


@pytest.fixture(scope="module")
def stored() -> dict:
    return json.loads((LIBRARY / "pk" / "ketasim_reference.calibration.json").read_text())


@pytest.fixture(scope="module")
def mode(objective, stored):
    """The linear model around the stored mode, and the stored SDs between studies."""
    values = {name: quantity["mode"] for name, quantity in stored["quantities"].items()}
    linear = objective.linear(np.array(PRIORS.coordinates(values)))
    return linear, {name: value for name, value in values.items() if name.startswith("tau.")}


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


def test_what_differs_between_studies_ties_the_rows_of_one_study_and_no_others(objective, mode) -> None:
    linear, taus = mode
    covariance = objective.covariance(linear, taus)
    sd = objective.spread(taus)
    rows = objective.observations
    for i, j in ((0, 1), (0, len(rows) - 1), (30, 31), (100, 100)):
        shared = sum(sd[k] ** 2 * linear.by_effect[i, k] * linear.by_effect[j, k] for k in range(len(sd)))
        expected = (shared if rows[i].study == rows[j].study else 0.0) + (objective.sd[i] ** 2 if i == j else 0.0)
        assert covariance[i, j] == pytest.approx(expected, abs=1e-12)


def test_slopes_are_those_of_the_model(objective, mode) -> None:
    """A step of half a prior SD, and a shift of clearance, move the predictions as the slopes say, but for what the model bends."""
    linear, _ = mode
    k = [prior.name for prior in PRIORS.all].index("CLint")
    place = linear.z.copy()
    place[k] += 0.1
    assert objective.log_predictions(place) == pytest.approx(linear.log_predicted + 0.1 * linear.by_quantity[:, k], abs=0.01)
    number = [effect.name for effect in objective.effects].index("clearance/CLint+Qh")
    shift = objective.log_predictions(linear.z, objective.effects[number], 0.1)
    assert shift == pytest.approx(linear.log_predicted + 0.1 * linear.by_effect[:, number], abs=0.02)
    clearances = [i for i, o in enumerate(objective.observations) if o.metric == "clearance"]
    assert linear.by_effect[clearances, number] == pytest.approx(1.0, abs=0.02)


def test_means_become_typical_values() -> None:
    rows = {o.row: o for o in package_observations()}
    cmax = rows[23]
    assert typical_value(cmax) == pytest.approx(15.6 / math.sqrt(1.0 + (4.5 / 15.6) ** 2))
    assert typical_value(rows[183]) == 43.8
    assert row_sd(cmax, PRIORS) > PRIORS.settings["within_study"]["cmax"]


def test_stored_outcome_belongs_to_the_entry_and_the_priors(stored) -> None:
    model = assemble(library.load("ketasim_reference"))
    posterior = np.load(LIBRARY / "pk" / "ketasim_reference.posterior.npz")
    assert list(posterior["names"]) == [prior.name for prior in PRIORS.all]
    assert posterior["draws"].shape[1] == len(PRIORS.all)
    for name, quantity in stored["quantities"].items():
        drug, _, parameter = name.rpartition(".")
        if drug == "tau":
            own = [effect.sd for effect in study_effects(model) if effect.group == parameter]
            assert own == pytest.approx([quantity["mode"]] * len(own), rel=1e-3)
            assert own
            continue
        numbers = library.comedication(drug).multipliers if drug else model.numbers
        assert numbers[parameter].value == pytest.approx(quantity["median"], rel=1e-3), name
        assert numbers[parameter].se == pytest.approx(quantity["sd"], rel=1e-2), name
    assert {(e.name, e.on) for e in study_effects(model)} == {(e.name, e.on) for e in PRIORS.effects}
    assert stored["rows_used"] == sum(o.use == "calibration" for o in package_observations())


def test_the_stored_mode_is_a_mode(objective, mode) -> None:
    """A step from it leads nowhere; it is rounded to four digits, and a quotient is one-sided."""
    linear, taus = mode
    mean, covariance = solved(objective, linear, taus)
    n = len(PRIORS.parameters)
    assert mean == pytest.approx(linear.z[:n], abs=0.05)
    assert np.linalg.eigvalsh(covariance).max() <= 1.0 + 1e-9, "data cannot make a quantity less known than its prior"


def test_a_study_left_out_is_not_seen(objective, mode) -> None:
    linear, taus = mode
    out = np.array([o.study == "hasan2021" for o in objective.observations])
    here = solved(objective, linear, taus, ~out)[0]
    other = replace(objective, log_observed=objective.log_observed + 3.0 * out)
    assert solved(other, linear, taus, ~out)[0] == pytest.approx(here, abs=1e-12)
    assert np.abs(solved(other, linear, taus)[0] - here).max() > 0.5


def test_intervals_hold_studies_that_were_left_out() -> None:
    left = leave_one_study_out()
    error = np.abs(left.log_predicted - left.log_observed)
    assert 0.85 < np.mean(error < 1.645 * left.sd) < 0.99
    assert np.exp(error.mean()) < 1.35


def test_writing_changes_value_and_se_of_one_section_only() -> None:
    text = '[param.A]\nvalue = 1.0\nunit = "1"\nse = 0.0\n\n[param.AB]\nvalue = 2.0\nse = 0.0\n'
    new = tomllib.loads(with_numbers(text, "param.A", {"value": 3.14159, "se": 0.5}, Path("x.toml")))
    assert new["param"] == {"A": {"value": 3.142, "unit": "1", "se": 0.5}, "AB": {"value": 2.0, "se": 0.0}}
    with pytest.raises(SolverFailure, match=r"no section \[param.C\]"):
        with_numbers(text, "param.C", {"value": 1.0, "se": 0.1}, Path("x.toml"))


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


def test_a_draw_of_a_new_study_moves_what_differs_between_studies() -> None:
    model = assemble(library.load("ketasim_reference"))
    alone = [typical_values(model, k, 1) for k in range(300)]
    new = [typical_values(model, k, 1, between_study=True) for k in range(300)]
    shift = np.array(
        [[np.log(b[name] / a[name]) for name in ("CLint", "Qh", "Vc", "k_mix")] for a, b in zip(alone, new, strict=True)]
    )
    assert shift[:, 0] == pytest.approx(shift[:, 1], abs=1e-12)
    # An SD of 300 numbers is off by more than 25 % once in 1e9 runs.
    assert shift[:, 0].std() == pytest.approx(next(e.sd for e in study_effects(model) if e.group == "clearance"), rel=0.25)
    assert abs(np.corrcoef(shift[:, 0], shift[:, 2])[0, 1]) < 0.3
    assert not shift[:, 3].any(), "nothing says that lung mixing differs"
    shares = [b[name] for b in new for name in ("F_nasal", "f_2B6", "F_mucosa")]
    assert 0.0 < min(shares) < max(shares) < 1.0
    held = model.with_values({"CLint": 200.0})
    assert {typical_values(held, k, 1, between_study=True)["CLint"] for k in range(3)} == {200.0}
