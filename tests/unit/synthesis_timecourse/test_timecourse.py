"""Time courses and dose-response over arm means: known curves come back, hold-outs stay out, nonsense is refused."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

from ketasim.cli._app import app
from ketasim.errors import InvalidData, InvalidOption, UnknownEntry
from ketasim.synthesis import TimeCourseResult, dose_response, evidence_time_course, fit_time_course, read_time_course
from ketasim.synthesis._timecourse_draws import Role, draws, restricted
from ketasim.synthesis._timecourse_fit import Floats, Problem, maximise, profiled

K_ON, K_OFF, K_CONTROL, EFFECT, COURSE = 0.6, 0.012, 0.08, 12.0, 7.0
TIMES = (1.0, 4.0, 24.0, 72.0, 336.0)


def _truth(t: float, is_drug: bool) -> float:
    drug = EFFECT * (math.exp(-K_OFF * t) - math.exp(-K_ON * t)) if is_drug else 0.0
    return -COURSE * (1 - math.exp(-K_CONTROL * t)) - drug


def _trials(n_studies: int = 4, n: int = 400, seed: int = 20, noise: float = 1.0) -> list[dict[str, object]]:
    """Trials with a study-wise spread of 1 of the control course; residuals of one arm correlated by 0.5."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    for s in range(n_studies):
        shift = rng.normal(0, 1.0) * noise
        for name in ("placebo", "drug"):
            shared = rng.normal(0, 9 * math.sqrt(0.5 / n)) * noise
            for t in TIMES:
                change = _truth(t, name == "drug") - shift * (1 - math.exp(-K_CONTROL * t)) + shared
                change += rng.normal(0, 9 * math.sqrt(0.5 / n)) * noise
                rows.append({"study": f"s{s}", "treatment": name, "time_h": t, "n": n, "change": change, "sd": 9.0, "dose": 0.5})
    return rows


@lru_cache(maxsize=1)
def _fitted() -> TimeCourseResult:
    return fit_time_course(read_time_course(_trials()))


def test_known_curves_come_back() -> None:
    result = _fitted()
    effect = next(a for a in result.amplitudes if a["treatment"] == "drug")
    assert abs(effect["estimate"] - EFFECT) < 3 * effect["se"] < 3.0  # fixed seed; false alarm 0.3 % over seeds
    assert result.degrees_of_freedom == {"control": 3, "effect": 3}
    assert all(r.kind == "estimated" for r in result.rates.values())
    for name, truth in (("k_on", K_ON), ("k_off", K_OFF), ("k_control", K_CONTROL)):
        rate = result.rates[name]
        assert rate.low is not None and rate.high is not None
        assert rate.low < rate.estimate < rate.high
        assert rate.estimate == pytest.approx(truth, rel=0.35)
    for t in (4.0, 24.0, 72.0):  # accuracy, not coverage: three times the spread between studies over the root of their number
        assert float(result.curve("drug", [t])["estimate"].iloc[0]) == pytest.approx(_truth(t, True), rel=0, abs=3 / math.sqrt(4))


@pytest.mark.slow
def test_bands_cover_the_truth_with_four_studies() -> None:
    """Over 60 seeds, full likelihood with normal quantiles covers 92 % at these times, and all three in 83 % of seeds."""
    times = [4.0, 24.0, 72.0]
    truth = np.array([_truth(t, True) for t in times])
    is_in = []
    for seed in range(100, 116):
        band = fit_time_course(read_time_course(_trials(seed=seed))).curve("drug", times)
        is_in.append((band["ci_low"].to_numpy() < truth) & (truth < band["ci_high"].to_numpy()))
    assert np.mean(is_in) >= 0.94  # nominal 0.95, more here as the effect does not vary between studies; seeds are fixed
    assert np.mean(np.all(is_in, axis=1)) >= 0.9


def _studies(effects: Floats, variance: float) -> Problem:
    """One mean per study, of one treatment, at no shape."""
    one = np.ones((effects.size, 1))
    return Problem(effects, variance * np.eye(effects.size), lambda _: (one, (np.eye(effects.size),)), (), (), 1)


def test_restricted_likelihood_and_student_t_have_their_closed_form() -> None:
    effects = np.array([1.0, 3.5, 4.0, 8.0, 6.5])
    p, t = _studies(effects, 0.7), stats.t.ppf(0.975, 4)
    best = restricted(p, maximise(p, {}), ())
    assert best.omegas[0] ** 2 == pytest.approx(np.var(effects, ddof=1) - 0.7, rel=1e-3)  # optimiser's tolerance
    assert maximise(p, {}).omegas[0] ** 2 == pytest.approx(np.var(effects) - 0.7, rel=1e-3)
    half = float(t * np.std(effects, ddof=1) / math.sqrt(5))
    low, high = draws(p, best, (), [Role((0,), 4)], 1).interval(0, 0.95)
    assert (low, high) == pytest.approx(
        (effects.mean() - half, effects.mean() + half), rel=0, abs=0.05 * half
    )  # quasi-random draws
    low, high = draws(p, best, (), [Role((0,))], 1).interval(0, 0.95)
    assert high - low == pytest.approx(2 * half * stats.norm.ppf(0.975) / t, rel=0.02)


