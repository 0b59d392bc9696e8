"""Where things are kept that can be made again: compiled kernels, tables, pieces of long calculations."""

from __future__ import annotations

import atexit
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from ketasim.writing import replacing

__all__ = ["Remembered", "cache_directory"]

_MOST = 20_000


def cache_directory() -> Path:
    """Folder of what can be made again: ``KETASIM_CACHE``, else the user's cache folder, else a temporary one."""
    root = os.environ.get("KETASIM_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME", "") or "~/.cache", "ketasim")
    path = Path(root).expanduser()
    try:
        path.mkdir(parents=True, exist_ok=True)
        return path
    except OSError:
        return Path(tempfile.mkdtemp(prefix="ketasim-"))


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
