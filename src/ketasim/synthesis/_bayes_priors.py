"""Prior distributions of a Bayesian network meta-analysis, given as text and stated in every result."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from ketasim.errors import InvalidOption
from ketasim.synthesis._network_data import NetworkData

_FORM = re.compile(r"\s*(half-normal|uniform|log-normal)\s*\(\s*([^()]*)\)\s*", re.IGNORECASE)
_COUNT = {"half-normal": 1, "uniform": 2, "log-normal": 2}
_HELP = (
    "Write 'half-normal(S)' or 'uniform(0, S)' for tau, or 'log-normal(MEAN, SD)' for tau2 (natural logarithm; the form of Turner et "
    "al. 2012)."
)


@dataclass(frozen=True)
class TauPrior:
    """Prior of the heterogeneity: ``half-normal`` and ``uniform`` on tau, ``log-normal`` on tau2.

    Attributes
    ----------
    family : one of the three. values : their numbers.
    """

    family: str
    values: tuple[float, ...]

    def __str__(self) -> str:
        on = "tau2" if self.family == "log-normal" else "tau"
        return f"{on} ~ {self.family}({', '.join(f'{v:g}' for v in self.values)})"

    def sample(self) -> Any:
        """Draw tau inside a NumPyro model."""
        import jax.numpy as jnp
        import numpyro
        import numpyro.distributions as dist

        if self.family == "half-normal":
            return numpyro.sample("tau", dist.HalfNormal(self.values[0]))
        if self.family == "uniform":
            return numpyro.sample("tau", dist.Uniform(*self.values))
        log_tau2 = numpyro.sample("log_tau2", dist.Normal(*self.values))
        return numpyro.deterministic("tau", jnp.exp(log_tau2 / 2))

    def initial(self, tau: float) -> dict[str, float]:
        """A starting value for the sampler near `tau`, inside the support."""
        if self.family == "log-normal":
            return {"log_tau2": 2 * float(np.log(tau))}
        high = self.values[1] if self.family == "uniform" else np.inf
        return {"tau": float(min(tau, 0.9 * high))}


@dataclass(frozen=True)
class Priors:
    """All priors of a model.

    Attributes
    ----------
    tau : of the heterogeneity. effect_sd : relative effects and slopes are normal(0, effect_sd), on the scale of the measure.
    intercept_sd : study baselines (log odds) are normal(0, intercept_sd); means need none, their baselines are integrated out.
    """

    tau: TauPrior
    effect_sd: float = 100.0
    intercept_sd: float = 100.0

    def as_dict(self) -> dict[str, str]:
        """As text."""
        return {
            "heterogeneity": str(self.tau), "effects": f"normal(0, {self.effect_sd:g})", "baselines": f"normal(0, {self.intercept_sd:g})",
        }  # fmt: skip


def default_priors(data: NetworkData) -> Priors:
    """half-normal(1) for tau of log ratios and standardised differences; else the largest observed contrast as its scale."""
    if data.is_log or data.measure == "smd":
        return Priors(TauPrior("half-normal", (1.0,)))
    scale = max(float(np.abs(s.effect).max()) for s in data.studies)
    return Priors(TauPrior("half-normal", (float(f"{max(scale, 1e-6):.2g}"),)))


def parse_tau_prior(text: str) -> TauPrior:
    """A prior of the heterogeneity from text.

    Raises
    ------
    InvalidOption: no such form, or numbers outside what it takes.

    Examples
    --------
    >>> str(parse_tau_prior("log-normal(-2.56, 1.74)"))
    'tau2 ~ log-normal(-2.56, 1.74)'
    """
    found = _FORM.fullmatch(text)
    if not found:
        raise InvalidOption(f"tau prior '{text}': not understood. {_HELP}")
    family = found[1].lower()
    try:
        values = tuple(float(part) for part in found[2].split(","))
    except ValueError:
        raise InvalidOption(f"tau prior '{text}': '{found[2]}' are no numbers. {_HELP}") from None
    good = len(values) == _COUNT[family] and values[-1] > 0 and (family != "uniform" or 0 <= values[0] < values[1])
    if not good or not all(np.isfinite(values)):
        raise InvalidOption(f"tau prior '{text}': wrong numbers for {family}. {_HELP}")
    return TauPrior(family, values)
