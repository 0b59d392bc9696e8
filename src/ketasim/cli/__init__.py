"""The command line: parse, call one verb of the library, show. No computation lives here."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Entry point of the ``ketasim`` command."""
    import atexit
    import gc
    import os
    import sys

    # A closed standard stream is None; what is said there goes nowhere.
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    # Figures are files here, whatever screen the user's own scripts draw on.
    os.environ["MPLBACKEND"] = "agg"

    # Imports make a million objects that live to the end. Searching them for cycles, again and again while they come and
    # once more when the process ends, takes a quarter of the time of a short run; memory is still given back in long ones.
    gc.set_threshold(50_000, 20, 50)
    # DuckDB's objects must be searched: its binding prints whatever is left over as a leak.
    atexit.register(lambda: None if "duckdb" in sys.modules else gc.freeze())

    from ketasim.cli._app import app

    try:
        app(prog_name="ketasim")
    finally:
        _leave(sys.exc_info()[1])


def _leave(end: BaseException | None) -> None:
    """Do not wait for a query that cannot be stopped, nor tear down what it uses."""
    import os
    import sys
    import threading

    if any(thread.name == "ketasim query" for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end, SystemExit) and isinstance(end.code, int) else 1)
