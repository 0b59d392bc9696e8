"""Matrices of network meta-analysis as figures: league table, net heat, contributions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ketasim.arguments import checked
from ketasim.report._network_style import DIVERGING, canvas, caption, measure_name, styled, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ketasim.synthesis import Contribution, NetHeat, NetworkResult

Floats = NDArray[np.float64]


@checked
def league_figure(result: NetworkResult, model: str = "random", order: Sequence[str] = (), direct: bool = True) -> Figure:
    """League heat map: below the diagonal the network estimate of column against row, above it the direct one of row against column.

    Parameters
    ----------
    order : treatments, best first; default by the ranking in which small values are good. direct : fill the upper triangle.

    Notes
    -----
    So in both triangles the better-ranked treatment is compared with the worse one. Bold: the interval excludes no effect.
    """
    one = result.model(model)
    names = list(order) or list(_by_rank(result, model))
    n = len(names)
    values, texts, strong = np.full((n, n), np.nan), {}, set()
    for i, j in itertools.combinations(range(n), 2):
        pair = one.pair(names[i], names[j])
        values[j, i], texts[j, i] = pair["estimate"], _estimate_text(pair, one.is_log)
        strong |= {(j, i)} if pair["ci_low"] * pair["ci_high"] > 0 else set()
        found = _direct_pair(result, names[i], names[j], one.tau2) if direct else None
        if found:
            values[i, j], texts[i, j] = found["estimate"], _estimate_text(found, one.is_log)
            strong |= {(i, j)} if found["ci_low"] * found["ci_high"] > 0 else set()
    with styled():
        figure = canvas(1.25 * n + 1.2, 0.72 * n + 1.1)
        axis = figure.subplots()
        # One extreme effect must not wash out the others.
        limit = float(np.nanquantile(np.abs(values), 0.95))
        _league_cells(axis, values, texts, strong, names, limit)
        _colour_bar(figure, axis, limit, measure_name(one.measure), one.is_log)
        what = f"{measure_name(one.measure)}, {model} effects; {100 * one.level:g} % intervals. "
        caption(figure, what + ("Below: network, column vs row. Above: direct, row vs column." if direct else "Column vs row."))
    return figure


def _by_rank(result: NetworkResult, model: str) -> list[str]:
    from ketasim.synthesis import p_scores

    scores = p_scores(result.model(model), "good")
    return sorted(scores, key=lambda t: -scores[t])


def _direct_pair(result: NetworkResult, a: str, b: str, tau2: float) -> dict[str, float] | None:
    from scipy import stats

    from ketasim.synthesis import direct_evidence

    found = direct_evidence(result.data, a, b, tau2)
    if found is None:
        return None
    half = float(stats.norm.ppf((1 + result.level) / 2)) * found[1] ** 0.5
    out = {"estimate": found[0], "ci_low": found[0] - half, "ci_high": found[0] + half}
    return out | ({f"exp_{k}": math.exp(v) for k, v in out.items()} if result.data.is_log else {})


def _estimate_text(pair: Mapping[str, float], is_log: bool) -> str:
    prefix = "exp_" if is_log else ""
    estimate, low, high = (_short(pair[prefix + k]) for k in ("estimate", "ci_low", "ci_high"))
    return f"{estimate}\n({low}, {high})"


def _short(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 100 else f"{value:.3g}"


def _league_cells(
    axis: Axes, values: Floats, texts: Mapping[Any, str], strong: set[tuple[int, int]], names: Sequence[str], limit: float
) -> None:
    n = len(names)
    axis.imshow(values, cmap=DIVERGING, vmin=-1.25 * limit, vmax=1.25 * limit, aspect="auto")
    for (i, j), text in texts.items():
        dark = abs(values[i, j]) > 0.75 * limit
        axis.text(
            j, i, text, ha="center", va="center", fontsize=7, color="white" if dark else "#222222",
            fontweight="bold" if (i, j) in strong else "normal",
        )  # fmt: skip
    for i, name in enumerate(names):
        axis.text(i, i, wrapped(name, 14), ha="center", va="center", fontsize=8, fontweight="bold")
    axis.set_xticks([])
    axis.set_yticks([])
    _cell_borders(axis, n, n, "white", 1.5)


def _cell_borders(axis: Axes, rows: int, columns: int, colour: str, width: float) -> None:
    """Lines between cells, and no frame."""
    axis.set_xticks(np.arange(-0.5, columns), minor=True)
    axis.set_yticks(np.arange(-0.5, rows), minor=True)
    axis.grid(which="minor", color=colour, lw=width)
    axis.tick_params(which="both", length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)


def _colour_bar(figure: Figure, axis: Axes, limit: float, label: str, is_log: bool) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    bar = figure.colorbar(
        ScalarMappable(Normalize(-1.25 * limit, 1.25 * limit), DIVERGING), ax=axis, fraction=0.03, pad=0.01, shrink=0.75
    )
    bar.set_label(label, fontsize=8)
    if is_log:
        wide = limit > 2.5
        ratios = [
            v for v in ((0.01, 0.1, 1, 10, 100) if wide else (0.1, 0.2, 0.5, 1, 2, 5, 10)) if abs(math.log(v)) <= 1.25 * limit
        ]
        bar.set_ticks([math.log(v) for v in ratios], labels=[f"{v:g}" for v in ratios])
    bar.outline.set_visible(False)  # type: ignore[operator]


@checked
def net_heat_figure(heat: NetHeat) -> Figure:
    """Net heat plot: colour is the fall of a row design's Q when the column design is detached; grey squares its contribution."""
    from matplotlib.patches import Rectangle

    names = [" : ".join(d) for d in heat.designs]
    n = len(names)
    limit = float(np.abs(heat.q_difference).max()) or 1.0
    with styled():
        figure = canvas(0.46 * n + 2.3 + 0.08 * max(map(len, names)), 0.46 * n + 1.4)
        axis = figure.subplots()
        axis.imshow(heat.q_difference, cmap=DIVERGING, vmin=-limit, vmax=limit)
        for i, j in itertools.product(range(n), range(n)):
            side = 0.86 * math.sqrt(min(1.0, heat.hat[i, j]))
            if side > 0.06:
                axis.add_patch(Rectangle((j - side / 2, i - side / 2), side, side, fc="#7d7d7d", ec="white", lw=0.4, alpha=0.75))
        numbers = [str(k) for k in range(1, n + 1)]
        axis.set_xticks(range(n), numbers, fontsize=8)
        axis.set_yticks(range(n), [f"{name}  {k}" for name, k in zip(names, numbers, strict=True)], fontsize=8)
        _cell_borders(axis, n, n, "white", 0.8)
        axis.set_xlabel("design detached, as numbered in the rows")
        bar = figure.colorbar(axis.images[0], ax=axis, fraction=0.04, pad=0.02, shrink=0.8)
        bar.set_label("fall of Q in the row design (red: inconsistency\ncaused by the column design)", fontsize=8)
        bar.outline.set_visible(False)  # type: ignore[operator]
        caption(figure, f"Net heat, {heat.model} effects. Columns: design detached. Grey area: contribution of column to row.")
    return figure


