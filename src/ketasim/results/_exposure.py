"""Exposure parameters of a result: made in the simulation from the solution, labelled and read here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from ketasim.arguments import checked
from ketasim.results._tree import redundant_totals

#: From the start to the last output time; TMAX counts from the dose before the peak.
WHOLE = ("CMAX", "TMAX", "AUCLST", "LAMZHL")
#: Of the last dosing interval, where a regimen repeats; ARAUC is its area over that of the first one.
REPEATED = ("AUCTAU", "CTROUGH", "ARAUC")
#: Quantiles over patients that are kept of a streamed cohort.
EXPOSURE_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
_ENDS = (("", 0.5), ("_low", 0.05), ("_high", 0.95))
#: Name in rows -> parameter, and whether its spread is given.
_ROWS = {
    "cmax": "CMAX", "tmax": "TMAX", "auc": "AUCLST", "half_life": "LAMZHL", "auctau": "AUCTAU", "ctrough": "CTROUGH",
    "accumulation": "ARAUC",
}  # fmt: skip


@checked
def unit_of(parameter: str, unit: str) -> str:
    """Unit of an exposure parameter, from that of the concentration."""
    if parameter in ("TMAX", "LAMZHL"):
        return "h"
    return "1" if parameter == "ARAUC" else f"h × {unit}" if parameter.startswith("AUC") else unit


@checked
def add_exposure(
    result: xr.DataTree,
    parameters: Sequence[str],
    sites: Mapping[str, tuple[tuple[str, ...], NDArray[Any], str]],
    lead: str,
    labels: NDArray[Any],
    facts: Mapping[str, Any],
) -> xr.DataTree:
    """The result with group ``exposure``.

    Parameters
    ----------
    sites : site -> analytes, values (parameter, analyte, `lead`), unit of concentration. lead : ``subject``, or ``quantile`` of a
        streamed cohort. facts : attributes, such as the last dosing interval.
    """
    arrays = {
        site: xr.DataArray(
            np.moveaxis(values, -1, 0), dims=(lead, "parameter", "analyte"), coords={"analyte": list(names)},
            attrs={"units": ", ".join(f"{p} {unit_of(p, unit)}" for p in parameters), "long_name": f"{site.replace('_', ' ')} exposure"},
        )
        for site, (names, values, unit) in sites.items()
    }  # fmt: skip
    result["exposure"] = xr.DataTree(
        xr.Dataset(arrays, attrs=dict(facts)).assign_coords({lead: labels, "parameter": list(parameters)})
    )
    return result


@checked
def exposure_rows(result: xr.DataTree, site: str = "", *, all_totals: bool = False) -> list[dict[str, Any]]:
    """Exposure of every analyte at a site: medians over patients, and 5th and 95th percentile where there are several.

    Parameters
    ----------
    site : default the first of the model. all_totals : also totals that equal their one enantiomer.

    Returns
    -------
    One row per analyte that is ever there: site, analyte, unit, cmax, tmax (h after the dose before), auc (to the last output
    time), half_life; auctau, ctrough and accumulation with tau (h) where the regimen repeats. Each with ``_low`` and ``_high``.
    """
    if "exposure" not in result.children:
        return []
    exposure = result["exposure"].to_dataset()
    place = site or str(next(iter(exposure.data_vars)))
    array, unit = exposure[place], str(result["plasma"][place].attrs["units"])
    rows = [_row(array.sel(analyte=a), exposure.attrs) for a in array["analyte"].values]
    rows = [{"site": place, "analyte": str(a), "unit": unit} | row for a, row in zip(array["analyte"].values, rows, strict=True)]
    rows = [row for row in rows if not row["cmax"] <= 0]
    if any(np.isfinite(row["cmax"]) for row in rows):  # an analyte of other sites alone
        rows = [row for row in rows if np.isfinite(row["cmax"])]
    redundant = (
        set[str]() if all_totals else redundant_totals([{row["analyte"] for row in rows}], result.attrs.get("analytes", ()))
    )
    return [row for row in rows if row["analyte"] not in redundant]


def _row(array: xr.DataArray, facts: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    parameters = [str(p) for p in array["parameter"].values]
    for name, parameter in ((n, p) for n, p in _ROWS.items() if p in parameters):
        values = array.sel(parameter=parameter)
        if "quantile" in array.dims:
            row |= {f"{name}{end}": float(values.sel(quantile=q)) for end, q in _ENDS}
            continue
        there = values.to_numpy()[np.isfinite(values.to_numpy())]
        ends = _ENDS if array.sizes["subject"] > 1 else _ENDS[:1]
        row |= {f"{name}{end}": float(np.quantile(there, q)) if len(there) else float("nan") for end, q in ends}
    return row | ({"tau": float(facts["tau"])} if "tau" in facts else {})


@checked
def exposure_table(result: xr.DataTree) -> pd.DataFrame:
    """Exposure of every patient: subject, analyte, site and a column per parameter; empty where no patients were kept."""
    if "exposure" not in result.children or "subject" not in result["exposure"].to_dataset().dims:
        return pd.DataFrame()
    exposure = result["exposure"].to_dataset()
    pieces = []
    for site, array in exposure.data_vars.items():
        for analyte in array["analyte"].values:
            values = array.sel(analyte=analyte).transpose("parameter", "subject").to_numpy()
            columns = dict(zip(map(str, exposure["parameter"].values), values, strict=True))
            pieces.append(
                pd.DataFrame({"subject": exposure["subject"].values, "analyte": str(analyte), "site": str(site), **columns})
            )
    return pd.concat(pieces, ignore_index=True)
