"""Direct against indirect evidence of single comparisons: back-calculation and node-splitting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from ketasim.arguments import checked
from ketasim.errors import InvalidOption
from ketasim.synthesis._network_data import MEASURES, Floats, NetworkData, components
from ketasim.synthesis._network_gls import basic_design, gls, heterogeneity, stack

if TYPE_CHECKING:
    import pandas as pd

    from ketasim.synthesis._network_result import NetworkResult


@dataclass(frozen=True)
class EvidenceSplit:
    """Direct against indirect evidence of every comparison.

    Attributes
    ----------
    rows : per comparison: treat1, treat2, studies, share_direct, network, direct, indirect (with se), difference, se_difference, z,
        p; NaN where one of both is missing. method : ``back-calculation`` or ``node-splitting``. model : common or random.
    measure : of the effects; ratios are logarithms.
    """

    rows: tuple[dict[str, Any], ...]
    method: str
    model: str
    measure: str

    @property
    def is_log(self) -> bool:
        """Whether effects are logarithms of ratios."""
        return MEASURES[self.measure]

    def to_dataframe(self) -> pd.DataFrame:
        """One line per comparison."""
        import pandas as pd

        return pd.DataFrame(list(self.rows))

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {"method": self.method, "model": self.model, "measure": self.measure, "comparisons": list(self.rows)}


@checked
def split_evidence(result: NetworkResult, model: str = "random", method: str = "back-calculation") -> EvidenceSplit:
    """Split each comparison with direct evidence into direct and indirect.

    Parameters
    ----------
    model : ``common`` or ``random``. method : ``back-calculation`` or ``node-splitting``.

    Notes
    -----
    Back-calculation (Dias et al. 2010; Koenig, Krahn & Binder 2013): the network estimate is the inverse-variance mean of direct and
    indirect evidence, so with the share s = var(network) / var(direct) the indirect estimate is (network - s direct) / (1 - s).
    Direct is the pool of all studies with both treatments, at the heterogeneity of the network.
    Node-splitting refits the network with one more parameter for studies that hold both treatments; half of it is given to each side
    of the comparison in multi-arm studies (White 2015). The heterogeneity is estimated again.

    Raises
    ------
    InvalidOption: no such method.
    """
    if method not in ("back-calculation", "node-splitting"):
        raise InvalidOption(f"no method '{method}' to split evidence. Use back-calculation or node-splitting.")
    one = result.model(model)
    rows = []
    for (a, b), studies in result.data.comparisons().items():
        direct, variance = direct_evidence(result.data, a, b, one.tau2) or (np.nan, np.nan)
        pair = one.pair(a, b)
        row = {"treat1": a, "treat2": b, "studies": len(studies), "network": pair["estimate"], "se_network": pair["se"]}
        if method == "back-calculation":
            row |= _back_calculated(pair["estimate"], pair["se"] ** 2, direct, variance)
        else:
            row |= _node_split(result, model, a, b)
        rows.append(row)
    return EvidenceSplit(tuple(rows), method, model, result.data.measure)


@checked
def direct_evidence(data: NetworkData, a: str, b: str, tau2: float = 0.0) -> tuple[float, float] | None:
    """Inverse-variance pool of the studies with both treatments: effect of a against b and its variance; None without a study."""
    studies = data.comparisons().get((min(a, b), max(a, b)), ())
    if not studies:
        return None
    pairs = [data.studies[k].pair(a, b) for k in studies]
    w = np.array([1 / (v + tau2) for _, v in pairs])
    return float(w @ np.array([e for e, _ in pairs]) / w.sum()), float(1 / w.sum())


def _back_calculated(network: float, variance: float, direct: float, direct_variance: float) -> dict[str, float]:
    share = min(1.0, variance / direct_variance)
    nothing = share > 1 - 1e-6
    indirect = np.nan if nothing else (network - share * direct) / (1 - share)
    indirect_variance = np.nan if nothing else variance / (1 - share)
    return _compared(share, direct, direct_variance, indirect, indirect_variance)


def _compared(share: float, direct: float, v_direct: float, indirect: float, v_indirect: float) -> dict[str, float]:
    difference, se = direct - indirect, float(np.sqrt(v_direct + v_indirect))
    return {
        "share_direct": share, "direct": direct, "se_direct": v_direct**0.5, "indirect": indirect, "se_indirect": v_indirect**0.5,
        "difference": difference, "se_difference": se, "z": difference / se, "p": float(2 * stats.norm.sf(abs(difference) / se)),
    }  # fmt: skip


def has_indirect(data: NetworkData, a: str, b: str) -> bool:
    """Whether a and b stay connected without the studies that hold both (van Valkenhoef et al. 2016)."""
    others = [s.arms for s in data.studies if not (a in s.arms and b in s.arms)]
    return any(a in part and b in part for part in components(data.treatments, others))


def split_design(data: NetworkData, a: str, b: str) -> Floats:
    """One more column: half of direct minus indirect to each of a and b, in studies that hold both."""
    x, row = np.zeros(data.n_contrasts), 0
    for study in data.studies:
        both = a in study.arms and b in study.arms
        side = {a: 0.5, b: -0.5} if both else {}
        for arm in study.arms[1:]:
            x[row] = side.get(arm, 0.0) - side.get(study.arms[0], 0.0)
            row += 1
    return x


def _node_split(result: NetworkResult, model: str, a: str, b: str) -> dict[str, float]:
    data = result.data
    if not has_indirect(data, a, b):
        names = ("share_direct", "direct", "se_direct", "indirect", "se_indirect", "difference", "se_difference", "z", "p")
        return dict.fromkeys(names, np.nan)
    x = np.column_stack([basic_design(data, b), split_design(data, a, b)])
    s = stack(data, x)
    method = result.tau2_method
    tau2 = 0.0 if model == "common" else result.tau2 if method == "fixed" else heterogeneity(s, method)
    fit = gls(s, tau2)
    # Columns: effects against b, so that of a is the indirect estimate; direct is indirect plus the last parameter.
    at = [t for t in data.treatments if t != b].index(a)
    indirect, difference = float(fit.beta[at]), float(fit.beta[-1])
    v = fit.cov
    v_indirect, v_difference, cross = float(v[at, at]), float(v[-1, -1]), float(v[at, -1])
    v_direct = v_indirect + v_difference + 2 * cross
    z = difference / v_difference**0.5
    return {
        "share_direct": np.nan, "direct": indirect + difference, "se_direct": v_direct**0.5, "indirect": indirect,
        "se_indirect": v_indirect**0.5, "difference": difference, "se_difference": v_difference**0.5, "z": z,
        "p": float(2 * stats.norm.sf(abs(z))), "tau2": tau2,
    }  # fmt: skip
