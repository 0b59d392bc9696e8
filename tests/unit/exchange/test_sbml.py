"""SBML, read by libRoadRunner and libSBML: doses, covariates and units give ketasim's own trajectories."""

from __future__ import annotations

from collections.abc import Mapping

import libsbml
import numpy as np
import pytest
from invented import invented_model

from ketasim import library
from ketasim.dose import EventTemplate, parse, resolve
from ketasim.errors import InvalidData, InvalidOption, InvalidRegimen
from ketasim.exchange import export_sbml
from ketasim.model import Model, assemble
from ketasim.population import Cohort, individual_parameters
from ketasim.solve import solve

T = np.linspace(0.0, 48.0, 97)


def roadrunner_path(text: str, model: Model, changes: Mapping[str, float] | None = None) -> np.ndarray:
    """(time, quantity): states and ports by libRoadRunner."""
    roadrunner = pytest.importorskip("roadrunner")
    runner = roadrunner.RoadRunner(text)
    runner.integrator.relative_tolerance, runner.integrator.absolute_tolerance = 1e-11, 1e-13
    for name, value in (changes or {}).items():
        runner[name] = value
    known = set(runner.model.getGlobalParameterIds())
    names = [n if n in known else f"{n}_" for n in (*model.compartments, *model.ports)]
    runner.timeCourseSelections = ["time", *names]
    return np.asarray(runner.simulate(T[0], T[-1], len(T)))[:, 1:]


def own_path(model: Model, doses: EventTemplate, covariates: Mapping[str, float]) -> np.ndarray:
    """The same by ketasim's engine."""
    cohort = Cohort([1], {name: np.array([value]) for name, value in covariates.items()})
    params = individual_parameters(model, cohort, variability=False)
    own = solve(model, doses, params, T, rtol=1e-9)
    return np.concatenate([own.states[:, :, 0], own.ports[:, :, 0]], axis=1)


def assert_close(got: np.ndarray, want: np.ndarray) -> None:
    """Within 1e-6 of each quantity's largest value; both solvers run below 1e-8."""
    scale = np.abs(want).max(axis=0)
    assert np.any(scale > 0)
    assert np.max(np.abs(got - want)[:, scale > 0] / scale[scale > 0]) < 1e-6


@pytest.mark.parametrize(
    ("entry", "regimen"),
    [
        ("perezruixo2021", "esketamine nasal 84 mg, 2/week x 1 week"),
        ("simons2022", "esketamine sublingual 50 mg, every 8 h x 4"),
        ("flint2017", "0.3 mg/kg esketamine iv over 40 min, daily x 2"),
        ("otto2021", "esketamine iv 10 mg bolus then 20 mg esketamine iv over 2 h"),
    ],
)
def test_regimens_give_the_same_trajectories(entry: str, regimen: str) -> None:
    model = assemble(library.load(entry))
    doses = resolve(parse(regimen), model, {"WT": np.array([82.0])})
    weight = {"WT": 82.0} if any(e.by == "WT" for n in model.numbers.values() for e in n.covariates) else {}
    got = roadrunner_path(export_sbml(model, doses, weight), model)
    assert_close(got, own_path(model, doses, {"WT": 82.0, "AGE": 60.0}))


@pytest.mark.slow
def test_the_reference_model_gives_the_same_trajectories() -> None:
    model = assemble(library.load("ketasim_reference"))
    doses = resolve(parse("0.5 mg/kg ketamine iv over 40 min then ketamine nasal 56 mg"), model, {"WT": np.array([55.0])})
    got = roadrunner_path(export_sbml(model, doses, {"WT": 55.0, "AGE": 75.0, "CYP2B6": 1.0}), model)
    covariates = {"WT": np.array([55.0]), "AGE": np.array([75.0]), "CYP2B6": np.array(["*1/*6"])}
    params = individual_parameters(model, Cohort([1], covariates), variability=False)
    own = solve(model, doses, params, T, rtol=1e-9)
    assert_close(got, np.concatenate([own.states[:, :, 0], own.ports[:, :, 0]], axis=1))


@pytest.mark.filterwarnings("ignore::ketasim.errors.UnusedModelledInput")
@pytest.mark.parametrize(("rate", "lasts"), [(0.0, 0.0), (40.0, 0.0), (40.0, 2.5), (-1.0, 0.0), (-2.0, 0.0)])
def test_lag_bioavailability_duration_and_rate(rate: float, lasts: float) -> None:
    """F shortens an infusion of given or modelled rate, and lowers the rate of one of stated or modelled duration."""
    values = {"F1": 0.6, "ALAG1": 0.7, "D1": 1.5, "R1": 25.0, "ALAG2": 0.25}
    model = assemble(library.load("generic/two_cmt")).with_values(values)
    doses = EventTemplate.build(
        time=[0.0, 2.0, 2.0], amt=[100.0, 80.0, 50.0], rate=[rate, rate, 0.0], cmt=[0, 0, 1], ii=[12.0, 0.0, 0.0], addl=[2, 0, 0], ids=[1],
        duration=[lasts, lasts, 0.0],
    )  # fmt: skip
    assert_close(roadrunner_path(export_sbml(model, doses), model), own_path(model, doses, {}))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ketasim.errors.UnusedModelledInput")
