"""Results of a study of ClinicalTrials.gov as rows: outcomes, comparisons, adverse events.

Never guesses: a number whose column, scale or time the record does not say in one way goes elsewhere or is listed as left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ketasim.evidence._check import Row
from ketasim.evidence._registry_study import Study, at
from ketasim.evidence._registry_words import (
    CONFIDENCE_LEVEL,
    EVENTS,
    comparison_measure,
    disorder,
    hours,
    names_time,
    number,
    scale,
    slug,
)

_MEANS = {"MEAN": "", "LEAST_SQUARES_MEAN": "ls_"}


def read_results(study: Study) -> None:
    """Add what the results say to the tables of the study."""
    for measure in at(study.results, "outcomeMeasuresModule", "outcomeMeasures") or ():
        _measure(study, measure)
    _adverse_events(study)


# -- outcomes ------------------------------------------------------------------------------------------------------------
def _measure(study: Study, measure: Mapping[str, Any]) -> None:
    title, frame = str(measure.get("title", "")), str(measure.get("timeFrame", ""))
    name, kind = scale(title), str(measure.get("paramType", ""))
    groups = {g.get("id"): g for g in measure.get("groups") or ()}
    if not name or re.search(r"\bitems?[\s-]*#?\d|subscale|subscore|sub-score|\bfactor\b", title, re.I):
        study.left_out.append(f"outcome '{title}': {'a part of a scale' if name else 'no scale that is known'}.")
        return
    rows = 0
    for one in measure.get("classes") or ():
        n = _counts(one) or _counts(measure)
        for category in one.get("categories") or ():
            part = "; ".join(str(p["title"]) for p in (one, category) if p.get("title"))
            for cell in category.get("measurements") or ():
                group, count = groups.get(cell.get("groupId"), {}), n.get(cell.get("groupId"), "")
                values = _values(measure, part, cell, count)
                if not values or not group.get("title"):  # a number of nobody is no fact
                    continue
                row = {"trial": study.nct, "arm": study.arm(str(group.get("title", "")), str(group.get("description", "")))}
                row |= {"scale": name, "time_h": hours(part if names_time(part) else frame), "n": count, **study.end, **values}
                study.add("outcomes", row | {"note": "; ".join(w for w in (title, part, frame, _dispersion(measure, cell)) if w)})
                rows += 1
    if not rows:
        study.left_out.append(
            f"outcome '{title}': no number that a column holds ({kind.lower().replace('_', ' ') or 'no kind given'})."
        )
    for analysis in measure.get("analyses") or ():
        _comparison(study, analysis, groups, name, title, frame)


def _counts(part: Mapping[str, Any]) -> dict[str, str]:
    for denominator in part.get("denoms") or ():
        if str(denominator.get("units", "")).lower() == "participants":
            return {str(c.get("groupId")): number(c.get("value")) for c in denominator.get("counts") or ()}
    return {}


def _dispersion(measure: Mapping[str, Any], cell: Mapping[str, Any]) -> str:
    """Kind of mean and spread where no column holds them, for the note."""
    kind, about = str(measure.get("paramType", "")), str(measure.get("dispersionType", "") or "spread")
    mean = "least squares mean" if kind == "LEAST_SQUARES_MEAN" else ""
    low, high = number(cell.get("lowerLimit")), number(cell.get("upperLimit"))
    return "; ".join(w for w in (mean, f"{about.lower().replace('_', ' ')} {low} to {high}" if low and high else "") if w)


def _values(measure: Mapping[str, Any], part: str, cell: Mapping[str, Any], n: str) -> Row:
    """The columns that one measured value fills; empty where it fits none."""
    value, kind = number(cell.get("value")), str(measure.get("paramType", ""))
    title, unit = str(measure.get("title", "")), str(measure.get("unitOfMeasure", "")).lower()
    if not value:
        return {}
    if kind in ("COUNT_OF_PARTICIPANTS", "NUMBER"):
        return _share(title, part, unit, value, n)
    if kind not in (*_MEANS, "MEDIAN"):
        return {}
    words = f"{title} {part}"
    change = bool(re.search(r"\bchange\b", words, re.I)) and not re.match(r"\W*(baseline|day 1)\W*$", part, re.I)
    if re.search(r"percent|%", unit) and change:
        return {"other_metric": "percent_change", "other_value": value}
    if unit and not re.search(r"score|point|scale|" + re.escape(scale(title)), unit):
        return {"other_metric": slug(f"{'median' if kind == 'MEDIAN' else 'mean'} {unit}"), "other_value": value}
    what = f"{_MEANS.get(kind, '')}{'change' if change else 'mean'}"
    odd = "peak_" if re.search(r"\b(peak|maxim\w+|worst|highest)\b", words, re.I) else ""
    if kind == "MEDIAN":
        return {"other_metric": odd + ("median_change" if change else "median"), "other_value": value}
    if not change and re.search(r"\b(reduction|decrease|improvement)\b", words, re.I):
        odd = "reduction_"  # which way it counts, the record does not say
    if odd:
        return {"other_metric": odd + what, "other_value": value}
    return {"change_from_baseline" if change else "mean": value} | _spread(measure, cell, change, what)


def _spread(measure: Mapping[str, Any], cell: Mapping[str, Any], change: bool, what: str) -> Row:
    """SD in its column, SE and 95 % interval as the other value; other spreads stand in the note."""
    about = str(measure.get("dispersionType", "")).upper().replace(" ", "_")
    spread, low, high = (number(cell.get(name)) for name in ("spread", "lowerLimit", "upperLimit"))
    if about == "STANDARD_DEVIATION":
        return {"change_sd" if change else "sd": spread}
    if about.startswith("STANDARD_ERROR") and spread:
        return {"other_metric": f"se_of_{what}", "other_value": spread}
    if re.match(r"95_?%_CONFIDENCE", about) and low and high:
        return {"other_metric": f"ci95_of_{what}", "other_value_text": f"{low} to {high}"}
    return {}


def _share(title: str, part: str, unit: str, value: str, n: str) -> Row:
    """Counts and percentages: responders and remitters where the words name one of them and nothing else."""
    column = _answered(part) or _answered(title)
    if re.match(r"\W*no\b|.*(\bnon|\bnot\b|without|relaps|sustain|maintain|onset|time to|\bloss\b)", f"{part} {title}", re.I):
        column = ""
    if "percent" in unit and column:
        return {column: value}
    if "participant" in unit and column and number(n) and float(n) > 0:
        share = {column: f"{100 * float(value) / float(n):.4g}", "confidence": "derived"}
        return share | {"other_metric": "patients", "other_value": value}
    return {"other_metric": slug(unit or "number"), "other_value": value}


def _answered(text: str) -> str:
    response, remission = re.search(r"\brespon(se|der)", text, re.I), re.search(r"\bremi(ssion|tter)", text, re.I)
    return "" if bool(response) == bool(remission) else "response_percent" if response else "remission_percent"


def _comparison(
    study: Study, analysis: Mapping[str, Any], groups: Mapping[Any, Mapping[str, Any]], name: str, title: str, frame: str
) -> None:
    names = [str(groups.get(i, {}).get("title", "")) for i in analysis.get("groupIds") or ()]
    value, kind = number(analysis.get("paramValue")), str(analysis.get("paramType", ""))
    measure = comparison_measure(kind)
    if len(names) != 2 or not value or not measure:
        if value:
            study.left_out.append(f"comparison in '{title}': {kind or 'no kind given'} of {len(names)} groups.")
        return
    level = str(analysis.get("ciPctValue", ""))
    known = level in CONFIDENCE_LEVEL
    study.add(
        "contrasts",
        {
            "study": study.nct, "kind": "trial", "comparison": " vs ".join(names), "scale": name, "time_h": hours(frame),
            "disorder": disorder(", ".join(at(study.protocol, "conditionsModule", "conditions") or ())), "metric": measure, "value": value,
            "ci_low": number(analysis.get("ciLowerLimit")) if known else "", "ci_high": number(analysis.get("ciUpperLimit")) if known else "",
            **study.end, "note": "; ".join(w for w in (title, frame, kind, *_tested(analysis, known)) if w)[:400],
        },
    )  # fmt: skip


def _tested(analysis: Mapping[str, Any], known: bool) -> Iterator[str]:
    """What no column holds of a comparison: p, standard error, an interval of another level, the record's remark."""
    p, spread = str(analysis.get("pValue", "")), number(analysis.get("dispersionValue"))
    low, high = number(analysis.get("ciLowerLimit")), number(analysis.get("ciUpperLimit"))
    yield f"p {p.removeprefix('=')}" if p else ""
    yield f"{str(analysis.get('dispersionType', 'spread')).lower().replace('_', ' ')} {spread}" if spread else ""
    yield f"{analysis.get('ciPctValue', '')} % interval {low} to {high}" if low and high and not known else ""
    yield str(analysis.get("estimateComment", ""))


