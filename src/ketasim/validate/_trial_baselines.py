"""What a reader would guess of an arm without a model: means of like arms, and two exponentials."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ketasim.fit.clinical import Result

Floats = NDArray[np.float64]
#: Names of the baselines, in the order of `guesses`.
BASELINES = ("class mean", "class mean, unweighted", "class mean by time", "two exponentials")
#: Ends of the bins of time, h.
_BINS = (4.0, 72.0, 240.0, 400.0)
_CONTROLS = ("placebo iv", "placebo nasal", "midazolam")
#: Variance between trials of mean changes that the fit of exponentials reckons with, points squared.
_BETWEEN = 9.0


def guesses(train: Sequence[Result], test: Sequence[Result]) -> Floats:
    """Changes of the test rows guessed from those of the train rows, (baseline, row)."""
    exponential = _two_exponentials(train)
    return np.array(
        [
            [class_mean(train, r) for r in test],
            [class_mean(train, r, weighted=False) for r in test],
            [class_mean(train, r, by_time=True) for r in test],
            [exponential(r) for r in test],
        ]
    )


def class_mean(train: Sequence[Result], like: Result, *, weighted: bool = True, by_time: bool = False) -> float:
    """Mean of the rows of the same drug and route, or kind of control; where there is none, of all with or without drug."""
    same = [r for r in train if r.arm.group == like.arm.group]
    if by_time:
        same = [r for r in same if _bin(r.time) == _bin(like.time)] or same
    same = same or [r for r in train if bool(r.arm.regimen) == bool(like.arm.regimen)]
    weights = [r.n if weighted else 1.0 for r in same]
    return float(np.average([r.value for r in same], weights=weights))


def _bin(time: float) -> int:
    return int(np.searchsorted(_BINS, time))


def _two_exponentials(train: Sequence[Result]) -> Callable[[Result], float]:
    """A constant per kind of control, and per drug and route an effect that comes with 1/h and goes with a rate of its own."""
    from scipy.optimize import least_squares

    drugs = sorted({r.arm.group for r in train if r.arm.regimen})

    def kind(r: Result) -> int:
        if r.arm.switches.get("midazolam"):
            return 2
        return 1 if r.arm.group.endswith("nasal") else 0

    def value(x: Floats, r: Result) -> float:
        control = -x[kind(r)]
        if not r.arm.regimen:
            return float(control)
        effects = x[len(_CONTROLS) : -1]
        effect = effects[drugs.index(r.arm.group)] if r.arm.group in drugs else effects.mean()
        return float(control - effect * (np.exp(-np.exp(x[-1]) * r.time) - np.exp(-r.time)))

    error = np.sqrt([r.se**2 + _BETWEEN for r in train])

    def misfit(x: Floats) -> Floats:
        rows = np.array([value(x, r) - r.value for r in train]) / error
        priors = [(x[:3] - 7.0) / 6.0, (x[3:-1] - 8.0) / 6.0, [x[-1] - np.log(0.004)]]
        return np.concatenate([rows, *priors])

    found = least_squares(misfit, np.concatenate([[6.0, 6.0, 8.0], np.full(len(drugs), 8.0), [np.log(0.004)]]))
    return lambda r: value(np.asarray(found.x), r)
