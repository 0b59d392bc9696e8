"""What words of registry records mean: drugs, doses, routes, scales, disorders, times. Empty where they do not say it in one way."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_DRUGS = (
    ("esketamine", r"esketamine|\bs-ketamine|\bs\(\+\)-?ketamine|\(s\)-?ketamine|spravato|ketanest"),
    ("arketamine", r"arketamine|\br-ketamine|\br\(-\)-?ketamine|\(r\)-?ketamine|pcn-?101|hr071603"), ("midazolam", r"midazolam"),
    ("placebo", r"placebo|saline|sham"), ("racemic_ketamine", r"(?<![\w)-])ketamine"), ("ect", r"\bect\b|electroconvulsive"),
    ("aripiprazole", r"aripiprazole"), ("quetiapine", r"quetiapine"), ("diclofenac", r"diclofenac"),
)  # fmt: skip
_ROUTES = (
    ("nasal", r"\b(intra)?nasal"), ("iv", r"intravenous|\biv\b|\bi\.v\.|infusion"), ("im", r"intramuscular|\bim\b"),
    ("sc", r"subcutaneous|\bsc\b"), ("sublingual", r"sublingual"), ("oral", r"\boral"),
)  # fmt: skip
_SCALES = {
    "madrs": r"madrs|montgomery",
    **{f"hamd{k}": rf"(ham-?d|hdrs)[\s_(-]*{k}\b|\b{k}[\s-]*item\s+(hamilton|ham-?d|hdrs)" for k in (6, 17, 21, 24)},
    "hamd": r"\bham-?d\b|\bhdrs\b|hamilton.{0,20}depress", "ybocs": r"y-?bocs|yale-brown", "caps5": r"caps[\s-]?5",
    "caps": r"\bcaps\b|clinician.administered ptsd", "ies_r": r"ies-r|impact of event", "pcl5": r"pcl-?5",
    "cadss": r"cadss|clinician.administered dissociative", "bprs": r"\bbprs|brief psychiatric", "qids_sr": r"\bqids-?sr", "qids": r"\bqids",
    "ssi": r"scale for suicid|\bssi\b", "cssrs": r"c-?ssrs|columbia.suicide", "phq9": r"phq-?9", "cgi": r"clinical global impression|\bcgi",
    "gad7": r"gad-?7", "sds": r"sheehan disab",
}  # fmt: skip
_DISORDERS = {
    "mdsi": r"depress.*suicid|suicid.*depress", "trd": r"(treatment.?resistant|resistant|refractory).{0,25}depress|depress.{0,30}resistant",
    "bipolar": r"bipolar", "mdd": r"depress", "aud": r"alcohol", "oud": r"opioid|opiate", "cocaine": r"cocaine",
    "ptsd": r"post.?traumatic|ptsd", "ocd": r"obsessive",
}  # fmt: skip
_MEASURES = (
    ("or", r"^(?!.*\blog\b).*odds ratio"), ("hr", r"^(?!.*\blog\b).*hazard ratio"), ("rr", r"^(?!.*\blog\b).*(risk ratio|relative risk)"),
    ("risk_difference", r"risk difference"),
    ("mean_difference", r"^(?!.*(geometric|percent)).*(mean.{0,12}difference|difference.{0,40}\bmean|difference.{0,20}ls ?mean)"),
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
_UNITS = "(?:minute|min|hour|hr|day|week|month)"
_COUNT = r"\d+(?:\.\d+)?"
_BEFORE = re.compile(rf"\b(day|week|month|hour|minute)s?\s*({_COUNT})(?![\d.]*\s*(?:mg|{_UNITS}(?!s?\s*\d)))", re.I)
_AFTER = re.compile(rf"(?<![\d.])({_COUNT})[\s-]*(minute|min|hour|hr|day|week|month)s?\b", re.I)
_BASELINE = re.compile(r"(from )?\bbaseline\b\s*(\([^)]*\))?\s*(up to|to|and|through|,|;|-)", re.I)
_AND = r"(?:\s*(?:,|and|or|to|-|–|through|&|/))+\s*"
#: Several times in a row: "days 2, 8 and 15", "2 to 4 hours"; but not "day 1, 4 hours after the dose".
_LISTED = re.compile(
    rf"\b(?:day|week|month|hour|minute)s?\s*{_COUNT}{_AND}{_COUNT}(?![\d.]|[\s-]*{_UNITS})"
    rf"|(?<![\w.])(?<!day )(?<!week )(?<!hour )(?<!month )(?<!minute ){_COUNT}{_AND}{_COUNT}[\s-]*{_UNITS}",
    re.I,
)


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
    """The only route a text names, the one of an oral antidepressant aside."""
    text = re.sub(r"\boral (ad\b|antidepress\w*)", " ", text, flags=re.I)
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
    for name in [name for name in places if any(other != name and other.startswith(name) for other in places)]:
        del places[name]  # "caps" beside "caps5" is the same scale under its longer name
    return min(places, key=lambda name: places[name]) if places else ""


def disorder(conditions: str) -> str:
    """The disorder of a record's conditions, ``other`` where none of the table's."""
    return next((name for name, pattern in _DISORDERS.items() if re.search(pattern, conditions, re.I)), "other")


def comparison_measure(kind: str) -> str:
    """The measure of a comparison; empty where the table has none."""
    return next((name for name, pattern in _MEASURES if re.search(pattern, kind, re.I)), "")


def hours(text: str) -> str:
    """The only time a text names beside the baseline, in hours since the first dose; day 2 is 24 h. Empty for none or several."""
    text = _BASELINE.sub(" ", text)
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


def names_time(text: str) -> bool:
    """Whether a text names any time at all."""
    return bool(_BEFORE.search(text) or _AFTER.search(text) or re.search(r"\bbaseline\b", text, re.I))


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
