"""Simulation of an event table: every subject's own records, observation records as output times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from ketasim.dose import EventData, EventTemplate, filled
from ketasim.dose._clock import on_clock
from ketasim.errors import InvalidData, InvalidOption, UnusedColumn, close_names, warn
from ketasim.population import COVARIATES, Cohort, assayed, assumed_covariates, individual_parameters, replicate_seed, undrawn
from ketasim.results import add_record_draws, mass_concentrations, other_ports, provenance
from ketasim.simulation._draws import kind_of_draw
from ketasim.simulation._outputs import warn_of_outputs
from ketasim.solve import Solution, solve, solver_of

if TYPE_CHECKING:
    from ketasim.model import Model
    from ketasim.simulation._cohort import _Common

Floats = NDArray[np.float64]
#: Covariates of a subject whose table does not say; the typical adult.
TYPICAL = {"WT": 70.0, "AGE": 40.0}
#: Numbers kept of draws: 1.6 GB.
MOST_DRAWN = 200_000_000


def simulate_table(
    common: _Common, data: EventData, times: Sequence[float] | Floats | None, vary: bool, draws: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> xr.DataTree:  # fmt: skip
    """Result with one record dimension: ``output`` holds ID, TIME, every state and every output per observation record.

    draws : repeats the table with so many versions of the model's typical values, into ``draws``.
    """
    _check_outputs(data, times)
    _check_covariates(common, data)
    _warn_unused(common.model, data)
    if vary and not any(number.iiv or number.iov for number in common.model.numbers.values()):
        raise InvalidOption(
            f"variability: {common.model.id} has no random effects; ketasim describe MODEL shows which it has. Leave it out."
        )
    total = (draws + 1) * (len(data.spans) - 1)

    def moved(number: int, done: int) -> None:
        if progress is not None:
            progress(number * (len(data.spans) - 1) + done, total)

    if common.replicates > 1:
        return _replicated(common, data, times, vary, draws, moved)
    table, people = _solved(common, data, times, vary, partial(moved, 0))
    result = _tree(common, data, _read(common, table), people, vary)
    if not draws:
        return result
    outputs = list(common.model.ports)
    if draws * len(table) * len(outputs) > MOST_DRAWN:
        raise InvalidOption(
            f"draws = {draws}: {len(table):,} output records with {len(outputs)} outputs each would be "
            f"{draws * len(table) * len(outputs):,} numbers; at most {MOST_DRAWN:,} are kept. Take fewer draws or output times."
        )
    drawn, failed = np.empty((len(outputs), draws, len(table))), np.empty(draws, np.int64)
    for k in range(draws):
        again, who = _solved(replace(common, draw=k), data, times, vary, partial(moved, k + 1))
        drawn[:, k], failed[k] = again[outputs].to_numpy().T, int((who["status"] != 0).sum())
    found = _reported(common, data, dict(zip(outputs, drawn, strict=True)))[0]
    return add_record_draws(result, found, failed, undrawn(common.model), kind_of_draw(common))


def _reported(common: _Common, data: EventData, ports: Mapping[str, Floats]) -> tuple[dict[str, Floats], dict[str, str]]:
    """Outputs as they are reported, and their units: of doses in mg concentrations in ng/mL by site and analyte, else ports as they are.

    ports : name -> (..., record).
    """
    model = common.model
    if not data.in_mass:
        return dict(ports), {name: model.ports[name].unit for name in ports}
    found: dict[str, Floats] = {}
    units: dict[str, str] = {}
    flat = {name: np.atleast_2d(values) for name, values in ports.items()}
    for site, (analytes, values, unit) in mass_concentrations(model, flat).items():
        for k, analyte in enumerate(analytes):
            found[f"{site}_{analyte}"], units[f"{site}_{analyte}"] = values[:, k], unit
    for name in dict.fromkeys((*other_ports(model), *common.show.ports)):
        found[name], units[name] = flat[name], model.ports[name].unit
    shape = next(iter(ports.values())).shape if ports else ()
    return {name: values.reshape(shape) for name, values in found.items()}, units


def _replicated(
    common: _Common, data: EventData, times: Sequence[float] | Floats | None, vary: bool, draws: int, moved: Callable[[int, int], None]
) -> xr.DataTree:  # fmt: skip
    """The table so many times, each with other people of the same covariates; column REP counts them from 1."""
    if draws:
        raise InvalidOption("draws and replicates: give one of them.")
    if not (vary or common.residual):
        raise InvalidOption("replicates: without variability or residual they would all be the same. Switch one on.")
    tables: list[pd.DataFrame] = []
    people = pd.DataFrame()
    for k in range(common.replicates):
        one = replace(common, seed=replicate_seed(common.seed, k))
        table, own = _solved(one, data, times, vary, partial(moved, 0))
        tables.append(_read(one, table).assign(REP=k + 1))
        people = own if people.empty else people.combine(own, np.maximum)
    return _tree(common, data, pd.concat(tables, ignore_index=True), people, vary)


def _read(common: _Common, table: pd.DataFrame) -> pd.DataFrame:
    """Outputs as an assay would have read them, where that is asked for; readings of a subject are numbered in their order."""
    if not common.residual:
        return table
    number = table.groupby("ID", sort=False).cumcount().to_numpy()
    ports = {name: table[name].to_numpy()[None, :] for name in common.model.ports if name in table}
    one = _assayed_rows(ports, common, table["ID"].to_numpy(), number)
    return table.assign(**one)


def _assayed_rows(ports: dict[str, Floats], common: _Common, ids: NDArray[Any], number: NDArray[np.int64]) -> dict[str, Floats]:
    """Readings of rows of a table, each with the subject and the number of the reading it is."""
    found: dict[str, Floats] = {}
    for step in np.unique(number):
        rows = number == step
        read = assayed({k: v[:, rows] for k, v in ports.items()}, common.model.residual, common.seed, ids[rows], [int(step)])
        for name, values in read.items():
            found.setdefault(name, np.empty(len(ids)))[rows] = values[0]
    return found


def _solved(
    common: _Common, data: EventData, times: Sequence[float] | Floats | None, vary: bool, progress: Callable[[int], None]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Output records in the order of the table, and status and error of every subject."""
    done = 0
    pieces: list[pd.DataFrame] = []
    subjects: list[pd.DataFrame] = []
    for template, members, _ in data.groups():
        wanted, at_record = _output_times(template, times)
        done += len(members)
        if not len(wanted):
            continue  # nothing is seen before the clock starts anew
        params, template = _parameters(common, template, data, data.rows(members), vary)
        solution = solve(
            common.model, template, params, wanted, rtol=common.rtol, states=True, interpolation=common.interpolation,  # type: ignore[arg-type]
            at_record=at_record, threads=common.threads, precision=common.precision,  # type: ignore[arg-type]
        )  # fmt: skip
        warn_of_outputs(common.model, solution)
        latest = np.where(at_record >= 0, at_record, np.searchsorted(template.time, wanted, side="right") - 1)
        origin = data.rows(members)[np.maximum(latest, 0)].T.ravel()
        pieces.append(_frame(template, solution, wanted).assign(span=np.repeat(members, len(wanted)), record=origin))
        subjects.append(pd.DataFrame({"subject": template.ids, "status": solution.status, "solver_error": solution.error}))
        progress(done)
    table = pd.concat(pieces, ignore_index=True).sort_values("span", kind="stable", ignore_index=True).drop(columns="span")
    people = pd.concat(subjects).groupby("subject").max().loc[data.ids]  # of a subject's spans the worst
    return table, people


