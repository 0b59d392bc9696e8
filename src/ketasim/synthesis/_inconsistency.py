"""Do the designs of a network agree? Q by design, the design-by-treatment model, the net heat.

A design is the set of treatments a study compares. Evidence is consistent where designs agree on the same comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from ketasim.arguments import checked
from ketasim.errors import InvalidOption
from ketasim.synthesis._network_data import Floats, NetworkData, components
from ketasim.synthesis._network_gls import Stack, basic_design, gls, stack, trace_pr

if TYPE_CHECKING:
    import pandas as pd

    from ketasim.synthesis._network_result import NetworkResult

Design = tuple[str, ...]


@dataclass(frozen=True)
class QDecomposition:
    """Heterogeneity within designs, inconsistency between them.

    Attributes
    ----------
    total, within, between : (Q, df, p) under common effects. by_design : design -> (Q, df, p) of its studies.
    detached : design -> (Q, df, p) between the designs once that one may differ freely.
    contribution : design -> its part of Q between designs.
    random : (Q, df, p) between designs in the design-by-treatment model with random effects. tau2_within : its heterogeneity.
    """

    total: tuple[float, int, float]
    within: tuple[float, int, float]
    between: tuple[float, int, float]
    by_design: dict[Design, tuple[float, int, float]]
    detached: dict[Design, tuple[float, int, float]]
    contribution: dict[Design, float]
    random: tuple[float, int, float]
    tau2_within: float

    def to_dataframe(self) -> pd.DataFrame:
        """One line per part."""
        import pandas as pd

        rows: list[tuple[Any, ...]] = [("total", "", *self.total), ("within designs", "", *self.within)]
        rows += [("between designs", "", *self.between), ("between designs, random effects", "", *self.random)]
        rows += [("within design", design_name(d), *v) for d, v in self.by_design.items()]
        rows += [("between designs, one detached", design_name(d), *v) for d, v in self.detached.items()]
        return pd.DataFrame(rows, columns=["part", "design", "Q", "df", "p"])

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""

        def part(v: tuple[float, int, float]) -> dict[str, Any]:
            return {"Q": v[0], "df": v[1], "p": v[2]}

        return {
            "total": part(self.total), "within_designs": part(self.within), "between_designs": part(self.between),
            "between_designs_random": part(self.random) | {"tau2_within": self.tau2_within, "tau_within": self.tau2_within**0.5},
            "by_design": {design_name(d): part(v) for d, v in self.by_design.items()},
            "detached": {design_name(d): part(v) for d, v in self.detached.items()},
            "contribution": {design_name(d): v for d, v in self.contribution.items()},
        }  # fmt: skip


def design_name(design: Sequence[str]) -> str:
    """``a : b`` for readers."""
    return " : ".join(design)


def with_p(q: float, df: int) -> tuple[float, int, float]:
    """Q, df and the upper tail of chi2; NaN without df."""
    return q, df, float(stats.chi2.sf(q, df)) if df > 0 else np.nan


@dataclass(frozen=True)
class DesignLevel:
    """One pooled set of contrasts per design: the second stage of Krahn, Binder & Koenig (2013).

    Attributes
    ----------
    designs : names. rows : design -> rows of the stacked contrasts. y : pooled contrasts. w : design -> inverse covariance of its rows
        (designs are independent). x : design of the consistency model. treatments : of the network.
    """

    designs: tuple[Design, ...]
    rows: dict[Design, list[int]]
    y: Floats
    w: dict[Design, Floats]
    x: Floats
    treatments: tuple[str, ...]

    def normal_equations(self, designs: Sequence[Design]) -> tuple[Floats, Floats]:
        """X'WX and X'Wy of some designs."""
        k = self.x.shape[1]
        xwx, xwy = np.zeros((k, k)), np.zeros(k)
        for d in designs:
            wx = self.w[d] @ self.x[self.rows[d]]
            xwx += self.x[self.rows[d]].T @ wx
            xwy += wx.T @ self.y[self.rows[d]]
        return xwx, xwy

    def fit(self) -> tuple[Floats, int]:
        """Residuals from the consistency model, and its degrees of freedom."""
        xwx, xwy = self.normal_equations(self.designs)
        return self.y - self.x @ _solved(xwx, xwy), len(self.y) - self._rank(self.designs)

    def detached(self) -> dict[Design, tuple[Floats, int]]:
        """Per design: residuals of all rows from the consistency model on the other designs, and that model's df."""
        whole, out = self.normal_equations(self.designs), dict[Design, tuple[Floats, int]]()
        for design in self.designs:
            own = self.normal_equations((design,))
            others = [d for d in self.designs if d != design]
            beta = _solved(whole[0] - own[0], whole[1] - own[1])
            out[design] = self.y - self.x @ beta, len(self.y) - len(self.rows[design]) - self._rank(others)
        return out

    def q_parts(self, residual: Floats) -> dict[Design, float]:
        """Contribution of each design to Q."""
        return {d: float(residual[rows] @ self.w[d] @ residual[rows]) for d, rows in self.rows.items()}

    def hat(self) -> Floats:
        """Hat matrix of the consistency model."""
        xwx, _ = self.normal_equations(self.designs)
        xw = np.hstack([self.x[self.rows[d]].T @ self.w[d] for d in self.designs])
        return self.x @ np.linalg.pinv(xwx, rcond=1e-10, hermitian=True) @ xw

    def _rank(self, designs: Sequence[Design]) -> int:
        """Treatments less parts: the rank of contrasts of a graph."""
        return len(self.treatments) - len(components(self.treatments, designs))


