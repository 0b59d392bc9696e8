"""What people type, what it means, and how refusals look."""

from __future__ import annotations

import pytest

from ketasim.dose import Dose, Regimen, parse, parse_arms, salt_factor
from ketasim.errors import InvalidRegimen

DAY = 24.0

#: text -> (canonical text, dose times in h)
READ = {
    "0.5 mg/kg racemic ketamine iv over 40 min, 2/week x 2 week then 1/week x 2 week": (
        "0.5 mg/kg racemic ketamine iv over 40 min, 2/week x 2 week then 1/week x 2 week",
        [0, 72, 168, 240, 336, 504],
    ),
    "esketamine nasal 56 mg": ("56 mg esketamine nasal", [0]),
    "84 mg": ("84 mg esketamine nasal", [0]),
    "28 mg twice weekly x 1 week": ("28 mg esketamine nasal, 2/week x 1 week", [0, 72]),
    "0.27 mg/kg iv bolus then 0.27 mg/kg/h iv over 2 h": ("0.27 mg/kg iv bolus then 0.27 mg/kg/h iv over 2 h", [0, 0]),
    "ketamine 0.5 mg/kg iv over 40 min then 0.1 mg/kg over 1 h": (
        "0.5 mg/kg racemic ketamine iv over 40 min then 0.1 mg/kg racemic ketamine iv over 1 h",
        [0, 40 / 60],
    ),
    "(ketamine 0.3 mg/kg iv bolus then 0.3 mg/kg/h iv over 2 h), 2/week x 1 week": (
        "0.3 mg/kg racemic ketamine iv bolus, 2/week x 1 week + 0.3 mg/kg/h racemic ketamine iv over 2 h, 2/week x 1 week",
        [0, 0, 72, 72],
    ),
    "3/week x 1 week ketamine 0.5 mg/kg im": ("0.5 mg/kg racemic ketamine im, 3/week x 1 week", [0, 48, 96]),
    "S-ketamine 10ug/kg/min i.v. over 40min max 80 mg": ("10 ug/kg/min esketamine iv over 40 min max 80 mg", [0]),
    "(S)-ketamine 0.2 mg/kg as HCl sc, weekly x 2": ("0.2 mg/kg esketamine sc as hydrochloride, 1/week x 2 week", [0, 168]),
    "r-ketamine 0.5 mg per kg intravenous infusion over 40 minutes on days 1, 4 and 7": (
        "0.5 mg/kg arketamine iv over 40 min, on days 1, 4, 7",
        [0, 72, 144],
    ),
    "oral ketamine 0.5 mg/kg rounded to the nearest 25 mg at most 150 mg daily x 2": (
        "0.5 mg/kg racemic ketamine oral max 150 mg round to 25 mg, daily x 2",
        [0, 24],
    ),
    "100 mg oral every 12 h x 3": ("100 mg oral, every 12 h x 3", [0, 12, 24]),
    "100 mg into DEPOT": ("100 mg into DEPOT", [0]),
    "56 mg nasal esketamine after 3 days": ("56 mg esketamine nasal starting day 4", [72]),
    "56 mg nasal esketamine starting day 2": ("56 mg esketamine nasal starting day 2", [24]),
    "56 mg nasal esketamine from week 2": ("56 mg esketamine nasal starting day 8", [168]),
    "esketamine nasal 56 mg single then 84 mg starting day 4, 1/week x 2 week": (
        "56 mg esketamine nasal + 84 mg esketamine nasal, 1/week x 2 week starting day 4",
        [0, 72, 240],
    ),
    "oral prolonged release ketamine 120 mg q12h x 2": (
        "120 mg racemic ketamine oral prolonged-release, every 12 h x 2",
        [0, 12],
    ),
    "ketamine 25 mg sublingual every 2 days x 3": ("25 mg racemic ketamine sublingual, every 2 day x 3", [0, 48, 96]),
    "ketamine 25 mg buccal every other day for 6 days": ("25 mg racemic ketamine buccal, every 2 day x 3", [0, 48, 96]),
    "ketamine 0.3 mg/kg/h iv for 2 h + 10 mg iv bolus": (
        "0.3 mg/kg/h racemic ketamine iv over 2 h + 10 mg racemic ketamine iv bolus",
        [0, 0],
    ),
    "28 mg every 5 min x 3": ("28 mg esketamine nasal, every 5 min x 3", [0, 5 / 60, 10 / 60]),
    "ketamine 1 mg/kg rectal on days 1-3": ("1 mg/kg racemic ketamine rectal, on days 1, 2, 3", [0, 24, 48]),
    "0.75 mg/kg ketamine iv over 40 min, 3/week x 5 doses": (
        "0.75 mg/kg racemic ketamine iv over 40 min, 3/week x 5 dose",
        [0, 48, 96, 168, 216],
    ),
    "2 times a week for 1 week 56 mg esketamine nasal": ("56 mg esketamine nasal, 2/week x 1 week", [0, 72]),
    "ketamine 0.5 mg/kg over 40 min": ("0.5 mg/kg racemic ketamine iv over 40 min", [0]),
    "56 mg bid x 2": ("56 mg esketamine nasal, every 12 h x 2", [0, 12]),
    "ketamine 1 mg/kg im at 0, 12, 30 h": ("1 mg/kg racemic ketamine im, at 0, 12, 30 h", [0, 12, 30]),
    "0.5 g ketamine inhaled over 20 min": ("0.5 g racemic ketamine inhaled over 20 min", [0]),
    "ketamine 5 mg iv over 40 min, 1/2 week x 2": ("5 mg racemic ketamine iv over 40 min, every 2 week x 2", [0, 336]),
}


