"""CPU target: a module of compiled functions per model, generated from its step program; patients advance in SIMD lanes.

The generated source is a plain Python module, kept on disk so that Numba's own cache finds it again in a later process.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ketasim.cache import cache_directory, temporary_directory
from ketasim.errors import InvalidOption
from ketasim.solve._head import LANES
from ketasim.solve._tableau import RODAS4, RODAS5P, Tableau
from ketasim.writing import discard, replacing

if TYPE_CHECKING:
    from ketasim.solve._printing import Printer

#: Raised whenever generated code changes, so that old caches are not used.
CODE_VERSION = 76
#: ``auto``: a cascade where the model is one, else RODAS5P.
METHODS = {"auto": RODAS5P, "rodas4": RODAS4, "rodas5p": RODAS5P}


@dataclass(frozen=True)
class Kernel:
    """A compiled model: generated module plus the facts the driver needs.

    Attributes
    ----------
    states, params, ports : names in array order. uses_time : whether time is a state. tail : positions of the states that are not
    advanced exactly. order : of the method. cascade : whether the tail is advanced by quadrature, not by Rosenbrock steps.
    single : the module that runs many patients in single precision; none for implicit steps, or where nobody asked for it.
    """

    module: ModuleType
    states: tuple[str, ...]
    params: tuple[str, ...]
    ports: tuple[str, ...]
    tail: tuple[int, ...]
    uses_time: bool
    order: int
    cascade: bool
    single: ModuleType | None = None

    @property
    def linear(self) -> bool:
        """Whether every state is advanced exactly."""
        return not self.tail

    @property
    def implicit(self) -> bool:
        """Whether the tail takes Rosenbrock steps."""
        return not (self.linear or self.cascade)

    @property
    def solver(self) -> str:
        """How the states are advanced, in words."""
        if self.linear:
            return "matrix exponentials (exact)"
        return f"{'exponential quadrature' if self.cascade else 'RODAS5P'} on a planned grid"

    def inlet(self, kind: str, state: str, p: Mapping[str, Any]) -> Any:
        """Value of F, lag, duration or rate of a compartment over parameter arrays; None where not declared."""
        function = getattr(self.module, f"{kind}_{self.states.index(state)}", None)
        return None if function is None else function(p)


_LOADED: dict[str, Kernel] = {}


def kernel_for(model: Any, moving: Sequence[str] = (), method: str = "auto", single: bool = False) -> Kernel:
    """Compiled kernel of a model; generated on first use, found on disk afterwards without tracing the model again.

    single : with a run in single precision, where the model has no implicit steps.
    """
    if method not in METHODS:
        raise InvalidOption(f"method = '{method}' is not known. Use one of: {', '.join(METHODS)}.")
    key = hashlib.sha256(repr((model.fingerprint, tuple(model.params), tuple(model.states), tuple(model.ports), tuple(moving), method,
                               CODE_VERSION, LANES)).encode()).hexdigest()[:20]  # fmt: skip

    def program() -> Any:
        from ketasim.solve._algebra import compile_system

        return compile_system(model.system, moving)

    def both() -> str:
        return generate(program(), model.system, METHODS[method], cascades=method == "auto")

    if key not in _LOADED:
        _LOADED[key] = _kernel(_module(f"kernel_{key}", both))
    kernel = _LOADED[key]
    if single and kernel.single is None and not kernel.implicit:
        module = _module(
            f"kernel_{key}_single", lambda: generate_single(program(), model.system, METHODS[method], f"kernel_{key}")
        )
        _LOADED[key] = kernel = replace(kernel, single=module)
    return kernel


def _module(name: str, text: Callable[[], str]) -> ModuleType:
    """A generated module: found whole in the cache's folder, or written there; elsewhere for this process where there is no room."""
    path = cache_directory() / f"{name}.py"
    if not _is_whole(path):
        source = text()
        try:
            _store(path, source)
        except OSError:
            path = temporary_directory() / path.name
            _store(path, source)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    sys.modules[name] = module  # Numba's cache finds the globals of a function through its module's name
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module


