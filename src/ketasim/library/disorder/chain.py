"""A chain of days with and without a substance: who begins and who stops on a day is drawn once per person and day."""

from __future__ import annotations

import numpy as np

from ketasim.clinical import Floats, View

_DAY = 24.0


def turned(using: Floats, begins: Floats, stops: Floats, view: View) -> Floats:
    """Whether people use (1) or not (0) from this step on.

    Parameters
    ----------
    using : before, (person,). begins, stops : hazards per day. The day's luck counts at its beginning, for the whole of it.
    """
    day = int(view.time // _DAY)
    change = np.where(using > 0, stops, begins)
    turns = (view.luck("chain", day) < 1.0 - np.exp(-change)) & (view.time - day * _DAY < 1e-9)
    return np.where(turns, 1.0 - using, using)
