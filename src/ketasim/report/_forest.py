"""Forest plots: studies, subgroups and pooled effects with weights, prediction interval and the heterogeneity in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ketasim.arguments import checked
from ketasim.errors import InvalidOption
from ketasim.report._figures import PALETTE
from ketasim.report._network_style import styled, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ketasim.synthesis import Heterogeneity, PairwiseResult, Pooled, Series, Subgroup

_STUDY, _POOLED, _PREDICTION, _QUIET = PALETTE[0], "#1a1a1a", PALETTE[1], "#8a8a8a"
_ROW, _PLOT, _EDGE, _GAP = 0.215, 2.9, 0.12, 0.16  # inches
_SIZE = 8.0
_SHORT = {"md": "MD", "smd": "SMD", "or": "OR", "rr": "RR", "rd": "RD", "hr": "HR"}
_METHODS = {"dl": "DL", "reml": "REML", "ml": "ML", "pm": "PM", "eb": "EB", "sj": "SJ", "he": "HE"}


@dataclass(frozen=True)
class _Row:
    """One line: its cells by column, and what is drawn (study, diamond, interval or nothing)."""

    label: str
    kind: str = "text"
    cells: tuple[str, ...] = ()
    values: tuple[float, float, float] = (math.nan, math.nan, math.nan)
    weight: float = math.nan
    right: tuple[str, ...] = ()
    bold: bool = False
    indent: bool = False


@checked
def forest_figure(
    result: PairwiseResult, *, model: str = "random", favours: tuple[str, str] | None = None, prediction: bool = True,
    title: str = "", arms: tuple[str, str] | None = None,
) -> Figure:  # fmt: skip
    """Forest plot of a pairwise meta-analysis.

    Parameters
    ----------
    model : random, common or both; with both, squares and weights are those of the random-effects model.
    favours : what an effect to the left and to the right favours; else the side is named by lower and higher.
    prediction : whether to draw the prediction interval. title : above the plot. arms : headings for treatment and control.

    Raises
    ------
    InvalidOption: no such model.
    """
    if model not in ("random", "common", "both"):
        raise InvalidOption(f"model '{model}': unknown. Use random, common or both.")
    shown = ("common", "random") if model == "both" else (model,)
    rows = _rows(result, shown, prediction)
    names = arms or (_named(result.data.treatment, "Treatment"), _named(result.data.control, "Control"))
    sides = favours or (f"lower with {names[0].lower()}", f"higher with {names[0].lower()}")
    arrows = tuple(f"favours {s}" for s in sides) if favours else sides
    pooled = result.model(shown[-1])
    return _draw(
        rows, _headings(result, names), _notes(result, shown), result.data.is_log, pooled.natural(pooled.estimate), arrows, title
    )


@checked
def series_figure(series: Series, *, favours: tuple[str, str] | None = None, title: str = "") -> Figure:
    """Leave-one-out or cumulative meta-analysis: the pooled effect at every step."""
    first = series.pooled[0]
    word = "Without" if series.kind == "leave-one-out" else "Adding"
    rows = [_step(label, p, h) for label, p, h in zip(series.labels, series.pooled, series.heterogeneity, strict=True)]
    heads = ((word, ("k",)), (_effect_head(first), "I² %"))
    sides = tuple(f"favours {s}" for s in favours) if favours else ("lower", "higher")
    whole = series.overall
    how = whole.how.replace(", normal", "")
    how = how.replace(how.split(",")[0], how.split(",")[0].upper(), 1) if whole.model == "random" else how
    note = f"{whole.model.capitalize()} effect{'s' if whole.model == 'random' else ''} ({how}). Dashed: all {whole.k} studies."
    return _draw(rows, heads, [note], whole.is_log, whole.natural(whole.estimate), sides, title)


def _named(name: str, otherwise: str) -> str:
    return name[:1].upper() + name[1:] if name else otherwise


def _step(label: str, pooled: Pooled, found: Heterogeneity) -> _Row:
    values = (pooled.natural(pooled.estimate), pooled.natural(pooled.ci_low), pooled.natural(pooled.ci_high))
    return _Row(_shortened(label, 44), "step", (str(pooled.k),), values, math.nan, (_number(found.i2, 0),))


def _effect_head(pooled: Pooled) -> str:
    return f"{_SHORT[pooled.measure]} [{100 * pooled.level:g} % CI]"


def _headings(result: PairwiseResult, names: tuple[str, str]) -> tuple[tuple[str, tuple[str, ...]], tuple[str, ...]]:
    has_n = np.isfinite(result.data.n).any()
    counts = result.data.counts is not None
    left = tuple(f"{_shortened(n)}\n{'events/n' if counts else 'n'}" for n in names) if counts or has_n else ()
    return ("Study", left), (_effect_head(result.common), "Weight %")


def _shortened(name: str, most: int = 16) -> str:
    """A long name without its middle: authors stand at the beginning, the year at the end."""
    tail = most // 3
    return name if len(name) <= most else f"{name[: most - tail - 1].rstrip()}…{name[-tail:].lstrip()}"


def _rows(result: PairwiseResult, models: Sequence[str], prediction: bool) -> list[_Row]:
    rows: list[_Row] = []
    if result.subgroups:
        for group in result.subgroups:
            rows.append(_Row(f"{result.subgroup.replace('_', ' ')}: {group.name}", bold=True))
            rows += [_study(result, i, models[-1], indent=True) for i in group.rows]
            if len(group.rows) > 1:
                rows += [_subtotal(result, group, m, len(models) > 1) for m in models]
            rows.append(_Row(""))
    else:
        rows += [_study(result, i, models[-1]) for i in range(result.data.k)]
        rows.append(_Row(""))
    for model in models:
        rows.append(
            _diamond(f"{model.capitalize()} effect{'s' if model == 'random' else ''}", result.model(model), _sums(result), 100.0)
        )
    pooled = result.random
    if prediction and "random" in models and math.isfinite(pooled.pi_low):
        values = (pooled.natural(pooled.estimate), pooled.natural(pooled.pi_low), pooled.natural(pooled.pi_high))
        rows.append(_Row("Prediction interval", "interval", (), values, math.nan, ("",)))
    return rows


def _study(result: PairwiseResult, i: int, model: str, indent: bool = False) -> _Row:
    data, level = result.data, result.rules.level
    pooled = result.model(model)
    from scipy import stats

    half = float(stats.norm.isf((1 - level) / 2)) * float(data.se[i])
    values = tuple(pooled.natural(float(data.effect[i]) + d) for d in (0.0, -half, half))
    mark = "*" if data.studies[i] in data.estimated else ""
    return _Row(
        _shortened(data.studies[i], 44) + mark, "study", _cells(result, [i]), values, float(pooled.weights[i]),
        (_number(float(pooled.weights[i]), 1),), indent=indent,
    )  # fmt: skip


def _cells(result: PairwiseResult, rows: Sequence[int]) -> tuple[str, ...]:
    data = result.data
    if data.counts is not None:
        a, n1, c, n2 = data.counts[list(rows)].sum(axis=0)
        return f"{a:g}/{n1:g}", f"{c:g}/{n2:g}"
    if not np.isfinite(data.n).any():
        return ()
    return tuple("" if np.isnan(n[list(rows)]).any() else f"{n[list(rows)].sum():g}" for n in (data.n1, data.n2))


def _sums(result: PairwiseResult) -> tuple[str, ...]:
    return _cells(result, list(range(result.data.k)))


def _subtotal(result: PairwiseResult, group: Subgroup, model: str, both: bool) -> _Row:
    found = group.heterogeneity
    share = f"I² = {_number(found.i2, 0)} %, " if len(group.rows) > 1 else ""
    label = f"Subtotal{f', {model}' if both else ''} ({share}{_p(found.p_q)})"
    weight = float(result.model(model).weights[list(group.rows)].sum())
    return _diamond(label, group.model(model), _cells(result, group.rows), weight, indent=True)


def _diamond(label: str, pooled: Pooled, cells: tuple[str, ...], weight: float, indent: bool = False) -> _Row:
    values = (pooled.natural(pooled.estimate), pooled.natural(pooled.ci_low), pooled.natural(pooled.ci_high))
    return _Row(label, "diamond", cells, values, weight, (_number(weight, 1),), bold=True, indent=indent)


def _notes(result: PairwiseResult, models: Sequence[str]) -> list[str]:
    h, notes = result.heterogeneity, list[str]()
    if h.df:
        notes.append(
            f"Heterogeneity: τ² = {_number(h.tau2)} ({_number(h.tau2_low)} to {_number(h.tau2_high)}; {_METHODS[h.method]}), "
            f"I² = {_number(h.i2, 0)} % ({_number(h.i2_low, 0)} to {_number(h.i2_high, 0)}), Q = {_number(h.q)}, df = {h.df}, {_p(h.p_q)}"
        )
    for model in models:
        p = result.model(model)
        statistic = f"z = {_number(p.statistic)}" if math.isinf(p.df) else f"t = {_number(p.statistic)}, df = {p.df:g}"
        how = p.how.split(", ", 1)[-1] if model == "random" else p.how
        notes.append(
            f"{model.capitalize()} effect{'s' if model == 'random' else ''}: {statistic}, {_p(p.p)}{'' if how == 'normal' else f' ({how})'}"
        )
    for test in result.between:
        if test.model in models:
            notes.append(f"Between subgroups ({test.model}): Q = {_number(test.q)}, df = {test.df}, {_p(test.p)}")
    if result.data.estimated:
        notes.append("* mean or standard deviation estimated")
    return notes


def _with_effects(rows: Sequence[_Row], is_log: bool) -> list[_Row]:
    """Rows with estimate and interval in words, all with the same number of decimals."""
    widths = [r.values[2] - r.values[1] for r in rows if r.kind != "text"]
    middle = float(np.median(widths)) if widths else 1.0
    digits = 2 if is_log else 1 if middle >= 6 else 3 if middle < 0.3 else 2

    def words(row: _Row) -> str:
        mean, low, high = (f"{v:.{digits}f}".replace("-", "−") for v in row.values)
        return f"[{low}, {high}]" if row.kind == "interval" else f"{mean} [{low}, {high}]"

    return [r if r.kind == "text" else replace(r, right=(words(r), *r.right)) for r in rows]


def _number(value: float, digits: int = 2) -> str:
    if math.isnan(value):
        return "–"
    if digits == 2 and value and abs(value) < 0.01:
        return f"{value:.2g}"
    return f"{value:.{1 if digits == 2 and abs(value) >= 100 else digits}f}".replace("-", "−")


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def _draw(
    rows: Sequence[_Row], heads: tuple[tuple[str, tuple[str, ...]], tuple[str, ...]], notes: Sequence[str], is_log: bool, line: float,
    sides: Sequence[str], title: str,
) -> Figure:  # fmt: skip
    from matplotlib.figure import Figure

    with styled():
        (first, left), right = heads
        rows = _with_effects(rows, is_log)
        label = max([_width(first, True), *(_width(r.label, r.bold) + 0.1 * r.indent for r in rows)])
        # A long label may run over the empty cells of its row only; its own column holds it otherwise.
        lefts = [max(_width(h, True), *(_width(r.cells[k], r.bold) for r in rows if r.cells), 0.0) for k, h in enumerate(left)]
        rights = [max(_width(h, True), *(_width(r.right[k], r.bold) for r in rows if r.right), 0.0) for k, h in enumerate(right)]
        start = _EDGE + label + sum(w + _GAP for w in lefts) + _GAP
        width = start + _PLOT + sum(w + _GAP for w in rights) + _EDGE
        lines = [part for note in notes for part in wrapped(note, int(width * 15.5)).split("\n")]
        top = 0.26 * bool(title) + 0.14
        head = 0.36 if any("\n" in h for h in left) else 0.24
        below = 0.5 + 0.16 * len(lines) + 0.06
        height = top + head + _ROW * len(rows) + below
        figure = Figure(figsize=(width, height))
        axis = figure.add_axes((start / width, below / height, _PLOT / width, (_ROW * len(rows)) / height))
        axis.set_ylim(len(rows) - 0.5, -0.5)
        _scale(axis, rows, is_log, line)
        _marks(axis, rows, is_log, line)
        columns = _Columns(figure, axis, start, label, lefts, rights)
        columns.write(rows, first, left, right)
        _below(figure, axis, sides, lines, is_log)
        if title:
            figure.text(_EDGE / width, 1 - 0.1 / height, title, fontsize=9.5, fontweight="bold", va="top")
    return figure


def _width(text: str, bold: bool = False) -> float:
    """Width of a text in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    if not text.strip():
        return 0.0
    font = FontProperties(size=_SIZE, weight="bold" if bold else "normal")
    return max(float(TextPath((0, 0), part, prop=font).get_extents().x1) for part in text.split("\n") if part) / 72


