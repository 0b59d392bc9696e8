"""Where things are kept that can be made again: compiled kernels, tables, pieces of long calculations."""

from __future__ import annotations

import atexit
import json
import os
import tempfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from shutil import Error as ShutilError
from shutil import copytree, rmtree
from typing import Any

from ketasim.errors import InvalidOption
from ketasim.writing import discard, replacing

__all__ = ["Remembered", "cache_directory", "temporary_directory"]

_MOST = 20_000
_OTHERS_WRITE = 0o022


def cache_directory() -> Path:
    """Folder of what can be made again: ``KETASIM_CACHE``, else the user's cache folder, else one that lives as long as the process.

    What lies there is run, so it must be nobody else's: the folder is made private, and files of others in it are removed.

    Raises
    ------
    InvalidOption: another user owns the folder or may write to it.
    """
    given = os.environ.get("KETASIM_CACHE")
    root = Path(given or os.path.join(os.environ.get("XDG_CACHE_HOME", "") or "~/.cache", "ketasim")).expanduser()
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        root.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return temporary_directory()
    if not os.access(root, os.W_OK | os.X_OK):
        return temporary_directory(None if _doubt(root) else root)
    if not given:
        with suppress(OSError):
            root.chmod(0o700)  # ours alone, whatever the umask of the day it was made
    if doubt := _doubt(root):
        raise InvalidOption(
            f"the cache folder {root} {doubt}, and what lies there is run as a program. "
            f"Make it your own (chmod 700 '{root}'), or name another folder in KETASIM_CACHE."
        )
    _sweep(root)
    return root


@lru_cache(maxsize=8)
def temporary_directory(filled_from: Path | None = None) -> Path:
    """A private folder that is removed when the process ends, with what a cache that cannot be written to holds already."""
    folder = Path(tempfile.mkdtemp(prefix="ketasim-"))
    atexit.register(rmtree, folder, ignore_errors=True)
    if filled_from is not None:
        with suppress(OSError, ShutilError):  # what cannot be read is made again
            copytree(filled_from, folder, dirs_exist_ok=True, ignore=_doubtful)
        for inside, _, _ in os.walk(folder):
            os.chmod(inside, 0o700)
    return folder


def _doubt(path: Path | str, others_may_write: bool = False) -> str:
    """Why a file or folder may hold what this user did not put there; empty where it cannot."""
    if not hasattr(os, "geteuid"):
        return ""
    facts = os.stat(path)
    if facts.st_uid not in (os.geteuid(), 0):
        return "belongs to another user"
    return "may be written to by others" if not others_may_write and facts.st_mode & _OTHERS_WRITE else ""


def _doubtful(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if _doubt(os.path.join(folder, name))]


@lru_cache(maxsize=8)
def _sweep(root: Path) -> None:
    """Remove files of others, which stand there from a time when others could write to the folder; once per process."""
    is_private = not root.stat().st_mode & 0o077  # nobody comes to what others could write to
    for folder, inner, files in os.walk(root):
        for name in (*inner, *files):
            with suppress(OSError):
                if _doubt(path := os.path.join(folder, name), is_private):
                    discard(Path(path))


class Remembered:
    """Small answers that are slow to find, kept from one process to the next in a JSON file of the cache folder.

    The file is read on the first question and written once, at the end of the process, when there is something new. What
    cannot be read counts as absent, what cannot be written is found again next time: never an error.

    Parameters
    ----------
    path : the file. Everything the answers depend on, versions included, belongs into its name.

    Examples
    --------
    >>> memory = Remembered(cache_directory() / "example.json")
    >>> memory.keep("answer", 42)
    >>> memory.get("answer")
    42
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known = self._read()
        self._new: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        """What was kept under `key`; None when nothing was."""
        return self._known.get(key)

    def keep(self, key: str, value: Any) -> None:
        """Keep a value that JSON can hold; it comes back as JSON gives it, numbers to the last bit."""
        if not self._new:
            atexit.register(self.save)
        self._known[key] = self._new[key] = value

    def save(self) -> None:
        """Write what is new, together with what other processes wrote meanwhile."""
        atexit.unregister(self.save)
        content = self._read() | self._new
        if not self._new or len(content) > _MOST or not self.path.parent.is_dir():
            return
        self._new = {}
        with suppress(OSError), replacing(self.path) as draft:
            draft.write_text(json.dumps(content, sort_keys=True), encoding="utf-8")

    def _read(self) -> dict[str, Any]:
        try:
            content: Any = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}
