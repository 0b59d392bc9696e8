"""What `simulate` and `compare` are asked for, checked before anything is computed: types, and numbers that mean something."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ketasim.dose import Dose, EventData, Regimen
from ketasim.errors import InvalidOption
from ketasim.model import Model
from ketasim.population import Cohort

Floats = NDArray[np.float64]
#: Body weight of the typical patient unless asked otherwise, kg.
TYPICAL_WEIGHT = 70.0
#: Hours that no simulation of a person needs (114 years); a time beyond it is in another unit.
MOST_HOURS = 1e6


def output_times(times: Any) -> Floats:
    """Output times, h, ascending, each once.

    Raises
    ------
    InvalidOption: what is no number of hours, not finite, or beyond a lifetime.
    """
    array = np.asarray(times)
    if array.dtype.kind not in "fiu":
        what = f"{times!r}" if isinstance(times, str) else f"{type(times).__name__} of {array.dtype}"
        raise InvalidOption(f"times = {what}: give hours as numbers, e.g. [0, 0.5, 1, 2, 4].")
    if not np.isfinite(array).all():
        raise InvalidOption("times: every output time must be a finite number of hours.")
    if np.any(np.abs(array) > MOST_HOURS):
        raise InvalidOption(f"times: {np.max(np.abs(array)):g} h is longer than a life (at most {MOST_HOURS:g} h). Give hours.")
    return np.unique(array.astype(np.float64))


def end_time(until: Any, times: Any = None) -> float | None:
    """End of the simulation, h. times : output times, whose last one is the end.

    Raises
    ------
    InvalidOption: no number, negative, not finite, or given beside output times.
    """
    if until is not None and times is not None:
        raise InvalidOption("times and until are given; give one of them: the last output time is the end.")
    if until is not None and not (is_number(until) and 0 <= until <= MOST_HOURS):
        raise InvalidOption(f"until = {until!r}: give a number of hours from 0 to {MOST_HOURS:g}, e.g. until=24.")
    return None if until is None else float(until)


def is_number(value: Any) -> bool:
    """Whether a value is one number (and no truth value)."""
    return not isinstance(value, str) and np.ndim(value) == 0 and np.asarray(value).dtype.kind in "fiu"


def whole_number(name: str, value: Any, of: str = "") -> int:
    """A whole number above zero.

    Raises
    ------
    InvalidOption: another kind of number, or one below 1.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise InvalidOption(f"{name} = {value!r}: give a whole number{of}, at least 1.")
    return int(value)


def threads_of(threads: Any) -> int:
    """Threads to use: as asked, or one per processor."""
    return whole_number("threads", threads) if threads is not None else os.cpu_count() or 1


def check_dosing(dosing: Any) -> None:
    """Refuse what is no dosing.

    Raises
    ------
    InvalidOption
    """
    if dosing is None or (isinstance(dosing, str) and not dosing):
        raise InvalidOption("no dosing given; write e.g. simulate(dosing='esketamine nasal 56 mg').")
    if not isinstance(dosing, (str, Dose, Regimen, EventData, Path, pd.DataFrame)):
        raise InvalidOption(
            f"dosing is of type {type(dosing).__name__}: give a regimen (text, Dose, Regimen) or an event table (DataFrame, path of a .csv). "
            f"For several regimens: compare."
        )


def check_people(cohort: Any, population: Any) -> None:
    """Refuse what is no cohort, and two answers to who is simulated.

    Raises
    ------
    InvalidOption
    """
    if cohort is not None and not isinstance(cohort, Cohort):
        raise InvalidOption(f"cohort is of type {type(cohort).__name__}: give a Cohort, e.g. cohort_from_table(table) or population('adults').sample(n, seed).")  # fmt: skip
    if cohort is not None and population is not None:
        raise InvalidOption(f"cohort and population = '{population}' are given; give one of them.")


def animal_of(model: Model, one: bool) -> str:
    """Species of a model of an animal; empty for models of people. one : whether one animal is asked for, or a cohort was given.

    Raises
    ------
    InvalidOption: a population of people for a model of an animal.
    """
    if model.species and not one:
        raise InvalidOption(
            f"{model.id} is a model of the {model.species}, which no population of people fits. Simulate one: n = 1."
        )
    return model.species


def typical_weight(weight: Any, typical: bool) -> float:
    """Body weight of the typical patient, kg.

    Raises
    ------
    InvalidOption: no weight of a person, or given for patients who have weights of their own.
    """
    if weight is None:
        return TYPICAL_WEIGHT
    if not typical:
        raise InvalidOption(
            "weight: it is that of the one typical patient; patients of a population or cohort have weights of their own."
        )
    if not (is_number(weight) and 0.5 <= weight <= 500):
        raise InvalidOption(f"weight = {weight!r}: give a number from 0.5 to 500 kg.")
    return float(weight)


