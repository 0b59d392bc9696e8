"""Effect measures of one comparison: from two arms, or from what a paper prints; several arms.

The effect is the first arm against the second; ratios are logarithms. What was converted or assumed is kept as a note.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special, stats

from ketasim.arguments import checked
from ketasim.errors import InvalidData, InvalidOption
from ketasim.synthesis._effect_arms import Arm, CountArm, MeanArm
from ketasim.synthesis._effect_checks import above, finite, half_width, merged, quantile
from ketasim.synthesis._network_arms import contrasts
from ketasim.synthesis._network_data import MEASURES, Floats
from ketasim.synthesis._network_input import checked_measure

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class EffectSize:
    """The effect of one arm against another in one study.

    Attributes
    ----------
    measure : md, smd, or, rr, rd or hr. estimate : logarithm for ratios. se : its standard error.
    n1, n2 : patients per arm, NaN if unknown. notes : how it was obtained where that is not the plain formula.
    estimated : whether a mean or standard deviation behind it was itself estimated. corrected : whether 0.5 was added to counts.
    """

    measure: str
    estimate: float
    se: float
    n1: float = math.nan
    n2: float = math.nan
    notes: tuple[str, ...] = ()
    estimated: bool = False
    corrected: bool = False

    @property
    def variance(self) -> float:
        """Squared standard error."""
        return self.se**2

    @property
    def is_log(self) -> bool:
        """Whether the estimate is the logarithm of a ratio."""
        return MEASURES[self.measure]

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Normal confidence interval, on the scale of the estimate."""
        half = float(stats.norm.isf((1 - level) / 2)) * self.se
        return self.estimate - half, self.estimate + half

    def as_dict(self) -> dict[str, Any]:
        """As plain data, with the 95 % interval, and as ratios where the estimate is a logarithm."""
        low, high = self.interval()
        out = asdict(self) | {"ci_low": low, "ci_high": high, "notes": list(self.notes)}
        if self.is_log:
            out |= {f"exp_{k}": math.exp(out[k]) for k in ("estimate", "ci_low", "ci_high")}
        return out

    def to_dataframe(self) -> pd.DataFrame:
        """One row."""
        import pandas as pd

        return pd.DataFrame([self.as_dict() | {"notes": "; ".join(self.notes)}])


@checked
def effect(
    measure: str, one: Arm | None = None, other: Arm | None = None, *, estimate: float | None = None, se: float | None = None,
    ci: tuple[float, float] | None = None, p: float | None = None, t: float | None = None, df: float = math.inf,
    n: tuple[float, float] | None = None, level: float = 0.95, log: bool = False, continuity: float = 0.5,
) -> EffectSize:  # fmt: skip
    """Effect of one arm against another, from two arms or from what a paper prints.

    Parameters
    ----------
    measure : md, smd, or, rr, rd or hr. one, other : counts (or, rr, rd) or means (md, smd) of treatment and control.
    estimate : the reported effect, a ratio for or, rr and hr unless `log`; with one of `se` (of the logarithm for ratios), `ci`, `p`
        (two-sided) or `t`. df : of the t distribution behind `ci`, `p` or `t`; normal if not given.
    n : patients per arm; with `t` alone they give a standardised difference. continuity : added to all four cells of a table with
        an empty one.

    Raises
    ------
    InvalidData: numbers that cannot be. InvalidOption: too little or too much was given.

    Examples
    --------
    >>> round(effect("or", CountArm(4, 123), CountArm(11, 139)).estimate, 4)
    -0.9387
    >>> round(effect("hr", estimate=0.5, ci=(0.25, 1.0)).se, 4)
    0.3537
    """
    measure = checked_measure(measure)
    if one is not None and other is not None:
        if any(x is not None for x in (estimate, se, ci, p, t)):
            raise InvalidOption("give two arms, or a reported effect; not both.")
        return _from_arms(measure, one, other, continuity)
    if estimate is not None:
        return _reported(measure, estimate, se, ci, p, t, df, n, level, log)
    if measure == "smd" and t is not None and n is not None:
        return _from_t(t, n)
    raise InvalidOption(
        "needed are two arms; or an estimate with se, ci, p or t; or (smd only) t with n=(n1, n2). "
        f"Given: {', '.join(k for k, v in {'estimate': estimate, 'se': se, 'ci': ci, 'p': p, 't': t, 'n': n}.items() if v is not None)}."
    )


def _from_arms(measure: str, one: Arm, other: Arm, continuity: float) -> EffectSize:
    kind, word = (CountArm, "counts") if measure in ("or", "rr", "rd") else (MeanArm, "means")
    if measure == "hr" or not (isinstance(one, kind) and isinstance(other, kind)):
        what = "a reported estimate, from time-to-event data" if measure == "hr" else f"{word} in both arms"
        raise InvalidOption(f"the measure {measure} needs {what}.")
    found, fixed, why = contrasts(measure, "this study", ("other", "one"), _columns((other, one)), continuity)
    if found is None:
        raise InvalidData(f"no {measure} can be computed: {why}.")
    notes = merged(getattr(one, "notes", ()), getattr(other, "notes", ()))
    if fixed:
        notes = (*notes, f"empty cell: {continuity:g} added to every cell")
    estimated = getattr(one, "estimated", False) or getattr(other, "estimated", False)
    return EffectSize(
        measure, float(found.effect[0]), float(np.sqrt(found.cov[0, 0])), one.n, other.n, notes, estimated, fixed
    )  # fmt: skip


