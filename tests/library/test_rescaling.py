"""The rescaling check finds what it is there for, and every structure of the library passes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from rescaling import complaints, model_complaints, stray_units

from ketasim import library
from ketasim.model import Mechanism, Param, Port, State, assemble

ENTRIES = [entry.name for kind in library.KINDS for entry in library.entries(kind)]


class _Clearance(Mechanism):
    """One compartment, right."""

    params = {"CL": Param("L/h"), "V": Param("L"), "Vmax": Param("umol/h"), "Km": Param("umol/L")}
    states = {"A": State("umol")}
    writes = {"C": Port("umol/L")}

    def rates(self, t: Any, x: Mapping[str, Any], u: Mapping[str, Any], p: Mapping[str, Any]) -> Mapping[str, Any]:
        c = x["A"] / p["V"]
        return {"A": -p["CL"] * c - p["Vmax"] * c / (p["Km"] + c)}

    def outputs(self, t: Any, x: Mapping[str, Any], u: Mapping[str, Any], p: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"C": x["A"] / p["V"]}


class _AmountAgainstKm(_Clearance):
    """Compares an amount with a concentration."""

    def rates(self, t: Any, x: Mapping[str, Any], u: Mapping[str, Any], p: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"A": -p["Vmax"] * x["A"] / (p["Km"] + x["A"])}


class _HiddenConstant(_Clearance):
    """Adds a number that should have a unit."""

    def rates(self, t: Any, x: Mapping[str, Any], u: Mapping[str, Any], p: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"A": 0.1 - p["CL"] * x["A"] / p["V"]}


class _MislabelledVolume(_Clearance):
    """Calls a volume a clearance."""

    params = {**_Clearance.params, "V": Param("L/h")}


class _Minutes(_Clearance):
    """Keeps a parameter in another unit, which would need a conversion in the equations."""

    params = {**_Clearance.params, "CL": Param("L/min")}


def test_right_equations_pass() -> None:
    assert complaints(_Clearance()) == []
    assert stray_units(_Clearance()) == []


@pytest.mark.parametrize("wrong", [_AmountAgainstKm, _HiddenConstant, _MislabelledVolume])
def test_wrong_equations_are_found(wrong: type[Mechanism]) -> None:
    assert complaints(wrong())


def test_other_units_than_the_internal_ones_are_found() -> None:
    assert "CL is declared in 'L/min'" in stray_units(_Minutes())[0]


@pytest.mark.parametrize("name", ENTRIES)
def test_entry_transforms_as_its_units_say(name: str) -> None:
    part = library.load(name)
    others = () if not _reads_elsewhere(part.mechanism) else (library.pk(_writer_for(part.mechanism)),)
    assert model_complaints(assemble(part, *others)) == []


def _writer_for(mechanism: Mechanism) -> str:
    """A model that writes what a mechanism reads; the small one where it does."""
    small = library.pk("otto2021")
    return "otto2021" if set(mechanism.reads) - set(mechanism.writes) <= set(small.mechanism.writes) else "ketasim_reference"


def _reads_elsewhere(mechanism: Mechanism) -> bool:
    return bool(set(mechanism.reads) - set(mechanism.writes))
