"""Data sets that fit the exported models: NONMEM's columns, covariates as the numbers the export lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ketasim.arguments import checked
from ketasim.errors import InvalidData
from ketasim.exchange._people import DEVICES, STATED, columns, observed, random_effects, reduced
from ketasim.population import COVARIATES

if TYPE_CHECKING:
    import pandas as pd

    from ketasim.dose import EventTemplate
    from ketasim.model import Model


@checked
def dataset(model: Model, doses: EventTemplate, covariates: Mapping[str, ArrayLike], *, times: ArrayLike = (), occasions: int = 1,
            nonmem: bool = False) -> pd.DataFrame:  # fmt: skip
    """Dose and observation records of subjects, one row each, for the exported model.

    Parameters
    ----------
    doses : from ``ketasim.dose.resolve``; subjects with names are numbered 1, 2, 3 ... covariates : name -> (subject,), in the order of ``doses.ids``.
    times : of observations, h; each gets a record per subject, and per output (DVID) for NONMEM.
    occasions : as exported; with more than one there is a column OCC, 1 in every record until you say otherwise.
    nonmem : columns of `export_nonmem` rather than of `export_mrgsolve`.

    Raises
    ------
    InvalidData: a covariate the model needs is missing and has no default.
    """
    import pandas as pd

    frame, doses = _doses(model, doses.numbered())
    outputs = len(observed(model)) if nonmem else 1
    grid = np.repeat(np.asarray(times, float), outputs)
    seen = pd.DataFrame({"ID": np.repeat(doses.ids, len(grid)), "TIME": np.tile(grid, doses.n_subjects)})
    seen = seen.assign(DVID=np.tile(np.arange(outputs) + 1, len(seen) // outputs) if outputs else 1)
    frame = pd.concat([frame.assign(DVID=1), seen], ignore_index=True)
    for name in doses.overrides:
        frame[name] = frame.groupby("ID")[name].transform(lambda column: column.ffill().bfill())
    zeros = [*([STATED] if STATED in frame else []), "AMT", "RATE", "EVID", "CMT", "ADDL", "II", "SS", "DV", "MDV"]
    frame[zeros] = frame[zeros].fillna(0.0)
    whole = ["EVID", "CMT", "ADDL", "SS", "MDV", "DVID"]
    frame[whole] = frame[whole].astype(int)
    frame = frame.sort_values(["ID", "TIME", "MDV"], ascending=[True, True, False], kind="stable", ignore_index=True)
    frame = frame.assign(**_people(model, doses.ids, covariates, frame["ID"].to_numpy()))
    return _ordered(model, frame, occasions, nonmem)


def _doses(model: Model, doses: EventTemplate) -> tuple[pd.DataFrame, EventTemplate]:
    """Dose records; where a stated duration would not hold otherwise it is the modelled one (RATE -2), dose by dose."""
    at = [model.compartments.index(name) for name in reduced(model)]
    stated = (doses.duration > 0).any(axis=1) & np.isin(doses.cmt, at)
    if stated.any():
        doses = doses.expanded()
    frame = doses.to_frame(model).drop(columns="LABEL").assign(DV=0.0, MDV=1)
    if STATED not in frame:
        return frame, doses
    holds = (frame[STATED] > 0) & frame["CMT"].isin([i + 1 for i in at])
    frame = frame.assign(RATE=frame["RATE"].where(~holds, -2.0), TINF=frame[STATED].where(holds, 0.0))
    return (frame if at else frame.drop(columns=STATED)), doses


def _people(model: Model, ids: Any, covariates: Mapping[str, ArrayLike], rows: Any) -> dict[str, Any]:
    """Covariate columns, one value per row."""
    have = {name.upper(): np.asarray(values) for name, values in covariates.items()}
    order = np.argsort(ids)
    place = order[np.searchsorted(np.asarray(ids)[order], rows)]
    out: dict[str, Any] = {}
    for name, column in columns(model).items():
        known = COVARIATES.get(name)
        kind = np.int64 if column.codes else np.float64
        if name in have:
            out[name] = column.numbers(have[name])[place].astype(kind)
        elif known is not None and (known.default or known.is_neutral):
            out[name] = np.full(len(rows), column.value, dtype=kind)
        else:
            raise InvalidData(
                f"{model.id} depends on covariate {name}, which the cohort lacks (it has: {', '.join(have) or 'none'})."
            )
    return out


def _ordered(model: Model, frame: pd.DataFrame, occasions: int, nonmem: bool) -> pd.DataFrame:
    """Columns as the exported model reads them."""
    from ketasim.exchange._nonmem import ITEMS, Writer

    frame = frame.assign(OCC=1) if occasions > 1 and random_effects(model, occasions).within else frame
    if not nonmem:
        return frame.drop(columns=["DVID", "DV", "MDV"])
    frame = frame.rename(columns={DEVICES: "NDEVICES"})
    extra = Writer(model, occasions).extra_items()
    missing: dict[str, float] = {} if STATED in frame or STATED not in extra else {STATED: 0.0}
    missing |= {"NDEVICES": model.numbers[DEVICES].value} if "NDEVICES" in extra and "NDEVICES" not in frame else {}
    return frame.assign(**missing).reindex(columns=[*ITEMS, *extra])
