"""``ketasim population``: virtual patients, to look at or to keep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ketasim.cli import _options as opt
from ketasim.cli import _show
from ketasim.cli._settings import settings
from ketasim.cli._verb import verb


@verb
def population(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME|FILE", help="Library population, .toml or .csv.", autocompletion=opt.complete_population),
    ],
    *,
    n: Annotated[int, typer.Option("-n", "--patients", min=1, help="How many to draw.")] = 1000,
    seed: opt.Seed = 1,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE.csv", help="Write the patients; simulate --population reads it."),
    ] = None,
) -> None:
    """Draw virtual patients from a population: a summary, or all of them with -o.

    \b
    ketasim population adults_depression -n 500 --seed 1 -o patients.csv
    """
    from ketasim.cli._outputs import check_file
    from ketasim.cli._values import cohort_of

    check_file(out, (".csv",))
    cohort = cohort_of(name, n, seed)
    if out is not None:
        from ketasim.csvtext import plain_texts
        from ketasim.writing import replacing

        with replacing(out) as part:
            plain_texts(cohort.to_frame()).to_csv(part, index=False)
        _show.note(f"Written: {out}")
    rows = [_row(k, v) for k, v in cohort.covariates.items()]
    if settings.json:
        _show.emit_json(
            {
                "name": cohort.name,
                "n": len(cohort.ids),
                "seed": seed,
                "summary": rows,
                "notes": cohort.notes,
                "patients": None if out is not None else cohort.to_frame().to_dict("list"),
                "notice": _show.NOTICE,
            }
        )
        return
    _show.text(f"{cohort.name}: {cohort.description}\n{len(cohort.ids):,} patients, seed {seed}")
    _show.table(
        ("covariate", "unit", "mean", "SD", "5 %", "50 %", "95 %", "levels"), [list(r.values()) for r in rows], numbers_from=2
    )
    if cohort.notes:
        _show.note(f"Note: {cohort.notes}")
    _show.notice()


def _row(name: str, values: object) -> dict[str, object]:
    import numpy as np

    from ketasim.population import COVARIATES

    array = np.asarray(values)
    unit = COVARIATES[name].unit if name in COVARIATES else ""
    if array.dtype.kind in "fiu":
        array = array[~np.isnan(array)]
        low, mid, high = np.quantile(array, [0.05, 0.5, 0.95]) if len(array) else [np.nan] * 3
        spread = float(np.std(array, ddof=1)) if len(array) > 1 else float("nan")
        return {
            "covariate": name,
            "unit": unit,
            "mean": float(np.mean(array)) if len(array) else float("nan"),
            "SD": spread,
            "q05": float(low),
            "q50": float(mid),
            "q95": float(high),
            "levels": "",
        }
    levels, counts = np.unique(array, return_counts=True)
    order = np.argsort(-counts)
    said = ", ".join(f"{levels[k] or 'no value'} {100 * counts[k] / len(array):.1f} %" for k in order[:6]) + (
        " ..." if len(levels) > 6 else ""
    )
    return {"covariate": name, "unit": "", "mean": None, "SD": None, "q05": None, "q50": None, "q95": None, "levels": said}
