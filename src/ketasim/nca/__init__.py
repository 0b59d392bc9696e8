"""Non-compartmental analysis in CDISC parameter names."""

from ketasim.nca._analysis import BLQ_RULES, METHODS, PARAMETERS, NCAResult, analyse, nca
from ketasim.nca._below import HELP as BELOW_HELP
from ketasim.nca._table import compare_exposure, exposure_summary, nca_table

__all__ = [
    "BELOW_HELP",
    "BLQ_RULES",
    "METHODS",
    "PARAMETERS",
    "NCAResult",
    "analyse",
    "compare_exposure",
    "exposure_summary",
    "nca",
    "nca_table",
]
