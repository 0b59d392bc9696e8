"""What `solve` is given is complete, or refused by name."""

from __future__ import annotations

import numpy as np
import pytest

from ketasim import library
from ketasim.dose import parse, resolve
from ketasim.errors import InvalidOption, InvalidParameter
from ketasim.model import assemble
from ketasim.solve import solve

MODEL = assemble(library.load("pk/otto2021"))
DOSES = resolve(parse("esketamine iv 10 mg over 30 min"), MODEL, {"WT": np.array([60.0, 80.0])})
TIMES = np.array([0.0, 1.0])


def test_every_parameter_has_values_for_every_subject() -> None:
    params = MODEL.typical()
    with pytest.raises(InvalidParameter, match="otto2021@1: no value of CL, Vc"):
        solve(MODEL, DOSES, {k: np.full(2, v) for k, v in params.items() if k not in ("CL", "Vc")}, TIMES)
    with pytest.raises(InvalidParameter, match=r"CL has values of shape \(3,\); needed is one, or one per subject: \(2,\)"):
        solve(MODEL, DOSES, {k: np.full(3, v) for k, v in params.items()}, TIMES)
    alike = solve(MODEL, DOSES, {k: np.asarray(v) for k, v in params.items()}, TIMES).ports
    np.testing.assert_array_equal(alike, solve(MODEL, DOSES, {k: np.full(2, v) for k, v in params.items()}, TIMES).ports)


def test_unknown_outputs_and_endless_times_are_refused() -> None:
    params = {k: np.full(2, v) for k, v in MODEL.typical().items()}
    with pytest.raises(InvalidOption, match=r"otto2021@1 has no 'C_venous_s_ketamin'\. Close: 'C_venous_s_ketamine'"):
        solve(MODEL, DOSES, params, TIMES, ports=["C_venous_s_ketamin"])
    for wrong in (np.inf, np.nan, 1e12):
        with pytest.raises(InvalidOption, match="times: "):
            solve(MODEL, DOSES, params, np.array([0.0, wrong]))


def test_a_misspelt_parameter_is_refused() -> None:
    from ketasim.solve import differentiable

    params = {k: np.full(2, v) for k, v in MODEL.typical().items()} | {"Vcc": np.full(2, 9.0)}
    for solver in (solve, differentiable):
        with pytest.raises(InvalidParameter, match=r"otto2021@1 has no parameter 'Vcc'\. Close: 'Vc'"):
            solver(MODEL, DOSES, params, TIMES)
