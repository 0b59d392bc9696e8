"""``ketasim synthesize pairwise``, ``bias`` and ``regression``: meta-analysis of one comparison."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ketasim.cli import _show
from ketasim.cli._pairwise_report import show_bias, show_pairwise, show_regression
from ketasim.cli._settings import settings
from ketasim.cli._verb import verb
from ketasim.errors import InvalidOption

if TYPE_CHECKING:
    from ketasim.synthesis import PairwiseResult

Data = Annotated[
    Path, typer.Option("--data", metavar="FILE.csv", help="Effects (study, TE, seTE; or estimate, ci_low, ci_high) or arms.")
]
Measure = Annotated[str, typer.Option("--measure", help="md, smd, or, rr, rd or hr.")]
Method = Annotated[str, typer.Option("--method", help="Estimator of tau2: dl, reml, ml, pm, eb, sj or he.")]
Level = Annotated[float, typer.Option("--level", help="Of the intervals.")]
Treatment = Annotated[
    list[str] | None, typer.Option("--treatment", metavar="NAME", help="Treated arm; may be given more than once.")
]
Control = Annotated[list[str] | None, typer.Option("--control", metavar="NAME", help="Control arm; may be given more than once.")]
MultiArm = Annotated[str, typer.Option("--multi-arm", help="Several treated arms: combine them, or pool their contrasts.")]
Figure = Annotated[Path | None, typer.Option("--figure", metavar="FILE", help="A figure: .png, .svg or .pdf.")]
Title = Annotated[str, typer.Option("--title", help="Of the figure.")]


@verb
def pairwise(
    *,
    data: Data,
    measure: Measure,
    method: Method = "reml",
    hk: Annotated[bool, typer.Option("--hk", help="Hartung-Knapp interval for random effects.")] = False,
    hk_adhoc: Annotated[bool, typer.Option("--hk-adhoc", help="The same, never narrower than the usual interval.")] = False,
    pooling: Annotated[str, typer.Option("--pooling", help="Of the common effect: inverse, mh or peto.")] = "inverse",
    level: Level = 0.95,
    prediction: Annotated[str, typer.Option("--prediction", help="Prediction interval: k-2, k-1 or normal.")] = "k-2",
    subgroup: Annotated[str, typer.Option("--subgroup", metavar="COLUMN", help="Divide the studies by its values.")] = "",
    subgroup_tau2: Annotated[str, typer.Option("--subgroup-tau2", help="separate for each subgroup, or common.")] = "separate",
    treatment: Treatment = None,
    control: Control = None,
    multi_arm: MultiArm = "combine",
    leave_one_out: Annotated[bool, typer.Option("--leave-one-out", help="Repeat without each study.")] = False,
    cumulative: Annotated[str, typer.Option("--cumulative", metavar="COLUMN", help="Add studies in the order of a column.")] = "",
    model: Annotated[str, typer.Option("--model", help="In the figure: random, common or both.")] = "random",
    favours: Annotated[str, typer.Option("--favours", metavar="LEFT,RIGHT", help="Words below the forest plot.")] = "",
    figure: Figure = None,
    title: Title = "",
) -> None:
    """Pairwise meta-analysis: common and random effects, heterogeneity, prediction interval, subgroups; a forest plot.

    \b
    ketasim synthesize pairwise --data trials.csv --measure smd --hk --figure forest.png
    ketasim synthesize pairwise --data counts.csv --measure or --pooling mh --subgroup route --json
    ketasim synthesize pairwise --data arms.csv --measure md --control placebo --leave-one-out
    """
    from ketasim.synthesis import pairwise as analyse

    sides = _sides(favours)
    _check(figure, model)
    result = analyse(
        data, measure, method=method, hk="adhoc" if hk_adhoc else hk, pooling=pooling, level=level, prediction=prediction,
        subgroup=subgroup, subgroup_tau2=subgroup_tau2, treatment=tuple(treatment or ()), control=tuple(control or ()), multi_arm=multi_arm,
        covariates=(cumulative,) if cumulative else (),
    )  # fmt: skip
    main = "common" if model == "common" else "random"
    series = {}
    if leave_one_out:
        series["leave_one_out"] = result.leave_one_out(main)
    if cumulative:
        series["cumulative"] = result.cumulative(cumulative, main)
    if figure is not None:
        from ketasim.report import forest_figure

        _save(forest_figure(result, model=model, favours=sides, title=title), figure)
    if settings.json:
        _show.emit_json(_as_network(result) | result.as_dict() | {k: v.as_dict()["steps"] for k, v in series.items()})
        return
    show_pairwise(result, series)
    _show.notice()


@verb
def bias(
    *,
    data: Data,
    measure: Measure,
    method: Method = "reml",
    model: Annotated[str, typer.Option("--model", help="common or random, for trim and fill and the figure.")] = "random",
    test: Annotated[
        list[str] | None, typer.Option("--test", help="egger, begg, peters or harbord; all that fit if none.")
    ] = None,
    estimator: Annotated[str, typer.Option("--estimator", help="Of missing studies in trim and fill: L0 or R0.")] = "L0",
    side: Annotated[str, typer.Option("--side", help="Where studies are missing: left or right.")] = "",
    treatment: Treatment = None,
    control: Control = None,
    multi_arm: MultiArm = "combine",
    contours: Annotated[bool, typer.Option("--contours/--no-contours", help="Shade regions of significance.")] = True,
    figure: Figure = None,
    title: Title = "",
) -> None:
    """Small-study effects: tests of funnel asymmetry, trim and fill, a funnel plot.

    \b
    ketasim synthesize bias --data trials.csv --measure smd --figure funnel.png
    ketasim synthesize bias --data counts.csv --measure or --test harbord --test peters --json
    """
    from ketasim.synthesis import asymmetry_test, trim_and_fill
    from ketasim.synthesis import pairwise as analyse

    _check(figure, model, ("random", "common"))
    result = analyse(
        data, measure, method=method, treatment=tuple(treatment or ()), control=tuple(control or ()), multi_arm=multi_arm
    )  # fmt: skip
    names = list(dict.fromkeys(test or _fitting(result)))
    tests = {name: asymmetry_test(result, name) for name in names}
    filled = trim_and_fill(result, estimator, side, model)
    if figure is not None:
        from ketasim.report import funnel_figure

        picture = funnel_figure(
            result, model=model, contours=contours, filled=filled, egger=tests.get("egger"), title=title
        )  # fmt: skip
        _save(picture, figure)
    if settings.json:
        out: dict[str, Any] = {"measure": result.data.measure, "k": result.data.k}
        _show.emit_json(out | {"tests": {k: v.as_dict() for k, v in tests.items()}, "trim_and_fill": filled.as_dict()})
        return
    show_bias(result, tests, filled, model)
    _show.notice()


@verb
def regression(
    *,
    data: Data,
    measure: Measure,
    covariate: Annotated[list[str], typer.Option("--covariate", metavar="COLUMN", help="May be given more than once.")],
    method: Method = "reml",
    hk: Annotated[bool, typer.Option("--hk/--no-hk", help="Knapp and Hartung's test.")] = True,
    base: Annotated[
        list[str] | None, typer.Option("--base", metavar="COLUMN=VALUE", help="Base of a column of words; else the first.")
    ] = None,
    level: Level = 0.95,
    treatment: Treatment = None,
    control: Control = None,
    multi_arm: MultiArm = "combine",
) -> None:
    """Meta-regression: effects on properties of the studies, with what heterogeneity is left.

    \b
    ketasim synthesize regression --data trials.csv --measure smd --covariate year --covariate route --base route=iv
    """
    from ketasim.synthesis import meta_regression

    found = meta_regression(
        data, measure, covariate, method=method, hk=hk, level=level, base=_bases(base or []), treatment=tuple(treatment or ()),
        control=tuple(control or ()), multi_arm=multi_arm,
    )  # fmt: skip
    if settings.json:
        _show.emit_json(found.as_dict())
        return
    show_regression(found)
    _show.notice()


def _as_network(result: PairwiseResult) -> dict[str, Any]:
    """The heterogeneity under the names that the network verb gives it."""
    h = result.heterogeneity
    return {"Q": h.q, "df": h.df, "pval_Q": h.p_q, "tau2": h.tau2, "tau": h.tau, "I2_percent": h.i2}


def _fitting(result: PairwiseResult) -> list[str]:
    """Tests that the data allow."""
    counts = result.data.counts is not None
    return ["egger", "begg", *(["peters"] if counts else []), *(["harbord"] if counts and result.data.measure == "or" else [])]


def _check(figure: Path | None, model: str, models: tuple[str, ...] = ("random", "common", "both")) -> None:
    from ketasim.cli._outputs import checked

    checked((), figure=figure)
    if model not in models:
        raise InvalidOption(f"--model {model}: unknown. Use one of {', '.join(models)}.")


def _sides(text: str) -> tuple[str, str] | None:
    if not text:
        return None
    parts = [p.strip() for p in text.split(",")]
    if len(parts) != 2 or not all(parts):
        raise InvalidOption(
            f"--favours '{text}': two names are needed, separated by a comma: what the left and the right side favour."
        )
    return parts[0], parts[1]


def _bases(texts: list[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        column, sign, value = text.partition("=")
        if not (sign and column.strip() and value.strip()):
            raise InvalidOption(f"--base '{text}': write COLUMN=VALUE, e.g. route=iv.")
        found[column.strip()] = value.strip()
    return found


def _save(picture: Any, path: Path) -> None:
    from ketasim.report import save_figure

    save_figure(picture, path)
    _show.note(f"Written: {path}")
