"""Quantiles of a million patients in bounded memory: exact counts in logarithmic bins, so that the order of patients,
the size of chunks and the number of workers cannot change a single digit."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: Bins per doubling; a bin is 1.1 % wide, and quantiles are interpolated inside it.
PER_OCTAVE_BITS = 6
#: Exponents covered: 2^-40 (1e-12) to 2^24 (1.7e7); smaller values count as zero, larger ones go into the last bin, which has no end.
LOW_EXPONENT, HIGH_EXPONENT = -40, 24
_SHIFT = 52 - PER_OCTAVE_BITS
_OFFSET = (LOW_EXPONENT + 1023) << PER_OCTAVE_BITS
N_BINS = ((HIGH_EXPONENT - LOW_EXPONENT) << PER_OCTAVE_BITS) + 1


#: A quantity to be counted: (number of the value, factor) of each term of the sum it is.
Sum = Sequence[tuple[int, float]]


class QuantileSketch:
    """Counts of non-negative quantities per time.

    Parameters
    ----------
    times : number of times. sums : the quantities.
    """

    def __init__(self, times: int, sums: Sequence[Sum]) -> None:
        self.shape = (times, len(sums))
        self.counts = np.zeros((times * len(sums), N_BINS), np.uint32)
        most = max(len(terms) for terms in sums)
        self._place, self._factor = np.full((len(sums), most), -1, np.int64), np.zeros((len(sums), most))
        for s, terms in enumerate(sums):
            for j, (place, factor) in enumerate(terms):
                self._place[s, j], self._factor[s, j] = place, factor

    def add(self, values: Floats, threads: int = 1) -> None:
        """Add patients: values (time, value, patient); NaN is left out."""
        from ketasim.results._count import count

        values, times = np.ascontiguousarray(values), self.shape[0]

        def part(k: int) -> None:
            count(values, self._place, self._factor, self.counts, times * k // threads, times * (k + 1) // threads)

        if threads == 1:
            part(0)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(part, range(threads)))

    def quantiles(self, levels: Sequence[float]) -> Floats:
        """Quantiles, (level, time, quantity): NaN where nothing was counted, infinite above 1.7e7; accurate to the width of a bin (1.1 %)."""
        from ketasim.results._count import quantiles_of

        out = np.empty((len(levels), len(self.counts)))
        quantiles_of(self.counts, np.array(levels, float), bin_edges(), out)
        return out.reshape(len(levels), *self.shape)


def bin_edges() -> Floats:
    """Edges of the bins; bin 0 holds zero and what is too small to matter."""
    bits = (np.arange(N_BINS, dtype=np.int64) + _OFFSET) << _SHIFT
    return np.concatenate([[0.0], bits.view(np.float64)])