def check_table(people: tuple[Any, ...], until: float | None, streaming: tuple[Any, ...], inputs: Any = None) -> None:
    """Refuse what an event table says itself, where it was given. people : who is simulated. streaming : how a streamed run goes on.

    Raises
    ------
    InvalidOption
    """
    if any(given is not None for given in people):
        raise InvalidOption("population, n, cohort and weight have no meaning for an event table: its subjects are simulated.")
    if any(given is not None for given in streaming):
        raise InvalidOption("stream and checkpoint have no meaning for an event table: the records of all its subjects are kept.")
    if inputs is not None:
        raise InvalidOption(
            "inputs have no meaning for an event table: give it a column of the input's name, a value per record."
        )
    if until is not None:
        raise InvalidOption(
            "until has no meaning for an event table: its observation records are the output times, or give times."
        )


def check_quantiles(quantiles: Any) -> tuple[float, ...]:
    """Levels of quantiles.

    Raises
    ------
    InvalidOption: none, or one outside 0 to 1.
    """
    levels = np.asarray(quantiles)
    if levels.ndim != 1 or not levels.size or levels.dtype.kind not in "fiu" or not ((levels >= 0) & (levels <= 1)).all():
        raise InvalidOption(f"quantiles = {quantiles!r}: give levels from 0 to 1, e.g. [0.05, 0.5, 0.95].")
    return tuple(map(float, levels))


def check_arms(arms: Any) -> Mapping[str, Any]:
    """Arms of a comparison.

    Raises
    ------
    InvalidOption: no mapping of labels to regimens, an empty one, or a label that cannot stand in a file.
    """
    if not isinstance(arms, Mapping) or not arms:
        what = f"of type {type(arms).__name__}" if not isinstance(arms, Mapping) else "empty"
        raise InvalidOption(f"arms is {what}: give labels and regimens, e.g. {{'nasal': 'esketamine nasal 56 mg', 'oral': '...'}}.")  # fmt: skip
    for label in arms:
        if not isinstance(label, str) or not label.isprintable() or not label.strip() or {".", ".."} & set(label.split("/")):
            raise InvalidOption(f"arm {label!r}: the name of an arm is a text of letters, digits and signs, e.g. 'nasal 56 mg'.")
    return arms


def check_switches(
    variability: Any, residual: Any, states: Any, stream: Any, between_study: Any, progress: Any, checkpoint: Any
) -> None:  # fmt: skip
    """Refuse switches that are neither on nor off, and a progress or checkpoint of another kind.

    Raises
    ------
    InvalidOption
    """
    switches = {
        "variability": variability,
        "residual": residual,
        "states": states,
        "stream": stream,
        "between_study": between_study,
    }
    for name, value in switches.items():
        if value is not None and not isinstance(value, (bool, np.bool_)):
            raise InvalidOption(f"{name} = {value!r}: give True or False.")
    if progress is not None and not isinstance(progress, Callable):
        raise InvalidOption(f"progress is of type {type(progress).__name__}: give a function of (done, total).")
    if checkpoint is not None and not isinstance(checkpoint, (str, os.PathLike)):
        raise InvalidOption(f"checkpoint is of type {type(checkpoint).__name__}: give the name of a file.")


def check_stream(streamed: bool, states: bool, checkpoint: Any) -> None:
    """Refuse states of single patients where none is kept, and a checkpoint of what cannot be resumed.

    Raises
    ------
    InvalidOption
    """
    if checkpoint is not None and not streamed:
        raise InvalidOption(
            f"checkpoint = {str(checkpoint)!r}: only a streamed cohort can be resumed (a result above 2 GiB, or stream=True). Leave it out."
        )
    if streamed and states:
        raise InvalidOption("states = True: a streamed cohort keeps quantiles of concentrations only. Give fewer people, or stream=False.")  # fmt: skip


def names_of(comedication: Any) -> Sequence[str]:
    """Names of co-medications.

    Raises
    ------
    InvalidOption: one text instead of a list.
    """
    if isinstance(comedication, str):
        raise InvalidOption(f"comedication = '{comedication}': give a list of names, e.g. ['{comedication}'].")
    if comedication is not None and not isinstance(comedication, Iterable):
        raise InvalidOption(f"comedication = {comedication!r}: give a list of names, e.g. ['ticlopidine'].")
    return () if comedication is None else tuple(comedication)
