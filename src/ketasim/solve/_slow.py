"""Steps that are slow against a state's rate: plain quadrature with an integrating factor, its weights the same for all patients.

y = exp(k t) x of x' = u(t) - k x has y' = exp(k t) u, which does not decay. While k h is small a polynomial through the nodes follows
it as well as it does u, so that no weights of the patient's own are needed (Lawson, SIAM J Numer Anal 1967;4:372-380,
doi:10.1137/0704033): a step reads two factors instead of the ten weights of `_stencil`. Which steps are slow is planned (`_plan`).

The factors stand in tables, a row per node, for the states of a broad vector side by side: exp(k t), then exp(-k t).
"""

# pyright: basic, reportCallIssue=false, reportArgumentType=false, reportAttributeAccessIssue=false, reportOperatorIssue=false
# The functions are typed by Numba.

from __future__ import annotations

from ketasim.solve._compiled import njit
from ketasim.solve._head import LANES
from ketasim.solve._lanes import BROAD, anywhere, less, like, load, load_broad, round_to, store, vabs, where, width
from ketasim.solve._stencil import NODES, decayed, larger

#: Terms of exp(-k h).
_TERMS = 18
_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy", "boundscheck": False}


@njit(**_OPTIONS)
def tabulate(w, rate, length, spans, begin, ends, spare, out):
    """Factors exp(k t) and exp(-k t) at the nodes of all tables, in `out`: as `factors_at` finds them.

    rate : (state,), offsets of k in `w`. length : (span,), h. spans : (node,), number of the step that leads to it. begin : (table,),
    first node. ends : (table, state), node before which its steps cease to be slow.
    spare : double, two broad vectors per length and one more.
    """
    L, n = width(w), rate.shape[0]
    for c in range(0, n * L, BROAD):
        at_z = 2 * length.shape[0] * BROAD
        for i in range(BROAD):
            state = (c + i) // L
            spare[at_z + i] = w[rate[state] + (c + i) % L] if state < n else 0.0
        k = load_broad(spare, at_z)
        for m in range(length.shape[0]):
            left = decayed(k * length[m], _TERMS)
            store(spare, 2 * m * BROAD, 1.0 / left)
            store(spare, (2 * m + 1) * BROAD, left)
        for table in range(begin.shape[0]):
            end = 0
            for state in range(c // L, min((c + BROAD) // L, n)):
                end = max(end, ends[table, state])
            grown = like(k, 1.0)
            left = grown
            for node in range(begin[table], end):
                if node > begin[table]:
                    grown = grown * load_broad(spare, 2 * spans[node] * BROAD)
                    left = left * load_broad(spare, (2 * spans[node] + 1) * BROAD)
                to = (c * spans.shape[0] + node * BROAD) * 2
                if L == LANES:
                    store(out, to, grown)
                    store(out, to + BROAD, left)
                else:
                    round_to(out, to, grown)
                    round_to(out, to + BROAD, left)


@njit(**_OPTIONS)
def factors_at(i, lanes, nodes, first):
    """Where the factors of state i stand for the table that begins at node `first`; a node on is 2 `BROAD` on, exp(-k t) `BROAD` on."""
    per = BROAD // lanes
    return (i // per * nodes + first) * 2 * BROAD + i % per * lanes


@njit(**_OPTIONS)
def sweep_slow(x, u, at, factors, at_factors, n, first, window, kind, plain, highest, missed, floor, every, w, at_error):
    """As `sweep`, for the first n steps, all slow.

    plain : (kind, node), weights, the same for all. missed : (kind,), h times the integral of omega.
    """
    value, top, check, L = load(x, at), load(w, at_error), 0 if every > 0 else n, width(x)
    before, newest = value, NODES - 1
    u0, u1 = load(u, at) * load(factors, at_factors), load(u, at + L) * load(factors, at_factors + 2 * BROAD)
    u2, u3 = (
        load(u, at + 2 * L) * load(factors, at_factors + 4 * BROAD),
        load(u, at + 3 * L) * load(factors, at_factors + 6 * BROAD),
    )
    u4, u5 = (
        load(u, at + 4 * L) * load(factors, at_factors + 8 * BROAD),
        load(u, at + 5 * L) * load(factors, at_factors + 10 * BROAD),
    )
    u6, u7 = (
        load(u, at + 6 * L) * load(factors, at_factors + 12 * BROAD),
        load(u, at + 7 * L) * load(factors, at_factors + 14 * BROAD),
    )
    for s in range(n):
        k = kind[first + s]
        if window[first + s] + NODES - 1 > newest:  # by one
            newest += 1
            u0, u1, u2, u3, u4, u5, u6 = u1, u2, u3, u4, u5, u6, u7
            u7 = load(u, at + newest * L) * load(factors, at_factors + newest * 2 * BROAD)
        one, two = u0 * plain[k, 0] + u1 * plain[k, 1], u2 * plain[k, 2] + u3 * plain[k, 3]
        one, two = one + u4 * plain[k, 4], two + u5 * plain[k, 5]
        one, two = one + u6 * plain[k, 6], two + u7 * plain[k, 7]
        value = value + (one + two)
        left = load(factors, at_factors + ((s + 1) * 2 + 1) * BROAD)
        now = value * left
        store(x, at + (s + 1) * L, now)
        if s == check:
            one = u0 * highest[k, 0] + u1 * highest[k, 1] + u2 * highest[k, 2] + u3 * highest[k, 3]
            two = u4 * highest[k, 4] + u5 * highest[k, 5] + u6 * highest[k, 6] + u7 * highest[k, 7]
            error = vabs((one + two) * left) * missed[k]
            size = larger(vabs(before), vabs(now)) + floor
            worse = less(top * size, error)
            if anywhere(worse):
                top = where(worse, error / size, top)
            check = min(s + every, n - 1)
        before = now
    store(w, at_error, top)
