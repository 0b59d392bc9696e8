"""How each language writes arithmetic, and covariate effects on a typical value."""

# pyright: reportArgumentType=false, reportReturnType=false, reportCallIssue=false, reportAttributeAccessIssue=false, reportIncompatibleMethodOverride=false, reportAssignmentType=false, reportGeneralTypeIssues=false
# SymPy's annotations give its base class where it returns expressions.

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import sympy
from sympy.printing.c import C99CodePrinter
from sympy.printing.str import StrPrinter

from ketasim.errors import InvalidModel
from ketasim.exchange._people import Column, factors
from ketasim.model._effect import individual_value, is_shift, size_of
from ketasim.model._trace import symbol

if TYPE_CHECKING:
    from ketasim.model import CovariateEffect


class Dialect(Protocol):
    """One language's arithmetic. Lines that an expression needs before it go to `before`."""

    before: list[str]

    def number(self, value: float) -> str: ...
    def code(self, expression: Any) -> str: ...
    def choose(self, variable: str, cases: list[tuple[tuple[int, ...], str]]) -> str: ...


def with_effects(dialect: Dialect, typical: str, effects: tuple[CovariateEffect, ...], known: Mapping[str, Column], names: Mapping[str, str]) -> str:  # fmt: skip
    """The typical value with every covariate effect, in the order declared.

    Parameters
    ----------
    typical : text of the typical value. known, names : columns and their names in the language, by upper-case covariate.
    """
    text = typical
    for effect in effects:
        column = names[effect.by.upper()]
        if effect.form == "factor":
            if table := factors(effect, known[effect.by.upper()]):
                text += f"*{dialect.choose(column, [(codes, dialect.number(f)) for f, codes in table.items()])}"
            continue
        size = size_of(effect, _name(column), _written(dialect, effect.ref), _written(dialect, effect.coefficient))
        if is_shift(effect):
            text = f"({text} + {_held(dialect, size)})"
        elif size != 1:
            text += f"*{_held(dialect, size)}"
    return text


def _name(text: str) -> Any:
    return sympy.Symbol(text, real=True)


class _Numeral(sympy.Symbol):
    """A number as its own name; it stands behind names that are none: AGE - 60.0."""

    def sort_key(self, order: Any = None) -> Any:
        kind, (count, names), *rest = super().sort_key(order)
        return kind, (count, tuple(f"~{name}" for name in names)), *rest


def _written(dialect: Dialect, value: float) -> Any:
    """A number as its own name, so that equations keep the numbers of the source: SymPy would fold (WT/70)^0.75 into 0.041 WT^0.75."""
    if value in (0.0, 1.0):
        return sympy.Integer(int(value))
    return sympy.sign(value) * _Numeral(dialect.number(abs(value)), real=True)


def _held(dialect: Dialect, expression: Any) -> str:
    """Text of a factor: sums and products in brackets."""
    text = dialect.code(expression)
    return f"({text})" if expression.is_Add or expression.is_Mul else text


def with_eta(dialect: Dialect, typical: str, eta: str, form: str) -> str:
    """The individual value: log-normal, logit-normal or normal around the typical one."""
    held = form == "logit"  # elsewhere nothing binds tighter than what these texts are made of
    centre, spread = (_name(f"({text})" if held and re.search(r"[ *?+/-]", text) else text) for text in (typical, eta))
    return dialect.code(individual_value(centre, spread, form))


def replacer(names: Mapping[str, str]) -> Callable[[Any], Any]:
    """Gives symbols their names in the language."""
    table = {symbol(old): sympy.Symbol(new, real=True) for old, new in names.items()}
    return lambda expression: sympy.sympify(expression).xreplace(table)


class _C(C99CodePrinter):
    def _print_Float(self, expr: Any) -> str:
        return repr(float(expr))


