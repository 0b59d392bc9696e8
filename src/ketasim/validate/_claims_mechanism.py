"""Claims of the review as experiments on the cascade: each direction the claim implies, run, and a verdict by one rule.

The rule is that of findings: how many agree, and how many there have to be. A direction that holds by construction is shown and not counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ketasim.arguments import checked
from ketasim.validate._experiments import Experiment, Laboratory, experiment_of, read_lines

TABLE = Path(__file__).parent / "claim_experiments.csv"
_COLUMNS = (
    "claim", "part", "cascade", "dose", "with", "inputs", "readout", "at_h", "versus", "expect", "threshold", "size", "by_construction", "note",
)  # fmt: skip
#: As for findings: shares that reproduce and contradict, and directions that either needs.
_AGREE, _DISAGREE, _ENOUGH = 0.8, 0.2, 3


@dataclass(frozen=True)
class ModelRun:
    """A claim run on the cascade.

    Attributes
    ----------
    counted, agreeing : directions that could fail, and how many came out. verdict : reproduced (80 % and more of at least 3), contradicted
        (20 % and less of at least 3), partly, or not testable (none that could fail, or too few against it). lines : what was done and what came out, one per direction.
    """

    claim: str
    counted: int
    agreeing: int
    verdict: str
    lines: tuple[dict[str, Any], ...]

    @property
    def found(self) -> str:
        """In short."""
        forced = len(self.lines) - self.counted
        said = f"{self.agreeing} of {self.counted} directions" if self.counted else "no direction that could fail"
        return f"{said}{f'; {forced} by construction' if forced else ''}"

    @property
    def reason(self) -> str:
        """What did not come out, or why nothing can be said."""
        wrong = [x for x in self.lines if not x["agrees"] and not x["by_construction"]]
        if not self.counted:
            return "Every direction holds by construction."
        told = "; ".join(f"{x['output']} (expected {x['expected']}, {x['predicted']})" for x in wrong)
        said = (
            f"{len(wrong)} of {self.counted} directions {'does' if len(wrong) == 1 else 'do'} not come out: {told}."
            if wrong
            else ""
        )
        few = f"A full verdict needs {_ENOUGH} directions that could fail." if self.counted < _ENOUGH else ""
        return " ".join(filter(None, (said, few)))


@checked
def mechanism_claims(names: Iterable[str] = ()) -> dict[str, ModelRun]:
    """Claims of the review that the cascade can answer, all by default; names without an experiment are left out.

    Examples
    --------
    >>> mechanism_claims(["M4"])["M4"].verdict
    'reproduced'
    """
    table = _table()
    wanted = list(dict.fromkeys(names)) or list(table)
    return {name: _run(name, table[name]) for name in wanted if name in table}


@lru_cache(maxsize=1)
def _table() -> dict[str, list[tuple[dict[str, str], Experiment]]]:
    out: dict[str, list[tuple[dict[str, str], Experiment]]] = {}
    for line in read_lines(TABLE, _COLUMNS):
        where = f"{TABLE.name}, claim {line['claim']}{line['part']}"
        out.setdefault(line["claim"], []).append((line, experiment_of(line, where)))
    return out


def _run(name: str, asked: list[tuple[dict[str, str], Experiment]]) -> ModelRun:
    outcomes = Laboratory().run(experiment for _, experiment in asked)
    lines = tuple(
        {
            "in": e.arm.cascade, "done": e.text, "against": e.against_text, "output": f"{e.output}, {e.at:g} h", "expected": e.expect,
            "predicted": o.direction, "difference": o.difference, "agrees": o.agrees, "by_construction": line["by_construction"], "note": line["note"],
        }
        for (line, e), o in zip(asked, outcomes, strict=True)
    )  # fmt: skip
    free = [x["agrees"] for x in lines if not x["by_construction"]]
    return ModelRun(name, len(free), sum(free), _verdict(sum(free), len(free)), lines)


def _verdict(agreeing: int, counted: int) -> str:
    share = agreeing / counted if counted else math.nan
    if not counted or (share <= _DISAGREE and counted < _ENOUGH):
        return "not testable"
    if share <= _DISAGREE:
        return "contradicted"
    return "reproduced" if share >= _AGREE and counted >= _ENOUGH else "partly"
