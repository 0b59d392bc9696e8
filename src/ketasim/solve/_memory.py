"""Memory of results, handed on from a result that is gone to the next one: fresh memory costs more than computing what goes into it."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ketasim.solve._lanes import LINE

Bytes = NDArray[np.uint8]
#: Bytes kept for the next result, at most, and the smallest piece worth keeping.
MOST, LEAST = 1 << 28, 1 << 20
#: Memory nobody uses; the latest one last. Operations on a deque are atomic, whichever thread frees a result.
_IDLE: deque[Bytes] = deque()


class _Lease:
    """Owner of the memory of one array and all its views; gives it back when the last of them is gone."""

    def __init__(self, memory: Bytes) -> None:
        self.memory = memory
        self.__array_interface__ = memory.__array_interface__

    def __del__(self) -> None:
        _give(self.memory)


def _give(memory: Bytes) -> None:
    _IDLE.append(memory)
    while sum(m.size for m in tuple(_IDLE)) > MOST:
        try:
            _IDLE.popleft()
        except IndexError:  # another thread was faster
            return


def _take(size: int) -> Bytes | None:
    """Idle memory that fits and is not much too large."""
    for _ in range(len(_IDLE)):
        try:
            memory = _IDLE.pop()
        except IndexError:
            return None
        if size <= memory.size <= 1.25 * size:
            return memory
        _IDLE.appendleft(memory)
    return None


def aligned(shape: tuple[int, ...], dtype: type[np.floating[Any]] = np.float64) -> NDArray[Any]:
    """Empty array that begins where a cache line does, of memory used before where there is some."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    wanted = size + LINE
    if LEAST <= wanted <= MOST:
        memory = np.asarray(_Lease(found if (found := _take(wanted)) is not None else np.empty(wanted, np.uint8)))
    else:
        memory = np.empty(wanted, np.uint8)
    first = -memory.ctypes.data % LINE
    return memory[first : first + size].view(dtype).reshape(shape)
