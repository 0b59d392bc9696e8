"""``ketasim synthesize multilevel``: several effects per study."""

from __future__ import annotations

from typing import Annotated

import typer

from ketasim.cli import _show
from ketasim.cli._settings import settings
from ketasim.cli._verb import verb
from ketasim.cli.synthesize_pairwise import Data, Level, Measure


@verb
def multilevel(
    *,
    data: Data,
    measure: Measure,
    cluster: Annotated[str, typer.Option("--cluster", metavar="COLUMN", help="The study, or trial, that an effect is of.")],
    correlation: Annotated[
        float, typer.Option("--correlation", help="Of sampling errors within a study; 0 where effects are of different people.")
    ] = 0.0,
    method: Annotated[str, typer.Option("--method", help="reml or ml.")] = "reml",
    level: Level = 0.95,
) -> None:
    """Three-level meta-analysis: doses, scales, times or crossover periods of one study depend; robust standard errors (CR2).

    \b
    ketasim synthesize multilevel --data effects.csv --measure smd --cluster trial --correlation 0.5
    """
    from ketasim.synthesis import multilevel as fit
    from ketasim.synthesis import read_pairwise

    effects = read_pairwise(data, measure, covariates=(cluster,))
    found = fit(effects, effects.columns[cluster], correlation=correlation, method=method, level=level)
    if settings.json:
        _show.emit_json(found.as_dict() | {"notice": _show.NOTICE})
        return
    d = found.as_dict()
    keys = [f"exp_{k}" if found.is_log else k for k in ("estimate", "ci_low", "ci_high", "pi_low", "pi_high")]
    head = (found.measure.upper(), f"{100 * level:g} % low", "high", "PI low", "PI high", "p", "df")
    _show.table(head, [(*(d[k] for k in keys), f"{found.p:.2g}", f"{found.df:.1f}")], numbers_from=0)
    _show.text(
        f"{found.k} effects of {found.studies} studies; tau2 between studies {found.tau2_study:.4g}, within {found.tau2_effect:.4g} "
        f"({method}); standard error {found.robust_se:.4g} robust, {found.se:.4g} by the model{' (log scale)' if found.is_log else ''}."
    )
    for remark in found.remarks:
        _show.note(remark)
    _show.notice()
