"""One formula of covariate effects and of variability: arrays, symbols and what is shown agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy

from ketasim.errors import InvalidModel
from ketasim.fit._typical import _changed
from ketasim.model import CovariateEffect
from ketasim.model._describe import _effect
from ketasim.model._effect import individual_value, is_shift, size_of
from ketasim.population._effects import apply_effects
from ketasim.population._variability import combine

FORMS = ("power", "power_below", "linear", "linear_above", "exponential", "additive", "additive_above")
#: By hand: at x = 30 and 90, ref 60, coefficient 0.5, of a typical value of 2.
WANT = {
    "power": (2 * 0.5**0.5, 2 * 1.5**0.5), "power_below": (2 * 0.5**0.5, 2.0), "linear": (2 * -14.0, 2 * 16.0), "linear_above": (2.0, 2 * 16.0),
    "exponential": (2 * np.exp(-15.0), 2 * np.exp(15.0)), "additive": (-13.0, 17.0), "additive_above": (2.0, 17.0),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_way_to_a_value_takes_the_same_formula(form: Any) -> None:
    effect = CovariateEffect("AGE", form, 60.0, 0.5)
    x = np.array([30.0, 90.0])
    want = np.array(WANT[form])
    np.testing.assert_allclose(apply_effects("CL", np.array(2.0), (effect,), {"AGE": x}), want, rtol=1e-14)
    np.testing.assert_allclose([_changed(2.0, effect, float(v), "CL") for v in x], want, rtol=1e-14)
    age = sympy.Symbol("AGE", real=True)
    size = size_of(effect, age)
    symbolic = 2.0 + size if is_shift(effect) else 2.0 * size
    np.testing.assert_allclose([float(symbolic.subs(age, v)) for v in x], want, rtol=1e-14)
    # What is shown is that formula too, where it is one.
    shown = _effect(effect)
    if not shown.endswith(("above 60", "below 60")):
        text = shown.replace("^", "**").replace("0.5 (", "0.5*(")
        said = sympy.sympify(f"0 {text}" if is_shift(effect) else text, locals={"AGE": age})
        assert sympy.simplify(said - size).subs(age, 77.0) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("form", "want"), [("lognormal", 0.3 * np.e), ("normal", 1.3), ("logit", 1 / (1 + 7 / 3 * np.exp(-1.0)))]
)
def test_variability_has_one_formula(form: str, want: float) -> None:
    np.testing.assert_allclose(combine("F", np.array([0.3]), np.array([1.0]), form), want, rtol=1e-14)
    assert float(individual_value(sympy.Float(0.3), sympy.Symbol("eta"), form).subs("eta", 1.0)) == pytest.approx(want, rel=1e-12)


def test_forms_nobody_knows_are_refused() -> None:
    with pytest.raises(InvalidModel, match="'factor' is no numeric one"):
        size_of(CovariateEffect("SEX", "factor"), 1.0)
    with pytest.raises(InvalidModel, match="'wide' is unknown"):
        individual_value(1.0, 0.0, "wide")
