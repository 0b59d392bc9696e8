"""Docstrings as ketasim writes them, several parameters on a line, in the form that the documentation's reader takes (one each)."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension

_SECTION = re.compile(r"^(?P<head>\w+)\n-{3,}\n(?P<body>.*?)(?=^\w+\n-{3,}\n|\Z)", re.MULTILINE | re.DOTALL)
_NEXT = re.compile(r"(?<=[.;)]) +(?=\*{0,2}\w+(?:, \w+)* : )")


class OneEach(Extension):
    """Rewrites every docstring before it is parsed."""

    def on_instance(self, *, obj: Any, **_: Any) -> None:
        """One parameter or exception to a line; what is returned as a sentence."""
        if obj.docstring is not None:
            obj.docstring.value = rewritten(obj.docstring.value)


def rewritten(text: str) -> str:
    """A docstring with one entry to a parameter, attribute or exception."""

    def section(match: re.Match[str]) -> str:
        head, body = match["head"], match["body"]
        if head == "Returns":
            return f"**Returns** {' '.join(body.split())}\n\n"
        if head not in ("Parameters", "Attributes", "Raises", "Warns"):
            return match[0]
        entries = re.split(r"\n(?=\S)", body.strip("\n"))
        pieces = [piece for entry in entries for piece in _NEXT.split(" ".join(entry.split()))]
        mark = " : " if head in ("Parameters", "Attributes") else ": "
        parts = (piece.partition(mark) for piece in pieces)
        # A text that several share stands at each of them, with its own type and default.
        lines = [f"{name}\n    {said}" if found else name for names, found, said in parts for name in names.split(", ")]
        return f"{head}\n{'-' * len(head)}\n" + "\n".join(lines) + "\n\n"

    return _SECTION.sub(section, text)
