"""From prescription to symptoms: a regimen in people with a disorder, under a control arm, read at visits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ketasim import library
from ketasim.arguments import checked
from ketasim.clinical import (
    Activity,
    ControlArm,
    DisorderEntry,
    Endpoint,
    Outcome,
    Patients,
    Policy,
    PolicyEntry,
    Reactions,
    Session,
    drawn_values,
    outcome,
    patients,
    reactions,
    study_differs,
    trial_effects,
)
from ketasim.dose import Regimen, molar_mass, substances
from ketasim.errors import InvalidOption, close_names
from ketasim.model import Model, assemble
from ketasim.results import CareTable, add_care, add_care_draws, add_care_summary, add_without

if TYPE_CHECKING:
    from ketasim.simulation._cohort import _Cohort

Floats = NDArray[np.float64]
#: Entry -> parameter -> value.
Numbers = Mapping[str, Mapping[str, Floats]]
#: Times after the start of a session at which side effects are followed, h.
AFTER = np.concatenate([np.arange(0, 24) / 12.0, 2.0 + np.arange(0, 9) / 4.0])
#: Doses that start within this time of the first one belong to one session, h (e.g. both devices of a nasal dose).
_ONE_SESSION = 4.0
#: People are followed from day to day; nobody is for longer than this, h.
_LATEST_VISIT = 50 * 365.25 * 24.0
#: Mechanisms that stand between plasma and side effects or symptoms.
MECHANISMS = ("mechanism/nmda_block", "mechanism/effect_site")
_BRAIN = ("C_brain_unbound_s_ketamine", "C_brain_unbound_r_ketamine")
_EFFECT, _OCCUPANCY = "C_effect_s_ketamine", "occupancy_nmda"
_SHOWN_PORTS = (_OCCUPANCY,)
#: A session ends at the latest after this time, h; what comes later is no peak of it.
_LONGEST_SESSION = 48.0


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
    policies: tuple[tuple[PolicyEntry, Policy], ...] = ()
    activities: tuple[Activity, ...] = ()

    @property
    def factors(self) -> tuple[float, ...]:
        """Factors on the planned dose that policies may choose from; 1 first."""
        chosen = [policy.factors for _, policy in self.policies if len(policy.factors) > 1]
        return chosen[0] if chosen else (1.0,)


def asked_care(
    disorder: str | None, control: str | None, visits: Sequence[float] | Floats | None, baseline: float | None,
    policies: Iterable[str] = (), activities: Iterable[tuple[float, str]] = (),
) -> Care | None:  # fmt: skip
    """What is asked beside kinetics, if anything, and if it is clear.

    Raises
    ------
    UnknownEntry: no such disorder. InvalidOption: no such control arm, visits that are no times, or a baseline off the scale.
    """
    if disorder is None:
        given = {"control": control, "visits": visits, "baseline": baseline, "policies": tuple(policies) or None, "activities": tuple(activities) or None}  # fmt: skip
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
    made = tuple(library.policy_from(text) for text in ([policies] if isinstance(policies, str) else policies))
    for named, policy in made:
        if lacking := [name for name in policy.activities if name not in entry.equations.activities]:
            raise InvalidOption(
                f"policy '{named.id}' gives {lacking[0]}, of which {entry.id} knows nothing. It knows: {', '.join(entry.equations.activities) or 'no activity'}."
            )
    if sum(len(policy.factors) > 1 for _, policy in made) > 1:
        raise InvalidOption("policies: two of them change the dose; give one that does.")
    done = tuple(sorted((_activity(one, entry) for one in activities), key=lambda a: a.time))
    return Care(entry, entry.controls[name], None if visits is None else _checked_visits(visits), policies=made, activities=done)


def with_beside(care: Care | None, regimen: Regimen) -> Care | None:
    """The care with what the regimen gives or does beside ketamine.

    Raises
    ------
    InvalidOption: something the disorder does not know, or anything beside without a disorder.
    """
    switches, activities = dict[str, float](), list[Activity]()
    for one in regimen.beside:
        substance = substances()[one.substance]
        if care is None:
            raise InvalidOption(f"'{one.text}' acts on symptoms: say on which, e.g. disorder='trd' (--disorder trd).")
        if _without_drug(regimen) and one.substance in care.disorder.controls:
            care = replace(care, control=care.disorder.controls[one.substance])  # a control arm, told by what it gives
            continue
        known = care.disorder.equations
        if substance.activity in known.activities:
            activities += [Activity(time, substance.activity, one.strength) for time in one.times]
        elif found := [name for name in substance.switches if name in known.switches]:
            switches |= dict.fromkeys(found, 1.0)
        elif substance.kind != "placebo" or substance.switches:
            raise InvalidOption(
                f"'{one.text}': {care.disorder.id} knows nothing of {substance.title.lower()}. It knows the control arms "
                f"{', '.join(care.disorder.controls)} (--control), the activities {', '.join(known.activities) or 'none'} and the switches "
                f"{', '.join(known.switches) or 'none'}."
            )
    if care is None or not regimen.beside:
        return care
    control = replace(care.control, switches=dict(care.control.switches) | switches)
    both = sorted((*care.activities, *activities), key=lambda a: a.time)
    return replace(care, control=control, activities=tuple(both))


def _without_drug(regimen: Regimen) -> bool:
    """Whether no ketamine is given: the regimen of an arm of comparison."""
    return not any(item.dose.amount.value for item in regimen.items)


def _activity(given: tuple[float, str] | Activity, entry: DisorderEntry) -> Activity:
    made = given if isinstance(given, Activity) else Activity(float(given[0]), str(given[1]))
    known = entry.equations.activities
    if made.kind not in known:
        raise InvalidOption(f"activity '{made.kind}': {entry.id} knows none of that name.{close_names(made.kind, known)} It has: {', '.join(known) or 'none'}.")  # fmt: skip
    return made


def _checked_visits(visits: Sequence[float] | Floats) -> Floats:
    given = np.unique(np.asarray(visits, float))
    if not len(given) or not np.isfinite(given).all() or given[0] < 0:
        raise InvalidOption("visits: give times in h from the start, 0 or later, e.g. 0,24,168,672.")
    if given[-1] > _LATEST_VISIT:
        raise InvalidOption(f"visits: {given[-1]:g} h is later than {_LATEST_VISIT:g} h (50 years); give earlier times.")
    return given


@checked
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
class _People:
    """Some people whose kinetics are solved at every level of dose.

    Attributes
    ----------
    sessions : peaks (level, person). occupancy : largest of a session, (level, session, person). effect_site : ng/mL, (level, session, time, person).
    blocked : share of NMDA receptors, (level, time, person); empty where the disorder does not look at it.
    """

    patients: Patients
    sessions: tuple[Session, ...]
    occupancy: Floats
    effect_site: Floats
    blocked: Floats


class CareRun:
    """One regimen, one control arm, many people, chunk by chunk; `run` solves the kinetics.

    Where policies choose between levels of dose, the whole regimen is solved once per level, and each session takes the curves of the
    level a person gets. What a session leaves in the body for the next is then that of the level taken there: between sessions days
    apart less than a hundredth.
    """

    def __init__(self, run: _Cohort, care: Care) -> None:
        self.run, self.care, self.shown = run, care, run.times
        self.starts = session_starts(run.regimen.doses)
        done = [run.times[-1], *self.starts[-1:], *(one.time for one in care.activities)]
        end = max(map(float, done))
        self.visits = default_visits(self.starts, end) if care.visits is None else care.visits
        looked_at = self.visits if care.disorder.equations.sees_occupancy else np.empty(0)
        self.times = np.unique(np.round(np.concatenate([run.times, looked_at, *(start + AFTER for start in self.starts)]), 9))
        self.seed = run.common.seed
        self.runs = [run, *(run.scaled(factor) for factor in care.factors[1:])]
        for one in self.runs:
            one.times = self.times
            one.ports = tuple(dict.fromkeys((*one.ports, *_SHOWN_PORTS)))

    # -- people -------------------------------------------------------------------------------------------------------
    def people(self, ids: NDArray[Any], levels: Sequence[Floats]) -> _People:
        """People and what sessions bring them; levels : ports (time, port, person) of every level of dose."""
        known = patients(self.care.disorder, ids, self.seed, typical=not self.run.vary)
        peaks, occupancy, effect = zip(*(self._sessions(ports) for ports in levels), strict=True)
        sessions = tuple(
            Session(float(start), np.stack([level[k][0] for level in peaks]), np.stack([level[k][1] for level in peaks]))
            for k, start in enumerate(self.starts)
        )
        blocked = np.empty((0, 0, 0))
        if self.care.disorder.equations.sees_occupancy:
            blocked = np.stack([ports[:, self.run.ports.index(_OCCUPANCY)] for ports in levels])
        return _People(known, sessions, np.stack(occupancy), np.stack(effect), blocked)

    def _sessions(self, ports: Floats) -> tuple[list[tuple[Floats, Floats]], Floats, Floats]:
        names, n = self.run.ports, ports.shape[2]
        s, r = (ports[:, names.index(port)] * molar_mass("s_ketamine") for port in _BRAIN)
        effect_site = ports[:, names.index(_EFFECT)] * molar_mass("s_ketamine")
        blocked = ports[:, names.index(_OCCUPANCY)]
        peaks: list[tuple[Floats, Floats]] = []
        occupancy, effect = np.zeros((len(self.starts), n)), np.zeros((len(self.starts), len(AFTER), n))
        for k, (start, end) in enumerate(zip(self.starts, [*self.starts[1:], np.inf], strict=True)):
            inside = (self.times >= start) & (self.times < end) & (self.times < start + _LONGEST_SESSION)
            peaks.append((s[inside].max(axis=0), r[inside].max(axis=0)))
            occupancy[k] = blocked[inside].max(axis=0)
            effect[k] = effect_site[np.searchsorted(self.times, np.round(start + AFTER, 9) - 1e-9)]
        return peaks, occupancy, effect

    # -- one trial ----------------------------------------------------------------------------------------------------
    def numbers(self, draw: int | None = None) -> Numbers:
        """Numbers of the disorder and of every side effect, by entry: as they stand, or of one draw."""
        entries = (self.care.disorder, *self.care.endpoints)
        return {e.id: e.typical() if draw is None else drawn_values(e, draw, self.seed) for e in entries}

    def course(self, people: _People, draw: int | None = None, numbers: Numbers | None = None, *, drug: bool = True) -> Outcome:
        """What happens to people: in the typical trial, or in a trial of its own under plausible numbers.

        numbers : of every entry, in place of those of the draw. `drug` False is without ketamine.
        """
        entry, control, seed = self.care.disorder, self.care.control, self.seed
        numbers = self.numbers(draw) if numbers is None else numbers
        p = numbers[entry.id]
        trial = None if draw is None else trial_effects(p, seed, draw, control.id)
        return outcome(
            entry, control.switches, people.sessions if drug else [_without(one) for one in people.sessions], self.visits,
            people.patients, p, trial, activities=self.care.activities, policies=[policy for _, policy in self.care.policies],
            effects=self._effects(people, draw, numbers), occupancy=self._blocked(people) if drug else None,
        )  # fmt: skip

    def _blocked(self, people: _People) -> Callable[[float, NDArray[np.int64]], Floats] | None:
        """Share of NMDA receptors blocked at a time, given the level everybody got last; None where nobody asks."""
        if not people.blocked.size:
            return None
        who = np.arange(len(people.patients.ids))

        def blocked(time: float, level: NDArray[np.int64]) -> Floats:
            after = min(int(np.searchsorted(self.times, time)), len(self.times) - 1)
            before = max(after - 1, 0)
            width = self.times[after] - self.times[before]
            share = np.clip((time - self.times[before]) / width, 0.0, 1.0) if width > 0 else 1.0
            mean = (1.0 - share) * people.blocked[:, before] + share * people.blocked[:, after]
            return mean[np.maximum(level, 0), who] * (level >= 0)

        return blocked

    def _effects(
        self, people: _People, draw: int | None, numbers: Numbers
    ) -> Callable[[int, NDArray[np.int64]], dict[str, Reactions]]:
        """Side effects of a session at the level each person gets."""
        study = {e.id: (0.0, 0.0) if draw is None else study_differs(e, draw, self.seed) for e in self.care.endpoints}
        who = np.arange(len(people.patients.ids))

        def effects(k: int, level: NDArray[np.int64]) -> dict[str, Reactions]:
            site = people.effect_site[np.maximum(level, 0), k, :, who].T * (level >= 0)
            followed = (site, AFTER) if draw is None else None
            return {
                e.measure: reactions(e, sites[None], after, people.patients.ids, self.seed, numbers[e.id],
                                     typical=people.patients.typical, study=study[e.id][0], study_start=study[e.id][1], first=k)
                for e in self.care.endpoints for sites, after in [followed or _what_counts(e, site)]
            }  # fmt: skip

        return effects

    def table(self, **options: Any) -> CareTable:
        """An empty table of this course."""
        return CareTable(self.care.disorder, self.care.endpoints, self.visits, self.starts, AFTER, **options)

    # -- everybody ----------------------------------------------------------------------------------------------------
    def result(
        self, streamed: bool, quantiles: Sequence[float], draws: int, progress: Callable[[int, int], None] | None
    ) -> xr.DataTree:
        """Quantiles of a large cohort, or everybody."""
        tree = self.streamed(quantiles, progress) if streamed else self.complete(draws, progress)
        tree.attrs |= {"policies": [entry.cite for entry, _ in self.care.policies]}
        return tree

    def complete(self, draws: int, progress: Callable[[int, int], None] | None) -> xr.DataTree:
        """Everybody's curves, sessions and scores; with draws also how sure they are."""
        pieces, first = self.run.solved(progress)
        levels = [first, *(run.solved(None)[1] for run in self.runs[1:])]
        ids = np.concatenate([p[0].ids for p in pieces])
        people = self.people(ids, [np.stack([ports[name] for name in self.run.ports], axis=1) for ports in levels])
        found = self.course(people)
        tree = self._as_asked(self.run.labelled(pieces, self._taken(levels, found.level)))
        table = self.table()
        table.add(found)
        s, r = (np.stack([session.peaks(found.level[k])[i] for k, session in enumerate(people.sessions)], axis=1) if people.sessions else np.zeros((len(ids), 0)) for i in (0, 1))  # fmt: skip
        occupancy = _of_level(people.occupancy, found.level)
        add_care(
            tree,
            table,
            self.care.control,
            ids,
            found,
            {"s_ketamine_brain": s, "r_ketamine_brain": r, "occupancy_nmda": occupancy.T},
        )
        shown = self.care.disorder.shows_without
        if shown:
            add_without(tree, self._table_of(people, None, drug=False))
        if draws:
            add_care_draws(tree, [self._table_of(people, k) for k in range(draws)])
        if draws and shown:
            add_without(tree, [self._table_of(people, k, drug=False) for k in range(draws)])
        return tree

    def _table_of(self, people: _People, draw: int | None, *, drug: bool = True) -> CareTable:
        table = self.table(keep_quantiles=False)
        table.add(self.course(people, draw, drug=drug))
        return table

    def _taken(self, levels: Sequence[dict[str, Floats]], level: NDArray[np.int64]) -> dict[str, Floats]:
        """Curves of what each person got: from a session to the next those of the level taken, none where it was left out."""
        if not self.care.policies:
            return levels[0]
        taken = {name: values.copy() for name, values in levels[0].items()}
        for k, (start, end) in enumerate(zip(self.starts, [*self.starts[1:], np.inf], strict=True)):
            inside = (self.times >= start) & (self.times < end)
            for name, values in taken.items():
                values[inside] = np.where(level[k] < 0, 0.0, values[inside])
                for number, other in enumerate(levels[1:], 1):
                    values[inside] = np.where(level[k] == number, other[name][inside], values[inside])
        return taken

    def _as_asked(self, tree: xr.DataTree) -> xr.DataTree:
        """Curves at the times asked for: those between were for peaks of sessions."""
        shown = np.unique(np.round(self.shown, 9))
        return tree.map_over_datasets(lambda d: d.sel(time=shown) if "time" in d.dims and len(shown) < d.sizes["time"] else d)

    def streamed(self, quantiles: Sequence[float], progress: Callable[[int, int], None] | None) -> xr.DataTree:
        """Quantiles and tables only; memory does not grow with the cohort."""
        table, without = self.table(), self.table(keep_quantiles=False) if self.care.disorder.shows_without else None

        def listen(start: int, stop: int, ids: NDArray[Any], ports: Floats) -> None:
            people = self.people(ids, [ports, *(run.ports_of(start, stop) for run in self.runs[1:])])
            table.add(self.course(people))
            if without is not None:
                without.add(self.course(people, drug=False))

        tree = self._as_asked(self.run.streamed(quantiles, progress, None, listen))
        add_care_summary(tree, table, self.care.control, quantiles)
        if without is not None:
            add_without(tree, without)
        return tree


def _without(session: Session) -> Session:
    """The session, without the drug."""
    return replace(session, s_ketamine=0.0 * session.s_ketamine, r_ketamine=0.0 * session.r_ketamine)


def _what_counts(endpoint: Endpoint, site: Floats) -> tuple[Floats, Floats]:
    """Effect-site concentrations and times that decide what counts: the start, and the readings, or each person's own peak.

    A draw keeps no curves. Side effects rise with the concentration, so that the highest lies at the peak.
    """
    if endpoint.readings:
        kept = np.unique([0, *(int(np.argmin(np.abs(AFTER - time))) for time in endpoint.readings)])
        return site[kept], AFTER[kept]
    return np.stack([site[0], site.max(axis=0)]), AFTER[:2]


def _of_level(values: Floats, level: NDArray[np.int64]) -> Floats:
    """Values (level, session, person) of what each person got, (session, person); 0 where it was left out."""
    sessions, people = np.indices(level.shape)
    return np.where(level < 0, 0.0, values[np.maximum(level, 0), sessions, people])
