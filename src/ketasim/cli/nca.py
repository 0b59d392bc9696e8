"""``ketasim nca``: non-compartmental analysis of measured or simulated concentrations, in CDISC parameter names."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ketasim.cli import _show
from ketasim.cli._settings import settings
from ketasim.cli._verb import verb
from ketasim.errors import InvalidData, InvalidOption, close_names

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_USUAL = {
    "ID": ("ID", "SUBJECT", "USUBJID", "SUBJID"),
    "TIME": ("TIME", "ARRLT", "AFRLT"),
    "DV": ("DV", "CONC", "CONCENTRATION", "AVAL", "VENOUS"),
    "ANALYTE": ("ANALYTE", "PARAM"),
    "ARM": ("ARM",),
}
_OPTIONS = {"ID": "--id", "TIME": "--time", "DV": "--conc", "ANALYTE": "--analyte"}
_NAMES = ("arm", "subject", "analyte", "site", "parameter")


@verb
def nca(
    data: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV or Parquet with one row per subject and time, or a .zarr result.")
    ],
    *,
    subject: Annotated[str, typer.Option("--id", metavar="COLUMN", help="Column of the subject.")] = "",
    time: Annotated[str, typer.Option("--time", metavar="COLUMN", help="Column of the time, h.")] = "",
    concentration: Annotated[str, typer.Option("--conc", metavar="COLUMN", help="Column of the concentration.")] = "",
    analyte: Annotated[str, typer.Option("--analyte", metavar="COLUMN", help="Column of the analyte, if any.")] = "",
    dose: Annotated[
        str, typer.Option("--dose", metavar="NUMBER|COLUMN", help="Dose, for clearance and volume; a number or a column.")
    ] = "",
    route: Annotated[str, typer.Option("--route", help="extravascular, bolus or infusion.")] = "extravascular",
    duration: Annotated[float, typer.Option("--duration", min=0.0, help="Of an infusion, h.")] = 0.0,
    method: Annotated[str, typer.Option("--method", help="linear or lin-up/log-down.")] = "linear",
    blq: Annotated[str, typer.Option("--blq", help="Rule below the limit of quantification: zero or missing.")] = "zero",
    lloq: Annotated[float, typer.Option("--lloq", min=0.0, help="Limit of quantification, in the unit of the data.")] = 0.0,
    tau: Annotated[float | None, typer.Option("--tau", min=0.0, help="Dosing interval at steady state, h.")] = None,
    start: Annotated[float, typer.Option("--start", min=0.0, help="Begin of the window, h; times count from here.")] = 0.0,
    end: Annotated[float | None, typer.Option("--end", help="End of the window, h.")] = None,
    summary: Annotated[bool, typer.Option("--summary", help="Distribution over subjects instead of each subject.")] = False,
    out: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE.csv", help="Write the parameters.")] = None,
) -> None:
    """Non-compartmental analysis (AUCLST, AUCIFO, CMAX, TMAX, LAMZHL, CLFO ...).

    \b
    ketasim nca theoph.csv --dose 320 --method lin-up/log-down
    ketasim simulate "esketamine nasal 56 mg" -n 100 -o a.zarr; ketasim nca a.zarr --summary
    """
    from ketasim.cli._outputs import check_file
    from ketasim.nca import exposure_summary

    check_file(out, (".csv",))
    options: dict[str, Any] = {
        "route": route, "duration": duration, "method": method, "blq": blq, "lloq": lloq, "tau": tau, "start": start, "end": end,
    }  # fmt: skip
    columns = {"ID": subject, "TIME": time, "DV": concentration, "ANALYTE": analyte, "ARM": ""}
    table = _of_result(data, dose, options) if data.suffix == ".zarr" else _of_table(data, columns, dose, options)
    table = exposure_summary(table) if summary else table
    if out is not None:
        from ketasim.csvtext import plain_texts
        from ketasim.writing import replacing

        with replacing(out) as part:
            plain_texts(table).to_csv(part, index=False)
        _show.note(f"Written: {out}")
        return
    shown = _shown(table)
    if start > 0 or end is not None:
        upto = "the last value" if end is None else f"{end:g} h"
        _show.note(
            f"AUCINT is the area from {start:g} to {upto}; all else takes a dose at {start:g} h and the values of the window."
        )
    _show.frame(shown, numbers_from=sum(name in _NAMES for name in shown))
    if not settings.json:
        rule = f"below {lloq:g}: {blq}" if lloq else "no limit of quantification given"
        _show.note(f"Areas {method}; {rule}; terminal slope by the best adjusted R2 of at least three last points.")
    _show.notice()


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    """Columns with something in them, whole numbers as such; AUCTAU always, as a note speaks of it where it is missing."""
    table = table.loc[:, [c for c in table if c == "AUCTAU" or bool(table[c].notna().any())]]
    if "LAMZNPT" in table:
        table = table.assign(LAMZNPT=table["LAMZNPT"].astype(object).where(table["LAMZNPT"].notna(), float("nan")))
    return table.loc[:, [c for c in table if c not in _NAMES or bool((table[c] != "").any())]]


def _of_result(path: Path, dose: str, options: dict[str, Any]) -> pd.DataFrame:
    import xarray as xr

    from ketasim.nca import nca_table

    if not path.is_dir():
        raise InvalidOption(f"{path}: no such result.")
    try:
        result = xr.open_datatree(path, engine="zarr")
    except (OSError, ValueError, KeyError):
        raise InvalidData(f"{path}: is no result; ketasim simulate or compare -o {path.name} writes one.") from None
    _say_units(result, bool(dose))
    with _named(path):
        return nca_table(result, dose=_amount(dose) if dose else None, **options)


def _say_units(result: xr.DataTree, has_dose: bool) -> None:
    """Name the unit of a result's concentrations; clearances follow from it and from the dose, whose unit nobody gave."""
    plasma = [node.to_dataset() for node in result.subtree if node.name == "plasma"]
    units = {str(site.attrs["units"]) for one in plasma for site in one.data_vars.values()}
    per_dose = " With the dose in ug, clearance is in L/h and volume in L." if has_dose and units == {"ng/mL"} else ""
    _show.note(f"Concentrations in {', '.join(sorted(units))}, times in h.{per_dose}")


