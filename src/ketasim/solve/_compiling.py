"""The first run of a model on a machine compiles it, which takes a while: said on standard error, once, with the time that has passed."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from ketasim.solve._numba import Kernel

#: Seconds to compile what all models share, and source text per second: measured on one core for models of 17 to 85 kB; for the notice only.
_SHARED, _PER_SECOND = 5.0, 8_000.0
_told: set[str] = set()


@contextmanager
def compiling(kernel: Kernel, model: str) -> Generator[None]:
    """Say that a model is compiled while its first run does it; silent where it was before, and under ``KETASIM_QUIET=1``.

    Parameters
    ----------
    model : name to show.
    """
    module = kernel.single or kernel.module
    known = module.__name__ in _told or is_compiled(module)
    _told.add(module.__name__)
    if known or os.environ.get("KETASIM_QUIET", "") not in ("", "0"):
        yield
        return
    seconds = _SHARED + len(Path(str(module.__file__)).read_bytes()) / _PER_SECOND
    print(f"compiling {model} for this machine (about {seconds:.0f} s, once) ...", file=sys.stderr, flush=True)
    begin, over = time.perf_counter(), threading.Event()
    clock = threading.Thread(target=_tick, args=(begin, over), daemon=True)
    clock.start()
    done = ""
    try:
        yield
        done = f"compiled in {time.perf_counter() - begin:.0f} s"
    finally:
        over.set()
        clock.join()
        if done:
            print(done, file=sys.stderr, flush=True)


def is_compiled(module: ModuleType) -> bool:
    """Whether an earlier process compiled a kernel and left it in Numba's cache."""
    run = module.run
    return any(Path(run.stats.cache_path).glob(f"{module.__name__}.run-*.nbi"))


def _tick(begin: float, over: threading.Event) -> None:
    """Show the seconds that have passed, where a person looks; a progress bar of its own keeps the screen to itself."""
    screen = sys.stderr
    if screen is not sys.__stderr__ or not screen.isatty():
        return
    while not over.wait(1.0):
        screen.write(f"\r  {time.perf_counter() - begin:.0f} s ")
        screen.flush()
    screen.write("\r")
