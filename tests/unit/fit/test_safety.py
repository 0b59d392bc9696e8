"""Calibration of adverse event terms: simulated studies give back the numbers they were made with, and hold-outs are never read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit

from ketasim import evidence, library
from ketasim.fit.safety import NAMES, People, TermRow, calibrate_terms, fit_term, store_terms
from ketasim.fit.safety._posterior import over_threshold, shares
from ketasim.validate import term_rows

PEOPLE = People(1.8, 0.85)
TRUTH = {"C50": 900.0, "background": 0.09, "tau": 0.5, "tau_background": 0.4}


def _studies(n: int, seed: int = 3) -> list[TermRow]:
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(n):
        peaks = 60.0 * (1 + k % 3) * np.exp(0.3 * rng.standard_normal((4, 60)))
        blank = TermRow(f"s{k}", "", peaks, "ever" if k % 2 else "first", (0.0, 1.0))
        background = expit(logit(TRUTH["background"]) + TRUTH["tau_background"] * rng.standard_normal())
        log_c50 = np.log(TRUTH["C50"]) + TRUTH["tau"] * rng.standard_normal()
        share = float(shares(over_threshold(blank, PEOPLE), np.array(log_c50), np.array(background)))
        seen = (float(rng.binomial(200, share)), 200.0), (float(rng.binomial(200, background)), 200.0)
        rows.append(TermRow(f"s{k}", "", peaks, blank.share, *seen, line=k))
    return rows


def test_simulated_studies_give_back_their_numbers() -> None:
    fit = fit_term(_studies(24), PEOPLE)
    assert fit.effective > 150
    for k, name in enumerate(NAMES):
        low, high = np.quantile(fit.draws[:, k], (0.01, 0.99))
        assert low < TRUTH[name] < high, name
    assert fit.learned[0] > 0.9 and fit.se[0] < 0.4  # C50: many studies tell it


def test_shares_over_the_threshold_are_those_of_simulated_people() -> None:
    peaks = np.array([[50.0] * 40, [200.0] * 40])
    rng = np.random.default_rng(1)
    person, session = rng.standard_normal(200_000), rng.standard_normal((2, 200_000))
    own = np.sqrt(0.85) * person + np.sqrt(0.15) * session
    reached = np.array([[50.0], [200.0]]) * np.exp(1.8 * own) > 700.0
    for share, truth in (("ever", reached.any(axis=0).mean()), ("first", reached[0].mean()), ("per_session", reached.mean())):
        curve = over_threshold(TermRow("s", "", peaks, share, (0.0, 1.0)), PEOPLE)
        assert float(shares(curve, np.log(np.array(700.0)), np.array(0.0))) == pytest.approx(truth, abs=0.005)


def test_entries_are_written_and_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = calibrate_terms({"nausea": _studies(3)}, log=lambda _: None)
    assert fit.coverage("drug")[0] == 3
    source = Path(library.__file__).parent / "safety" / "nausea.toml"
    (tmp_path / "nausea.toml").write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    for _ in range(2):  # a second calibration replaces the first
        store_terms(fit, tmp_path)
    text = (tmp_path / "nausea.toml").read_text(encoding="utf-8")
    assert [text.count(f"[param.{name}]") for name in NAMES] == [1, 1, 1, 1] and "calibration on 3 rows of 3 studies" in text


def test_no_row_of_a_hold_out_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ketasim.validate._safety_terms.effect_site", lambda *_: np.ones((1, 1, 2)))
    rows, left = term_rows()
    table = evidence.load().table("safety")
    held = set(table.loc[table["holdout"], "study"]) | {"spravato_mdsi_pool"}
    assert not held & {row.study for mine in rows.values() for row in mine}
    assert held <= set(left) and len(rows) >= 6
