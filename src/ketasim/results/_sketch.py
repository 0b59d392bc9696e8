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


#: A quantity to be counted: (number of the value, factor) of each term of the sum it is.
Sum = Sequence[tuple[int, float]]


class QuantileSketch:
    """Counts of non-negative quantities per time.

    Parameters
    ----------
    times : number of times. sums : the quantities. bits : 2^bits bins per doubling.
    """

    def __init__(self, times: int, sums: Sequence[Sum], bits: int = PER_OCTAVE_BITS) -> None:
        self.shape, self.bits = (times, len(sums)), bits
        self.counts = np.zeros((times * len(sums), n_bins(bits)), np.uint32)
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
            count(values, self._place, self._factor, self.counts, self.bits, times * k // threads, times * (k + 1) // threads)

        if threads == 1:
            part(0)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(part, range(threads)))

    def quantiles(self, levels: Sequence[float]) -> Floats:
        """Quantiles, (level, time, quantity): NaN where nothing was counted, infinite above 1.7e7; accurate to the width of a bin."""
        from ketasim.results._count import quantiles_of

        out = np.empty((len(levels), len(self.counts)))
        quantiles_of(self.counts, np.array(levels, float), bin_edges(self.bits), out)
        return out.reshape(len(levels), *self.shape)

    def signed_quantiles(self, levels: Sequence[float]) -> Floats:
        """Quantiles, (level, time, quantity), of quantities of either sign: the second half of `sums` is the first one negated."""
        times, both = self.shape
        counts = self.counts.reshape(times, 2, both // 2, n_bins(self.bits)).astype(np.int64)
        edges = bin_edges(self.bits)
        out = np.full((len(levels), times, both // 2), np.nan)
        for t, q in np.ndindex(times, both // 2):
            above, below = counts[t, :, q]
            total = int(above.sum())
            if not total:
                continue
            zero = total - int(above[1:].sum()) - int(below[1:].sum())
            cumulative = np.cumsum(np.concatenate([below[:0:-1], [zero], above[1:]]))
            for k, level in enumerate(levels):
                out[k, t, q] = _within(cumulative, edges, level * (total - 1) + 0.5)
        return out


def _within(cumulative: NDArray[np.int64], edges: Floats, rank: float) -> float:
    """Value of a rank, linear within its bin; bins of negative values, one of zero, those of positive values."""
    middle = len(edges) - 2
    at = min(int(np.searchsorted(cumulative, rank, side="right")), 2 * middle)
    if at == middle:
        return 0.0
    near, far = edges[abs(at - middle)], edges[abs(at - middle) + 1]
    if abs(at - middle) == middle:  # open to the outside
        return float(np.copysign(np.inf, at - middle))
    low, high = (near, far) if at > middle else (-far, -near)
    before = int(cumulative[at - 1]) if at else 0
    share = (rank - before) / max(int(cumulative[at]) - before, 1)
    return float(low + min(max(share, 0.0), 1.0) * (high - low))


def n_bins(bits: int = PER_OCTAVE_BITS) -> int:
    """Number of bins, with the one of zero."""
    return ((HIGH_EXPONENT - LOW_EXPONENT) << bits) + 1


def bin_edges(bits: int = PER_OCTAVE_BITS) -> Floats:
    """Edges of the bins; bin 0 holds zero and what is too small to matter."""
    first = (LOW_EXPONENT + 1023) << bits
    numbers = (np.arange(n_bins(bits), dtype=np.int64) + first) << (52 - bits)
    return np.concatenate([[0.0], numbers.view(np.float64)])
