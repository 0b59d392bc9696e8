"""Residual error: from predictions to what an assay would have reported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.arguments import checked
from ketasim.errors import InvalidModel, InvalidOption
from ketasim.model import Observation, ResidualError
from ketasim.population._random import normal, uniform


@checked
def sample_residual(
    values: ArrayLike,
    error: ResidualError,
    seed: int,
    ids: ArrayLike,
    stream: str = "residual",
    times: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Predictions with residual error added.

    Parameters
    ----------
    values : (n, t) or (n,) predictions of ``error.port``, in its unit.
    error : proportional and additive parts, SD = sqrt((proportional f)^2 + additive^2), or log-normal ``exponential``.
    seed : of the cohort. ids : (n,) patients.
    stream : name of the random numbers; two assays of one port need two names.
    times : (t,) whole numbers, the index of each time; by default 0, 1, 2 ... Give the index in the full schedule when
        the times are made in chunks, then a sample keeps its error.

    Returns
    -------
    array of the shape of `values`. An additive error can make a low value negative, as an assay's calibration can; nothing
    is cut off.

    Examples
    --------
    >>> sample_residual([[100.0, 50.0]], ResidualError("C", proportional=0.1), seed=1, ids=[7]).shape
    (1, 2)
    """
    _check(error)
    prediction, patients, index = _placed(values, ids, times)
    z = normal(seed, patients[:, None], f"{stream}/{error.port}", index[None, :]).reshape(prediction.shape)
    if error.exponential:
        return prediction * np.exp(error.exponential * z)
    return prediction + np.hypot(error.proportional * prediction, error.additive) * z


@checked
def assayed(
    outputs: Mapping[str, NDArray[np.float64]],
    errors: Iterable[ResidualError],
    seed: int,
    ids: ArrayLike,
    times: ArrayLike | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Outputs as an assay would have read them: name -> (time, n), residual error added where the model has one.

    Raises
    ------
    InvalidOption: the model has no residual error for any of them.
    """
    known = [error for error in errors if error.port in outputs]
    if not known:
        raise InvalidOption("residual: the model has no residual error; ketasim describe MODEL shows which it has. Leave it out.")
    read = {error.port: sample_residual(outputs[error.port].T, error, seed, ids, times=times).T for error in known}
    return {**outputs, **read}


@checked
def sample_observation(
    values: ArrayLike,
    observation: Observation,
    seed: int,
    ids: ArrayLike,
    stream: str = "observation",
    times: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Values of a port as they would have been measured; arguments as for `sample_residual`.

    Examples
    --------
    >>> from ketasim.model import LogitNormal
    >>> sample_observation([[30.0, 20.0]], LogitNormal("MADRS", low=0.0, high=60.0, sd=0.3), seed=1, ids=[7]).shape
    (1, 2)
    """
    prediction, patients, index = _placed(values, ids, times)
    draw = normal if observation.draws == "normal" else uniform
    random = draw(seed, patients[:, None], f"{stream}/{observation.port}", index[None, :]).reshape(prediction.shape)
    return observation.sample(prediction, random)


def _placed(values: ArrayLike, ids: ArrayLike, times: ArrayLike | None) -> tuple[NDArray[np.float64], NDArray[Any], NDArray[Any]]:
    """Predictions, patients, and the index of every time."""
    prediction = np.asarray(values, dtype=np.float64)
    patients = np.asarray(ids)
    if prediction.ndim not in (1, 2) or prediction.shape[0] != patients.size:
        raise InvalidOption(f"values have shape {prediction.shape}; needed is (n, times) or (n,) with n = {patients.size} ids.")
    width = prediction.shape[1] if prediction.ndim == 2 else 1
    index = np.arange(width) if times is None else np.atleast_1d(np.asarray(times))
    if index.shape != (width,):
        raise InvalidOption(f"times has shape {index.shape}; needed is one index for each of the {width} columns of values.")
    return prediction, patients, index


def _check(error: ResidualError) -> None:
    if min(error.proportional, error.additive, error.exponential) < 0:
        raise InvalidModel(f"residual error of {error.port}: standard deviations must not be negative.")
    if error.exponential and (error.proportional or error.additive):
        raise InvalidModel(f"residual error of {error.port}: 'exponential' excludes 'proportional' and 'additive'; use one form.")