def _solved(xwx: Floats, xwy: Floats) -> Floats:
    return np.linalg.pinv(xwx, rcond=1e-10, hermitian=True) @ xwy


def design_stacks(data: NetworkData) -> dict[Design, Stack]:
    """The design-by-treatment interaction model: each design has effects of its own (Higgins et al. 2012), so it is fitted alone."""
    return {design: _own_effects(data.take(studies), design) for design, studies in data.designs().items()}


def _own_effects(data: NetworkData, design: Design) -> Stack:
    """Studies of one design with the effects of its treatments against its first."""
    x, row = np.zeros((data.n_contrasts, len(design) - 1)), 0
    for study in data.studies:
        for arm in study.arms[1:]:
            for t, sign in ((arm, 1.0), (study.arms[0], -1.0)):
                place = design.index(t)
                if place:
                    x[row, place - 1] += sign
            row += 1
    return stack(data, x, len(design) - 1)


def design_level(data: NetworkData, stacks: dict[Design, Stack], tau2: float = 0.0) -> DesignLevel:
    """Pool the studies of each design at a heterogeneity variance."""
    rows, at = dict[Design, list[int]](), 0
    x, y, weights = list[Floats](), list[Floats](), dict[Design, Floats]()
    for design, own in stacks.items():
        pooled = gls(own, tau2)
        rows[design] = list(range(at, at + len(design) - 1))
        at += len(design) - 1
        y.append(pooled.beta)
        weights[design] = np.linalg.inv(pooled.cov)
        for t in design[1:]:
            line = np.zeros(len(data.treatments))
            line[data.index(t)], line[data.index(design[0])] = 1.0, -1.0
            x.append(line[1:])
    return DesignLevel(tuple(stacks), rows, np.concatenate(y), weights, np.array(x), data.treatments)


