"""Analyses of tables and results, and their summaries."""

# pyright: reportIndexIssue=false, reportGeneralTypeIssues=false, reportArgumentType=false, reportAttributeAccessIssue=false
# pyright: reportCallIssue=false, reportReturnType=false
# pandas' annotations leave groups and columns open.

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ketasim.arguments import checked
from ketasim.errors import CompletedCurve, InvalidData, InvalidOption, LeftOutCurve, close_names, warn
from ketasim.nca._analysis import BLQ_RULES, PARAMETERS, Floats, Method, Route, analyse, check_curve, nca, remarks
from ketasim.nca._below import HELP, concentrations

if TYPE_CHECKING:
    import xarray as xr

_KEYS = ("arm", "analyte", "site")


@checked
def nca_table(
    source: pd.DataFrame | xr.DataTree, *, dose: float | str | None = None, route: Route = "extravascular", duration: float = 0.0,
    method: Method = "linear", blq: str = "zero", lloq: float = 0.0, site: str | None = None, analytes: Sequence[str] | None = None,
    start: float = 0.0, end: float | None = None, tau: float | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Parameters of every curve of a table or a result.

    Parameters
    ----------
    source : table with ID, TIME and DV (or CONC) and optionally ARM and ANALYTE, any letter case; or a result of `simulate`, or of several
        arms. Concentrations may be written as below a limit: ``<0.5``, ``BLQ``; `blq` says what becomes of them. dose : a number, or the
        column of a table that holds it. start, end : window, h; AUCINT is its area, and all else takes a dose at `start` and the values
        within the window.

    Returns
    -------
    One row per arm (where there are arms), subject, analyte and site; columns are CDISC names.

    Raises
    ------
    InvalidData: a column or site that is not there; no curve that can be analysed. InvalidOption: unknown rule, a window without length.

    Warns
    -----
    CompletedCurve: curves completed by a rule or resting on little, and how many. LeftOutCurve: a curve that cannot be analysed, with
    its subject; its row is empty.
    """
    if end is not None and end <= start:
        raise InvalidOption(f"start = {start:g} h, end = {end:g} h: the window must end after it begins.")
    options: dict[str, Any] = {"dose": dose, "route": route, "duration": duration, "method": method, "tau": tau}
    notes: Counter[str] = Counter()
    if isinstance(source, pd.DataFrame):
        table = _of_frame(source, start, end, blq, lloq, options, notes)
    elif isinstance(dose, str):
        raise InvalidOption(f"dose = '{dose}': a result has no columns; give a number.")
    else:
        table = _of_tree(source, start, end, site, analytes, options, notes)
    for sentence, number in notes.items():
        warn(f"{sentence} ({number} of {len(table)} curves)." if number else f"{sentence}.", CompletedCurve, stacklevel=2)
    if "LAMZNPT" in table:
        table["LAMZNPT"] = table["LAMZNPT"].astype("Int64")
    return table


def _of_tree(
    source: xr.DataTree, start: float, end: float | None, site: str | None, analytes: Sequence[str] | None,
    options: dict[str, Any], notes: Counter[str],
) -> pd.DataFrame:  # fmt: skip
    if "plasma" in source.children:
        return _of_result(source, start, end, site, analytes, options, notes)
    arms = {label: child for label, child in source.children.items() if "plasma" in child.children}
    if not arms:
        raise InvalidData(f"the result has no group 'plasma'. It has: {', '.join(source.children) or 'nothing'}.")
    tables = {label: _of_result(child, start, end, site, analytes, options, notes) for label, child in arms.items()}
    for label, table in tables.items():
        table.insert(0, "arm", label)
    return pd.concat(tables.values(), ignore_index=True)


def _of_result(
    source: xr.DataTree, start: float, end: float | None, site: str | None, analytes: Sequence[str] | None,
    options: dict[str, Any], notes: Counter[str],
) -> pd.DataFrame:  # fmt: skip
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
            solved = np.isfinite(values).all(axis=1)
            if solved.any():
                own = np.where(solved[:, None], np.maximum(values, 0.0), 0.0)
                found = analyse(times[window] - start, own, **options)
                if start > 0 or end is not None:
                    whole = np.where(solved[:, None], np.maximum(array.sel(analyte=analyte).values, 0.0), 0.0)
                    found["AUCINT"] = analyse(times, whole, **options, window=(start, np.inf if end is None else end))["AUCINT"]
                # A patient who failed to solve has no exposure, not one of zero.
                found = {code: np.where(solved, value, np.nan) for code, value in found.items()}
                said = remarks(times[window] - start, own, found, options["route"], options["tau"])
                notes.update({sentence: int(curves.sum()) for sentence, curves in said.items()})
                pieces.append(pd.DataFrame({"subject": plasma["subject"].values, "analyte": analyte, "site": name, **found}))
    if not pieces:
        raise InvalidData(f"the result has no concentrations from {start:g} h to {'its end' if end is None else f'{end:g} h'}.")
    return pd.concat(pieces, ignore_index=True)


def _of_frame(
    frame: pd.DataFrame, start: float, end: float | None, blq: str, lloq: float, options: dict[str, Any], notes: Counter[str]
) -> pd.DataFrame:
    names = _columns(frame)
    by = {names[key]: label for key, label in (("ARM", "arm"), ("ID", "subject"), ("ANALYTE", "analyte")) if key in names}
    if isinstance(options["dose"], str) and options["dose"].upper() not in names:
        raise InvalidData(
            f"the table has no column '{options['dose']}' with the dose. Columns: {', '.join(map(str, frame.columns))}."
        )
    values, below, wrong = concentrations(frame[names["DV"]])
    if wrong.any():
        raise InvalidData(f"{names['DV']} '{frame.loc[wrong, names['DV']].iloc[0]}' is no number; {HELP}.")
    frame = frame.assign(**{names["DV"]: values})
    if below.any():
        rule = BLQ_RULES.get(blq, "an unknown rule")
        notes[f"{int(below.sum())} of {len(frame)} values are written as below a limit: {rule} (blq = {blq})"] = 0
        lloq = max(lloq, np.nextafter(0.0, 1.0))
    rows: list[dict[str, Any]] = []
    errors: list[str] = []
    for key, part in frame.dropna(subset=[names["ID"]]).groupby(list(by), sort=False, dropna=False):
        keys = dict(zip(by.values(), key, strict=True))
        try:
            found, said = _of_curve(part, names, start, end, blq, lloq, options)
        except InvalidData as error:
            errors.append(f"{', '.join(f'{label} {value}' for label, value in keys.items())}: {error}")
            found, said = {}, ()
        notes.update(said)
        rows.append({"analyte": "", "site": ""} | keys | found)
    if len(errors) == len(rows):
        raise InvalidData(
            errors[0] if len(errors) == 1 else f"none of {len(errors)} curves can be analysed. {' '.join(errors[:3])}"
        )
    for error in errors:
        warn(f"{error} Its row is empty.", LeftOutCurve, stacklevel=3)
    table = pd.DataFrame(rows)
    first = [name for name in ("arm", "subject", "analyte", "site") if name in table]
    return table[first + [name for name in table if name not in first]]


def _of_curve(
    part: pd.DataFrame, names: Mapping[str, Any], start: float, end: float | None, blq: str, lloq: float, options: dict[str, Any]
) -> tuple[dict[str, float], tuple[str, ...]]:
    """Parameters of one curve, and remarks on it."""
    one: dict[str, Any] = options | {"dose": _dose(part, names, options["dose"]), "blq": blq, "lloq": lloq}
    time, conc = _curve(part, names, start, end)
    result = nca(time - start, conc, **one)
    found = dict(result.parameters)
    if start > 0 or end is not None:
        whole = nca(*_curve(part, names, 0.0, None), **one, window=(start, np.inf if end is None else end))
        found["AUCINT"] = whole.parameters.get("AUCINT", np.nan)
    return found, result.notes


def _columns(frame: pd.DataFrame) -> dict[str, Any]:
    """Role in capitals -> column of the table."""
    names: dict[str, Any] = {str(c).upper(): c for c in frame.columns}
    dv = next((names[c] for c in ("DV", "CONC", "CONCENTRATION") if c in names), None)
    listed = f"Columns: {', '.join(map(str, frame.columns))}."
    for needed in ("ID", "TIME"):
        if needed not in names:
            raise InvalidData(f"the table has no column {needed}. {listed}")
    if dv is None:
        raise InvalidData(f"the table has no column DV or CONC. {listed}")
    if frame.empty:
        raise InvalidData("the table has no rows; one per subject and time is needed.")
    return names | {"DV": dv}


def _curve(part: pd.DataFrame, names: Mapping[str, Any], start: float, end: float | None) -> tuple[Floats, Floats]:
    """Times and concentrations of one curve within the window, by time."""
    part = part.sort_values(names["TIME"], kind="stable")
    time, conc = part[names["TIME"]].to_numpy(float), part[names["DV"]].to_numpy(float)
    if bool((np.isnan(time) & ~np.isnan(conc)).any()):
        raise InvalidData("a concentration has no time; each needs one.")
    window = (time >= start) & (time <= (end if end is not None else np.inf)) & ~np.isnan(conc)
    # Before `start` is taken off, so that a message names the time that stands in the table.
    check_curve(time[window], conc[window])
    return time[window], conc[window]


def _dose(part: pd.DataFrame, names: Mapping[str, Any], dose: float | str | None) -> float | None:
    if not isinstance(dose, str):
        return dose
    known = part[names[dose.upper()]].dropna().unique()
    if len(known) != 1:
        raise InvalidData(f"{len(known)} different values in column {dose}; one dose is needed.")
    if not known[0] > 0:
        raise InvalidData(f"dose {known[0]:g} in column {dose}: must be above 0.")
    return float(known[0])


@checked
def exposure_summary(table: pd.DataFrame, parameters: Iterable[str] | None = None) -> pd.DataFrame:
    """Distribution of parameters per arm, analyte and site: n, geometric mean, geometric CV (%), median, 5th and 95th percentile.

    Parameters
    ----------
    table : of `nca_table`. parameters : CDISC names; by default all that were computed.
    """
    _check_keys(table, "subject")
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
            cv = 100 * _geometric_cv(logs) if len(logs) > 1 else np.nan
            low, middle, high = np.percentile(values, (5, 50, 95))
            rows.append({**dict(zip(keys, key, strict=True)), "parameter": name, "n": len(values), "geometric_mean": mean,
                         "geometric_cv_percent": cv, "median": middle, "p05": low, "p95": high})  # fmt: skip
    return pd.DataFrame(rows)


def _check_keys(table: pd.DataFrame, *needed: str) -> None:
    """Refuse a table that is none of `nca_table`."""
    if lacking := [name for name in needed if name not in table]:
        raise InvalidData(f"the table has no column '{lacking[0]}': give one that nca_table made. It has: {', '.join(map(str, table.columns))}.")  # fmt: skip


def _geometric_cv(logs: Floats) -> float:
    """From logarithms, as a fraction; equal ones differ from their rounded mean, which is no variation."""
    return float(np.sqrt(np.expm1(logs.var(ddof=1)))) if np.ptp(logs) > 0 else 0.0


def _logs(column: pd.Series) -> Floats:
    """Natural logarithms; NaN where a value is zero."""
    values = column.to_numpy(float)
    return np.log(np.where(values > 0, values, np.nan))


@checked
def compare_exposure(a: pd.DataFrame, b: pd.DataFrame, parameters: Iterable[str] = ("CMAX", "AUCLST")) -> pd.DataFrame:
    """Ratios of geometric means, a over b, with 90 % confidence interval; paired where both have the same subjects.

    One subject has a ratio and no interval.
    """
    from scipy.special import stdtrit  # Student's t without what scipy.stats takes to import

    for table in (a, b):
        _check_keys(table, "analyte", "site", "subject")
    rows = []
    keys = ["analyte", "site"]
    for key, part in a.groupby(keys, sort=False):
        other = b[(b["analyte"] == key[0]) & (b["site"] == key[1])]
        for name in (p for p in parameters if p in part and p in other and len(other)):
            x, y = _logs(part[name]), _logs(other[name])
            paired = len(x) == len(y) and np.array_equal(part["subject"].to_numpy(), other["subject"].to_numpy())
            x, y = (v[np.isfinite(x) & np.isfinite(y)] for v in (x, y)) if paired else (x[np.isfinite(x)], y[np.isfinite(y)])
            if not len(x) or not len(y):
                continue
            difference, margin = float(x.mean() - y.mean()), np.nan
            if min(len(x), len(y)) > 1:
                variance = (x - y).var(ddof=1) / len(x) if paired else x.var(ddof=1) / len(x) + y.var(ddof=1) / len(y)
                margin = float(stdtrit(len(x) - 1 if paired else len(x) + len(y) - 2, 0.95) * np.sqrt(variance))
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
