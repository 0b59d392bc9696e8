"""Evidence in and out: whole tables as CSV; ClinicalTrials.gov records, RIS and BibTeX as drafts of a user's tables.

Imports never guess: what the record does not say stays empty, and every row names the record it came from.
"""

from __future__ import annotations

import csv
import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ketasim.errors import InvalidData, OutputError
from ketasim.evidence._check import Row, read
from ketasim.evidence._schema import TABLES

_HOURS = {"minute": 1 / 60, "hour": 1.0, "day": 24.0, "week": 168.0, "month": 730.5}
_SCALES = {
    "madrs": r"madrs|montgomery", "hamd17": r"ham-?d|hamilton.*depress", "ybocs": r"y-?bocs|yale-brown", "caps5": r"caps-5",
    "caps": r"\bcaps\b", "cadss": r"cadss|clinician-administered dissociative", "bprs": r"bprs|brief psychiatric", "qids": r"qids",
    "ssi": r"scale for suicid|\bssi\b", "phq9": r"phq-?9", "cgi": r"clinical global impression|\bcgi",
}  # fmt: skip
_DISORDERS = {
    "trd": r"treatment.?resistant depress", "bipolar": r"bipolar", "mdd": r"depress", "aud": r"alcohol", "oud": r"opioid|opiate",
    "cocaine": r"cocaine", "ptsd": r"post.?traumatic|ptsd", "ocd": r"obsessive",
}  # fmt: skip