@checked
def contribution_figure(matrix: Contribution, reference: str = "") -> Figure:
    """Percent contribution of direct comparisons to the estimates against a reference, or to all where there are few."""
    keep = [k for k, pair in enumerate(matrix.comparisons) if not reference or reference in pair]
    rows = [_against(matrix.comparisons[k], reference) for k in keep]
    share = 100 * matrix.share[keep]
    used = np.flatnonzero(share.max(axis=0) >= 0.05)
    columns = [" :\n".join(matrix.direct[k]) for k in used]
    share = share[:, used]
    with styled():
        figure = canvas(0.5 * len(columns) + 1.0 + 0.075 * max(map(len, rows)), 0.32 * len(rows) + 2.0)
        axis = figure.subplots()
        axis.imshow(share, cmap="Blues", vmin=0, vmax=100, aspect="auto")
        for i, j in itertools.product(range(len(rows)), range(len(columns))):
            if share[i, j] >= 0.5:
                axis.text(
                    j,
                    i,
                    f"{share[i, j]:.0f}",
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="white" if share[i, j] > 55 else "#222222",
                )
        axis.set_xticks(
            range(len(columns)), columns, rotation=60, ha="right", rotation_mode="anchor", fontsize=7.5, linespacing=0.95
        )
        axis.set_yticks(range(len(rows)), rows, fontsize=8)
        _cell_borders(axis, len(rows), len(columns), "#e8e8e8", 0.8)
        axis.set_xlabel("direct comparison")
        caption(figure, f"Percent contribution, {matrix.model} effects ({matrix.method}).")
    return figure


def _against(pair: tuple[str, str], reference: str) -> str:
    one, other = pair if pair[0] != reference else pair[::-1]
    return f"{one} vs {other}"
