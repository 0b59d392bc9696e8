"""Side effects of any table predicted: per row prediction, interval and observation, or why there is none."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ketasim import library
from ketasim.arguments import checked
from ketasim.clinical import Definition, Endpoint, Reactions, drawn_values, reactions, study_differs
from ketasim.errors import InvalidData
from ketasim.evidence import TABLES
from ketasim.validate._arm_words import NotUnderstood
from ketasim.validate._safety_words import Question, hold_numbers, question
from ketasim.writing import replacing

Floats = NDArray[np.float64]
#: People, draws of numbers and of a study's difference, and people where the row does not say how many.
_PEOPLE, _DRAWS, _N = 300, 100, 100.0
#: Times after the start of a session, h.
_AFTER = np.concatenate([np.arange(0, 24) / 12.0, 2.0 + np.arange(0, 9) / 4.0])
COLUMNS = (
    "line", "study", "drug", "dose", "route", "event", "metric", "n", "observed", "predicted", "low", "high", "inside", "group", "fitted",
    "regimen", "assumed", "reason",
)  # fmt: skip


@dataclass(frozen=True)
class SafetyScore:
    """Outcome of `validate_safety`.

    Attributes
    ----------
    table : one line per number of the file, also those that cannot be predicted (`predicted` is NaN, `reason` says why). Incidences as shares (the
        median over draws of numbers and studies), means in the unit of the row. `low`, `high`: 90 % interval for a new study with the sampling error of the row. `group`: ``drug``, or ``comparator``
        for the share without it. `fitted`: the numbers of the endpoint rest on this source.
    summary : per kind (incidence, mean) and group: rows, studies, error, share inside, share within a factor of 2.
    models : cited entries.
    """

    table: pd.DataFrame
    summary: pd.DataFrame
    models: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Summary, reasons and counts as plain data."""
        reasons = self.table.loc[self.table["reason"] != "", "reason"].value_counts()
        return {
            "models": list(self.models), "rows": len(self.table), "predicted": int((self.table["reason"] == "").sum()),
            "summary": json.loads(self.summary.to_json(orient="records")), "not_predicted": {str(k): int(v) for k, v in reasons.items()},
        }  # fmt: skip


@checked
def validate_safety(file: str | Path, seed: int = 1, log: Callable[[str], None] | None = None) -> SafetyScore:
    """Predict the side effects of a table in the format of safety.csv. Takes seconds a regimen.

    Parameters
    ----------
    seed : of people and draws. log : told about each regimen.

    Raises
    ------
    InvalidData: no such file, or another header.
    """
    model, lines = _Model(seed, log or (lambda _: None)), []
    for line, row in safety_rows(Path(file)):
        lines += model.lines(line, row)
    table = pd.DataFrame(lines, columns=list(COLUMNS))
    return SafetyScore(table, _summary(table), tuple(e.cite for e in model.endpoints.values()))


def safety_rows(file: Path) -> list[tuple[int, dict[str, str]]]:
    path = file / "safety.csv" if file.is_dir() else file
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            rows = [(i + 2, {k: (v or "").strip() for k, v in row.items() if k}) for i, row in enumerate(csv.DictReader(text))]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidData(
            f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}). Give a file like safety.csv."
        ) from None
    needed = [c for c in ("study", "drug", "route", "dose", "event", "metric", "value") if rows and c not in rows[0][1]]
    if needed or not rows:
        raise InvalidData(
            f"{path}: {f'no column {needed[0]!r}' if needed else 'no rows'}. Columns are {', '.join(TABLES['safety'].columns)}."
        )
    return [(line, {column: row.get(column, "") for column in TABLES["safety"].columns}) for line, row in rows]


