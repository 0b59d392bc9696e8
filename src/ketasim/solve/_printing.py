"""Prints the phases of a run as straight-line Python over lanes: coefficients, ports, and the Rosenbrock step of the tail."""

# pyright: reportGeneralTypeIssues=false, reportArgumentType=false, reportReturnType=false, reportCallIssue=false, reportAttributeAccessIssue=false, reportIncompatibleMethodOverride=false, reportAssignmentType=false
# SymPy's annotations give its base class where it returns expressions.

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np
import sympy
from sympy.printing.pycode import PythonCodePrinter

from ketasim.solve._head import DELTA, LANES, N_DENSE, NO_TIME, SINGLE_LANES, Head
from ketasim.solve._tableau import hermite

if TYPE_CHECKING:
    from ketasim.model._trace import System
    from ketasim.solve._algebra import StepProgram
    from ketasim.solve._tableau import Tableau


#: Steps a segment may take beyond those planned before they grow.
_SPARE = 1000


class _Code(PythonCodePrinter):
    """What both targets share: small powers as products, numbers as floats."""

    def _print_Pow(self, expr: sympy.Pow, **_: object) -> str:
        base, exponent = expr.args
        text = self.parenthesize(base, 1000)
        if exponent.is_Integer and 1 < abs(int(exponent)) <= 8:
            product = "(" + "*".join([text] * abs(int(exponent))) + ")"
            return product if exponent > 0 else f"(1.0/{product})"
        if exponent == -1:
            return f"(1.0/{text})"
        if exponent == sympy.Rational(1, 2):
            return self._root(base)
        if exponent == -sympy.Rational(1, 2):
            return f"(1.0/{self._root(base)})"
        return self._power(base, exponent)

    def _root(self, base: sympy.Expr) -> str:
        raise NotImplementedError

    def _power(self, base: sympy.Expr, exponent: sympy.Expr) -> str:
        raise NotImplementedError

    def _print_Rational(self, expr: sympy.Rational) -> str:
        return repr(float(expr))

    def _print_Integer(self, expr: sympy.Integer) -> str:
        return f"{int(expr)}.0"

    def _print_Float(self, expr: sympy.Float) -> str:
        return repr(float(expr))

    _print_Pi = _print_Exp1 = _print_Float


class Vector(_Code):
    """Expressions over lanes: operators are SIMD operators, functions those of `_lanes`."""

    def row(self, expr: sympy.Expr) -> str:
        """An expression as lanes, also where it is a plain number."""
        return self._print(expr) if expr.free_symbols else f"splat({self._print(expr)})"

    def _root(self, base: sympy.Expr) -> str:
        return f"vsqrt({self.row(base)})"

    def _power(self, base: sympy.Expr, exponent: sympy.Expr) -> str:
        return f"vpow({self.row(base)}, {self.row(exponent)})"

    def _print_exp(self, expr: sympy.exp) -> str:
        return f"vexp({self.row(expr.args[0])})"

    def _print_log(self, expr: sympy.log) -> str:
        return f"vlog({self.row(expr.args[0])})"

    def _print_tanh(self, expr: sympy.tanh) -> str:
        return f"vtanh({self.row(expr.args[0])})"

    def _print_sin(self, expr: sympy.sin) -> str:
        return f"vsin({self.row(expr.args[0])})"

    def _print_cos(self, expr: sympy.cos) -> str:
        return f"vcos({self.row(expr.args[0])})"

    def _print_Abs(self, expr: sympy.Abs) -> str:
        return f"vabs({self.row(expr.args[0])})"

    def _print_Piecewise(self, expr: sympy.Piecewise) -> str:
        *cases, (last, _) = expr.args
        text = self.row(last)
        for value, condition in reversed(cases):
            text = f"where({self._print(condition)}, {self.row(value)}, {text})"
        return text

    def _print_Relational(self, expr: sympy.core.relational.Relational) -> str:
        a, b = self.row(expr.lhs), self.row(expr.rhs)
        kinds = {"<": f"less({a}, {b})", "<=": f"less_equal({a}, {b})", ">": f"less({b}, {a})", ">=": f"less_equal({b}, {a})",
                 "==": f"equal({a}, {b})", "!=": f"(1.0 - equal({a}, {b}))"}  # fmt: skip
        return kinds[expr.rel_op]

    def _print_And(self, expr: sympy.And) -> str:
        return "(" + "*".join(self._print(a) for a in expr.args) + ")"

    def _print_Or(self, expr: sympy.Or) -> str:
        return "(1.0 - " + "*".join(f"(1.0 - {self._print(a)})" for a in expr.args) + ")"

    def _print_Not(self, expr: sympy.Not) -> str:
        return f"(1.0 - {self._print(expr.args[0])})"

    def _print_Min(self, expr: sympy.Min) -> str:
        return self._extreme(expr.args, smaller=True)

    def _print_Max(self, expr: sympy.Max) -> str:
        return self._extreme(expr.args, smaller=False)

    def _extreme(self, args: tuple[sympy.Expr, ...], smaller: bool) -> str:
        text = self.row(args[0])
        for a in args[1:]:
            other = self.row(a)
            first, second = (text, other) if smaller else (other, text)
            text = f"where(less({first}, {second}), {text}, {other})"
        return text


