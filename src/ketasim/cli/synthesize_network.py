"""``ketasim synthesize network``: network meta-analysis of a file of contrasts or arms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ketasim.cli import _show
from ketasim.cli._settings import settings
from ketasim.cli._verb import verb
from ketasim.errors import InvalidOption, close_names

_BOTH = ("common", "random")


@verb
def network(
    *,
    data: Annotated[
        Path, typer.Option("--data", metavar="FILE.csv", help="Contrasts (studlab, treat1, treat2, TE, seTE) or arms.")
    ],
    measure: Annotated[str, typer.Option("--measure", help="md, smd, or, rr, rd or hr.")],
    reference: Annotated[str, typer.Option("--reference", metavar="NAME", help="Treatment the others are compared with.")] = "",
    model: Annotated[str, typer.Option("--model", help="common, random or both.")] = "both",
    tau2: Annotated[str, typer.Option("--tau2", help="Estimator of the heterogeneity: dl, reml or ml.")] = "dl",
    level: Annotated[float, typer.Option("--level", help="Of the intervals.")] = 0.95,
    prediction: Annotated[
        str, typer.Option("--prediction", help="Prediction interval: t with df-1 or df (of Q), or normal.")
    ] = "df-1",
    small_values: Annotated[str, typer.Option("--small-values", help="good or bad, for the ranking.")] = "good",
    node_split: Annotated[
        bool, typer.Option("--node-split", help="Refit for every comparison with both kinds of evidence.")
    ] = False,
    covariate: Annotated[str, typer.Option("--covariate", metavar="COLUMN", help="Meta-regression on a column.")] = "",
    slopes: Annotated[str, typer.Option("--slopes", help="common or independent, with --covariate.")] = "common",
    components: Annotated[bool, typer.Option("--components", help="Additive components, written 'A+B'; joins parts.")] = False,
    inactive: Annotated[str, typer.Option("--inactive", metavar="NAME", help="Component without effect, e.g. placebo.")] = "",
    dose: Annotated[str, typer.Option("--dose", metavar="SHAPE", help="Dose-response: linear, emax or rcs; column 'dose'.")] = "",
    bayes: Annotated[bool, typer.Option("--bayes", help="Also the Bayesian model.")] = False,
    chains: Annotated[int, typer.Option("--chains", min=2, help="With --bayes.")] = 4,
    samples: Annotated[int, typer.Option("--samples", min=100, help="Kept per chain, with --bayes.")] = 2000,
    warmup: Annotated[int, typer.Option("--warmup", min=100, help="Per chain, with --bayes.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", help="Of the random numbers.")] = 1,
    tau_prior: Annotated[str, typer.Option("--tau-prior", metavar="TEXT", help="e.g. 'half-normal(1)', with --bayes.")] = "",
    league: Annotated[Path | None, typer.Option("--league", metavar="FILE", help="League table: .csv, or a figure.")] = None,
    figure: Annotated[Path | None, typer.Option("--figure", metavar="FILE", help="Network graph: .png, .svg or .pdf.")] = None,
    rankogram: Annotated[Path | None, typer.Option("--rankogram", metavar="FILE", help="Rank probabilities, a figure.")] = None,
    net_heat: Annotated[Path | None, typer.Option("--net-heat", metavar="FILE", help="Net heat plot.")] = None,
    contribution: Annotated[
        Path | None, typer.Option("--contribution", metavar="FILE", help="Contributions: .csv or figure.")
    ] = None,
    rare: Annotated[
        str, typer.Option("--rare", help="Also odds ratios for rare events: penalised or mh (no 0.5 is added).")
    ] = "",
    funnel: Annotated[
        Path | None, typer.Option("--funnel", metavar="FILE", help="Comparison-adjusted funnel: .csv or figure.")
    ] = None,
    order: Annotated[
        str, typer.Option("--order", metavar="A,B,...", help="With --funnel: from least to most favoured by small studies.")
    ] = "",
    split_figure: Annotated[
        Path | None, typer.Option("--split", metavar="FILE", help="Direct against indirect, a figure.")
    ] = None,
) -> None:
    """Network meta-analysis: relative effects of all pairs, heterogeneity, inconsistency, ranking.

    \b
    ketasim synthesize network --data senn2013.csv --measure md --reference plac --json
    ketasim synthesize network --data arms.csv --measure or --small-values bad --figure graph.png --league league.csv
    ketasim synthesize network --data arms.csv --measure or --bayes --tau-prior "half-normal(1)" --node-split
    """
    from ketasim.cli._network_report import Analysis, files_of

    _check(model, small_values, components, dose, bayes)
    files = files_of(
        {"league": league, "figure": figure, "rankogram": rankogram, "net-heat": net_heat, "contribution": contribution,
         "funnel": funnel, "split": split_figure}
    )  # fmt: skip
    analysis = Analysis(
        data, measure, reference, _BOTH if model == "both" else (model,), tau2, level, prediction, small_values, node_split, covariate, slopes,
        components, inactive, dose, bayes, {"chains": chains, "samples": samples, "warmup": warmup, "seed": seed, "tau_prior": tau_prior},
    )  # fmt: skip
    if order and funnel is None:
        raise InvalidOption("--order is for --funnel FILE; give both, or leave --order out.")
    analysis.rare = rare
    analysis.order = tuple(name.strip() for name in order.split(",") if name.strip())
    analysis.run()
    analysis.write(files)
    if settings.json:
        _show.emit_json(analysis.as_dict())
        return
    analysis.show()
    _show.notice()


def _check(model: str, small_values: str, components: bool, dose: str, bayes: bool) -> None:
    for option, value, allowed in (("--model", model, (*_BOTH, "both")), ("--small-values", small_values, ("good", "bad"))):
        if value not in allowed:
            raise InvalidOption(f"{option} {value}: unknown.{close_names(value, allowed)} Use one of {', '.join(allowed)}.")
    if sum((components, bool(dose), bayes)) > 1:
        raise InvalidOption("--components, --dose and --bayes are different models; ask for one at a time.")
