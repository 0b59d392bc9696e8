"""Calibration of disorders to arm-level results of trials: rows, mean model, posterior."""

from ketasim.fit.clinical._arms import Arm, Result, read_arms
from ketasim.fit.clinical._calibrate import DISORDERS, ClinicalFit, calibrate_disorder, store
from ketasim.fit.clinical._expected import Design, make_design
from ketasim.fit.clinical._objective import Objective, make_objective
from ketasim.fit.clinical._posterior import Mode, Posterior, find_mode, sample

__all__ = [
    "DISORDERS",
    "Arm",
    "ClinicalFit",
    "Design",
    "Mode",
    "Objective",
    "Posterior",
    "Result",
    "calibrate_disorder",
    "find_mode",
    "make_design",
    "make_objective",
    "read_arms",
    "sample",
    "store",
]