class Array(_Code):
    """Expressions over NumPy arrays held in a mapping ``p`` by parameter name: for inlets, evaluated once per run."""

    def _root(self, base: sympy.Expr) -> str:
        return f"np.sqrt({self._print(base)})"

    def _power(self, base: sympy.Expr, exponent: sympy.Expr) -> str:
        return f"({self._print(base)})**({self._print(exponent)})"

    def _print_Symbol(self, expr: sympy.Symbol) -> str:
        return f"p[{str(expr)!r}]"

    def _print_Piecewise(self, expr: sympy.Piecewise) -> str:
        *cases, (last, _) = expr.args
        text = self._print(last)
        for value, condition in reversed(cases):
            text = f"np.where({self._print(condition)}, {self._print(value)}, {text})"
        return text

    def _print_Min(self, expr: sympy.Min) -> str:
        return self._extreme("minimum", expr.args)

    def _print_Max(self, expr: sympy.Max) -> str:
        return self._extreme("maximum", expr.args)

    def _extreme(self, name: str, args: tuple[sympy.Expr, ...]) -> str:
        text = self._print(args[0])
        for a in args[1:]:
            text = f"np.{name}({text}, {self._print(a)})"
        return text

    def _print_exp(self, expr: sympy.exp) -> str:
        return f"np.exp({self._print(expr.args[0])})"

    def _print_log(self, expr: sympy.log) -> str:
        return f"np.log({self._print(expr.args[0])})"

    def _print_tanh(self, expr: sympy.tanh) -> str:
        return f"np.tanh({self._print(expr.args[0])})"

    def _print_sin(self, expr: sympy.sin) -> str:
        return f"np.sin({self._print(expr.args[0])})"

    def _print_cos(self, expr: sympy.cos) -> str:
        return f"np.cos({self._print(expr.args[0])})"


