"""Pairwise meta-analyses against published results; data/pairwise/README.md says where the data were read.

"metafor" below is the documentation or the test suite of the R package metafor (github.com/wviechtb/metafor): pages in `docs/reference`,
tests in `tests/testthat`, where the numbers of the papers are repeated with the page they stand on.
"""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from ketasim.errors import KetasimWarning
from ketasim.synthesis import (
    CountArm,
    MeanArm,
    PairwiseData,
    asymmetry_test,
    crossover_counts,
    effect,
    meta_regression,
    pairwise,
    read_pairwise,
    trim_and_fill,
)

DATA = Path(__file__).parent / "data" / "pairwise"
BCG, PYGMALION, STROKE, LIDOCAINE, MAGNESIUM = (
    DATA / f"{n}.csv" for n in ("bcg", "raudenbush1985", "normand1999", "hine1989", "egger2001")
)
pytestmark = pytest.mark.reference


def near(*values: float, digits: int = 4) -> Any:
    """As printed with so many decimals."""
    return pytest.approx(values, abs=0.5001 * 10.0**-digits)


@pytest.fixture(scope="module")
def magnesium() -> PairwiseData:
    """Without ISIS-4, as in metafor's page `regtest`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KetasimWarning)
        return read_pairwise(MAGNESIUM, "or").take(list(range(15)))


def test_bcg_effects_of_single_studies() -> None:
    """metafor, page `trimfill` (log risk ratios and variances of all studies); vanhouwelingen2002 (log odds ratios)."""
    rr = read_pairwise(BCG, "rr")
    assert tuple(rr.effect[:4]) == near(-0.88931133, -1.58538866, -1.34807315, -1.44155119, digits=8)
    assert tuple(rr.variance[:4]) == near(0.325584765, 0.194581121, 0.415367965, 0.020010032, digits=9)
    odds = read_pairwise(BCG, "or")
    assert tuple(odds.effect[:7]) == near(-0.9387, -1.6662, -1.3863, -1.4564, -0.2191, -0.9581, -1.6338)
    assert tuple(odds.variance[:7]) == near(0.3571, 0.2081, 0.4334, 0.0203, 0.0520, 0.0099, 0.2270)


def test_bcg_random_effects() -> None:
    """metafor, page `confint.rma`: tau2 and I2 with intervals (its root search is exact to 0.003 percentage points)."""
    found = pairwise(BCG, "rr", method="reml").heterogeneity
    assert (found.tau2, found.tau2_low, found.tau2_high) == near(0.3132, 0.1197, 1.1115)
    assert (found.i2, found.i2_high) == near(92.2214, 97.6781)
    assert found.i2_low == pytest.approx(81.9177, abs=0.004)
    # metafor-project.org, analyses:vanhouwelingen2002: Q-profile interval for the log odds ratios; roots there are exact to 1.2e-4.
    odds = pairwise(BCG, "or").heterogeneity
    assert (odds.tau2_low, odds.tau2_high) == pytest.approx((0.1302, 1.1812), abs=1.3e-4)


@pytest.mark.parametrize(
    ("method", "hk", "tau2", "row"),
    [
        ("ml", False, 0.013, (0.078, 0.047, 1.637, -0.015, 0.171)),
        ("reml", False, 0.019, (0.084, 0.052, 1.621, -0.018, 0.185)),
        ("dl", False, 0.026, (0.089, 0.056, 1.601, -0.020, 0.199)),
        ("he", False, 0.080, (0.114, 0.079, 1.443, -0.041, 0.270)),
        ("ml", True, 0.013, (0.078, 0.059, 1.311, -0.047, 0.202)),
        ("reml", True, 0.019, (0.084, 0.062, 1.359, -0.046, 0.213)),
        ("dl", True, 0.026, (0.089, 0.064, 1.405, -0.044, 0.223)),
        ("he", True, 0.080, (0.114, 0.071, 1.608, -0.035, 0.264)),
    ],
)
def test_teacher_expectancy(method: str, hk: bool, tau2: float, row: tuple[float, ...]) -> None:
    """Raudenbush 2009, Table 16.3 (p. 309), as in metafor's test_analysis_example_raudenbush2009.r."""
    found = _quiet(PYGMALION, "smd", method=method, hk=hk)
    p = found.random
    assert found.heterogeneity.tau2 == pytest.approx(tau2, abs=5.01e-4)
    assert (p.estimate, p.se, p.statistic, p.ci_low, p.ci_high) == near(*row, digits=3)


