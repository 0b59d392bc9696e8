"""The clock of a run: times are rounded here, once, before anything compares them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Times count in steps of 1e-10 h (0.4 microseconds), and of 1e-6 h from 100,000 h on, where doubles resolve no more: what arithmetic
#: leaves in the last bits (3 times 16.8 h is 50.400000000000006 h) is below a step, and what people mean is above.
DECIMALS, LATE_DECIMALS, LATE = 10, 6, 1e5
#: Shortest interval of repeated doses, h: 3.6 ms, in which nobody doses twice.
SHORTEST_INTERVAL = 1e-6


def on_clock(hours: ArrayLike) -> NDArray[np.float64]:
    """Times as the clock shows them, h: two times are one where these are equal.

    Examples
    --------
    >>> bool(on_clock(3 * 16.8) == on_clock(50.4))
    True
    """
    times = np.asarray(hours, np.float64)
    fine = np.round(times, DECIMALS)
    late = np.abs(times) >= LATE
    return np.where(late, np.round(times, LATE_DECIMALS), fine) if np.any(late) else fine
