"""Typical parameters at given covariates, as factors and shifts on whatever value a parameter has."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ketasim.errors import InvalidData
from ketasim.model import CovariateEffect, Model
from ketasim.model._effect import is_shift, size_of

#: A level that no effect names falls back on the wider group.
_WIDER = {"japanese": "asian", "chinese": "asian"}


def typical(
    model: Model,
    covariates: Mapping[str, Any],
    values: Mapping[str, Any] | None = None,
    multipliers: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Every parameter for one person without random variation, in declared units.

    Parameters
    ----------
    covariates : by name; a covariate that is not given stands at the reference of each effect.
    values : parameter -> value that replaces the model's (may be JAX values). multipliers : parameter -> factor (co-medication).
    """
    out: dict[str, Any] = dict(model.typical())
    out.update(values or {})
    for name, number in model.numbers.items():
        for effect in number.covariates:
            if effect.by in covariates:
                out[name] = _changed(out[name], effect, covariates[effect.by], name)
    for name, factor in (multipliers or {}).items():
        out[name] = out[name] * factor
    return out


def _changed(value: Any, effect: CovariateEffect, x: Any, name: str) -> Any:
    """A parameter value under one covariate effect."""
    if effect.form == "factor":
        level = str(x)
        return value * effect.levels.get(level, effect.levels.get(_WIDER.get(level, ""), 1.0))
    if not isinstance(x, (int, float)) or not math.isfinite(x):
        raise InvalidData(
            f"covariate {effect.by} = '{x}' must be a number: parameter {name} depends on it by form '{effect.form}'."
        )
    size = float(size_of(effect, float(x)))
    return value + size if is_shift(effect) else value * size
