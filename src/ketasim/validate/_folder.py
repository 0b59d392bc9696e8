"""Trials in a folder of evidence, as results that a disorder can be asked for; what cannot be asked keeps its reason."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ketasim.clinical import DisorderEntry
from ketasim.evidence import package_rows, read_folder
from ketasim.fit.clinical import Arm, Result
from ketasim.validate._arm_words import NotUnderstood, Row, Treatment, switches, treatment

#: Disorder of a table -> entry that predicts it.
ENTRIES = {"trd": "trd", "mdd": "trd", "mdsi": "trd", "bipolar": "bipolar", "ptsd": "ptsd", "ocd": "ocd"}
#: Where nothing is told: SD of a change, points of the MADRS; severity at the start and its SD; people in an arm.
_SD_CHANGE, _BASELINE, _BASELINE_SD, _N = 10.0, 33.0, 6.0, 20.0
_95 = 2.0 * 1.959964
#: Scales that stand for depression as a whole in rows of response and remission.
_WHOLE = ("response", "remission", "depression_remission", "clinical_response")
#: Columns that say something about a row; rows that differ in nothing else tell the same result.
_SAID_ABOUT = ("confidence", "note")
_METRICS = ("mean_difference", "ls_mean_difference", "difference")


@dataclass(frozen=True)
class Asked:
    """One row of a table.

    Attributes
    ----------
    table, place : where it stands. trial, arm, scale, time, kind, observed, n : what it says; observed in its own points, or a share.
    result : what is asked of the model, on the scale of the disorder; None where it cannot be asked. factor : points of the disorder's scale
        per point of the row's. assumed : what had to be assumed. reason : why it cannot be asked.
    """

    table: str
    place: str
    trial: str
    arm: str
    scale: str
    time: float
    kind: str
    observed: float
    n: float
    result: Result | None = None
    factor: float = 1.0
    assumed: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Link:
    """How a scale stands to the MADRS: points of the MADRS per point, and the MADRS of remission."""

    factor: float
    remission: float


@lru_cache(maxsize=1)
def links() -> dict[str, Link]:
    """Scales that can be read as MADRS."""
    with (Path(__file__).parent / "scale_links.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["scale"]: Link(float(row["madrs_per_point"]), float(row["remission_madrs"] or "nan"))
            for row in csv.DictReader(file)
        }


class Folder:
    """Trials of a folder; `problems` says what in it breaks the format.

    Raises
    ------
    InvalidData: no such folder, or a table with another header.
    """

    def __init__(self, folder: Path, entries: Mapping[str, DisorderEntry]) -> None:
        self.tables, self.problems = read_folder(folder)
        self.entries = entries
        self.trials: dict[str, list[Row]] = {}
        told = self.tables["trials"]
        own = {row["trial"] for row in told.rows[told.known :]}
        for i, row in enumerate(told.rows):
            if i >= told.known or row["trial"] not in own:  # the package tells of a trial only where the folder does not
                self.trials.setdefault(row["trial"], []).append(row)
        self._arms: dict[tuple[str, str], _Known] = {}

    def asked(self) -> Iterator[Asked]:
        """Every row of outcomes and contrasts, with what it asks."""
        for name, read in (("outcomes", self._outcome), ("contrasts", self._contrast)):
            told: dict[tuple[str, ...], str] = {}
            for row, place in zip(self.tables[name].rows, self.tables[name].places, strict=True):
                first = told.setdefault(tuple(value for column, value in row.items() if column not in _SAID_ABOUT), str(place))
                if first == str(place):
                    yield from read(row, str(place))
                else:
                    yield from (
                        replace(one, result=None, reason=f"told twice: the same as {first}") for one in read(row, str(place))
                    )

    # -- outcomes -----------------------------------------------------------------------------------------------------
    def _outcome(self, row: Row, place: str) -> Iterator[Asked]:
        """Results of one row: change, response, remission; a baseline is none."""
        time = _number(row["time_h"])
        if time == 0:
            return
        found = self._numbers(row)
        if not found:
            yield self._not(
                row,
                place,
                time,
                row["other_metric"] or row["scale"],
                _number(row["other_value"]),
                "no mean, response or remission",
            )
        for kind, value in found:
            yield self._ask(row, place, time, kind, value)

    def _numbers(self, row: Row) -> list[tuple[str, float]]:
        """What a row tells of its arm: kind and value."""
        change, mean = _number(row["change_from_baseline"]), _number(row["mean"])
        if math.isnan(change) and not math.isnan(mean):
            change = mean - self._start(row["trial"], row["arm"], row["scale"])
        found = [("change", change)] if row["scale"] not in _WHOLE else []
        found += [(kind, _number(row[f"{kind}_percent"]) / 100) for kind in ("response", "remission")]
        return [(kind, value) for kind, value in found if not math.isnan(value)]

    def _ask(self, row: Row, place: str, time: float, kind: str, value: float) -> Asked:
        no = lambda why: self._not(row, place, time, kind, value, why)  # noqa: E731
        try:
            known, entry = self._arm(row["trial"], row["arm"]), self._entry(row["trial"])
            factor = _factor(row["scale"], entry)
            _in_time(time, known.treatment)
        except NotUnderstood as reason:
            return no(str(reason))
        assumed = list(known.assumed)
        n = _number(row["n"])
        if math.isnan(n):
            n = known.n
            assumed.append(f"n = {n:g}")
        se = math.nan
        if kind == "change":
            se = self._se(row, n, assumed, factor)
        cut = _cut(row, links().get(row["scale"])) if kind == "remission" else math.nan
        asked = value * factor if kind == "change" else value
        result = Result(known.arm, time, kind, "fit", asked, n, se, cut, source=row["source"])
        return Asked(
            "outcomes", place, row["trial"], row["arm"], row["scale"], time, kind, value, n, result, factor, tuple(assumed)
        )

    def _se(self, row: Row, n: float, assumed: list[str], factor: float) -> float:
        """Standard error of a mean change, points of the disorder's scale."""
        if row["other_metric"] == "se_of_ls_change" and row["other_value"]:
            return _number(row["other_value"]) * factor
        sd = _number(row["change_sd"]) * factor
        if math.isnan(sd):
            sd = _SD_CHANGE
            assumed.append(f"SD of the change {sd:g}")
        return sd / math.sqrt(n)

    # -- contrasts ----------------------------------------------------------------------------------------------------
    def _contrast(self, row: Row, place: str) -> Iterator[Asked]:
        """A printed difference of mean changes between two arms."""
        time, value = _number(row["time_h"]), _number(row["value"])
        made = {"trial": row["study"], "arm": row["comparison"], "scale": row["scale"], "n": row["n"]}
        no = lambda why: self._not(made, place, time, row["metric"], value, why, "contrasts")  # noqa: E731
        if row["metric"] not in _METRICS:
            yield no(f"'{row['metric']}' is not predicted")
            return
        try:
            drug, control = self._compared(row["study"], row["comparison"])
            entry = self._entry(row["study"])
            factor = _factor(row["scale"], entry)
            _in_time(time, drug.treatment)
        except NotUnderstood as reason:
            yield no(str(reason))
            return
        assumed = [*drug.assumed, *(x for x in control.assumed if x not in drug.assumed)]
        n = _number(row["n"])
        n = drug.n + control.n if math.isnan(n) else n
        se = (_number(row["ci_high"]) - _number(row["ci_low"])) / _95 * factor
        if math.isnan(se):
            se = _SD_CHANGE * math.sqrt(1 / drug.n + 1 / control.n)
            assumed.append(f"SD of the change {_SD_CHANGE:g}")
        result = Result(drug.arm, time, "difference", "fit", value * factor, n, se, against=control.arm, source=row["source"])
        yield Asked(
            "contrasts",
            place,
            row["study"],
            row["comparison"],
            row["scale"],
            time,
            "difference",
            value,
            n,
            result,
            factor,
            tuple(assumed),
        )

    def _compared(self, trial: str, words: str) -> tuple[_Known, _Known]:
        """The two arms of a comparison, from its words."""
        arms = self.trials.get(trial)
        if not arms:
            raise NotUnderstood("no such trial in trials.csv")
        sides = re.split(r"\bvs\.?\b|\bversus\b|\bminus\b", words)
        if len(sides) != 2:
            raise NotUnderstood(f"comparison '{words}' is not of two arms")
        chosen = [_named(side, arms) for side in sides]
        if len(chosen[0]) != 1 or len(chosen[1]) != 1 or chosen[0][0] is chosen[1][0]:
            raise NotUnderstood(f"comparison '{words}' does not name two arms of {', '.join(a['arm'] for a in arms)}")
        drug, control = (self._arm(trial, side[0]["arm"]) for side in chosen)
        return drug, control

    # -- arms ---------------------------------------------------------------------------------------------------------
    def _entry(self, trial: str) -> DisorderEntry:
        disorder = self.trials[trial][0]["disorder"]
        name = ENTRIES.get(disorder, "")
        if name not in self.entries:
            raise NotUnderstood(f"disorder '{disorder}' is not scored; those scored are {', '.join(ENTRIES)}")
        return self.entries[name]

    def _arm(self, trial: str, name: str) -> _Known:
        if (trial, name) not in self._arms:
            self._arms[trial, name] = self._make(trial, name)
        return self._arms[trial, name]

    def _make(self, trial: str, name: str) -> _Known:
        row, assumed = self._row(trial, name)
        entry = self._entry(trial)
        times = [_number(r["time_h"]) for r in self.tables["outcomes"].rows if r["trial"] == trial]
        given = treatment(row, max((t for t in times if not math.isnan(t)), default=0.0))
        assumed += given.assumed
        mean, sd = self._severity(trial, name, entry, assumed)
        n = _number(row["n_randomised"])
        if math.isnan(n):
            n = _N
        turned = switches(row, self.trials[trial], entry.equations.switches)
        group = f"{row['drug']} {row['route']}" if given.regimen else _kind_of_control(row, turned)
        arm = Arm(trial, name, given.regimen, turned, group, mean, sd, trial, ())
        return _Known(arm, given, n, tuple(assumed))

    def _row(self, trial: str, name: str) -> tuple[Row, list[str]]:
        """Row of an arm; of a subgroup that of the arm its name begins with."""
        rows = self.trials.get(trial, [])
        for row in rows:
            if row["arm"] == name:
                return row, []
        parts = [
            r["arm"] for r in self.tables["analysis_sets"].rows if (r["trial"], r["arm"], r["kind"]) == (trial, name, "subgroup")
        ]
        whole = [row for row in rows if parts and name.startswith(row["arm"])]
        if len(whole) != 1:
            raise NotUnderstood("a group that is no arm of trials.csv")
        return whole[0], [f"a subgroup treated as all of {whole[0]['arm']}"]

    def _severity(self, trial: str, name: str, entry: DisorderEntry, assumed: list[str]) -> tuple[float, float]:
        """Mean and SD at the start on the scale of the disorder: the arm's, else the trial's, else assumed."""
        told = [*self.tables["outcomes"].rows, *package_rows("outcomes")]
        rows = [r for r in told if r["trial"] == trial and _number(r["time_h"]) == 0 and r["mean"]]
        for own in (True, False):
            for r in rows:
                if (r["arm"] == name) == own and _linked(r["scale"], entry):
                    factor, sd = _factor(r["scale"], entry), _number(r["sd"])
                    mean = min(max(_number(r["mean"]) * factor, entry.scale.low + 1.0), entry.scale.high - 1.0)
                    if not own:
                        assumed.append(f"severity at the start that of {r['arm']}")
                    return mean, sd * factor if sd > 0 else self._usual(entry)[1]
        mean, sd = self._usual(entry)
        assumed.append(f"severity at the start {mean:g} (SD {sd:g})")
        return mean, sd

    def _usual(self, entry: DisorderEntry) -> tuple[float, float]:
        return (_BASELINE, _BASELINE_SD) if entry.scale.id == "madrs" else (entry.baseline.mean, entry.baseline.sd)

    def _start(self, trial: str, arm: str, scale: str) -> float:
        """Mean of an arm on a scale at the start."""
        rows = [*self.tables["outcomes"].rows, *package_rows("outcomes")]
        at_start = [r for r in rows if (r["trial"], r["arm"], r["scale"]) == (trial, arm, scale) and _number(r["time_h"]) == 0]
        return _number(at_start[0]["mean"]) if at_start else math.nan

    def _not(self, row: Row, place: str, time: float, kind: str, value: float, why: str, table: str = "outcomes") -> Asked:
        return Asked(table, place, row["trial"], row["arm"], row["scale"], time, kind, value, _number(row["n"]), reason=why)


