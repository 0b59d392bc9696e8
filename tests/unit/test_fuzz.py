"""Damaged and odd input through every entrance: a clear refusal or a result, in time, and nothing half-written."""

from __future__ import annotations

import pytest
from tools.fuzz import Entrance, attack, entrances

#: Inputs of each entrance; `tools/fuzz.py` goes on for as long as one likes.
MANY, FEW = 25, 6


@pytest.mark.parametrize("entrance", entrances(), ids=lambda e: e.name.replace(" ", "_"))
def test_every_entrance_refuses_clearly(entrance: Entrance) -> None:
    for number in range(FEW if "simulated" in entrance.name else MANY):
        fault = attack(entrance, seed=2026, number=number, limit=60.0)
        assert fault is None, f"{fault.what}\n{fault.data[:500]!r}\n{fault.trace}"


def test_the_attack_sees_faults() -> None:
    def divide(_: object, data: bytes) -> float:
        return 1 / (len(data) - 1)

    def wait(_: object, data: bytes) -> None:
        while data:
            pass

    broken = Entrance("broken", (b"x",), lambda _rng, data: data, divide)
    assert "ZeroDivisionError" in attack(broken, 1, 1).what
    assert "longer than 0.2 s" in attack(Entrance("endless", (b"x",), lambda _rng, data: data, wait), 1, 1, limit=0.2).what
