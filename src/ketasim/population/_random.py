"""Counter-based random numbers: a patient's numbers depend on seed, patient and stream, never on who else is computed.

Threefry-2x64 with 20 rounds (Salmon, Moraes, Dror and Shaw 2011, doi 10.1145/2063384.2063405): key = (seed, hash of the
stream's name), counter = (patient's number or hash of the name, k). There is no state, so chunks, order and workers cannot change
a result.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.arguments import checked
from ketasim.errors import InvalidOption

UInt64Array = NDArray[np.uint64]
FloatArray = NDArray[np.float64]

# Rotations and key parity of Threefry-2x64, from the publication (tables 2 and section 3.4).
_ROTATIONS = (16, 42, 12, 31, 16, 32, 24, 21)
_PARITY = 0x1BD11BDAA9FC1A22
_ROUNDS = 20
_MASK = 0xFFFFFFFFFFFFFFFF
#: As Python writes a whole number; 007 is a name.
_WHOLE = re.compile(r"0|-?[1-9]\d{0,14}")
# Numbers worked on at a time: two words of state and one of scratch then stay in the second-level cache.
_BLOCK = 16384


def threefry2x64(key: tuple[int, int], counter0: UInt64Array, counter1: UInt64Array) -> tuple[UInt64Array, UInt64Array]:
    """Both 64-bit words of Threefry-2x64-20.

    Parameters
    ----------
    key : two integers in 0 .. 2^64 - 1.
    counter0, counter1 : (n,) uint64.

    Returns
    -------
    two (n,) uint64 arrays.
    """
    x0 = np.array(counter0, dtype=np.uint64)
    x1 = np.array(counter1, dtype=np.uint64)
    for begin in range(0, x0.size, _BLOCK):
        _encrypt(key, x0[begin : begin + _BLOCK], x1[begin : begin + _BLOCK])
    return x0, x1


def _encrypt(key: tuple[int, int], x0: UInt64Array, x1: UInt64Array) -> None:
    """Twenty rounds, in place; sums wrap at 2^64 as the cipher wants."""
    schedule = [np.uint64(k) for k in (key[0], key[1], _PARITY ^ key[0] ^ key[1])]
    high = np.empty_like(x0)
    x0 += schedule[0]
    x1 += schedule[1]
    for step in range(_ROUNDS):
        rotation = _ROTATIONS[step % 8]
        x0 += x1
        np.right_shift(x1, np.uint64(64 - rotation), out=high)
        np.left_shift(x1, np.uint64(rotation), out=x1)
        x1 |= high
        x1 ^= x0
        if step % 4 == 3:
            injection = step // 4 + 1
            x0 += schedule[injection % 3]
            x1 += schedule[(injection + 1) % 3]
            x1 += np.uint64(injection)


@lru_cache(maxsize=4096)
def stream_key(stream: str) -> int:
    """Stable 64-bit number of a stream's name."""
    return _number_of(stream)


def _count_of(name: str) -> int:
    return int(name) & _MASK if _WHOLE.fullmatch(name) else _number_of(name)


def _number_of(name: str) -> int:
    """The same on every machine and in every process."""
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8"), digest_size=8).digest(), "little")


@checked
def uniform(seed: int, ids: ArrayLike, stream: str, k: ArrayLike = 0) -> FloatArray:
    """Uniform random numbers in the open interval (0, 1).

    Parameters
    ----------
    seed : integer in 0 .. 2^64 - 1.
    ids : integers or names of patients, any shape.
    stream : name of what is drawn, e.g. ``"eta/CL"``; different names are independent.
    k : integers that broadcast with `ids`: which draw of the stream (occasion, time index).

    Returns
    -------
    array of the broadcast shape of `ids` and `k`; 53 random bits each, never 0 and never 1.

    Examples
    --------
    >>> uniform(1, [7, 8, 9], "eta/CL").round(4)
    array([0.0941, 0.6724, 0.9882])
    >>> uniform(1, [9, 7], "eta/CL").round(4)
    array([0.9882, 0.0941])
    """
    ids_b, k_b = np.broadcast_arrays(as_counters(ids, "ids"), as_counters(k, "k"))
    word, _ = threefry2x64((check_seed(seed), stream_key(stream)), ids_b.ravel(), k_b.ravel())
    word >>= np.uint64(11)
    return ((word.astype(np.float64) + 0.5) * 2.0**-53).reshape(ids_b.shape)


@checked
def normal(seed: int, ids: ArrayLike, stream: str, k: ArrayLike = 0) -> FloatArray:
    """Standard normal random numbers by inversion of the distribution function; arguments as for `uniform`.

    Examples
    --------
    >>> normal(1, [7, 8, 9], "eta/CL").shape
    (3,)
    """
    from scipy.special import ndtri  # takes a tenth of a second to import

    return np.asarray(ndtri(uniform(seed, ids, stream, k)), dtype=np.float64)


@checked
def replicate_seed(seed: int, replicate: int) -> int:
    """Seed of a replicate: of the first the seed itself, of the others one that no neighbouring seed comes upon."""
    if not replicate:
        return check_seed(seed)
    word, _ = threefry2x64((check_seed(seed), stream_key("replicate")), as_counters([0], "ids"), as_counters([replicate], "k"))
    return int(word[0])


def check_seed(seed: int) -> int:
    """`seed` as a plain integer in 0 .. 2^64 - 1."""
    if not is_whole(seed) or not 0 <= int(seed) <= _MASK:
        raise InvalidOption(f"seed = {seed!r}: a seed is a whole number from 0 to 2^64 - 1, e.g. seed=1.")
    return int(seed)


def is_whole(value: object) -> bool:
    """Whether a value is a whole number; True and False are not."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))


def as_counters(values: ArrayLike, name: str) -> UInt64Array:
    """Integers, or texts by their hash, as the cipher counts; what has been counted stays as it is.

    A text that is a whole number counts as that number: who else stands in a table must not change a patient.
    """
    array = np.asarray(values)
    if array.dtype == np.uint64:
        return array
    if array.dtype.kind == "U":
        return np.array([_count_of(str(text)) for text in array.ravel()], dtype=np.uint64).reshape(array.shape)
    if array.dtype.kind not in "iu":
        raise InvalidOption(f"{name} of a random stream are whole numbers; got values of type {array.dtype}.")
    # Negative ids are as good as others: two's complement keeps them distinct.
    return array.astype(np.int64).view(np.uint64)
