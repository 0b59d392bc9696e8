"""Rows of the observation table become scenarios: what was given, where and what was measured.

One reading for calibration, for scoring and for users' own files; it says why a row cannot be read and never guesses a dose.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ketasim import evidence
from ketasim.errors import InvalidData, close_names
from ketasim.population import COVARIATES, level_of

COLUMNS = (
    "source", "drug", "analyte", "population", "n", "route", "dose", "dose_unit", "infusion_min", "metric", "statistic", "value",
    "spread_type", "spread", "unit", "confidence", "note",
)  # fmt: skip
NEEDED = ("source", "drug", "analyte", "route", "dose", "dose_unit", "metric", "value", "unit")
#: Optional columns that replace what would be read from the others.
SCENARIO_COLUMNS = (
    "regimen",
    "site",
    "t_h",
    "window_h",
    "comedication",
    "ratio_of",
    "reference",
    "covariates",
    "study",
    "use",
    "reason",
)
METRICS = (
    "cmax", "tmax", "auc_inf", "auc_0_t", "half_life", "clearance", "vss", "f_percent", "conc_at_t", "ratio_auc_metabolite",
    "covariate_ratio", "clearance_ratio_r_s", "protein_binding_percent",
)  # fmt: skip
ROUTES = {
    "intravenous": "iv", "iv": "iv", "intramuscular": "im", "im": "im", "subcutaneous": "sc", "sc": "sc", "intranasal": "nasal",
    "nasal": "nasal", "oral": "oral", "oral_prolonged_release": "oral prolonged-release", "sublingual": "sublingual",
    "sublingual_film": "sublingual", "buccal": "buccal", "rectal": "rectal", "inhaled": "inhaled", "inhaled_nebulised": "inhaled",
}  # fmt: skip
DRUGS = {"racemic_ketamine": "racemic ketamine", "esketamine": "esketamine", "arketamine": "arketamine"}
_ANALYTES = {
    "total_hydroxynorketamine": "hnk", "hydroxynorketamine": "hnk", "hnk_2s6s_2r6r": "hnk", "s_hydroxynorketamine": "s_hnk",
    "r_hydroxynorketamine": "r_hnk", "2s6s_hnk": "s_hnk", "2r6r_hnk": "r_hnk", "dehydronorketamine": "dhnk",
    "s_dehydronorketamine": "s_dhnk", "r_dehydronorketamine": "r_dhnk",
}  # fmt: skip
#: What a covariate_ratio may be the ratio of.
RATIOS = ("auc_inf", "cmax", "half_life", "auc_nk_over_k")
ANALYTES = tuple(f"{e}{a}" for a in ("ketamine", "norketamine", "hnk", "dhnk") for e in ("", "s_", "r_"))
#: Metrics of a linear model that do not depend on the size of the dose: a row without one is read as 1 mg.
_DOSE_FREE = ("clearance", "vss", "f_percent", "half_life", "ratio_auc_metabolite", "covariate_ratio", "protein_binding_percent")


@dataclass(frozen=True)
class Observation:
    """One observed number with the scenario that should reproduce it.

    Attributes
    ----------
    row : line in the file (header is line 1). regimen, reference : regimen texts; `reference` is what ratios compare with.
    t_h : time of `conc_at_t` or end of `auc_0_t`, h. window_h : sampling window of a half-life, h.
    study, use, reason : study the row belongs to; calibration, holdout or excluded; why.
    not_comparable : why a scored row says nothing of the model (computed from other rows, an input, a span nobody saw).
    problem : why the row cannot be predicted; empty where it can.
    """

    row: int
    source: str
    study: str
    use: str
    reason: str
    drug: str
    analyte: str
    metric: str
    statistic: str
    value: float
    unit: str
    n: float
    sd: float
    regimen: str = ""
    reference: str = ""
    ratio_of: str = ""
    site: str = "venous"
    t_h: float = math.nan
    window_h: tuple[float, float] = (8.0, 24.0)
    comedication: str = ""
    covariates: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    not_comparable: str = ""


def package_observations() -> list[Observation]:
    """Rows that ship with the package, each marked calibration, holdout or excluded in ``observation_use.csv``."""
    table = _read(evidence.path("pk/pk_observations.csv"))
    use = _read(evidence.path("pk/observation_use.csv")).drop(columns=["source"])
    use = use.rename(columns={"analyte": "analyte_as", "metric": "metric_as"})
    doubts = _read(evidence.path("pk/not_comparable.csv")).drop(columns=["source"]).rename(columns={"reason": "not_comparable"})
    table["row"] = [str(i + 2) for i in range(len(table))]
    marked = table.merge(use, on="row", how="left").merge(doubts, on="row", how="left")
    return _observations(marked.fillna(""), "pk_observations.csv")


def read_observations(source: str | Path | pd.DataFrame) -> list[Observation]:
    """Rows of a user's table in the format of ``pk_observations.csv``; optional columns are `SCENARIO_COLUMNS`.

    Raises
    ------
    InvalidData: a needed column is missing or a cell cannot be read; names file, line and column.
    """
    name = "observations" if isinstance(source, pd.DataFrame) else Path(source).name
    table = source.astype(str).replace("nan", "") if isinstance(source, pd.DataFrame) else _read(Path(source))
    table.columns = [str(c).strip().lower() for c in table.columns]
    for column in NEEDED:
        if column not in table:
            raise InvalidData(
                f"{name}: no column '{column}'.{close_names(column, table.columns)} Needed are {', '.join(NEEDED)}."
            )
    unknown = set(table.columns) - set(COLUMNS) - set(SCENARIO_COLUMNS) - {"row"}
    if unknown:
        allowed = COLUMNS + SCENARIO_COLUMNS
        raise InvalidData(
            f"{name}: unknown column '{min(unknown)}'.{close_names(min(unknown), allowed)} Allowed: {', '.join(allowed)}."
        )
    if table.empty:
        raise InvalidData(f"{name}: no rows below the header.")
    table["row"] = [str(i + 2) for i in range(len(table))]
    return _observations(table.fillna(""), name)


def _read(file: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig", comment=None)
    except FileNotFoundError:
        raise InvalidData(f"{file}: no such file. Give a CSV in the format of pk_observations.csv.") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InvalidData(f"{file.name}: not a readable CSV file ({str(error).strip()}).") from None
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes what is too much for row labels, and every cell moves
        raise InvalidData(f"{file.name}: the rows have more fields than the header has names ({len(table.columns)}).")
    return table


def _observations(table: pd.DataFrame, name: str) -> list[Observation]:
    return [_observation({str(k): str(v).strip() for k, v in record.items()}, name) for record in table.to_dict("records")]


def _observation(r: Mapping[str, str], name: str) -> Observation:
    get = lambda key: r.get(key, "")  # noqa: E731
    line = int(r["row"])
    metric = get("metric_as") or get("metric")
    analyte = get("analyte_as") or get("analyte")
    analyte = _ANALYTES.get(analyte, analyte)
    low, high = _window(get("window_h"), name, line) if get("window_h") else (8.0, 24.0)
    found = {
        "regimen": get("regimen"),
        "t_h": get("t_h"),
        "site": get("site") or "venous",
    }
    problem = _problem(r, metric, analyte)
    if not problem and not found["regimen"]:
        found["regimen"], problem = _regimen(r, metric, name, line)
    t_h = _number(found["t_h"], "t_h", name, line) if found["t_h"] else _time_of(get("note"))
    if not problem and metric in ("conc_at_t", "auc_0_t") and math.isnan(t_h):
        problem = f"metric {metric} needs a time: 't=40min' in note, or column t_h"
    value = _number(get("value"), "value", name, line) if not problem or get("value") else math.nan
    if not problem and not value > 0.0:
        problem = f"value {value:g} is not positive, so that no fold error exists"
    sd = _number(get("spread"), "spread", name, line) if get("spread_type") == "sd" else math.nan
    n = _number(get("n"), "n", name, line) if get("n") else math.nan
    return Observation(
        line, get("source"), get("study") or get("source"), get("use") or "user", get("reason"), get("drug"), analyte, metric,
        get("statistic"), value, get("unit"), n, sd, found["regimen"], get("reference"), get("ratio_of"), found["site"], t_h,
        (low, high), get("comedication"), _covariates(get("covariates"), name, line), problem, get("not_comparable"),
    )  # fmt: skip


def _problem(r: Mapping[str, str], metric: str, analyte: str) -> str:
    """Why a row has nothing to be compared with, or an empty text."""
    if r.get("use") == "excluded":
        return r.get("reason", "") or "excluded"
    if metric not in METRICS:
        return f"metric '{metric}' is not predicted; predicted are {', '.join(METRICS)}"
    if analyte not in ANALYTES:
        return f"analyte '{analyte}' is not in the model; it has {', '.join(ANALYTES)}"
    if r.get("statistic") in ("lower_bound", "qualitative", "flag"):
        return f"statistic '{r['statistic']}' is not a value"
    if metric == "covariate_ratio":
        compared = any(r.get(column) for column in ("comedication", "covariates", "reference"))
        if r.get("ratio_of") not in RATIOS or not compared:
            return f"a covariate_ratio needs column ratio_of ({', '.join(RATIOS)}) and one of comedication, covariates, reference"
    return ""


def _regimen(r: Mapping[str, str], metric: str, name: str, line: int) -> tuple[str, str]:
    """Regimen text of a row, or why there is none."""
    drug, route = DRUGS.get(r["drug"]), ROUTES.get(r["route"])
    if not r["route"] and metric == "protein_binding_percent":
        route = "iv"
    if drug is None:
        return "", f"drug '{r['drug']}' is not modelled; modelled are {', '.join(DRUGS)}"
    if route is None:
        return "", f"route '{r['route']}' is not modelled; modelled are {', '.join(ROUTES)}"
    steps = re.search(r"steps of (\d+) min: ([\d., ]+) mg/kg/h", r.get("note", ""))
    if steps:
        return " then ".join(f"{x.strip()} mg/kg/h {drug} {route} over {steps[1]} min" for x in steps[2].split(",")), ""
    unit = r["dose_unit"].replace(" racemate", "").replace(" base", "")
    salt = " as hydrochloride" if re.search(r"\bHCl\b", unit) else ""
    unit = unit.replace(" HCl", "").strip()
    dose = r["dose"]
    if not dose and metric in _DOSE_FREE:
        dose, unit = "1", "mg"
    if not re.fullmatch(r"[\d.]+(e-?\d+)?", dose):
        return "", f"dose '{dose} {unit}' is not one number; write column regimen, e.g. '56 mg esketamine nasal'"
    minutes = r.get("infusion_min", "")
    over = f" over {minutes} min" if minutes and _number(minutes, "infusion_min", name, line) > 0 else ""
    return f"{dose} {unit} {drug} {route}{over}{salt}", ""


def _number(text: str, column: str, name: str, line: int) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InvalidData(f"{name} line {line}, column {column}: '{text}' is not a number. Leave it empty if not reported.")
    return number


def _window(text: str, name: str, line: int) -> tuple[float, float]:
    match = re.fullmatch(r"([\d.]+)-([\d.]+)", text)
    if not match or float(match[1]) >= float(match[2]):
        raise InvalidData(f"{name} line {line}, column window_h: '{text}' is not a range; write e.g. '8-24' (hours).")
    return float(match[1]), float(match[2])


def _time_of(note: str) -> float:
    """Time in h from ``t=40min``, ``t=24h`` or the end of ``t=0-24h``; NaN where there is none."""
    match = re.search(r"\bt=(?:0-)?([\d.]+) ?(min|h)\b", note)
    return float(match[1]) / (60.0 if match[2] == "min" else 1.0) if match else math.nan


def _covariates(text: str, name: str, line: int) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for piece in (p.strip() for p in text.split(";") if p.strip()):
        key, equals, value = piece.partition("=")
        if not equals:
            raise InvalidData(f"{name} line {line}, column covariates: '{piece}' is not name=value, e.g. 'WT=80; AGE=70'.")
        key, known = key.strip().upper(), COVARIATES.get(key.strip().upper())
        if known is not None and known.is_category:
            out[key] = level_of(key, value, f"{name} line {line}, column covariates")
            continue
        try:
            out[key] = float(value)
        except ValueError:
            out[key] = value.strip()
    return out
