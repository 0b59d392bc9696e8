"""One arm of a study: counts, or mean and standard deviation, also where these must first be worked out.

What was converted or assumed stays with the arm as a note.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from ketasim.arguments import checked
from ketasim.errors import InvalidData, InvalidOption, KetasimWarning, warn
from ketasim.synthesis._effect_checks import above, finite, half_width, merged, one_of, quantile
from ketasim.synthesis._effect_checks import correlation as checked_correlation


class SkewedData(KetasimWarning):
    """Median and quartiles or range are too lopsided for a normal distribution; the mean estimated from them is doubtful."""


@checked
@dataclass(frozen=True)
class CountArm:
    """Events among patients of one arm.

    Raises
    ------
    InvalidData: not 0 <= events <= n, or no patients.
    """

    events: float
    n: float

    def __post_init__(self) -> None:
        if not (self.n > 0 and 0 <= self.events <= self.n and math.isfinite(self.n)):
            raise InvalidData(f"{self.events:g} events among {self.n:g} patients; needed is 0 <= events <= n, n above 0.")

    def effective(self, design: float) -> CountArm:
        """Events and patients divided by the design effect of a cluster trial."""
        return CountArm(self.events / above(design, "design effect", 1.0), self.n / design)


@checked
@dataclass(frozen=True)
class MeanArm:
    """Mean and standard deviation of one arm.

    Attributes
    ----------
    notes : how the numbers were obtained, if not reported as such. estimated : whether that rests on an assumption on the data.

    Raises
    ------
    InvalidData: a standard deviation or a number of patients that cannot be.

    Examples
    --------
    >>> MeanArm.from_se(10.0, 1.0, 25).sd
    5.0
    """

    mean: float
    sd: float
    n: float
    notes: tuple[str, ...] = ()
    estimated: bool = False

    def __post_init__(self) -> None:
        finite(self.mean, "mean")
        above(self.sd, "standard deviation")
        above(self.n, "number of patients")

    @classmethod
    def from_se(cls, mean: float, se: float, n: float) -> MeanArm:
        """From the standard error of the mean: sd = se * root(n)."""
        return cls(mean, above(se, "standard error") * math.sqrt(above(n, "number of patients")), n, ("SD from standard error",))

    @classmethod
    def from_ci(cls, mean: float, low: float, high: float, n: float, *, level: float = 0.95, by: str = "t") -> MeanArm:
        """From the confidence interval of the mean; `by` is the distribution it was made with, ``t`` (n - 1) or ``z``."""
        se = half_width(low, high) / quantile(level, n - 1 if one_of(by, ("t", "z"), "by") == "t" else math.inf)
        return replace(cls.from_se(mean, se, n), notes=(f"SD from {100 * level:g} % interval ({by})",))

    @classmethod
    def from_quantiles(
        cls, n: float, median: float, *, q1: float | None = None, q3: float | None = None, minimum: float | None = None,
        maximum: float | None = None,
    ) -> MeanArm:  # fmt: skip
        """From the median with quartiles, range or both; means by Luo et al. (2018), deviations by Wan et al. (2014).

        Notes
        -----
        Both assume a normal distribution; the arm is marked as estimated.
        """
        return _from_quantiles(cls, n, median, _pair_of(q1, q3, "quartiles"), _pair_of(minimum, maximum, "range"))

    @classmethod
    def from_change(cls, before: MeanArm, after: MeanArm, correlation: float) -> MeanArm:
        """Change from baseline from both measurements and a named correlation between them.

        Notes
        -----
        sd^2 = sd_before^2 + sd_after^2 - 2 r sd_before sd_after (Cochrane Handbook 6.5.2.8). Do not standardise changes and final
        values by their own deviations in one synthesis: the deviations measure different things.
        """
        r = checked_correlation(correlation)
        variance = before.sd**2 + after.sd**2 - 2 * r * before.sd * after.sd
        notes = (*merged(before.notes, after.notes), f"change score with an assumed correlation of {r:g}")
        return cls(after.mean - before.mean, math.sqrt(variance), min(before.n, after.n), notes, True)

    def effective(self, design: float) -> MeanArm:
        """Patients divided by the design effect of a cluster trial."""
        return replace(
            self, n=self.n / above(design, "design effect", 1.0), notes=(*self.notes, f"cluster trial, design effect {design:g}")
        )


Arm = CountArm | MeanArm


@checked
def combine_arms(arms: Sequence[Arm]) -> Arm:
    """Several arms as one: counts add up, means and deviations as if the patients had been one group (Cochrane Handbook 6.5.2.10).

    Raises
    ------
    InvalidOption: no arms, or counts and means mixed.
    """
    counts, means = [a for a in arms if isinstance(a, CountArm)], [a for a in arms if isinstance(a, MeanArm)]
    if not arms or (counts and means):
        raise InvalidOption("arms to combine must be one or more, all counts or all means.")
    if counts:
        return CountArm(sum(a.events for a in counts), sum(a.n for a in counts))
    n = np.array([a.n for a in means])
    mean = float(n @ [a.mean for a in means] / n.sum())
    squares = sum((a.n - 1) * a.sd**2 + a.n * (a.mean - mean) ** 2 for a in means)
    notes = merged(*(a.notes for a in means)) + ((f"{len(means)} arms combined",) if len(means) > 1 else ())
    return MeanArm(mean, math.sqrt(squares / (n.sum() - 1)), float(n.sum()), notes, any(a.estimated for a in means))


def _from_quantiles(
    kind: type[MeanArm], n: float, median: float, quartiles: tuple[float, float] | None, span: tuple[float, float] | None
) -> MeanArm:
    if quartiles is None and span is None:
        raise InvalidOption("a median needs its quartiles (q1, q3), its range (minimum, maximum) or both.")
    above(n, "number of patients", 2.0)
    order = [*(span or ())[:1], *(quartiles or ())[:1], median, *(quartiles or ())[1:], *(span or ())[1:]]
    if any(x > y for x, y in itertools.pairwise(order)):
        raise InvalidData(f"{', '.join(f'{x:g}' for x in order)}: minimum, quartiles, median and maximum must not fall.")
    by_range = float(stats.norm.ppf((n - 0.375) / (n + 0.25)))
    by_quartiles = float(stats.norm.ppf((0.75 * n - 0.125) / (n + 0.25)))
    if span and quartiles:
        w1, w2 = 2.2 / (2.2 + n**0.75), 0.7 - 0.72 / n**0.55
        mean = w1 * sum(span) / 2 + w2 * sum(quartiles) / 2 + (1 - w1 - w2) * median
        sd = (span[1] - span[0]) / (4 * by_range) + (quartiles[1] - quartiles[0]) / (4 * by_quartiles)
        what = "median, quartiles and range"
    elif quartiles:
        w = 0.7 + 0.39 / n
        mean, sd = w * sum(quartiles) / 2 + (1 - w) * median, (quartiles[1] - quartiles[0]) / (2 * by_quartiles)
        what = "median and quartiles"
    else:
        low, high = span or (median, median)
        w = 4 / (4 + n**0.75)
        mean, sd, what = w * (low + high) / 2 + (1 - w) * median, (high - low) / (2 * by_range), "median and range"
    _warn_if_skewed(n, median, quartiles, span, what)
    return kind(mean, sd, n, (f"mean and SD estimated from {what}",), True)


def _pair_of(low: float | None, high: float | None, what: str) -> tuple[float, float] | None:
    if (low is None) != (high is None):
        raise InvalidOption(f"of the {what} one limit is missing; give both.")
    return None if low is None or high is None else (finite(low, what), finite(high, what))


def _warn_if_skewed(
    n: float, median: float, quartiles: tuple[float, float] | None, span: tuple[float, float] | None, what: str
) -> None:
    """Test of symmetry at the 5 % level by Shi et al. (2023); its levels were confirmed by simulation for n of 20 to 400."""

    def lopsided(pair: tuple[float, float]) -> float:
        return abs(sum(pair) - 2 * median) / (pair[1] - pair[0])

    if any(pair is not None and pair[0] == pair[1] for pair in (quartiles, span)):
        raise InvalidData(f"the {what} leave no spread; a standard deviation cannot be estimated from them.")
    if span and quartiles:
        found = max(2.65 * math.log(0.6 * n) / math.sqrt(n) * lopsided(span), lopsided(quartiles))
        limit = 3 / math.sqrt(n) - 40 / n**3
    elif quartiles:
        found, limit = lopsided(quartiles), 2.65 / math.sqrt(n) - 6 / n**2
    else:
        found, limit = lopsided(span or (0.0, 1.0)), 1.01 / math.log(n + 9) + 2.43 / (n + 1)
    if found > limit > 0:
        warn(
            f"{what} of {n:g} patients are skewed (the test of Shi et al. rejects symmetry at 5 %): the mean and SD estimated from them "
            "are doubtful. Look for means, or leave the study out in a second analysis.",
            SkewedData,
            stacklevel=5,
        )
