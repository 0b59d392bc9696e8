"""The review as one readable page: every claim with its answer, self-contained."""

from __future__ import annotations

import base64
import io
import re
from collections import Counter
from collections.abc import Sequence
from html import escape, unescape
from pathlib import Path
from typing import TYPE_CHECKING

from ketasim.arguments import checked
from ketasim.evidence import Evidence
from ketasim.review._answer import Answer
from ketasim.review._claims import REVIEW
from ketasim.review._experiments import RESTS_ON
from ketasim.review._language import Language, language
from ketasim.review._rules import VERDICTS
from ketasim.writing import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NOTICE = "Research software: explores pharmacology, does not advise on treatment."
_SECTIONS = {
    "0": "History", "1": "Pharmacology", "2": "Enantiomers", "3.1": "Depression", "3.1.1": "Depression: glutamate",
    "3.1.2": "Depression: further mechanisms", "3.2": "Bipolar disorder", "3.3.1": "Alcohol use disorder", "3.3.2": "Opioid use disorder",
    "3.4.1": "Post-traumatic stress disorder", "3.4.2": "Obsessive-compulsive disorder", "4": "Safety",
}  # fmt: skip
_COLOURS = {
    "reproduced": "#0b6e4f",
    "partly": "#a15c00",
    "contradicted": "#a4262c",
    "not testable": "#5b6470",
    "not yet testable": "#3d5a80",
}
_OUTCOMES = {"reproduced": "#0b6e4f", "partly": "#a15c00", "undecided": "#5b6470", "contradicted": "#a4262c"}
_CSS = """
body{font:16px/1.5 system-ui,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif;color:#1c2430;background:#fff;margin:0}main{max-width:60rem;margin:auto;padding:1.5rem}
h1{font-size:1.7rem;line-height:1.25}h2{margin-top:2.5rem;border-bottom:2px solid #e3e7ec;padding-bottom:.25rem;font-size:1.25rem}
article{border:1px solid #dfe4ea;border-left-width:6px;border-radius:6px;padding:.8rem 1rem;margin:1rem 0}
article h3{margin:0;font-size:1rem;display:flex;gap:.6rem;align-items:baseline;flex-wrap:wrap}
.badge{color:#fff;border-radius:4px;padding:.05rem .5rem;font-size:.85rem;font-weight:600}.zh{color:#4a5462}.id{font-weight:700}
.found{font-weight:600;margin:.5rem 0 .1rem}p{margin:.35rem 0}details{margin-top:.4rem}summary{cursor:pointer;color:#2b4c7e}
table{border-collapse:collapse;width:100%;font-size:.85rem}td,th{border-bottom:1px solid #e6eaef;padding:.2rem .5rem;text-align:left;vertical-align:top}
pre{background:#f5f7f9;padding:.6rem;overflow-x:auto;font-size:.8rem;white-space:pre-wrap}.notice{background:#fff6e5;border:1px solid #f0d9a8;padding:.5rem .8rem;border-radius:6px}
.counts{display:flex;gap:.6rem;flex-wrap:wrap;margin:1rem 0}img{max-width:100%}:lang(zh) em{font-style:normal;color:#4a5462}
nav{display:flex;gap:.3rem;flex-wrap:wrap}nav a{border:2px solid;border-radius:4px;padding:0 .4rem;color:#1c2430;text-decoration:none;font-size:.85rem}
"""


@checked
def write_page(answers: Sequence[Answer], path: str | Path, evidence: Evidence, lang: str = "en") -> Path:
    """Write the page, whole or not at all.

    Parameters
    ----------
    lang : ``en``, with each claim in Chinese below, or ``zh``: all in Chinese but rows, queries and citations.

    Raises
    ------
    OutputError: the place cannot be written. InvalidOption: no such language.
    """
    path, say = Path(path), language(lang)
    counts = Counter(a.verdict for a in answers)
    badges = "".join(
        f'<span class="badge" style="background:{_COLOURS[v]}">{escape(say(v))}: {counts[v]}</span>'
        for v in VERDICTS
        if counts[v]
    )
    title = say(f"{len(answers)} claims of a review, executed")
    body = [f"<h1>{title}</h1>", f'<p class="notice"><strong>{say(_NOTICE)}</strong></p>']
    body += [f"<p>{escape(say(f'{REVIEW}. Claims are given in our words.'))}</p>", f'<div class="counts">{badges}</div>']
    body.append(f'<nav aria-label="{say("Claims")}">' + "".join(_link(answer, say) for answer in answers) + "</nav>")
    section = ""
    for answer in answers:
        if answer.claim.section != section:
            section = answer.claim.section
            body.append(f"<h2>{escape(section)} {escape(say(_SECTIONS.get(section, '')))}</h2>")
        body.append(_article(answer, evidence, say))
    page = (
        '<!doctype html><html lang="'
        + say.code
        + '"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{say('The review, executed - ketasim')}</title><style>{_CSS}</style></head><body><main>{''.join(body)}</main></body></html>"
    )
    with replacing(path) as draft:
        draft.write_text(page, encoding="utf-8", errors="backslashreplace")
    return path


def _link(answer: Answer, say: Language) -> str:
    name, told = answer.claim.id, f"{say(answer.verdict)}: {say.claim(answer.claim)}"
    return f'<a href="#{name}" style="border-color:{_COLOURS[answer.verdict]}" title="{escape(told)}">{name}</a>'


