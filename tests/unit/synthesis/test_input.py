"""From tables to effects: formats, names of columns, scales, arms, and one message for what cannot be used."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ketasim.errors import InvalidData, InvalidOption, KetasimWarning
from ketasim.synthesis import CountArm, MeanArm, effect, multi_arm_effects, pairwise, pool_correlated, read_pairwise
from ketasim.synthesis._network_data import ContinuityCorrected, StudyExcluded
from ketasim.synthesis._pairwise_data import AsymmetricInterval, EstimatedData, SharedLabel

ARMS = [
    {"study": "one", "treatment": "ketamine", "mean": -12.0, "sd": 8.0, "n": 30, "year": 2010},
    {"study": "one", "treatment": "placebo", "mean": -6.0, "sd": 7.0, "n": 28, "year": 2010},
    {"study": "two", "treatment": "ketamine", "mean": -15.0, "sd": 9.0, "n": 50, "year": 2015},
    {"study": "two", "treatment": "placebo", "mean": -11.0, "sd": 9.5, "n": 52, "year": 2015},
]


def written(path: Path, text: str) -> Path:
    file = path / "data.csv"
    file.write_text(text, encoding="utf-8")
    return file


def quiet(*args: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KetasimWarning)
        return read_pairwise(*args, **options)


@pytest.mark.parametrize(
    "head",
    [
        "study,TE,seTE", "Studlab,te,SE", "trial,yi,sei", "Author,MD,se_MD", "STUDY;estimate;std.err", "id,Effect,Standard Error",
    ],
)  # fmt: skip
def test_names_of_columns(tmp_path: Path, head: str) -> None:
    separator = ";" if ";" in head else ","
    rows = [f"s1{separator}0.5{separator}0.2", f"s2{separator}-0.1{separator}0.3"]
    found = read_pairwise(written(tmp_path, "\n".join([head, *rows])), "md")
    assert tuple(found.effect) == (0.5, -0.1)
    assert tuple(found.se) == (0.2, 0.3)
    assert found.studies == ("s1", "s2")


def test_variances_and_p_values() -> None:
    rows = [{"study": "a", "yi": 0.5, "vi": 0.04}, {"study": "b", "yi": 0.4, "vi": 0.09}]
    assert read_pairwise(rows, "smd").se == pytest.approx([0.2, 0.3])
    found = read_pairwise([{"study": "a", "md": 1.96, "p": 0.05}], "md")
    assert found.se[0] == pytest.approx(1.96 / 1.959963984540054)


def test_ratios_by_their_intervals() -> None:
    ratio = [{"study": s, "estimate": r, "ci_low": r / f, "ci_high": r * f} for s, r, f in (("a", 0.5, 2.0), ("b", 1.5, 1.8))]
    logs = [{k: v if k == "study" else math.log(v) for k, v in row.items()} for row in ratio]  # type: ignore[arg-type]
    expected = np.log([0.5, 1.5])
    for rows in (ratio, logs):
        found = read_pairwise(rows, "or")
        assert found.effect == pytest.approx(expected)
        assert found.se == pytest.approx(np.log([2.0, 1.8]) / 1.959963984540054)
    # All logarithms above 0: only the shape of the intervals tells.
    high = [{"study": s, "est": y, "lower": y - 0.4, "upper": y + 0.4} for s, y in (("a", 0.9), ("b", 0.6))]
    assert read_pairwise(high, "hr").effect == pytest.approx([0.9, 0.6])
    assert read_pairwise([{"study": "a", "HR": 0.5, "LCL": 0.25, "UCL": 1.0}], "hr").effect == pytest.approx([math.log(0.5)])


def test_intervals_of_another_level() -> None:
    rows = [{"study": "a", "md": 1.0, "low": 0.0, "high": 2.0}]
    assert read_pairwise(rows, "md", level=0.9).se[0] == pytest.approx(1 / 1.6448536269514722)


def test_lopsided_interval_is_said() -> None:
    rows = [{"study": "a", "md": 1.0, "ci_low": 0.0, "ci_high": 5.0}, {"study": "b", "md": 1.0, "ci_low": 0.0, "ci_high": 2.0}]
    with pytest.warns(AsymmetricInterval, match="line 1 the interval is not centred"):
        read_pairwise(rows, "md")


def test_a_ratio_with_a_standard_error_is_refused() -> None:
    with pytest.raises(InvalidData, match="error of the ratio or of its logarithm"):
        read_pairwise([{"study": "a", "or": 0.5, "se": 0.2}], "or")


def test_arms() -> None:
    found = read_pairwise(ARMS, "md", covariates=("year",))
    assert (found.treatment, found.control) == ("ketamine", "placebo")
    assert tuple(found.effect) == (-6.0, -4.0)
    assert found.columns["year"] == ("2010", "2015")
    assert tuple(found.n1) == (30.0, 50.0)
    turned = read_pairwise(ARMS, "md", control="Ketamine")
    assert tuple(turned.effect) == (6.0, 4.0)
    assert read_pairwise(pd.DataFrame(ARMS), "smd").effect == pytest.approx(read_pairwise(ARMS, "smd").effect)


def test_arms_with_standard_errors_and_medians() -> None:
    rows = [
        {"study": "one", "treatment": "drug", "mean": 5.0, "se": 0.5, "n": 16},
        {"study": "one", "treatment": "placebo", "mean": 4.0, "se": 0.6, "n": 25},
        {"study": "two", "treatment": "drug", "median": 6.0, "q1": 4.0, "q3": 8.0, "n": 40},
        {"study": "two", "treatment": "placebo", "mean": 4.0, "se": 0.6, "n": 25},
    ]
    with pytest.warns(EstimatedData, match="estimated in two"):
        found = read_pairwise(rows, "md")
    assert found.effect[0] == 1.0
    assert found.se[0] == pytest.approx(math.hypot(0.5, 0.6))
    assert found.estimated == ("two",)
    assert "median and quartiles" in found.notes["two"]


THREE = [
    {"study": "one", "treatment": t, "events": e, "n": n} for t, e, n in (("low", 12, 40), ("high", 18, 42), ("placebo", 8, 41))
]


def test_several_treated_arms() -> None:
    with pytest.raises(InvalidOption, match="'low' cannot be both"):
        read_pairwise(THREE, "or", treatment="low", control="low")
    combined = read_pairwise(THREE, "or")
    assert combined.effect[0] == pytest.approx(effect("or", CountArm(30, 82), CountArm(8, 41)).estimate)
    assert "2 arms combined" in combined.notes["one"]
    assert combined.counts is not None
    one = read_pairwise(THREE, "or", treatment="high")
    assert one.effect[0] == pytest.approx(effect("or", CountArm(18, 42), CountArm(8, 41)).estimate)
    pooled = read_pairwise(THREE, "or", multi_arm="pool")
    expected = pool_correlated(*multi_arm_effects("or", CountArm(8, 41), [CountArm(12, 40), CountArm(18, 42)]))
    assert (pooled.effect[0], pooled.se[0]) == (pytest.approx(expected[0]), pytest.approx(expected[1]))
    with pytest.raises(InvalidOption, match="combine or pool"):
        read_pairwise(THREE, "or", multi_arm="first")


def test_unclear_control_and_unknown_arms() -> None:
    rows = [r | {"treatment": {"placebo": "b", "ketamine": "a"}[str(r["treatment"])]} for r in ARMS]
    with pytest.raises(InvalidOption, match=r"unclear which arm is the control.*--control.*a, b"):
        read_pairwise(rows, "md")
    assert tuple(read_pairwise(rows, "md", treatment="a").effect) == (-6.0, -4.0)
    with pytest.raises(InvalidOption, match=r"no arm 'plazebo'.* Close: 'placebo'"):
        read_pairwise(ARMS, "md", control="plazebo")


def test_several_controls() -> None:
    rows = [*ARMS[:3], ARMS[3] | {"treatment": "midazolam"}]
    with pytest.raises(InvalidOption, match=r"unclear which arm is the control.*placebo, midazolam"):
        read_pairwise(rows, "md")
    found = read_pairwise(rows, "md", control=["placebo", "midazolam"])
    assert (tuple(found.effect), found.control) == ((-6.0, -4.0), "placebo or midazolam")
    only = quiet(rows, "md", control="midazolam", treatment="ketamine")
    assert only.studies == ("two",)
    assert only.excluded == {"one": "no arm 'midazolam' with all numbers (line 1, 2)"}


def test_both_arms_in_a_row() -> None:
    rows = [{"Study": "a", "event.e": 4, "n.e": 123, "event.c": 11, "n.c": 139}]
    cells = [{"trial": "a", "tpos": 4, "tneg": 119, "cpos": 11, "cneg": 128}]
    for table in (rows, cells):
        found = read_pairwise(table, "or")
        assert found.effect[0] == pytest.approx(effect("or", CountArm(4, 123), CountArm(11, 139)).estimate)
        assert found.counts is not None
        assert tuple(found.counts[0]) == (4, 123, 11, 139)
    means = [{"study": "a", "mean1": 5, "sd1": 2, "n1": 20, "mean2": 4, "sd2": 3, "n2": 25}]
    assert read_pairwise(means, "smd").effect[0] == pytest.approx(effect("smd", MeanArm(5, 2, 20), MeanArm(4, 3, 25)).estimate)


def test_contrasts_with_names_of_arms() -> None:
    rows = [
        {"studlab": "a", "treat1": "esk", "treat2": "plac", "TE": -4.0, "seTE": 1.0},
        {"studlab": "b", "treat1": "plac", "treat2": "esk", "TE": 3.0, "seTE": 1.0},
        {"studlab": "c", "treat1": "ket", "treat2": "plac", "TE": -6.0, "seTE": 1.0},
    ]
    found = read_pairwise(rows, "md", treatment="esk")
    assert tuple(found.effect) == (-4.0, -3.0)
    assert (found.treatment, found.control) == ("esk", "plac")
    with pytest.raises(InvalidOption, match="several comparisons"):
        read_pairwise(rows, "md")
    with pytest.raises(InvalidOption, match="no such comparison"):
        read_pairwise(rows, "md", treatment="esk", control="ket")
    both = read_pairwise(rows, "md", treatment=["esk", "ket"], control="plac")
    assert (tuple(both.effect), both.treatment) == ((-4.0, -3.0, -6.0), "esk or ket")
    three = [*rows, {"studlab": "a", "treat1": "ket", "treat2": "plac", "TE": -5.0, "seTE": 1.0}]
    with pytest.raises(InvalidData, match="line 4: study 'a' has several contrasts"):
        read_pairwise(three, "md", treatment=["esk", "ket"], control="plac")
    assert read_pairwise(rows[1:2], "md").treatment == "plac"
    with pytest.raises(InvalidOption, match="both arms in a row"):
        read_pairwise([{"study": "a", "events1": 1, "n1": 9, "events2": 2, "n2": 9}], "or", control="placebo")
    with pytest.raises(InvalidOption, match="names no arms"):
        read_pairwise([{"study": "a", "TE": 1, "seTE": 1}], "md", control="placebo")


def test_labels_from_author_and_year() -> None:
    rows = [{"id": k, "author": "Zarate", "year": y, "TE": 0.1, "seTE": 0.1} for k, y in ((1, 2006), (2, 2012))]
    assert read_pairwise(rows, "md").studies == ("Zarate 2006", "Zarate 2012")
    with pytest.warns(SharedLabel, match="'Zarate 2006' stands in several rows"):
        found = read_pairwise([r | {"year": 2006} for r in rows], "md")
    assert found.studies == ("Zarate 2006 (1)", "Zarate 2006 (2)")


def test_zero_cells_and_double_zero_are_said() -> None:
    rows = [
        {"study": s, "events1": a, "n1": 20, "events2": c, "n2": 22}
        for s, a, c in (("none", 0, 0), ("half", 0, 3), ("full", 4, 9))
    ]
    with (
        pytest.warns(ContinuityCorrected, match="empty cell in half"),
        pytest.warns(StudyExcluded, match="no events in all its arms"),
    ):
        found = read_pairwise(rows, "or")
    assert found.studies == ("half", "full")
    assert found.corrected == ("half",)
    assert "none" in found.excluded
    assert quiet(rows, "rd").k == 3


def test_missing_numbers_leave_a_study_out() -> None:
    rows = [
        {"study": "a", "TE": 0.1, "seTE": 0.1},
        {"study": "b", "TE": "", "seTE": 0.1},
        {"study": "c", "TE": 0.3, "seTE": "NA"},
    ]
    found = quiet(rows, "md")
    assert found.studies == ("a",)
    assert found.excluded == {"b": "no effect (line 2)", "c": "no standard error, interval or p value (line 3)"}


@pytest.mark.parametrize(
    ("text", "measure", "words"),
    [
        ("study,TE,seTE\na,0.1,0.1\nb,x,0.1", "md", r"data.csv, line 3, column TE: 'x' is no number"),
        ("study,TE,seTE\na,0.1,0.1\nb,0.2,0", "md", r"line 3, column seTE: '0' must be above 0"),
        ("study,TE,seTE\na,0.1,-0.1", "md", r"line 2, column seTE: '-0.1' must be above 0"),
        ("study,md,ci_low,ci_high\na,1,3,2", "md", r"line 2, column ci_low: '3' is no lower limit below 2"),
        ("study,md,ci_low,ci_high\na,1,2,3", "md", r"line 2, column md: the estimate 1 lies outside its interval"),
        ("study,or,ci_low,ci_high\na,-1,0.5,2", "or", r"line 2, column or: '-1' is no ratio above 0"),
        ("study,md,p\na,1,1.2", "md", r"line 2, column p: '1.2' is no p value"),
        ("study,treatment,events,n\na,ket,5,4\na,placebo,1,4", "or", r"line 2, column events: '5' events among 4 patients"),
        ("study,treatment,events,n\na,ket,0.4,40\na,placebo,1,4", "or", r"line 2, column events: '0.4' looks like a proportion"),
        ("study,treatment,mean,sd,n\na,ket,5,-4,20\na,placebo,1,4,20", "md", r"line 2, column sd: '-4' must be above 0"),
        ("study,treatment,mean,sd,n\na,ket,5,4,0\na,placebo,1,4,20", "md", r"line 2, column n: '0' must be above 0"),
        ("study,treatment,median,q1,q3,n\na,ket,5,6,7,20\na,placebo,1,0,4,20", "md", r"line 2, column median: 6, 5, 7: minimum"),
        ("study,foo\na,1", "md", r"no effect with its precision among the columns study, foo"),
        ("label,TE,seTE\na,1,1", "md", r"no column for the study among label"),
        ("study,TE,seTE\na,NA,1", "md", r"no study is left"),
        ("study,TE,seTE", "md", r"holds a header but no rows"),
        ("study,TE,seTE,TE\na,1,1,1", "md", r"column 'TE' stands twice"),
    ],
)
def test_one_message_with_file_line_column_and_value(tmp_path: Path, text: str, measure: str, words: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KetasimWarning)
        with pytest.raises(InvalidData, match=words):
            read_pairwise(written(tmp_path, text), measure)


def test_wrong_requests(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="no such file"):
        read_pairwise(tmp_path / "none.csv", "md")
    with pytest.raises(InvalidOption, match="no effect measure 'ood'"):
        read_pairwise(ARMS, "ood")
    with pytest.raises(InvalidOption, match=r"no column 'yeer'.* Close: 'year'"):
        read_pairwise(ARMS, "md", covariates=("yeer",))
    with pytest.raises(InvalidData, match="study 'one' has several values"):
        read_pairwise([{**r, "year": k} for k, r in enumerate(ARMS)], "md", covariates=("year",))
    with pytest.raises(InvalidOption, match="measure is needed"):
        pairwise(ARMS)
    with pytest.raises(InvalidData, match="have md, smd"):
        type(read_pairwise(ARMS, "md")).from_effects([effect("md", estimate=1, se=1), effect("smd", estimate=1, se=1)])
