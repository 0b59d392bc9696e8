"""Rows of the evidence that adverse event terms are calibrated on."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from ketasim import evidence, library
from ketasim.fit.safety import TermRow
from ketasim.validate._arm_words import NotUnderstood
from ketasim.validate._safety_words import hold_numbers, question
from ketasim.validate._score_safety import effect_site

#: Pools that hold trials which stand in the table on their own, or hold-outs: study -> why its rows are not fitted.
POOLS = {
    "spravato_mdsi_pool": "pools ASPIRE-1 and ASPIRE-2, which are held out",
    "smpc_pool": "pools the same trials as the label of 2021, and ASPIRE",
    "smpc_pool_trd": "pools the same trials as the label of 2021",
}
#: Studies that are pools of trials, and of how many.
TRIALS = {"spravato_trd_pool": 2, "sustain12_course": 2}
#: People of a row that does not tell; small, so that it weighs little.
_UNTOLD = 20.0
_PEOPLE = 200


def term_rows(seed: int = 1, log: Callable[[str], None] | None = None) -> tuple[dict[str, list[TermRow]], dict[str, str]]:
    """Entry -> rows to calibrate on, and study -> why it is left out. Hold-outs are never read further than their mark.

    Notes
    -----
    A row that does not tell its n counts as 20 people; a comparator whose n its note does not tell, as many as the row. R-ketamine, to which the model gives no side effect, is left out.
    """
    say = log or (lambda _: None)
    table = evidence.load().table("safety")
    by_definition = {name: e.id for e in library.endpoints() for name in e.definitions if "tau_background" in e.equations.params}
    rows, left, peaks = dict[str, list[TermRow]](), dict[str, str](), dict[str, np.ndarray]()
    for line, (told, held) in enumerate(zip(_texts(), table["holdout"], strict=True), 2):
        if held or told["study"] in POOLS or told["drug"] == "arketamine":
            left[told["study"]] = POOLS.get(told["study"], "held out" if held else "R-ketamine")
            continue
        try:
            asked = question(told)
            hold_numbers(told, percent=not asked.measure)
        except NotUnderstood:
            continue
        if asked.definition not in by_definition:
            continue
        if asked.regimen not in peaks:
            say(asked.regimen)
            peaks[asked.regimen] = effect_site(asked.regimen, seed, _PEOPLE).max(axis=1)
        n, other = float(told["n"] or _UNTOLD), told["comparator_value"]
        found = re.search(r"comparator n\s?=?\s?(\d+)|vs \d+/(\d+)|placebo[^;,]{0,12} n\s?=?\s?(\d+)", told["note"])
        n_other = float(next(filter(None, found.groups()))) if found else n
        rows.setdefault(by_definition[asked.definition], []).append(
            TermRow(told["study"], asked.regimen, peaks[asked.regimen], asked.share, (float(told["value"]) / 100 * n, n),
                    (float(other) / 100 * n_other, n_other) if other else None, line, TRIALS.get(told["study"], 1))
        )  # fmt: skip
    return rows, left


def _texts() -> list[dict[str, str]]:
    return [{k: v or "" for k, v in row.items()} for row in evidence.package_rows("safety")]
