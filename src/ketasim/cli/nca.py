"""``ketasim nca``: non-compartmental analysis of measured or simulated concentrations, in CDISC parameter names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ketasim.cli import _show
from ketasim.cli._settings import settings
from ketasim.cli._verb import verb
from ketasim.errors import InvalidData, InvalidOption, close_names

if TYPE_CHECKING:
    import pandas as pd

_USUAL = {
    "ID": ("ID", "SUBJECT", "USUBJID", "SUBJID"),
    "TIME": ("TIME", "ARRLT", "AFRLT"),
    "DV": ("DV", "CONC", "CONCENTRATION", "AVAL", "VENOUS"),
    "ANALYTE": ("ANALYTE", "PARAM"),
}


@verb
def nca(
    data: Annotated[Path, typer.Argument(metavar="FILE", help="CSV with one row per subject and time, or a .zarr result.")],
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
    from ketasim.cli._outputs import check_writable
    from ketasim.nca import exposure_summary

    if out is not None:
        check_writable(out)
    options: dict[str, Any] = {
        "route": route, "duration": duration, "method": method, "blq": blq, "lloq": lloq, "tau": tau, "start": start, "end": end,
    }  # fmt: skip
    columns = {"ID": subject, "TIME": time, "DV": concentration, "ANALYTE": analyte}
    table = _of_result(data, dose, options) if data.suffix == ".zarr" else _of_table(data, columns, dose, options)
    table = exposure_summary(table) if summary else table
    if out is not None:
        from ketasim.dose._writing import replacing

        with replacing(out) as part:
            table.to_csv(part, index=False)
        _show.note(f"Written: {out}")
        return
    shown = table.dropna(axis="columns", how="all")
    _show.frame(shown.loc[:, [c for c in shown if bool((shown[c].to_numpy() != "").any())]], numbers_from=2)
    if not settings.json:
        rule = f"below {lloq:g}: {blq}" if lloq else "no limit of quantification"
        _show.note(f"Areas {method}; {rule}; terminal slope by the best adjusted R2 of at least three last points.")
    _show.notice()


def _of_result(path: Path, dose: str, options: dict[str, Any]) -> pd.DataFrame:
    import xarray as xr

    from ketasim.nca import nca_table

    if not path.is_dir():
        raise InvalidOption(f"{path}: no such result.")
    return nca_table(xr.open_datatree(path, engine="zarr"), dose=_amount(dose) if dose else None, **options)


def _of_table(path: Path, given: dict[str, str], dose: str, options: dict[str, Any]) -> pd.DataFrame:
    import pandas as pd

    from ketasim.nca import nca_table

    table = _read(path)
    columns = {role: _column(table, role, name, path) for role, name in given.items()}
    frame = pd.DataFrame({role: table[name] for role, name in columns.items() if name})
    for role in ("TIME", "DV"):
        frame[role] = _numbers(table, columns[role], path)
    if _exact(table, dose):
        doses = _numbers(table, _exact(table, dose), path)
        pieces = [
            nca_table(part, dose=_first_dose(doses[part.index], key, dose, path), **options)
            for key, part in frame.groupby("ID", sort=False)
        ]
        return pd.concat(pieces, ignore_index=True)
    return nca_table(frame, dose=_amount(dose) if dose else None, **options)


def _read(path: Path) -> pd.DataFrame:
    """Observation rows of a CSV file: without EVID above 0 and MDV 1."""
    import pandas as pd

    if not path.is_file():
        raise InvalidOption(f"{path}: no such file.")
    try:
        table = pd.read_csv(path, comment="#", na_values=["."], skipinitialspace=True)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InvalidData(f"{path}: is no CSV table ({error}).") from None
    for flag in ("EVID", "MDV"):
        name = _exact(table, flag)
        if name:
            table = table[(pd.to_numeric(table[name], errors="coerce") > 0).to_numpy() == 0]
    return table


def _exact(table: pd.DataFrame, name: str) -> str:
    """Column of that name in any letter case, else empty."""
    return next((str(c) for c in table.columns if name and str(c).lower() == name.lower()), "")


def _column(table: pd.DataFrame, role: str, given: str, path: Path) -> str:
    found = _exact(table, given) if given else next((c for name in _USUAL[role] if (c := _exact(table, name))), "")
    if not found and (given or role != "ANALYTE"):
        option = {"ID": "--id", "TIME": "--time", "DV": "--conc", "ANALYTE": "--analyte"}[role]
        names = ", ".join(map(str, table.columns))
        wanted = (
            f"no column '{given}'.{close_names(given, map(str, table.columns))}"
            if given
            else f"which column is {role}? Say {option} COLUMN."
        )
        raise InvalidOption(f"{path}: {wanted} It has: {names}.")
    return found


def _numbers(table: pd.DataFrame, name: str, path: Path) -> pd.Series:
    import pandas as pd

    values = pd.to_numeric(table[name], errors="coerce")
    bad = values.isna() & table[name].notna()
    if bool(bad.to_numpy().any()):
        row = int(table.index[bad][0])
        raise InvalidData(
            f"{path}, line {row + 2}, column {name}: '{table[name][row]}' is no number; write a number, or '.' where missing."
        )
    return values


def _first_dose(values: pd.Series, subject: object, name: str, path: Path) -> float:
    known = values.dropna().unique()
    if len(known) != 1:
        raise InvalidData(f"{path}: subject {subject} has {len(known)} different values in column {name}; one dose is needed.")
    return float(known[0])


def _amount(text: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        raise InvalidOption(f"--dose {text}: neither a number nor a column of the table.") from None
    if not 0 < amount < float("inf"):
        raise InvalidOption(f"--dose {text}: must be above 0.")
    return amount
