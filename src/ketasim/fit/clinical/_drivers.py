"""What drives an arm: when its sessions are, and the peaks of unbound drug in brain of the typical patient."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from ketasim.clinical import Session

#: The regimen against which every session is measured.
REFERENCE = "0.5 mg/kg racemic ketamine iv over 40 min"


@lru_cache(maxsize=512)
def peaks(regimen: str) -> tuple[tuple[float, float, float], ...]:
    """(h, S, R) of every session of a regimen in the typical patient of the reference model, ng/mL unbound in brain."""
    from ketasim.simulation import simulate

    if not regimen:
        return ()
    sessions = simulate(dosing=regimen, disorder="trd")["session"]
    s, r = (np.asarray(sessions[f"{e}_ketamine_brain"])[0] for e in ("s", "r"))
    return tuple(zip(np.asarray(sessions["session"]).tolist(), s.tolist(), r.tolist(), strict=True))


def sessions_of(regimens: Iterable[str]) -> list[Session]:
    """Sessions of many arms as one course of as many people; who has no session at a time gets nothing then."""
    arms = [peaks(regimen) for regimen in regimens]
    found = []
    for time in sorted({t for arm in arms for t, _, _ in arm}):
        given = [next(((s, r) for t, s, r in arm if t == time), (0.0, 0.0)) for arm in arms]
        found.append(Session(time, *np.array(given).T))
    return found
