"""From symbols to straight-line arithmetic: coefficients, rates, Jacobian and a sparse elimination without fill.

The result is a list of assignments per phase, independent of any target language; `_numba.py` and `_jax.py` print them.
"""

# pyright: reportArgumentType=false, reportReturnType=false, reportCallIssue=false, reportAttributeAccessIssue=false, reportIncompatibleMethodOverride=false, reportAssignmentType=false
# SymPy's annotations give its base class where it returns expressions.

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import sympy

from ketasim.errors import InvalidModel
from ketasim.model._trace import TIME, System, symbol
from ketasim.solve._head import linear_head

K = TypeVar("K")
Assignments = list[tuple[str, sympy.Expr]]

#: Upper size of a sum that is split into coefficient times state before giving up and treating it as nonlinear.
_MAX_TERMS = 400


@dataclass(frozen=True)
class StepProgram:
    """Everything one Rosenbrock step needs, as assignments over plain symbols.

    Attributes
    ----------
    added : how many of `states` are moving parameters or time.
    states, params : names; the symbols in the expressions are ``x0..``, ``p0..``, ``q0..`` (coefficients), ``t0..`` (temporaries).
    coefficients : q_k over parameters: everything that stays constant between events, computed once per segment; also parts of
        `rest` and `jacobian`.
    linear : (row, column) -> q symbol: the part of the rates that is linear in the states.
    constant : row -> q symbol: the part that depends on parameters only.
    rest : temporaries, then row -> nonlinear remainder.
    jacobian : temporaries, then (row, column) -> nonlinear part of the Jacobian.
    head : states that follow a linear system of their own, advanced exactly. tail : all others. coupled : head states the tail reads.
    order : elimination order of the tail; pattern : of its L and U in that order.
    cascade : the tail in levels, each reading the head and earlier levels only, where every rate of the tail is a smooth function of
        those less a constant share of the state itself; else empty.
    ports : temporaries, then port -> expression over states, parameters.
    """

    states: tuple[str, ...]
    params: tuple[str, ...]
    coefficients: Assignments
    linear: Mapping[tuple[int, int], sympy.Symbol]
    constant: Mapping[int, sympy.Symbol]
    rest_temporaries: Assignments
    rest: Mapping[int, sympy.Expr]
    jacobian_temporaries: Assignments
    jacobian: Mapping[tuple[int, int], sympy.Expr]
    head: tuple[int, ...]
    tail: tuple[int, ...]
    coupled: tuple[int, ...]
    order: tuple[int, ...]
    pattern: frozenset[tuple[int, int]]
    cascade: tuple[tuple[int, ...], ...]
    port_temporaries: Assignments
    ports: Mapping[str, sympy.Expr]
    added: int

    @property
    def own(self) -> int:
        """Number of the model's own states; moving parameters and time stand after them."""
        return len(self.states) - self.added

    @property
    def is_linear(self) -> bool:
        """Whether the rates are linear in the states, so that the Jacobian is constant between events."""
        return not self.rest


#: Functions every target has.
FUNCTIONS = (sympy.exp, sympy.log, sympy.tanh, sympy.sin, sympy.cos, sympy.Abs, sympy.Min, sympy.Max, sympy.Piecewise)


def _understood(expressions: Mapping[str, sympy.Expr]) -> None:
    for name, expression in expressions.items():
        for function in sorted(expression.atoms(sympy.Function), key=str):
            if not isinstance(function, FUNCTIONS):
                raise InvalidModel(
                    f"'{name}' uses {function.func}(...), which the engine does not know. Write it with exp, log, sqrt, tanh, sin, cos, "
                    "minimum, maximum, where_positive or hill of ketasim.model.functions."
                )


