"""What the figures of network meta-analysis share: canvas, captions, names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ketasim.report._figures import _STYLE, PALETTE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Colour map of effects around none, and the colour of everything that is one of a kind.
DIVERGING, NODE = "RdBu_r", PALETTE[0]


def canvas(width: float, height: float, **options: Any) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", **options)


def styled() -> Any:
    import matplotlib

    return matplotlib.rc_context(_STYLE | {"axes.grid": False})


def wrapped(text: str, width: int) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)) or text


def caption(figure: Figure, text: str) -> None:
    """What a figure shows, above it, within its width."""
    width = int(figure.get_figwidth() * 15)
    figure.suptitle(wrapped(text, width), fontsize=8, fontweight="normal", color="#444444", x=0.01, ha="left")


def measure_name(measure: str) -> str:
    from ketasim.synthesis import NETWORK_MEASURES

    return NETWORK_MEASURES[measure]