@dataclass(frozen=True)
class _Columns:
    """Text beside the plot, placed in inches from the left edge."""

    figure: Figure
    axis: Axes
    start: float
    label: float
    lefts: Sequence[float]
    rights: Sequence[float]

    def write(self, rows: Sequence[_Row], first: str, left: Sequence[str], right: Sequence[str]) -> None:
        ends, x = [], _EDGE + self.label
        for w in self.lefts:
            x += _GAP + w
            ends.append(x)
        after, x = [], self.start + _PLOT
        for w in self.rights:
            x += _GAP + w
            after.append(x)
        for k, row in enumerate(rows):
            self._text(_EDGE + 0.1 * row.indent, k, row.label, "left", row.bold)
            for x, cell in zip(ends, row.cells, strict=False):
                self._text(x, k, cell, "right", row.bold)
            for x, cell in zip(after, row.right, strict=False):
                self._text(x, k, cell, "right", row.bold)
        self._text(_EDGE, -0.78, first, "left", True, "bottom")
        for x, name in zip([*ends, *after], [*left, *right], strict=True):
            self._text(x, -0.78, name, "right", True, "bottom")
        self._rule(-0.62)

    def _text(self, x: float, y: float, text: str, side: str, bold: bool, at: str = "center_baseline") -> None:
        from matplotlib.transforms import blended_transform_factory

        if text:
            place = blended_transform_factory(self.figure.dpi_scale_trans, self.axis.transData)
            weight = "bold" if bold else "normal"
            self.axis.text(
                x, y, text, transform=place, ha=side, va=at, fontsize=_SIZE, fontweight=weight, linespacing=1.1, clip_on=False
            )

    def _rule(self, y: float) -> None:
        from matplotlib.lines import Line2D
        from matplotlib.transforms import blended_transform_factory

        place = blended_transform_factory(self.figure.dpi_scale_trans, self.axis.transData)
        ends = [_EDGE, float(self.figure.get_figwidth()) - _EDGE]
        self.axis.add_line(Line2D(ends, [y, y], transform=place, color="#444444", lw=0.8, clip_on=False))


