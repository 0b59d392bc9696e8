"""Fitting: calibration of the reference model to the evidence that ships with the package."""

from ketasim.fit._calibrate_pk import Calibration, calibrate_pk
from ketasim.fit._objective import typical_value
from ketasim.fit._observations import Observation, package_observations, read_observations
from ketasim.fit._predict import Plan, make_plan, predict, solve_regimen
from ketasim.fit._typical import typical

__all__ = [
    "Calibration",
    "Observation",
    "Plan",
    "calibrate_pk",
    "make_plan",
    "package_observations",
    "predict",
    "read_observations",
    "solve_regimen",
    "typical",
    "typical_value",
]
