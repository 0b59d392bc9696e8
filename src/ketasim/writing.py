"""Files written whole or not at all: into a draft of a name nobody else has, which takes its place when it is done."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from ketasim.errors import OutputError

__all__ = ["discard", "draft_file", "draft_folder", "replacing", "replacing_folder"]


def draft_file(folder: Path) -> Path:
    """A new empty file of an unused name, with the permissions new files have here."""
    # Exclusive, so that neither a link nor a file that stands there is written to; mkstemp would make it private.
    return _new(folder, lambda path: os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)))


def draft_folder(folder: Path) -> Path:
    """A new empty folder of an unused name."""
    return _new(folder, os.mkdir)


def discard(draft: Path | None) -> None:
    """Remove a draft, whatever has become of it."""
    if draft is None:
        return
    if draft.is_dir() and not draft.is_symlink():
        shutil.rmtree(draft, ignore_errors=True)
    else:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


@contextmanager
def replacing(path: str | Path, what: str = "") -> Generator[Path]:
    """A temporary file beside `path` that takes its name on success; nothing half-written stays.

    Parameters
    ----------
    what : what is written, for messages, e.g. ``checkpoint``.

    Raises
    ------
    OutputError: the place cannot be written.
    """
    target = Path(path)
    if target.is_dir():
        raise OutputError(f"{target} is a directory; give the name of a file.")
    with _whole(target, draft_file, what) as draft:
        yield draft
        draft.replace(target)


@contextmanager
def replacing_folder(path: str | Path) -> Generator[Path]:
    """The same for a folder: `path`, should it exist, is replaced as a whole.

    Raises
    ------
    OutputError: the place cannot be written.
    """
    target = Path(path)
    with _whole(target, draft_folder, "") as draft:
        yield draft
        old = draft.with_suffix(".old")
        if target.is_dir():  # moved aside first: whenever this process ends, one of the two is there as a whole
            target.rename(old)
        draft.rename(target)
        discard(old)


@contextmanager
def _whole(target: Path, make: Callable[[Path], Path], what: str) -> Generator[Path]:
    draft: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = make(target.parent)
        yield draft
    except OSError as error:
        discard(draft)
        if isinstance(error, OutputError):
            raise
        reason = error.strerror or error
        raise OutputError(
            f"{target}: {what + ' ' if what else ''}cannot be written ({reason}). Nothing was left behind."
        ) from None
    except BaseException:
        discard(draft)
        raise


def _new(folder: Path, make: Callable[[Path], None]) -> Path:
    while True:
        path = folder / f".ketasim-{secrets.token_hex(8)}.part"
        try:
            make(path)
            return path
        except FileExistsError:
            continue