def _scale(axis: Axes, rows: Sequence[_Row], is_log: bool, line: float) -> None:
    """Limits that hold all estimates, pooled and prediction intervals; far ends of studies and subtotals are cut and get an arrow."""
    turn = np.log if is_log else np.asarray
    points = [turn(r.values[0]) for r in rows if r.kind != "text"] + [turn(line)]
    cut = [r.kind == "study" or (r.kind == "diamond" and bool(r.indent)) for r in rows]
    points += [turn(v) for r, far in zip(rows, cut, strict=True) if r.kind != "text" and not far for v in r.values[1:]]
    ends = [turn(v) for r, far in zip(rows, cut, strict=True) if far for v in r.values[1:]]
    zero = 0.0
    # No effect belongs into the picture unless it is far from everything.
    low, high = float(min(points)), float(max(points))
    span = max(high - low, 1e-9)
    if low - 1.5 * span <= zero <= high + 1.5 * span:
        low, high = min(low, zero), max(high, zero)
    span = max(high - low, 1e-9)
    low, high = max(low - 0.6 * span, min([*ends, low])), min(high + 0.6 * span, max([*ends, high]))
    pad = 0.04 * (high - low) or 0.5
    low, high = float(low - pad), float(high + pad)
    if is_log:
        axis.set_xscale("log")
        axis.set_xlim(math.exp(low), math.exp(high))
        axis.set_xticks(ticks := ratio_ticks(low, high), [f"{t:g}" for t in ticks])
        axis.minorticks_off()
    else:
        axis.set_xlim(low, high)
        axis.locator_params(axis="x", nbins=6)


