"""The linear head of a model: states that follow x' = A x + c whatever the others do, and the index lists of its propagators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
#: Patients advanced together, in double and in single precision: one AVX-512 register, two AVX2 registers; more would not fit the
#: first-level cache.
LANES, SINGLE_LANES = 8, 16
#: Shortest dyadic time, h. Patients with faster rates begin their series shorter still.
DELTA = 2.0**-10
#: Propagators of times below 1/8 h are kept less the identity.
N_DENSE = 7
#: What is shorter than this is rounding of times, h: times are known to 1e-10 h.
NO_TIME = 4e-12
#: Longest propagator: 64 h.
MAX_LEVELS = 17


def levels_for(gap: float) -> int:
    """Number of dyadic propagators for steps up to `gap`, h."""
    return int(np.clip(np.floor(np.log2(max(gap, DELTA) / DELTA) + 1e-9) + 1, 1, MAX_LEVELS))


def linear_head(n: int, linear: Mapping[tuple[int, int], object], rest: Mapping[int, object]) -> tuple[int, ...]:
    """States whose rates are linear in states of the head alone: the largest such set."""
    head = set(range(n)) - set(rest)
    while outside := {i for i, j in linear if i in head and j not in head}:
        head -= outside
    return tuple(sorted(head))


@dataclass(frozen=True)
class Head:
    """Pattern of a linear head; states are numbered within the head.

    Attributes
    ----------
    n : states. entries : (row, column) of A, in row order.
    """

    n: int
    entries: tuple[tuple[int, int], ...]

    @cached_property
    def reach(self) -> tuple[tuple[int, int], ...]:
        """(row, column) where the column's state reaches the row's: the pattern of every propagator, in row order."""
        able = np.eye(self.n, dtype=bool)
        for i, j in self.entries:
            able[i, j] = True
        for k in range(self.n):
            able |= np.outer(able[:, k], able[k])
        return tuple((int(i), int(j)) for i, j in np.argwhere(able))

    @cached_property
    def inside(self) -> Ints:
        """Positions of the entries of A that lie in a strong component: those that decide its eigenvalues."""
        able = set(self.reach)
        return np.array([k for k, (i, j) in enumerate(self.entries) if (j, i) in able], np.int64)

    @cached_property
    def depth(self) -> int:
        """Most entries of A in a row that lead from one strong component to another."""
        able = set(self.reach)
        depth = [0] * self.n
        for _ in range(self.n):
            for i, j in self.reach:
                depth[i] = max(depth[i], depth[j] + ((i, j) in self.entries and (j, i) not in able))
        return max(depth, default=0)

    def rows(self, entries: tuple[tuple[int, int], ...], lanes: int) -> tuple[Ints, Ints]:
        """(first, column offset) of entries in row order, for rows of so many lanes."""
        counts = np.bincount([i for i, _ in entries], minlength=self.n)
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), np.array([j * lanes for _, j in entries], np.int64)

    def products(self, left: tuple[tuple[int, int], ...]) -> tuple[Ints, Ints, Ints]:
        """For each entry of the pattern, the pairs (entry of `left`, entry of the pattern) whose products make it up."""
        place = {entry: k for k, entry in enumerate(self.reach)}
        by_row: dict[int, list[tuple[int, int]]] = {}
        for position, (i, k) in enumerate(left):
            by_row.setdefault(i, []).append((position, k))
        first, a, b = [0], list[int](), list[int]()
        for i, j in self.reach:
            for position, k in by_row.get(i, ()):
                if (k, j) in place:
                    a.append(position)
                    b.append(place[k, j])
            first.append(len(a))
        return np.array(first, np.int64), np.array(a, np.int64), np.array(b, np.int64)

    @cached_property
    def diagonal(self) -> Ints:
        """Positions of the diagonal in the pattern."""
        return np.array([k for k, (i, j) in enumerate(self.reach) if i == j], np.int64)

    @cached_property
    def own(self) -> Ints:
        """Positions of the entries of A in the pattern."""
        place = {entry: k for k, entry in enumerate(self.reach)}
        return np.array([place[entry] for entry in self.entries], np.int64)