def test_intervals_cover_where_few_studies_tell_the_spread() -> None:
    rng, hits = np.random.default_rng(5), {"t": 0, "normal": 0}
    for _ in range(200):
        p = _studies(rng.normal(0, math.sqrt(1 + 0.1), 4), 0.1)
        best = restricted(p, maximise(p, {}), ())
        half = math.sqrt(float(best.cov[0, 0]))
        hits["t"] += abs(best.beta[0]) < stats.t.ppf(0.975, 3) * half
        hits["normal"] += abs(best.beta[0]) < stats.norm.ppf(0.975) * half
    assert 0.91 < hits["t"] / 200 < 0.985  # binomial, 0.95: false alarm 2 %
    assert hits["normal"] / 200 < 0.9


def test_draws_of_a_rate_follow_its_likelihood() -> None:
    """One rate, known amplitude in effect: the spread of the draws is that of the likelihood integrated on a grid."""
    t = np.array([1.0, 2.0, 4.0, 8.0])
    y, v = 10 * np.exp(-0.2 * t) + np.array([0.4, -0.3, 0.2, 0.1]), 0.25 * np.eye(4)
    p = Problem(y, v, lambda s: (np.exp(-np.exp(s[0]) * t)[:, None], ()), ("k",), ((-4.0, 1.0),), 0)
    drawn = draws(p, restricted(p, maximise(p, {}), (0,)), (0,), [Role((0,))], 3).shapes[:, 0]
    grid = np.linspace(-4, 1, 4001)
    weight = np.exp([-profiled(p, np.array([g]), np.zeros(0))[0] for g in grid])
    weight /= weight.sum()
    mean = float(grid @ weight)
    assert drawn.mean() == pytest.approx(mean, rel=0, abs=0.01)
    assert drawn.std() == pytest.approx(math.sqrt(float((grid - mean) ** 2 @ weight)), rel=0.05)


def test_degrees_of_freedom_are_studies_less_treatments() -> None:
    rows = [{"study": f"s{k}", "treatment": name, "time_h": 24.0, "n": 50, "change": change - k, "sd": 9.0, "dose": 1}
            for k in range(5) for name, change in (("placebo", -5.0), ("drug" if k < 3 else "other", -12.0))]  # fmt: skip
    result = fit_time_course(read_time_course(rows))
    assert result.degrees_of_freedom == {"control": 4, "effect": 3}
    each = [{**r, "treatment": f"drug{str(r['study'])[1]}"} if r["treatment"] != "placebo" else r for r in rows]
    alone = fit_time_course(read_time_course(each))
    assert alone.degrees_of_freedom == {"control": 4, "effect": None} and alone.omegas["effect"] is None
    assert any("for these studies only" in note for note in alone.notes)


def test_a_rate_at_the_end_that_the_data_ask_for_stays_there() -> None:
    """No decline at all: the slowest one, and not an onset taken for granted."""
    steady = [{"study": s, "treatment": name, "time_h": t, "n": 4000, "sd": 9.0, "change": -6.0 * (name == "drug") * (1 - math.exp(-0.01 * t))}
              for s in ("a", "b") for name in ("placebo", "drug") for t in (1.0, 24.0, 168.0, 336.0)]  # fmt: skip
    result = fit_time_course(read_time_course(steady))
    assert result.rates["k_off"].half_time_h > 336
    assert result.rates["k_on"].estimate == pytest.approx(0.01, rel=0.35)


def test_noiseless_curves_are_exact() -> None:
    result = fit_time_course(read_time_course(_trials(2, noise=0.0)))
    values = result.curve("drug", TIMES)["estimate"]
    assert np.asarray(values) == pytest.approx([_truth(t, True) for t in TIMES], rel=0, abs=0.02)  # optimiser's tolerance
    assert result.omegas["control"] == pytest.approx(0.0, abs=0.05)


def test_order_of_rows_does_not_matter() -> None:
    rows = _trials(2)
    first = fit_time_course(read_time_course(rows))
    random.Random(4).shuffle(rows)
    assert fit_time_course(read_time_course(rows)).as_dict() == first.as_dict()


