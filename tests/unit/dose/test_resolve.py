"""Salt, racemate, weight, schedule: each conversion once, and refusals that name what to do."""

from __future__ import annotations

import numpy as np
import pytest

from ketasim.dose import EventTemplate, molar_mass, parse, resolve
from ketasim.errors import InvalidData, InvalidRegimen

BASE = 237.727  # g/mol, ketamine: 13 x 12.011 + 16 x 1.008 + 35.45 + 14.007 + 15.999


def amounts(text, model, **covariates):
    template = resolve(parse(text), model, covariates)
    return {model.compartments[c]: template.amt[k] for k, c in enumerate(template.cmt)}, template


def test_racemate_is_half_of_each_enantiomer(enantiomers):
    got, template = amounts("0.5 mg/kg ketamine iv over 40 min", enantiomers, WT=np.array([60.0, 80.0]))
    for name in ("S", "R"):
        assert got[name] == pytest.approx(np.array([15.0, 20.0]) * 1000 / BASE, rel=1e-12)
    assert template.rate == pytest.approx(template.amt / (40 / 60), rel=1e-15)
    assert template.n_subjects == 2 and template.ids.tolist() == [1, 2]


def test_hydrochloride_holds_less_base(s_only):
    base, _ = amounts("28 mg esketamine iv bolus", s_only)
    salt, _ = amounts("28 mg esketamine iv bolus as hydrochloride", s_only)
    assert salt["central"] / base["central"] == pytest.approx(BASE / (BASE + 1.008 + 35.45), rel=1e-12)


def test_racemic_assay_takes_the_racemate_whole_in_its_own_unit(racemic):
    got, _ = amounts("50 mg ketamine iv bolus as hydrochloride", racemic)
    assert got["central"] == pytest.approx(50 * BASE / (BASE + 36.458), rel=1e-12)


def test_nasal_dose_enters_twice_with_devices(enantiomers):
    sprays = "28 mg then 56 mg starting day 2 then 84 mg starting day 3"
    regimen = parse(f"{sprays} then 10 mg iv bolus starting day 4 then 30 mg nasal starting day 5")
    template = resolve(regimen, enantiomers, {})
    names = [enantiomers.compartments[c] for c in template.cmt]
    assert names == ["nose_S", "gut_S"] * 3 + ["S"] + ["nose_S", "gut_S"]
    assert template.rate[:, 0].tolist() == [0, -2, 0, -2, 0, -2, 0, 0, -2]
    assert template.overrides["n_devices"][:, 0].tolist() == [1, 1, 2, 2, 3, 3, 2, 2, 2]
    assert template.amt[0] == template.amt[1]


@pytest.mark.parametrize(
    ("dose", "count"),
    [("esketamine hydrochloride nasal 32.3 mg", 1), ("esketamine hydrochloride nasal 64.6 mg", 2), ("esketamine nasal 84 mg", 3),
     ("esketamine nasal 29 mg", 2)],
)  # fmt: skip
def test_the_label_s_dose_of_hydrochloride_is_as_many_devices(enantiomers, dose, count):
    assert resolve(parse(dose), enantiomers, {"WT": [70.0]}).overrides["n_devices"][:, 0].tolist() == [count] * 2


def test_no_devices_without_a_nasal_dose(enantiomers):
    assert resolve(parse("5 mg esketamine iv bolus"), enantiomers, {}).overrides == {}


def test_schedule_stays_compressed(s_only):
    template = resolve(parse("5 mg esketamine iv bolus, 2/week x 4 week then 3/week x 5 dose"), s_only, {})
    rows = list(zip(template.time, template.ii, template.addl, strict=True))
    assert rows == [(0, 168, 3), (72, 168, 3), (672, 168, 1), (720, 168, 1), (768, 0, 0)]
    assert (template.evid == 1).all() and (template.ss == 0).all()
    every = template.expanded()
    assert every.time.tolist() == [t for t, _ in parse("5 mg esketamine iv bolus, 2/week x 4 week then 3/week x 5 dose").doses]
    assert not every.addl.any() and not every.ii.any()


def test_cap_then_rounding(s_only):
    weight = np.array([20.0, 60.0, 84.0, 200.0])
    got, _ = amounts("0.5 mg/kg esketamine iv bolus max 60 mg round to 28 mg", s_only, WT=weight)
    # 10 -> at least one device; 30 -> 1; 42 is halfway -> 2; 100 is capped at 60 -> 2.
    assert got["central"] * BASE / 1000 == pytest.approx([28.0, 28.0, 56.0, 56.0], rel=1e-12)
    capped, _ = amounts("0.5 mg/kg esketamine iv bolus max 55 mg round to 28 mg", s_only, WT=np.array([200.0]))
    assert capped["central"] * BASE / 1000 == pytest.approx([28.0], rel=1e-12)
    placebo, _ = amounts("0 mg esketamine iv bolus round to 28 mg", s_only)
    assert placebo["central"].tolist() == [0.0]


