"""A record of ClinicalTrials.gov while it is read: its two halves, the rows found so far, what was left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ketasim.evidence._check import Row
from ketasim.evidence._registry_words import drug, same

Tables = dict[str, list[Row]]


@dataclass
class Study:
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

    def given(self, title: str) -> Row:
        """What a group of results got: as its arm, else the drug its title names, else the title."""
        columns = ("drug", "route", "dose", "dose_unit", "infusion_min")
        arm = next((row for row in self.tables.get("trials", []) if same(row["arm"], title)), {})
        return {name: arm.get(name, "") for name in columns} | {"drug": arm.get("drug") or drug(title) or title}


def at(data: Any, *keys: str) -> Any:
    """What stands at the end of nested keys; None where one is missing."""
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data
