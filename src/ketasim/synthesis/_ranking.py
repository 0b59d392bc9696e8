"""Ranking of treatments: P-scores, rank probabilities (rankograms) and SUCRA, from a fit or from posterior draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from ketasim.arguments import checked
from ketasim.errors import InvalidOption
from ketasim.synthesis._network_data import Floats

if TYPE_CHECKING:
    import pandas as pd

    from ketasim.synthesis._network_result import NetworkEstimates

DIRECTIONS = ("good", "bad")


@dataclass(frozen=True)
class Ranking:
    """Which treatment is best, and how surely.

    Attributes
    ----------
    treatments : best first. p_score : mean certainty to be better than another treatment; equals SUCRA where the effects are
        multivariate normal. sucra : area under the cumulative rank curve. mean_rank : 1 is best.
    probability : (treatments, ranks). small_values : whether small effects are ``good`` or ``bad``. model : common or random.
    """

    treatments: tuple[str, ...]
    p_score: Floats
    sucra: Floats
    mean_rank: Floats
    probability: Floats
    small_values: str
    model: str

    @property
    def cumulative(self) -> Floats:
        """(treatments, ranks): probability of that rank or better."""
        return np.cumsum(self.probability, axis=1)

    def to_dataframe(self) -> pd.DataFrame:
        """One line per treatment, best first."""
        import pandas as pd

        return pd.DataFrame(
            {"treatment": self.treatments, "p_score": self.p_score, "sucra": self.sucra, "mean_rank": self.mean_rank,
             "p_best": self.probability[:, 0]}
        )  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        probability = {t: [float(p) for p in row] for t, row in zip(self.treatments, self.probability, strict=True)}
        return {
            "model": self.model, "small_values": self.small_values,
            "p_score": dict(zip(self.treatments, map(float, self.p_score), strict=True)),
            "sucra": dict(zip(self.treatments, map(float, self.sucra), strict=True)),
            "mean_rank": dict(zip(self.treatments, map(float, self.mean_rank), strict=True)), "rank_probability": probability,
        }  # fmt: skip


def checked_direction(small_values: str) -> str:
    """``good`` or ``bad``.

    Raises
    ------
    InvalidOption: anything else.
    """
    if small_values not in DIRECTIONS:
        raise InvalidOption(f"small values '{small_values}': say whether small effects are 'good' (fewer symptoms) or 'bad'.")
    return small_values


@checked
def p_scores(one: NetworkEstimates, small_values: str = "good") -> dict[str, float]:
    """Mean over the other treatments of the one-sided certainty to be better (Ruecker & Schwarzer 2015, eq. 2).

    Examples
    --------
    >>> from ketasim.synthesis import network_meta_analysis
    >>> rows = [{"study": "1", "treat1": "x", "treat2": "placebo", "TE": -1.0, "seTE": 0.5}]
    >>> {t: round(v, 3) for t, v in p_scores(network_meta_analysis(rows, "md").common).items()}
    {'placebo': 0.023, 'x': 0.977}
    """
    sign = -1.0 if checked_direction(small_values) == "good" else 1.0
    n = len(one.treatments)
    se = one.se + np.eye(n)
    better = stats.norm.cdf(sign * one.effect / se)
    np.fill_diagonal(better, 0.0)
    return {t: float(v) for t, v in zip(one.treatments, better.sum(axis=1) / max(1, n - 1), strict=True)}


def rank_draws(draws: Floats, small_values: str = "good") -> Floats:
    """(treatments, ranks): share of draws (draws, treatments) in which a treatment has a rank; 1 is best."""
    n = draws.shape[1]
    order = np.argsort(draws if small_values == "good" else -draws, axis=1)
    probability = np.zeros((n, n))
    for rank in range(n):
        probability[:, rank] = np.bincount(order[:, rank], minlength=n) / len(draws)
    return probability


@checked
def ranking(one: NetworkEstimates, small_values: str = "good", *, samples: int = 20_000, seed: int = 1) -> Ranking:
    """Rank the treatments of a frequentist fit.

    Parameters
    ----------
    small_values : ``good`` where a smaller effect is better (symptoms, side effects), else ``bad``.
    samples, seed : draws from the normal distribution of the effects, for rank probabilities and SUCRA (Salanti et al. 2011).

    Raises
    ------
    InvalidOption: the direction is neither good nor bad.
    """
    scores = p_scores(one, small_values)
    rng = np.random.default_rng(seed)
    base = one.treatments.index(one.reference)
    values, vectors = np.linalg.eigh(one.covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    draws = one.effect[:, base] + rng.standard_normal((samples, len(one.treatments))) @ root.T
    return ranking_of(one.treatments, rank_draws(draws, small_values), small_values, one.model, scores)


def ranking_of(
    treatments: tuple[str, ...], probability: Floats, small_values: str, model: str, scores: dict[str, float] | None = None
) -> Ranking:
    """A ranking from rank probabilities; the P-score is the SUCRA where none is given."""
    n = len(treatments)
    cumulative = np.cumsum(probability, axis=1)
    sucra = cumulative[:, :-1].mean(axis=1) if n > 1 else np.ones(1)
    mean_rank = probability @ np.arange(1, n + 1)
    p = np.array([scores[t] for t in treatments]) if scores else sucra
    best = np.argsort(-p, kind="stable")
    return Ranking(
        tuple(treatments[k] for k in best), p[best], sucra[best], mean_rank[best], probability[best], small_values, model
    )
