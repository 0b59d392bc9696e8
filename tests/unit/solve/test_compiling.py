"""The first run of a model says that it is compiled; later ones are silent."""

from __future__ import annotations

import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import ketasim
from ketasim.simulation import as_model
from ketasim.solve import _compiling
from ketasim.solve._numba import kernel_for


def _kernel(folder: Path) -> Any:
    name = f"kernel_{uuid.uuid4().hex}"
    (folder / f"{name}.py").write_text("#" * 80_000)
    run = SimpleNamespace(stats=SimpleNamespace(cache_path=str(folder)))
    return SimpleNamespace(single=None, module=SimpleNamespace(__name__=name, __file__=str(folder / f"{name}.py"), run=run))


def _said(kernel: Any, capsys: pytest.CaptureFixture[str]) -> list[str]:
    with _compiling.compiling(kernel, "model"):
        pass
    return capsys.readouterr().err.splitlines()


def test_it_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kernel = _kernel(tmp_path)
    assert _said(kernel, capsys) == ["compiling model for this machine (about 15 s, once) ...", "compiled in 0 s"]
    assert _said(kernel, capsys) == []


def test_a_kernel_in_the_cache_is_not_announced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kernel = _kernel(tmp_path)
    (tmp_path / f"{kernel.module.__name__}.run-595.py311.nbi").touch()
    assert _said(kernel, capsys) == []


def test_quiet_is_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KETASIM_QUIET", "1")
    assert _said(_kernel(tmp_path), capsys) == []


def test_a_run_that_fails_does_not_say_that_it_is_compiled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), _compiling.compiling(_kernel(tmp_path), "model"):
        raise KeyboardInterrupt
    assert capsys.readouterr().err.splitlines() == ["compiling model for this machine (about 15 s, once) ..."]


def test_a_model_that_ran_is_found_in_the_cache_and_one_that_did_not_is_announced(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ketasim.simulate("generic/two_cmt", "100 mg into CENT", until=1.0)
    assert _compiling.is_compiled(kernel_for(as_model("generic/two_cmt")).module)
    capsys.readouterr()
    monkeypatch.setattr(_compiling, "_told", set())
    monkeypatch.setattr(_compiling, "is_compiled", lambda module: False)
    ketasim.simulate("generic/two_cmt", "100 mg into CENT", until=1.0)
    assert "compiling two_cmt for this machine" in capsys.readouterr().err
