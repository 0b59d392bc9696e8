"""The store that links drug to score: sessions fill what is empty, and it drains between them. Closed form, no solver.

``P -> P exp(-dt / tau_off)`` between sessions; a session of drive r adds ``f (1 - P)`` with ``f = 1 - exp(-lam r)``. The increment of
the last session arrives with time constant ``tau_on``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ketasim.clinical._declare import Values

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Store:
    """The store of many people at one time.

    Attributes
    ----------
    filled : share filled, increments counted at once. arriving : part of it that has not arrived yet. time : h. All but time (person,).
    """

    filled: Floats
    arriving: Floats
    time: float

    @classmethod
    def empty(cls, n: int, time: float = 0.0) -> Store:
        """Nobody has had a session."""
        return cls(np.zeros(n), np.zeros(n), time)

    def advance(self, until: float, p: Values) -> Store:
        """The store at a later time, h, without sessions between."""
        gap = until - self.time
        return Store(self.filled * np.exp(-gap / p["tau_off"]), self.arriving * np.exp(-gap / p["tau_on"]), until)

    def session(self, drive: Floats, p: Values) -> Store:
        """The store after a session now; a drive of 0 leaves everything as it is."""
        added = (1.0 - np.exp(-p["lam"] * drive)) * (1.0 - self.filled)
        # What the session before still owes has had days to arrive: only the last increment is followed.
        return replace(self, filled=self.filled + added, arriving=np.where(drive > 0, added, self.arriving))

    def effect(self, p: Values) -> Floats:
        """What has arrived, relative to one reference session."""
        return (self.filled - self.arriving) / (1.0 - np.exp(-p["lam"]))
