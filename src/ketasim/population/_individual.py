"""Individual parameters: typical value, covariate effects, co-medication and random variation become one number per patient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.arguments import checked
from ketasim.errors import InvalidOption, InvalidParameter, KetasimWarning, warn
from ketasim.model import Number, Param
from ketasim.population._cohort import Cohort
from ketasim.population._effects import apply_effects
from ketasim.population._random import as_counters
from ketasim.population._uncertainty import ModelLike, multiplier_values, typical_values
from ketasim.population._variability import combine, draw_between, draw_occasion, form_of

FloatArray = NDArray[np.float64]


class OutOfBounds(KetasimWarning):
    """Some patients got a parameter outside its meaningful range; their parameter is NaN."""


class ComedicationLike(Protocol):
    """A drug given beside: what `ketasim.library.comedication` returns."""

    @property
    def multipliers(self) -> Mapping[str, Number]: ...


@checked
def individual_parameters(
    model: ModelLike,
    cohort: Cohort,
    *,
    comedication: Iterable[ComedicationLike | Mapping[str, float]] = (),
    variability: bool | Literal["between", "occasion"] = True,
    uncertainty: int | Mapping[str, float] | None = None,
    between_study: bool = False,
    occasion: ArrayLike | None = None,
    covariates: Mapping[str, NDArray[Any]] | None = None,
) -> dict[str, FloatArray]:
    """Every parameter of the model for every patient.

    Value = combine(typical x covariate effects x co-medication, eta between patients + eta of the occasion), where combine
    is log-normal, logit-normal or normal as the parameter declares.

    Parameters
    ----------
    model : assembled model.
    cohort : n patients. Random numbers depend only on its seed and each patient's id.
    comedication : objects with `multipliers` (from ``ketasim.library.comedication(name)``) or mappings parameter -> factor.
        Factors of several drugs multiply; parameters the model lacks are passed over, but each drug must touch one at least.
    variability : True draws variation between patients and between occasions, ``"between"`` or ``"occasion"`` one, False none.
    uncertainty : index of a draw of the typical values, a mapping of typical values, or None; see `typical_values`.
    between_study : such a draw is that of a new study, of the model and of the co-medications' effects.
    occasion : number of the occasion: one for all, or (n,) or (r, n) for each patient or record. None is occasion 0.
    covariates : replaces covariates of the cohort, e.g. time-varying ones: name -> (n,) or (r, n).

    Returns
    -------
    parameter -> (n,), in the declared unit; (r, n) for parameters that depend on a covariate or occasion with records.
    Values outside the declared bounds are NaN, with one `OutOfBounds` warning: such a patient has no result.

    Raises
    ------
    InvalidData: a covariate is missing. InvalidModel: covariances are not positive definite. InvalidParameter: a typical
    value lies outside its bounds for every patient.

    Notes
    -----
    What a cohort does not say of CYP2B6, CHILD_PUGH, EGFR, RACE, POSTPARTUM and COMEDICATION is taken as wild type, no
    impairment (both organs), no group an effect names, no, none; `assumed_covariates` lists it. Others must be there.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from ketasim.model import CovariateEffect, Number, Param
    >>> effect = CovariateEffect("WT", "power", ref=70.0, coefficient=0.75)
    >>> clearance = Number(90.0, "L/h", covariates=(effect,))
    >>> model = SimpleNamespace(params={"CL": Param("L/h")}, numbers={"CL": clearance}, correlations={})
    >>> individual_parameters(model, Cohort([1, 2], {"WT": [70.0, 140.0]}))["CL"].round(1)
    array([ 90. , 151.4])
    """
    if variability not in (True, False, "between", "occasion"):
        raise InvalidOption(f"variability = {variability!r}: allowed are True, False, 'between' and 'occasion'.")
    n = len(cohort)
    columns = _columns(cohort, covariates or {})
    typical = typical_values(model, uncertainty, cohort.seed, between_study)
    draw = None if uncertainty is None or isinstance(uncertainty, Mapping) else int(uncertainty)
    factors = _comedication_factors(model, comedication, draw, cohort.seed, between_study)
    visits = _occasions(occasion, n)
    who = as_counters(cohort.ids, "ids")  # once, not once per parameter
    between = draw_between(model.numbers, model.correlations, cohort.seed, who) if variability in (True, "between") else {}
    within = draw_occasion(model.numbers, cohort.seed, who, visits) if variability in (True, "occasion") else {}
    result: dict[str, FloatArray] = {}
    for name, number in model.numbers.items():
        value = apply_effects(name, np.full(n, typical[name]), number.covariates, columns) * factors.get(name, 1.0)
        etas = [drawn[name] for drawn in (between, within) if name in drawn]
        if etas:
            value = combine(name, value, sum(etas[1:], etas[0]), form_of(name, number))
        result[name] = np.ascontiguousarray(_within_bounds(name, value, model.params[name], cohort.ids))
    return result


def _columns(cohort: Cohort, replaced: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Covariates by upper-case name, those with records as (r, n)."""
    columns = {name.upper(): values for name, values in cohort.covariates.items()}
    for name, values in replaced.items():
        array = np.asarray(values)
        if array.ndim not in (1, 2) or array.shape[-1] != len(cohort):
            raise InvalidOption(
                f"covariate {name} has shape {array.shape}; needed is ({len(cohort)},) or (records, {len(cohort)})."
            )
        columns[name.upper()] = array
    return columns


