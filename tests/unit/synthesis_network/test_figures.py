"""Figures hold what they should; how they look is seen by eye."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.synthesis_network.networks import contrast, random_contrasts
from tests.unit.synthesis_network.test_models import dose_rows

from ketasim import report
from ketasim.errors import InvalidOption
from ketasim.report._network import _circle_order, _crossings
from ketasim.synthesis import (
    contribution,
    dose_network,
    net_heat,
    network_meta_analysis,
    ranking,
    read_dose_network,
    read_network,
    split_evidence,
)


def texts(figure: Any) -> list[str]:
    found = [
        t.get_text() for axis in figure.axes for t in (*axis.texts, *axis.get_xticklabels(), *axis.get_yticklabels(), axis.title)
    ]
    return [t for t in found if t]


@pytest.fixture(scope="module")
def result() -> Any:
    return network_meta_analysis(random_contrasts(3), "or", "t0")


def test_graph(result: Any) -> None:
    figure = report.network_figure(result.data, {"t0": "Placebo"})
    assert {"Placebo", "t1", "t4"} <= set(texts(figure))
    counts = sorted(len(v) for v in result.data.comparisons().values())
    assert sorted(int(t) for t in texts(figure) if t.isdigit()) == counts
    assert len(figure.axes[0].patches) == sum(len(d) > 2 for d in result.data.designs())
    assert "Node area: studies" in figure.get_supxlabel()


def test_graph_has_few_crossings() -> None:
    """A ring of six can be drawn without any."""
    names = "acebdf"
    rows = [contrast(str(k), names[k], names[(k + 1) % 6], 1.0) for k in range(6)]
    data = read_network(rows, "md")
    assert _crossings(_circle_order(data), list(data.comparisons())) == 0


def test_league(result: Any) -> None:
    figure = report.league_figure(result, order=["t4", "t3", "t2", "t1", "t0"])
    pair = result.random.pair("t4", "t3")
    cell = f"{pair['exp_estimate']:.2f}\n({pair['exp_ci_low']:.2f}, {pair['exp_ci_high']:.2f})"
    assert cell in texts(figure)
    assert sum("(" in t for t in texts(report.league_figure(result, direct=False))) == 10


def test_rankogram(result: Any) -> None:
    ranked = ranking(result.random)
    figure = report.rankogram_figure(ranked)
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert len(shown) == 5
    assert shown[0].get_title().startswith(f"{ranked.treatments[0]}\nSUCRA")
    assert [p.get_height() for p in shown[0].patches] == pytest.approx(list(ranked.probability[0]))


def test_heat_contribution_split(result: Any, tmp_path: Any) -> None:
    heat = net_heat(result)
    assert len(texts(report.net_heat_figure(heat))) >= 2 * len(heat.designs)
    shares = contribution(result)
    figure = report.contribution_figure(shares, "t0")
    assert {"t1 vs t0", "t4 vs t0"} <= set(texts(figure))
    split = report.split_figure(split_evidence(result))
    assert any(t.startswith("p 0.") for t in texts(split))
    for k, one in enumerate((figure, split)):
        assert report.save_figure(one, tmp_path / f"{k}.png").stat().st_size > 5_000


def test_nothing_to_split() -> None:
    lone = network_meta_analysis([contrast("1", "a", "b", 1.0)], "md")
    with pytest.raises(InvalidOption, match="nothing to split"):
        report.split_figure(split_evidence(lone))


def test_dose_curves() -> None:
    data = read_dose_network(dose_rows({"x": lambda d: 8 * d / (1.5 + d), "y": lambda d: 5 * d / (15 + d)}, noise=0.1), "md")
    figure = report.dose_curve_figure(dose_network(data, "linear"))
    assert [axis.get_title() for axis in figure.axes] == ["x", "y"]
