"""Random variation of parameters: etas between patients, correlated where the model says so, and between occasions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ketasim.arguments import checked
from ketasim.errors import InvalidModel, InvalidParameter
from ketasim.model import Number, Variability
from ketasim.model._effect import individual_value
from ketasim.population._random import normal

FloatArray = NDArray[np.float64]
# A smallest eigenvalue this far below zero, relative to the largest, is rounding of the arithmetic: a correlation of one.
_ROUNDING = 1e-10


@checked
def omega2_from_cv(cv: float) -> float:
    """Variance of a log-normal eta from a coefficient of variation (as a fraction): ln(1 + CV^2).

    Examples
    --------
    >>> round(omega2_from_cv(0.3), 5)
    0.08618
    """
    return float(np.log1p(cv**2))


@checked
def cv_from_omega2(omega2: float) -> float:
    """Coefficient of variation (as a fraction) of a log-normal parameter: sqrt(exp(omega2) - 1)."""
    return float(np.sqrt(np.expm1(omega2)))


def draw_between(
    numbers: Mapping[str, Number], correlations: Mapping[tuple[str, str], float], seed: int, ids: NDArray[Any]
) -> dict[str, FloatArray]:
    """Etas between patients.

    Parameters
    ----------
    numbers : parameter -> `Number`; those with ``iiv`` get an eta. correlations : pair of parameters -> covariance of their etas.

    Returns
    -------
    parameter -> (n,). A parameter's own random numbers do not change when another parameter is added or removed.

    Raises
    ------
    InvalidModel: a covariance names a parameter without variability, or the matrix is not positive definite.
    """
    varied = {name: number.iiv for name, number in numbers.items() if number.iiv is not None and number.iiv.omega2 > 0}
    standard = {name: normal(seed, ids, f"eta/{name}") for name in varied}
    etas = {name: np.sqrt(iiv.omega2) * standard[name] for name, iiv in varied.items()}
    for block in _blocks(varied, correlations):
        matrix = _covariance(block, varied, correlations)
        factor = _cholesky(block, matrix)
        mixed = factor @ np.stack([standard[name] for name in block])
        etas.update({name: mixed[row] for row, name in enumerate(block)})
    return etas


def draw_occasion(
    numbers: Mapping[str, Number], seed: int, ids: NDArray[Any], occasion: NDArray[np.int64]
) -> dict[str, FloatArray]:
    """Etas between occasions: parameter -> array of the broadcast shape of `ids` (n,) and `occasion` (), (n,) or (r, n)."""
    return {
        name: np.sqrt(number.iov.omega2) * normal(seed, ids, f"iov/{name}", occasion)
        for name, number in numbers.items()
        if number.iov is not None and number.iov.omega2 > 0
    }


def combine(name: str, typical: FloatArray, eta: FloatArray, form: str) -> FloatArray:
    """Individual value from typical value and eta, in the form of the parameter's variability."""
    if form == "logit" and np.any((typical < 0) | (typical > 1)):
        worst = float(typical[(typical < 0) | (typical > 1)].flat[0])
        raise InvalidParameter(
            f"parameter {name}: typical value {worst:.4g} with its covariates; a logit parameter must stay in 0 to 1."
        )
    if form != "logit":
        return individual_value(typical, eta, form)
    with np.errstate(divide="ignore", over="ignore"):
        return np.asarray(individual_value(typical, eta, form), dtype=np.float64)


def form_of(name: str, number: Number) -> str:
    """Form of a parameter's random effects; between patients and between occasions must agree."""
    forms = {effect.form for effect in (number.iiv, number.iov) if effect is not None}
    if len(forms) > 1:
        raise InvalidModel(
            f"parameter {name}: variability between patients and between occasions has two forms "
            f"({', '.join(sorted(forms))}); use one."
        )
    return next(iter(forms), "lognormal")


def _blocks(varied: Mapping[str, Variability], correlations: Mapping[tuple[str, str], float]) -> list[list[str]]:
    """Groups of parameters connected by covariances, each in the model's order."""
    group = {name: name for name in varied}

    def root(name: str) -> str:
        while group[name] != name:
            name = group[name]
        return name

    for pair, covariance in correlations.items():
        for name in pair:
            if name not in varied:
                raise InvalidModel(
                    f"covariance {covariance:g} of {pair[0]} and {pair[1]}: {name} has no variability between patients."
                )
        group[root(pair[1])] = root(pair[0])
    members: dict[str, list[str]] = {}
    for name in varied:
        members.setdefault(root(name), []).append(name)
    return [block for block in members.values() if len(block) > 1]


def _covariance(block: list[str], varied: Mapping[str, Variability], correlations: Mapping[tuple[str, str], float]) -> FloatArray:
    matrix = np.diag([varied[name].omega2 for name in block])
    place = {name: row for row, name in enumerate(block)}
    for (one, other), covariance in correlations.items():
        if one in place and one != other:
            matrix[place[one], place[other]] = matrix[place[other], place[one]] = covariance
    return matrix


def _cholesky(block: list[str], matrix: FloatArray) -> NDArray[Any]:
    """Factor A with A A' = matrix; a semi-definite matrix (correlation 1) is allowed."""
    try:
        return np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(matrix)
    if values[0] < -_ROUNDING * values[-1]:
        scale = np.sqrt(np.diag(matrix))
        correlation = np.abs(matrix / np.outer(scale, scale) - np.eye(len(block)))
        one, other = np.unravel_index(int(np.argmax(correlation)), matrix.shape)
        raise InvalidModel(
            f"the covariances of {', '.join(block)} are not positive definite (smallest eigenvalue {values[0]:.3g}); the largest "
            f"correlation is {correlation[one, other]:.3g} between {block[int(one)]} and {block[int(other)]}. "
            "Covariances, not correlations, are expected."
        )
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)), dtype=np.float64)
