"""P-scores, rank probabilities, SUCRA, and contributions of direct comparisons."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.synthesis_network.networks import contrast, random_contrasts, twin

from ketasim.errors import InvalidOption
from ketasim.synthesis import contribution, league_table, network_meta_analysis, p_scores, ranking
from ketasim.synthesis._ranking import rank_draws


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_p_scores_average_one_half_and_turn_round(seed: int) -> None:
    one = network_meta_analysis(random_contrasts(seed, studies=8), "md").random
    good, bad = p_scores(one, "good"), p_scores(one, "bad")
    assert np.mean(list(good.values())) == pytest.approx(0.5, abs=1e-12)
    assert all(good[t] + bad[t] == pytest.approx(1.0, abs=1e-12) for t in good)


def test_sucra_of_normal_effects_is_the_p_score() -> None:
    """Ruecker and Schwarzer (2015); 40,000 draws leave a standard error below 0.003, so 0.012 fails once in 10^4."""
    found = ranking(network_meta_analysis(random_contrasts(1), "md").random, samples=40_000)
    assert found.sucra == pytest.approx(found.p_score, abs=0.012)
    assert found.probability.sum(axis=0) == pytest.approx(np.ones(5))
    assert found.probability.sum(axis=1) == pytest.approx(np.ones(5))
    assert found.mean_rank == pytest.approx(1 + 4 * (1 - found.sucra), abs=1e-9)
    assert list(found.to_dataframe()["treatment"]) == list(found.treatments)


def test_ranks_of_draws() -> None:
    draws = np.array([[1.0, 2.0, 3.0], [1.0, 3.0, 2.0]])
    assert rank_draws(draws).tolist() == [[1, 0, 0], [0, 0.5, 0.5], [0, 0.5, 0.5]]
    assert rank_draws(draws, "bad").tolist() == [[0, 0, 1], [0.5, 0.5, 0], [0.5, 0.5, 0]]


def test_direction_is_checked() -> None:
    with pytest.raises(InvalidOption, match="'high'"):
        ranking(network_meta_analysis(random_contrasts(0), "md").common, "high")


def test_hat_matrix_gives_the_network_estimate() -> None:
    """In a two-arm network the network estimate is the hat row times the direct estimates."""
    result = network_meta_analysis(random_contrasts(5, most_arms=2), "md")
    found = contribution(result, "common")
    direct = []
    for a, b in found.direct:
        pairs = [s.pair(a, b) for s in result.data.studies if a in s.arms and b in s.arms]
        w = np.array([1 / v for _, v in pairs])
        direct.append(w @ np.array([e for e, _ in pairs]) / w.sum())
    for k, (a, b) in enumerate(found.comparisons):
        assert found.hat[k] @ np.array(direct) == pytest.approx(result.common.pair(a, b)["estimate"], rel=1e-8)


def test_contributions_of_a_triangle() -> None:
    """Direct weight w against the path by way of the third: shares w and (1 - w) / 2 twice, from the hat row in closed form."""
    rows = [contrast("1", "a", "b", 1.0, 0.2), contrast("2", "b", "c", 1.0, 0.3), contrast("3", "a", "c", 2.0, 0.4)]
    found = contribution(network_meta_analysis(rows, "md"), "common")
    row = dict(zip(found.direct, found.share[found.comparisons.index(("a", "c"))], strict=True))
    direct = (1 / 0.16) / (1 / 0.16 + 1 / (0.04 + 0.09))
    assert row["a", "c"] == pytest.approx(direct, rel=1e-9)
    assert row["a", "b"] == row["b", "c"] == pytest.approx((1 - direct) / 2, rel=1e-9)


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_contributions_sum_to_one(seed: int) -> None:
    found = contribution(network_meta_analysis(random_contrasts(seed, treatments=6, studies=15), "md"))
    assert found.share.sum(axis=1) == pytest.approx(np.ones(15), abs=1e-9)
    assert (found.share >= 0).all()


def test_edge_weights_are_those_of_the_twin() -> None:
    """The Laplacian of the summed weights inverts to the covariance of the network."""
    rows = random_contrasts(7)
    result = network_meta_analysis(rows, "md")
    assert contribution(result, "common").to_dataframe().shape == (10, len(result.data.comparisons()))
    assert result.common.se == pytest.approx(twin(rows, tau2=0.0).se, rel=1e-7, abs=1e-9)


def test_league_table() -> None:
    one = network_meta_analysis(random_contrasts(1), "or", "t0").random
    table = league_table(one, p_scores(one))
    assert list(table.index) == list(table.columns)
    assert [table.iloc[k, k] for k in range(5)] == list(table.columns)
    pair = one.pair(table.index[1], table.columns[0])
    assert table.iloc[1, 0] == f"{pair['exp_estimate']:.2f} ({pair['exp_ci_low']:.2f} to {pair['exp_ci_high']:.2f})"
