"""A study of ClinicalTrials.gov (API version 2) as rows: source, arms, people, design; its results are read next door.

Never guesses: a drug, dose or time that the record does not say in one way stays empty, and what no table can hold is listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ketasim.documents import document
from ketasim.errors import InvalidData
from ketasim.evidence._check import Row
from ketasim.evidence._registry_results import read_results
from ketasim.evidence._registry_study import Study, Tables, at
from ketasim.evidence._registry_words import disorder, dose, drug, minutes, number, route, same

_MASKED = {
    "NONE": "open-label", "SINGLE": "single-blind", "DOUBLE": "double-blind", "TRIPLE": "double-blind", "QUADRUPLE": "double-blind",
}  # fmt: skip
_HOW_TO_SAVE = "Save one study as JSON from https://clinicaltrials.gov/api/v2/studies/NCT... (API version 2)."


def clinical_trial(text: str, file: Path) -> tuple[Tables, list[str]]:
    """Rows of a record, and what was left out and why.

    Raises
    ------
    InvalidData: the file is not one study of API version 2.
    """
    study = _opened(text, file)
    try:
        _read(study)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise InvalidData(
            f"{file}: {study.nct.upper()} is not shaped as a study of ClinicalTrials.gov, API version 2. {_HOW_TO_SAVE}"
        ) from None
    return study.tables, study.left_out


def _read(study: Study) -> None:
    study.add("sources", _source(study))
    for row in _arms(study):
        study.add("trials", row)
    for row in _annotations(study):
        study.add("trial_annotations", row)
    if not study.results:
        study.left_out.append("outcomes and side effects: the record has no results.")
    read_results(study)


def _opened(text: str, file: Path) -> Study:
    try:
        record: Any = document(text, "json")
    except ValueError as error:
        raise InvalidData(f"{file}: not JSON ({error}). {_HOW_TO_SAVE}") from None
    studies = record.get("studies") if isinstance(record, dict) else None
    if isinstance(studies, list):
        if len(studies) != 1:
            raise InvalidData(f"{file}: holds {len(studies)} studies; import one at a time. {_HOW_TO_SAVE}")
        record = studies[0]
    protocol = record.get("protocolSection") if isinstance(record, dict) else None
    if not isinstance(protocol, dict):
        raise InvalidData(f"{file}: no 'protocolSection', so no study of ClinicalTrials.gov. {_HOW_TO_SAVE}")
    nct = at(protocol, "identificationModule", "nctId")
    if not re.fullmatch(r"NCT\d{8}", str(nct)):
        raise InvalidData(f"{file}: identificationModule.nctId is '{nct or ''}', not an NCT number.")
    return Study(str(nct).lower(), protocol, record.get("resultsSection") or {})


def _source(study: Study) -> Row:
    protocol, nct = study.protocol, study.nct.upper()
    dates = ("resultsFirstPostDateStruct", "lastUpdatePostDateStruct", "startDateStruct")
    year = next((str(d)[:4] for d in (at(protocol, "statusModule", name, "date") for name in dates) if d), "")
    return {
        "source": study.nct, "authors": at(protocol, "sponsorCollaboratorsModule", "leadSponsor", "name") or "", "year": year,
        "title": at(protocol, "identificationModule", "briefTitle") or "", "journal": "ClinicalTrials.gov", "nct": nct,
        "read_from": f"https://clinicaltrials.gov/study/{nct}", "how_read": "registry_results",
    }  # fmt: skip


# -- arms ----------------------------------------------------------------------------------------------------------------
def _arms(study: Study) -> Iterator[Row]:
    """Groups of the participant flow, which results name; those of the protocol for a crossover or before results."""
    described = {str(g.get("label", "")): g for g in at(study.protocol, "armsInterventionsModule", "armGroups") or ()}
    info = at(study.protocol, "designModule", "designInfo") or {}
    crossover = info.get("interventionModel") == "CROSSOVER"
    flow = {
        str(g.get("title", "")): str(g.get("description", "")) for g in at(study.results, "participantFlowModule", "groups") or ()
    }
    started, people = _started(study.results), _people(study.results)
    words = [str(w).replace("_", " ").lower() for w in (info.get("allocation"), info.get("interventionModel")) if w and w != "NA"]
    conditions = ", ".join(at(study.protocol, "conditionsModule", "conditions") or ())
    for label in described if crossover or not flow else flow:
        group = next((g for name, g in described.items() if same(name, label)), {})
        names = ", ".join(group.get("interventionNames") or ())
        text = f"{group.get('description', '')} {flow.get(label, '')}"
        amount, unit = dose(f"{label} {names} {text}")
        yield {
            "trial": study.nct, "arm": label, "disorder": disorder(conditions), "population": conditions,
            "design": ", ".join(word for word in (*words, _masking(info)) if word), "drug": drug(label) or drug(names) or drug(text),
            "route": route(f"{label} {names}") or route(text), "dose": amount, "dose_unit": unit, "infusion_min": minutes(text),
            "n_randomised": _of(started, label) or "", **(_of(people, label) or {}), **study.end,
            "note": "drug, dose and route by words of the record",
        }  # fmt: skip


def _of(groups: Mapping[str, Any], label: str) -> Any:
    """What is known of a group under this name, which need not be spelled alike in all parts of a record."""
    return next((value for name, value in groups.items() if same(name, label)), None)


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
        unit = str(measure.get("unitOfMeasure", "")).lower()
        column = "age_mean" if title.startswith("age") and unit.startswith("year") else ""
        column = column or ("weight_kg" if "weight" in title and unit.startswith(("kg", "kilogram")) else "")
        counts: dict[str, dict[str, float]] = {}
        for category, cell in _cells(measure):
            name, value = titles.get(cell.get("groupId"), ""), number(cell.get("value"))
            if kind == "MEAN" and value and column:
                found.setdefault(name, {})[column] = value
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


def _annotations(study: Study) -> Iterator[Row]:
    info = at(study.protocol, "designModule", "designInfo") or {}
    given = {
        "sponsor": str(at(study.protocol, "sponsorCollaboratorsModule", "leadSponsor", "name") or ""), "masking": _masking(info),
        "crossover": "yes" if info.get("interventionModel") == "CROSSOVER" else "no" if info.get("interventionModel") else "",
    }  # fmt: skip
    for name, value in given.items():
        if value:
            yield {"trial": study.nct, "field": name, "value": value, **study.end}
