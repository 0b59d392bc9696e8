"""Exact advance of linear systems x' = A x + c over any time, for lanes of patients: compiled once for all models.

Propagators of dyadic times (delta, 2 delta, 4 delta, ...) come from one Taylor series and repeated squaring, on the pattern of
what can reach what. A time is then its binary digits, and what is left below delta a Taylor series acting on the state. Short
times keep expm(A t) - 1 rather than expm(A t), so that slow rates do not drown in the rounding of 1 (overscaling: Al-Mohy and
Higham, SIAM J Matrix Anal Appl 2009;31:970-989, doi:10.1137/09074721X).

Rows of the working array `w` are `LANES` numbers; offsets (`at_*`, and what the index arrays hold) count numbers, not rows.
"""

# pyright: basic, reportCallIssue=false, reportArgumentType=false, reportAttributeAccessIssue=false
# The functions are typed by Numba.

from __future__ import annotations

from math import factorial

import numpy as np
from numpy.typing import NDArray

from ketasim.solve._compiled import njit
from ketasim.solve._head import LANES
from ketasim.solve._lanes import less, load, splat, store, vabs, where

L = LANES
#: Terms of the Taylor series at most, and the largest norm times step they serve.
TERMS, REACH = 12, 0.5
_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy", "boundscheck": False}


def _reaches(left_out: float) -> NDArray[np.float64]:
    """Largest norm times step for which so many terms do: the first one left out is below a share of the sum."""
    return np.array([(left_out * factorial(k + 1)) ** (1.0 / k) for k in range(1, TERMS)])


#: In double precision, and where single is enough.
REACHES, ROUGH_REACHES = _reaches(2e-14), _reaches(3e-9)


@njit(**_OPTIONS)
def terms_for(size, reaches, depth):
    """Terms for norm times step `size`. depth : of the head; what flows through so many other states begins with as many terms more."""
    k = 1
    while k < TERMS and size > reaches[k - 1]:
        k += 1
    return min(TERMS, k + depth)


@njit(**_OPTIONS)
def norms(w, at_norm, columns, rows, entries):
    """Bound on the eigenvalues of each lane: the smaller of the largest sums over columns and rows inside strong components.

    columns, rows : (entry,), number of the column and row. entries : (entry,), offset of the value in `w`.
    """
    n = 0
    for k in range(columns.shape[0]):
        n = max(n, columns[k] + 1, rows[k] + 1)
    by_column, by_row = splat(0.0), splat(0.0)
    for i in range(n):
        down, across = splat(0.0), splat(0.0)
        for k in range(columns.shape[0]):
            if columns[k] == i:
                down = down + vabs(load(w, entries[k]))
            if rows[k] == i:
                across = across + vabs(load(w, entries[k]))
        by_column, by_row = where(less(by_column, down), down, by_column), where(less(by_row, across), across, by_row)
    store(w, at_norm, where(less(by_row, by_column), by_row, by_column))


@njit(**_OPTIONS)
def propagators(w, delta, n_levels, n_dense, at_norm, at_h, at_levels, at_spare, at_terms, depth, diagonal, first_a, left_a, right_a, start_a, value_a,
                first_s, left_s, right_s):  # fmt: skip
    """Level k becomes expm(A delta 2^k), less the identity for k < `n_dense`; each level has the entries of the pattern.

    first_a, left_a, right_a : lists of the product A T per entry of the pattern (offset in `w`, entry of T).
    start_a, value_a : entries that A itself has, and the offsets of their values. first_s, left_s, right_s : lists of the square.
    """
    n = first_s.shape[0] - 1
    most, most_terms = 0, 1
    for lane in range(L):
        halvings, size = 0, w[at_norm + lane] * delta
        while size > REACH and halvings < 60:
            halvings, size = halvings + 1, 0.5 * size
        w[at_h + lane] = delta * 0.5**halvings
        terms = terms_for(size, REACHES, depth)
        w[at_terms + lane] = terms
        most_terms = max(most_terms, terms)
        most = max(most, halvings)
    h = load(w, at_h)
    term, spare = at_spare, at_spare + n * L
    for q in range(n):
        store(w, term + q * L, splat(0.0))
    for k in range(start_a.shape[0]):
        store(w, term + start_a[k] * L, load(w, value_a[k]) * h)
    for q in range(n):
        store(w, at_levels + q * L, load(w, term + q * L))
    for k in range(2, most_terms + 1):  # a lane's sum does not depend on what others need
        factor = where(less(load(w, at_terms), splat(float(k))), splat(0.0), h / float(k))
        for q in range(n):
            acc = splat(0.0)
            for m in range(first_a[q], first_a[q + 1]):
                acc = acc + load(w, left_a[m]) * load(w, term + right_a[m])
            store(w, spare + q * L, acc * factor)
        for q in range(n):
            value = load(w, spare + q * L)
            store(w, term + q * L, value)
            store(w, at_levels + q * L, load(w, at_levels + q * L) + value)
    for done in range(most):  # lanes with fast rates began with a shorter step
        _square(w, at_levels, spare, True, first_s, left_s, right_s)
        for lane in range(L):
            if w[at_h + lane] * 2.0**done < delta:
                for q in range(n):
                    w[at_levels + q * L + lane] = w[spare + q * L + lane]
    for k in range(1, n_levels):
        below, here = at_levels + (k - 1) * n * L, at_levels + k * n * L
        _square(w, below, here, k <= n_dense, first_s, left_s, right_s)
        if k == n_dense:
            for q in diagonal:
                store(w, here + q * L, load(w, here + q * L) + 1.0)


@njit(**_OPTIONS)
def _square(w, here, there, less_one, first, left, right):
    for q in range(first.shape[0] - 1):
        acc = load(w, here + q * L) * 2.0 if less_one else splat(0.0)
        for m in range(first[q], first[q + 1]):
            acc = acc + load(w, here + left[m]) * load(w, here + right[m])
        store(w, there + q * L, acc)


@njit(**_OPTIONS)
def rates_of(w, at_x, at_y, at_c, chosen, first, column, value):
    """y = A x + c for chosen rows."""
    for m in range(chosen.shape[0]):
        acc = load(w, at_c + chosen[m] * L)
        for k in range(first[chosen[m]], first[chosen[m] + 1]):
            acc = acc + load(w, value[k]) * load(w, at_x + column[k])
        store(w, at_y + m * L, acc)


@njit(**_OPTIONS)
def changes(w, at_y, at_z, first, column, value):
    """z = A y for listed entries: second derivatives from first ones."""
    for m in range(first.shape[0] - 1):
        acc = splat(0.0)
        for k in range(first[m], first[m + 1]):
            acc = acc + load(w, value[k]) * load(w, at_y + column[k])
        store(w, at_z + m * L, acc)