def _of_table(path: Path, given: dict[str, str], dose: str, options: dict[str, Any]) -> pd.DataFrame:
    import pandas as pd

    from ketasim.nca import nca_table

    table = _read(path, given["ID"])
    columns = {role: _column(table, role, name, path) for role, name in given.items()}
    if columns["DV"].lower() == "venous" and not given["DV"]:
        _show.note("Concentrations: column 'venous'; --conc COLUMN takes another.")
    frame = pd.DataFrame({role: table[name] for role, name in columns.items() if name})
    frame["TIME"] = _numbers(table, columns["TIME"], path)
    frame["DV"] = _concentrations(table, columns["DV"], path)
    column = _exact(table, dose)
    if column:
        frame[column] = _numbers(table, column, path)
    with _named(path):
        return nca_table(frame, dose=column or (_amount(dose) if dose else None), **options)


@contextmanager
def _named(path: Path) -> Generator[None]:
    """Put the file in front of what is wrong with it."""
    try:
        yield
    except InvalidData as error:
        raise InvalidData(f"{path}: {error}") from None


def _read(path: Path, subject: str) -> pd.DataFrame:
    """Observation rows of a CSV or Parquet file: without EVID above 0 and MDV 1."""
    import pandas as pd

    from ketasim.csvtext import absent, as_numbers

    if not path.is_file():
        raise InvalidOption(f"{path}: {absent(path, 'a CSV or Parquet file, or a .zarr result')}")
    parquet = path.suffix.lower() == ".parquet"
    try:
        table = pd.read_parquet(path) if parquet else _read_csv(path, subject)
    except InvalidData:
        raise
    except ValueError as error:  # what pandas and Arrow raise for a file of another kind
        raise InvalidData(f"{path}: is no {'Parquet' if parquet else 'CSV'} table ({str(error).strip()}).") from None
    for flag in ("EVID", "MDV"):
        name = _exact(table, flag)
        if name:
            table = table[(as_numbers(table[name]) > 0).to_numpy() == 0]
    if table.empty:
        raise InvalidData(
            f"{path}: has no rows of observations; one per subject and time is needed, with EVID 0 and MDV 0 if given."
        )
    return table


