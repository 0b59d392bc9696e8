"""Labelled results: the only home of the step from arrays to xarray, tables and files."""

from ketasim.results._save import save, summary, to_dataframe, wide_table
from ketasim.results._sketch import QuantileSketch
from ketasim.results._tree import NOTICE, TOTALS, build_summary, build_tree, concentration_ports, mass_concentrations, provenance

__all__ = [
    "NOTICE",
    "TOTALS",
    "QuantileSketch",
    "build_summary",
    "build_tree",
    "concentration_ports",
    "mass_concentrations",
    "provenance",
    "save",
    "summary",
    "to_dataframe",
    "wide_table",
]
