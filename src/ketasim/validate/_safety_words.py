"""Rows of a table of side effects read as a question: which endpoint, over how many sessions of which dose."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ketasim.validate._arm_words import NotUnderstood, treatment

Row = Mapping[str, str]
_ROUTES = {
    "intranasal": "nasal", "nasal": "nasal", "intravenous": "iv", "iv": "iv", "intramuscular": "im", "im": "im", "subcutaneous": "sc",
    "sc": "sc", "oral": "oral", "oral extended release": "oral", "sublingual": "sublingual",
}  # fmt: skip
#: Event -> definition of an incidence, and what was assumed to read it so.
INCIDENCES: Mapping[str, tuple[str, str]] = {
    "dissociation": ("dissociation_ae", ""), "dizziness": ("dizziness_ae", ""), "nausea": ("nausea_ae", ""), "vomiting": ("vomiting_ae", ""),
    "vertigo": ("vertigo_ae", ""), "headache": ("headache_ae", ""), "anxiety": ("anxiety_ae", ""), "sedation": ("sedation_ae", ""),
    "somnolence": ("sedation_ae", "somnolence counted as the term sedation"), "sedation_moaas": ("sedation_moaas", ""),
    "cadss_gt4": ("cadss_above_4", ""), "sbp_ge_180": ("sbp_180", ""), "sbp_increase_ge_40": ("sbp_rise_40", ""),
    "dbp_increase_ge_25": ("dbp_rise_25", ""),
}  # fmt: skip
#: Event -> measure whose mean rise it is.
MEANS = {"sbp_change": "sbp", "dbp_change": "dbp", "hr_change": "heart_rate", "cadss": "cadss", "cadss_change": "cadss"}
_PERCENT = ("incidence_percent", "percent_of_sessions", "percent_of_infusions")
_RISES = ("mean", "mean_change", "peak_mean", "pooled_mean_change", "peak_mean_change")
_COURSE = 4


@dataclass(frozen=True)
class Question:
    """What a row asks.

    Attributes
    ----------
    regimen : text. sessions : how many the incidence is over; share : of people over all of them (``ever``), or of sessions (``per_session``).
    definition : of an incidence, empty for a mean. measure : of a mean rise, empty for an incidence. time : h after the start at which the mean is
        read; NaN for the highest mean.
    """

    regimen: str
    share: str
    definition: str = ""
    measure: str = ""
    time: float = math.nan
    assumed: tuple[str, ...] = ()


def question(row: Row) -> Question:
    """What a row asks.

    Raises
    ------
    NotUnderstood: another event, metric, drug or course than those that are simulated.
    """
    definition, measure, assumed = _asked(row)
    when, share, told = _course(row)
    assumed += told
    if measure:
        when, share = "single", "first"
    drug = {
        "drug": row["drug"], "route": _route(row["route"]), "dose": _dose(row["dose"]), "dose_unit": row["dose_unit"],
        "infusion_min": row["infusion_min"], "schedule": when, "background": "", "note": f"{row['route']} {row['note']}",
    }  # fmt: skip
    given = treatment(drug, last=672.0)
    if not given.regimen:
        raise NotUnderstood(f"'{row['drug']}' has no side effects here")
    if share == "per_session" and definition and "percent_of" not in row["metric"]:
        share = "ever"
    return Question(given.regimen, share, definition, measure, _time(row), (*assumed, *given.assumed))


def hold_numbers(row: Row, *, percent: bool) -> None:
    """Hold the numbers of a row against what they can be.

    Raises
    ------
    NotUnderstood: no value, one that is no number, a share outside 0 to 100 percent, or less than one person.
    """
    if not row["value"]:
        raise NotUnderstood("no value")
    for column in ("value", "n", *(("comparator_value",) if percent else ())):
        text = row[column]
        try:
            number = float(text or "nan")
        except ValueError:
            raise NotUnderstood(f"{column} '{text}' is no number") from None
        if math.isinf(number) or (text and math.isnan(number)):
            raise NotUnderstood(f"{column} '{text}' is no number")
        if percent and column != "n" and not math.isnan(number) and not 0 <= number <= 100:
            raise NotUnderstood(f"{column} '{text}' is no share: a percentage lies between 0 and 100")
        if column == "n" and number < 1:
            raise NotUnderstood(f"n '{text}': a study has at least one person")


def _asked(row: Row) -> tuple[str, str, list[str]]:
    event, metric = row["event"], row["metric"]
    if re.search(r"abuser|recreational|rehabilitation|users|anaesth|surgery|icu|lactat", row["population"].lower()):
        raise NotUnderstood(f"population '{row['population']}' is not simulated")
    if event in INCIDENCES and metric in _PERCENT:
        definition, told = INCIDENCES[event]
        return definition, "", [told] if told else []
    if event in MEANS and metric in _RISES:
        if event == "cadss" and metric == "mean" and row["time_h"] and not 0 < _hours(row) <= 4:
            raise NotUnderstood(f"a rating at {row['time_h']} h is not one of a session")
        return "", MEANS[event], []
    known = _PERCENT if event in INCIDENCES else _RISES if event in MEANS else ()
    if known:
        raise NotUnderstood(f"'{event}' as {metric or 'nothing'} is not predicted; it is as {', '.join(known)}")
    raise NotUnderstood(f"'{event}' as {metric} is not predicted")


def _route(words: str) -> str:
    if words not in _ROUTES:
        raise NotUnderstood(f"route '{words}' is not simulated")
    return _ROUTES[words]


def _dose(words: str) -> str:
    """A dose, or a range of single doses; loading with an infusion after it is not one."""
    if not re.fullmatch(r"\d+(\.\d+)?(\s*[-/]\s*\d+(\.\d+)?)*", words.strip()):
        raise NotUnderstood(f"dose '{words}' is not understood")
    return words


def _course(row: Row) -> tuple[str, str, list[str]]:
    """Words for when doses are given, whether the share is of people or of sessions, and what was assumed."""
    words = f"{row['population']} {row['note']}".lower()
    if row["metric"].startswith("percent_of"):
        return "single", "first", []
    if re.search(r"maintenance|long.term|extension|year", row["population"].lower()):
        raise NotUnderstood("a course of maintenance of unknown doses")
    if re.search(r"first week|week 1\b", words):
        return "2/week x 1 week", "ever", []
    nasal = _ROUTES.get(row["route"]) == "nasal"
    weeks = re.search(r"(\d+)[- ]?w(?:ee)?k", row["population"].lower())
    if weeks and nasal:
        return f"2/week x {weeks[1]} week", "ever", []
    if number := re.search(r"(\d+) (?:infusions|sessions|injections)", row["population"].lower()):
        n = min(int(number[1]), 12)
        return (f"every 3 day x {n}" if n > 1 else "single"), "ever", [] if n == 1 else [f"{n} sessions, 3 days apart"]
    if nasal and row["time_h"] in ("", "672") and re.search(r"trd|mdd|depress|label|pool", words):
        return f"2/week x {_COURSE} week", "ever", [f"over {_COURSE} weeks, twice a week"]
    return "single", "ever", ["over one session"]


def _time(row: Row) -> float:
    if row["metric"].startswith("peak") or not row["time_h"]:
        return math.nan
    return _hours(row)


def _hours(row: Row) -> float:
    try:
        return float(row["time_h"])
    except ValueError:
        raise NotUnderstood(f"time_h '{row['time_h']}' is no number") from None