def _read_csv(path: Path, subject: str) -> pd.DataFrame:
    """Subjects as they are written where a number would lose something: 007 its zeros."""
    from io import StringIO

    import pandas as pd

    from ketasim.csvtext import say_semicolons, separator_of, text_bytes
    from ketasim.population import PLAIN_ID

    text = text_bytes(path).decode()
    if not text.strip():
        raise InvalidData(f"{path}: the file is empty; needed are a header line and one row per subject and time.")
    separator = separator_of(next((line for line in text.splitlines() if line.strip() and line[0] != "#"), ""))
    options: dict[str, Any] = {"comment": "#", "na_values": ["."], "skipinitialspace": True, "sep": separator}
    if separator == ";":
        say_semicolons(path)
        options["decimal"] = ","
    names = pd.read_csv(StringIO(text), nrows=0, **options)
    column = next((c for name in (subject, *_USUAL["ID"]) if (c := _exact(names, name))), "")
    table = pd.read_csv(StringIO(text), dtype={column: str} if column else None, **options)
    if separator == ";":  # numbers beside words such as <0,5
        for name in table.columns.difference([column]):
            if table[name].dtype == object or pd.api.types.is_string_dtype(table[name]):
                table[name] = table[name].str.replace(r"(?<=\d),(?=\d)", ".", regex=True)
    if column:
        ids = table[column].str.strip()
        table[column] = pd.to_numeric(ids) if ids.dropna().str.fullmatch(PLAIN_ID).all() else ids
    return table


def _exact(table: pd.DataFrame, name: str) -> str:
    """Column of that name in any letter case, else empty."""
    return next((str(c) for c in table.columns if name and str(c).lower() == name.lower()), "")


def _column(table: pd.DataFrame, role: str, given: str, path: Path) -> str:
    found = _exact(table, given) if given else next((c for name in _USUAL[role] if (c := _exact(table, name))), "")
    if not found and (given or role in ("ID", "TIME", "DV")):
        option = _OPTIONS[role]
        names = ", ".join(map(str, table.columns))
        wanted = (
            f"no column '{given}'.{close_names(given, map(str, table.columns))}"
            if given
            else f"which column is {role}? Say {option} COLUMN."
        )
        raise InvalidOption(f"{path}: {wanted} It has: {names}.")
    return found


def _numbers(table: pd.DataFrame, name: str, path: Path) -> pd.Series:
    from ketasim.csvtext import as_numbers

    values = as_numbers(table[name])
    bad = values.isna() & table[name].notna()
    if bool(bad.to_numpy().any()):
        row = int(table.index[bad][0])
        raise InvalidData(
            f"{path}, line {row + 2}, column {name}: '{str(table[name][row])[:80]}' is no number; write a number, or '.' where missing."
        )
    return values


def _concentrations(table: pd.DataFrame, name: str, path: Path) -> pd.Series:
    """As written: words that say neither a number nor a value below a limit are told with their line."""
    from ketasim.nca import BELOW_HELP
    from ketasim.nca._below import concentrations

    wrong = concentrations(table[name])[2]
    if bool(wrong.any()):
        row = int(table.index[wrong][0])
        raise InvalidData(f"{path}, line {row + 2}, column {name}: '{str(table[name][row])[:80]}' is no number; {BELOW_HELP}.")
    return table[name]


def _amount(text: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        raise InvalidOption(f"--dose {text}: neither a number nor a column of the table.") from None
    if not 0 < amount < float("inf"):
        raise InvalidOption(f"--dose {text}: must be above 0.")
    return amount
