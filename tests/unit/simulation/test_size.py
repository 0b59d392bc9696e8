"""Results that would not fit are streamed or refused before anything is solved."""

from __future__ import annotations

import time

import numpy as np
import pytest

import ketasim
from ketasim.errors import InvalidOption
from ketasim.simulation import _size, is_streamed


def test_size_decides_what_is_streamed_not_the_number_of_people() -> None:
    one_time, hourly = _size.kept_bytes(1, 22, 50_000), _size.kept_bytes(10_000, 22, 1_000)
    assert not is_streamed(one_time, None)
    assert is_streamed(hourly, None)
    assert is_streamed(0, True) and not is_streamed(hourly, False)


def test_a_large_result_of_few_people_is_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ketasim.simulation._cohort.STREAM_BYTES", 100_000)
    result = ketasim.simulate(dosing="esketamine nasal 56 mg", n=30, times=np.arange(0.0, 24.0, 0.5))
    assert "quantile" in result["plasma"].to_dataset().dims


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n": 40, "until": 1e5, "states": True}, "fewer people"),
        ({"n": 40, "stream": False, "times": np.arange(0.0, 5000.0, 0.5)}, "stream=True"),
        ({"n": 40, "stream": True, "times": np.arange(0.0, 5000.0, 0.5)}, "fewer output times"),
        ({"n": 40, "disorder": "trd", "draws": 3, "times": np.arange(0.0, 5000.0, 0.5)}, "fewer people"),
    ],
)
def test_what_would_not_fit_is_refused_with_its_size(monkeypatch: pytest.MonkeyPatch, options: dict, words: str) -> None:
    monkeypatch.setattr(_size, "available_bytes", lambda: 10 * 2**20)
    began = time.monotonic()
    with pytest.raises(InvalidOption, match="of memory") as refused:
        ketasim.simulate(dosing="esketamine nasal 56 mg, 2/week x 4 week", **options)
    assert words in str(refused.value)
    assert time.monotonic() - began < 60, "before anything is solved"


def test_memory_that_is_free_is_known() -> None:
    assert 2**26 < _size.available_bytes() < 2**50


def test_more_people_than_can_be_waited_for_are_refused() -> None:
    with pytest.raises(InvalidOption, match="days or more"):
        ketasim.simulate(dosing="esketamine nasal 56 mg", n=10**12)
