"""The course of care against a slow twin that follows one person at a time, and the laws of the store."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ketasim import library
from ketasim.clinical import Session, Store, TrialEffects, drawn_values, outcome, patients, rates

TRD = library.disorder("trd")


def slow_latent(
    t: float, arm: dict[str, float], sessions: list[tuple[float, float, float]], values: dict[str, float] | None = None
) -> float:
    """Latent improvement of the typical person, written out as the documentation prints it."""
    p = {name: float(value) for name, value in (values or TRD.typical()).items()}
    filled, last, added = 0.0, 0.0, 0.0
    for time, s, r in sessions:
        if time >= t:
            break
        drug, ref = s + p["wR"] * r, p["S_ref"] + p["wR"] * p["R_ref"]
        drive = drug / (drug + p["E50"]) * (ref + p["E50"]) / ref
        filled *= math.exp(-(time - last) / p["tau_off"])
        if drive > 0:
            added = (1 - math.exp(-p["lam"] * drive)) * (1 - filled)
            filled, arrival = filled + added, time
        last = time
    effect = 0.0
    if added:
        effect = (filled * math.exp(-(t - last) / p["tau_off"]) - added * math.exp(-(t - arrival) / p["tau_on"])) / (
            1 - math.exp(-p["lam"])
        )
    early = p["a_inert"] + arm["midazolam"] * p["a_mdz"] + arm["inpatient"] * p["a_soc"] + arm["open_label"] * p["a_ol"]
    late = arm["new_antidepressant"] * p["a_ad"] + arm["open_label"] * p["a_ols"]
    control = (
        early * (1 - math.exp(-t / p["t_fast"]))
        + late * (1 - math.exp(-t / p["tau_ad"]))
        + p["a_bump"] * math.exp(-t / p["t_bump"])
    )
    return control + p["g"] * effect * math.exp(-p["gamma"] * max(control, 0.0))


@pytest.mark.parametrize("control", list(TRD.controls))
def test_latent_is_that_of_a_slow_twin(control: str) -> None:
    given_ = [(0.0, 42.0, 44.0), (72.0, 0.0, 0.0), (168.0, 20.0, 0.0), (240.0, 60.0, 70.0)]
    visits = np.array([2.0, 24.0, 72.0, 100.0, 168.0, 200.0, 240.0, 500.0])
    sessions = [Session(t, np.array([s]), np.array([r])) for t, s, r in given_]
    arm = TRD.controls[control].switches
    found = outcome(TRD, arm, sessions, visits, patients(TRD, np.array([1]), 1, typical=True), TRD.typical())
    slow = [slow_latent(float(t), dict(arm), given_) for t in visits]
    # The same sums in another order: rounding only.
    np.testing.assert_allclose(found.latent[:, 0], slow, rtol=1e-12)


@given(st.lists(st.tuples(st.floats(1.0, 400.0), st.floats(0.0, 3.0)), min_size=1, max_size=12))
def test_store_stays_between_empty_and_full(sessions: list[tuple[float, float]]) -> None:
    p, store = TRD.typical(), Store.empty(1)
    time = 0.0
    for gap, drive in sessions:
        time += gap
        store = store.advance(time, p).session(np.array([drive]), p)
        assert 0.0 <= store.arriving[0] <= store.filled[0] < 1.0
        assert store.effect(p)[0] <= 1.0 / (1.0 - np.exp(-p["lam"]))


@given(st.floats(0.0, 500.0), st.floats(0.0, 500.0))
def test_advancing_twice_is_advancing_once(first: float, second: float) -> None:
    p = TRD.typical()
    store = Store.empty(1).session(np.array([1.0]), p)
    once = store.advance(first + second, p)
    twice = store.advance(first, p).advance(first + second, p)
    np.testing.assert_allclose((twice.filled, twice.arriving), (once.filled, once.arriving), rtol=1e-11, atol=1e-300)


@given(st.floats(-2.0, 6.0), st.floats(0.0, 3.0))
def test_drug_never_harms(control: float, drug: float) -> None:
    assert TRD.equations.combined(np.array([control]), np.array([drug]), TRD.typical())[0] >= control


def test_people_depend_on_their_id_alone() -> None:
    ids, p = np.arange(50), TRD.typical()
    sessions = [Session(0.0, np.full(50, 42.0), np.full(50, 44.0))]
    arm, visits = TRD.controls["midazolam"].switches, np.array([0.0, 24.0, 168.0])
    whole = outcome(TRD, arm, sessions, visits, patients(TRD, ids, 3), p)
    one = outcome(TRD, arm, [Session(0.0, np.array([42.0]), np.array([44.0]))], visits[[0, 2]], patients(TRD, ids[[7]], 3), p)
    assert np.array_equal(one.score[:, 0], whole.score[[0, 2], 7]), "neither others nor other visits change a person"
    assert np.array_equal(whole.score[0], whole.baseline)


def test_expected_effects_of_the_prototype() -> None:
    """The published sizes of the fit: -7 points at 24 h on an inert control at baseline 33, and its control arms."""
    n = 20_000
    entry = TRD
    people = patients(entry, np.arange(n), 1)
    visits = np.array([24.0])

    def change(control: str, dose: float) -> float:
        sessions = [Session(0.0, np.full(n, 42.0 * dose), np.full(n, 44.0 * dose))]
        return float(
            rates(entry, outcome(entry, entry.controls[control].switches, sessions, visits, people, entry.typical())).change[0]
        )

    placebo, drug = change("inert", 0.0), change("inert", 1.0)
    assert -7.0 < placebo < -4.0, "placebo arms of Daly, Chen and Singh: -5.7, -4.4, -3.8 at 24 h"
    assert -11.0 < drug - placebo < -6.0, "one session adds about 7 points at baseline 33, more at 37"


def test_draws_are_as_uncertain_as_their_entry_says() -> None:
    values = (drawn_values(TRD, k, 1) for k in range(2000))
    drawn = np.array([[v[name] for name in ("g", "a_mdz", "w0", "w1")] for v in values])
    log_g = np.log(drawn[:, 0])
    # 4 standard errors of an SD from 2000 draws: false alarm in 1 of 15,000.
    assert abs(log_g.std() / TRD.priors["g"].se - 1) < 4 / math.sqrt(4000)
    assert abs(drawn[:, 1].std() / TRD.priors["a_mdz"].se - 1) < 4 / math.sqrt(4000)
    assert np.corrcoef(np.log(drawn[:, 2]) if TRD.priors["w0"].form == "log" else drawn[:, 2], np.log(drawn[:, 3]))[0, 1] < -0.8


def test_trial_effects_move_every_person_of_the_trial() -> None:
    people, p, arm = patients(TRD, np.arange(5), 1), TRD.typical(), TRD.controls["inert"].switches
    base = outcome(TRD, arm, [], np.array([168.0]), people, p)
    moved = outcome(TRD, arm, [], np.array([168.0]), people, p, TrialEffects(early=0.3))
    np.testing.assert_allclose(moved.latent - base.latent, 0.3, atol=1e-12)
