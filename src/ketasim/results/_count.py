"""Compiled counting for `_sketch.py`, apart from it so that small runs do not load the compiler."""

# pyright: reportUntypedFunctionDecorator=false

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ketasim.results._sketch import _OFFSET, _SHIFT, N_BINS


@njit(cache=True, nogil=True)
def count(values: NDArray[np.float64], counts: NDArray[np.uint32]) -> None:  # pragma: no cover - compiled
    rows, n = values.shape
    bits = values.view(np.int64)
    for i in range(rows):
        for k in range(n):
            value = values[i, k]
            if value == value:
                b = (bits[i, k] >> _SHIFT) - _OFFSET + 1 if value > 0.0 else 0
                counts[i, min(max(b, 0), N_BINS - 1)] += np.uint32(1)
