"""Virtual patients: covariates, variation between patients and occasions, residual error, counter-based random numbers."""

import sys
from types import ModuleType

from ketasim.population._choose import chosen, conditions
from ketasim.population._cohort import Cohort
from ketasim.population._covariates import COVARIATES, Covariate, cyp2b6_phenotype, level_of
from ketasim.population._effects import assumed_covariates
from ketasim.population._individual import OutOfBounds, individual_parameters
from ketasim.population._population import Population, population, population_from_file, population_sources, populations
from ketasim.population._random import normal, replicate_seed, uniform
from ketasim.population._residual import assayed, sample_observation, sample_residual
from ketasim.population._table import PLAIN_ID, cohort_from_table
from ketasim.population._uncertainty import (
    moved,
    multiplier_values,
    shifted,
    study_effects,
    typical_values,
    uncertain_value,
    undrawn,
)
from ketasim.population._variability import cv_from_omega2, omega2_from_cv

__all__ = [
    "COVARIATES",
    "PLAIN_ID",
    "Cohort",
    "Covariate",
    "OutOfBounds",
    "Population",
    "assayed",
    "assumed_covariates",
    "chosen",
    "cohort_from_table",
    "conditions",
    "cv_from_omega2",
    "cyp2b6_phenotype",
    "individual_parameters",
    "level_of",
    "moved",
    "multiplier_values",
    "normal",
    "omega2_from_cv",
    "population",
    "population_from_file",
    "population_sources",
    "populations",
    "replicate_seed",
    "sample_observation",
    "sample_residual",
    "shifted",
    "study_effects",
    "typical_values",
    "uncertain_value",
    "undrawn",
    "uniform",
]


class _Callable(ModuleType):
    """``ketasim.population`` is this package and the function of that name: Python binds a package to its parent's attribute."""

    def __call__(self, name: str) -> Population:
        return population(name)


sys.modules[__name__].__class__ = _Callable
