"""Labelled results: the only home of the step from arrays to xarray, tables and files."""

from ketasim.results._doses import dose_times, since_dose
from ketasim.results._picture import save_picture
from ketasim.results._save import check_target, save, summary, to_dataframe, wide_table
from ketasim.results._sketch import QuantileSketch
from ketasim.results._sure import held_sentence, sureness
from ketasim.results._tree import (
    NOTICE,
    TOTALS,
    Concentrations,
    add_draws,
    add_record_draws,
    build_summary,
    build_tree,
    concentration_ports,
    mass_concentrations,
    provenance,
    redundant_totals,
    reported_concentrations,
)
from ketasim.results._warned import assumed_sentence, warnings_of

__all__ = [
    "NOTICE",
    "TOTALS",
    "Concentrations",
    "QuantileSketch",
    "add_draws",
    "add_record_draws",
    "assumed_sentence",
    "build_summary",
    "build_tree",
    "check_target",
    "concentration_ports",
    "dose_times",
    "held_sentence",
    "mass_concentrations",
    "provenance",
    "redundant_totals",
    "reported_concentrations",
    "save",
    "save_picture",
    "since_dose",
    "summary",
    "sureness",
    "to_dataframe",
    "warnings_of",
    "wide_table",
]
