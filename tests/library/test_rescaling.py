"""The rescaling check finds what it is there for, and every structure of the library passes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from rescaling import complaints, model_complaints, stray_units

from ketasim import library
from ketasim.model import Mechanism, Param, Part, Port, State, assemble

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
    assert model_complaints(assemble(*_with_writers(library.load(name)))) == []


def _with_writers(part: Part) -> list[Part]:
    """The part, and entries of the library that write what it reads: a small exposure model where that does, else the large one."""
    small, parts = library.pk("otto2021"), [part]
    while unmet := _unmet(parts):
        if unmet <= set(small.mechanism.writes):
            parts.append(small)
        elif any(name.startswith("C_") for name in unmet):
            parts.append(library.pk("ketasim_reference"))
        else:
            parts.append(next(one for one in _mechanisms() if unmet & set(one.mechanism.writes)))
    return parts


def _unmet(parts: list[Part]) -> set[str]:
    """Ports that are read, have no default and no writer."""
    read = {name for part in parts for name, port in part.mechanism.reads.items() if port.default is None}
    return read - {name for part in parts for name in part.mechanism.writes}


def _mechanisms() -> list[Part]:
    return [library.load(entry.name) for entry in library.entries("mechanism")]
