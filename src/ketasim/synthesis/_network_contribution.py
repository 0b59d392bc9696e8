"""How much each direct comparison contributes to each network estimate: random walks on the evidence-flow network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ketasim.arguments import checked
from ketasim.errors import InvalidData
from ketasim.synthesis._network_data import Floats, NetworkData

if TYPE_CHECKING:
    import pandas as pd

    from ketasim.synthesis._network_result import NetworkResult

Pair = tuple[str, str]


@dataclass(frozen=True)
class Contribution:
    """Shares of direct comparisons in network estimates.

    Attributes
    ----------
    comparisons : rows, all pairs of treatments. direct : columns, pairs with direct evidence. share : (comparisons, direct), rows sum
        to 1. hat : (comparisons, direct), the hat matrix of the comparisons: signed evidence flow. model : common or random.
    """

    comparisons: tuple[Pair, ...]
    direct: tuple[Pair, ...]
    share: Floats
    hat: Floats
    model: str
    method: str = "random walk"

    def to_dataframe(self) -> pd.DataFrame:
        """Percent contribution, comparisons by direct comparisons."""
        import pandas as pd

        names = [f"{a}:{b}" for a, b in self.comparisons], [f"{a}:{b}" for a, b in self.direct]
        return pd.DataFrame(100 * self.share, index=names[0], columns=names[1])

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "model": self.model, "method": self.method,
            "share": {
                f"{a}:{b}": {f"{c}:{d}": float(v) for (c, d), v in zip(self.direct, row, strict=True) if v > 0}
                for (a, b), row in zip(self.comparisons, self.share, strict=True)
            },
        }  # fmt: skip


def edge_weights(data: NetworkData, tau2: float = 0.0) -> dict[Pair, float]:
    """Weight of each direct comparison: reduced weights of its studies, summed (Ruecker & Schwarzer 2014)."""
    weights = dict.fromkeys(data.comparisons(), 0.0)
    for study in data.studies:
        m = len(study.arms) - 1
        inverse = np.linalg.inv(study.cov + tau2 * (np.eye(m) + 1.0) / 2.0)
        full = np.block([[inverse.sum(), -inverse.sum(axis=0)[None, :]], [-inverse.sum(axis=1)[:, None], inverse]])
        for j in range(m + 1):
            for k in range(j):
                a, b = sorted((study.arms[j], study.arms[k]))
                weights[a, b] -= float(full[j, k])
    return weights


@checked
def contribution(result: NetworkResult, model: str = "random") -> Contribution:
    """Contribution matrix of a network meta-analysis.

    Notes
    -----
    A row of the hat matrix of the direct comparisons is a unit flow of evidence from one treatment to the other (Koenig, Krahn &
    Binder 2013; Papakonstantinou et al. 2018). A walker follows it, choosing each next edge with a probability in proportion to
    its flow; the share of a path is the probability that the walker takes it, given in equal parts to its edges (Davies et al.
    2022). All paths are summed exactly, by the distribution of path lengths before and after each edge; no path is enumerated.

    Raises
    ------
    InvalidData: negative weights of a multi-arm study make the flow run in a circle.
    """
    weights = edge_weights(result.data, result.tau2 if model == "random" else 0.0)
    names = result.data.treatments
    direct = tuple(weights)
    ends = np.array([[names.index(a), names.index(b)] for a, b in direct])
    w = np.array([weights[e] for e in direct])
    n = len(names)
    b = np.zeros((len(direct), n))
    b[np.arange(len(direct)), ends[:, 0]], b[np.arange(len(direct)), ends[:, 1]] = 1.0, -1.0
    inverse = np.linalg.pinv(b.T @ (w[:, None] * b), hermitian=True)
    comparisons = tuple((names[i], names[j]) for i in range(n) for j in range(i + 1, n))
    hat, share = np.zeros((len(comparisons), len(direct))), np.zeros((len(comparisons), len(direct)))
    for k, (one, other) in enumerate(comparisons):
        i, j = names.index(one), names.index(other)
        hat[k] = w * (b @ (inverse[:, i] - inverse[:, j]))
        share[k] = _walk(hat[k], ends, i, j, n)
    return Contribution(comparisons, direct, share, hat, model)


def _walk(flow: Floats, ends: Floats, start: int, stop: int, n: int) -> Floats:
    """Share of each edge in a unit flow from `start` to `stop`."""
    size = np.where(np.abs(flow) > 1e-10, np.abs(flow), 0.0)
    tail = np.where(flow > 0, ends[:, 0], ends[:, 1])
    head = np.where(flow > 0, ends[:, 1], ends[:, 0])
    out = np.bincount(tail, weights=size, minlength=n)
    p = np.zeros((n, n))
    p[tail, head] = np.divide(size, out[tail], out=np.zeros_like(size), where=out[tail] > 0)
    # reach[l]: probability to be at a node after l steps; leave[l]: to arrive at the end after l more steps.
    reach, leave = np.zeros((n, n)), np.zeros((n, n))
    reach[0, start], leave[0, stop] = 1.0, 1.0
    for step in range(1, n):
        reach[step] = reach[step - 1] @ p
        leave[step] = p @ leave[step - 1]
    if abs(reach[:, stop].sum() - 1.0) > 1e-6:
        raise InvalidData(
            "the evidence flow runs in a circle: a multi-arm study has negative weights. Check its standard errors."
        )
    length = np.arange(n)[:, None] + np.arange(n)[None, :] + 1.0
    return np.array([p[t, h] * float(reach[:, t] @ (1 / length) @ leave[:, h]) for t, h in zip(tail, head, strict=True)])