def compile_system(system: System, moving: Iterable[str] = ()) -> StepProgram:
    """Split a traced system into constant coefficients, linear part, nonlinear rest and elimination order.

    Parameters
    ----------
    moving : parameters that change linearly in time within a segment; each becomes a state ``name`` whose slope is
        the parameter ``slope_name``. Time itself becomes a state with slope 1 when the equations use it.
    """
    rates, ports = system.explicit_rates(), system.explicit_ports()
    _understood({**rates, **ports})
    states, params = list(system.states), list(system.params)
    for name in moving:
        rates[name] = symbol(f"slope_{name}")
        states.append(name)
        params[params.index(name)] = f"slope_{name}"
    if system.uses_time:
        rates[str(TIME)] = sympy.Integer(1)
        states.append(str(TIME))
    x = {symbol(name): sympy.Symbol(f"x{i}", real=True) for i, name in enumerate(states)}
    p = {symbol(name): sympy.Symbol(f"p{i}", real=True) for i, name in enumerate(params)}
    renamed = {**p, **x}
    rows = [rates[name].xreplace(renamed) for name in states]
    xs = [sympy.Symbol(f"x{i}", real=True) for i in range(len(states))]
    linear, constant, rest = _split(rows, xs)
    jacobian = {(i, j): d for i, r in rest.items() for j in _columns(r, xs) if (d := _slope(r, xs[j], set(xs))) != 0}
    names = sympy.numbered_symbols("q", real=True)
    hoisted: dict[sympy.Expr, sympy.Symbol] = {}
    coefficients: Assignments = []

    def hoist(expression: sympy.Expr) -> sympy.Symbol:
        if expression not in hoisted:
            hoisted[expression] = next(names)
            coefficients.append((str(hoisted[expression]), expression))
        return hoisted[expression]

    q_linear = {key: hoist(e) for key, e in linear.items()}
    q_constant = {key: hoist(e) for key, e in constant.items()}
    read = {(i, j) for i, r in rest.items() for j in _columns(r, xs)}  # also what only a switch looks at, which has no slope
    smooth = not any(r.has(sympy.Piecewise, sympy.Min, sympy.Max, sympy.Abs) for r in rest.values())
    rest_temporaries, rest = _reduce(_prepared(rest, xs, hoist), "t")
    jacobian_temporaries, jacobian = _reduce(_prepared(jacobian, xs, hoist), "j")
    own = {xs[i]: renamed[symbol(n)] for i, n in enumerate(states)}
    port_temporaries, reduced_ports = _reduce({n: e.xreplace(renamed).xreplace(own) for n, e in ports.items()}, "o")
    head = linear_head(len(states), q_linear, rest)
    tail = tuple(i for i in range(len(states)) if i not in head)
    entries = set(q_linear) | set(jacobian)
    coupled = tuple(sorted({j for i, j in entries | read if i in tail and j in head}))
    levels = cascade_levels(tail, {(i, j) for i, j in {*q_linear, *read} if i != j} | {(i, i) for i, j in read if i == j})
    order, pattern = minimum_fill(tail, {(i, j) for i, j in entries if i in tail and j in tail})
    return StepProgram(
        tuple(states), tuple(params), coefficients, q_linear, q_constant, rest_temporaries, rest,
        jacobian_temporaries, jacobian, head, tail, coupled, order, pattern, levels if smooth else (), port_temporaries, reduced_ports,
        len(states) - len(system.states),
    )  # fmt: skip


def _columns(expression: sympy.Expr, xs: list[sympy.Symbol]) -> list[int]:
    free = expression.free_symbols
    return [j for j, s in enumerate(xs) if s in free]


def _split(
    rows: list[sympy.Expr], xs: list[sympy.Symbol]
) -> tuple[dict[tuple[int, int], sympy.Expr], dict[int, sympy.Expr], dict[int, sympy.Expr]]:
    linear: dict[tuple[int, int], sympy.Expr] = {}
    constant: dict[int, sympy.Expr] = {}
    rest: dict[int, sympy.Expr] = {}
    states = set(xs)
    for i, row in enumerate(rows):
        for term in _terms(row, states):
            inside = term.free_symbols & states
            if not inside:
                constant[i] = constant.get(i, sympy.Integer(0)) + term
                continue
            if len(inside) == 1:
                (s,) = inside
                coefficient = term / s
                if s not in coefficient.free_symbols:
                    key = (i, xs.index(s))
                    linear[key] = linear.get(key, sympy.Integer(0)) + coefficient
                    continue
            rest[i] = rest.get(i, sympy.Integer(0)) + term
    linear = {k: e for k, e in linear.items() if e != 0}
    constant = {k: e for k, e in constant.items() if e != 0}
    return linear, constant, rest


def _terms(row: sympy.Expr, states: set[sympy.Symbol]) -> list[sympy.Expr]:
    """Summands of a rate; products of sums are multiplied out only at the top level, never inside functions."""
    out: list[sympy.Expr] = []
    for term in sympy.Add.make_args(row):
        if term.free_symbols & states and term.is_Mul and any(f.is_Add for f in term.args):
            spread = sympy.Add.make_args(sympy.expand_mul(term, deep=False))
            out.extend(spread if len(spread) < _MAX_TERMS else (term,))
        else:
            out.append(term)
    return out


class _Power(sympy.Function):
    """base^exponent whose derivative is exponent base^(exponent - 1): SymPy's, exponent base^exponent / base, is 0/0 before the first dose."""

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        """Derivative by the base or the exponent."""
        base, exponent = map(sympy.sympify, self.args)
        if argindex == 1:
            return sympy.Mul(exponent, _Power(base, sympy.Add(exponent, -1)))
        return sympy.Mul(sympy.log(base), self)


def _slope(rate: sympy.Expr, by: sympy.Symbol, states: set[sympy.Symbol]) -> sympy.Expr:
    """Derivative of a rate by a state; that of x^g is 0 where x is not above 0.

    For g < 1 the slope at 0 is infinite. It only steers the steps, so that 0 there costs accuracy that the error estimate sees.
    """

    def steep(e: sympy.Basic) -> bool:
        return (
            isinstance(e, sympy.Pow)
            and not e.exp.is_Integer
            and e.exp != sympy.Rational(1, 2)
            and bool(e.base.free_symbols & states)
        )

    hidden = rate.replace(steep, lambda e: _Power(*e.args))
    return sympy.diff(hidden, by).replace(
        _Power, lambda base, exponent: sympy.Piecewise((base**exponent, sympy.Gt(base, 0)), (0, True))
    )