def ratio_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round ratios between two logarithms, as many as there is room for, 1 among them where it lies between."""
    inside = lambda ticks: [t for t in ticks if low <= math.log(t) <= high]  # noqa: E731
    decades = range(math.floor(low / math.log(10)) - 1, math.ceil(high / math.log(10)) + 2)
    dense = [round(m * 10.0**d, 12) for d in decades for m in (1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)]
    sets = (
        dense,
        [t for t in dense if f"{t:e}"[:4] in ("1.00", "1.50", "2.00", "3.00", "5.00", "7.00")],
        [t for t in dense if f"{t:e}"[:4] in ("1.00", "2.00", "5.00")],
        [t for t in dense if f"{t:e}"[:4] in ("1.00", "3.00")],
        [10.0**d for d in decades], [10.0**d for d in decades if d % 2 == 0], [10.0**d for d in decades if d % 4 == 0],
    )  # fmt: skip
    return next(
        (found for ticks in sets if 2 <= len(found := inside(ticks)) <= most), inside(sets[2]) or [math.exp((low + high) / 2)]
    )


def _marks(axis: Axes, rows: Sequence[_Row], is_log: bool, line: float) -> None:
    none = 1.0 if is_log else 0.0
    last = len(rows) - 0.5
    axis.vlines([none], -0.62, last, color="#555555", lw=0.9, zorder=1, clip_on=False)
    axis.vlines([line], -0.5, last, color=_POOLED, lw=0.7, ls=(0, (4, 3)), zorder=1)
    heaviest = max([r.weight for r in rows if r.kind == "study" and math.isfinite(r.weight)], default=1.0)
    for y, row in enumerate(rows):
        mean, low, high = row.values
        if row.kind in ("study", "step"):
            _whisker(axis, y, low, high)
            if axis.get_xlim()[0] <= mean <= axis.get_xlim()[1]:
                size = 12 + 88 * row.weight / heaviest if math.isfinite(row.weight) else 26
                axis.scatter([mean], [y], s=size, marker="s" if row.kind == "study" else "o", color=_STUDY, lw=0, zorder=4)
        elif row.kind == "diamond":
            shade = _POOLED if not row.indent else "#6b6b6b"
            axis.fill([low, mean, high, mean], [y, y - 0.32, y, y + 0.32], color=shade, lw=0, zorder=4)
            _arrows(axis, y, low, high)
        elif row.kind == "interval":
            axis.plot([low, high], [y, y], color=_PREDICTION, lw=2.2, solid_capstyle="butt", zorder=4)
            axis.plot([low, high], [y, y], ls="none", marker="|", ms=7, mew=1.4, color=_PREDICTION, zorder=4)
    axis.spines["left"].set_visible(False)
    axis.set_yticks([])


def _whisker(axis: Axes, y: int, low: float, high: float) -> None:
    left, right = axis.get_xlim()
    axis.plot([max(low, left), min(high, right)], [y, y], color="#333333", lw=1.0, solid_capstyle="butt", zorder=3)
    _arrows(axis, y, low, high)


def _arrows(axis: Axes, y: int, low: float, high: float) -> None:
    """Marks at ends that lie outside."""
    left, right = axis.get_xlim()
    for out, end, marker in ((low < left, left, "<"), (high > right, right, ">")):
        if out:
            axis.plot([end], [y], marker=marker, ms=4, color="#333333", ls="none", clip_on=False, zorder=3)


def _below(figure: Figure, axis: Axes, sides: Sequence[str], lines: Sequence[str], is_log: bool) -> None:
    from matplotlib.transforms import ScaledTranslation, blended_transform_factory

    none = 1.0 if is_log else 0.0
    axis.tick_params(axis="x", labelsize=_SIZE - 0.5, length=3, width=0.7)
    left, right = axis.get_xlim()
    if left < none < right:
        place = blended_transform_factory(axis.transData, axis.transAxes)
        for side, shift, ha, text in ((0, -0.06, "right", f"← {sides[0]}"), (1, 0.06, "left", f"{sides[1]} →")):
            room = _room(axis, none, side)
            moved = place + ScaledTranslation(shift, -0.27, figure.dpi_scale_trans)
            words = text if _width(text) < room + 0.9 else wrapped(text, max(10, int((room + 0.9) * 14)))
            axis.text(none, 0, words, transform=moved, ha=ha, va="top", fontsize=_SIZE - 0.5, color="#333333", clip_on=False)
    width, height = figure.get_size_inches()
    for k, text in enumerate(lines):
        y = 0.06 + 0.16 * (len(lines) - 1 - k)
        figure.text(_EDGE / width, y / height, text, fontsize=_SIZE - 0.5, va="bottom", color="#333333")


def _room(axis: Axes, none: float, side: int) -> float:
    """Inches between no effect and one end of the axis."""
    ends: Any = axis.transAxes.inverted().transform(axis.transData.transform((none, 0.0)))
    return float(ends[0] if side == 0 else 1 - ends[0]) * _PLOT
