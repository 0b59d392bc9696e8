"""Every failure as one message on standard error and an exit code: 2 wrong request, 1 it went wrong, 130 Ctrl-C."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import NoReturn

import typer

from ketasim.cli._settings import settings
from ketasim.errors import InvalidOption, InvalidParameter, InvalidRegimen, KetasimError, KetasimWarning, UnknownEntry

USAGE = (InvalidOption, InvalidParameter, InvalidRegimen, UnknownEntry)


def stop(message: str, code: int) -> NoReturn:
    """End with one message."""
    typer.echo(f"Error: {message}", err=True)
    raise typer.Exit(code)


@contextmanager
def guarded() -> Generator[None]:
    """Run a verb; every failure becomes one message (with the traceback only under ``KETASIM_DEBUG=1``)."""
    with warnings.catch_warnings():
        _show_warnings()
        try:
            yield
        except typer.Exit:
            raise
        except BrokenPipeError:
            # The reader of our output left (`ketasim ... | head`): nothing went wrong.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except KeyboardInterrupt:
            typer.echo("\nInterrupted.", err=True)
            raise typer.Exit(130) from None
        except Exception as error:
            if settings.debug:
                raise
            _explain(error)


def _explain(error: Exception) -> NoReturn:
    if isinstance(error, KetasimError):
        stop(str(error), 2 if isinstance(error, USAGE) else 1)
    if isinstance(error, MemoryError):
        stop("out of memory. Use a smaller --chunk, fewer --times, or --stream for quantiles instead of every patient.", 1)
    if isinstance(error, OSError):
        stop(f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror or error}.", 1)
    stop(f"{type(error).__name__}: {error}. This is a fault of ketasim; KETASIM_DEBUG=1 shows where, for a report.", 1)


def _show_warnings() -> None:
    """Our own warnings as one line each, once; those of other packages only when looking for faults."""
    seen: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        text = str(message)
        if issubclass(category, KetasimWarning) and text not in seen:
            seen.add(text)
            typer.echo(f"Warning: {text}", err=True)

    if settings.debug:
        return
    warnings.simplefilter("ignore")
    warnings.simplefilter("always", KetasimWarning)
    warnings.showwarning = show  # type: ignore[assignment]