class Cpp:
    """C++, for mrgsolve."""

    def __init__(self) -> None:
        self.before: list[str] = []
        self._printer = _C()

    def number(self, value: float) -> str:
        return repr(float(value))

    def code(self, expression: Any) -> str:
        return " ".join(self._printer.doprint(sympy.sympify(expression)).split())

    def choose(self, variable: str, cases: list[tuple[tuple[int, ...], str]]) -> str:
        text = "1.0"
        for codes, value in reversed(cases):
            text = f"{' || '.join(f'{variable} == {code}' for code in codes)} ? {value} : {text}"
        return f"({text})"


class _Plain(StrPrinter):
    """Arithmetic in words most languages share; `power` and `words` differ."""

    power = "**"
    words: Mapping[str, str] = {}

    def _print_Float(self, expr: Any) -> str:
        return repr(float(expr))

    def _print_Pi(self, expr: Any) -> str:
        return self._print_Float(expr)

    def _print_Exp1(self, expr: Any) -> str:
        return self._print_Float(expr)

    def _print_Rational(self, expr: Any) -> str:
        return f"({expr.p}.0/{expr.q}.0)" if expr.q != 1 else str(expr.p)

    def _print_Function(self, expr: Any) -> str:
        name = type(expr).__name__
        return f"{self.words.get(name, name)}({', '.join(self._print(a) for a in expr.args)})"

    def _print_Pow(self, expr: Any, rational: bool = False) -> str:
        base, exponent = expr.as_base_exp()
        if exponent == sympy.Rational(1, 2):
            return f"{self.words.get('sqrt', 'sqrt')}({self._print(base)})"
        if exponent.is_number and exponent.is_negative:
            return f"1.0/{self._bracketed(base**-exponent)}"
        return f"{self._bracketed(base)}{self.power}{self._bracketed(exponent)}"

    def _print_Mul(self, expr: Any) -> str:
        number, rest = expr.as_coeff_Mul()
        above = [] if abs(number) == 1 else [self._bracketed(abs(number))]
        below = []
        for factor in rest.as_ordered_factors():
            base, exponent = factor.as_base_exp()
            if exponent.is_number and exponent.is_negative and not base.is_number:
                below.append(self._bracketed(base**-exponent))
            else:
                above.append(self._bracketed(factor))
        return ("-" if number < 0 else "") + "/".join(["*".join(above) or "1.0", *below])

    def _bracketed(self, expr: Any) -> str:
        text = self._print(expr)
        simple = expr.is_Symbol or (expr.is_Number and not text.startswith("-")) or isinstance(expr, sympy.Function)
        return text if simple or (expr.is_Pow and not text.startswith("1.0/") and self.power in text) else f"({text})"


def _numbers_last(args: tuple[Any, ...]) -> list[Any]:
    """Arguments in an order that tells a reader of SBML their unit: a bare number has none."""
    return sorted(args, key=lambda a: bool(a.is_number))


class _Sbml(_Plain):
    power = "^"
    words: Mapping[str, str] = {"log": "ln"}

    def _print_Max(self, expr: Any) -> str:
        return f"max({', '.join(self._print(a) for a in _numbers_last(expr.args))})"

    def _print_Min(self, expr: Any) -> str:
        return f"min({', '.join(self._print(a) for a in _numbers_last(expr.args))})"

    def _print_Piecewise(self, expr: Any) -> str:
        pieces = []
        for value, condition in expr.args:
            pieces += [self._print(value)] if condition == True else [self._print(value), self._print(condition)]  # noqa: E712
        return f"piecewise({', '.join(pieces)})"


class Sbml:
    """SBML's infix formulas (Level 3)."""

    def __init__(self) -> None:
        self.before: list[str] = []
        self._printer = _Sbml()

    def number(self, value: float) -> str:
        return repr(float(value))

    def code(self, expression: Any) -> str:
        return self._printer.doprint(sympy.sympify(expression))

    def choose(self, variable: str, cases: list[tuple[tuple[int, ...], str]]) -> str:
        pieces = [f"{value}, {variable} == {code}" for codes, value in cases for code in codes]
        return f"piecewise({', '.join([*pieces, '1.0'])})"


