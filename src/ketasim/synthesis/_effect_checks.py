"""Checks of numbers that effects are made from, each with a message of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy import stats

from ketasim.errors import InvalidData, InvalidOption


def quantile(level: float, df: float) -> float:
    if not 0 < level < 1:
        raise InvalidOption(f"a level of {level:g}; it lies between 0 and 1, e.g. 0.95.")
    return float(stats.t.isf((1 - level) / 2, df) if math.isfinite(df) else stats.norm.isf((1 - level) / 2))


def half_width(low: float, high: float) -> float:
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InvalidData(f"the interval ({low:g}, {high:g}) is none; its lower limit must lie below its upper.")
    return (high - low) / 2


def correlation(r: float) -> float:
    if not -1 <= r <= 1:
        raise InvalidData(f"a correlation of {r:g}; it lies between -1 and 1.")
    return r


def above(x: float, what: str, limit: float = 0.0) -> float:
    good = x >= limit if limit else x > 0
    if not (math.isfinite(x) and good):
        raise InvalidData(f"{what} {x:g}: must be {'at least' if limit else 'above'} {limit:g}.")
    return x


def finite(x: float, what: str) -> float:
    if not math.isfinite(x):
        raise InvalidData(f"{what} {x}: must be a finite number.")
    return x


def one_of(value: str, allowed: Sequence[str], what: str) -> str:
    if value not in allowed:
        raise InvalidOption(f"{what} '{value}': unknown. Use one of {', '.join(allowed)}.")
    return value


def merged(*notes: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(n for some in notes for n in some))
