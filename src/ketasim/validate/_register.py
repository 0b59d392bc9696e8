"""Predictions written down before the results are known, and scored when they are.

The register is only ever appended to: what was predicted, when, with which seed, by a model whose files have this hash.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import ketasim
from ketasim import library
from ketasim.arguments import checked
from ketasim.clinical import DisorderEntry, drawn_values
from ketasim.errors import InvalidData
from ketasim.evidence import Evidence, load
from ketasim.evidence._check import Rows
from ketasim.fit.clinical import make_objective
from ketasim.validate._folder import ENTRIES, Asked, Folder
from ketasim.validate._trials import Predicted
from ketasim.writing import replacing

#: The package's own register.
REGISTER = Path(__file__).parent / "register.csv"
COLUMNS = (
    "registered", "trial", "arm", "against", "disorder", "scale", "time_h", "kind", "n", "predicted", "low", "high", "seed", "draws",
    "version", "model", "files_sha256", "regimen", "assumed", "reason",
)  # fmt: skip
_WORDS = ("registered", "trial", "arm", "against", "disorder", "scale", "kind", "version", "model", "files_sha256", "regimen", "assumed", "reason")  # fmt: skip
_DRAWS = 400
#: What of the package decides a prediction.
_FILES = ("library", "clinical", "fit/clinical", "validate/_register.py", "validate/_folder.py", "validate/_arm_words.py", "validate/scale_links.csv")  # fmt: skip
#: A result counts as that of a predicted time if it lies this near, h or as a share of the time.
_NEAR_H, _NEAR = 24.0, 0.1
_HASH = 16


@dataclass(frozen=True)
class Scored:
    """Outcome of `score_register`.

    Attributes
    ----------
    table : every prediction of the register with `observed`, `observed_time_h`, `inside` (its 90 % interval) and `source` where the evidence
        holds the result by now. open : how many still wait.
    """

    table: pd.DataFrame
    open: int


class _Planned(Folder):
    """Planned trials of an evidence base, in the words of a folder of trials."""

    def __init__(self, evidence: Evidence, entries: Mapping[str, DisorderEntry]) -> None:
        names = ("trials", "outcomes", "contrasts", "analysis_sets", "sources")
        self.tables = {name: Rows(name, evidence.rows(name), evidence.places(name)) for name in names}
        self.problems: list[str] = []
        self.entries, self._arms = entries, {}
        self.trials = {}
        for row in evidence.rows("trials"):
            self.trials.setdefault(row["trial"], []).append(row)

    def results(self, plan: Mapping[str, str]) -> Iterator[Asked]:
        """What a row of the table `planned` asks: a result of every arm."""
        for arm in self.trials[plan["trial"]]:
            row = dict.fromkeys(self.tables["outcomes"].rows[0], "") | {
                "trial": plan["trial"], "arm": arm["arm"], "scale": plan["scale"], "n": arm["n_randomised"],
                "note": plan["note"], "source": plan["source"],
            }  # fmt: skip
            time = float(plan["time_h"]) if plan["time_h"] else math.nan
            if not plan["scale"]:
                yield self._not(row, "planned", time, plan["kind"], math.nan, plan["note"] or "no scale")
                continue
            yield from self._expected(row, time, plan["kind"])

    def _expected(self, row: dict[str, str], time: float, kind: str) -> Iterator[Asked]:
        yield self._ask(row, "planned", time, kind, 0.0 if kind == "change" else 0.5)  # a place in the equations, not an outcome


@checked
def register_trials(evidence: Evidence | None = None, seed: int = 1, log: Callable[[str], None] | None = None) -> pd.DataFrame:
    """Predict what the planned trials of an evidence base will show. Takes seconds a trial.

    Parameters
    ----------
    evidence : the package's by default; its table `planned` says which results of which trials.
    seed : of the draws of numbers that no joint posterior holds. log : told about each trial.

    Returns
    -------
    One line per result, of arms and of the differences between them, in points of the scale or as shares: `predicted`, `low`, `high` (90 %
    interval of the trial's own result), and what they rest on. Where there is no prediction, `reason` says why.
    """
    whole, say = evidence or load(), log or (lambda _: None)
    entries = {name: library.disorder(name) for name in dict.fromkeys(ENTRIES.values())}
    known = _Planned(whole, entries)
    told = {row["trial"] for row in whole.rows("outcomes") if row["time_h"] not in ("0", "0.0")}
    told |= {row["study"] for row in whole.rows("contrasts")}
    common = {
        "registered": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "seed": seed, "draws": _DRAWS,
        "version": ketasim.__version__, "files_sha256": model_hash(),
    }  # fmt: skip
    lines = list[dict[str, Any]]()
    plans = whole.rows("planned")
    for name in dict.fromkeys(plan["trial"] for plan in plans):
        asked = [one for plan in plans if plan["trial"] == name for one in known.results(plan)]
        if name in told:
            asked = [replace(one, result=None, reason="results stand in the evidence: too late to predict") for one in asked]
        disorder = known.trials[name][0]["disorder"]
        made = _lines(asked, disorder, entries, seed)
        say(f"{name}: {sum(not line['reason'] for line in made)} of {len(made)} results predicted")
        lines += [common | line for line in made]
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _lines(asked: Sequence[Asked], disorder: str, entries: Mapping[str, DisorderEntry], seed: int) -> list[dict[str, Any]]:
    """Lines of one trial: its arms, then the differences; what cannot be predicted keeps its reason."""
    can = [one for one in asked if one.result is not None]
    lines = [_line(one, disorder, reason=one.reason) for one in asked if one.result is None]
    if not can:
        return lines
    entry = entries[ENTRIES[disorder]]
    results = [one.result for one in can if one.result is not None]
    drawn = [drawn_values(entry, draw, seed) for draw in range(_DRAWS)]
    values = [{key: float(np.ravel(x)[0]) for key, x in one.items()} for one in drawn]
    mean, covariance = make_objective(entry, results).predictive_of(values)
    predicted = Predicted(results, mean, np.atleast_2d(covariance))
    model = {"model": entry.cite}
    for one, found in zip(can, predicted.lines(), strict=True):
        lines.append(_line(one, disorder, found) | model)
    for found in predicted.contrasts():
        one = next(x for x in can if (x.arm, x.time) == (found["arm"], found["time_h"]))
        control = next(x for x in can if x.time == found["time_h"] and x.result is not None and not x.result.arm.regimen)
        both = replace(
            one, kind="difference", n=one.n + control.n, assumed=tuple(dict.fromkeys((*one.assumed, *control.assumed)))
        )
        lines.append(_line(both, disorder, found) | model | {"against": control.arm})
    return lines


def _line(one: Asked, disorder: str, found: Mapping[str, Any] | None = None, reason: str = "") -> dict[str, Any]:
    factor = one.factor if one.kind in ("change", "difference") else 1.0
    sizes = {k: round(found[k] / factor, 4) for k in ("predicted", "low", "high")} if found else {}
    return {
        "trial": one.trial, "arm": one.arm, "against": "", "disorder": disorder, "scale": one.scale, "time_h": one.time, "kind": one.kind,
        "n": one.n, **sizes, "regimen": one.result.arm.regimen if one.result else "", "assumed": "; ".join(one.assumed), "reason": reason,
        "model": "",
    }  # fmt: skip


def model_hash() -> str:
    """Hash of every file that decides a prediction: other files, another hash."""
    root, found = Path(ketasim.__file__).parent, hashlib.sha256()
    for name in _FILES:
        place = root / name
        files = sorted(p for p in place.rglob("*") if p.suffix in (".py", ".toml", ".csv", ".npz")) if place.is_dir() else [place]
        for path in files:
            found.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:_HASH]


@checked
def append_register(predictions: pd.DataFrame, file: str | Path) -> int:
    """Append predictions to a register; lines that stand there already, by the same files and seed, are left out.

    Returns
    -------
    How many lines were added. Lines that stand in the file are never changed.

    Raises
    ------
    InvalidData: the file is no register. OutputError: it cannot be written.
    """
    file = Path(file)
    before = file.read_text(encoding="utf-8") if file.is_file() else ""
    there = {_key(row) for row in read_register(file).to_dict("records")} if before else set()
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    if not before:
        writer.writeheader()
    new = [row for row in predictions.to_dict("records") if _key(row) not in there]
    writer.writerows({k: "" if v != v else f"{v:g}" if isinstance(v, float) else v for k, v in row.items()} for row in new)
    with replacing(file) as draft:
        draft.write_text(before + text.getvalue(), encoding="utf-8")
    return len(new)


def _key(row: Mapping[str, Any]) -> tuple[str, ...]:
    """What two lines that say the same thing share."""
    time = float(row["time_h"]) if row["time_h"] not in ("", None) else math.nan
    return (*(str(row[k]) for k in ("trial", "arm", "against", "scale", "kind", "seed", "files_sha256")), f"{time:g}")


@checked
def read_register(file: str | Path = REGISTER) -> pd.DataFrame:
    """A register as a table.

    Raises
    ------
    InvalidData: no such file, or other columns.
    """
    path = Path(file)
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(_WORDS, str))
    except (OSError, pd.errors.ParserError, UnicodeDecodeError, pd.errors.EmptyDataError) as error:
        raise InvalidData(f"{path}: cannot be read as a register ({str(error).splitlines()[0]}).") from None
    if tuple(table.columns) != COLUMNS:
        missing = [name for name in COLUMNS if name not in table]
        raise InvalidData(
            f"{path}, line 1: not a register; it needs the columns {', '.join(COLUMNS)}. Missing: {', '.join(missing)}."
        )
    table[list(_WORDS)] = table[list(_WORDS)].fillna("")
    return table


#: What makes two lines of a register one prediction.
_SAME = ("trial", "arm", "against", "scale", "time_h", "kind", "predicted", "low", "high")


@checked
def score_register(file: str | Path = REGISTER, evidence: Evidence | None = None) -> Scored:
    """Set what was predicted beside what the evidence has come to hold.

    A prediction that was written again unchanged, e.g. since other files of the model had changed, counts once, from its first day.

    Raises
    ------
    InvalidData: no such register.
    """
    table, whole = read_register(file), evidence or load()
    table = table[table["predicted"].notna()].drop_duplicates(list(_SAME), keep="first").reset_index(drop=True)
    found = [_observed(row, whole) for row in table.to_dict("records")]
    told = pd.DataFrame(found, columns=["observed", "observed_time_h", "source"])
    table = pd.concat([table, told], axis=1)
    known = table["observed"].notna()
    table["inside"] = pd.Series([low <= x <= high if x == x else None for x, low, high in
                                 zip(table["observed"], table["low"], table["high"], strict=True)], dtype=object)  # fmt: skip
    return Scored(table, int((~known).sum()))


def _observed(row: Mapping[str, Any], evidence: Evidence) -> tuple[float, float, str]:
    """What the evidence holds for a prediction: value, time, source."""
    if row["kind"] == "difference":
        return _difference(row, evidence)
    table = evidence.table("outcomes")
    mine = table[(table["trial"] == row["trial"]) & (table["arm"] == row["arm"]) & (table["scale"] == row["scale"])]
    near = _nearest(mine[mine["time_h"] > 0], row["time_h"])
    for one in near.to_dict("records"):
        value = one["change_from_baseline"] if row["kind"] == "change" else one[f"{row['kind']}_percent"] / 100
        if row["kind"] == "change" and value != value:
            start = mine[mine["time_h"] == 0]["mean"].dropna()
            value = one["mean"] - start.iloc[0] if len(start) else math.nan
        if value == value:
            return float(value), float(one["time_h"]), str(one["source"])
    return math.nan, math.nan, ""


def _difference(row: Mapping[str, Any], evidence: Evidence) -> tuple[float, float, str]:
    """A difference between two arms: of their changes, else the one that was printed."""
    one = _observed(dict(row) | {"kind": "change"}, evidence)
    other = _observed(dict(row) | {"kind": "change", "arm": row["against"]}, evidence)
    if one[0] == one[0] and other[0] == other[0] and one[1] == other[1]:
        return one[0] - other[0], one[1], one[2]
    table = evidence.table("contrasts")
    mine = table[(table["study"] == row["trial"]) & (table["scale"] == row["scale"]) & (table["metric"] == "mean_difference")]
    near = _nearest(mine[mine["value"].notna()], row["time_h"])
    if len(near) == 1:
        return float(near["value"].iloc[0]), float(near["time_h"].iloc[0]), str(near["source"].iloc[0])
    return math.nan, math.nan, ""


def _nearest(rows: pd.DataFrame, time: float) -> pd.DataFrame:
    """Rows of the time nearest to one that was predicted, if it is near."""
    off = (rows["time_h"] - time).abs()
    return rows[(off <= max(_NEAR_H, _NEAR * time)) & (off == off.min())]
