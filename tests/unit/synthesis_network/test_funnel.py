"""Comparison-adjusted funnels: with two treatments they are the pairwise funnel, moved to zero."""

from __future__ import annotations

import numpy as np
import pytest

from ketasim.errors import InvalidData, InvalidOption, UnknownEntry
from ketasim.report import comparison_funnel_figure
from ketasim.synthesis import PairwiseData, asymmetry_test, network_funnel, network_meta_analysis, read_network

rng = np.random.default_rng(5)
ONE = [
    {"studlab": f"s{i}", "treat1": "b", "treat2": "a", "TE": float(rng.normal(0.3, 0.4)), "seTE": float(rng.uniform(0.1, 0.6))}
    for i in range(12)
]
MORE = [{"studlab": f"t{i}", "treat1": "c", "treat2": "ab"[i % 2], "TE": 1.0 + 0.1 * i, "seTE": 0.2 + 0.05 * i} for i in range(4)]


def test_two_treatments_are_the_pairwise_funnel_about_zero() -> None:
    result = network_meta_analysis(read_network(ONE, "md"), "md", "a")
    found = network_funnel(result, model="common")
    effect, se = (np.array([row[k] for row in ONE]) for k in ("TE", "seTE"))
    pooled = float((effect / se**2).sum() / (1 / se**2).sum())
    assert found.table["adjusted"].to_numpy() == pytest.approx(effect - pooled, rel=1e-12, abs=1e-14)
    n = np.full(12, np.nan)
    egger = asymmetry_test(PairwiseData(tuple(str(row["studlab"]) for row in ONE), effect, se, "md", n, n))
    assert (found.egger.statistic, found.egger.p) == pytest.approx((egger.statistic, egger.p), rel=1e-9)


def test_effects_point_to_the_treatment_named_later() -> None:
    result = network_meta_analysis(read_network(ONE + MORE, "md"), "md", "a")
    forth = network_funnel(result, ("a", "b", "c"))
    back = network_funnel(result, ("c", "b", "a"))
    assert set(zip(forth.table["treat1"], forth.table["treat2"], strict=True)) == {("b", "a"), ("c", "a"), ("c", "b")}
    assert back.table["adjusted"].to_numpy() == pytest.approx(-forth.table["adjusted"].to_numpy())
    for _, part in forth.table.groupby(["treat1", "treat2"]):
        w = 1 / (part["se"] ** 2 + result.tau2)
        assert np.dot(w, part["adjusted"]) == pytest.approx(0.0, abs=1e-10)
    assert set(network_funnel(result).table["treat2"]) == {"a"}, "by default, comparisons with the reference"
    legend = comparison_funnel_figure(forth).axes[0].get_legend()
    assert legend is not None and {"b : a", "c : a", "c : b"} <= {text.get_text() for text in legend.get_texts()}


@pytest.mark.parametrize(("order", "error", "said"), [(("a", "a"), InvalidOption, "stands twice"), (("a", "x"), UnknownEntry, "'x'"),
                                                      (("a", "c"), InvalidData, "at least 3 effects; of a, c there are 2")])  # fmt: skip
def test_an_order_that_cannot_be_is_refused(order: tuple[str, ...], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        network_funnel(network_meta_analysis(read_network(ONE + MORE, "md"), "md", "a"), order)
