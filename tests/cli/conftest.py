"""The command line in this process, and as a user's shell starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call a command in an empty folder; returns exit code, stdout, stderr."""
    from ketasim.cli._app import app

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")

    def call(*words: str) -> Result:
        done = CliRunner().invoke(app, [str(w) for w in words], prog_name="ketasim")
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    return call


@pytest.fixture
def shell(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Start the command as a process of its own."""

    def call(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
        code = "import sys; from ketasim.cli import main; sys.argv[0] = 'ketasim'; main()"
        return subprocess.run(
            [sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True, env=dict(os.environ), timeout=120
        )

    return call


@pytest.fixture
def events_file(tmp_path: Path) -> Path:
    """Two subjects, a bolus each, three observations."""
    rows = ["ID,TIME,EVID,AMT,CMT", *(f"{i},0,1,{100 * i},2\n{i},1,0,.,.\n{i},4,0,.,.\n{i},12,0,.,." for i in (1, 2))]
    path = tmp_path / "events.csv"
    path.write_text("\n".join(rows) + "\n")
    return path
