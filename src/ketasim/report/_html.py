"""One self-contained HTML page per run: what was given, what came out, on what evidence, and how to repeat it."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ketasim.arguments import checked
from ketasim.nca import compare_exposure, exposure_summary
from ketasim.report._answers import answers
from ketasim.report._basis import evidence, facts, warned
from ketasim.report._care import care_section
from ketasim.report._figures import as_arms, concentration_figure, exposure_figure, pretty, rank, sites
from ketasim.report._parts import html_figure, html_table, shown
from ketasim.report._shown import shown_section
from ketasim.results import (
    NEW_STUDY,
    NOTICE,
    REPEATED,
    WHOLE,
    arm_words,
    asked_analytes,
    exposure_rows,
    exposure_table,
    held_sentence,
    redundant_totals,
    sureness,
    unit_of,
)
from ketasim.writing import replacing

if TYPE_CHECKING:
    import xarray as xr

_CSS = """
:root{--ink:#1d2433;--soft:#5b6475;--line:#dfe3ea;--accent:#0072B2;--warn:#fff6e0}
*{box-sizing:border-box}body{font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;color:var(--ink);margin:0;background:#fff}
main{max-width:1080px;margin:0 auto;padding:2rem 1.25rem 4rem}h1{font-size:1.7rem;line-height:1.2;margin:.2rem 0 .6rem}
h2{font-size:1.2rem;margin:2.4rem 0 .7rem;padding-bottom:.25rem;border-bottom:2px solid var(--line)}h3{font-size:1rem;margin:1.4rem 0 .4rem}
p,li{max-width:75ch}h1,h2,h3,p,li,figcaption,code{overflow-wrap:anywhere}a{color:var(--accent)}.notice{background:var(--warn);border-left:4px solid #E69F00;padding:.6rem .9rem;margin:1rem 0}ul.notice{padding-left:2rem}
.soft{color:var(--soft);font-size:.9rem}table{border-collapse:collapse;font-size:.86rem;margin:.5rem 0 1rem;font-variant-numeric:tabular-nums}
th,td{padding:.28rem .7rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}th{color:var(--soft);font-weight:600}
th:first-child,td:first-child,td.t,th.t{text-align:left}td.w{white-space:normal;min-width:15rem}.scroll{overflow-x:auto}figure{margin:1rem 0}
figure svg{display:block;max-width:100%;min-width:36rem;height:auto}
figcaption{color:var(--soft);font-size:.88rem;max-width:80ch}code,pre{font:.86rem/1.5 ui-monospace,Menlo,Consolas,monospace}
pre{background:#f5f7fa;padding:.8rem 1rem;overflow-x:auto;white-space:pre-wrap;border-radius:4px}.tag{font-size:.78rem;background:#eef3f8;border-radius:3px;padding:.05rem .4rem}
@media print{main{max-width:none}h2{break-after:avoid}figure,table{break-inside:avoid}}
"""
_ROWS_SHOWN = 40
_PARAMETERS = (*WHOLE, *REPEATED)


@checked
def html_report(
    results: xr.DataTree | Mapping[str, xr.DataTree], path: str | Path, *, title: str = "", command: str = ""
) -> Path:
    """Write the report of one or several simulated regimens.

    Parameters
    ----------
    results : result of `simulate`, or label -> result of `compare`. path : .html file. command : how to repeat the run.

    Returns
    -------
    Path of the file, written whole or not at all.
    """
    arms, path = as_arms(results), Path(path)
    tables = _tables(arms)
    first = next(iter(arms.values()))
    head = title or ("Comparison of regimens" if len(arms) > 1 else str(first.attrs["regimen"]))
    body = [f"<h1>{escape(head)}</h1>", f'<p class="notice"><strong>{escape(NOTICE)}</strong></p>', warned(arms), answers(arms)]
    body += [
        facts(arms),
        care_section(arms),
        shown_section(arms),
        _figures(arms, tables),
        _exposure(arms, tables),
        _comparison(arms, tables),
        _sure(arms),
        _regimens(arms),
        evidence(arms),
        _solver(arms),
    ]
    body += [_repeat(first, command)]
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(head)} - ketasim</title><style>{_CSS}</style></head><body><main>{''.join(body)}</main></body></html>"
    )
    return _write(path, page)


def _tables(arms: Mapping[str, xr.DataTree]) -> dict[str, pd.DataFrame]:
    """Exposure of every patient, per arm that kept them: of analytes that are there, TMAX since the last dose."""
    tables: dict[str, pd.DataFrame] = {}
    for label, result in arms.items():
        table = exposure_table(result)
        if len(table):
            table = table[table.groupby("analyte")["CMAX"].transform("max") > 0]
            tables[label] = table.iloc[_order(table)]
    redundant = redundant_totals([set(table["analyte"]) for table in tables.values()], asked_analytes(arms))
    return {label: table[~table["analyte"].isin(redundant)] for label, table in tables.items()}


def _order(table: pd.DataFrame) -> NDArray[np.intp]:
    """Rows by site, then analyte, as figures have them; patients stay in order."""
    places = {site: k for k, site in enumerate(table["site"].unique())}
    return np.lexsort(([rank(str(a))[0] for a in table["analyte"]], [places[s] for s in table["site"]]))


def _write(path: Path, page: str) -> Path:
    with replacing(path) as draft:
        draft.write_text(page, encoding="utf-8", errors="backslashreplace")
    return path


def _figures(arms: Mapping[str, xr.DataTree], tables: Mapping[str, pd.DataFrame]) -> str:
    first = next(iter(arms.values()))
    out = ["<h2>Concentrations</h2>"]
    one = all(int(r.attrs["n"]) == 1 for r in arms.values())
    spread = "One patient." if one else "Median, 25-75 % and 5-95 % of patients."
    for site in sites(first):
        name = site.replace("_", " ")
        out.append(f"<h3>{escape(name.capitalize())}</h3>")
        window = _first_dose(first)
        out.append(
            html_figure(
                concentration_figure(arms, site=site, window=window),
                f"Concentrations {_when(first, name)}. {spread}",
            )
        )
        if float(first["plasma"]["time"].max()) > 72:
            out.append(
                html_figure(
                    concentration_figure(arms, site=site, log=True),
                    f"Concentrations over time, {name}: the whole course, logarithmic axis. {spread}",
                )
            )
    if tables:
        site = sites(first)[0]
        out.append(
            html_figure(
                exposure_figure(tables, site, unit=_units(first)[site, "CMAX"]),
                f"Largest concentration per patient, {site.replace('_', ' ')}" + ("." if one else ": median, quartiles, 5-95 %."),
            )
        )
    return "".join(out)


def _when(result: xr.DataTree, site: str) -> str:
    """What times the first figure of a site shows."""
    times = result["plasma"]["time"].to_numpy()
    if len(times) == 1:
        return f"at {float(times[0]):g} h, {site}"
    return f"over time, {site}: first {_first_dose(result)[1]:g} h"


def _first_dose(result: xr.DataTree) -> tuple[float, float]:
    return 0.0, min(12.0, float(result["plasma"]["time"].max()))


def _exposure(arms: Mapping[str, xr.DataTree], tables: Mapping[str, pd.DataFrame]) -> str:
    out = ['<h2>Exposure</h2><p class="soft">From the solution of the model, whatever the output times (CDISC names): CMAX, TMAX, AUCLST and '
           "LAMZHL of the time to the last output, TMAX after the dose before the peak; AUCTAU and CTROUGH of the last dosing interval, "
           "ARAUC its area over that of the first.</p>"]  # fmt: skip
    for label, result in arms.items():
        shown_table = _exposure_table(tables[label], _units(result)) if label in tables else _streamed_exposure(result)
        out.append(f"<h3>{escape(label)}</h3>{shown_table}")
    return "".join(out)


def _streamed_exposure(result: xr.DataTree) -> str:
    """The same of a cohort that kept no single patients."""
    names = dict(zip(_PARAMETERS, ("cmax", "tmax", "auc", "half_life", "auctau", "ctrough", "accumulation"), strict=True))
    rows = [
        (pretty(row["analyte"]), row["site"].replace("_", " "), code, unit_of(code, row["unit"]), row[name], row[f"{name}_low"], row[f"{name}_high"])
        for site in sites(result)
        for row in sorted(exposure_rows(result, site), key=lambda row: rank(row["analyte"])[0])
        for code, name in names.items()
        if np.isfinite(row.get(name, np.nan))
    ]  # fmt: skip
    return html_table(("analyte", "site", "parameter", "unit", "median", "5 %", "95 %"), rows, 4)


def _exposure_table(table: pd.DataFrame, units: Mapping[tuple[str, str], str]) -> str:
    """Distribution over patients; of one patient the values."""
    names = [name for name in _PARAMETERS if name in table]
    one = len(set(table["subject"])) == 1
    shown_of_many = ("geometric mean", "CV %", "median", "5 %", "95 %")
    rows = []
    for r in exposure_summary(table, names).itertuples():
        values = (r.median,) if one else (r.geometric_mean, r.geometric_cv_percent, r.median, r.p05, r.p95)
        rows.append((pretty(r.analyte), r.site.replace("_", " "), r.parameter, units[r.site, r.parameter], *values))
    return html_table(("analyte", "site", "parameter", "unit", *(("value",) if one else shown_of_many)), rows, 4)


def _units(result: xr.DataTree) -> dict[tuple[str, str], str]:
    """Unit of every exposure parameter shown, by site and name."""
    units: dict[tuple[str, str], str] = {}
    for site, array in result["plasma"].to_dataset().data_vars.items():
        unit = str(array.attrs["units"])
        for name in _PARAMETERS:
            units[str(site), name] = unit_of(name, unit)
    return units


def _comparison(arms: Mapping[str, xr.DataTree], tables: Mapping[str, pd.DataFrame]) -> str:
    if len(tables) < 2:
        return ""
    labels = list(tables)
    rows = []
    for other in labels[1:]:
        for r in compare_exposure(tables[other], tables[labels[0]]).itertuples():
            rows.append(
                (
                    f"{other} / {labels[0]}",
                    pretty(r.analyte),
                    r.site.replace("_", " "),
                    r.parameter,
                    r.ratio,
                    r.ci90_low,
                    r.ci90_high,
                )
            )
    head = ("arms", "analyte", "site", "parameter", "ratio", "90 % low", "90 % high")
    note = '<p class="soft">Ratios of geometric means in the same virtual patients. The interval says how well the simulated cohort fixes the ratio, not how sure the model is.</p>'
    return f"<h2>Comparison</h2>{note}{_named(arms)}{html_table(head, rows, 4)}"


def _named(arms: Mapping[str, xr.DataTree]) -> str:
    """What each arm is, where its label does not say it."""
    items = "".join(
        f"<li><strong>{escape(label)}</strong>: {escape(words)}</li>"
        for label, words in arm_words(arms).items()
        if words != label
    )
    return f"<ul>{items}</ul>" if items else ""


def _sure(arms: Mapping[str, xr.DataTree]) -> str:
    """Intervals over draws of the model's typical values; empty where none were made."""
    first = next(iter(arms.values()))
    rows = [row for row in sureness(arms) if row["cmax_high"] > 0]
    if not rows:
        return ""
    redundant = redundant_totals(
        [{row["analyte"] for row in rows if row["arm"] == label} for label in arms], asked_analytes(arms)
    )
    rows = sorted((row for row in rows if row["analyte"] not in redundant), key=lambda row: rank(row["analyte"])[0])

    def interval(row: Mapping[str, Any], key: str) -> str:
        return f"{shown(row[f'{key}_low'])} to {shown(row[f'{key}_high'])}" if f"{key}_low" in row else "–"

    keys = ("cmax", "auc", "ratio_cmax", "ratio_auc")[: 4 if len(arms) > 1 else 2]
    cells = [(row["arm"], pretty(row["analyte"]), row["unit"], *(interval(row, key) for key in keys)) for row in rows]
    head = ("arm", "analyte", "unit", "CMAX", "AUCLST", f"CMAX / {next(iter(arms))}", f"AUCLST / {next(iter(arms))}")[
        : 3 + len(keys)
    ]
    place = sites(first)[0].replace("_", " ")
    new_study = first.attrs.get("draws_of") == NEW_STUDY
    of, meaning = (
        ("the model in a new study", "This is where the medians of a new study should lie, not how patients differ")
        if new_study
        else ("the model's typical values", "This is how well the typical patient is known, not how patients differ")
    )
    note = (
        f'<p class="soft">{escape(place.capitalize())}; medians over patients: 5 to 95 % of {first.attrs["draws"]} draws of {of}. '
        f"{meaning}; that the structure of the model is right is taken for granted. {escape(held_sentence(first))}</p>"
    )
    return f"<h2>{'Medians of a new study' if new_study else 'How sure the medians are'}</h2>{note}{html_table(head, cells, 3)}"


def _regimens(arms: Mapping[str, xr.DataTree]) -> str:
    out = ["<h2>Doses as given and as resolved</h2>"]
    for label, result in arms.items():
        dose = result["dose"].to_dataset()
        dose = dose.isel(subject=0, drop=True) if "subject" in dose.dims else dose
        frame = dose.to_dataframe().reset_index(drop=True)
        columns = [c for c in ("LABEL", "TIME", "EVID", "CMT", "AMT", "RATE", "II", "ADDL", "n_devices") if c in frame]
        more = f'<p class="soft">... and {len(frame) - _ROWS_SHOWN} further records.</p>' if len(frame) > _ROWS_SHOWN else ""
        out += [f"<h3>{escape(label)}</h3><p>{escape(str(dose.attrs.get('as_given', '')))}</p>", f"<pre>{escape(str(dose.attrs.get('described', '')))}</pre>",
                '<p class="soft">Event records of the first patient; amounts in the unit of the compartment (umol of base).</p>',
                html_table(columns, frame[columns].head(_ROWS_SHOWN).itertuples(index=False)), more]  # fmt: skip
    return "".join(out)


def _solver(arms: Mapping[str, xr.DataTree]) -> str:
    rows = []
    for label, result in arms.items():
        subject = result["subject"].to_dataset()
        failed = int(subject["failed"]) if "failed" in subject else int((subject["status"] != 0).sum())
        rows.append(
            (label, result.attrs["solver"], f"{result.attrs['rtol']:g}", f"{float(subject['solver_error'].max()):.2g}", failed)
        )
    return "<h2>Numerics</h2>" + html_table(("arm", "solver", "tolerance", "largest estimated error", "failed patients"), rows, 2)


def _repeat(result: xr.DataTree, command: str) -> str:
    attrs = result.attrs
    line = command or attrs.get("command", "")
    shown = f"<pre>{escape(str(line))}</pre>" if line else ""
    versions = ", ".join([f"ketasim {attrs['ketasim']}", f"Python {attrs['python']}", *attrs.get("versions", [])])
    return f'<h2>To repeat this</h2>{shown}<p class="soft">{escape(versions)}; seed {attrs["seed"]}.</p>'
