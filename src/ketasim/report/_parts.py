"""Pieces of an HTML page: tables, numbers, figures. Knows nothing of what they show."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from html import escape
from typing import Any

import numpy as np

_LONG = 30  # characters from which a text may be broken into lines


def html_table(head: Iterable[str], rows: Iterable[Iterable[Any]], text_columns: int = 1) -> str:
    """A table in a box of its own that scrolls; the first columns are text, set left."""

    def cell(tag: str, position: int, value: Any) -> str:
        text = shown(value)
        kind = "" if position >= text_columns else ' class="t w"' if len(text) > _LONG else " class=t"
        return f"<{tag}{kind}>{escape(text)}</{tag}>"

    top = "".join(cell("th", i, h) for i, h in enumerate(head))
    lines = "".join("<tr>" + "".join(cell("td", i, v) for i, v in enumerate(row)) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table></div>'


def shown(value: Any) -> str:
    """A number to three digits; any other value as it is."""
    if isinstance(value, (float, np.floating)):
        return "–" if not np.isfinite(value) else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)


def html_figure(drawn: Any, caption: str) -> str:
    """A figure as SVG within the page, with its caption, which is also what is read aloud in its place."""
    buffer = io.StringIO()
    drawn.savefig(buffer, format="svg")
    svg = buffer.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(caption)}" ', 1)
    return f'<figure><div class="scroll">{svg}</div><figcaption>{escape(caption)}</figcaption></figure>'
