"""Withdrawal: its equation against a solver, its natural course against what textbooks and the design print, and what eases it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from ketasim import library
from ketasim.clinical import Activity, Session, drawn_values, outcome, patients
from ketasim.library.disorder.withdrawal import faded

N = 2000
IDS = np.arange(N)


def _run(name: str, control: str, visits, *, activities=(), policies=(), occupied: float = 0.0, n: int = N, **numbers: float):
    entry = library.disorder(name)
    people = patients(entry, IDS[:n], 1)
    sessions = [Session(0.0, np.full(n, 42.0), np.full(n, 44.0))] if occupied else []
    return outcome(
        entry, entry.controls[control].switches, sessions, np.asarray(visits, float), people,
        entry.typical() | {k: np.float64(v) for k, v in numbers.items()}, activities=activities, policies=policies,
        occupancy=lambda time, level: np.full(n, occupied if time > 0 else 0.0),
    )  # fmt: skip


def test_adaptation_and_rebound_are_those_of_a_solver() -> None:
    tau_n, tau_r = np.array([60.0, 35.0]), np.array([14.0, 9.0])

    def gone(t: float):
        return np.minimum(np.array([0.1, 0.3]) * t, 1.0)

    steps = faded(np.ones(2), np.zeros(2), gone, 96.0, tau_n, tau_r)

    def rates(t: float, y):
        n, r = y[:2], y[2:]
        return np.concatenate([-n * gone(t) / tau_n, (n * gone(t) - r) / tau_r])

    exact = solve_ivp(rates, (0.0, 96.0), [1, 1, 0, 0], rtol=1e-10, atol=1e-12, max_step=0.5).y[:, -1]
    np.testing.assert_allclose(np.concatenate(steps), exact, rtol=4e-3)  # the step over which ethanol ends


def test_untreated_alcohol_withdrawal_has_the_course_of_textbooks() -> None:
    """Begins 6 to 24 h after the last drink, is worst at 24 to 72 h, is over in 5 to 7 days; the design: peak 28 (11 to 55) at 32 h (24 to 44)."""
    hours = np.arange(0.0, 240.0, 2.0)
    score = _run("aws", "from_last_drink", hours).score
    peak, at = score.max(axis=0), hours[score.argmax(axis=0)]
    np.testing.assert_allclose(np.quantile(peak, [0.05, 0.5, 0.95]), [11, 28, 55], atol=2.0)
    np.testing.assert_allclose(np.quantile(at, [0.05, 0.5, 0.95]), [24, 32, 44], atol=2.5)
    ill = score >= 8
    first = np.where(ill.any(axis=0), hours[ill.argmax(axis=0)], np.nan)
    last = np.where(ill.any(axis=0), hours[len(hours) - 1 - ill[::-1].argmax(axis=0)], np.nan)
    assert 6 <= np.nanmedian(first) <= 24
    assert 120 <= np.nanmedian(last) <= 168


def test_care_begins_at_the_score_people_come_with_and_goes_on_as_from_the_last_drink() -> None:
    late = _run("aws", "supportive", [0.0, 24.0, 72.0])
    np.testing.assert_allclose(late.score[0], late.baseline, rtol=1e-9)
    assert abs(float(late.baseline.mean()) - 27.0) < 2.0
    early = _run("aws", "from_last_drink", [0.0, 24.0, 48.0, 96.0])
    assert early.baseline.max() == 0.0
    # Who has the same score 24 h after the last drink has, on average, the same two days later.
    near = np.abs(early.score[1] - 27.0) < 2.0
    same = np.abs(late.score[0] - 27.0) < 2.0
    assert abs(float(early.score[3][near].mean()) - float(late.score[2][same].mean())) < 1.5


@pytest.mark.parametrize("name", ["aws", "oud"])
def test_block_eases_withdrawal_while_it_lasts_and_by_kappa(name: str) -> None:
    control = next(iter(library.disorder(name).controls))
    visits = [0.0, 12.0]
    none, half, full = (
        _run(name, control, visits, occupied=share, kappa=kappa).score[1] for share, kappa in ((0.0, 0.5), (0.4, 0.5), (0.4, 1.0))
    )
    assert (full < half).all() and (half < none).all()
    drawn = [drawn_values(library.disorder(name), k, 1) for k in range(400)]
    kappas = np.array([float(p["kappa"]) for p in drawn])
    # A logit-normal of SD 1.8 is nearly uniform: its quartiles are within a twentieth of those.
    np.testing.assert_allclose(np.quantile(kappas, [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.08)
    nothing = next(p for p in drawn if p["rho"] == 0.0)
    np.testing.assert_array_equal(
        _run(name, control, visits, occupied=0.4, rho=0.0, kappa=float(nothing["kappa"])).score[1], none
    )


def test_diazepam_eases_by_what_is_in_the_body() -> None:
    """After 60 mg at once a median person has half of the withdrawal; by the score's own curve."""
    given = _run("aws", "supportive", [0.0, 1.0], activities=[Activity(0.0, "benzodiazepine", 6.0)], n=400, spread_Z50=0.0)
    plain = _run("aws", "supportive", [0.0, 1.0], n=400)
    withdrawal = [-np.log1p(-found.score[1] / 67.0) for found in (given, plain)]
    assert float(np.median(withdrawal[0] / withdrawal[1])) == pytest.approx(60 / (60 + 60 * np.exp(-1 / 52)), rel=2e-3)
    assert (given.readings["diazepam"][1] == 60.0).all()


