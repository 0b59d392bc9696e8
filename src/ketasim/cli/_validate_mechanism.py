"""``ketasim validate mechanism``: the cascade against published experiments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ketasim.cli import _show
from ketasim.cli._settings import settings
from ketasim.cli._verb import verb

if TYPE_CHECKING:
    import pandas as pd

    from ketasim.validate import MechanismScore

#: A direction that comes out in fewer of the draws rests on the numbers chosen.
_STEADY = 0.75


@verb
def validate_mechanism(
    *,
    draws: Annotated[
        int,
        typer.Option(
            "--draws",
            min=0,
            metavar="N",
            help="Versions of the model whose assumed numbers differ at random; 0 for none. Seconds each.",
        ),
    ] = 0,
    rows: Annotated[bool, typer.Option("--rows", help="Every finding and every check, not only what does not come out.")] = False,
    out: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FOLDER", help="Write tables and a figure into a folder.")
    ] = None,
) -> None:
    """Directions and sizes of published experiments on mechanisms: what comes out, what does not, where sources disagree.

    \b
    ketasim validate mechanism
    ketasim validate mechanism --rows --draws 20 -o build/validation
    """
    from ketasim import validate

    score = validate.validate_mechanism(draws)
    if out is not None:
        from ketasim.report import save_figure

        written = validate.write_mechanism_tables(score, out)
        save_figure(validate.mechanism_figure(score), out / "mechanism.png")
        _show.note(f"Written: {', '.join(map(str, [*written, out / 'mechanism.png']))}")
    if settings.json:
        _show.emit_json(_data(score, rows))
        return
    _print(score, rows)


def _data(score: MechanismScore, rows: bool) -> dict[str, Any]:
    shown = score.checks if rows else score.misfits()
    return {
        "summary": score.summary.reset_index().to_dict("records"), "conflicts": score.conflicts.to_dict("records"), "draws": list(score.draws),
        "checks" if rows else "misfits": shown.to_dict("records"), **({"findings": score.findings.to_dict("records")} if rows else {}),
        "notes": list(score.notes), "notice": _show.NOTICE,
    }  # fmt: skip


def _print(score: MechanismScore, rows: bool) -> None:
    head = ("", "number", "right", "share", "right by a guess")
    body = [
        (
            name,
            int(r["number"]),
            _whole(r["right"]),
            _percent(r["share"]),
            _whole(r["guess"]),
        )
        for name, r in score.summary.iterrows()
    ]
    _show.table(head, body)
    _show.note("A guess: always the most frequent direction of the system.")
    conflicts = score.conflicts
    _show.table(
        ("sources disagree on", "they say", "checks", "agree", "the model goes with", "and against"),
        conflicts.itertuples(index=False),
    )
    if rows:
        columns = ["finding", "source", "readout", "observed", "verdict", "checks", "agreeing", "topic", "why"]
        _show.table(columns, score.findings[columns].itertuples(index=False), "Findings", numbers_from=len(columns))
        _show.table(*_checks(score.checks), "Checks", numbers_from=8)
    else:
        _show.table(*_checks(score.misfits()), "What does not come out", numbers_from=8)
    if score.draws:
        _show.note(_steadiness(score))
    for note in score.notes:
        _show.note(note)
    _show.notice()


def _checks(table: pd.DataFrame) -> tuple[list[str], list[tuple[object, ...]]]:
    """Head and lines; where all is shown, with what could not fail."""
    whole = any(table["agrees"].tolist())
    head = ["finding", "in", "done", "against", "output", "expected", "predicted", "remark"]
    lines: list[tuple[object, ...]] = []
    for r in table.to_dict("records"):
        disputed = f"Sources disagree: {r['topic']}." if r["topic"] else ""
        forced = [
            f"By construction: {r['by_construction']}." if r["by_construction"] else "",
            f"Chosen by it: {r['chosen_by']}." if r["chosen_by"] else "",
        ]
        remark = " ".join(filter(None, (r["note"], disputed, *(forced if whole else ()))))
        done = str(r["done"]).replace("racemic ketamine", "ketamine")
        lines.append((
            f"{r['finding']} {r['source']}", r["cascade"], done, r["against"], f"{r['output']}, {r['at_h']:g} h", r["expected"],
            f"{r['predicted']} ({r['difference']:+.2g})", remark,
        ))  # fmt: skip
    return head, lines


def _steadiness(score: MechanismScore) -> str:
    import numpy as np

    low, middle, high = np.percentile(score.draws, [5, 50, 95])
    shaky = int(((score.checks["right_in_draws"] < _STEADY) & score.checks["agrees"]).sum())
    return (
        f"With other values of the assumed numbers ({len(score.draws)} draws): {middle:.0f} of {len(score.checks)} checks right "
        f"(5 to 95 %: {low:.0f} to {high:.0f}); {shaky} that agree do so in fewer than three quarters of the draws."
    )


def _percent(share: Any) -> str:
    return "" if float(share) != float(share) else f"{100 * float(share):.0f} %"


def _whole(value: Any) -> object:
    return "" if float(value) != float(value) else int(value)
