"""Likelihoods of a Bayesian network meta-analysis as NumPyro models, and the sampler they share.

Normal data: the study effects are integrated out, so that only relative effects and tau are sampled. Counts: one baseline per study
and one random effect per contrast, non-centred.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ketasim.synthesis._network_arms import standardiser
from ketasim.synthesis._network_data import Floats, NetworkData
from ketasim.synthesis._network_gls import dersimonian_laird, gls, stack

if TYPE_CHECKING:
    from ketasim.synthesis._bayes_priors import Priors


@dataclass(frozen=True)
class ArmLayout:
    """Arms of a network in a row: their study, and the contrast they belong to (-1 for the base arm of each study)."""

    study: np.ndarray
    contrast: np.ndarray
    value: Mapping[str, Floats]


@dataclass(frozen=True)
class Problem:
    """What a sampler gets.

    Attributes
    ----------
    data : the network. x : (contrasts, parameters). names : of the parameters. kind : ``binomial``, ``normal arms`` or ``contrasts``.
    arms : arm-level values, for the first two kinds. random : whether tau is estimated.
    """

    data: NetworkData
    x: Floats
    names: tuple[str, ...]
    kind: str
    random: bool
    arms: ArmLayout | None = None


def likelihood_of(data: NetworkData) -> str:
    """Which likelihood the data carry: counts for odds ratios, means for mean differences, else contrasts."""
    if data.arms is None:
        return "contrasts"
    return {"or": "binomial", "md": "normal arms", "smd": "normal arms"}.get(data.measure, "contrasts")


def arm_layout(data: NetworkData) -> ArmLayout:
    """Arm rows with their contrasts; standardised means where the measure is smd, so that contrasts are Hedges' g."""
    arms = data.arms
    if arms is None:
        raise TypeError("this network has no arm-level rows")  # `likelihood_of` chooses: a fault of ours, not of the input
    contrast, at = np.full(len(arms.study), -1), 0
    scale = np.ones(len(arms.study))
    for k in range(len(data.studies)):
        own = np.flatnonzero(arms.study == k)
        contrast[own[1:]] = np.arange(at, at + len(own) - 1)
        at += len(own) - 1
        if data.measure == "smd":
            scale[own] = standardiser(arms.values["n"][own], arms.values["sd"][own])
    value = dict(arms.values)
    if "mean" in value:
        value = {"mean": value["mean"] / scale, "se": value["sd"] / np.sqrt(value["n"]) / scale}
    return ArmLayout(arms.study, contrast, value)


def contrast_values(problem: Problem) -> tuple[Floats, list[Floats]]:
    """Stacked contrasts and their covariances per study, from the arms where the likelihood is theirs."""
    if problem.kind == "normal arms" and problem.arms is not None:
        y, v = [], []
        for k in range(len(problem.data.studies)):
            own = problem.arms.study == k
            mean, se = problem.arms.value["mean"][own], problem.arms.value["se"][own]
            y.append(mean[1:] - mean[0])
            v.append(np.diag(se[1:] ** 2) + se[0] ** 2)
        return np.concatenate(y), v
    return np.concatenate([s.effect for s in problem.data.studies]), [s.cov for s in problem.data.studies]


def normal_model(blocks: Any, priors: Priors, columns: int, random: bool) -> None:
    """Contrasts y ~ N(X beta, V + tau2 R), study by study."""
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist
    from jax.scipy.linalg import solve_triangular

    beta = numpyro.sample("beta", dist.Normal(0.0, priors.effect_sd).expand([columns]).to_event(1))
    tau = priors.tau.sample() if random else 0.0
    for k, (y, v, x) in enumerate(blocks):
        m = y.shape[1]
        chol = jnp.linalg.cholesky(v + tau**2 * (jnp.eye(m) + 1.0) / 2.0)
        white = solve_triangular(chol, (y - x @ beta)[..., None], lower=True)[..., 0]
        diagonal = jnp.diagonal(chol, axis1=-2, axis2=-1)
        numpyro.factor(f"studies_{k}", -0.5 * (white**2).sum() - jnp.log(diagonal).sum())


