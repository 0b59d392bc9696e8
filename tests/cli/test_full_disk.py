"""A disk that fills while results are written: one message, nothing half-written. A limit on the size of files stands in for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("resource", reason="limits on files exist on POSIX only")

SIMULATE = ["simulate", "esketamine nasal 56 mg, 2/week x 2 week", "-n", "60"]
CASES = {
    "csv": [*SIMULATE, "-o", "full.csv"],
    "parquet": [*SIMULATE, "-o", "full.parquet"],
    "zarr": [*SIMULATE, "-o", "full.zarr"],
    "report": [*SIMULATE, "--report", "full.html"],
    "figure": [*SIMULATE, "-o", "full.svg"],
    "review": ["review", "H1", "D0", "--html", "full.html"],
    "forest": ["synthesize", "question", "rapid-effect-by-control", "--figure", "full.svg"],
    "evidence": ["evidence", "export", "-o", "full"],
}
BYTES = 4_000


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    """Models are compiled before the disk is full: this is about results."""
    import ketasim

    ketasim.simulate(dosing=SIMULATE[1], n=2, seed=1)


@pytest.mark.parametrize("words", CASES.values(), ids=list(CASES))
def test_a_full_disk_leaves_nothing_behind(words: list[str], tmp_path: Path) -> None:
    # The limit is set in the new process: code run between fork and exec disturbs libraries that have threads.
    code = (
        f"import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({BYTES}, {BYTES}))\n"
        "from ketasim.cli import main; sys.argv[0] = 'ketasim'; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True, timeout=120, env=dict(os.environ)
    )
    assert done.returncode != 0
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert len(errors) == 1, done.stderr
    assert "full" in errors[0]
    assert "cannot be written" in errors[0]
    assert "fault of ketasim" not in done.stderr
    assert list(tmp_path.iterdir()) == []
