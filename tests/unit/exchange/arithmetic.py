"""Reads exported models and computes with them: a small interpreter of the C++ and NM-TRAN that ketasim writes.

Obvious rather than fast, and independent of the printers: it knows the languages' rules, not ketasim's trace.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

Values = dict[str, float]
_TOKEN = re.compile(
    r"\s*(?:(\d+\.?\d*(?:[eE][+-]?\d+)?(?=[^\w]|$)|\.\d+)|(\.[A-Z]+\.)|([A-Za-z_]\w*)|(\*\*|==|!=|<=|>=|&&|\|\||[-+*/(),?:<>=]))"
)
_WORDS = {".EQ.": "==", ".NE.": "!=", ".LT.": "<", ".LE.": "<=", ".GT.": ">", ".GE.": ">=", ".AND.": "&&", ".OR.": "||"}
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip
_CALLS: dict[str, Callable[..., float]] = {
    "exp": math.exp, "log": math.log, "sqrt": math.sqrt, "tanh": math.tanh, "pow": math.pow, "fmax": max, "fmin": min,
}  # fmt: skip


def tokens(text: str) -> list[str]:
    """Words of an expression; ``60.0.GT.1`` is three of them."""
    out, at = [], 0
    text = re.sub(r"(\.(?:EQ|NE|LT|LE|GT|GE|AND|OR)\.)", r" \1 ", text).rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        assert match, f"not understood: {text[at:]!r}"
        word = match.group(match.lastindex or 0)
        out.append(_WORDS.get(word, word))
        at = match.end()
    return out


class Expression:
    """One expression, evaluated left to right by the rules of precedence that C++ and Fortran share."""

    def __init__(self, text: str, values: Values) -> None:
        assert not re.search(r"(?<![\w.*])\d+\s*/\s*\d+(?![\d.eE])", text), f"whole-number division in {text!r}"
        self.words, self.at, self.values, self.text = tokens(text), 0, values, text

    def value(self) -> float:
        result = self._choice()
        assert self.at == len(self.words), f"left over in {self.text!r}: {self.words[self.at :]}"
        return result

    def _next(self) -> str:
        return self.words[self.at] if self.at < len(self.words) else ""

    def _take(self, *wanted: str) -> str:
        word = self._next()
        if word and (not wanted or word in wanted):
            self.at += 1
            return word
        return ""

    def _choice(self) -> float:
        condition = self._or()
        if not self._take("?"):
            return condition
        then = self._choice()
        assert self._take(":"), self.text
        otherwise = self._choice()
        return then if condition else otherwise

    def _or(self) -> float:
        left = self._and()
        while self._take("||"):
            right = self._and()
            left = bool(left) or bool(right)
        return left

    def _and(self) -> float:
        left = self._comparison()
        while self._take("&&"):
            right = self._comparison()
            left = bool(left) and bool(right)
        return left

    def _comparison(self) -> float:
        left = self._sum()
        sign = self._take(*_COMPARE)
        return _COMPARE[sign](left, self._sum()) if sign else left

    def _sum(self) -> float:
        left = self._product()
        while sign := self._take("+", "-"):
            right = self._product()
            left = left + right if sign == "+" else left - right
        return left

    def _product(self) -> float:
        left = self._signed()
        while sign := self._take("*", "/"):
            right = self._signed()
            left = left * right if sign == "*" else left / right
        return left

    def _signed(self) -> float:
        if self._take("-"):
            return -self._signed()
        self._take("+")
        return self._power()

    def _power(self) -> float:
        base = self._atom()
        return math.pow(base, self._signed()) if self._take("**") else base

    def _atom(self) -> float:
        word = self._take()
        if word == "(":
            value = self._choice()
            assert self._take(")"), self.text
            return value
        if word[:1].isdigit() or word[:1] == ".":
            return float(word)
        if self._next() != "(":
            return self.values[word]
        self._take("(")
        arguments = [self._choice()]
        while self._take(","):
            arguments.append(self._choice())
        assert self._take(")"), self.text
        if word.lower() in _CALLS:
            return _CALLS[word.lower()](*arguments)
        return self.values[f"{word}({int(arguments[0])})"]


def blocks(text: str) -> dict[str, list[str]]:
    """Lines of every block, ``$PARAM`` and the like; a block that comes twice is joined."""
    out: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("$"):
            name, _, rest = line.partition(" ")
            out.setdefault(name, [])
            if rest:
                out[name].append(rest)
        elif name and line.strip():
            out[name].append(line.strip())
    return out


def annotated(lines: list[str]) -> Values:
    """``name : value : meaning`` lines."""
    rows = [line.split(" : ") for line in lines if " : " in line]
    return {row[0].strip(): float(row[1]) for row in rows}


def run_cpp(lines: list[str], values: Values) -> Values:
    """Statements of one mrgsolve block; no name may be declared twice."""
    declared: set[str] = set()
    for line in lines:
        assert line.endswith(";"), line
        name, _, text = line.removesuffix(";").partition(" = ")
        if name.startswith("double "):
            name = name.removeprefix("double ")
            assert name not in values and name not in declared, f"{name} is declared twice"
            declared.add(name)
        values[name] = Expression(text, values).value()
    return values


def joined(lines: list[str]) -> list[str]:
    """NM-TRAN lines with comments off and continued lines as one."""
    out: list[str] = []
    for line in lines:
        code = line.split(";")[0].rstrip()
        if not code:
            continue
        if out and out[-1].endswith("&"):
            out[-1] = f"{out[-1][:-1].rstrip()} {code.strip()}"
        else:
            out.append(code.strip())
    return out


def run_nmtran(lines: list[str], values: Values) -> Values:
    """Statements of one block of abbreviated code, with IF in one line and IF blocks."""
    state: list[tuple[bool, bool]] = []  # (this branch runs, some branch has run) of every open IF
    for line in joined(lines):
        head = re.match(r"(ELSEIF|IF) \((.*)\) THEN$", line)
        active = all(runs for runs, _ in state)
        if head and head[1] == "IF":
            runs = active and bool(Expression(head[2], values).value())
            state.append((runs, runs))
        elif head:
            _, done = state.pop()
            runs = not done and all(r for r, _ in state) and bool(Expression(head[2], values).value())
            state.append((runs, done or runs))
        elif line == "ELSE":
            _, done = state.pop()
            state.append((not done, True))
        elif line == "ENDIF":
            state.pop()
        elif active:
            _assign(line, values)
    assert not state, "an IF is not closed"
    return values


def _assign(line: str, values: Values) -> None:
    single = re.match(r"IF \(", line)
    if single:
        depth, end = 0, 3
        for end in range(3, len(line)):
            depth += {"(": 1, ")": -1}.get(line[end], 0)
            if depth == 0:
                break
        if not Expression(line[4:end], values).value():
            return
        line = line[end + 1 :].strip()
    name, _, text = line.partition(" = ")
    values[name] = Expression(text, values).value()
