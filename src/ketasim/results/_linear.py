"""Quantiles of scores and pressures in bounded memory: exact counts in bins of equal width, signed values included."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class LinearCounts:
    """Counts of quantities with a known range; merging is adding, so order and chunks change no digit.

    Parameters
    ----------
    shape : of the quantities, without people. low, high : range; values beyond go into the outer bins. bins : of equal width.
    """

    def __init__(self, shape: tuple[int, ...], low: float, high: float, bins: int = 1200) -> None:
        self.shape, self.low, self.width, self.bins = shape, low, (high - low) / bins, bins
        self.counts = np.zeros((int(np.prod(shape)), bins), np.int64)

    def add(self, values: Floats) -> None:
        """Add people: values (*shape, person); NaN is left out."""
        flat = values.reshape(len(self.counts), -1)
        place = np.clip(np.nan_to_num((flat - self.low) / self.width), 0, self.bins - 1).astype(np.int64)
        place += np.arange(len(flat))[:, None] * self.bins
        self.counts += np.bincount(place[~np.isnan(flat)], minlength=self.counts.size).reshape(self.counts.shape)

    def quantiles(self, levels: Sequence[float]) -> Floats:
        """Quantiles, (level, *shape), interpolated inside a bin; NaN where nothing was counted."""
        below = np.cumsum(self.counts, axis=1)
        total = below[:, -1]
        out = np.full((len(levels), len(self.counts)), np.nan)
        some = total > 0
        for i, level in enumerate(levels):
            wanted = level * total[some]
            bin_ = np.argmax(below[some] >= np.maximum(wanted, 0.5)[:, None], axis=1)
            rows = np.arange(len(bin_))
            before = below[some][rows, bin_] - self.counts[some][rows, bin_]
            inside = np.clip((wanted - before) / self.counts[some][rows, bin_], 0.0, 1.0)
            out[i, some] = self.low + (bin_ + inside) * self.width
        return out.reshape(len(levels), *self.shape)
