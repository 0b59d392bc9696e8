"""The same patient gets the same numbers whatever the chunk size, the order and the neighbours."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from ketasim.population import normal, population, uniform
from ketasim.population._distribution import Normal, reachable

seeds = st.integers(0, 2**64 - 1)
ids = st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=60)


@given(seed=seeds, ids=ids, stream=st.text(max_size=20), k=st.integers(0, 2**31), data=st.data())
def test_numbers_depend_on_nothing_but_seed_patient_and_stream(
    seed: int, ids: list[int], stream: str, k: int, data: st.DataObject
) -> None:
    whole = uniform(seed, ids, stream, k)
    order = data.draw(st.permutations(range(len(ids))))
    cut = data.draw(st.integers(0, len(ids)))
    np.testing.assert_array_equal(uniform(seed, np.array(ids)[list(order)], stream, k), whole[list(order)])
    pieces = [uniform(seed, np.array(part, dtype=np.int64), stream, k) for part in (ids[:cut], ids[cut:])]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    np.testing.assert_array_equal(normal(seed, ids, stream, k), ndtri(whole))


@settings(max_examples=30)
@given(
    seed=seeds, cut=st.integers(1, 39), name=st.sampled_from(["adults", "japanese", "chinese", "adults_depression", "elderly"])
)
def test_a_cohort_made_in_chunks_is_the_whole_cohort(seed: int, cut: int, name: str) -> None:
    whole = population(name).sample(40, seed)
    first, second = population(name).sample(cut, seed), population(name).sample(40 - cut, seed, start=cut)
    np.testing.assert_array_equal(np.concatenate([first.ids, second.ids]), whole.ids)
    for covariate, values in whole.covariates.items():
        np.testing.assert_array_equal(np.concatenate([first[covariate], second[covariate]]), values)


@settings(max_examples=40)
@given(low=st.floats(5, 40), width=st.floats(20, 60), where=st.floats(0.3, 0.7), spread=st.floats(0.05, 0.22), log=st.booleans())
def test_bounded_normal_has_the_mean_and_sd_asked_for(low: float, width: float, where: float, spread: float, log: bool) -> None:
    part = Normal(low + where * width, spread * width, low, low + width, log)
    if not reachable(part):
        return
    values = part.draw((np.arange(20_000) + 0.5) / 20_000, {})
    assert low <= values.min() and values.max() <= low + width
    # 1e-3: the moments are matched on 4000 points, checked on 20,000.
    np.testing.assert_allclose(values.mean(), part.mean, rtol=1e-3)
    np.testing.assert_allclose(values.std(), part.sd, rtol=1e-2)
