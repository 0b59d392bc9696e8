"""Answers kept between processes: what was kept comes back, and no state of the disk is an error or a wrong answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ketasim import units
from ketasim.cache import Remembered
from ketasim.errors import UnitMismatch


def test_what_was_kept_comes_back(tmp_path: Path) -> None:
    memory = Remembered(tmp_path / "m.json")
    memory.keep("third", 1 / 3)
    assert memory.get("third") == 1 / 3
    assert not memory.path.exists(), "written once, at the end"
    memory.save()
    assert Remembered(memory.path).get("third") == 1 / 3
    assert Remembered(memory.path).get("fourth") is None
    assert [p.name for p in tmp_path.iterdir()] == ["m.json"]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_come_back_to_the_last_bit(tmp_path_factory: pytest.TempPathFactory, number: float) -> None:
    memory = Remembered(tmp_path_factory.mktemp("m") / "m.json")
    memory.keep("x", number)
    memory.save()
    back = Remembered(memory.path).get("x")
    assert back == number
    assert str(back) == str(number)


def test_two_processes_add_to_each_other(tmp_path: Path) -> None:
    first, second = Remembered(tmp_path / "m.json"), Remembered(tmp_path / "m.json")
    first.keep("a", 1)
    second.keep("b", 2)
    first.save()
    second.save()
    assert json.loads((tmp_path / "m.json").read_text()) == {"a": 1, "b": 2}


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"[1, 2]", b"\xff\xfe\x00", b"null"])
def test_a_broken_file_counts_as_absent(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_bytes(content)
    memory = Remembered(path)
    assert memory.get("a") is None
    memory.keep("a", 2)
    memory.save()
    assert Remembered(path).get("a") == 2


def test_a_folder_that_is_gone_is_no_error(tmp_path: Path) -> None:
    memory = Remembered(tmp_path / "gone" / "m.json")
    memory.keep("a", 1)
    memory.save()
    assert memory.get("a") == 1
    assert not list(tmp_path.iterdir())


def test_nothing_new_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text('{"a": 1}')
    before = path.stat().st_mtime_ns
    Remembered(path).save()
    assert path.stat().st_mtime_ns == before


UNITS = ("mg", "L/h/70kg", "umol/L", "fraction", "%", "L/h/kg**0.75", "point", "mmHg", "ng/mL")
ASK = """
import json, sys
from ketasim.units import dimension, factor
found = [[unit, dimension(unit)] for unit in {names!r}] + [factor('ng/mL', 'mg/L'), factor('mL/min/70kg', 'L/h'), factor('day', 'h')]
print(json.dumps([found, 'pint' in sys.modules]))
"""


def _asked(folder: Path) -> tuple[object, bool]:
    done = subprocess.run(
        [sys.executable, "-c", ASK.format(names=UNITS)], capture_output=True, text=True, timeout=120,
        env={**os.environ, "KETASIM_CACHE": str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found, used_pint = json.loads(done.stdout)
    return found, used_pint


def test_units_are_the_same_with_and_without_pint(tmp_path: Path) -> None:
    """The second process answers from the file alone, and answers alike."""
    first, second = _asked(tmp_path), _asked(tmp_path)
    assert (first[1], second[1]) == (True, False)
    assert first[0] == second[0]


@pytest.mark.parametrize("text", ["9**9**9**9", "9**9999999", "(", "m)", "-", "m**", "m" * 1000, "m^9^9"])
def test_a_text_that_is_no_unit_is_refused_before_it_is_evaluated(text: str) -> None:
    with pytest.raises(UnitMismatch, match="is not a unit ketasim knows"):
        units.parse_unit(text)


def test_a_unit_that_pint_refuses_is_refused_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Remembered(tmp_path / "units.json")
    monkeypatch.setattr(units, "_memory", lambda: memory)
    for function in (units.dimension, units.factor, units.parse_unit):
        function.cache_clear()
    for _ in range(2):
        with pytest.raises(UnitMismatch, match="'furlongs_per' is not a unit"):
            units.dimension("furlongs_per")
        with pytest.raises(UnitMismatch, match="unit 'L' is volume; needed is volume/time"):
            units.factor("L", "L/h")
    assert memory.get("furlongs_per") is None
    assert memory.get("L -> L/h") is None
