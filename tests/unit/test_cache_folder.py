"""The cache folder is code: nobody else's is used, and what is damaged in it is made anew."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ketasim import cache, units
from ketasim.cache import cache_directory
from ketasim.errors import InvalidOption
from ketasim.solve import _numba

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="owners of files are POSIX")

SOURCE = """from ketasim.solve._compiled import njit

@njit(cache=True)
def double(x):
    return 2.0 * x
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder that is not there yet."""
    place = tmp_path / "made" / "cache"
    monkeypatch.setenv("KETASIM_CACHE", str(place))
    cache._sweep.cache_clear()
    cache.temporary_directory.cache_clear()
    return place


def _give_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make it somebody else's; who is not root becomes somebody else instead."""
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 1_234_567)


def test_it_is_made_private(folder: Path) -> None:
    before = os.umask(0o002)
    try:
        assert cache_directory() == folder
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_users_own_folder_becomes_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KETASIM_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "ketasim").mkdir()
    (tmp_path / "ketasim").chmod(0o775)
    assert cache_directory().stat().st_mode & 0o777 == 0o700


def test_a_folder_others_may_write_to_is_refused(folder: Path) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    with pytest.raises(InvalidOption, match=r"may be written to by others.*chmod 700.*KETASIM_CACHE"):
        cache_directory()


def test_a_folder_of_somebody_else_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir(parents=True)
    _give_away(folder, monkeypatch)
    with pytest.raises(InvalidOption, match="belongs to another user"):
        cache_directory()


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_somebody_else_planted_is_removed(folder: Path) -> None:
    planted = folder / "kernel_x.py"
    folder.mkdir(parents=True, mode=0o755)
    planted.write_text("raise SystemExit('planted')")
    os.chown(planted, 65534, 65534)
    cache_directory()
    assert not planted.exists()


def test_a_folder_that_cannot_be_written_to_gives_way_to_a_temporary_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir(parents=True, mode=0o755)
    (folder / "mine").write_text("kept")
    monkeypatch.setattr(os, "access", lambda *_: False)
    place = cache_directory()
    assert place != folder and place == cache_directory()
    assert (place / "mine").read_text() == "kept"
    assert place.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    assert not list(cache_directory().iterdir()), "what others may have written is not taken along"


def _empty(content: bytes) -> bytes:
    return b""


def _half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _garbled(content: bytes) -> bytes:
    return bytes(255 - byte for byte in content)


def _flipped(content: bytes) -> bytes:
    return content.replace(b"2.0", b"3.0") if b"2.0" in content else bytes([content[0] ^ 1]) + content[1:]


DAMAGES = (_empty, _half, _garbled, _flipped)


@pytest.mark.parametrize("damage", [*DAMAGES, None], ids=["empty", "half", "garbled", "flipped", "folder"])
def test_a_damaged_kernel_is_generated_anew(folder: Path, damage: Callable[[bytes], bytes] | None) -> None:
    for _ in range(2):
        module = _numba._module("kernel_test", lambda: SOURCE)
        assert module.double(4.0) == 8.0
        path = folder / "kernel_test.py"
        content = path.read_bytes()
        if damage is None:
            path.unlink()
            path.mkdir()
        else:
            path.write_bytes(damage(content))
    assert _numba._module("kernel_test", lambda: SOURCE).double(4.0) == 8.0


def test_a_cache_without_room_for_a_kernel_is_no_failure(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = _numba._store

    def full(path: Path, source: str) -> None:
        if path.parent == folder:
            raise OSError(28, "No space left on device")
        store(path, source)

    monkeypatch.setattr(_numba, "_store", full)
    assert _numba._module("kernel_test", lambda: SOURCE).double(4.0) == 8.0
    assert not list(folder.glob("*.py"))


def _load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("toy_of_cache", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["toy_of_cache"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("ending", [".nbi", ".nbc"])
def test_damaged_machine_code_is_compiled_anew(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "toy_of_cache.py"
    path.write_text(SOURCE)
    assert _load(path).double(4.0) == 8.0
    for damage in DAMAGES:
        (file,) = (tmp_path / "__pycache__").glob(f"*{ending}")
        whole = file.read_bytes()
        file.write_bytes(damage(whole))
        assert _load(path).double(4.0) == 8.0
        (file,) = (tmp_path / "__pycache__").glob(f"*{ending}")
        assert len(file.read_bytes()) == len(whole), "healed on the disk too"
        hit = _load(path)
        hit.double(4.0)
        assert hit.double._cache_hits.total() == 1


def test_machine_code_that_cannot_be_kept_still_runs(tmp_path: Path) -> None:
    path = tmp_path / "toy_of_cache.py"
    path.write_text(SOURCE)
    module = _load(path)
    (tmp_path / "__pycache__").rename(tmp_path / "gone")
    (tmp_path / "__pycache__").write_text("a file where the folder should be")
    assert module.double(4.0) == 8.0


def test_damaged_definitions_of_units_are_read_anew(folder: Path) -> None:
    fresh = units.registry.__wrapped__
    assert fresh().parse_units("mmHg")
    pickles = list((folder / "pint").rglob("*.pickle"))
    assert pickles
    for file in pickles:
        file.write_bytes(_half(file.read_bytes()))
    assert fresh().parse_units("mmHg")
    assert fresh().parse_units("point")


def test_answers_about_units_that_are_none_are_asked_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "units.json"
    path.write_text('{"mg": 5, "g -> mg": "many"}')
    memory = cache.Remembered(path)
    monkeypatch.setattr(units, "_memory", lambda: memory)
    assert units.dimension.__wrapped__("mg") == (("mass", 1.0),)
    assert units.factor.__wrapped__("g", "mg") == 1000.0
