"""Figures of network meta-analysis: the graph, rankograms, direct against indirect evidence, dose-response curves."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ketasim.arguments import checked
from ketasim.errors import InvalidOption
from ketasim.report._figures import PALETTE, plain_log_axis
from ketasim.report._network_style import NODE, canvas, measure_name, styled, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ketasim.synthesis import DoseResult, EvidenceSplit, NetworkData, Ranking

Floats = NDArray[np.float64]
_EDGE = "#8a8a8a"


@checked
def network_figure(data: NetworkData, labels: Mapping[str, str] | None = None) -> Figure:
    """Network graph: node area by patients (by studies where numbers are missing), edge width by studies, multi-arm studies shaded.

    Parameters
    ----------
    labels : names to show instead of those of the network.
    """
    with styled():
        figure = canvas(6.6, 5.6)
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
        axis.scatter(*at, s=60 + 940 * weight[t], color=NODE, edgecolor="white", linewidth=1.4, zorder=4)


def _outside_label(axis: Axes, at: Floats, angle: float, text: str) -> None:
    side = "center" if abs(math.cos(angle)) < 0.25 else "left" if math.cos(angle) > 0 else "right"
    height = "bottom" if math.sin(angle) > 0.85 else "top" if math.sin(angle) < -0.85 else "center"
    axis.text(*at, wrapped(text, 20 if side == "center" else 13), ha=side, va=height, fontsize=9.5, zorder=6)


@checked
def rankogram_figure(ranking: Ranking) -> Figure:
    """Rank probabilities of each treatment as bars, cumulative as a line, best treatment first."""
    n = len(ranking.treatments)
    columns = min(n, 5 if n > 8 else 4)
    rows = math.ceil(n / columns)
    ranks = np.arange(1, n + 1)
    with styled():
        figure = canvas(1.75 * columns + 0.5, 1.55 * rows + 0.55)
        axes = np.atleast_1d(np.asarray(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False))).ravel()
        for k, (axis, name) in enumerate(zip(axes, ranking.treatments, strict=False)):
            axis.bar(ranks, ranking.probability[k], color=NODE, width=0.82)
            axis.step(ranks, ranking.cumulative[k], where="mid", color=PALETTE[1], lw=1.2)
            axis.set_title(f"{wrapped(name, 24)}\nSUCRA {100 * ranking.sucra[k]:.0f} %", fontsize=8, fontweight="normal")
            axis.set(ylim=(0, 1.02), xlim=(0.4, n + 0.6))
            axis.set_xticks(ranks if n <= 8 else ranks[::2])
            axis.tick_params(labelsize=7, labelbottom=k + columns >= n)
        for axis in axes[n:]:
            axis.set_visible(False)
        figure.supxlabel("rank (1 = best); bars: probability, line: cumulative", fontsize=8, color="#444444")
        figure.supylabel("probability", fontsize=8, color="#444444")
    return figure


@checked
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
    with styled():
        figure = canvas(7.0, 0.5 * len(rows) + 1.3)
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
        axis.set_xlabel(f"{measure_name(split.measure)}, {split.model} effects ({split.method})")
        if is_log:
            axis.set_xscale("log")
            plain_log_axis(axis)
        figure.legend(loc="outside lower center", ncols=3)
    return figure


@checked
def dose_curve_figure(result: DoseResult, points: int = 101) -> Figure:
    """Fitted dose-response curve per agent with its interval; ticks on the axis are the doses studied."""
    agents = result.data.agents
    columns = min(3, len(agents))
    rows = math.ceil(len(agents) / columns)
    with styled():
        figure = canvas(3.0 * columns + 0.4, 2.3 * rows + 0.4)
        axes = np.atleast_1d(np.asarray(figure.subplots(rows, columns, sharey=True, squeeze=False))).ravel()
        for axis, agent in zip(axes, agents, strict=False):
            doses = result.data.doses(agent)
            curve = result.curve(agent, np.linspace(0.0, doses[-1], points))
            axis.fill_between(curve["dose"], curve["ci_low"], curve["ci_high"], color=NODE, alpha=0.18, lw=0)
            axis.plot(curve["dose"], curve["estimate"], color=NODE, lw=1.5)
            axis.plot(
                doses, np.zeros(len(doses)), "|", color="#222222", ms=9, transform=axis.get_xaxis_transform(), clip_on=False
            )
            axis.axhline(0.0, color="#999999", lw=0.8, zorder=0)
            axis.set_title(wrapped(agent, 30))
            axis.set(xlabel="dose", xlim=(0.0, None))
        for axis in axes[len(agents) :]:
            axis.set_visible(False)
        scale = "log " if result.data.network.is_log else ""
        figure.supylabel(f"{scale}{measure_name(result.data.network.measure)} against dose 0", fontsize=8)
    return figure