class _Model:
    """Endpoints, and the effect-site courses of regimens already asked for."""

    def __init__(self, seed: int, log: Callable[[str], None]) -> None:
        self.seed, self.log = seed, log
        self.endpoints = {e.id: e for e in library.endpoints()}
        self.by_definition = {name: (e, d) for e in self.endpoints.values() for name, d in e.definitions.items()}
        self.by_measure = {e.measure: e for e in self.endpoints.values()}
        self._sites: dict[str, Floats] = {}
        self._shares: dict[tuple[str, str, str], Floats] = {}

    def lines(self, line: int, row: Mapping[str, str]) -> list[dict[str, Any]]:
        """The row, and its comparator where it has one."""
        common = {k: row[k] for k in ("study", "drug", "dose", "route", "event", "metric")} | {"line": line, "group": "drug"}
        value, n = _number(row["value"]), _number(row["n"])
        try:
            asked = question(row)
            hold_numbers(row, percent=not asked.measure)
        except NotUnderstood as why:
            return [common | {"n": n, "observed": value, "reason": str(why)}]
        assumed = [*asked.assumed, *([f"n = {_N:g}"] if math.isnan(n) else [])]
        said = common | {"regimen": asked.regimen, "assumed": "; ".join(assumed), "reason": "", "n": n}
        if asked.measure:
            endpoint = self.by_measure[asked.measure]
            return [said | {"fitted": _rests_on(endpoint, row)} | self._mean(endpoint, asked, value, n)]
        endpoint, definition = self.by_definition[asked.definition]
        found = [said | {"fitted": _rests_on(endpoint, row)} | self._share(endpoint, definition, asked, value / 100, n)]
        if row["comparator_value"] and not math.isnan(other := _number(row["comparator_value"])):
            none = Question("", asked.share, asked.definition, assumed=asked.assumed)
            sessions = len(self._site(asked.regimen))
            found.append(
                said | {"group": "comparator", "regimen": "", "fitted": _rests_on(endpoint, row)}
                | self._share(endpoint, definition, none, other / 100, n, np.zeros((sessions, len(_AFTER), _PEOPLE)))
            )  # fmt: skip
        return found

    # -- incidences ---------------------------------------------------------------------------------------------------
    def _share(
        self, endpoint: Endpoint, definition: Definition, asked: Question, observed: float, n: float, site: Floats | None = None
    ) -> dict[str, Any]:
        key = (asked.regimen or f"none x {len(site if site is not None else ())}", asked.share, definition.id)
        if key not in self._shares:
            course = self._site(asked.regimen) if site is None else site
            self._shares[key] = np.array([self._drawn(endpoint, definition, course, k, asked.share) for k in range(_DRAWS)])
        shares = self._shares[key]
        people = int(n) if n == n and n >= 1 else int(_N)
        seen = np.random.default_rng([self.seed, people]).binomial(people, shares[:, None], (len(shares), 40)) / people
        low, high = np.quantile(seen, (0.05, 0.95))
        return {
            "observed": observed,
            "predicted": float(np.median(shares)),
            "low": low,
            "high": high,
            "inside": bool(low <= observed <= high),
        }

    def _drawn(self, endpoint: Endpoint, definition: Definition, site: Floats, draw: int, share: str) -> float:
        p = drawn_values(endpoint, draw, self.seed)
        study, start = study_differs(endpoint, draw, self.seed)
        found: Reactions = reactions(
            endpoint, site, _AFTER, np.arange(site.shape[2]), self.seed, p, study=study, study_start=start
        )
        meets = found.meets(definition)
        return float(meets.any(axis=0).mean() if share == "ever" else meets[0].mean() if share == "first" else meets.mean())

    # -- means --------------------------------------------------------------------------------------------------------
    def _mean(self, endpoint: Endpoint, asked: Question, observed: float, n: float) -> dict[str, Any]:
        """Mean rise: in the typical study, and in a new one, whose numbers and difference scale it."""
        p = endpoint.typical()
        curve = np.asarray(endpoint.equations.size(self._site(asked.regimen)[0], p)).mean(axis=1)
        typical = float(curve.max() if math.isnan(asked.time) else np.interp(asked.time, _AFTER, curve))
        size = next((name for name in ("slope", "scale") if name in endpoint.priors), "")
        spread = math.hypot(endpoint.priors[size].se if size else 0.0, float(p["tau"]))
        sampling = self._sd(endpoint, typical, p) / math.sqrt(n if n == n and n >= 1 else _N)
        draws = np.random.default_rng([self.seed, 7]).standard_normal((2, 4000))
        low, high = np.quantile(typical * np.exp(spread * draws[0]) + sampling * draws[1], (0.05, 0.95))
        return {"observed": observed, "predicted": typical, "low": low, "high": high, "inside": bool(low <= observed <= high)}

    @staticmethod
    def _sd(endpoint: Endpoint, mean: float, p: Mapping[str, Floats]) -> float:
        """SD over people of what is read."""
        read = math.hypot(float(p.get("sd_session", 0.0)), float(p.get("sd_reading", 0.0)))  # type: ignore[arg-type]
        return math.hypot(float(p.get("cv", 0.0)) * mean, read)  # type: ignore[arg-type]

    def _site(self, regimen: str) -> Floats:
        if regimen not in self._sites:
            self.log(regimen)
            self._sites[regimen] = effect_site(regimen, self.seed)
        return self._sites[regimen]


