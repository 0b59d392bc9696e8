"""Prints the phases of a Rosenbrock step as straight-line Python over one lane."""

# pyright: reportArgumentType=false, reportReturnType=false, reportCallIssue=false, reportAttributeAccessIssue=false, reportIncompatibleMethodOverride=false, reportAssignmentType=false
# SymPy's annotations give its base class where it returns expressions.

from __future__ import annotations

from typing import TYPE_CHECKING

import sympy
from sympy.printing.pycode import PythonCodePrinter

if TYPE_CHECKING:
    from ketasim.model._trace import System
    from ketasim.solve._algebra import StepProgram
    from ketasim.solve._tableau import Tableau


class Scalar(PythonCodePrinter):
    """Expressions as Python scalars: small powers as products, no library prefixes, switches as conditional expressions."""

    def _print_Pow(self, expr: sympy.Pow, **_: object) -> str:
        base, exponent = expr.args
        text = self.parenthesize(base, 1000)
        if exponent.is_Integer and 1 < abs(int(exponent)) <= 8:
            product = "(" + "*".join([text] * abs(int(exponent))) + ")"
            return product if exponent > 0 else f"(1.0/{product})"
        if exponent == -1:
            return f"(1.0/{text})"
        if exponent == sympy.Rational(1, 2):
            return f"sqrt({self._print(base)})"
        if exponent == -sympy.Rational(1, 2):
            return f"(1.0/sqrt({self._print(base)}))"
        return f"({text})**({self._print(exponent)})"

    def _print_exp(self, expr: sympy.exp) -> str:
        return f"exp({self._print(expr.args[0])})"

    def _print_log(self, expr: sympy.log) -> str:
        return f"log({self._print(expr.args[0])})"

    def _print_tanh(self, expr: sympy.tanh) -> str:
        return f"tanh({self._print(expr.args[0])})"

    def _print_Rational(self, expr: sympy.Rational) -> str:
        return repr(float(expr))

    def _print_Integer(self, expr: sympy.Integer) -> str:
        return f"{int(expr)}.0"

    def _print_Float(self, expr: sympy.Float) -> str:
        return repr(float(expr))

    def _extreme(self, args: tuple[sympy.Expr, ...], sign: str) -> str:
        text = self._print(args[0])
        for a in args[1:]:
            other = self._print(a)
            text = f"({text} if {text} {sign} {other} else {other})"
        return text

    def _print_Min(self, expr: sympy.Min) -> str:
        return self._extreme(expr.args, "<")

    def _print_Max(self, expr: sympy.Max) -> str:
        return self._extreme(expr.args, ">")


class Array(Scalar):
    """Expressions over NumPy arrays held in a mapping ``p`` by parameter name: for inlets, evaluated once per run."""

    def _print_Symbol(self, expr: sympy.Symbol) -> str:
        return f"p[{str(expr)!r}]"

    def _print_Piecewise(self, expr: sympy.Piecewise) -> str:
        (then, condition), (otherwise, _) = expr.args[0].args, expr.args[1].args
        return f"np.where({self._print(condition)}, {self._print(then)}, {self._print(otherwise)})"

    def _extreme(self, args: tuple[sympy.Expr, ...], sign: str) -> str:
        text = self._print(args[0])
        for a in args[1:]:
            text = f"np.{'minimum' if sign == '<' else 'maximum'}({text}, {self._print(a)})"
        return text

    def _print_exp(self, expr: sympy.exp) -> str:
        return f"np.exp({self._print(expr.args[0])})"

    def _print_log(self, expr: sympy.log) -> str:
        return f"np.log({self._print(expr.args[0])})"


