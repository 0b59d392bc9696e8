"""The algebra of doses in Python, and regimens as files."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from ketasim.dose import Dose, Regimen, Schedule, parse, read_arms, write_arms
from ketasim.errors import InvalidRegimen, OutputError

IV = Dose("0.5 mg/kg", drug="racemic_ketamine", route="iv", duration="40 min")
SPRAY = Dose("56 mg", drug="esketamine", route="nasal")


def times(regimen: Regimen) -> list[float]:
    return [t for t, _ in regimen.doses]


def test_every_at_delay_weekly():
    assert times(SPRAY.every("3.5 day", n=3)) == [0, 84, 168]
    assert times(SPRAY.every(12, n=2)) == [0, 12]
    assert times(SPRAY.at([2, 5])) == [24, 96]
    assert times(SPRAY.at(1)) == [0]
    assert times(SPRAY.weekly(2, weeks=2).delay("1 day")) == [24, 96, 192, 264]


def test_then_starts_when_the_schedule_is_over():
    assert times(IV.weekly(2, weeks=4).then(IV.weekly(1, weeks=2)))[-2:] == [672, 840]
    assert times(IV.weekly(2, weeks=1).then(IV.every("1 day", n=1)))[-1] == 168
    assert times(SPRAY.at([1, 4, 7]).then(SPRAY.every("1 day", n=2))) == [0, 72, 144, 168, 192]
    assert times(SPRAY.then(SPRAY, after="3 day")) == [0, 72]
    bolus, drip = Dose("0.27 mg/kg", "esketamine"), Dose("0.27 mg/kg/h", "esketamine", duration="2 h")
    assert times(bolus.then(drip).then(bolus)) == [0, 0, 2]


def test_then_refuses_what_a_reader_could_not_tell():
    for first, second in (
        (SPRAY, SPRAY),
        (SPRAY, IV),
        (IV, IV.weekly(1, weeks=2)),
        (Dose("5 mg", "esketamine"), Dose("5 mg", "esketamine")),
    ):
        with pytest.raises(InvalidRegimen, match="'then' does not say when"):
            first.then(second)


def test_plus_is_one_clock_and_sessions_repeat_whole():
    session = (Dose("5 mg", "esketamine") + Dose("10 mg", "esketamine", duration="1 h").delay("10 min")).weekly(2, weeks=1)
    assert times(session) == [0, 10 / 60, 72, 72 + 10 / 60]
    assert session.end == 72 + 10 / 60 + 1
    assert times(SPRAY.every("1 h", 2).every("1 day", 2)) == [0, 1, 24, 25]
    with pytest.raises(InvalidRegimen, match="two of the same dose at one time"):
        SPRAY.every("1 h", 3).every("1 h", 2)


def test_as_others_use_it():
    regimen = IV.weekly(2, weeks=1)
    assert regimen.needs_weight and not SPRAY.at(1).needs_weight
    assert regimen.end == 72 + 40 / 60
    assert regimen.text == "" and parse("84 mg").text == "84 mg"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dose("0.5 mg/kg", drug="eketamine"), "drug 'eketamine' is not known. Close: 'esketamine'"),
        (lambda: Dose("0.5 mg/kg", drug="esketamine", form="acetate"), "form 'acetate' is not known"),
        (lambda: Dose("half", drug="esketamine"), "does not start with a number"),
        (lambda: Dose("5 mk", drug="esketamine"), "'mk' is no unit of amount"),
        (lambda: Dose("5 mg/kg/l", drug="esketamine"), "'/l' has no meaning here"),
        (lambda: Dose("-5 mg", drug="esketamine"), "0 or more"),
        (lambda: Dose("nan mg", drug="esketamine"), "does not start with a number"),
        (lambda: Dose("1e999 mg", drug="esketamine"), "finite"),
        (lambda: Dose("5 mg/h", drug="esketamine"), "is a rate: say for how long"),
        (lambda: Dose("5 mg", duration="1 month"), "a month has no fixed length"),
        (lambda: Dose("5 mg", route="na sal"), "is no route"),
        (lambda: Dose("5 mg", drug="esketamine", cap="5 umol"), "must both be masses"),
        (lambda: SPRAY.every("0 h", n=2), "the interval must be above 0"),
        (lambda: SPRAY.every("1 day", n=0), "at least 1"),
        (lambda: SPRAY.weekly(8, weeks=1), "give 1 to 7"),
        (lambda: SPRAY.weekly(1, weeks=0), "at least 1"),
        (lambda: SPRAY.at([0, 3]), "days count from 1"),
        (lambda: SPRAY.at([3, 2]), "must rise"),
        (lambda: Schedule((0.0, 30.0), 24.0, 4), "cannot repeat"),
        (lambda: Regimen(()), "at least one dose"),
        (lambda: SPRAY + Dose("5 mg"), "name it for all or for none"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(InvalidRegimen) as refused:
        make()
    assert message in str(refused.value)


REGIMENS = (
    "0.5 mg/kg ketamine iv over 40 min, 2/week x 4 week then 1/week x 4 week",
    "84 mg on days 1, 4, 9",
    "28 mg every 5 min x 3 starting at 12.5 h",
    "100 mg into DEPOT, daily x 1",
    "5 mg esketamine sc as hydrochloride max 4 mg round to 0.5 mg, 3/week x 5 dose starting day 3",
    "5 mg esketamine sc, at 0, 3 h of every 2 day x 5 dose",
)


@pytest.mark.parametrize("ending", ["yaml", "yml", "toml"])
def test_files_give_the_same_back(tmp_path, ending):
    for text in REGIMENS:
        regimen, path = parse(text), tmp_path / f"one.{ending}"
        regimen.to_file(path)
        assert Regimen.from_file(path) == regimen
        assert Regimen.from_dict(regimen.to_dict()) == regimen
    arms = {f"arm {k}": parse(text) for k, text in enumerate(REGIMENS)}
    write_arms(arms, tmp_path / f"arms.{ending}")
    assert read_arms(tmp_path / f"arms.{ending}") == arms
    assert not list(tmp_path.glob("*.part"))


def test_files_people_write(tmp_path):
    file = tmp_path / "arms.toml"
    file.write_text('[arms]\nlow = "28 mg, 2/week x 4 week"\nhigh = { doses = ["84 mg", "28 mg starting day 3"] }\n')
    arms = read_arms(file)
    assert list(arms) == ["low", "high"] and times(arms["high"]) == [0, 48]
    with pytest.raises(InvalidRegimen, match="holds 2 arms"):
        Regimen.from_file(file)
    text = tmp_path / "plain.txt"
    text.write_text("# two arms\nA: 28 mg\nB: 84 mg\n")
    assert list(read_arms(text)) == ["A", "B"]
    text.write_text("56 mg, 2/week x 4 week\n")
    assert list(read_arms(text)) == ["plain"]
    rows = {"doses": [{"amount": "56 mg", "route": "nasal", "drug": "esketamine", "start": "24 h"}]}
    assert times(Regimen.from_dict(rows)) == [24]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.yaml", "regimn: 84 mg", "unknown key 'regimn'. Close: 'regimen'"),
        ("a.yaml", "doses: []", "at least one dose"),
        ("a.yaml", "doses: [{amount: 5 mg}]", "dose 1: 'route' is missing"),
        ("a.yaml", "doses: [{amount: 5 mg, route: iv, drog: x}]", "dose 1: unknown key 'drog'. Close: 'drug'"),
        ("a.yaml", "doses: [{amount: 5 mg, route: iv, schedule: 2/week}]", "dose 1: dose text: this says how often"),
        ("a.yaml", "doses: [{amount: 5 mg, route: iv, schedule: 6 mg}]", "only a schedule belongs here"),
        ("a.yaml", "arms: {A: 84 mk}", "arm 'A'"),
        ("a.yaml", "doses: [", "not YAML"),
        ("a.yaml", "- 1", "needed is a table"),
        ("a.toml", "x = ", "not TOML"),
        ("a.toml", "arms = 3", "'arms' must be a table"),
        ("a.yaml", "{regimen: 84 mg, doses: []}", "either 'regimen'"),
    ],
)
def test_bad_files(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(InvalidRegimen) as refused:
        Regimen.from_file(tmp_path / name)
    assert (message in str(refused.value) and str(tmp_path) in str(refused.value)) or message.startswith("needed")


def test_unreadable_and_unwritable(tmp_path):
    with pytest.raises(InvalidRegimen, match="cannot be read"):
        Regimen.from_file(tmp_path / "none.yaml")
    (tmp_path / "latin.txt").write_bytes(b"56 mg \xe9")
    with pytest.raises(InvalidRegimen, match="not UTF-8"):
        Regimen.from_file(tmp_path / "latin.txt")
    with pytest.raises(InvalidRegimen, match="ending must be"):
        SPRAY.at(1).to_file(tmp_path / "a.json")
    with pytest.raises(OutputError, match="cannot be written"):
        SPRAY.at(1).to_file(tmp_path / "latin.txt" / "a.yaml")
    SPRAY.at(1).to_file(tmp_path / "new" / "a.yaml")  # the folder is made, as by all commands
    assert Regimen.from_file(tmp_path / "new" / "a.yaml") == SPRAY.at(1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"amount": 56}, "with its unit, as text"),
        ({"amount": "56 mg", "cap": 50}, "with its unit, as text"),
        ({"amount": "0.5 mg/kg", "route": "iv", "duration": 40}, "e.g. '40 min'"),
        ({"amount": "56 mg", "drug": 3}, "must be a word"),
    ],
)
def test_numbers_without_unit_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidRegimen, match=message):
        Dose(**options)  # type: ignore[arg-type]


def test_doses_take_the_words_and_texts_of_the_language() -> None:
    dose = Dose("56 mg", drug="s-ketamine", route="intranasal", form="hcl")
    assert (dose.drug, dose.route, dose.form) == ("esketamine", "nasal", "hydrochloride")
    assert (
        str(dose.weekly(2, weeks=4).then("84 mg"))
        == "56 mg esketamine nasal as hydrochloride, 2/week x 4 week then 84 mg esketamine nasal as base"
    )
    with pytest.raises(InvalidRegimen, match="is no regimen"):
        dose + 3  # type: ignore[operator]


@pytest.mark.parametrize("key", ["amount", "max", "round_to", "over", "start", "drug", "form", "route"])
def test_a_file_says_the_unit_of_every_number(key: str) -> None:
    row = {"amount": "0.5 mg/kg", "drug": "ketamine", "route": "iv", "over": "40 min", key: 29}
    with pytest.raises(InvalidRegimen, match=r"regimen, dose 1: .*29"):
        Regimen.from_dict({"doses": [row]})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("esketamine nasal 56 mg, 2/week x 30000000 week", "60,000,000 doses: a regimen has at most 100,000"),
        ("esketamine nasal 56 mg, every 1 min x 5000 week", "50,400,000 doses"),
        ("esketamine nasal 56 mg, 2/week x 1e9 dose", "at most 100000"),
        ("esketamine nasal 56 mg, 1e400/week", "no amount or time is above 1e+12"),
        ("esketamine nasal 56 mg, every 1e-300 h x 1 week", "doses: a regimen has at most"),
        ("a" * 30_000, "it has 30,000 characters"),
        ("esketamine nasal 56 mg then " * 3000, "at most 20,000 are read"),
    ],
)
def test_a_text_is_bounded_before_its_doses_are_worked_out(text: str, words: str) -> None:
    began = time.process_time()
    with pytest.raises(InvalidRegimen, match=re.escape(words)):
        parse(text)
    assert time.process_time() - began < 1.0


def test_files_are_bounded_and_nests_refused(tmp_path: Path) -> None:
    for name, text, words in (
        ("a.txt", "x" * 1_000_001, "above 1 MB"),
        ("a.toml", "x = " + "[" * 20_000, "nested too deeply"),
        ("a.yaml", "[" * 20_000, "nested too deeply"),
        ("b.txt", "56 mg\n" * 1001, "at most 1,000 are read"),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(InvalidRegimen, match=words):
            read_arms(tmp_path / name)