def _occasions(occasion: ArrayLike | None, n: int) -> NDArray[np.int64]:
    visits = np.asarray(0 if occasion is None else occasion)
    if visits.dtype.kind not in "iu" or visits.ndim > 2 or (visits.ndim and visits.shape[-1] != n):
        raise InvalidOption(
            f"occasion must be whole numbers: one, ({n},) or (records, {n}); got shape {visits.shape}, type {visits.dtype}."
        )
    return visits.astype(np.int64)


def _comedication_factors(
    model: ModelLike, comedication: Iterable[ComedicationLike | Mapping[str, float]], draw: int | None, seed: int,
    between_study: bool = False,
) -> dict[str, float]:  # fmt: skip
    """Product of all drugs' multipliers per parameter of the model; of one draw where `draw` is a number."""
    if isinstance(comedication, (str, Mapping)) or hasattr(comedication, "multipliers"):
        raise InvalidOption(
            "comedication takes a list of drugs, e.g. comedication=[ketasim.library.comedication('ticlopidine')]."
        )
    factors: dict[str, float] = {}
    for drug in comedication:
        if isinstance(drug, str):
            raise InvalidOption(
                f"comedication '{drug}' is a name; give the library entry: ketasim.library.comedication('{drug}')."
            )
        spread = getattr(drug, "between_study", 0.0) if between_study else 0.0
        multipliers: Mapping[str, Any] = (
            drug
            if isinstance(drug, Mapping)
            else multiplier_values(model, getattr(drug, "id", ""), drug.multipliers, draw, seed, spread)
        )
        touched = [name for name in multipliers if name in model.numbers]
        if multipliers and not touched:
            names = ", ".join(multipliers)
            raise InvalidOption(
                f"comedication acts on {names}, none of which the model has. Choose a model with these parameters."
            )
        for name in touched:
            factor = float(multipliers[name])
            if not np.isfinite(factor) or factor < 0:
                raise InvalidParameter(f"comedication multiplies {name} by {factor:g}; a multiplier is a number from 0.")
            factors[name] = factors.get(name, 1.0) * factor
    return factors


def _within_bounds(name: str, value: FloatArray, param: Param, ids: NDArray[Any]) -> FloatArray:
    low, high = param.bounds
    outside = ~((value >= low) & (value <= high))
    if not np.any(outside):
        return value
    patients = np.any(outside, axis=0) if value.ndim == 2 else outside
    example = float(value[outside].flat[0])
    words = f"{name} = {example:.4g} {param.unit} (patient {ids[np.argmax(patients)]}) is outside {low:g} to {high:g}"
    if np.all(outside):
        raise InvalidParameter(
            f"{words}, and so it is for every patient. Check the covariates and their units, and the model's bounds."
        )
    warn(
        f"{words}; so for {int(patients.sum())} of {ids.size} patients, whose {name} is NaN. "
        "Check their covariates, or the form of variability.",
        OutOfBounds,
        stacklevel=3,
    )
    return np.where(outside, np.nan, value)
