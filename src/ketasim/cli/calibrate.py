"""``ketasim calibrate``: fit the reference model and the disorders to the evidence again."""

from __future__ import annotations

from typing import Annotated

import typer

from ketasim.cli import _show
from ketasim.cli._settings import settings
from ketasim.cli._verb import verb

app = typer.Typer(no_args_is_help=True, help="Fit the reference model and the disorders to the evidence again.")


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


@app.command("depression")
@verb
def calibrate_depression(
    *,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same draws.")] = 20260101,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the outcome, store nothing.")] = False,
) -> None:
    """Calibrate depression on arm-level results of trials, never on hold-outs, in a minute; stores values, posterior, provenance."""
    from ketasim.fit.clinical import calibrate_disorder

    fit = calibrate_disorder("trd", seed=seed, write=not dry_run, log=_show.note)
    priors = fit.objective.priors
    if settings.json:
        _show.emit_json(dict(fit.settings))
        return
    rows = [
        (
            name,
            median,
            f"{_show.cell(low)} - {_show.cell(high)}",
            priors[name].prior,
            priors[name].prior_sd,
            f"{100 * learned:.0f} %",
        )
        for name, median, learned, low, high in zip(fit.names, fit.median, fit.learned, *_quantiles(fit.draws), strict=True)
    ]
    _show.table(("quantity", "median", "90 %", "prior", "prior SD", "learned"), rows, "Posterior")
    _show.note(
        "Prior SD: on the log scale where the number is positive. Learned: share of the prior's variance that the data removed."
    )
    _show.notice()


@app.command("safety")
@verb
def calibrate_safety(
    *,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same draws.")] = 20260101,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the outcome, store nothing.")] = False,
) -> None:
    """Calibrate adverse event terms on published shares of people, never on hold-outs, in minutes; leaves each study out once."""
    from ketasim.fit.safety import NAMES, calibrate_terms, store_terms
    from ketasim.validate import term_rows

    rows, left = term_rows(log=_show.note)
    fit = calibrate_terms(rows, seed=seed, log=_show.note)
    if not dry_run:
        store_terms(fit)
    groups = {group: fit.coverage(group) for group in ("drug", "comparator")}
    if settings.json:
        told = {name: dict(zip(NAMES, map(float, term.median), strict=True)) for name, term in fit.terms.items()}
        inside = {group: {"rows": n, "inside_90": share} for group, (n, share) in groups.items()}
        _show.emit_json({"terms": told, "left_out": inside, "not_fitted": left, "notice": _show.NOTICE})
        return
    cells = [
        (name, parameter, term.median[k], f"{_show.cell(low)} - {_show.cell(high)}", f"{100 * term.learned[k]:.0f} %")
        for name, term in fit.terms.items()
        for k, (parameter, low, high) in enumerate(zip(NAMES, *_quantiles(term.draws), strict=True))
    ]
    _show.table(("term", "quantity", "median", "90 %", "learned"), cells, "Posterior", numbers_from=2)
    for group, (n, share) in groups.items():
        _show.note(f"Studies left out, {group}: {100 * share:.0f} % of {n} rows inside their 90 % interval.")
    _show.note("Not fitted: " + "; ".join(f"{study} ({why})" for study, why in left.items()) + ".")
    _show.notice()


def _quantiles(draws: object) -> tuple[list[float], list[float]]:
    """5 and 95 % of every column."""
    import numpy as np

    low, high = np.quantile(np.asarray(draws), (0.05, 0.95), axis=0).tolist()
    return low, high
