"""Rules of care: who gets what, and that a rule nobody meets changes nothing."""

from __future__ import annotations

import numpy as np
import pytest

from ketasim import library
from ketasim.clinical import Reactions, Session, outcome, patients
from ketasim.errors import InvalidOption, UnknownEntry

TRD = library.disorder("trd")
N = 400
TIMES = [0.0, 72.0, 168.0, 240.0, 336.0, 408.0, 504.0, 576.0, 672.0, 840.0, 1008.0]
VISITS = np.array([0.0, 168.0, 336.0, 672.0, 1008.0])


def _outcome(*rules: str, levels: int = 1, effects=None):
    peaks = np.stack([np.full(N, 42.0 * (1 + k)) for k in range(levels)])
    sessions = [Session(t, peaks, peaks) for t in TIMES]
    made = [library.policy_from(rule)[1] for rule in rules]
    arm = TRD.controls["inert"].switches
    return outcome(TRD, arm, sessions, VISITS, patients(TRD, np.arange(N), 5), TRD.typical(), policies=made, effects=effects)


def test_a_rule_nobody_meets_changes_nothing() -> None:
    plain, ruled = _outcome(), _outcome("missed_sessions(share=0)", "drop_out(share=0)", "stop_without_response(time=1e6)")
    assert np.array_equal(plain.score, ruled.score)
    assert (ruled.level == 0).all()


def test_missed_sessions_are_missed_and_cost_effect() -> None:
    plain, missed = _outcome(), _outcome("missed_sessions(share=0.3)")
    share = (missed.level < 0).mean()
    assert abs(share - 0.3) < 4 * np.sqrt(0.21 / missed.level.size)
    assert missed.score[3].mean() > plain.score[3].mean()


def test_non_responders_step_up_and_stay_up() -> None:
    found = _outcome("step_up", levels=2)
    assert (found.level[0] == 0).all(), "the first session is as planned"
    raised = found.level == 1
    assert 0.2 < raised[-1].mean() < 1.0
    assert (np.diff(raised.astype(int), axis=0) >= 0).all(), "whoever had the larger dose keeps it"


def test_the_drug_ends_without_response() -> None:
    found = _outcome("stop_without_response(time=600)")
    stopped = found.level[-1] < 0
    assert 0.2 < stopped.mean() < 0.9
    assert np.array_equal(stopped, found.level[-2] < 0), "judged once"
    assert (found.level[:8] == 0).all()


def test_remission_spaces_sessions_out() -> None:
    found = _outcome("space_out(induction=600, remission=336, otherwise=168)")
    late = found.level[8:] >= 0
    assert late.sum(axis=0).min() < late.sum(axis=0).max(), "some get fewer than others"
    assert (late.sum(axis=0) >= 1).all()


def test_who_drops_out_gets_nothing_and_is_not_seen() -> None:
    found = _outcome("drop_out(share=0.3)")
    left = ~found.in_care
    assert (np.diff(left.astype(int), axis=0) >= 0).all()
    assert abs(left[3].mean() - 0.3) < 4 * np.sqrt(0.21 / N), "of four weeks"
    assert (found.level[-1][left[3]] == -1).all()


def test_high_pressure_before_a_session_holds_it() -> None:
    before = np.where(np.arange(N) % 4 == 0, 150.0, 120.0)

    def effects(k: int, level: np.ndarray) -> dict[str, Reactions]:
        curve = np.broadcast_to(before, (1, 3, N))
        return {"sbp": Reactions(curve, before, curve.max(axis=1))}

    found = _outcome("hold_on_pressure", effects=effects)
    assert np.array_equal(found.level[0] < 0, before > 140.0)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("hold", UnknownEntry),
        ("drop_out(rate=1)", InvalidOption),
        ("drop_out(share=2)", InvalidOption),
        ("drop_out(share=x)", InvalidOption),
        ("a b", InvalidOption),
    ],
)
def test_rules_that_cannot_be_read_are_refused(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        library.policy_from(text)


def test_diazepam_is_given_by_the_score_and_lowers_it() -> None:
    """Against a slow twin: one person at a time, one look at a time."""
    from ketasim.clinical import Activity

    entry = library.disorder("aws")
    people = patients(entry, np.arange(40), 3)
    policy = library.policy_from("symptom_triggered")[1]
    switches, p = entry.controls["supportive"].switches, entry.typical()
    found = outcome(entry, switches, [], np.array([0.0, 24.0, 72.0]), people, p, policies=[policy])
    plain = outcome(entry, switches, [], np.array([0.0, 24.0, 72.0]), people, p)
    assert (found.score[1:] <= plain.score[1:]).all() and float(found.readings["diazepam"][2].mean()) > 40.0
    given: list[Activity] = []
    for time in np.arange(0.0, 72.1, 2.0):
        # A look sees what earlier doses left; this person's doses so far are what an ordered list of activities makes of them.
        seen = outcome(entry, switches, [], np.array([time]), people, p, activities=given).score[0, 0]
        given += [Activity(time, "benzodiazepine", 2.0 if seen >= 20 else 1.0)] if seen >= 10 else []
    before = [one.strength * 10.0 for one in given if one.time < 72.0]
    assert float(found.readings["diazepam"][2, 0]) == sum(before)


def test_buprenorphine_begins_at_its_score_and_goes_on_daily() -> None:
    entry = library.disorder("oud")
    people = patients(entry, np.arange(300), 3)
    visits = np.array([0.0, 1.0, 24.0, 24.0 * 5 + 1.0])
    found = outcome(
        entry, entry.controls["supportive"].switches, [], visits, people, entry.typical(),
        policies=[library.policy_from("buprenorphine_induction")[1]],
    )  # fmt: skip
    first = found.readings["buprenorphine"][1]
    assert ((first == 4.0) == (found.baseline >= 13.0)).all(), "at once for those at the threshold, not before for others"
    later = found.readings["buprenorphine"][2]
    assert later.max() <= 16.0 and (later[first == 4.0] >= 4.0).all()
    early = first == 4.0
    assert (found.readings["buprenorphine"][3][early] == later[early] + 5 * 16.0).all(), (
        "a dose every 24 h from the second day on"
    )
