"""Trials predicted: left out in truth, hold-outs from all, contrasts, baselines, and the page that tells of it."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ketasim.errors import InvalidOption
from ketasim.fit.clinical import read_arms
from ketasim.validate import TrialScore, _trials, trial_figure, validate_trials, write_trial_tables
from ketasim.validate._trials import summarise_trials

STORED = Path(__file__).parents[3] / "docs" / "validation" / "depression"
ONLY = ("Murrough2013", "Lii2023", "ASPIRE-II")


@lru_cache(maxsize=1)
def score() -> TrialScore:
    return validate_trials("trd", ONLY)


def test_the_stored_tables_come_out_again() -> None:
    """The whole run is too long for a test: some trials of it, one of each kind."""
    for name, table in (("rows", score().table), ("contrasts", score().contrasts)):
        stored = pd.read_csv(STORED / f"trial_{name}.csv", keep_default_na=False)
        stored = stored[stored["trial"].isin(ONLY)].reset_index(drop=True)
        assert len(stored) == len(table) > 0
        for column in ("observed", "predicted", "low", "high"):
            np.testing.assert_allclose(table[column], stored[column].astype(float), rtol=0.01, atol=0.02, err_msg=column)
    assert set(score().table["use"]) == {"fit", "scored", "holdout"}


def test_a_trial_left_out_does_not_see_its_own_results(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = read_arms("trd")
    changed = [replace(r, value=r.value + 9.0) if r.cluster == "Murrough2013" and r.kind == "change" else r for r in rows]
    monkeypatch.setattr(_trials, "read_arms", lambda _: changed)
    other = validate_trials("trd", ("Murrough2013",)).table
    same = score().table[score().table["cluster"] == "Murrough2013"].reset_index(drop=True)
    np.testing.assert_allclose(other["predicted"], same["predicted"], rtol=1e-12)
    change = same["kind"] == "change"
    np.testing.assert_allclose(other["observed"][change], same["observed"][change] + 9.0)


def test_knowing_the_control_arm_narrows_and_moves_the_drug_arm() -> None:
    rows = score().table[(score().table["trial"] == "Murrough2013") & (score().table["kind"] == "change")].set_index("arm")
    control, drug = rows.loc["midazolam"], rows.loc["ketamine_0.5"]
    assert np.isnan(control["given_control"])
    assert control["observed"] < control["predicted"]  # the control fared better than predicted: so will the drug
    assert drug["given_control"] < drug["predicted"]


def test_the_summary_is_the_mean_over_rows() -> None:
    table = score().table
    chosen = table[(table["use"] == "scored") & (table["kind"] == "change")]
    line = score().summary.set_index(["use", "kind"]).loc[("scored", "change")]
    off = np.abs(chosen["predicted"] - chosen["observed"])
    assert line["mae"] == pytest.approx(off.mean())
    assert line["inside"] == pytest.approx(
        ((chosen["observed"] >= chosen["low"]) & (chosen["observed"] <= chosen["high"])).mean()
    )
    assert line["expected_low"] < line["expected"] < line["expected_high"]


def test_an_unknown_trial_is_refused() -> None:
    with pytest.raises(InvalidOption, match="Murrough2013"):
        validate_trials("trd", ("Murrough2031",))


def test_tables_and_figure_are_written(tmp_path: Path) -> None:
    paths = write_trial_tables(score(), tmp_path)
    assert pd.read_csv(paths[2])["kind"].tolist() == score().summary["kind"].tolist()
    assert len(trial_figure(score()).axes) == 2


def test_the_page_tells_what_the_stored_tables_hold() -> None:
    rows, contrasts = (pd.read_csv(STORED / f"trial_{name}.csv") for name in ("rows", "contrasts"))
    for table in (rows, contrasts):
        table["inside"] = table["inside"].astype(bool)
    kept = pd.read_csv(STORED / "trial_summary.csv").set_index(["use", "kind"])
    again = summarise_trials(rows, contrasts, {}).set_index(["use", "kind"])
    np.testing.assert_allclose(again["mae"], kept.loc[again.index, "mae"], rtol=2e-3)
    page = (STORED.parent / "depression.md").read_text(encoding="utf-8")
    words = {"left out": "fit", "hold-out": "holdout"}
    found = re.findall(
        r"^\| (left out|hold-out) \| (\w+) \| (\d+) \| (\d+) \| ([\d.]+) \| ([\d.]+) \| (\S+) \| (\d+) %", page, re.MULTILINE
    )
    assert len(found) == 7
    for use, kind, n, trials, mae, by_trial, bias, inside in found:
        line = kept.loc[(words[use], kind)]
        told = [float(x) for x in (n, trials, mae, by_trial, bias, inside)]
        np.testing.assert_allclose(told[:2], [line["rows"], line["trials"]])
        np.testing.assert_allclose(told[2:5], [line["mae"], line["mae_by_trial"], line["bias"]], atol=0.0051)
        assert told[5] == round(100 * line["inside"])
