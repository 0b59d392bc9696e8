"""Residual deviance, effective number of parameters and DIC from posterior draws."""

from __future__ import annotations

import numpy as np

from ketasim.synthesis._bayes_model import Draws, Problem, arm_layout, contrast_values
from ketasim.synthesis._bayes_result import ModelFit
from ketasim.synthesis._network_data import Floats

#: Draws used for the deviance of normal data; more would not change a digit that is shown.
MOST_DRAWS = 20_000


def model_fit(problem: Problem, draws: Draws, seed: int) -> ModelFit:
    """Posterior mean deviance against the saturated model, and pD = mean deviance - deviance at the mean fitted values.

    Notes
    -----
    Binomial: 2 sum[r log(r/f) + (n - r) log((n - r)/(n - f))] with f the fitted counts, at the posterior mean of f for pD (Dias et
    al. 2013, TSD 2). Normal arms: sum((mean - fitted)^2 / se^2). Contrasts: (y - fitted)' V^-1 (y - fitted), a data point each.
    """
    if problem.kind == "binomial":
        return _binomial(problem, draws)
    rng = np.random.default_rng(seed)
    beta = draws.values["beta"].reshape(-1, problem.x.shape[1])
    tau = draws.values["tau"].ravel() if problem.random else np.zeros(len(beta))
    step = max(1, len(beta) // MOST_DRAWS)
    return _normal(problem, beta[::step], tau[::step], rng)


def _binomial(problem: Problem, draws: Draws) -> ModelFit:
    arms = problem.arms or arm_layout(problem.data)
    events, n = arms.value["events"], arms.value["n"]
    logit = draws.values["logit"].reshape(-1, len(events))
    fitted = n / (1 + np.exp(-logit))
    each = _binomial_deviance(events, n, fitted).mean(axis=0)
    at_mean = _binomial_deviance(events, n, fitted.mean(axis=0))
    return _fit_of(problem, each, float(at_mean.sum()), arms.study)


def _binomial_deviance(events: Floats, n: Floats, fitted: Floats) -> Floats:
    from scipy.special import xlogy

    return 2 * (xlogy(events, events / fitted) + xlogy(n - events, (n - events) / (n - fitted)))


def _fit_of(problem: Problem, each: Floats, at_mean: float, study: np.ndarray) -> ModelFit:
    names = [s.study for s in problem.data.studies]
    by_study = {name: float(each[study == k].sum()) for k, name in enumerate(names)}
    total = float(each.sum())
    return ModelFit(total, total - at_mean, len(each), by_study)


def _normal(problem: Problem, beta: Floats, tau: Floats, rng: np.random.Generator) -> ModelFit:
    y, v = contrast_values(problem)
    arms = problem.arms if problem.kind == "normal arms" else None
    at, total, at_mean, points, by_study = 0, 0.0, 0.0, 0, dict[str, float]()
    for k, cov in enumerate(v):
        m = len(cov)
        mean = beta @ problem.x[at : at + m].T
        delta = _study_effects(y[at : at + m], cov, mean, tau, rng)
        if arms is None:
            w = np.linalg.inv(cov)
            e, e_mean = y[at : at + m] - delta, y[at : at + m] - delta.mean(axis=0)
            deviance, plugged, count = np.einsum("di,ij,dj->d", e, w, e), float(e_mean @ w @ e_mean), m
        else:
            own = arms.study == k
            deviance, plugged = _arm_deviance(arms.value["mean"][own], arms.value["se"][own], delta, rng)
            count = m + 1
        by_study[problem.data.studies[k].study] = float(deviance.mean())
        total, at_mean, points = total + float(deviance.mean()), at_mean + plugged, points + count
        at += m
    return ModelFit(total, total - at_mean, points, by_study)


def _study_effects(y: Floats, cov: Floats, mean: Floats, tau: Floats, rng: np.random.Generator) -> Floats:
    """(draws, contrasts): effects of one study given its data, the mean effects and tau: normal, in closed form."""
    m = len(y)
    r = tau[:, None, None] ** 2 * (np.eye(m) + 1.0) / 2.0
    gain = r @ np.linalg.inv(cov + r)
    center = mean + np.einsum("dij,dj->di", gain, y - mean)
    spread = r - gain @ r
    values, vectors = np.linalg.eigh((spread + spread.transpose(0, 2, 1)) / 2)
    root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    return center + np.einsum("dij,dj->di", root, rng.standard_normal((len(tau), m)))


def _arm_deviance(mean: Floats, se: Floats, delta: Floats, rng: np.random.Generator) -> tuple[Floats, float]:
    """Deviance of the arms of a study; its baseline is drawn from its normal conditional (flat prior)."""
    shift = np.hstack([np.zeros((len(delta), 1)), delta])
    w = 1 / se**2
    base = (mean - shift) @ w / w.sum() + rng.standard_normal(len(delta)) / np.sqrt(w.sum())
    fitted = base[:, None] + shift
    deviance = ((mean - fitted) ** 2 * w).sum(axis=1)
    return deviance, float(((mean - fitted.mean(axis=0)) ** 2 * w).sum())
