"""Forest and funnel plots hold what they should, and nothing overlaps; how they look is seen by eye."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ketasim import report
from ketasim.errors import InvalidOption
from ketasim.report._forest import ratio_ticks
from ketasim.synthesis import PairwiseResult, asymmetry_test, pairwise, trim_and_fill

DATA = Path(__file__).parents[2] / "reference" / "data" / "pairwise"


@pytest.fixture(scope="module")
def result() -> PairwiseResult:
    return pairwise(DATA / "bcg.csv", "rr", subgroup="alloc", covariates=("year",))


def words(figure: Any) -> list[str]:
    return [t.get_text() for t in (*figure.axes[0].texts, *figure.texts) if t.get_text()]


def overlaps(figure: Any) -> list[tuple[str, str]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in (*figure.axes[0].texts, *figure.texts) if t.get_text()]
    width, height = figure.canvas.get_width_height()
    for text, box in boxes:
        assert box.x0 >= 0 and box.x1 <= width + 1 and box.y0 >= 0 and box.y1 <= height + 1, f"'{text}' leaves the figure"
    return [
        (a, b) for k, (a, one) in enumerate(boxes) for b, other in boxes[k + 1 :]
        if min(one.x1, other.x1) - max(one.x0, other.x0) > 1 and min(one.y1, other.y1) - max(one.y0, other.y0) > 1
    ]  # fmt: skip


def test_forest(result: PairwiseResult) -> None:
    figure = report.forest_figure(result, model="both", favours=("vaccine", "control"), title="BCG")
    found = words(figure)
    for text in (
        "TPT Madras 1980",
        "505/88391",
        "1.01 [0.89, 1.14]",
        "alloc: random",
        "Prediction interval",
        "BCG",
        "← favours vaccine",
    ):
        assert text in found
    assert any(t.startswith("Heterogeneity: τ² = 0.31 (0.12 to 1.11; REML), I² = 92 %") for t in found)
    assert any(t.startswith("Subtotal, random (I² = 90 %") for t in found)
    assert overlaps(figure) == []


def test_squares_have_areas_by_weight(result: PairwiseResult) -> None:
    axis = report.forest_figure(result).axes[0]
    squares = [c for c in axis.collections if hasattr(c, "get_sizes") and len(c.get_sizes())]
    sizes = np.array([c.get_sizes()[0] for c in squares])
    order = [i for g in result.subgroups for i in g.rows]
    assert len(sizes) == 13
    assert np.corrcoef(sizes, result.random.weights[order])[0, 1] == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(
    "name, measure", [("normand1999", "md"), ("hine1989", "rd"), ("raudenbush1985", "smd"), ("hine1989", "or")]
)
@pytest.mark.filterwarnings("ignore::ketasim.errors.KetasimWarning")
def test_nothing_overlaps(name: str, measure: str) -> None:
    found = pairwise(DATA / f"{name}.csv", measure, hk=True)
    assert overlaps(report.forest_figure(found)) == []
    assert overlaps(report.series_figure(found.leave_one_out())) == []


def test_hard_shapes() -> None:
    """One study; long names; effects far from none; an interval far wider than the rest is cut and gets an arrow."""
    one = pairwise([{"study": "only", "TE": 0.2, "seTE": 0.1}], "md")
    assert overlaps(report.forest_figure(one)) == []
    rows = [
        {"study": f"A rather long name of a study group, number {k}, 2020", "TE": 4.0 + 0.1 * k, "seTE": 0.1} for k in range(4)
    ]
    far = pairwise([*rows, {"study": "vague", "TE": 4.2, "seTE": 9.0}], "md", prediction="normal")
    figure = report.forest_figure(far, favours=("a treatment with a long name", "another one with a long name"))
    assert overlaps(figure) == []
    assert any("…" in t and t.endswith("number 3, 2020") for t in words(figure))
    arrows = [line for line in figure.axes[0].lines if line.get_marker() in ("<", ">")]
    assert len(arrows) == 2


def test_series(result: PairwiseResult) -> None:
    found = words(report.series_figure(result.cumulative("year"), favours=("vaccine", "control")))
    assert "Adding" in found
    assert "Random effects (REML). Dashed: all 13 studies." in found


def test_funnel(result: PairwiseResult) -> None:
    filled, egger = trim_and_fill(result), asymmetry_test(result)
    axis = report.funnel_figure(result, filled=filled, egger=egger).axes[0]
    legend = [t.get_text() for t in axis.get_legend().get_texts()]
    assert {"studies", "filled", "p < 0.01", "pooled effect"} <= set(legend)
    assert any(t.startswith("Egger") for t in legend)
    assert axis.get_ylim()[0] > axis.get_ylim()[1] == 0
    low, high = axis.get_xlim()
    assert low < filled.data.effect.min() < filled.data.effect.max() < high
    plain = report.funnel_figure(result, contours=False).axes[0]
    assert "95 % limits around it" in [t.get_text() for t in plain.get_legend().get_texts()]


@pytest.mark.parametrize("low, high", [(0.8, 1.25), (0.5, 2.0), (0.02, 40.0), (1e-5, 1e5), (0.91, 0.97), (3.0, 900.0)])
def test_ticks_of_ratios(low: float, high: float) -> None:
    ticks = ratio_ticks(math.log(low), math.log(high))
    assert 1 <= len(ticks) <= 6
    assert all(low <= t <= high for t in ticks)
    assert ticks == sorted(ticks)
    assert 1.0 in ticks or not low <= 1 <= high


def test_wrong_model(result: PairwiseResult) -> None:
    with pytest.raises(InvalidOption, match="random, common or both"):
        report.forest_figure(result, model="fixed")
