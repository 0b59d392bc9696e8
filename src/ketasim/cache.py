"""Where things are kept that can be made again: compiled kernels, tables, pieces of long calculations."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["cache_directory"]


def cache_directory() -> Path:
    """Folder of what can be made again: ``KETASIM_CACHE``, else the user's cache folder, else a temporary one."""
    root = os.environ.get("KETASIM_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME", "") or "~/.cache", "ketasim")
    path = Path(root).expanduser()
    try:
        path.mkdir(parents=True, exist_ok=True)
        return path
    except OSError:
        return Path(tempfile.mkdtemp(prefix="ketasim-"))
