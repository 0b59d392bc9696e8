"""The language: what assemble refuses, what describe shows, what other tools make of the exports."""

from __future__ import annotations

import numpy as np
import pytest

from ketasim import library
from ketasim.dose import EventTemplate
from ketasim.errors import InvalidModel, InvalidParameter, PortConflict, UnitMismatch, UnmetPort
from ketasim.model import (
    Entrance,
    Mechanism,
    Number,
    Param,
    Part,
    Port,
    State,
    Structure,
    assemble,
    latex,
    mechanism_graph,
)
from ketasim.solve import solve


class Source(Mechanism):
    """Writes a concentration."""

    params = {"C0": Param("umol/L")}
    states = {"level": State("umol/L", initial="C0")}
    writes = {"C": Port("umol/L")}

    def rates(self, t, x, u, p):
        return {"level": -x["level"]}

    def outputs(self, t, x, u, p):
        return {"C": x["level"]}


class Reader(Mechanism):
    """Reads it in another unit."""

    reads = {"C": Port("nmol/L")}
    writes = {"seen": Port("nmol/L")}

    def outputs(self, t, x, u, p):
        return {"seen": u["C"]}


class Heavy(Mechanism):
    """Reads it in a unit of another dimension."""

    reads = {"C": Port("mg/L")}


class Loop(Mechanism):
    """Feeds the reader's output back."""

    reads = {"seen": Port("nmol/L")}
    writes = {"C": Port("nmol/L")}

    def outputs(self, t, x, u, p):
        return {"C": u["seen"]}


class Takes(Structure):
    """Takes doses of S-ketamine into what another mechanism follows."""

    routes = {"iv": {"s_ketamine": (Entrance("level"),)}}


SOURCE = Part(Source(), {"C0": Number(2.0, "umol/L", source="invented", at="table 1")}, id="source")
NO_DOSE = EventTemplate(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 1)), np.zeros((0, 1)), np.zeros(0),
                        np.zeros(0, np.int64), np.zeros(0, np.int64), np.array([1]))  # fmt: skip


def test_unit_conversion_is_inserted_once() -> None:
    got = solve(assemble(SOURCE, Reader()), NO_DOSE, {"C0": np.array([2.0])}, np.array([0.0, 1.0]), rtol=1e-10)
    np.testing.assert_allclose(got.ports[:, list(got.port_names).index("seen"), 0], 2000 * np.exp([0.0, -1.0]), rtol=1e-9)


def test_refusals() -> None:
    with pytest.raises(UnmetPort, match="reads port 'C'"):
        assemble(Reader())
    with pytest.raises(PortConflict, match="written by Source and Source"):
        assemble(SOURCE, Part(type("Source", (Source,), {"states": {}, "rates": Mechanism.rates})(), SOURCE.numbers, id="again"))
    with pytest.raises(UnitMismatch, match="read by Heavy"):
        assemble(SOURCE, Heavy())
    with pytest.raises(InvalidModel, match="loop"):
        assemble(Reader(), Loop()).system
    one, other = (Part(Takes(), {}, id=name) for name in ("one", "other"))
    with pytest.raises(InvalidModel, match="route 'iv' of s_ketamine is taken by one@1 and by other@1"):
        assemble(SOURCE, one, other)
    with pytest.raises(InvalidModel, match="no value for C0"):
        Part(Source(), {}, id="empty")
    with pytest.raises(InvalidParameter, match="no parameter 'C1'"):
        assemble(SOURCE).with_values({"C1": 1.0})
    with pytest.raises(InvalidParameter, match="outside"):
        assemble(SOURCE).with_values({"C0": -1.0})


@pytest.mark.parametrize("format", ["text", "html"])
def test_describe_shows_every_number_with_unit_and_source(format: str) -> None:
    model = assemble(library.load("perezruixo2021"))
    text = model.describe(format)  # type: ignore[arg-type]
    for name, number in model.numbers.items():
        assert name in text and number.source in text
    assert "dt" in text and "C_venous_s_ketamine" in text


def test_latex_and_graph_name_everything() -> None:
    model = assemble(library.load("perezruixo2021"))
    assert latex(model).count("frac{d") == len(model.states)
    assert "-->" in mechanism_graph(model)
