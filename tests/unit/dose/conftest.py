"""Small models to dose into: enough structure for regimens and event tables, no library needed."""

from __future__ import annotations

import pytest

from ketasim.model import Entrance, Inlet, Model, Number, Param, Part, State, Structure, assemble

Routes = dict[str, dict[str, tuple[Entrance, ...]]]


class Small(Structure):
    """States that keep what they get; routes, parameters and inlets as asked for."""

    def __init__(
        self, states: dict[str, str], routes: Routes, params: tuple[str, ...] = (), modelled: tuple[str, ...] = ()
    ) -> None:
        self.states = {name: State(unit) for name, unit in states.items()}
        self.routes, self.modelled = routes, modelled
        self.params = {name: Param("1") for name in params} | {f"D_{c}": Param("h") for c in modelled}

    def rates(self, t, x, u, p):
        return {name: 0.0 * x[name] for name in self.states}

    def inlets(self, p):
        return {c: Inlet(duration=p[f"D_{c}"]) for c in self.modelled}


def build(
    states: dict[str, str], routes: Routes, params: tuple[str, ...] = (), modelled: tuple[str, ...] = (), id: str = "small"
) -> Model:
    """A model of these states and routes."""
    mechanism = Small(states, routes, params, modelled)
    numbers = {name: Number(1.0, param.unit) for name, param in mechanism.params.items()}
    return assemble(Part(mechanism, numbers, id=id), id=id)


@pytest.fixture(scope="session")
def enantiomers() -> Model:
    """Both enantiomers, iv and nasal (mucosa, swallowed part of zero order), with devices."""
    states = {"S": "umol", "R": "umol", "nose_S": "umol", "gut_S": "umol", "nose_R": "umol", "gut_R": "umol"}
    routes: Routes = {
        "iv": {"s_ketamine": (Entrance("S"),), "r_ketamine": (Entrance("R"),)},
        "nasal": {
            "s_ketamine": (Entrance("nose_S"), Entrance("gut_S", zero_order=True)),
            "r_ketamine": (Entrance("nose_R"), Entrance("gut_R", zero_order=True)),
        },
    }
    return build(states, routes, ("n_devices",), ("gut_S", "gut_R"), id="both")


@pytest.fixture(scope="session")
def s_only() -> Model:
    """S-ketamine only, in umol."""
    return build({"central": "umol"}, {"iv": {"s_ketamine": (Entrance("central"),)}}, id="s_only")


@pytest.fixture(scope="session")
def racemic() -> Model:
    """A model of racemic assays, counted in mg."""
    return build({"central": "mg"}, {"iv": {"ketamine": (Entrance("central"),)}}, id="racemic")


@pytest.fixture(scope="session")
def generic() -> Model:
    """Depot, centre and periphery in mg, no drug; names of parameters as in NONMEM."""
    routes: Routes = {"oral": {"": (Entrance("DEPOT"),)}, "iv": {"": (Entrance("CENT"),)}}
    return build({"DEPOT": "mg", "CENT": "mg", "PERI": "mg", "effect": "umol/L"}, routes, ("CL", "V"), ("CENT",), id="generic")
