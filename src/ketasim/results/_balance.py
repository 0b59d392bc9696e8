"""Benefit beside burden of each arm of a comparison, with how sure both are, and which arms no other one beats in both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ketasim.arguments import checked
from ketasim.errors import InvalidOption

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]
#: Hours in the clinic per session: the two hours of observation that the label of nasal esketamine asks for.
CLINIC_HOURS = 2.0
#: Columns of a table: heading, key of a row, factor.
_COLUMNS = (
    ("change", "change", 1.0), ("response %", "response", 100.0), ("remission %", "remission", 100.0), ("days well", "days_well", 1.0),
    ("CADSS > 4, a session %", "dissociation", 100.0), ("sedated, a session %", "sedation", 100.0), ("systolic +40, ever %", "pressure", 100.0),
    ("sessions", "sessions", 1.0), ("clinic hours", "clinic_hours", 1.0),
)  # fmt: skip
BALANCE_NOTE = f"Days well: in response until the last visit. Clinic hours: {CLINIC_HOURS:g} a session, the observation that the label of nasal esketamine asks for."
_INCIDENCES = {
    "dissociation": ("per_session", "cadss_above_4"),
    "sedation": ("per_session", "sedation_moaas"),
    "pressure": ("ever", "sbp_rise_40"),
}
_BENEFITS = ("change", "response", "remission", "days_well")


@checked
def balance_rows(results: Mapping[str, xr.DataTree]) -> list[dict[str, Any]]:
    """One line per arm with symptoms, and benefits beside burdens.

    Returns
    -------
    Per arm, at the last visit: `change` of the score (points), `response`, `remission` (shares), `days_well` (in response until then); of a
    session: `dissociation`, `sedation` (shares); `pressure` (share, ever), `sessions`, `clinic_hours`. With draws also ``NAME_low`` and
    ``NAME_high``, 5-95 % over them.
    ``efficient`` says whether no other arm responds more often with less dissociation in a session; by the typical trial, not by draws.
    """
    rows = [_row(label, result) for label, result in results.items() if "visit" in result.children]
    for row in rows:
        row["efficient"] = not any(_beats(other, row) for other in rows if other is not row)
    return rows


@checked
def balance_table(rows: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Heads and cells of a table for people, from `balance_rows`."""
    if not all(isinstance(row, Mapping) for row in rows):
        raise InvalidOption("balance_table: give rows of balance_rows().")
    head = ("arm", *(name for name, _, _ in _COLUMNS), "no arm is better in both")
    cells = [
        (str(row["arm"]), *(_shown(row, key, scale) for _, key, scale in _COLUMNS), "yes" if row["efficient"] else "")
        for row in rows
    ]
    return head, cells


def _shown(row: Mapping[str, Any], key: str, scale: float) -> str:
    """A number, with 90 % of draws where there are some."""
    text = f"{scale * row[key]:.{0 if scale > 1 or key in ('sessions', 'clinic_hours') else 1}f}"
    if f"{key}_low" not in row:
        return text
    digits = 0 if scale > 1 else 1
    return f"{text} ({scale * row[f'{key}_low']:.{digits}f} to {scale * row[f'{key}_high']:.{digits}f})"


def _row(label: str, result: xr.DataTree) -> dict[str, Any]:
    visit = result["visit"].to_dataset()
    row: dict[str, Any] = {"arm": label, "time_h": float(visit["visit"][-1])}
    row |= {name: float(value) for name, value in _benefits(visit).items()}
    sessions = float(np.asarray(result["course"]["given"], float).sum())
    incidence = result["incidence"].to_dataset()
    for name, (share, definition) in _INCIDENCES.items():
        row[name] = _share(incidence, share, definition) if sessions else 0.0
    row |= {"sessions": sessions, "clinic_hours": CLINIC_HOURS * sessions}
    if "draws_visit" in result.children:
        drawn = _benefits(result["draws_visit"].to_dataset())
        found = result["draws_incidence"].to_dataset()
        drawn |= {
            name: found[share].sel(definition=d).to_numpy()
            for name, (share, d) in _INCIDENCES.items()
            if _has(found, d) and sessions
        }
        for name, values in drawn.items():
            row[f"{name}_low"], row[f"{name}_high"] = map(float, np.quantile(values, [0.05, 0.95]))
    return row


def _benefits(table: xr.Dataset) -> dict[str, Floats]:
    """Benefits at the last visit, for each draw where there are some."""
    last = {name: table[name].isel(visit=-1).to_numpy() for name in _BENEFITS if name in table}
    well = np.trapezoid(table["response"].to_numpy(), table["visit"].to_numpy() / 24.0, axis=-1)
    return last | {"days_well": well}


def _has(table: xr.Dataset, definition: str) -> bool:
    return definition in table["definition"].to_numpy()


def _share(table: xr.Dataset, share: str, definition: str) -> float:
    return float(table[share].sel(definition=definition)) if _has(table, definition) else float("nan")


def _beats(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """At least as good in both, better in one."""
    as_good = one["response"] >= other["response"] and one["dissociation"] <= other["dissociation"]
    return as_good and (one["response"] > other["response"] or one["dissociation"] < other["dissociation"])
