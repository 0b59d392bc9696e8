"""Figures of a score: observed against predicted, and fold error by row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ketasim.arguments import checked
from ketasim.errors import InvalidData
from ketasim.results import save_picture
from ketasim.validate._score import COMPARABLE, PkScore

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe-Ito colours: told apart by colour-blind readers; the marker says the same.
_STYLE = {"calibration": ("#0072B2", "o"), "holdout": ("#D55E00", "D"), "user": ("#009E73", "s")}
_METRICS = ("concentration", "exposure", "time", "disposition", "ratio")
_GROUP = {
    "cmax": 0, "conc_at_t": 0, "auc_inf": 1, "auc_0_t": 1, "tmax": 2, "half_life": 2, "clearance": 3, "vss": 3, "f_percent": 3,
    "protein_binding_percent": 3, "ratio_auc_metabolite": 4, "covariate_ratio": 4, "clearance_ratio_r_s": 4,
}  # fmt: skip


@checked
def observed_predicted_figure(score: PkScore) -> Figure:
    """Observed against predicted on log axes, one panel per kind of metric, with the 1.5-fold band."""
    import matplotlib.pyplot as plt

    rows = score.table[score.table["fold"].notna()]
    figure, axes = plt.subplots(1, len(_METRICS), figsize=(16, 3.8), layout="constrained")
    for k, (name, axis) in enumerate(zip(_METRICS, axes, strict=True)):
        part = rows[rows["metric"].map(_GROUP) == k]
        axis.set(xscale="log", yscale="log", title=name, xlabel="observed", ylabel="predicted" if k == 0 else "")
        if part.empty:
            continue
        ends = np.array([part[["observed", "predicted"]].min().min() / 1.5, part[["observed", "predicted"]].max().max() * 1.5])
        axis.fill_between(ends, ends / 1.5, ends * 1.5, color="0.9", label="1.5-fold")
        axis.plot(ends, ends, color="0.4", lw=0.8)
        for use, group in part.groupby("use"):
            colour, marker = _STYLE.get(str(use), ("0.3", "x"))
            axis.plot(group["observed"], group["predicted"], marker, color=colour, ms=4, alpha=0.7, ls="none", label=str(use))
    axes[0].legend(fontsize=8)
    figure.suptitle(f"{score.model}: observed and predicted, units of each row")
    return figure


@checked
def fold_error_figure(score: PkScore, use: str = "holdout") -> Figure:
    """Predicted over observed for every row of one group."""
    import matplotlib.pyplot as plt

    rows = score.table[(score.table["use"] == use) & score.table["fold"].notna()].sort_values(["study", "row"])
    figure, axis = plt.subplots(figsize=(9, max(2.0, 0.19 * len(rows) + 1.2)), layout="constrained")
    place = np.arange(len(rows))
    axis.axvspan(1 / 1.5, 1.5, color="0.9", label="1.5-fold")
    axis.axvline(1.0, color="0.4", lw=0.8)
    colour, marker = _STYLE.get(use, ("0.3", "x"))
    axis.plot(rows["fold"], place, marker, color=colour, ms=4, ls="none")
    axis.set(xscale="log", xlabel="predicted / observed", title=f"{score.model}: {use} rows")
    _mark_folds(axis)
    axis.set_yticks(place, [f"{r.study} {r.analyte} {r.metric} (row {r.row})" for r in rows.itertuples()], fontsize=6)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.legend(fontsize=8)
    return figure


def _mark_folds(axis: Axes) -> None:
    """Halves and doubles, at least from 0.5 to 2: decades are too far apart for fold errors, and labels between them collide."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = axis.get_xlim()
    axis.set_xlim(min(low, 0.45), max(high, 2.2))
    axis.xaxis.set_major_locator(LogLocator(base=2.0))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda fold, _: f"{fold:g}"))
    axis.xaxis.set_minor_locator(NullLocator())


@checked
def write_figures(score: PkScore, folder: str | Path, suffix: str = "png") -> list[Path]:
    """Save all figures of a score; returns the paths.

    Raises
    ------
    InvalidData: the folder cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    out = Path(folder)
    figures = {"pk_observed_predicted": observed_predicted_figure(score)}
    figures |= {f"pk_fold_error_{use}": fold_error_figure(score, str(use)) for use in score.summary.index if use != COMPARABLE}
    paths = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, figure in figures.items():
            paths.append(out / f"{name}.{suffix}")
            save_picture(figure, paths[-1], dpi=120)
            plt.close(figure)
    except OSError as error:
        raise InvalidData(
            f"{out}: cannot write the figures ({error.strerror or error}). Give a folder you may write to."
        ) from None
    return paths
