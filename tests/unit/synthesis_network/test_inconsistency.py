"""Q by design, splits of direct and indirect evidence, the net heat."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.synthesis_network.networks import Rows, contrast, random_contrasts

from ketasim.errors import InvalidOption
from ketasim.synthesis import decompose_q, net_heat, network_meta_analysis, split_evidence

#: One loop of two-arm studies in which a - c is 0.5 off from what a - b and b - c say.
LOOP: Rows = [
    contrast("1", "a", "b", 1.0, 0.2),
    contrast("2", "b", "c", 1.0, 0.3),
    contrast("3", "a", "c", 2.5, 0.4),
]


def test_one_loop_in_closed_form() -> None:
    """Bucher's test: difference 0.5 with variance 0.04 + 0.09 + 0.16; Q between designs is its square."""
    result = network_meta_analysis(LOOP, "md", "c")
    q = 0.5**2 / (0.04 + 0.09 + 0.16)
    found = decompose_q(result)
    assert found.between[:2] == (pytest.approx(q, rel=1e-9), 1)
    assert found.within[1] == 0
    for row in split_evidence(result, "common").rows:
        assert abs(row["z"]) == pytest.approx(q**0.5, rel=1e-9)
        assert row["share_direct"] == pytest.approx(row["se_network"] ** 2 / row["se_direct"] ** 2)
    split = {(r["treat1"], r["treat2"]): r for r in split_evidence(result, "common").rows}["a", "c"]
    assert (split["direct"], split["indirect"]) == (pytest.approx(2.5), pytest.approx(2.0))


@pytest.mark.parametrize("seed", range(3))
def test_node_splitting_equals_back_calculation_in_two_arm_networks(seed: int) -> None:
    """Under common effects both estimate the same two numbers; multi-arm studies would make them differ."""
    result = network_meta_analysis(random_contrasts(seed, most_arms=2), "md")
    back, split = (split_evidence(result, "common", m).rows for m in ("back-calculation", "node-splitting"))
    compared = 0
    for one, other in zip(back, split, strict=True):
        if np.isfinite(one["indirect"]):
            compared += 1
            for name in ("direct", "se_direct", "indirect", "se_indirect", "p"):
                assert other[name] == pytest.approx(one[name], rel=1e-6, abs=1e-9), name
        else:
            assert np.isnan(other["indirect"])
    assert compared >= 3


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000))
def test_parts_add_up(seed: int) -> None:
    rows = random_contrasts(seed, treatments=4, studies=12)
    result = network_meta_analysis(rows, "md")
    found = decompose_q(result)
    assert found.within[0] + found.between[0] == pytest.approx(found.total[0], rel=1e-8)
    assert found.within[1] + found.between[1] == found.total[1]
    assert sum(v[0] for v in found.by_design.values()) == pytest.approx(found.within[0], rel=1e-8, abs=1e-10)
    assert sum(found.contribution.values()) == pytest.approx(found.between[0], rel=1e-6, abs=1e-8)
    assert all(v[0] <= found.between[0] + 1e-8 for v in found.detached.values())


def test_net_heat_shows_the_odd_design() -> None:
    """Detaching a design lowers Q between by what its column sums to; the diagonal is the design's own Q."""
    rows = [contrast(f"x{k}", *p, e, 0.1) for k, (p, e) in enumerate(
        [(("a", "b"), 1.0), (("a", "c"), 2.0), (("a", "d"), 3.0), (("b", "c"), 1.0), (("c", "d"), 1.0), (("b", "d"), 3.0)]
    )]  # fmt: skip
    result = network_meta_analysis(rows, "md")
    heat, parts = net_heat(result), decompose_q(result)
    for k, design in enumerate(heat.designs):
        fall = parts.between[0] - parts.detached[design][0]
        assert heat.q_difference[:, k].sum() == pytest.approx(fall, rel=1e-7)
        assert heat.q_difference[k, k] == pytest.approx(parts.contribution[design], rel=1e-7)
    worst = heat.designs[int(np.argmax(np.diag(heat.q_difference)))]
    assert worst == ("b", "d")
    assert np.diag(heat.hat) == pytest.approx(np.full(6, 0.5), abs=1e-9)


def test_no_loop_no_heat() -> None:
    with pytest.raises(InvalidOption, match="no loop"):
        net_heat(network_meta_analysis(LOOP[:2], "md"))
    assert decompose_q(network_meta_analysis(LOOP[:2], "md")).between[1] == 0


def test_multi_arm_study_is_consistent_with_itself() -> None:
    """The b - c comparison of a lone three-arm study has no independent indirect evidence."""
    rows = [contrast("1", "a", "b", 1.0, 0.3), contrast("1", "b", "c", 0.2, 0.3), contrast("1", "a", "c", 1.2, 0.3)]
    result = network_meta_analysis([*rows, contrast("2", "a", "b", 1.1, 0.3)], "md")
    found = {(r["treat1"], r["treat2"]): r for r in split_evidence(result, "common", "node-splitting").rows}
    assert np.isnan(found["b", "c"]["indirect"])
    with pytest.raises(InvalidOption, match="no method"):
        split_evidence(result, method="magic")


def test_tables() -> None:
    result = network_meta_analysis(random_contrasts(2), "md")
    assert set(decompose_q(result).to_dataframe()["part"]) >= {"total", "within designs", "between designs"}
    assert decompose_q(result).as_dict()["between_designs"]["df"] == decompose_q(result).between[1]
    assert net_heat(result, "random").to_dataframe().shape[0] == len(net_heat(result, "random").designs)
    assert split_evidence(result).as_dict()["method"] == "back-calculation"
