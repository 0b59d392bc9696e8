"""A look at what came out: outputs that are no numbers, or leave the range their ports declare."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ketasim.errors import FailedPatients, OutOfRange, warn
from ketasim.solve import STATUS

if TYPE_CHECKING:
    import xarray as xr

    from ketasim.model import Model
    from ketasim.solve import Solution

#: What an output may lie outside its range, of its own largest value: rounding and the tolerance of the solver.
_ROUNDING = 1e-6
#: The same of the range itself, for outputs that are nothing but rounding.
_NOTHING = 1e-12


def warn_of_outputs(model: Model, solution: Solution) -> None:
    """Warn of outputs of patients who were solved; nothing is clipped.

    Warns
    -----
    OutOfRange: once per output and kind.
    """
    solved = solution.status == 0
    if not solved.any():
        return
    values = solution.ports if solved.all() else solution.ports[:, :, solved]
    for i, name in enumerate(solution.port_names):
        low, high, port = float(values[:, i].min()), float(values[:, i].max()), model.ports[name]
        least, most = port.bounds
        slack = _ROUNDING * max(abs(low), abs(high)) + (_NOTHING * (most - least) if np.isfinite(most - least) else 0.0)
        if not np.isfinite(low + high):
            _warn(
                f"output '{name}' of {model.id} is no finite number at some times: look at its equation, e.g. for a division by zero."
            )
        elif low < least - slack:
            _warn(f"output '{name}' of {model.id} falls below {least:g} {port.unit}, the least it is declared to be.")
        elif high > most + slack:
            _warn(f"output '{name}' of {model.id} rises above {most:g} {port.unit}, the most it is declared to be.")


def warn_of_failures(result: xr.DataTree) -> None:
    """Warn of patients who could not be solved, and say why.

    Warns
    -----
    FailedPatients
    """
    people = result["subject"].to_dataset()
    if "failed" in people:  # a streamed cohort keeps their number only
        if number := int(people["failed"]):
            warn(f"{number} of {int(people['n'])} patients failed to solve and are left out.", FailedPatients, stacklevel=4)
        return
    status = people["status"].to_numpy()
    failed = np.flatnonzero(status)
    if len(failed):
        ids = ", ".join(str(i) for i in people["subject"].to_numpy()[failed[:10]]) + (", ..." if len(failed) > 10 else "")
        why = "; ".join(STATUS[code] for code in np.unique(status[failed]))
        warn(
            f"{len(failed)} of {len(status)} patients failed to solve and are empty in the result (ID {ids}): {why}.",
            FailedPatients,
            stacklevel=4,
        )


def _warn(text: str) -> None:
    warn(text, OutOfRange, stacklevel=5)
