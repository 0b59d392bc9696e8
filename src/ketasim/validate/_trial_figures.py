"""Figures of trials predicted: changes and contrasts, with 90 % intervals for a new trial."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ketasim.arguments import checked
from ketasim.errors import InvalidData
from ketasim.results import save_picture
from ketasim.validate._trials import TrialScore

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe-Ito colours: told apart by colour-blind readers; the marker says the same.
_STYLE = {
    "fit": ("#0072B2", "o", "left out"),
    "holdout": ("#D55E00", "D", "hold-out"),
    "scored": ("#009E73", "s", "under anaesthesia"),
}


@checked
def trial_figure(score: TrialScore) -> Figure:
    """Left, changes of arms; right, contrasts with the control arm: predicted with 90 % interval, against observed."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(12, 5.5), layout="constrained")
    _against(axes[0], score.table[score.table["kind"] == "change"], "Change of an arm, points")
    _against(axes[1], score.contrasts, "Drug minus control, points")
    axes[0].legend(fontsize=8, loc="upper left")
    figure.suptitle(f"{score.model}: trials predicted without their own results")
    return figure


def _against(axis: Axes, rows: pd.DataFrame, title: str) -> None:
    """Predicted against observed, with the line on which both agree."""
    ends = np.array([rows[["low", "observed"]].min().min() - 1.0, rows[["high", "observed"]].max().max() + 1.0])
    axis.plot(ends, ends, color="0.4", lw=0.8)
    for use, group in rows.groupby("use", sort=False):
        colour, marker, label = _STYLE[str(use)]
        half = np.abs(group[["low", "high"]].to_numpy().T - group["predicted"].to_numpy())
        axis.errorbar(
            group["observed"],
            group["predicted"],
            half,
            fmt=marker,
            color=colour,
            ms=4,
            lw=0.6,
            alpha=0.7,
            label=f"{label} ({len(group)})",
        )
    axis.set(xlim=ends, ylim=ends, xlabel="observed", ylabel="predicted, 90 % interval for a new trial", title=title)
    axis.grid(alpha=0.25)


@checked
def write_trial_figures(score: TrialScore, folder: str | Path, suffix: str = "png") -> list[Path]:
    """Save the figure of a score as ``trials.png``; returns the path in a list.

    Raises
    ------
    InvalidData: the folder cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    path = Path(folder) / f"trials.{suffix}"
    figure = trial_figure(score)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_picture(figure, path, dpi=120)
    except OSError as error:
        raise InvalidData(
            f"{path.parent}: cannot write the figure ({error.strerror or error}). Give a folder you may write to."
        ) from None
    finally:
        plt.close(figure)
    return [path]