def _columns(arms: Sequence[Arm]) -> dict[str, Floats]:
    roles = ("events", "n") if isinstance(arms[0], CountArm) else ("mean", "sd", "n")
    return {role: np.array([float(getattr(a, role)) for a in arms]) for role in roles}


def _reported(
    measure: str, estimate: float, se: float | None, ci: tuple[float, float] | None, p: float | None, t: float | None, df: float,
    n: tuple[float, float] | None, level: float, log: bool,
) -> EffectSize:  # fmt: skip
    given = [k for k, v in {"se": se, "ci": ci, "p": p, "t": t}.items() if v is not None]
    if len(given) != 1:
        raise InvalidOption(f"an estimate needs exactly one of se, ci, p or t; given: {', '.join(given) or 'none'}.")
    ratio = MEASURES[measure] and not log
    y = math.log(above(estimate, "ratio")) if ratio else finite(estimate, "estimate")
    notes: tuple[str, ...] = ()
    if se is not None:
        error = above(se, "standard error")
    elif ci is not None:
        low, high = (math.log(above(x, "limit of a ratio")) for x in ci) if ratio else ci
        if not low <= y <= high:
            raise InvalidData(f"the estimate {estimate:g} lies outside its interval ({ci[0]:g}, {ci[1]:g}).")
        error, notes = half_width(low, high) / quantile(level, df), (f"SE from {100 * level:g} % interval",)
    else:
        statistic, what = (abs(finite(t, "t")), "t") if t is not None else (_statistic(p or 0.0, df), "p")
        if statistic == 0 or y == 0:
            raise InvalidData(f"no standard error follows from {what} where the effect or the statistic is 0.")
        error, notes = abs(y) / statistic, (f"SE from {what} = {t if t is not None else p:g}",)
    n1, n2 = n or (math.nan, math.nan)
    return EffectSize(measure, y, error, n1, n2, notes)


def _from_t(t: float, n: tuple[float, float]) -> EffectSize:
    n1, n2 = (above(x, "number of patients") for x in n)
    g = hedges_factor(n1 + n2 - 2) * finite(t, "t") * math.sqrt(1 / n1 + 1 / n2)
    return EffectSize("smd", g, math.sqrt(1 / n1 + 1 / n2 + g**2 / (2 * (n1 + n2))), n1, n2, (f"from t = {t:g}",))


@checked
def hedges_factor(df: float) -> float:
    """Small-sample factor of the standardised difference, exact by gamma functions (Hedges 1981).

    Examples
    --------
    >>> round(hedges_factor(10), 4)
    0.9227
    """
    if not df > 1:
        raise InvalidData(f"{df:g} degrees of freedom for a standard deviation; a standardised difference needs more than 1.")
    return float(np.exp(special.gammaln(df / 2) - special.gammaln((df - 1) / 2)) * math.sqrt(2 / df))


@checked
def multi_arm_effects(measure: str, control: Arm, arms: Sequence[Arm], continuity: float = 0.5) -> tuple[Floats, Floats]:
    """Effects of several arms against one control, and their covariance, which is that of the arm they share.

    Examples
    --------
    >>> multi_arm_effects("md", MeanArm(0, 10, 50), [MeanArm(2, 10, 50), MeanArm(3, 10, 50)])[1].round(6)
    array([[4., 2.],
           [2., 4.]])
    """
    names = tuple(str(k) for k in range(len(arms) + 1))
    found, _, why = contrasts(checked_measure(measure), "this study", names, _columns((control, *arms)), continuity)
    if found is None:
        raise InvalidData(f"no {measure} can be computed: {why}.")
    return found.effect, found.cov


@checked
def pool_correlated(effects: Floats, covariance: Floats) -> tuple[float, float]:
    """Correlated effects of one study as one effect with its standard error, by generalised least squares."""
    if not len(effects) or np.shape(covariance) != (len(effects), len(effects)):
        raise InvalidData(f"{len(effects)} effects and a covariance of shape {np.shape(covariance)}: give a square one, a row per effect.")  # fmt: skip
    w = np.linalg.solve(covariance, np.ones(len(effects)))
    return float(w @ effects / w.sum()), float(1 / math.sqrt(w.sum()))


def _statistic(p: float, df: float) -> float:
    if not 0 < p < 1:
        raise InvalidData(f"p = {p:g}; a p value lies between 0 and 1. For 'p < 0.001' use 0.001, which is on the safe side.")
    return float(stats.t.isf(p / 2, df) if math.isfinite(df) else stats.norm.isf(p / 2))
