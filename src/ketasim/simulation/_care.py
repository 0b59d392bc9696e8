"""From prescription to symptoms: a regimen in people with a disorder, under a control arm, read at visits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ketasim import library
from ketasim.clinical import (
    ControlArm,
    DisorderEntry,
    Endpoint,
    Outcome,
    Patients,
    Reactions,
    Session,
    drawn_values,
    outcome,
    patients,
    reactions,
    trial_effects,
)
from ketasim.dose import molar_mass
from ketasim.errors import InvalidOption, close_names
from ketasim.model import Model, assemble
from ketasim.population import normal
from ketasim.results import CareTable, add_care, add_care_draws, add_care_summary

if TYPE_CHECKING:
    from ketasim.simulation._cohort import _Cohort

Floats = NDArray[np.float64]
#: Times after the start of a session at which side effects are followed, h.
AFTER = np.concatenate([np.arange(0, 24) / 12.0, 2.0 + np.arange(0, 9) / 4.0])
#: Doses that start within this time of the first one belong to one session, h (e.g. both devices of a nasal dose).
_ONE_SESSION = 4.0
#: Mechanisms that stand between plasma and side effects or symptoms.
MECHANISMS = ("mechanism/nmda_block", "mechanism/effect_site")
_BRAIN = ("C_brain_unbound_s_ketamine", "C_brain_unbound_r_ketamine")
_EFFECT, _OCCUPANCY = "C_effect_s_ketamine", "occupancy_nmda"


@dataclass(frozen=True)
class Care:
    """What is asked beside kinetics.

    Attributes
    ----------
    visits : h; empty for those that follow the regimen. baseline : mean severity at the start, points; None as the entry says.
    """

    disorder: DisorderEntry
    control: ControlArm
    visits: Floats | None = None
    endpoints: tuple[Endpoint, ...] = field(default_factory=lambda: tuple(library.endpoints()))


def asked_care(
    disorder: str | None, control: str | None, visits: Sequence[float] | Floats | None, baseline: float | None
) -> Care | None:
    """What is asked beside kinetics, if anything, and if it is clear.

    Raises
    ------
    UnknownEntry: no such disorder. InvalidOption: no such control arm, visits that are no times, or a baseline off the scale.
    """
    if disorder is None:
        given = {"control": control, "visits": visits, "baseline": baseline}
        if idle := next((name for name, value in given.items() if value is not None), None):
            raise InvalidOption(f"{idle}: has a meaning only with a disorder, e.g. disorder='trd'.")
        return None
    entry = library.disorder(disorder)
    name = control or next(iter(entry.controls))
    if name not in entry.controls:
        raise InvalidOption(
            f"control '{name}': {entry.id} has no such control arm.{close_names(name, entry.controls)} It has: {', '.join(entry.controls)}."
        )
    if baseline is not None:
        low, high = max(entry.scale.low, entry.baseline.least), entry.scale.high
        if not low < baseline < high:
            raise InvalidOption(
                f"baseline = {baseline:g}: the mean at the start lies between {low:g} and {high:g} points of {entry.scale.id}."
            )
        entry = replace(
            entry, baseline=replace(entry.baseline, mean=float(baseline), source="user", at="", note="set by the user")
        )
    return Care(entry, entry.controls[name], None if visits is None else _checked_visits(visits))


def _checked_visits(visits: Sequence[float] | Floats) -> Floats:
    given = np.unique(np.asarray(visits, float))
    if not len(given) or not np.isfinite(given).all() or given[0] < 0:
        raise InvalidOption("visits: give times in h from the start, 0 or later, e.g. 0,24,168,672.")
    return given


def with_mechanisms(model: Model) -> Model:
    """The model with what stands between plasma and effects.

    Raises
    ------
    InvalidOption: the model has no unbound concentrations in brain, or none in arteries.
    """
    needed = {*_BRAIN, "C_arterial_s_ketamine", "C_brain_unbound_s_norketamine", "C_brain_unbound_r_norketamine"}
    if lacking := sorted(needed - set(model.ports)):
        raise InvalidOption(
            f"{model.id} has no '{lacking[0]}', from which symptoms and side effects follow. Use ketasim_reference, or add a mechanism that writes it."
        )
    have = {part.id for part in model.parts}
    added = [library.load(name) for name in MECHANISMS if name.partition("/")[2] not in have]
    return assemble(*model.parts, *added, id=model.id) if added else model


def session_starts(doses: Sequence[tuple[float, Any]]) -> Floats:
    """When sessions begin, h: doses that follow within hours belong to the one before."""
    starts: list[float] = []
    for time in sorted({float(t) for t, _ in doses}):
        if not starts or time - starts[-1] >= _ONE_SESSION:
            starts.append(time)
    return np.array(starts)


def default_visits(starts: Floats, end: float) -> Floats:
    """The start, hours 2 to 24, then every day for a week and every week until the week of the end is over, h."""
    early = [0.0, 2.0, 4.0, 24.0, 48.0, 72.0, 96.0, 120.0, 144.0]
    weeks = 168.0 * np.arange(1, max(int(np.ceil(end / 168.0 - 1e-9)), 1) + 1)
    return np.unique(np.concatenate([early, weeks]))


@dataclass(frozen=True)
class _Piece:
    """Some people, from kinetics to scores."""

    patients: Patients
    sessions: tuple[Session, ...]
    occupancy: Floats  # (session, person)
    effect_site: Floats  # (session, time, person)
    outcome: Outcome
    reactions: dict[str, Reactions]


class CareRun:
    """One regimen, one control arm, many people, chunk by chunk; `run` solves the kinetics."""

    def __init__(self, run: _Cohort, care: Care) -> None:
        self.run, self.care, self.shown = run, care, run.times
        shown = run.times
        self.starts = session_starts(run.regimen.doses)
        end = max(float(shown[-1]), float(self.starts[-1]) if len(self.starts) else 0.0)
        self.visits = default_visits(self.starts, end) if care.visits is None else care.visits
        self.times = np.unique(np.round(np.concatenate([shown, *(start + AFTER for start in self.starts)]), 9))
        run.times = self.times
        own = [_OCCUPANCY] if _OCCUPANCY in run.common.model.ports else []
        run.ports = tuple(dict.fromkeys((*run.ports, *own)))
        self.seed = run.common.seed

    # -- one chunk ----------------------------------------------------------------------------------------------------
    def piece(self, ids: NDArray[Any], ports: Floats) -> _Piece:
        """Outcome of people whose kinetics are solved; ports (time, port, person)."""
        people = patients(self.care.disorder, ids, self.seed, typical=not self.run.vary)
        sessions, occupancy, effect = self._sessions(ports)
        typical = self.care.disorder.typical()
        found = outcome(self.care.disorder, self.care.control.switches, sessions, self.visits, people, typical)
        shown = {e.measure: self._reactions(e, effect, people, e.typical()) for e in self.care.endpoints}
        return _Piece(people, sessions, occupancy, effect, found, shown)

    def _reactions(self, endpoint: Endpoint, effect: Floats, people: Patients, p: Any, study: float = 0.0) -> Reactions:
        return reactions(endpoint, effect, AFTER, people.ids, self.seed, p, typical=people.typical, study=study)

    def _sessions(self, ports: Floats) -> tuple[tuple[Session, ...], Floats, Floats]:
        names, n = self.run.ports, ports.shape[2]
        s, r = (ports[:, names.index(port)] * molar_mass("s_ketamine") for port in _BRAIN)
        effect_site = ports[:, names.index(_EFFECT)] * molar_mass("s_ketamine")
        blocked = ports[:, names.index(_OCCUPANCY)]
        sessions: list[Session] = []
        occupancy = np.zeros((len(self.starts), n))
        effect = np.zeros((len(self.starts), len(AFTER), n))
        ends = [*self.starts[1:], np.inf]
        for k, (start, end) in enumerate(zip(self.starts, ends, strict=True)):
            inside = (self.times >= start) & (self.times < end) & (self.times < start + 48.0)
            sessions.append(Session(float(start), s[inside].max(axis=0), r[inside].max(axis=0)))
            occupancy[k] = blocked[inside].max(axis=0)
            effect[k] = effect_site[np.searchsorted(self.times, np.round(start + AFTER, 9) - 1e-9)]
        return tuple(sessions), occupancy, effect

    # -- everybody ----------------------------------------------------------------------------------------------------
    def complete(self, draws: int, progress: Callable[[int, int], None] | None) -> xr.DataTree:
        """Everybody's curves, sessions and scores; with draws also how sure they are."""
        pieces, ports = self.run.solved(progress)
        tree = self._as_asked(self.run.labelled(pieces, ports))
        ids = np.concatenate([p[0].ids for p in pieces])
        whole = self.piece(ids, np.stack([ports[name] for name in self.run.ports], axis=1))
        table = CareTable(self.care.disorder, self.care.endpoints, self.visits, self.starts, AFTER)
        table.add(whole.outcome, whole.reactions)
        add_care(tree, table, self.care.control, ids, whole.outcome, whole.sessions, whole.occupancy, whole.reactions)
        if draws:
            add_care_draws(tree, self._draws(whole, draws))
        return tree

    def _as_asked(self, tree: xr.DataTree) -> xr.DataTree:
        """Curves at the times asked for: those between were for peaks of sessions."""
        shown = np.unique(np.round(self.shown, 9))
        return tree.map_over_datasets(lambda d: d.sel(time=shown) if "time" in d.dims and len(shown) < d.sizes["time"] else d)

    def result(
        self, streamed: bool, quantiles: Sequence[float], draws: int, progress: Callable[[int, int], None] | None
    ) -> xr.DataTree:
        """Quantiles of a large cohort, or everybody."""
        return self.streamed(quantiles, progress) if streamed else self.complete(draws, progress)

    def streamed(self, quantiles: Sequence[float], progress: Callable[[int, int], None] | None) -> xr.DataTree:
        """Quantiles and tables only; memory does not grow with the cohort."""
        table = CareTable(self.care.disorder, self.care.endpoints, self.visits, self.starts, AFTER)

        def listen(ids: NDArray[Any], ports: Floats) -> None:
            piece = self.piece(ids, ports)
            table.add(piece.outcome, piece.reactions)

        tree = self._as_asked(self.run.streamed(quantiles, progress, None, listen))
        add_care_summary(tree, table, self.care.control, quantiles)
        return tree

    def _draws(self, whole: _Piece, draws: int) -> list[CareTable]:
        """The same people and sessions under plausible numbers, each in a trial of its own."""
        drawn: list[CareTable] = []
        entry = self.care.disorder
        for k in range(draws):
            p = drawn_values(entry, k, self.seed)
            trial = trial_effects(p, self.seed, k, self.care.control.id)
            table = CareTable(entry, self.care.endpoints, self.visits, self.starts, AFTER, keep_quantiles=False)
            found = outcome(entry, self.care.control.switches, whole.sessions, self.visits, whole.patients, p, trial)
            table.add(found, {e.measure: self._drawn_reactions(e, whole, k) for e in self.care.endpoints})
            drawn.append(table)
        return drawn

    def _drawn_reactions(self, endpoint: Endpoint, whole: _Piece, draw: int) -> Reactions:
        study = float(normal(self.seed, np.array([draw]), f"study/{endpoint.id}")[0])
        return self._reactions(endpoint, whole.effect_site, whole.patients, drawn_values(endpoint, draw, self.seed), study)
