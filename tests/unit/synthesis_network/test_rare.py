"""Rare events: closed forms of single tables, pairwise Mantel-Haenszel, and what maximum likelihood becomes with many events."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import optimize

from ketasim.errors import InvalidData, InvalidOption
from ketasim.synthesis import network_meta_analysis, pairwise, rare_network, read_network, read_pairwise

pytestmark = pytest.mark.filterwarnings("ignore::ketasim.synthesis._network_data.ContinuityCorrected")


def _arms(*studies: dict[str, tuple[float, float]]) -> list[dict[str, Any]]:
    return [
        {"study": f"s{i}", "treatment": t, "events": e, "n": n} for i, study in enumerate(studies) for t, (e, n) in study.items()
    ]


TWO = _arms({"a": (1, 60), "b": (4, 62)}, {"a": (0, 40), "b": (3, 44)}, {"a": (2, 90), "b": (2, 80)})


@pytest.mark.parametrize("cells", [(3, 40, 1, 50), (0, 30, 4, 33)])
def test_the_penalty_of_one_table_is_a_half_in_every_cell(cells: tuple[int, ...]) -> None:
    a, n1, c, n2 = cells
    found = rare_network(read_network(_arms({"b": (a, n1), "a": (c, n2)}), "or"), "a").pair("b", "a")
    halves = [x + 0.5 for x in (a, n1 - a, c, n2 - c)]
    assert found["estimate"] == pytest.approx(math.log(halves[0] * halves[3] / halves[1] / halves[2]), abs=1e-9)
    p, q = halves[0] / (n1 + 1), halves[2] / (n2 + 1)
    assert found["se"] == pytest.approx(math.sqrt(1 / (n1 * p * (1 - p)) + 1 / (n2 * q * (1 - q))), rel=1e-9)


def test_several_tables_are_at_the_top_of_the_penalised_likelihood() -> None:
    """An independent optimiser on log-likelihood + half the log-determinant of the information (Firth 1993)."""
    found = rare_network(read_network(TWO, "or"), "a").pair("b", "a")
    y, n = (np.array([row[k] for row in TWO], dtype=float) for k in ("events", "n"))
    x = np.array([[i == row["study"] for i in ("s0", "s1", "s2")] + [row["treatment"] == "b"] for row in TWO], dtype=float)

    def penalised(b: np.ndarray) -> float:
        eta = x @ b
        p = 1 / (1 + np.exp(-eta))
        information = x.T @ ((n * p * (1 - p))[:, None] * x)
        return -float(y @ eta - n @ np.log1p(np.exp(eta)) + 0.5 * np.linalg.slogdet(information)[1])

    best = optimize.minimize(
        penalised,
        np.full(4, -2.0),
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 20000, "maxfev": 20000},
    )
    assert found["estimate"] == pytest.approx(best.x[3], abs=1e-5)


def test_two_treatments_by_mantel_and_haenszel_are_the_pairwise_ones() -> None:
    found = rare_network(read_network(TWO, "or"), "a", method="mh").pair("b", "a")
    rows = [{"study": s, "events1": b["events"], "n1": b["n"], "events2": a["events"], "n2": a["n"]}
            for s in ("s0", "s1", "s2") for a, b in [[r for r in TWO if r["study"] == s]]]  # fmt: skip
    once = pairwise(read_pairwise(rows, "or"), pooling="mh").common
    assert (found["estimate"], found["se"]) == pytest.approx((once.estimate, once.se), rel=1e-12)


def test_a_triangle_is_the_weighted_mean_of_direct_and_indirect() -> None:
    three = TWO + [
        row | {"study": f"t{row['study']}"} for row in _arms({"a": (2, 70), "c": (6, 71)}, {"b": (5, 80), "c": (7, 77)})
    ]
    found = rare_network(read_network(three, "or"), "a", method="mh").pair("c", "a")
    direct = math.log(6 / 65 / (2 / 68))
    v_direct = 1 / 6 + 1 / 65 + 1 / 2 + 1 / 68
    ba = rare_network(read_network(TWO, "or"), "a", method="mh").pair("b", "a")
    indirect, v_indirect = ba["estimate"] + math.log(7 / 70 / (5 / 75)), ba["se"] ** 2 + 1 / 7 + 1 / 70 + 1 / 5 + 1 / 75
    w, u = 1 / v_direct, 1 / v_indirect
    assert found["estimate"] == pytest.approx((w * direct + u * indirect) / (w + u), rel=1e-9)
    assert found["se"] == pytest.approx((w + u) ** -0.5, rel=1e-9)


def test_with_many_events_all_methods_agree() -> None:
    many = _arms(
        {"a": (300, 1000), "b": (420, 1000)},
        {"a": (250, 900), "c": (380, 950)},
        {"b": (500, 1100), "c": (480, 1000), "a": (350, 1050)},
    )
    usual = network_meta_analysis(read_network(many, "or"), "or", "a").common
    penalised = rare_network(read_network(many, "or"), "a")
    assert penalised.effect == pytest.approx(usual.effect, abs=0.003)
    assert penalised.se == pytest.approx(usual.se, rel=0.01)
    with pytest.raises(InvalidData, match="study 's2' has 3 arms; Mantel-Haenszel networks take two-arm studies"):
        rare_network(read_network(many, "or"), "a", method="mh")


def test_what_is_not_counts_is_refused() -> None:
    contrasts = [{"studlab": "s", "treat1": "b", "treat2": "a", "TE": 0.5, "seTE": 0.2}]
    with pytest.raises(InvalidData, match="need the counts of every arm"):
        rare_network(read_network(contrasts, "or"))
    with pytest.raises(InvalidOption, match="as odds ratios, not rr"):
        rare_network(read_network(TWO, "rr"))
    with pytest.raises(InvalidOption, match="Use one of penalised, mh"):
        rare_network(read_network(TWO, "or"), method="firth")
