"""Examples of the documentation do what the page says, and print what it shows: ``docs/outputs.py`` tells how they are marked."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ketasim import library
from ketasim.library import _find

ROOT = Path(__file__).parents[2]
_SPEC = importlib.util.spec_from_file_location("docs_outputs", ROOT / "docs" / "outputs.py")
assert _SPEC
assert _SPEC.loader
outputs = importlib.util.module_from_spec(_SPEC)
sys.modules["docs_outputs"] = outputs
_SPEC.loader.exec_module(outputs)
PAGES = outputs.pages()


@pytest.fixture
def no_packs_left() -> Iterator[None]:
    """Packs that a page makes are of this page only."""
    before = list(_find._packs)
    yield
    for folder in [f for f in _find._packs if f not in before]:
        library.remove_pack(folder)


@pytest.mark.slow
@pytest.mark.usefixtures("no_packs_left")
@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_page(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for ran in outputs.run(page):
        where = f"{page.relative_to(ROOT)}:{ran.block.line}"
        assert ran.refused == ran.block.fails, f"{where}\n{ran.output}"
        if ran.block.shown is not None:
            shown, _, _, lines = ran.block.shown
            printed = outputs.tidy(ran.output, lines)
            assert outputs.alike(shown, printed), f"{where} is out of date; run: python docs/outputs.py\n{printed}"
    for drawn, image in outputs.figures(page):
        assert drawn.is_file(), f"{page.name}: no run drew {drawn}"
        assert image.is_file(), f"{image} is missing; run: python docs/outputs.py"


def test_the_tutorial_is_among_the_pages() -> None:
    assert ROOT / "docs" / "tutorial" / "index.md" in PAGES


def test_outputs_are_compared_by_words_and_numbers() -> None:
    assert outputs.alike("peak  75.45 ng/mL at 0.33 h", "peak 75.46 ng/mL  at 0.33 h")
    assert not outputs.alike("peak 75.45 ng/mL", "peak 85.45 ng/mL")
    assert not outputs.alike("peak 75.45 ng/mL", "Peak 75.45 ng/mL")
    assert not outputs.alike("peak 75.45", "peak 75.45 1")


def test_an_output_goes_with_the_run_before_it() -> None:
    text = "<!-- run -->\n```console\n$ a\n```\n\n<!-- output: 2 lines -->\n```text\nold\n```\n\n<!-- run: fails -->\n```console\n$ b\n```\n"
    first, second = outputs.blocks(text)
    assert first.shown[0] == "old\n" and first.shown[3] == 2 and second.shown is None and second.fails
    assert outputs.tidy("x \ny\nz\n", 2) == "x\ny\n...\n"
