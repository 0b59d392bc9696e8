"""Model-based meta-analysis over time: change from baseline after one dose, by arm means.

An empirical curve, not a mechanism: the yardstick that a mechanistic model has to beat.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ketasim.arguments import checked
from ketasim.errors import InvalidData, InvalidOption, UnknownEntry, close_names
from ketasim.synthesis._timecourse_data import CONTROLS, ArmMean, TimeCourseData
from ketasim.synthesis._timecourse_draws import Draws, Role, central, draws, refitted_shapes, restricted, spare
from ketasim.synthesis._timecourse_fit import Floats, Optimum, Problem, ShapeInterval, settle

if TYPE_CHECKING:
    import pandas as pd

#: Names of the shapes: onset and decline of the drug effect, onset of the control course.
RATES = ("k_on", "k_off", "k_control")
#: Correlation of the residuals of two times in one arm: assumed, as arm means are printed without it.
CORRELATION = 0.5


@dataclass(frozen=True)
class Rate:
    """A rate of the curves, 1/h.

    Attributes
    ----------
    estimate : NaN-free; the assumed value where `kind` is ``assumed``. low, high : profile-likelihood interval; None where the data
    set no limit. kind : estimated or assumed. why : in words, for what is assumed or left open.
    """

    name: str
    estimate: float
    low: float | None
    high: float | None
    kind: str
    why: str

    @property
    def half_time_h(self) -> float:
        """ln 2 over the rate."""
        return math.log(2) / self.estimate


@dataclass(frozen=True)
class Score:
    """A held-out arm mean against the curve: error = predicted - observed; a reason where there is no prediction."""

    row: ArmMean
    predicted: float | None
    reason: str = ""

    @property
    def error(self) -> float | None:
        """Predicted minus observed."""
        return None if self.predicted is None else self.predicted - self.row.change


@dataclass(frozen=True)
class TimeCourseResult:
    """Fitted time courses.

    Attributes
    ----------
    amplitudes : rows with treatment, role (effect or control course), estimate, se, ci_low, ci_high, studies, patients, first_h,
        last_h. An amplitude is in the unit of the change; more than 0 is improvement.
    rates : k_on, k_off, k_control. omegas : between-study standard deviation of the control course and of the drug effect, by
        restricted likelihood, None where too few studies tell it. degrees_of_freedom : of Student t, by the same names; None where
        intervals are normal, as there is no such spread. log_likelihood, aic : of the full likelihood at its maximum. scores : held-out arms. sd_assumed : used where an SD is missing. notes : what was assumed.
    """

    data: TimeCourseData
    amplitudes: tuple[dict[str, Any], ...]
    rates: Mapping[str, Rate]
    omegas: Mapping[str, float | None]
    degrees_of_freedom: Mapping[str, int | None]
    log_likelihood: float
    aic: float
    sd_assumed: float
    scores: tuple[Score, ...]
    notes: tuple[str, ...]
    level: float
    seed: int
    _fit: _Fitted = field(repr=False)

    @property
    def treatments(self) -> tuple[str, ...]:
        """Treatments with a fitted curve, controls last."""
        return (*self._fit.active, *self._fit.controls)

    @property
    def mean_absolute_error(self) -> float | None:
        """Of the held-out arm means that could be predicted."""
        return _mean_error(self.scores)

    @property
    def independent_error(self) -> float | None:
        """The same without means beyond the times fitted and without pooled data that hold fitted trials."""
        return _mean_error([s for s in self.scores if not s.reason and not s.row.caveat])

    def curve(self, treatment: str, times: Sequence[float] | Floats, *, effect: bool = False) -> pd.DataFrame:
        """Change from baseline over time with its band; with `effect`, the difference from control.

        The band holds the uncertainty of the mean curve, not the spread between studies.

        Raises
        ------
        UnknownEntry: no such treatment.
        """
        import pandas as pd

        if treatment not in self.treatments:
            raise UnknownEntry(
                f"no treatment '{treatment}'.{close_names(treatment, self.treatments)} There are: {', '.join(self.treatments)}."
            )
        t = np.asarray(times, dtype=float)
        value = self._fit.mean(treatment, t, effect)
        low, high = self._fit.band(treatment, t, effect, self.level)
        return pd.DataFrame({"treatment": treatment, "time_h": t, "estimate": value, "ci_low": low, "ci_high": high})

    def to_dataframe(self) -> pd.DataFrame:
        """The amplitudes, one line each."""
        import pandas as pd

        return pd.DataFrame(list(self.amplitudes))

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        f = self._fit
        effects = [row for t in f.active for row in self.curve(t, f.times_of(t), effect=True).to_dict("records")]
        return {
            "scale": self.data.scale, "amplitudes": [dict(a) for a in self.amplitudes],
            "rates": [{"name": r.name, "per_h": r.estimate, "ci_low": r.low, "ci_high": r.high, "half_time_h": r.half_time_h,
                       "kind": r.kind, "why": r.why} for r in self.rates.values()],
            "effects": effects, "between_study_sd": dict(self.omegas), "degrees_of_freedom": dict(self.degrees_of_freedom), "log_likelihood": self.log_likelihood, "aic": self.aic,
            "sd_where_missing": self.sd_assumed, "correlation_within_arm": f.correlation, "level": self.level, "seed": self.seed,
            "n_rows": len(self.data.fitted), "n_studies": len({r.study for r in self.data.fitted}),
            "holdout": [score_row(s) for s in self.scores], "mean_absolute_error": self.mean_absolute_error, "mean_absolute_error_independent": self.independent_error,
            "notes": list(self.notes), "left_out": {k: list(v) for k, v in (self.data.left_out or {}).items()},
        }  # fmt: skip


def _mean_error(scores: Sequence[Score]) -> float | None:
    errors = [abs(s.error) for s in scores if s.error is not None]
    return float(np.mean(errors)) if errors else None


def score_row(s: Score) -> dict[str, Any]:
    """A score as plain data."""
    r = s.row
    return {"study": r.study, "arm": r.arm, "treatment": r.treatment, "time_h": r.time_h, "observed": r.change,
            "predicted": s.predicted, "error": s.error, "reason": "; ".join(filter(None, (s.reason, r.caveat)))}  # fmt: skip


@dataclass(frozen=True)
class _Fitted:
    """What the curves are computed from."""

    active: tuple[str, ...]
    controls: tuple[str, ...]
    background: Mapping[str, str]
    optimum: Optimum
    rows: tuple[ArmMean, ...]
    correlation: float
    draws: Draws

    def mean(self, treatment: str, t: Floats, effect: bool = False, control: str = "") -> Floats:
        o = self.optimum
        return self._means(o.beta[None], o.shapes[None], treatment, t, effect, control)[0]

    def _means(self, beta: Floats, shapes: Floats, treatment: str, t: Floats, effect: bool, control: str = "") -> Floats:
        """Curves (draw, time)."""
        rise, act = shape_functions(shapes.T[:, :, None], t)
        names = (*self.controls, *self.active)
        total = np.zeros((len(beta), t.size))
        if treatment in self.active:
            total = -beta[:, names.index(treatment), None] * act
        under = treatment if treatment in self.controls else (control or self.background[treatment])
        if under in self.controls and not (effect and treatment in self.active):
            total = total - beta[:, names.index(under), None] * rise
        return total

    def band(self, treatment: str, t: Floats, effect: bool, level: float) -> tuple[Floats, Floats]:
        return central(self._means(self.draws.beta, self.draws.shapes, treatment, t, effect), level)

    def times_of(self, treatment: str) -> tuple[float, ...]:
        return tuple(sorted({r.time_h for r in self.rows if r.treatment == treatment}))


def shape_functions(shapes: Floats, t: Floats) -> tuple[Floats, Floats]:
    """Control course 1 - exp(-k_c t) and drug effect exp(-k_off t) - exp(-k_on t); shapes are log(k_on - k_off), log k_off, log k_c.

    k_on above k_off is kept by the parameter, so that the effect is never of the wrong sign.
    """
    more, off, control = np.exp(shapes)
    return 1.0 - np.exp(-control * t), np.exp(-off * t) * (1.0 - np.exp(-more * t))


@checked
def fit_time_course(
    data: TimeCourseData, *, level: float = 0.95, correlation: float = CORRELATION, bootstrap: int = 0, seed: int = 1
) -> TimeCourseResult:
    """Time courses of change from baseline by treatment, by likelihood with random effects of the study.

    Parameters
    ----------
    data : from `read_time_course` or `evidence_time_course`; rows held out are scored and never fitted.
    correlation : of the residuals of two times in one arm, 0 up to 1; assumed. bootstrap : refits that the rates of the bands are
        taken from; 0 for draws by their likelihood. seed : of these draws.

    Notes
    -----
    change(t) = -(C + c_s)(1 - exp(-k_c t)) - (E + e_s)(exp(-k_off t) - exp(-k_on t)); C of the control of the study, E of the
    treatment (0 in control arms), c_s and e_s normal between studies, rates shared by all treatments. Residuals: sd^2/n; a missing
    SD is the square root of the mean variance of the known ones, weighted by n. A rate whose likelihood interval is open at both
    ends is not identified and is fixed at an assumed value, which the result says.

    Rates and AIC come from the full likelihood; it compares rates, which the restricted one cannot, as the design depends on them.
    c and e get their standard deviations by restricted likelihood at those rates, with the rates linearised as a part of the mean.
    C and E given rates vary by Student t; its degrees of freedom are those of c or e: studies minus treatments of that role.
    Without c or e, as that number would be below 1 (or fewer than three studies have an effect), they vary by the normal law, and
    intervals hold for the studies at hand only.

    Raises
    ------
    InvalidData: nothing to fit. InvalidOption: level or correlation out of range.

    Examples
    --------
    >>> rows = [{"study": s, "treatment": t, "time_h": h, "n": 40, "change": c, "sd": 9.0}
    ...         for s, t, h, c in [("A", "placebo", 24, -5.0), ("A", "drug", 24, -12.0), ("B", "placebo", 24, -6.0)]]
    >>> from ketasim.synthesis import read_time_course
    >>> result = fit_time_course(read_time_course(rows))
    >>> round(float(result.curve("drug", [24.0], effect=True)["estimate"].iloc[0]), 1)
    -6.5
    """
    if not 0 < level < 1 or not 0 <= correlation < 1:
        raise InvalidOption(f"level {level:g} must lie between 0 and 1, correlation {correlation:g} in [0, 1).")
    if bootstrap < 0 or 0 < bootstrap < 20:
        raise InvalidOption(f"bootstrap {bootstrap}: a band needs 20 refits or more; 0 for none.")
    rows = _checked(data)
    sd, sd_note = sd_where_missing(rows)
    controls = tuple(sorted({r.treatment for r in rows if r.control}))
    active = tuple(sorted({r.treatment for r in rows if not r.control}))
    background = _backgrounds(rows, controls)
    df = _degrees_of_freedom(rows, bool(controls))
    random = tuple(df)
    times = sorted({r.time_h for r in rows})
    bounds, assumed = _ranges(times)
    problem = Problem(
        np.array([r.change for r in rows]), residual_covariance(rows, sd, correlation),
        _design(rows, controls, active, background, random), RATES, bounds, len(random),
    )  # fmt: skip
    first = {} if controls else {2: assumed[2]}
    first = first if active else {0: assumed[0], 1: assumed[1]}
    best, fixed, intervals = settle(problem, assumed, level, first)
    free = tuple(k for k in range(3) if k not in fixed)
    best = restricted(problem, best, free)
    refits = refitted_shapes(problem, best, fixed, bootstrap, seed) if bootstrap else None
    roles = _roles(len(controls), len(active), df)
    fitted = _Fitted(active, controls, background, best, rows, correlation, draws(problem, best, free, roles, seed, refits))
    rates = _rates(problem, best, intervals, assumed, times, level)
    return TimeCourseResult(
        data, _amplitudes(fitted, level), rates, _spread(best, random), {r: df.get(r) for r in ("control", "effect")},
        best.log_likelihood, 2 * best.n_parameters - 2 * best.log_likelihood, sd, tuple(_score(fitted, data)),
        (*sd_note, *(() if controls else (_NO_CONTROL,)), *_notes(rates, df, correlation)), level, seed, fitted,
    )  # fmt: skip


def _checked(data: TimeCourseData) -> tuple[ArmMean, ...]:
    rows = data.fitted
    if len(rows) < 2:
        raise InvalidData(
            f"time course: {len(rows)} arm means to fit ({len(data.held_out)} held out); two or more are needed. "
            "A row is one arm at one time after its first dose."
        )
    return rows


def sd_where_missing(rows: Sequence[ArmMean], used: Sequence[ArmMean] | None = None) -> tuple[float, tuple[str, ...]]:
    """SD of the change where none is known: pooled over `rows`, weighted by n; and a sentence on those `used`."""
    known = [r for r in rows if math.isfinite(r.sd)]
    if not known:
        raise InvalidData("time course: no arm has an SD of its change; at least one is needed to weigh the arms (column 'sd').")
    sd = math.sqrt(sum(r.n * r.sd**2 for r in known) / sum(r.n for r in known))
    used = rows if used is None else used
    n = sum(not math.isfinite(r.sd) for r in used)
    return sd, (f"SD missing in {n} of {len(used)} rows: {sd:.3g} assumed, pooled from the known ones.",) if n else ()


def _backgrounds(rows: Sequence[ArmMean], controls: tuple[str, ...]) -> dict[str, str]:
    """Control whose course lies under a treatment where its own study has none: the one it was compared with most, by patients."""
    by_study = {r.study: r.treatment for r in rows if r.control}
    out: dict[str, str] = {}
    for treatment in sorted({r.treatment for r in rows}):
        weight = {c: sum(r.n for r in rows if r.treatment == treatment and by_study.get(r.study) == c) for c in controls}
        fallback = "placebo" if "placebo" in controls else (controls[0] if controls else "")
        out[treatment] = max(sorted(weight), key=lambda c: weight[c]) if any(weight.values()) else fallback
    return out


def _degrees_of_freedom(rows: Sequence[ArmMean], has_control: bool) -> dict[str, int]:
    """Random effects and their degrees of freedom, by name: those with 1 or more, and of the effect from three studies on.

    The control course varies from two studies on, as this keeps arms to their own control. With a control of its own in every
    study there is nothing left to vary: the fixed courses do the same.
    """
    with_control = {r.study for r in rows if r.control}
    of = {"control": [r for r in rows if r.control],
          "effect": [r for r in rows if not r.control and (r.study in with_control or not has_control)]}  # fmt: skip
    out = {}
    for name, least in (("control", 2), ("effect", 3)):
        studies, treatments = ({getattr(r, key) for r in of[name]} for key in ("study", "treatment"))
        df = spare(_membership(of[name], "treatment", treatments), _membership(of[name], "study", studies))
        if df >= 1 and len(studies) >= least:
            out[name] = df
    return out


def _membership(rows: Sequence[ArmMean], key: str, names: Collection[str]) -> Floats:
    return np.array([[getattr(r, key) == name for name in sorted(names)] for r in rows], dtype=float)


def _roles(n_controls: int, n_active: int, df: Mapping[str, int]) -> tuple[Role, Role]:
    return (Role(tuple(range(n_controls)), df.get("control", math.inf)),
            Role(tuple(range(n_controls, n_controls + n_active)), df.get("effect", math.inf)))  # fmt: skip


def residual_covariance(rows: Sequence[ArmMean], sd: float, correlation: float) -> Floats:
    """Covariance of the means: sd^2/n, and `correlation` between the times of one arm."""
    s = np.array([(r.sd if math.isfinite(r.sd) else sd) / math.sqrt(r.n) for r in rows])
    same = np.array([[a.study == b.study and a.arm == b.arm for b in rows] for a in rows])
    return np.outer(s, s) * np.where(np.eye(len(rows), dtype=bool), 1.0, correlation * same)


def _ranges(times: Sequence[float]) -> tuple[tuple[tuple[float, float], ...], tuple[float, float, float]]:
    """Log rates searched, and those assumed where the data are silent, from the times measured."""
    ln2, first, last = math.log(2), times[0], times[-1]
    fast, slow = math.log(ln2 / (first / 20)), math.log(ln2 / (20 * last))
    onset = math.log(ln2 / (first / 4))
    return ((math.log(ln2 / last), fast), (slow, math.log(ln2 / (first / 2))), (math.log(ln2 / last), fast)), (onset, slow, onset)


@dataclass(frozen=True)
class _Design:
    """Which rows carry which course; computed once, as a fit asks for the design many times."""

    times: Floats
    courses: Floats
    effects: Floats
    study_courses: Floats
    study_effects: Floats
    random: tuple[str, ...]

    def __call__(self, shapes: Floats) -> tuple[Floats, tuple[Floats, ...]]:
        rise, act = (-f[:, None] for f in shape_functions(shapes, self.times))
        z = {"control": rise * self.study_courses, "effect": act * self.study_effects}
        return np.hstack([rise * self.courses, act * self.effects]), tuple(z[k] for k in self.random)


def _design(
    rows: Sequence[ArmMean],
    controls: tuple[str, ...],
    active: tuple[str, ...],
    background: Mapping[str, str],
    random: tuple[str, ...],
) -> _Design:
    by_study = {r.study: r.treatment for r in rows if r.control}
    studies = sorted({r.study for r in rows})
    under = [r.treatment if r.control else by_study.get(r.study, background[r.treatment]) for r in rows]
    member = np.array([[r.study == s for s in studies] for r in rows], dtype=float)
    courses = np.array([[u == c for c in controls] for u in under], dtype=float).reshape(len(rows), len(controls))
    effects = np.array([[r.treatment == a for a in active] for r in rows], dtype=float).reshape(len(rows), len(active))
    is_under = courses.sum(axis=1, keepdims=True)
    is_active = effects.sum(axis=1, keepdims=True)
    return _Design(np.array([r.time_h for r in rows]), courses, effects, member * is_under, member * is_active, random)


def _amplitudes(f: _Fitted, level: float) -> tuple[dict[str, Any], ...]:
    out = []
    for k, name in enumerate((*f.controls, *f.active)):
        rows = [r for r in f.rows if r.treatment == name]
        low, high = f.draws.interval(k, level)
        arms = {(r.study, r.arm): r.n for r in rows}
        out.append({
            "treatment": name, "role": "control course" if name in f.controls else "effect", "estimate": float(f.optimum.beta[k]),
            "se": math.sqrt(max(float(f.optimum.cov[k, k]), 0.0)), "ci_low": low, "ci_high": high,
            "studies": len({r.study for r in rows}), "patients": sum(arms.values()),
            "first_h": min(r.time_h for r in rows), "last_h": max(r.time_h for r in rows),
        })  # fmt: skip
    return tuple(out)


_NO_CONTROL = f"No control arm (named {', '.join(CONTROLS)}): effects are changes from baseline, not differences from a control."
_SAYS = {
    "k_on": "onset over by the first time measured; half-time a quarter of {first:g} h",
    "k_off": "no decline told within {last:g} h; half-life 20 times that",
    "k_control": "control course in place by the first time measured; half-time a quarter of {first:g} h",
}


def _rates(
    p: Problem, best: Optimum, intervals: Mapping[int, ShapeInterval], assumed: Sequence[float], times: Sequence[float], level: float
) -> dict[str, Rate]:  # fmt: skip
    more, off, control = np.exp(best.shapes)
    values = {"k_on": float(more + off), "k_off": float(off), "k_control": float(control)}
    out = {}
    for k, name in enumerate(RATES):
        if k not in intervals:
            out[name] = Rate(name, values[name], None, None, "assumed", _why_assumed(p, best, k, assumed[k], times))
            continue
        ends = [math.exp(e) + (float(off) if name == "k_on" else 0.0) if math.isfinite(e) else None
                for e in (intervals[k].low, intervals[k].high)]  # fmt: skip
        missing = [side for side, end in zip(("lower", "upper"), ends, strict=True) if end is None]
        why = f"the data set no {missing[0]} limit ({level:.0%})" if missing else ""
        out[name] = Rate(name, values[name], ends[0], ends[1], "estimated", why)
    return out


def _why_assumed(p: Problem, best: Optimum, k: int, assumed: float, times: Sequence[float]) -> str:
    if best.shapes[k] == assumed:
        return "not identified: " + _SAYS[RATES[k]].format(first=times[0], last=times[-1])
    end = "slow" if best.shapes[k] == p.bounds[k][0] else "fast"
    return f"not identified: the data fit best at the {end} end of the range searched, half-time {math.log(2) / math.exp(best.shapes[k]):.3g} h"


def _spread(best: Optimum, random: tuple[str, ...]) -> dict[str, float | None]:
    found: dict[str, float | None] = {"control": None, "effect": None}
    found.update({name: float(o) for name, o in zip(random, best.omegas, strict=True)})
    return found


def _notes(rates: Mapping[str, Rate], df: Mapping[str, int], correlation: float) -> list[str]:
    out = [f"{r.name} {r.estimate:.3g} per h {r.kind}: {r.why}." for r in rates.values() if r.why]
    for role, few in (("control", "two"), ("effect", "three")):
        if role in df:
            out.append(
                f"Intervals of the {role}: Student t, {df[role]} degree{'s' if df[role] > 1 else ''} of freedom (studies less treatments)."
            )
        else:
            out.append(f"No between-study spread of the {role}: fewer than {few} studies, or one per treatment; "
                       "its intervals hold for these studies only.")  # fmt: skip
    return [*out, f"Residuals of one arm at two times: correlation {correlation:g} assumed."]


def _score(f: _Fitted, data: TimeCourseData) -> list[Score]:
    last = {t: max(f.times_of(t)) for t in (*f.active, *f.controls)}
    by_study = {r.study: r.treatment for r in data.held_out if r.control}
    out = []
    for r in data.held_out:
        if r.treatment not in last:
            out.append(Score(r, None, f"no fitted curve for {r.treatment}"))
            continue
        control = by_study.get(r.study, "")
        value = f.mean(r.treatment, np.array([r.time_h]), control=control if control in f.controls else "")
        beyond = (
            f"beyond the last time fitted for {r.treatment} ({last[r.treatment]:g} h)" if r.time_h > last[r.treatment] else ""
        )
        out.append(Score(r, float(value[0]), beyond))
    return out