@pytest.mark.parametrize(
    ("control", "hours", "low", "high"),
    [("from_last_use", 31, 24, 72), ("from_last_fentanyl", 45, 24, 72), ("from_last_methadone", 72, 48, 96)],
)
def test_untreated_opioid_withdrawal_peaks_by_half_life(control: str, hours: float, low: float, high: float) -> None:
    """Hours of the peak as the design prints them, and as descriptions give them; after heroin a peak of 25 points (13 to 39)."""
    times = np.arange(0.0, 336.0, 3.0)
    score = _run("oud", control, times, l0=0.0).score
    at = float(np.median(times[score.argmax(axis=0)]))
    assert abs(at - hours) <= 6.0 and low <= at <= high
    if control == "from_last_use":
        np.testing.assert_allclose(np.quantile(score.max(axis=0), [0.05, 0.5, 0.95]), [13, 25, 39], atol=2.5)
        assert float(np.median(score[times == 240.0])) < 5.0, "over by day 10"


def test_use_after_discharge_is_that_of_two_follow_ups() -> None:
    """The design: 44 % (30 to 63) used in a week (59 % relapsed), 87 % (71 to 98) in six weeks (71 %), 50 % (32 to 68) abstinent at six months (45 %)."""
    week = 168.0
    found = _run("oud", "supportive", [0.0, 2 * week, 7 * week, week + 180 * 24.0]).readings
    used, using = found["used"].mean(axis=1), found["using"].mean(axis=1)
    assert 0.30 < used[1] < 0.63 and 0.59 < used[2] < 0.98 and 0.32 < 1.0 - using[3] < 0.68
    kept = _run(
        "oud", "supportive", [0.0, week + 30 * 24.0], activities=[Activity(24.0 * k, "buprenorphine", 1.0) for k in range(40)]
    )
    assert float(kept.readings["used"][1].mean()) < 0.6 * float(
        _run("oud", "supportive", [0.0, week + 30 * 24.0]).readings["used"][1].mean()
    )


def test_antagonist_and_early_buprenorphine_precipitate_and_late_buprenorphine_relieves() -> None:
    def at(control: str, given: list[Activity], hours: list[float]):
        return _run("oud", control, hours, activities=given, n=400).score.mean(axis=1)

    plain, naloxone, early = (
        at("from_last_use", given, [0.0, 1.0, 1.5, 12.0])
        for given in ([], [Activity(1.0, "naloxone", 4.0)], [Activity(0.5, "buprenorphine", 1.0)])
    )
    assert naloxone[2] > plain[2] + 10 and early[2] > plain[2] + 2, "precipitated"
    assert abs(naloxone[3] - plain[3]) < 2.0, "naloxone leaves within hours"
    late = at("supportive", [Activity(0.0, "buprenorphine", 1.0)], [0.0, 2.0])
    assert late[1] < 0.6 * late[0], "relieved"
