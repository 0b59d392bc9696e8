"""Mistakes in a user's own equations give one message that names the class and the method."""

from __future__ import annotations

import math
from typing import Any

import pytest

from ketasim.errors import InvalidModel
from ketasim.model import Number, Param, Part, State, Structure, assemble


class Own(Structure):
    """What the cases below share."""

    params = {"k": Param("1/h")}
    states = {"A": State("mg")}

    def outputs(self, t, x, u, p):
        return {}


def _undeclared(self: Any, t: Any, x: Any, u: Any, p: Any) -> Any:
    return {"A": -p["QQ"] * x["A"]}


def _branch(self: Any, t: Any, x: Any, u: Any, p: Any) -> Any:
    return {"A": -p["k"] if x["A"] > 0 else 0}


def _nothing(self: Any, t: Any, x: Any, u: Any, p: Any) -> Any:
    {"A": -p["k"] * x["A"]}


def _math(self: Any, t: Any, x: Any, u: Any, p: Any) -> Any:
    return {"A": -math.exp(p["k"]) * x["A"]}


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        (_undeclared, r"Wrong.rates uses 'QQ', which is not declared. Its states: A; its parameters: k"),
        (_branch, "use where_positive"),
        (_nothing, "Is a 'return' missing"),
        (_math, "of ketasim.model.functions instead"),
    ],
)
def test_one_message(rates: Any, message: str) -> None:
    wrong = type("Wrong", (Own,), {"rates": rates})
    part = Part(wrong(), {"k": Number(1.0, "1/h", kind="assumed", note="invented")}, id="own")
    with pytest.raises(InvalidModel, match=message):
        _ = assemble(part).system
