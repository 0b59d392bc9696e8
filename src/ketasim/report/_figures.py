"""Figures one would put into a paper: bands of concentrations over time, compared between arms."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ketasim.arguments import checked
from ketasim.errors import InvalidOption
from ketasim.results import asked_analytes, redundant_totals, save_picture

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

Floats = NDArray[np.float64]
#: Okabe and Ito's palette, readable with every kind of colour blindness.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
#: Totals shown before enantiomers where both are there.
ORDER = (
    "ketamine",
    "s_ketamine",
    "r_ketamine",
    "norketamine",
    "s_norketamine",
    "r_norketamine",
    "hnk",
    "s_hnk",
    "r_hnk",
    "dhnk",
    "s_dhnk",
    "r_dhnk",
)
#: Points of a drawn curve; more cannot be seen and make the page heavy.
MOST_POINTS = 300
#: Spans up to this are drawn in hours, longer ones in days.
MOST_HOURS = 72.0
FORMATS = (".png", ".svg", ".pdf")
#: Of a legend at its font size: key with the space around it, and a letter on average.
_INCH_PER_KEY, _INCH_PER_LETTER = 0.5, 0.06
_STYLE = {
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 9, "axes.titleweight": "bold", "axes.labelsize": 8,
    "xtick.labelsize": 8, "ytick.labelsize": 8, "legend.frameon": False, "legend.fontsize": 8, "axes.grid": True, "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6, "axes.axisbelow": True, "svg.fonttype": "none", "figure.dpi": 110, "savefig.dpi": 160,
}  # fmt: skip


@contextmanager
def styled() -> Generator[None]:
    """One look for all figures."""
    import matplotlib

    with matplotlib.rc_context(_STYLE):
        yield


def as_arms(results: xr.DataTree | Mapping[str, xr.DataTree]) -> dict[str, xr.DataTree]:
    """Results by label; a single result is named by its regimen.

    Raises
    ------
    InvalidOption: none, something else than results, or results without concentrations in plasma.
    """
    is_one = hasattr(results, "attrs")  # a tree is a mapping too
    arms: dict[str, xr.DataTree] = {str(results.attrs.get("regimen", "result")): results} if is_one else dict(results)  # type: ignore[union-attr, dict-item]
    if not arms:
        raise InvalidOption("no results given; give one of ketasim.simulate, or those of ketasim.compare.")
    for label, result in arms.items():
        if "plasma" not in getattr(result, "children", ()):
            raise InvalidOption(f"'{label}': holds no concentrations in plasma; give a result of ketasim.simulate with a regimen (not with an event table).")  # fmt: skip
    return arms


Bands = tuple[Floats, list[str], Floats, str]
_KEPT: dict[tuple[int, str], tuple[object, Bands]] = {}


def quantiles(result: xr.DataTree, site: str) -> Bands:
    """Times, analytes, values (level, time, analyte) and unit of one site; the last few are kept, as every panel asks again."""
    key = (id(result), site)
    if key not in _KEPT or _KEPT[key][0] is not result:
        if len(_KEPT) > 16:
            _KEPT.clear()
        _KEPT[key] = (result, _quantiles(result, site))
    return _KEPT[key][1]


def _quantiles(result: xr.DataTree, site: str) -> Bands:
    """Whether patients or quantiles are stored."""
    array = result["plasma"].to_dataset()[site]
    analytes = [str(a) for a in array["analyte"].values]
    if "quantile" in array.dims:
        values = array.values
    else:
        with np.errstate(all="ignore"):
            ordered = np.sort(array.values, axis=0)
            position = np.array(LEVELS) * (ordered.shape[0] - 1)
            low = np.floor(position).astype(int)
            share = (position - low)[:, None, None]
            high = np.minimum(low + 1, ordered.shape[0] - 1)
            values = ordered[low] * (1 - share) + ordered[high] * share
    return array["time"].values, analytes, values, str(array.attrs["units"])


def sites(result: xr.DataTree) -> list[str]:
    """Sampling sites of a result."""
    return [str(v) for v in result["plasma"].to_dataset().data_vars]


def panels(arms: Mapping[str, xr.DataTree], site: str) -> list[str]:
    """Analytes of a site with any value above zero, totals before their enantiomers and only where they say more."""
    present: list[list[str]] = []
    for result in arms.values():
        if site in sites(result):
            _, analytes, values, _ = quantiles(result, site)
            present.append([a for k, a in enumerate(analytes) if np.nanmax(values[-1, :, k], initial=0.0) > 0])
    found = dict.fromkeys(a for own in present for a in own)
    return sorted(found.keys() - redundant_totals(present, asked_analytes(arms)), key=rank)


def rank(analyte: str) -> tuple[int, str]:
    """Place of an analyte in tables and figures."""
    return (ORDER.index(analyte) if analyte in ORDER else len(ORDER), analyte)


@checked
def concentration_figure(
    results: xr.DataTree | Mapping[str, xr.DataTree], *, site: str = "", analytes: Sequence[str] = (), window: tuple[float, float] | None = None,
    log: bool = False,
) -> Figure:  # fmt: skip
    """Median with 25-75 % and 5-95 % bands per analyte, arms in colours.

    Parameters
    ----------
    site : default the first of the result. analytes : default all that rise above zero. window : h. log : logarithmic axis.

    Raises
    ------
    InvalidOption: a site or analyte the results do not have.
    """
    import matplotlib
    from matplotlib.figure import Figure

    arms = as_arms(results)
    site = site or sites(next(iter(arms.values())))[0]
    if not any(site in sites(r) for r in arms.values()):
        raise InvalidOption(f"no result has the site '{site}'. There is: {', '.join(sites(next(iter(arms.values()))))}.")
    names = list(analytes) or panels(arms, site)
    columns = 2 if len(names) == 4 else min(3, max(1, len(names)))
    rows = max(1, math.ceil(len(names) / columns))
    in_hours = _span(arms, window) <= MOST_HOURS
    has_bands = False
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(3.3 * columns, 2.3 * rows + 0.5), layout="constrained")
        axes = np.atleast_1d(np.asarray(figure.subplots(rows, columns, squeeze=False))).ravel()
        for axis, analyte in zip(axes, names, strict=False):
            for number, result in enumerate(arms.values()):
                has_bands |= _band(axis, result, site, analyte, (number, len(arms)), window, 1.0 if in_hours else 24.0)
            # Limits last: set earlier, they would be those of the first arm.
            top = axis.dataLim.y1
            if log:
                axis.set_yscale("log")
            axis.set_ylim((top * 1e-4, top * 2) if log and top > 0 else (0, None))
            axis.set_title(pretty(analyte))
        for axis in axes[len(names) :]:
            axis.set_visible(False)
        if not names:
            figure.text(0.5, 0.6, "no drug at these times", ha="center", color="#5b6475")
        _decorate(figure, axes[: len(names)], arms, "hours" if in_hours else "days", has_bands)
    return figure


def _span(arms: Mapping[str, xr.DataTree], window: tuple[float, float] | None) -> float:
    """Time that is drawn, h."""
    return window[1] - window[0] if window else max(float(r["plasma"]["time"].max()) for r in arms.values())


def _band(
    axis: Axes,
    result: xr.DataTree,
    site: str,
    analyte: str,
    arm: tuple[int, int],
    window: tuple[float, float] | None,
    scale: float,
) -> bool:
    """Draw one analyte of one arm (its number, of how many), h divided by `scale`; whether patients differ, so that there are bands."""
    if site not in sites(result):
        return False
    time, analytes, values, unit = quantiles(result, site)
    if analyte not in analytes:
        return False
    inside = (time >= window[0]) & (time <= window[1]) if window else np.ones(len(time), bool)
    inside = np.flatnonzero(inside)[:: max(1, int(inside.sum()) // MOST_POINTS)]
    low, q25, middle, q75, high = (v[inside] for v in values[:, :, analytes.index(analyte)])
    x = (time[inside] - (window[0] if window else 0.0)) / scale
    if np.nanmax(high, initial=0.0) <= 0:
        return False
    axis.set_ylabel(f"{unit}, {site.replace('_', ' ')}")
    differ, colour = not np.allclose(low, high), PALETTE[arm[0] % len(PALETTE)]
    if len(x) == 1:  # one time has no width: a line or band through it would not be seen
        _point(axis, float(x[0]), np.concatenate([low, q25, middle, q75, high]), colour, arm)
        return differ
    if differ:
        axis.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
        axis.fill_between(x, q25, q75, color=colour, alpha=0.28, lw=0)
    axis.plot(x, middle, color=colour, lw=1.3)
    return differ


def _point(axis: Axes, x: float, levels: Floats, colour: str, arm: tuple[int, int]) -> None:
    """One time: the median as a point, the bands as bars through it; arms stand side by side around the only tick."""
    number, arms = arm
    aside = x + (number - (arms - 1) / 2) * min(0.12, 1.8 / arms)
    low, q25, middle, q75, high = levels
    if not np.allclose(low, high):
        axis.vlines(aside, low, high, color=colour, alpha=0.3, lw=2)
        axis.vlines(aside, q25, q75, color=colour, alpha=0.55, lw=5)
    axis.plot(aside, middle, "o", color=colour, ms=5)
    axis.set_xlim(x - 1, x + 1)
    axis.set_xticks([x])


def _decorate(figure: Figure, axes: Any, arms: Mapping[str, xr.DataTree], unit: str, has_bands: bool) -> None:
    from matplotlib.patches import Patch

    for axis in axes:
        axis.set_xlabel(unit)
        axis.margins(x=0.01)
    handles: list[Any] = arm_handles(arms)
    if has_bands:
        handles += [Patch(color="#666666", alpha=0.43, label="25-75 %"), Patch(color="#666666", alpha=0.18, label="5-95 %")]
    below(figure, handles)


def below(figure: Figure, handles: Sequence[Any]) -> None:
    """A legend below, in rows as wide as the figure allows."""
    widest = _INCH_PER_KEY + _INCH_PER_LETTER * max(len(handle.get_label()) for handle in handles)
    columns = max(1, min(6, len(handles), int(figure.get_figwidth() / widest)))
    # Matplotlib fills columns; this order reads in rows.
    ordered = [handle for k in range(columns) for handle in handles[k::columns]]
    figure.legend(handles=ordered, loc="outside lower center", ncols=columns)


def arm_handles(arms: Iterable[str]) -> list[Line2D]:
    """Legend of the arms' colours."""
    from matplotlib.lines import Line2D

    return [Line2D([], [], color=PALETTE[i % len(PALETTE)], lw=1.6, label=_short(label)) for i, label in enumerate(arms)]


