"""The error family of ketasim: every message says what, where, the value, what is allowed, what to do.

Not for per-patient numerical failure: under a population run that is a status in the result, never an exception.
"""

from __future__ import annotations

import difflib
import sys
import warnings
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar


class KetasimError(Exception):
    """Base of all errors a user can cause; the command line prints it as one message, without a traceback."""


class InvalidRegimen(KetasimError, ValueError):
    """A dose, schedule or regimen text that has no meaning."""


class InvalidData(KetasimError, ValueError):
    """A table, file or row that cannot be used; names file, line and column."""


class InvalidEntry(KetasimError, ValueError):
    """A library entry (TOML) that breaks the rules of the library."""


class UnknownEntry(KetasimError, KeyError):
    """A name that is not in the library."""

    def __str__(self) -> str:  # KeyError would print the repr
        return str(self.args[0]) if self.args else ""


class UnitMismatch(KetasimError, ValueError):
    """Units whose dimensions do not agree."""


class PortConflict(KetasimError, ValueError):
    """Two mechanisms write one port that does not sum."""


class UnmetPort(KetasimError, ValueError):
    """A mechanism reads a port nobody writes."""


class InvalidModel(KetasimError, ValueError):
    """A declaration that contradicts itself, such as a rate for a state that was never declared."""


class InvalidParameter(KetasimError, ValueError):
    """A parameter value that is unknown to the model or outside its bounds."""


class InvalidOption(KetasimError, ValueError):
    """An option or argument outside what is allowed."""


class OutputError(KetasimError, OSError):
    """A result could not be written; nothing half-written is left under the requested name."""


class SolverFailure(KetasimError, ArithmeticError):
    """The whole run failed; single failed patients are a status instead."""


class KetasimWarning(UserWarning):
    """Base of warnings: the result stands but needs reading."""


class UnusedModelledInput(KetasimWarning):
    """The model declares a modelled duration or rate for a compartment, but the data do not ask for it."""


class UnusedColumn(KetasimWarning):
    """A column of an event table acts on nothing in the model."""


class FailedPatients(KetasimWarning):
    """Some patients could not be solved; they are empty in the result."""


class OutOfRange(KetasimWarning):
    """An output is no number, or leaves the range its port declares."""


class BrokenPack(KetasimWarning):
    """An installed pack of entries cannot be used."""


class ProvisionalEntry(KetasimWarning):
    """A library entry without independent second entry and checkpoint was used."""


class CompletedCurve(KetasimWarning):
    """A curve of a non-compartmental analysis was completed by a rule, or lacks a parameter for want of values."""


class LeftOutCurve(KetasimWarning):
    """A curve of a table cannot be analysed; its row is empty."""


class ImplausibleDose(KetasimWarning):
    """A dose far beyond those of the evidence: its unit was probably mistaken."""


class UnequalArms(KetasimWarning):
    """Arms of a comparison differ in their number of doses."""


class Extrapolation(KetasimWarning):
    """A covariate lies outside what the sources cover."""


_heard: ContextVar[list[str] | None] = ContextVar("_heard", default=None)


def warn(message: str, category: type[KetasimWarning], stacklevel: int = 1) -> None:
    """Warn as `warnings.warn` does, and tell the run that listens, whether or not the filters show the warning."""
    heard = _heard.get()
    if heard is not None and message not in heard:
        heard.append(message)
    warnings.warn(message, category, stacklevel=stacklevel + 1 + _wrappers(stacklevel))


def _wrappers(callers: int) -> int:
    """Frames that only look at arguments, among those of so many callers: they are nobody's code to a reader of a warning."""
    frame, passed = sys._getframe(2), 0
    while frame is not None and callers > 0:
        is_wrapper = frame.f_globals.get("__name__") == "ketasim.arguments"
        callers, passed, frame = callers - (not is_wrapper), passed + is_wrapper, frame.f_back
    return passed


@contextmanager
def listening() -> Generator[list[str]]:
    """Warnings given meanwhile, each once; the list grows as they come."""
    heard: list[str] = []
    token = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(token)


def listed(names: Iterable[str], most: int = 30) -> str:
    """Names with commas between them; of many only the first."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def close_names(name: str, known: Iterable[str], n: int = 3) -> str:
    """Sentence part naming what the user may have meant, e.g. ``Close: 'otto2021'.``; empty when nothing is near."""
    known = list(known)
    lower = {k.lower(): k for k in known}
    hits = difflib.get_close_matches(name.lower(), list(lower), n=n, cutoff=0.5)
    hits += [k.lower() for k in known if name.lower() in k.lower() and k.lower() not in hits][: n - len(hits)]
    return f" Close: {', '.join(repr(lower[h]) for h in hits)}." if hits else ""
