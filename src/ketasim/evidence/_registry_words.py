"""What words of registry records mean: drugs, doses, routes, scales, disorders, times. Empty where they do not say it in one way."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_DRUGS = (
    ("esketamine", r"esketamine|\bs-ketamine|\bs\(\+\)-?ketamine|spravato|ketanest"),
    ("arketamine", r"arketamine|\br-ketamine|\br\(-\)-?ketamine|pcn-?101|hr071603"), ("midazolam", r"midazolam"),
    ("placebo", r"placebo|saline|sham"), ("racemic_ketamine", r"(?<![\w)-])ketamine"), ("ect", r"\bect\b|electroconvulsive"),
    ("aripiprazole", r"aripiprazole"), ("quetiapine", r"quetiapine"), ("diclofenac", r"diclofenac"),
)  # fmt: skip
_ROUTES = (
    ("nasal", r"\b(intra)?nasal"), ("iv", r"intravenous|\biv\b|\bi\.v\.|infusion"), ("im", r"intramuscular|\bim\b"),
    ("sc", r"subcutaneous|\bsc\b"), ("sublingual", r"sublingual"), ("oral", r"\boral"),
)  # fmt: skip
_SCALES = {
    "madrs": r"madrs|montgomery", "hamd17": r"ham-?d[\s_-]*17|hdrs[\s_-]*17", "hamd": r"\bham-?d\b|\bhdrs\b|hamilton.{0,20}depress",
    "ybocs": r"y-?bocs|yale-brown", "caps5": r"caps-5", "caps": r"\bcaps\b|clinician.administered ptsd", "ies_r": r"ies-r|impact of event",
    "pcl5": r"pcl-?5", "cadss": r"cadss|clinician.administered dissociative", "bprs": r"\bbprs|brief psychiatric", "qids": r"\bqids",
    "ssi": r"scale for suicid|\bssi\b", "c_ssrs": r"c-?ssrs|columbia.suicide", "phq9": r"phq-?9", "cgi": r"clinical global impression|\bcgi",
    "gad7": r"gad-?7", "sds": r"sheehan disab",
}  # fmt: skip
_DISORDERS = {
    "mdsi": r"depress.*suicid|suicid.*depress", "trd": r"(treatment.?resistant|resistant|refractory).{0,25}depress|depress.{0,30}resistant",
    "bipolar": r"bipolar", "mdd": r"depress", "aud": r"alcohol", "oud": r"opioid|opiate", "cocaine": r"cocaine",
    "ptsd": r"post.?traumatic|ptsd", "ocd": r"obsessive",
}  # fmt: skip
_MEASURES = (
    ("or", r"odds ratio"), ("hr", r"hazard ratio"), ("rr", r"risk ratio|relative risk"), ("risk_difference", r"risk difference"),
    ("mean_difference", r"mean difference|difference (in|of|between).{0,20}means|ls ?means? difference|difference.*ls ?mean"),
)  # fmt: skip
#: The only level of confidence that the columns ci_low and ci_high stand for.
CONFIDENCE_LEVEL = ("95", "95.0")
#: Terms of the registry -> names of events in the table; others are written as they stand, in lower case.
EVENTS = {
    "dissociation": "dissociation", "dissociative disorder": "dissociation", "dizziness": "dizziness", "nausea": "nausea",
    "sedation": "sedation", "somnolence": "somnolence", "headache": "headache", "vomiting": "vomiting", "vertigo": "vertigo",
    "dysgeusia": "dysgeusia", "anxiety": "anxiety", "blood pressure increased": "blood_pressure_increased",
    "hypertension": "hypertension", "hypoaesthesia": "hypoaesthesia", "paraesthesia": "paraesthesia", "vision blurred": "blurred_vision",
}  # fmt: skip
_HOURS = {"minute": 1 / 60, "min": 1 / 60, "hour": 1.0, "hr": 1.0, "day": 24.0, "week": 168.0, "month": 730.5}
_BEFORE = re.compile(r"\b(day|week|month|hour|minute)s?\s*(\d+(?:\.\d+)?)(?!\s*(?:minute|hour|hr|day|week|month|mg))", re.I)
_AFTER = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)[\s-]*(minute|min|hour|hr|day|week|month)s?\b", re.I)
_LISTED = re.compile(r"\b(day|week|month|hour|minute)s?\s*\d+(?:\.\d+)?\s*(,|and|or|to|-|through|&|/)+\s*\d", re.I)


def _one(found: Iterable[str]) -> str:
    """The only one of its kind, else nothing."""
    kinds = set(found)
    return kinds.pop() if len(kinds) == 1 else ""


def drug(text: str) -> str:
    """The only drug a text names; a placebo of a drug is placebo."""
    found = {name for name, pattern in _DRUGS if re.search(pattern, text, re.I)}
    if "placebo" in found and re.search(r"placebo|saline|sham", text.split("+")[0].split(" plus ")[0], re.I):
        rest = found - {"placebo"}
        return "placebo" if not rest or re.search(r"(matching|matched|instead of|placebo (for|to|of))", text, re.I) else ""
    return _one(found)


def route(text: str) -> str:
    """The only route a text names."""
    return _one(name for name, pattern in _ROUTES if re.search(pattern, text, re.I))


def dose(text: str) -> tuple[str, str]:
    """The only dose a text names, with its unit."""
    found = {
        (f"{float(n):g}", u.lower().replace("mcg", "ug"))
        for n, u in re.findall(r"(\d+(?:\.\d+)?)\s*((?:mg|mcg|ug)(?:/kg)?)\b", text, re.I)
    }
    return found.pop() if len(found) == 1 else ("", "")


def minutes(text: str) -> str:
    """The only length of an infusion a text names."""
    return _one(f"{float(n):g}" for n in re.findall(r"(?:over|during|for)\s+(\d+(?:\.\d+)?)[\s-]*min", text, re.I))


def scale(title: str) -> str:
    """The first scale a title names."""
    places = {name: m.start() for name, pattern in _SCALES.items() if (m := re.search(pattern, title, re.I))}
    return min(places, key=lambda name: places[name]) if places else ""


def disorder(conditions: str) -> str:
    """The disorder of a record's conditions, ``other`` where none of the table's."""
    return next((name for name, pattern in _DISORDERS.items() if re.search(pattern, conditions, re.I)), "other")


def comparison_measure(kind: str) -> str:
    """The measure of a comparison; empty where the table has none."""
    return next((name for name, pattern in _MEASURES if re.search(pattern, kind, re.I)), "")


def hours(text: str) -> str:
    """The only time a text names, in hours since the first dose; day 2 is 24 h. Empty for none or several."""
    if _LISTED.search(text):
        return ""
    times = {_since(unit.lower(), float(n)) for unit, n in _BEFORE.findall(text)}
    later = {float(n) * _HOURS[unit.lower()] for n, unit in _AFTER.findall(_BEFORE.sub(" ", text))}
    if later and times == {0.0}:  # "Day 1, 4 hours after the dose"
        times = later
    else:
        times |= later
    if not times and re.fullmatch(r"\W*baseline\W*", text, re.I):
        return "0"
    return f"{times.pop():g}" if len(times) == 1 else ""


def _since(unit: str, count: float) -> float:
    return max(count - 1, 0.0) * 24 if unit == "day" else count * _HOURS[unit]


def number(value: Any) -> str:
    """A number as text; empty for NA and other words."""
    text = str(value if value is not None else "").strip().replace(",", "")
    return text if re.fullmatch(r"[-+]?(\d+(\.\d*)?|\.\d+)", text) else ""


def same(one: str, other: str) -> bool:
    """Whether two names of a group differ only in case, blanks and signs."""
    return re.sub(r"[\W_]+", "", one).lower() == re.sub(r"[\W_]+", "", other).lower()


def slug(text: str) -> str:
    """Words joined by underscores, in lower case."""
    return re.sub(r"\W+", "_", text.lower()).strip("_")
