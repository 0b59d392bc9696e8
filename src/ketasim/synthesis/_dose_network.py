"""Dose-response network meta-analysis: agents with doses, whose effects follow a curve from dose 0 (Mawdsley et al. 2016)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from ketasim.arguments import checked
from ketasim.errors import InvalidData, InvalidOption, KetasimWarning, UnknownEntry, close_names, warn
from ketasim.synthesis._network_data import Floats, NetworkData
from ketasim.synthesis._network_gls import Gls, Stack, check_estimable, gls, heterogeneity, log_likelihood, stack
from ketasim.synthesis._network_input import read_network
from ketasim.synthesis._network_table import read_table

if TYPE_CHECKING:
    import pandas as pd

SHAPES = ("linear", "emax", "rcs")
_ZERO = "dose 0"


class DoseNotIdentified(KetasimWarning):
    """An ED50 ran to the end of the range searched: the doses studied do not tell it."""


@dataclass(frozen=True)
class DoseData:
    """A network whose treatments are agents at doses.

    Attributes
    ----------
    network : treatments named ``agent dose``; dose 0 of every agent is the one reference ``dose 0``.
    levels : treatment -> (agent, dose). agents : names.
    """

    network: NetworkData
    levels: Mapping[str, tuple[str, float]]

    @property
    def agents(self) -> tuple[str, ...]:
        """Agents studied at a dose above 0."""
        return tuple(sorted({agent for agent, dose in self.levels.values() if dose > 0}))

    def doses(self, agent: str) -> tuple[float, ...]:
        """Doses above 0 of an agent."""
        return tuple(sorted(dose for name, dose in self.levels.values() if name == agent and dose > 0))


@checked
def read_dose_network(
    data: str | Path | pd.DataFrame | Sequence[Mapping[str, Any]], measure: str, *, dose: str = "dose"
) -> DoseData:
    """A network with a dose per arm: the columns of `read_network` and ``dose`` (arms) or ``dose1, dose2`` (contrasts).

    Raises
    ------
    InvalidData: no dose column, or a dose that is negative or no number.
    """
    table = read_table(data)
    pairs = [("treat1", f"{dose}1"), ("treat2", f"{dose}2")] if table.find("treat1") >= 0 else [("treatment", dose)]
    levels: dict[str, tuple[str, float]] = {}
    rows = [list(row) for row in table.rows]
    for role, name in pairs:
        at, column = table.find(role), table.column(name)
        if at < 0 or column < 0:
            raise InvalidData(
                f"{table.name}: a dose network needs the columns of '{role}' and '{name}'; it has: {', '.join(table.columns)}."
            )
        for r, row in enumerate(rows):
            amount = table.number(r, column)
            if not amount >= 0:
                raise InvalidData(
                    f"{table.where(r, column)}: '{table.rows[r][column]}' is no dose; write 0 (placebo) or a number above 0."
                )
            agent = table.text(r, at)
            row[at] = f"{agent} {amount:g}" if amount > 0 else _ZERO
            levels[row[at]] = (agent, amount) if amount > 0 else (_ZERO, 0.0)
    changed = replace(table, rows=tuple(tuple(r) for r in rows))
    network = read_network(changed, measure)
    return DoseData(network, {t: levels[t] for t in network.treatments})


@dataclass(frozen=True)
class DoseResult:
    """A fitted dose-response network.

    Attributes
    ----------
    shape : linear, emax or rcs. rows : per agent and parameter: estimate and se (on the scale of the measure; ED50 in dose units with
        its logarithm's se). tau2, q, df, p_q : heterogeneity. log_likelihood, aic : by maximum likelihood at the fitted tau2.
    """

    data: DoseData
    shape: str
    model: str
    rows: tuple[dict[str, Any], ...]
    tau2: float
    q: float
    df: int
    p_q: float
    log_likelihood: float
    aic: float
    level: float
    _beta: Floats
    _cov: Floats
    _names: tuple[tuple[str, str], ...]
    _knots: Mapping[str, tuple[float, ...]]

    def curve(self, agent: str, doses: Sequence[float] | Floats) -> pd.DataFrame:
        """Effect against dose 0 with its interval.

        Raises
        ------
        UnknownEntry: no such agent.
        """
        import pandas as pd

        if agent not in self.data.agents:
            raise UnknownEntry(
                f"no agent '{agent}'.{close_names(agent, self.data.agents)} There are: {', '.join(self.data.agents)}."
            )
        d = np.asarray(doses, dtype=float)
        value, slope = _predict(self, agent, d)
        se = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", slope, self._cov, slope), 0.0))
        z = float(stats.norm.ppf((1 + self.level) / 2))
        return pd.DataFrame(
            {"agent": agent, "dose": d, "estimate": value, "se": se, "ci_low": value - z * se, "ci_high": value + z * se}
        )

    def to_dataframe(self) -> pd.DataFrame:
        """One line per agent and parameter."""
        import pandas as pd

        return pd.DataFrame(list(self.rows))

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "shape": self.shape, "model": self.model, "parameters": list(self.rows), "tau2": self.tau2, "Q": self.q, "df": self.df,
            "pval_Q": self.p_q, "log_likelihood": self.log_likelihood, "aic": self.aic,
        }  # fmt: skip


@checked
def dose_network(
    data: DoseData, shape: str = "emax", *, model: str = "random", ed50: str = "agent", tau2: str = "reml", level: float = 0.95
) -> DoseResult:
    """Fit one dose-response curve per agent to a network of agents and doses.

    Parameters
    ----------
    shape : ``linear`` (b D), ``emax`` (Emax D / (ED50 + D)) or ``rcs`` (restricted cubic spline, three knots: lowest, middle and
        highest dose, dose 0 included). model : ``common`` or ``random``. ed50 : one per ``agent`` or one ``common`` to all.

    Notes
    -----
    The effect of agent a at dose D against dose 0 is f_a(D), f_a(0) = 0; a contrast is a difference of two such values, weighted as
    in `network_meta_analysis`. For Emax, given the ED50s the model is linear; they are searched on a logarithmic grid from a
    hundredth of the lowest to a hundred times the highest dose and then by Gauss-Newton steps; standard errors come from the
    Jacobian. tau2 is estimated on the linearised model, alternating with the fit.

    Raises
    ------
    InvalidData: too few doses of an agent for the shape. InvalidOption: no such shape or choice.
    """
    if shape not in SHAPES:
        raise InvalidOption(f"no shape '{shape}'.{close_names(shape, SHAPES)} Use one of {', '.join(SHAPES)}.")
    if ed50 not in ("agent", "common"):
        raise InvalidOption(f"ed50 '{ed50}': say 'agent' (one per agent) or 'common' (one for all).")
    knots = {agent: _knots(data, agent) for agent in data.agents} if shape == "rcs" else {}
    if shape == "emax":
        beta, cov, names, s, t2 = _fit_emax(data, model, ed50, tau2)
    else:
        f, names = _linear_basis(data, shape, knots)
        s = _stack(data.network, f)
        check_estimable(s.x, [f"{a} ({n})" for a, n in names], f"{data.network.name}: dose-response")
        t2 = heterogeneity(s, tau2) if model == "random" else 0.0
        fit = gls(s, t2)
        beta, cov = fit.beta, fit.cov
    q = gls(s).q
    ll = log_likelihood(s, t2, restricted=False)
    count = len(beta) + (model == "random")
    rows = tuple(
        _row(agent, name, float(b), float(v), level) for (agent, name), b, v in zip(names, beta, np.diag(cov), strict=True)
    )
    p = float(stats.chi2.sf(q, s.df)) if s.df > 0 else np.nan
    return DoseResult(data, shape, model, rows, t2, q, s.df, p, ll, 2 * count - 2 * ll, level, beta, cov, names, knots)


def _row(agent: str, name: str, estimate: float, variance: float, level: float) -> dict[str, Any]:
    se, z = math.sqrt(max(variance, 0.0)), float(stats.norm.ppf((1 + level) / 2))
    low, high = estimate - z * se, estimate + z * se
    if name == "log ED50":
        return {
            "agent": agent, "parameter": "ED50", "estimate": math.exp(estimate), "se_log": se, "ci_low": math.exp(min(low, 700)),
            "ci_high": math.exp(min(high, 700)),
        }  # fmt: skip
    return {"agent": agent, "parameter": name, "estimate": estimate, "se": se, "ci_low": low, "ci_high": high}


def _contrast(network: NetworkData, f: Floats) -> Floats:
    """Rows of contrasts from rows of treatments."""
    rows = [f[network.index(a)] - f[network.index(s.arms[0])] for s in network.studies for a in s.arms[1:]]
    return np.array(rows)


def _stack(network: NetworkData, f: Floats) -> Stack:
    return stack(network, _contrast(network, f))


def _knots(data: DoseData, agent: str) -> tuple[float, ...]:
    doses = (0.0, *data.doses(agent))
    if len(doses) < 3:
        raise InvalidData(
            f"{data.network.name}: '{agent}' was studied at {len(doses) - 1} dose; a spline needs at least two doses."
        )
    return doses[0], float(np.median(doses)), doses[-1]


def _spline(dose: Floats, knots: tuple[float, ...]) -> Floats:
    """(doses, 2): linear part and the one nonlinear term of a restricted cubic spline with three knots (Harrell 2001)."""
    k1, k2, k3 = knots

    def cube(x: Floats) -> Floats:
        return np.maximum(x, 0.0) ** 3

    bend = cube(dose - k1) - cube(dose - k2) * (k3 - k1) / (k3 - k2) + cube(dose - k3) * (k2 - k1) / (k3 - k2)
    return np.column_stack([dose, bend / (k3 - k1) ** 2])


def _linear_basis(
    data: DoseData, shape: str, knots: Mapping[str, tuple[float, ...]]
) -> tuple[Floats, tuple[tuple[str, str], ...]]:
    labels = ("slope",) if shape == "linear" else ("slope", "bend")
    names = tuple(itertools.product(data.agents, labels))
    f = np.zeros((len(data.network.treatments), len(names)))
    for row, t in enumerate(data.network.treatments):
        agent, dose = data.levels[t]
        if dose > 0:
            at = data.agents.index(agent) * len(labels)
            d = np.array([dose])
            f[row, at : at + len(labels)] = d if shape == "linear" else _spline(d, knots[agent])[0]
    return f, names


def _emax_terms(data: DoseData, log_ed50: Floats, shared: bool) -> tuple[Floats, Floats]:
    """(treatments, agents) saturation D / (ED50 + D), and its derivative by log ED50."""
    f, g = np.zeros((len(data.network.treatments), len(data.agents))), np.zeros((len(data.network.treatments), len(data.agents)))
    for row, t in enumerate(data.network.treatments):
        agent, dose = data.levels[t]
        if dose > 0:
            k = data.agents.index(agent)
            half = math.exp(log_ed50[0 if shared else k])
            f[row, k], g[row, k] = dose / (half + dose), -half * dose / (half + dose) ** 2
    return f, g


def _fit_emax(
    data: DoseData, model: str, ed50: str, method: str
) -> tuple[Floats, Floats, tuple[tuple[str, str], ...], Stack, float]:
    shared = ed50 == "common"
    for agent in data.agents:
        if not shared and len(data.doses(agent)) < 2:
            raise InvalidData(
                f"{data.network.name}: '{agent}' was studied at one dose ({data.doses(agent)[0]:g}); an ED50 of its own needs two. "
                "Use ed50='common' (doses must then be comparable) or shape 'linear'."
            )
    every = [d for agent in data.agents for d in data.doses(agent)]
    grid = np.log(np.geomspace(min(every) / 100, max(every) * 100, 41))
    log_ed50, t2 = np.full(1 if shared else len(data.agents), float(np.log(np.median(every)))), 0.0
    for _ in range(30):
        log_ed50 = _search(data, log_ed50, grid, shared, t2)
        linear = _linearised(data, log_ed50, shared, t2)
        new = heterogeneity(linear, method) if model == "random" else 0.0
        done, t2 = abs(new - t2) <= 1e-10 + 1e-8 * new, new
        if done:
            break
    if np.any(np.abs(log_ed50 - grid[0]) < 1e-3) or np.any(np.abs(log_ed50 - grid[-1]) < 1e-3):
        warn(
            f"{data.network.name}: an ED50 lies at the end of the range searched ({math.exp(grid[0]):.3g} to {math.exp(grid[-1]):.3g}): "
            "the doses studied show no bend, or no rise. Try shape 'linear'.",
            DoseNotIdentified,
            stacklevel=4,
        )
    s = _linearised(data, log_ed50, shared, t2)
    half = [("all agents", "log ED50")] if shared else [(a, "log ED50") for a in data.agents]
    names = (*((a, "Emax") for a in data.agents), *half)
    check_estimable(s.x, [f"{a} ({n.removeprefix('log ')})" for a, n in names], f"{data.network.name}: dose-response")
    fit = gls(s, t2)
    beta = np.concatenate([_emax_given(data, log_ed50, shared, t2).beta, log_ed50])
    return beta, fit.cov, names, s, t2


def _emax_given(data: DoseData, log_ed50: Floats, shared: bool, tau2: float) -> Gls:
    return gls(_stack(data.network, _emax_terms(data, log_ed50, shared)[0]), tau2)


def _search(data: DoseData, start: Floats, grid: Floats, shared: bool, tau2: float) -> Floats:
    """Log ED50s of least Q: one after the other on the grid, then polished within its range."""
    from scipy.optimize import minimize

    def loss(x: Floats) -> float:
        return _emax_given(data, x, shared, tau2).q

    best = start.copy()
    for _ in range(2 if len(best) > 1 else 1):
        for k in range(len(best)):
            trial = [np.concatenate([best[:k], [g], best[k + 1 :]]) for g in grid]
            best = trial[int(np.argmin([loss(x) for x in trial]))]
    found = minimize(
        loss, best, method="L-BFGS-B", bounds=[(grid[0], grid[-1])] * len(best), options={"ftol": 1e-14, "gtol": 1e-9}
    )
    return np.asarray(found.x) if found.fun <= loss(best) else best


def _linearised(data: DoseData, log_ed50: Floats, shared: bool, tau2: float) -> Stack:
    """The model in its tangent at the fit: residuals kept, one column per parameter."""
    f, g = _emax_terms(data, log_ed50, shared)
    emax = _emax_given(data, log_ed50, shared, tau2).beta
    tangent = (g * emax).sum(axis=1, keepdims=True) if shared else g * emax
    x = _contrast(data.network, np.hstack([f, tangent]))
    return stack(data.network, x)


def _predict(result: DoseResult, agent: str, dose: Floats) -> tuple[Floats, Floats]:
    """Values and derivatives by all parameters."""
    slope = np.zeros((len(dose), len(result._beta)))
    at = {name: k for k, name in enumerate(result._names)}
    if result.shape == "emax":
        k, half = at[agent, "Emax"], at.get((agent, "log ED50"), at.get(("all agents", "log ED50"), -1))
        ed50 = math.exp(result._beta[half])
        slope[:, k] = dose / (ed50 + dose)
        slope[:, half] = -result._beta[k] * ed50 * dose / (ed50 + dose) ** 2
        return result._beta[k] * slope[:, k], slope
    if result.shape == "linear":
        slope[:, at[agent, "slope"]] = dose
    else:
        basis = _spline(dose, result._knots[agent])
        slope[:, at[agent, "slope"]], slope[:, at[agent, "bend"]] = basis[:, 0], basis[:, 1]
    return slope @ result._beta, slope
