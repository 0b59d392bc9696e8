"""Which parameters decide an outcome: one at a time, or all together."""

from ketasim.sensitivity._analysis import Bar, Share, Tornado, seconds_per_run, sobol, tornado
from ketasim.sensitivity._factors import Factor, factors_of, held
from ketasim.sensitivity._outcomes import Outcome, outcomes_of
from ketasim.sensitivity._sobol import SobolIndices, saltelli_sample, sobol_indices

__all__ = [
    "Bar",
    "Factor",
    "Outcome",
    "Share",
    "SobolIndices",
    "Tornado",
    "factors_of",
    "held",
    "outcomes_of",
    "saltelli_sample",
    "seconds_per_run",
    "sobol",
    "sobol_indices",
    "tornado",
]
