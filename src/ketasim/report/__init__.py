"""Figures and reports of simulated results and of syntheses."""

from ketasim.report._balance import balance_figure
from ketasim.report._care import session_figure, symptom_figure
from ketasim.report._claim import range_figure
from ketasim.report._disorders import disorders_figure, disorders_rows
from ketasim.report._figures import concentration_figure, exposure_figure, save_figure
from ketasim.report._forest import forest_figure, series_figure
from ketasim.report._funnel import comparison_funnel_figure, funnel_figure
from ketasim.report._html import html_report
from ketasim.report._network import dose_curve_figure, network_figure, rankogram_figure, split_figure
from ketasim.report._network_heat import contribution_figure, league_figure, net_heat_figure
from ketasim.report._readouts import readout_figure
from ketasim.report._sensitivity import tornado_figure
from ketasim.report._shown import shown_figure
from ketasim.report._timecourse import dose_response_figure, time_course_figure

__all__ = [
    "balance_figure",
    "comparison_funnel_figure",
    "concentration_figure",
    "contribution_figure",
    "disorders_figure",
    "disorders_rows",
    "dose_curve_figure",
    "dose_response_figure",
    "exposure_figure",
    "forest_figure",
    "funnel_figure",
    "html_report",
    "league_figure",
    "net_heat_figure",
    "network_figure",
    "range_figure",
    "rankogram_figure",
    "readout_figure",
    "save_figure",
    "series_figure",
    "session_figure",
    "shown_figure",
    "split_figure",
    "symptom_figure",
    "time_course_figure",
    "tornado_figure",
]
