"""Disorders beside depression against every randomised contrast of the evidence: prediction, interval, observation, inside or not.

Which contrasts there are, and how each is simulated, stands in ``disorder_contrasts.csv``, also those that cannot be scored and why.
What was observed is read from the evidence.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ketasim import evidence, library
from ketasim.arguments import checked
from ketasim.clinical import Outcome, Session, drawn_values, outcome, patients, trial_effects
from ketasim.dose import parse
from ketasim.errors import InvalidData, InvalidOption, close_names
from ketasim.fit.clinical._drivers import peaks
from ketasim.simulation._care import Care, asked_care, with_beside
from ketasim.writing import replacing

Floats = NDArray[np.float64]
TABLE = Path(__file__).parent / "disorder_contrasts.csv"
#: People behind a mean, and random samplings of a trial of its size behind each draw.
_PEOPLE, _SAMPLINGS = 200, 40
#: Contrasts in fewer trials than this have no error: an average over so few says nothing.
LEAST_TRIALS = 8


@dataclass(frozen=True)
class DisorderScore:
    """Outcome of `validate_disorders`.

    Attributes
    ----------
    table : one line per contrast, drug minus control: `observed` (NaN where only "not significant" or nothing was read), `predicted` (median),
        `low`, `high` (90 % for a trial of that size in a new population), `inside`, `not_significant` (probability that such a trial finds no
        significant difference), `class_mean` (mean of the other trials' contrasts of that disorder and measure), `reason` where it is not scored.
    nulls : the lines of trials without a significant difference. models : disorders cited.
    """

    table: pd.DataFrame
    models: tuple[str, ...]

    @property
    def scored(self) -> pd.DataFrame:
        """Lines with a prediction."""
        return self.table[self.table["reason"] == ""]

    @property
    def nulls(self) -> pd.DataFrame:
        """Trials that found no significant difference."""
        return self.scored[self.scored["null"]]

    def notes(self) -> list[str]:
        """What a reader has to know: coverage, failed nulls, and why no error is given."""
        scored = self.scored
        trials = scored.groupby("study")["inside"].all()
        said = [f"{int(scored['inside'].sum())} of {len(scored)} contrasts lie inside; {int(trials.sum())} of {len(trials)} trials with all of theirs."]  # fmt: skip
        for line in self.nulls.to_dict("records"):
            if not line["inside"]:
                said.append(
                    f"FAILS: {line['study']} ({line['note']}) found no difference; predicted {line['low']:.1f} to {line['high']:.1f}."
                )
        number = scored.groupby("disorder")["study"].nunique()
        few = list(number[number < LEAST_TRIALS].index)
        if few:
            said.append(f"No mean error is given: fewer than {LEAST_TRIALS} trials in {', '.join(map(str, few))}.")
        return said


@checked
def validate_disorders(
    only: Sequence[str] = (), draws: int = 100, seed: int = 1, log: Callable[[str], None] | None = None
) -> DisorderScore:
    """Predict every randomised contrast of bipolar depression, PTSD, OCD, alcohol and opioid use disorder. Takes minutes.

    Parameters
    ----------
    only : disorders; all by default. draws : plausible versions of the model, each in a trial of its own. log : told about each contrast.

    Raises
    ------
    InvalidOption: no such disorder, or too few draws. InvalidData: a contrast that the evidence does not hold.
    """
    lines = _lines()
    known = list(dict.fromkeys(line["disorder"] for line in lines))
    if unknown := [name for name in only if name not in known]:
        raise InvalidOption(
            f"disorder '{unknown[0]}': no contrasts of it.{close_names(unknown[0], known)} There are: {', '.join(known)}."
        )
    if isinstance(draws, bool) or draws < 2:
        raise InvalidOption(f"draws = {draws}: give 2 or more, e.g. 100.")
    base, say, found = evidence.load(), log or (lambda _: None), list[dict[str, Any]]()
    tables = {name: base.table(name) for name in ("contrasts", "outcomes")}
    chosen = [line for line in lines if not only or line["disorder"] in only]
    for line in chosen:
        say(f"{line['disorder']}: {line['study']}")
        found.append(_scored(line, _observed(line, tables), draws, seed))
    table = pd.DataFrame(found)
    table["class_mean"] = [_of_others(table, row) for row in table.to_dict("records")]
    return DisorderScore(table, tuple(library.disorder(name).cite for name in dict.fromkeys(x["disorder"] for x in chosen)))


@checked
def write_disorder_tables(score: DisorderScore, folder: str | Path) -> list[Path]:
    """Write ``disorder_contrasts.csv``; returns the path.

    Raises
    ------
    OutputError: the folder cannot be written.
    """
    path, table = Path(folder) / "disorder_contrasts.csv", score.table
    with replacing(path) as draft:
        table.to_csv(draft, index=False, float_format="%.4g", lineterminator="\n")
    return [path]


def _lines() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _observed(line: Mapping[str, str], tables: Mapping[str, pd.DataFrame]) -> float:
    """What the trial found, from the evidence; NaN where no number stands there."""
    table = tables[line["table"]]
    name, arm = ("study", "comparison") if line["table"] == "contrasts" else ("trial", "arm")
    wanted = (table[name] == line["study"]) & (table["scale"] == line["scale"])

    def value(which: str) -> float:
        rows = table[wanted & (table[arm] == which)]
        if line["metric"] in table.columns:  # a column of outcomes
            rows = rows[rows[line["metric"]].notna() & (rows["time_h"] == float(line["time_h"]))]
            found = rows[line["metric"]]
        else:
            rows = rows[rows["metric" if "metric" in rows else "other_metric"] == line["metric"]]
            rows = rows[(rows["time_h"] == float(line["time_h"])) | rows["time_h"].isna()] if line["time_h"] else rows
            found = rows["value" if "value" in rows else "other_value"]
        if not len(found):
            raise InvalidData(
                f"{TABLE.name}: the evidence has no {line['table']} of {line['study']}, '{which}', {line['scale']}, {line['metric']}."
            )
        return float(pd.to_numeric(found, errors="coerce").iloc[0])

    return value(line["comparison"]) - (value(line["against_arm"]) if line["against_arm"] else 0.0)


def _scored(line: Mapping[str, str], observed: float, draws: int, seed: int) -> dict[str, Any]:
    """One line of the result."""
    told: dict[str, Any] = {k: line[k] for k in ("disorder", "study", "use", "measure", "scale", "note", "reason")}
    told |= {"time_h": float(line["time_h"] or math.nan), "observed": observed, "null": math.isnan(observed)}
    if line["reason"]:
        return told | dict.fromkeys(("predicted", "low", "high", "not_significant"), math.nan) | {"inside": False}
    mean, error = np.array([_drawn(line, k, seed) for k in range(draws)]).T
    rng = np.random.default_rng(seed)
    trials = mean[:, None] + error[:, None] * rng.standard_normal((draws, _SAMPLINGS))
    low, middle, high = np.quantile(trials, [0.05, 0.5, 0.95])
    target = 0.0 if math.isnan(observed) else observed
    significant = np.abs(trials) > 1.96 * error[:, None]
    return told | {
        "predicted": float(middle), "low": float(low), "high": float(high), "inside": bool(low <= target <= high),
        "not_significant": float(1.0 - significant.mean()),
    }  # fmt: skip


def _of_others(table: pd.DataFrame, row: Mapping[str, Any]) -> float:
    """Mean of what other trials of the disorder found by the same measure; NaN where there are none."""
    like = (table["disorder"] == row["disorder"]) & (table["measure"] == row["measure"]) & (table["study"] != row["study"])
    values = table.loc[like & (table["reason"] == ""), "observed"].fillna(0.0)
    return float(values.mean()) if len(values) and not row["reason"] else math.nan


# -- one contrast ---------------------------------------------------------------------------------------------------------
def _drawn(line: Mapping[str, str], draw: int, seed: int) -> tuple[float, float]:
    """Drug minus control in one trial with plausible numbers, and its standard error."""
    parts = [_arm(line, side, draw, seed) for side in ("", "_against")]
    scale = float(line["factor"] or 1.0)
    (first, one), (second, two) = parts
    return scale * (first - second), scale * math.sqrt(one + two)


def _arm(line: Mapping[str, str], side: str, draw: int, seed: int) -> tuple[float, float]:
    """Mean of an arm, and the variance of that mean; arms written with a bar between are taken in equal parts."""
    asked = [_Asked.of(line, side, beside.strip()) for beside in line[f"beside{side}"].split("|")]
    values = np.concatenate([_measured(line["measure"], one.care, _course(one, draw, seed)) for one in asked])
    return float(values.mean()), float(values.var(ddof=1)) / float(line["n_against" if side else "n"])


@dataclass(frozen=True)
class _Asked:
    """One arm: what is given, what is done beside, and until when."""

    disorder: str
    regimen: str
    beside: str
    control: str
    baseline: float | None
    until: float
    side: str

    @classmethod
    def of(cls, line: Mapping[str, str], side: str, beside: str) -> _Asked:
        """An arm of a line."""
        control, baseline = line[f"control{side}"] or line["control"], line["baseline"]
        regimen = line["drug_against"] if side else line["drug"]
        return cls(line["disorder"], regimen, beside, control, float(baseline) if baseline else None, float(line["time_h"]), side)

    @property
    def care(self) -> Care:
        """Disorder, control arm and activities."""
        care = cast("Care", asked_care(self.disorder, self.control, None, self.baseline))
        if self.beside:
            care = cast("Care", with_beside(care, parse(self.beside)))
        return replace(care, activities=tuple(one for one in care.activities if one.time < self.until))


@lru_cache(maxsize=4096)
def _course(asked: _Asked, draw: int, seed: int) -> Outcome:
    """What happens in an arm of one trial; contrasts of the same arms share it."""
    care, entry = asked.care, asked.care.disorder
    p, people = drawn_values(entry, draw, seed), patients(entry, np.arange(_PEOPLE), seed)
    sessions = [
        Session(t, np.full(_PEOPLE, s), np.full(_PEOPLE, r)) for t, s, r in (peaks(asked.regimen) if asked.regimen else ())
    ]
    return outcome(
        entry, care.control.switches, sessions, np.array([0.0, asked.until]), people, p,
        trial_effects(p, seed, draw, asked.side or "drug"), activities=care.activities,
    )  # fmt: skip


def _measured(measure: str, care: Care, found: Outcome) -> Floats:
    """What a contrast is of, (person,): change, response, a record, or 1 less a record."""
    if measure == "change":
        return found.score[-1] - found.baseline
    if measure == "response":
        return care.disorder.scale.responds(found.score[-1], found.baseline).astype(float)
    name = measure.removeprefix("1 - ")
    value = found.readings[name][-1]
    return 1.0 - value if measure.startswith("1 - ") else value