class Printer:
    """Source of the phases of a run over one block of lanes.

    All quantities share one array ``w`` of rows (row = one quantity, `lanes` patients). States stand head first, tail after; the
    symbols of a step program count states in the model's order.
    """

    def __init__(self, program: StepProgram, system: System, tableau: Tableau, single: bool = False) -> None:
        self.program, self.system, self.tableau, self.single = program, system, tableau, single
        self.lanes = SINGLE_LANES if single else LANES
        self.head, self.tail = program.head, program.tail
        self.place = {i: k for k, i in enumerate((*self.head, *self.tail))}
        self.pattern = Head(len(self.head), tuple(sorted((self.place[i], self.place[j]) for i, j in program.linear if i in self.place and i in self.head)))  # fmt: skip
        self.coupled = program.coupled
        self.code = Vector({"fully_qualified_modules": False})
        self.entries = sorted(program.pattern)
        self.alpha, self.gamma = tableau.nodes
        self.moments = sorted(set(self.alpha))
        nt, nh, nc = len(self.tail), len(self.head), len(self.coupled)
        n_reach = len(self.pattern.reach) if nh else 0
        sizes = {
            "x": nh + nt, "out": nh + nt, "r": nh + nt, "p": len(program.params), "q": len(program.coefficients), "h": 1, "dt": 1,
            "norm": 1, "ht": 1, "terms": 1, "c": nh, "spare": max(2 * n_reach, 2 * nh), "saved": nh + nt, "d1": nh, "b0": 3 * nc,
            "b1": 3 * nc, "z": nc * len(self.moments), "slope": nc, "f": nt, "ft": nt, "u": nt, "g": nt, "hi": 1,
            "w": len(self.entries), "v": nt, "stages": nt * tableau.stages, "y": nt, "d": nt * len(tableau.dense), "e": 1, "th": 1,
            "k": nt, "moving": nh, "rest": 1, "o": len(program.ports),
        }  # fmt: skip
        self.rows: dict[str, int] = {}
        self.total = 0
        for name, size in sizes.items():
            self.rows[name], self.total = self.total, self.total + size

    # -- what stands at the top of the module ------------------------------------------------------------------------
    def constants(self) -> str:
        """Sizes, offsets and index lists, as globals of the module."""
        program = self.program
        lines = [f"N, NH, NT, NC, NP, NO, L = {len(self.place)}, {len(self.head)}, {len(self.tail)}, {len(self.coupled)}, "
                 f"{len(program.params)}, {len(program.ports)}, {self.lanes}", f"N_OWN = {program.own}"]  # fmt: skip
        lines += [f"AT_{name.upper()} = {row * self.lanes}" for name, row in self.rows.items()]
        lines += [
            "AT_TAIL = AT_X + NH*L",
            "SPOT = np.array([AT_X, AT_OUT, AT_B0, AT_B1], np.int64)",
            f"SIZE = {self.total * self.lanes}",
            f"DELTA, N_DENSE, NO_TIME, SHORTEST, SPARE = {DELTA!r}, {N_DENSE}, {NO_TIME!r}, {32 * NO_TIME!r}, {_SPARE}",
        ]
        order = (*self.head, *self.tail)
        lines += [_ints("ORDER", order), _ints("PLACE", [self.place[i] for i in range(len(order))])]
        lines += [_ints("CONSTANT_ROW", [self.place[i] for i in program.constant if i in self.head]),
                  _ints("CONSTANT_AT", [self.coefficient(s) for i, s in program.constant.items() if i in self.head])]  # fmt: skip
        if self.head:
            lines += self._lists()
        return "\n".join(lines) + "\n"

    def _lists(self) -> list[str]:
        pattern = self.pattern
        value = [self.coefficient(self.program.linear[self.head[i], self.head[j]]) for i, j in pattern.entries]
        first, column = pattern.rows(pattern.entries, self.lanes)
        first_m, column_m = pattern.rows(pattern.reach, self.lanes)
        first_a, left_a, right_a = pattern.products(pattern.entries)
        first_s, left_s, right_s = pattern.products(pattern.reach)
        inside = pattern.inside
        # Second derivatives of what the tail reads need the first ones of whatever feeds it.
        coupled = [self.place[i] for i in self.coupled]
        onward = [[(j, value[k]) for k, (row, j) in enumerate(pattern.entries) if row == i] for i in coupled]
        near = sorted({*coupled, *(j for r in onward for j, _ in r)})
        named = {
            "A_FIRST": first, "A_COLUMN": column, "A_VALUE": value, "M_FIRST": first_m, "M_COLUMN": column_m,
            "TAYLOR_FIRST": first_a, "TAYLOR_LEFT": [value[k] for k in left_a], "TAYLOR_RIGHT": right_a * self.lanes,
            "SQUARE_FIRST": first_s, "SQUARE_LEFT": left_s * self.lanes, "SQUARE_RIGHT": right_s * self.lanes, "OWN": pattern.own,
            "DIAGONAL": pattern.diagonal, "INSIDE_COLUMN": [pattern.entries[k][1] for k in inside],
            "INSIDE_ROW": [pattern.entries[k][0] for k in inside], "INSIDE_VALUE": [value[k] for k in inside],
            "COUPLED": coupled, "NEAR": near, "SEEN": [near.index(i) for i in coupled],
            "B_FIRST": np.concatenate([[0], np.cumsum([len(r) for r in onward])]), "B_COLUMN": [near.index(j) * self.lanes for r in onward for j, _ in r],
            "B_VALUE": [v for r in onward for _, v in r],
        }  # fmt: skip
        lists = [_ints(name, values) for name, values in named.items()]
        # Numbers from an array: Numba would compile the functions of `_linear` anew for every number that stands in their calls.
        places = f"PLACES = np.array([N_DENSE, AT_NORM, AT_HT, SIZE, AT_SPARE, AT_X, AT_D1, AT_C, AT_TERMS, {pattern.depth}], np.int64)"
        kind = "single" if self.single else "double"
        return [*lists, places, f"N_REACH = {len(pattern.reach)}", f"LEVEL = N_REACH + {2 if self.single else 1}*NH", f"product = sparse_product(M_FIRST, M_COLUMN, {kind})",
                f"term = sparse_term(A_FIRST, A_COLUMN, A_VALUE, {kind})"]  # fmt: skip

    def inlets(self) -> str:
        """Functions of the dosing quantities and initial values over a mapping of parameter arrays."""
        array = Array({"fully_qualified_modules": False}).doprint
        lines: list[str] = []
        for name, inlet in self.system.inlets.items():
            index = self.program.states.index(name)
            for kind in ("F", "lag", "duration", "rate"):
                value = getattr(inlet, kind)
                if value is not None:
                    lines.append(f"def {kind}_{index}(p):\n    return {array(value)}\n")
        values = ", ".join(array(self.system.initial[s]) if s in self.system.initial else "0.0" for s in self.program.states)
        lines.append(f"def initial(p):\n    return ({values},)\n")
        lines.append(self._resting(array))
        return "\n".join(lines)

    def _resting(self, array: Callable[[sympy.Expr], str]) -> str:
        """Rates that vanish at the rest some states start at, and their slopes, over a mapping of arrays."""
        from ketasim.solve._algebra import slopes_of

        resting = self.system.resting
        rows = slopes_of(resting)
        rates = ", ".join(array(e) for e in resting.values())
        slopes = "".join(f"({', '.join(array(e) for e in row)},), " for row in rows)
        return f"RESTING = {tuple(resting)!r}\ndef balance(p):\n    return ({rates}{',' if resting else ''}), ({slopes})\n"

    def coefficients(self) -> str:
        """Everything constant between events, once per segment with new parameters."""
        body = self.load("p", self._used(e for _, e in self.program.coefficients))
        body += [f"store(w, {self.coefficient(name)}, {self.code.row(e)})" for name, e in self.program.coefficients]
        return _function("coefficients(w)", body)

    def ports(self) -> str:
        """Ports of a state that stands at an offset."""
        program = self.program
        expressions = [e for _, e in program.port_temporaries] + list(program.ports.values())
        used = self._used(expressions)
        body = [f"x{i} = load(w, at + {self.place[i] * self.lanes})" for i in _indices(used, "x")] + self.load("p", used)
        body += [f"{name} = {self.code.row(e)}" for name, e in program.port_temporaries]
        body += [f"store(w, {self._at('o', k)}, {self.code.row(e)})" for k, e in enumerate(program.ports.values())]
        return _function("ports(w, at)", body)

    # -- the Rosenbrock step of the tail -----------------------------------------------------------------------------
    def step(self) -> str:
        """One step of the tail: input from the head at the stages, factorise, all stages, error ratio, interpolant."""
        # Offsets from an array: Numba would compile a function anew for every number that stands in its call.
        moments = [int(self._at("z", self.moments.index(a) * len(self.coupled))) for a in self.alpha]
        kept = [int(self._at("stages", s * len(self.tail))) for s in range(self.tableau.stages)]
        lines = [
            "\n" + _ints("INPUT_AT", moments),
            _ints("STAGE_AT", kept),
            "@njit(**OPTIONS)",
            "def step(w):",
            "    factorise(w)",
        ]
        for s in range(self.tableau.stages):
            lines += [f"    stage_{s}(w)", f"    solve_stage(w, INPUT_AT[{s}], STAGE_AT[{s}])"]
        lines += ["    worst(w)"]
        pieces = [self._nodes(), self._factorise(), self._solve_stage(), *(self._stage(s) for s in range(self.tableau.stages)),
                  self._worst()]  # fmt: skip
        return "".join(pieces) + "\n".join(lines) + "\n" + self._interpolant() + self._dense()

    def _nodes(self) -> str:
        """Head states at the stages, from their values and two derivatives at both ends of the step (quintic Hermite)."""
        nc = len(self.coupled)
        body = ["h = load(w, AT_H)"]
        for c in range(nc):
            body += [f"x0 = load(w, {self._at('b0', c)})", f"v0 = h*load(w, {self._at('b0', nc + c)})",
                     f"a0 = h*h*load(w, {self._at('b0', 2 * nc + c)})", f"x1 = load(w, {self._at('b1', c)})",
                     f"v1 = h*load(w, {self._at('b1', nc + c)})", f"a1 = h*h*load(w, {self._at('b1', 2 * nc + c)})"]  # fmt: skip
            body.append(f"store(w, {self._at('slope', c)}, load(w, {self._at('b0', nc + c)}))")
            for k, s in enumerate(self.moments):
                weights = hermite(s)
                terms = [f"{v!r}*{name}" for v, name in zip(weights, ("x0", "v0", "a0", "a1", "v1", "x1"), strict=True) if v]
                body.append(f"store(w, {self._at('z', k * nc + c)}, {' + '.join(terms)})")
        return _function("nodes(w)", body)

    def _factorise(self) -> str:
        program = self.program
        nonlinear = {k: e for k, e in program.jacobian.items() if k[0] in self.tail}
        linear = {k: q for k, q in program.linear.items() if k[0] in self.tail}
        used = self._used([e for _, e in program.jacobian_temporaries] + list(nonlinear.values()))
        used |= {str(q) for q in linear.values()}
        body = self._state(used, "AT_X", self._at("z", self.moments.index(0.0) * len(self.coupled)))
        body += self.load("p", used) + self.load("q", used)
        body += ["h = load(w, AT_H)", "hi = 1.0/h", "store(w, AT_HI, hi)", f"dg = {1.0 / self.tableau.gamma!r}*hi"]
        body += [f"{name} = {self.code.row(e)}" for name, e in program.jacobian_temporaries]
        entry = {k: " + ".join(([str(linear[k])] if k in linear else []) + ([f"({self.code.row(nonlinear[k])})"] if k in nonlinear else []))
                 for k in {*linear, *nonlinear}}  # fmt: skip
        for i, j in self.entries:
            terms = (["dg"] if i == j else []) + ([f"({entry[i, j]})"] if (i, j) in entry else [])
            body.append(f"w{i}_{j} = {' - '.join(terms) if i == j else f'-{terms[0]}' if terms else 'splat(0.0)'}")
        left = set(self.tail)
        for k in program.order:
            left.remove(k)
            body.append(f"v{k} = 1.0/w{k}_{k}")
            for i in self._below(k, left):
                body.append(f"w{i}_{k} = w{i}_{k}*v{k}")
                body += [f"w{i}_{j} = w{i}_{j} - w{i}_{k}*w{k}_{j}" for j in self._right(k, left)]
        body += [f"store(w, {self._at('w', m)}, w{i}_{j})" for m, (i, j) in enumerate(self.entries) if i != j]
        body += [f"store(w, {self._at('v', k)}, v{i})" for k, i in enumerate(self.tail)]
        slopes = {j: f"load(w, {self._at('slope', c)})" for c, j in enumerate(self.coupled)}
        for k, i in enumerate(self.tail):
            terms = [f"({entry[row, j]})*{slopes[j]}" for row, j in sorted(entry) if row == i and j in slopes]
            body.append(f"store(w, {self._at('ft', k)}, {'h*h*(' + ' + '.join(terms) + ')' if terms else 'splat(0.0)'})")
        return _function("factorise(w)", body)

    def _below(self, k: int, left: set[int]) -> list[int]:
        return [i for i in sorted(left) if (i, k) in self.program.pattern]

    def _right(self, k: int, left: set[int]) -> list[int]:
        return [j for j in sorted(left) if (k, j) in self.program.pattern]

    def _solve_stage(self) -> str:
        """Right-hand side at u and the head's values at `at`, plus g/h, then both triangular solves: the increment k goes to `to`."""
        program = self.program
        own = {i: k for k, i in enumerate(self.tail)}
        rest = {i: e for i, e in program.rest.items() if i in own}
        linear = {k: q for k, q in program.linear.items() if k[0] in own}
        constant = {i: q for i, q in program.constant.items() if i in own}
        used = self._used([e for _, e in program.rest_temporaries] + list(rest.values()))
        used |= {str(q) for q in (*linear.values(), *constant.values())} | {f"x{j}" for _, j in linear}
        body = ["hi = load(w, AT_HI)", *self._state(used, "AT_U", "at"), *self.load("p", used), *self.load("q", used)]
        body += [f"{name} = {self.code.row(e)}" for name, e in program.rest_temporaries]
        for i, k in own.items():
            terms = [f"load(w, {self._at('r', len(self.head) + k)})"] + ([str(constant[i])] if i in constant else [])
            terms += [f"{q}*x{j}" for (row, j), q in linear.items() if row == i]
            terms += [f"({self.code.row(rest[i])})"] if i in rest else []
            body.append(f"k{i} = {' + '.join(terms)} + hi*load(w, {self._at('g', k)})")
        place = {entry: m for m, entry in enumerate(self.entries)}
        left = set(self.tail)
        for k in program.order:
            left.remove(k)
            body += [f"k{i} = k{i} - load(w, {self._at('w', place[i, k])})*k{k}" for i in self._below(k, left)]
        done: set[int] = set()
        for k in reversed(program.order):
            minus = "".join(f" - load(w, {self._at('w', place[k, j])})*k{j}" for j in self._right(k, done))
            body.append(f"k{k} = (k{k}{minus})*load(w, {self._at('v', own[k])})")
            done.add(k)
        body += [f"store(w, to + {k * self.lanes}, k{i})" for i, k in own.items()]
        return _function("solve_stage(w, at, to)", body)

    def _stage(self, s: int) -> str:
        """Argument u and history g of a stage: plain sums over all states, every increment read once."""
        tableau = self.tableau
        if s == 0:
            argument, history, used = "load(w, AT_TAIL + i)", "splat(0.0)", set[int]()
        elif tableau.repeats(s):
            argument, history, used = f"load(w, AT_U + i) + k{s - 1}", _sum(tableau.c[s]), {s - 1, *range(s)}
        else:
            argument, history, used = f"load(w, AT_TAIL + i) + {_sum(tableau.a[s])}", _sum(tableau.c[s]), set(range(s))
        if self.gamma[s]:
            history = f"{history} + {self.gamma[s]!r}*load(w, AT_FT + i)"
        body = [*self._increments(used), f"u = {argument}", f"g = {history}", "store(w, AT_U + i, u)", "store(w, AT_G + i, g)"]
        return _function(f"stage_{s}(w)", body, "range(0, NT*L, L)")

    def _increments(self, stages: Iterable[int]) -> list[str]:
        size = len(self.tail) * self.lanes
        return [f"k{j} = load(w, AT_STAGES + i + {j * size})" for j in sorted(stages)]

    def _interpolant(self) -> str:
        """Coefficients of the interpolant, computed only for steps with an output inside."""
        size, rows = len(self.tail) * self.lanes, self.tableau.dense
        body = [*self._increments(range(self.tableau.stages)), *(f"d{m} = {_sum(row)}" for m, row in enumerate(rows))]
        body += [f"store(w, AT_D + i + {m * size}, d{m})" for m in range(len(rows))]
        return _function("interpolant(w)", body, "range(0, NT*L, L)")

    def _worst(self) -> str:
        """New states, and the largest |error|/scale over the tail; a NaN is found later, when the state itself is checked."""
        last = self.rows["stages"] + (self.tableau.stages - 1) * len(self.tail)
        body = ["top = splat(0.0)"]
        for k in range(len(self.tail)):
            body += [
                f"error = load(w, {(last + k) * self.lanes})",
                f"y = load(w, {self._at('u', k)}) + error",
                f"store(w, {self._at('y', k)}, y)",
            ]
            body += [f"old = vabs(load(w, {self._at('x', len(self.head) + k)}))", "new = vabs(y)"]
            body += [f"ratio = vabs(error)/(where(less(old, new), new, old) + load(w, {self._at('f', k)}))"]
            body += ["top = where(less(top, ratio), ratio, top)"]
        return _function("worst(w)", [*body, "store(w, AT_E, top)"])

    def _dense(self) -> str:
        """The interpolant of the tail inside the last step, at one position per lane, written to an offset."""
        body = ["s = load(w, AT_TH)", "z = 1.0 - s"]
        size = len(self.tail) * self.lanes
        rows = [f"load(w, AT_D + i + {m * size})" for m in range(len(self.tableau.dense))]
        inner = " + s*(".join(rows) + ")" * (len(rows) - 1)
        loop = f"store(w, at + NH*L + i, z*load(w, AT_TAIL + i) + s*(load(w, AT_Y + i) + z*({inner})))"
        return _function("dense(w, at)", [*body, "for i in range(0, NT*L, L):", "    " + loop])

    # -- pieces -----------------------------------------------------------------------------------------------------
    def _used(self, expressions: object) -> set[str]:
        return {str(s) for e in expressions for s in e.free_symbols}  # type: ignore[attr-defined]

    def _at(self, kind: str, index: int = 0) -> str:
        return str((self.rows[kind] + index) * self.lanes)

    def coefficient(self, name: object) -> int:
        """Offset of a coefficient."""
        return (self.rows["q"] + int(str(name)[1:])) * self.lanes

    def load(self, kind: str, used: set[str]) -> list[str]:
        """Statements that load the used rows of parameters (``p``) or coefficients (``q``)."""
        return [f"{kind}{k} = load(w, {self._at(kind, k)})" for k in _indices(used, kind)]

    def _state(self, used: set[str], tail: str, head: str) -> list[str]:
        """Loads of the states an expression uses: the tail's from `tail`, the head's from `head`."""
        start = len(self.head) if tail == "AT_X" else 0
        own, given = {i: k + start for k, i in enumerate(self.tail)}, {i: c for c, i in enumerate(self.coupled)}
        lines = [f"x{i} = load(w, {tail} + {own[i] * self.lanes})" for i in _indices(used, "x") if i in own]
        return lines + [f"x{i} = load(w, {head} + {given[i] * self.lanes})" for i in _indices(used, "x") if i in given]


def _sum(row: tuple[float, ...]) -> str:
    return " + ".join(f"{c!r}*k{j}" for j, c in enumerate(row) if c)


def _indices(used: set[str], prefix: str) -> list[int]:
    return sorted(int(s[len(prefix) :]) for s in used if s.startswith(prefix) and s[len(prefix) :].isdigit())


def _ints(name: str, values: Iterable[int]) -> str:
    return f"{name} = np.array({[int(v) for v in values]}, np.int64)"


def _function(head: str, body: list[str], loop: str = "") -> str:
    """A compiled function; with `loop` its body runs over ``i``."""
    if loop:
        body = [f"for i in {loop}:", *("    " + line for line in body)]
    return f"\n@njit(**OPTIONS)\ndef {head}:\n" + "\n".join("    " + line for line in body or ["pass"]) + "\n"
