"""Reading networks: formats, spellings, continuity, and refusals that name file, line, column and value."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.unit.synthesis_network.networks import Rows, contrast

from ketasim.errors import InvalidData, InvalidOption
from ketasim.synthesis import network_meta_analysis, read_network
from ketasim.synthesis._network_data import ContinuityCorrected, ImplausibleVariance, StudyExcluded

COUNTS = "study,treatment,events,n\n1,a,10,50\n1,b,20,50\n2,b,12,40\n2,c,18,40\n"
MEANS = "study,treatment,mean,sd,n\n1,a,10,5,50\n1,b,12,6,50\n2,b,11,5,40\n2,c,15,5,40\n"
CONTRASTS = "studlab,treat1,treat2,TE,seTE\n1,a,b,0.5,0.1\n2,b,c,0.3,0.2\n"


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "net.csv"
    path.write_text(text)
    return path


def test_names_of_columns(tmp_path: Path) -> None:
    """Any letter case, usual synonyms, quotes, semicolons with decimal commas, comments and empty lines."""
    plain = network_meta_analysis(file(tmp_path, CONTRASTS), "md", "a").common.effect
    for text in (
        '# a comment\n"","StudyID","Trt1","T2","Effect","Std.Err"\n\n"1","1","a","b","0.5","0.1"\n"2","2","b","c","0.3","0.2"\n',
        "STUDY;TREAT1;TREAT2;TE;SETE\n1;a;b;0,5;0,1\n2;b;c;0,3;0,2\n",
        "study\ttreat1\ttreat2\tlogOR\tselogOR\n1\ta\tb\t0.5\t0.1\n2\tb\tc\t0.3\t0.2\n",
        "﻿" + CONTRASTS,
    ):
        assert network_meta_analysis(file(tmp_path, text), "md", "a").common.effect == pytest.approx(plain, abs=0)
    assert read_network(file(tmp_path, COUNTS.replace("treatment", "Arm").replace("events", "r")), "or").treatments == (
        "a",
        "b",
        "c",
    )


def test_a_frame_is_as_good_as_a_file(tmp_path: Path) -> None:
    path = file(tmp_path, MEANS)
    one, other = read_network(path, "md"), read_network(pd.read_csv(path), "md")
    assert [s.effect.tolist() for s in one.studies] == [s.effect.tolist() for s in other.studies]
    assert one.patients() == {"a": 50, "b": 90, "c": 40}


def test_arm_contrasts_in_closed_form(tmp_path: Path) -> None:
    odds = read_network(file(tmp_path, COUNTS), "or").studies[0]
    assert odds.effect[0] == pytest.approx(np.log((20 / 30) / (10 / 40)), rel=1e-12)
    assert odds.cov[0, 0] == pytest.approx(1 / 20 + 1 / 30 + 1 / 10 + 1 / 40, rel=1e-12)
    risk = read_network(file(tmp_path, COUNTS), "rr").studies[0]
    assert (risk.effect[0], risk.cov[0, 0]) == (pytest.approx(np.log(2)), pytest.approx(1 / 20 - 1 / 50 + 1 / 10 - 1 / 50))
    difference = read_network(file(tmp_path, COUNTS), "rd").studies[0]
    assert (difference.effect[0], difference.cov[0, 0]) == (pytest.approx(0.2), pytest.approx(0.4 * 0.6 / 50 + 0.2 * 0.8 / 50))
    mean = read_network(file(tmp_path, MEANS), "md").studies[0]
    assert (mean.effect[0], mean.cov[0, 0]) == (pytest.approx(2.0), pytest.approx(25 / 50 + 36 / 50))


def test_standard_errors_of_means_instead_of_deviations(tmp_path: Path) -> None:
    path = file(tmp_path, "study,treatment,mean,se\n1,a,10,0.5\n1,b,12,0.6\n")
    assert read_network(path, "md").studies[0].cov[0, 0] == pytest.approx(0.25 + 0.36)
    with pytest.raises(InvalidData, match="no column for n"):
        read_network(path, "smd")


def test_multi_arm_contrasts_share_their_base() -> None:
    rows = [
        {"study": "1", "treatment": t, "mean": m, "sd": 2.0, "n": n} for t, m, n in (("a", 1, 10), ("b", 2, 20), ("c", 4, 40))
    ]
    study = read_network(rows, "md").studies[0]
    assert study.cov == pytest.approx(np.array([[0.6, 0.4], [0.4, 0.5]]))
    assert study.pair("c", "b") == (pytest.approx(2.0), pytest.approx(0.1 + 0.2))


def test_standardised_differences() -> None:
    """Hedges' g by the exact factor, with the covariance of contrasts that share an arm and a standard deviation."""
    arms = (("a", 1.0, 2.0, 12), ("b", 2.0, 2.5, 15), ("c", 4.0, 3.0, 20))
    rows: Rows = [{"study": "1", "treatment": t, "mean": m, "sd": s, "n": n} for t, m, s, n in arms]
    pooled = ((11 * 4.0 + 14 * 6.25 + 19 * 9.0) / 44) ** 0.5
    g = (1 - 3 / (4 * 44 - 1)) * np.array([1.0, 3.0]) / pooled
    study = read_network(rows, "smd").studies[0]
    assert study.effect == pytest.approx(g, rel=1e-4)  # the usual approximation of the factor is good to 1e-4 here
    assert study.cov[0, 0] == pytest.approx(1 / 15 + 1 / 12 + g[0] ** 2 / (2 * 47), rel=1e-4)
    assert study.cov[0, 1] == pytest.approx(1 / 12 + g[0] * g[1] / (2 * 47), rel=1e-4)
    for row in rows:
        row["n"] = 1
    with pytest.warns(StudyExcluded, match="too few patients"), pytest.raises(InvalidData, match="no study is left"):
        read_network(rows, "smd")


