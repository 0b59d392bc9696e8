"""Compiled counting for `_sketch.py`, apart from it so that small runs do not load the compiler."""

# pyright: reportUntypedFunctionDecorator=false

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ketasim.results._sketch import LOW_EXPONENT
from ketasim.solve._compiled import njit


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def count(values: NDArray[np.float64], place: NDArray[np.int64], factor: NDArray[np.float64], counts: NDArray[np.uint32], n_bits: int,
          first: int, last: int) -> None:  # pragma: no cover - compiled  # fmt: skip
    """Count the sums over patients at the times `first` to `last`.

    values : (time, quantity, patient). place, factor : (sum, term), quantities and what they are multiplied by; place -1: no more
    terms. counts : (time x sum, bin), with 2^n_bits bins per doubling.
    """
    shift, offset, most_bins = 52 - n_bits, (LOW_EXPONENT + 1023) << n_bits, counts.shape[1]
    sums, most = place.shape
    n = values.shape[2]
    row = np.empty(n)
    bits = row.view(np.int64)
    for t in range(first, last):
        for s in range(sums):
            for k in range(n):
                row[k] = values[t, place[s, 0], k] * factor[s, 0]
            for j in range(1, most):
                if place[s, j] < 0:
                    break
                for k in range(n):
                    row[k] += values[t, place[s, j], k] * factor[s, j]
            into = counts[t * sums + s]
            for k in range(n):
                if row[k] == row[k]:
                    b = (bits[k] >> shift) - offset + 1 if row[k] > 0.0 else 0
                    into[min(max(b, 0), most_bins - 1)] += np.uint32(1)


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def quantiles_of(counts: NDArray[np.uint32], levels: NDArray[np.float64], edges: NDArray[np.float64],
                 out: NDArray[np.float64]) -> None:  # pragma: no cover - compiled  # fmt: skip
    """Quantiles of every row of counts, linear within a bin, into out (level, row): NaN where nothing was counted, infinite above the bins."""
    most_bins = counts.shape[1]
    cumulative = np.empty(most_bins, np.int64)
    for i in range(counts.shape[0]):
        total = np.int64(0)
        for b in range(most_bins):
            total += counts[i, b]
            cumulative[b] = total
        for k in range(levels.shape[0]):
            if total == 0:
                out[k, i] = np.nan
                continue
            rank = levels[k] * (total - 1) + 0.5
            low, high = 0, most_bins - 1  # the first bin whose cumulative count is above the rank, or the last one
            while low < high:
                middle = (low + high) // 2
                if cumulative[middle] > rank:
                    high = middle
                else:
                    low = middle + 1
            below = cumulative[low - 1] if low > 0 else np.int64(0)
            share = min(max((rank - below) / max(counts[i, low], np.uint32(1)), 0.0), 1.0)
            if low == 0:
                out[k, i] = 0.0
            elif low == most_bins - 1:  # open above
                out[k, i] = np.inf
            else:
                out[k, i] = edges[low] + share * (edges[low + 1] - edges[low])
