"""What holds for every entry of the library; a new entry is tested by being there."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from ketasim import library, sources
from ketasim.model import Part, Structure, assemble
from ketasim.units import dimension

ENTRIES = [entry.name for kind in library.KINDS for entry in library.entries(kind)]
DOSABLE = [entry.name for kind in library.KINDS for entry in library.entries(kind) if not entry.is_addon]
CLOSED = [name for name in DOSABLE if not name.startswith("pk/derived_im_sc")]


@pytest.fixture(params=ENTRIES)
def part(request: pytest.FixtureRequest) -> Part:
    return library.load(request.param)


def test_names_are_in_the_register(part: Part) -> None:
    assert library.register().missing(part.mechanism) == []


def test_every_number_has_unit_source_place_and_kind(part: Part) -> None:
    for name, number in {**part.numbers, **part.info["reported"]}.items():
        assert math.isfinite(number.value), name
        assert number.at.strip(), f"{name}: where in the source?"
        assert number.source, f"{name}: which source?"
        assert sources.cite(number.source), name
        assert number.kind in ("estimated", "fixed", "derived", "assumed"), name
        assert number.kind not in ("derived", "assumed") or number.note, f"{name}: how or why?"
        assert number.confidence != "recalled", f"{name}: memory is no source"


def test_numbers_are_in_the_declared_unit(part: Part) -> None:
    for name, param in part.mechanism.params.items():
        assert part.numbers[name].unit == param.unit
        assert dimension(param.unit) == dimension(part.numbers[name].unit)


def test_covariate_levels_are_in_the_register(part: Part) -> None:
    known = library.register().sections["covariate"]
    for name, number in part.numbers.items():
        for effect in number.covariates:
            assert effect.by in known, name
            assert set(effect.levels) <= set(known[effect.by].levels), name


def test_ports_and_analytes_agree_with_the_entry(part: Part) -> None:
    if part.id == "ketasim_reference":
        return  # three sites, four analytes: the port register covers it
    measured = {port.analyte for port in part.mechanism.writes.values() if port.analyte}  # at several sites, perhaps
    assert sorted(measured) == sorted(part.info["analytes"]) or part.id.startswith("derived_im_sc")
    assert {port.site for port in part.mechanism.writes.values() if port.site} <= set(part.info["sampling"].split(" and "))


def test_entry_has_a_population_and_a_drug_or_is_generic(part: Part) -> None:
    assert part.info["title"]
    assert part.info["population"], "whom did the source study?"
    kind = Path(part.info["path"]).parent.name
    if kind == "pk" and isinstance(part.mechanism, Structure):
        assert part.info["drug"] in ("racemic_ketamine", "esketamine", "arketamine")
        assert part.info["dose_form"] in ("base", "hydrochloride")


@pytest.mark.parametrize("name", CLOSED)
def test_entry_assembles_and_traces(name: str) -> None:
    model = assemble(library.load(name))
    assert model.routes
    assert set(model.system.rates) == set(model.states)


def test_no_number_is_kept_twice_in_derived_entries() -> None:
    chain, origin = library.pk("derived_rs_chain"), library.pk("simons2022")
    assert chain.numbers["MTT_nk"] is origin.numbers["MTT_nk"]
    assert library.pk("default_oral").numbers["Qh"] is library.pk("perezruixo2021").numbers["Qh"]


def test_checked_entries_have_a_second_entry_and_a_checkpoint() -> None:
    for entry in library.entries("pk"):
        if entry.status == "checked":
            assert (entry.path.parents[1] / "qc" / "pk" / f"{entry.id}.toml").is_file(), entry.id
            assert library.checkpoints(library.load(entry.name)), entry.id


def test_published_models_that_cannot_run_are_listed_with_a_reason() -> None:
    gaps = {gap.id: gap for gap in library.not_simulable()}
    assert {"jonkman2017", "kamp2020_meta"} <= set(gaps)
    for gap in gaps.values():
        assert gap.reason
        assert sources.cite(gap.source)


def test_derived_values_of_the_sources_follow_from_the_entry() -> None:
    """V1 * k10 and the steady-state volume, as printed beside the rate constants (three digits: 1 %)."""
    for name in ("domino1984", "clements1981", "hijazi2003"):
        part = library.pk(name)
        p = {key: number.value for key, number in part.numbers.items()}
        clearance = p["Vc"] * p["k10"] / library.REFERENCE_WEIGHT_KG * 1000 / 60
        assert clearance == pytest.approx(part.info["reported"]["CL"].value, rel=0.01), name
        ratio = 1 + p["k12"] / p["k21"] + (p["k13"] / p["k31"] if "k13" in p else 0.0)
        assert p["Vc"] * ratio / library.REFERENCE_WEIGHT_KG == pytest.approx(part.info["reported"]["Vss"].value, rel=0.01), name


def test_comedications_name_activities_and_sources() -> None:
    found = {item.id: item for item in library.comedications()}
    assert {"ticlopidine", "clarithromycin", "itraconazole", "rifampicin", "st_johns_wort", "grapefruit_juice"} <= set(found)
    for item in found.values():
        assert sources.cite(item.source)
        for name, number in item.multipliers.items():
            assert library.register().find("parameter", name), name
            assert sources.cite(number.source)
            assert number.value >= 0
