"""Scores: known answers for made-up tables, completeness for the package's own."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ketasim.errors import InvalidOption, OutputError, UnknownEntry
from ketasim.validate import (
    PkScore,
    fold_error_figure,
    leave_one_out,
    observed_predicted_figure,
    summarise,
    validate_pk,
    write_figures,
    write_tables,
)

ROW = {
    "source": "mine", "drug": "esketamine", "analyte": "s_ketamine", "route": "intravenous", "dose": "10", "dose_unit": "mg",
    "metric": "auc_inf", "value": "100", "unit": "ng*h/mL",
}  # fmt: skip


@pytest.fixture(scope="module")
def score() -> PkScore:
    return validate_pk()


def test_every_row_is_in_the_table_with_a_prediction_or_a_reason(score: PkScore) -> None:
    table = score.table
    assert len(table) == table["row"].nunique()
    assert (table["predicted"].notna() | (table["reason"] != "")).all()
    assert set(score.not_predicted()["use"]) == {"excluded"}
    assert set(score.summary.index) == {"calibration", "holdout", "holdout_comparable"}


def test_summary_is_what_the_table_says(score: PkScore) -> None:
    rows = score.table[(score.table["use"] == "holdout") & score.table["fold"].notna()]
    error = np.abs(np.log(rows["predicted"] / rows["typical"]))
    assert score.summary.loc["holdout", "gmfe"] == pytest.approx(math.exp(error.mean()))
    assert score.summary.loc["holdout", "within_1.5"] == pytest.approx(np.mean(error <= math.log(1.5)))
    assert score.summary.loc["holdout", "rows"] == len(rows)


def test_rows_that_say_nothing_of_the_model_are_counted_apart(score: PkScore) -> None:
    """Computed from other rows, an input, or a span nobody saw: in the sum of all, not in that of comparable rows."""
    doubtful = score.table[score.table["not_comparable"] != ""]
    assert set(doubtful["row"]) == {200, 254, 257, 258, 261, 262, 264, 267, 268, 270}
    assert set(doubtful["use"]) == {"holdout"}
    all_rows, comparable = (score.summary.loc[use] for use in ("holdout", "holdout_comparable"))
    assert all_rows["rows"] - comparable["rows"] == len(doubtful)
    by_study = score.by("study", "holdout_comparable")
    assert by_study["rows"].sum() == comparable["rows"]
    assert comparable["gmfe_by_study"] == pytest.approx(math.exp(np.log(by_study["gmfe"]).mean()))


def test_intervals_for_a_new_study_hold_what_was_observed() -> None:
    """90 % of rows, give or take what 39 rows of 11 studies allow; the interval of one row holds its own error too."""
    score = validate_pk(draws=40)
    assert 0.78 <= score.summary.loc["holdout_comparable", "inside_90"] <= 0.99
    assert score.summary.loc["calibration", "inside_90"] >= 0.85
    rows = score.table[score.table["fold"].notna()]
    assert ((rows["low"] < rows["predicted"]) & (rows["predicted"] < rows["high"])).all()
    inside = (rows["low"] <= rows["typical"]) & (rows["typical"] <= rows["high"])
    assert (inside == rows["inside"].astype(bool)).all()
    assert validate_pk(pd.DataFrame([ROW]), "domino1984", draws=2).table["low"].isna().all()
    with pytest.raises(InvalidOption, match="draws = 1"):
        validate_pk(draws=1)


def test_left_out_studies_are_met_worse_than_fitted_ones(score: PkScore) -> None:
    left = leave_one_out()
    assert left.summary.loc["left out", "rows"] == score.summary.loc["calibration", "rows"]
    assert score.summary.loc["calibration", "gmfe"] < left.summary.loc["left out", "gmfe"] < 1.35


def test_a_mean_is_scored_on_the_scale_it_is_fitted_on() -> None:
    """An arithmetic mean with its SD becomes the geometric mean of a log-normal; one without stays."""
    spread = {**ROW, "statistic": "mean", "value": "100", "spread_type": "sd", "spread": "100"}
    scored = validate_pk(pd.DataFrame([spread, {**spread, "spread_type": "", "spread": ""}]), "otto2021").table
    assert scored["typical"].to_list() == pytest.approx([100 / math.sqrt(2), 100])
    assert scored["fold"][0] == pytest.approx(scored["fold"][1] * math.sqrt(2))


@pytest.mark.parametrize(("less", "more"), [("grapefruit_juice_single", "grapefruit_juice"),
    ("st_johns_wort_low_hyperforin", "st_johns_wort_powder"), ("st_johns_wort_powder", "st_johns_wort")])  # fmt: skip
def test_more_of_a_perpetrator_does_more(less: str, more: str) -> None:
    row = {**ROW, "route": "oral", "metric": "covariate_ratio", "unit": "ratio", "ratio_of": "auc_inf", "value": "1"}
    little, much = np.log(validate_pk(pd.DataFrame([{**row, "comedication": c} for c in (less, more)])).table["predicted"])
    assert abs(much) > 1.2 * abs(little) > 0.05


def test_calibration_stays_as_good_as_it_was(score: PkScore) -> None:
    # A guard against silent damage, not a target: 1.28 and 80 % when stored.
    assert score.summary.loc["calibration", "gmfe"] < 1.32
    assert score.summary.loc["calibration", "within_1.5"] > 0.75


def test_known_answer_for_a_published_model() -> None:
    # otto2021: clearance 95.2 L/h, so 10 mg give 105.04 ng h/mL.
    table = pd.DataFrame([{**ROW, "value": "105.04"}, {**ROW, "metric": "clearance", "value": "60", "unit": "L/h"}])
    scored = validate_pk(table, "otto2021")
    assert scored.table["fold"].to_list() == pytest.approx([1.0, 95.2 / 60.0], rel=1e-3)
    assert scored.table["within"].to_list() == [1.25, 2.0]
    assert scored.summary.loc["user", "gmfe"] == pytest.approx(math.sqrt(95.2 / 60.0), rel=1e-3)


def test_what_a_model_cannot_predict_is_listed() -> None:
    table = pd.DataFrame(
        [
            ROW,
            {**ROW, "analyte": "s_hnk"},
            {**ROW, "route": "rectal"},
            {**ROW, "unit": "furlong"},
            {**ROW, "metric": "covariate_ratio", "unit": "ratio", "ratio_of": "auc_inf", "comedication": "ticlopidine"},
            {**ROW, "metric": "covariate_ratio", "unit": "ratio", "ratio_of": "auc_inf", "comedication": "placebex"},
        ]
    ).fillna("")
    scored = validate_pk(table, "otto2021")
    reasons = scored.table["reason"].to_list()
    assert reasons[0] == ""
    assert "gives no s_hnk" in reasons[1]
    assert "rectal" in reasons[2]
    assert "unit 'furlong'" in reasons[3]
    assert "A_2B6_liver" in reasons[4]
    assert "placebex" in reasons[5]
    assert scored.summary.loc["user", "rows"] == 1


def test_nothing_is_predicted_beyond_the_grid_or_for_misspelt_covariates() -> None:
    table = pd.DataFrame(
        [
            {**ROW, "metric": "conc_at_t", "unit": "ng/mL", "t_h": "72"},
            {**ROW, "metric": "cmax", "unit": "ng/mL", "regimen": "esketamine iv 10 mg over 40 min, 2/week x 2 week"},
            {**ROW, "metric": "half_life", "unit": "h", "window_h": "24-96"},
            {**ROW, "covariates": "WTT=90"},
            {**ROW, "metric": "conc_at_t", "unit": "ng/mL", "t_h": "48", "covariates": "wt=90"},
        ]
    ).fillna("")
    scored = validate_pk(table, "otto2021").table
    reach = [f"reach {h} h; predictions end 49 h" for h in ("72", "240.667", "96")]
    for reason, words in zip(scored["reason"], [*reach, "'WTT' is no covariate of otto2021"], strict=False):
        assert words in reason
    assert scored["predicted"].notna().tolist() == [False] * 4 + [True]


def test_a_peak_at_time_zero_has_no_fold_error() -> None:
    scored = validate_pk(pd.DataFrame([{**ROW, "metric": "tmax", "value": "2", "unit": "min"}]), "otto2021")
    assert math.isnan(scored.table["fold"][0])
    assert "does not exist" in scored.table["reason"][0]
    assert scored.summary.empty


def test_interaction_goes_the_right_way() -> None:
    row = {**ROW, "route": "oral", "metric": "covariate_ratio", "unit": "ratio", "ratio_of": "auc_inf", "value": "1"}
    table = pd.DataFrame([{**row, "comedication": c} for c in ("ticlopidine", "rifampicin", "itraconazole")])
    predicted = validate_pk(table).table["predicted"].to_list()
    assert predicted[0] > 1.5
    assert predicted[1] < 0.5
    assert predicted[2] == pytest.approx(1.0)


def test_a_ratio_of_weights_compares_with_the_reference_weight() -> None:
    """As the areas of both weights have it; beside a drug, both have the weight, as its study's people did."""
    row = {**ROW, "infusion_min": "40"}
    ratio = {**row, "metric": "covariate_ratio", "unit": "ratio", "ratio_of": "auc_inf", "value": "1", "covariates": "WT=120"}
    rows = [{**row, "covariates": "WT=120"}, row, ratio, {**ratio, "comedication": "itraconazole"}]
    heavy, usual, alone, beside = validate_pk(pd.DataFrame(rows)).table["predicted"]
    assert alone == pytest.approx(heavy / usual, rel=1e-9)
    assert alone < 0.8
    assert beside == pytest.approx(1.0)


