"""The command line: parse, call one verb of the library, show. No computation lives here."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Entry point of the ``ketasim`` command."""
    from ketasim.cli._app import app

    app(prog_name="ketasim")
