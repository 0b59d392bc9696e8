"""``ketasim version``."""

from __future__ import annotations

from ketasim.cli import _show
from ketasim.cli._settings import settings
from ketasim.cli._verb import verb


@verb
def version() -> None:
    """Show the version."""
    show()


def show() -> None:
    """Version as text or JSON."""
    from ketasim import __version__

    if settings.json:
        _show.emit_json({"ketasim": __version__})
    else:
        _show.text(f"ketasim {__version__}")
