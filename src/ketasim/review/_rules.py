"""From rows to a verdict: few rules, their thresholds declared here or beside the claim, none tuned to an outcome.

Every rule takes rows as they come from the evidence base and says what was found, the verdict, and why.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ketasim.synthesis import pooled_percentage

REPRODUCED, PARTLY, CONTRADICTED = "reproduced", "partly", "contradicted"
NOT_TESTABLE, NOT_YET = "not testable", "not yet testable"
VERDICTS = (REPRODUCED, PARTLY, CONTRADICTED, NOT_TESTABLE, NOT_YET)

#: Share of findings that agree, at or above which a claim is reproduced; at or below the second it is contradicted.
AGREE, DISAGREE = 0.8, 0.2
#: Findings and independent sources without which agreement stays partial.
MIN_FINDINGS, MIN_SOURCES = 3, 2
#: Studies needed to pool.
MIN_STUDIES = 3

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Finding:
    """What a rule says. numbers : the values behind the text, for programs."""

    found: str
    verdict: str
    reason: str
    numbers: Mapping[str, Any] = field(default_factory=dict)


def share(rows: Rows) -> Finding:
    """Rows with `agrees`: the share that agrees decides; rows that are not known keep a verdict from being full.

    `paper` is the first key of the same paper, where a paper has several: it is one source.
    """
    known = [row for row in rows if row["agrees"] is not None and row["agrees"] == row["agrees"]]
    unknown = len(rows) - len(known)
    if not known:
        return Finding("no findings", NOT_TESTABLE, "Nothing in the evidence base bears on it.")
    agree = sum(bool(row["agrees"]) for row in known)
    sources = len({row.get("paper", row["source"]) for row in known})
    part = agree / len(known)
    findings = "finding agrees" if len(known) == 1 else "findings agree"
    found = f"{agree} of {len(known)} {findings}, from {sources} source{'s' if sources > 1 else ''}"
    numbers = {"agree": agree, "findings": len(known), "sources": sources, "not_known": unknown}
    enough = len(known) >= MIN_FINDINGS and sources >= MIN_SOURCES
    if part <= DISAGREE and not enough:
        reason = (
            f"They disagree, but a contradiction needs {MIN_FINDINGS} findings from {MIN_SOURCES} sources, as full support does."
        )
        return Finding(found, NOT_TESTABLE, reason, numbers)
    if part <= DISAGREE:
        return Finding(found, CONTRADICTED, f"At most {DISAGREE:.0%} of the findings agree.", numbers)
    if part < AGREE:
        return Finding(found, PARTLY, f"Findings disagree: fewer than {AGREE:.0%} agree.", numbers)
    if not enough:
        return Finding(
            found, PARTLY, f"They agree, but full support needs {MIN_FINDINGS} findings from {MIN_SOURCES} sources.", numbers
        )
    if unknown:
        return Finding(found, PARTLY, "They agree, but a part of the claim could not be tested.", numbers)
    return Finding(found, REPRODUCED, f"At least {AGREE:.0%} of the findings agree.", numbers)


def interval(estimate: float, low: float, high: float, null: float, side: str) -> tuple[str, str]:
    """Verdict and reason for an effect claimed to lie `above` or `below` no effect."""
    sign = 1.0 if side == "above" else -1.0
    near, far = (low, high) if side == "above" else (high, low)
    if sign * (near - null) > 0:
        return REPRODUCED, f"The 95 % interval lies {side} no effect."
    if sign * (far - null) < 0:
        return CONTRADICTED, "The 95 % interval lies on the other side of no effect."
    if sign * (estimate - null) > 0:
        return PARTLY, "The estimate is on the side of the claim, the 95 % interval includes no effect."
    return NOT_TESTABLE, "The estimate is not on the side of the claim, the 95 % interval includes no effect."


def in_range(values: Sequence[float], low: float, high: float, unit: str, sources: int = MIN_SOURCES) -> Finding:
    """Values that should lie in a range: all of them, or their median. sources : independent ones behind them."""
    real = sorted(v for v in values if math.isfinite(v))
    if not real:
        return Finding("no value", NOT_TESTABLE, "Nothing in the evidence base gives a number.")
    middle = real[len(real) // 2] if len(real) % 2 else 0.5 * (real[len(real) // 2 - 1] + real[len(real) // 2])
    found = f"median {middle:g} {unit} ({real[0]:g} to {real[-1]:g}, {len(real)} values)"
    numbers = {"median": middle, "lowest": real[0], "highest": real[-1], "values": len(real)}
    claimed = f"{low:g} to {high:g} {unit}"
    if len(real) < MIN_FINDINGS or sources < MIN_SOURCES:
        few_values = f"a verdict needs {MIN_FINDINGS} values from {MIN_SOURCES} sources."
        if low <= middle <= high:
            return Finding(found, PARTLY, f"The median lies within {claimed}; {few_values}", numbers)
        return Finding(found, NOT_TESTABLE, f"The median lies outside {claimed}; {few_values}", numbers)
    if all(low <= v <= high for v in real):
        return Finding(found, REPRODUCED, f"Every value lies within {claimed}.", numbers)
    if low <= middle <= high:
        return Finding(found, PARTLY, f"The median lies within {claimed}, single values do not.", numbers)
    return Finding(found, CONTRADICTED, f"The median lies outside {claimed}.", numbers)


def few(rows: Rows, most: int) -> Finding:
    """The claim is that little is known. That little was entered confirms it in part: what was not entered is not counted."""
    n = len(rows)
    found = f"{n} found" + (f": {', '.join(str(row['what']) for row in rows[:5])}" if rows else "")
    told = f"'Few' was set at {most} or fewer before counting"
    if n > most:
        return Finding(found, CONTRADICTED, f"{told}.", {"count": n, "most": most})
    return Finding(found, PARTLY, f"{told}; what was not entered was not counted.", {"count": n, "most": most})


def many(rows: Rows, least: int) -> Finding:
    """The claim is that practice varies."""
    n = len(rows)
    verdict = REPRODUCED if n >= least else CONTRADICTED
    return Finding(f"{n} different ones found", verdict, f"'Varies' was set at {least} or more before counting.", {"count": n})


def covered(rows: Rows, events: Sequence[str]) -> Finding:
    """Every event named has rows with a number."""
    import re

    names = [str(row["what"]).lower() for row in rows]
    have = [event for event in events if any(re.search(event, name) for name in names)]
    missing = [event for event in events if event not in have]
    found = f"{len(have)} of {len(events)} effects have numbers ({len(rows)} rows)"
    verdict = REPRODUCED if not missing else PARTLY if have else NOT_TESTABLE
    reason = "Every effect named was observed." if not missing else f"No numbers for: {', '.join(missing)}."
    return Finding(found, verdict, reason, {"covered": len(have), "named": len(events)})


def incidence(rows: Rows, expected: Mapping[str, float], tolerance: float) -> Finding:
    """Pooled percentages of groups of studies against those claimed; `tolerance` in percentage points."""
    got: dict[str, tuple[float, float, float, int]] = {}
    for group in expected:
        own = [(float(row["value"]), float(row["n"])) for row in rows if row["grp"] == group]
        if own:
            got[group] = pooled_percentage(own)
    if not got:
        return Finding("no studies", NOT_TESTABLE, "Nothing in the evidence base gives an incidence.")
    found = "; ".join(f"{g}: {p:.0f} % ({low:.0f} to {high:.0f}, {k} studies)" for g, (p, low, high, k) in got.items())
    near = {g: abs(p - expected[g]) <= tolerance for g, (p, _, _, _) in got.items()}
    inside = {g: low <= expected[g] <= high for g, (_, low, high, _) in got.items()}
    numbers = {g: {"percent": p, "ci_low": low, "ci_high": high, "studies": k} for g, (p, low, high, k) in got.items()}
    said = ", ".join(f"{g} {v:g} %" for g, v in expected.items())
    thin = [g for g, (_, _, _, k) in got.items() if k < MIN_STUDIES]
    if thin and (all(near.values()) or (not any(near.values()) and not any(inside.values()))):
        verdict = PARTLY if all(near.values()) else NOT_TESTABLE
        return Finding(found, verdict, f"Claimed is {said}; a verdict needs {MIN_STUDIES} studies each.", numbers)
    if len(got) == len(expected) and all(near.values()):
        return Finding(found, REPRODUCED, f"All within {tolerance:g} points of {said}.", numbers)
    if any(near.values()) or any(inside.values()):
        return Finding(
            found,
            PARTLY,
            f"Claimed is {said}: the intervals hold some of it, or estimates lie within {tolerance:g} points.",
            numbers,
        )
    return Finding(found, CONTRADICTED, f"Claimed is {said}; neither estimates nor intervals agree.", numbers)


def joined(one: Finding, name: str, other: Finding) -> Finding:
    """A claim of two parts: reproduced or contradicted as a whole only where both are."""
    found = f"{one.found} | {name}: {other.found}"
    numbers = {**one.numbers, name: dict(other.numbers)}
    verdicts = {one.verdict, other.verdict}
    if len(verdicts) == 1:
        return Finding(found, one.verdict, one.reason, numbers)
    if verdicts == {REPRODUCED, PARTLY}:  # the weaker part says why
        return Finding(found, PARTLY, one.reason if one.verdict == PARTLY else other.reason, numbers)
    if verdicts == {CONTRADICTED, NOT_TESTABLE}:
        return Finding(found, NOT_TESTABLE, "One part of the claim is contradicted, the other could not be tested.", numbers)
    return Finding(found, PARTLY, "One part of the claim holds better than the other.", numbers)