def _check_outputs(data: EventData, times: Sequence[float] | Floats | None) -> None:
    """Every subject has output times, and they are on one clock."""
    if times is None:
        lacking = np.setdiff1d(data.ids, data.records["ID"][data.records["EVID"] == 0])
        if len(lacking):
            raise InvalidData(
                f"{data.name}: subject {lacking[0]} has no observation record (EVID 0) and no output times were given (--times)."
            )
    elif len(data.spans) > len(data.starts):
        record = np.setdiff1d(data.spans, data.starts)[0]
        raise InvalidData(
            f"{data.name}: output times (--times) were given, but TIME of subject {data.records['ID'][record]} starts anew at a "
            "reset, so that a time may mean two moments. Give observation records (EVID 0) in the table."
        )


def _covariates(model: Model) -> set[str]:
    """Covariates the model's numbers depend on."""
    return {e.by for number in model.numbers.values() for e in number.covariates}


def _check_covariates(common: _Common, data: EventData) -> None:
    """Numbers the model's covariate effects can take: there for every subject, and of a human."""
    for name, column in data.covariates.items():
        if name not in _covariates(common.model) or column.dtype == object:
            continue
        known = COVARIATES.get(name)
        low, high = (known.low, known.high) if known and not known.is_category else (-np.inf, np.inf)
        whole = filled(column, data.records["TIME"], data.records["ID"], common.interpolation)
        bad = np.isnan(whole) | (whole < low) | (whole > high) | np.isinf(whole)
        if bad.any():
            row = int(np.argmax(bad))
            where = f"{data.name}: subject {data.records['ID'][row]} at TIME {data.records['TIME'][row]:g}, column {name}"
            if np.isnan(whole[row]):
                raise InvalidData(f"{where}: is missing on every record of this subject, and {common.model.id} depends on it.")
            allowed = f"{low:g} to {high:g} {known.unit}" if known else "finite numbers"
            raise InvalidData(f"{where}: '{whole[row]:g}' is not allowed. Allowed: {allowed}.")


def _warn_unused(model: Model, data: EventData) -> None:
    """Name what is carried along only: a misspelt parameter would otherwise pass as a covariate."""
    unused = [name for name in data.covariates if name not in _covariates(model) and name not in data.kept]
    if unused:
        near = close_names(unused[0], model.params) if len(unused) == 1 else ""
        warn(
            f"{data.name}: {'columns' if len(unused) > 1 else 'column'} {', '.join(unused)} {'act' if len(unused) > 1 else 'acts'} on nothing "
            f"in {model.id}.{near}", UnusedColumn, stacklevel=4,
        )  # fmt: skip


