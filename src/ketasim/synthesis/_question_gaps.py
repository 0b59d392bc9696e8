"""Which controlled trials a question cannot use, and which number each of them lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ketasim.evidence import Evidence

if TYPE_CHECKING:
    import pandas as pd

_KETAMINES = ("racemic_ketamine", "esketamine", "arketamine")
#: Words of a design that say why there is no result.
_NEVER = ("withdrawn", "terminated", "planned", "protocol")
_SIZES = ("mean_difference", "smd", "or", "rr", "hr", "risk_difference_percent")


def gaps(evidence: Evidence, disorder: str, used: set[str]) -> list[tuple[str, str]]:
    """Trial -> what is missing, for every controlled trial of ketamine in a disorder that is not used."""
    trials = evidence.table("trials")
    mine = trials[
        (trials["disorder"] == disorder)
        & trials["drug"].isin(_KETAMINES)
        & ~trials["control_type"].isin(("none", "not described"))
    ]
    waits = set(evidence.table("planned")["trial"])
    outcomes, contrasts = evidence.table("outcomes"), evidence.table("contrasts")
    found = []
    for trial in sorted(set(mine["trial"]) - used):
        arms = outcomes[(outcomes["trial"] == trial) & (outcomes["time_h"] != 0)]
        pairs = contrasts[(contrasts["study"] == trial) & (contrasts["kind"] == "trial")]
        design = " ".join(mine[mine["trial"] == trial]["design"])
        ended = next((word for word in _NEVER if word in design), "")
        found.append((trial, "results are not posted" if trial in waits else _lacks(arms, pairs, ended)))
    return found


def _lacks(arms: pd.DataFrame, pairs: pd.DataFrame, ended: str) -> str:
    """The one number that would make a result usable, of the rows of one trial."""
    sized = pairs[pairs["metric"].isin(_SIZES) & pairs["value"].notna()]
    without = sized[sized["ci_low"].isna()]
    if len(without):
        first = without.iloc[0]
        return f"the interval of the {first['scale']} {str(first['metric']).replace('_', ' ')} ({first['value']:g})"
    for values, needs, word in (
        ("mean", "sd", "SDs"),
        ("change_from_baseline", "change_sd", "SDs"),
        ("response_percent", "n", "people per arm"),
    ):
        rows = arms[arms[values].notna() & arms[needs].isna()]
        for keys, part in rows.groupby(["scale", "time_h"], dropna=False):
            scale, time = keys if isinstance(keys, tuple) else (keys, np.nan)
            if len(set(part["arm"])) > 1:
                return f"{word} of {scale}" + (f" at {time:g} h" if np.isfinite(float(str(time))) else "")
    there = [*dict.fromkeys((*arms["scale"], *pairs["scale"]))]
    return (
        f"a size with its spread for two arms (there is: {', '.join(there[:4])})"
        if there
        else f"any result{f' ({ended})' if ended else ''}"
    )
