"""What a streamed cohort keeps: counts instead of patients, and a file from which a run that was stopped goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ketasim.documents import arrays
from ketasim.errors import InvalidData, InvalidOption, OutputError
from ketasim.results import QuantileSketch
from ketasim.solve import Solution
from ketasim.writing import replacing

#: Names of counts that are of no site: of outputs that are no concentrations, and of outputs and states asked for by name.
OTHERS, SHOWN, SHOWN_STATES = "", "shown", "shown_states"


class Stream:
    """Counts so far, and the file that lets a run resume."""

    def __init__(
        self, key: str, path: Path | None, sketches: dict[str, QuantileSketch], exposures: dict[str, QuantileSketch]
    ) -> None:
        self.key, self.path, self.sketches, self.exposures = key, path, sketches, exposures
        self.all = {f"count_{s}": k for s, k in sketches.items()} | {f"exposure_{s}": k for s, k in exposures.items()}
        self.done, self.failed, self.error = 0, 0, 0.0
        if path is not None and path.is_file():
            self._load(path)
        elif path is not None and (path.exists() or not path.parent.is_dir()):
            raise OutputError(
                f"{path}: checkpoint cannot be written (it is a folder, or stands in none). Name a file in a folder that exists."
            )

    def add(self, solution: Solution, exposure: Mapping[str, Any], done: int, threads: int) -> None:
        """Count the patients of a chunk, `done` of them so far."""
        for name, sketch in self.sketches.items():
            sketch.add(solution.states if name == SHOWN_STATES else solution.ports, threads)
        for site, sketch in self.exposures.items():
            sketch.add(exposure[site][1])
        self.done, self.failed = done, self.failed + int(np.sum(solution.status != 0))
        self.error = max(self.error, float(np.max(solution.error)))

    def save(self) -> None:
        """Write the file, where there is one."""
        if self.path is None:
            return
        facts = json.dumps({"key": self.key, "done": self.done, "failed": self.failed, "error": self.error})
        counts = {name: sketch.counts for name, sketch in self.all.items()}
        with replacing(self.path, "checkpoint") as draft, draft.open("wb") as file:
            np.savez_compressed(file, facts=facts, digest=_digest(facts, counts), **counts)  # type: ignore[arg-type]

    def _load(self, path: Path) -> None:
        try:
            counts = arrays(path)
            text, digest = str(counts.pop("facts")), str(counts.pop("digest"))
        except (OSError, ValueError, KeyError):
            text, digest, counts = "", "", {}
        if not digest or digest != _digest(text, counts):
            raise InvalidData(
                f"{path}: is no checkpoint, or a damaged or edited one, or one of another version. Delete it or name another file."
            )
        facts = json.loads(text)
        if facts["key"] != self.key:
            raise InvalidOption(
                f"{path} belongs to another run (model, regimen, cohort or settings differ). Delete it or name another file."
            )
        self.done, self.failed, self.error = facts["done"], facts["failed"], facts["error"]
        for name, sketch in self.all.items():
            sketch.counts[:] = counts[name]

    def remove(self) -> None:
        """The run is whole: nothing is left to resume."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def _digest(facts: str, counts: Mapping[str, NDArray[Any]]) -> str:
    """Of all a checkpoint holds: counts without the patients they are said to be of would pass for a result."""
    held = hashlib.sha256(facts.encode())
    for name in sorted(counts):
        held.update(f"{name} {counts[name].dtype} {counts[name].shape}".encode())
        held.update(np.ascontiguousarray(counts[name]).tobytes())
    return held.hexdigest()
