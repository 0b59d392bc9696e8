"""Arm means over time: read from a table of one's own, or taken from the evidence base. Nothing is fitted here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ketasim.arguments import checked
from ketasim.errors import InvalidData, InvalidOption, close_names
from ketasim.synthesis._network_table import Table, read_table

if TYPE_CHECKING:
    import pandas as pd

    from ketasim.evidence import Evidence

#: Treatments that count as control, in any letter case.
CONTROLS = ("placebo", "saline", "midazolam", "control", "sham")
#: Scales put on one footing by ``scale="percent"``: total scores of the severity of depression.
SEVERITY_SCALES = ("madrs", "hamd17", "hamd21", "hamd24", "hamd25", "hamd", "qids", "qids_sr", "phq9", "bdi")
_YES, _NO = ("true", "1", "yes"), ("false", "0", "no", "")


@dataclass(frozen=True)
class ArmMean:
    """Mean change of one arm from its own baseline at one time.

    Attributes
    ----------
    time_h : h since the first dose. change : below 0 is better. sd : of the change over patients, NaN where not known.
    control : whether the arm is a control. holdout : scored by a fit, never fitted. sources : keys. caveat : why
    a score on it is not independent. dose_unit : as given.
    """

    study: str
    arm: str
    treatment: str
    dose: float
    time_h: float
    n: float
    change: float
    sd: float = math.nan
    control: bool = False
    holdout: bool = False
    sources: tuple[str, ...] = ()
    caveat: str = ""
    dose_unit: str = ""


@dataclass(frozen=True)
class TimeCourseData:
    """Arm means over time.

    Attributes
    ----------
    rows : ordered by study, arm and time, so that the order of a file cannot matter. scale : what `change` is measured on.
    unit : of the dose. left_out : reason -> rows of the evidence base not taken for it.
    """

    rows: tuple[ArmMean, ...]
    scale: str = "score"
    unit: str = ""
    left_out: Mapping[str, tuple[str, ...]] | None = None

    @property
    def fitted(self) -> tuple[ArmMean, ...]:
        """Rows a fit may see."""
        return tuple(r for r in self.rows if not r.holdout)

    @property
    def held_out(self) -> tuple[ArmMean, ...]:
        """Rows a fit may only be scored on."""
        return tuple(r for r in self.rows if r.holdout)


def _ordered(rows: Sequence[ArmMean]) -> tuple[ArmMean, ...]:
    return tuple(sorted(rows, key=lambda r: (r.study, r.arm, r.time_h, r.treatment, r.dose)))


@checked
def read_time_course(
    data: str | Path | pd.DataFrame | Sequence[Mapping[str, Any]], *, scale: str = "score", unit: str = "",
    controls: Sequence[str] = CONTROLS,
) -> TimeCourseData:  # fmt: skip
    """Arm means over time from a table.

    Parameters
    ----------
    data : a CSV file or rows with the columns study, treatment, time_h, n, change; and if known sd, dose, dose_unit, arm,
        holdout. scale, unit : of the change and, where there is no dose_unit, of the dose. controls : names of treatments that are controls.

    Raises
    ------
    InvalidData: a column is missing, or a cell is not what the column needs; names file, line and column.

    Examples
    --------
    >>> rows = [{"study": "A", "treatment": "placebo", "time_h": 24, "n": 20, "change": -5.0, "sd": 9.0}]
    >>> read_time_course(rows).rows[0].control
    True
    """
    table = read_table(data)
    need = ("study", "treatment", "time_h", "n", "change")
    missing = [c for c in need if table.column(c) < 0]
    if missing:
        raise InvalidData(
            f"{table.name}: no column '{missing[0]}'; a time course needs {', '.join(need)} (and if known sd, dose, dose_unit, "
            f"arm, holdout). It has: {', '.join(table.columns)}."
        )
    names = {c.lower() for c in controls}
    rows = [_row(table, r, names) for r in range(len(table.rows))]
    _same_spelling(table, rows)
    seen: dict[tuple[str, str, float], int] = {}
    for r, row in enumerate(rows):
        key = (row.study, row.arm, row.time_h)
        if key in seen:
            raise InvalidData(
                f"{table.where(r)}: study '{row.study}', arm '{row.arm}' has a value at {row.time_h:g} h already "
                f"(line {table.lines[seen[key]]}); keep one, or tell the arms apart in a column 'arm'."
            )
        seen[key] = r
    return TimeCourseData(_ordered(rows), scale, unit)


def _same_spelling(table: Table, rows: Sequence[ArmMean]) -> None:
    """Refuse ``Placebo`` beside ``placebo``: they would be two treatments."""
    for key in ("study", "treatment"):
        first: dict[str, tuple[str, int]] = {}
        for r, row in enumerate(rows):
            name = getattr(row, key)
            known, at = first.setdefault(name.lower(), (name, r))
            if known != name:
                raise InvalidData(
                    f"{table.where(r, table.column(key))}: '{name}' is written '{known}' in line {table.lines[at]}; write one {key} in one way."
                )


def _row(table: Table, r: int, controls: set[str]) -> ArmMean:
    at = {
        c: table.column(c) for c in ("study", "treatment", "time_h", "n", "change", "sd", "dose", "dose_unit", "arm", "holdout")
    }
    number = {c: table.number(r, at[c]) if at[c] >= 0 else math.nan for c in ("time_h", "n", "change", "sd", "dose")}
    rules = {"time_h": (number["time_h"] > 0, "hours after the first dose, above 0 (baseline is not a row)"),
             "n": (number["n"] >= 1, "patients, 1 or more"), "change": (math.isfinite(number["change"]), "a number"),
             "sd": (not number["sd"] <= 0, "above 0, or empty where not known"), "dose": (not number["dose"] < 0, "0 or more")}  # fmt: skip
    for column, (is_good, allowed) in rules.items():
        if not is_good:
            cell = table.rows[r][at[column]]
            raise InvalidData(f"{table.where(r, at[column])}: '{cell}' is not allowed; write {allowed}.")
    study, treatment = table.text(r, at["study"]), table.text(r, at["treatment"])
    is_control = treatment.lower() in controls
    dose = 0.0 if is_control else number["dose"]
    named = at["arm"] >= 0 and not table.is_missing(r, at["arm"])
    arm = table.text(r, at["arm"]) if named else (treatment if math.isnan(dose) or is_control else f"{treatment} {dose:g}")
    flag = table.rows[r][at["holdout"]].strip().lower() if at["holdout"] >= 0 else ""
    if flag not in (*_YES, *_NO):
        raise InvalidData(f"{table.where(r, at['holdout'])}: '{flag}' is not allowed; write true or false.")
    unit = table.rows[r][at["dose_unit"]] if at["dose_unit"] >= 0 and not table.is_missing(r, at["dose_unit"]) else ""
    return ArmMean(
        study, arm, treatment, dose, number["time_h"], number["n"], number["change"], number["sd"], is_control, flag in _YES,
        dose_unit=unit,
    )  # fmt: skip


_QUERY = """
SELECT o.trial, o.arm, o.scale, o.time_h, o.n, o.mean, o.change_from_baseline AS change, o.change_sd,
       (o.holdout OR coalesce(t.holdout, false)) AS holdout, o.source, o.note,
       t.drug, t.route, t.dose, t.dose_unit, t.schedule, t.design, t.n_randomised, t.confidence AS known,
       t.setting,
       a.kind