@pytest.mark.parametrize("text", READ)
def test_reads(text):
    canonical, times = READ[text]
    regimen = parse(text)
    assert str(regimen) == canonical
    assert [t for t, _ in regimen.doses] == pytest.approx(times, rel=1e-15)
    assert parse(str(regimen)) == regimen


@pytest.mark.parametrize("text", READ)
def test_letter_case_and_spacing_do_not_matter(text):
    if "DEPOT" not in text:
        assert parse(text.upper()) == parse(text) == parse("  " + text.replace(" ", "   "))


#: text -> (message, word it points at)
REFUSED = {
    "": ("it is empty", None),
    "0.5 mg/kg rasemic ketamine iv": ("'rasemic' is not understood. Close: 'racemic'", "rasemic"),
    "0.5 mg/kg ketamine iv over 40 mn": ("'mn' is no unit of time. Close: 'min'", "mn"),
    "0.5 mg/kg ketamine iv over": ("over needs a number", "over"),
    "0.5 mg/kg ketamine": ("no route: say how it is given", "0.5 mg/kg ketamine"),
    "100 mg": ("no route", "100 mg"),
    "ketamine iv": ("no amount: say how much", "ketamine iv"),
    "0.5 mk/kg ketamine iv": ("'0.5 mk': no unit of amount. Close: 'mg'", "0.5 mk"),
    "5 ketamine iv": ("'5' has no unit: write e.g. '5 mg'", "5"),
    "5 foo ketamine iv": ("'5 foo': no unit of amount", "5 foo"),
    "5 ml ketamine iv": ("'5 ml' is a volume: write the mass", "5 ml"),
    "ketamine 5 mg oral for 7 days": ("says for how long but not how often", "for 7 days"),
    "ketamine 5 mg oral every other day": (
        "write e.g. 'every other day for 4 week' or 'every other day x 8 dose'",
        "every other day",
    ),
    "ketamine 5 mg oral daily to steady state": ("'to steady state' is no number of doses", "to steady state"),
    "ketamine 5 mg oral daily x 4 except dose 5": ("there are 4 doses", "except dose 5"),
    "ketamine 5 mg oral daily x 2 except doses 1, 2": ("no dose is left", "except doses 1, 2"),
    "ketamine 5 mg oral on days 1, 3 except dose 2": ("leave the missed one out of it", "except dose 2"),
    "ketamine 5 mg oral except dose 2": ("needs a schedule", "except dose 2"),
    "ketamine 5 mg oral daily x 4 except day 2": ("needs the numbers of doses", None),
    "esketamine nasal 56 mg monthly x 6": ("'monthly' has no fixed length: write 'every 4 week'", "monthly"),
    "Ketanest 0.25 mg/kg iv": ("'Ketanest' was the racemate, and Ketanest S is esketamine", "Ketanest"),
    "ketamine 5 mg oral as needed": ("is no schedule", "as needed"),
    "Spravato 56 mg oral": ("'Spravato' is given by the route nasal", "oral"),
    "0.5 mg/kg ketamine iv 2/week x 4": ("'2/week x 4' may mean weeks or doses", "x 4"),
    "0.5 mg/kg ketamine iv 2/week": ("says how often but not for how long", "2/week"),
    "0.5 mg/kg ketamine iv x 4": ("how many doses but not how often", "x 4"),
    "0.5 mg/kg ketamine iv biweekly x 4": ("may mean twice a week or once in two weeks: write '2/week'", "biweekly"),
    "0.5 mg/kg ketamine iv, 1/month x 3": ("a month has no fixed length", "month"),
    "0,5 mg/kg ketamine iv": ("'0,5' is no number; write 0.5 with a point", "0"),
    "1,000 mg ketamine oral": ("'1,000' is no number", "1"),
    "-5 mg ketamine iv": ("cannot be negative", "-"),
    "0.27 mg/kg/h ketamine iv": ("is a rate, and needs a duration", "0.27 mg/kg/h ketamine iv"),
    "ketamine 5 mg iv infusion": ("an infusion needs a duration", "ketamine 5 mg iv infusion"),
    "56 mg esketamine nasal over 40 min": ("'nasal' doses are not given over a time", "56 mg esketamine nasal over 40 min"),
    "56 mg esketamine nasal then 84 mg 2/week x 4 week": ("'then' does not say when", "84 mg 2/week x 4 week"),
    "ketamine 5 mg iv over 40 min 1/week x 2 week then 8 mg iv 1/week x 2 week": ("say 'over 40 min' or 'bolus'", None),
    "0.5 mg/kg ketamine iv im": ("'im' gives the route a second time (after 'iv')", "im"),
    "0.5 mg/kg 0.7 mg/kg ketamine iv": ("gives the amount a second time", "0.7"),
    "(56 mg esketamine nasal": ("'(' has no ')'", "("),
    "56 mg esketamine nasal)": ("')' has no partner '('", ")"),
    "56 mg then": ("a dose is missing after 'then'", "then"),
    "then 56 mg": ("a dose is missing before 'then'", "then"),
    "56 mg; 84 mg": ("this separates arms", ";"),
    "ketamine 5 mg im, every 3 day x 2 week": (
        "2 week is no whole number of intervals of 3 day: write 'x 5 dose'",
        "x 2 week",
    ),
    "on days 0, 4 ketamine 10 mg im": ("days count from 1", None),
    "ketamine 10 mg im on days 4, 2": ("must rise", "on days 4, 2"),
    "esketamine 56 mg nasal on days 1, 4 then 84 mg on days 3, 9": (
        "'then' starts after the part before is over",
        "on days 3, 9",
    ),
    "ketamine 5 mg 0 min iv": ("an infusion takes more than 0 min", None),
    "ketamine 5 mg iv 2 week": ("'2 week' alone is not clear: write 'x 2 week'", "2 week"),
    "ketamine 5 mg iv $": ("'$' is no part of a dose", "$"),
    "ketamine 100 mg oral max 20 mg round to 28 mg": ("no dose is possible", None),
    "ketamine 100 mg oral max 2 mg/kg": ("must be an amount above 0", None),
    "56 mg single 2/week x 4 week": ("'2/week' contradicts 'single'", "2/week"),
    "2 mg/kg/kg ketamine iv": ("'kg' is no part of an amount", "kg"),
    "ketamine 5 mg iv over 0 min": ("an infusion takes more than 0 min", None),
    "ketamine 5 mg iv over 40 min bolus": ("a bolus is given at once", "over 40 min"),
    "8/week x 2 week 56 mg": ("more than 7 a week", None),
    "(56 mg nasal esketamine) 84 mg": ("after ')' only a schedule may follow", "84 mg"),
    "ketamine 5 mg iv bolus 1/week x 2 then esketamine 1/week x 2": (
        "'esketamine' changes the dose; give its amount too",
        "esketamine",
    ),
    "ketamine 5 mg iv bolus on days 1, 3 starting day 2": ("has its own start", "starting day 2"),
    "100 mg oral as hydrochloride": ("a salt form needs one", None),
}


