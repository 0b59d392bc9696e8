"""Posterior of a network meta-analysis: relative effects, ranks, model fit, and whether the chains agree."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from ketasim.errors import KetasimWarning, warn
from ketasim.synthesis._network_data import Floats, NetworkData
from ketasim.synthesis._ranking import Ranking, rank_draws, ranking_of

if TYPE_CHECKING:
    import pandas as pd

RHAT_LIMIT, ESS_LIMIT = 1.01, 400


class NotConverged(KetasimWarning):
    """Chains disagree, are too short, or left the posterior: do not use the result as it is."""


@dataclass(frozen=True)
class Diagnostics:
    """Do the chains agree?

    Attributes
    ----------
    rhat, ess : parameter -> rank-normalised split R-hat and bulk effective sample size (Vehtari et al. 2021).
    divergences : transitions that left the posterior. draws : kept, all chains together.
    """

    rhat: Mapping[str, float]
    ess: Mapping[str, float]
    divergences: int
    draws: int

    @property
    def max_rhat(self) -> float:
        """Largest R-hat."""
        return max(self.rhat.values())

    @property
    def min_ess(self) -> float:
        """Smallest effective sample size."""
        return min(self.ess.values())

    @property
    def converged(self) -> bool:
        """R-hat below 1.01, at least 400 effective draws of every parameter, and fewer than 1 in 100 divergent."""
        return self.max_rhat < RHAT_LIMIT and self.min_ess >= ESS_LIMIT and self.divergences < 0.01 * self.draws

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "max_rhat": self.max_rhat, "min_ess": self.min_ess, "divergences": self.divergences, "draws": self.draws,
            "converged": self.converged, "rhat": dict(self.rhat), "ess": dict(self.ess),
        }  # fmt: skip


def diagnose(values: Mapping[str, Floats], divergences: int, what: str = "") -> Diagnostics:
    """Diagnostics of named draws (chains, samples), with a warning when they fail."""
    rhat, ess = dict[str, float](), dict[str, float]()
    for name, draws in values.items():
        rhat[name], ess[name] = _rhat_ess(draws)
    size = next(iter(values.values())).size
    found = Diagnostics(rhat, ess, divergences, size)
    if not found.converged:
        worst = max(rhat, key=lambda n: rhat[n])
        warn(
            f"{what}the chains have not converged: R-hat up to {found.max_rhat:.3f} ({worst}; must be below {RHAT_LIMIT}), effective "
            f"draws at least {found.min_ess:.0f} (must be {ESS_LIMIT}), {divergences} of {size} divergent. Take more samples and warmup, "
            "or a narrower prior for tau.",
            NotConverged,
            stacklevel=4,
        )
    return found


def _rhat_ess(draws: Floats) -> tuple[float, float]:
    """Split, rank-normalised R-hat (the worse of location and scale) and bulk effective sample size."""
    from numpyro.diagnostics import effective_sample_size, gelman_rubin

    half = draws.shape[1] // 2
    split = np.concatenate([draws[:, :half], draws[:, half : 2 * half]])
    if np.ptp(split) == 0:
        return np.nan, np.nan
    normal, folded = _normal_scores(split), _normal_scores(np.abs(split - np.median(split)))
    return float(max(gelman_rubin(normal), gelman_rubin(folded))), float(effective_sample_size(normal))


def _normal_scores(x: Floats) -> Floats:
    ranks = stats.rankdata(x).reshape(x.shape)
    return np.asarray(stats.norm.ppf((ranks - 0.375) / (x.size + 0.25)))


@dataclass(frozen=True)
class ModelFit:
    """Residual deviance, effective parameters and DIC (Spiegelhalter et al. 2002; Dias et al. 2013, TSD 2).

    Attributes
    ----------
    deviance : posterior mean residual deviance; near `points` where the model fits. p_d : effective parameters. points : data points.
    by_study : study -> its part of the deviance.
    """

    deviance: float
    p_d: float
    points: int
    by_study: Mapping[str, float]

    @property
    def dic(self) -> float:
        """Deviance information criterion."""
        return self.deviance + self.p_d

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "residual_deviance": self.deviance, "p_d": self.p_d, "dic": self.dic, "data_points": self.points,
            "by_study": dict(self.by_study),
        }  # fmt: skip


@dataclass(frozen=True)
class BayesResult:
    """Posterior of a Bayesian network meta-analysis.

    Attributes
    ----------
    data, reference : the network. model : ``common`` or ``random``. consistency : ``consistent``, ``unrelated`` or ``split a:b``.
    likelihood : binomial, normal arms or contrasts. draws : parameter -> (chains, samples); ``tau`` among them.
    effects : (draws, treatments), against the reference; empty for unrelated mean effects.
    fit, diagnostics, priors, seed : as they say. center : value of the covariate at which the effects hold.
    """

    data: NetworkData
    reference: str
    model: str
    consistency: str
    likelihood: str
    draws: Mapping[str, Floats]
    effects: Floats
    fit: ModelFit
    diagnostics: Diagnostics
    priors: Mapping[str, str]
    seed: int
    level: float = 0.95
    center: str = ""

    def parameters(self) -> pd.DataFrame:
        """Posterior of each sampled parameter."""
        import pandas as pd

        rows = [{"parameter": n} | summarise_draws(v.ravel(), self.level) for n, v in self.draws.items()]
        table = pd.DataFrame(rows)
        table["rhat"] = [self.diagnostics.rhat[n] for n in table["parameter"]]
        table["ess"] = [self.diagnostics.ess[n] for n in table["parameter"]]
        return table

    @property
    def tau(self) -> dict[str, float]:
        """Posterior of the heterogeneity standard deviation; empty under common effects."""
        return summarise_draws(self.draws["tau"].ravel(), self.level) if "tau" in self.draws else {}

    def pair(self, treatment: str, against: str) -> dict[str, Any]:
        """Posterior of one effect against another: mean, sd, median, interval; ratios also back-transformed; prediction interval."""
        i, j = self.data.index(treatment), self.data.index(against)
        d = self.effects[:, i] - self.effects[:, j]
        row = {"treat1": treatment, "treat2": against} | summarise_draws(d, self.level)
        if "tau" in self.draws:
            noise = np.random.default_rng(self.seed + 7919).standard_normal(len(d))
            new = summarise_draws(d + self.draws["tau"].ravel() * noise, self.level)
            row |= {"pi_low": new["ci_low"], "pi_high": new["ci_high"]}
        if self.data.is_log:
            row |= {f"exp_{k}": float(np.exp(row[k])) for k in ("median", "ci_low", "ci_high", "pi_low", "pi_high") if k in row}
        return row

    def versus(self, reference: str = "") -> pd.DataFrame:
        """Every other treatment against the reference."""
        import pandas as pd

        base = reference or self.reference
        return pd.DataFrame([self.pair(t, base) for t in self.data.treatments if t != base])

    def to_dataframe(self) -> pd.DataFrame:
        """All pairs, each once."""
        import pandas as pd

        return pd.DataFrame([self.pair(a, b) for a, b in itertools.combinations(self.data.treatments, 2)])

    def ranking(self, small_values: str = "good") -> Ranking:
        """SUCRA and rank probabilities of the posterior."""
        probability = rank_draws(self.effects, small_values)
        return ranking_of(self.data.treatments, probability, small_values, f"bayesian {self.model}")

    def as_dict(self) -> dict[str, Any]:
        """Summary as plain data."""
        out: dict[str, Any] = {
            "measure": self.data.measure, "reference": self.reference, "model": self.model, "consistency": self.consistency,
            "likelihood": self.likelihood, "priors": dict(self.priors), "seed": self.seed, "tau": self.tau or None,
            "fit": self.fit.as_dict(), "diagnostics": self.diagnostics.as_dict(),
            "parameters": self.parameters().to_dict("records"),
        }  # fmt: skip
        if self.effects.size:
            out |= {"versus_reference": self.versus().to_dict("records"), "league": self.to_dataframe().to_dict("records")}
        return out


def summarise_draws(x: Floats, level: float = 0.95) -> dict[str, float]:
    """Mean, sd, median and equal-tailed interval."""
    low, middle, high = np.quantile(x, [(1 - level) / 2, 0.5, (1 + level) / 2])
    return {
        "mean": float(x.mean()),
        "sd": float(x.std(ddof=1)),
        "median": float(middle),
        "ci_low": float(low),
        "ci_high": float(high),
    }
