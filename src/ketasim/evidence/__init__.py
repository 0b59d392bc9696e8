"""Tables of sourced facts, shipped with the package. Content only: nothing here computes."""

from __future__ import annotations

from pathlib import Path

__all__ = ["path"]


def path(table: str) -> Path:
    """Path of a table in the package, e.g. ``path("pk/pk_observations.csv")``."""
    return Path(__file__).parent / table
