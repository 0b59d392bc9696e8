"""Quantiles of a million patients in bounded memory: exact counts in logarithmic bins, so that the order of patients,
the size of chunks and the number of workers cannot change a single digit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: Bins per doubling; a bin is 1.1 % wide, and quantiles are interpolated inside it.
PER_OCTAVE_BITS = 6
#: Exponents covered: 2^-40 (1e-12) to 2^24 (1.7e7); smaller values count as zero, larger ones go into the last bin.
LOW_EXPONENT, HIGH_EXPONENT = -40, 24
_SHIFT = 52 - PER_OCTAVE_BITS
_OFFSET = (LOW_EXPONENT + 1023) << PER_OCTAVE_BITS
N_BINS = ((HIGH_EXPONENT - LOW_EXPONENT) << PER_OCTAVE_BITS) + 1


class QuantileSketch:
    """Counts of non-negative values per (time, variable).

    Parameters
    ----------
    shape : leading shape, e.g. (time, analyte).
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.counts = np.zeros((int(np.prod(shape)), N_BINS), np.uint32)

    def add(self, values: Floats) -> None:
        """Add patients: values (*shape, patient); NaN is left out."""
        from ketasim.results._count import count

        count(np.ascontiguousarray(values.reshape(len(self.counts), -1)), self.counts)

    def quantiles(self, levels: Sequence[float]) -> Floats:
        """Quantiles, (level, *shape): NaN where nothing was counted; accurate to the width of a bin (1.1 %)."""
        total = self.counts.sum(axis=1, dtype=np.int64)
        cumulative = np.cumsum(self.counts, axis=1, dtype=np.int64)
        out = np.empty((len(levels), len(self.counts)))
        edges = bin_edges()
        rows = np.arange(len(self.counts))
        for k, level in enumerate(levels):
            rank = level * np.maximum(total - 1, 0) + 0.5
            bins = np.minimum((cumulative <= rank[:, None]).sum(axis=1), N_BINS - 1)
            below = np.where(bins > 0, cumulative[rows, np.maximum(bins - 1, 0)], 0)
            share = np.clip((rank - below) / np.maximum(self.counts[rows, bins], 1), 0.0, 1.0)
            value = edges[bins] + share * (edges[bins + 1] - edges[bins])
            out[k] = np.where(total > 0, np.where(bins == 0, 0.0, value), np.nan)
        return out.reshape(len(levels), *self.shape)


def bin_edges() -> Floats:
    """Edges of the bins; bin 0 holds zero and what is too small to matter."""
    bits = (np.arange(N_BINS, dtype=np.int64) + _OFFSET) << _SHIFT
    return np.concatenate([[0.0], bits.view(np.float64)])
