"""What ``simulate`` and ``compare`` show of a model's outputs that are no concentrations: occupancies, transmitters, markers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from ketasim.cli import _show

if TYPE_CHECKING:
    import xarray as xr

#: Share of the furthest value below which an end is rounding.
_NOTHING = 1e-9
_HEAD = ("read-out", "is", "unit", "start", "furthest", "h after start", "end")


def readouts_json(result: xr.DataTree) -> list[dict[str, Any]]:
    """Rows of one result, for programs."""
    from ketasim.results import readout_rows

    return readout_rows(result)


def show_readouts(results: Mapping[str, xr.DataTree], only: Collection[str] = ()) -> None:
    """One table of all arms; nothing where a model has concentrations only. only : names to show, default all that change."""
    from ketasim.results import readout_rows

    rows = {label: {row["name"]: row for row in readout_rows(result)} for label, result in results.items()}
    names = dict.fromkeys(name for own in rows.values() for name in own if not only or name in only)
    if not names:
        return
    several = len(results) > 1
    cells = [
        (
            *((label,) if several else ()),
            *_cells(own[name]),
        )
        for name in names
        for label, own in rows.items()
        if name in own
    ]
    many = any(result.attrs["n"] > 1 for result in results.values())
    _show.table(
        (*(("arm",) if several else ()), *_HEAD), cells, "medians over patients" if many else "", numbers_from=4 if several else 3
    )
    assumed = max(len(result.attrs.get("assumed", ())) for result in results.values())
    said = f" {assumed} numbers of the model are assumed; ketasim describe names them." if assumed else ""
    _show.note(f"Read-outs: no symptom score follows from them.{said}")


def _cells(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """One read-out; an end that is nothing but rounding is 0."""
    end = 0.0 if abs(row["end"]) < _NOTHING * abs(row["extreme"]) else row["end"]
    return row["name"], row["meaning"], row["unit"], row["start"], row["extreme"], row["at"], end
