"""Fitting: calibration of the reference model to the evidence that ships with the package."""

from ketasim.fit._calibrate_pk import Calibration, calibrate_pk
from ketasim.fit._learned import CALIBRATED, learned
from ketasim.fit._leave_one_out import LeftOut, leave_one_study_out
from ketasim.fit._objective import row_sd, typical_value
from ketasim.fit._observations import Observation, package_observations, read_observations
from ketasim.fit._predict import Plan, make_plan, predict, solve_regimen
from ketasim.fit._typical import typical

__all__ = [
    "CALIBRATED",
    "Calibration",
    "LeftOut",
    "Observation",
    "Plan",
    "calibrate_pk",
    "learned",
    "leave_one_study_out",
    "make_plan",
    "package_observations",
    "predict",
    "read_observations",
    "row_sd",
    "solve_regimen",
    "typical",
    "typical_value",
]
