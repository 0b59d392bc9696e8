"""Arms of trials and what they showed: rows of the evidence, with what the tables leave open said in two files beside this one.

``NAME_arms.csv`` says how an arm was treated, ``NAME_rows.csv`` which results are fitted, scored or held out. Numbers stand in the
evidence; a number that stands in these files says why in `note`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ketasim import evidence
from ketasim.errors import InvalidData, InvalidEntry

FOLDER = Path(__file__).parent
USES = ("fit", "scored", "holdout")
KINDS = ("change", "difference", "response", "remission")
_PERCENT = {"response": "response_percent", "remission": "remission_percent"}
#: Marks of rows that say the same visit over again: carried forward, or as others extracted it.
_OTHER_ANALYSES = ("locf_endpoint", "locf", "extracted_by_meta_analysts", "spread_probably_se")
_95 = 2.0 * 1.959964


@dataclass(frozen=True)
class Arm:
    """How an arm was treated, and how ill it was.

    Attributes
    ----------
    regimen : text, empty without drug. switches : switch of the disorder -> value. group : drug and route, or kind of control.
    control : arm without drug to compare with, where the trial has several.
    baseline, baseline_sd : points. cluster : trials that share their luck. shares : clusters whose people are in it too.
    """

    trial: str
    arm: str
    regimen: str
    switches: Mapping[str, float]
    group: str
    baseline: float
    baseline_sd: float
    cluster: str
    shares: tuple[str, ...]
    control: str = ""
    note: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Trial and arm."""
        return self.trial, self.arm


@dataclass(frozen=True)
class Result:
    """One number that an arm showed.

    Attributes
    ----------
    kind : change (mean, points), difference (of mean changes), response, remission (share), or spread (SD of the change, points).
    against : the other arm of a difference. value : as the kind says. n : people. se : of a change or a difference, points.
    cut : highest score of remission. use : fit, scored or holdout. source : key of the evidence. line : in the file of rows.
    """

    arm: Arm
    time: float
    kind: str
    use: str
    value: float
    n: float
    se: float = math.nan
    cut: float = math.nan
    against: Arm | None = None
    source: str = ""
    note: str = ""
    line: int = 0

    @property
    def cluster(self) -> str:
        """Trials that share their luck."""
        return self.arm.cluster


def read_arms(disorder: str, folder: Path = FOLDER) -> list[Result]:
    """Results of trials for a disorder, as `calibrate` reads them.

    Raises
    ------
    InvalidEntry: a row without number, without evidence, or a hold-out that is marked for a fit; names file and line.
    """
    tables = evidence.load()
    arms = {arm.key: arm for arm in _arms(folder / f"{disorder}_arms.csv", tables.table("outcomes"))}
    name = f"{disorder}_rows.csv"
    reader = _Reader(arms, tables.table("outcomes"), tables.table("contrasts"), name)
    rows = _rows(folder / name)
    return [one for line, row in rows for one in reader.results(line, row)]


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise InvalidData(f"{path.name}: no such file; a disorder without rows of trials cannot be calibrated.") from None
    return [(i + 2, {str(k): str(v).strip() for k, v in row.items()}) for i, row in enumerate(table.to_dict("records"))]


def _arms(path: Path, outcomes: pd.DataFrame) -> Iterable[Arm]:
    for line, row in _rows(path):
        where = f"{path.name} line {line}"
        start = outcomes[(outcomes["trial"] == row["trial"]) & (outcomes["arm"] == row["arm"]) & (outcomes["time_h"] == 0)]
        start = start[start["scale"] == "madrs"]
        found = dict[str, float]()
        for column, of in (("baseline", "mean"), ("baseline_sd", "sd")):
            if row[column] and not row["note"]:
                raise InvalidEntry(f"{where}: {column} {row[column]} stands here and not in the evidence; say why in note.")
            found[column] = float(row[column]) if row[column] else _one(start[of], where)
            if math.isnan(found[column]):
                raise InvalidEntry(
                    f"{where}: no {column} of {row['trial']} {row['arm']} in outcomes.csv; give it here, and say why."
                )
        switches = dict.fromkeys((s for s in row["switches"].split(";") if s), 1.0)
        shares = tuple(s for s in row["shares"].split(";") if s)
        yield Arm(
            row["trial"], row["arm"], row["regimen"], switches, row["group"], found["baseline"], found["baseline_sd"],
            row["cluster"] or row["trial"], shares, row["control"], row["note"],
        )  # fmt: skip


def _one(values: pd.Series, where: str) -> float:
    """The number that a column holds, NaN where it holds none."""
    known = values.dropna().unique()
    if len(known) > 1:
        raise InvalidEntry(f"{where}: the evidence holds several numbers ({', '.join(f'{x:g}' for x in known)}); give one here.")
    return float(known[0]) if len(known) else math.nan


