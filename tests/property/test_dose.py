"""Doses are conserved, units do not matter, texts come back: for any regimen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ketasim.dose import Dose, Quantity, Regimen, parse, read_events, resolve
from ketasim.model import Entrance, Model, Number, Param, Part, State, Structure, assemble

# Generated doses are of any size.
pytestmark = pytest.mark.filterwarnings("ignore::ketasim.errors.ImplausibleDose")


class Both(Structure):
    """Each enantiomer by every route tested, counted in umol (S) and mmol (R)."""

    params = {"n_devices": Param("1")}
    states = {"S": State("umol"), "R": State("mmol")}
    routes = {
        route: {"s_ketamine": (Entrance("S"),), "r_ketamine": (Entrance("R"),)} for route in ("iv", "im", "sc", "nasal", "oral")
    }

    def rates(self, t, x, u, p):
        return {"S": 0.0 * x["S"], "R": 0.0 * x["R"]}


MODEL: Model = assemble(Part(Both(), {"n_devices": Number(1.0, "1")}, id="both"), id="both")
UMOL = {"S": 1.0, "R": 1000.0}
MASS = {"g": 1000.0, "mg": 1.0, "ug": 1e-3}

number = st.integers(1, 10**6).map(lambda k: k / 1000)


@st.composite
def doses(draw) -> Dose:
    route = draw(st.sampled_from(["iv", "im", "sc", "nasal", "oral"]))
    infused = route in ("iv", "im", "sc") and draw(st.booleans())
    unit = draw(st.sampled_from(list(MASS))) + draw(st.sampled_from(["", "/kg"]))
    if infused:
        unit += draw(st.sampled_from(["", "/h", "/min"]))
    duration = Quantity(draw(number), draw(st.sampled_from(["min", "h"]))) if infused else None
    return Dose(
        Quantity(draw(number), unit), draw(st.sampled_from(["racemic_ketamine", "esketamine", "arketamine"])), route, duration,
        form=draw(st.sampled_from(["base", "hydrochloride"])),
        cap=draw(st.one_of(st.none(), number.map(lambda v: Quantity(v, "mg")))),
    )  # fmt: skip


@st.composite
def courses(draw) -> Regimen:
    dose = draw(doses())
    kind = draw(st.sampled_from(["single", "every", "weekly", "days"]))
    if kind == "every":
        made = dose.every(
            draw(st.sampled_from(["5 min", "90 min", "12 h", "1 day", "3.5 day", "2 week"])), draw(st.integers(1, 9))
        )
    elif kind == "weekly":
        made = dose.weekly(draw(st.integers(1, 7)), weeks=draw(st.integers(1, 6)))
    else:
        days = draw(st.lists(st.integers(1, 60), min_size=1, max_size=5, unique=True).map(sorted))
        made = dose.at(days if kind == "days" else days[0])
    return made.delay(draw(st.sampled_from(["0 h", "1 day", "7 min", "5.5 h", "3 week"])))


@st.composite
def regimens(draw) -> Regimen:
    made = draw(courses())
    for _ in range(draw(st.integers(0, 3))):
        other = draw(courses())
        made = made.then(other, after=draw(st.sampled_from(["0 h", "1 day"]))) if draw(st.booleans()) else made + other
    return made


def given_umol(regimen: Regimen, weight: float) -> float:
    """The independent formula: mass as declared, per kg and per hour multiplied out, over the molar mass of the form."""
    total = 0.0
    for _, dose in regimen.doses:
        unit, value, hours = dose.amount.unit, dose.amount.value, dose.duration_h
        mass = value * MASS[unit.split("/")[0]] * (weight if "kg" in unit else 1) * (hours if unit.endswith("/h") else 1)
        mass = min(mass * (hours * 60 if unit.endswith("min") else 1), dose.cap.value if dose.cap else np.inf)
        total += mass * 1000 / (237.727 if dose.form == "base" else 274.185)
    return total


def resolved_umol(regimen: Regimen, weight: float) -> float:
    template = resolve(regimen, MODEL, {"WT": np.array([weight])})
    factors = np.array([UMOL[MODEL.compartments[c]] for c in template.cmt])
    return float(np.sum(template.amt[:, 0] * factors * (template.addl + 1)))


@given(regimens(), st.floats(30, 150))
@settings(max_examples=150, deadline=None)
def test_dose_is_conserved(regimen, weight):
    # Molar masses of the formula above are rounded to 1e-3 g/mol: exact for these atomic weights; the rest is rounding of sums.
    assert resolved_umol(regimen, weight) == pytest.approx(given_umol(regimen, weight), rel=1e-11)


@given(regimens(), st.floats(30, 150))
@settings(max_examples=60, deadline=None)
def test_racemate_halves_are_equal_and_times_are_the_regimens(regimen, weight):
    template = resolve(regimen, MODEL, {"WT": np.array([weight])})
    every = template.expanded()
    assert sorted(set(every.time)) == pytest.approx(
        sorted({t for t, _ in regimen.doses}), rel=1e-14, abs=1e-9
    )  # the clock is rounded once
    assert np.all(np.diff(template.time) >= 0)
    if {item.dose.drug for item in regimen.items} == {"racemic_ketamine"}:
        amounts = [template.amt[template.cmt == k, 0] * UMOL[c] for k, c in enumerate(MODEL.compartments)]
        assert amounts[0] == pytest.approx(amounts[1], rel=1e-12)


@given(regimens())
@settings(max_examples=300, deadline=None)
def test_text_gives_the_same_regimen_back(regimen):
    assert parse(str(regimen)) == regimen
    assert Regimen.from_dict(regimen.to_dict()) == regimen
    assert str(parse(str(regimen))) == str(regimen)


@given(doses(), st.integers(2, 7), st.floats(30, 150))
@settings(max_examples=60, deadline=None)
def test_splitting_a_dose_changes_nothing(dose, parts, weight):
    whole = Dose(dose.amount, dose.drug, dose.route, dose.duration, form=dose.form)
    piece = Dose(Quantity(dose.amount.value / parts, dose.amount.unit), dose.drug, dose.route, dose.duration, form=dose.form)
    split = piece.at(1)
    for _ in range(parts - 1):
        split = split + piece
    assert resolved_umol(split, weight) == pytest.approx(resolved_umol(whole.at(1), weight), rel=1e-11)


@given(number, st.sampled_from(["mg", "mg/kg", "mg/kg/h"]), st.floats(30, 150))
@settings(max_examples=60, deadline=None)
def test_units_change_nothing(value, unit, weight):
    duration = "40 min" if unit.endswith("/h") else None
    as_given = Dose(Quantity(value, unit), "racemic_ketamine", "iv", duration)
    in_ug = Dose(Quantity(value * 1000, unit.replace("mg", "ug")), "racemic_ketamine", "iv", duration)
    moles = Dose(Quantity(value * 1000 / 237.727, unit.replace("mg", "umol")), "racemic_ketamine", "iv", duration)
    expected = resolved_umol(as_given.at(1), weight)
    assert resolved_umol(in_ug.at(1), weight) == pytest.approx(expected, rel=1e-11)
    assert resolved_umol(moles.at(1), weight) == pytest.approx(expected, rel=1e-11)


@given(regimens(), st.lists(st.floats(30, 150), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_event_tables_give_the_same_template_back(regimen, weights):
    template = resolve(regimen, MODEL, {"WT": np.array(weights)})
    (group,) = read_events(template.to_frame(MODEL), MODEL).groups()
    for name in ("time", "evid", "cmt", "amt", "rate", "ii", "addl", "ss", "ids"):
        assert np.array_equal(getattr(group.template, name), getattr(template, name)), name


@given(st.text(alphabet="0123456789.,/+()x mgkhivnadyweotrsuplcb-;:", max_size=60))
@settings(max_examples=400, deadline=None)
def test_any_text_is_read_or_refused_cleanly(text):
    from ketasim.errors import InvalidRegimen

    try:
        regimen = parse(text)
    except InvalidRegimen as error:
        assert str(error)
    else:
        assert parse(str(regimen)) == regimen
