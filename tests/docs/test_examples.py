"""Examples of the documentation do what the page says: every block after ``<!-- run -->`` runs, in the order of the page.

``<!-- run: fails -->`` marks a command that must be refused. A page's blocks share one empty working folder.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from ketasim import library
from ketasim.cli._app import app
from ketasim.library import _find

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^<!-- run(?P<fails>: fails)? -->\n```(?P<kind>python|console)\n(?P<body>.*?)^```", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    kind: str
    body: str
    fails: bool
    line: int


def _blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [Block(m["kind"], m["body"], bool(m["fails"]), text.count("\n", 0, m.start()) + 1) for m in _BLOCK.finditer(text)]


PAGES = [p for p in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if _blocks(p)]


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
    for block in _blocks(page):
        if block.kind == "python":
            exec(compile(block.body, f"{page}:{block.line}", "exec"), {"__name__": "__example__"})
        else:
            _console(block, f"{page.relative_to(ROOT)}:{block.line}")


def _console(block: Block, where: str) -> None:
    commands = [line[2:] for line in block.body.splitlines() if line.startswith("$ ")]
    assert commands, f"{where}: a console block to run has lines that begin with '$ '"
    for command in commands:
        if not command.startswith("ketasim "):
            subprocess.run(command, shell=True, check=True)
            continue
        done = CliRunner().invoke(app, shlex.split(command, comments=True)[1:], prog_name="ketasim")
        assert (done.exit_code != 0) == block.fails, f"{where}: {command}\n{done.output}"
        assert done.exception is None or isinstance(done.exception, SystemExit), f"{where}: {command}\n{done.exception!r}"


def test_the_tutorial_is_among_the_pages() -> None:
    assert ROOT / "docs" / "tutorial" / "index.md" in PAGES
