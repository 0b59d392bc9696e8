"""Time courses and dose-response over arm means: known curves come back, hold-outs stay out, nonsense is refused."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ketasim.cli._app import app
from ketasim.errors import InvalidData, InvalidOption, UnknownEntry
from ketasim.synthesis import TimeCourseResult, dose_response, evidence_time_course, fit_time_course, read_time_course

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
    assert all(r.kind == "estimated" for r in result.rates.values())
    for name, truth in (("k_on", K_ON), ("k_off", K_OFF), ("k_control", K_CONTROL)):
        rate = result.rates[name]
        assert rate.low is not None and rate.high is not None
        assert rate.low < truth < rate.high
        assert rate.estimate == pytest.approx(truth, rel=0.35)
    for t in (4.0, 24.0, 72.0):
        row = result.curve("drug", [t]).iloc[0]
        assert row["ci_low"] < _truth(t, True) < row["ci_high"]


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
    assert not any(r.study.startswith("Lii2023") for r in data.rows)  # its arms are recalled
    assert any(r.study.startswith("Lii2023") for r in evidence_time_course(recalled_arms=True).fitted)
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
     ({"change": ""}, "a number"), ({"time_h": 1.0, "treatment": "drug"}, "a value at 1 h already"), ({"holdout": "maybe"}, "true or false")],
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
    wrong = CliRunner().invoke(app, ["synthesize", "dose-response", "--treatment", "esketamine nasl"])
    assert wrong.exit_code != 0
