"""The verb: a model, doses and people in; a labelled, provenanced result out."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from ketasim import library
from ketasim.arguments import checked
from ketasim.dose import Dose, EventData, EventTemplate, Regimen, check_interpolation, parse, read_events, resolve
from ketasim.errors import (
    Extrapolation,
    InvalidOption,
    UnequalArms,
    UnusedColumn,
    close_names,
    listening,
    warn,
)
from ketasim.model import Model, Part, assemble
from ketasim.population import COVARIATES, Cohort, assayed, assumed_covariates, chosen, individual_parameters
from ketasim.population import population as load_population
from ketasim.results import (
    EXPOSURE_LEVELS,
    Comparison,
    QuantileSketch,
    Result,
    add_exposure,
    build_summary,
    build_tree,
    dose_times,
    mass_concentrations,
    other_ports,
    provenance,
    reported_concentrations,
)
from ketasim.simulation._asked import (
    TYPICAL_WEIGHT,
    animal_of,
    check_arms,
    check_dosing,
    check_people,
    check_quantiles,
    check_stream,
    check_switches,
    check_table,
    end_time,
    names_of,
    output_times,
    threads_of,
    typical_weight,
    whole_number,
)
from ketasim.simulation._care import AFTER, Care, CareRun, asked_care, session_starts, with_beside, with_mechanisms
from ketasim.simulation._draws import check_draws, with_draws
from ketasim.simulation._exposure import ExposureGrid, quiet_times
from ketasim.simulation._inputs import Inputs, checked_inputs, with_inputs
from ketasim.simulation._outputs import warn_of_failures, warn_of_outputs
from ketasim.simulation._shown import Shown, checked_show
from ketasim.simulation._size import STREAM_BYTES, check_memory, kept_bytes, streamed_bytes
from ketasim.simulation._stream import OTHERS, SHOWN, SHOWN_STATES, Stream
from ketasim.solve import STATUS, Reference, solve, solver_of, tolerance_of

Floats = NDArray[np.float64]
Progress = Callable[[int, int], None]
DEFAULT_MODEL = "ketasim_reference"
DEFAULT_POPULATION = "adults"
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
#: More would take days.
_MOST_PEOPLE = 100_000_000
#: Patients solved together; bounds memory, never changes a number.
CHUNK = 2048
#: Numbers that come of a chunk of a streamed cohort, at most: their memory then goes from one chunk to the next (`solve`).
_MOST_NUMBERS = 2**25 - 2**10
#: Seed and first id of the patients who plan the step grid; apart from any cohort a user samples.
_PLAN_SEED, _PLAN_START, _PLAN_SIZE = 715_225_739, 10**12, 16
_CHECKPOINT_EVERY = 8
#: Raised when a checkpoint holds other counts.
_CHECKPOINT_FORM = 2
#: Bins per doubling of exposure parameters, 2^n: they are few, so that a bin may be 0.14 % wide.
_EXPOSURE_BITS = 9


def as_model(model: str | Part | Model) -> Model:
    """A model from a library name, several names joined by ``+`` (``"otto2021+mechanism/own"``), a part or a model."""
    if isinstance(model, Model):
        return model
    if not isinstance(model, str):
        return assemble(model)
    return assemble(*library.parts(model), id=library.model_id(model))


@checked
def default_times(regimen: Regimen, until: float | None = None) -> Floats:
    """Output times, h: every 5 min for 2 h after each dose begins (every half minute for 5 min after a bolus into a vein, every minute
    to 10 min), every 15 min to 8 h, hourly to `until`; a week after the last dose daily.
    """
    end = until if until is not None else max(regimen.end + 24.0, 24.0)
    starts = sorted({t for t, _ in regimen.doses})
    pieces = [quiet_times([*starts, regimen.end], end)]
    for start in {t for t, dose in regimen.doses if dose.route == "iv" and dose.duration_h < 1.0 / 12.0}:
        pieces += [start + np.arange(0, 10) / 120.0, start + np.arange(5, 10) / 60.0]
    for start in starts:
        pieces += [start + np.arange(0, 25) / 12.0, start + 2.0 + np.arange(0, 25) / 4.0]
    times = np.unique(np.round(np.concatenate(pieces), 9))
    return times[times <= end]


def simulate(
    model: str | Part | Model = DEFAULT_MODEL,
    dosing: str | Dose | Regimen | EventData | Path | pd.DataFrame = "",
    *,
    population: str | None = None,
    n: int = 1,
    cohort: Cohort | None = None,
    where: str = "",
    covariates: Mapping[str, float | str] | None = None,
    weight: float | None = None,
    seed: int = 1,
    times: Sequence[float] | Floats | None = None,
    until: float | None = None,
    parameters: Mapping[str, float] | None = None,
    inputs: Mapping[str, Sequence[tuple[float, float]]] | None = None,
    comedication: Iterable[str] = (),
    variability: bool | None = None,
    disorder: str | None = None,
    control: str | None = None,
    visits: Sequence[float] | Floats | None = None,
    baseline: float | None = None,
    policies: Iterable[str] = (),
    activities: Iterable[tuple[float, str]] = (),
    states: bool = False,
    show: Iterable[str] = (),
    stream: bool | None = None,
    quantiles: Sequence[float] = QUANTILES,
    draws: int = 0,
    between_study: bool = True,
    residual: bool = False,
    replicates: int = 1,
    rtol: float | None = None,
    precision: str = "double",
    threads: int | None = None,
    chunk: int = CHUNK,
    interpolation: str = "nocb",
    progress: Progress | None = None,
    checkpoint: str | Path | None = None,
    command: str | None = None,
) -> Result:
    """Simulate a cohort.

    Parameters
    ----------
    model : library name (``"ketasim_reference"``, ``"pk/otto2021"``, joined by ``+``), part or model. A regimen alone may stand first:
        ``simulate("esketamine nasal 56 mg")``.
    dosing : regimen (text, `Dose`, `Regimen`, or path of a YAML, TOML or text file), or an event table (path of a CSV, table, `EventData`).
    population, n, seed : virtual cohort (adults by default); or give `cohort`. One patient (n=1) of no population in particular is
        the typical adult of 70 kg, or of `weight`. An event table has subjects of its own.
    where, covariates : only people who meet conditions (``"SEX=female, AGE>=65"``); covariates set to one value for all.
    times, until : output times, h; by default `default_times`.
    parameters : typical values to replace. inputs : what acts on the model from outside (`Model.inputs`), as steps of (time in h, value):
        ``{"stress": [(0, 0.0), (24, 1.0)]}``; in an event table a column of that name says it. comedication : names of co-medications.
    disorder, control, visits, baseline : symptoms and side effects too: a disorder (``"trd"``), one of its control arms, visits,
        h, and mean at the start. policies : rules of care, e.g. ``["hold_on_pressure"]``. activities : (h, kind) of what is done beside.
    variability : between-subject variability; default on for several people of a population, off for people who are described (one
        typical person, a patient table, an event table). residual : outputs as an assay would have read them.
    replicates : so many versions of every subject of an event table or patient table.
    show : names of outputs and states, with a disorder also of scales, records, side effects and events: what tables, figures and files hold.
    stream : quantiles only, in bounded memory; default for results above 2 GiB.
    draws : repeats the run in the same patients with so many plausible versions of the model; not for a streamed cohort.
    between_study : draws are those of a new study, where the model says how studies differ; False: of the typical values alone.
    rtol, precision : of the solver; default 1e-6 and ``double``. ``single``: half the size, little more than half the time; rtol 1e-5 or more.
    checkpoint : file that lets an interrupted streamed run resume; refused where nothing is streamed.

    Returns
    -------
    `Result`, an xarray.DataTree with groups dose, subject, plasma (concentrations) and port (other outputs) where the model has them (of an event table
    output), and others where asked for.
    """
    return _simulated(SimpleNamespace(**locals()))


def _simulated(asked: Any) -> Result:
    """What was asked of `simulate`, argument by argument."""
    care, common, dosing = _asked_model(asked)
    check_switches(
        asked.variability, asked.residual, asked.states, asked.stream, asked.between_study, asked.progress, asked.checkpoint
    )
    times = None if asked.times is None else output_times(asked.times)
    dosing, until = _dosing(dosing), end_time(asked.until, times)
    with listening() as heard:
        if isinstance(dosing, (EventData, Path, pd.DataFrame)):
            people = (asked.cohort, asked.population, asked.weight, None if asked.n == 1 else asked.n)
            check_table(people, until, (asked.stream or None, asked.checkpoint), asked.inputs)
            if care is not None:
                raise InvalidOption("disorder: symptoms follow a regimen in words; an event table gives concentrations.")
            check_draws(asked.draws, common.model, streamed=False)
            result = _simulate_data(common, dosing, times, bool(asked.variability), asked.draws, asked.progress)
        else:
            regimen = _regimen(dosing)
            result = _in_people(_run_of(common, regimen, times, until, asked), with_beside(care, regimen), asked)
        warn_of_failures(result)
    result = Result.of(result)
    # A cohort may have been sampled, and warned of, long before this run.
    own = asked.cohort.warnings if asked.cohort is not None else ()
    result.attrs["warnings"] = list(dict.fromkeys((*own, *heard)))
    return result


def _asked_model(asked: Any) -> tuple[Care | None, _Common, Any]:
    """What is asked beside kinetics, the model with its settings, and the dosing."""
    model, dosing = asked.model, asked.dosing
    if isinstance(model, str) and " " in model and isinstance(dosing, str) and not dosing:
        model, dosing = DEFAULT_MODEL, model
    care = asked_care(asked.disorder, asked.control, asked.visits, asked.baseline, asked.policies, asked.activities)
    whole = as_model(model) if care is None else with_mechanisms(as_model(model))
    whole = whole.with_values(asked.parameters) if asked.parameters is not None else whole
    check_interpolation(asked.interpolation)
    common = _Common(
        whole, _comedication(asked.comedication), tolerance_of(asked.precision, asked.rtol), asked.precision, threads_of(asked.threads),
        asked.interpolation, asked.states, asked.command, asked.seed, inputs=checked_inputs(asked.inputs, whole),
        between_study=bool(asked.between_study), residual=bool(asked.residual), replicates=whole_number("replicates", asked.replicates),
        show=checked_show(asked.show, whole, care),
    )  # fmt: skip
    return care, common, dosing


def _run_of(common: _Common, regimen: Regimen, times: Floats | None, until: float | None, asked: Any) -> _Cohort:
    """One regimen in the people asked for."""
    people = _people(common.model, _replicated(_cohort_asked(asked), asked), asked.population, asked.n, asked.weight, asked.seed, asked.variability)  # fmt: skip
    random = people.n > 1 and not (people.cohort is not None and people.cohort.described)
    grid = default_times(regimen, until) if times is None else times
    return _Cohort(common, regimen, grid, people, random if asked.variability is None else asked.variability, whole_number("chunk", asked.chunk))  # fmt: skip


def _cohort_asked(asked: Any) -> Cohort | None:
    """The cohort given, or the one that conditions, set covariates or a file describe."""
    population = asked.population if isinstance(asked.population, str) else ""
    described = asked.where or asked.covariates or population.lower().endswith((".csv", ".toml"))
    if asked.cohort is not None or not described:
        if asked.cohort is not None and (asked.where or asked.covariates):
            raise InvalidOption(
                "where, covariates: they choose from a population; a cohort is given here. Choose in it: cohort.take(...)."
            )
        return asked.cohort
    found = chosen(
        population or DEFAULT_POPULATION, whole_number("n", asked.n, " of patients"), asked.seed, asked.where, asked.covariates
    )
    asked.population, asked.n = None, len(found)
    return found


def _replicated(cohort: Cohort | None, asked: Any) -> Cohort | None:
    """Every person of a table so many times, under ids of their own."""
    times = whole_number("replicates", asked.replicates)
    if times == 1:
        return cohort
    if cohort is None or not cohort.described:
        raise InvalidOption("replicates: they are of the subjects of an event table or a patient table; of a population give n.")
    ids = np.concatenate(
        [cohort.ids.astype(str) if k == 0 else np.char.add(cohort.ids.astype(str), f"/{k + 1}") for k in range(times)]
    )
    columns = {name: np.tile(values, times) for name, values in cohort.covariates.items()}
    asked.n = 1
    return replace(cohort, ids=ids, covariates=columns)


def _in_people(run: _Cohort, care: Care | None, asked: Any) -> xr.DataTree:
    """A regimen in people: kinetics alone, or symptoms and side effects too."""
    streamed, quantiles = _streamed(run, care, asked), check_quantiles(asked.quantiles)
    if asked.residual and streamed:
        raise InvalidOption(
            "residual: a streamed cohort keeps quantiles of what is, not of readings. Give fewer patients, or leave it out."
        )
    check_draws(asked.draws, run.common.model, streamed)
    check_stream(streamed, run.common.states, asked.checkpoint)
    run.common.show.check(streamed, care)
    if care is None:
        return run.result(streamed, quantiles, asked.draws, asked.progress, asked.checkpoint)
    if asked.checkpoint is not None:
        raise InvalidOption("checkpoint: a run with a disorder cannot be taken up again yet. Leave it out.")
    return CareRun(run, care).result(streamed, quantiles, asked.draws, asked.progress)


def _streamed(run: _Cohort, care: Care | None, asked: Any) -> bool:
    """Whether quantiles are kept instead of people: as asked, or by the size of the result. What would not fit is refused."""
    times, outputs, people = len(run.times), len(run.ports), run.people.n
    if run.states:
        outputs += len(run.common.model.states)
    if care is not None:
        extra = len(session_starts(run.regimen.doses)) * len(AFTER)
        times += extra
        outputs += -(-2 * extra * len(care.endpoints) // times)
    kept, what = kept_bytes(times, outputs, people), f"{people:,} people at {times:,} times with {outputs} outputs"
    streamed = is_streamed(kept, asked.stream) if not (run.states or asked.draws or asked.residual) or asked.stream else False
    if streamed:
        check_memory(streamed_bytes(times, outputs), f"Quantiles at {times:,} times of {outputs} outputs", "Give fewer output times (--times, --until).")  # fmt: skip
    else:
        check_memory(
            kept, what, "Give fewer people or output times (--times, --until), or stream=True (--stream): quantiles only."
        )
    return streamed


@checked
def is_streamed(size: int, stream: bool | None) -> bool:
    """Whether quantiles are kept instead of people: as asked, by default for results above 2 GiB; size : bytes (`kept_bytes`)."""
    return size > STREAM_BYTES if stream is None else stream


@checked
def will_stream(model: Model, regimen: Regimen, people: int, times: int, stream: bool | None) -> bool:
    """Whether a run of kinetics will be streamed; people, times : how many."""
    return is_streamed(kept_bytes(times, len(model.ports), people), stream)


def _regimen(dosing: Any) -> Regimen:
    return parse(dosing) if isinstance(dosing, str) else Regimen(dosing.as_items()) if isinstance(dosing, Dose) else dosing


def _people(
    model: Model, cohort: Cohort | None, population: str | None, n: int, weight: float | None, seed: int, variability: bool | None
) -> _People:
    """Who is simulated, if that is clear."""
    check_people(cohort, population)
    n = whole_number("n", n, " of patients")
    if n > _MOST_PEOPLE:
        raise InvalidOption(f"n = {n:,}: at a tenth of a millisecond each that is {n / 8.64e8:,.0f} days or more; at most {_MOST_PEOPLE:,} are simulated.")  # fmt: skip
    if cohort is not None and n not in (1, len(cohort)):
        raise InvalidOption(
            f"n = {n}, but the cohort given has {len(cohort)} patients. Leave n out, or take fewer: cohort.take(...)."
        )
    if cohort is not None:
        _warn_of_cohort(model, cohort)
    if population is not None:
        load_population(population)
    typical = cohort is None and n == 1 and not variability
    species = animal_of(model, cohort is not None or (typical and population is None))
    weighed = typical_weight(weight, typical and population is None)
    if typical and population is not None:
        cohort = replace(load_population(population).typical(), seed=seed)
    return _People(cohort, population or DEFAULT_POPULATION, n, seed, typical, weighed, species)


def _warn_of_cohort(model: Model, cohort: Cohort) -> None:
    """Name covariates that act on nothing (a misspelt one would pass unseen), and patients most models do not cover."""
    used = {effect.by for number in model.numbers.values() for effect in number.covariates}
    idle = [name for name in cohort.covariates if name not in COVARIATES and name not in used]
    if idle:
        near = close_names(idle[0], COVARIATES)
        warn(
            f"{cohort.name}: {', '.join(idle)}: no covariate of {model.id}, and without effect.{near}", UnusedColumn, stacklevel=3
        )
    young = int(np.sum(np.asarray(cohort.covariates["AGE"], float) < 18)) if "AGE" in cohort.covariates else 0
    if young:
        warn(
            f"{cohort.name}: {young} of {len(cohort)} patients are younger than 18 years, outside the ages most models were estimated in.",
            Extrapolation, stacklevel=3,
        )  # fmt: skip


def _dosing(dosing: Any) -> Any:
    """The dosing, or what the file it names holds: a table (.csv), or a regimen (.yaml, .yml, .toml, .txt)."""
    check_dosing(dosing)
    ending = Path(dosing).suffix.lower() if isinstance(dosing, (str, Path)) and " " not in str(dosing) else ""
    if ending in (".yaml", ".yml", ".toml", ".txt"):
        return Regimen.from_file(dosing)
    return Path(dosing) if ending == ".csv" else dosing


def _comedication(names: Iterable[str] | None) -> tuple[library.Comedication, ...]:
    """Co-medications by name, each once."""
    drugs = {drug.cite: drug for drug in (library.comedication(name) for name in names_of(names))}
    return tuple(drugs.values())


def compare(arms: Mapping[str, str | Dose | Regimen | Mapping[str, Any]], **options: Any) -> Comparison:
    """Simulate several arms, in the same virtual patients unless they say otherwise.

    Parameters
    ----------
    arms : label -> regimen, or arguments of `simulate` that hold for this arm alone:
        ``{"young": {"dosing": "esketamine nasal 56 mg"}, "old": {"dosing": "esketamine nasal 28 mg", "population": "elderly"}}``.
    options : arguments of `simulate` for all arms; comedication may also be label -> names.

    Returns
    -------
    label -> result, with one table of all: `Comparison.to_dataframe`

    Raises
    ------
    InvalidOption: no arms, co-medication of an arm that is not there, a checkpoint, or an option `simulate` does not have.
    """
    own = {label: dict(arm) if isinstance(arm, Mapping) else {"dosing": arm} for label, arm in check_arms(arms).items()}
    known = inspect.signature(simulate).parameters
    for name in (*options, *(name for arm in own.values() for name in arm)):
        if name not in known:
            raise InvalidOption(f"compare has no option '{name}'.{close_names(name, known)} They are those of simulate.")
    drugs = options.pop("comedication", ())
    if isinstance(drugs, Mapping) and (unknown := [label for label in drugs if label not in arms]):
        raise InvalidOption(f"comedication of arm '{unknown[0]}': there is none of that name. Arms: {', '.join(arms)}.")
    if options.get("checkpoint") is not None:
        raise InvalidOption("checkpoint: one file cannot hold several arms. Simulate each arm with a file of its own.")
    results = Comparison(
        (label, simulate(**{**options, "comedication": drugs.get(label, ()) if isinstance(drugs, Mapping) else drugs, **arm}))
        for label, arm in own.items()
    )
    _warn_of_unequal(results)
    return results


def _warn_of_unequal(results: Mapping[str, xr.DataTree]) -> None:
    """Say that ratios are of courses of another length, where numbers of doses differ; the results keep it."""
    doses = {label: len(dose_times(result)) for label, result in results.items() if "plasma" in result.children}
    if len(set(doses.values())) < 2:
        return
    named = ", ".join(f"arm {label} has {number} dose{'s' if number > 1 else ''}" for label, number in doses.items())
    said = f"{named}: exposures and their ratios are of whole courses, not of like numbers of doses."
    warn(said, UnequalArms, stacklevel=3)
    for result in results.values():
        result.attrs["warnings"] = [*result.attrs["warnings"], said]


@dataclass(frozen=True)
class _Common:
    model: Model
    comedication: tuple[library.Comedication, ...]
    rtol: float
    precision: str
    threads: int
    interpolation: str
    states: bool
    command: str | None
    seed: int
    draw: int | Mapping[str, float] | None = None
    inputs: Inputs = field(default_factory=dict)
    between_study: bool = True
    residual: bool = False
    replicates: int = 1
    show: Shown = field(default_factory=Shown)

    @property
    def drugs(self) -> dict[str, list[str]]:
        """Co-medications and what they rest on, as facts of a result."""
        numbers = [number for drug in self.comedication for number in drug.multipliers.values()]
        sources = [*(drug.source for drug in self.comedication), *(number.source for number in numbers)]
        return {"comedication": [drug.cite for drug in self.comedication], "drug_sources": sources}


@dataclass(frozen=True)
class _People:
    """Who is simulated: a cohort given, one sampled in pieces, or the typical patient."""

    cohort: Cohort | None
    population: str
    size: int
    seed: int
    typical: bool
    weight: float = TYPICAL_WEIGHT
    species: str = ""

    @property
    def n(self) -> int:
        return len(self.cohort.ids) if self.cohort is not None else self.size

    def take(self, start: int, stop: int) -> Cohort:
        if self.cohort is not None:
            return self.cohort.take(np.arange(start, stop))
        if self.typical:
            covariates = {"WT": np.array([self.weight]), "AGE": np.array([40.0])}
            return Cohort(ids=np.array([1]), covariates=covariates, seed=self.seed, name="typical", description=self.label)
        return load_population(self.population).sample(stop - start, self.seed, start=start)

    @property
    def sampled(self) -> bool:
        """Whether covariates were drawn, so that they are those of a seed."""
        return not self.typical if self.cohort is None else not self.cohort.described and self.n > 1

    @property
    def label(self) -> str:
        if self.cohort is not None:
            return self.cohort.name
        adult = self.species or f"{self.weight:g} kg adult"
        return f"typical {adult}" if self.typical else self.population


class _Cohort:
    """One regimen in many people, chunk by chunk."""

    def __init__(self, common: _Common, regimen: Regimen, times: Floats, people: _People, vary: bool, chunk: int) -> None:
        self.common, self.regimen, self.times, self.people, self.vary, self.chunk = (
            common,
            regimen,
            times,
            people,
            vary,
            chunk,
        )
        self.ports = tuple(common.model.ports)
        self.keeps_states = common.states or not self.ports  # of a model without outputs the states are all there is
        self.states = self.keeps_states or bool(common.show.states)
        has_sites = bool(reported_concentrations(common.model))
        self.exposure = ExposureGrid(regimen, float(times[-1])) if has_sites and times[-1] >= 0 else None
        self.reference = self._reference()

    def _reference(self) -> Reference:
        people = self.people
        if people.typical or people.cohort is not None:
            cohort = people.take(0, min(people.n, 1))
            return Reference(*self._patients(cohort, vary=False))
        cohort = load_population(people.population).sample(_PLAN_SIZE, _PLAN_SEED, start=_PLAN_START)
        return Reference(*self._patients(cohort, vary=self.vary))

    def _patients(self, cohort: Cohort, vary: bool) -> tuple[EventTemplate, dict[str, Floats]]:
        model = self.common.model
        common = self.common
        params = individual_parameters(model, cohort, comedication=common.comedication, variability=vary, uncertainty=common.draw,
                                       between_study=common.between_study)  # fmt: skip
        params = {k: np.asarray(v, float) for k, v in params.items()}
        template = resolve(self.regimen, model, cohort.covariates, ids=cohort.ids)
        return with_inputs(template, common.inputs, params), params

    def _solve(self, start: int, stop: int, states: bool) -> tuple[Cohort, EventTemplate, dict[str, Floats], Any, dict[str, Any]]:
        """Patients with their doses and parameters, their solution at the output times, and their exposure."""
        cohort = self.people.take(start, stop)
        template, params = self._patients(cohort, self.vary)
        common = self.common
        times, at_record, shown = (self.times, None, None) if self.exposure is None else self.exposure.beside(self.times)
        solution = solve(common.model, template, params, times, rtol=common.rtol, ports=self.ports, states=states,
                         reference=self.reference, interpolation="locf" if common.inputs else "nocb", threads=common.threads,
                         precision=common.precision, at_record=at_record)  # type: ignore[arg-type]  # fmt: skip
        warn_of_outputs(common.model, solution)
        if self.exposure is None:
            return cohort, template, params, solution, {}
        ports = solution.ports[self.exposure.among(times, at_record)]
        named = {name: ports[:, i] for i, name in enumerate(self.ports)}
        exposure = {
            site: (names, self.exposure.read(values), unit)
            for site, (names, values, unit) in mass_concentrations(common.model, named).items()
        }
        kept = replace(solution, times=self.times, ports=solution.ports[shown], states=solution.states[shown])
        return cohort, template, params, kept, exposure

    def _ranges(self, chunk: int) -> Iterator[tuple[int, int]]:
        n = self.people.n
        return ((a, min(n, a + chunk)) for a in range(0, n, chunk))

    def _chunk(self) -> int:
        """Patients solved together: as asked, fewer where their numbers would be too many."""
        times = len(self.times) + (0 if self.exposure is None else len(self.exposure.times))
        return min(self.chunk, max(1, _MOST_NUMBERS // max(1, times * len(self.ports))))

    def solved(self, progress: Progress | None) -> tuple[list[Any], dict[str, Floats]]:
        """Every chunk as solved, and every port: (time, subject)."""
        pieces = []
        for start, stop in self._ranges(self._chunk()):
            pieces.append(self._solve(start, stop, self.states))
            if progress:
                progress(stop, self.people.n)
        return pieces, {name: np.concatenate([p[3].ports[:, i] for p in pieces], axis=1) for i, name in enumerate(self.ports)}

    def result(
        self, streamed: bool, quantiles: Sequence[float], draws: int, progress: Progress | None, checkpoint: str | Path | None
    ) -> xr.DataTree:
        """Quantiles, everybody's curves under many versions of the model, or everybody's curves."""
        if streamed:
            return self.streamed(quantiles, progress, checkpoint)
        return with_draws(self, draws, progress) if draws else self.complete(progress)

    def complete(self, progress: Progress | None) -> xr.DataTree:
        """Everybody's curves."""
        return self.labelled(*self.solved(progress))

    def labelled(self, pieces: list[Any], ports: Mapping[str, Floats]) -> xr.DataTree:
        """What was solved, as a result."""
        solutions = [p[3] for p in pieces]
        names = solutions[0].state_names if self.states else ()
        states = {name: np.concatenate([s.states[:, i] for s in solutions], axis=1) for i, name in enumerate(names)}
        ids = np.concatenate([p[0].ids for p in pieces])
        subject = self._subject(pieces)
        if self.common.residual:
            ports = assayed(ports, self.common.model.residual, self.people.seed, ids)
        kept = states if self.keeps_states else {}
        tree = build_tree(
            self.common.model, self.times, ids, ports, kept, subject, self._dose([p[1] for p in pieces]), self._attrs()
        )
        self.common.show.add(tree, self.common.model, self.times, ports | states, "subject", ids)
        if self.exposure is None:
            return tree
        sites = {
            s: (names, np.concatenate([p[4][s][1] for p in pieces], -1), unit) for s, (names, _, unit) in pieces[0][4].items()
        }
        return add_exposure(tree, self.exposure.parameters, sites, "subject", ids, self.exposure.facts)

    def scaled(self, by: float) -> _Cohort:
        """The same people under the same regimen with every amount times a factor."""
        return _Cohort(self.common, self.regimen.scaled(by), self.times, self.people, self.vary, self.chunk)

    def ports_of(self, start: int, stop: int) -> Floats:
        """Ports of some people, (time, port, person)."""
        return self._solve(start, stop, False)[3].ports

    def drawn(self, k: int | Mapping[str, float]) -> _Cohort:
        """The same patients, dosing and step grid under draw number k of the typical values, or under values given."""
        other = copy(self)
        other.common, other.states = replace(self.common, draw=k, states=False), False
        return other

    def _subject(self, pieces: list[Any]) -> dict[str, tuple[NDArray[Any], str]]:
        covariates = {k: (np.concatenate([np.asarray(p[0].covariates[k]) for p in pieces]), "") for k in pieces[0][0].covariates}
        units = {k: p.unit for k, p in self.common.model.params.items()}
        params = {k: (np.concatenate([p[2][k] for p in pieces]), units[k]) for k in pieces[0][2]}
        status = np.concatenate([p[3].status for p in pieces])
        error = np.concatenate([p[3].error for p in pieces])
        return {**covariates, **params, "status": (status, ""), "solver_error": (error, "1")}

    def streamed(
        self, quantiles: Sequence[float], progress: Progress | None, checkpoint: str | Path | None,
        listen: Callable[[int, int, NDArray[Any], Floats], None] | None = None,
    ) -> xr.DataTree:  # fmt: skip
        """Quantiles only; memory does not grow with the cohort. `listen` gets range, ids and ports of every chunk."""
        if not self.ports:
            raise InvalidOption(f"{self.common.model.id} has no outputs, and a streamed cohort keeps quantiles of outputs only: declare a port, give "
                                "fewer people, or stream=False.")  # fmt: skip
        state = Stream(self._key(), Path(checkpoint) if checkpoint else None, self._sketches(), self._exposure_sketches())
        template = None
        for number, (start, stop) in enumerate(self._ranges(self._chunk())):
            if stop <= state.done:
                continue
            cohort, template, _, solution, exposure = self._solve(start, stop, bool(self.common.show.states))
            if listen is not None:
                listen(start, stop, cohort.ids, solution.ports)
            state.add(solution, exposure, stop, self.common.threads)
            del solution
            if progress:
                progress(stop, self.people.n)
            if number % _CHECKPOINT_EVERY == _CHECKPOINT_EVERY - 1:
                state.save()
        if template is None:
            template, _ = self._patients(self.people.take(0, 1), False)
        bands = {
            site: (reported.analytes, np.moveaxis(state.sketches[site].quantiles(quantiles), 0, -1), reported.unit)
            for site, reported in reported_concentrations(self.common.model).items()
        }
        others = other_ports(self.common.model)
        signed = state.sketches[OTHERS].signed_quantiles(quantiles) if others else np.empty((len(quantiles), len(self.times), 0))
        ports = {name: np.moveaxis(signed[:, :, i], 0, -1) for i, name in enumerate(others)}
        facts = {"n": (self.people.n, "1"), "failed": (state.failed, "1"), "solver_error": (state.error, "1")}
        state.remove()
        tree = build_summary(
            self.common.model, self.times, quantiles, bands, ports, facts, self._dose([template.take(slice(0, 1))]), self._attrs()
        )  # type: ignore[arg-type]
        shown = {
            name: state.sketches[key].signed_quantiles(quantiles)[:, :, i].T
            for key, names in ((SHOWN, self.common.show.ports), (SHOWN_STATES, self.common.show.states))
            for i, name in enumerate(names)
        }
        self.common.show.add(tree, self.common.model, self.times, shown, "quantile", np.asarray(quantiles))
        if self.exposure is None:
            return tree
        sites = {
            site: (reported.analytes, np.moveaxis(state.exposures[site].quantiles(EXPOSURE_LEVELS), 0, -1), reported.unit)
            for site, reported in reported_concentrations(self.common.model).items()
        }
        levels = np.array(EXPOSURE_LEVELS)
        return add_exposure(tree, self.exposure.parameters, sites, "quantile", levels, self.exposure.facts)

    def _sketches(self) -> dict[str, QuantileSketch]:
        """Per site, counts of what is reported of it, from the ports in their order; of other outputs, on both sides of zero."""
        signed = [[(self.ports.index(name), sign)] for sign in (1.0, -1.0) for name in other_ports(self.common.model)]
        others = {OTHERS: QuantileSketch(len(self.times), signed)} if signed else {}
        show, states = self.common.show, list(self.common.model.states)
        for key, names, all_names in ((SHOWN, show.ports, self.ports), (SHOWN_STATES, show.states, states)):
            if names:
                both = [[(all_names.index(name), sign)] for sign in (1.0, -1.0) for name in names]
                others[key] = QuantileSketch(len(self.times), both)
        return others | {
            site: QuantileSketch(len(self.times), [[(self.ports.index(p), f) for p, f in terms] for terms in reported.terms])
            for site, reported in reported_concentrations(self.common.model).items()
        }

    def _exposure_sketches(self) -> dict[str, QuantileSketch]:
        """Per site, counts of each patient's exposure parameters."""
        if self.exposure is None:
            return {}
        return {
            site: QuantileSketch(
                len(self.exposure.parameters), [[(k, 1.0)] for k in range(len(reported.analytes))], _EXPOSURE_BITS
            )
            for site, reported in reported_concentrations(self.common.model).items()
        }

    def _key(self) -> str:
        common = self.common
        numbers = {k: (v.value, str(v.iiv)) for k, v in common.model.numbers.items()}
        given = self.people.cohort.fingerprint if self.people.cohort is not None else ""
        text = repr((_CHECKPOINT_FORM, common.model.id, common.model.fingerprint, sorted(numbers.items()), str(self.regimen), self.times.tobytes(),
                     self.people.label, given, self.people.n, self.people.seed, [d.cite for d in common.comedication], self.vary, common.rtol,
                     common.precision, self.chunk, *([sorted(common.inputs.items())] if common.inputs else []), *([common.show.names] if common.show.names else [])))  # fmt: skip
        return hashlib.sha256(text.encode()).hexdigest()

    def _dose(self, templates: list[EventTemplate]) -> xr.Dataset:
        """Records all patients share, (record,), and what differs, (subject, record); of a streamed cohort the first patient's."""
        frame = templates[0].take(slice(0, 1)).to_frame(self.common.model).drop(columns="ID")
        own: dict[str, list[Floats]] = {"AMT": [t.amt for t in templates], "RATE": [t.rate for t in templates]}
        own |= {"TINF": [t.duration for t in templates]} if "TINF" in frame else {}
        own |= {name: [t.overrides[name] for t in templates] for name in templates[0].overrides}
        each = {name: (("subject", "record"), np.concatenate(values, axis=1).T) for name, values in own.items()}
        shared = {str(c): ("record", frame[c].to_numpy() if frame[c].dtype != object else frame[c].astype(str).to_numpy())
                  for c in frame if c not in each}  # fmt: skip
        arrays = {str(c): each.get(str(c), shared.get(str(c))) for c in frame}
        attrs = {"as_given": str(self.regimen.text or self.regimen), "described": self.regimen.describe()}
        ids = np.concatenate([t.ids for t in templates])
        if len(ids) < self.people.n:
            attrs["holds"] = f"records of the first of {self.people.n} patients"
        return xr.Dataset(arrays, coords={"subject": ids}, attrs=attrs)

    def _attrs(self) -> dict[str, Any]:
        common = self.common
        own = self.people.cohort
        missing = assumed_covariates(common.model.numbers, own.covariates) if own is not None else {}
        return provenance(common.model, population=self.people.label, assumed_covariates=[f"{k} {v}" for k, v in missing.items()],
                          n=self.people.n, seed=self.people.seed, rtol=common.rtol, solver=solver_of(common.model, common.precision), **common.drugs, command=common.command,
                          inputs=[f"{name}: {', '.join(f'{v:g} from {t:g} h' for t, v in steps)}" for name, steps in common.inputs.items()] or None,
                          regimen=str(self.regimen.text or self.regimen), variability=int(self.vary), residual=int(common.residual),
                          sampled=int(self.people.sampled))  # fmt: skip


def _simulate_data(
    common: _Common, dosing: EventData | Path | pd.DataFrame, times: Sequence[float] | Floats | None, vary: bool, draws: int,
    progress: Progress | None,
) -> xr.DataTree:  # fmt: skip
    """Event table: observation records are the output times, unless `times` are given."""
    from ketasim.simulation._table import simulate_table

    data = dosing if isinstance(dosing, EventData) else read_events(dosing, common.model, common.interpolation)
    return simulate_table(common, data, times, vary, draws, progress)


@checked
def status_text(status: int) -> str:
    """Meaning of a subject's status."""
    return STATUS[status]
