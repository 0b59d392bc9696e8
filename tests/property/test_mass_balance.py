"""Nobody absorbs more than was given, and nothing makes more product than it used up, whatever the parameters of the reference model.

A compartmental matrix says it: what one compartment alone holds flows into others, never out of an empty one, and their sum does
not grow. Enzymes are switched off in turn, as an enzyme that forms less than nothing hides behind the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ketasim import library
from ketasim.model import assemble
from ketasim.population import individual_parameters, population

MODEL = assemble(library.load("ketasim_reference"))
STRUCTURE = MODEL.parts[0].mechanism
AMOUNTS = [name for name, state in STRUCTURE.states.items() if state.unit == "umol"]
ENZYMES = ("A_2B6_liver", "A_3A4_liver", "A_3A4_gut", "A_other_liver")
Parameters = Mapping[str, Any]


def gained(p: Parameters) -> float:
    """Largest share of what leaves a compartment, or of a dose, that comes out of nothing; at most rounding where mass is kept."""
    variants = [p, *({**p, enzyme: 0.0 * p[enzyme]} for enzyme in ENZYMES)]
    return max(gained_at_entry(p), *(gained_from(source, q) for q in variants for source in AMOUNTS))


def gained_from(source: str, p: Parameters) -> float:
    """The same of one compartment that alone is filled."""
    amounts = dict.fromkeys(STRUCTURE.states, 0.0) | {source: 1.0}
    rates = STRUCTURE.rates(0.0, amounts, {}, p)
    leaving = -rates[source]
    arriving = [rates[name] for name in AMOUNTS if name != source]
    excess = np.max(np.broadcast_arrays(sum(arriving) - leaving, *(-flow for flow in arriving)), axis=0)
    return float(np.max(excess / leaving))


def gained_at_entry(p: Parameters) -> float:
    """The same of the shares of a dose that enter by each way of a route."""
    inlets = STRUCTURE.inlets(p)
    shares = [
        np.broadcast_arrays(*(inlets[way.compartment].F if way.compartment in inlets else 1.0 for way in ways))
        for analytes in STRUCTURE.routes.values()
        for ways in analytes.values()
    ]
    return max(float(np.max([np.sum(of, axis=0) - 1.0, *(-share for share in of)])) for of in shares)


@given(st.data())
def test_any_parameters_within_their_bounds_keep_mass(data: st.DataObject) -> None:
    p = {}
    for name, param in STRUCTURE.params.items():
        low, high = param.bounds
        # Only shares may be 0: where nothing leaves a compartment, a share of that means nothing.
        p[name] = data.draw(st.floats(low if high == 1.0 else max(low, 1e-3), min(high, 1e3)), label=name)
    assert gained(p) <= 1e-12


def test_every_stored_draw_keeps_mass() -> None:
    posterior = MODEL.parts[0].info["posterior"]
    typical = {name: np.full(len(posterior["CLint"]), number.value) for name, number in MODEL.numbers.items()}
    drawn = {name: posterior[name] for name in posterior if name in typical}
    assert len(drawn) > 30
    assert gained(typical | drawn) <= 1e-12


@pytest.mark.parametrize("name", ["adults", "japanese", "elderly", "adults_depression"])
def test_every_patient_keeps_mass(name: str) -> None:
    cohort = population(name).sample(10_000, seed=11)
    p = individual_parameters(MODEL, cohort)
    assert not any(np.isnan(values).any() for values in p.values())
    assert gained(p) <= 1e-12
    assert np.max(p["A_liver"]) <= 1.0  # kidneys that filter more than normal make no liver better than normal
