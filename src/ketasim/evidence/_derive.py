"""What follows by rule from the arms of a trial, and what annotations say instead: control, masking, design, risk of bias, sponsor.

The rules are those of the documentation (How the evidence is kept); an annotation with a source always stands before them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ketasim.evidence._schema import ANNOTATIONS, ROB2

if TYPE_CHECKING:
    import pandas as pd

    from ketasim.evidence._check import Row

NOT_DESCRIBED, NOT_ASSESSED = "not described", "not assessed"
_KETAMINES = {"racemic_ketamine", "esketamine", "arketamine"}
_BY_DRUG = {"placebo": "inactive", "midazolam": "active", "ect": "ect"}
_BY_WORD = (
    ("active", r"midazolam|active[- ](control|placebo|comparator)"),
    ("inactive", r"placebo|saline"),
    ("ect", r"\bvs ect\b|electroconvulsive"),
)
_MASKED = (
    ("double-blind", r"(double|triple|quadruple|fully)[- ](blind|masked)"),
    ("rater-blinded", r"rater[- ]blind"),
    ("single-blind", r"single[- ]blind"),
    ("open-label", r"\bopen\b|open[- ]label|retrospective|case|observational|chart|naturalistic|single[- ]arm|pre/post|before-after|real-world"),
)  # fmt: skip
#: The older tool's domains under the newer tool's names; where two meet, the graver judgement stands.
_FROM_ROB1 = {
    "sequence": "randomisation", "concealment": "randomisation", "performance": "deviations", "detection": "measurement",
    "attrition": "missing", "reporting": "selection",
}  # fmt: skip
_GRAVITY = ("low", "unclear", "some_concerns", "high")


def annotate(trials: pd.DataFrame, annotations: Iterable[Row], bias: Iterable[Row]) -> pd.DataFrame:
    """Arms with the columns control_type, masking, crossover, cluster, sponsor, rob_tool and rob_DOMAIN added."""
    given: dict[str, dict[str, str]] = {}
    for row in annotations:
        given.setdefault(row["trial"], {})[row["field"]] = row["value"]
    judged = _judgements(bias)
    rules = {str(trial): design_of(arms) for trial, arms in trials.groupby("trial")}
    for field in ANNOTATIONS:
        trials[field] = [given.get(t, {}).get(field) or rules[t].get(field, "") for t in trials["trial"]]
    for field in ("rob_tool", *(f"rob_{domain}" for domain in ROB2)):
        trials[field] = [judged.get(t, {}).get(field, NOT_ASSESSED) for t in trials["trial"]]
    return trials


def design_of(arms: pd.DataFrame) -> dict[str, str]:
    """Control, masking, crossover and cluster of one trial, from its arms alone."""
    text = " ".join((*arms["design"], *arms["arm"])).lower().replace("_", " ")
    return {
        "control_type": _control(arms, text),
        "masking": next((name for name, pattern in _MASKED if re.search(pattern, text)), NOT_DESCRIBED),
        "crossover": "yes" if re.search(r"cross-?over", text) else "no",
        "cluster": "yes" if "cluster" in text else "no",
    }


def _control(arms: pd.DataFrame, text: str) -> str:
    drugs = set(arms["drug"]) - {""}
    for drug, control in _BY_DRUG.items():
        if drug in drugs:
            return control
    if drugs - _KETAMINES:
        return "drug"
    for control, pattern in _BY_WORD:
        if re.search(pattern, text):
            return control
    randomised = bool(re.search(r"random|double-blind|parallel|controlled", text))
    if randomised and len(arms) > 1:
        return "drug" if len(drugs) > 1 else "dose"
    return NOT_DESCRIBED if randomised else "none"


def _judgements(bias: Iterable[Row]) -> dict[str, dict[str, str]]:
    """Trial -> rob columns: the newer tool where anyone used it, else the older one under the names of the newer."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for row in bias:
        domain = row["domain"] if row["tool"] == "rob2" else _FROM_ROB1.get(row["domain"], "")
        if domain:
            here = found.setdefault(row["trial"], {}).setdefault(row["tool"], {})
            here[f"rob_{domain}"] = max(here.get(f"rob_{domain}", "low"), row["judgement"], key=_GRAVITY.index)
    chosen: dict[str, dict[str, str]] = {}
    for trial, tools in found.items():
        tool: str = "rob2" if "rob2" in tools else "rob1"
        chosen[trial] = tools[tool] | {"rob_tool": tool}
    return chosen
