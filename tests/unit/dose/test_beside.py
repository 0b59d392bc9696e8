"""Other drugs and sessions in the words of a regimen."""

from __future__ import annotations

import pytest

import ketasim
from ketasim.dose import Regimen, parse, substances
from ketasim.errors import InvalidOption, InvalidRegimen

COURSE = "0.5 mg/kg racemic ketamine iv over 40 min weekly x 3 + exposure 90 min 24 h after each + lithium oral 900 mg daily x 21"


def test_parts_beside_ketamine_have_times_and_strength() -> None:
    regimen = parse(COURSE)
    assert len(regimen.doses) == 3
    assert [(one.substance, one.times[:2], one.strength) for one in regimen.beside] == [
        ("exposure", (24.0, 192.0), 1.0),
        ("lithium", (0.0, 24.0), 1.0),
    ]
    assert parse("exposure 45 min weekly x 2").beside[0].strength == 0.5


@pytest.mark.parametrize(
    "text",
    [
        COURSE,
        "midazolam 0.045 mg/kg iv over 40 min, 2/week x 4 week",
        "placebo iv",
        "ECT 3/week x 3 week",
        "esketamine nasal 56 mg + sertraline daily x 28",
    ],
)
def test_text_and_file_give_an_equal_regimen(text: str, tmp_path) -> None:
    regimen = parse(text)
    assert parse(str(regimen)) == regimen
    for ending in ("toml", "yaml"):
        regimen.to_file(tmp_path / f"r.{ending}")
        assert Regimen.from_file(tmp_path / f"r.{ending}") == regimen


def test_sessions_without_ketamine_are_doses_of_nothing() -> None:
    regimen = parse("midazolam 0.045 mg/kg iv over 40 min, 2/week x 2 week")
    assert [time for time, _ in regimen.doses] == [0.0, 72.0, 168.0, 240.0]
    assert all(dose.amount.value == 0.0 for _, dose in regimen.doses)


def test_joined_ketamines_stay_what_they_were() -> None:
    assert not parse("esketamine nasal 56 mg + esketamine iv 3 mg").beside


@pytest.mark.parametrize(("text", "word"), [("exposure 3 mg weekly x 3", "min"), ("exposure sometimes", "schedule")])
def test_what_cannot_be_read_is_refused(text: str, word: str) -> None:
    with pytest.raises(InvalidRegimen, match=word):
        parse(text)


@pytest.mark.parametrize("name", sorted(substances()))
def test_every_entry_is_reached_by_its_name(name: str) -> None:
    one = substances()[name]
    assert parse(f"{name.replace('_', ' ')} daily x 2").beside[0].substance == name
    assert one.note, "every entry says what it rests on"
    assert one.switches or one.activity or one.comedication or one.kind == "placebo"


def test_a_control_arm_is_a_regimen_of_its_own() -> None:
    arms = {
        "drug": "0.5 mg/kg racemic ketamine iv over 40 min",
        "midazolam": "midazolam 0.045 mg/kg iv over 40 min",
        "placebo": "placebo iv",
    }
    found = ketasim.compare(arms, disorder="trd", n=5, seed=1)
    drug, midazolam, placebo = (float(result["visit"]["change"].sel(visit=24.0)) for result in found.values())
    assert drug < placebo
    assert midazolam != placebo
    assert float(found["midazolam"]["session"]["occupancy_nmda"].max()) == 0.0


@pytest.mark.parametrize("options", [{}, {"disorder": "trd"}])
def test_what_acts_on_nothing_here_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(InvalidOption, match="lithium"):
        ketasim.simulate("0.5 mg/kg racemic ketamine iv + lithium 900 mg daily x 7", **options)
