"""Kernel text for models whose nonlinear part is a cascade: every state x' = u - k x, u of states upstream only, k constant.

Upstream states are known at all nodes of a segment before the next one is begun, so that each takes an exponential quadrature
(`_stencil`) instead of implicit steps of the whole system.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import sympy

from ketasim.solve._lanes import BROAD
from ketasim.solve._stencil import NODES, SINGLE_WEIGHTS, WEIGHTS

if TYPE_CHECKING:
    from ketasim.solve._algebra import StepProgram
    from ketasim.solve._printing import Printer

#: Errors are looked at in every so many steps whose stencils overlap.
EVERY = 4


def cascade_text(printer: Printer) -> str:
    """Source of everything but the constants, inlets, coefficients and ports of a kernel; steps are planned in double precision."""
    program = printer.program
    place = {i: k for k, i in enumerate(program.tail)}
    rate = [int(printer.coefficient(program.linear[i, i])) if (i, i) in program.linear else -1 for i in program.tail]
    lines = [f"FACTORS = {2 * BROAD * -(-len(program.tail) * printer.lanes // BROAD)}", f"RATE = np.array({rate}, np.int64)", f"NODES, WEIGHTS = {NODES}, {SINGLE_WEIGHTS if printer.single else WEIGHTS}",
             # Numbers from arrays: Numba would compile a function anew for every number that stands in its call.
             f"NIL, SOME, OUT, MOVING, WORST = (np.array([v], np.int64) for v in (0, {EVERY}, AT_OUT, AT_MOVING, AT_E))"]  # fmt: skip
    pieces = [_force(printer, level, k) for k, level in enumerate(program.cascade)]
    passes = ["@njit(**OPTIONS)", "def tail_pass(w, heads, x, u, weights, n, first, window, kind, until, most, highest, every, factors, at_table, slow, grid, plain, missed):",
              '    """All states of the tail at all nodes."""']  # fmt: skip
    for k, level in enumerate(program.cascade):
        passes.append(f"    force_{k}(w, heads, x, u, n + 1, most)")
        for i in level:
            k, offset = place[i], place[i] * printer.lanes
            where, how = f"x, u, {offset}*most", f"load(w, AT_F + {offset}), every, w, WORST[0]"
            passes += [
                f"    if slow[grid, {k}] > 0: sweep_slow({where}, factors, factors_at({k} + n*0, L + n*0, factors.shape[0]//FACTORS, at_table),"
                f" slow[grid, {k}], first, window, kind, plain, highest, missed, {how})",
                f"    sweep({where}, weights, {k}*(weights.shape[0]//NT), WEIGHTS*L + n*0, slow[grid, {k}], n, first, window, kind, until, highest, {how})",
            ]
    rows = [f"        store(out, at + {i * printer.lanes}, load({_row(printer, i)}))" for i in range(program.own)]
    put = ["@njit(**OPTIONS)", "def put(heads, x, spots, begin, end, most, out, start):",
           '    """States of the nodes where outputs begin..end stand to a block of results; -1: stands on none."""',
           "    for j in range(begin, end):", "        n = spots[j]", "        if n < 0: continue", f"        at = j*{program.own * printer.lanes} + start", *rows]  # fmt: skip
    rows = [
        f"    store(out, at + {i * printer.lanes}, load(w, AT_OUT + {printer.place[i] * printer.lanes}))"
        for i in range(program.own)
    ]
    scratch = _SCRATCH_SINGLE if printer.single else _SCRATCH
    put += ["", "@njit(**OPTIONS)", "def put_out(w, out, at):", '    """States in OUT to a block of results."""', *rows]
    return (
        "\n".join(lines)
        + "\n"
        + "".join(pieces)
        + "\n"
        + "\n".join(passes)
        + "\n\n"
        + "\n".join(put)
        + "\n"
        + scratch
        + _TEXT
        + ("" if printer.single else _WALK)
    )


def _row(printer: Printer, i: int) -> str:
    """Where a state stands at node ``n``: array and offset."""
    k = printer.place[i] - len(printer.head)
    return f"heads, (n*NH + {printer.place[i]})*L" if k < 0 else f"x, ({k}*most + n)*L"


def _force(printer: Printer, level: tuple[int, ...], number: int) -> str:
    """Input u of the states of a level at all nodes."""
    program, own = printer.program, {i: k for k, i in enumerate(printer.program.tail)}
    needed = _needed(program, level)
    linear = {k: q for k, q in program.linear.items() if k[0] in level and k[0] != k[1]}
    constant = {i: q for i, q in program.constant.items() if i in level}
    used = {
        str(s) for e in [*(e for _, e in needed), *(program.rest[i] for i in level if i in program.rest)] for s in e.free_symbols
    }
    used |= {str(q) for q in (*linear.values(), *constant.values())} | {f"x{j}" for _, j in linear}
    before = printer.load("p", used) + printer.load("q", used)
    inside: list[str] = []
    for j in sorted(int(s[1:]) for s in used if s[0] == "x" and s[1:].isdigit()):
        inside.append(f"x{j} = load({_row(printer, j)})")
    inside += [f"{name} = {printer.code.row(e)}" for name, e in needed]
    for i in level:
        before.append(
            f"given{i} = load(w, AT_R + {printer.place[i] * printer.lanes})" + (f" + {constant[i]}" if i in constant else "")
        )
        terms = [f"given{i}", *(f"{q}*x{j}" for (row, j), q in linear.items() if row == i)]
        terms += [f"({printer.code.row(program.rest[i])})"] if i in program.rest else []
        inside.append(f"store(u, ({own[i]}*most + n)*L, {' + '.join(terms)})")
    body = [*before, "for n in range(count):", *("    " + line for line in inside)]
    return (
        f"\n@njit(**OPTIONS)\ndef force_{number}(w, heads, x, u, count, most):\n"
        + "\n".join("    " + line for line in body)
        + "\n"
    )


def _needed(program: StepProgram, level: tuple[int, ...]) -> list[tuple[str, sympy.Expr]]:
    """Temporaries of the nonlinear rates that the rates of a level use, in order."""
    known: Mapping[str, sympy.Expr] = dict(program.rest_temporaries)
    wanted: set[str] = set()
    todo = [program.rest[i] for i in level if i in program.rest]
    while todo:
        for name in {str(s) for s in todo.pop().free_symbols} & set(known) - wanted:
            wanted.add(name)
            todo.append(known[name])
    return [(name, e) for name, e in program.rest_temporaries if name in wanted]


#: What weights are made of.
_SCRATCH = """
@njit(**OPTIONS)
def scratch():
    spare = aligned((NODES + 2)*spare_for(NT*L))
    for i in range(spare.shape[0]): spare[i] = 0.0
    return (spare,)

