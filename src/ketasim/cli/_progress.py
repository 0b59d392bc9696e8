"""A progress bar with the time left, on standard error."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from ketasim.cli._settings import settings

#: Below this many patients a run is over before a bar could be read.
_WORTH_A_BAR = 2000


@contextmanager
def progress(n: int, what: str = "simulating") -> Generator[Callable[[int, int], None] | None]:
    """Callable (done, total) that moves the bar; None where no bar is wanted."""
    from ketasim.cli._show import console

    screen = console(err=True)
    if settings.quiet or n < _WORTH_A_BAR:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("patients"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task(what, total=n)
        yield lambda done, total: bar.update(task, completed=done, total=total)