def test_zero_events() -> None:
    """One half to every cell of a study with a zero; double-zero studies leave with a warning."""
    arms = [("1", "a", 0, 50), ("1", "b", 5, 50), ("2", "a", 4, 40), ("2", "b", 8, 40), ("3", "a", 0, 30), ("3", "b", 0, 30)]
    rows: Rows = [dict(zip(("study", "treatment", "events", "n"), a, strict=True)) for a in arms]
    with pytest.warns(ContinuityCorrected, match="0.5 is added"), pytest.warns(StudyExcluded, match="study '3'.*no events"):
        found = read_network(rows, "or")
    assert list(found.excluded) == ["3"]
    assert found.studies[0].effect[0] == pytest.approx(np.log((5.5 / 45.5) / (0.5 / 50.5)))
    assert found.studies[1].effect[0] == pytest.approx(np.log((8 / 32) / (4 / 36)))
    with pytest.warns(ContinuityCorrected):
        differences = read_network(rows, "rd")
    assert len(differences.studies) == 3
    assert differences.studies[0].effect[0] == pytest.approx(0.1)


def test_missing_numbers_leave_with_a_warning(tmp_path: Path) -> None:
    with pytest.warns(StudyExcluded, match=r"study '2'.*line 3"):
        found = read_network(file(tmp_path, CONTRASTS.replace("0.3,0.2", "0.3,NA") + "3,b,c,0.1,0.2\n"), "md")
    assert [s.study for s in found.studies] == ["1", "3"]
    with pytest.warns(StudyExcluded, match="fewer than two arms"):
        found = read_network(file(tmp_path, COUNTS.replace("18,40", ",40") + "3,b,5,20\n3,c,6,20\n"), "or")
    assert [s.study for s in found.studies] == ["1", "3"]


