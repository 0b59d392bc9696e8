"""Calibration of depression: rows and hold-outs, exact derivatives, expectations, posterior, and what is stored."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.unit.clinical.test_course import slow_latent

import ketasim.fit.clinical as clinical
from ketasim import evidence, library
from ketasim.clinical import Session, drawn_values, outcome, patients
from ketasim.errors import InvalidEntry, InvalidOption
from ketasim.fit import package_observations
from ketasim.fit._record import digest
from ketasim.fit.clinical import Objective, Result, find_mode, make_design, make_objective, read_arms, sample, store

TRD = library.disorder("trd")
FOLDER = Path(clinical.__file__).parent
LIBRARY = Path(library.__file__).parent / "disorder"


@lru_cache(maxsize=1)
def rows() -> tuple[Result, ...]:
    return tuple(read_arms("trd"))


@lru_cache(maxsize=1)
def objective() -> Objective:
    return make_objective(TRD, [r for r in rows() if r.use == "fit"])


@lru_cache(maxsize=1)
def mode() -> clinical.Mode:
    return find_mode(objective())


def test_no_calibration_sees_a_holdout_or_a_pooled_result_that_holds_one() -> None:
    tables = evidence.load()
    held = set(tables.table("holdout")["id"])
    assert {"ASPIRE-II", "Su2017", "TRANSFORM-3", "Wilkinson2018"} <= held
    papers = {tables.families[key] for key in held if key in tables.families}
    held |= {key for key, paper in tables.families.items() if paper in papers}
    fitted = [r for r in rows() if r.use == "fit"]
    assert not held & ({r.arm.trial for r in fitted} | {r.source for r in fitted} | {r.cluster for r in fitted})
    assert not held & {o.source for o in package_observations() if o.use == "calibration"}
    assert {r.arm.trial for r in rows() if r.use == "holdout"} <= held
    assert {r.arm.trial for r in objective().results} == {r.arm.trial for r in fitted}


def _with(tmp_path: Path, change: dict[str, str], line: int, file: str = "trd_rows.csv") -> Path:
    for path in FOLDER.glob("trd_*.csv"):
        shutil.copy(path, tmp_path)
    table = pd.read_csv(tmp_path / file, dtype=str, keep_default_na=False)
    for column, value in change.items():
        table.loc[line - 2, column] = value
    table.to_csv(tmp_path / file, index=False)
    return tmp_path


def _line(trial: str, kind: str) -> int:
    return next(r.line for r in rows() if r.arm.trial == trial and r.kind == kind)


@pytest.mark.parametrize(
    ("trial", "kind", "change", "message"),
    [
        ("TRANSFORM-3", "change", {"use": "fit"}, "TRANSFORM-3 is held out, but the row is marked 'fit'"),
        ("TRANSFORM-1", "change", {"use": "holdout"}, "TRANSFORM-1 is not held out"),
        ("TRANSFORM-1", "change", {"sd": "9"}, "a number stands here and not in the evidence; say why in note"),
        ("TRANSFORM-1", "change", {"time_h": "96"}, "no row of TRANSFORM-1 .* 96 h in the evidence"),
        ("TRANSFORM-1", "change", {"kind": "level"}, "kind 'level'.*allowed are change"),
        ("TRANSFORM-1", "change", {"arm": "nobody"}, "no arm 'nobody' of TRANSFORM-1"),
        ("Singh2016_esk_iv", "change", {"sd": "", "n": ""}, "has no change with a spread"),
    ],
)
def test_rows_that_cannot_be_right_are_refused(
    tmp_path: Path, trial: str, kind: str, change: dict[str, str], message: str
) -> None:
    line = _line(trial, kind)
    with pytest.raises(InvalidEntry, match=rf"trd_rows\.csv line {line}.*{message}"):
        read_arms("trd", _with(tmp_path, change, line))


def test_numbers_come_from_the_evidence() -> None:
    found = next(r for r in rows() if r.arm.key == ("TRANSFORM-2", "placebo+AD") and r.kind == "change")
    assert (found.value, found.n, round(found.se, 3), found.source) == (-17.0, 100, 1.388, "popova2019")
    assert found.arm.switches == {"new_antidepressant": 1.0}
    assert {r.use for r in rows() if r.arm.trial == "Lii2023"} == {"scored"}


def test_gradient_of_the_course_is_that_of_an_independent_solver() -> None:
    """Exact derivatives of the latent improvement against differences of a twin that follows one person at a time."""
    chosen = [r for r in rows() if r.kind == "change"]
    design = make_design(TRD, chosen)
    names = [name for name in TRD.priors if name not in ("w0", "w1", "su", "su2", "sv", "sa")]
    typical = {name: float(x) for name, x in TRD.typical().items()}
    lanes = {name: np.full((len(names), 1), complex(x)) for name, x in typical.items()}
    for i, name in enumerate(names):
        lanes[name][i, 0] += 1e-30j
    latent = np.broadcast_to(design.latent(lanes), (len(names), len(design.visits), len(design.arms)))
    for k, arm in enumerate(design.arms):
        sessions = [(s.time, float(s.s_ketamine[k]), float(s.r_ketamine[k])) for s in design.sessions]
        switches = {name: float(on[k]) for name, on in design.switches.items()}
        times = sorted({r.time for r in chosen if r.arm.key == arm.key})
        for t in times:
            v = int(np.searchsorted(design.visits, t))
            assert latent[0, v, k].real == pytest.approx(slow_latent(t, switches, sessions, typical), rel=1e-12)
            for i, name in enumerate(names):
                h = 1e-4 * max(abs(typical[name]), 0.1)
                # Richardson: the error of two central differences, combined, is of fourth order.
                difference = [
                    (
                        slow_latent(t, switches, sessions, typical | {name: typical[name] + step})
                        - slow_latent(t, switches, sessions, typical | {name: typical[name] - step})
                    )
                    / (2 * step)
                    for step in (h, h / 2)
                ]
                slope = (4 * difference[1] - difference[0]) / 3
                assert latent[i, v, k].imag / 1e-30 == pytest.approx(slope, rel=1e-6, abs=1e-9), (arm.key, t, name)


def test_gradient_of_the_objective_is_its_slope() -> None:
    z = 0.3 * np.random.default_rng(3).standard_normal(len(objective().names))
    local, h = objective().local(z), 1e-3
    assert local.value == pytest.approx(objective().value(z), rel=1e-12)
    assert objective().values_at(np.array([z, -z]))[0] == pytest.approx(local.value, rel=1e-12)
    for i, name in enumerate(objective().names):
        u = np.eye(len(z))[i] * h
        slopes = [(objective().value(z + s * u) - objective().value(z - s * u)) / (2 * s * h) for s in (1.0, 2.0)]
        assert local.gradient[i] == pytest.approx((4 * slopes[0] - slopes[1]) / 3, rel=1e-6, abs=1e-6), name


def test_expectations_are_those_of_simulated_people() -> None:
    """The quadrature against 40,000 people of the clinical layer, baselines hardly cut: 4 standard errors, 1 false alarm in 4,000."""
    arm = next(r.arm for r in rows() if r.arm.key == ("TRANSFORM-1", "esk56+AD"))
    kinds = [Result(arm, 672.0, kind, "fit", 0.3, 100, 1.0, cut=12.0) for kind in ("change", "spread", "response", "remission")]
    design = make_design(TRD, kinds)
    expected = design.expected(TRD.typical()).value[0]
    n = 40_000
    entry = replace(TRD, baseline=replace(TRD.baseline, mean=arm.baseline, sd=arm.baseline_sd, least=1.0))
    sessions = [Session(s.time, np.full(n, s.s_ketamine[0]), np.full(n, s.r_ketamine[0])) for s in design.sessions]
    control = TRD.controls["new_antidepressant"].switches
    found = outcome(entry, control, sessions, np.array([672.0]), patients(entry, np.arange(n), 5), TRD.typical())
    change = found.score[0] - found.baseline
    share = [
        float(np.mean(entry.scale.responds(found.score[0], found.baseline))),
        float(np.mean(entry.scale.remits(found.score[0]))),
    ]
    # Baselines are normal in points for people and normal in logits for the quadrature: a tenth of a point beside sampling.
    assert expected[0] == pytest.approx(change.mean(), abs=4 * change.std() / math.sqrt(n) + 0.1)
    assert math.exp(expected[1]) == pytest.approx(change.std(), rel=4 / math.sqrt(2 * n) + 0.01)
    for x, seen in zip(expected[2:], share, strict=True):
        assert 0.5 * math.erfc(-x / math.sqrt(2)) == pytest.approx(seen, abs=4 * math.sqrt(0.25 / n) + 0.01)


def test_what_made_the_data_is_found_again() -> None:
    """Data from known numbers: the distance from the truth, in SDs of the posterior, is that of as many normal deviates."""
    rng = np.random.default_rng(11)
    truth = 0.5 * rng.standard_normal(len(objective().names))
    mean, covariance = objective().predicted(truth)
    made = replace(objective(), target=rng.multivariate_normal(mean, covariance))
    found = find_mode(made)
    off = found.z - truth
    distance = float(off @ np.linalg.solve(found.covariance, off))
    # Chi-squared with 21 degrees of freedom, 99.8 %: 46.8. The truth is drawn from half the prior, so the distance is rather less.
    assert distance < 46.8


def test_draws_are_of_the_posterior() -> None:
    drawn = sample(objective(), mode(), np.random.default_rng(2))
    assert drawn.tail < 0.7
    assert drawn.effective > 400
    values = objective().values(drawn.z)
    stored = TRD.posterior
    for name in ("g", "gamma", "a_inert", "w1", "tau_off"):
        # Two samples worth 900 draws each: 5 standard errors of a median.
        tolerance = 5 * 1.25 * stored[name].std() * math.sqrt(2 / 900)
        assert abs(np.median(values[name]) - np.median(stored[name])) < tolerance, name


def test_what_is_stored_is_what_the_entry_says() -> None:
    settings = json.loads((LIBRARY / "trd.calibration.json").read_text(encoding="utf-8"))
    assert settings["files_sha256"] == {p.name: digest(p.read_bytes()) for p in FOLDER.glob("trd_*.csv")}, "calibrate again"
    told = digest(repr([(r.arm.key, r.time, r.kind, r.value, r.n, r.se) for r in objective().results]).encode())
    assert settings["rows_sha256"] == told, "the evidence has changed: calibrate again"
    for name, quantity in settings["quantities"].items():
        assert TRD.numbers[name].value == pytest.approx(quantity["median"], rel=1e-3)
        assert TRD.priors[name].se == pytest.approx(quantity["se"], rel=2e-2)
    assert TRD.numbers["S_ref"].value == pytest.approx(objective().fixed["S_ref"], rel=1e-3), (
        "the kinetics have changed: calibrate again"
    )
    assert set(TRD.posterior) == set(TRD.priors)


def test_draws_of_values_are_rows_of_the_joint_posterior() -> None:
    row = drawn_values(TRD, 7, 1)
    assert {name: float(row[name]) for name in TRD.posterior} == {name: draws[7] for name, draws in TRD.posterior.items()}
    bipolar = library.disorder("bipolar")
    assert float(drawn_values(bipolar, 7, 1)["tau_off"]) == float(row["tau_off"]), "the store is that of depression, draw by draw"
    assert "a_mdz" not in bipolar.posterior, "a parameter of its own is no parameter of depression"


def test_storing_writes_numbers_and_leaves_words(tmp_path: Path) -> None:
    shutil.copy(LIBRARY / "trd.toml", tmp_path)
    names = objective().names
    k = len(names)
    draws = np.tile(np.linspace(1.0, 2.0, 50)[:, None], (1, k))
    fit = clinical.ClinicalFit(
        objective(), mode(), clinical.Posterior(np.zeros((50, k)), 50.0, 0.1), names, np.full(k, 1.234), np.full(k, 0.5), np.full(k, 0.25),
        draws, {"seed": 1},
    )  # fmt: skip
    store(fit, "trd", tmp_path)
    before, after = ((folder / "trd.toml").read_text(encoding="utf-8").splitlines() for folder in (LIBRARY, tmp_path))
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert {b.split(" = ")[0] for _, b in changed} == {"value", "prior"}
    assert sum(b == "value = 1.234" for _, b in changed) == k
    assert all("se = 0.5, learned = 0.25" in b for _, b in changed if b.startswith("prior"))
    assert np.load(tmp_path / "trd.posterior.npz")["draws"].shape == (50, k)


def test_a_disorder_without_rows_is_refused() -> None:
    with pytest.raises(InvalidOption, match=r"'ptsd': no rows of trials to calibrate on.*trd"):
        clinical.calibrate_disorder("ptsd")
