"""Labelled results: the only home of the step from arrays to xarray, tables and files."""

from ketasim.results._arms import arm_words
from ketasim.results._balance import BALANCE_NOTE, balance_rows, balance_table
from ketasim.results._care import (
    ALIKE,
    CareTable,
    add_care,
    add_care_draws,
    add_care_summary,
    add_without,
    care_bands,
    contrast_rows,
    draws_notes,
    incidence_rows,
    visit_rows,
    without_rows,
)
from ketasim.results._doses import dose_times, since_dose
from ketasim.results._exposure import EXPOSURE_LEVELS, REPEATED, WHOLE, add_exposure, exposure_rows, exposure_table, unit_of
from ketasim.results._narrow import asked_analytes, chosen, narrowed
from ketasim.results._picture import save_picture
from ketasim.results._readouts import readout_rows
from ketasim.results._result import Comparison, Result
from ketasim.results._save import check_target, main_table, save, summary, to_dataframe, wide_table
from ketasim.results._shown import add_shown, clinical_names, shown_bands, shown_names, shown_rows, shown_table
from ketasim.results._sketch import QuantileSketch
from ketasim.results._sure import held_sentence, sureness
from ketasim.results._tree import (
    NEW_STUDY,
    NOTICE,
    TOTALS,
    TYPICAL_VALUES,
    Concentrations,
    add_draws,
    add_record_draws,
    build_summary,
    build_tree,
    concentration_ports,
    mass_concentrations,
    other_ports,
    provenance,
    redundant_totals,
    reported_concentrations,
)
from ketasim.results._warned import assumed_sentence, warnings_of

__all__ = [
    "ALIKE",
    "BALANCE_NOTE",
    "EXPOSURE_LEVELS",
    "NEW_STUDY",
    "NOTICE",
    "REPEATED",
    "TOTALS",
    "TYPICAL_VALUES",
    "WHOLE",
    "CareTable",
    "Comparison",
    "Concentrations",
    "QuantileSketch",
    "Result",
    "add_care",
    "add_care_draws",
    "add_care_summary",
    "add_draws",
    "add_exposure",
    "add_record_draws",
    "add_shown",
    "add_without",
    "arm_words",
    "asked_analytes",
    "assumed_sentence",
    "balance_rows",
    "balance_table",
    "build_summary",
    "build_tree",
    "care_bands",
    "check_target",
    "chosen",
    "clinical_names",
    "concentration_ports",
    "contrast_rows",
    "dose_times",
    "draws_notes",
    "exposure_rows",
    "exposure_table",
    "held_sentence",
    "incidence_rows",
    "main_table",
    "mass_concentrations",
    "narrowed",
    "other_ports",
    "provenance",
    "readout_rows",
    "redundant_totals",
    "reported_concentrations",
    "save",
    "save_picture",
    "shown_bands",
    "shown_names",
    "shown_rows",
    "shown_table",
    "since_dose",
    "summary",
    "sureness",
    "to_dataframe",
    "unit_of",
    "visit_rows",
    "warnings_of",
    "wide_table",
    "without_rows",
]
