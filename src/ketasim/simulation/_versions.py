"""One regimen in the same people under many versions of the numbers: what sensitivity analyses ask for."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ketasim.clinical import DisorderEntry, Endpoint
from ketasim.dose import Dose, Regimen
from ketasim.errors import InvalidOption, close_names
from ketasim.model import Model, Part
from ketasim.results import CareTable
from ketasim.simulation._asked import end_time, output_times
from ketasim.simulation._care import CareRun, with_beside
from ketasim.simulation._cohort import _asked_model, _dosing, _regimen, _run_of, simulate

Floats = NDArray[np.float64]
#: Options of `simulate` that say how a result is kept or repeated, which versions of the numbers leave no room for.
_NOT_HERE = (
    "draws",
    "residual",
    "replicates",
    "stream",
    "states",
    "show",
    "checkpoint",
    "quantiles",
    "between_study",
    "progress",
)
#: Kinetics kept: in a global analysis the next versions often differ in what comes after kinetics alone.
_KEPT = 2


@dataclass(frozen=True)
class Reading:
    """What one version of the numbers gives.

    Attributes
    ----------
    exposure : site -> analytes, values (parameter, analyte, person), unit. care : of everybody, where a disorder was asked for.
    failed : people the solver gave no result for.
    """

    exposure: Mapping[str, tuple[tuple[str, ...], Floats, str]]
    care: CareTable | None
    failed: int


class Versions:
    """A regimen in the same people under many versions of the numbers.

    Parameters
    ----------
    model, dosing, options : as those of `simulate`, without what says how a result is kept.

    Attributes
    ----------
    model : with the typical values set by the user. entries : disorder and side effects by name; empty without a disorder.
    parameters : exposure parameters, in the order of a `Reading`. visits : h. people : how many. who : their name. varies : whether
        they differ at random. regimen : as read. end : last output time, h.

    Raises
    ------
    InvalidOption: an option that has no meaning here, or an event table.
    """

    def __init__(self, model: str | Part | Model, dosing: Any = "", **options: Any) -> None:
        every = inspect.signature(simulate).parameters
        known = [name for name in every if name not in _NOT_HERE]
        for name in options:
            if name not in known:
                raise InvalidOption(f"'{name}' has no meaning for a sensitivity analysis.{close_names(name, known)}")
        asked = SimpleNamespace(**({name: p.default for name, p in every.items()} | {"model": model, "dosing": dosing} | options))
        care, common, given = _asked_model(asked)
        times = None if asked.times is None else output_times(asked.times)
        given, until = _dosing(given), end_time(asked.until, times)
        if not isinstance(given, (str, Dose, Regimen)):
            raise InvalidOption("a sensitivity analysis follows a regimen in words; an event table has subjects of its own.")
        self.regimen: Regimen = _regimen(given)
        self._run = run = _run_of(common, self.regimen, times, until, asked)
        self.end, self.who, self.varies = float(run.times[-1]), run.people.label, bool(run.vary)
        care = with_beside(care, self.regimen)
        self._care = None if care is None else CareRun(run, care)  # gives the run times of its own
        self.model, self.people, self.seed = common.model, run.people.n, common.seed
        self.entries: dict[str, DisorderEntry | Endpoint] = {}
        if care is not None:
            self.entries = {entry.id: entry for entry in (care.disorder, *care.endpoints)}
        self.parameters = () if run.exposure is None else run.exposure.parameters
        self.visits = np.empty(0) if self._care is None else self._care.visits
        self._kept: dict[tuple[tuple[str, float], ...], tuple[Any, ...]] = {}

    @property
    def disorder(self) -> DisorderEntry | None:
        """The disorder asked for."""
        return None if self._care is None else self._care.care.disorder

    def read(self, values: Mapping[str, float]) -> Reading:
        """What people get under some values; names of a disorder's or side effect's numbers stand behind its own: ``trd.g``."""
        kinetic = {name: float(value) for name, value in values.items() if name in self.model.numbers}
        exposure, failed, people = self._kinetics(kinetic)
        if self._care is None:
            return Reading(exposure, None, failed)
        numbers = {entry: dict(own) for entry, own in self._care.numbers().items()}
        for name, value in values.items():
            entry, _, parameter = name.partition(".")
            if name not in kinetic:
                numbers[entry][parameter] = np.float64(value)  # type: ignore[assignment]
        table = self._care.table(keep_quantiles=False)
        table.add(self._care.course(people, numbers=numbers))
        return Reading(exposure, table, failed)

    def _kinetics(self, values: Mapping[str, float]) -> tuple[Any, ...]:
        """Exposure, how many failed, and what sessions bring people."""
        key = tuple(sorted(values.items()))
        if key not in self._kept:
            while len(self._kept) > _KEPT:
                del self._kept[next(k for k in self._kept if k)]
            self._kept[key] = self._solved(values)
        return self._kept[key]

    def _solved(self, values: Mapping[str, float]) -> tuple[Any, ...]:
        pieces, ports = self._run.drawn(values).solved(None)
        failed = sum(int((piece[3].status != 0).sum()) for piece in pieces)
        sites = pieces[0][4]
        exposure = {s: (names, np.concatenate([p[4][s][1] for p in pieces], -1), unit) for s, (names, _, unit) in sites.items()}
        if self._care is None:
            return exposure, failed, None
        levels = [ports, *(run.drawn(values).solved(None)[1] for run in self._care.runs[1:])]
        ids = np.concatenate([piece[0].ids for piece in pieces])
        stacked = [np.stack([level[name] for name in self._run.ports], axis=1) for level in levels]
        return exposure, failed, self._care.people(ids, stacked)
