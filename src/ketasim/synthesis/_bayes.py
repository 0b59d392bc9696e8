"""Bayesian network meta-analysis by Hamiltonian Monte Carlo: consistent, unrelated mean effects, node-splitting, regression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ketasim.arguments import checked
from ketasim.errors import InvalidOption
from ketasim.synthesis._bayes_fit import model_fit
from ketasim.synthesis._bayes_model import Draws, Problem, arm_layout, likelihood_of, sampler_for
from ketasim.synthesis._bayes_priors import Priors, default_priors, parse_tau_prior
from ketasim.synthesis._bayes_result import BayesResult, diagnose, summarise_draws
from ketasim.synthesis._network_data import Floats, NetworkData
from ketasim.synthesis._network_gls import basic_design, check_estimable
from ketasim.synthesis._network_regression import covariate_columns, interaction_design, with_covariate
from ketasim.synthesis._network_split import has_indirect, split_design

if TYPE_CHECKING:
    import pandas as pd


@checked
def bayesian_network(
    data: NetworkData, reference: str = "", *, model: str = "random", consistency: str = "consistent", covariate: str = "",
    interaction: str = "common", tau_prior: str = "", effect_sd: float = 100.0, chains: int = 4, samples: int = 2000,
    warmup: int = 1000, seed: int = 1, target_accept: float = 0.9, level: float = 0.95,
) -> BayesResult:  # fmt: skip
    """Posterior of the relative effects of a network.

    Parameters
    ----------
    data : a network. Counts with the measure ``or`` get the binomial likelihood, means (``md``, ``smd``) the normal one of their
        arms, all else the normal likelihood of contrasts. reference : treatment the others are compared with.
    model : ``common`` or ``random``. consistency : ``consistent`` or ``unrelated`` (mean effects of direct comparisons, each for
        itself; Dias et al. 2013, TSD 4). covariate, interaction : meta-regression, as in `network_regression`.
    tau_prior : text such as ``half-normal(1)``, ``uniform(0, 5)`` or ``log-normal(-2.56, 1.74)`` (on tau2); see `default_priors`.
    effect_sd : relative effects are normal(0, effect_sd). chains, samples, warmup, seed, target_accept : of the sampler.

    Returns
    -------
    BayesResult

    Notes
    -----
    delta_i ~ N(X_i d, tau2 R) for the contrasts of study i, R with 1 on the diagonal and 1/2 beside it (Lu & Ades 2004). For normal
    data delta is integrated out and drawn from its exact conditional for the deviance.

    Raises
    ------
    InvalidOption: no such model or prior. InvalidData: a disconnected network, or effects the studies cannot estimate.
    """
    _check_options(model, consistency, chains, samples, warmup, effect_sd)
    network = with_covariate(data, covariate) if covariate else data
    network.check_connected()
    base = network.resolve(reference) if reference else network.default_reference()
    network = base_first(network, base)
    x, names, center = _design(network, base, consistency, covariate, interaction)
    priors = replace(_priors(network, tau_prior), effect_sd=effect_sd)
    problem = _problem(network, x, names, model)
    sampler = sampler_for(priors, chains, samples, warmup, target_accept)
    return _result(problem, sampler.run(problem, seed), base, consistency, priors, seed, level, center)


def _check_options(model: str, consistency: str, chains: int, samples: int, warmup: int, effect_sd: float) -> None:
    if model not in ("common", "random"):
        raise InvalidOption(f"no model '{model}'. Use common or random.")
    if consistency not in ("consistent", "unrelated"):
        raise InvalidOption(
            f"no consistency '{consistency}'. Use consistent or unrelated; for node-splitting, bayesian_node_split."
        )
    if chains < 2 or samples < 100 or warmup < 100:
        raise InvalidOption(
            f"{chains} chains, {samples} samples, {warmup} warmup: at least 2 chains, 100 samples and 100 warmup."
        )
    if not effect_sd > 0:
        raise InvalidOption(f"effect_sd {effect_sd:g}: the standard deviation of a prior must be above 0.")


def _priors(data: NetworkData, tau_prior: str) -> Priors:
    priors = default_priors(data)
    return replace(priors, tau=parse_tau_prior(tau_prior)) if tau_prior else priors


def base_first(data: NetworkData, reference: str) -> NetworkData:
    """The same studies with the reference as base arm where it is one, else the first treatment by name; arm rows in that order."""
    if data.arms is None:
        return data
    rank = {t: (t != reference, t) for t in data.treatments}
    studies, rows = [], list[int]()
    for k, study in enumerate(data.studies):
        own = np.flatnonzero(data.arms.study == k)
        order = sorted(range(len(own)), key=lambda a, own=own: rank[data.treatments[data.arms.treatment[own[a]]]])  # type: ignore[union-attr]
        rows += [int(own[a]) for a in order]
        arms = tuple(study.arms[a] for a in order)
        effect, cov = _rebased(study.effect, study.cov, order)
        n = tuple(study.n[a] for a in order) if study.n else ()
        studies.append(replace(study, arms=arms, effect=effect, cov=cov, n=n))
    values = {name: v[rows] for name, v in data.arms.values.items()}
    return replace(
        data,
        studies=tuple(studies),
        arms=replace(data.arms, study=data.arms.study[rows], treatment=data.arms.treatment[rows], values=values),
    )


def _rebased(effect: Floats, cov: Floats, order: Sequence[int]) -> tuple[Floats, Floats]:
    full = np.concatenate([[0.0], effect])
    big = np.zeros((len(full),) * 2)
    big[1:, 1:] = cov
    c = np.zeros((len(order) - 1, len(order)))
    for row, arm in enumerate(order[1:]):
        c[row, arm] += 1.0
        c[row, order[0]] -= 1.0
    return c @ full, c @ big @ c.T


def _design(
    data: NetworkData, reference: str, consistency: str, covariate: str, interaction: str
) -> tuple[Floats, tuple[str, ...], str]:
    if consistency == "unrelated":
        x, names = unrelated_design(data)
        return x, names, ""
    x, names, center = basic_design(data, reference), [f"d[{t}]" for t in data.treatments if t != reference], ""
    if covariate:
        values, columns, center = covariate_columns(data, covariate)
        slopes, labels = interaction_design(data, reference, values, columns, interaction)
        x, names = np.hstack([x, slopes]), [*names, *(f"b[{label}]" for label in labels)]
        check_estimable(x, names, f"{data.name}: regression on '{covariate}'")
    return x, tuple(names), center


def unrelated_design(data: NetworkData) -> tuple[Floats, tuple[str, ...]]:
    """One effect for each pair of base arm and other arm that occurs: no pair borrows from others."""
    pairs = sorted({(arm, s.arms[0]) for s in data.studies for arm in s.arms[1:]})
    merged = {frozenset(p): p for p in pairs}
    columns = {key: k for k, key in enumerate(merged)}
    x, row = np.zeros((data.n_contrasts, len(merged))), 0
    for study in data.studies:
        for arm in study.arms[1:]:
            key = frozenset((arm, study.arms[0]))
            x[row, columns[key]] = 1.0 if merged[key] == (arm, study.arms[0]) else -1.0
            row += 1
    return x, tuple(f"d[{a} : {b}]" for a, b in merged.values())


def _problem(data: NetworkData, x: Floats, names: tuple[str, ...], model: str) -> Problem:
    kind = likelihood_of(data)
    return Problem(data, x, names, kind, model == "random", arm_layout(data) if kind != "contrasts" else None)


def _result(
    problem: Problem, draws: Draws, base: str, consistency: str, priors: Priors, seed: int, level: float, center: str = ""
) -> BayesResult:
    data, beta = problem.data, draws.values["beta"]
    named = {name: beta[:, :, k] for k, name in enumerate(problem.names)}
    if problem.random:
        named["tau"] = draws.values["tau"]
    effects = np.zeros((beta.shape[0] * beta.shape[1], 0))
    if consistency != "unrelated":
        effects = np.zeros((effects.shape[0], len(data.treatments)))
        for k, t in enumerate(t for t in data.treatments if t != base):
            effects[:, data.index(t)] = beta[:, :, k].reshape(-1)
    diagnostics = diagnose(named, draws.divergences, f"{data.name}: ")
    stated = priors.as_dict()
    if problem.kind != "binomial":
        stated.pop("baselines")
    if not problem.random:
        stated.pop("heterogeneity")
    return BayesResult(
        data, base, "random" if problem.random else "common", consistency, problem.kind, named, effects,
        model_fit(problem, draws, seed), diagnostics, stated, seed, level, center,
    )  # fmt: skip


@dataclass(frozen=True)
class NodeSplit:
    """Bayesian node-splitting of every comparison with independent indirect evidence.

    Attributes
    ----------
    rows : per comparison: direct, indirect, their difference (means, sd, interval), p, tau, dic, max_rhat, min_ess.
    dic_consistent : DIC of the model that assumes consistency.
    """

    rows: tuple[dict[str, Any], ...]
    dic_consistent: float

    def to_dataframe(self) -> pd.DataFrame:
        """One line per comparison."""
        import pandas as pd

        return pd.DataFrame(list(self.rows))

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {"dic_consistent": self.dic_consistent, "comparisons": list(self.rows)}


@checked
def bayesian_node_split(
    data: NetworkData, reference: str = "", *, pairs: Sequence[tuple[str, str]] = (), model: str = "random", tau_prior: str = "",
    effect_sd: float = 100.0, chains: int = 4, samples: int = 2000, warmup: int = 1000, seed: int = 1, target_accept: float = 0.9,
    level: float = 0.95,
) -> NodeSplit:  # fmt: skip
    """Direct against indirect evidence by node-splitting (Dias et al. 2010), for each pair or for those given.

    Notes
    -----
    Studies that hold both treatments get the direct effect for that contrast, all others the indirect one; in multi-arm studies half
    of the difference goes to each side (White 2015), so that no arm is favoured. p is twice the smaller tail of the difference.

    Raises
    ------
    InvalidOption: a pair without both kinds of evidence.
    """
    _check_options(model, "consistent", chains, samples, warmup, effect_sd)
    data.check_connected()
    base = data.resolve(reference) if reference else data.default_reference()
    network = base_first(data, base)
    wanted = _splittable(network, pairs)
    priors = replace(_priors(network, tau_prior), effect_sd=effect_sd)
    sampler = sampler_for(priors, chains, samples, warmup, target_accept)
    names = tuple(f"d[{t}]" for t in network.treatments if t != base)
    whole = _problem(network, basic_design(network, base), names, model)
    consistent = model_fit(whole, sampler.run(whole, seed), seed)
    rows = []
    for k, (a, b) in enumerate(wanted, 1):
        x = np.column_stack([basic_design(network, b), split_design(network, a, b)])
        labels = (*(f"d[{t}]" for t in network.treatments if t != b), "difference")
        problem = _problem(network, x, labels, model)
        rows.append(_split_row(problem, sampler.run(problem, seed + k), a, b, seed + k, level))
    return NodeSplit(tuple(rows), consistent.dic)


def _splittable(data: NetworkData, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    both = [(a, b) for a, b in data.comparisons() if has_indirect(data, a, b)]
    if not pairs:
        return both
    wanted = []
    for one, other in pairs:
        a, b = sorted((data.resolve(one), data.resolve(other)))
        if (a, b) not in both:
            raise InvalidOption(
                f"{data.name}: '{a}' and '{b}' have no direct and independent indirect evidence both; nothing to split."
            )
        wanted.append((a, b))
    return wanted


def _split_row(problem: Problem, draws: Draws, a: str, b: str, seed: int, level: float) -> dict[str, Any]:
    beta = draws.values["beta"]
    at = problem.names.index(f"d[{a}]")
    indirect, difference = beta[:, :, at], beta[:, :, -1]
    direct = indirect + difference
    named = {"direct": direct, "indirect": indirect, "difference": difference}
    if problem.random:
        named["tau"] = draws.values["tau"]
    diagnostics = diagnose(named, draws.divergences, f"{problem.data.name}, split of {a} : {b}: ")
    row: dict[str, Any] = {"treat1": a, "treat2": b}
    for name, part in named.items():
        found: Mapping[str, float] = summarise_draws(part.ravel(), level)
        row |= {name: found["mean"], f"{name}_sd": found["sd"], f"{name}_low": found["ci_low"], f"{name}_high": found["ci_high"]}
    above = float((difference > 0).mean())
    fit = model_fit(problem, draws, seed)
    return row | {
        "p": 2 * min(above, 1 - above), "dic": fit.dic, "max_rhat": diagnostics.max_rhat, "min_ess": diagnostics.min_ess,
    }  # fmt: skip
