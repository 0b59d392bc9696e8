"""Calibration of side effects reported as adverse events: how the share of people rises with concentration, and how studies differ."""

from ketasim.fit.safety._calibrate import SafetyFit, calibrate_terms, store_terms
from ketasim.fit.safety._posterior import NAMES, People, TermFit, TermRow, fit_term

__all__ = ["NAMES", "People", "SafetyFit", "TermFit", "TermRow", "calibrate_terms", "fit_term", "store_terms"]
