"""Analyses of tables and results, and their summaries."""

# pyright: reportIndexIssue=false, reportGeneralTypeIssues=false, reportArgumentType=false, reportAttributeAccessIssue=false
# pyright: reportCallIssue=false
# pandas' annotations leave groups and columns open.

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ketasim.errors import InvalidData, close_names
from ketasim.nca._analysis import PARAMETERS, Floats, Method, Route, analyse, nca

if TYPE_CHECKING:
    import xarray as xr

_KEYS = ("arm", "analyte", "site")


def nca_table(
    source: pd.DataFrame | xr.DataTree, *, dose: float | None = None, route: Route = "extravascular", duration: float = 0.0,
    method: Method = "linear", blq: str = "zero", lloq: float = 0.0, site: str | None = None, analytes: Sequence[str] | None = None,
    start: float = 0.0, end: float | None = None, tau: float | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Parameters of every curve of a table or a result.

    Parameters
    ----------
    source : table with ID, TIME and DV (or CONC) and optionally ANALYTE, any letter case; or a result of `simulate`.
    start, end : window, h; times count from `start`.

    Returns
    -------
    One row per subject, analyte and site; columns are CDISC names.
    """
    options: dict[str, Any] = {"dose": dose, "route": route, "duration": duration, "method": method, "tau": tau}
    if isinstance(source, pd.DataFrame):
        return _of_frame(source, start, end, blq, lloq, options)
    plasma = source["plasma"].to_dataset()
    if "subject" not in plasma.dims:
        raise InvalidData("the result holds quantiles, not patients; simulate with stream=False for an exposure table.")
    pieces = []
    for name in [site] if site else [str(v) for v in plasma.data_vars]:
        if name not in plasma:
            raise InvalidData(f"the result has no site '{name}'.{close_names(name, [str(v) for v in plasma.data_vars])}")
        wanted = list(analytes) if analytes else [str(a) for a in plasma["analyte"].values]
        array = plasma[name].sel(analyte=wanted)
        times = array["time"].values
        window = (times >= start) & (times <= (end if end is not None else np.inf))
        for analyte in wanted:
            values = array.sel(analyte=analyte).values[:, window]
            if np.isfinite(values).any():
                values = np.where(np.isfinite(values), values, 0.0)
                found = analyse(times[window] - start, np.maximum(values, 0.0), **options)
                pieces.append(pd.DataFrame({"subject": plasma["subject"].values, "analyte": analyte, "site": name, **found}))
    return pd.concat(pieces, ignore_index=True)


def _of_frame(
    frame: pd.DataFrame, start: float, end: float | None, blq: str, lloq: float, options: dict[str, Any]
) -> pd.DataFrame:
    names = {str(c).upper(): c for c in frame.columns}
    dv = next((names[c] for c in ("DV", "CONC", "CONCENTRATION") if c in names), None)
    for needed in ("ID", "TIME"):
        if needed not in names:
            raise InvalidData(f"the table has no column {needed}. Columns: {', '.join(map(str, frame.columns))}.")
    if dv is None:
        raise InvalidData(f"the table has no column DV or CONC. Columns: {', '.join(map(str, frame.columns))}.")
    by = [names["ID"]] + ([names["ANALYTE"]] if "ANALYTE" in names else [])
    rows = []
    for key, part in frame.groupby(by, sort=False):
        time = part[names["TIME"]].to_numpy(float)
        window = (time >= start) & (time <= (end if end is not None else np.inf))
        result = nca(time[window] - start, part[dv].to_numpy(float)[window], blq=blq, lloq=lloq, **options)
        rows.append({"subject": key[0], "analyte": key[1] if len(by) > 1 else "", "site": "", **result.parameters})
    return pd.DataFrame(rows)


def exposure_summary(table: pd.DataFrame, parameters: Iterable[str] | None = None) -> pd.DataFrame:
    """Distribution of parameters per arm, analyte and site: n, geometric mean, geometric CV (%), median, 5th and 95th percentile.

    Parameters
    ----------
    table : of `nca_table`. parameters : CDISC names; by default all that were computed.
    """
    rows, keys = [], [name for name in _KEYS if name in table]
    wanted = list(PARAMETERS if parameters is None else parameters)
    for key, part in table.groupby(keys, sort=False):
        for name in (p for p in wanted if p in part):
            values = part[name].to_numpy(float, na_value=np.nan)
            values = values[np.isfinite(values)]
            if not len(values):
                continue
            logs = np.log(values[values > 0])
            mean = float(np.exp(logs.mean())) if len(logs) else np.nan
            cv = 100 * float(np.sqrt(np.expm1(logs.var(ddof=1)))) if len(logs) > 1 else np.nan
            low, middle, high = np.percentile(values, (5, 50, 95))
            rows.append({**dict(zip(keys, key, strict=True)), "parameter": name, "n": len(values), "geometric_mean": mean,
                         "geometric_cv_percent": cv, "median": middle, "p05": low, "p95": high})  # fmt: skip
    return pd.DataFrame(rows)


def _logs(column: pd.Series) -> Floats:
    """Natural logarithms; NaN where a value is zero."""
    values = column.to_numpy(float)
    return np.log(np.where(values > 0, values, np.nan))


def compare_exposure(a: pd.DataFrame, b: pd.DataFrame, parameters: Iterable[str] = ("CMAX", "AUCLST")) -> pd.DataFrame:
    """Ratios of geometric means, a over b, with 90 % confidence interval; paired where both have the same subjects."""
    from scipy.special import stdtrit  # Student's t without what scipy.stats takes to import

    rows = []
    keys = ["analyte", "site"]
    for key, part in a.groupby(keys, sort=False):
        other = b[(b["analyte"] == key[0]) & (b["site"] == key[1])]
        for name in (p for p in parameters if p in part and p in other and len(other)):
            x, y = _logs(part[name]), _logs(other[name])
            paired = len(x) == len(y) and np.array_equal(part["subject"].to_numpy(), other["subject"].to_numpy())
            x, y = (v[np.isfinite(x) & np.isfinite(y)] for v in (x, y)) if paired else (x[np.isfinite(x)], y[np.isfinite(y)])
            if len(x) < 2 or len(y) < 2:
                continue
            difference = float(x.mean() - y.mean())
            se = np.sqrt((x - y).var(ddof=1) / len(x)) if paired else np.sqrt(x.var(ddof=1) / len(x) + y.var(ddof=1) / len(y))
            margin = float(stdtrit(len(x) - 1 if paired else len(x) + len(y) - 2, 0.95) * se)
            ratio, low, high = np.exp([difference, difference - margin, difference + margin])
            rows.append(
                {
                    "analyte": key[0],
                    "site": key[1],
                    "parameter": name,
                    "ratio": ratio,
                    "ci90_low": low,
                    "ci90_high": high,
                    "paired": paired,
                }
            )
    return pd.DataFrame(rows)
