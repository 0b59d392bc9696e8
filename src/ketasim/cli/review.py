"""``ketasim review``: the claims of the review, each run and given a verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ketasim.cli import _show
from ketasim.cli._settings import settings
from ketasim.cli._verb import verb

if TYPE_CHECKING:
    from ketasim.evidence import Evidence
    from ketasim.review import Answer, Language


@verb
def review(
    claims: Annotated[list[str] | None, typer.Argument(metavar="[CLAIM]...", help="Ids such as P7; all by default.")] = None,
    *,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Everything behind each verdict: rows, query, sources.")
    ] = False,
    verdict: Annotated[str | None, typer.Option("--verdict", help="Only claims with this verdict.")] = None,
    section: Annotated[str | None, typer.Option("--section", help="Only this section of the review, e.g. 3.1.")] = None,
    figure: Annotated[
        Path | None, typer.Option("--figure", metavar="FILE", help="Figure of one claim: forest plot, or number against range.")
    ] = None,
    lang: Annotated[str, typer.Option("--lang", help="en or zh; rows, queries and citations stay as they are.")] = "en",
    rerun: Annotated[
        bool, typer.Option("--rerun", help="Run the experiments in the model now; otherwise what was stored is told.")
    ] = False,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE.html", help="Write everything as one page.")] = None,
    evidence: Annotated[
        list[Path] | None, typer.Option("--evidence", metavar="DIR", help="Folder of own tables, merged in; repeatable.")
    ] = None,
) -> None:
    """What the review says, what evidence and model give, and the verdict.

    \b
    ketasim review
    ketasim review P7 --verbose
    ketasim review --html build/review.html
    ketasim review --lang zh --html build/review_zh.html
    """
    from ketasim import evidence as base
    from ketasim.cli._outputs import FIGURES, REPORTS, check_file
    from ketasim.errors import InvalidOption
    from ketasim.review import OUTCOMES, VERDICTS, language, write_page
    from ketasim.review import claims as known
    from ketasim.review import review as run

    if verdict is not None and verdict not in VERDICTS:
        raise InvalidOption(f"--verdict '{verdict}' is unknown. Use one of: {', '.join(VERDICTS)}.")
    say = language(lang)
    wanted = list(claims or [])
    if section is not None:
        there = [c.id for c in known() if c.section == section or c.section.startswith(section + ".")]
        if not there:
            raise InvalidOption(
                f"--section '{section}': no claims there. Sections: {', '.join(dict.fromkeys(c.section for c in known()))}."
            )
        wanted += there
    check_file(html, REPORTS, "--html")
    check_file(figure, FIGURES, "--figure")
    whole = base.load(*(evidence or []))
    progress = _show.note if rerun else None
    answers = [a for a in run(wanted, whole, progress, rerun=rerun) if verdict is None or a.verdict == verdict]
    if html is not None:
        _show.note(f"Written: {write_page(answers, html, whole, lang)}")
    if figure is not None:
        _draw(answers, figure)
    if settings.json:
        _show.emit_json(
            {"answers": [a.as_dict() | ({"rows": a.rows} if verbose else {}) for a in answers], "notice": _show.NOTICE}
        )
        return
    if verbose:
        for answer in answers:
            _full(answer, whole, say)
    else:
        heads = ("claim", "the review says", "evidence", "verdict", "why", "the model says")
        _show.table([say(name) for name in heads],
                    [(a.claim.id, say.claim(a.claim), say(a.found), say(a.verdict), say.reason(a.claim, a.reason), _model(a, say)) for a in answers],
                    numbers_from=6)  # fmt: skip
    counts = Counter(a.verdict for a in answers)
    _show.note(f"{say('evidence')}: " + ", ".join(f"{counts[v]} {say(v)}" for v in VERDICTS if counts[v]) + ".")
    said = Counter(m.outcome for a in answers for m in a.experiments)
    if said:
        _show.note(
            f"{say('the model says')}: " + ", ".join(f"{said[o]} {say(o)}" for o in OUTCOMES if said[o]) + f" ({said.total()})."
        )
    _show.notice()


def _full(answer: Answer, whole: Evidence, say: Language) -> None:
    from ketasim.review import RESTS_ON

    c = answer.claim
    _show.text(f"\n{c.id} (section {c.section}, {c.kind}): {c.en}\n{c.zh}")
    if c.target:
        _show.text(f"{say('Target')}: {c.target_text}")
    _show.text(f"{say('Verdict')}: {say(answer.verdict)}. {say.reason(c, answer.reason)}")
    if answer.found != "-":
        _show.text(f"{say('Found')}: {say(answer.found)}")
    if c.answer["how"] != answer.reason:
        _show.text(f"{say('How')}: {say.told(c)}")
    for one in answer.experiments:
        e = one.experiment
        _show.text(
            f"{say('model')}: {say(e.title)}: {say(one.found)}. {say('Declared')}: {say(e.declared)}; {one.sure:.0%}: {say(one.outcome)}. "
            f"{say('Rests on')}: {say(RESTS_ON[e.grounds])}. {say(e.note)}"
        )
        _show.text("\n".join(f"  {arm.command(e.visits)}" for arm in e.arms.values()))
    if answer.rows:
        columns = list(dict.fromkeys(k for row in answer.rows for k in row))
        _show.table(columns, [[row.get(k, "") for k in columns] for row in answer.rows], numbers_from=len(columns))
        for query in c.queries:
            _show.text(f"{say('Query')}:\n{query}")
    if answer.model is not None:
        lines = [_direction(x) for x in answer.model.lines]
        _show.table(
            _DIRECTION,
            lines,
            f"{say('Run on the cascade')}: {say(answer.model_verdict)}: {say(answer.model.found)}",
            numbers_from=len(_DIRECTION),
        )
    for key in answer.sources:
        _show.text(f"  {whole.citation(key)}")


def _model(answer: Answer, say: Language) -> str:
    """What the cascade gives, in short, and every experiment."""
    cascade = [] if answer.model is None else [f"{say(answer.model_verdict)}: {say(answer.model.found)}"]
    return "\n".join([*cascade, *(one.short for one in answer.experiments)])


_DIRECTION = ("in", "done", "against", "output", "expected", "predicted", "agrees", "remark")


def _direction(x: Mapping[str, Any]) -> tuple[object, ...]:
    forced = f"By construction: {x['by_construction']}." if x["by_construction"] else ""
    predicted = f"{x['predicted']} ({x['difference']:+.2g})"
    said = " ".join(filter(None, (x["note"], forced)))
    return x["in"], x["done"], x["against"], x["output"], x["expected"], predicted, "yes" if x["agrees"] else "no", said


def _draw(answers: list[Answer], path: Path) -> None:
    from ketasim.errors import InvalidOption
    from ketasim.report import save_figure

    drawn = [figure for figure in (a.figure() for a in answers) if figure is not None]
    if len(drawn) != 1:
        raise InvalidOption(
            f"--figure needs exactly one claim with a figure; {len(drawn)} of the chosen ones have one. Pooled is e.g. D0, a number P7."
        )
    save_figure(drawn[0], path)
    _show.note(f"Written: {path}")
