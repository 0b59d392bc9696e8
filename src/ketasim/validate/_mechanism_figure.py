"""Figure of the cascade against published experiments: per system, what agrees, what does not, and what could not fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ketasim.arguments import checked
from ketasim.validate._mechanism import MechanismScore, check_score

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe-Ito colours; hatching says the same to those who do not see them.
_KINDS = (
    ("agrees", "#0072B2", ""),
    ("agrees, by construction", "#9BC4DE", "////"),
    ("does not, sources disagree", "#F0C27B", "...."),
    ("does not, sources agree", "#D55E00", "xxxx"),
)
_NAMES = {
    "nmda_disinhibition": "disinhibition, glutamate", "lhb_burst": "habenula", "bdnf_trkb": "BDNF, TrkB", "eef2_mepsc": "eEF2",
    "extrasynaptic_glun2b_mtor": "GluN2B", "hpa": "cortisol", "gsk3b": "GSK-3beta", "igf1": "IGF-1", "hnk": "hydroxynorketamine", "mtor": "mTOR",
    "ampa": "AMPA", "gaba": "GABA, lamotrigine", "dopamine_d2": "D2", "monoamine": "monoamines", "other": "behaviour, occupancy, signals",
}  # fmt: skip


@checked
def mechanism_figure(score: MechanismScore) -> Figure:
    """Checks per system as stacked bars, most checks on top."""
    import matplotlib.pyplot as plt

    check_score(score)
    table = score.checks.assign(kind=_kind(score.checks))
    counts = table.groupby(["system", "kind"]).size().unstack(fill_value=0)
    counts = counts.loc[counts.sum(axis=1).sort_values().index]
    figure, axis = plt.subplots(figsize=(8.5, 6.5), layout="constrained")
    left = pd.Series(0, index=counts.index)
    for kind, colour, hatch in _KINDS:
        if kind in counts:
            axis.barh([_NAMES.get(str(s), str(s).replace("_", " ")) for s in counts.index], counts[kind], left=left, color=colour,
                      hatch=hatch, edgecolor="white", label=f"{kind} ({int(counts[kind].sum())})")  # fmt: skip
            left = left + counts[kind]
    axis.set(xlabel="checks", title="The cascade against published experiments")
    axis.legend(loc="lower right", fontsize=9)
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def _kind(checks: pd.DataFrame) -> pd.Series:
    kind = pd.Series(_KINDS[3][0], index=checks.index)
    kind[checks["topic"] != ""] = _KINDS[2][0]
    kind[checks["agrees"]] = _KINDS[0][0]
    kind[checks["agrees"] & (checks["by_construction"] != "")] = _KINDS[1][0]
    return kind
