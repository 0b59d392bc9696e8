"""Small-study effects: tests of funnel asymmetry, trim and fill. Asymmetry has more causes than unpublished studies."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from ketasim.arguments import checked
from ketasim.errors import InvalidData, InvalidOption, close_names, warn
from ketasim.synthesis._heterogeneity import estimate_tau2, least_squares
from ketasim.synthesis._network_data import Floats
from ketasim.synthesis._pairwise import PairwiseResult
from ketasim.synthesis._pairwise_data import PairwiseData
from ketasim.synthesis._pairwise_pool import Pooled, Rules, pool
from ketasim.synthesis._regression import FewStudies

if TYPE_CHECKING:
    import pandas as pd

#: Below so many studies tests of asymmetry have too little power to tell chance from asymmetry (Sterne et al. 2011).
FEWEST = 10
CAVEAT = (
    "fewer than 10 studies: tests of funnel asymmetry have too little power to tell chance from real asymmetry (Sterne et al. 2011); do not "
    "read them as evidence that there is none."
)
TESTS = ("egger", "begg", "peters", "harbord")


@dataclass(frozen=True)
class AsymmetryTest:
    """A test of funnel asymmetry.

    Attributes
    ----------
    test : egger, begg, peters or harbord. statistic, df, p : of the test. estimate, se : the intercept (Egger, Harbord), the slope
        (Peters) or Kendall's tau (Begg; no standard error). limit, limit_low, limit_high : effect expected in a study of infinite
        size (Egger, Peters), NaN elsewhere. k : studies. caveat : empty with 10 studies or more.
    """

    test: str
    statistic: float
    df: int
    p: float
    estimate: float
    se: float
    limit: float
    limit_low: float
    limit_high: float
    k: int
    caveat: str

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    def to_dataframe(self) -> pd.DataFrame:
        """One row."""
        import pandas as pd

        return pd.DataFrame([self.as_dict()])


@checked
def asymmetry_test(result: PairwiseResult | PairwiseData, test: str = "egger") -> AsymmetryTest:
    """A test of funnel asymmetry.

    Notes
    -----
    egger : effect / se on 1 / se, the intercept (Egger et al. 1997). begg : Kendall's rank correlation of standardised effects with
    their variances (Begg & Mazumdar 1994), exact without ties. peters : effect on 1 / patients, weighted by events and non-events
    (Peters et al. 2006). harbord : score / root(information) on root(information), the intercept (Harbord et al. 2006). Egger's test
    of odds ratios and of standardised differences is too often positive, as effect and error depend on each other.

    Raises
    ------
    InvalidData: fewer than three studies, or equal precision in all. InvalidOption: no such test, or no counts for it.
    """
    data = result.data if isinstance(result, PairwiseResult) else result
    tests: dict[str, Callable[[PairwiseData], AsymmetryTest]] = {
        "egger": _egger,
        "begg": _begg,
        "peters": _peters,
        "harbord": _harbord,
    }
    if test not in tests:
        raise InvalidOption(f"no test of asymmetry '{test}'.{close_names(test, TESTS)} Use one of {', '.join(TESTS)}.")
    if data.k < 3:
        raise InvalidData(f"{data.name}: a test of funnel asymmetry needs at least 3 studies; here is {data.k}.")
    if data.k < FEWEST:
        warn(f"{data.name}: {CAVEAT}", FewStudies, stacklevel=3)
    return tests[test](data)


def _caveat(k: int) -> str:
    return CAVEAT if k < FEWEST else ""


def _line(y: Floats, x: Floats, w: Floats, name: str) -> tuple[Floats, Floats]:
    """Weighted regression with a variance factor: coefficients (intercept, slope) and their standard errors."""
    if np.ptp(x) <= 1e-10 * np.abs(x).max():
        raise InvalidData(f"{name}: all studies have the same precision; there is no funnel to be asymmetric.")
    fit = least_squares(y, 1 / w, np.column_stack([np.ones(len(x)), x]))
    return fit.coefficients, np.sqrt(np.diag(fit.covariance) * fit.q / (len(x) - 2))


def _regression_test(data: PairwiseData, name: str, b: Floats, se: Floats, tested: int, limit: int) -> AsymmetryTest:
    df = data.k - 2
    t = float(b[tested] / se[tested]) if se[tested] > 0 else math.nan
    half = float(stats.t.isf(0.025, df)) * float(se[limit]) if limit >= 0 else math.nan
    at = float(b[limit]) if limit >= 0 else math.nan
    return AsymmetryTest(
        name, t, df, float(2 * stats.t.sf(abs(t), df)), float(b[tested]), float(se[tested]), at, at - half, at + half, data.k,
        _caveat(data.k),
    )  # fmt: skip


def _egger(data: PairwiseData) -> AsymmetryTest:
    # Regression of the effect on its error, weights 1 / se^2: the slope here is the intercept of Egger's form.
    b, se = _line(data.effect, data.se, 1 / data.variance, data.name)
    return _regression_test(data, "egger", b, se, 1, 0)


def _peters(data: PairwiseData) -> AsymmetryTest:
    a, n1, c, n2 = _counts(data, "peters")
    events, n = a + c, n1 + n2
    good = (events > 0) & (events < n)
    w = np.where(good, 1 / (1 / np.where(good, events, 1.0) + 1 / np.where(good, n - events, 1.0)), 1e-12)
    b, se = _line(data.effect, 1 / n, w, data.name)
    return _regression_test(data, "peters", b, se, 1, 0)


def _harbord(data: PairwiseData) -> AsymmetryTest:
    if data.measure != "or":
        raise InvalidOption(f"Harbord's test is for odds ratios, not {data.measure}.")
    a, n1, c, n2 = _counts(data, "harbord")
    n, events = n1 + n2, a + c
    z = a - events * n1 / n
    v = n1 * n2 * events * (n - events) / (n**2 * (n - 1))
    b, se = _line(z / v, 1 / np.sqrt(v), v, data.name)
    return _regression_test(data, "harbord", b, se, 1, -1)


def _counts(data: PairwiseData, test: str) -> tuple[Floats, Floats, Floats, Floats]:
    if data.counts is None or data.measure not in ("or", "rr", "rd"):
        raise InvalidOption(
            f"{data.name}: the test of {test.capitalize()} needs events and patients of both arms; use egger or begg."
        )
    a, n1, c, n2 = data.counts.T
    return a, n1, c, n2


def _begg(data: PairwiseData) -> AsymmetryTest:
    v, w = data.variance, 1 / data.variance
    spread = v - 1 / w.sum()
    z = (data.effect - float(w @ data.effect / w.sum())) / np.sqrt(spread)
    ties = len(np.unique(z)) < data.k or len(np.unique(v)) < data.k
    if len(np.unique(v)) == 1:
        raise InvalidData(f"{data.name}: all studies have the same precision; there is no funnel to be asymmetric.")
    found = stats.kendalltau(z, v, method="asymptotic" if ties or data.k > 50 else "exact")
    nan = math.nan
    return AsymmetryTest(
        "begg", float(found.statistic), 0, float(found.pvalue), float(found.statistic), nan, nan, nan, nan, data.k, _caveat(data.k)
    )  # fmt: skip


@dataclass(frozen=True)
class TrimFill:
    """Trim and fill (Duval & Tweedie 2000): studies that would make the funnel symmetric, and the effect with them.

    Attributes
    ----------
    estimator : L0 or R0. side : where studies are missing. missing, missing_se : their estimated number.
    data : observed studies, then the filled ones. common, random : pooled effects with them. caveat : what this is not.
    """

    estimator: str
    side: str
    missing: int
    missing_se: float
    data: PairwiseData
    common: Pooled
    random: Pooled
    caveat: str

    @property
    def filled(self) -> PairwiseData:
        """The studies added."""
        return self.data.take(list(range(self.data.k - self.missing, self.data.k)))

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "estimator": self.estimator, "side": self.side, "missing": self.missing, "missing_se": self.missing_se,
            "common": self.common.as_dict(), "random": self.random.as_dict(), "caveat": self.caveat,
        }  # fmt: skip

    def to_dataframe(self) -> pd.DataFrame:
        """One row per study, those filled in marked."""
        frame = self.data.to_dataframe()[["study", "estimate", "se"]]
        return frame.assign(filled=np.arange(self.data.k) >= self.data.k - self.missing)


@checked
def trim_and_fill(
    result: PairwiseResult, estimator: str = "L0", side: str = "", model: str = "random", iterations: int = 100
) -> TrimFill:
    """Trim and fill around the pooled effect of a model.

    Parameters
    ----------
    estimator : L0 or R0. side : ``left`` or ``right``, where studies are missing; from the sign of Egger's slope if not given.
    model : common or random, in the trimming.

    Raises
    ------
    InvalidOption: no such estimator, side or model. InvalidData: fewer than three studies.
    """
    if estimator not in ("L0", "R0"):
        raise InvalidOption(f"no estimator '{estimator}'. Use L0 or R0.")
    if side not in ("", "left", "right"):
        raise InvalidOption(f"no side '{side}'. Use left or right, or leave it out.")
    data, rules = result.data, result.rules
    result.model(model)
    if data.k < 3:
        raise InvalidData(f"{data.name}: trim and fill needs at least 3 studies; here is {data.k}.")
    side = side or ("right" if _slope(data, rules, model) < 0 else "left")
    # Worked out as if studies were missing on the left; the other side is its mirror image.
    sign = 1.0 if side == "left" else -1.0
    order = np.argsort(sign * data.effect, kind="stable")
    y, v = sign * data.effect[order], data.variance[order]
    missing, error = 0, 0.0
    for _ in range(iterations):
        kept = slice(0, data.k - missing)
        middle = _mean(y[kept], v[kept], rules, model)
        found, error = _missing(y - middle, estimator)
        if found == missing:
            break
        missing = min(found, data.k - 2)
    middle = _mean(y[: data.k - missing], v[: data.k - missing], rules, model)
    extra = slice(data.k - missing, data.k)
    filled = _with_filled(data, sign * (2 * middle - y[extra]), np.sqrt(v[extra]))
    common, random, _ = pool(filled, replace(rules, pooling="inverse"))
    caveat = "a sensitivity analysis: it moves studies by symmetry alone, whatever made the funnel asymmetric."
    return TrimFill(estimator, side, missing, error, filled, common, random, f"{_caveat(data.k)} {caveat}".strip())


def _slope(data: PairwiseData, rules: Rules, model: str) -> float:
    x = np.column_stack([np.ones(data.k), data.se])
    if np.ptp(data.se) <= 1e-10 * data.se.max() or data.k < 4:
        return float(stats.skew(data.effect))
    tau2 = estimate_tau2(data.effect, data.variance, x, rules.method) if model == "random" else 0.0
    return float(least_squares(data.effect, data.variance, x, tau2).coefficients[1])


def _mean(y: Floats, v: Floats, rules: Rules, model: str) -> float:
    tau2 = estimate_tau2(y, v, None, rules.method) if model == "random" and len(y) > 1 else 0.0
    return float(least_squares(y, v, np.ones((len(y), 1)), tau2).coefficients[0])


def _missing(centred: Floats, estimator: str) -> tuple[int, float]:
    """Number of missing studies from ranks of distances to the middle, and its standard error."""
    k = len(centred)
    ranks = stats.rankdata(np.abs(centred), method="ordinal")
    if estimator == "R0":
        negative = ranks[centred < 0]
        run = k - int(negative.max()) if len(negative) else k
        return max(0, run - 1), math.sqrt(2 * max(0, run - 1) + 2)
    above = float(ranks[centred > 0].sum())
    found = max(0.0, (4 * above - k * (k + 1)) / (2 * k - 1))
    variance = (
        k * (k + 1) * (2 * k + 1)
        + 10 * found**3
        + 27 * found**2
        + 17 * found
        - 18 * k * found**2
        - 18 * k * found
        + 6 * k**2 * found
    ) / 24
    return round(found), 4 * math.sqrt(max(variance, 0.0)) / (2 * k - 1)


def _with_filled(data: PairwiseData, effect: Floats, se: Floats) -> PairwiseData:
    m = len(effect)
    nan = np.full(m, np.nan)
    names = tuple(f"filled {k + 1}" for k in range(m))
    return PairwiseData(
        data.studies + names, np.concatenate([data.effect, effect]), np.concatenate([data.se, se]), data.measure,
        np.concatenate([data.n1, nan]), np.concatenate([data.n2, nan]), None, {}, data.notes, data.estimated, data.corrected,
        data.excluded, data.name, data.treatment, data.control,
    )  # fmt: skip