@pytest.mark.parametrize(
    ("text", "measure", "said"),
    [
        (CONTRASTS.replace("0.3,0.2", "none yet,0.2"), "md", "line 3, column TE: 'none yet' is no number"),
        (CONTRASTS.replace("0.3,0.2", "0.3,0"), "md", "line 3, column seTE: the standard error is 0; it must be above 0"),
        (CONTRASTS.replace("0.3,0.2", "0.3,-0.2"), "md", "line 3, column seTE: the standard error is -0.2"),
        (CONTRASTS.replace("2,b,c", "2,b,b"), "md", "line 3: study '2' compares 'b' with itself"),
        (CONTRASTS + "1,b,a,-0.5,0.1\n", "md", "line 4: study '1' compares 'b' and 'a' twice"),
        (CONTRASTS + "1,b,c,0.5,0.1\n", "md", "3 arms and 2 of the 3 contrasts between them; missing: a - c"),
        (CONTRASTS + "3,d,e,0.5,0.1\n", "md", r"disconnected, in 2 parts .*\(1\) a, b, c; \(2\) d, e"),
        (CONTRASTS.replace("2,b,c", "2,B,c"), "md", "written 'B' and 'b'"),
        (CONTRASTS.replace("1,a,b", "1,,b"), "md", "line 2, column treat1: is empty"),
        (COUNTS + "2,b,3,40\n", "or", "line 6, column treatment: study '2' has two arms 'b' .*line 4"),
        (COUNTS + "3,a,3,40\n", "or", "line 6: study '3' has a single arm"),
        (COUNTS.replace("18,40", "41,40"), "or", "line 5, column events: '41' events among 40 patients"),
        (COUNTS.replace("18,40", "18.5,40"), "or", "counts are whole numbers"),
        (COUNTS.replace("18,40", "18,0"), "or", "line 5, column n: '0' patients"),
        (COUNTS, "md", "the measure md needs means per arm"),
        (COUNTS, "hr", "hazard ratios come as contrasts"),
        (MEANS, "or", "the measure or needs counts per arm"),
        (MEANS.replace("15,5,40", "15,0,40"), "md", "line 5, column sd: '0' is not above 0"),
        ("a,b\n1,2\n", "md", "neither contrasts nor arms in the columns a, b"),
        ("treat1,treat2,TE,seTE\na,b,1,1\n", "md", "no column for 'study'"),
        ("studlab,treat1,treat2,TE,seTE\n", "md", "no rows"),
        ("", "md", "holds no rows"),
        ("studlab,studlab,treat1\n1,1,1\n", "md", "'studlab' stands twice"),
        ("studlab,treat1,treat2,TE,seTE\n1,a,b,0,5,0,1\n", "md", "line 2: has 7 cells where the header has 5"),
    ],
)  # fmt: skip
def test_refusals(tmp_path: Path, text: str, measure: str, said: str) -> None:
    path = file(tmp_path, text)
    with pytest.raises(InvalidData, match=said) as caught:
        network_meta_analysis(path, measure)
    assert str(path) in str(caught.value)


def test_file_and_measure_must_exist(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="no such file"):
        read_network(tmp_path / "none.csv", "md")
    with pytest.raises(InvalidOption, match=r"no effect measure 'odds'.*md, smd, or"):
        read_network(file(tmp_path, CONTRASTS), "odds")
    with pytest.raises(InvalidOption, match=r"no column 'year'"):
        read_network(file(tmp_path, CONTRASTS), "md", covariates=["year"])


def test_multi_arm_contradictions() -> None:
    """Effects must close the triangle, standard errors must be those of differences."""
    good = [contrast("1", "a", "b", 0.5, 0.3), contrast("1", "b", "c", 0.2, 0.3), contrast("1", "a", "c", 0.7, 0.3)]
    read_network(good, "md")
    with pytest.raises(InvalidData, match=r"study '1' contradict each other: .* but follows from the other contrasts"):
        read_network([*good[:2], contrast("1", "a", "c", -0.7, 0.3)], "md")
    with pytest.raises(InvalidData, match=r"standard errors of the 3 contrasts of study '1' contradict"):
        read_network([*good[:2], contrast("1", "a", "c", 0.7, 0.7)], "md")
    with pytest.warns(ImplausibleVariance, match="arm 'b'"):
        read_network([*good[:2], contrast("1", "a", "c", 0.7, 0.5)], "md")


def test_rounding_of_multi_arm_effects_is_allowed() -> None:
    rows = [contrast("1", "a", "b", 0.33, 0.3), contrast("1", "b", "c", 0.33, 0.3), contrast("1", "a", "c", 0.67, 0.3)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study = read_network(rows, "md").studies[0]
    assert 0 < study.misfit < 0.01


def test_covariates_are_one_per_study(tmp_path: Path) -> None:
    text = "study,treatment,events,n,year\n1,a,10,50,1990\n1,b,20,50,1990\n2,b,12,40,\n2,c,18,40,2001\n"
    assert read_network(file(tmp_path, text), "or", covariates=["Year"]).covariates == {"Year": ("1990", "2001")}
    with pytest.raises(InvalidData, match="several values"):
        read_network(file(tmp_path, text.replace("1,b,20,50,1990", "1,b,20,50,1991")), "or", covariates=["year"])


def test_standard_errors_of_different_scales_are_refused() -> None:
    rows = [contrast("1", "a", "b", 0.1, 1e-300), contrast("2", "a", "b", 0.2, 0.3)]
    with pytest.raises(InvalidData, match="differ more than a million times"):
        network_meta_analysis(rows, "md")