def binomial_model(arms: Any, x: Any, root: Any, priors: Priors, n_studies: int, random: bool) -> None:
    """events ~ binomial(n, p), logit p = baseline of the study + effect of the arm against the study's base arm."""
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    study, contrast, events, n = arms
    beta = numpyro.sample("beta", dist.Normal(0.0, priors.effect_sd).expand([x.shape[1]]).to_event(1))
    mu = numpyro.sample("mu", dist.Normal(0.0, priors.intercept_sd).expand([n_studies]).to_event(1))
    effect = x @ beta
    if random:
        tau = priors.tau.sample()
        z = numpyro.sample("z", dist.Normal(0.0, 1.0).expand([x.shape[0]]).to_event(1))
        effect = effect + tau * (root @ z)
    logit = mu[study] + jnp.where(contrast >= 0, effect[contrast], 0.0)
    numpyro.factor("events", (events * logit - n * jnp.logaddexp(0.0, logit)).sum())


def heterogeneity_root(data: NetworkData) -> Floats:
    """Cholesky root of R (1 on the diagonal, 1/2 between contrasts of a study), block diagonal."""
    root = np.zeros((data.n_contrasts,) * 2)
    at = 0
    for study in data.studies:
        m = len(study.arms) - 1
        root[at : at + m, at : at + m] = np.linalg.cholesky((np.eye(m) + 1.0) / 2.0)
        at += m
    return root


@dataclass(frozen=True)
class Draws:
    """Posterior draws, (chains, samples, ...), and the number of divergent transitions."""

    values: Mapping[str, Floats]
    divergences: int


class Sampler:
    """NUTS on one likelihood; problems of the same shape share the compiled program.

    Examples
    --------
    Made by `bayesian_network` and `bayesian_node_split`; not for direct use.
    """

    def __init__(self, priors: Priors, chains: int, samples: int, warmup: int, target_accept: float) -> None:
        self.priors, self.chains, self.samples, self.warmup = priors, chains, samples, warmup
        self.target_accept = target_accept
        self._programs: dict[Any, Any] = {}

    def run(self, problem: Problem, seed: int) -> Draws:
        """Draw from the posterior of a problem."""
        import jax

        with jax.enable_x64(True), jax.numpy_rank_promotion("allow"):
            key, model, arguments, start = self._prepared(problem)
            if key not in self._programs:
                self._programs[key] = self._program(model)
            free = _unconstrained(start, self.priors)
            z, diverging = self._programs[key](jax.random.split(jax.random.key(seed), self.chains), free, arguments)
            values = {name: np.asarray(v, dtype=float) for name, v in _constrained(z, self.priors).items()}
        if problem.kind == "binomial":
            values["logit"] = _logits(problem, values)
        return Draws({name: v for name, v in values.items() if name not in ("z", "log_tau2")}, int(np.asarray(diverging).sum()))

    def _program(self, model: Callable[..., None]) -> Any:
        """Adaptation and draws of one chain as one compiled function, over all chains at once.

        A whole run is one function of the data, so that a further run on data of the same shape compiles nothing.
        """
        import jax
        from numpyro.infer import NUTS

        def chain(key: Any, start: Any, arguments: Any) -> tuple[Any, Any]:
            kernel = NUTS(model, target_accept_prob=self.target_accept)
            state = kernel.init(key, self.warmup, start, arguments, {})

            def step(state: Any, _: None) -> tuple[Any, tuple[Any, Any]]:
                state = kernel.sample(state, arguments, {})
                return state, (state.z, state.diverging)

            # One loop for adaptation and draws: two would be compiled twice.
            kept = jax.lax.scan(step, state, None, length=self.warmup + self.samples)[1]
            return jax.tree.map(lambda v: v[self.warmup :], kept)

        return jax.jit(jax.vmap(chain, in_axes=(0, None, None)))

    def _prepared(self, problem: Problem) -> tuple[Any, Callable[..., None], tuple[Any, ...], dict[str, Any]]:
        """Key of the program, model, its arguments and a starting point near the least-squares fit."""
        data, random, priors = problem.data, problem.random, self.priors
        s = stack(data, problem.x)
        fit = gls(s)
        tau = max(0.1 * float(np.median([np.sqrt(study.cov[0, 0]) for study in data.studies])), dersimonian_laird(s) ** 0.5)
        start: dict[str, Any] = {"beta": fit.beta} | (priors.tau.initial(tau) if random else {})
        if problem.kind != "binomial":
            return self._prepared_normal(problem, start)
        arms = problem.arms or arm_layout(data)
        events, n = arms.value["events"], arms.value["n"]
        base = arms.contrast < 0
        start |= {"mu": np.log((events[base] + 0.5) / (n[base] - events[base] + 0.5))}
        start |= {"z": np.zeros(len(problem.x))} if random else {}
        n_studies = len(data.studies)
        rows = (arms.study, arms.contrast, events, n)

        def model(arms: Any, x: Any, root: Any) -> None:
            binomial_model(arms, x, root, priors, n_studies, random)

        return (
            ("binomial", problem.x.shape, random, n_studies, len(events)),
            model,
            (rows, problem.x, heterogeneity_root(data)),
            start,
        )

    def _prepared_normal(
        self, problem: Problem, start: dict[str, Any]
    ) -> tuple[Any, Callable[..., None], tuple[Any, ...], dict[str, Any]]:
        priors, random, columns = self.priors, problem.random, problem.x.shape[1]
        y, v = contrast_values(problem)
        sizes, at = dict[int, list[tuple[Floats, Floats, Floats]]](), 0
        for cov in v:
            m = len(cov)
            sizes.setdefault(m, []).append((y[at : at + m], cov, problem.x[at : at + m]))
            at += m
        blocks = [tuple(np.array(part) for part in zip(*group, strict=True)) for _, group in sorted(sizes.items())]

        def model(blocks: Any) -> None:
            normal_model(blocks, priors, columns, random)

        key = ("normal", tuple(b[2].shape for b in blocks), random)
        return key, model, (blocks,), start


