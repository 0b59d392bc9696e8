"""A model as mrgsolve text: population model and equations in one file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ketasim.arguments import checked
from ketasim.exchange._dialect import Cpp, replacer, with_effects, with_eta
from ketasim.exchange._names import MRGSOLVE, Names, identifier
from ketasim.exchange._people import DEVICES, STATED, Column, Random, clean, columns, form_of, random_effects, reduced, residuals

if TYPE_CHECKING:
    from ketasim.model import Model


@checked
def export_mrgsolve(model: Model, *, occasions: int = 1) -> str:
    """The model as mrgsolve text.

    Parameters
    ----------
    occasions : how many occasions the variability between occasions is written for; with more than one, the data set's OCC
        (1, 2 ...) says which holds.

    Returns
    -------
    str: typical values and covariates in ``$PARAM``; covariate effects, random effects, initial values and the doses' F, lag,
    duration and rate in ``$MAIN``; equations in ``$ODE``; every port, and with residual error ``DV_...``, in ``$TABLE``;
    variances and covariances in ``$OMEGA`` and ``$SIGMA``.

    Notes
    -----
    Names that mrgsolve keeps for itself get a trailing underscore; the head of the file lists them. Limits on parameters are
    not written.
    """
    return "\n".join(_Writer(model, occasions).lines()) + "\n"


class _Writer:
    def __init__(self, model: Model, occasions: int) -> None:
        self.model, self.occasions, self.cpp = model, occasions, Cpp()
        self.columns: dict[str, Column] = columns(model)
        self.random: Random = random_effects(model, occasions)
        self.free = Names(MRGSOLVE)
        self.free.reserve(STATED)
        self.cmt = self._compartments()
        self.cov = {name: self.free.take(name) for name in self.columns}
        self.occ = self.free.take("OCC") if self.random.within and occasions > 1 else ""
        self.par = {name: self.free.take(name) for name in model.params}
        self.port = {name: self.free.take(name) for name in model.ports}
        self.typical = {n: self.free.take(f"TV_{n}") if self._varies(n) else self.par[n] for n in model.params}

    def _compartments(self) -> dict[str, str]:
        names = {name: self.free.take(name) for name in self.model.states}
        words = ("F_{}", "ALAG_{}", "D_{}", "R_{}", "N_{}", "dxdt_{}", "{}_0")
        self.free.reserve(*(word.format(name) for name in names.values() for word in words))
        return names

    def _varies(self, name: str) -> bool:
        return bool(self.model.numbers[name].covariates) or name in self.random.between or name in self.random.within

    def lines(self) -> list[str]:
        blocks = (
            self._head(), self._param(), self._covariates(), ["$CMT @annotated", *(f"{self.cmt[n]} : {clean(s.meaning or n)} ({s.unit})" for n, s in self.model.states.items())],
            self._main(), self._ode(), self._table(), self._omega(), self._sigma(),
        )  # fmt: skip
        return [line for block in blocks if block for line in (*block, "")][:-1]

    def _head(self) -> list[str]:
        renamed = {**self.cmt, **self.par, **self.port, **self.cov}
        changed = [f"{new} is {old}" for old, new in renamed.items() if new != identifier(old)]
        dotted = [f"{new} is {old}" for old, new in renamed.items() if old != identifier(old)]
        text = ["$PROB", f"{self.model.id}, written by ketasim. For research; not for decisions on the care of a patient.",
                "Time in h; amounts in the unit of each compartment. ketasim export mrgsolve --data writes a data set that fits."]  # fmt: skip
        text += [f"Renamed, because mrgsolve keeps the word: {'; '.join(changed)}."] if changed else []
        return text + ([f"Renamed, because names have no dots there: {'; '.join(dotted)}."] if dotted else [])

    def _param(self) -> list[str]:
        rows = ["$PARAM @annotated"]
        for name, number in self.model.numbers.items():
            meaning = clean(self.model.params[name].meaning or name)
            said = f"typical {meaning}" if self._varies(name) else meaning
            rows.append(f"{self.typical[name]} : {number.value!r} : {said}{' (set by the doses)' if name == DEVICES else ''} ({number.unit})")  # fmt: skip
        return rows

    def _covariates(self) -> list[str]:
        rows = [f"{self.cov[n]} : {c.value!r} : {clean(c.note)} ({c.unit or '1'})" for n, c in self.columns.items()]
        rows += [f"{STATED} : 0 : duration of an infusion where it is stated, else 0 (h)"] if reduced(self.model) else []
        rows += [f"{self.occ} : 1 : occasion, 1 to {self.occasions} (1)"] if self.occ else []
        return ["$PARAM @annotated", *rows] if rows else []

    def _main(self) -> list[str]:
        rows = ["$MAIN"]
        for name, number in self.model.numbers.items():
            if self._varies(name):
                value = with_effects(self.cpp, self.typical[name], number.covariates, self.columns, self.cov)
                eta = self._eta(name)
                rows.append(f"double {self.par[name]} = {with_eta(self.cpp, value, eta, form_of(number)) if eta else value};")
        rename = replacer({**self.par, **self.cmt, "t": "TIME"})
        system = self.model.system
        rows += [
            f"{self.cmt[n]}_0 = {self.cpp.code(rename(e))};"
            for n, e in system.initial_expressions("mrgsolve").items()
            if not is_zero(e)
        ]
        for name, inlet in system.inlets.items():
            values: Iterable[tuple[str, Any, float | None]] = (
                ("F", inlet.F, 1.0), ("ALAG", inlet.lag, 0.0), ("D", inlet.duration, None), ("R", inlet.rate, None))  # fmt: skip
            rows += [f"{word}_{self.cmt[name]} = {self.cpp.code(rename(v))};" for word, v, usual in values if v is not None and v != usual]  # fmt: skip
            if name in reduced(self.model):  # a stated duration holds, whatever is available
                own = self.cpp.code(rename(inlet.duration)) if inlet.duration is not None else "0.0"
                rows.append(f"D_{self.cmt[name]} = {STATED} > 0.0 ? {STATED} : {own};")
        return rows if len(rows) > 1 else []

    def _eta(self, name: str) -> str:
        terms = [f"ETA({self.random.between[name]})"] if name in self.random.between else []
        within = self.random.within.get(name, ())
        if within and self.occ:
            text = "0.0"
            for occasion, number in reversed(list(enumerate(within, 1))):
                text = f"{self.occ} == {occasion} ? ETA({number}) : {text}"
            terms.append(f"({text})")
        elif within:
            terms.append(f"ETA({within[0]})")
        return " + ".join(terms)

    def _ode(self) -> list[str]:
        system = self.model.system
        needed = needed_ports(system.rates.values(), system.ports)
        local = {name: self.free.take(f"ode_{name}") for name in system.ports if name in needed}
        rename = replacer({**self.par, **self.cmt, **local, "t": "SOLVERTIME"})
        rows = ["$ODE"] + [f"double {local[n]} = {self.cpp.code(rename(system.ports[n]))};" for n in local]
        return rows + [f"dxdt_{self.cmt[n]} = {self.cpp.code(rename(e))};" for n, e in system.rates.items()]

    def _table(self) -> list[str]:
        rename = replacer({**self.par, **self.cmt, **self.port, "t": "TIME"})
        rows = ["$TABLE"] + [f"double {self.port[n]} = {self.cpp.code(rename(e))};" for n, e in self.model.system.ports.items()]
        shown, number = list(self.port.values()), 0
        for port, parts in residuals(self.model):
            kinds = {}
            for kind, _ in parts:
                number += 1
                kinds[kind] = f"EPS({number})"
            name, value = self.free.take(f"DV_{port}"), self.port[port]
            shown.append(name)
            rows.append(f"double {name} = {with_residual(value, kinds, 'exp')};")
        shown += [self.par[n] for n in self.model.params if self._varies(n)]
        return [*rows, "", "$CAPTURE", *_wrapped(shown)]

    def _omega(self) -> list[str]:
        rows: list[str] = []
        for members, matrix in self.random.blocks:
            block = len(members) > 1
            if block or not rows or rows[-1].startswith("$") or "@block" in rows[_last_head(rows)]:
                rows += ([""] if rows else []) + ["$OMEGA @annotated @block" if block else "$OMEGA @annotated"]
            for name, values in zip(members, matrix, strict=True):
                text = " ".join(repr(v) for v in values)
                rows.append(
                    f"{self.free.take(f'ETA_{name}')} : {text} : {form_of(self.model.numbers[name])} variability of {name}"
                )
        if self.random.within:
            rows += ([""] if rows else []) + ["$OMEGA @annotated"]
            for name, numbers in self.random.within.items():
                for occasion in range(1, len(numbers) + 1):
                    label = self.free.take(f"IOV_{name}_{occasion}" if self.occ else f"IOV_{name}")
                    rows.append(f"{label} : {self.random.occasions[name]!r} : variability of {name} between occasions")
        return rows

    def _sigma(self) -> list[str]:
        rows = [
            f"{self.free.take(f'{kind.upper()}_{port}')} : {variance!r} : {kind} residual error of {port} (variance)"
            for port, parts in residuals(self.model)
            for kind, variance in parts
        ]
        return ["$SIGMA @annotated", *rows] if rows else []


def _last_head(rows: list[str]) -> int:
    return max(i for i, row in enumerate(rows) if row.startswith("$"))


def needed_ports(expressions: Iterable[Any], ports: Mapping[str, Any]) -> set[str]:
    """Ports that the expressions use, directly or through other ports."""
    needed = {str(s) for e in expressions for s in e.free_symbols} & set(ports)
    for name in reversed(list(ports)):
        if name in needed:
            needed |= {str(s) for s in ports[name].free_symbols} & set(ports)
    return needed


def is_zero(expression: Any) -> bool:
    """Whether an expression is the number 0."""
    return bool(expression.is_number and float(expression) == 0.0)


def with_residual(value: str, kinds: Mapping[str, str], exp: str) -> str:
    """A prediction with its residual error; `kinds` says which EPS stands for which kind."""
    text = f"{value}*{exp}({kinds['exponential']})" if "exponential" in kinds else value
    if "proportional" in kinds:
        text = f"{text}*(1.0 + {kinds['proportional']})"
    return f"{text} + {kinds['additive']}" if "additive" in kinds else text


def _wrapped(words: list[str], width: int = 120) -> list[str]:
    rows = [""]
    for word in words:
        if rows[-1] and len(rows[-1]) + len(word) + 1 > width:
            rows.append("")
        rows[-1] = f"{rows[-1]} {word}".strip()
    return rows
