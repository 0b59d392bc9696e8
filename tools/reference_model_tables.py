"""Write the tables of docs/explanation/reference-model.md from what is stored and what the model predicts now.

Run after a calibration or a change of observations: python tools/reference_model_tables.py. A test demands that it changes nothing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

import ketasim.library
from ketasim.validate import leave_one_out, pk_claims_table, validate_pk

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "reference-model.md"
_STORED = Path(ketasim.library.__file__).parent / "pk" / "ketasim_reference.calibration.json"
USES = {
    "calibration": "calibration",
    "holdout": "hold-out, all",
    "holdout_comparable": "hold-out, comparable",
    "left out": "calibration, study left out",
}


def quantities() -> list[Sequence[str]]:
    """Mode, median and SD of what was calibrated, with its unit."""
    stored = json.loads(_STORED.read_text(encoding="utf-8"))["quantities"]
    rows = ((name, q["unit"], f"{q['mode']:.4g}", f"{q['median']:.4g}", f"{q['sd']:.2g}") for name, q in stored.items())
    return [("quantity", "unit", "mode", "median", "SD"), *rows]


def scores() -> list[Sequence[str]]:
    """Fold errors of calibration, hold-out and left-out rows, and how many the intervals for a new study hold."""
    summary = pd.concat([validate_pk(draws=100).summary, leave_one_out().summary])
    rows = (
        (USES[use], str(int(r["rows"])), str(int(r["studies"])), f"{r['gmfe']:.2f}", f"{r['gmfe_by_study']:.2f}", f"{r['median_fold']:.3f}",
         *(f"{r[c]:.2f}" for c in ("within_1.25", "within_1.5", "within_2", "inside_90")))
        for use, r in summary.iterrows()
    )  # fmt: skip
    shares = ("within 1.25-fold", "within 1.5-fold", "within 2-fold", "in 90 % for a new study")
    return [("rows of", "rows", "studies", "GMFE", "GMFE by study", "median fold", *shares), *rows]


def claims() -> list[Sequence[str]]:
    """Answers to the pharmacokinetic claims of the review."""
    rows = []
    for r in pk_claims_table().to_dict("records"):
        interval = f"{r['ci_low']:.3g} to {r['ci_high']:.3g}" if r["ci_low"] == r["ci_low"] and r["ci_low"] is not None else ""
        numbers = (f"{r['value']:.3g}", interval, r["unit"], f"{r['low']:.3g}", f"{r['high']:.3g}")
        rows.append((r["id"], r["claim"], *numbers, r["verdict"], r["reason"]))
    return [("id", "claim", "value", "95 % of new studies", "unit", "low", "high", "verdict", "reason"), *rows]


TABLES = {"quantities": quantities, "scores": scores, "claims": claims}


def written(rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * (lines[0].count(" | ") + 1), *lines[1:]])


def filled(text: str, names: Iterable[str] = TABLES) -> str:
    """The page with tables made anew between ``<!-- table: NAME -->`` and ``<!-- end -->``."""
    for name in names:
        begin, end = f"<!-- table: {name} -->\n\n", "\n\n<!-- end -->"
        before, found, rest = text.partition(begin)
        if not found:
            sys.exit(f"{PAGE.name}: no line '{begin.strip()}'.")
        text = before + begin + written(TABLES[name]()) + end + rest.partition(end)[2]
    return text


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
