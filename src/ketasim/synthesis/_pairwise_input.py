"""From a table to one effect per study: the format is found by the columns, every number checked at its place.

Formats: effects (study, TE, seTE; or estimate, ci_low, ci_high), arms (study, treatment, and events, n or mean, sd, n), or one row per
study with both arms (events1, n1, events2, n2 or mean1, sd1, n1, mean2, sd2, n2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ketasim.arguments import checked
from ketasim.errors import InvalidData, InvalidOption, close_names, warn
from ketasim.synthesis._network_data import ContinuityCorrected, StudyExcluded
from ketasim.synthesis._network_input import checked_measure
from ketasim.synthesis._network_table import Table, read_table
from ketasim.synthesis._pairwise_arms import ArmEffects, effects_from_arms, effects_from_pairs, is_arm_format, is_pair_format
from ketasim.synthesis._pairwise_columns import find
from ketasim.synthesis._pairwise_contrasts import effects_from_contrasts, pick_comparison
from ketasim.synthesis._pairwise_data import EstimatedData, PairwiseData, SharedLabel

if TYPE_CHECKING:
    import pandas as pd


@checked
def read_pairwise(
    data: PairwiseData | Table | str | Path | pd.DataFrame | Sequence[Mapping[str, Any]], measure: str, *,
    treatment: str | Sequence[str] = (), control: str | Sequence[str] = (), covariates: Sequence[str] = (), multi_arm: str = "combine",
    continuity: float = 0.5, level: float = 0.95,
) -> PairwiseData:  # fmt: skip
    """One effect per study from a file, a DataFrame or records.

    Parameters
    ----------
    data : CSV file, DataFrame or records; see the module for the formats. measure : md, smd, or, rr, rd or hr.
    treatment, control : names of the arms to compare, one or several each (arms of one side in a study are combined); every other arm is
        a treatment if only the control is named.
    covariates : columns to keep, one value per study. multi_arm : ``combine`` several treated arms into one (Cochrane), or ``pool``
        their contrasts with the covariance of the control they share. continuity : added to all four cells of a table with an empty
        one. level : of the intervals in the file.

    Raises
    ------
    InvalidData: what cannot be used, with file, line, column and value. InvalidOption: no such measure, file, column or arm.

    Examples
    --------
    >>> rows = [{"study": "one", "events1": 4, "n1": 123, "events2": 11, "n2": 139}]
    >>> read_pairwise(rows, "rr").effect.round(4)
    array([-0.8893])
    """
    measure = checked_measure(measure)
    if isinstance(data, PairwiseData):
        return _same_measure(data, measure)
    if multi_arm not in ("combine", "pool"):
        raise InvalidOption(f"multi_arm '{multi_arm}': unknown. Use combine or pool.")
    table = read_table(data)
    wanted = {name: _covariate(table, name) for name in covariates}
    arms, against = _names(treatment), _names(control)
    if is_pair_format(table, measure):
        if arms or against:
            raise InvalidOption(
                f"{table.name}: holds both arms in a row and does not name them; leave out treatment= and control=."
            )
        found = effects_from_pairs(table, measure, _labels(table), continuity)
    elif is_arm_format(table, measure):
        found = effects_from_arms(table, measure, _study(table), arms, against, multi_arm, continuity)
    else:
        found = _contrasts(table, measure, level, arms, against)
    return _gathered(table, measure, found, wanted, continuity)


def _names(names: str | Sequence[str]) -> tuple[str, ...]:
    return ((names,) if names else ()) if isinstance(names, str) else tuple(names)


def _same_measure(data: PairwiseData, measure: str) -> PairwiseData:
    if data.measure != measure:
        raise InvalidOption(
            f"{data.name}: holds {data.measure}, asked for was {measure}; read the table again with that measure."
        )
    return data


def _covariate(table: Table, name: str) -> int:
    column = table.column(name)
    if column < 0:
        raise InvalidOption(
            f"{table.name}: no column '{name}'.{close_names(name, table.columns)} It has: {', '.join(table.columns)}."
        )
    return column


def _study(table: Table) -> int:
    column = find(table, "study")
    if column < 0:
        raise InvalidData(f"{table.name}: no column for the study among {', '.join(table.columns)}. Call it 'study'.")
    return column


def _labels(table: Table) -> list[str]:
    """One label per row: numbers get author and year where these are there; repeated labels are told apart and said."""
    column, author, year = _study(table), find(table, "author"), find(table, "year")
    labels = [table.text(r, column) for r in range(len(table.rows))]
    if all(label.isdigit() for label in labels) and author >= 0:
        labels = [table.rows[r][author] or label for r, label in enumerate(labels)]
        column = author
    if year >= 0 and (column == author or len(set(labels)) < len(labels)):
        labels = [f"{label} {table.rows[r][year]}".strip() for r, label in enumerate(labels)]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if not twice:
        return labels
    warn(
        f"{table.name}: {', '.join(repr(t) for t in twice[:5])} stands in several rows, taken as separate, independent studies. Contrasts of "
        "one study that share an arm are not independent: give its arms instead.",
        SharedLabel,
        stacklevel=4,
    )
    seen: dict[str, int] = {}
    for k, label in enumerate(labels):
        seen[label] = seen.get(label, 0) + 1
        labels[k] = f"{label} ({seen[label]})" if label in twice else label
    return labels


def _contrasts(table: Table, measure: str, level: float, arms: Sequence[str], control: Sequence[str]) -> ArmEffects:
    rows, signs, treatment, base = pick_comparison(table, arms, control)
    chosen = Table(
        table.name, table.columns, tuple(table.rows[r] for r in rows), tuple(table.lines[r] for r in rows), table.decimal_comma
    )
    effects, absent = effects_from_contrasts(chosen, measure, level, signs)
    labels = _labels(chosen)
    return ArmEffects(
        {labels[r]: e for r, e in effects.items()}, {label: [rows[k]] for k, label in enumerate(labels)}, {},
        {labels[r]: why for r, why in absent.items()}, treatment, base,
    )  # fmt: skip


def _gathered(table: Table, measure: str, found: ArmEffects, wanted: Mapping[str, int], continuity: float) -> PairwiseData:
    for label, why in found.absent.items():
        warn(f"{table.name}: study '{label}' is left out: {why}.", StudyExcluded, stacklevel=4)
    if not found.effects:
        reasons = "; ".join(f"{s}: {why}" for s, why in list(found.absent.items())[:5])
        raise InvalidData(f"{table.name}: no study is left to analyse ({reasons}).")
    data = PairwiseData.from_effects(found.effects, name=table.name)
    _say(table.name, data, continuity)
    columns = {name: tuple(_value(table, s, found.rows[s], c) for s in data.studies) for name, c in wanted.items()}
    complete = all(s in found.counts for s in data.studies)
    counts = np.array([found.counts[s] for s in data.studies], dtype=np.float64) if complete else None
    return PairwiseData(
        data.studies, data.effect, data.se, measure, data.n1, data.n2, counts, columns, data.notes, data.estimated, data.corrected,
        found.absent, table.name, found.treatment, found.control,
    )  # fmt: skip


def _say(name: str, data: PairwiseData, continuity: float) -> None:
    def shown(studies: Sequence[str]) -> str:
        return ", ".join(studies[:5]) + (f" and {len(studies) - 5} more" if len(studies) > 5 else "")

    if data.corrected:
        warn(
            f"{name}: an empty cell in {shown(data.corrected)}: {continuity:g} is added to all four cells of these tables (for risk "
            "differences to the variance only).",
            ContinuityCorrected,
            stacklevel=5,
        )
    if data.estimated:
        warn(f"{name}: means or deviations were estimated in {shown(data.estimated)}.", EstimatedData, stacklevel=5)


def _value(table: Table, study: str, rows: Sequence[int], column: int) -> str:
    found = list(dict.fromkeys(table.rows[r][column] for r in rows if not table.is_missing(r, column)))
    if len(found) > 1:
        raise InvalidData(
            f"{table.where(rows[0], column)}: study '{study}' has several values ({', '.join(found)}); a covariate has one value per study."
        )
    return found[0] if found else ""
