"""Experiments on the cascade: a dose in an animal or in man, what is done beside it, and which way an output should go.

A line of an experiment table is read, run, and answered with a difference and its direction. What is asked comes from tables; nothing here
knows a finding or a claim.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ketasim.errors import InvalidEntry
from ketasim.library import load
from ketasim.model import Model
from ketasim.simulation import as_model, simulate

DIRECTIONS = ("up", "down", "none")
#: Route by which the arm without a drug gets its nothing.
_NOTHING = {"human": "0 mg racemic ketamine iv", "mouse": "0 mg racemic ketamine ip", "rat": "0 mg racemic ketamine ip"}
_DRUG_IN_BATH = "bath_"
Steps = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Arm:
    """One run.

    Attributes
    ----------
    cascade : human, mouse or rat. dose : regimen; empty for none. beside : interventions of the library, by name. inputs : port ->
        (h, value) steps; drug in the bath of a slice is among them.
    """

    cascade: str
    dose: str
    beside: tuple[str, ...] = ()
    inputs: tuple[tuple[str, Steps], ...] = ()

    def without_drug(self) -> Arm:
        """The same without a dose and with an empty bath."""
        return replace(self, dose="", inputs=tuple((k, v) for k, v in self.inputs if not k.startswith(_DRUG_IN_BATH)))

    def all_inputs(self) -> dict[str, list[tuple[float, float]]]:
        """Inputs with those of the interventions."""
        found = {name: list(steps) for name, steps in self.inputs}
        for name in self.beside:
            port, strength = _intervention(name)
            found[port] = [(0.0, strength)]
        return found


@dataclass(frozen=True)
class Experiment:
    """An arm, an output, what it is held against, and what should come out.

    Attributes
    ----------
    output, at : port and time, h after the first dose. other, other_output, other_at : what the value is held against; by default the same
        without the drug. expect : direction of the difference. threshold : differences up to it are none. size : difference that was
        seen, 0 where no size is known.
    """

    arm: Arm
    output: str
    at: float
    other: Arm
    other_output: str
    other_at: float
    expect: str
    threshold: float
    size: float = 0.0
    against: str = ""

    @property
    def text(self) -> str:
        """What was done, in words."""
        bath = [steps[-1][1] for port, steps in self.arm.inputs if port.startswith(_DRUG_IN_BATH)]
        given = [
            f"{port}={v:g} from {t:g} h"
            for port, ((t, v), *_) in ((k, s[-1:]) for k, s in self.arm.inputs if not k.startswith(_DRUG_IN_BATH))
        ]
        done = [self.arm.dose, f"{sum(bath):g} uM in the bath" if bath else "", *self.arm.beside, *given]
        return " + ".join(filter(None, done)) or "nothing"

    @property
    def against_text(self) -> str:
        """What it is held against, in words."""
        if not self.against:
            return "no drug"
        what, _, value = self.against.partition("=")
        words = {
            "with": f"with {value}" if value else f"without {' + '.join(self.arm.beside)}",
            "at": f"{value} h",
            "dose": value,
            "readout": value,
        }
        return words[what]

    @property
    def discriminates(self) -> bool:
        """Whether "everything rises after a dose" would get it wrong: a null, a fall by an intervention, or two arms with drug."""
        return self.expect == "none" or bool(self.against) or bool(self.arm.beside)


@dataclass(frozen=True)
class Outcome:
    """Value of the arm less that of the other, and its direction."""

    experiment: Experiment
    value: float
    difference: float

    @property
    def direction(self) -> str:
        """up, down or none; failed without a solution."""
        if not math.isfinite(self.difference):
            return "failed"
        if abs(self.difference) <= self.experiment.threshold:
            return "none"
        return "up" if self.difference > 0 else "down"

    @property
    def agrees(self) -> bool:
        """Whether the direction is that expected."""
        return self.direction == self.experiment.expect

    @property
    def fold(self) -> float:
        """Size over the size that was seen; NaN without one or in another direction."""
        size = self.experiment.size
        return abs(self.difference) / size if size > 0 and self.agrees else math.nan


def read_lines(path: Path, needed: Sequence[str]) -> list[dict[str, str]]:
    """Lines of a table of experiments.

    Raises
    ------
    InvalidEntry: a column is missing.
    """
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    missing = [name for name in needed if not lines or name not in lines[0]]
    if missing:
        raise InvalidEntry(
            f"{path.name}: column '{missing[0]}' is missing. It has: {', '.join(lines[0]) if lines else 'no lines'}."
        )
    return lines


def experiment_of(line: Mapping[str, str], where: str) -> Experiment:
    """The experiment of one line of a table.

    Raises
    ------
    InvalidEntry: a field that has no meaning; `where` names the line.
    """
    if line["cascade"] not in _NOTHING:
        raise InvalidEntry(f"{where}: cascade '{line['cascade']}' is unknown. Known: {', '.join(_NOTHING)}.")
    if line["expect"] not in DIRECTIONS:
        raise InvalidEntry(f"{where}: expect '{line['expect']}' is no direction. Use one of: {', '.join(DIRECTIONS)}.")
    arm = _arm(line, where)
    output, at = line["readout"], _number(line["at_h"], "at_h", where)
    changes = _pairs(line["versus"], where)
    if unknown := set(changes) - {"dose", "with", "at", "readout"}:
        raise InvalidEntry(f"{where}: versus names '{min(unknown)}'. Use dose, with, at or readout.")
    other = (
        _arm({**line, **{k: v for k, v in changes.items() if k in ("dose", "with")}}, where) if changes else arm.without_drug()
    )
    return Experiment(
        arm, output, at, other, changes.get("readout", output), _number(changes.get("at", line["at_h"]), "versus", where), line["expect"],
        _number(line["threshold"], "threshold", where), _number(line["size"], "size", where) if line["size"] else 0.0, line["versus"],
    )  # fmt: skip


def _arm(line: Mapping[str, str], where: str) -> Arm:
    beside = tuple(name.strip() for name in line["with"].split("+") if name.strip())
    steps: list[tuple[str, Steps]] = []
    for port, text in _pairs(line["inputs"], where).items():
        pairs = [step.partition("@") for step in text.split(",")]
        steps.append(
            (port, tuple((_number(time.removesuffix("h"), "inputs", where), _number(v, "inputs", where)) for v, _, time in pairs))
        )
    return Arm(line["cascade"], line["dose"], beside, tuple(steps))


def _pairs(text: str, where: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, (p.strip() for p in text.split(";"))):
        name, equals, value = part.partition("=")
        if not equals:
            raise InvalidEntry(f"{where}: '{part}' is no NAME=VALUE.")
        found[name.strip()] = value.strip()
    return found


def _number(text: str, column: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InvalidEntry(f"{where}: {column} is '{text}', which is no number.")
    return value


@lru_cache(maxsize=64)
def _intervention(name: str) -> tuple[str, float]:
    """Port an intervention of the library acts on, and its strength."""
    part: Any = load(f"mechanism/{name}")
    return part.mechanism.on, part.numbers["strength"].value


@lru_cache(maxsize=8)
def cascade_model(cascade: str) -> Model:
    """The assembled model of a species."""
    return as_model(f"cascade/{cascade}")


@dataclass
class Laboratory:
    """Runs experiments; every arm once, with all times that are asked of it.

    Attributes
    ----------
    parameters : typical values of the cascade to replace, for all arms.
    """

    parameters: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def run(self, experiments: Iterable[Experiment]) -> list[Outcome]:
        """Outcomes, in the order of the experiments."""
        asked = list(experiments)
        times: dict[Arm, set[float]] = {}
        for e in asked:
            times.setdefault(e.arm, set()).add(e.at)
            times.setdefault(e.other, set()).add(e.other_at)
        ran = {arm: self._solve(arm, sorted({0.0, *at})) for arm, at in times.items()}
        return [self._outcome(e, ran) for e in asked]

    def _outcome(self, e: Experiment, ran: Mapping[Arm, Mapping[str, Any]]) -> Outcome:
        value = _at(ran[e.arm], e.output, e.at)
        return Outcome(e, value, value - _at(ran[e.other], e.other_output, e.other_at))

    def _solve(self, arm: Arm, times: list[float]) -> Mapping[str, Any]:
        own = self.parameters.get(arm.cascade, {})
        return _solved(arm, tuple(times)) if not own else _simulated(arm, times, own)


@lru_cache(maxsize=512)
def _solved(arm: Arm, times: tuple[float, ...]) -> Mapping[str, Any]:
    """An arm of the cascade as it stands; claims and findings ask for many of the same."""
    return _simulated(arm, times, {})


def _simulated(arm: Arm, times: Sequence[float], parameters: Mapping[str, float]) -> Mapping[str, Any]:
    model, inputs = cascade_model(arm.cascade), arm.all_inputs()
    if unknown := [name for name in inputs if name not in model.inputs]:
        raise InvalidEntry(f"cascade/{arm.cascade} has no input '{unknown[0]}'.")
    dose = arm.dose or _NOTHING[arm.cascade]
    result = simulate(model, dose, times=list(times), inputs=inputs or None, parameters=dict(parameters) or None)
    ports = result["port"].to_dataset()
    return {"time": ports["time"].to_numpy(), **{str(name): array.to_numpy()[0] for name, array in ports.data_vars.items()}}


def _at(run: Mapping[str, Any], output: str, at: float) -> float:
    if output not in run:
        raise InvalidEntry(f"the cascade has no output '{output}'.")
    return float(run[output][np.argmin(np.abs(run["time"] - at))])
