"""``ketasim validate``: predictions against published observations, and the review's claims as numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ketasim.cli import _options as opt
from ketasim.cli import _show
from ketasim.cli._settings import settings
from ketasim.cli._verb import verb
from ketasim.csvtext import absent
from ketasim.errors import InvalidOption

if TYPE_CHECKING:
    from ketasim.validate import PkScore

app = typer.Typer(no_args_is_help=True, help="Score predictions against published observations.")


@app.command("pk")
@verb
def validate_pk(
    *,
    observations: Annotated[
        Path | None,
        typer.Option("--observations", metavar="FILE.csv", help="Own observations, columns as in the package's table."),
    ] = None,
    model: opt.Model = "ketasim_reference",
    rows: Annotated[bool, typer.Option("--rows", help="Every row, not only the summary.")] = False,
    out: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FOLDER", help="Write tables and plots into a folder.")
    ] = None,
) -> None:
    """Predicted over observed exposure: calibration and hold-out rows apart, fold errors, shares within 1.25, 1.5 and 2-fold.

    \b
    ketasim validate pk -o build/validation
    ketasim validate pk --observations mine.csv --rows
    """
    from ketasim import validate

    if observations is not None and not observations.is_file():
        raise InvalidOption(f"--observations {observations}: {absent(observations)}")
    score = validate.validate_pk(observations, model)
    if out is not None:
        written = [*validate.write_tables(score, out), *validate.write_figures(score, out)]
        _show.note(f"Written: {', '.join(str(path) for path in written)}")
    if settings.json:
        summary = score.summary.rename_axis("use").reset_index().to_dict("records")
        data = {
            "model": score.model,
            "observations": score.source,
            "summary": summary,
            "notes": score.notes,
            "notice": _show.NOTICE,
        }
        _show.emit_json(data | ({"rows": score.table.to_dict("records")} if rows else {}))
    else:
        _print(score, rows)
    if score.summary.empty:  # nothing was scored: no success
        raise typer.Exit(1)


def _print(score: PkScore, rows: bool) -> None:
    _show.text(f"{score.model} against {score.source}")
    _print_summary(score)
    if rows:
        _print_rows(score)
    elif "holdout" in score.summary.index:
        _print_groups(score)
        shown = ["row", "study", "analyte", "regimen", "metric", "unit", "typical", "predicted", "fold"]
        _show.table(shown, score.worst(n=8)[shown].itertuples(index=False), "Hold-out rows furthest off", numbers_from=6)
    for note in score.notes:
        _show.note(note)
    _show.notice()


_USES = {"holdout": "hold-out, all", "holdout_comparable": "hold-out, comparable"}


def _print_summary(score: PkScore) -> None:
    """One line per group of rows."""
    percent = [str(c) for c in score.summary if str(c).startswith("within_")]
    shares = (f"within {name.removeprefix('within_')}-fold" for name in percent)
    head = ("rows of", "rows", "studies", "GMFE", "GMFE by study", "median fold", *shares)
    body = [
        (_USES.get(str(use), use), int(r["rows"]), int(r["studies"]), r["gmfe"], r["gmfe_by_study"], r["median_fold"],
         *(f"{100 * r[c]:.0f} %" for c in percent))
        for use, r in score.summary.iterrows()
    ]  # fmt: skip
    if body:
        _show.table(head, body)


def _print_groups(score: PkScore) -> None:
    """Comparable hold-out rows by analyte."""
    found = score.by("analyte", "holdout_comparable")
    body = [
        (name, int(r["rows"]), int(r["studies"]), r["gmfe"], f"{100 * r['within_1.5']:.0f} %") for name, r in found.iterrows()
    ]
    _show.table(("analyte", "rows", "studies", "GMFE", "within 1.5-fold"), body, "Comparable hold-out rows by analyte")


def _print_rows(score: PkScore) -> None:
    """Every row: what was predicted, and why the others were not."""
    shown = ["row", "use", "study", "analyte", "regimen", "metric", "unit", "typical", "predicted", "fold"]
    why = ["row", "use", "study", "analyte", "metric", "reason"]
    scored, others = (score.table[which] for which in (score.table["fold"].notna(), score.table["fold"].isna()))
    if len(scored):
        _show.table(shown, scored[shown].itertuples(index=False), numbers_from=7)
    if len(others):
        _show.table(why, others[why].itertuples(index=False), "Rows without a fold error", numbers_from=6)


@app.command("claims")
@verb
def validate_claims() -> None:
    """Answer the pharmacokinetic claims P1-P8 and E1 of the review with numbers of the reference model."""
    from ketasim.validate import pk_claims_table

    table = pk_claims_table()
    if settings.json:
        _show.emit_json(table.to_dict("records"))
        _show.notice()
        return
    _show.table([str(c) for c in table.columns], table.itertuples(index=False), numbers_from=len(table.columns))
    _show.notice()