def write_table(path: Path, name: str, rows: Iterable[Mapping[str, str]]) -> Path:
    """Write a table whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(TABLES[name].columns), lineterminator="\n", extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
        Path(temporary).replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error}). Nothing was left behind.") from None
    return path


def import_record(file: Path, folder: Path) -> dict[str, int]:
    """Add what a file says to the tables of a folder.

    Parameters
    ----------
    file : ``.json`` (a study of ClinicalTrials.gov, API version 2), ``.ris`` or ``.bib``.

    Returns
    -------
    Table -> number of rows added.
    """
    readers = {".json": _clinical_trial, ".ris": _ris, ".bib": _bibtex}
    if file.suffix.lower() not in readers:
        raise InvalidData(
            f"{file}: unknown ending '{file.suffix}'. Import .json (ClinicalTrials.gov study, API v2), .ris or .bib."
        )
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidData(f"{file}: cannot be read ({error}).") from None
    found = readers[file.suffix.lower()](text, file)
    added: dict[str, int] = {}
    for name, rows in found.items():
        path = folder / f"{name}.csv"
        have = read(path, name).rows if path.is_file() else []
        identity = TABLES[name].identity
        known = {tuple(row[c] for c in identity) for row in have}
        whole = [{c: row.get(c, "") for c in TABLES[name].columns} for row in rows]
        new = [row for row in whole if tuple(row[c] for c in identity) not in known]
        if new:
            write_table(path, name, [*have, *new])
        added[name] = len(new)
    return added


# -- ClinicalTrials.gov --------------------------------------------------------------------------------------------------
def _clinical_trial(text: str, file: Path) -> dict[str, list[Row]]:
    try:
        record: dict[str, Any] = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidData(f"{file}, line {error.lineno}: not JSON ({error.msg}).") from None
    protocol = record.get("protocolSection") if isinstance(record, dict) else None
    if not isinstance(protocol, dict):
        raise InvalidData(
            f"{file}: no 'protocolSection'. Save one study of ClinicalTrials.gov as JSON (API version 2: /api/v2/studies/NCT...)."
        )
    nct = _at(protocol, "identificationModule", "nctId")
    if not re.fullmatch(r"NCT\d{8}", str(nct)):
        raise InvalidData(f"{file}: identificationModule.nctId is '{nct}', not an NCT number.")
    results = record.get("resultsSection") or {}
    source = {
        "source": nct.lower(), "authors": _at(protocol, "sponsorCollaboratorsModule", "leadSponsor", "name"),
        "year": _at(protocol, "statusModule", "startDateStruct", "date")[:4], "title": _at(protocol, "identificationModule", "briefTitle"),
        "journal": "ClinicalTrials.gov", "nct": nct, "read_from": f"https://clinicaltrials.gov/study/{nct}", "how_read": "registry_results",
    }  # fmt: skip
    arms = _arms(protocol, results, nct)
    annotation = {
        "trial": nct, "sponsor": source["authors"], "masking": _at(protocol, "designModule", "designInfo", "maskingInfo", "masking").lower(),
        "crossover": "yes" if _at(protocol, "designModule", "designInfo", "interventionModel") == "CROSSOVER" else "no",
        "source": nct.lower(), "confidence": "read",
    }  # fmt: skip
    return {"sources": [source], "trials": arms, "outcomes": _outcomes(results, nct), "trial_annotations": [annotation]}


def _at(data: Any, *keys: str) -> str:
    for key in keys:
        data = data.get(key, {}) if isinstance(data, dict) else {}
    return str(data) if isinstance(data, (str, int, float)) else ""


def _arms(protocol: Mapping[str, Any], results: Mapping[str, Any], nct: str) -> list[Row]:
    groups = _groups(results)
    described = {str(g.get("label", "")): g for g in protocol.get("armsInterventionsModule", {}).get("armGroups", [])}
    conditions = " ".join(protocol.get("conditionsModule", {}).get("conditions", []))
    disorder = next((name for name, pattern in _DISORDERS.items() if re.search(pattern, conditions, re.I)), "other")
    started = _started(results)
    rows: list[Row] = []
    for label in groups or described:
        text = f"{label} {described.get(label, {}).get('description', '')} {groups.get(label, '')}"
        rows.append(
            {
                "trial": nct, "arm": label, "disorder": disorder, "population": conditions,
                "design": _at(protocol, "designModule", "designInfo", "interventionModel").lower(), "drug": _drug(text),
                "route": _route(text), "n_randomised": started.get(label, ""), "source": nct.lower(), "confidence": "read",
                "note": "imported from the registry record; dose and schedule to be read from the description",
            }
        )  # fmt: skip
    return rows


def _groups(results: Mapping[str, Any]) -> dict[str, str]:
    flow = results.get("participantFlowModule", {}).get("groups", [])
    return {str(g.get("title", "")): str(g.get("description", "")) for g in flow}


def _started(results: Mapping[str, Any]) -> dict[str, str]:
    flow = results.get("participantFlowModule", {})
    titles = {g.get("id"): g.get("title", "") for g in flow.get("groups", [])}
    for period in flow.get("periods", [])[:1]:
        for milestone in period.get("milestones", []):
            if milestone.get("type") == "STARTED":
                return {
                    titles.get(a.get("groupId"), ""): str(a.get("numSubjects", "")) for a in milestone.get("achievements", [])
                }
    return {}


def _drug(text: str) -> str:
    low = text.lower()
    for name, pattern in (
        ("esketamine", r"esketamine|s-ketamine|spravato"), ("arketamine", r"arketamine|r-ketamine|pcn-101"), ("midazolam", "midazolam"),
        ("placebo", r"placebo|saline|sham"), ("racemic_ketamine", "ketamine"), ("ect", r"\bect\b|electroconvulsive"),
        ("aripiprazole", "aripiprazole"), ("quetiapine", "quetiapine"),
    ):  # fmt: skip
        if re.search(pattern, low):
            return name
    return "other"


def _route(text: str) -> str:
    low = text.lower()
    patterns = (
        ("nasal", "nasal"),
        ("iv", r"intravenous|\biv\b|infusion"),
        ("im", "intramuscular"),
        ("sc", "subcutaneous"),
        ("oral", r"\boral"),
    )
    return next((name for name, pattern in patterns if re.search(pattern, low)), "")


def _outcomes(results: Mapping[str, Any], nct: str) -> list[Row]:
    rows: list[Row] = []
    for measure in results.get("outcomeMeasuresModule", {}).get("outcomeMeasures", []):
        rows += _measure(measure, nct)
    return rows


def _measure(measure: Mapping[str, Any], nct: str) -> list[Row]:
    title, kind = str(measure.get("title", "")), str(measure.get("paramType", "")).upper()
    scale = next((name for name, pattern in _SCALES.items() if re.search(pattern, title, re.I)), "")
    if not scale or kind not in ("MEAN", "LEAST_SQUARES_MEAN", "LS_MEAN", "NUMBER", "COUNT_OF_PARTICIPANTS"):
        return []
    titles = {g.get("id"): str(g.get("title", "")) for g in measure.get("groups", [])}
    counts = {c.get("groupId"): str(c.get("value", "")) for d in measure.get("denoms", [])[:1] for c in d.get("counts", [])}
    change = bool(re.search(r"change from baseline", title, re.I))
    deviation = str(measure.get("dispersionType", "")).lower()
    rows: list[Row] = []
    for one in measure.get("classes", []):
        for category in one.get("categories", []):
            for cell in category.get("measurements", []):
                value, spread = str(cell.get("value", "")), str(cell.get("spread", ""))
                row: Row = {
                    "trial": nct, "arm": titles.get(cell.get("groupId"), ""), "scale": scale, "n": counts.get(cell.get("groupId"), ""),
                    "time_h": _hours(f"{one.get('title', '')} {measure.get('timeFrame', '')}"), "source": nct.lower(), "confidence": "read",
                    "note": f"{title}; {measure.get('timeFrame', '')}",
                }  # fmt: skip
                column = ("change_from_baseline", "change_sd") if change else ("mean", "sd")
                if kind in ("NUMBER", "COUNT_OF_PARTICIPANTS"):
                    row |= {"other_metric": f"{kind.lower()} {measure.get('unitOfMeasure', '')}".strip(), "other_value": value}
                else:
                    row |= {column[0]: value} | ({column[1]: spread} if deviation == "standard deviation" else {})
                if value and re.fullmatch(r"-?\d+(\.\d+)?", value):
                    rows.append(row)
    return rows


def _hours(text: str) -> str:
    """The last time a text names, in hours; empty where it names none."""
    found = re.findall(
        r"(minute|hour|day|week|month)s?\s*(\d+(?:\.\d+)?)|(\d+(?:\.\d+)?)\s*[- ]?(minute|hour|day|week|month)", text, re.I
    )
    if not found:
        return ""
    unit, after, before, unit2 = found[-1]
    name, number = (unit or unit2).lower(), float(after or before)
    # "Day 2" is the second day: 24 h after the first dose.
    return f"{(number - 1) * 24 if unit and name == 'day' and number >= 1 else number * _HOURS[name]:g}"


# -- bibliographies ------------------------------------------------------------------------------------------------------
def _ris(text: str, file: Path) -> dict[str, list[Row]]:
    rows: list[Row] = []
    fields: dict[str, list[str]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r"^([A-Z][A-Z0-9])  -\s?(.*)$", line)
        if not match:
            if line.strip() and not fields:
                raise InvalidData(f"{file}, line {number}: '{line[:40]}' is not RIS (expected e.g. 'TY  - JOUR').")
            continue
        tag, value = match[1], match[2].strip()
        if tag == "ER":
            rows.append(_from_ris(fields))
            fields = {}
        else:
            fields.setdefault(tag, []).append(value)
    if fields:
        raise InvalidData(f"{file}: the last record has no end ('ER  - ').")
    return {"sources": rows}


def _from_ris(fields: Mapping[str, list[str]]) -> Row:
    def first(*tags: str) -> str:
        return next((fields[t][0] for t in tags if fields.get(t)), "")

    authors = fields.get("AU") or fields.get("A1") or []
    year = re.sub(r"\D.*", "", first("PY", "Y1"))
    return _source(authors, year, first("TI", "T1"), first("JO", "JF", "T2", "JA"), first("DO"), first("UR"))


def _bibtex(text: str, file: Path) -> dict[str, list[Row]]:
    from ketasim.sources import read_bibtex

    rows: list[Row] = []
    for entry in read_bibtex(text, file.name).values():
        authors = [a.strip() for a in entry.author.split(" and ")] if entry.author else []
        rows.append(
            _source(authors, entry.year, entry.title, entry.journal, entry.doi, entry.url)
            | {"source": entry.key, "pmid": entry.pmid}
        )
    return {"sources": rows}


def _source(authors: list[str], year: str, title: str, journal: str, doi: str, url: str) -> Row:
    name = re.sub(r"\W", "", (authors[0] if authors else title or "source").split(",")[0].split(" ")[0]).lower()
    return {
        "source": f"{name}{year}", "authors": f"{authors[0]} et al." if len(authors) > 1 else "".join(authors), "year": year, "title": title,
        "journal": journal, "doi": re.sub(r"^https?://(dx\.)?doi\.org/", "", doi), "read_from": "" if doi else url, "how_read": "abstract",
    }  # fmt: skip
