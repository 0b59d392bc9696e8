"""What every table of evidence looks like: columns, what they may hold, and which rows must exist elsewhere.

Declarations only; `_check.py` applies them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CONFIDENCE = ("read", "digitised", "derived", "recalled")
#: How a source was read; not_read: only its entry in a bibliography was seen, so that no fact may rest on it yet.
HOW_READ = ("full_text", "table", "abstract", "label", "registry_results", "secondary", "not_read")
DISORDERS = ("mdd", "trd", "mdsi", "bipolar", "aud", "aws", "oud", "cocaine", "ptsd", "ocd", "mixed", "healthy", "other")
DRUGS = (
    "racemic_ketamine", "esketamine", "arketamine", "placebo", "midazolam", "ect", "quetiapine", "aripiprazole", "diclofenac", "other",
)  # fmt: skip
ROUTES = ("iv", "im", "sc", "nasal", "oral", "sublingual", "rectal", "inhaled", "ect")
#: What stands against ketamine: saline or another inert placebo; midazolam or another drug felt, but no antidepressant; ECT; another
#: treatment; another dose of the same drug; nothing.
CONTROL_TYPES = ("inactive", "active", "ect", "drug", "dose", "none")
MASKING = ("open-label", "single-blind", "rater-blinded", "double-blind")
JUDGEMENTS = ("low", "some_concerns", "high", "unclear")
#: Domains of the second version of the Cochrane tool; of the first, which older reviews use.
ROB2 = ("randomisation", "deviations", "missing", "measurement", "selection", "overall")
ROB1 = ("sequence", "concealment", "performance", "detection", "attrition", "reporting", "other")
#: What trial_annotations may say; for texts without a list, anything.
ANNOTATIONS: Mapping[str, tuple[str, ...]] = {
    "control_type": CONTROL_TYPES, "masking": MASKING, "sponsor": (), "crossover": ("yes", "no", "first period"), "cluster": ("yes", "no"),
    "setting": ("anaesthesia",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """A column: what kind of value, whether it may be empty, which values or numbers are allowed.

    kind : ``text``, ``number`` (words in its place go to a column ``NAME_text``), ``range`` (a number or ``low-high``), ``unit``,
        ``choice``, ``key`` (of a source), ``trial`` (in trials), ``arm`` (with the trial column, a row of trials).
    """

    kind: str = "text"
    required: bool = False
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    identity : columns that together may not repeat (a second row would be the same fact twice). study : column that names the trial or
    study. series : columns of one curve, whose times (`time`) must not run backwards.
    """

    columns: Mapping[str, Column]
    identity: tuple[str, ...]
    meaning: str
    study: str = ""
    series: tuple[str, ...] = ()
    time: str = ""


_TEXT, _NEED, _NUMBER = Column(), Column(required=True), Column("number")
_COUNT, _PERCENT, _UNIT = Column("number", low=0), Column("number", low=0, high=100), Column("unit")
_SPREAD = Column("choice", choices=("sd", "se", "sem", "cv_percent", "iiv_cv_percent", "gsd", "range", "iqr", "ci90", "ci95"))
_SOURCE, _SURE = Column("key", required=True), Column("choice", required=True, choices=CONFIDENCE)
_END = {"source": _SOURCE, "confidence": _SURE, "note": _TEXT}
_DISORDER = Column("choice", required=True, choices=DISORDERS)