@pytest.mark.parametrize("text", REFUSED)
def test_refuses_and_points_at_the_word(text):
    message, word = REFUSED[text]
    with pytest.raises(InvalidRegimen) as refused:
        parse(text)
    shown = str(refused.value)
    assert message in shown, shown
    if word is not None:
        _, line, mark, *_ = shown.split("\n")
        assert line == "  " + text
        assert line[mark.index("^") : mark.rindex("^") + 1] == word


def test_a_slip_is_answered_with_one_word_and_the_whole_text():
    with pytest.raises(InvalidRegimen) as refused:
        parse("0.5 mg/kg ketamine intravenus over 40 min")
    assert str(refused.value) == (
        "dose text: 'intravenus' is not understood. Close: 'intravenous'.\n"
        "  0.5 mg/kg ketamine intravenus over 40 min\n"
        "                     ^^^^^^^^^^\n"
        "Write: 0.5 mg/kg ketamine intravenous over 40 min"
    )


@pytest.mark.parametrize("text", [*REFUSED, "0.5 mg/kg ketamine iv blurp"])
def test_no_refusal_recites_the_grammar(text):
    with pytest.raises(InvalidRegimen) as refused:
        parse(text)
    assert str(refused.value).count("\n") <= 3


def test_an_unknown_word_brings_an_example_that_is_read():
    with pytest.raises(InvalidRegimen) as refused:
        parse("0.5 mg/kg ketamine iv blurp")
    example = str(refused.value).split("For example: ")[1].split(". All words")[0]
    assert len(parse(example).doses) == 8


