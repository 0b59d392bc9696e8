"""Randomised contrasts of the disorders beside depression: the register agrees with the evidence, and nulls are held or told."""

from __future__ import annotations

import numpy as np
import pytest

from ketasim import evidence, library
from ketasim.errors import InvalidData, InvalidOption
from ketasim.validate import DisorderScore, validate_disorders
from ketasim.validate._disorders import _Asked, _lines, _observed, _scored

TABLES = {name: evidence.load().table(name) for name in ("contrasts", "outcomes")}
LINES = _lines()


@pytest.mark.parametrize("line", LINES, ids=[f"{x['study']}-{x['measure'] or 'none'}" for x in LINES])
def test_every_line_stands_in_the_evidence_and_can_be_asked(line: dict[str, str]) -> None:
    observed = _observed(line, TABLES)
    if line["reason"]:
        return
    if line["study"] == "feder2021" and line["measure"] == "response":
        assert observed == 47.0, "67 less 20 %"
    assert float(line["n"]) > 1 and line["use"] in ("fit", "seen", "holdout")
    held_out = {row["id"] for _, row in evidence.load().table("holdout").iterrows()}
    assert (line["use"] == "holdout") == (line["study"] in held_out)
    for side in ("", "_against"):
        for beside in line[f"beside{side}"].split("|"):
            care = _Asked.of(line, side, beside.strip()).care
            assert care.disorder.id == line["disorder"] and bool(care.activities) == bool(beside.strip())


def test_every_randomised_trial_of_these_disorders_is_scored_or_says_why() -> None:
    trials = evidence.load().table("trials")
    run = trials[
        trials["disorder"].isin(["bipolar", "ptsd", "ocd", "aud", "oud"])
        & trials["drug"].isin(["racemic_ketamine", "esketamine"])
    ]
    run = run[run["design"].fillna("").str.contains("randomised")]
    told = set(TABLES["contrasts"]["study"]) | set(
        TABLES["outcomes"].loc[TABLES["outcomes"]["response_percent"].notna(), "trial"]
    )
    missing = (set(run["trial"]) & told) - {line["study"] for line in LINES}
    # Rearranged: the pooled two of nunez2023; das2019 and pradhan2017 have arms the disorders do not know.
    assert missing <= {"das2019", "pradhan2017"}, missing


def test_nulls_of_two_trials_are_held_by_the_prediction_or_the_score_says_that_it_fails() -> None:
    nulls = [x for x in LINES if x["study"] == "yoon2025" and x["measure"] == "change"] + [
        x for x in LINES if x["study"] == "abdallah2022"
    ]
    import pandas as pd

    table = pd.DataFrame([_scored(line, float("nan"), 40, 1) for line in nulls]).assign(class_mean=np.nan)
    assert table["null"].all() and table["inside"].all(), "abdallah2022 and yoon2025 lie inside"
    # Their probability of no significance: 0.36 to 0.40 and 0.69 in the design.
    assert 0.15 < table.loc[table["study"] == "abdallah2022", "not_significant"].max() < 0.7
    assert table.loc[table["study"] == "yoon2025", "not_significant"].min() > 0.5
    failed = DisorderScore(table.assign(inside=False), ())
    assert sum(note.startswith("FAILS: abdallah2022") for note in failed.notes()) == 2
    assert any("fewer than 8 trials" in note for note in failed.notes())


def test_without_gain_only_the_luck_of_trials_is_left_and_guesses_come_from_others() -> None:
    score = validate_disorders(["ocd"], draws=6)
    line = score.scored.iloc[0]
    assert line["observed"] == 50.0 and line["low"] < line["predicted"] < line["high"]
    assert np.isnan(line["class_mean"]), "no other trial of OCD was read"
    assert score.models == (library.disorder("ocd").cite,)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InvalidOption, match="ptsdd"):
        validate_disorders(["ptsdd"])
    with pytest.raises(InvalidOption, match="draws"):
        validate_disorders(["ocd"], draws=1)
    with pytest.raises(InvalidData, match="evidence has no"):
        _observed(LINES[0] | {"study": "nobody2000"}, TABLES)
