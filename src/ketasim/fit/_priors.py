"""Priors of the calibration: declared in ``pk_priors.toml``, used as standard normal coordinates."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ketasim.errors import InvalidEntry
from ketasim.model import StudyEffect

PRIORS = Path(__file__).parent / "pk_priors.toml"


@dataclass(frozen=True)
class Prior:
    """One calibrated quantity: ``CLint`` or ``ticlopidine.A_2B6_liver``; `sd` is that of the log or logit.

    `beside` names a quantity of the same form whose deviation from its own median, on that scale, this one shares.
    """

    name: str
    form: Literal["lognormal", "logitnormal"]
    median: float
    sd: float
    unit: str = "1"
    at: str = ""
    beside: str = ""

    def value(self, shift: Any, xp: Any) -> Any:
        """Value at a shift from the median on the log or logit scale."""
        if self.form == "lognormal":
            return self.median * xp.exp(shift)
        return 1.0 / (1.0 + xp.exp(-(math.log(self.median / (1.0 - self.median)) + shift)))

    def shift(self, value: float) -> float:
        """The shift at which it has this value."""
        if self.form == "lognormal":
            return math.log(value / self.median)
        return math.log(value / (1.0 - value)) - math.log(self.median / (1.0 - self.median))


@dataclass(frozen=True)
class Priors:
    """All priors and error settings of one calibration; `effects` are what differs from study to study."""

    parameters: tuple[Prior, ...]
    between_study: tuple[Prior, ...]
    settings: Mapping[str, Any]
    effects: tuple[StudyEffect, ...] = ()

    @property
    def all(self) -> tuple[Prior, ...]:
        """Parameters, then between-study SDs: the order of the coordinates."""
        return self.parameters + self.between_study

    def values(self, z: Any, xp: Any) -> dict[str, Any]:
        """Name -> value at coordinates z (parameter,) or (parameter, draw), which are standard normal under the prior."""
        shifts: dict[str, Any] = {}
        for i, prior in enumerate(self.all):
            own = prior.sd * z[i]
            shifts[prior.name] = own + shifts[prior.beside] if prior.beside else own
        return {prior.name: prior.value(shifts[prior.name], xp) for prior in self.all}

    def coordinates(self, values: Mapping[str, float]) -> list[float]:
        """The coordinates at which the quantities have these values."""
        shifts = {prior.name: prior.shift(values[prior.name]) for prior in self.all}
        return [(shifts[prior.name] - shifts.get(prior.beside, 0.0)) / prior.sd for prior in self.all]


def load_priors(path: Path = PRIORS) -> Priors:
    """Priors of a file; raises `InvalidEntry` for a form that is not known, or a quantity beside one that does not stand above it."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    parameters = [_prior(name, raw, path) for name, raw in data["param"].items()]
    for drug, activities in data.get("comedication", {}).items():
        parameters += [_prior(f"{drug}.{name}", raw, path) for name, raw in activities.items()]
    _check_beside(parameters, path)
    raws = data.get("between_study", {})
    between = [Prior(f"tau.{name}", "lognormal", raw["median"], raw["sd"], at=raw["at"]) for name, raw in raws.items()]
    effects = tuple(
        StudyEffect(f"{group}/{'+'.join(on)}", raw["median"], tuple(on), group) for group, raw in raws.items() for on in raw["on"]
    )
    settings = {key: data[key] for key in ("within_study", "unreported", "digitised")}
    return Priors(tuple(parameters), tuple(between), settings, effects)


def _prior(name: str, raw: Mapping[str, Any], path: Path) -> Prior:
    if raw["form"] not in ("lognormal", "logitnormal"):
        raise InvalidEntry(f"{path.name} [{name}]: form '{raw['form']}' is not known; use lognormal or logitnormal.")
    return Prior(name, raw["form"], float(raw["median"]), float(raw["sd"]), raw["unit"], raw["at"], raw.get("beside", ""))


def _check_beside(parameters: Sequence[Prior], path: Path) -> None:
    """Refuse a quantity beside one of another form, or one that does not stand above it."""
    forms: dict[str, str] = {}
    for prior in parameters:
        if prior.beside and forms.get(prior.beside) != prior.form:
            raise InvalidEntry(
                f"{path.name} [{prior.name}]: beside = '{prior.beside}' names no quantity above it of form '{prior.form}'."
            )
        forms[prior.name] = prior.form