def test_teacher_expectancy_common_effect_and_prediction() -> None:
    """The same test: Q 35.83, z 1.66; prediction interval with a normal quantile -0.204 to 0.371 (at most 0.019 wider)."""
    found = _quiet(PYGMALION, "smd", prediction="normal")
    assert (found.common.estimate, found.heterogeneity.q) == (pytest.approx(0.060, abs=5e-4), pytest.approx(35.83, abs=5e-3))
    # The bounds come from mean -+ 1.96 root(se^2 + tau2).
    assert (found.random.pi_low, found.random.pi_high) == near(-0.204, 0.371, digits=3)


def test_teacher_expectancy_regression() -> None:
    """Raudenbush 2009, Table 16.2 (p. 301); page `dat.raudenbush1985`: QM 19.258."""
    frame = _read(PYGMALION, "smd", covariates=("weeks",))
    weeks = np.minimum(frame.numbers("weeks"), 3.0)  # type: ignore[type-var]
    data = PairwiseData(frame.studies, frame.effect, frame.se, "smd", frame.n1, frame.n2, None, {"weeks": tuple(map(str, weeks))})
    found = meta_regression(data, covariates=["weeks"], hk=False)
    b = found.coefficients
    assert (b[0].estimate, b[0].se, b[1].estimate, b[1].se) == near(0.407, 0.087, -0.157, 0.036, digits=3)
    assert (b[0].statistic, b[1].statistic) == near(4.68, -4.39, digits=2)
    assert (found.heterogeneity.q, found.heterogeneity.tau2) == (pytest.approx(16.571, abs=6e-4), pytest.approx(0, abs=1e-5))
    assert found.omnibus == pytest.approx(19.258, abs=6e-3)
    assert found.r2 == pytest.approx(100.0, abs=0.01)


def test_bcg_regression_on_latitude_and_year() -> None:
    """easystats `performance`, tests/testthat/test-model_performance.rma.R: R2 0.6463217, I2 0.719778 (tolerance 1e-3 there)."""
    found = _few(BCG, "rr", ["ablat", "year"])
    assert found.r2 == pytest.approx(64.63217, abs=0.02)
    assert found.heterogeneity.i2 == pytest.approx(71.9778, abs=0.02)


def test_berkey_1995() -> None:
    """Berkey et al. 1995, p. 408, as in metafor's test_analysis_example_berkey1995.r: smoothed variances, empirical Bayes."""
    raw = read_pairwise(BCG, "rr", covariates=("ablat",))
    a, n1, c, n2 = raw.counts.T  # type: ignore[union-attr]
    v = ((n1 - a) / a).sum() / (13 * n1) + ((n2 - c) / c).sum() / (13 * n2)
    latitude = tuple(str(float(x) - 33.46) for x in raw.columns["ablat"])
    data = PairwiseData(raw.studies, raw.effect, np.sqrt(v), "rr", raw.n1, raw.n2, None, {"latitude": latitude})
    mean = pairwise(data, method="eb")
    assert (mean.random.estimate, mean.random.se) == near(-0.5429, 0.1842)
    assert mean.heterogeneity.tau2 == pytest.approx(0.268, abs=5.01e-4)
    line = meta_regression(data, covariates=["latitude"], method="eb", hk=False)
    b = line.coefficients
    assert (b[0].estimate, b[1].estimate, b[0].se, b[1].se) == near(-0.6303, -0.0268, 0.1591, 0.0110)
    assert line.heterogeneity.tau2 == pytest.approx(0.157, abs=5.01e-4)
    assert round(line.r2) == 41
    assert tuple(math.exp(line.predict(latitude=x)["estimate"]) for x in (0.0, 42 - 33.46)) == near(0.53, 0.42, digits=2)


