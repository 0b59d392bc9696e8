"""Counter-based random numbers: the published known answers, and moments with a stated false-alarm rate."""

from __future__ import annotations

import numpy as np
import pytest

from ketasim.errors import InvalidOption
from ketasim.population import normal, uniform
from ketasim.population._random import stream_key, threefry2x64

# threefry2x64, 20 rounds: counter, key, expected words, from the known-answer file of Random123 (kat_vectors).
KNOWN_ANSWERS = [
    ((0x0, 0x0), (0x0, 0x0), (0xC2B6E3A8C2C69865, 0x6F81ED42F350084D)),
    ((2**64 - 1, 2**64 - 1), (2**64 - 1, 2**64 - 1), (0xE02CB7C4D95D277A, 0xD06633D0893B8B68)),
    (
        (0x243F6A8885A308D3, 0x13198A2E03707344),
        (0xA4093822299F31D0, 0x082EFA98EC4E6C89),
        (0x263C7D30BB0F0AF1, 0x56BE8361D3311526),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_published_known_answers(counter: tuple[int, int], key: tuple[int, int], expected: tuple[int, int]) -> None:
    word0, word1 = threefry2x64(key, np.array([counter[0]], np.uint64), np.array([counter[1]], np.uint64))
    assert (int(word0[0]), int(word1[0])) == expected


def test_known_answers_hold_inside_long_arrays() -> None:
    # 40,000 crosses block borders of the implementation.
    counter, key, expected = KNOWN_ANSWERS[2]
    first, second = (np.full(40_000, c, np.uint64) for c in counter)
    word0, word1 = threefry2x64(key, first, second)
    assert set(map(int, word0)) == {expected[0]}
    assert set(map(int, word1)) == {expected[1]}
    assert int(first[0]) == counter[0], "the counters given must stay as they are"


def test_stream_key_is_stable_across_processes() -> None:
    assert stream_key("eta/CL") == 0xFE387608F6B7FC3F


def test_uniform_moments_and_open_interval() -> None:
    # Limits at 5 standard errors: false-alarm rate below 1e-6 per line.
    n = 200_000
    u = uniform(12, np.arange(n), "test")
    assert u.min() > 0.0 and u.max() < 1.0
    assert abs(u.mean() - 0.5) < 5 * np.sqrt(1 / 12 / n)
    counts = np.bincount((u * 100).astype(int), minlength=100)
    assert ((counts - n / 100) ** 2 / (n / 100)).sum() < 99 + 5 * np.sqrt(2 * 99)


def test_normal_moments_and_independence_of_streams() -> None:
    # Limits at 5 standard errors: false-alarm rate below 1e-6 per line.
    n = 200_000
    ids = np.arange(n)
    z, other, later = normal(3, ids, "a"), normal(3, ids, "b"), normal(3, ids, "a", k=1)
    assert abs(z.mean()) < 5 / np.sqrt(n)
    assert abs(z.var() - 1.0) < 5 * np.sqrt(2 / n)
    assert abs((z**3).mean()) < 5 * np.sqrt(15 / n)
    assert abs((z**4).mean() - 3.0) < 5 * np.sqrt(96 / n)
    for pair in (other, later, normal(4, ids, "a"), np.roll(z, 1)):
        assert abs(np.mean(z * pair)) < 5 / np.sqrt(n)


def test_counter_broadcasts_over_times() -> None:
    grid = uniform(1, np.array([[5], [9]]), "x", np.arange(3))
    assert grid.shape == (2, 3)
    assert grid[1, 2] == uniform(1, 9, "x", 2)


def test_negative_ids_are_distinct() -> None:
    assert uniform(1, [-1], "x")[0] != uniform(1, [1], "x")[0]


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, True, "1"])
def test_seed_outside_its_range_is_refused(seed: object) -> None:
    with pytest.raises(InvalidOption, match="whole number"):
        uniform(seed, [1], "x")  # type: ignore[arg-type]


def test_ids_must_be_whole_numbers() -> None:
    with pytest.raises(InvalidOption, match="ids"):
        uniform(1, [1.5], "x")
