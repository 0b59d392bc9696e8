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
    np.testing.assert_allclose(np.concatenate(steps), exact, rtol=1e-3)


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


@pytest.mark.parametrize("name", ["aws"])
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