def test_stroke_care() -> None:
    """metafor, page `dat.normand1999`: mean differences and standardised differences, REML."""
    md, smd = pairwise(STROKE, "md"), pairwise(STROKE, "smd")
    assert tuple(md.data.variance) == near(40.5080, 2.0806, 15.6984, 150.2222, 17.3077, 1.1673, 94.5891, 6.3109, 19.8423)
    h, p = md.heterogeneity, md.random
    assert (h.tau2, h.q, p.estimate, p.se) == near(684.6462, 238.9158, -15.1060, 8.9466)
    assert h.tau2_se == pytest.approx(359.7541, abs=6e-5)
    assert (h.i2, h.h2) == near(98.97, 97.21, digits=2)
    h, p = smd.heterogeneity, smd.random
    assert (h.tau2, h.tau2_se, h.q, p.estimate, p.se) == near(0.7908, 0.4281, 123.7293, -0.5371, 0.3087)
    assert (p.statistic, p.p, p.ci_low, p.ci_high) == near(-1.7401, 0.0818, -1.1421, 0.0679)
    # metafor's test_misc_escalc.r, measure SMD
    assert tuple(smd.data.effect[:4]) == near(-0.3552, -0.3479, -2.3176, -1.8880)
    assert tuple(smd.data.variance[:4]) == near(0.0131, 0.0645, 0.0458, 0.1606)


def test_lidocaine_from_arms() -> None:
    """Normand 1999, Tables III and VII, as in metafor's test_analysis_example_normand1999.r; page `dat.hine1989`."""
    found = pairwise(LIDOCAINE, "rd")
    assert tuple(100 * found.data.effect) == near(2.8026, 0.0, 1.9711, 1.7961, 3.5334, 4.4031)
    assert tuple(1e4 * found.data.variance) == near(17.7575, 37.5657, 8.1323, 10.8998, 8.0114, 6.1320)
    p, h = found.random, found.heterogeneity
    assert (p.estimate, p.se, p.ci_low, p.ci_high, h.q) == near(0.0294, 0.0131, 0.0038, 0.0551, 0.8597)
    assert (h.tau2, h.p_q) == (0.0, pytest.approx(0.9731, abs=5.1e-5))
    assert (found.data.treatment, found.data.control) == ("lidocaine", "control")


def test_mantel_haenszel_of_bcg() -> None:
    """metafor, page `rma.mh`: odds ratio and risk ratio."""
    for measure, row, ratio in (
        ("or", (-0.4734, 0.0410, -11.5444, -0.5538, -0.3930), (0.6229, 0.5748, 0.6750)),
        ("rr", (-0.4537, 0.0393, -11.5338, -0.5308, -0.3766), (0.6353, 0.5881, 0.6862)),
    ):
        p = pairwise(BCG, measure, pooling="mh").common
        assert (p.estimate, p.se, p.statistic, p.ci_low, p.ci_high) == near(*row)
        assert tuple(p.natural(x) for x in (p.estimate, p.ci_low, p.ci_high)) == near(*ratio)


def test_peto() -> None:
    """metafor, pages `rma.peto` (BCG) and `dat.egger2001` (magnesium, with and without ISIS-4)."""
    found = pairwise(BCG, "or", pooling="peto")
    p = found.common
    assert (p.estimate, p.se, p.statistic, p.ci_low, p.ci_high) == near(-0.4744, 0.0407, -11.6689, -0.5541, -0.3948)
    assert found.heterogeneity.q == pytest.approx(167.7302, abs=6e-5)
    everything = _quiet(MAGNESIUM, "or", pooling="peto")
    assert (everything.common.estimate, everything.common.se, everything.heterogeneity.q) == near(0.01, 0.03, 55.80, digits=2)


def test_magnesium_and_egger(magnesium: PairwiseData) -> None:
    """metafor, page `regtest`: REML without ISIS-4, the classical Egger test and its limit."""
    found = pairwise(magnesium)
    h, p = found.heterogeneity, found.random
    assert (h.tau2, h.tau2_se, h.q, h.p_q, p.estimate, p.se) == near(0.1911, 0.2106, 20.9184, 0.1037, -0.8745, 0.2080)
    assert (h.i2, h.h2) == near(38.19, 1.62, digits=2)
    assert tuple(found.data.effect[:8]) == near(
        -0.83034830, -1.05605267, -1.27833981, -0.04348511, 0.22314355, -2.40751999, -1.28093385, -1.19170271, digits=8
    )
    egger = asymmetry_test(found, "egger")
    assert (egger.statistic, egger.p, egger.limit, egger.limit_low, egger.limit_high) == near(
        -3.1783, 0.0073, -0.1512, -0.5130, 0.2106
    )
    assert egger.df == 13