class Printer:
    """Source of each phase of a step. Lanes are the innermost loop of every phase.

    All phases share one array ``w`` of rows (row = one quantity, `lanes` patients): with a single base and constant offsets the
    compiler can prove that lanes do not overlap and vectorises. Stages call the same right-hand side and triangular solve, so that
    the compiled code does not grow with the number of stages.
    """

    def __init__(self, program: StepProgram, system: System, tableau: Tableau, lanes: int) -> None:
        self.program, self.system, self.tableau = program, system, tableau
        self.n, self.lanes = len(program.states), lanes
        self.code = Scalar({"fully_qualified_modules": False}).doprint
        self.entries = sorted(program.pattern)
        sizes = {
            "x": self.n, "r": self.n, "p": len(program.params), "q": len(program.coefficients), "h": 1, "hi": 1, "u": self.n,
            "g": self.n, "k": self.n, "w": len(self.entries), "v": self.n, "K": self.n * tableau.stages, "y": self.n,
            "d": self.n * len(tableau.dense), "e": 1, "f": self.n,
        }  # fmt: skip
        self.rows: dict[str, int] = {}
        self.total = 0
        for name, size in sizes.items():
            self.rows[name], self.total = self.total, self.total + size

    def constants(self) -> str:
        """Offsets of the rows in ``w``, as globals of the module."""
        names = "".join(
            f"AT_{name.upper() if name != 'K' else 'STAGES'} = {row * self.lanes}\n" for name, row in self.rows.items()
        )
        return names + f"SIZE = {self.total * self.lanes}\n"

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
        return "\n".join(lines)

    def coefficients(self) -> str:
        """Everything constant between events, once per segment with new parameters."""
        body = self._load("p", self._used(e for _, e in self.program.coefficients))
        body += [f"{self._at('q', k)} = {self.code(e)}" for k, (_, e) in enumerate(self.program.coefficients)]
        return self._function("coefficients(w)", body)

    def ports(self) -> str:
        """Ports of an interpolated state."""
        program = self.program
        expressions = [e for _, e in program.port_temporaries] + list(program.ports.values())
        used = self._used(expressions)
        body = [f"x{k} = xb[{k * self.lanes} + l]" for k in self._indices(used, "x")] + self._load("p", used)
        body += [f"{name} = {self.code(e)}" for name, e in program.port_temporaries]
        body += [f"o[{k * self.lanes} + l] = {self.code(e)}" for k, e in enumerate(program.ports.values())]
        return self._function("ports(xb, w, o)", body)

    def step(self) -> str:
        """One whole step: factorise, all stages, error ratio and dense output."""
        lines = ["\n@njit(**OPTIONS)", "def step(w):", "    factorise(w)"]
        for s in range(self.tableau.stages):
            lines += [f"    stage_{s}(w)", "    solve_stage(w)", f"    keep_{s}(w)"]
        lines += ["    finish(w)", "    worst(w)"]
        pieces = [
            self._factorise(),
            self._solve_stage(),
            *(self._stage(s) for s in range(self.tableau.stages)),
            self._finish(),
            self._worst(),
        ]
        return "".join(pieces) + "\n".join(lines) + "\n" + self._dense()

    # -- pieces -----------------------------------------------------------------------------------------------------
    def _function(self, head: str, body: list[str], count: str = "L") -> str:
        lines = "\n".join("        " + line for line in body) or "        pass"
        return f"\n@njit(**OPTIONS)\ndef {head}:\n    for l in range({count}):\n{lines}\n"

    def _used(self, expressions: object) -> set[str]:
        return {str(s) for e in expressions for s in e.free_symbols}  # type: ignore[attr-defined]

    def _indices(self, used: set[str], prefix: str) -> list[int]:
        return sorted(int(s[len(prefix) :]) for s in used if s.startswith(prefix) and s[len(prefix) :].isdigit())

    def _at(self, kind: str, index: int = 0) -> str:
        return f"w[{(self.rows[kind] + index) * self.lanes} + l]"

    def _load(self, kind: str, used: set[str]) -> list[str]:
        return [f"{kind}{k} = {self._at(kind, k)}" for k in self._indices(used, kind)]

    def _factorise(self) -> str:
        program, n = self.program, self.n
        used = self._used([e for _, e in program.jacobian_temporaries] + list(program.jacobian.values()))
        used |= {str(q) for q in program.linear.values()}
        body = self._load("x", used) + self._load("p", used) + self._load("q", used)
        body += [f"hi = 1.0/{self._at('h')}", f"{self._at('hi')} = hi", f"dg = hi*{1.0 / self.tableau.gamma!r}"]
        body += [f"{name} = {self.code(e)}" for name, e in program.jacobian_temporaries]
        for i, j in self.entries:
            terms = [f"- {program.linear[i, j]}"] if (i, j) in program.linear else []
            terms += [f"- ({self.code(program.jacobian[i, j])})"] if (i, j) in program.jacobian else []
            terms = ["dg", *terms] if i == j else terms
            body.append(f"w{i}_{j} = {' '.join(terms) or '0.0'}")
        left = set(range(n))
        for k in program.order:
            left.remove(k)
            body.append(f"v{k} = 1.0/w{k}_{k}")
            for i in self._below(k, left):
                body.append(f"w{i}_{k} = w{i}_{k}*v{k}")
                body += [f"w{i}_{j} = w{i}_{j} - w{i}_{k}*w{k}_{j}" for j in self._right(k, left)]
        body += [f"{self._at('w', m)} = w{i}_{j}" for m, (i, j) in enumerate(self.entries) if i != j]
        body += [f"{self._at('v', k)} = v{k}" for k in range(n)]
        return self._function("factorise(w)", body)

    def _below(self, k: int, left: set[int]) -> list[int]:
        return [i for i in sorted(left) if (i, k) in self.program.pattern]

    def _right(self, k: int, left: set[int]) -> list[int]:
        return [j for j in sorted(left) if (k, j) in self.program.pattern]

    def _solve_stage(self) -> str:
        """Right-hand side at u plus g/h, then both triangular solves: gives the increment k."""
        program = self.program
        renamed = {sympy.Symbol(f"x{i}", real=True): sympy.Symbol(f"u{i}", real=True) for i in range(self.n)}
        used = self._used([e for _, e in program.rest_temporaries] + list(program.rest.values()))
        used |= {str(q) for q in (*program.linear.values(), *program.constant.values())}
        body = [f"hi = {self._at('hi')}", *(f"u{i} = {self._at('u', i)}" for i in range(self.n))]
        body += self._load("p", used) + self._load("q", used)
        body += [f"{name} = {self.code(e.xreplace(renamed))}" for name, e in program.rest_temporaries]
        for i in range(self.n):
            terms = [self._at("r", i)] + ([str(program.constant[i])] if i in program.constant else [])
            terms += [f"{q}*u{j}" for (row, j), q in program.linear.items() if row == i]
            terms += [f"({self.code(program.rest[i].xreplace(renamed))})"] if i in program.rest else []
            body.append(f"k{i} = {' + '.join(terms)} + hi*{self._at('g', i)}")
        place = {entry: m for m, entry in enumerate(self.entries)}
        left = set(range(self.n))
        for k in program.order:
            left.remove(k)
            body += [f"k{i} = k{i} - {self._at('w', place[i, k])}*k{k}" for i in self._below(k, left)]
        done: set[int] = set()
        for k in reversed(program.order):
            minus = "".join(f" - {self._at('w', place[k, j])}*k{j}" for j in self._right(k, done))
            body.append(f"k{k} = (k{k}{minus})*{self._at('v', k)}")
            done.add(k)
        body += [f"{self._at('k', i)} = k{i}" for i in range(self.n)]
        return self._function("solve_stage(w)", body)

    def _flat(self, kind: str, index: int = 0) -> str:
        return f"w[{(self.rows[kind] + index * self.n) * self.lanes} + l]"

    def _sum(self, row: tuple[float, ...]) -> str:
        return " + ".join(f"{c!r}*{self._flat('K', j)}" for j, c in enumerate(row) if c)

    def _stage(self, s: int) -> str:
        """Argument u and history g of a stage, then storing its increment: plain vector sums over all states at once."""
        tableau = self.tableau
        if s == 0:
            body = [f"{self._flat('u')} = {self._flat('x')}", f"{self._flat('g')} = 0.0"]
        else:
            argument = (
                f"{self._flat('u')} + {self._flat('K', s - 1)}"
                if tableau.repeats(s)
                else f"{self._flat('x')} + {self._sum(tableau.a[s])}"
            )
            body = [f"{self._flat('u')} = {argument}", f"{self._flat('g')} = {self._sum(tableau.c[s])}"]
        keep = [f"{self._flat('K', s)} = {self._flat('k')}"]
        return self._function(f"stage_{s}(w)", body, "N*L") + self._function(f"keep_{s}(w)", keep, "N*L")

    def _finish(self) -> str:
        body = [f"{self._flat('y')} = {self._flat('u')} + {self._flat('k')}"]
        body += [f"{self._flat('d', m)} = {self._sum(row)}" for m, row in enumerate(self.tableau.dense)]
        return self._function("finish(w)", body, "N*L")

    def _worst(self) -> str:
        """Largest |error|/scale over the states; a NaN is found later, when the state itself is checked."""
        body = ["top = 0.0"]
        for i in range(self.n):
            body += [f"old = abs({self._at('x', i)})", f"new = abs({self._at('y', i)})"]
            body += [f"ratio = abs({self._at('k', i)})/((old if old > new else new) + {self._at('f', i)})"]
            body += ["top = ratio if ratio > top else top"]
        return self._function("worst(w)", [*body, f"{self._at('e')} = top"])

    def _dense(self) -> str:
        """The interpolant inside the last step, at one position per lane."""
        body = ["s = theta[l]", "z = 1.0 - s"]
        for i in range(self.n):
            rows = [self._at("d", m * self.n + i) for m in range(len(self.tableau.dense))]
            inner = " + s*(".join(rows) + ")" * (len(rows) - 1)
            body.append(f"xb[{i * self.lanes} + l] = z*{self._at('x', i)} + s*({self._at('y', i)} + z*({inner}))")
        return self._function("dense(w, theta, xb)", body)