TABLES: dict[str, Table] = {
    "trials": Table(
        {
            "trial": _NEED, "arm": _NEED, "disorder": _DISORDER, "population": _TEXT, "design": _TEXT,
            "drug": Column("choice", choices=DRUGS), "route": Column("choice", choices=ROUTES), "dose": _TEXT,
            "dose_unit": _UNIT, "infusion_min": _COUNT, "schedule": _TEXT, "n_randomised": _COUNT,
            "age_mean": Column("number", low=0, high=120), "female_percent": _PERCENT, "weight_kg": Column("number", low=1, high=300),
            "background": _TEXT, **_END,
        },
        ("trial", "arm"), "Arms of trials: who got what", "trial",
    ),
    "outcomes": Table(
        {
            "trial": _NEED, "arm": Column("arm", required=True), "scale": _NEED, "time_h": _COUNT, "n": _COUNT, "mean": _NUMBER,
            "sd": _COUNT, "change_from_baseline": _NUMBER, "change_sd": _COUNT, "response_percent": _PERCENT,
            "remission_percent": _PERCENT, "other_metric": _TEXT, "other_value": _NUMBER, "other_value_text": _TEXT, **_END,
        },
        ("trial", "arm", "scale", "time_h", "other_metric", "mean", "change_from_baseline", "response_percent", "remission_percent",
         "other_value", "other_value_text", "n", "source", "note"),
        "What the arms showed, per scale and time", "trial", ("trial", "arm", "scale", "other_metric", "source"), "time_h",
    ),
    "contrasts": Table(
        {
            "study": _NEED, "kind": Column("choice", required=True, choices=("trial", "meta_analysis", "network")), "comparison": _NEED,
            "disorder": _DISORDER, "scale": _NEED, "time_h": _COUNT, "metric": _NEED, "value": _NUMBER, "value_text": _TEXT, "ci_low": _NUMBER,
            "ci_high": _NUMBER, "n": _COUNT, **_END,
        },
        ("study", "comparison", "disorder", "scale", "time_h", "metric", "value", "value_text", "ci_low", "n", "note"),
        "Differences between arms, also pooled ones of published meta-analyses", "study",
    ),
    "safety": Table(
        {
            "study": _NEED, "drug": _NEED, "route": _TEXT, "dose": _TEXT, "dose_unit": _UNIT, "infusion_min": _COUNT,
            "population": _TEXT, "event": _NEED, "time_h": _NUMBER, "metric": _NEED, "value": _NUMBER, "spread_type": _SPREAD,
            "spread": Column("range"), "n": _COUNT, "comparator_value": _NUMBER, **_END,
        },
        ("study", "drug", "route", "dose", "population", "event", "time_h", "metric", "value", "n", "note"),
        "Side effects: incidence, size, time", "study",
    ),
    "exposure_response": Table(
        {
            "model": _NEED, "drug": _NEED, "endpoint": _NEED, "structure": _TEXT, "parameter": _NEED, "value": _NUMBER, "unit": _UNIT,
            "iiv": _TEXT, **_END,
        },
        ("model", "drug", "endpoint", "parameter", "value"), "Published relations between concentration and effect",
    ),
    "interactions": Table(
        {
            "perpetrator": _NEED, "mechanism": _TEXT, "victim": _NEED, "route": _TEXT, "metric": _NEED, "ratio": _COUNT,
            "ci_low": _COUNT, "ci_high": _COUNT, **_END,
        },
        ("perpetrator", "mechanism", "victim", "route", "metric", "ratio", "source", "note"), "What other drugs and organ disease change",
    ),
    "monitoring_rules": Table(
        {
            "rule_id": _NEED, "applies_to": _NEED, "condition": _NEED, "action": _NEED, "threshold": _TEXT, "unit": _UNIT,
            "authority": _TEXT, "source": _SOURCE, "confidence": _SURE,
        },
        ("rule_id",), "What labels and guidelines ask for",
    ),
    "receptor_affinity": Table(
        {
            "ligand": _NEED, "target": _NEED, "species": _TEXT, "system": _TEXT, "assay": _TEXT, "metric": _NEED, "value": _NUMBER,
            "unit": _UNIT, "spread": _TEXT, **_END,
        },
        ("ligand", "target", "species", "system", "assay", "metric", "value", "spread", "source"), "How strongly ligands bind",
    ),
    "mechanism_findings": Table(
        {
            "system": _NEED, "species": _TEXT, "preparation": _TEXT, "intervention": _NEED, "dose": _TEXT, "dose_unit": _UNIT,
            "route": _TEXT, "readout": _NEED, "time_after_h": _COUNT, "effect": _NUMBER, "effect_unit": _UNIT,
            "direction": Column("choice", choices=("up", "down", "none")), "n": _COUNT, **_END,
        },
        ("system", "species", "preparation", "intervention", "dose", "readout", "time_after_h", "effect", "source", "note"),
        "Experiments on mechanisms",
    ),
    "pk_observations": Table(
        {
            "source": _SOURCE, "drug": _NEED, "analyte": _NEED, "population": _TEXT, "n": _COUNT, "route": _TEXT, "dose": _TEXT,
            "dose_unit": _UNIT, "infusion_min": _COUNT, "metric": _NEED, "statistic": _TEXT, "value": _NUMBER, "spread_type": _SPREAD,
            "spread": _TEXT, "unit": _UNIT, "confidence": _SURE, "note": _TEXT,
        },
        ("source", "drug", "analyte", "population", "route", "dose", "infusion_min", "metric", "statistic", "value", "note"),
        "Published pharmacokinetic observations",
    ),
    "sources": Table(
        {
            "source": _NEED, "authors": _TEXT, "year": Column("number", low=1950, high=2100), "title": _TEXT, "journal": _TEXT, "doi": _TEXT,
            "pmid": _TEXT, "nct": _TEXT, "read_from": _TEXT, "how_read": Column("choice", required=True, choices=HOW_READ), "paper": _TEXT,
        },
        ("source",), "Where the facts were read; `paper`: key of another source that is the same paper",
    ),
    "trial_annotations": Table(
        {
            "trial": Column("trial", required=True), "field": Column("choice", required=True, choices=tuple(ANNOTATIONS)), "value": _NEED,
            **_END,
        },
        ("trial", "field"), "Sponsor, masking and design of trials, where a rule on the arms does not give them", "trial",
    ),
    "risk_of_bias": Table(
        {
            "trial": Column("trial", required=True), "tool": Column("choice", required=True, choices=("rob1", "rob2")),
            "domain": Column("choice", required=True, choices=tuple(dict.fromkeys((*ROB2, *ROB1)))),
            "judgement": Column("choice", required=True, choices=JUDGEMENTS), **_END,
        },
        ("trial", "tool", "domain", "source"), "Judgements on risk of bias, one domain a row", "trial",
    ),
    "analysis_sets": Table(
        {
            "trial": _NEED, "arm": _NEED,
            "kind": Column("choice", required=True, choices=("pooled", "subgroup", "later_phase", "not_described")), "note": _TEXT,
        },
        ("trial", "arm"), "Groups with outcomes that are not randomised arms", "trial",
    ),
    "planned": Table(
        {
            "trial": Column("trial", required=True), "scale": _TEXT, "time_h": _COUNT,
            "kind": Column("choice", required=True, choices=("change", "response", "remission")), **_END,
        },
        ("trial", "scale", "time_h", "kind"), "What trials without results will measure, to be predicted before they tell", "trial",
    ),
    "corrections": Table(
        {"table": _NEED, "row": _NEED, "column": _NEED, "was": _TEXT, "now": _TEXT, "why": _NEED}, ("table", "row", "column"),
        "What was put right in the tables, and why",
    ),
    "holdout": Table(
        {"kind": Column("choice", required=True, choices=("clinical", "clinical_leak", "pk", "safety")), "id": _NEED},
        ("kind", "id"), "What is scored and never fitted",
    ),
}  # fmt: skip

#: Other names people try.
ALIASES = {
    "rules": "monitoring_rules", "affinity": "receptor_affinity", "findings": "mechanism_findings", "pk": "pk_observations",
    "annotations": "trial_annotations", "bias": "risk_of_bias", "holdouts": "holdout",
}  # fmt: skip
