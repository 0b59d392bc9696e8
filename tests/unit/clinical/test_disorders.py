"""The other disorders against the sizes their design printed (5 to 95 %), and laws that hold for all of them."""

from __future__ import annotations

import numpy as np
import pytest

from ketasim import library
from ketasim.clinical import Activity, Course, Session, drawn_values, outcome, patients

NAMES = [one.id for one in library.disorders()]
N = 3000
IDS = np.arange(N)


def _run(name: str, control: str, times: list[float], visits: list[float], activities=(), *, dose: float = 1.0):
    entry = library.disorder(name)
    sessions = [Session(t, np.full(N, 42.0 * dose), np.full(N, 44.0 * dose)) for t in times]
    return outcome(
        entry,
        entry.controls[control].switches,
        sessions,
        np.array(visits),
        patients(entry, IDS, 1),
        entry.typical(),
        activities=activities,
    )


def _change(found, visit: int) -> float:
    return float((found.score[visit] - found.baseline).mean())


@pytest.mark.parametrize(
    ("name", "control", "hours", "low", "high"),
    [
        ("bipolar", "saline", 24.0, -12.7, -4.6),
        ("ptsd", "midazolam", 24.0, -17.0, -1.0),
        ("ocd", "saline", 24.0, -9.4, 0.0),
        ("ocd", "saline", 168.0, -6.0, 0.0),
    ],
)
def test_one_infusion_has_the_size_of_the_design(name: str, control: str, hours: float, low: float, high: float) -> None:
    """Ketamine 0.5 mg/kg against control, points of the first scale."""
    drug, none = (_run(name, control, times, [0.0, hours]) for times in ([0.0], []))
    assert low < _change(drug, 1) - _change(none, 1) < high


def test_mania_comes_as_often_as_the_design_says_and_stabilisers_lower_it() -> None:
    month = [0.0, 672.0]
    with_, without = (
        _run("bipolar", control, [0.0, 168.0, 336.0, 504.0], month).happened["mania"] for control in ("saline", "no_stabiliser")
    )
    share, unstable = (np.isfinite(at).mean() for at in (with_, without))
    assert 0.017 < share < 0.14, "1.7 to 14 % in four weeks"
    assert unstable > 1.4 * share
    assert np.nanmin(with_) >= 0.0 and np.nanmax(with_) <= 672.0


def test_exposure_is_learned_and_adds_to_the_drug() -> None:
    exposure = [Activity(24.0 + 168.0 * k, "exposure") for k in range(8)]
    visits = [0.0, 1344.0]
    both, alone, none = (
        _change(_run("ptsd", "midazolam", times, visits, done), 1)
        for times, done in (([0.0, 168.0, 336.0], exposure), ([], exposure), ([], []))
    )
    assert both < alone < none
    learned = _run("ptsd", "midazolam", [], visits, exposure).readings["learned"][1]
    np.testing.assert_allclose(learned, 1.0 - (1.0 - 0.15) ** 8, rtol=1e-12)


def test_ocd_relief_is_early_and_only_the_visual_scale_sees_it() -> None:
    found = _run("ocd", "saline", [0.0], [0.0, 2.0, 72.0])
    none = _run("ocd", "saline", [], [0.0, 2.0, 72.0])
    early, late = (float((none.others["ocd_vas"][k] - found.others["ocd_vas"][k]).mean()) for k in (1, 2))
    assert early > late > 0.0
    assert float(found.readings["acute"][2].max()) < 1e-6


def test_days_abstinent_over_half_a_year() -> None:
    """The design: 86 % (79-92) with ketamine and therapy, 74 % (63-85) with saline and education."""
    half_year = [0.0, 180 * 24.0]
    therapy = [Activity(24.0 + 96.0 * k, "therapy") for k in range(7)]
    education = [Activity(24.0 + 96.0 * k, "education") for k in range(7)]
    best = _run("aud", "saline", [0.0, 168.0, 336.0], half_year, therapy).readings["days_abstinent"][1].mean()
    least = _run("aud", "saline", [], half_year, education).readings["days_abstinent"][1].mean()
    assert 0.60 < least < best < 0.92


@pytest.mark.parametrize("name", NAMES)
def test_without_gain_the_drug_does_nothing_lasting(name: str) -> None:
    entry = library.disorder(name)
    p = entry.typical() | {"rho": np.float64(0.0)}
    course = Course(entry, next(iter(entry.controls.values())).switches, patients(entry, IDS[:5], 1), p)
    start = course.start()
    treated = course.advance(course.treat(start, np.full(5, 42.0), np.full(5, 44.0)), 240.0)
    plain = course.advance(start, 240.0)
    for scale, points in course.scores(plain)[0].items():
        np.testing.assert_allclose(course.scores(treated)[0][scale], points, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_draws_leave_a_chance_of_none_and_share_the_store(name: str) -> None:
    entry, depression = library.disorder(name), library.disorder("trd")
    assert entry.numbers["lam"] == depression.numbers["lam"]
    gains = np.array([drawn_values(entry, k, 1)["rho"] for k in range(600)])
    chance = float(entry.numbers["null"].value)
    # 600 draws: four standard errors.
    assert abs((gains == 0.0).mean() - chance) < 4 * np.sqrt(chance * (1 - chance) / 600) + 1e-9
    assert entry.grade and entry.notes and "rho" in entry.numbers


@pytest.mark.parametrize("name", NAMES)
def test_every_disorder_runs_streams_and_says_how_sure(name: str) -> None:
    import ketasim

    options = {"disorder": name, "n": 6, "seed": 2, "visits": [0.0, 24.0, 168.0]}
    kept = ketasim.simulate(dosing="0.5 mg/kg racemic ketamine iv over 40 min", draws=2, **options)
    streamed = ketasim.simulate(dosing="0.5 mg/kg racemic ketamine iv over 40 min", stream=True, chunk=4, **options)
    for measure in kept["visit"].data_vars:
        np.testing.assert_allclose(streamed["visit"][measure], kept["visit"][measure], rtol=1e-6, atol=1e-9, err_msg=str(measure))
    assert kept.attrs["grade"] and kept["draws_visit"].sizes["draw"] == 2
