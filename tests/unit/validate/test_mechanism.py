"""The cascade against published experiments."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import ketasim
from ketasim.errors import InvalidEntry, InvalidOption
from ketasim.evidence import load
from ketasim.validate import _mechanism, mechanism_figure, validate_mechanism, write_mechanism_tables
from ketasim.validate._experiments import Arm, Laboratory, experiment_of

LINE = {
    "cascade": "rat", "dose": "10 mg/kg racemic ketamine ip", "with": "", "inputs": "", "readout": "glutamate", "at_h": "0.3", "versus": "",
    "expect": "up", "threshold": "0.05", "size": "",
}  # fmt: skip


@pytest.fixture(scope="module")
def score() -> _mechanism.MechanismScore:
    return validate_mechanism(draws=1)


def test_every_finding_is_run_or_says_why_not(score: _mechanism.MechanismScore) -> None:
    assert len(score.findings) == len(load().table("mechanism_findings")) > 190
    silent = score.findings[(score.findings["checks"] == 0) & (score.findings["why"] == "")]
    assert silent.empty
    assert set(score.findings["verdict"]) == {"agrees", "partly", "disagrees", "constant", "not addressed"}


def test_directions_on_which_sources_agree_mostly_come_out_and_misfits_stay_visible(score: _mechanism.MechanismScore) -> None:
    summary = score.summary
    assert summary.loc["findings, main direction", "share"] > 0.85
    assert summary.loc["checks, sources agree", "share"] > 0.8 > summary.loc["checks, sources disagree", "share"]
    assert summary.loc["checks", "right"] > 1.2 * summary.loc["checks", "guess"], "better than the usual answer of each system"
    wrong = set(score.misfits()["source"])
    assert {"abdallah2020", "koike2011", "deyama2022igf"} <= wrong, "known not to come out"


def test_what_could_not_fail_is_marked(score: _mechanism.MechanismScore) -> None:
    checks = score.checks
    assert checks[checks["by_construction"] != ""]["agrees"].all()
    chosen = checks[(checks["source"] == "moghaddam1997") & (checks["output"] == "glutamate")]["chosen_by"]
    assert len(chosen) and all("o_silent" in names for names in chosen)
    assert (checks["chosen_by"] == "").sum() > 50


def test_conflicts_name_both_sides(score: _mechanism.MechanismScore) -> None:
    said = score.conflicts.set_index("topic")["say"]
    assert "ma2023" in said["habenula and the lasting effect"] and "zhou2021lhb" in said["habenula and the lasting effect"]
    assert "farmer2020" in said["hydroxynorketamine"] and "zanos2016" in said["hydroxynorketamine"]


def test_a_finding_of_another_source_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = _mechanism.TABLE.read_text(encoding="utf-8").replace("\n23,a,moghaddam1997,", "\n23,a,chowdhury2016,")
    table = tmp_path / "moved.csv"
    table.write_text(text, encoding="utf-8")
    monkeypatch.setattr(_mechanism, "TABLE", table)
    with pytest.raises(InvalidEntry, match="row 23a: finding 23 is not of source 'chowdhury2016'"):
        validate_mechanism()


def test_an_experiment_is_the_run_a_user_would_make() -> None:
    blocked = experiment_of({**LINE, "with": "nbqx", "readout": "dopamine_pfc"}, "line")
    [outcome] = Laboratory().run([blocked])
    own = ketasim.simulate("cascade/rat+mechanism/nbqx", LINE["dose"], times=[0.0, 0.3])["port"]["dopamine_pfc"]
    assert outcome.value == pytest.approx(float(own[0, 1]), rel=1e-6)
    assert outcome.direction == "none" and not outcome.agrees and math.isnan(outcome.fold)


def test_an_arm_without_drug_keeps_what_is_done_beside() -> None:
    arm = Arm("rat", "", ("nbqx",), (("bath_s_ketamine", ((0.0, 1.0),)), ("lithium", ((0.0, 0.5),))))
    assert arm.without_drug() == Arm("rat", "", ("nbqx",), (("lithium", ((0.0, 0.5),)),))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cascade": "cat"}, "cascade 'cat' is unknown"),
        ({"expect": "higher"}, "expect 'higher' is no direction"),
        ({"at_h": "soon"}, "at_h is 'soon'"),
        ({"versus": "route=iv"}, "versus names 'route'"),
    ],
)
def test_a_line_without_meaning_is_refused(change: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidEntry, match=f"line: {said}"):
        experiment_of({**LINE, **change}, "line")


def test_draws_and_tables(score: _mechanism.MechanismScore, tmp_path: Path) -> None:
    assert len(score.draws) == 1 and 100 < score.draws[0] < len(score.checks)
    assert score.draws[0] != score.summary.loc["checks", "right"], "another version of the model"
    assert all(path.stat().st_size for path in write_mechanism_tables(score, tmp_path))
    assert mechanism_figure(score).axes[0].get_legend() is not None
    with pytest.raises(InvalidOption, match="draws = -1"):
        validate_mechanism(-1)
