"""Figures as files: whole or absent, with the research-use notice at their foot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ketasim.arguments import checked
from ketasim.results._tree import NOTICE
from ketasim.writing import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Height of the foot and size of its letters, inch and points; where the line begins, inch.
_FOOT, _LETTERS, _LEFT = 0.2, 6.5, 0.1


@checked
def save_picture(figure: Figure, path: str | Path, dpi: float | None = None) -> Path:
    """Write a figure of matplotlib by the ending of `path`, with the notice below; the figure itself stays as it is.

    Raises
    ------
    OutputError: the place cannot be written.
    """
    from matplotlib.transforms import Bbox

    path = Path(path)
    drawn: Any = figure
    width, height = drawn.get_size_inches()
    # Below the canvas, which grows by that much: there is nothing the line could run into.
    letters = min(_LETTERS, _LETTERS * width / 3.6)
    line = drawn.text(_LEFT / width, -0.2 * _FOOT / height, NOTICE, va="top", ha="left", fontsize=letters, color="0.35")
    # Legends of the whole figure stand where its canvas ends, and would follow it down: they are placed with everything else, then held.
    layout = drawn.get_layout_engine()
    drawn.draw_without_rendering()
    drawn.set_layout_engine("none")
    legends = [legend for legend in drawn.legends if legend.get_bbox_to_anchor() is drawn.bbox]
    for legend in legends:
        legend.set_bbox_to_anchor((0.0, 0.0, 1.0, 1.0), transform=drawn.transFigure)
    canvas = Bbox.from_bounds(0.0, -_FOOT, width, height + _FOOT)
    try:
        with replacing(path) as draft:
            drawn.savefig(draft, format=path.suffix[1:].lower(), dpi=dpi or "figure", bbox_inches=canvas)
    finally:
        line.remove()
        for legend in legends:
            legend.set_bbox_to_anchor(None)
        drawn.set_layout_engine(layout or "none")
    return path
