"""Figures as files carry the research-use notice, below everything else."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from ketasim.errors import OutputError
from ketasim.results import NOTICE, save_picture


def _drawn() -> Figure:
    figure = Figure(figsize=(4.0, 3.0), layout="constrained")
    axis = figure.subplots()
    axis.plot([0.0, 1.0], [0.0, 1.0], label="line")
    axis.set_xlabel("label of the axis")
    figure.legend(loc="outside lower center")
    return figure


def test_the_notice_stands_below_and_the_figure_stays_as_it_was(tmp_path: Path) -> None:
    figure = _drawn()
    engine = figure.get_layout_engine()
    page = save_picture(figure, tmp_path / "a.svg").read_text(encoding="utf-8")
    assert NOTICE in page
    assert f'height="{(3.0 + 0.2) * 72:g}pt"' in page and 'width="288pt"' in page
    assert not figure.texts and figure.get_layout_engine() is engine and tuple(figure.get_size_inches()) == (4.0, 3.0)
    assert figure.legends[0].get_bbox_to_anchor() is figure.bbox
    for ending in ("png", "pdf"):
        assert save_picture(figure, tmp_path / f"a.{ending}").stat().st_size > 1000


def test_nothing_runs_into_the_legend(tmp_path: Path) -> None:
    """The picture above the foot is what matplotlib draws without it."""
    import matplotlib.image

    plain, noted = tmp_path / "plain.png", save_picture(_drawn(), tmp_path / "noted.png", dpi=100)
    _drawn().savefig(plain, dpi=100)
    above, whole = matplotlib.image.imread(plain), matplotlib.image.imread(noted)
    assert whole.shape[0] == above.shape[0] + 20 and whole.shape[1] == above.shape[1]
    assert abs(whole[:-20, :, :3] - above[:, :, :3]).mean() < 0.02  # text may lie a pixel off
    assert whole[-20:, :, :3].min() < 0.9


def test_a_place_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OutputError, match="Nothing was left behind"):
        save_picture(_drawn(), tmp_path / "file" / "a.png")
