"""Where results go: kernels write blocks of lanes one after the other, which caches like; results have patients innermost.

A block is (row, lane), a row one quantity at one time. Writing every row to its place at once would touch a memory page per row.
"""

# pyright: basic, reportCallIssue=false, reportArgumentType=false, reportAttributeAccessIssue=false
# Numba finds types through its decorators, which are not typed.

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from ketasim.solve._compiled import njit
from ketasim.solve._head import LANES, SINGLE_LANES
from ketasim.solve._lanes import LINE, _pointer, load, store, width

_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy", "boundscheck": False}


def place(tile: NDArray[Any], out: NDArray[Any], columns: NDArray[np.int64]) -> None:
    """Copy blocks to columns of the results.

    Parameters
    ----------
    tile : flat, (block, row, lane), in double or single precision. out : (..., subject), contiguous; numbers are rounded to its
        precision. columns : (n,), ascending places of the first n lanes.
    """
    n, m = len(columns), out.shape[-1]
    if not n or not out.size:
        return
    rows, flat, first = out.size // m, out.reshape(-1), int(columns[0])
    L = SINGLE_LANES if tile.dtype == np.float32 else LANES
    if int(columns[-1]) - first != n - 1 or tile.dtype != out.dtype:
        _scatter(tile, rows, n, flat, m, columns)
    elif flat.ctypes.data % LINE == 0 and m % L == 0 and first % L == 0:
        _stream_rows(tile, rows, n, flat, m, first)
    else:
        _store_rows(tile, rows, n, flat, m, first)


@intrinsic
def _stream(typingctx, w, i, v):
    """Like `store`, past the caches: results are not read again soon, and fetching a line only to overwrite it costs as much."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        written = builder.store(args[2], _pointer(context, builder, sig.args[0], args[0], args[1], sig.args[2].vector))
        written.align = LINE
        written.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)]))
        return context.get_dummy_value()

    return types.void(w, types.intp, v), codegen


@intrinsic
def _fence(typingctx):
    """Stores past the caches are seen by other threads from here on."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), codegen


@njit(**_OPTIONS)
def _stream_rows(tile, rows, n, out, m, first):
    L = width(tile)
    whole = n // L
    for r in range(rows):
        for b in range(whole):
            _stream(out, r * m + first + b * L, load(tile, (b * rows + r) * L))
        for k in range(whole * L, n):
            out[r * m + first + k] = tile[(whole * rows + r) * L + k - whole * L]
    _fence()


@njit(**_OPTIONS)  # written out twice: a closure over either way to write would not be found in Numba's cache
def _store_rows(tile, rows, n, out, m, first):
    L = width(tile)
    whole = n // L
    for r in range(rows):
        for b in range(whole):
            store(out, r * m + first + b * L, load(tile, (b * rows + r) * L))
        for k in range(whole * L, n):
            out[r * m + first + k] = tile[(whole * rows + r) * L + k - whole * L]


@njit(**_OPTIONS)
def _scatter(tile, rows, n, out, m, columns):
    L = width(tile)
    for r in range(rows):
        for k in range(n):
            out[r * m + columns[k]] = tile[((k // L) * rows + r) * L + k % L]