def test_unknown_model() -> None:
    with pytest.raises(UnknownEntry):
        validate_pk(model="no_such_model")


def test_summarise_groups() -> None:
    table = pd.DataFrame({"use": ["a", "a", "b"], "study": ["x", "y", "x"], "fold": [1.0, 4.0, np.nan]})
    summary = summarise(table)
    assert list(summary.index) == ["a"]
    assert summary.loc["a", "gmfe"] == pytest.approx(2.0)
    assert summary.loc["a", "within_2"] == 0.5


def test_files(score: PkScore, tmp_path: Path) -> None:
    paths = write_tables(score, tmp_path / "out") + write_figures(score, tmp_path / "out")
    assert all(p.stat().st_size > 0 for p in paths)
    again = pd.read_csv(tmp_path / "out" / "pk_rows.csv")
    assert len(again) == len(score.table)
    assert len(score.worst(n=3)) == 3
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_tables(score, tmp_path / "file")


def test_figure_has_a_panel_per_kind(score: PkScore) -> None:
    figure = observed_predicted_figure(score)
    assert [axis.get_title() for axis in figure.axes] == ["concentration", "exposure", "time", "disposition", "ratio"]


def test_fold_axis_is_labelled_in_halves_and_doubles(score: PkScore) -> None:
    figure = fold_error_figure(score)
    figure.draw_without_rendering()
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert {"0.5", "1", "2"} <= set(labels) and not figure.axes[0].get_xticklabels(minor=True)
