"""When doses were given, and how long before a time."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ketasim.arguments import checked

Floats = NDArray[np.float64]


@checked
def dose_times(result: xr.DataTree) -> Floats:
    """Times of all doses of the first patient, h: (dose,)."""
    dose = result["dose"]
    if "TIME" not in dose:
        return np.zeros(1)
    first, more, every = (dose[name].to_numpy() for name in ("TIME", "ADDL", "II"))
    given = np.isin(dose["EVID"].to_numpy(), (1, 4))
    times = [t + i * np.arange(int(k) + 1) for t, k, i in zip(first[given], more[given], every[given], strict=True)]
    return np.unique(np.concatenate([*times, np.zeros(0)]))


@checked
def since_dose(times: Floats, doses: Floats) -> Floats:
    """Time since the last dose before, h; since the start where there was none.

    Examples
    --------
    >>> since_dose(np.array([1.0, 50.0]), np.array([0.0, 48.0]))
    array([1., 2.])
    """
    before = np.searchsorted(doses, times, side="right") - 1
    return times - np.where(before >= 0, doses[np.maximum(before, 0)], 0.0) if len(doses) else times