@dataclass(frozen=True)
class _Known:
    """An arm, how it was treated, how many people, and what was assumed."""

    arm: Arm
    treatment: Treatment
    n: float
    assumed: tuple[str, ...]


def _number(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return math.nan


def _linked(scale: str, entry: DisorderEntry) -> bool:
    return scale == entry.scale.id or (entry.scale.id == "madrs" and scale in links())


def _factor(scale: str, entry: DisorderEntry) -> float:
    """Points of the disorder's scale per point of another."""
    if scale == entry.scale.id or scale in _WHOLE:
        return 1.0
    if entry.scale.id == "madrs" and scale in links():
        return links()[scale].factor
    raise NotUnderstood(f"scale '{scale}' is not predicted for {entry.id}, nor linked to {entry.scale.id}")


def _in_time(time: float, given: Treatment) -> None:
    if math.isnan(time):
        raise NotUnderstood("no time")
    if time > given.until:
        raise NotUnderstood(f"what was given after {given.until:g} h is not told in words that are understood")


def _cut(row: Row, link: Link | None) -> float:
    """Highest score of remission: that of the note, else of the scale."""
    told = re.search(r"(?:madrs|score|remission)\D{0,12}(?:<=|≤)\s*(\d+)", row["note"], re.IGNORECASE)
    if told and row["scale"] in ("madrs", *_WHOLE):
        return float(told[1])
    return link.remission if link else math.nan


def _kind_of_control(row: Row, turned: Mapping[str, float]) -> str:
    if turned.get("midazolam"):
        return "midazolam"
    return f"placebo {'nasal' if row['route'] == 'nasal' else 'iv'}"


def _named(side: str, arms: Sequence[Row]) -> list[Row]:
    """Arms that one side of a comparison can mean: all its words of drug and dose must fit; those that fit best."""
    words = set(re.findall(r"[a-z]+|\d+(?:\.\d+)?", side.lower()))
    scores = [(_fit(words, arm), arm) for arm in arms]
    best = max((score for score, _ in scores), default=0)
    return [arm for score, arm in scores if score == best and best > 0]


def _fit(words: set[str], arm: Row) -> int:
    """How many words of a side stand in an arm's name, drug or dose; the kind of drug counts most."""
    drug = {"racemic_ketamine": {"ketamine", "ket"}, "esketamine": {"esketamine", "esk"}, "arketamine": {"arketamine", "ark"},
            "placebo": {"placebo", "saline", "pbo", "control"}, "midazolam": {"midazolam", "mdz", "control"}}.get(arm["drug"], {arm["drug"]})  # fmt: skip
    own = set(re.findall(r"[a-z]+|\d+(?:\.\d+)?", f"{arm['arm']} {arm['dose']}".lower()))
    return 3 * bool(words & drug) + len(words & own)
