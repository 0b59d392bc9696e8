"""What the examples of the documentation print, written into the pages: ``python docs/outputs.py [PAGE.md ...]``.

Every block after ``<!-- run -->`` runs, in the order of the page; ``<!-- run: fails -->`` marks a command that must be refused. A page's
blocks share one empty working folder. A block after ``<!-- output -->`` is what the run before it printed (``<!-- output: 12 lines -->``:
as much of it). An image after ``<!-- figure: FILE -->`` is what a run drew into that file. `tests/docs` runs the same code and compares.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
_RUN = re.compile(r"^<!-- run(?P<fails>: fails)? -->\n```(?P<kind>python|console)\n(?P<body>.*?)^```\n", re.MULTILINE | re.DOTALL)
_OUTPUT = re.compile(r"\n*<!-- output(?:: (?P<lines>\d+) lines)? -->\n```text\n(?P<shown>.*?)^```\n", re.MULTILINE | re.DOTALL)
_FIGURE = re.compile(r"^<!-- figure: (?P<file>\S+) -->\n!\[[^\]]*\]\((?P<image>[^)]+)\)", re.MULTILINE)
_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?", re.IGNORECASE)


class Block(NamedTuple):
    """One block to run. shown : the output on the page, and the first and last place of its text; None where none is shown."""

    kind: str
    body: str
    fails: bool
    line: int
    shown: tuple[str, int, int, int] | None


@dataclass(frozen=True)
class Ran:
    """A block that ran: its output, and whether it was refused."""

    block: Block
    output: str
    refused: bool


def pages() -> list[Path]:
    """Pages with blocks to run."""
    return [p for p in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if blocks(p.read_text(encoding="utf-8"))]


def blocks(text: str) -> list[Block]:
    """Blocks to run of a page, in their order."""
    found: list[Block] = []
    for match in _RUN.finditer(text):
        after = _OUTPUT.match(text, match.end())
        shown = (after["shown"], after.start("shown"), after.end("shown"), int(after["lines"] or 0)) if after else None
        found.append(Block(match["kind"], match["body"], bool(match["fails"]), text.count("\n", 0, match.start()) + 1, shown))
    return found


def run(page: Path) -> Iterator[Ran]:
    """Run a page's blocks in the current folder; packs that a page uses are not there for the next."""
    from ketasim.library import _find, remove_pack

    before = list(_find.roots())
    try:
        for block in blocks(page.read_text(encoding="utf-8")):
            yield Ran(block, *(_python(block, page) if block.kind == "python" else _console(block)))
    finally:
        for folder in _find.roots():
            if folder not in before:
                remove_pack(folder)


def _python(block: Block, page: Path) -> tuple[str, bool]:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block.body, f"{page}:{block.line}", "exec"), {"__name__": "__example__"})
    return printed.getvalue(), False


def _console(block: Block) -> tuple[str, bool]:
    from typer.testing import CliRunner

    from ketasim.cli._app import app

    printed, refused = "", False
    commands = [line[2:] for line in block.body.splitlines() if line.startswith("$ ")]
    if not commands:
        raise SystemExit(f"line {block.line}: a console block to run has lines that begin with '$ '")
    for command in commands:
        if not command.startswith("ketasim "):
            printed += subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout
            continue
        words = shlex.split(command, comments=True)
        # What a person reads first is the result: remarks on standard error follow it.
        done = CliRunner().invoke(app, words[1:], prog_name="ketasim", env={"KETASIM_QUIET": "1", "COLUMNS": "120"})
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        printed += done.stdout + done.stderr
        refused |= done.exit_code != 0
    return printed, refused


def tidy(output: str, lines: int = 0) -> str:
    """An output as a page shows it: without blanks at the ends, and cut after some lines (0: whole)."""
    kept = [line.rstrip() for line in output.strip("\n").splitlines()]
    kept = [line for k, line in enumerate(kept) if line or (k and kept[k - 1])]
    if lines and len(kept) > lines:
        kept = [*kept[:lines], "..."]
    return "".join(f"{line}\n" for line in kept)


def alike(shown: str, printed: str, rtol: float = 0.03) -> bool:
    """Whether two outputs are the same but for blanks and the last digits of numbers, which differ between processors.

    The ends of a profile, and of what is sampled, differ by as much as 2 % between processors.
    """
    if re.sub(r"[\s─-]+", " ", _NUMBER.sub("#", shown)) != re.sub(r"[\s─-]+", " ", _NUMBER.sub("#", printed)):
        return False
    pairs = zip(_NUMBER.findall(shown), _NUMBER.findall(printed), strict=True)
    values = ((float(a.replace(",", "")), float(b.replace(",", ""))) for a, b in pairs)
    return all(abs(a - b) <= rtol * max(abs(a), abs(b)) for a, b in values)


def figures(page: Path) -> list[tuple[Path, Path]]:
    """(file that a run of the page draws, relative to the working folder; image beside the page that shows it)."""
    return [(Path(m["file"]), (page.parent / m["image"]).resolve()) for m in _FIGURE.finditer(page.read_text(encoding="utf-8"))]


def rewrite(page: Path) -> None:
    """Run a page and put what it printed and drew into it; outputs that are alike stay as they are."""
    text = page.read_text(encoding="utf-8")
    done, here = list[Ran](), Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            done += run(page)
            for drawn, image in figures(page):
                image.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(drawn, image)
        finally:
            os.chdir(here)
    for ran in reversed(done):
        if ran.block.shown is None:
            continue
        shown, begin, end, lines = ran.block.shown
        printed = tidy(ran.output, lines)
        if not alike(shown, printed):
            text = text[:begin] + printed + text[end:]
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "Agg")
    for wanted in [Path(word).resolve() for word in sys.argv[1:]] or pages():
        print(wanted.relative_to(ROOT), flush=True)
        rewrite(wanted)
