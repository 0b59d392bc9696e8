"""What is varied: parameters, how far each may lie from its value, and whether data or a prior say so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from ketasim.arguments import checked
from ketasim.clinical import DisorderEntry, Endpoint, Prior
from ketasim.errors import InvalidOption, InvalidParameter, close_names
from ketasim.fit import CALIBRATED, learned
from ketasim.model import Model, Number, Variability
from ketasim.model._effect import individual_value
from ketasim.population import uncertain_value, undrawn
from ketasim.simulation import Versions

Floats = NDArray[np.float64]
#: What a parameter may be varied over.
OVER = ("uncertainty", "people")
#: Of a parameter the data told less than this share: "prior, not data".
_LEAST_LEARNED = 0.1
PRIOR, ASSUMED, GIVEN = "prior, not data", "assumed", "given by the user"


@dataclass(frozen=True)
class Factor:
    """A parameter that is varied.

    Attributes
    ----------
    name : as in the model; of a disorder or side effect behind its own name: ``trd.g``. value : as it stands, in `unit`.
    basis : what says how far it may lie from it. mark : empty where data say so, else what does.
    at : share of the distribution below, 0 to 1 -> value.
    """

    name: str
    value: float
    unit: str
    basis: str
    mark: str
    at: Callable[[float], float]


@checked
def factors_of(
    versions: Versions, over: str = "uncertainty", ranges: Mapping[str, tuple[float, float]] | None = None
) -> tuple[Factor, ...]:
    """Every parameter that can be varied.

    Parameters
    ----------
    over : ``uncertainty``: by posterior or standard error; ``people``: by how people differ.
    ranges : parameter -> lowest and highest value, in its unit; between them every value is as likely, whatever else is known.

    Raises
    ------
    InvalidOption: another word, or nothing that can be varied. InvalidParameter: a range of no such parameter, or none.
    """
    if over not in OVER:
        raise InvalidOption(f"over = '{over}': write {' or '.join(OVER)}.")
    found = _uncertain(versions) if over == "uncertainty" else _between_people(versions.model)
    named = {factor.name: factor for factor in found}
    for name, (low, high) in (ranges or {}).items():
        named[name] = _in_range(versions, name, low, high)
    if not named:
        what = "standard errors nor a posterior" if over == "uncertainty" else "variability between people"
        raise InvalidOption(f"{versions.model.id} has no {what}: give a range, e.g. --range CL=40..80.")
    return tuple(named.values())


@checked
def held(versions: Versions, varied: Sequence[str]) -> tuple[str, ...]:
    """Parameters of the model that are not among those varied, for nothing says how sure they are."""
    return tuple(name for name in undrawn(versions.model) if name not in varied)


def _uncertain(versions: Versions) -> list[Factor]:
    model = versions.model
    found: list[Factor] = []
    posterior: dict[str, Floats] = {}
    for part in model.parts:
        own = cast("Mapping[str, Any]", part.info.get("posterior") or {})
        posterior |= {name: np.asarray(draws, float) for name, draws in own.items() if name in model.numbers}
    told = learned(posterior)
    for name, number in model.numbers.items():
        mark = PRIOR if number.source == CALIBRATED and told.get(name, 1.0) < _LEAST_LEARNED else _assumed(number.kind)
        if name in posterior and name not in model.replaced:
            found.append(Factor(name, number.value, number.unit, "posterior", mark, _quantile(posterior[name])))
        elif number.se > 0:
            found.append(Factor(name, number.value, number.unit, "standard error", mark, _from_error(model, name)))
    for entry in versions.entries.values():
        found += [_of_entry(entry, name, prior) for name, prior in entry.priors.items()]
    return found


def _between_people(model: Model) -> list[Factor]:
    return [
        Factor(name, n.value, n.unit, "between people", _assumed(n.iiv.kind), _of_person(n.value, n.iiv))
        for name, n in model.numbers.items()
        if n.iiv is not None and n.iiv.omega2 > 0
    ]


def _in_range(versions: Versions, name: str, low: float, high: float) -> Factor:
    number, bounds = _number(versions, name)
    if not bounds[0] <= low < high <= bounds[1]:
        raise InvalidParameter(
            f"range {name}={low:g}..{high:g}: give two values, the lower first, from {bounds[0]:g} to {bounds[1]:g} {number.unit}."
        )
    return Factor(name, number.value, number.unit, "range", GIVEN, lambda share: low + (high - low) * share)


def _number(versions: Versions, name: str) -> tuple[Number, tuple[float, float]]:
    if name in versions.model.numbers:
        return versions.model.numbers[name], versions.model.params[name].bounds
    entry, _, parameter = name.partition(".")
    if entry in versions.entries and parameter in versions.entries[entry].numbers:
        return versions.entries[entry].numbers[parameter], (-np.inf, np.inf)
    known = [*versions.model.numbers, *(f"{e.id}.{p}" for e in versions.entries.values() for p in e.numbers)]
    raise InvalidParameter(
        f"{versions.model.id} has no parameter '{name}'.{close_names(name, known)} See: ketasim describe {versions.model.id.partition('@')[0]}"
    )


def _assumed(kind: str) -> str:
    return ASSUMED if kind == "assumed" else ""


def _quantile(draws: Floats) -> Callable[[float], float]:
    return lambda share: float(np.quantile(draws, share))


def _from_error(model: Model, name: str) -> Callable[[float], float]:
    return lambda share: uncertain_value(model.numbers[name], model.params[name], float(ndtri(share)))


def _of_person(value: float, iiv: Variability) -> Callable[[float], float]:
    return lambda share: float(individual_value(value, np.sqrt(iiv.omega2) * ndtri(share), iiv.form))


def _of_entry(entry: DisorderEntry | Endpoint, name: str, prior: Prior) -> Factor:
    number = entry.numbers[name]

    def at(share: float) -> float:
        step = prior.se * float(ndtri(share))
        return number.value * float(np.exp(step)) if prior.form == "log" else number.value + step

    mark = PRIOR if prior.learned < _LEAST_LEARNED else _assumed(number.kind)
    return Factor(f"{entry.id}.{name}", number.value, number.unit, "posterior", mark, at)
