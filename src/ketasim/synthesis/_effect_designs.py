"""Effects from crossover and cluster trials, each by a stated formula."""

from __future__ import annotations

import math
from dataclasses import replace

from ketasim.arguments import checked
from ketasim.errors import InvalidData, InvalidOption
from ketasim.synthesis._effect_arms import MeanArm
from ketasim.synthesis._effect_checks import above, merged
from ketasim.synthesis._effect_checks import correlation as checked_correlation
from ketasim.synthesis._effects import EffectSize, hedges_factor
from ketasim.synthesis._network_input import checked_measure


@checked
def crossover_effect(measure: str, one: MeanArm, other: MeanArm, correlation: float) -> EffectSize:
    """Effect in a crossover trial (or before and after) from both conditions and the correlation between them.

    Notes
    -----
    Mean difference: variance (sd1^2 + sd2^2 - 2 r sd1 sd2) / n. Standardised: by root((sd1^2 + sd2^2) / 2) with Hedges' factor for
    n - 1, variance 2 (1 - r) (1/n + g^2 / 2n) (Cochrane Handbook 23.2.7). Carry-over and period effects are not looked at.
    """
    r, n = checked_correlation(correlation), min(one.n, other.n)
    notes = (*merged(one.notes, other.notes), f"paired, correlation {r:g}")
    difference = one.mean - other.mean
    if checked_measure(measure) == "md":
        error = math.sqrt((one.sd**2 + other.sd**2 - 2 * r * one.sd * other.sd) / n)
        return EffectSize("md", difference, above(error, "standard error"), n, n, notes, True)
    if checked_measure(measure) == "smd":
        g = hedges_factor(n - 1) * difference / math.sqrt((one.sd**2 + other.sd**2) / 2)
        return EffectSize("smd", g, math.sqrt(2 * (1 - r) * (1 / n + g**2 / (2 * n))), n, n, notes, True)
    raise InvalidOption(f"a crossover trial of means gives md or smd, not {measure}.")


@checked
def crossover_counts(measure: str, both: float, only_one: float, only_other: float, neither: float) -> EffectSize:
    """Effect in a crossover trial from the paired table of responders to both, to one or to none of the conditions.

    Notes
    -----
    or: conditional, log(b/c) with variance 1/b + 1/c. rr: log((a+b)/(a+c)) with variance (b+c)/((a+b)(a+c)).
    rd: (b-c)/n with variance (b + c - (b-c)^2/n)/n^2.
    """
    a, b, c, n = both, only_one, only_other, both + only_one + only_other + neither
    if min(both, only_one, only_other, neither) < 0 or n <= 0:
        raise InvalidData(f"a paired table of {both:g}, {only_one:g}, {only_other:g}, {neither:g}; counts are 0 or more.")
    name = checked_measure(measure)
    if name == "rd":
        variance = (b + c - (b - c) ** 2 / n) / n**2
        return EffectSize("rd", (b - c) / n, math.sqrt(above(variance, "variance")), n, n, ("paired counts",))
    if name not in ("or", "rr"):
        raise InvalidOption(f"paired counts give or, rr or rd, not {measure}.")
    fixed = min(b, c) == 0
    if fixed:
        a, b, c = a + 0.5, b + 0.5, c + 0.5
    y, variance = (
        (math.log(b / c), 1 / b + 1 / c)
        if name == "or"
        else (math.log((a + b) / (a + c)), (b + c) / ((a + b) * (a + c)))
    )  # fmt: skip
    return EffectSize(name, y, math.sqrt(variance), n, n, ("paired counts",), False, fixed)


@checked
def crossover_margins(measure: str, events1: float, events2: float, n: float, correlation: float = 0.5) -> EffectSize:
    """Marginal odds ratio of a crossover trial that tells only how many responded to each condition.

    Parameters
    ----------
    n : people, each under both conditions. correlation : of a person's two responses, assumed where the paired table is not told.

    Notes
    -----
    log OR of the two shares, variance 1/(n p1 q1) + 1/(n p2 q2) - 2 r / (n root(p1 q1 p2 q2)) (Becker and Balagtas 1993; Elbourne et
    al. 2002). 0.5 is added to all counts where a share is 0 or 1. Two shares that differ bound the correlation: r is at most what they
    allow.

    Examples
    --------
    >>> crossover_margins("or", 10, 2, 27).n1
    27.0
    """
    r = checked_correlation(correlation)
    if checked_measure(measure) != "or":
        raise InvalidOption(f"the margins of a crossover trial give an odds ratio, not {measure}.")
    if not 0 <= min(events1, events2) <= max(events1, events2) <= n or n <= 0:
        raise InvalidData(f"{events1:g} and {events2:g} responders of {n:g}; a share lies between 0 and 1.")
    fixed = min(events1, events2) == 0 or max(events1, events2) == n
    a, c, m = (events1 + 0.5, events2 + 0.5, n + 1) if fixed else (events1, events2, n)
    p, q = a / m, c / m
    spread = math.sqrt(p * (1 - p) * q * (1 - q))
    r = min(r, (min(p, q) - p * q) / spread)
    variance = 1 / (m * p * (1 - p)) + 1 / (m * q * (1 - q)) - 2 * r / (m * spread)
    notes = (f"crossover, correlation {r:.2g} within people assumed",)
    log_odds = math.log(p / (1 - p)) - math.log(q / (1 - q))
    return EffectSize("or", log_odds, math.sqrt(above(variance, "variance")), float(n), float(n), notes, False, fixed)


@checked
def design_effect(cluster_size: float, icc: float, size_cv: float = 0.0) -> float:
    """Factor by which clustering inflates the variance: 1 + ((1 + cv^2) m - 1) icc (Eldridge et al. 2006).

    Examples
    --------
    >>> round(design_effect(20, 0.05), 4)
    1.95
    """
    if not (cluster_size >= 1 and 0 <= icc <= 1 and size_cv >= 0):
        raise InvalidData(
            f"cluster size {cluster_size:g}, icc {icc:g}, cv {size_cv:g}; needed are size >= 1, 0 <= icc <= 1, cv >= 0."
        )
    return 1 + ((1 + size_cv**2) * cluster_size - 1) * icc


@checked
def cluster_adjusted(found: EffectSize, design: float) -> EffectSize:
    """An effect whose clustering was ignored: the standard error times the root of the design effect."""
    notes = (*found.notes, f"cluster trial, design effect {design:g}")
    return replace(found, se=found.se * math.sqrt(above(design, "design effect", 1.0)), notes=notes)
