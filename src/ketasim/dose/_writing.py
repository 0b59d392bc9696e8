"""Files written whole or not at all."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from ketasim.errors import OutputError


@contextmanager
def replacing(path: str | Path) -> Generator[Path]:
    """A temporary file beside `path` that takes its name on success; nothing half-written stays.

    Raises
    ------
    OutputError: the place cannot be written.
    """
    target = Path(path)
    part = target.with_name(target.name + ".part")
    try:
        if target.is_dir():
            raise OutputError(f"{target} is a directory; give the name of a file.")
        target.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(target)
    except OSError as error:
        _discard(part)
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{target}: cannot be written ({error.strerror or error}). Nothing was left behind.") from None
    except BaseException:
        _discard(part)
        raise


def _discard(part: Path) -> None:
    with suppress(OSError):  # such as a file where the folder should be
        part.unlink(missing_ok=True)
