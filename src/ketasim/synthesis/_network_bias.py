"""Small-study effects in a network: every comparison centred at its own pooled effect, in one funnel (Chaimani et al. 2013)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ketasim.arguments import checked
from ketasim.errors import InvalidData, InvalidOption
from ketasim.synthesis._bias import AsymmetryTest, asymmetry_test
from ketasim.synthesis._network_result import NetworkResult
from ketasim.synthesis._network_split import direct_evidence
from ketasim.synthesis._pairwise_data import PairwiseData

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class NetworkFunnel:
    """A comparison-adjusted funnel.

    Attributes
    ----------
    table : a row per study and comparison: study, treat1 (the one named later in `order`), treat2, effect of treat1 against treat2, se,
        pooled (direct effect of that comparison), adjusted (effect less pooled). measure, is_log : of the effects.
    order : treatments, in the direction in which small studies might exaggerate. egger : Egger's test on the adjusted effects.
    """

    table: pd.DataFrame
    measure: str
    is_log: bool
    order: tuple[str, ...]
    egger: AsymmetryTest


@checked
def network_funnel(result: NetworkResult, order: Sequence[str] = (), model: str = "random") -> NetworkFunnel:
    """Effects of a network's studies, each centred at the pooled direct effect of its comparison.

    Parameters
    ----------
    order : treatments from the one that small studies would favour least to the one they would favour most, e.g. from old to new; effects
        are those of the later against the earlier. By default the reference comes first and only comparisons with it are taken: nothing
        says which of two others would be favoured. model : common or random, of the pooled effects.

    Notes
    -----
    Symmetry around zero is expected without small-study effects. Comparisons with one study lie at zero and say nothing.

    Raises
    ------
    UnknownEntry: a name in `order` is none of the network. InvalidOption: one stands twice. InvalidData: fewer than three effects.
    """
    import pandas as pd

    data = result.data
    chosen = tuple(data.resolve(name) for name in order) or (result.reference,)
    if len(set(chosen)) < len(chosen):
        raise InvalidOption(f"order {', '.join(chosen)}: a treatment stands twice.")
    rank = {name: i for i, name in enumerate(chosen)}
    tau2 = result.tau2 if model == "random" else 0.0
    rows = []
    for study in data.studies:
        for one, other in itertools.combinations(study.arms, 2):
            if not order and result.reference not in (one, other):
                continue
            if order and (one not in rank or other not in rank):
                continue
            late, early = sorted((one, other), key=lambda name: -rank.get(name, len(rank)))
            effect, variance = study.pair(late, early)
            pooled = direct_evidence(data, late, early, tau2)
            if pooled is not None:
                rows.append((study.study, late, early, effect, math.sqrt(variance), pooled[0], effect - pooled[0]))
    if len(rows) < 3:
        raise InvalidData(
            f"{data.name}: a funnel needs at least 3 effects; of {', '.join(chosen)} there are {len(rows)}. Name more in order."
        )
    table = pd.DataFrame(rows, columns=["study", "treat1", "treat2", "effect", "se", "pooled", "adjusted"])
    n = np.full(len(table), np.nan)
    labels = tuple(f"{row[0]} {row[1]}:{row[2]}" for row in rows)
    flat = PairwiseData(
        labels, table["adjusted"].to_numpy(float), table["se"].to_numpy(float), data.measure, n, n, name=data.name
    )
    return NetworkFunnel(table, data.measure, data.is_log, chosen, asymmetry_test(flat))
