"""What holds for a whole call of the command line: machine-readable output, silence, packs of own entries."""

from __future__ import annotations

import os
from dataclasses import dataclass, field


@dataclass
class Settings:
    """Global options; given before or after the verb, they mean the same.

    Attributes
    ----------
    json : results as JSON on standard output. quiet : no progress, notes or notice; warnings stay. packs : folders of own entries.
    data_packs : those whose modules are not run.
    typed : options of the verb that stand on the command line, by their name in Python.
    """

    json: bool = False
    quiet: bool = False
    packs: list[str] = field(default_factory=list)
    data_packs: list[str] = field(default_factory=list)
    typed: set[str] = field(default_factory=set)

    def reset(self) -> None:
        """Back to the defaults: one process may run several commands (tests, notebooks)."""
        self.json, self.quiet, self.packs, self.data_packs, self.typed = False, False, [], [], set()

    def add(self, *, json: bool, quiet: bool, packs: list[str] | None, data_packs: list[str] | None = None) -> None:
        """Options given at one more place."""
        self.json, self.quiet = self.json or json, self.quiet or quiet
        self.packs += [pack for pack in packs or [] if pack not in self.packs]
        self.data_packs += [pack for pack in data_packs or [] if pack not in self.data_packs]

    @property
    def debug(self) -> bool:
        """Whether errors show their traceback (``KETASIM_DEBUG=1``)."""
        return os.environ.get("KETASIM_DEBUG", "") not in ("", "0")


settings = Settings()
