"""``ketasim validate``: predictions against published observations, and the review's claims as numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ketasim.cli import _options as opt
from ketasim.cli import _show
from ketasim.cli._register import register
from ketasim.cli._settings import settings
from ketasim.cli._validate_disorders import validate_disorders
from ketasim.cli._validate_mechanism import validate_mechanism
from ketasim.cli._verb import verb
from ketasim.csvtext import absent
from ketasim.errors import InvalidOption

if TYPE_CHECKING:
    import pandas as pd

    from ketasim.validate import FolderScore, PkScore, SafetyScore

app = typer.Typer(no_args_is_help=True, help="Score predictions against published observations.")
app.command("register")(register)
app.command("mechanism")(validate_mechanism)
app.command("disorders")(validate_disorders)


@app.command("pk")
@verb
def validate_pk(
    *,
    observations: Annotated[
        Path | None,
        typer.Option("--observations", metavar="FILE.csv", help="Own observations, columns as in the package's table."),
    ] = None,
    model: opt.Model = "ketasim_reference",
    draws: Annotated[
        int,
        typer.Option(
            "--draws", min=0, metavar="N", help="Draws of the model in a new study behind the 90 % intervals; 0 for none."
        ),
    ] = 100,
    left_out: Annotated[
        bool,
        typer.Option(
            "--leave-one-out", help="Calibration rows instead, each predicted without its own study: the error to expect."
        ),
    ] = False,
    rows: Annotated[bool, typer.Option("--rows", help="Every row, not only the summary.")] = False,
    out: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FOLDER", help="Write tables and plots into a folder.")
    ] = None,
) -> None:
    """Predicted over observed exposure: calibration and hold-out rows apart, fold errors, shares within 1.25, 1.5 and 2-fold.

    \b
    ketasim validate pk -o build/validation
    ketasim validate pk --observations mine.csv --rows
    ketasim validate pk --leave-one-out
    """
    from ketasim import validate

    if observations is not None and not observations.is_file():
        raise InvalidOption(f"--observations {observations}: {absent(observations)}")
    if left_out and (observations is not None or model != "ketasim_reference"):
        raise InvalidOption("--leave-one-out is of the reference model and its own rows: leave --observations and --pk out.")
    score = validate.leave_one_out() if left_out else validate.validate_pk(observations, model, draws)
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
    elif "left out" in score.summary.index:
        _print_groups(score, "left out", "Left-out rows")
    elif "holdout" in score.summary.index:
        _print_groups(score, "holdout_comparable", "Comparable hold-out rows")
        shown = ["row", "study", "analyte", "regimen", "metric", "unit", "typical", "predicted", "fold"]
        _show.table((*shown, _HEAD_90), _cells(score.worst(n=8), shown), "Hold-out rows furthest off", numbers_from=6)
    for note in score.notes:
        _show.note(note)
    _show.notice()


_HEAD_90 = "90 % for a new study"


def _cells(rows: pd.DataFrame, shown: list[str]) -> list[tuple[object, ...]]:
    """Some columns of the rows, and their interval."""
    intervals = [_interval(low, high) for low, high in zip(rows["low"], rows["high"], strict=True)]
    return [(*line, between) for line, between in zip(rows[shown].itertuples(index=False), intervals, strict=True)]


_USES = {"holdout": "hold-out, all", "holdout_comparable": "hold-out, comparable"}


def _print_summary(score: PkScore) -> None:
    """One line per group of rows."""
    percent = [str(c) for c in score.summary if str(c).startswith("within_")]
    shares = (f"within {name.removeprefix('within_')}-fold" for name in percent)
    told = bool(score.summary["inside_90"].notna().any())
    head = (
        "rows of",
        "rows",
        "studies",
        "GMFE",
        "GMFE by study",
        "median fold",
        *shares,
        *(("in 90 % for a new study",) if told else ()),
    )
    body = [
        (_USES.get(str(use), use), int(r["rows"]), int(r["studies"]), r["gmfe"], r["gmfe_by_study"], r["median_fold"],
         *(_percent(r[c]) for c in (*percent, *(("inside_90",) if told else ()))))
        for use, r in score.summary.iterrows()
    ]  # fmt: skip
    if body:
        _show.table(head, body)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share == share else ""


def _print_groups(score: PkScore, use: str, title: str) -> None:
    """Rows of one group by analyte and by metric."""
    for column in ("analyte", "metric"):
        found = score.by(column, use)
        body = [
            (name, int(r["rows"]), int(r["studies"]), r["gmfe"], _percent(r["within_1.5"]), _percent(r["inside_90"]))
            for name, r in found.iterrows()
        ]
        head = (column, "rows", "studies", "GMFE", "within 1.5-fold", "in 90 %")
        _show.table(head, body, f"{title} by {column}")


def _interval(low: float, high: float) -> str:
    return f"{_show.cell(low)} - {_show.cell(high)}" if low == low else ""


def _print_rows(score: PkScore) -> None:
    """Every row: what was predicted, and why the others were not."""
    shown = ["row", "use", "study", "analyte", "regimen", "metric", "unit", "typical", "predicted", "fold"]
    why = ["row", "use", "study", "analyte", "metric", "reason"]
    scored, others = (score.table[which] for which in (score.table["fold"].notna(), score.table["fold"].isna()))
    if len(scored):
        _show.table((*shown, _HEAD_90), _cells(scored, shown), numbers_from=7)
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


@app.command("depression")
@verb
def validate_depression(
    *,
    trial: Annotated[
        list[str] | None, typer.Option("--trial", metavar="NAME", help="Only this trial; repeat it for several.")
    ] = None,
    rows: Annotated[bool, typer.Option("--rows", help="Every result of every trial, not only the summary.")] = False,
    out: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FOLDER", help="Write tables and plots into a folder.")
    ] = None,
) -> None:
    """Every trial predicted from the others, and the hold-outs from all of them. Takes three minutes.

    \b
    ketasim validate depression -o build/validation
    ketasim validate depression --trial ASPIRE-II --rows
    """
    from ketasim import validate

    score = validate.validate_trials("trd", trial or (), log=_show.note)
    if out is not None:
        written = [*validate.write_trial_tables(score, out), *validate.write_trial_figures(score, out)]
        _show.note(f"Written: {', '.join(str(path) for path in written)}")
    if settings.json:
        summary = score.summary.to_dict("records")
        data = {"model": score.model, "summary": summary, "notice": _show.NOTICE}
        _show.emit_json(data | ({"rows": score.table.to_dict("records")} if rows else {}))
        return
    _show.text(f"{score.model} against trials")
    _print_trials(score.summary)
    if rows:
        shown = ["trial", "arm", "time_h", "kind", "use", "n", "observed", "predicted"]
        _show.table((*shown, "90 % for a new trial", "given its control"), _trial_cells(score.table, shown), numbers_from=5)
    _show.note(
        "fit: each trial predicted by a calibration without it. holdout, scored: never fitted, predicted from all fitted trials."
    )
    _show.note("Changes and contrasts in points of the MADRS, response and remission as shares of people.")
    _show.notice()


@app.command("trials")
@verb
def validate_trials(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder with trials.csv, outcomes.csv, contrasts.csv, sources.csv.")
    ],
    *,
    rows: Annotated[bool, typer.Option("--rows", help="Every number, not only the summary.")] = False,
    seed: opt.Seed = 1,
    out: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FOLDER", help="Write rows.csv and summary.json into a folder.")
    ] = None,
) -> None:
    """Predict the trials of any folder of evidence: per number prediction, interval and observation, or why there is none.

    \b
    ketasim validate trials my_trials -o build/validation
    ketasim --json validate trials my_trials --rows
    """
    from ketasim import validate

    score = validate.validate_folder(folder, seed, log=_show.note)
    if out is not None:
        _show.note(f"Written: {', '.join(str(path) for path in validate.write_folder_tables(score, out))}")
    if settings.json:
        data = score.to_json() | {"notice": _show.NOTICE}
        _show.emit_json(data | ({"rows": score.table.to_dict("records")} if rows else {}))
    else:
        _print_folder(score, rows)
    if score.summary.empty:  # nothing was scored: no success
        raise typer.Exit(1)


def _print_folder(score: FolderScore, rows: bool) -> None:
    """Summary, rows where asked for, and what could not be predicted."""
    lines = score.summary.to_dict("records")
    head = (
        "disorder",
        "kind",
        "trial fitted",
        "rows",
        "trials",
        "mean error",
        "bias",
        "in 90 %",
        "own control known",
        "mean of like arms",
    )
    _show.table(
        head,
        [
            (r["disorder"], r["kind"], "yes" if r["trial_was_fitted"] else "no", r["rows"], r["trials"], _points(r["mae"]), _points(r["bias"]),
             _percent(r["inside_90"]), _points(r["mae_given_control"]), _points(r["mae_class_mean"]))
            for r in lines
        ],
        "Mean absolute error: changes and differences in points, response and remission as shares", numbers_from=3,
    )  # fmt: skip
    if rows:
        shown = ["trial", "arm", "scale", "time_h", "kind", "observed", "predicted"]
        scored = score.table[score.table["reason"] == ""]
        _show.table((*shown, "90 % for a new trial", "given its control"), _trial_cells(scored, shown), numbers_from=5)
        others = score.table[score.table["reason"] != ""]
        if len(others):
            why = ["trial", "arm", "scale", "time_h", "kind", "reason"]
            _show.table(why, others[why].itertuples(index=False), "Not predicted", numbers_from=6)
    elif reasons := score.not_predicted():
        _show.table(("rows", "not predicted, as"), [(n, why) for why, n in list(reasons.items())[:_REASONS]], numbers_from=6)
        if len(reasons) > _REASONS:
            _show.note(f"{len(reasons) - _REASONS} further reasons: --rows shows each row with its own.")
    if score.problems:
        _show.note(f"{len(score.problems)} places break the format of the tables, the first: {score.problems[0]}")
    _show.note("trial fitted: the calibration has read this trial; the error says how well it fits, not how well it predicts.")
    _show.notice()


_REASONS = 12


@app.command("safety")
@verb
def validate_safety(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Table like safety.csv; the package's own by default.")
    ] = None,
    *,
    rows: Annotated[bool, typer.Option("--rows", help="Every number, not only the summary.")] = False,
    seed: opt.Seed = 1,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FOLDER", help="Write safety_rows.csv and safety_summary.json into a folder."),
    ] = None,
) -> None:
    """Predict side effects of a table: per number prediction, interval and observation, or why there is none.

    \b
    ketasim validate safety -o build/validation
    ketasim validate safety mine/safety.csv --rows
    """
    from ketasim import evidence, validate

    score = validate.validate_safety(file or evidence.path("safety/safety.csv"), seed, log=_show.note)
    if out is not None:
        _show.note(f"Written: {', '.join(str(path) for path in validate.write_safety_tables(score, out))}")
    if settings.json:
        data = score.to_json() | {"notice": _show.NOTICE}
        _show.emit_json(data | ({"rows": score.table.to_dict("records")} if rows else {}))
    else:
        _print_safety(score, rows)
    if score.summary.empty:  # nothing was scored: no success
        raise typer.Exit(1)


def _print_safety(score: SafetyScore, rows: bool) -> None:
    """Summary, rows where asked for, and what could not be predicted."""
    body = [
        (r["kind"], r["group"], r["rows"], r["studies"], _points(r["mae"]), _points(r["bias"]), _percent(r["inside_90"]), _percent(r["within_2_fold"]))
        for r in score.summary.to_dict("records")
    ]  # fmt: skip
    head = ("kind", "group", "rows", "studies", "mean error", "bias", "in 90 %", "within 2-fold")
    _show.table(head, body, "Incidences as shares of people; means in the unit of the row", numbers_from=2)
    shown = ["line", "study", "event", "group", "observed", "predicted"]
    scored, others = (score.table[which] for which in (score.table["reason"] == "", score.table["reason"] != ""))
    if rows:
        cells = [(*(r[c] for c in shown), _interval(r["low"], r["high"])) for r in scored.to_dict("records")]
        _show.table((*shown, "90 % for a new study"), cells, numbers_from=4)
    reasons = others["reason"].value_counts()
    if len(reasons):
        kept = [(int(n), str(why)) for why, n in reasons.items()][: len(reasons) if rows else _REASONS]
        _show.table(("rows", "not predicted, as"), kept, numbers_from=6)
    _show.note("comparator: the share that has it without the drug.")
    _show.notice()


def _print_trials(summary: pd.DataFrame) -> None:
    """Error and coverage of each kind of result, beside what a reader would guess without a model."""
    head = (
        "use",
        "kind",
        "rows",
        "trials",
        "mean error",
        "by trial",
        "bias",
        "in 90 %",
        "own control known",
        "mean of others",
        "an exact model's",
    )
    _show.table(head, [_trial_line(r) for _, r in summary.iterrows()], "Mean absolute error", numbers_from=2)


def _trial_line(r: pd.Series) -> tuple[object, ...]:
    """One line of the summary; the baseline is the mean of like arms, or of others' contrasts."""
    guess = r["mean_of_others"] if str(r["kind"]) == "contrast" else r["class mean"]
    own = _interval(r["expected_low"], r["expected_high"])
    sizes = (r["mae"], r["mae_by_trial"], r["bias"])
    return (r["use"], r["kind"], int(r["rows"]), int(r["trials"]), *(_points(x) for x in sizes), _percent(r["inside"]),
            _points(r["given_control"]), _points(guess), own)  # fmt: skip


def _points(value: float) -> str:
    return f"{value:.2f}" if value == value else ""


def _trial_cells(table: pd.DataFrame, shown: list[str]) -> list[tuple[object, ...]]:
    """Rows of the table with their intervals."""
    return [
        (*(row[name] for name in shown), _interval(row["low"], row["high"]), _points(row["given_control"]))
        for row in table.to_dict("records")
    ]
