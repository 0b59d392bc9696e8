"""Figures of network meta-analysis: the graph, league heat map, rankograms, net heat, contributions, direct against indirect."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ketasim.errors import InvalidOption
from ketasim.report._figures import _STYLE, PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ketasim.synthesis import Contribution, DoseResult, EvidenceSplit, NetHeat, NetworkData, NetworkResult, Ranking

Floats = NDArray[np.float64]
_MAP = "RdBu_r"
_NODE, _EDGE = PALETTE[0], "#8a8a8a"


def _canvas(width: float, height: float, **options: Any) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", **options)


def _styled() -> Any:
    import matplotlib

    return matplotlib.rc_context(_STYLE | {"axes.grid": False})


def network_figure(data: NetworkData, labels: Mapping[str, str] | None = None) -> Figure:
    """Network graph: node area by patients (by studies where numbers are missing), edge width by studies, multi-arm studies shaded.

    Parameters
    ----------
    labels : names to show instead of those of the network.
    """
    with _styled():
        figure = _canvas(6.6, 5.6)
        axis = figure.subplots()
        names = _circle_order(data)
        angle = {t: math.pi / 2 - 2 * math.pi * k / len(names) for k, t in enumerate(names)}
        place = {t: np.array([math.cos(a), math.sin(a)]) for t, a in angle.items()}
        shaded = _shade_multi_arm(axis, data, place)
        counts = {pair: len(studies) for pair, studies in data.comparisons().items()}
        _draw_edges(axis, counts, place)
        weight, what = _node_weights(data)
        _draw_nodes(axis, weight, place)
        for t in names:
            _outside_label(axis, place[t] * (1.07 + 0.08 * weight[t] ** 0.5), angle[t], (labels or {}).get(t, t))
        axis.set_aspect("equal")
        axis.set(xlim=(-1.75, 1.75), ylim=(-1.32, 1.32))
        axis.axis("off")
        caption = f"{len(data.studies)} studies, {len(names)} treatments. Node area: {what}. Line width and number: studies."
        figure.supxlabel(caption + (" Shaded: multi-arm studies." if shaded else ""), fontsize=8, color="#444444")
    return figure


def _circle_order(data: NetworkData) -> list[str]:
    """An order around the circle with few crossings: start at the busiest, then swap while crossings fall."""
    names = sorted(data.treatments, key=lambda t: (-sum(t in s.arms for s in data.studies), t))
    edges = list(data.comparisons())
    if len(names) < 4 or len(names) > 25:
        return names
    best, crossings = names, _crossings(names, edges)
    improved = True
    while improved and crossings:
        improved = False
        for i, j in itertools.combinations(range(1, len(names)), 2):
            trial = best.copy()
            trial[i], trial[j] = trial[j], trial[i]
            found = _crossings(trial, edges)
            if found < crossings:
                best, crossings, improved = trial, found, True
    return best


def _crossings(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> int:
    at = {t: k for k, t in enumerate(names)}
    ends = np.sort(np.array([[at[a], at[b]] for a, b in edges]), axis=1)
    a, b = ends[:, 0], ends[:, 1]
    inside = (a[:, None] < a[None, :]) & (a[None, :] < b[:, None]) & (b[:, None] < b[None, :])
    return int(inside.sum())


def _shade_multi_arm(axis: Axes, data: NetworkData, place: Mapping[str, Floats]) -> bool:
    from matplotlib.patches import Polygon

    designs = [design for design in data.designs() if len(design) > 2]
    for k, design in enumerate(designs):
        corners = np.array([place[t] for t in design])
        middle = corners.mean(axis=0)
        order = np.argsort(np.arctan2(*(corners - middle).T[::-1]))
        axis.add_patch(Polygon(corners[order], closed=True, color=PALETTE[(k + 1) % 6], alpha=0.16, lw=0, zorder=1))
    return bool(designs)


def _draw_edges(axis: Axes, counts: Mapping[tuple[str, str], int], place: Mapping[str, Floats]) -> None:
    most = max(counts.values())
    for (a, b), n in counts.items():
        ends = np.array([place[a], place[b]])
        axis.plot(*ends.T, color=_EDGE, lw=1.0 + 7.0 * n / max(most, 3), solid_capstyle="round", zorder=2)
        # Away from the middle, where long edges cross.
        share = 0.5 if np.linalg.norm(ends.mean(axis=0)) > 0.25 else 0.36
        at = share * ends[0] + (1 - share) * ends[1]
        axis.text(
            *at, str(n), fontsize=7.5, ha="center", va="center", zorder=5, color="#222222",
            bbox={"boxstyle": "round,pad=0.14", "fc": "white", "ec": "none", "alpha": 0.9},
        )  # fmt: skip


def _node_weights(data: NetworkData) -> tuple[dict[str, float], str]:
    """Share of the largest node, by patients or else by studies."""
    patients = data.patients()
    known = all(math.isfinite(v) for v in patients.values())
    weight = patients if known else {t: float(sum(t in s.arms for s in data.studies)) for t in data.treatments}
    most = max(weight.values())
    return {t: v / most for t, v in weight.items()}, "patients" if known else "studies"


def _draw_nodes(axis: Axes, weight: Mapping[str, float], place: Mapping[str, Floats]) -> None:
    for t, at in place.items():
        axis.scatter(*at, s=60 + 940 * weight[t], color=_NODE, edgecolor="white", linewidth=1.4, zorder=4)


def _outside_label(axis: Axes, at: Floats, angle: float, text: str) -> None:
    side = "center" if abs(math.cos(angle)) < 0.25 else "left" if math.cos(angle) > 0 else "right"
    height = "bottom" if math.sin(angle) > 0.85 else "top" if math.sin(angle) < -0.85 else "center"
    axis.text(*at, _wrapped(text, 20 if side == "center" else 13), ha=side, va=height, fontsize=9.5, zorder=6)


def _wrapped(text: str, width: int) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)) or text


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
    with _styled():
        figure = _canvas(1.25 * n + 1.2, 0.72 * n + 1.1)
        axis = figure.subplots()
        # One extreme effect must not wash out the others.
        limit = float(np.nanquantile(np.abs(values), 0.95))
        _league_cells(axis, values, texts, strong, names, limit)
        _colour_bar(figure, axis, limit, _measure_name(one.measure), one.is_log)
        what = f"{_measure_name(one.measure)}, {model} effects; {100 * one.level:g} % intervals. "
        _caption(figure, what + ("Below: network, column vs row. Above: direct, row vs column." if direct else "Column vs row."))
    return figure


def _by_rank(result: NetworkResult, model: str) -> list[str]:
    from ketasim.synthesis import p_scores

    scores = p_scores(result.model(model), "good")
    return sorted(scores, key=lambda t: -scores[t])


def _direct_pair(result: NetworkResult, a: str, b: str, tau2: float) -> dict[str, float] | None:
    from scipy import stats

    studies = result.data.comparisons().get((min(a, b), max(a, b)), ())
    if not studies:
        return None
    pairs = [result.data.studies[k].pair(a, b) for k in studies]
    w = np.array([1 / (v + tau2) for _, v in pairs])
    effect, se = float(w @ np.array([e for e, _ in pairs]) / w.sum()), float(w.sum() ** -0.5)
    z = float(stats.norm.ppf((1 + result.level) / 2))
    out = {"estimate": effect, "ci_low": effect - z * se, "ci_high": effect + z * se}
    return out | {f"exp_{k}": math.exp(v) for k, v in out.items()}


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
    axis.imshow(values, cmap=_MAP, vmin=-1.25 * limit, vmax=1.25 * limit, aspect="auto")
    for (i, j), text in texts.items():
        dark = abs(values[i, j]) > 0.75 * limit
        axis.text(
            j, i, text, ha="center", va="center", fontsize=7, color="white" if dark else "#222222",
            fontweight="bold" if (i, j) in strong else "normal",
        )  # fmt: skip
    for i, name in enumerate(names):
        axis.text(i, i, _wrapped(name, 14), ha="center", va="center", fontsize=8, fontweight="bold")
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


def _caption(figure: Figure, text: str) -> None:
    """What a figure shows, above it, within its width."""
    width = int(figure.get_figwidth() * 15)
    figure.suptitle(_wrapped(text, width), fontsize=8, fontweight="normal", color="#444444", x=0.01, ha="left")


def _colour_bar(figure: Figure, axis: Axes, limit: float, label: str, is_log: bool) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    bar = figure.colorbar(
        ScalarMappable(Normalize(-1.25 * limit, 1.25 * limit), _MAP), ax=axis, fraction=0.03, pad=0.01, shrink=0.75
    )
    bar.set_label(label, fontsize=8)
    if is_log:
        wide = limit > 2.5
        ratios = [
            v for v in ((0.01, 0.1, 1, 10, 100) if wide else (0.1, 0.2, 0.5, 1, 2, 5, 10)) if abs(math.log(v)) <= 1.25 * limit
        ]
        bar.set_ticks([math.log(v) for v in ratios], labels=[f"{v:g}" for v in ratios])
    bar.outline.set_visible(False)  # type: ignore[operator]


def _measure_name(measure: str) -> str:
    from ketasim.synthesis import NETWORK_MEASURES

    return NETWORK_MEASURES[measure]


def rankogram_figure(ranking: Ranking) -> Figure:
    """Rank probabilities of each treatment as bars, cumulative as a line, best treatment first."""
    n = len(ranking.treatments)
    columns = min(n, 5 if n > 8 else 4)
    rows = math.ceil(n / columns)
    ranks = np.arange(1, n + 1)
    with _styled():
        figure = _canvas(1.75 * columns + 0.5, 1.55 * rows + 0.55)
        axes = np.atleast_1d(np.asarray(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False))).ravel()
        for k, (axis, name) in enumerate(zip(axes, ranking.treatments, strict=False)):
            axis.bar(ranks, ranking.probability[k], color=_NODE, width=0.82)
            axis.step(ranks, ranking.cumulative[k], where="mid", color=PALETTE[1], lw=1.2)
            axis.set_title(f"{_wrapped(name, 24)}\nSUCRA {100 * ranking.sucra[k]:.0f} %", fontsize=8, fontweight="normal")
            axis.set(ylim=(0, 1.02), xlim=(0.4, n + 0.6))
            axis.set_xticks(ranks if n <= 8 else ranks[::2])
            axis.tick_params(labelsize=7, labelbottom=k + columns >= n)
        for axis in axes[n:]:
            axis.set_visible(False)
        figure.supxlabel("rank (1 = best); bars: probability, line: cumulative", fontsize=8, color="#444444")
        figure.supylabel("probability", fontsize=8, color="#444444")
    return figure


def net_heat_figure(heat: NetHeat) -> Figure:
    """Net heat plot: colour is the fall of a row design's Q when the column design is detached; grey squares its contribution."""
    from matplotlib.patches import Rectangle

    names = [" : ".join(d) for d in heat.designs]
    n = len(names)
    limit = float(np.abs(heat.q_difference).max()) or 1.0
    with _styled():
        figure = _canvas(0.46 * n + 1.6 + 0.075 * max(map(len, names)), 0.46 * n + 1.4)
        axis = figure.subplots()
        axis.imshow(heat.q_difference, cmap=_MAP, vmin=-limit, vmax=limit)
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
        _caption(figure, f"Net heat, {heat.model} effects. Columns: design detached. Grey area: contribution of column to row.")
    return figure


