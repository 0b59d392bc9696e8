"""``ketasim validate register``: predictions before results, and their score afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ketasim.cli import _options as opt
from ketasim.cli import _show
from ketasim.cli._settings import settings
from ketasim.cli._verb import verb
from ketasim.errors import InvalidOption

if TYPE_CHECKING:
    import pandas as pd

    from ketasim.validate import Scored


@verb
def register(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE.csv]", help="A register; the package's own by default.")] = None,
    *,
    score: Annotated[bool, typer.Option("--score", help="Set predictions beside results that are known by now.")] = False,
    evidence: Annotated[
        list[Path] | None, typer.Option("--evidence", metavar="DIR", help="Folder of own tables, merged in; repeatable.")
    ] = None,
    seed: opt.Seed = 1,
    out: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE.csv", help="Append the predictions to a register.")
    ] = None,
) -> None:
    """Predict what planned trials will show, before they tell: model, time, seed and hash of the model's files beside each number.

    \b
    ketasim validate register -o register.csv
    ketasim validate register --score
    """
    from ketasim import evidence as base
    from ketasim import validate
    from ketasim.cli._outputs import check_file

    whole = base.load(*(evidence or []))
    if score:
        if out is not None:
            raise InvalidOption("--score reads a register and writes none: leave -o out.")
        _print_score(validate.score_register(file or validate.REGISTER, whole))
        return
    if file is not None:
        raise InvalidOption(f"{file}: a register to read is for --score. To append predictions to it: -o {file}.")
    check_file(out, (".csv",), "-o")
    made = validate.register_trials(whole, seed, log=_show.note)
    if out is not None:
        added = validate.append_register(made, out)
        _show.note(f"Written: {out} ({added} lines added; what stood there is unchanged).")
    if settings.json:
        _show.emit_json({"predictions": made.to_dict("records"), "notice": _show.NOTICE})
        return
    _print_made(made)
    _show.notice()


def _print_made(made: pd.DataFrame) -> None:
    can, cannot = made[made["reason"] == ""], made[made["reason"] != ""]
    if len(can):
        _show.table(_HEAD, [_cells(row) for row in can.to_dict("records")], numbers_from=4)
    if len(cannot):
        why = cannot[["trial", "arm", "disorder", "reason"]].itertuples(index=False)
        _show.table(("trial", "arm", "disorder", "not predicted, as"), why, numbers_from=4)
    _show.note(
        f"Files of the model: {made['files_sha256'].iloc[0]}." if len(made) else "No planned trial stands in the evidence."
    )


_HEAD = ("trial", "arm", "against", "scale", "time_h", "kind", "n", "predicted", "90 % for the trial")


def _cells(row: dict[str, Any]) -> tuple[object, ...]:
    shown = [row[k] for k in ("trial", "arm", "against", "scale", "time_h", "kind", "n")]
    return (*shown, f"{row['predicted']:.2f}", f"{row['low']:.2f} - {row['high']:.2f}")


def _print_score(score: Scored) -> None:
    table = score.table
    known = table[table["observed"].notna()]
    inside = int(known["inside"].astype(bool).sum())
    if settings.json:
        _show.emit_json({"open": score.open, "scored": len(known), "inside_90": inside, "rows": table.to_dict("records"),
                         "notice": _show.NOTICE})  # fmt: skip
        return
    rows = [
        (row["registered"][:10], *_cells(row), _seen(row["observed"]), _inside(row["inside"])) for row in table.to_dict("records")
    ]
    _show.table(("registered", *_HEAD, "observed", "inside"), rows, numbers_from=5)
    _show.note(f"{len(known)} results known by now, {inside} inside their 90 % interval; {score.open} still open.")
    _show.notice()


def _seen(value: float) -> str:
    return f"{value:.2f}" if value == value else "-"


def _inside(value: object) -> str:
    return "-" if value is None else "yes" if value else "no"