class _NmTran(_Plain):
    words: Mapping[str, str] = {"exp": "EXP", "log": "LOG", "sqrt": "SQRT", "sin": "SIN", "cos": "COS"}

    def _print_Float(self, expr: Any) -> str:
        return repr(float(expr)).upper()

    def _print_Relational(self, expr: Any) -> str:
        words = {"==": "EQ", "!=": "NE", "<": "LT", "<=": "LE", ">": "GT", ">=": "GE"}
        left, right = (self._print(side) if side.is_Symbol else f"({self._print(side)})" for side in (expr.lhs, expr.rhs))
        return f"{left}.{words[expr.rel_op]}.{right}"

    def _print_And(self, expr: Any) -> str:
        return ".AND.".join(self._print(a) for a in expr.args)

    def _print_Or(self, expr: Any) -> str:
        return ".OR.".join(self._print(a) for a in expr.args)


class NmTran:
    """NM-TRAN's abbreviated code. What has no expression there (choices, tanh) becomes IF blocks before the line.

    Parameters
    ----------
    new_name : gives a free variable name.
    """

    def __init__(self, new_name: Callable[[str], str]) -> None:
        self.before: list[str] = []
        self._new, self._printer = new_name, _NmTran()

    def number(self, value: float) -> str:
        return repr(float(value)).upper()

    def code(self, expression: Any) -> str:
        return self._printer.doprint(self._lowered(sympy.sympify(expression)))

    def choose(self, variable: str, cases: list[tuple[tuple[int, ...], str]]) -> str:
        name = self._new(f"{variable}_FACTOR")
        self.before.append(f"{name} = 1.0")
        self.before += [f"IF ({variable}.EQ.{code}) {name} = {value}" for codes, value in cases for code in codes]
        return name

    def _lowered(self, expression: Any) -> Any:
        """The expression with choices replaced by variables that earlier lines set."""
        if isinstance(expression, sympy.Piecewise):
            return self._branches([(value, condition) for value, condition in expression.args])
        if isinstance(expression, (sympy.Max, sympy.Min)):
            first, *others = expression.args
            for other in others:
                keeps = sympy.Ge(first, other) if isinstance(expression, sympy.Max) else sympy.Le(first, other)
                first = self._branches([(first, keeps), (other, sympy.true)])
            return first
        if isinstance(expression, sympy.tanh):
            return 1.0 - 2.0 / (sympy.exp(2.0 * self._lowered(expression.args[0])) + 1.0)
        if not expression.args:
            return expression
        return expression.func(*(self._lowered(a) for a in expression.args))

    def _branches(self, cases: list[tuple[Any, Any]]) -> Any:
        name = self._new("CASE")
        self._choose(name, cases)
        return sympy.Symbol(name, real=True)

    def _choose(self, name: str, cases: list[tuple[Any, Any]]) -> None:
        """One IF per case, each inside the ELSE of the one before: what a condition needs is set where it is asked for."""
        (value, condition), *others = cases
        if condition == True:  # noqa: E712
            text = self._printer.doprint(self._lowered(value))
            self.before.append(f"{name} = {text}")
            return
        if not isinstance(condition, sympy.core.relational.Relational):
            raise InvalidModel(f"NONMEM export: a choice by '{condition}' is not supported; compare two quantities.")
        sides = (self._lowered(side) for side in (condition.lhs, condition.rhs))
        self.before.append(f"IF ({self._printer.doprint(condition.func(*sides, evaluate=False))}) THEN")
        self._inside(name, [(value, True)])
        if others:
            self.before.append("ELSE")
            self._inside(name, others)
        self.before.append("ENDIF")

    def _inside(self, name: str, cases: list[tuple[Any, Any]]) -> None:
        """The same, set in by two spaces."""
        start = len(self.before)
        self._choose(name, cases)
        self.before[start:] = [f"  {line}" for line in self.before[start:]]