def test_scale_of_the_change_only_scales_the_amplitudes() -> None:
    rows = _trials(2)
    double = [{**r, "change": 2 * float(str(r["change"])), "sd": 18.0} for r in rows]
    one, two = (fit_time_course(read_time_course(x)) for x in (rows, double))
    assert two.amplitudes[1]["estimate"] == pytest.approx(2 * one.amplitudes[1]["estimate"], rel=5e-3)
    assert two.rates["k_off"].estimate == pytest.approx(one.rates["k_off"].estimate, rel=5e-3)


def test_one_time_cannot_tell_a_rate() -> None:
    rows = [r for r in _trials() if r["time_h"] == 24.0]
    result = fit_time_course(read_time_course(rows))
    assert {r.kind for r in result.rates.values()} == {"assumed"}
    assert all("not identified" in r.why for r in result.rates.values())
    changes = {name: np.mean([float(str(r["change"])) for r in rows if r["treatment"] == name]) for name in ("drug", "placebo")}
    row = result.curve("drug", [24.0], effect=True).iloc[0]
    assert row["estimate"] == pytest.approx(changes["drug"] - changes["placebo"], abs=1e-3)  # what a meta-analysis of means gives


def test_one_control_arm_over_time_and_no_drug() -> None:
    rows = [r for r in _trials(1) if r["treatment"] == "placebo"]
    result = fit_time_course(read_time_course(rows))
    assert result.treatments == ("placebo",)
    assert result.omegas == {"control": None, "effect": None}
    assert result.rates["k_on"].kind == "assumed"


def test_held_out_rows_never_enter_a_fit() -> None:
    data = evidence_time_course()
    assert data.held_out
    changed = replace(data, rows=tuple(replace(r, change=r.change - 30, n=9999.0) if r.holdout else r for r in data.rows))
    one, two = fit_time_course(data), fit_time_course(changed)
    same = ("amplitudes", "rates", "effects", "between_study_sd", "log_likelihood", "sd_where_missing")
    assert {k: one.as_dict()[k] for k in same} == {k: two.as_dict()[k] for k in same}
    assert [s.predicted for s in one.scores] == [s.predicted for s in two.scores]
    first = next(k for k, s in enumerate(one.scores) if s.error is not None)
    assert two.scores[first].error == pytest.approx(float(one.scores[first].error or 0) + 30)


def test_evidence_rows_are_arms_after_one_dose() -> None:
    data = evidence_time_course()
    studies = {r.study for r in data.fitted}
    assert "Murrough2013" in studies and "Daly2018 (period 2)" in studies
    assert not any("pooled" in r.study for r in data.rows)
    assert not any(r.study.startswith("Lii2023") for r in data.rows)  # given during anaesthesia
    assert any(r.study.startswith("Lii2023") for r in evidence_time_course(anaesthesia=True).fitted)
    assert max(r.time_h for r in data.rows if r.study.startswith("Daly2018")) <= 48  # second dose
    murrough = next(r for r in data.rows if r.arm == "ketamine_0.5")
    assert (murrough.change, murrough.n, murrough.time_h) == (-16.5, 47.0, 24.0)


def _doses(ed50: float = 0.3, emax: float = 11.0, doses: tuple[float, ...] = (0.1, 0.2, 0.5, 1.0)) -> list[dict[str, object]]:
    rng = np.random.default_rng(11)
    rows: list[dict[str, object]] = []
    for s in range(6):
        base = rng.normal(-7, 2)
        for d in (0.0, *doses):
            change = base - emax * d / (ed50 + d) + rng.normal(0, 9 / math.sqrt(400))
            rows.append({"study": f"s{s}", "treatment": "drug" if d else "placebo", "dose": d, "time_h": 24.0, "n": 400, "change": change,
                         "sd": 9.0})  # fmt: skip
    return rows


def test_emax_comes_back_and_beats_linear() -> None:
    result = dose_response(read_time_course(_doses()), "drug")
    assert result.best is not None and result.best.name == "emax"
    found = {p["name"]: p for p in result.best.parameters}
    assert found["ED50"]["ci_low"] < 0.3 < found["ED50"]["ci_high"]
    assert found["Emax"]["ci_low"] < 11.0 < found["Emax"]["ci_high"]
    assert result.models["linear"].aic > result.best.aic + 4


@pytest.mark.parametrize(("truth", "model"), [(lambda d: 7.0, "flat"), (lambda d: 9.0 * d, "linear")])
def test_flat_and_linear_come_back(truth: Callable[[float], float], model: str) -> None:
    rows = [{**r, "change": float(str(r["change"])) + 11.0 * d / (0.3 + d) - (truth(d) if d else 0.0)}
            for r in _doses() for d in [float(str(r["dose"]))]]  # fmt: skip
    result = dose_response(read_time_course(rows), "drug")
    assert result.best is not None and result.best.name == model
    found = result.best.parameters[0]
    assert found["ci_low"] < truth(1.0) < found["ci_high"] and found["se"] < 0.5
    worse = {"flat": "linear", "linear": "flat"}[model]
    assert result.models[worse].aic > result.best.aic + 10
    if model == "flat":
        assert result.models["emax"].parameters[1]["ci_low"] is None  # any ED50 below the doses does