def test_rates_times_durations(s_only):
    got, template = amounts("10 ug/kg/min esketamine iv over 2 h", s_only, WT=[70.0])
    assert got["central"] * BASE / 1000 == pytest.approx([10e-3 * 70 * 120], rel=1e-12)
    assert template.rate[0] * 2 == pytest.approx(template.amt[0], rel=1e-15)


def test_models_without_drugs_take_their_own_unit(generic):
    got, _ = amounts("100 mg oral", generic)
    assert got["DEPOT"].tolist() == [100.0]
    assert amounts("0.1 g iv bolus", generic)[0]["CENT"] == pytest.approx([100.0])
    assert amounts("100 mg into peri", generic)[0]["PERI"].tolist() == [100.0]
    assert amounts("100 mg ketamine oral", generic)[0]["DEPOT"] == pytest.approx([100.0], rel=1e-12)


@pytest.mark.parametrize(
    ("model", "text", "message"),
    [
        (
            "s_only",
            "5 mg ketamine iv bolus",
            "s_ketamine only, so it takes esketamine. Choose a model of s_ketamine, r_ketamine",
        ),
        ("s_only", "5 mg arketamine iv bolus", "s_only cannot take arketamine"),
        ("racemic", "5 mg esketamine iv bolus", "so it takes racemic ketamine"),
        (
            "s_only",
            "84 mg",
            "no route 'nasal' (from '84 mg esketamine nasal'). Routes: iv; compartments ('into ...'): central",
        ),
        ("s_only", "5 mg iv bolus", "names no drug, and s_only describes s_ketamine"),
        ("s_only", "5 mg into central", "counts compartment 'central' in umol, not in mg. Name the drug"),
        ("generic", "5 umol oral", "counts compartment 'DEPOT' in mg, not in umol"),
        ("generic", "5 mg into effect", "only amounts can be dosed"),
        ("generic", "5 mg into DEPO", "no route 'DEPO'"),
        ("enantiomers", "5 mg ketamine into S", "is two enantiomers, and 'S' is one compartment"),
    ],
)
def test_refusals(request, model, text, message):
    with pytest.raises(InvalidRegimen) as refused:
        resolve(parse(text), request.getfixturevalue(model), {})
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("covariates", "message"),
    [
        ({}, "no body weight (covariate WT, kg). Give WT"),
        ({"AGE": [40.0]}, "covariate WT, kg; it has AGE"),
        ({"WT": [70.0, np.nan, 0.0]}, "WT of subject 2 and 1 more subjects is nan"),
        ({"WT": [70.0], "AGE": [1.0, 2.0]}, "differ in number of subjects: WT 1, AGE 2"),
    ],
)
def test_weight_is_needed_where_it_counts(s_only, covariates, message):
    with pytest.raises(InvalidData) as refused:
        resolve(parse("0.5 mg/kg esketamine iv bolus"), s_only, covariates)
    assert message in str(refused.value)


def test_frame_has_nonmem_columns(enantiomers):
    template = resolve(parse("56 mg, 2/week x 1 week"), enantiomers, {}, ids=[7, 9])
    frame = template.to_frame(enantiomers)
    assert list(frame.columns) == ["ID", "TIME", "AMT", "RATE", "EVID", "CMT", "ADDL", "II", "SS", "n_devices", "LABEL"]
    assert frame["ID"].tolist() == [7] * 4 + [9] * 4
    assert frame["CMT"].tolist()[:2] == [3, 4]
    assert frame["LABEL"][1] == "56 mg esketamine nasal: s_ketamine into gut_S"


def test_template_is_checked_and_sorted():
    made = EventTemplate.build(time=[5, 0, 5], amt=[[1.0], [2.0], [3.0]], ids=[4], labels=["a", "b", "c"])
    assert made.labels == ("b", "a", "c") and made.amt.ravel().tolist() == [2.0, 1.0, 3.0]
    assert made.take(np.array([0])).n_subjects == 1
    bad = (
        ({"time": [-1.0]}, "time of record 1 is -1"),
        ({"amt": [[-2.0]]}, "amt of record 1 is -2"),
        ({"rate": [[-3.0]]}, "rate of record 1"),
        ({"evid": 7}, "evid of record 1 is 7"),
        ({"cmt": -1}, "must name a compartment"),
        ({"addl": 2}, "must be above 0 where addl is"),
        ({"ss": 1}, "must be above 0 at steady state"),
        ({"ii": [1.0, 2.0]}, None),
    )
    for change, message in bad:
        values = {"time": [0.0], "amt": [[1.0]], "ids": [1]} | change
        with pytest.raises((InvalidData, ValueError)) as refused:
            EventTemplate.build(**values)
        assert message is None or message in str(refused.value)
    EventTemplate.build(time=[0.0], amt=[[0.0]], rate=[[10.0]], ss=1, ids=[1])  # constant infusion
    with pytest.raises(InvalidData, match="needed is \\(records, subjects\\)"):
        EventTemplate(*[np.zeros(1)] * 3, np.zeros((1, 2)), np.zeros((1, 1)), *[np.zeros(1)] * 3, np.ones(1, np.int64))


def test_molar_masses_are_the_same_home():
    assert molar_mass("racemic_ketamine") == pytest.approx(BASE, rel=1e-12)