def _output_times(template: EventTemplate, times: Sequence[float] | Floats | None) -> tuple[Floats, NDArray[np.int64]]:
    """Output times and the records they belong to: an observation sees what stands before it in the table, with its own values."""
    if times is not None:
        wanted = np.unique(on_clock(times))
        latest = np.searchsorted(template.time, wanted, side="right") - 1
        return wanted, np.where(np.isin(wanted, template.time), latest, -2)
    rows = np.flatnonzero(template.evid == 0)
    return template.time[rows], rows


def _parameters(
    common: _Common, template: EventTemplate, data: EventData, rows: NDArray[np.int64], vary: bool
) -> tuple[dict[str, Floats], EventTemplate]:
    """Individual parameters; covariates of the records act through the model's covariate effects, record by record."""
    model, n = common.model, template.n_subjects
    used = _covariates(model)
    block, time = data.records["ID"], data.records["TIME"]
    records = {name: filled(v, time, block, common.interpolation)[rows] for name, v in data.covariates.items() if name in used}
    first = {name: values[0] for name, values in records.items()}
    for name, value in TYPICAL.items():
        first.setdefault(name, np.full(n, value))
    cohort = Cohort(ids=template.ids, covariates=first, seed=common.seed, name=data.name)
    changing = {name: values for name, values in records.items() if np.any(values != values[:1])}
    values = individual_parameters(model, cohort, comedication=common.comedication, variability=vary, covariates=changing or None,
                                   uncertainty=common.draw, between_study=common.between_study)  # fmt: skip
    params = {name: v if np.ndim(v) == 1 else v[0] for name, v in values.items()}
    by_record = {name: v for name, v in values.items() if np.ndim(v) == 2 and name not in template.overrides}
    if not by_record:
        return params, template
    return params, replace(template, overrides={**template.overrides, **by_record})


def _frame(template: EventTemplate, solution: Solution, times: Floats) -> pd.DataFrame:
    n, count = template.n_subjects, len(times)
    columns: dict[str, Any] = {"ID": np.repeat(template.ids, count), "TIME": np.tile(times, n)}
    columns |= {name: solution.states[:, i].T.ravel() for i, name in enumerate(solution.state_names)}
    columns |= {name: solution.ports[:, i].T.ravel() for i, name in enumerate(solution.port_names)}
    return pd.DataFrame(columns)


def _assumed(model: Model, data: EventData) -> list[str]:
    """Covariates the model depends on and the table does not have, each with what counts in its place."""
    typical = {
        name: f"{value:g}" for name, value in TYPICAL.items() if name in _covariates(model) and name not in data.covariates
    }
    return [f"{k} {v}" for k, v in (typical | assumed_covariates(model.numbers, [*data.covariates, *TYPICAL])).items()]


def _output(common: _Common, data: EventData, table: pd.DataFrame) -> xr.Dataset:
    """Columns of the output, in their order: subject and time, what is carried along, states, outputs."""
    model, record = common.model, table["record"].to_numpy()
    ports, units = _reported(common, data, {name: table[name].to_numpy() for name in model.ports})
    # Doses in mg are asked about in ng/mL: amounts in compartments stand there only where somebody names them.
    states = [name for name in model.states if not data.in_mass or common.states or not model.ports or name in common.show.states]
    columns: dict[str, Any] = {name: table[name].to_numpy() for name in ("ID", "TIME")}
    columns |= {name: values[record] for name, values in data.kept.items()}
    columns |= {name: table[name].to_numpy() for name in states} | ports
    columns |= {"REP": table["REP"].to_numpy()} if "REP" in table else {}
    units |= {name: model.states[name].unit for name in states} | {"TIME": "h"}
    return xr.Dataset({
        name: ("record", np.array(["" if v is None else str(v) for v in values]) if values.dtype == object else values,
               {"units": units.get(name, ""), "long_name": name})
        for name, values in columns.items()
    })  # fmt: skip


def _tree(common: _Common, data: EventData, table: pd.DataFrame, people: pd.DataFrame, vary: bool) -> xr.DataTree:
    model = common.model
    output = _output(common, data, table)
    attrs = provenance(model, rtol=common.rtol, solver=solver_of(common.model, common.precision), regimen=f"event table {data.name}", seed=common.seed,
                       n=len(people), command=common.command, variability=int(vary), residual=int(common.residual), replicates=common.replicates, assumed_covariates=_assumed(model, data), **common.drugs)  # fmt: skip
    subject = xr.Dataset({c: ("subject", people[c].to_numpy()) for c in people}, coords={"subject": people.index.to_numpy()})
    records = data.to_frame().dropna(axis="columns", how="all")
    dose = xr.Dataset({str(c): ("record", records[c].to_numpy() if records[c].dtype != object else records[c].astype(str).to_numpy()) for c in records},
                      attrs={"as_given": f"event table {data.name}"})  # fmt: skip
    attrs |= {"shown": list(common.show.names)} if common.show.names else {}
    attrs |= {"kept": list(data.kept)} if data.kept else {}
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attrs), "/dose": dose, "/subject": subject, "/output": output})
