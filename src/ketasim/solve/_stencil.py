"""Exponential quadrature on planned nodes: how a state with x' = u(t) - k x is advanced when u is known at every node of a segment.

On a step of length h from node n, u is the polynomial of degree `NODES` - 1 through the nodes around the step, and
x(n+1) = exp(-k h) x(n) + integral of exp(-k (h - s)) u(s) ds is taken exactly for that polynomial: no stability limit, no equations
to solve, and nodes on both sides of the step. The weights are w_j = h sum_r B_rj I_r(k h), B the Lagrange polynomials in powers of
the share of the step, I_r(z) = integral of exp(-z (1 - s)) s^r over 0..1 (the phi functions of exponential integrators: Hochbruck
and Ostermann, Acta Numerica 2010;19:209-286, doi:10.1017/S0962492910000048, times r!).

A *kind* is a step length with the nodes around it: weights are computed once per kind. The error of a step is what the node
farthest from it changes. Rows of lanes hold the quantities of patients, as in `_linear`, in double or single precision.
"""

# pyright: basic, reportCallIssue=false, reportArgumentType=false, reportAttributeAccessIssue=false, reportOperatorIssue=false
# The functions are typed by Numba.

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from ketasim.solve._compiled import njit
from ketasim.solve._head import DELTA, LANES, NO_TIME, SINGLE_LANES
from ketasim.solve._lanes import BROAD, anywhere, less, like, load, load_broad, round_to, store, vabs, vexp, where, width

#: Nodes of a stencil; a grid has at least one step less.
NODES = 8
#: Rows of weights per kind and state: the decay, the nodes, the error; in single precision what is kept of the state besides (1 or 0).
WEIGHTS, SINGLE_WEIGHTS = NODES + 2, NODES + 3
#: Series below, recursion above this k h; terms of the series, and where single precision is enough; exponentials of the C library
#: above this.
_LARGE, _TERMS, _ROUGH_TERMS, _HUGE = 2.0, 18, 12, 2.0**6
#: In single precision a larger decay is kept less one, so that slow rates do not drown in the rounding of 1.
_STAYS = 0.5
#: Steps are joined where their error is below this share of the tolerance: twice the length has some 2^(NODES + 1) times the error.
_SPARE = 2.0**-11
#: Neighbouring steps differ by this factor at most.
_RATIO = 4.01
_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy", "boundscheck": False}

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: Legendre polynomials on 0..1 by powers (polynomial, power), and powers by them.
_LEGENDRE = np.array([[(-1) ** (r + m) * comb(r, m) * comb(r + m, m) for m in range(NODES)] for r in range(NODES)], float)
_POWERS = np.linalg.inv(_LEGENDRE)


@dataclass(frozen=True)
class Stencils:
    """What the steps of a plan need besides their length.

    Attributes
    ----------
    window, kind : (step,), first node of the stencil within its segment, and kind. until : (step,), number within the segment of the
    step that ends a run of one kind. level : (step,), power of two times `DELTA`, or -1. length : (kind,), h. basis : (kind, power, node).
    highest : (kind, node), weights of the highest divided difference. omega : (kind, power), the polynomial it multiplies;
    widest : (kind,), the largest value of that within the step.
    """

    window: Ints
    kind: Ints
    until: Ints
    level: Ints
    length: Floats
    basis: Floats
    highest: Floats
    omega: Floats
    widest: Floats


def stencils_of(n_steps: Ints, steps: Floats) -> Stencils:
    """Stencils of segments whose steps stand one after the other."""
    most = len(steps)
    window, kind, until, level = (np.zeros(most, np.int64) for _ in range(4))
    tables = (np.empty(most), np.empty((most, NODES, NODES)), np.empty((most, NODES)), np.empty((most, NODES)), np.empty(most))
    around, count, first = np.empty((most, NODES)), 0, 0
    for n in n_steps:
        count = describe_steps(steps, first, int(n), window, kind, until, level, count, around, *tables)
        first += int(n)
    return Stencils(window, kind, until, level, *(t[:count].copy() for t in tables))