# -- adverse events ------------------------------------------------------------------------------------------------------
def _adverse_events(study: Study) -> None:
    module = at(study.results, "adverseEventsModule") or {}
    groups = {g.get("id"): str(g.get("title", "")) for g in module.get("eventGroups") or ()}
    threshold = str(module.get("frequencyThreshold", ""))
    for group in module.get("eventGroups") or ():
        for event, words in (("serious", "serious_ae"), ("deaths", "death")):
            cell = {name: group.get(f"{event}{name[0].upper()}{name[1:]}") for name in ("numAffected", "numAtRisk")}
            _event(study, words, "total", groups.get(group.get("id"), ""), cell, threshold)
    for kind in ("serious", "other"):
        events: Sequence[Mapping[str, Any]] = module.get(f"{kind}Events") or ()
        for event in events:
            for cell in event.get("stats") or ():
                _event(study, str(event.get("term", "")), kind, groups.get(cell.get("groupId"), ""), cell, threshold)


def _event(study: Study, term: str, kind: str, group: str, cell: Mapping[str, Any], threshold: str) -> None:
    affected, at_risk = number(cell.get("numAffected")), number(cell.get("numAtRisk"))
    if not term or not group or not affected or not at_risk or float(at_risk) <= 0 or float(affected) > float(at_risk):
        return
    shown = f"; non-serious events reported above {threshold} %" if kind == "other" and threshold not in ("", "0") else ""
    study.add(
        "safety",
        {
            "study": study.nct, **study.given(group), "population": group, "event": EVENTS.get(term.lower(), slug(term)),
            "metric": "serious_incidence_percent" if kind == "serious" else "incidence_percent",
            "value": f"{100 * float(affected) / float(at_risk):.4g}", "n": at_risk, "source": study.nct, "confidence": "derived",
            "note": f"{affected} of {at_risk}: {term}{shown}",
        },
    )  # fmt: skip
