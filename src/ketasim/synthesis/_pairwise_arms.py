"""Effects from counts or means of arms: one row per arm, or one row per study with both arms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ketasim.errors import InvalidData, InvalidOption, close_names
from ketasim.synthesis._effect_arms import Arm, CountArm, MeanArm, combine_arms
from ketasim.synthesis._effects import EffectSize, effect, multi_arm_effects, pool_correlated
from ketasim.synthesis._network_table import Table, plain_name
from ketasim.synthesis._pairwise_columns import find, found_roles, number, refused

COUNTS = ("or", "rr", "rd")
#: Names by which an arm is known as the control when nothing is said.
CONTROLS = ("placebo", "control", "ctrl", "saline", "midazolam", "sham", "tau", "usualcare", "waitlist", "waitinglist", "activeplacebo",
            "comparator", "vehicle", "plac", "pbo", "notreatment", "unvaccinated")  # fmt: skip


@dataclass(frozen=True)
class ArmEffects:
    """Effects by study with their rows, two-by-two tables where there are counts, and reasons where there is no effect."""

    effects: dict[str, EffectSize]
    rows: dict[str, list[int]]
    counts: dict[str, tuple[float, float, float, float]]
    absent: dict[str, str]
    treatment: str = ""
    control: str = ""


def is_pair_format(table: Table, measure: str) -> bool:
    """Whether a row holds both arms of a study."""
    if measure in COUNTS:
        return all(find(table, f"events{k}") >= 0 and max(find(table, f"n{k}"), find(table, f"none{k}")) >= 0 for k in "12")
    return measure in ("md", "smd") and all(find(table, f"{role}{k}") >= 0 for role in ("mean", "sd", "n") for k in "12")


def is_arm_format(table: Table, measure: str) -> bool:
    """Whether a row holds one arm."""
    if find(table, "treatment") < 0 or measure == "hr":
        return False
    if measure in COUNTS:
        return find(table, "events") >= 0 and find(table, "n") >= 0
    return (find(table, "mean") >= 0 and max(find(table, "sd"), find(table, "se")) >= 0) or find(table, "median") >= 0


def effects_from_pairs(table: Table, measure: str, labels: Sequence[str], continuity: float) -> ArmEffects:
    """One effect per row of both arms."""
    effects, counts, absent = dict[str, EffectSize](), dict[str, tuple[float, float, float, float]](), dict[str, str]()
    for r, label in enumerate(labels):
        arms = [_pair_arm(table, r, measure, k) for k in "12"]
        if None in arms:
            absent[label] = f"a number is missing (line {table.lines[r]})"
            continue
        _add(label, measure, [arms[0]], arms[1], continuity, "combine", effects, counts, absent)  # type: ignore[arg-type]
    return ArmEffects(effects, {label: [r] for r, label in enumerate(labels)}, counts, absent)


def _pair_arm(table: Table, row: int, measure: str, k: str) -> Arm | None:
    if measure in COUNTS:
        events, n = find(table, f"events{k}"), find(table, f"n{k}")
        if n >= 0:
            return _count_arm(table, row, events, n)
        x, rest = number(table, row, events, "not negative"), number(table, row, find(table, f"none{k}"), "not negative")
        return None if math.isnan(x + rest) else CountArm(x, x + rest)
    mean, sd, n = (number(table, row, find(table, f"{role}{k}"), rule) for role, rule in _MEAN_RULES)
    return None if math.isnan(mean + sd + n) else MeanArm(mean, sd, n)


_MEAN_RULES = (("mean", ""), ("sd", "positive"), ("n", "positive"))


def _count_arm(table: Table, row: int, events: int, n: int) -> CountArm | None:
    x, total = number(table, row, events, "not negative"), number(table, row, n, "positive")
    if math.isnan(x + total):
        return None
    if x > total:
        raise refused(table, row, events, f"events among {total:g} patients; there cannot be more events than patients")
    if 0 < x < 1:
        raise refused(table, row, events, "looks like a proportion; give the number of patients with an event")
    return CountArm(x, total)


def effects_from_arms(
    table: Table, measure: str, study: int, treatment: Sequence[str], control: Sequence[str], multi_arm: str, continuity: float
) -> ArmEffects:
    """One effect per study from its arms; several treated arms are combined, or pooled with the covariance of the arm they share."""
    column = find(table, "treatment")
    names = list(dict.fromkeys(table.text(r, column) for r in range(len(table.rows))))
    base = _control(table, names, control, treatment)
    wanted = [known_arm(table, names, t) for t in treatment] or [n for n in names if n not in base]
    if twice := [n for n in base if n in wanted]:
        raise InvalidOption(f"{table.name}: '{twice[0]}' cannot be both treatment and control.")
    groups: dict[str, list[int]] = {}
    for r in range(len(table.rows)):
        groups.setdefault(table.text(r, study), []).append(r)
    effects, counts, absent = dict[str, EffectSize](), dict[str, tuple[float, float, float, float]](), dict[str, str]()
    for label, rows in groups.items():
        treated = [a for r in rows if table.text(r, column) in wanted and (a := _arm(table, r, measure)) is not None]
        controls = [a for r in rows if table.text(r, column) in base and (a := _arm(table, r, measure)) is not None]
        if not treated or not controls:
            missing = "no arm " + " or ".join(repr(n) for n in (wanted if controls else base)[:3])
            absent[label] = f"{missing} with all numbers (line {', '.join(str(table.lines[r]) for r in rows)})"
            continue
        _add(label, measure, treated, combine_arms(controls), continuity, multi_arm, effects, counts, absent)
    return ArmEffects(effects, groups, counts, absent, wanted[0] if len(wanted) == 1 else "", " or ".join(base))


def _control(table: Table, names: Sequence[str], control: Sequence[str], treatment: Sequence[str]) -> list[str]:
    if control:
        return [known_arm(table, names, c) for c in control]
    chosen = [known_arm(table, names, t) for t in treatment]
    rest = [n for n in names if n not in chosen]
    if chosen and len(rest) == 1:
        return rest
    known = [n for n in rest if plain_name(n) in CONTROLS]
    if len(known) == 1:
        return known
    raise InvalidOption(
        f"{table.name}: unclear which arm is the control. Name it, or several, with control= (--control): {', '.join(rest[:12])}."
    )


def known_arm(table: Table, names: Sequence[str], name: str) -> str:
    """A name as written in the table."""
    hits = [n for n in names if n == name] or [n for n in names if n.lower() == name.lower()]
    if not hits:
        raise InvalidOption(f"{table.name}: no arm '{name}'.{close_names(name, names)} It has: {', '.join(names[:12])}.")
    return hits[0]


def _arm(table: Table, row: int, measure: str) -> Arm | None:
    if measure in COUNTS:
        return _count_arm(table, row, find(table, "events"), find(table, "n"))
    mean, n = number(table, row, find(table, "mean")), number(table, row, find(table, "n"), "positive")
    sd, se = number(table, row, find(table, "sd"), "positive"), number(table, row, find(table, "se"), "positive")
    if math.isnan(n):
        return None
    if not math.isnan(mean) and not math.isnan(sd):
        return MeanArm(mean, sd, n)
    if not math.isnan(mean) and not math.isnan(se):
        return MeanArm.from_se(mean, se, n)
    given = {
        k: v
        for k in found_roles(table, "q1", "q3", "minimum", "maximum")
        if not math.isnan(v := number(table, row, find(table, k)))
    }
    median = number(table, row, find(table, "median"))
    if math.isnan(median) or not given:
        return None
    try:
        arm = MeanArm.from_quantiles(n, median, **given)
    except (InvalidData, InvalidOption) as error:
        raise InvalidData(f"{table.where(row, find(table, 'median'))}: {error}") from None
    return arm if math.isnan(mean) else replace(arm, mean=mean, notes=(*arm.notes, "the mean as reported"))


def _add(
    label: str, measure: str, treated: Sequence[Arm], control: Arm, continuity: float, multi_arm: str, effects: dict[str, EffectSize],
    counts: dict[str, tuple[float, float, float, float]], absent: dict[str, str],
) -> None:  # fmt: skip
    merged = combine_arms(treated)
    try:
        found = effect(measure, merged, control, continuity=continuity)
        if multi_arm == "pool" and len(treated) > 1:
            estimate, se = pool_correlated(*multi_arm_effects(measure, control, treated, continuity))
            note = f"{len(treated)} contrasts pooled with the covariance of their shared control"
            notes = (*(n for n in found.notes if "combined" not in n), note)
            found = replace(found, estimate=estimate, se=se, notes=notes)
        elif isinstance(merged, CountArm):
            notes = (*found.notes, f"{len(treated)} arms combined") if len(treated) > 1 else found.notes
            found = replace(found, notes=notes)
            counts[label] = (merged.events, merged.n, control.events, control.n)  # type: ignore[union-attr]
    except InvalidData as error:
        absent[label] = str(error).removeprefix(f"no {measure} can be computed: ").rstrip(".")
        return
    effects[label] = found