def _article(answer: Answer, evidence: Evidence, say: Language) -> str:
    c, colour = answer.claim, _COLOURS[answer.verdict]
    parts = [
        f'<article id="{c.id}" style="border-left-color:{colour}"><h3><span class="id">{c.id}</span>',
        f'<span class="badge" style="background:{colour}">{escape(say(answer.verdict))}</span></h3>',
        f"<p>{escape(say.claim(c))}</p>",
    ]
    if say.code == "en":
        parts.append(f'<p class="zh" lang="zh">{escape(c.zh)}</p>')
    if answer.found != "-":
        parts.append(f'<p class="found">{escape(say(answer.found))}</p>')
    parts.append(f"<p>{escape(say.reason(c, answer.reason))}</p>")
    if c.answer["how"] != answer.reason:
        parts.append(f"<p><em>{escape(say.told(c))}</em></p>")
    parts += [*_model(answer, say), *_experiments(answer, say)]
    picture = _picture(answer, say)
    if picture:
        alt = escape(say(f"Figure of claim {c.id}"))
        parts.append(f'<img alt="{alt}" src="data:image/{picture}">')
    if answer.sources and not answer.rows:
        parts += [f'<p class="zh">{escape(evidence.citation(key))}</p>' for key in answer.sources]
    if answer.rows:
        parts.append(f"<details><summary>{say(f'{len(answer.rows)} rows, query and sources')}</summary>{_rows(answer, say)}")
        parts += [f"<pre>{escape(query)}</pre>" for query in c.queries]
        cited = "".join(f"<li>{escape(evidence.citation(key))}</li>" for key in answer.sources)
        parts.append(f"<ul>{cited}</ul></details>")
    return "".join(parts) + "</article>"


def _model(answer: Answer, say: Language) -> list[str]:
    """The claim run on the cascade, direction by direction; nothing where it was not."""
    if answer.model is None:
        return []
    columns = ("in", "done", "against", "output", "expected", "predicted", "agrees", "by_construction", "note")
    head = "".join(f"<th>{escape(say(k.replace('_', ' ')))}</th>" for k in columns)
    lines = "".join(
        "<tr>" + "".join(f"<td>{escape(say(_cell(x[k])))}</td>" for k in columns) + "</tr>" for x in answer.model.lines
    )
    told = f"{say('Run on the cascade')}: {say(answer.model_verdict)}; {say(answer.model.found)}"
    return [f"<details><summary>{escape(told)}</summary><table><tr>{head}</tr>{lines}</table></details>"]


def _experiments(answer: Answer, say: Language) -> list[str]:
    """Experiments in the model, each with the rule declared before it ran and the commands that run it."""
    parts: list[str] = []
    for one in answer.experiments:
        e = one.experiment
        sure = (
            f"holds in {one.sure:.0%} of draws"
            if e.rule not in ("includes", "wide")
            else "holds"
            if one.sure
            else "does not hold"
        )
        stop = ". " if say.code == "en" else "。"
        said = [f"{say('Declared')}: {say(e.declared)} ({say(sure)})", f"{say('Rests on')}: {say(RESTS_ON[e.grounds])}"]
        commands = escape("\n".join(arm.command(e.visits) for arm in e.arms.values()))
        stale = f" <em>{escape(say('Stored before an entry changed.'))}</em>" if one.stale else ""
        parts.append(
            f'<p class="model"><span class="badge" style="background:{_OUTCOMES[one.outcome]}">{escape(say("model"))}: '
            f"{escape(say(one.outcome))}</span> {escape(say(e.title))}: <strong>{escape(say(one.found))}</strong>{stop}"
            f"{escape(stop.join(said) + stop)}{escape(say(e.note))}{stale}</p>"
            f"<details><summary>{escape(say('Run it'))}</summary><pre>{commands}</pre></details>"
        )
    return parts


def _rows(answer: Answer, say: Language) -> str:
    columns = list(dict.fromkeys(k for row in answer.rows for k in row))
    head = "".join(f"<th>{escape(say(k))}</th>" for k in columns)
    lines = "".join(
        "<tr>" + "".join(f"<td>{escape(say(_cell(row.get(k))))}</td>" for k in columns) + "</tr>" for row in answer.rows[:60]
    )
    return f"<table><tr>{head}</tr>{lines}</table>"


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _picture(answer: Answer, say: Language) -> str:
    """Figure of a claim as it stands in an address; empty where it has none."""
    figure = answer.figure()
    if figure is None:
        return ""
    kind = "png" if say.code == "en" else "svg"
    drawn = _drawn(figure, kind)
    if kind == "svg":  # words stay words, so that the reader's own fonts show them in any script
        drawn = _TEXT.sub(lambda found: f"{found[1]}{escape(say(unescape(found[2])))}{found[3]}", drawn.decode()).encode()
    return f"{'png' if kind == 'png' else 'svg+xml'};base64,{base64.b64encode(drawn).decode('ascii')}"


_TEXT = re.compile(r"(<text[^>]*>)([^<]*)(</text>)")


def _drawn(figure: Figure, kind: str) -> bytes:
    from matplotlib import rc_context

    buffer = io.BytesIO()
    with rc_context({"svg.fonttype": "none"}):
        figure.savefig(buffer, format=kind, dpi=140, bbox_inches="tight")
    return buffer.getvalue()
