"""Inputs: what acts on a model from outside over time (a stress, an intake, a session), as steps given when it is simulated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ketasim.dose import EventTemplate
from ketasim.errors import InvalidOption, close_names
from ketasim.model import Model
from ketasim.simulation._asked import MOST_HOURS

Floats = NDArray[np.float64]
Inputs = Mapping[str, tuple[tuple[float, float], ...]]


def checked_inputs(inputs: Any, model: Model) -> Inputs:
    """Inputs by name, each as (time in h, value from then on), ascending.

    Raises
    ------
    InvalidOption: no mapping, a name that is no input of the model, or steps that are no ascending times with values inside its bounds.
    """
    if inputs is None:
        return {}
    if not isinstance(inputs, Mapping):
        raise InvalidOption(f"inputs is of type {type(inputs).__name__}: give names with steps, e.g. {{'stress': [(0, 0.0), (24, 1.0)]}}.")  # fmt: skip
    for name in inputs:
        if name not in model.inputs:
            what = "is written by a mechanism" if name in model.ports else "is no input"
            has = (
                f"It has: {', '.join(model.inputs)}."
                if model.inputs
                else "It has none: no port it reads has a default and no writer."
            )
            raise InvalidOption(f"inputs: '{name}' {what} of {model.id}.{close_names(name, model.inputs)} {has}")
    return {name: _steps(name, steps, model) for name, steps in inputs.items()}


def _steps(name: str, steps: Any, model: Model) -> tuple[tuple[float, float], ...]:
    port = model.inputs[name]
    form = f"inputs['{name}']: give pairs of a time in h and a value in {port.unit}, e.g. [(0, 0.0), (24, 1.0)]"
    try:
        table = np.asarray(steps, float)
    except (TypeError, ValueError):
        raise InvalidOption(f"{form}; got {steps!r}.") from None
    if table.ndim != 2 or table.shape[1] != 2 or not len(table):
        raise InvalidOption(f"{form}; got {steps!r}.")
    times, values = table.T
    if not ((times >= 0) & (times <= MOST_HOURS)).all() or np.any(np.diff(times) <= 0):
        raise InvalidOption(f"inputs['{name}']: times {', '.join(f'{t:g}' for t in times)} h: give ascending ones from 0 to {MOST_HOURS:g} h, each once.")  # fmt: skip
    low, high = port.bounds
    if bad := [value for value in values if not (np.isfinite(value) and low <= value <= high)]:
        raise InvalidOption(f"inputs['{name}']: {bad[0]:g} {port.unit} is outside [{low:g}, {high:g}].")
    return tuple((float(t), float(v)) for t, v in table)


def with_inputs(template: EventTemplate, inputs: Inputs, before: Mapping[str, Floats]) -> EventTemplate:
    """The records with those at which an input changes, and with the inputs' values on all of them.

    before : input -> (subject,) or one value, which holds until its first step.
    """
    if not inputs:
        return template
    times = np.unique([0.0, *(time for steps in inputs.values() for time, _ in steps)])
    n, m = len(times), template.n_subjects
    # A step stands before the doses of its time: these meet the new value.
    every = np.concatenate([times, template.time])
    order = np.argsort(every, kind="stable")

    def joined(values: NDArray[Any], fill: float) -> NDArray[Any]:
        return np.concatenate([np.full((n, *values.shape[1:]), fill, values.dtype), values])[order]

    row = np.maximum(np.searchsorted(template.time, every[order], side="right") - 1, 0)
    row[order >= n] = order[order >= n] - n  # records keep their own, also where several share a time
    overrides = {name: values[row] for name, values in template.overrides.items()}
    for name, steps in inputs.items():
        at, values = np.array(steps).T
        latest = np.searchsorted(at, every[order], side="right") - 1
        given = np.where(latest >= 0, values[latest], np.nan)[:, None]
        overrides[name] = np.where(np.isnan(given), np.broadcast_to(before[name], (m,))[None], given)
    labels = [*("input changes" for _ in times), *(template.labels or ("dose",) * len(template.time))]
    return EventTemplate(
        every[order], joined(template.evid, 2), joined(template.cmt, -1), joined(template.amt, 0.0), joined(template.rate, 0.0),
        joined(template.ii, 0.0), joined(template.addl, 0), joined(template.ss, 0), template.ids, overrides,
        tuple(labels[int(k)] for k in order),
    )  # fmt: skip
