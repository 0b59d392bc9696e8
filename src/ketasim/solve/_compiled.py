"""Numba's `njit`, with a cache that heals itself: what cannot be loaded is compiled anew, what cannot be kept is compiled next time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numba

from ketasim.writing import discard

__all__ = ["njit"]


def njit(cache: bool = False, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function on its first call, as `numba.njit` does; a damaged or full cache is no error."""

    def decorated(function: Callable[..., Any]) -> Any:
        compiled: Any = numba.njit(**options)(function)
        if cache:
            with suppress(RuntimeError):  # no folder to keep it in
                compiled.enable_caching()
                compiled._cache = _Healing(compiled._cache)
        return compiled

    return decorated


class _Healing:
    """A cache of one function; Numba believes what lies on the disk, and passes on whatever reading and writing raise."""

    def __init__(self, cache: Any) -> None:
        self._inner = cache

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def load_overload(self, *asked: Any) -> Any:
        try:
            return self._inner.load_overload(*asked)
        except Exception:  # whatever unpickling damaged bytes may raise
            discard(Path(self._inner._cache_file._index_path))
            return None

    def save_overload(self, *found: Any) -> None:
        with suppress(OSError):
            self._inner.save_overload(*found)