def _is_whole(path: Path) -> bool:
    """Whether a generated module is as it was written: its first line says the hash of the rest."""
    try:
        first, _, rest = path.read_text(encoding="utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        return False
    return first == _stamp(rest)


def _store(path: Path, source: str) -> None:
    if path.is_dir():
        discard(path)
    with replacing(path) as draft:
        draft.write_text(f"{_stamp(source)}\n{source}", encoding="utf-8")


def _stamp(source: str) -> str:
    return f"# sha256 {hashlib.sha256(source.encode()).hexdigest()}"


def _kernel(module: ModuleType) -> Kernel:
    meta = json.loads(module.META)
    names: dict[str, Any] = {k: tuple(meta[k]) for k in ("states", "params", "ports", "tail")}
    return Kernel(module, **names, uses_time=meta["uses_time"], order=meta["order"], cascade=meta["cascade"])


def generate(program: Any, system: Any, tableau: Tableau, cascades: bool = True) -> str:
    """Source text of the kernel module of one model. cascades : whether quadrature is taken where the tail is a cascade."""
    from ketasim.solve._printing import Printer

    printer = Printer(program, system, tableau)
    cascade = cascades and bool(program.cascade)
    meta = {
        "states": program.states, "params": program.params, "ports": tuple(program.ports), "tail": program.tail,
        "uses_time": system.uses_time, "order": tableau.order, "cascade": cascade,
    }  # fmt: skip
    head = [_HEADER % (_DOUBLE % json.dumps(json.dumps(meta))), printer.constants(), printer.inlets(), printer.coefficients()]
    pieces = [*head, _kept(_RENEW, printer), *_passage(printer, cascade)]
    return "\n".join([*pieces, _kept(_PLANNER, printer)] if program.tail and not cascade else pieces)


def generate_single(program: Any, system: Any, tableau: Tableau, double: str) -> str:
    """Source text of the single-precision run of a model without implicit steps. double : name of its module in double precision."""
    from ketasim.solve._printing import Printer

    printer = Printer(program, system, tableau, single=True)
    pieces = [_HEADER % (_SINGLE % double), printer.constants(), _kept(_RENEW_SINGLE, printer)]
    return "\n".join([*pieces, *_passage(printer, bool(program.cascade))])


def _passage(printer: Printer, cascade: bool) -> list[str]:
    """Text of how patients pass through all segments."""
    from ketasim.solve._cascade import cascade_text

    pieces = [printer.ports(), _kept(_SEGMENTS, printer)]
    if cascade:
        return [*pieces, cascade_text(printer)]
    return [*pieces, *([printer.step()] if printer.tail else []), _kept(_DRIVER, printer)]


def _kept(text: str, printer: Printer) -> str:
    """Lines of a template whose mark (``#: head``, ``#: tail``, ``#: both``, ``#: plain``, ``#: headless``) applies to the model.

    ``#: double`` and ``#: single``: of a head in that precision.
    """
    program = printer.program
    parts = {"head": bool(program.head), "tail": bool(program.tail), "both": bool(program.coupled), "plain": not program.tail,
             "headless": not program.head, "double": bool(program.head) and not printer.single,
             "single": bool(program.head) and printer.single}  # fmt: skip
    out: list[str] = []
    for line in text.splitlines():
        code, _, mark = line.partition("  #: ")
        if not mark or parts[mark.strip()]:
            out.append(code)
    return "\n".join(out) + "\n"


_HEADER = '''"""Generated by ketasim: do not edit."""
import numpy as np
from ketasim.solve._compiled import njit
from ketasim.solve._lanes import BROAD, double, equal, less, less_equal, like, load, round_to, single, sparse_product, sparse_term, store, vabs, vcos, vexp, vlog, vpow, vsin, vsqrt, vtanh, where
from ketasim.solve._linear import REACH, REACHES, ROUGH_REACHES, changes, norms, propagators, rates_of, terms_for
from ketasim.solve._slow import factors_at, sweep_slow, tabulate
from ketasim.solve._stencil import coarse, copy, describe_steps, divided, judge, landed, merged, missed, shares, spare_for, spread, sweep
%s
OPTIONS = dict(cache=True, nogil=True, error_model="numpy", boundscheck=False)
'''

_DOUBLE = """from ketasim.solve._lanes import aligned, aligned as aligned_double, splat
from ketasim.solve._stencil import weigh
META = %s"""

_SINGLE = """from ketasim.solve._lanes import aligned as aligned_double, aligned_single as aligned, splat_single as splat
from ketasim.solve._stencil import weigh_single as weigh
from %s import AT_P as P_DOUBLE, L as L_DOUBLE, SIZE as SIZE_DOUBLE, renew as renew_double"""

_RENEW = '''
@njit(**OPTIONS)
def renew(w, n_levels):
    """Coefficients and propagators of the parameters in P."""
    coefficients(w)
    norms(w, PLACES[1], INSIDE_COLUMN, INSIDE_ROW, INSIDE_VALUE)  #: head
    propagators(w, DELTA, n_levels, PLACES[0], PLACES[1], PLACES[2], PLACES[3], PLACES[4], PLACES[8], PLACES[9], DIAGONAL, TAYLOR_FIRST, TAYLOR_LEFT, TAYLOR_RIGHT, OWN, A_VALUE, SQUARE_FIRST, SQUARE_LEFT, SQUARE_RIGHT)  #: head


@njit(**OPTIONS)
def adopt(w, P, now, sub, n_levels):
    """New parameters and all that follows from them."""
    for j in range(NP):
        for l in range(L): w[AT_P + j*L + l] = P[now, j, sub[l]]
    renew(w, n_levels)


@njit(**OPTIONS)  #: head
def kept(k, n_levels):  #: head
    """What a propagator keeps of its states besides: levels below N_DENSE are less the identity."""  #: head
    return splat(1.0 if k < N_DENSE else 0.0)  #: head
'''

_RENEW_SINGLE = '''
@njit(**OPTIONS)
def adopt(w, P, now, sub, n_levels):
    """New parameters and all that follows from them, in double precision and then rounded: squaring propagators doubles their errors."""
    wide = aligned_double(SIZE_DOUBLE + n_levels*N_REACH*L_DOUBLE)  #: head
    wide = aligned_double(SIZE_DOUBLE)  #: headless
    for part in range(0, L, L_DOUBLE):
        for j in range(NP):
            for l in range(L_DOUBLE): wide[P_DOUBLE + j*L_DOUBLE + l] = P[now, j, sub[part + l]]
        renew_double(wide, n_levels)
        for row in range(AT_P//L, AT_NORM//L + 1): round_to(w, row*L + part, load(wide, row*L_DOUBLE))
        for row in range(n_levels*N_REACH): round_to(w, SIZE + row*L + part, load(wide, SIZE_DOUBLE + row*L_DOUBLE))  #: head
        for k in range(n_levels):  #: head
            for i in range(NH):  #: head
                row = k*N_REACH + DIAGONAL[i]  #: head
                own = load(wide, SIZE_DOUBLE + row*L_DOUBLE)  #: head
                less_one = like(own, 1.0) if k < N_DENSE else less(like(own, 0.5), own)  #: head
                round_to(w, kept(k, n_levels) + i*L + part, less_one)  #: head
                if k >= N_DENSE: round_to(w, SIZE + row*L + part, where(less_one, own - 1.0, own))  #: head


@njit(**OPTIONS)  #: head
def kept(k, n_levels):  #: head
    """Where it stands what a propagator keeps of each state besides: those that hardly move are less the identity."""  #: head
    return SIZE + (n_levels*(N_REACH + NH) + k*NH)*L  #: head
'''

_SEGMENTS = '''
@njit(**OPTIONS)  #: head
def short(w, at):  #: head
    """Advance the head at an offset by the times in DT with a Taylor series, in as many steps as a lane needs."""  #: head
    most = 1  #: head
    for l in range(L): most = max(most, int(w[AT_NORM + l]*w[AT_DT + l]/REACH) + 1)  #: head
    for step in range(most):  #: head
        most_terms = 1  #: head
        for l in range(L):  #: head
            steps = int(w[AT_NORM + l]*w[AT_DT + l]/REACH) + 1  #: head
            w[AT_HT + l] = w[AT_DT + l]/steps if step < steps else 0.0  #: head
            terms = terms_for(w[AT_NORM + l]*w[AT_HT + l], ROUGH_REACHES, PLACES[9])  #: single
            terms = terms_for(w[AT_NORM + l]*w[AT_HT + l], REACHES, PLACES[9])  #: double
            w[AT_TERMS + l] = terms  #: head
            most_terms = max(most_terms, terms)  #: head
        h = load(w, AT_HT)  #: head
        now, after = AT_SPARE, AT_SPARE + NH*L  #: head
        for i in range(0, NH*L, L): store(w, after + i, load(w, at + i))  #: head
        term(w, after, now, at, h)  #: head
        for i in range(0, NH*L, L):  #: head
            given = load(w, AT_C + i)*h  #: head
            store(w, now + i, load(w, now + i) + given)  #: head
            store(w, at + i, load(w, at + i) + given)  #: head
        for k in range(2, most_terms + 1):  #: head
            term(w, now, after, at, where(less(load(w, AT_TERMS), splat(float(k))), splat(0.0), h/float(k)))  #: head
            now, after = after, now  #: head


@njit(**OPTIONS)  #: head
def forcing(w, n_levels):  #: head
    """Where the input in C alone takes an empty head in the time of every level."""  #: head
    at = SIZE + n_levels*N_REACH*L  #: head
    store(w, AT_DT, splat(DELTA))  #: head
    for i in range(0, NH*L, L): store(w, at + i, splat(0.0))  #: head
    short(w, at)  #: head
    for k in range(1, n_levels):  #: head
        below, one = at + (k - 1)*NH*L, kept(k - 1, n_levels)  #: head
        product(w, below, w, below + NH*L, w, SIZE + (k - 1)*N_REACH*L, below, True, one)  #: head


@njit(**OPTIONS)
def enter(w, n_levels):
    """New segment: input of the head. Returns whether there is any."""
    forced = False
    for i in range(0, NH*L, L): store(w, AT_C + i, load(w, AT_R + i))  #: head
    for k in range(CONSTANT_ROW.shape[0]):
        at = AT_C + CONSTANT_ROW[k]*L
        store(w, at, load(w, at) + load(w, CONSTANT_AT[k]))
    for i in range(AT_C, AT_C + NH*L):
        if w[i] != 0.0: forced = True
    if forced: forcing(w, n_levels)  #: head
    return forced


@njit(**OPTIONS)
def awaited(nxt, begin, t_out, rank, opens):
    """Whether some lane has an output to give between two events of one time."""
    for l in range(L):
        if nxt[l] < t_out.shape[0] and t_out[nxt[l]] == begin[l] and opens > rank[nxt[l]]: return True
    return False


@njit(**OPTIONS)
def operate(w, first, last, op_code, op_state, op_value, X0, sub):
    """What happens to the states before a segment: 0 add, 1 rate, 2 reset, 3 set."""
    for k in range(first, last):
        i = PLACE[op_state[k]]*L
        for l in range(L):
            if op_code[k] == 0: w[AT_X + i + l] += op_value[k, sub[l]]
            elif op_code[k] == 1: w[AT_R + i + l] = op_value[k, sub[l]]
            elif op_code[k] == 2:
                for j in range(N):
                    w[AT_R + j*L + l] = 0.0
                    if ORDER[j] < N_OWN: w[AT_X + j*L + l] = X0[ORDER[j], sub[l]]  # not time, nor parameters that move
            else: w[AT_X + i + l] = op_value[k, sub[l]]


@njit(**OPTIONS)
def spoil(w, bad):
    """Mark lanes with a state that is no number: the difference of those from themselves is not 0."""
    rest = splat(0.0)
    for i in range(0, N*L, L): rest = rest + (load(w, AT_X + i) - load(w, AT_X + i))
    store(w, AT_REST, rest)
    for l in range(L): bad[l] = bad[l] or w[AT_REST + l] != 0.0


@njit(**OPTIONS)
def write(w, at, place, full, take, keep, want, states_out, ports_out):
    """States and ports at one output time, into the block of these lanes. place : block times outputs, plus output, in lanes."""
    if want.shape[0] > 0: ports(w, at)
    n_keep, n_want = keep.shape[0], want.shape[0]
    if full:
        for i in range(n_keep): store(states_out, place*n_keep + i*L, load(w, at + PLACE[keep[i]]*L))
        for i in range(n_want): store(ports_out, place*n_want + i*L, load(w, AT_O + want[i]*L))
    else:
        for l in range(L):
            if take[l]:
                for i in range(n_keep): states_out[place*n_keep + i*L + l] = w[at + PLACE[keep[i]]*L + l]
                for i in range(n_want): ports_out[place*n_want + i*L + l] = w[AT_O + want[i]*L + l]
'''

_DRIVER = '''
@njit(**OPTIONS)
def go(w, at, n_levels, forced, counts, dt):
    """Advance the head at an offset by the times in `dt`: their binary digits, then what is left below DELTA as a Taylor series.

    A lane's numbers do not depend on the other lanes: a lane takes part in a level, or keeps its state.
    """
    alike = True  #: head
    for l in range(1, L): alike = alike and dt[l] == dt[0]  #: head
    some, every, rest = 0, -1, False  #: head
    for l in range(1 if alike else L):  #: head
        time = dt[l]  #: head
        count = int(time*(1.0/DELTA))  #: head
        over = time - count*DELTA  #: head
        if DELTA - over < NO_TIME: count, over = count + 1, 0.0  #: head
        elif over < NO_TIME: over = 0.0  #: head
        counts[l] = count; w[AT_DT + l] = over  #: head
        some |= count; every &= count  #: head
        rest = rest or over > 0.0  #: head
    if alike:  #: head
        store(w, AT_DT, splat(w[AT_DT]))  #: head
        for l in range(1, L): counts[l] = counts[0]  #: head
    top, at_g = n_levels - 1, SIZE + n_levels*N_REACH*L  #: head
    one = kept(top, n_levels)  #: head
    while some >> top != 0:  #: head
        product(w, at, w, AT_SPARE, w, SIZE + top*N_REACH*L, at_g + top*NH*L, forced, one)  #: head
        some = 0  #: head
        for l in range(L):  #: head
            if counts[l] >> top != 0:  #: head
                counts[l] -= 1 << top  #: head
                for i in range(NH): w[at + i*L + l] = w[AT_SPARE + i*L + l]  #: head
            some |= counts[l]  #: head
    k = 0  #: head
    while some >> k != 0:  #: head
        if (some >> k) & 1 != 0:  #: head
            one = kept(k, n_levels)  #: head
            if (every >> k) & 1 != 0: product(w, at, w, at, w, SIZE + k*N_REACH*L, at_g + k*NH*L, forced, one)  #: head
            else:  #: head
                product(w, at, w, AT_SPARE, w, SIZE + k*N_REACH*L, at_g + k*NH*L, forced, one)  #: head
                for l in range(L):  #: head
                    if (counts[l] >> k) & 1 != 0:  #: head
                        for i in range(NH): w[at + i*L + l] = w[AT_SPARE + i*L + l]  #: head
        k += 1  #: head
    if rest: short(w, at)  #: head
    return


@njit(**OPTIONS)
def look(w, at):
    """Values and two derivatives of the head states the tail reads."""
    rates_of(w, PLACES[5], PLACES[6], PLACES[7], NEAR, A_FIRST, A_COLUMN, A_VALUE)  #: both
    changes(w, PLACES[6], at + 2*NC*L, B_FIRST, B_COLUMN, B_VALUE)  #: both
    for c in range(NC):  #: both
        store(w, at + c*L, load(w, AT_X + COUPLED[c]*L))  #: both
        store(w, at + (NC + c)*L, load(w, AT_D1 + SEEN[c]*L))  #: both
    return


@njit(**OPTIONS)  #: tail
def advance(w, n_levels, forced, counts, dt):  #: tail
    """A step of the time in H (tail) and `dt` (head) after a look: the head is moved, the tail's new states stand in Y."""  #: tail
    go(w, SPOT[0], n_levels, forced, counts, dt)  #: tail
    look(w, SPOT[3])  #: both
    nodes(w)  #: both
    step(w)  #: tail


@njit(**OPTIONS)
def run(lo, hi, t0, length, n_steps, first, steps, refine, op_first, op_code, op_state, op_value, block, P, X0, t_out, rank, opens,
        floor, n_levels, keep, want, states_out, ports_out, error, status):
    """Advance subjects lo..hi through all segments; results stand in blocks of lanes, from the first one on. See ketasim.solve._driver for the arrays."""
    n_seg = length.shape[0]
    n_out = t_out.shape[0]
    w = aligned(SIZE + n_levels*LEVEL*L)  #: head
    w = aligned(SIZE)  #: headless
    for i in range(w.shape[0]): w[i] = 0.0
    t = np.empty(L); worst_yet = np.empty(L); tau = np.empty(L); begin = np.empty(L); span = np.empty(L); end = np.empty(L)
    sub = np.empty(L, np.int64); nxt = np.empty(L, np.int64); counts = np.empty(L, np.int64); dt = np.empty(L)
    take = np.empty(L, np.bool_); bad = np.empty(L, np.bool_); ends = np.empty(L, np.bool_)
    for i in range(NT):  #: tail
        for l in range(L): w[AT_F + i*L + l] = floor[ORDER[NH + i]]  #: tail
    for start in range(lo, hi, L):
        for l in range(L):
            sub[l] = min(start + l, hi - 1)
            worst_yet[l] = 0.0; nxt[l] = 0; bad[l] = False
            for i in range(N):
                w[AT_X + i*L + l] = X0[ORDER[i], sub[l]]; w[AT_R + i*L + l] = 0.0
        now = -1
        for s in range(n_seg):
            operate(w, op_first[s], op_first[s + 1], op_code, op_state, op_value, X0, sub)
            last = s == n_seg - 1
            longest, alike = 0.0, True
            for l in range(L):
                begin[l] = t0[s, sub[l]]; span[l] = length[s, sub[l]]; t[l] = begin[l]; tau[l] = begin[l]
                longest = max(longest, span[l])
                alike = alike and begin[l] == begin[0] and span[l] == span[0] and nxt[l] == nxt[0]
            lead = 1 if alike else L  # lanes whose times have to be looked at: all follow the first one
            if longest == 0.0 and not last and not awaited(nxt, begin, t_out, rank, opens[s]): continue
            if block[s] != now:
                now = block[s]
                adopt(w, P, now, sub, n_levels)
            forced = enter(w, n_levels)
            for i in range(0, NH*L, L): store(w, AT_OUT + i, load(w, AT_X + i))  #: tail
            look(w, SPOT[2])  #: both
            number, part = 0, 0
            going = True
            while going:
                going = False
                share = 1e300
                share = steps[first[s] + min(number, n_steps[s] - 1)]/refine  #: tail
                beyond = number - n_steps[s] - SPARE  # a longer segment than the planned one goes on with its last step, not for ever  #: tail
                if beyond > 0: share *= 2.0**min(beyond, 200)  #: tail
                for l in range(lead):
                    rest = begin[l] + span[l] - t[l] if not ends[l] or number + part == 0 else 0.0
                    ends[l] = rest <= 1.05*share
                    h = max(rest, 0.0) if ends[l] else share
                    end[l] = begin[l] + span[l] if ends[l] else t[l] + h
                    dt[l] = h
                    w[AT_H + l] = max(h, 1e-12)
                    going = going or not ends[l]
                if alike:
                    for l in range(1, L): dt[l] = dt[0]
                    store(w, AT_H, splat(w[AT_H]))
                advance(w, n_levels, forced, counts, dt)  #: tail
                for l in range(L):  #: tail
                    # What happens within the resolution of times, such as a switch, is no error of the method.  #: tail
                    if w[AT_H + l] > SHORTEST: worst_yet[l] = w[AT_E + l] if not w[AT_E + l] <= worst_yet[l] else worst_yet[l]  #: tail
                j = nxt[0]
                for l in range(1, lead): j = min(j, nxt[l])
                asked = False  #: tail
                while j < n_out:
                    count, inside_any = 0, False
                    for l in range(lead):
                        # begin + span may round to just below the last output time, which must not be lost.
                        reach = max(end[l], t_out[n_out - 1]) if last and ends[l] else end[l]
                        inside = t_out[j] < reach or (t_out[j] == reach and (opens[s] > rank[j] or not ends[l]))
                        take[l] = inside and j >= nxt[l]
                        inside_any = inside_any or inside
                        if take[l]:
                            count += 1
                            nxt[l] = j + 1
                            w[AT_TH + l] = min(max((t_out[j] - t[l])/w[AT_H + l], 0.0), 1.0)  #: tail
                        dt[l] = max(t_out[j] - tau[l], 0.0) if take[l] else 0.0
                        if take[l]: tau[l] = max(t_out[j], tau[l])
                    if not inside_any: break
                    if alike:
                        for l in range(1, L): dt[l] = dt[0]
                        store(w, AT_TH, splat(w[AT_TH]))
                        count = L
                    if count > 0:
                        go(w, SPOT[0], n_levels, forced, counts, dt)  #: plain
                        write(w, SPOT[0], (start - lo)*n_out + j*L, count == L, take, keep, want, states_out, ports_out)  #: plain
                        go(w, SPOT[1], n_levels, forced, counts, dt)  #: tail
                        if not asked: interpolant(w)  #: tail
                        asked = True  #: tail
                        dense(w, SPOT[1])  #: tail
                        write(w, SPOT[1], (start - lo)*n_out + j*L, count == L, take, keep, want, states_out, ports_out)  #: tail
                    j += 1
                all_moved = True
                for l in range(lead):
                    all_moved = all_moved and end[l] > t[l]
                    t[l] = end[l]
                if all_moved:  #: tail
                    for i in range(0, NT*L, L): store(w, AT_TAIL + i, load(w, AT_Y + i))  #: tail
                else:  #: tail
                    for l in range(L):  #: tail
                        if w[AT_H + l] > 1e-12:  #: tail
                            for i in range(NT): w[AT_TAIL + i*L + l] = w[AT_Y + i*L + l]  #: tail
                for i in range(0, 3*NC*L, L): store(w, AT_B0 + i, load(w, AT_B1 + i))  #: both
                part += 1
                if part == refine:
                    number += 1; part = 0
            if alike:
                for l in range(1, L): nxt[l] = nxt[0]; tau[l] = tau[0]
            if not last:  #: plain
                for l in range(L): dt[l] = max(begin[l] + span[l] - tau[l], 0.0)  #: plain
                go(w, SPOT[0], n_levels, forced, counts, dt)  #: plain
            spoil(w, bad)
        for l in range(L):
            if start + l < hi:
                error[start + l] = worst_yet[l]
                status[start + l] = 1 if bad[l] or not np.isfinite(worst_yet[l]) else 0
'''

_PLANNER = '''
@njit(**OPTIONS)
def rounded(h):
    """The next shorter time with at most three binary digits: cheap for the head, the same for all patients."""
    whole = 2.0**np.floor(np.log2(h))
    return np.floor(4.0*h/whole)*0.25*whole


@njit(**OPTIONS)
def trial(w, h, begin, span, t, n_levels, forced, counts, dt):
    """Try one step of all lanes from the saved head; returns the largest error ratio."""
    for i in range(0, NH*L, L): store(w, AT_X + i, load(w, AT_SAVED + i))
    look(w, SPOT[2])  #: both
    for l in range(L):
        rest = max(begin[l] + span[l] - t[l], 0.0)
        dt[l] = rest if rest <= 1.05*h else h
        w[AT_H + l] = max(dt[l], 1e-12)
    advance(w, n_levels, forced, counts, dt)
    top = 0.0
    for l in range(L):
        if w[AT_H + l] > 1e-12:
            for i in range(NT*L):
                if not np.isfinite(w[AT_Y + i]): return np.inf
            top = w[AT_E + l] if not w[AT_E + l] <= top else top
    return top if np.isfinite(top) else np.inf


@njit(**OPTIONS)
def runs_away(w, l, tolerance, tops):
    """Whether a lane's states leave all bounds in the shortest step there is: at a pole they still grow, at a mere jump of a rate they do not."""
    for i in range(NT):
        if not np.isfinite(w[AT_Y + i*L + l]): return True
    if w[AT_H + l] <= 1e-12 or w[AT_E + l] <= tolerance: return False
    for i in range(NT):
        old = w[AT_X + (NH + i)*L + l]
        if abs(old) > 0.0 and abs(old) >= 0.5*tops[i, l] and abs(w[AT_Y + i*L + l] - old) > 1e-3*abs(old): return True
    return False


@njit(**OPTIONS)
def walk(m, t0, length, op_first, op_code, op_state, op_value, block, P, X0, t_out, tolerance, order, floor, peaks, n_levels, steps, n_steps):
    """Choose the steps of every segment so that no lane's error exceeds the tolerance. Returns their number, -1 where `steps` is too short."""
    w = aligned(SIZE + n_levels*LEVEL*L)  #: head
    w = aligned(SIZE)  #: headless
    for i in range(w.shape[0]): w[i] = 0.0
    t = np.empty(L); begin = np.empty(L); span = np.empty(L); sub = np.empty(L, np.int64); counts = np.empty(L, np.int64); dt = np.empty(L)
    middle = np.empty(NT*L); tops = np.zeros((NT, L))
    for l in range(L):
        sub[l] = min(l, m - 1)
        for i in range(N): w[AT_X + i*L + l] = X0[ORDER[i], sub[l]]
        for i in range(NT): w[AT_F + i*L + l] = floor[ORDER[NH + i]]
    now, total = -1, 0
    for s in range(length.shape[0]):
        operate(w, op_first[s], op_first[s + 1], op_code, op_state, op_value, X0, sub)
        longest, earliest = 0.0, np.inf
        for l in range(L):
            begin[l] = t0[s, sub[l]]; span[l] = length[s, sub[l]]; t[l] = begin[l]
            longest = max(longest, span[l]); earliest = min(earliest, begin[l])
        if block[s] != now:
            now = block[s]
            adopt(w, P, now, sub, n_levels)
        n_steps[s] = 1
        if total > steps.shape[0] - 2: return -1
        steps[total] = max(rounded(longest) if longest > 0.0 else 1.0, 1e-9)
        if longest == 0.0:
            total += 1
            continue
        forced = enter(w, n_levels)
        done, h, here = 0.0, 0.1*longest, 0
        while done < longest*(1.0 - 1e-12):
            if total > steps.shape[0] - 2: return -1
            h = longest - done if longest - done <= h else rounded(h)
            for i in range(0, NH*L, L): store(w, AT_SAVED + i, load(w, AT_X + i))
            got = trial(w, h, begin, span, t, n_levels, forced, counts, dt)
            while got > tolerance and h > SHORTEST:  # a jump is passed in one step that the head still tells from none
                h = rounded(h*max(0.1, 0.85*(tolerance/got)**(1.0/order)) if np.isfinite(got) else 0.1*h)
                got = trial(w, h, begin, span, t, n_levels, forced, counts, dt)
            if not got <= tolerance:
                # Whoever runs away is left out, and the others are planned for without them.
                sane, lost = -1, False
                for l in range(L):
                    if runs_away(w, l, tolerance, tops): lost = True
                    else: sane = l
                if sane < 0: h = longest - done  # nobody is left: the status says so
                elif lost:
                    for l in range(L):
                        if runs_away(w, l, tolerance, tops):
                            for i in range(0, w.shape[0], L): w[i + l] = w[i + sane]
                            for i in range(NT): tops[i, l] = tops[i, sane]
                            sub[l] = sub[sane]; begin[l] = begin[sane]; span[l] = span[sane]; t[l] = t[sane]
                    got = trial(w, h, begin, span, t, n_levels, forced, counts, dt)
            for round in range(60):
                within = False
                for o in range(t_out.shape[0]):
                    within = within or (t_out[o] > earliest + done and t_out[o] < earliest + done + h)
                if not within: break
                # Error of the interpolant in the middle of the step, against a step of half the length.
                for l in range(L): w[AT_TH + l] = 0.5
                interpolant(w)
                dense(w, SPOT[1])
                for i in range(NT*L): middle[i] = w[AT_OUT + NH*L + i]
                trial(w, 0.5*h, begin, span, t, n_levels, forced, counts, dt)
                wide = 0.0
                for l in range(L):
                    if begin[l] + span[l] - t[l] > h:
                        for i in range(NT):
                            exact = w[AT_Y + i*L + l]
                            wide = max(wide, abs(middle[i*L + l] - exact)/(max(abs(exact), abs(middle[i*L + l])) + w[AT_F + i*L + l]))
                if not np.isfinite(got): break
                if wide > tolerance: h = rounded(h*max(0.2, 0.85*(tolerance/wide)**(1.0/order)))
                got = max(trial(w, h, begin, span, t, n_levels, forced, counts, dt), wide if wide <= tolerance else 0.0)
                if wide <= tolerance: break
            for l in range(L):
                rest = max(begin[l] + span[l] - t[l], 0.0)
                moved = rest if rest <= 1.05*h else h
                if moved > 0.0:
                    for i in range(NT): w[AT_X + (NH + i)*L + l] = w[AT_Y + i*L + l]
                t[l] += moved
            for i in range(NT):
                for l in range(L): tops[i, l] = max(tops[i, l], abs(w[AT_X + (NH + i)*L + l]))
            steps[total] = h
            total += 1; here += 1
            done = longest if longest - done <= 1.05*h else done + h
            h *= min(6.0, 0.85*(tolerance/max(got, 1e-300))**(1.0/order)) if np.isfinite(got) else 1.0
        n_steps[s] = max(here, 1)
        if here == 0: total += 1
    for i in range(NT):
        for l in range(L):
            if np.isfinite(w[AT_X + (NH + i)*L + l]): peaks[ORDER[NH + i]] = max(peaks[ORDER[NH + i]], tops[i, l])
    return total
'''