def slopes_of(rates: Mapping[str, sympy.Expr]) -> list[list[sympy.Expr]]:
    """Derivative of every rate by every state of the same mapping: row, column."""
    states = [symbol(name) for name in rates]
    return [[_slope(rate, state, set(states)) for state in states] for rate in rates.values()]


def _prepared(
    expressions: Mapping[K, sympy.Expr], xs: list[sympy.Symbol], hoist: Callable[[sympy.Expr], sympy.Symbol]
) -> dict[K, sympy.Expr]:
    """Expressions whose parts that do not change between events are coefficients."""
    states = set(xs)

    def varies(e: sympy.Basic) -> bool:
        return bool(e.free_symbols & states)

    def walk(e: sympy.Basic) -> sympy.Basic:
        if e.is_Atom or not e.free_symbols:
            return e
        if not varies(e):
            return hoist(e) if isinstance(e, sympy.Expr) else e
        args = list(e.args)
        if isinstance(e, (sympy.Add, sympy.Mul)):
            fixed = [a for a in args if a.free_symbols and not varies(a)]
            args = [a for a in args if a not in fixed]
            if len(fixed) > 1 or (fixed and not fixed[0].is_Atom):
                fixed = [hoist(e.func(*fixed))]
            return e.func(*fixed, *map(walk, args))
        return e.func(*map(walk, args))

    return {key: walk(e) for key, e in expressions.items()}


def _reduce(expressions: Mapping[K, sympy.Expr], prefix: str) -> tuple[Assignments, dict[K, sympy.Expr]]:
    """Common subexpressions once, and every denominator inverted once: a division costs as much as ten products."""
    if not expressions:
        return [], {}
    inverses: dict[sympy.Expr, sympy.Symbol] = {}

    def walk(e: sympy.Basic) -> sympy.Basic:
        if e.is_Atom:
            return e
        e = e.func(*map(walk, e.args))
        if isinstance(e, sympy.Pow) and e.exp.is_Integer and e.exp < 0 and e.base.free_symbols:
            inverse = inverses.setdefault(e.base, sympy.Symbol(f"{prefix}i{len(inverses)}", real=True))
            return inverse ** (-e.exp)
        return e

    plain = {key: walk(e) for key, e in expressions.items()}
    bases = list(inverses)
    temporaries, both = sympy.cse([*bases, *plain.values()], symbols=sympy.numbered_symbols(prefix, real=True), order="none")
    reduced = list(both)
    known = {str(s): e for s, e in temporaries}
    known |= {str(s): 1 / e for s, e in zip(inverses.values(), reduced[: len(bases)], strict=True)}  # type: ignore[operator]
    return _in_order(known), dict(zip(expressions, reduced[len(bases) :], strict=True))


def _in_order(known: Mapping[str, sympy.Expr]) -> Assignments:
    """Assignments, each after those it uses."""
    done: dict[str, sympy.Expr] = {}

    def visit(name: str) -> None:
        if name not in done:
            for other in sorted(str(s) for s in known[name].free_symbols):
                if other in known:
                    visit(other)
            done[name] = known[name]

    for name in known:
        visit(name)
    return list(done.items())


def cascade_levels(tail: tuple[int, ...], reads: set[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
    """States of the tail by how far down they stand, or nothing where some read each other. reads : (reader, read)."""
    above = {i: {j for k, j in reads if k == i and j in tail} for i in tail}
    levels: list[tuple[int, ...]] = []
    while above:
        ready = tuple(sorted(i for i, others in above.items() if not others))
        if not ready:
            return ()
        levels.append(ready)
        above = {i: others.difference(ready) for i, others in above.items() if i not in ready}
    return tuple(levels)


def minimum_fill(nodes: Iterable[int], entries: Iterable[tuple[int, int]]) -> tuple[tuple[int, ...], frozenset[tuple[int, int]]]:
    """Elimination order by Markowitz counts on the diagonal, and the pattern of L+U including fill."""
    left = set(nodes)
    pattern = {(i, i) for i in left} | set(entries)
    order: list[int] = []
    while left:

        def cost(k: int, pattern: set[tuple[int, int]] = pattern) -> tuple[int, int]:
            below = sum(1 for i in left if i != k and (i, k) in pattern)
            right = sum(1 for j in left if j != k and (k, j) in pattern)
            return below * right, k

        pivot = min(left, key=cost)
        left.remove(pivot)
        order.append(pivot)
        below = [i for i in left if (i, pivot) in pattern]
        right = [j for j in left if (pivot, j) in pattern]
        pattern |= {(i, j) for i in below for j in right}
    return tuple(order), frozenset(pattern)