FROM outcomes o LEFT JOIN trials t ON o.trial = t.trial AND o.arm = t.arm
LEFT JOIN analysis_sets a ON o.trial = a.trial AND o.arm = a.arm
WHERE o.confidence <> 'recalled' AND coalesce(o.other_metric, '') NOT IN ('extracted_by_meta_analysts', 'spread_probably_se', 'locf')
  AND o.scale IN ({scales}) AND o.time_h IS NOT NULL
  AND (o.mean IS NOT NULL OR o.change_from_baseline IS NOT NULL OR o.change_sd IS NOT NULL)
ORDER BY o.trial, o.arm, o.scale, o.time_h
"""


@checked
def evidence_time_course(
    evidence: Evidence | None = None, *, scale: str = "madrs", by_dose: bool = False, uncontrolled: bool = False,
    recalled_arms: bool = False, anaesthesia: bool = False,
) -> TimeCourseData:  # fmt: skip
    """Arm means after the first dose and before any second one, from the evidence base.

    Parameters
    ----------
    scale : a scale of the table `outcomes`, or ``percent``: every severity scale as percent of the arm's baseline mean.
    by_dose : treatments told apart by dose as well as by drug and route.
    uncontrolled : also arms of trials without a control arm; their change mixes drug and expectation.
    recalled_arms : also arms whose description (drug, dose) is recalled and not read; outcomes recalled are never used.
    anaesthesia : also trials that gave the drug during anaesthesia for surgery: other people, and nobody notices the drug.

    Notes
    -----
    A change is the one printed, else the mean minus the baseline mean. Left out, each with its reason in `left_out`: groups that are
    not randomised arms, arms not described, arms recalled, trials under anaesthesia, trials without control, times after a second dose, arms without number
    of patients.

    Raises
    ------
    InvalidOption: no such scale.
    """
    from ketasim import evidence as base

    whole = base.load() if evidence is None else evidence
    known = sorted(whole.sql("SELECT DISTINCT scale FROM outcomes WHERE scale IS NOT NULL")["scale"])
    if scale not in (*known, "percent"):
        raise InvalidOption(
            f"scale '{scale}': no outcomes on it.{close_names(scale, known)} Use 'percent', or one of the table outcomes."
        )
    scales = SEVERITY_SCALES if scale == "percent" else (scale,)
    found = whole.sql(_QUERY.format(scales=", ".join(f"'{s.replace(chr(39), '')}'" for s in scales)))
    left: dict[str, list[str]] = {}
    also = frozenset(name for name, wanted in (("recalled", recalled_arms), ("anaesthesia", anaesthesia)) if wanted)
    rows = _arm_means(found, scale == "percent", by_dose, also, left)
    if not uncontrolled:
        with_control = {r.study for r in rows if r.control}
        _leave(left, "trial without a control arm here", [r for r in rows if r.study not in with_control and not r.holdout])
        rows = [r for r in rows if r.study in with_control or r.holdout]
    label = "% of baseline" if scale == "percent" else scale.upper()
    return TimeCourseData(_ordered(rows), label, "", {k: tuple(sorted(set(v))) for k, v in left.items()})


def _leave(left: dict[str, list[str]], reason: str, rows: Sequence[ArmMean]) -> None:
    if rows:
        left.setdefault(reason, []).extend(f"{r.study} {r.arm}" for r in rows)


def _arm_means(
    found: pd.DataFrame, percent: bool, by_dose: bool, also: frozenset[str], left: dict[str, list[str]]
) -> list[ArmMean]:
    rows: list[ArmMean] = []
    for _, group in found.groupby(["trial", "arm"], sort=True):
        trial, arm = group["trial"].iloc[0], group["arm"].iloc[0]
        reason = _unusable(group.iloc[0], also)
        if reason:
            left.setdefault(reason, []).append(f"{trial} {arm}")
            continue
        for _, on_scale in group.groupby("scale", sort=True):
            made = _one_scale(on_scale, percent, by_dose)
            if made:
                rows += made
                break  # one scale per arm: the first by name with a change
        else:
            left.setdefault("no change after one dose with its number of patients", []).append(f"{trial} {arm}")
    return rows


def _unusable(first: Any, also: frozenset[str]) -> str:
    if isinstance(first["kind"], str):
        return f"not a randomised arm ({first['kind']})"
    if not isinstance(first["drug"], str):
        return "arm not described"
    if first["known"] == "recalled" and "recalled" not in also:
        return "description of the arm recalled, not read"
    if first["setting"] == "anaesthesia" and "anaesthesia" not in also:
        return "given during anaesthesia"
    return ""


def first_interval_h(schedule: str) -> float:
    """Hours to the second dose; infinite after a single one, 24 where the schedule does not tell (the next day at the earliest).

    Examples
    --------
    >>> first_interval_h("single"), first_interval_h("2/week x 4 weeks")
    (inf, 48.0)
    """
    text = schedule.lower()
    if text.startswith("single"):
        return math.inf
    if text.startswith("day 1 (and day 4"):
        return 72.0
    return 48.0 if text.startswith(("2/week", "3/week", "2 infusions per week")) else 24.0


def _one_scale(group: pd.DataFrame, percent: bool, by_dose: bool) -> list[ArmMean]:
    first = group.iloc[0]
    start = group[(group["time_h"] == 0) & group["mean"].notna()]
    baseline = float(start["mean"].iloc[0]) if len(start) else math.nan
    until = first_interval_h(str(first["schedule"] or ""))
    rows: list[ArmMean] = []
    for time, at in group[(group["time_h"] > 0) & (group["time_h"] <= until)].groupby("time_h", sort=True):
        at = at.sort_values("n", ascending=False, kind="stable")  # two analyses of one visit: the one with more patients
        change = _first(at["change"])
        if math.isnan(change):
            change = _first(at["mean"]) - baseline
        n = _first(at["n"])
        n = n if math.isfinite(n) else float(first["n_randomised"])
        factor = 100.0 / baseline if percent else 1.0
        is_held = bool(at["holdout"].any())
        if not math.isfinite(change * factor) or not (math.isfinite(n) or is_held):  # a score needs no number of patients
            continue
        row = _described(first, by_dose)
        rows.append(replace(row, time_h=float(time), n=n, change=change * factor, sd=_first(at["change_sd"]) * factor,
                            holdout=is_held, caveat=_caveat(at["note"]), sources=tuple(sorted(set(at["source"])))))  # fmt: skip
    return rows


def _caveat(notes: Any) -> str:
    return "pools trials that are fitted" if notes.astype(str).str.contains("leakage").any() else ""


def _first(values: Any) -> float:
    known = values.dropna()
    return float(known.iloc[0]) if len(known) else math.nan


def _described(first: Any, by_dose: bool) -> ArmMean:
    drug = str(first["drug"])
    is_control = drug.lower() in CONTROLS
    try:
        dose = float(first["dose"])
    except (TypeError, ValueError):
        dose = math.nan  # a range such as 56-84
    name = drug if is_control else f"{drug} {first['route']}"
    if by_dose and not is_control and isinstance(first["dose"], str):
        name += f" {first['dose']} {first['dose_unit']}"
    study = str(first["trial"])
    if str(first["design"]).lower().startswith("period 2"):
        study += " (period 2)"  # randomised anew, with a control of its own
    unit = first["dose_unit"] if isinstance(first["dose_unit"], str) else ""
    return ArmMean(study, str(first["arm"]), name, 0.0 if is_control else dose, math.nan, 0.0, math.nan, control=is_control,
                   dose_unit=unit)  # fmt: skip
