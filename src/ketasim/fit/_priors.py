"""Priors of the calibration: declared in ``pk_priors.toml``, used as standard normal coordinates."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ketasim.errors import InvalidEntry

PRIORS = Path(__file__).parent / "pk_priors.toml"


@dataclass(frozen=True)
class Prior:
    """One calibrated quantity: ``CLint`` or ``ticlopidine.A_2B6_liver``; `sd` is that of the log or logit."""

    name: str
    form: Literal["lognormal", "logitnormal"]
    median: float
    sd: float
    unit: str = "1"
    at: str = ""

    def value(self, z: Any, xp: Any) -> Any:
        """Value at a standard normal coordinate."""
        if self.form == "lognormal":
            return self.median * xp.exp(self.sd * z)
        return 1.0 / (1.0 + xp.exp(-(math.log(self.median / (1.0 - self.median)) + self.sd * z)))


@dataclass(frozen=True)
class Priors:
    """All priors and error settings of one calibration."""

    parameters: tuple[Prior, ...]
    between_study: tuple[Prior, ...]
    settings: Mapping[str, Any]

    @property
    def all(self) -> tuple[Prior, ...]:
        """Parameters, then between-study SDs: the order of the coordinates."""
        return self.parameters + self.between_study

    def values(self, z: Any, xp: Any) -> dict[str, Any]:
        """Name -> value at coordinates z (parameter,)."""
        return {prior.name: prior.value(z[i], xp) for i, prior in enumerate(self.all)}


def load_priors(path: Path = PRIORS) -> Priors:
    """Priors of a file; raises `InvalidEntry` for a form that is not known."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    parameters = [_prior(name, raw, path) for name, raw in data["param"].items()]
    for drug, activities in data.get("comedication", {}).items():
        parameters += [_prior(f"{drug}.{name}", raw, path) for name, raw in activities.items()]
    between = [Prior(f"tau.{name}", "lognormal", raw["median"], raw["sd"]) for name, raw in data["between_study"].items()]
    settings = {key: data[key] for key in ("within_study", "unreported", "digitised")}
    return Priors(tuple(parameters), tuple(between), settings)


def _prior(name: str, raw: Mapping[str, Any], path: Path) -> Prior:
    if raw["form"] not in ("lognormal", "logitnormal"):
        raise InvalidEntry(f"{path.name} [{name}]: form '{raw['form']}' is not known; use lognormal or logitnormal.")
    return Prior(name, raw["form"], float(raw["median"]), float(raw["sd"]), raw["unit"], raw["at"])