def test_begg_of_bcg() -> None:
    """metafor, page `ranktest`."""
    found = asymmetry_test(pairwise(BCG, "rr"), "begg")
    assert (found.estimate, found.p) == near(0.0256, 0.9524)


def test_trim_and_fill_of_bcg() -> None:
    """metafor, page `trimfill`: equal effects with L0 and R0, random effects with L0."""
    result = pairwise(BCG, "rr")
    for estimator, error in (("L0", 2.3853), ("R0", 3.1623)):
        found = trim_and_fill(result, estimator, model="common")
        assert (found.missing, found.side) == (4, "right")
        p = found.common
        assert (found.missing_se, p.estimate, p.se, p.ci_low, p.ci_high) == near(error, -0.2910, 0.0383, -0.3660, -0.2160)
    found = trim_and_fill(result)
    assert found.missing == 1
    p = found.random
    assert (found.missing_se, p.estimate, p.se, p.ci_low, p.ci_high) == near(2.4528, -0.6571, 0.1785, -1.0070, -0.3072)
    assert pairwise(found.data).heterogeneity.tau2 == pytest.approx(0.3313, abs=5.1e-5)


def test_means_from_medians() -> None:
    """metafor, page `conv.fivenum`: mean and SD from range (case 1) and quartiles (case 2); the mean of case 3."""
    low = MeanArm.from_quantiles(20, 6, minimum=2, maximum=14)
    middle = MeanArm.from_quantiles(20, 6, q1=4, q3=10)
    both = MeanArm.from_quantiles(20, 6, q1=4, q3=10, minimum=2, maximum=14)
    assert (low.mean, low.sd, middle.mean, middle.sd, both.mean) == near(
        6.594468, 3.211576, 6.719500, 4.787076, 6.938841, digits=6
    )
    # Wan et al. 2014, section "Scenario S3": the mean of the deviations of range and quartiles.
    assert both.sd == pytest.approx((low.sd + middle.sd) / 2, rel=1e-12)


def test_paired_counts() -> None:
    """metafor's test_misc_escalc.r, measures MPRD, MPRR and MPORC with 20, 10, 5 and 20 pairs."""
    for measure, estimate, variance in (("rd", 0.0909, 0.0048), ("rr", 0.1823, 0.0200), ("or", 0.6931, 0.3000)):
        found = crossover_counts(measure, 20, 10, 5, 20)
        assert (found.estimate, found.variance) == near(estimate, variance)


def test_single_effects_of_bcg() -> None:
    """metafor's test_misc_escalc.r: summary of the first study, risk ratio and odds ratio."""
    arms = CountArm(4, 123), CountArm(11, 139)
    for measure, se, low, high in (("rr", 0.5706, -2.0077, 0.2290), ("or", 0.5976, -2.1100, 0.2326)):
        found = effect(measure, *arms)
        assert (found.se, *found.interval()) == near(se, low, high)


def test_command_line() -> None:
    from ketasim.cli._app import app

    words = ["synthesize", "pairwise", "--data", str(BCG), "--measure", "RR", "--method", "reml", "--json"]
    found = json.loads(CliRunner().invoke(app, words).stdout)
    assert (found["tau2"], found["random"]["estimate"]) == near(0.3132, -0.7145)
    assert found["random"]["exp_estimate"] == pytest.approx(math.exp(found["random"]["estimate"]))
    assert len(found["studies"]) == 13


def _quiet(path: Path, measure: str, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KetasimWarning)
        return pairwise(path, measure, **options)


def _read(path: Path, measure: str, **options: Any) -> PairwiseData:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KetasimWarning)
        return read_pairwise(path, measure, **options)


def _few(path: Path, measure: str, covariates: list[str]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KetasimWarning)
        return meta_regression(path, measure, covariates, hk=False)
