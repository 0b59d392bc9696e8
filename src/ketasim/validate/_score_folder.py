"""Trials of any folder predicted: per row prediction, interval and observation, or why there is none."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ketasim import library
from ketasim.arguments import checked
from ketasim.clinical import DisorderEntry, drawn_values
from ketasim.errors import InvalidData
from ketasim.evidence import TABLES
from ketasim.fit.clinical import make_objective, read_arms
from ketasim.validate._folder import ENTRIES, Asked, Folder
from ketasim.validate._trial_baselines import class_mean
from ketasim.validate._trials import Predicted
from ketasim.writing import replacing

Floats = NDArray[np.float64]
#: Draws of the numbers of a disorder behind a prediction.
_DRAWS = 400
_SHARES = ("response", "remission")
COLUMNS = (
    "table", "place", "trial", "arm", "disorder", "scale", "time_h", "kind", "n", "observed", "predicted", "low", "high", "inside",
    "given_control", "inside_given_control", "class_mean", "regimen", "switches", "seen", "assumed", "reason",
)  # fmt: skip


@dataclass(frozen=True)
class FolderScore:
    """Outcome of `validate_folder`.

    Attributes
    ----------
    table : one line per number of the folder, also those that cannot be predicted (`predicted` is NaN, `reason` says why). Changes and
        differences in points of the row's own scale, response and remission as shares. `low`, `high`: 90 % interval for a new trial with the
        sampling error of the row. `given_control`: predicted once the changes of the trial's arms without drug are known. `class_mean`: mean
        of like arms of the calibration. `seen`: whether the trial was fitted. `assumed`: what the folder leaves open.
    summary : per disorder, kind, and whether the trial was fitted: rows, trials, error, bias, share inside, error of the class mean.
    models : cited entries. problems : what in the folder breaks the format; such rows are predicted as far as they can be.
    """

    table: pd.DataFrame
    summary: pd.DataFrame
    models: tuple[str, ...]
    problems: tuple[str, ...] = ()

    def not_predicted(self) -> dict[str, int]:
        """Reason -> number of rows that have no prediction for it, the most frequent first."""
        return {str(k): int(v) for k, v in self.table.loc[self.table["reason"] != "", "reason"].value_counts().items()}

    def to_json(self) -> dict[str, Any]:
        """Summary, reasons and counts as plain data."""
        scored = int((self.table["reason"] == "").sum())
        return {
            "models": list(self.models), "rows": len(self.table), "predicted": scored,
            "summary": json.loads(self.summary.to_json(orient="records")), "not_predicted": self.not_predicted(),
            "problems": list(self.problems),
        }  # fmt: skip


@checked
def validate_folder(folder: str | Path, seed: int = 1, log: Callable[[str], None] | None = None) -> FolderScore:
    """Predict every trial of a folder of evidence tables (trials.csv, outcomes.csv, contrasts.csv, sources.csv). Takes seconds a trial.

    Parameters
    ----------
    seed : of the draws of numbers that no joint posterior holds. log : told about each trial.

    Raises
    ------
    InvalidData: no such folder, a table with another header, or no result in it.

    Notes
    -----
    Outcomes are never used for the predictions. Numbers of people, severity at the start and the SD of a change are.
    """
    entries = {name: library.disorder(name) for name in dict.fromkeys(ENTRIES.values())}
    trials = Folder(Path(folder), entries)
    lines, say = [], log or (lambda _: None)
    model = _Model(entries, seed)
    asked = list(trials.asked())
    if not asked:
        raise InvalidData(
            f"{folder}: tells no result. Give outcomes.csv with rows after time_h = 0 (change_from_baseline, mean, response_percent or "
            f"remission_percent), or contrasts.csv. Columns of outcomes.csv: {', '.join(TABLES['outcomes'].columns)}."
        )
    for name in dict.fromkeys(one.trial for one in asked):
        rows = [one for one in asked if one.trial == name]
        say(f"{name}: {sum(one.result is not None for one in rows)} of {len(rows)} numbers can be predicted")
        disorder = trials.trials[name][0]["disorder"] if name in trials.trials else ""
        lines += model.lines(rows, disorder)
    table = pd.DataFrame(lines, columns=list(COLUMNS))
    used = sorted({ENTRIES[d] for d in table.loc[table["reason"] == "", "disorder"]})
    return FolderScore(table, _summary(table), tuple(entries[name].cite for name in used), tuple(trials.problems))


class _Model:
    """Disorders with draws of their numbers."""

    def __init__(self, entries: Mapping[str, DisorderEntry], seed: int) -> None:
        self.entries, self.seed = entries, seed
        self.fitted = [r for r in read_arms("trd") if r.use == "fit"]
        self.seen = {r.arm.trial for r in self.fitted} | {s for r in self.fitted for s in r.arm.shares}
        self._draws: dict[str, list[dict[str, float]]] = {}

    def lines(self, asked: Sequence[Asked], disorder: str) -> list[dict[str, Any]]:
        """Lines of one trial, in the order of its rows."""
        can = [one for one in asked if one.result is not None]
        found = {id(one): line for one, line in zip(can, self._predicted(can, disorder), strict=True)} if can else {}
        return [self._line(one, disorder, found.get(id(one), {})) for one in asked]

    def _predicted(self, asked: Sequence[Asked], disorder: str) -> list[dict[str, Any]]:
        name = ENTRIES[disorder]
        results = [one.result for one in asked if one.result is not None]
        objective = make_objective(self.entries[name], results)
        mean, covariance = objective.predictive_of(self._drawn(name))
        return Predicted(results, mean, np.atleast_2d(covariance)).lines()

    def _drawn(self, name: str) -> list[dict[str, float]]:
        if name not in self._draws:
            entry = self.entries[name]
            drawn = [drawn_values(entry, draw, self.seed) for draw in range(_DRAWS)]
            self._draws[name] = [{key: float(np.ravel(x)[0]) for key, x in values.items()} for values in drawn]
        return self._draws[name]

    def _line(self, one: Asked, disorder: str, found: Mapping[str, Any]) -> dict[str, Any]:
        factor = 1.0 if one.kind in _SHARES else one.factor
        sizes = {k: found.get(k, math.nan) / factor for k in ("predicted", "low", "high", "given_control")}
        arm = one.result.arm if one.result else None
        return {
            "table": one.table, "place": one.place, "trial": one.trial, "arm": one.arm, "disorder": disorder, "scale": one.scale,
            "time_h": one.time, "kind": one.kind, "n": one.n, "observed": one.observed, **sizes,
            "inside": found.get("inside"), "inside_given_control": found.get("inside_given_control") if sizes["given_control"] == sizes["given_control"] else None,
            "class_mean": self._guess(one, disorder) / factor, "regimen": arm.regimen if arm else "",
            "switches": ";".join(arm.switches) if arm else "", "seen": one.trial in self.seen,
            "assumed": "; ".join(one.assumed), "reason": one.reason,
        }  # fmt: skip

    def _guess(self, one: Asked, disorder: str) -> float:
        """Mean of like arms among those fitted for depression."""
        if one.result is None or ENTRIES.get(disorder) != "trd" or one.kind == "difference":
            return math.nan
        train = [r for r in self.fitted if r.kind == one.kind and r.arm.trial != one.trial]
        return class_mean(train, one.result) if train else math.nan


def _summary(table: pd.DataFrame) -> pd.DataFrame:
    """Error and coverage by disorder and kind, trials that were fitted apart."""
    scored = table[table["reason"] == ""]
    return pd.DataFrame([_scored(part) for _, part in scored.groupby(["disorder", "kind", "seen"], sort=True)])


def _scored(part: pd.DataFrame) -> dict[str, Any]:
    off = part["predicted"] - part["observed"]
    given, guess = (part[name] - part["observed"] for name in ("given_control", "class_mean"))
    return {
        "disorder": part["disorder"].iloc[0], "kind": part["kind"].iloc[0], "trial_was_fitted": bool(part["seen"].iloc[0]),
        "rows": len(part), "trials": part["trial"].nunique(), "mae": off.abs().mean(),
        "mae_by_trial": off.abs().groupby(part["trial"]).mean().mean(), "rmse": float(np.sqrt((off**2).mean())), "bias": off.mean(),
        "inside_90": part["inside"].astype(float).mean(), "mae_given_control": given.abs().mean(), "mae_class_mean": guess.abs().mean(),
    }  # fmt: skip


@checked
def write_folder_tables(score: FolderScore, folder: str | Path) -> list[Path]:
    """Write ``rows.csv`` and ``summary.json``; returns the paths.

    Raises
    ------
    OutputError: the folder cannot be written.
    """
    paths = [Path(folder) / "rows.csv", Path(folder) / "summary.json"]
    with replacing(paths[0]) as rows, replacing(paths[1]) as summary:
        score.table.to_csv(rows, index=False, float_format="%.4g", lineterminator="\n")
        summary.write_text(json.dumps(score.to_json(), indent=1) + "\n", encoding="utf-8")
    return paths
