"""Values between records: which interpolations there are, and what stands in cells a table leaves empty."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ketasim.arguments import checked
from ketasim.errors import InvalidOption

#: Between two records holds the later one's value (NONMEM's way), the earlier one's, or the straight line through both.
INTERPOLATIONS = {
    "nocb": "next observation carried backward",
    "locf": "last observation carried forward",
    "linear": "linear in time",
}


@checked
def check_interpolation(name: str) -> str:
    """The name as it is.

    Raises
    ------
    InvalidOption: none of `INTERPOLATIONS`.
    """
    if name not in INTERPOLATIONS:
        known = ", ".join(f"{key} ({text})" for key, text in INTERPOLATIONS.items())
        raise InvalidOption(f"interpolation = '{name}' is not known. Use one of: {known}.")
    return name


@checked
def filled(values: NDArray[Any], time: NDArray[np.float64], block: NDArray[np.int64], interpolation: str) -> NDArray[Any]:
    """A column without its gaps: within each subject by the interpolation asked for, before the first and after the last value by that one.

    Parameters
    ----------
    values : (record,), NaN or None where missing; text is carried, never interpolated. time : (record,), h.
    block : (record,), subject; a subject's records stand together. A subject without any value keeps its gaps.
    """
    import pandas as pd

    series = pd.Series(values)
    if not series.isna().any():
        return values
    if interpolation == "linear" and values.dtype != object:
        # A clock that starts anew at a reset goes on, for this purpose.
        since = np.cumsum(np.maximum(np.diff(time, prepend=time[:1]), 0.0))
        edges = np.flatnonzero(np.concatenate(([True], block[1:] != block[:-1], [True])))
        gaps = np.add.reduceat(np.isnan(values), edges[:-1]) > 0
        out = values.copy()
        for a, b in zip(edges[:-1][gaps], edges[1:][gaps], strict=True):
            known = a + np.flatnonzero(~np.isnan(values[a:b]))
            if len(known):
                out[a:b] = np.interp(since[a:b], since[known], values[known])
        return out
    by = series.groupby(block)
    if interpolation == "nocb":
        return by.bfill().groupby(block).ffill().to_numpy()
    return by.ffill().groupby(block).bfill().to_numpy()