@checked
def exposure_figure(tables: Mapping[str, Any], site: str, parameter: str = "CMAX", unit: str = "") -> Figure:
    """Distribution of one exposure parameter per analyte and arm: median, quartiles, 5-95 %. unit : of the parameter, for its axis."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        own = {k: t[t["site"] == site] for k, t in tables.items()}
        names = [a for a in ORDER if any((t["analyte"] == a).any() for t in own.values())] or sorted(
            {a for t in own.values() for a in t["analyte"]}
        )
        figure = Figure(figsize=(7.5, 0.34 * len(names) * len(own) + 1.2), layout="constrained")
        axis = figure.subplots()
        step = 0.8 / max(1, len(own))
        for number, table in enumerate(own.values()):
            for row, analyte in enumerate(names):
                values = table.loc[table["analyte"] == analyte, parameter].to_numpy(float)
                values = values[np.isfinite(values) & (values > 0)]
                if len(values):
                    p5, p25, p50, p75, p95 = np.percentile(values, (5, 25, 50, 75, 95))
                    y, colour = row + (number - (len(own) - 1) / 2) * step, PALETTE[number % len(PALETTE)]
                    axis.plot([p5, p95], [y, y], color=colour, lw=1)
                    axis.plot([p25, p75], [y, y], color=colour, lw=4, alpha=0.55, solid_capstyle="butt")
                    axis.plot([p50], [y], "o", color=colour, ms=4)
        axis.set_yticks(range(len(names)), [pretty(a) for a in names])
        axis.invert_yaxis()
        axis.set_xscale("log")
        plain_log_axis(axis)
        axis.set_xlabel(f"{parameter}, {site.replace('_', ' ')}" + (f" ({unit})" if unit else ""))
        if len(own) > 1:
            below(figure, arm_handles(own))
    return figure


def plain_log_axis(axis: Axes) -> None:
    """Numbers on a logarithmic axis in full, 0.5, 1, 2: ratios and exposures seldom span a decade, where powers of ten are no help."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axis.get_xlim()
    axis.xaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0) if high / low < 1e3 else (1.0,)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())


def pretty(analyte: str) -> str:
    """Name of an analyte for readers: ``S-norketamine``."""
    head, _, rest = analyte.partition("_")
    text = f"{head.upper()}-{rest}" if head in ("s", "r") and rest else analyte.replace("_", " ")
    return text.replace("hnk", "HNK").replace("dHNK", "DHNK")


def _short(label: str, length: int = 48) -> str:
    return label if len(label) <= length else label[: length - 3] + "..."


@checked
def save_figure(results: xr.DataTree | Mapping[str, xr.DataTree] | Figure, path: str | Path, **options: Any) -> Path:
    """Write a figure (of `concentration_figure` unless one is given) as .png, .svg or .pdf, whole or not at all; the research-use notice stands at its foot."""
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise InvalidOption(f"'{path}': unknown ending '{path.suffix}'. Use one of {', '.join(FORMATS)}.")
    figure = results if hasattr(results, "savefig") else concentration_figure(results, **options)  # type: ignore[arg-type]
    return save_picture(figure, path)  # type: ignore[arg-type]
