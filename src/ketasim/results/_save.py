"""Results as tables and files; a file is whole or absent."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ketasim.arguments import checked
from ketasim.csvtext import plain_texts
from ketasim.errors import InvalidOption, OutputError
from ketasim.results._exposure import exposure_rows
from ketasim.results._shown import shown_names, shown_rows, shown_table
from ketasim.writing import replacing, replacing_folder

#: What a folder that holds a Zarr store has.
_STORE_MARKS = ("zarr.json", ".zgroup")
#: Columns of an event table's output that say which record it is.
_RECORD = ("ID", "TIME", "REP")
FORMATS = (".csv", ".parquet", ".zarr", ".json")


@checked
def to_dataframe(result: xr.DataTree, group: str = "plasma") -> pd.DataFrame:
    """Tidy table of a group: one row per subject (or quantile), time (h) and analyte, a column per site, and the `unit` they share.

    Of a model without concentrations: the `wide_table` of what it has.
    """
    if "output" in result.children:
        return wide_table(result)
    if group == "plasma" and group not in result.children and {"state", "port"} & set(result.children):
        return wide_table(result)
    if group not in result.children:
        raise InvalidOption(f"the result has no group '{group}'. It has: {', '.join(result.children)}.")
    data = result[group].to_dataset()
    if not data.sizes:  # facts of a streamed cohort
        return pd.DataFrame([{str(name): value.item() for name, value in data.data_vars.items()}])
    frame = data.to_dataframe().reset_index()
    frame = frame.drop(columns=[c for c in ("molar_mass",) if c in frame])
    units = {str(values.attrs.get("units", "")) for values in data.data_vars.values()}
    if (
        len(units) == 1 and group == "plasma"
    ):  # last, and as codes: whoever reads by place still does, and a million rows stay small
        frame["unit"] = pd.Categorical.from_codes(np.zeros(len(frame), np.int8), categories=pd.Index(list(units)))
    return frame


@checked
def wide_table(result: xr.DataTree) -> pd.DataFrame:
    """Columns ID, TIME, every state, every output under its port name in the port's own unit (one row per output time).

    An event table repeated with draws of the model has columns NAME_P05 and NAME_P95 for every output NAME too: percentiles over draws.
    """
    if "output" in result.children:
        table = result["output"].to_dataset().to_dataframe().reset_index(drop=True)
        if "draws" not in result.children:
            return table
        return pd.concat([table, _percentiles(result["draws"].to_dataset().drop_vars("failed"))], axis="columns")
    parts = [result[g].to_dataset() for g in ("state", "port") if g in result.children]
    if not parts:
        raise InvalidOption("the result holds no states; simulate with states=True.")
    frame = xr.merge(parts, compat="override").to_dataframe().reset_index()
    return frame.rename(columns={"subject": "ID", "time": "TIME"})


def _percentiles(drawn: xr.Dataset) -> pd.DataFrame:
    """5th and 95th over draws of every output; draws in which the subject failed are left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a record that failed in all draws is empty
        band = drawn.quantile([0.05, 0.95], "draw")
    return pd.DataFrame({f"{name}_P{q}": band[name].to_numpy()[i] for name in band for i, q in enumerate(("05", "95"))})


@checked
def save(result: xr.DataTree, path: str | Path, table: pd.DataFrame | None = None) -> Path:
    """Write a result by the ending of `path`: .csv and .parquet (tidy table), .zarr (everything), .json (summary)."""
    path = Path(path)
    check_target(path)
    ending = path.suffix.lower()
    with (replacing_folder if ending == ".zarr" else replacing)(path) as draft:
        _write(result, ending, draft, table)
    return path


@checked
def check_target(path: Path) -> None:
    """Refuse an ending without a format, and what must not be replaced: a folder that is no result, a file where a store should be.

    Raises
    ------
    InvalidOption, OutputError
    """
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise InvalidOption(f"'{path}': unknown ending '{path.suffix}'. Use one of {', '.join(FORMATS)}.")
    if path.is_dir() and (
        ending != ".zarr" or not (any((path / name).is_file() for name in _STORE_MARKS) or not any(path.iterdir()))
    ):
        raise OutputError(f"{path}: is a folder with other things in it, which would be lost. Choose another name.")
    if ending == ".zarr" and path.is_file():
        raise OutputError(f"{path}: is a file; a Zarr store is a folder. Choose another name.")


