"""Figures and reports of simulated results and of syntheses."""

from ketasim.report._figures import concentration_figure, exposure_figure, save_figure
from ketasim.report._html import html_report
from ketasim.report._network import (
    contribution_figure,
    dose_curve_figure,
    league_figure,
    net_heat_figure,
    network_figure,
    rankogram_figure,
    split_figure,
)

__all__ = [
    "concentration_figure",
    "contribution_figure",
    "dose_curve_figure",
    "exposure_figure",
    "html_report",
    "league_figure",
    "net_heat_figure",
    "network_figure",
    "rankogram_figure",
    "save_figure",
    "split_figure",
]