#: As people type it -> the canonical text.
TYPED = {
    "Spravato 56 mg": "56 mg esketamine nasal",
    "spravato 84 mg twice weekly for 4 weeks": "84 mg esketamine nasal, 2/week x 4 week",
    "Spravato 32.3 mg hydrochloride": "32.3 mg esketamine nasal as hydrochloride",
    "Ketalar 0.5 mg/kg IV infusion over 40min": "0.5 mg/kg racemic ketamine iv over 40 min",
    "Ketanest S 0.25 mg/kg i.m.": "0.25 mg/kg esketamine im",
    "ketamine 0.5mg/kg iv 40min": "0.5 mg/kg racemic ketamine iv over 40 min",
    "ketamine 0.5 mg/kg/40min iv": "0.5 mg/kg racemic ketamine iv over 40 min",
    "0.5 mg/kg ketamine as a 40-minute IV infusion": "0.5 mg/kg racemic ketamine iv over 40 min",
    "ketamine 0.5 mg/kg (iv) in (40 min)": "0.5 mg/kg racemic ketamine iv over 40 min",
    "ketamine IV drip 5 mcg/kg/min for 2 hrs": "5 ug/kg/min racemic ketamine iv over 2 h",
    "ketamine 0.1 mg·kg-1·h-1 i.v. over 1 hr": "0.1 mg/kg/h racemic ketamine iv over 1 h",
    "ketamine 50 mg p.o. b.i.d. x 4": "50 mg racemic ketamine oral, every 12 h x 4",
    "ketamine 50 mg po q2d x 4": "50 mg racemic ketamine oral, every 2 day x 4",
    "ketamine 50 mg po qod x 4": "50 mg racemic ketamine oral, every 2 day x 4",
    "ketamine 50 mg po q2wk x 4": "50 mg racemic ketamine oral, every 2 week x 4",
    "ketamine 50 mg po once a week for four weeks": "50 mg racemic ketamine oral, 1/week x 4 week",
    "ketamine 50 mg po fortnightly x 3": "50 mg racemic ketamine oral, every 2 week x 3",
    "ketamine 0.5 mg/kg subq on day 1 and day 4": "0.5 mg/kg racemic ketamine sc, on days 1, 4",
    "S(+)-ketamine 50 mg intranasal": "50 mg esketamine nasal",
    "(R,S)-ketamine 50 mg intranasal": "50 mg racemic ketamine nasal",
    "(-)-ketamine 5 mg s.c.": "5 mg arketamine sc",
    "esketamine oral 50 mg daily x 10 except dose 3": "50 mg esketamine oral, daily x 10 except dose 3",
    "esketamine oral 50 mg daily x 10 without doses 3 and 5": "50 mg esketamine oral, daily x 10 except doses 3, 5",
    "esketamine oral 50 mg 2/week x 4 week skipping the third dose": "50 mg esketamine oral, 2/week x 4 week except dose 3",
    "(ketamine 5 mg iv bolus then 0.1 mg/kg/h over 1 h), 2/week x 2 week except dose 2": (
        "5 mg racemic ketamine iv bolus, 2/week x 2 week except dose 2 + "
        "0.1 mg/kg/h racemic ketamine iv over 1 h, 2/week x 2 week except dose 2"
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", TYPED)
def test_what_people_type_is_read(text):
    regimen = parse(text)
    assert str(regimen) == TYPED[text]
    assert parse(str(regimen)) == regimen


@pytest.mark.parametrize(("text", "says"), [("Spravato 56 mg", "28 mg holds 32.3 mg"), ("Ketalar 5 mg im", "10 mg are 11.53 mg")])
def test_a_brand_counts_what_its_label_counts(text, says):
    """Base, so that no form needs to be assumed; the label's pair of numbers is that of the molar masses."""
    regimen = parse(text)
    assert regimen.items[0].dose.form == "base"
    assert says in regimen.describe()
    assert "not stated" not in regimen.describe()
    base, salt = (float(x) for x in (says.split()[0], says.split()[-2]))
    assert base / salt == pytest.approx(salt_factor(), rel=1e-3)


def test_missed_doses_are_not_given_and_move_nothing():
    whole, missed = parse("5 mg ketamine im, 3/week x 2 week"), parse("5 mg ketamine im, 3/week x 2 week except doses 1, 5")
    left = [t for k, (t, _) in enumerate(whole.doses, 1) if k not in (1, 5)]
    assert [t for t, _ in missed.doses] == left
    assert missed.then("8 mg ketamine im").doses[-1][0] == whole.then("8 mg ketamine im").doses[-1][0] == 336.0
    assert Regimen.from_dict(missed.to_dict()) == missed
    assert sorted(t + k * 168.0 for t, more in missed.items[0].schedule.runs() for k in range(more + 1)) == left


def test_bare_device_dose_is_said_in_the_description():
    regimen = parse("84 mg")
    assert regimen.items[0].dose == Dose("84 mg", drug="esketamine", route="nasal")
    assert "taken as esketamine nasal spray" in regimen.describe()
    assert parse("84 mg", drug="ketamine", route="oral").items[0].dose.drug == "racemic_ketamine"


def test_form_is_assumed_base_and_said_so():
    assert "ketamine base, as the form is not stated" in parse("56 mg esketamine nasal").describe()
    for stated in ("as base", "as hydrochloride"):
        assert "not stated" not in parse(f"56 mg esketamine nasal {stated}").describe()


def test_form_and_caps_pass_on_as_documented():
    regimen = parse("5 mg esketamine sc as hydrochloride max 4 mg, 1/week x 2 then 6 mg 1/week x 2 then 1/week x 2")
    assert [item.dose.form for item in regimen.items] == ["hydrochloride"] * 3
    assert [item.dose.cap is None for item in regimen.items] == [False, True, True]


def test_description_names_the_days_of_a_week():
    text = parse("0.5 mg/kg ketamine iv over 40 min, 2/week x 2 week").describe()
    assert "4 doses: days 1, 4, 8, 11" in text
    assert "2/week means days 1, 4 of each week" in text
    assert "'ketamine' is the racemate" in text


def test_arms():
    arms = parse_arms("low: 28 mg; high: 84 mg, 2/week x 1 week;")
    assert list(arms) == ["low", "high"]
    assert len(arms["high"].doses) == 2
    assert list(parse_arms("56 mg")) == ["56 mg"]
    for text, message in (("A: 28 mg; A: 56 mg", "two arms are called 'A'"), (" ; ", "no arm"), (": 56 mg", "no name")):
        with pytest.raises(InvalidRegimen, match=message):
            parse_arms(text)


def test_defaults_must_be_known():
    with pytest.raises(InvalidRegimen, match=r"drug 'eketamine' is not known. Close: 'esketamine'"):
        parse("5 mg iv bolus", drug="eketamine")
