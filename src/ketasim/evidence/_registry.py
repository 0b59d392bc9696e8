"""A study of ClinicalTrials.gov (API version 2) as rows: arms, outcomes, comparisons, adverse events, design.

Never guesses: a drug, dose or time that the record does not say in one way stays empty, and what no table can hold is listed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ketasim.errors import InvalidData
from ketasim.evidence._check import Row
from ketasim.evidence._registry_words import (
    CONFIDENCE_LEVEL,
    EVENTS,
    comparison_measure,
    disorder,
    dose,
    drug,
    hours,
    minutes,
    number,
    route,
    same,
    scale,
    slug,
)

Tables = dict[str, list[Row]]
_MASKED = {
    "NONE": "open-label",
    "SINGLE": "single-blind",
    "DOUBLE": "double-blind",
    "TRIPLE": "double-blind",
    "QUADRUPLE": "double-blind",
}
_MEANS = {"MEAN": "", "LEAST_SQUARES_MEAN": "ls_"}


@dataclass
class _Study:
    """A record and what was found in it so far."""

    nct: str
    protocol: Mapping[str, Any]
    results: Mapping[str, Any]
    tables: Tables = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @property
    def end(self) -> Row:
        return {"source": self.nct, "confidence": "read"}

    def add(self, table: str, row: Row) -> None:
        self.tables.setdefault(table, []).append(row)

    def arm(self, title: str, description: str = "") -> str:
        """Name of the arm that a group of results is, which need not be spelled alike; a group of its own where it is none."""
        for row in self.tables.get("trials", []):
            if same(row["arm"], title):
                return row["arm"]
        known = self.tables.setdefault("analysis_sets", [])
        if title not in (row["arm"] for row in known):
            known.append({"trial": self.nct, "arm": title, "kind": "not_described", "note": description[:200]})
        return title

    def drug_of(self, title: str) -> str:
        for row in self.tables.get("trials", []):
            if same(row["arm"], title):
                return row["drug"]
        return ""


def clinical_trial(text: str, file: Path) -> tuple[Tables, list[str]]:
    """Rows of a record, and what was left out and why.

    Raises
    ------
    InvalidData: the file is not one study of API version 2.
    """
    study = _opened(text, file)
    study.add("sources", _source(study))
    for row in _arms(study):
        study.add("trials", row)
    for row in _annotations(study):
        study.add("trial_annotations", row)
    for measure in at(study.results, "outcomeMeasuresModule", "outcomeMeasures") or ():
        _measure(study, measure)
    _adverse_events(study)
    return study.tables, study.left_out


def _opened(text: str, file: Path) -> _Study:
    try:
        record: Any = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidData(f"{file}, line {error.lineno}: not JSON ({error.msg}).") from None
    protocol = record.get("protocolSection") if isinstance(record, dict) else None
    if not isinstance(protocol, dict):
        raise InvalidData(
            f"{file}: no 'protocolSection'. Save one study of ClinicalTrials.gov as JSON (API version 2: /api/v2/studies/NCT...)."
        )
    nct = at(protocol, "identificationModule", "nctId")
    if not re.fullmatch(r"NCT\d{8}", str(nct)):
        raise InvalidData(f"{file}: identificationModule.nctId is '{nct or ''}', not an NCT number.")
    return _Study(str(nct).lower(), protocol, record.get("resultsSection") or {})


def at(data: Any, *keys: str) -> Any:
    """What stands at the end of nested keys; None where one is missing."""
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


def _source(study: _Study) -> Row:
    protocol, nct = study.protocol, study.nct.upper()
    dates = ("resultsFirstPostDateStruct", "lastUpdatePostDateStruct", "startDateStruct")
    year = next((str(d)[:4] for d in (at(protocol, "statusModule", name, "date") for name in dates) if d), "")
    return {
        "source": study.nct, "authors": at(protocol, "sponsorCollaboratorsModule", "leadSponsor", "name") or "", "year": year,
        "title": at(protocol, "identificationModule", "briefTitle") or "", "journal": "ClinicalTrials.gov", "nct": nct,
        "read_from": f"https://clinicaltrials.gov/study/{nct}", "how_read": "registry_results",
    }  # fmt: skip


# -- arms ----------------------------------------------------------------------------------------------------------------
def _arms(study: _Study) -> Iterator[Row]:
    """Groups of the participant flow, which results name; those of the protocol for a crossover or before results."""
    described = {str(g.get("label", "")): g for g in at(study.protocol, "armsInterventionsModule", "armGroups") or ()}
    info = at(study.protocol, "designModule", "designInfo") or {}
    crossover = info.get("interventionModel") == "CROSSOVER"
    flow = {
        str(g.get("title", "")): str(g.get("description", "")) for g in at(study.results, "participantFlowModule", "groups") or ()
    }
    started, people = _started(study.results), _people(study.results)
    words = [str(w).replace("_", " ").lower() for w in (info.get("allocation"), info.get("interventionModel")) if w]
    conditions = ", ".join(at(study.protocol, "conditionsModule", "conditions") or ())
    for label in described if crossover or not flow else flow:
        group = next((g for name, g in described.items() if same(name, label)), {})
        names = ", ".join(group.get("interventionNames") or ())
        text = f"{group.get('description', '')} {flow.get(label, '')}"
        amount, unit = dose(f"{label} {names} {text}")
        yield {
            "trial": study.nct, "arm": label, "disorder": disorder(conditions), "population": conditions,
            "design": ", ".join([*words, _masking(info)]), "drug": drug(label) or drug(names) or drug(text),
            "route": route(f"{label} {names}") or route(text), "dose": amount, "dose_unit": unit, "infusion_min": minutes(text),
            "n_randomised": started.get(label, ""), **people.get(label, {}), **study.end,
            "note": "drug, dose and route by words of the record",
        }  # fmt: skip


def _masking(info: Mapping[str, Any]) -> str:
    masking, who = str(at(info, "maskingInfo", "masking") or ""), at(info, "maskingInfo", "whoMasked") or []
    return "rater-blinded" if masking == "SINGLE" and who == ["OUTCOMES_ASSESSOR"] else _MASKED.get(masking, "")


def _started(results: Mapping[str, Any]) -> dict[str, str]:
    """Group -> number that started the first period."""
    flow = at(results, "participantFlowModule") or {}
    titles = {g.get("id"): str(g.get("title", "")) for g in flow.get("groups") or ()}
    for period in (flow.get("periods") or ())[:1]:
        for milestone in period.get("milestones") or ():
            if milestone.get("type") == "STARTED":
                return {
                    titles.get(a.get("groupId"), ""): number(a.get("numSubjects")) for a in milestone.get("achievements") or ()
                }
    return {}


def _people(results: Mapping[str, Any]) -> dict[str, Row]:
    """Group -> mean age, percentage of women, mean weight."""
    module = at(results, "baselineCharacteristicsModule") or {}
    titles = {g.get("id"): str(g.get("title", "")) for g in module.get("groups") or ()}
    found: dict[str, Row] = {}
    for measure in module.get("measures") or ():
        title, kind = str(measure.get("title", "")).lower(), measure.get("paramType")
        counts: dict[str, dict[str, float]] = {}
        for category, cell in _cells(measure):
            name, value = titles.get(cell.get("groupId"), ""), number(cell.get("value"))
            if kind == "MEAN" and value and title.startswith(("age", "weight")):
                found.setdefault(name, {})["age_mean" if title.startswith("age") else "weight_kg"] = value
            if kind == "COUNT_OF_PARTICIPANTS" and value and title.startswith("sex"):
                counts.setdefault(name, {})[category.lower()] = float(value)
        for name, each in counts.items():
            if "female" in each and sum(each.values()):
                found.setdefault(name, {})["female_percent"] = f"{100 * each['female'] / sum(each.values()):.4g}"
    return found


def _cells(measure: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for one in measure.get("classes") or ():
        for category in one.get("categories") or ():
            for cell in category.get("measurements") or ():
                yield str(category.get("title") or one.get("title") or ""), cell


def _annotations(study: _Study) -> Iterator[Row]:
    info = at(study.protocol, "designModule", "designInfo") or {}
    given = {
        "sponsor": str(at(study.protocol, "sponsorCollaboratorsModule", "leadSponsor", "name") or ""), "masking": _masking(info),
        "crossover": "yes" if info.get("interventionModel") == "CROSSOVER" else "no" if info.get("interventionModel") else "",
    }  # fmt: skip
    for name, value in given.items():
        if value:
            yield {"trial": study.nct, "field": name, "value": value, **study.end}


# -- outcomes ------------------------------------------------------------------------------------------------------------
def _measure(study: _Study, measure: Mapping[str, Any]) -> None:
    title, frame = str(measure.get("title", "")), str(measure.get("timeFrame", ""))
    name, kind = scale(title), str(measure.get("paramType", ""))
    if not name:
        study.left_out.append(f"outcome '{title}': no scale that is known.")
        return
    groups = {g.get("id"): g for g in measure.get("groups") or ()}
    rows = 0
    for one in measure.get("classes") or ():
        n = _counts(one) or _counts(measure)
        time = hours(str(one.get("title", ""))) or hours(frame)
        for category in one.get("categories") or ():
            for cell in category.get("measurements") or ():
                group = groups.get(cell.get("groupId"), {})
                values = _values(measure, title, cell, n.get(cell.get("groupId"), ""))
                if not values:
                    continue
                words = (title, str(one.get("title", "")), str(category.get("title", "")), frame)
                row = {"trial": study.nct, "arm": study.arm(str(group.get("title", "")), str(group.get("description", "")))}
                row |= {"scale": name, "time_h": time, "n": n.get(cell.get("groupId"), ""), **study.end, **values}
                study.add("outcomes", row | {"note": "; ".join(word for word in words if word)})
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


def _values(measure: Mapping[str, Any], title: str, cell: Mapping[str, Any], n: str) -> Row:
    """The columns that one measured value fills; empty where it fits none."""
    value, spread = number(cell.get("value")), number(cell.get("spread"))
    kind, about = str(measure.get("paramType", "")), str(measure.get("dispersionType", "")).upper().replace(" ", "_")
    change = bool(re.search(r"\bchange\b|reduction", title, re.I))
    if not value:
        return {}
    if kind in _MEANS:
        row: Row = {"change_from_baseline" if change else "mean": value}
        if about == "STANDARD_DEVIATION":
            return row | {"change_sd" if change else "sd": spread}
        what = f"se_of_{_MEANS[kind]}{'change' if change else 'mean'}"
        return row | ({"other_metric": what, "other_value": spread} if about == "STANDARD_ERROR" and spread else {})
    if kind == "MEDIAN":
        return {"other_metric": "median_change" if change else "median", "other_value": value}
    if kind not in ("COUNT_OF_PARTICIPANTS", "NUMBER"):
        return {}
    return _share(measure, title, value, n)


def _share(measure: Mapping[str, Any], title: str, value: str, n: str) -> Row:
    unit = str(measure.get("unitOfMeasure", "")).lower()
    column = "remission_percent" if re.search(r"remission|remitter", title, re.I) else ""
    column = column or ("response_percent" if re.search(r"respon(se|der)", title, re.I) else "")
    if "percent" in unit and column:
        return {column: value}
    if "participant" in unit and column and number(n) and float(n) > 0:
        return {
            column: f"{100 * float(value) / float(n):.4g}",
            "confidence": "derived",
            "other_metric": "patients",
            "other_value": value,
        }
    return {"other_metric": slug(unit or "number"), "other_value": value}


def _comparison(
    study: _Study, analysis: Mapping[str, Any], groups: Mapping[Any, Mapping[str, Any]], name: str, title: str, frame: str
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
            **study.end, "note": "; ".join(w for w in (title, frame, kind, str(analysis.get("estimateComment", ""))) if w)[:400],
        },
    )  # fmt: skip


# -- adverse events ------------------------------------------------------------------------------------------------------
def _adverse_events(study: _Study) -> None:
    module = at(study.results, "adverseEventsModule") or {}
    groups = {g.get("id"): str(g.get("title", "")) for g in module.get("eventGroups") or ()}
    threshold = str(module.get("frequencyThreshold", ""))
    for kind in ("serious", "other"):
        events: Sequence[Mapping[str, Any]] = module.get(f"{kind}Events") or ()
        for event in events:
            for cell in event.get("stats") or ():
                _event(study, str(event.get("term", "")), kind, groups.get(cell.get("groupId"), ""), cell, threshold)


def _event(study: _Study, term: str, kind: str, group: str, cell: Mapping[str, Any], threshold: str) -> None:
    affected, at_risk = number(cell.get("numAffected")), number(cell.get("numAtRisk"))
    if not affected or not at_risk or float(at_risk) <= 0:
        return
    shown = f"; non-serious events reported above {threshold} %" if kind == "other" and threshold not in ("", "0") else ""
    study.add(
        "safety",
        {
            "study": study.nct, "drug": study.drug_of(group) or group, "population": group, "event": EVENTS.get(term.lower(), slug(term)),
            "metric": "incidence_percent" if kind == "other" else "serious_incidence_percent",
            "value": f"{100 * float(affected) / float(at_risk):.4g}", "n": at_risk, "source": study.nct, "confidence": "derived",
            "note": f"{affected} of {at_risk}: {term}{shown}",
        },
    )  # fmt: skip