@lru_cache(maxsize=8)
def sampler_for(priors: Priors, chains: int, samples: int, warmup: int, target_accept: float) -> Sampler:
    """The sampler of these settings; what it has compiled is used again."""
    return Sampler(priors, chains, samples, warmup, target_accept)


def _tau_transform(priors: Priors) -> Any:
    """From the real line to the support of tau."""
    import numpyro.distributions as dist
    from numpyro.distributions import biject_to

    values = priors.tau.values
    return biject_to(dist.Uniform(*values).support if priors.tau.family == "uniform" else dist.HalfNormal(values[0]).support)


def _unconstrained(start: Mapping[str, Any], priors: Priors) -> dict[str, Any]:
    """Starting values where the sampler lives: tau through the inverse of its transformation."""
    import jax.numpy as jnp

    out = {name: jnp.asarray(v, dtype=float) for name, v in start.items()}
    return out | ({"tau": _tau_transform(priors).inv(out["tau"])} if "tau" in out else {})


def _constrained(z: Mapping[str, Any], priors: Priors) -> dict[str, Any]:
    """Draws on their natural scale; tau also where log tau2 was sampled."""
    out = dict(z)
    if "tau" in out:
        out["tau"] = _tau_transform(priors)(out["tau"])
    if "log_tau2" in out:
        out["tau"] = np.exp(np.asarray(out["log_tau2"]) / 2)
    return out


def _logits(problem: Problem, values: Mapping[str, Floats]) -> Floats:
    """(chains, samples, arms) log odds of every arm."""
    arms = problem.arms or arm_layout(problem.data)
    effect = values["beta"] @ problem.x.T
    if problem.random:
        effect = effect + values["tau"][..., None] * (values["z"] @ heterogeneity_root(problem.data).T)
    shift = np.where(arms.contrast >= 0, effect[..., arms.contrast], 0.0)
    return values["mu"][..., arms.study] + shift
