"""``ketasim validate disorders``: randomised contrasts of the disorders beside depression."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ketasim.cli import _options as opt
from ketasim.cli import _show
from ketasim.cli._care import time_text
from ketasim.cli._settings import settings
from ketasim.cli._verb import verb

if TYPE_CHECKING:
    from ketasim.validate import DisorderScore


@verb
def validate_disorders(
    *,
    disorder: Annotated[
        list[str] | None, typer.Option("--disorder", metavar="NAME", help="Only this disorder; repeat it for several.")
    ] = None,
    draws: Annotated[int, typer.Option("--draws", min=2, metavar="N", help="Plausible versions of the model.")] = 100,
    seed: opt.Seed = 1,
    out: Annotated[Path | None, typer.Option("-o", "--output", metavar="FOLDER", help="Write the table into a folder.")] = None,
) -> None:
    """Every randomised contrast of bipolar depression, PTSD, OCD, alcohol and opioid use disorder: predicted, interval, observed.

    Takes some minutes; trials without a significant difference have to lie inside, or the output says FAILS.

    \b
    ketasim validate disorders -o build/validation
    ketasim validate disorders --disorder ptsd
    """
    from ketasim import validate

    score = validate.validate_disorders(disorder or (), draws, seed, log=_show.note)
    if out is not None:
        _show.note(f"Written: {', '.join(str(path) for path in validate.write_disorder_tables(score, out))}")
    if settings.json:
        _show.emit_json({"models": list(score.models), "rows": score.table.to_dict("records"), "notes": score.notes(), "notice": _show.NOTICE})  # fmt: skip
        return
    _print(score)


def _print(score: DisorderScore) -> None:
    _show.text(
        f"{', '.join(score.models)} against randomised contrasts; drug minus control, 90 % for a trial of that size in a new population"
    )
    head = (
        "disorder",
        "trial",
        "use",
        "of",
        "at",
        "observed",
        "predicted",
        "90 %",
        "inside",
        "chance of no significance",
        "other trials",
    )
    _show.table(head, [_cells(line) for line in score.scored.to_dict("records")], numbers_from=6)
    left = score.table[score.table["reason"] != ""]
    if len(left):
        _show.table(
            ("disorder", "trial", "scale", "why it is not scored"),
            left[["disorder", "study", "scale", "reason"]].itertuples(index=False),
        )
    _show.note("fit: informed the numbers; seen: the same people, another result; holdout: neither. Shares and days in percent.")
    for note in score.notes():
        _show.note(note)
    _show.notice()


def _cells(line: dict[str, Any]) -> tuple[object, ...]:
    """One contrast."""
    observed = "not significant" if line["null"] else f"{line['observed']:+.1f}"
    others = "" if line["class_mean"] != line["class_mean"] else f"{line['class_mean']:+.1f}"
    measure = line["measure"].replace("_", " ")
    return (
        line["disorder"], line["study"], line["use"], measure, time_text(line["time_h"]), observed, f"{line['predicted']:+.1f}",
        f"{line['low']:+.1f} to {line['high']:+.1f}", "yes" if line["inside"] else "NO", f"{line['not_significant']:.2f}", others,
    )  # fmt: skip
