"""``ketasim calibrate``: fit the reference model to the evidence again."""

from __future__ import annotations

from typing import Annotated

import typer

from ketasim.cli import _show
from ketasim.cli._settings import settings
from ketasim.cli._verb import verb

app = typer.Typer(no_args_is_help=True, help="Fit the reference model to the evidence again.")


@app.command("pk")
@verb
def calibrate_pk(
    *,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same draws.")] = 20260101,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the outcome, store nothing.")] = False,
) -> None:
    """Calibrate the reference model on the calibration rows, never on hold-outs, in minutes; stores values, posterior, provenance."""
    from ketasim.fit import calibrate_pk as fit

    outcome = fit(seed=seed, write=not dry_run, log=_show.note)
    rows = list(zip(outcome.names, outcome.median, outcome.sd, strict=True))
    if settings.json:
        _show.emit_json({"quantities": {name: {"median": median, "sd": sd} for name, median, sd in rows}})
        return
    _show.table(("quantity", "mode", "SD"), rows, "Normal approximation at the mode")
    _show.notice()
