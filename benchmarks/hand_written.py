"""The quadrature's inner loop against the same loop in C with vector types, compiled by gcc for this machine: one core, ratio in one run.

The grid is that of the study model: a fine beginning, then 72 equal steps. Run: python benchmarks/hand_written.py (needs gcc)
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numba import njit

from ketasim.solve._head import LANES
from ketasim.solve._lanes import aligned, splat
from ketasim.solve._stencil import NODES, WEIGHTS, spare_for, stencils_of, sweep, weigh

C = f"""
typedef double row __attribute__((vector_size({8 * LANES})));
void sweep(double *x, const double *u, const double *weights, long n, const long *window, const long *kind)
{{
    row value = *(row *)x;
    for (long s = 0; s < n; s++) {{
        const row *w = (const row *)(weights + kind[s] * {WEIGHTS * LANES}), *v = (const row *)(u + window[s] * {LANES});
        row one = w[1] * v[0] + w[3] * v[2] + w[5] * v[4] + w[7] * v[6];
        row two = w[2] * v[1] + w[4] * v[3] + w[6] * v[5] + w[8] * v[7];
        value = w[0] * value + (one + two);
        *(row *)(x + (s + 1) * {LANES}) = value;
    }}
}}
"""
REPEATS, ROUNDS = 200, 200


@njit
def advance(x, u, weights, n, window, kind, until, highest, w):  # type: ignore[no-untyped-def]
    """The engine's loop without a look at errors; lanes have no Python form."""
    sweep(x, u, 0, weights, 0, WEIGHTS * LANES, 0, n, 0, window, kind, until, highest, splat(1.0), 0, w, 0)


def rows(n: int) -> np.ndarray:
    """Zeroed rows that begin at a cache line."""
    out = np.asarray(aligned(n * LANES))
    out[:] = 0.0
    return out


def compiled() -> ctypes.CDLL:
    """The C loop as a shared library."""
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "sweep.c", Path(folder) / "sweep.so"
        source.write_text(C)
        subprocess.run(["gcc", "-O3", "-march=native", "-ffast-math", "-shared", "-fPIC", source, "-o", library], check=True)
        return ctypes.CDLL(str(library))


def best(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Shortest time of each call, ns, taken in turns so that a busy neighbour meets all of them alike."""
    times: dict[str, float] = {}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            begin = time.perf_counter()
            for _ in range(REPEATS):
                call()
            times[name] = min(times.get(name, np.inf), (time.perf_counter() - begin) / REPEATS * 1e9)
    return times


def main() -> None:
    """Race and print."""
    if shutil.which("gcc") is None:
        raise SystemExit("gcc is not installed.")
    steps = np.concatenate([np.full(2, 2.0**-7), np.full(9, 2.0**-6), np.full(7, 2.0**-5), np.full(4, 0.0625), np.full(8, 0.125),
                            np.full(6, 0.25), np.full(4, 0.5), np.full(72, 1.0)])  # fmt: skip
    n, s = len(steps), stencils_of(np.array([len(steps)]), steps)
    rate, spare, weights = rows(1), rows((NODES + 2) * spare_for(LANES) // LANES), rows(len(s.length) * WEIGHTS)
    spare[:] = 0.0
    rate[:] = np.linspace(0.2, 0.9, LANES)
    weigh(
        0, len(s.length), np.arange(len(s.length)), np.ones((len(s.length), 1), np.bool_), rate, np.zeros(1, np.int64), s.length, 1.0,
        s.basis, s.omega, spare, weights,
    )  # fmt: skip
    u, mine, theirs, worst = rows(n + 1), rows(n + 1), rows(n + 1), rows(1)
    u[:] = np.repeat(np.cos(np.concatenate([[0.0], np.cumsum(steps)]) / 7.0), LANES)
    library = compiled()
    pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (theirs, u, weights)]
    where = [a.ctypes.data_as(ctypes.c_void_p) for a in (s.window, s.kind)]
    nothing = np.zeros(0, np.int64)

    def ours() -> None:
        advance(mine, u, weights, n, s.window, s.kind, s.until, s.highest, worst)

    def hand() -> None:
        library.sweep(*pointers, ctypes.c_long(n), *where)

    def empty_ours() -> None:
        advance(mine, u, weights, 0, nothing, nothing, nothing, s.highest, worst)

    def empty_hand() -> None:
        library.sweep(*pointers, ctypes.c_long(0), *where)

    times = best({"ketasim": ours, "C": hand, "ketasim, no steps": empty_ours, "C, no steps": empty_hand})
    took = {name: (times[name] - times[f"{name}, no steps"]) / n for name in ("ketasim", "C")}
    difference = float(np.max(np.abs(mine - theirs) / np.abs(theirs).max()))
    print(f"{n} steps of {len(s.length)} kinds, {LANES} patients at once; results differ by {difference:.0e}")
    for name, ns in took.items():
        print(f"{name:8s} {ns:6.2f} ns per step of {LANES} patients")
    print(f"ketasim takes {took['ketasim'] / took['C']:.2f} times as long as C")


if __name__ == "__main__":
    main()
