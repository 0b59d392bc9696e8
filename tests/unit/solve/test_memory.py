"""Memory of results: never shared between living results, used again when the last view is gone, bounded."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from ketasim.solve import _memory
from ketasim.solve._lanes import LINE
from ketasim.solve._memory import LEAST as LEAST_BYTES
from ketasim.solve._memory import MOST as MOST_BYTES
from ketasim.solve._memory import aligned

#: In numbers of eight bytes.
LEAST, MOST = LEAST_BYTES // 8, MOST_BYTES // 8


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    gc.collect()
    _memory._IDLE.clear()


def test_arrays_begin_at_a_cache_line_and_have_their_shape() -> None:
    for shape in [(3,), (5, 0, 7), (LEAST,), (7, 11, 2**12)]:
        array = aligned(shape)
        assert array.shape == shape and array.flags.c_contiguous and array.flags.writeable
        assert array.ctypes.data % LINE == 0 or not array.size


def test_living_results_never_share_memory() -> None:
    kept = []
    for k in range(20):
        array = aligned((LEAST + k,))
        array[:] = k
        if k % 3:
            kept.append((k, array))
    for k, array in kept:
        assert np.all(array == k)
        assert not any(np.shares_memory(array, other) for j, other in kept if j != k)


def test_memory_is_used_again_when_the_last_view_is_gone() -> None:
    first = aligned((2 * LEAST,))
    address, view = first.ctypes.data, first[100:200].reshape(10, 10).T
    view[:] = 7.0
    del first
    gc.collect()
    other = aligned((2 * LEAST,))
    assert other.ctypes.data != address and np.all(view == 7.0)
    del view
    gc.collect()
    assert aligned((2 * LEAST,)).ctypes.data == address


def test_memory_that_is_much_too_large_or_small_is_not_taken() -> None:
    del [aligned((4 * LEAST,))][0]
    small = aligned((LEAST,))
    assert small.base is not None and len(_memory._IDLE) == 1


def test_what_is_kept_is_bounded() -> None:
    piece = MOST // 4
    many = [aligned((piece,)) for _ in range(7)]
    del many
    gc.collect()
    assert 0 < sum(m.size for m in _memory._IDLE) <= MOST_BYTES
    huge = aligned((MOST + 1,))
    del huge
    gc.collect()
    assert sum(m.size for m in _memory._IDLE) <= MOST_BYTES


def test_memory_serves_either_precision() -> None:
    first = aligned((2 * LEAST,))
    address = first.ctypes.data
    del first
    gc.collect()
    single = aligned((4 * LEAST,), np.float32)
    assert single.ctypes.data == address and single.dtype == np.float32 and single.shape == (4 * LEAST,)


def test_small_arrays_are_left_to_numpy() -> None:
    del [aligned((10,))][0]
    assert not _memory._IDLE