def contribution_figure(matrix: Contribution, reference: str = "") -> Figure:
    """Percent contribution of direct comparisons to the estimates against a reference, or to all where there are few."""
    keep = [k for k, pair in enumerate(matrix.comparisons) if not reference or reference in pair]
    rows = [_against(matrix.comparisons[k], reference) for k in keep]
    share = 100 * matrix.share[keep]
    used = np.flatnonzero(share.max(axis=0) >= 0.05)
    columns = [" :\n".join(matrix.direct[k]) for k in used]
    share = share[:, used]
    with _styled():
        figure = _canvas(0.5 * len(columns) + 1.0 + 0.075 * max(map(len, rows)), 0.32 * len(rows) + 2.0)
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
        _caption(figure, f"Percent contribution, {matrix.model} effects ({matrix.method}).")
    return figure


def _against(pair: tuple[str, str], reference: str) -> str:
    one, other = pair if pair[0] != reference else pair[::-1]
    return f"{one} vs {other}"


def split_figure(split: EvidenceSplit, level: float = 0.95) -> Figure:
    """Direct, indirect and network estimates of every comparison that has both kinds of evidence, with the p of their difference.

    Raises
    ------
    InvalidOption: no comparison has both kinds of evidence.
    """
    from scipy import stats

    rows = [r for r in split.rows if math.isfinite(r["indirect"]) and math.isfinite(r["direct"])]
    if not rows:
        raise InvalidOption("no comparison has both direct and indirect evidence; there is nothing to split.")
    is_log, z = split.is_log, float(stats.norm.ppf((1 + level) / 2))
    kinds = (("direct", "s", PALETTE[0]), ("indirect", "D", PALETTE[1]), ("network", "o", "#000000"))
    with _styled():
        figure = _canvas(7.0, 0.5 * len(rows) + 1.3)
        axis = figure.subplots()
        for k, row in enumerate(rows):
            for offset, (kind, marker, colour) in zip((-0.24, 0.0, 0.24), kinds, strict=True):
                middle, half = row[kind], z * row[f"se_{kind}"]
                ends = [middle - half, middle, middle + half]
                low, at, high = [math.exp(v) for v in ends] if is_log else ends
                axis.plot([low, high], [k + offset] * 2, color=colour, lw=1.1)
                axis.plot([at], [k + offset], marker, color=colour, ms=4.2, label=kind if k == 0 else None)
            axis.text(1.01, k, f"p {row['p']:.2f}", transform=axis.get_yaxis_transform(), va="center", fontsize=8)
        axis.axvline(1.0 if is_log else 0.0, color="#999999", lw=0.8, zorder=0)
        axis.set_yticks(range(len(rows)), [f"{r['treat1']} vs {r['treat2']}" for r in rows], fontsize=8)
        axis.set_ylim(len(rows) - 0.5, -0.6)
        axis.tick_params(axis="y", length=0)
        axis.set_xlabel(f"{_measure_name(split.measure)}, {split.model} effects ({split.method})")
        if is_log:
            axis.set_xscale("log")
            plain_log_axis(axis)
        figure.legend(loc="outside lower center", ncols=3)
    return figure


