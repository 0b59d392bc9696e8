"""Experiments in the model: declared before the run, stored with what they rest on, the same when run again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ketasim.dose import parse
from ketasim.review import Experiment, ModelAnswer, claims, experiments, review, run_experiments
from ketasim.review import _experiments as module
from ketasim.review._experiments import stored_answers


def test_every_experiment_belongs_to_a_claim_and_can_be_read() -> None:
    known = {c.id for c in claims()}
    for one in experiments():
        assert one.claim in known
        assert one.rule != "within" or one.low < one.high
        for arm in one.arms.values():
            parse(arm.regimen)
        assert one.grounds == "data" or one.note, f"{one.claim}: say why it rests on {one.grounds}"


def test_every_experiment_has_a_stored_answer_of_the_entries_as_they_are() -> None:
    stored = [a for answers in stored_answers().values() for a in answers]
    assert [a.experiment for a in stored] == [
        e for e in experiments() if e in {a.experiment.title: a.experiment for a in stored}.values()
    ]
    assert len(stored) == len(experiments())
    assert not [a.experiment.claim for a in stored if a.stale], "run tools/review_experiments.py"


def test_run_again_it_says_the_same() -> None:
    again = run_experiments(["E6"])
    stored = stored_answers()["E6"]
    assert [a.outcome for a in again] == [a.outcome for a in stored]
    np.testing.assert_allclose([a.median for a in again], [a.median for a in stored], rtol=0.02)
    np.testing.assert_allclose([a.low for a in again], [a.low for a in stored], rtol=0.02)


class _Given:
    """Draws as they are wanted."""

    def __init__(self, drawn: dict[float, list[float]]) -> None:
        self.values = drawn

    def drawn(self, _: Experiment, time: float) -> np.ndarray:
        return np.array(self.values[time])


def _answer(rule: str, drawn: dict[float, list[float]], **bounds: float) -> ModelAnswer:
    one = replace(experiments()[0], rule=rule, at=tuple(drawn), minus=None, **bounds)  # type: ignore[arg-type]
    return module._answer(one, _Given(drawn))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("share", "outcome"), [(100, "reproduced"), (96, "reproduced"), (80, "partly"), (30, "undecided"), (3, "contradicted")]
)
def test_the_share_of_draws_decides(share: int, outcome: str) -> None:
    drawn = [-1.0] * share + [1.0] * (100 - share)
    assert _answer("below", {24.0: drawn}, high=0.0).outcome == outcome
    assert _answer("above", {24.0: [-x for x in drawn]}, low=0.0).outcome == outcome
    assert _answer("within", {24.0: [0.0 if x < 0 else 9.0 for x in drawn]}, low=-1.0, high=1.0).outcome == outcome


def test_a_rule_must_hold_at_every_time_in_the_same_draw() -> None:
    early, late = [-1.0] * 60 + [1.0] * 40, [1.0] * 40 + [-1.0] * 60
    found = _answer("below", {24.0: early, 72.0: late}, high=0.0)
    assert found.sure == pytest.approx(0.2)
    assert found.outcome == "undecided"


def test_an_interval_includes_or_not() -> None:
    drawn = list(np.linspace(-5.0, 1.0, 101))
    assert _answer("includes", {24.0: drawn}, low=0.0).outcome == "reproduced"
    assert _answer("includes", {24.0: drawn}, low=2.0).outcome == "contradicted"


def test_the_review_shows_model_and_evidence_side_by_side() -> None:
    (answer,) = review(["T7"])
    (said,) = answer.as_dict()["experiments"]
    assert said["rests_on"] == "prior"
    assert "prior, not data" in answer.model_text
    assert len(said["commands"]) == 4
    assert "--disorder ptsd" in said["commands"][0]