def effect_site(regimen: str, seed: int, people: int = _PEOPLE) -> Floats:
    """S-ketamine at the effect site, (session, time after its start, person), ng/mL."""
    from ketasim.dose import parse
    from ketasim.simulation import simulate

    starts = np.array(sorted({time for time, _ in parse(regimen).doses}))
    times = np.unique(np.round((starts[:, None] + _AFTER).ravel(), 9))
    tree = simulate(dosing=regimen, disorder="trd", n=people, seed=seed, times=times)
    curve = tree["plasma"]["effect"].sel(analyte="s_ketamine")
    place = [np.searchsorted(np.asarray(curve["time"]), np.round(start + _AFTER, 9) - 1e-9) for start in starts]
    return np.stack([np.asarray(curve.transpose("time", "subject"))[i] for i in place])


def _rests_on(endpoint: Endpoint, row: Mapping[str, str]) -> bool:
    """Whether a number of the endpoint names the row's source or study."""
    told = [endpoint.source, *(f"{x.source} {x.at}" for x in endpoint.numbers.values())]
    return any(row[key] and row[key] in text for text in told for key in ("source", "study"))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _summary(table: pd.DataFrame) -> pd.DataFrame:
    scored = table[table["reason"] == ""].assign(kind=lambda t: np.where(t["metric"].str.contains("mean"), "mean", "incidence"))
    return pd.DataFrame([_scored(part) for _, part in scored.groupby(["kind", "group"], sort=True)])


def _scored(part: pd.DataFrame) -> dict[str, Any]:
    predicted, observed = part["predicted"].astype(float), part["observed"].astype(float)
    both = (predicted > 0) & (observed > 0)
    fold = np.exp(np.abs(np.log(predicted[both] / observed[both])))
    return {
        "kind": part["kind"].iloc[0], "group": part["group"].iloc[0], "rows": len(part), "studies": part["study"].nunique(),
        "mae": float((predicted - observed).abs().mean()), "bias": float((predicted - observed).mean()),
        "inside_90": float(part["inside"].astype(float).mean()), "within_2_fold": float((fold <= 2).mean()) if len(fold) else math.nan,
    }  # fmt: skip


@checked
def write_safety_tables(score: SafetyScore, folder: str | Path) -> list[Path]:
    """Write ``safety_rows.csv`` and ``safety_summary.json``; returns the paths.

    Raises
    ------
    OutputError: the folder cannot be written.
    """
    paths = [Path(folder) / "safety_rows.csv", Path(folder) / "safety_summary.json"]
    with replacing(paths[0]) as rows, replacing(paths[1]) as summary:
        score.table.to_csv(rows, index=False, float_format="%.4g", lineterminator="\n")
        summary.write_text(json.dumps(score.to_json(), indent=1) + "\n", encoding="utf-8")
    return paths
