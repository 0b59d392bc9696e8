"""A folder of a user's own tables, and a cache folder of the test's own."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[..., Path]

#: One good row per table: enough to stand alone.
GOOD: dict[str, dict[str, str]] = {
    "sources": {"source": "mine2026", "authors": "Doe J", "year": "2026", "title": "A trial", "how_read": "full_text"},
    "trials": {"trial": "MINE", "arm": "ketamine", "disorder": "trd", "design": "randomised double-blind", "drug": "racemic_ketamine",
               "route": "iv", "dose": "0.5", "dose_unit": "mg/kg", "infusion_min": "40", "n_randomised": "20", "female_percent": "55",
               "source": "mine2026", "confidence": "read"},
    "outcomes": {"trial": "MINE", "arm": "ketamine", "scale": "madrs", "time_h": "24", "n": "20", "mean": "15", "sd": "8",
                 "source": "mine2026", "confidence": "read"},
    "contrasts": {"study": "MINE", "kind": "trial", "comparison": "ketamine vs midazolam", "disorder": "trd", "scale": "madrs",
                  "time_h": "24", "metric": "mean_difference", "value": "-7.9", "ci_low": "-12", "ci_high": "-3.8",
                  "source": "mine2026", "confidence": "read"},
    "safety": {"study": "MINE", "drug": "racemic_ketamine", "event": "dissociation", "metric": "incidence_percent", "value": "25",
               "spread_type": "ci95", "spread": "12-40", "source": "mine2026", "confidence": "read"},
    "interactions": {"perpetrator": "x", "victim": "esketamine", "metric": "auc_inf", "ratio": "1.3", "ci_low": "1.1",
                     "ci_high": "1.5", "source": "mine2026", "confidence": "read"},
    "receptor_affinity": {"ligand": "s_ketamine", "target": "nmda", "metric": "ki", "value": "0.4", "unit": "uM",
                          "source": "mine2026", "confidence": "read"},
    "mechanism_findings": {"system": "ampa", "intervention": "ketamine", "readout": "GluA1", "time_after_h": "24", "effect": "150",
                           "effect_unit": "percent_of_control", "direction": "up", "source": "mine2026", "confidence": "read"},
    "pk_observations": {"source": "mine2026", "drug": "esketamine", "analyte": "s_ketamine", "metric": "cmax", "value": "70",
                        "unit": "ng/mL", "confidence": "read"},
    "exposure_response": {"model": "m", "drug": "esketamine", "endpoint": "cadss", "parameter": "EC50", "value": "100",
                          "unit": "ng/mL", "source": "mine2026", "confidence": "read"},
    "monitoring_rules": {"rule_id": "R1", "applies_to": "iv", "condition": "always", "action": "watch", "threshold": "140",
                         "unit": "mmHg", "source": "mine2026", "confidence": "read"},
    "trial_annotations": {"trial": "MINE", "field": "sponsor", "value": "University", "source": "mine2026", "confidence": "read"},
    "risk_of_bias": {"trial": "MINE", "tool": "rob2", "domain": "overall", "judgement": "low", "source": "mine2026", "confidence": "read"},
    "analysis_sets": {"trial": "MINE", "arm": "women", "kind": "subgroup"},
    "holdout": {"kind": "clinical", "id": "MINE"},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The good rows, a file per table."""
    place = tmp_path / "own"
    for table, row in GOOD.items():
        put(place, table, row)
    return place


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that starts empty."""
    place = tmp_path / "cache"
    monkeypatch.setenv("KETASIM_CACHE", str(place))
    return place


def put(place: Path, table: str, *rows: dict[str, str]) -> Path:
    """Write a table with the columns of its first row."""
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"{table}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)
    return path
