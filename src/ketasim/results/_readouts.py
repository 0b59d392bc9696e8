"""What mechanisms make of an exposure (occupancy, transmitters, markers): what became of each output over a run."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ketasim.arguments import checked

#: Changes below this share of an output's size are rounding of the solver.
_STILL = 1e-6


@checked
def readout_rows(result: xr.DataTree) -> list[dict[str, Any]]:
    """Every output of a mechanism that changes over a run, in the order of the model; medians over patients.

    What an exposure model itself gives beside concentrations is left out.

    Returns
    -------
    One row per output: name, unit, meaning, start (at the first time), extreme (furthest from the start), at (h after the start), end (at
    the last time).

    Examples
    --------
    >>> import ketasim
    >>> run = ketasim.simulate("ketasim_reference+mechanism/nmda_block", "0.5 mg/kg ketamine iv over 40 min")
    >>> [row["name"] for row in readout_rows(run)]
    ['occupancy_nmda']
    """
    if "port" not in result.children:
        return []
    group = result["port"].to_dataset()
    if "quantile" in group.dims:
        group = group.sel(quantile=[0.5])
    lead = next(str(d) for d in group.dims if d != "time")
    rows = [
        _row(str(name), array.transpose(lead, "time")) for name, array in group.data_vars.items() if "mechanism" in array.attrs
    ]
    return [row for row in rows if abs(row["extreme"] - row["start"]) > _STILL * max(abs(row["start"]), 1.0)]


def _row(name: str, array: xr.DataArray) -> dict[str, Any]:
    values, times = array.to_numpy(), array["time"].to_numpy()
    values = values[np.isfinite(values).all(axis=1)]
    facts = {"name": name, "unit": str(array.attrs["units"]), "meaning": str(array.attrs["long_name"])}
    if not len(values):
        return facts | dict.fromkeys(("start", "extreme", "at", "end"), float("nan"))
    furthest = np.argmax(np.abs(values - values[:, :1]), axis=1)
    median = {
        "start": values[:, 0], "extreme": values[np.arange(len(values)), furthest], "at": times[furthest], "end": values[:, -1],
    }  # fmt: skip
    return facts | {key: float(np.median(of)) for key, of in median.items()}