def test_doses_in_another_unit_are_left_out() -> None:
    rows = [{**r, "dose_unit": "mg/kg" if r["study"] != "s0" else "mg"} for r in _doses()]
    result = dose_response(read_time_course(rows), "drug")
    assert result.unit == "mg/kg" and "s0" not in {r.study for r in result.rows}
    assert any("s0 (0.1 mg)" in note for note in result.notes)


def test_one_dose_is_not_enough() -> None:
    result = dose_response(read_time_course(_doses(doses=(0.5,))), "drug")
    assert set(result.models) == {"flat"}
    assert "not enough data" in result.not_fitted["emax"] and "0.5" in result.not_fitted["emax"]
    none = dose_response(read_time_course(_doses()), "drug", window_h=(1.0, 2.0))
    assert none.best is None and none.contrasts == () and len(none.not_fitted) == 3


def test_held_out_doses_are_scored_not_fitted() -> None:
    rows = [*_doses(), *({**r, "study": "later", "change": -40.0, "holdout": True} for r in _doses()[:2])]
    result, plain = (dose_response(read_time_course(x), "drug") for x in (rows, _doses()))
    assert {n: m.aic for n, m in result.models.items()} == {n: m.aic for n, m in plain.models.items()}
    assert result.scores[0].row.change == 0.0  # difference from the control of its own study


@pytest.mark.parametrize(
    ("change", "says"),
    [({"n": 0}, "patients, 1 or more"), ({"time_h": 0}, "hours after the first dose"), ({"sd": -1}, "above 0"),
     ({"change": ""}, "a number"), ({"time_h": 1.0, "treatment": "drug"}, "a value at 1 h already"), ({"holdout": "maybe"}, "true or false"), ({"treatment": "Placebo"}, "one treatment in one way")],
)  # fmt: skip
def test_bad_cells_are_named(change: dict[str, object], says: str) -> None:
    rows = [{**r, "holdout": "false"} for r in _trials(1)]
    with pytest.raises(InvalidData, match=says):
        read_time_course([*rows[: len(TIMES) + 1], {**rows[-1], **change}])


def test_too_little_is_refused() -> None:
    rows = _trials(1)
    with pytest.raises(InvalidData, match="no column 'change'"):
        read_time_course([{k: v for k, v in r.items() if k != "change"} for r in rows])
    with pytest.raises(InvalidData, match="1 arm means to fit"):
        fit_time_course(read_time_course(rows[:1]))
    with pytest.raises(InvalidData, match="no arm has an SD"):
        fit_time_course(read_time_course([{k: v for k, v in r.items() if k != "sd"} for r in rows]))
    with pytest.raises(InvalidOption, match="correlation"):
        fit_time_course(read_time_course(rows), correlation=1.0)
    with pytest.raises(InvalidOption, match="no outcomes on it"):
        evidence_time_course(scale="madras")
    with pytest.raises(UnknownEntry, match="Close: 'drug'"):
        _fitted().curve("drugs", [24.0])


def test_command_line(tmp_path: Path) -> None:
    import pandas as pd

    file, figure = tmp_path / "arms.csv", tmp_path / "course.png"
    pd.DataFrame([r for r in _trials(3) if r["time_h"] in (4.0, 24.0, 72.0)]).to_csv(file, index=False)
    done = CliRunner().invoke(app, ["synthesize", "timecourse", "--data", str(file), "--figure", str(figure), "--json"])
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert {a["treatment"] for a in answer["amplitudes"]} == {"drug", "placebo"}
    assert answer["n_rows"] == 18 and figure.stat().st_size > 5000
    doses = CliRunner().invoke(app, ["synthesize", "dose-response", "--json", "--figure", str(tmp_path / "dose.png")])
    assert doses.exit_code == 0, doses.output
    answer = json.loads(doses.stdout)
    assert answer["best"] == "flat" and "not enough data" in answer["not_fitted"]["emax"]
    own = CliRunner().invoke(app, ["synthesize", "dose-response", "--data", str(file), "--json"])  # its one treatment
    assert own.exit_code == 0 and json.loads(own.stdout)["drug"] == "drug"
    wrong = CliRunner().invoke(app, ["synthesize", "dose-response", "--treatment", "esketamine nasl"])
    assert wrong.exit_code != 0
