"""Three levels against published results of metafor, and closed forms of the robust variance."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from ketasim.errors import InvalidData
from ketasim.synthesis import PairwiseData, multilevel, pairwise

DATA = Path(__file__).parent / "data" / "pairwise" / "konstantopoulos2011.csv"


def _effects(y: np.ndarray, se: np.ndarray) -> PairwiseData:
    n = np.full(len(y), np.nan)
    return PairwiseData(tuple(f"e{i}" for i in range(len(y))), y, se, "smd", n, n)


def _schools() -> tuple[PairwiseData, list[str]]:
    with DATA.open(newline="") as file:
        rows = list(csv.DictReader(file))
    y, v = (np.array([float(row[k]) for row in rows]) for k in ("yi", "vi"))
    return _effects(y, np.sqrt(v)), [row["district"] for row in rows]


@pytest.mark.parametrize(("method", "expected"), [("ml", (0.184, 0.080, 0.058, 0.033)), ("reml", (0.185, 0.085, 0.065, 0.033))])
def test_schools_in_districts(method: str, expected: tuple[float, ...]) -> None:
    """Konstantopoulos 2011, table 5 (ML), and metafor's own test of it (REML)."""
    found = multilevel(*_schools(), method=method)
    assert tuple(round(x, 3) for x in (found.estimate, found.se, found.tau2_study, found.tau2_effect)) == expected
    assert (found.k, found.studies) == (56, 11)


def test_balanced_studies_have_closed_forms() -> None:
    """k studies of m effects with one variance v: analysis of variance gives REML, and CR2 the spread of study means, df k - 1."""
    rng = np.random.default_rng(11)
    k, m, v = 7, 4, 0.03
    y = rng.normal(0.4, 0.5, (k, 1)) + rng.normal(0, 0.4, (k, m))
    found = multilevel(_effects(y.ravel(), np.full(k * m, v**0.5)), [f"s{i}" for i in range(k) for _ in range(m)])
    means = y.mean(axis=1)
    within = ((y - means[:, None]) ** 2).sum() / (k * (m - 1))
    between = m * ((means - means.mean()) ** 2).sum() / (k - 1)
    assert found.tau2_effect == pytest.approx(within - v, rel=1e-5)
    assert found.tau2_study == pytest.approx((between - within) / m, rel=1e-5)
    assert found.estimate == pytest.approx(means.mean(), rel=1e-12)
    assert found.se == pytest.approx((between / (k * m)) ** 0.5, rel=1e-5)
    assert found.robust_se == pytest.approx((((means - means.mean()) ** 2).sum() / (k * (k - 1))) ** 0.5, rel=1e-9)
    assert found.df == pytest.approx(k - 1, rel=1e-9)


def test_effects_that_repeat_each_other_count_once() -> None:
    """Every effect twice with sampling errors that are the same: as if it stood once."""
    y, se = np.array([0.1, 0.5, 0.9, 0.3, 0.2]), np.array([0.2, 0.25, 0.3, 0.2, 0.15])
    twice = multilevel(
        _effects(np.repeat(y, 2), np.repeat(se, 2)), [f"s{i}" for i in range(5) for _ in range(2)], correlation=0.9999999
    )
    once = pairwise(_effects(y, se), method="reml")
    assert twice.estimate == pytest.approx(once.random.estimate, rel=1e-4)
    assert twice.se == pytest.approx(once.random.se, rel=1e-3)
    assert twice.tau2_study + twice.tau2_effect == pytest.approx(once.random.tau2, rel=1e-3)


def test_what_has_no_three_levels_is_refused() -> None:
    effects = _effects(np.array([0.1, 0.2]), np.array([0.1, 0.1]))
    with pytest.raises(InvalidData, match="no study has two effects"):
        multilevel(effects, ["a", "b"])
    with pytest.raises(InvalidData, match="one study only"):
        multilevel(effects, ["a", "a"])
