"""The rescaling check: do equations agree with the units their quantities declare?

Every base dimension (time, volume, amount, mass) is multiplied by a factor of its own; states, parameters and ports are
transformed by their declared units; then rates, outputs, inlets must transform by theirs. It finds a mislabelled volume, a
concentration compared with an amount, a hidden constant with a dimension. It cannot see a pure number (a stray ``/ 60``):
`stray_units` asks for the internal units instead, so that no conversion is ever needed inside equations.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ketasim.model import Mechanism, Model, Structure
from ketasim.units import dimension, parse_unit, registry

#: Factor per base dimension; volume is length cubed. No two products of small powers coincide.
FACTORS = {"time": 1.7, "length": 1.31, "substance": 2.3, "mass": 0.37}
#: Size of the internal units (h, L, umol, mg) in pint's base units.
_INTERNAL = {"time": 3600.0, "length": 0.1, "substance": 1e-6, "mass": 1e-6}
_RTOL = 1e-9


def scale(unit: str) -> float:
    """Factor of a quantity of this unit when the base dimensions are multiplied by `FACTORS`."""
    return math.prod(FACTORS[name] ** power for name, power in dimension(unit))


def complaints(mechanism: Mechanism, seed: int = 1) -> list[str]:
    """Quantities of a mechanism that do not transform as their unit says; empty when all do."""
    rng = np.random.default_rng(seed)
    declared = {"x": mechanism.states, "u": mechanism.reads, "p": mechanism.params}
    before = {kind: {name: _value(rng, d) for name, d in table.items()} for kind, table in declared.items()}
    after = {
        kind: {name: value * scale(declared[kind][name].unit) for name, value in table.items()} for kind, table in before.items()
    }
    time = float(rng.uniform(0.5, 2.0))
    first, second = (_evaluate(mechanism, t, **v) for t, v in ((time, before), (time * FACTORS["time"], after)))
    expected = _expected(mechanism)
    found = []
    for what, value in first.items():
        unit, by = expected[what]
        if not math.isclose(second[what], value * by, rel_tol=_RTOL, abs_tol=1e-300):
            got = second[what] / value if value else math.inf
            found.append(
                f"{mechanism.name()}: {what} does not transform as its unit '{unit}' says ({got:.6g} times, not {by:.6g})"
            )
    return found


def _value(rng: np.random.Generator, declaration: Any) -> float:
    low, high = getattr(declaration, "bounds", (0.0, math.inf))
    value = float(rng.uniform(0.5, 2.0))
    return value if low <= value <= high else low + (high - low) * (value / 2.5) if math.isfinite(high) else low + value


def _evaluate(
    mechanism: Mechanism, t: float, x: Mapping[str, float], u: Mapping[str, float], p: Mapping[str, float]
) -> dict[str, float]:
    found = {f"change of {name}": float(value) for name, value in mechanism.rates(t, x, u, p).items()}
    found |= {f"output {name}": float(value) for name, value in mechanism.outputs(t, x, u, p).items()}
    if isinstance(mechanism, Structure):
        for name, inlet in mechanism.inlets(p).items():
            parts = {"F": inlet.F, "lag": inlet.lag, "duration": inlet.duration, "input rate": inlet.rate}
            found |= {f"{part} of {name}": float(value) for part, value in parts.items() if value is not None}
    return found


def _expected(mechanism: Mechanism) -> dict[str, tuple[str, float]]:
    table = {f"output {name}": (port.unit, scale(port.unit)) for name, port in mechanism.writes.items()}
    for name, state in mechanism.states.items():
        flow = (f"{state.unit}/h", scale(state.unit) / FACTORS["time"])
        table |= {f"change of {name}": flow, f"input rate of {name}": flow, f"F of {name}": ("1", 1.0)}
        table |= {f"{what} of {name}": ("h", FACTORS["time"]) for what in ("lag", "duration")}
    return table


def stray_units(mechanism: Mechanism) -> list[str]:
    """Declarations whose unit is not the internal one of its dimension (h, L, umol, mg and what is made of them)."""
    found = []
    for name, declaration in _declarations(mechanism):
        size = registry().Quantity(1.0, parse_unit(declaration.unit)).to_base_units().magnitude
        internal = math.prod(_INTERNAL[base] ** power for base, power in dimension(declaration.unit))
        if not math.isclose(size, internal, rel_tol=1e-9):
            found.append(
                f"{mechanism.name()}: {name} is declared in '{declaration.unit}', {size / internal:g} times the internal unit"
            )
    return found


def _declarations(mechanism: Mechanism) -> Iterator[tuple[str, Any]]:
    for table in (mechanism.params, mechanism.states, mechanism.reads, mechanism.writes):
        yield from table.items()


def model_complaints(model: Model, seed: int = 1) -> list[str]:
    """Both checks over every mechanism of an assembled model."""
    return [text for part in model.parts for text in (*complaints(part.mechanism, seed), *stray_units(part.mechanism))]