"""
_SCRATCH_SINGLE = """
@njit(**OPTIONS)
def scratch():
    spare, moments = aligned_double((NODES + 2)*spare_for(NT*L)), aligned((NODES + 2)*spare_for(NT*L))
    for i in range(spare.shape[0]): spare[i] = 0.0
    return spare, moments

"""

_TEXT = '''
@njit(**OPTIONS)
def hop_level(x, at_x, y, at_y, w, k, n_levels, forced):
    """Advance the head by a dyadic time, from x to y."""
    one, at_g = kept(k, n_levels), SIZE + n_levels*N_REACH*L
    if forced: product(x, at_x, y, at_y, w, SIZE + k*N_REACH*L, at_g + k*NH*L, True, one)
    else: product(x, at_x, y, at_y, w, SIZE + k*N_REACH*L, at_g, False, one)


@njit(**OPTIONS)
def hop(x, at_x, y, at_y, w, time, n_levels, forced):
    """Advance the head by one time for all lanes, from x to y: as `go`, without looking at the lanes."""
    count = int(time*(1.0/DELTA))
    over = time - count*DELTA
    if DELTA - over < NO_TIME: count, over = count + 1, 0.0
    elif over < NO_TIME: over = 0.0
    top, k = n_levels - 1, NIL[0]
    if over == 0.0 and count & (count - 1) == 0 and 0 < count < 2 << top:  # one level: most steps
        while count >> k != 1: k += 1
        hop_level(x, at_x, y, at_y, w, k, n_levels, forced)
        return
    for i in range(0, NH*L, L): store(w, AT_MOVING + i, load(x, at_x + i))
    while count >> top != 0:
        hop_level(w, MOVING[0], w, MOVING[0], w, top, n_levels, forced)
        count -= 1 << top
    while count >> k != 0:
        if (count >> k) & 1 != 0: hop_level(w, MOVING[0], w, MOVING[0], w, k, n_levels, forced)
        k += 1
    if over > 0.0:
        store(w, AT_DT, splat(over))
        short(w, MOVING[0])
    for i in range(0, NH*L, L): store(y, at_y + i, load(w, AT_MOVING + i))


@njit(**OPTIONS)
def head_pass(w, heads, steps, level, n, first, factor, n_levels, forced):
    """All states of the head at all nodes, from those in X."""
    for i in range(NH): store(heads, i*L, load(w, AT_X + i*L))
    for s in range(n):
        k = level[first + s]
        if factor == 1.0 and 0 <= k < n_levels: hop_level(heads, s*NH*L, heads, (s + 1)*NH*L, w, k, n_levels, forced)
        else: hop(heads, s*NH*L, heads, (s + 1)*NH*L, w, steps[first + s]*factor, n_levels, forced)


@njit(**OPTIONS)
def within(w, heads, x, s, over, share, first, window, most, n_levels, forced):
    """States `over` h after node s, in OUT; share : weights of the nodes around, where over > 0."""
    if over == 0.0:
        for i in range(NH): store(w, AT_OUT + i*L, load(heads, (s*NH + i)*L))
        for i in range(NT): store(w, AT_OUT + (NH + i)*L, load(x, (i*most + s)*L))
        return
    hop(heads, s*NH*L, w, OUT[0], w, over, n_levels, forced)
    for i in range(NT):
        at = (i*most + window[first + s])*L
        value = load(x, at)*share[0]
        for j in range(1, NODES): value = value + load(x, at + j*L)*share[j]
        store(w, AT_OUT + (NH + i)*L, value)


@njit(**OPTIONS)
def between(w, x, s, first, window, kind, highest, widest, most):
    """Largest error ratio of values within a step, in E."""
    k, top = kind[first + s], splat(0.0)
    for i in range(NT):
        error = spread(x, (i*most + window[first + s])*L, highest, widest, k)
        old, new = vabs(load(x, (i*most + s)*L)), vabs(load(x, (i*most + s + 1)*L))
        ratio = error/(where(less(old, new), new, old) + load(w, AT_F + i*L))
        top = where(less(top, ratio), ratio, top)
    store(w, AT_E, top)


@njit(**OPTIONS)
def set_rates(w):
    """k of every state of the tail, from the coefficients, which hold -k."""
    for i in range(NT):
        if RATE[i] >= 0: store(w, AT_K + i*L, -load(w, RATE[i]))
        else: store(w, AT_K + i*L, splat(0.0))


@njit(**OPTIONS)
def run(lo, hi, t0, length, n_steps, first, steps, window, kind, until, level, kinds, own_kinds, by_length, wanted, lengths, basis, highest, widest, series, omega, slow, table, spans, span_lengths, table_begin, table_ends, plain, missed, op_first,
        op_code, op_state, op_value, block, P, X0, t_out, rank, opens, floor, n_levels, keep, want, states_out, ports_out, error, status):
    """Advance subjects lo..hi through all segments; results stand in blocks of lanes, from the first one on. See ketasim.solve._driver for the arrays.

    A segment s takes the steps first[2 s].. and, where it is longer than planned, first[2 s + 1].. again and again.
    own_kinds : number of kinds that occur in planned segments; the others only serve longer ones. by_length : kinds, those of one length together.
    slow : (grid, state of the tail), number of steps at the beginning that are slow against it; table : (grid,), first node of their factors.
    """
    n_seg, n_out = length.shape[0], t_out.shape[0]
    w = aligned(SIZE + n_levels*LEVEL*L)
    for i in range(w.shape[0]): w[i] = 0.0
    most = n_steps.max() + 1
    heads, x, u = aligned(most*NH*L), aligned(most*NT*L), aligned(most*NT*L)
    weights, spare = aligned(kinds*NT*WEIGHTS*L), scratch()
    factors, spare_factors, tabled = aligned(spans.shape[0]*FACTORS), aligned_double((2*span_lengths.shape[0] + 1)*BROAD), False
    share = np.empty(NODES, highest.dtype)
    at_rate = np.empty(NT, np.int64)
    for i in range(NT): at_rate[i] = AT_K + i*L
    begin = np.empty(L); span = np.empty(L); worst_yet = np.empty(L); final = aligned(N*L)
    sub = np.empty(L, np.int64); nxt = np.empty(L, np.int64)
    take = np.empty(L, np.bool_); bad = np.empty(L, np.bool_); done = np.empty(L, np.bool_)
    for i in range(NT):
        for l in range(L): w[AT_F + i*L + l] = floor[ORDER[NH + i]]
    direct = want.shape[0] == 0
    spots = np.empty(n_out, np.int64)
    n_keep = keep.shape[0]
    for start in range(lo, hi, L):
        for l in range(L):
            sub[l] = min(start + l, hi - 1)
            worst_yet[l] = 0.0; nxt[l] = 0; bad[l] = False
            for i in range(N):
                w[AT_X + i*L + l] = X0[ORDER[i], sub[l]]; w[AT_R + i*L + l] = 0.0
        now, weighed = -1, NIL[0]
        for s in range(n_seg):
            operate(w, op_first[s], op_first[s + 1], op_code, op_state, op_value, X0, sub)
            last = s == n_seg - 1
            longest, alike = 0.0, True
            for l in range(L):
                begin[l] = t0[s, sub[l]]; span[l] = length[s, sub[l]]
                longest = max(longest, span[l])
                alike = alike and begin[l] == begin[0] and span[l] == span[0] and nxt[l] == nxt[0]
                done[l] = False
            lead = 1 if alike else L  # lanes whose times have to be looked at: all follow the first one
            if longest == 0.0 and not last and not awaited(nxt, begin, t_out, rank, opens[s]): continue
            if block[s] != now:
                now, weighed, tabled = block[s], NIL[0], False
                adopt(w, P, now, sub, n_levels)
                set_rates(w)
            forced = enter(w, n_levels)
            base, part, going = 0.0, 0, True
            while going:
                grid, stretch = 2*s, 1.0
                if part > 0 or n_steps[2*s] == 0 and longest > 0.0:
                    # Longer than planned: the last step goes on, later ones grow.
                    grid, stretch = 2*s + 1, 2.0**((part - 1)//4) if part > 0 else 1.0
                n, a = n_steps[grid], first[grid]
                if stretch != 1.0:
                    weigh(own_kinds, kinds, by_length, wanted, w, at_rate, lengths, stretch, series, omega, *spare, weights)
                    weighed = min(weighed, own_kinds)
                elif n > 0 and weighed < (own_kinds if grid == 2*s else kinds):
                    goal = own_kinds if grid == 2*s else kinds
                    weigh(weighed, goal, by_length, wanted, w, at_rate, lengths, 1.0, series, omega, *spare, weights)
                    weighed = goal
                head_pass(w, heads, steps, level, n, a, stretch, n_levels, forced)
                for i in range(NT): store(x, i*most*L, load(w, AT_TAIL + i*L))
                store(w, AT_E, splat(0.0))
                if n > 0:
                    if not tabled: tabulate(w, at_rate, span_lengths, spans, table_begin, table_ends, spare_factors, factors)
                    tabled = True
                    tail_pass(w, heads, x, u, weights, n, a, window, kind, until, most, highest, SOME[0], factors, table[grid], slow, grid, plain, missed)
                for l in range(L):
                    if not done[l] and not w[AT_E + l] <= worst_yet[l]: worst_yet[l] = w[AT_E + l]
                reach = base
                for i in range(n): reach += steps[a + i]*stretch
                for l in range(lead):
                    if done[l]: continue
                    ends = span[l] <= reach + NO_TIME
                    end = begin[l] + span[l]
                    # begin + span may round to just below the last output time, which must not be lost.
                    stop = max(end, t_out[n_out - 1]) if last else end
                    node, t, checked, going_on, j_first = 0, base, -1, True, nxt[l]
                    while going_on:
                        j = nxt[l]
                        output = j < n_out and (t_out[j] < stop or (t_out[j] == stop and opens[s] > rank[j]))
                        to = span[l]
                        if output: to = min(max(t_out[j] - begin[l], 0.0), span[l])
                        if to > reach + NO_TIME or (not output and not ends): break
                        while node < n and t + steps[a + node]*stretch <= to + NO_TIME:
                            t += steps[a + node]*stretch
                            node += 1
                        over = to - t
                        if over < NO_TIME or node == n: over = 0.0
                        if over > 0.0:
                            shares(basis, kind[a + node], over/(steps[a + node]*stretch), share)
                            if checked != node:
                                checked = node
                                between(w, x, node, a, window, kind, highest, widest, most)
                                for lane in range(l, L if alike else l + 1):
                                    if not w[AT_E + lane] <= worst_yet[lane]: worst_yet[lane] = w[AT_E + lane]
                        if output:
                            place = (start - lo)*n_out + j*L
                            spots[j] = -1
                            if alike and direct and over == 0.0: spots[j] = node
                            elif alike and direct:
                                within(w, heads, x, node, over, share, a, window, most, n_levels, forced)
                                if n_keep > 0: put_out(w, states_out, place*n_keep)
                            else:
                                within(w, heads, x, node, over, share, a, window, most, n_levels, forced)
                                for lane in range(L): take[lane] = lane == l
                                write(w, OUT[0], place, alike, take, keep, want, states_out, ports_out)
                            nxt[l] += 1
                        else:
                            within(w, heads, x, node, over, share, a, window, most, n_levels, forced)
                            for lane in range(l, L if alike else l + 1):
                                for i in range(N): final[i*L + lane] = w[AT_OUT + i*L + lane]
                                done[lane] = True
                            going_on = False
                    if alike and direct and n_keep > 0: put(heads, x, spots, j_first, nxt[l], most, states_out, (start - lo)*n_out*n_keep)
                # What lies beyond starts from the last node.
                for i in range(NH): store(w, AT_X + i*L, load(heads, (n*NH + i)*L))
                for i in range(NT): store(w, AT_TAIL + i*L, load(x, (i*most + n)*L))
                base = reach
                part += 1
                going = False
                for l in range(L): going = going or (not done[l] and not (alike and l > 0))
            if alike:
                for l in range(1, L): nxt[l] = nxt[0]
            for i in range(0, N*L, L): store(w, AT_X + i, load(final, i))
            spoil(w, bad)
        for l in range(L):
            if start + l < hi:
                error[start + l] = worst_yet[l]
                status[start + l] = 1 if bad[l] or not np.isfinite(worst_yet[l]) else 0
'''

_WALK = '''
@njit(**OPTIONS)
def errors(w, x, u, weights, n, first, window, kind, highest, widest, most, asked, each):
    """Error of every step, the largest of any state and lane; their largest into E."""
    for i in range(NT):
        judge(x, u, i*most*L, weights, i*(weights.shape[0]//NT), WEIGHTS*L, n, first, window, kind, highest, widest, load(w, AT_F + i*L), asked, each, w, WORST[0])

@njit(**OPTIONS)
def walk(m, t0, length, op_first, op_code, op_state, op_value, block, P, X0, t_out, tolerance, order, floor, peaks, n_levels, steps, n_steps, fastest):
    """Choose the steps of every segment so that no lane's error exceeds the tolerance. Returns their number, -1 where `steps` is too short.

    fastest : (state of the tail,), the largest rate of any lane is noted here.
    """
    n_seg, room = length.shape[0], steps.shape[0]
    w = aligned(SIZE + n_levels*LEVEL*L)
    for i in range(w.shape[0]): w[i] = 0.0
    at_rate = np.empty(NT, np.int64)
    for i in range(NT): at_rate[i] = AT_K + i*L
    sub = np.empty(L, np.int64); begin = np.empty(L); span = np.empty(L); saved = np.empty(N*L); share = np.empty(NODES)
    limit = 256  # steps that fit the arrays; they grow with the grid
    natural, kept, kept_n, kept_first, kept_length = np.empty(room), np.empty(room), np.zeros(n_seg, np.int64), np.zeros(n_seg, np.int64), np.zeros(n_seg)
    first, origin, wanted_first, wanted_n = np.zeros(n_seg, np.int64), np.zeros(n_seg), np.zeros(n_seg, np.int64), np.zeros(n_seg, np.int64)
    grid, each, asked = np.empty(room), np.empty(room), np.zeros(room, np.bool_)
    window, kind, until, level = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64)
    heads, x, u = aligned((limit + 1)*NH*L), aligned((limit + 1)*NT*L), aligned((limit + 1)*NT*L)
    weights, spare, every_kind, every_weight = aligned(limit*NT*WEIGHTS*L), scratch(), np.arange(limit), np.ones((limit, NT), np.bool_)
    slow, plain, factors = np.zeros((1, NT), np.int64), np.empty((1, NODES)), aligned(FACTORS)  # none
    around, lengths, widest = np.empty((limit, NODES)), np.empty(limit), np.empty(limit)
    basis, highest, omega = np.empty((limit, NODES, NODES)), np.empty((limit, NODES)), np.empty((limit, NODES))
    for l in range(L):
        sub[l] = min(l, m - 1)
        for i in range(N): w[AT_X + i*L + l] = X0[ORDER[i], sub[l]]
        for i in range(NT): w[AT_F + i*L + l] = floor[ORDER[NH + i]]
    now, total, stored = -1, 0, 0
    for s in range(n_seg):
        operate(w, op_first[s], op_first[s + 1], op_code, op_state, op_value, X0, sub)
        longest = 0.0
        for l in range(L):
            begin[l] = t0[s, sub[l]]; span[l] = length[s, sub[l]]
            longest = max(longest, span[l])
        n_steps[s] = 0
        if longest <= NO_TIME: continue
        if block[s] != now:
            now = block[s]
            adopt(w, P, now, sub, n_levels)
            set_rates(w)
            for i in range(NT):
                for l in range(L): fastest[i] = max(fastest[i], abs(w[AT_K + i*L + l]))
        forced = enter(w, n_levels)
        wanted = np.empty(t_out.shape[0] + L)
        count = 0
        for j in range(t_out.shape[0]):
            if t_out[j] > begin[0] + NO_TIME and t_out[j] < begin[0] + longest - NO_TIME:
                if count == 0: wanted_first[s] = j
                wanted[count] = t_out[j] - begin[0]
                count += 1
        origin[s], wanted_n[s], first[s] = begin[0], count, total
        # An earlier segment of the same length has the steps; one with the same outputs, the nodes too: few kinds of steps in all.
        known, twin = -1, -1
        for r in range(s):
            if kept_n[r] > 0 and abs(kept_length[r] - longest) <= NO_TIME:
                known = r
                same = wanted_n[r] == count
                for j in range(count):
                    if not same or abs(t_out[wanted_first[r] + j] - origin[r] - wanted[j]) > NO_TIME:
                        same = False
                        break
                if same: twin = r
        if known >= 0:
            n = kept_n[known]
            copy(kept, kept_first[known], natural, NIL[0], n)
        else:
            top = 0.0
            for l in range(L):
                top = max(top, w[AT_NORM + l])
                for i in range(NT): top = max(top, abs(w[AT_K + i*L + l]))
            n = coarse(longest, top, natural)
        for i in range(N*L): saved[i] = w[AT_X + i]
        limit_here = tolerance
        if twin >= 0:
            kept_first[s], kept_n[s], kept_length[s] = kept_first[twin], kept_n[twin], longest
            n, limit_here = n_steps[twin], 2.0*tolerance
            copy(steps, first[twin], grid, NIL[0], n)
        for stage in range(0 if twin < 0 else 1, 2):
            if twin >= 0: pass
            elif stage == 0: copy(natural, NIL[0], grid, NIL[0], n)
            else:
                if stored + n <= room:
                    copy(grid, NIL[0], kept, stored, n)
                    kept_first[s], kept_n[s], kept_length[s] = stored, n, longest
                    stored += n
                copy(grid, NIL[0], natural, NIL[0], n)
                n = landed(natural, n, longest, wanted[:count], grid)
            joins = 8 if stage == 0 and known < 0 else 0
            for attempt in range(60):
                if n > limit:
                    limit = 2*n
                    heads, x, u = aligned((limit + 1)*NH*L), aligned((limit + 1)*NT*L), aligned((limit + 1)*NT*L)
                    weights = aligned(limit*NT*WEIGHTS*L)
                    around, lengths, widest = np.empty((limit, NODES)), np.empty(limit), np.empty(limit)
                    basis, highest, omega = np.empty((limit, NODES, NODES)), np.empty((limit, NODES)), np.empty((limit, NODES))
                most = limit + 1
                if every_kind.shape[0] < limit: every_kind, every_weight = np.arange(limit), np.ones((limit, NT), np.bool_)
                kinds = describe_steps(grid, NIL[0], n, window, kind, until, level, NIL[0], around, lengths, basis, highest, omega, widest)
                weigh(NIL[0], kinds, every_kind, every_weight, w, at_rate, lengths, 1.0, basis, omega, *spare, weights)
                for i in range(N*L): w[AT_X + i] = saved[i]
                head_pass(w, heads, grid, level, n, NIL[0], 1.0, n_levels, forced)
                for i in range(NT): store(x, i*most*L, load(w, AT_TAIL + i*L))
                tail_pass(w, heads, x, u, weights, n, NIL[0], window, kind, until, most, highest, NIL[0], factors, NIL[0], slow, NIL[0], plain, widest)
                for i in range(n): each[i] = 0.0
                missed(grid, n, wanted[:count] if stage == 1 else wanted[:0], asked)
                store(w, AT_E, splat(0.0))
                errors(w, x, u, weights, n, NIL[0], window, kind, highest, widest, most, asked, each)
                more = divided(grid, n, each, limit_here, SHORTEST)
                if more == n and joins > 0:
                    joins -= 1
                    more = merged(grid, n, each, tolerance)
                if more == n: break
                if total + more > room - 1: return -1
                n = more
        copy(grid, NIL[0], steps, total, n)
        n_steps[s] = n
        total += n
        for k in range(n + 1):
            for i in range(NT):
                for l in range(L): peaks[ORDER[NH + i]] = max(peaks[ORDER[NH + i]], abs(x[(i*most + k)*L + l]))
        for l in range(L):
            node, t = 0, 0.0
            while node < n and t + grid[node] <= span[l] + NO_TIME:
                t += grid[node]
                node += 1
            over = span[l] - t
            if over < NO_TIME or node == n: over = 0.0
            else: shares(basis, kind[node], over/grid[node], share)
            within(w, heads, x, node, over, share, NIL[0], window, most, n_levels, forced)
            for i in range(N): saved[i*L + l] = w[AT_OUT + i*L + l]
        for i in range(N*L): w[AT_X + i] = saved[i]
    return total
'''