def test_awkward_names_and_choices() -> None:
    model = invented_model()
    doses = resolve(parse("esketamine oral 30 mg, daily x 2"), model, {})
    covariates = {"WT": 70.0, "AGE": 66.0, "HT": 180.0, "BMI": 30.0, "EGFR": 100.0}
    more = {"CYP2B6": np.array(["*6/*6"]), "SEX": np.array(["female"]), "RACE": np.array(["black"]), "ARM": np.array([2.0])}
    cohort = Cohort([1], {**{k: np.array([v]) for k, v in covariates.items()}, **more})
    own = solve(model, doses, individual_parameters(model, cohort, variability=False), T, rtol=1e-9)
    text = export_sbml(model, doses, {**covariates, "CYP2B6": 2.0, "SEX": 0.0, "RACE": 1.0, "ARM": 2.0})
    want = np.concatenate([own.states[:, :, 0], own.ports[:, :, 0]], axis=1)
    got = roadrunner_path(text, model)
    assert np.max(np.abs(got - want) / np.abs(want).max(axis=0)) < 1e-6


def test_the_reader_may_change_a_covariate() -> None:
    model = assemble(library.load("otto2021"))
    doses = resolve(parse("esketamine iv 10 mg over 30 min"), model, {"WT": np.array([70.0])})
    got = roadrunner_path(export_sbml(model, doses), model, {"WT": 45.0})
    assert_close(got, own_path(model, doses, {"WT": 45.0}))


@pytest.mark.parametrize("entry", ["perezruixo2021", "ketasim_reference", "generic/one_cmt"])
def test_every_quantity_has_a_unit_and_no_unit_conflicts(entry: str) -> None:
    model = assemble(library.load(entry))
    route = next(iter(model.routes))
    dose = (
        "10 mg"
        if entry.startswith("generic")
        else f"ketamine {route} 28 mg"
        if "reference" in entry
        else f"esketamine {route} 28 mg"
    )
    text = export_sbml(model, resolve(parse(dose), model, {}) if not entry.startswith("generic") else None)
    document = libsbml.readSBMLFromString(text)
    document.checkConsistency()
    whole = document.getModel()
    assert whole.getTimeUnits() == "h"
    assert all(whole.getParameter(i).isSetUnits() for i in range(whole.getNumParameters()))
    # 99505 and 99506: an equation holds a plain number, so its units cannot be checked; anything else would be a conflict
    found = [document.getError(i) for i in range(document.getNumErrors())]
    assert [e.getMessage() for e in found if e.getErrorId() not in (99505, 99506)] == []


def test_the_file_says_what_it_is_for() -> None:
    document = libsbml.readSBMLFromString(export_sbml(assemble(library.load("otto2021"))))
    assert "For research; not for decisions on the care of a patient." in document.getModel().getNotesString()
    assert not document.checkConsistency() or not document.getNumErrors(libsbml.LIBSBML_SEV_ERROR)


def test_units_are_worth_what_they_say() -> None:
    model = assemble(library.load("perezruixo2021"))
    whole = libsbml.readSBMLFromString(export_sbml(model)).getModel()
    said = {}
    for i in range(whole.getNumUnitDefinitions()):
        definition = whole.getUnitDefinition(i)
        units = [definition.getUnit(k) for k in range(definition.getNumUnits())]
        said[definition.getName()] = {
            libsbml.UnitKind_toString(u.getKind()): (u.getExponentAsDouble(), u.getMultiplier()) for u in units
        }
    assert said["umol/L"] == {"mole": (1.0, 1e-6), "litre": (-1.0, 1.0)}
    assert said["L/h"] == {"litre": (1.0, 1.0), "second": (-1.0, 3600.0)}


def test_refusals() -> None:
    model = assemble(library.load("generic/one_cmt"))
    steady = EventTemplate.build(time=[0.0], amt=[10.0], ii=[12.0], ss=[1], ids=[1])
    with pytest.raises(InvalidRegimen, match="steady-state"):
        export_sbml(model, steady)
    with pytest.raises(InvalidRegimen, match="EVID 3"):
        export_sbml(model, EventTemplate.build(time=[0.0], amt=[0.0], evid=[3], ids=[1]))
    with pytest.raises(InvalidData, match="one person"):
        export_sbml(model, EventTemplate.build(time=[0.0], amt=[[10.0, 10.0]], ids=[1, 2]))
    with pytest.raises(InvalidOption, match="no covariate 'WTT'"):
        export_sbml(assemble(library.load("otto2021")), covariates={"WTT": 1.0})


@pytest.mark.parametrize("value", ["x", float("nan"), None, [64.0, 70.0]])
def test_a_covariate_is_one_number(value: object) -> None:
    with pytest.raises(InvalidOption, match=r"covariate WT = .*: give one number"):
        export_sbml(assemble(library.load("pk/otto2021")), None, {"WT": value})  # type: ignore[dict-item]
