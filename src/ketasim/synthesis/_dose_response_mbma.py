"""Dose-response of the effect against control at one time after one dose: Emax, linear and flat, compared by AIC.

Arms of one drug by one route over studies with an intercept of their own, so that only differences within a study count.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ketasim.arguments import checked
from ketasim.errors import InvalidOption
from ketasim.synthesis._timecourse import Score, residual_covariance, score_row, sd_where_missing
from ketasim.synthesis._timecourse_data import ArmMean, TimeCourseData
from ketasim.synthesis._timecourse_draws import Draws, Role, central, draws, restricted
from ketasim.synthesis._timecourse_fit import Floats, Optimum, Problem, maximise, profile_interval

if TYPE_CHECKING:
    import pandas as pd

DOSE_MODELS = ("flat", "linear", "emax")
#: Different doses above 0 that a model needs.
_NEEDS = {"flat": 1, "linear": 2, "emax": 3}


@dataclass(frozen=True)
class DoseModel:
    """One fitted dose-response model.

    Attributes
    ----------
    parameters : rows with name, estimate, se, ci_low, ci_high (None where the data set no limit) and a remark. omega : between-study
        standard deviation of the effect by restricted likelihood; None where fewer than three studies. degrees_of_freedom : of
        Student t, studies less one; None where intervals are normal, as there is no such spread. aic : by maximum likelihood.
    """

    name: str
    parameters: tuple[dict[str, Any], ...]
    omega: float | None
    degrees_of_freedom: int | None
    log_likelihood: float
    aic: float
    _optimum: Optimum = field(repr=False)
    _studies: int = field(repr=False)
    _draws: Draws = field(repr=False)

    def curve(self, doses: Sequence[float] | Floats, *, level: float = 0.95) -> pd.DataFrame:
        """Effect against control by dose (below 0 is better) with its band, drawn from the likelihood."""
        import pandas as pd

        d, o = np.asarray(doses, dtype=float), self._optimum
        curves = -self._draws.beta[:, self._studies, None] * dose_function(self.name, self._draws.shapes.T[..., None], d)
        low, high = central(curves, level)
        value = -o.beta[self._studies] * dose_function(self.name, o.shapes, d)
        return pd.DataFrame({"dose": d, "estimate": value, "ci_low": low, "ci_high": high})


@dataclass(frozen=True)
class DoseResponse:
    """Dose-response of one drug, or why there is none.

    Attributes
    ----------
    models : by name, those the data allow. not_fitted : name -> reason. rows : arm means used. contrasts : difference from the
        control arm of the study, by dose, with se. scores : held-out differences from control. notes : what was assumed.
    """

    label: str
    scale: str
    unit: str
    window_h: tuple[float, float]
    rows: tuple[ArmMean, ...]
    contrasts: tuple[dict[str, Any], ...]
    models: Mapping[str, DoseModel]
    not_fitted: Mapping[str, str]
    scores: tuple[Score, ...]
    notes: tuple[str, ...]
    level: float

    @property
    def best(self) -> DoseModel | None:
        """Lowest AIC; None where nothing could be fitted."""
        return min(self.models.values(), key=lambda m: m.aic) if self.models else None

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        models = [{"model": m.name, "parameters": [dict(p) for p in m.parameters], "between_study_sd": m.omega, "degrees_of_freedom": m.degrees_of_freedom,
                   "log_likelihood": m.log_likelihood, "aic": m.aic} for m in self.models.values()]  # fmt: skip
        return {
            "drug": self.label, "scale": self.scale, "dose_unit": self.unit, "window_h": list(self.window_h), "models": models,
            "best": self.best.name if self.best else None, "not_fitted": dict(self.not_fitted), "contrasts": [dict(c) for c in self.contrasts],
            "holdout": [score_row(s) for s in self.scores], "notes": list(self.notes), "level": self.level,
        }  # fmt: skip


def dose_function(name: str, shapes: Floats, d: Floats) -> Floats:
    """Effect per unit of its amplitude: 1 (flat), dose (linear), dose / (ED50 + dose) (emax, log ED50 the shape); 0 at dose 0."""
    if name == "flat":
        return (d > 0).astype(float)
    return d if name == "linear" else d / (np.exp(shapes[0]) + d)


@checked
def dose_response(
    data: TimeCourseData, treatment: str, *, window_h: tuple[float, float] = (20.0, 28.0), level: float = 0.95,
    correlation: float = 0.5, seed: int = 1,
) -> DoseResponse:  # fmt: skip
    """Dose-response of the effect against control about one time after one dose.

    Parameters
    ----------
    data : arm means with doses; every study may bring a control arm (dose 0), several doses, or both. treatment : whose doses.
    window_h : times that count; of an arm with several, the one nearest to the middle. Doses
        in another unit than most are left out, and named. level : of the intervals.
    seed : of the draws behind them.

    Notes
    -----
    change = a_s - (effect + e_s) f(dose): a_s an intercept of the study, e_s normal between studies where three or more tell it;
    its spread comes from restricted likelihood, and intervals from Student t with studies less one degrees of freedom.
    Held-out arms are scored on their difference from the control arm of their study and never fitted. Too few doses for a model is an
    answer with its reason, not an error.

    Raises
    ------
    InvalidOption: window or level out of range.
    """
    if not 0 < window_h[0] <= window_h[1] or not 0 < level < 1:
        raise InvalidOption(
            f"window {window_h[0]:g} to {window_h[1]:g} h, level {level:g}: need 0 < from <= to and 0 < level < 1."
        )
    chosen, unit, unit_note = _one_unit(_in_window(data.rows, treatment, window_h))
    rows = _informative(tuple(r for r in chosen if not r.holdout))
    doses = sorted({r.dose for r in rows if not r.control})
    models: dict[str, DoseModel] = {}
    reasons: dict[str, str] = {}
    contrasts: tuple[dict[str, Any], ...] = ()
    notes = unit_note
    v = np.zeros((0, 0))
    if rows:
        sd, sd_note = sd_where_missing(data.fitted, rows)
        notes = (*notes, *sd_note)
        v = residual_covariance(rows, sd, correlation)
        contrasts = _contrasts(rows, v)
    for name in DOSE_MODELS:
        if len(doses) < _NEEDS[name]:
            shown = ", ".join(f"{d:g}" for d in doses) or "none"
            reasons[name] = (f"not enough data: {_NEEDS[name]} different doses of {treatment} compared within studies are needed between "
                             f"{window_h[0]:g} and {window_h[1]:g} h; there are {len(doses)} ({shown}).")  # fmt: skip
        else:
            models[name] = _fit(name, rows, v, level, seed)
    result = DoseResponse(treatment, data.scale, unit or data.unit, window_h, rows, contrasts, models, reasons, (), notes, level)
    return replace(result, scores=_scores(result, [r for r in chosen if r.holdout]))


def _in_window(rows: Sequence[ArmMean], treatment: str, window: tuple[float, float]) -> tuple[ArmMean, ...]:
    middle = sum(window) / 2
    nearest: dict[tuple[str, str, bool], ArmMean] = {}
    for r in rows:
        if not (r.control or r.treatment == treatment) or not window[0] <= r.time_h <= window[1] or math.isnan(r.dose):
            continue
        key = (r.study, r.arm, r.holdout)
        if key not in nearest or abs(r.time_h - middle) < abs(nearest[key].time_h - middle):
            nearest[key] = r
    return tuple(nearest[k] for k in sorted(nearest))


def _one_unit(rows: tuple[ArmMean, ...]) -> tuple[tuple[ArmMean, ...], str, tuple[str, ...]]:
    """Rows whose dose is in the commonest unit (of arms; the first by name if equal), that unit, and a sentence on the rest."""
    units = sorted(r.dose_unit for r in rows if not r.control)
    unit = max(sorted(set(units)), key=units.count, default="")
    other = [r for r in rows if not r.control and r.dose_unit != unit]
    note = (f"Doses are in {unit or 'no unit'}; {len(other)} arm means in another unit left out: "
            + ", ".join(f"{r.study} ({r.dose:g} {r.dose_unit or 'without unit'})" for r in other) + ".",) if other else ()  # fmt: skip
    return tuple(r for r in rows if r not in other), unit, note


def _informative(rows: tuple[ArmMean, ...]) -> tuple[ArmMean, ...]:
    """Studies with an arm of the drug and a second arm at another dose; the rest says nothing about doses."""
    doses: dict[str, set[float]] = {}
    for r in rows:
        doses.setdefault(r.study, set()).add(r.dose)
    return tuple(r for r in rows if len(doses[r.study]) > 1)


def _fit(name: str, rows: Sequence[ArmMean], v: Floats, level: float, seed: int) -> DoseModel:
    studies = sorted({r.study for r in rows})
    d = np.array([r.dose for r in rows])
    member = np.array([[r.study == s for s in studies] for r in rows], dtype=float)
    has_random = len({r.study for r in rows if not r.control}) >= 3

    def build(shapes: Floats) -> tuple[Floats, tuple[Floats, ...]]:
        f = -dose_function(name, shapes, d)[:, None]
        return np.hstack([member, f]), ((f * member,) if has_random else ())

    above = sorted(set(d[d > 0]))
    bounds = ((math.log(above[0] / 100), math.log(above[-1] * 20)),) if name == "emax" else ()
    problem = Problem(np.array([r.change for r in rows]), v, build, ("ED50",) if bounds else (), bounds, int(has_random))
    most = maximise(problem, {}, (0.2, 0.5, 0.8))
    free = tuple(range(len(bounds)))
    best = restricted(problem, most, free)
    df = len({r.study for r in rows if not r.control}) - 1 if has_random else None
    drawn = draws(problem, best, free, [Role((len(studies),), df or math.inf)], seed)
    return DoseModel(
        name, tuple(_parameters(name, problem, best, drawn, len(studies), level)), float(best.omegas[0]) if has_random else None, df,
        best.log_likelihood, 2 * best.n_parameters - 2 * best.log_likelihood, best, len(studies), drawn,
    )  # fmt: skip


def _parameters(name: str, problem: Problem, best: Optimum, drawn: Draws, k: int, level: float) -> list[dict[str, Any]]:
    low, high = drawn.interval(k, level)
    title = {"flat": "effect", "linear": "slope per unit of dose", "emax": "Emax"}[name]
    out: list[dict[str, Any]] = [{"name": title, "estimate": float(best.beta[k]), "se": math.sqrt(max(float(best.cov[k, k]), 0.0)),
                                  "ci_low": low, "ci_high": high, "remark": ""}]  # fmt: skip
    if name == "emax":
        ends = profile_interval(problem, best, 0, {}, level)
        bottom, top = (None if is_open else math.exp(e) for e, is_open in zip((ends.low, ends.high), ends.is_open, strict=True))
        remark = "" if not any(ends.is_open) else "the data set no " + " and no ".join(
            side for side, is_open in zip(("lower limit", "upper limit"), ends.is_open, strict=True) if is_open)  # fmt: skip
        if all(ends.is_open):
            remark = "not identified: " + remark
        ed50 = None if all(ends.is_open) else math.exp(best.shapes[0])
        out.append({"name": "ED50", "estimate": ed50, "se": None, "ci_low": bottom, "ci_high": top, "remark": remark})
        if all(ends.is_open):
            out[0]["remark"] = "not identified apart from ED50"
    return out


def _contrasts(rows: Sequence[ArmMean], v: Floats) -> tuple[dict[str, Any], ...]:
    control = {r.study: k for k, r in enumerate(rows) if r.control}
    out = []
    for k, r in enumerate(rows):
        if r.control or r.study not in control:
            continue
        c = control[r.study]
        out.append({"study": r.study, "dose": r.dose, "difference": r.change - rows[c].change, "n": r.n + rows[c].n,
                    "control": rows[c].treatment, "se": math.sqrt(float(v[k, k] + v[c, c]))})  # fmt: skip
    return tuple(out)


def _scores(result: DoseResponse, held: Sequence[ArmMean]) -> tuple[Score, ...]:
    control = {r.study: r for r in held if r.control}
    out = []
    for r in (r for r in held if not r.control):
        if r.study not in control:
            out.append(Score(r, None, "no control arm in its study"))
            continue
        contrast = replace(r, change=r.change - control[r.study].change)
        if result.best is None:
            out.append(Score(contrast, None, "no dose-response could be fitted"))
        else:
            out.append(Score(contrast, float(result.best.curve([r.dose])["estimate"].iloc[0])))
    return tuple(out)