def _write(result: xr.DataTree, ending: str, target: Path, table: pd.DataFrame | None) -> None:
    if ending == ".zarr":
        clean = result.map_over_datasets(lambda d: d.assign_attrs({k: _plain(v) for k, v in d.attrs.items()}))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # Zarr's, of what its format 3 may yet change
            warnings.simplefilter("ignore", FutureWarning)
            clean.to_zarr(str(target), mode="w")
        return
    if ending == ".json":
        target.write_text(json.dumps(_without_nan(summary(result)), indent=1), encoding="utf-8")
        return
    frame = main_table(result) if table is None else table
    _write_csv(frame, target) if ending == ".csv" else frame.to_parquet(target, index=False)


@checked
def main_table(result: xr.DataTree) -> pd.DataFrame:
    """The table a file of a result holds: what was asked for by name, else scores where there are some, else concentrations.

    Of an event table one row per record: ID, TIME, and a column per output and state, or per name asked for.
    """
    names = shown_names(result)
    if "output" in result.children:
        frame = wide_table(result)
        kept = {
            *_RECORD,
            *map(str, result.attrs.get("kept", ())),
            *names,
            *(f"{name}_P{q}" for name in names for q in ("05", "95")),
        }
        return frame[[c for c in frame if c in kept]] if names else frame
    return shown_table(result) if names else to_dataframe(result, "score" if "score" in result.children else "plasma")


def _write_csv(frame: pd.DataFrame, target: Path) -> None:
    """Arrow writes numbers with as many digits as they need, ten times faster than pandas."""
    import pyarrow as pa
    from pyarrow import csv

    table = pa.Table.from_pandas(plain_texts(frame), preserve_index=False)
    try:
        csv.write_csv(table, target, csv.WriteOptions(quoting_style="none"))
    except pa.ArrowInvalid:  # a text holds a comma or a quote
        csv.write_csv(table, target, csv.WriteOptions(quoting_style="needed"))


@checked
def summary(result: xr.DataTree, quantiles: tuple[float, ...] = (0.05, 0.25, 0.5, 0.75, 0.95)) -> dict[str, Any]:
    """Plain data: root facts, quantiles over subjects per site, analyte and time, and rows of exposure."""
    plasma = result["plasma"].to_dataset() if "plasma" in result.children else xr.Dataset()
    out: dict[str, Any] = {k: _plain(v) for k, v in result.attrs.items()}
    timed = [result[group]["time"].values.tolist() for group in ("plasma", "port", "state") if group in result.children]
    out["time_h"] = timed[0] if timed else []
    if "port" in result.children:
        out["output"] = {
            str(name): {"unit": array.attrs["units"],
                        **{f"{float(q):g}": bands.sel(quantile=q).values.tolist() for q in bands["quantile"].values}}
            for name, array in result["port"].to_dataset().data_vars.items()
            for bands in [array if "quantile" in array.dims else _quantiles(array, quantiles)]
        }  # fmt: skip
    out["concentration"] = {}
    for site, array in plasma.data_vars.items():
        bands = array if "quantile" in array.dims else _quantiles(array, quantiles)
        out["concentration"][str(site)] = {
            "unit": array.attrs["units"],
            **{str(a): {f"{float(q):g}": bands.sel(quantile=q, analyte=a).values.tolist() for q in bands["quantile"].values}
               for a in array["analyte"].values},
        }  # fmt: skip
    out["exposure"] = exposure_rows(result)
    return out | ({"shown": shown_rows(result)} if shown_names(result) else {})


def _quantiles(array: xr.DataArray, levels: tuple[float, ...]) -> xr.DataArray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an analyte that this site does not have is empty
        return array.quantile(list(levels), dim="subject")


def _without_nan(value: Any) -> Any:
    """JSON has no word for what is missing but null."""
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    return list(value) if isinstance(value, tuple) else value