def legendre(powers: Floats) -> NDArray[np.float32]:
    """Polynomials in Legendre polynomials of the share of a step, from their powers: (kind, power, ...).

    Their sums hardly cancel, so that single precision is enough; those of powers lose two digits at the ends of a segment.
    """
    return np.moveaxis(np.tensordot(_POWERS, powers, (0, 1)), 0, 1).astype(np.float32)


@njit(**_OPTIONS)
def describe_steps(steps, first, n, window, kind, until, level, count, around, length, basis, highest, omega, widest):
    """Window, kind, run and level of the steps of one segment; new kinds are appended to the tables. Returns the number of kinds."""
    share, poly = np.empty(NODES), np.empty(NODES + 1)
    for s in range(n):
        a = min(max(s - (NODES // 2 - 1), 0), n + 1 - NODES)
        h = steps[first + s]
        # Summed outward from the step, so that equal neighbourhoods give equal bits wherever they stand.
        at = 0.0
        for j in range(s, a - 1, -1):
            if j < s:
                at -= steps[first + j]
            share[j - a] = at / h
        at = 0.0
        for j in range(s, a + NODES - 1):
            at += steps[first + j]
            share[j + 1 - a] = at / h
        window[first + s] = a
        found = -1
        for k in range(count - 1, -1, -1):
            if length[k] == h:
                same = True
                for j in range(NODES):
                    if around[k, j] != share[j]:
                        same = False
                        break
                if same:
                    found = k
                    break
        if found < 0:
            found = count
            count += 1
            length[found] = h
            for j in range(NODES):
                around[found, j] = share[j]
            _lagrange(share, poly, basis[found], highest[found])
            out = 0
            for j in range(NODES):
                if abs(share[j] - 0.5) > abs(share[out] - 0.5):
                    out = j
            _product(share, out, poly)
            for r in range(NODES):
                omega[found, r] = poly[r]
            widest[found] = 0.0
            for i in range(1, 16):
                value = 0.0
                for r in range(NODES - 1, -1, -1):
                    value = value * (i / 16.0) + poly[r]
                widest[found] = max(widest[found], abs(value))
        kind[first + s] = found
        level[first + s] = int(np.round(np.log2(h / DELTA)))
        if h != DELTA * 2.0 ** level[first + s]:
            level[first + s] = -1
    for s in range(n - 1, -1, -1):
        alike = s < n - 1 and kind[first + s] == kind[first + s + 1] and window[first + s] + 1 == window[first + s + 1]
        until[first + s] = until[first + s + 1] if alike else s + 1
    return count


@njit(**_OPTIONS)
def _product(share, out, poly):
    """Coefficients of the product of (s - share_j) over all j but `out`."""
    for r in range(NODES + 1):
        poly[r] = 0.0
    poly[0] = 1.0
    degree = 0
    for j in range(NODES):
        if j != out:
            degree += 1
            for r in range(degree, 0, -1):
                poly[r] = poly[r - 1] - share[j] * poly[r]
            poly[0] *= -share[j]


@njit(**_OPTIONS)
def _lagrange(share, poly, basis, highest):
    for j in range(NODES):
        _product(share, j, poly)
        below = 1.0
        for m in range(NODES):
            if m != j:
                below *= share[j] - share[m]
        highest[j] = 1.0 / below
        for r in range(NODES):
            basis[r, j] = poly[r] / below


@njit(**_OPTIONS)
def spare_for(lanes):
    """Numbers per row of what weights are made of: of all states, in whole broad vectors. lanes : of all states."""
    return -(-lanes // BROAD) * BROAD


@njit(**_OPTIONS)
def weigh(first, last, order, wanted, w, rate, length, factor, series, omega, spare, out):
    """Weights of kinds `first` to `last` of `order`: rows decay, node 0.., error per (state, kind), in `out`.

    order : of kinds; those of one length after each other share their integrals. wanted : (kind, state), whether any step needs them.
    rate : (state,), offsets of k in `w`. factor : of all lengths. series, omega : polynomials by powers. spare : NODES + 2 rows of `spare_for` numbers, 0 at first.
    """
    n, before = rate.shape[0], -1.0
    stride = spare.shape[0] // (NODES + 2)
    for q in range(first, last):
        k = order[q]
        h = length[k] * factor
        if h != before:
            before = h
            for i in range(n):
                store(spare, (NODES + 1) * stride + i * LANES, load(w, rate[i]) * h)
            for c in range(0, stride, BROAD):
                _integrals(spare, c, stride, False)
        for i in range(n):
            if not wanted[k, i]:
                continue
            at, to = i * LANES, i * (out.shape[0] // n) + k * WEIGHTS * LANES
            store(out, to, load(spare, at + NODES * stride))
            _weigh_rows(series, omega, k, h, spare, at, stride, out, to)


@njit(**_OPTIONS)
def weigh_single(first, last, order, wanted, w, rate, length, factor, series, omega, spare, moments, out):
    """As `weigh`, for weights in single precision; a row more says whether one of the state is kept and the decay less one.

    series, omega : of `legendre`. spare : double. moments : as many numbers, single.
    """
    n, before = rate.shape[0], -1.0
    stride = spare.shape[0] // (NODES + 2)
    for q in range(first, last):
        k = order[q]
        h = length[k] * factor
        if h != before:
            before = h
            for i in range(n):
                for lane in range(SINGLE_LANES):
                    spare[(NODES + 1) * stride + i * SINGLE_LANES + lane] = w[rate[i] + lane] * h
            for c in range(0, stride, BROAD):
                _integrals(spare, c, stride, True)
                _moments(spare, moments, c, stride)
        for i in range(n):
            if not wanted[k, i]:
                continue
            at, to = i * SINGLE_LANES, i * (out.shape[0] // n) + k * SINGLE_WEIGHTS * SINGLE_LANES
            store(out, to, load(moments, at + NODES * stride))
            store(out, to + (NODES + 2) * SINGLE_LANES, load(moments, at + (NODES + 1) * stride))
            _weigh_rows(series, omega, k, h, moments, at, stride, out, to)


@njit(**_OPTIONS)
def _weigh_rows(series, omega, k, h, of, at, stride, out, to):
    """Weights of the nodes and of the error, for one kind and state."""
    L = width(out)
    m0, m1, m2, m3 = load(of, at), load(of, at + stride), load(of, at + 2 * stride), load(of, at + 3 * stride)
    m4, m5, m6, m7 = load(of, at + 4 * stride), load(of, at + 5 * stride), load(of, at + 6 * stride), load(of, at + 7 * stride)
    for j in range(NODES):
        low = m0 * series[k, 0, j] + m1 * series[k, 1, j] + m2 * series[k, 2, j] + m3 * series[k, 3, j]
        high = m4 * series[k, 4, j] + m5 * series[k, 5, j] + m6 * series[k, 6, j] + m7 * series[k, 7, j]
        store(out, to + (1 + j) * L, (low + high) * h)
    low = m0 * omega[k, 0] + m1 * omega[k, 1] + m2 * omega[k, 2] + m3 * omega[k, 3]
    high = m4 * omega[k, 4] + m5 * omega[k, 5] + m6 * omega[k, 6] + m7 * omega[k, 7]
    store(out, to + (NODES + 1) * L, (low + high) * h)


@njit(**_OPTIONS)
def _moments(spare, out, at, stride):
    """Integrals of exp(-z (1 - s)) times Legendre polynomials, rounded; then the decay, and whether it is less one."""
    for r in range(NODES):
        total = load_broad(spare, at) * _LEGENDRE[r, 0]
        for m in range(1, r + 1):
            total = total + load_broad(spare, at + m * stride) * _LEGENDRE[r, m]
        round_to(out, at + r * stride, total)
    decay = load_broad(spare, at + NODES * stride)
    stays = less(like(decay, _STAYS), decay)
    round_to(out, at + NODES * stride, where(stays, decay - 1.0, decay))
    round_to(out, at + (NODES + 1) * stride, stays)


@njit(**_OPTIONS)
def _integrals(v, at, stride, roughly):
    """Rows I_0 .. of z, then exp(-z); z stands in the row after them. Broad vectors, as each number waits for the one before.

    roughly : fewer terms, for what is rounded to single precision.
    """
    z = load_broad(v, at + (NODES + 1) * stride)
    one = like(z, 1.0)
    total = _last_integral(z, _ROUGH_TERMS) if roughly else _last_integral(z, _TERMS)
    store(v, at + (NODES - 1) * stride, total)
    for r in range(NODES - 1, 0, -1):
        total = (1.0 - z * total) * (1.0 / r)
        store(v, at + (r - 1) * stride, total)
    store(v, at + NODES * stride, 1.0 - z * total)
    far = less(like(z, _LARGE), vabs(z))
    if anywhere(far):
        decay = decayed(z, _ROUGH_TERMS) if roughly else decayed(z, _TERMS)
        huge = less(like(z, _HUGE), vabs(z))
        if anywhere(huge):
            decay = where(huge, vexp(-z), decay)
        inverse = 1.0 / where(far, z, one)
        value = (1.0 - decay) * inverse
        store(v, at + NODES * stride, where(far, decay, load_broad(v, at + NODES * stride)))
        store(v, at, where(far, value, load_broad(v, at)))
        for r in range(1, NODES):
            value = (1.0 - value * float(r)) * inverse
            store(v, at + r * stride, where(far, value, load_broad(v, at + r * stride)))


@njit(**_OPTIONS)
def _last_integral(z, terms):
    """I of the highest power: a nested series."""
    total = like(z, 1.0)
    for m in range(terms - 1, 0, -1):
        total = 1.0 - (z * (1.0 / (NODES + m))) * total
    return total * (1.0 / NODES)


@njit(**_OPTIONS)
def decayed(z, terms):
    """exp(-z) for z up to `_HUGE`, by a series and squaring: the C library takes one lane after the other."""
    y = z * (1.0 / _HUGE)
    value = like(z, 1.0)
    for m in range(terms - 1, 0, -1):
        value = 1.0 - (y * (1.0 / m)) * value
    for _ in range(6):
        value = value * value
    return value


@njit(**_OPTIONS)
def sweep(x, u, at, weights, at_weights, stride, begin, n, first, window, kind, until, highest, floor, every, w, at_error):
    """A state at all nodes after number `begin`, from its value there and its input at all nodes. x, u : rows from `at` on.

    Its largest error relative to it is kept in the row of `w` at `at_error`. every : steps whose error is looked at, one in so many:
    windows overlap; 0: none.
    """
    L, rounded = width(x), width(x) != LANES
    value, top, check = load(x, at + begin * L), load(w, at_error), begin if every > 0 else n
    s = begin
    while s < n:
        k = kind[first + s]
        a, b = at_weights + k * stride, at + window[first + s] * L
        decay = load(weights, a)
        w0, w1, w2, w3 = load(weights, a + L), load(weights, a + 2 * L), load(weights, a + 3 * L), load(weights, a + 4 * L)
        w4, w5, w6, w7 = load(weights, a + 5 * L), load(weights, a + 6 * L), load(weights, a + 7 * L), load(weights, a + 8 * L)
        u0, u1, u2, u3 = load(u, b), load(u, b + L), load(u, b + 2 * L), load(u, b + 3 * L)
        u4, u5, u6 = load(u, b + 4 * L), load(u, b + 5 * L), load(u, b + 6 * L)
        stays = load(weights, a + (NODES + 2) * L) if rounded else decay
        b += 7 * L
        end = until[first + s]
        while s < end:  # weights and inputs stay in registers
            u7 = load(u, b)
            one, two = w0 * u0 + w1 * u1, w2 * u2 + w3 * u3
            one, two = one + w4 * u4, two + w5 * u5
            one, two = one + w6 * u6, two + w7 * u7
            before = value
            value = stays * value + (decay * value + (one + two)) if rounded else decay * value + (one + two)
            if s == check:
                one = u0 * highest[k, 0] + u1 * highest[k, 1] + u2 * highest[k, 2] + u3 * highest[k, 3]
                two = u4 * highest[k, 4] + u5 * highest[k, 5] + u6 * highest[k, 6] + u7 * highest[k, 7]
                error = vabs((one + two) * load(weights, a + (NODES + 1) * L))
                size = larger(vabs(before), vabs(value)) + floor
                worse = less(top * size, error)
                if anywhere(worse):  # divisions are dear
                    top = where(worse, error / size, top)
                check = min(s + every, n - 1)
            s += 1
            b += L
            store(x, at + s * L, value)
            u0, u1, u2, u3, u4, u5, u6 = u1, u2, u3, u4, u5, u6, u7
    store(w, at_error, top)


@njit(**_OPTIONS)
def judge(x, u, at, weights, at_weights, stride, n, first, window, kind, highest, widest, floor, asked, each, w, at_error):
    """Error of every step of a state relative to it. Their largest is kept in the row at `at_error`.

    asked : (step,), whether values within the step are wanted too. each : (step,), largest error of any lane and state so far.
    """
    top, L = load(w, at_error), width(w)
    for s in range(n):
        k = kind[first + s]
        b = at + window[first + s] * L
        one = load(u, b) * highest[k, 0] + load(u, b + 2 * L) * highest[k, 2]
        two = load(u, b + L) * highest[k, 1] + load(u, b + 3 * L) * highest[k, 3]
        one = one + load(u, b + 4 * L) * highest[k, 4] + load(u, b + 6 * L) * highest[k, 6]
        two = two + load(u, b + 5 * L) * highest[k, 5] + load(u, b + 7 * L) * highest[k, 7]
        error = vabs((one + two) * load(weights, at_weights + k * stride + (NODES + 1) * L))
        if asked[s]:
            error = larger(error, spread(x, b, highest, widest, k))
        ratio = error / (larger(vabs(load(x, at + s * L)), vabs(load(x, at + (s + 1) * L))) + floor)
        top = larger(top, ratio)
        store(w, at_error, ratio)
        for lane in range(L):
            if w[at_error + lane] > each[s]:
                each[s] = w[at_error + lane]
    store(w, at_error, top)


# -- values within steps --------------------------------------------------------------------------------------------------
@njit(**_OPTIONS)
def spread(x, at, highest, widest, k):
    """Error of the polynomial through the nodes from `at` on, within a step of kind k."""
    L = width(x)
    error = load(x, at) * highest[k, 0]
    for j in range(1, NODES):
        error = error + load(x, at + j * L) * highest[k, j]
    return vabs(error) * widest[k]


@njit(**_OPTIONS)
def larger(a, b):
    """The larger one; `a` where `b` is no number: that is found where the states are checked."""
    return where(less(a, b), b, a)


@njit(**_OPTIONS)
def shares(basis, k, at, out):
    """Weights of the nodes for the value at the share `at` of a step of kind k."""
    for j in range(NODES):
        value = basis[k, NODES - 1, j]
        for r in range(NODES - 2, -1, -1):
            value = value * at + basis[k, r, j]
        out[j] = value


# -- grids ----------------------------------------------------------------------------------------------------------------
@njit(**_OPTIONS)
def copy(from_, at, to, at_to, n):
    """n numbers; assigning slices takes seconds to compile."""
    for i in range(n):
        to[at_to + i] = from_[at + i]


@njit(**_OPTIONS)
def coarse(length, fastest, grid):
    """A first grid: steps that are powers of two and double from what the fastest rate needs, so that nothing that rises and is
    gone again between two nodes stays unseen. fastest : 1/h. Returns their number."""
    longest = 2.0 ** np.floor(np.log2(length / (NODES - 1)))
    h = min(longest, max(DELTA, 2.0 ** np.floor(np.log2(0.5 / max(fastest, 0.5 / longest)))))
    n, t = 0, 0.0
    while t + h <= length and n < len(grid):
        grid[n] = h
        t += h
        n += 1
        if t >= 2.0 * h:
            h = min(2.0 * h, longest)
    left = length - t
    if left >= 0.5 * grid[n - 1] and n < len(grid):
        grid[n] = left
        n += 1
    else:
        grid[n - 1] += left
    return graded(grid, n)


@njit(**_OPTIONS)
def merged(grid, n, each, tolerance):
    """Join equal neighbours whose errors are far below the tolerance. Returns the new number."""
    s, to, t = 0, 0, 0.0
    while s < n:
        h = grid[s]
        t += h
        # Only such pairs as halving would give, so that times stay multiples of powers of two.
        pair = s + 1 < n and grid[s + 1] == h and np.floor((t - h) / (2.0 * h)) * 2.0 * h == t - h
        if pair and max(each[s], each[s + 1]) < tolerance * _SPARE:
            h *= 2.0
            t += grid[s + 1]
            s += 1
        grid[to] = h
        to += 1
        s += 1
    return graded(grid, to)


@njit(**_OPTIONS)
def divided(grid, n, each, tolerance, shortest):
    """Halve the steps whose error is above the tolerance. Returns the new number, or the old one where nothing is left to do."""
    more = 0
    for s in range(n):
        if each[s] > tolerance and grid[s] > 2.0 * shortest:
            more += 1
    if more == 0 or n + more > len(grid):
        return n
    to = n + more
    for s in range(n - 1, -1, -1):
        if each[s] > tolerance and grid[s] > 2.0 * shortest:
            grid[to - 2], grid[to - 1] = _parts(grid[s])
            to -= 2
        else:
            grid[to - 1] = grid[s]
            to -= 1
    return graded(grid, n + more)


@njit(**_OPTIONS)
def graded(grid, n):
    """Halve steps that are much longer than a neighbour, and the longest until there are enough. Returns the new number."""
    s = 0
    while s < n and n < len(grid):
        near = np.inf
        if s > 0:
            near = grid[s - 1]
        if s < n - 1:
            near = min(near, grid[s + 1])
        if grid[s] > _RATIO * near:
            _halve(grid, n, s)
            n += 1
            s = max(s - 1, 0)
        else:
            s += 1
    while n < NODES - 1:
        _halve(grid, n, _longest(grid, n))
        n += 1
    return n


@njit(**_OPTIONS)
def _longest(grid, n):
    found = 0
    for s in range(1, n):
        if grid[s] > grid[found]:
            found = s
    return found


@njit(**_OPTIONS)
def _halve(grid, n, s):
    for j in range(n, s + 1, -1):
        grid[j] = grid[j - 1]
    grid[s], grid[s + 1] = _parts(grid[s])


@njit(**_OPTIONS)
def _parts(h):
    """Two parts of a step: halves, or a power of two and what is left, so that few times are no multiples of `DELTA`."""
    if h < 4.0 * DELTA or np.floor(0.5 * h / DELTA) * DELTA == 0.5 * h:
        return 0.5 * h, 0.5 * h
    first = 2.0 ** np.round(np.log2(0.5 * h))
    return first, h - first


@njit(**_OPTIONS)
def landed(natural, n, length, wanted, grid):
    """Steps of about the natural lengths with nodes at the wanted times, where these are not much denser. Returns their number.

    natural : (n,), h. wanted : (.,), h from the beginning of the segment, ascending, within (0, length).
    """
    t, s, end, k, m = 0.0, 0, natural[0], 0, 0
    while length - t > NO_TIME and m < len(grid) - 1:
        while end <= t + NO_TIME and s < n - 1:
            s += 1
            end += natural[s]
        h = natural[s]
        while k < len(wanted) and wanted[k] <= t + NO_TIME:
            k += 1
        stop = length
        if k < len(wanted):
            after = wanted[k + 1] if k + 1 < len(wanted) else length
            # A node costs about as much as a value between nodes, and needs no checks.
            space = after - wanted[k]
            if wanted[k] - t > 0.25 * min(h, space) and h < 8.0 * space:
                stop = wanted[k]
        gap = stop - t
        step = gap if gap <= 1.25 * h else 2.0 ** np.round(np.log2(min(0.5 * gap, h)))
        grid[m] = step
        m += 1
        t = t + step if step < gap else stop
    return graded(grid, m)


@njit(**_OPTIONS)
def missed(grid, n, wanted, asked):
    """Which steps have wanted times strictly inside."""
    t, k = 0.0, 0
    for s in range(n):
        end = t + grid[s]
        asked[s] = False
        while k < len(wanted) and wanted[k] < end - NO_TIME:
            if wanted[k] > t + NO_TIME:
                asked[s] = True
            k += 1
        t = end