class _Reader:
    """Rows of one file, completed from the evidence."""

    def __init__(self, arms: Mapping[tuple[str, str], Arm], outcomes: pd.DataFrame, contrasts: pd.DataFrame, name: str) -> None:
        self.arms, self.outcomes, self.contrasts, self.name = arms, outcomes, contrasts, name

    def results(self, line: int, row: Mapping[str, str]) -> Iterable[Result]:
        """The result of a row, and the SD of a change where it was printed."""
        where = f"{self.name} line {line}"
        if row["kind"] not in KINDS or row["use"] not in USES:
            raise InvalidEntry(
                f"{where}: kind '{row['kind']}', use '{row['use']}'; allowed are {', '.join(KINDS)} and {', '.join(USES)}."
            )
        given = {k: float(row[k]) if row[k] else math.nan for k in ("value", "n", "sd", "se", "cut")}
        if any(not math.isnan(given[k]) for k in ("value", "n", "sd", "se")) and not row["note"]:
            raise InvalidEntry(f"{where}: a number stands here and not in the evidence; say why in note.")
        arm, against = self._arm(row["arm"], row, where), self._arm(row["against"], row, where) if row["against"] else None
        read = self._contrast if row["kind"] == "difference" else self._outcome
        found, source = read(row, arm, where)
        found |= {k: x for k, x in given.items() if not math.isnan(x)}
        se = found.get("se", math.nan)
        spread_read = math.isnan(given["sd"]) and math.isnan(se)
        if math.isnan(se) and not math.isnan(found.get("sd", math.nan)):
            se = found["sd"] / math.sqrt(found["n"])
        if math.isnan(found["value"]) or (row["kind"] in ("change", "difference") and math.isnan(se)):
            raise InvalidEntry(f"{where}: {row['trial']} {row['arm']} {row['time_h']} h has no {row['kind']} with a spread.")
        if row["kind"] in _PERCENT and math.isnan(found["n"]):
            raise InvalidEntry(f"{where}: {row['trial']} {row['arm']} {row['time_h']} h: no number of people; give n.")
        time = float(row["time_h"])
        common = (row["use"], found["value"], found["n"], se, found["cut"], against, source, row["note"], line)
        yield Result(arm, time, row["kind"], *common)
        if row["kind"] == "change" and spread_read and row["use"] == "fit":
            yield Result(arm, time, "spread", "fit", found["sd"], found["n"], source=source, line=line)

    def _arm(self, name: str, row: Mapping[str, str], where: str) -> Arm:
        if (row["trial"], name) not in self.arms:
            raise InvalidEntry(f"{where}: no arm '{name}' of {row['trial']} in the file of arms.")
        return self.arms[row["trial"], name]

    def _outcome(self, row: Mapping[str, str], arm: Arm, where: str) -> tuple[dict[str, float], str]:
        """What the table of outcomes holds for a row."""
        table = self.outcomes
        rows = table[(table["trial"] == row["trial"]) & (table["scale"] == row["scale"])]
        rows = rows[(rows["time_h"] == float(row["time_h"])) & ~rows["other_metric"].isin(_OTHER_ANALYSES)]
        pooled = bool(row["value"]) and arm.arm not in set(rows["arm"])  # an arm of parts, whose rows stand there
        rows = rows if pooled else rows[rows["arm"] == arm.arm]
        source = self._source(rows, row, where)
        if pooled:
            return dict.fromkeys(("value", "n", "sd", "cut"), math.nan), source
        cut = {"cut": math.nan}
        if row["kind"] in _PERCENT:
            with_value = rows[rows[_PERCENT[row["kind"]]].notna()]
            return {
                "value": _one(with_value[_PERCENT[row["kind"]]], where) / 100,
                "n": _one(with_value["n"], where),
                **cut,
            }, source
        change = _one(rows["change_from_baseline"], where)
        if math.isnan(change):
            change = _one(rows["mean"], where) - arm.baseline
        with_se = rows[rows["other_metric"] == "se_of_ls_change"]
        with_mean = rows[rows["change_from_baseline"].notna() | rows["mean"].notna()]
        found = {"value": change, "n": _one((with_mean if len(with_mean) else rows)["n"], where), **cut}
        if len(with_se):
            return found | {"se": _one(with_se["other_value"], where)}, source
        return found | {"sd": _one(rows["change_sd"], where)}, source

    def _contrast(self, row: Mapping[str, str], arm: Arm, where: str) -> tuple[dict[str, float], str]:
        """What the table of contrasts holds for a row."""
        table = self.contrasts
        rows = table[(table["study"] == row["trial"]) & (table["comparison"] == row["comparison"])]
        rows = rows[(rows["time_h"] == float(row["time_h"])) & (rows["scale"] == row["scale"])]
        source = self._source(rows, row, where)
        rows = rows[rows["metric"] == "mean_difference"]
        value = {"value": _one(rows["value"], where), "n": _one(rows["n"], where), "cut": math.nan}
        return value | {"se": (_one(rows["ci_high"], where) - _one(rows["ci_low"], where)) / _95}, source

    def _source(self, rows: pd.DataFrame, row: Mapping[str, str], where: str) -> str:
        """Key of the evidence behind a row; hold-outs stay hold-outs."""
        if rows.empty:
            raise InvalidEntry(
                f"{where}: no row of {row['trial']} {row['arm']} {row['scale']} {row['time_h']} h in the evidence."
            )
        held = bool(rows["holdout"].any())
        if held != (row["use"] == "holdout"):
            raise InvalidEntry(
                f"{where}: {row['trial']} is {'' if held else 'not '}held out, but the row is marked '{row['use']}'."
            )
        return str(rows["source"].iloc[0])
