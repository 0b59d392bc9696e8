"""The formulas of what makes people differ: one home, for arrays, JAX values and symbols alike.

Cohorts, fits and exports all call these; `describe` shows them in words.
"""

from __future__ import annotations

from ketasim.errors import InvalidModel
from ketasim.model._declare import CovariateEffect, Expr
from ketasim.model.functions import exp, maximum, minimum


def is_shift(effect: CovariateEffect) -> bool:
    """Whether an effect adds to the typical value; others multiply it."""
    return effect.form.startswith("additive")


def size_of(effect: CovariateEffect, x: Expr, ref: Expr | None = None, coefficient: Expr | None = None) -> Expr:
    """What a numeric covariate multiplies the typical value by, or adds to it where `is_shift`.

    Parameters
    ----------
    x : values of the covariate. ref, coefficient : in place of the effect's own, e.g. as symbols.

    Raises
    ------
    InvalidModel: the effect's form is no numeric one.
    """
    ref = effect.ref if ref is None else ref
    coefficient = effect.coefficient if coefficient is None else coefficient
    match effect.form:
        case "power":
            return (x / ref) ** coefficient
        case "power_below":
            return (minimum(x, ref) / ref) ** coefficient
        case "linear":
            return 1.0 + coefficient * (x - ref)
        case "linear_above":
            return 1.0 + coefficient * maximum(x - ref, 0.0)
        case "exponential":
            return exp(coefficient * (x - ref))
        case "additive":
            return coefficient * (x - ref)
        case "additive_above":
            return coefficient * maximum(x - ref, 0.0)
        case _:
            raise InvalidModel(f"covariate form '{effect.form}' is no numeric one.")


def individual_value(typical: Expr, eta: Expr, form: str) -> Expr:
    """Individual value around a typical one: log-normal, logit-normal or normal.

    Raises
    ------
    InvalidModel: an unknown form.
    """
    match form:
        case "lognormal":
            return typical * exp(eta)
        case "normal":
            return typical + eta
        case "logit":
            return 1.0 / (1.0 + (1.0 / typical - 1.0) * exp(-eta))
        case _:
            raise InvalidModel(f"variability form '{form}' is unknown. Allowed: lognormal, logit, normal.")
