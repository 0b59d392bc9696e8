"""Published exposures, and those an independent calculation gave, come out of the entries.

Each checkpoint is computed with a slow solver that shares nothing with the engine but the equations; those of checked entries
also with the engine, on the way a user takes.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from numpy.typing import NDArray
from twin import solve_twin

import ketasim
from ketasim import library
from ketasim.dose import molar_mass, parse, resolve
from ketasim.library import quantity
from ketasim.model import Model, assemble
from ketasim.population import Cohort, individual_parameters

Floats = NDArray[np.float64]
Curves = tuple[Floats, dict[str, Floats]]
Covariates = tuple[tuple[str, float | str], ...]

CHECKPOINTS = [
    (entry.name, name)
    for kind in library.KINDS
    for entry in library.entries(kind)
    for name in library.checkpoints(library.load(entry.name))
]
#: The entries the reference model rests on.
WITH_ENGINE = [
    (entry, name) for entry, name in CHECKPOINTS if library.load(entry).status == "checked" or entry == "pk/perezruixo2021"
]
#: Far below the tightest tolerance of a checkpoint (1 %).
RTOL = 1e-7
UNITS = {"cmax": "ng/mL", "conc_at_t": "ng/mL", "auc_0_t": "ng*h/mL", "tmax": "h", "auc_ratio": "1"}


@pytest.mark.reference
@pytest.mark.parametrize(("entry", "name"), CHECKPOINTS)
def test_checkpoint(entry: str, name: str) -> None:
    _check(entry, name, _twin)


@pytest.mark.reference
@pytest.mark.slow
@pytest.mark.parametrize(("entry", "name"), WITH_ENGINE)
def test_checkpoint_with_the_engine(entry: str, name: str) -> None:
    _check(entry, name, _engine)


def test_known_misses_say_why_and_keep_the_entry_provisional() -> None:
    for entry, name in CHECKPOINTS:
        part = library.load(entry)
        point = library.checkpoints(part)[name]
        assert (point.ratio == 1.0) == (not point.known_miss), f"{entry} {name}"
        assert not point.known_miss or part.status == "provisional", f"{entry} {name}"


@pytest.mark.reference
def test_nasal_exposure_with_less_norketamine_formation_matches_the_label() -> None:
    """k_nk times 0.4 (ticlopidine). Label: AUC 1.29 times, Cmax unchanged; an independent calculation: 1.30 and 1.03."""
    model = assemble(library.pk("perezruixo2021"))
    inhibited = model.with_values({"k_nk": 0.4 * model.numbers["k_nk"].value})
    times = np.linspace(0.0, 72.0, 6001)
    template = resolve(parse("esketamine nasal 56 mg"), model, {"WT": np.array([70.0])})
    usual, raised = (solve_twin(m, template, m.typical(), times)["C_venous_s_ketamine"] for m in (model, inhibited))
    assert np.trapezoid(raised, times) / np.trapezoid(usual, times) == pytest.approx(1.30, abs=0.02)
    assert raised.max() / usual.max() == pytest.approx(1.03, abs=0.01)


def _check(entry: str, name: str, solver: object) -> None:
    point = library.checkpoints(library.load(entry))[name]
    end = quantity(point.time, "h", name)
    time, curves = solver(entry, point.dose, point.joined, tuple(sorted(point.covariates.items())), end)  # type: ignore[operator]
    wanted = (point.analyte,) if isinstance(point.analyte, str) else point.analyte
    curve = sum(curves[analyte] for analyte in wanted)
    value = {
        "cmax": lambda: curve.max(),
        "tmax": lambda: time[curve.argmax()],
        "conc_at_t": lambda: curve[-1],
        "auc_0_t": lambda: np.trapezoid(curve, time),
        "auc_ratio": lambda: np.trapezoid(curve, time) / np.trapezoid(curves[point.over], time),
    }[point.metric]()
    expected = quantity(point.expect, UNITS[point.metric], name) * point.ratio
    assert value == pytest.approx(expected, rel=point.within_percent / 100.0)


@lru_cache(maxsize=64)
def _twin(entry: str, dose: str, joined: tuple[str, ...], covariates: Covariates, end: float) -> Curves:
    model, cohort, times = _model(entry, joined), _cohort(covariates), _times(end)
    template = resolve(parse(dose), model, cohort.covariates)
    params = {name: float(np.ravel(value)[0]) for name, value in individual_parameters(model, cohort, variability=False).items()}
    ports = solve_twin(model, template, params, times)
    return times, {p.analyte: ports[name] * molar_mass(p.analyte) for name, p in model.ports.items() if p.site}


@lru_cache(maxsize=64)
def _engine(entry: str, dose: str, joined: tuple[str, ...], covariates: Covariates, end: float) -> Curves:
    times = _times(end)
    result = ketasim.simulate(_model(entry, joined), dose, cohort=_cohort(covariates), times=times, variability=False, rtol=RTOL)
    plasma = next(iter(result["plasma"].data_vars.values()))
    return times, {str(a): plasma.sel(analyte=a).values[0] for a in plasma["analyte"].values}


def _model(entry: str, joined: tuple[str, ...]) -> Model:
    return assemble(library.load(entry), *(library.load(other) for other in joined))


def _cohort(covariates: Covariates) -> Cohort:
    columns = {"WT": np.array([70.0]), "AGE": np.array([40.0])} | {name: np.array([value]) for name, value in covariates}
    return Cohort(ids=np.array([1]), covariates=columns, seed=1, name="typical", description="typical adult")


def _times(end: float) -> Floats:
    """Dense where curves peak, up to the end; the peak of 20-minute absorption is met to 1e-4."""
    return np.unique(np.concatenate([np.linspace(0.0, min(end, 12.0), 1501), np.linspace(0.0, end, 1501)]))