def plain_log_axis(axis: Axes) -> None:
    """Ratios on a logarithmic axis as plain numbers: 0.5, 1, 2."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axis.get_xlim()
    axis.xaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0) if high / low < 1e3 else (1.0,)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())


def dose_curve_figure(result: DoseResult, points: int = 101) -> Figure:
    """Fitted dose-response curve per agent with its interval; ticks on the axis are the doses studied."""
    agents = result.data.agents
    columns = min(3, len(agents))
    rows = math.ceil(len(agents) / columns)
    with _styled():
        figure = _canvas(3.0 * columns + 0.4, 2.3 * rows + 0.4)
        axes = np.atleast_1d(np.asarray(figure.subplots(rows, columns, sharey=True, squeeze=False))).ravel()
        for axis, agent in zip(axes, agents, strict=False):
            doses = result.data.doses(agent)
            curve = result.curve(agent, np.linspace(0.0, doses[-1], points))
            axis.fill_between(curve["dose"], curve["ci_low"], curve["ci_high"], color=_NODE, alpha=0.18, lw=0)
            axis.plot(curve["dose"], curve["estimate"], color=_NODE, lw=1.5)
            axis.plot(
                doses, np.zeros(len(doses)), "|", color="#222222", ms=9, transform=axis.get_xaxis_transform(), clip_on=False
            )
            axis.axhline(0.0, color="#999999", lw=0.8, zorder=0)
            axis.set_title(_wrapped(agent, 30))
            axis.set(xlabel="dose", xlim=(0.0, None))
        for axis in axes[len(agents) :]:
            axis.set_visible(False)
        scale = "log " if result.data.network.is_log else ""
        figure.supylabel(f"{scale}{_measure_name(result.data.network.measure)} against dose 0", fontsize=8)
    return figure
