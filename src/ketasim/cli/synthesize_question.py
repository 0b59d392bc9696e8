"""``ketasim synthesize question``: estimates from the evidence base, with how far to trust them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ketasim.cli import _show
from ketasim.cli._settings import settings
from ketasim.cli._verb import verb
from ketasim.errors import InvalidOption


@verb
def question(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Name of a question; all in short by default.")] = None,
    *,
    figure: Annotated[Path | None, typer.Option("--figure", metavar="FILE", help="Forest plot, or graph of the network.")] = None,
    league: Annotated[
        Path | None, typer.Option("--league", metavar="FILE", help="League table of a network, a figure: .png, .svg or .pdf.")
    ] = None,
    evidence: Annotated[
        list[Path] | None, typer.Option("--evidence", metavar="DIR", help="Folder of own tables, merged in; repeatable.")
    ] = None,
) -> None:
    """Estimates from the evidence base: how large, how sure, or not enough data.

    \b
    ketasim synthesize question
    ketasim synthesize question rapid-effect-by-control --figure forest.png
    ketasim synthesize question rapid-response-network --league league.png
    """
    from ketasim import evidence as base
    from ketasim.synthesis import answer_question, questions

    whole = base.load(*(evidence or []))
    for option, path in (("--figure", figure), ("--league", league)):
        if path is not None:
            from ketasim.cli._outputs import FIGURES, check_file

            if name is None:
                raise InvalidOption(f"{option} needs the NAME of a question.")
            check_file(path, FIGURES, option)
    answers = [answer_question(q, whole) for q in ([name] if name else [q.name for q in questions()])]
    if figure is not None:
        _draw(answers[0], figure)
    if league is not None:
        _draw_league(answers[0], league)
    if settings.json:
        _show.emit_json({"answers": [a.as_dict() for a in answers], "notice": _show.NOTICE})
        return
    if name is None:
        rows = [(a.question.name, a.question.asks, a.summary, a.certainty.level if a.certainty else "-") for a in answers]
        _show.table(["question", "asks", "answer", "certainty"], rows, numbers_from=4)
    else:
        _full(answers[0], whole)
    if any(answer.certainty for answer in answers):
        _show.note("Certainty is computed by rules, not judged by a panel: docs, 'How certain is an estimate'.")
    _show.notice()


def _full(answer: Any, whole: Any) -> None:
    a, base = answer, whole
    _show.text(f"{a.question.asks}\n{a.summary}")
    if a.certainty is not None:
        _show.text(f"Certainty: {a.certainty.level}. " + "; ".join(a.certainty.reasons) + ".")
    if a.rows:
        columns = list(a.rows[0])
        _show.table(columns, [[row[k] for k in columns] for row in a.rows], numbers_from=len(columns))
    for key in a.sources:
        _show.text(f"  {base.citation(key)}")


def _draw(answer: Any, path: Path) -> None:
    from ketasim.report import save_figure

    a = answer
    if a.pairwise is not None:
        from ketasim.report import forest_figure

        save_figure(forest_figure(a.pairwise), path)
    elif a.networks:
        from ketasim.report import network_figure

        save_figure(network_figure(a.networks[0].data), path)
        if len(a.networks) > 1:
            _show.note(f"Drawn: the largest of {len(a.networks)} networks that no trial joins.")
    else:
        raise InvalidOption(f"--figure: '{a.question.name}' has nothing to draw. {a.summary}")
    _show.note(f"Written: {path}")


def _draw_league(answer: Any, path: Path) -> None:
    from ketasim.report import league_figure, save_figure
    from ketasim.synthesis import ranking

    if not answer.networks:
        raise InvalidOption(f"--league: '{answer.question.name}' is no network. {answer.summary}")
    network = answer.networks[0]
    best_first = ranking(network.random, answer.question.small_values).treatments
    save_figure(league_figure(network, order=best_first), path)
    _show.note(f"Written: {path}")
