"""How sure the medians of a result are, from its draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from ketasim.arguments import checked

_COLUMNS = {"cmax": "CMAX", "auc": "AUCLST"}
_ENDS = (("low", 0.05), ("high", 0.95))
_NAMED = 6  # held parameters named in a sentence


@checked
def sureness(results: Mapping[str, xr.DataTree], site: str = "") -> list[dict[str, Any]]:
    """5th and 95th percentile over draws of the median patient's exposure, and of its ratio to the first arm.

    Parameters
    ----------
    results : label -> result of `simulate` with ``draws``; results without draws give no rows. site : default the first.

    Returns
    -------
    One row per analyte and arm: arm, analyte, unit, cmax_low, cmax_high, auc_low, auc_high (to the last output time, h x
    unit) and, from the second arm on, ratio_cmax_low ... ratio_auc_high. Draw k is the same version of the model in every
    arm, so that what both arms share cancels in a ratio.
    """
    if not results or not all("draws_exposure" in result.children for result in results.values()):
        return []
    drawn_of = {label: result["draws_exposure"].to_dataset() for label, result in results.items()}
    place = site or str(next(iter(next(iter(drawn_of.values())).data_vars)))
    medians = {label: drawn[place].sel(quantile=0.5) for label, drawn in drawn_of.items()}
    base = next(iter(medians.values()))
    unit = str(next(iter(results.values()))["draws"][place].attrs["units"])
    rows = []
    for analyte in base["analyte"].values:
        for number, (label, drawn) in enumerate(medians.items()):
            if analyte not in drawn["analyte"].values:
                continue
            row: dict[str, Any] = {"arm": label, "analyte": str(analyte), "unit": unit}
            for name, parameter in _COLUMNS.items():
                own = drawn.sel(analyte=analyte, parameter=parameter).to_numpy()
                row |= _ends(name, own)
                reference = base.sel(analyte=analyte, parameter=parameter).to_numpy()
                if number and (reference > 0).all():
                    row |= _ends(f"ratio_{name}", own / reference)
            rows.append(row)
    return rows


def _ends(name: str, values: np.ndarray) -> dict[str, float]:
    return {f"{name}_{end}": float(np.quantile(values, q)) for end, q in _ENDS}


@checked
def held_sentence(result: xr.DataTree) -> str:
    """What the intervals over draws do not hold; empty where every parameter is drawn.

    result : of `simulate` with ``draws``.
    """
    held = list(result.attrs.get("draws_hold", []))
    if not held:
        return ""
    named = ", ".join(held[:_NAMED]) + (" ..." if len(held) > _NAMED else "")
    return (
        f"{len(held)} of {result.attrs['n_parameters']} parameters have neither posterior nor standard error and are the same in every "
        f"draw ({named}): what is unknown of them widens no interval."
    )
