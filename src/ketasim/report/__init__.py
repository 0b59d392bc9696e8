"""Figures and reports of simulated results."""

from ketasim.report._figures import concentration_figure, exposure_figure, save_figure
from ketasim.report._html import html_report

__all__ = ["concentration_figure", "exposure_figure", "html_report", "save_figure"]
