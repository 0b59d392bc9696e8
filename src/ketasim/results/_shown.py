"""Outputs asked for by name: kept together, as a table with one row per value, and as bands for figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from ketasim.arguments import checked
from ketasim.clinical import DisorderEntry, Endpoint

Floats = NDArray[np.float64]
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
#: Groups in which clinical readings stand, and the coordinates that make their time, h.
_GROUPS = {"score": ("visit",), "safety": ("session", "after"), "session": ("session",)}
#: Readings every disorder has.
_OF_EVERY = ("baseline", "drug_effect", "in_care")
_PER_SESSION = ("s_ketamine_brain", "r_ketamine_brain", "given")


@checked
def clinical_names(disorder: DisorderEntry, endpoints: Sequence[Endpoint]) -> tuple[str, ...]:
    """Readings of a course that may be asked for: scales, records, events, side effects and their largest of a session."""
    measures = [endpoint.measure for endpoint in endpoints]
    return (
        *disorder.scales, *_OF_EVERY, *disorder.equations.records, *disorder.equations.events, *measures,
        *(f"{measure}_largest" for measure in measures), *_PER_SESSION,
    )  # fmt: skip


@checked
def add_shown(
    result: xr.DataTree, names: Sequence[str], arrays: Mapping[str, tuple[NDArray[Any], str]], times: NDArray[Any], lead: str,
    labels: NDArray[Any],
) -> xr.DataTree:  # fmt: skip
    """The result with group ``shown``: outputs and states asked for, (`lead`, time), each in its own unit.

    names : everything asked for, in its order; what is not in `arrays` stands in groups of its own.
    """
    data = {name: ((lead, "time"), values, {"units": unit, "long_name": name}) for name, (values, unit) in arrays.items()}
    if data:
        time = ("time", times, {"units": "h", "long_name": "time since start"})
        result["shown"] = xr.DataTree(xr.Dataset(data, coords={lead: labels, "time": time}))
    result.attrs["shown"] = list(names)
    return result


@checked
def shown_names(result: xr.DataTree) -> tuple[str, ...]:
    """Names asked for; empty where none were."""
    return tuple(str(name) for name in result.attrs.get("shown", ()))


@checked
def shown_table(result: xr.DataTree) -> pd.DataFrame:
    """One row per value: subject (or quantile), time (h), name, value and unit; an event has one row per subject, with the time at which it
    happened and 1, or no time and 0.
    """
    return pd.concat([_rows(name, _array(result, name)) for name in shown_names(result)], ignore_index=True)


def _array(result: xr.DataTree, name: str) -> xr.DataArray:
    for group in ("shown", *_GROUPS, "event"):
        if group in result.children and name in result[group].to_dataset():
            return result[group].to_dataset()[name]
    raise KeyError(name)  # names are checked before the run


def _rows(name: str, array: xr.DataArray) -> pd.DataFrame:
    lead = "quantile" if "quantile" in array.dims else "subject"
    if array.dims == ("subject",) and name != "baseline":  # an event: the time is what it says
        at = array.to_numpy()
        frame = pd.DataFrame({lead: array[lead].to_numpy(), "time": at, "value": np.isfinite(at).astype(float)})
        return frame.assign(name=name, unit="1")[[lead, "time", "name", "value", "unit"]]
    frame = array.reset_coords(drop=True).to_dataframe(name="value").reset_index()
    axes = [dim for dim in ("time", "visit", "session", "after") if dim in array.dims]
    frame["time"] = frame[axes].sum(axis=1) if axes else 0.0
    frame["value"] = frame["value"].astype(float)
    return frame.assign(name=name, unit=str(array.attrs.get("units", "1")))[[lead, "time", "name", "value", "unit"]]


@checked
def shown_bands(result: xr.DataTree, name: str) -> tuple[Floats, Floats, str]:
    """Times, h, quantiles over people (level, time) at 5, 25, 50, 75 and 95 %, and unit; of an event the share it has happened to."""
    table = _rows(name, _array(result, name))
    unit = str(table["unit"].iloc[0])
    if "quantile" in table:
        found = table.pivot(index="time", columns="quantile", values="value")
        nearest = [min(found.columns, key=lambda q, level=level: abs(q - level)) for level in LEVELS]
        return found.index.to_numpy(float), found[nearest].to_numpy(float).T, unit
    if bool(table["time"].isna().any()) or result_is_event(result, name):
        times = np.sort(table["time"].dropna().to_numpy(float))
        share = np.arange(1, len(times) + 1) / len(table)
        return np.concatenate([[0.0], times]), np.tile(np.concatenate([[0.0], share]), (len(LEVELS), 1)), "share of people"
    found = table.pivot_table(index="time", columns="subject", values="value", dropna=False)
    return found.index.to_numpy(float), np.nanquantile(found.to_numpy(float), LEVELS, axis=1), unit


@checked
def result_is_event(result: xr.DataTree, name: str) -> bool:
    """Whether a name is that of an event."""
    return "event" in result.children and name in result["event"].to_dataset()


@checked
def shown_rows(result: xr.DataTree) -> list[dict[str, Any]]:
    """Every name asked for: at the start, largest and last, medians over people with 5 and 95 %; of an event the share it happened to."""
    rows: list[dict[str, Any]] = []
    for name in shown_names(result):
        if "output" in result.children:
            values = result["output"].to_dataset()[name].to_numpy()
            rows.append({"name": name, "unit": str(result["output"][name].attrs["units"]), "largest": float(np.nanmax(values))})
            continue
        times, bands, unit = shown_bands(result, name)
        k = int(np.nanargmax(bands[2])) if np.isfinite(bands[2]).any() else 0
        rows.append({
            "name": name, "unit": unit, "first": float(bands[2, 0]), "largest": float(bands[2, k]), "largest_low": float(bands[0, k]),
            "largest_high": float(bands[4, k]), "largest_at_h": float(times[k]), "last": float(bands[2, -1]), "last_low": float(bands[0, -1]),
            "last_high": float(bands[4, -1]), "last_at_h": float(times[-1]),
        })  # fmt: skip
    return rows
