"""Effects as printed: estimate with standard error, variance, interval or p value; ratios or their logarithms told apart by a rule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ketasim.errors import InvalidData, InvalidOption, warn
from ketasim.synthesis._effects import EffectSize, effect
from ketasim.synthesis._network_data import MEASURES, Floats
from ketasim.synthesis._network_table import Table
from ketasim.synthesis._pairwise_arms import COUNTS, known_arm
from ketasim.synthesis._pairwise_columns import find, found_roles, number, refused
from ketasim.synthesis._pairwise_data import AsymmetricInterval

_PRECISION = {"error": "se", "variance": "se", "ci_low": "ci", "p": "p"}


def estimate_column(table: Table, measure: str) -> tuple[int, str]:
    """Column of the effect and the scale its name tells: ``log``, ``ratio``, ``plain``, or ``open`` for names that say nothing."""
    kinds = ("log", "ratio", "open") if MEASURES[measure] else ("plain", "open")
    for kind in kinds:
        column = find(table, kind)
        if column >= 0:
            return column, kind if MEASURES[measure] else "plain"
    return -1, ""


def effects_from_contrasts(
    table: Table, measure: str, level: float, signs: Sequence[int]
) -> tuple[dict[int, EffectSize], dict[int, str]]:
    """Effects by row, and reasons by row where there is none.

    Notes
    -----
    A ratio column under a name such as ``estimate`` is read by its interval: as logarithms if any number is 0 or less, or if the
    intervals are centred on the estimates as they stand and not after taking logarithms; else as ratios. With a standard error
    instead of an interval it is read as a logarithm, as in networks.
    """
    column, kind = estimate_column(table, measure)
    precision = found_roles(table, "error", "variance", "ci_low", "ci_high", "p")
    if column < 0 or (
        not any(r in precision for r in ("error", "variance", "p")) and not {"ci_low", "ci_high"} <= set(precision)
    ):
        raise InvalidData(
            f"{table.name}: no effect with its precision among the columns {', '.join(table.columns)}. For {measure} give TE and seTE "
            f"(logarithms for ratios), or estimate with ci_low and ci_high{_arms_for(measure)}."
        )
    rows = range(len(table.rows))
    y = np.array([number(table, r, column) for r in rows])
    found = {r: _precision(table, r, precision) for r in rows}
    log = MEASURES[measure] and _is_log(table, kind, column, y, found)
    n1, n2 = find(table, "n1"), find(table, "n2")
    effects, absent = dict[int, EffectSize](), dict[int, str]()
    for r in rows:
        if math.isnan(y[r]) or not found[r]:
            absent[r] = f"no {'effect' if math.isnan(y[r]) else 'standard error, interval or p value'} (line {table.lines[r]})"
            continue
        n = (number(table, r, n1, "positive"), number(table, r, n2, "positive"))
        effects[r] = _one(table, r, column, measure, float(y[r]), found[r], log, level, n)
    _check_centres(table, effects, found, log, measure)
    return {r: _turned(e) if signs[r] < 0 else e for r, e in effects.items()}, absent


def _arms_for(measure: str) -> str:
    if measure == "hr":
        return ""
    return "; or arms with " + ("events and n" if measure in COUNTS else "mean, sd and n")


def _turned(e: EffectSize) -> EffectSize:
    return replace(e, estimate=-e.estimate, n1=e.n2, n2=e.n1)


def pick_comparison(table: Table, treatment: Sequence[str], control: Sequence[str]) -> tuple[list[int], list[int], str, str]:
    """Rows of the comparison asked for, their direction, and the names of both sides; all rows where the table names no arms."""
    one, other = find(table, "treat1"), find(table, "treat2")
    if one < 0 or other < 0:
        if treatment or control:
            raise InvalidOption(f"{table.name}: names no arms (treat1, treat2, or treatment); leave out treatment= and control=.")
        return list(range(len(table.rows))), [1] * len(table.rows), "", ""
    pairs = [(table.text(r, one), table.text(r, other)) for r in range(len(table.rows))]
    names = list(dict.fromkeys(n for pair in pairs for n in pair))
    base, wanted = ([known_arm(table, names, n) for n in some] for some in (control, treatment))
    signs = {r: s for r, pair in enumerate(pairs) if (s := _direction(pair, wanted, base))}
    found = sorted({tuple(sorted(pairs[r])) for r in signs})
    if not found or (len(found) > 1 and not (base and wanted)):
        shown = "; ".join(" - ".join(pair) for pair in found[:8])
        what = f"several comparisons ({shown})" if found else "no such comparison"
        raise InvalidOption(
            f"{table.name}: {what}. Name one by treatment= and control= (--treatment, --control), or use the network verb."
        )
    _one_row_each(table, list(signs))
    first = next(iter(signs))
    if not base and not wanted:
        # Nothing asked for: the direction of the first row.
        signs = {r: 1 if pairs[r] == pairs[first] else -1 for r in signs}
    sides = pairs[first] if signs[first] > 0 else pairs[first][::-1]
    return list(signs), list(signs.values()), " or ".join(wanted) or sides[0], " or ".join(base) or sides[1]


def _direction(pair: tuple[str, str], wanted: Sequence[str], base: Sequence[str]) -> int:
    """1 if a row is treatment minus control, -1 if it is the other way round, 0 if it is another comparison."""
    for sign, (treated, against) in ((1, pair), (-1, pair[::-1])):
        is_treated = treated in wanted if wanted else treated not in base
        is_control = against in base if base else against not in wanted
        if is_treated and is_control:
            return sign
    return 0


def _one_row_each(table: Table, rows: Sequence[int]) -> None:
    column = find(table, "study")
    seen: dict[str, int] = {}
    for r in rows:
        label = table.rows[r][column] if column >= 0 else str(r)
        if label in seen:
            raise InvalidData(
                f"{table.where(r)}: study '{label}' has several contrasts in this comparison (the other in line {table.lines[seen[label]]}); "
                "they share an arm and are not independent. Give its arms (study, treatment, ...) or name one treatment."
            )
        seen[label] = r


def _precision(table: Table, row: int, columns: dict[str, int]) -> dict[str, float]:
    """What a row offers as precision, the standard error first."""
    se = number(table, row, columns.get("error", -1), "positive")
    if math.isnan(se):
        se = math.sqrt(number(table, row, columns.get("variance", -1), "positive"))
    if not math.isnan(se):
        return {"se": se}
    low, high = (number(table, row, columns.get(c, -1)) for c in ("ci_low", "ci_high"))
    if not (math.isnan(low) or math.isnan(high)):
        if not low < high:
            raise refused(table, row, columns["ci_low"], f"is no lower limit below {high:g}")
        return {"low": low, "high": high}
    p = number(table, row, columns.get("p", -1))
    if not math.isnan(p) and not 0 < p < 1:
        raise refused(table, row, columns["p"], "is no p value between 0 and 1")
    return {} if math.isnan(p) else {"p": p}


def _is_log(table: Table, kind: str, column: int, y: Floats, found: dict[int, dict[str, float]]) -> bool:
    if kind == "log":
        return True
    if kind == "ratio":
        with_se = [r for r, f in found.items() if "se" in f and not math.isnan(y[r])]
        if with_se:
            raise InvalidData(
                f"{table.where(with_se[0], column)}: a ratio with a standard error; unclear whether that is the error of the ratio or of its "
                "logarithm. Give the logarithm as TE with seTE, or the ratio with ci_low and ci_high."
            )
        return False
    if any("se" in f for f in found.values()):
        return True
    rows = [r for r, f in found.items() if "low" in f and not math.isnan(y[r])]
    limits = np.array([[found[r]["low"], y[r], found[r]["high"]] for r in rows])
    if not len(rows):
        return bool((y[~np.isnan(y)] <= 0).any())
    if (limits <= 0).any():
        return True
    return _lopsided(limits) < 0.02 < _lopsided(np.log(limits))


def _lopsided(limits: Floats) -> float:
    """Median distance of estimates from the middle of their intervals, as a share of the width."""
    return float(np.median(np.abs(limits[:, 1] - (limits[:, 0] + limits[:, 2]) / 2) / (limits[:, 2] - limits[:, 0])))


def _one(
    table: Table, row: int, column: int, measure: str, y: float, found: dict[str, float], log: bool, level: float,
    n: tuple[float, float],
) -> EffectSize:  # fmt: skip
    if MEASURES[measure] and not log and y <= 0:
        raise refused(table, row, column, "is no ratio above 0. Logarithms of ratios go under the name TE, with seTE")
    try:
        if "se" in found:
            return effect(measure, estimate=y, se=found["se"], n=n, log=log)
        if "p" in found:
            return effect(measure, estimate=y, p=found["p"], n=n, log=log)
        return effect(measure, estimate=y, ci=(found["low"], found["high"]), n=n, level=level, log=log)
    except InvalidData as error:
        raise InvalidData(f"{table.where(row, column)}: {error}") from None


def _check_centres(
    table: Table, effects: dict[int, EffectSize], found: dict[int, dict[str, float]], log: bool, measure: str
) -> None:
    """Say where an interval is not centred on its estimate; rounding explains a tenth of its half width."""
    doubtful = []
    for r, e in effects.items():
        if "low" in found[r]:
            low, high = found[r]["low"], found[r]["high"]
            if MEASURES[measure] and not log:
                low, high = math.log(low), math.log(high)
            if abs(e.estimate - (low + high) / 2) > 0.15 * (high - low) / 2:
                doubtful.append(table.lines[r])
    if doubtful:
        warn(
            f"{table.name}: in line {', '.join(map(str, doubtful[:5]))}{' and more' if len(doubtful) > 5 else ''} the interval is not "
            f"centred on the estimate{' after taking logarithms' if MEASURES[measure] and not log else ''}; half its width was used. "
            "Check the numbers and the scale.",
            AsymmetricInterval,
            stacklevel=5,
        )
