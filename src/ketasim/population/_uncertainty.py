"""Uncertainty of the typical values themselves: one draw is one plausible version of the model, the same for all patients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike

from ketasim.arguments import checked
from ketasim.errors import InvalidModel, InvalidOption, InvalidParameter, close_names
from ketasim.model import Number, Param, StudyEffect
from ketasim.population._random import is_whole, normal


class ModelLike(Protocol):
    """What this package needs of a `ketasim.model.Model`."""

    @property
    def params(self) -> Mapping[str, Param]: ...
    @property
    def numbers(self) -> Mapping[str, Number]: ...
    @property
    def correlations(self) -> Mapping[tuple[str, str], float]: ...


@checked
def typical_values(
    model: ModelLike, uncertainty: int | Mapping[str, float] | None, seed: int, between_study: bool = False
) -> dict[str, float]:
    """Typical value of every parameter.

    Parameters
    ----------
    uncertainty : None takes the values as published. A number is the index of a draw: from the posterior a part carries
        (``Part.info["posterior"]``: parameter -> draws) where it has one, else from the standard error `Number.se`. What
        `Model.with_values` replaced stays.
        A mapping sets values directly, e.g. one row of a posterior of one's own.
    seed : of the cohort; fixes the draws.
    between_study : the draw is that of a new study: parameters also shift by what differs from study to study
        (``Part.info["between_study"]``). It needs the index of a draw.

    Returns
    -------
    parameter -> value, in the declared unit.
    """
    values = {name: number.value for name, number in model.numbers.items()}
    if uncertainty is None:
        return values
    if isinstance(uncertainty, Mapping):
        for name in uncertainty:
            if name not in values:
                raise InvalidParameter(f"uncertainty sets '{name}', which the model does not have.{close_names(name, values)}")
        return values | {name: float(value) for name, value in uncertainty.items()}
    if not is_whole(uncertainty) or uncertainty < 0:
        raise InvalidOption(
            f"uncertainty = {uncertainty!r}: give the index of the draw (0, 1, 2 ...), a mapping of values, or None."
        )
    row = _posterior_row(model, int(uncertainty))
    posterior = {name: value for name, value in row.items() if name in values}
    drawn = {
        name: _draw(name, number, model.params[name], seed, int(uncertainty))
        for name, number in model.numbers.items()
        if number.se > 0 and name not in posterior
    }
    values = values | drawn | posterior
    return _of_a_study(model, values, row, seed, int(uncertainty)) if between_study else values


@checked
def study_effects(model: ModelLike) -> tuple[StudyEffect, ...]:
    """What differs from study to study, of all parts."""
    parts: tuple[Any, ...] = tuple(getattr(model, "parts", ()))
    return tuple(effect for part in parts for effect in part.info.get("between_study", ()))


@checked
def shifted(values: Mapping[str, Any], on: Iterable[str], shift: float, params: Mapping[str, Param]) -> dict[str, Any]:
    """The parameters `on` moved by a shift: on the logit scale where they are shares (bounds 0 to 1), else on the log scale."""
    return {name: moved(values[name], shift, params[name].bounds == (0.0, 1.0)) for name in on}


@checked
def moved(value: Any, shift: float, is_share: bool) -> Any:
    """A value moved by a shift on the log scale, or on the logit scale, on which a share stays one."""
    grown = value * np.exp(shift)
    return grown / (1.0 - value + grown) if is_share else grown


def _of_a_study(model: ModelLike, values: dict[str, float], row: Mapping[str, float], seed: int, index: int) -> dict[str, float]:
    """Values in one new study; what a user replaced stays."""
    own = {name: number for part in getattr(model, "parts", ()) for name, number in part.numbers.items()}
    for effect in study_effects(model):
        shift = row.get(f"tau.{effect.group}", effect.sd) * float(normal(seed, index, f"between_study/{effect.name}"))
        on = [name for name in effect.on if name in values and own[name].value == model.numbers[name].value]
        values = values | shifted(values, on, shift, model.params)
    return values


@checked
def undrawn(model: ModelLike) -> tuple[str, ...]:
    """Parameters that every draw holds at their published or assumed value, for nothing says how sure it is; derived ones aside."""
    covered = _posterior_row(model, 0)
    return tuple(n for n, number in model.numbers.items() if number.se == 0 and n not in covered and number.kind != "derived")


@checked
def multiplier_values(
    model: ModelLike, drug: str, multipliers: Mapping[str, Number], uncertainty: int | None, seed: int, between_study: float = 0.0
) -> dict[str, float]:
    """Factor of every parameter a co-medication acts on: as published, or of one draw; in a new study where `between_study`,
    the SD of a shift of all factors together, is above 0. What inhibits still inhibits: factors below 1 shift on the logit scale.

    A posterior that was estimated together with the drug's effects holds them as ``drug.parameter``, correlated with the
    model's own parameters; effects it does not hold are drawn from their standard errors.
    """
    values = {name: number.value for name, number in multipliers.items()}
    if uncertainty is None:
        return values
    row, factor = _posterior_row(model, uncertainty), Param("1", bounds=(0.0, np.inf))
    for name, number in multipliers.items():
        key = f"{drug}.{name}"
        values[name] = (
            row[key] if key in row else _draw(key, number, factor, seed, uncertainty) if number.se > 0 else number.value
        )
    shift = between_study * float(normal(seed, uncertainty, f"between_study/{drug}")) if between_study else 0.0
    return {name: float(moved(value, shift, value < 1.0)) for name, value in values.items()}


def _posterior_row(model: ModelLike, index: int) -> dict[str, float]:
    """Row `index` of every part's posterior; rows keep the correlation between a part's parameters.

    A parameter whose value was replaced (`Model.with_values`) is left out: what a user sets is not uncertain.
    """
    parts: tuple[Any, ...] = tuple(getattr(model, "parts", ()))
    row: dict[str, float] = {}
    for part in parts:
        table = cast("Mapping[str, ArrayLike]", part.info.get("posterior") or {})
        lengths = {len(np.atleast_1d(draws)) for draws in table.values()}
        if len(lengths) > 1 or 0 in lengths:
            raise InvalidModel(
                f"{part.cite}: the posterior's columns have {sorted(lengths)} draws; all need the same number, at least one."
            )
        for name, draws in table.items():
            if name not in part.numbers or part.numbers[name].value == model.numbers[name].value:
                column = np.atleast_1d(np.asarray(draws, dtype=np.float64))
                row[name] = float(column[index % column.size])
    return row


def _draw(name: str, number: Number, param: Param, seed: int, index: int) -> float:
    """One value with the published one as median."""
    return uncertain_value(number, param, float(normal(seed, index, f"uncertainty/{name}")))


@checked
def uncertain_value(number: Number, param: Param, z: float) -> float:
    """The value `z` standard errors from the published one, which is the median, on the scale that keeps the parameter's kind.

    A fraction (bounds 0 to 1) moves on the logit scale, a positive parameter on the log scale, any other on its own.
    """
    value, low, high = number.value, *param.bounds
    if low >= 0.0 and high == 1.0 and 0.0 < value < 1.0:
        shift = number.se / (value * (1.0 - value)) * z
        return float(1.0 / (1.0 + (1.0 / value - 1.0) * np.exp(-shift)))
    if low >= 0.0 and value > 0.0:
        return float(value * np.exp(np.sqrt(np.log1p((number.se / value) ** 2)) * z))
    return value + number.se * z