@checked
def decompose_q(data: NetworkData | NetworkResult) -> QDecomposition:
    """Q of the network in a part within designs and a part between designs.

    Notes
    -----
    Q(within) is the residual of the model in which each design has effects of its own; the rest of Q is between designs, and tests
    consistency (Krahn, Binder & Koenig 2013). The random-effects version tests the same designs with the heterogeneity that this
    model finds within them, by the method of moments (Higgins et al. 2012; Jackson et al. 2012).
    """
    network = data if isinstance(data, NetworkData) else data.data
    s, stacks = stack(network, basic_design(network, network.treatments[0])), design_stacks(network)
    inside = {d: with_p(gls(own).q, own.df) for d, own in stacks.items()}
    q, q_within, df_within = gls(s).q, sum(v[0] for v in inside.values()), sum(v[1] for v in inside.values())
    trace = sum(trace_pr(own) for own in stacks.values() if own.df > 0)
    tau2_within = max(0.0, (q_within - df_within) / trace) if trace > 0 else 0.0
    level, at_tau = design_level(network, stacks), design_level(network, stacks, tau2_within)
    q_random, df = sum(at_tau.q_parts(at_tau.fit()[0]).values()), s.df - df_within
    return QDecomposition(
        with_p(q, s.df), with_p(q_within, df_within), with_p(max(0.0, q - q_within), df),
        {d: v for d, v in inside.items() if v[1] > 0}, _detached(level, df), level.q_parts(level.fit()[0]), with_p(q_random, df),
        tau2_within,
    )  # fmt: skip


def _detached(level: DesignLevel, df: int) -> dict[Design, tuple[float, int, float]]:
    out: dict[Design, tuple[float, int, float]] = {}
    for design, (residual, left) in level.detached().items():
        if 0 < left < df:
            parts = level.q_parts(residual)
            out[design] = with_p(sum(v for d, v in parts.items() if d != design), left)
    return out


@dataclass(frozen=True)
class NetHeat:
    """Where inconsistency comes from (Krahn, Binder & Koenig 2013).

    Attributes
    ----------
    designs : rows and columns, those of higher inconsistency together. q_difference : (design, design), how much Q of the row design
        falls when the column design may differ freely; the diagonal is the row's own Q.
    hat : (design, design), how much the column design contributes to the network estimate of the row design (absolute hat values,
        largest over the contrasts of multi-arm designs).
    model : weights of the ``common`` or the ``random`` model.
    """

    designs: tuple[Design, ...]
    q_difference: Floats
    hat: Floats
    model: str

    def to_dataframe(self) -> pd.DataFrame:
        """Q differences, row design by detached design."""
        import pandas as pd

        names = [design_name(d) for d in self.designs]
        return pd.DataFrame(self.q_difference, index=names, columns=names)

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        names = [design_name(d) for d in self.designs]
        return {"model": self.model, "designs": names, "q_difference": self.q_difference.tolist(), "hat": self.hat.tolist()}


@checked
def net_heat(result: NetworkResult, model: str = "common") -> NetHeat:
    """Net heat matrix: multi-arm designs are one row, detached as a whole.

    Raises
    ------
    InvalidOption: no loop between designs, hence nothing that could disagree.
    """
    tau2 = result.tau2 if model == "random" else 0.0
    level = design_level(result.data, design_stacks(result.data), tau2)
    residual, df = level.fit()
    if df < 1:
        raise InvalidOption(
            f"{result.data.name}: the designs form no loop; there is no inconsistency to show in a net heat plot."
        )
    before = level.q_parts(residual)
    detached = {d: level.q_parts(residual) for d, (residual, _) in level.detached().items()}
    h = level.hat()
    # A design that is its own only evidence (hat block = identity) can disagree with nothing.
    own = {d: h[np.ix_(rows, rows)] - np.eye(len(rows)) for d, rows in level.rows.items()}
    designs = tuple(d for d in level.designs if np.abs(own[d]).max() > 1e-8)
    q = np.array([[before[row] - (0.0 if row == col else detached[col][row]) for col in designs] for row in designs])
    hat = np.array([[np.abs(h[np.ix_(level.rows[r], level.rows[c])]).max() for c in designs] for r in designs])
    order = _clusters(q)
    return NetHeat(tuple(designs[k] for k in order), q[np.ix_(order, order)], hat[np.ix_(order, order)], model)


def _clusters(q: Floats) -> list[int]:
    """Rows in the order of a complete-linkage tree over their profiles."""
    if len(q) < 3:
        return list(range(len(q)))
    from scipy.cluster.hierarchy import leaves_list, linkage

    return [int(k) for k in leaves_list(linkage(np.hstack([q, q.T]), "complete"))]
