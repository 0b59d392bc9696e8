"""A model as a NONMEM control stream: typical values as THETA, covariate effects in $PK, equations in $DES."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ketasim.arguments import checked
from ketasim.exchange._dialect import NmTran, replacer, with_effects, with_eta
from ketasim.exchange._mrgsolve import is_zero, needed_ports, with_residual
from ketasim.exchange._names import NONMEM, Names, shortened
from ketasim.exchange._people import DEVICES, STATED, clean, columns, form_of, observed, random_effects, reduced, residuals

if TYPE_CHECKING:
    from ketasim.model import Model, Number, Param

#: Longest line: NM-TRAN reads 160 characters, older versions 80 less well than it says; this leaves room.
WIDTH = 118
#: What NONMEM has room for unless $SIZES says otherwise: compartments, parameters of $PK, THETAs.
ROOM = {"PC": 30, "PG": 50, "LTH": 100}
#: Data items every data set of ours has, in the order it has them.
ITEMS = ("ID", "TIME", "AMT", "RATE", "EVID", "CMT", "ADDL", "II", "SS", "DV", "MDV")


@checked
def export_nonmem(model: Model, *, occasions: int = 1, data: str = "data.csv") -> str:
    """The model as a NONMEM control stream (ADVAN13).

    Parameters
    ----------
    occasions : how many occasions the variability between occasions is written for (``SAME`` blocks); with more than one, the
        data item OCC (1, 2 ...) says which holds.
    data : file that ``$DATA`` names.

    Returns
    -------
    str: covariate effects, random effects, initial amounts and the doses' F, lag, duration and rate in ``$PK``; equations in
    ``$DES``; every output in ``$ERROR`` and ``$TABLE``, those with observations chosen by the data item DVID where there are
    several; values in ``$THETA``, ``$OMEGA``, ``$SIGMA``. Numbers that the sources give as fixed or assumed are FIX.

    Notes
    -----
    Names are capitals of at most 20 characters; the head of the file lists what was renamed. Outputs keep the model's units.
    """
    writer = Writer(model, occasions, data)
    return "\n".join(writer.lines()) + "\n"


class Writer:
    """One control stream in the making."""

    def __init__(self, model: Model, occasions: int, data: str = "data.csv") -> None:
        self.model, self.occasions = model, occasions
        # NONMEM takes a name with blanks or commas in quotes.
        self.data = data if data.replace("/", "").replace(".", "").replace("_", "").replace("-", "").isalnum() else f"'{data}'"
        self.columns, self.random, self.observed = columns(model), random_effects(model, occasions), observed(model)
        self.free = Names(NONMEM, shortened, 20, is_folded=True)
        count = range(len(model.states) + 1)
        self.free.reserve(*(f"{word}{i}" for i in count for word in ("F", "ALAG", "D", "R", "S")), "NDEVICES", STATED)
        self.free.reserve(*(f"MU_{i}" for i in range(1, 1 + sum(map(len, (self.random.between, *self.random.within.values()))))))
        self.nm = NmTran(self.free.take)
        self.cov = {name: self.free.take(name) for name in self.columns}
        self.par = {n: "NDEVICES" if n == DEVICES else self.free.take(n) for n in model.params}
        self.port = {name: self.free.take(name) for name in model.ports}
        self.amount = {name: f"A({i})" for i, name in enumerate(model.states, 1)}
        self.theta = {name: i for i, name in enumerate((n for n in model.params if n != DEVICES), 1)}

    def lines(self) -> list[str]:
        """The control stream."""
        pk, des, error = self._pk(), self._des(), self._error()
        compartments = Names(("OUTPUT",), shortened, 20, is_folded=True)
        blocks = (
            self._sizes(pk), self._head(), ["$SUBROUTINES ADVAN13 TOL=9"],
            ["$MODEL", *(f"  COMP=({compartments.take(n)}) ; {i} {clean(s.meaning or n)}, {s.unit}" for i, (n, s) in enumerate(self.model.states.items(), 1))],
            pk, des, error, self._thetas(), self._omegas(), self._sigmas(), self._end(),
        )  # fmt: skip
        return [part for block in blocks if block for line in (*block, "") for part in _folded(line)][:-1]

    def _sizes(self, pk: list[str]) -> list[str]:
        """Room for a model that is larger than NONMEM expects; NM-TRAN stops where it is missing."""
        given = {line.split(" = ")[0].split()[-1] for line in pk if " = " in line}
        needed = {"PC": len(self.model.states) + 1, "PG": len(given), "LTH": len(self.theta)}
        said = [f"{name}={count}" for name, count in needed.items() if count > ROOM[name]]
        return [f"$SIZES {' '.join(said)}"] if said else []

    def _head(self) -> list[str]:
        both = {**self.model.params, **self.model.ports}
        renamed = {old: new for names in (self.par, self.port, self.cov) for old, new in names.items() if old.upper() != new}
        rows = [f"$PROBLEM {self.model.id}, written by ketasim", "; For research; not for decisions on the care of a patient.",
                "; TIME in h, AMT in the unit of each compartment. ketasim export nonmem --data writes data.csv that fits."]  # fmt: skip
        rows += [f"; {new} is {old}" + (f", {clean(both[old].meaning)}" if old in both and both[old].meaning else "") for old, new in renamed.items()]  # fmt: skip
        rows += [f"; {self.cov[name]} is {clean(c.note)} {c.unit}".rstrip() for name, c in self.columns.items()]
        return [*rows, f"$INPUT {' '.join([*ITEMS, *self.extra_items()])}", f"$DATA {self.data} IGNORE=@"]

    def extra_items(self) -> list[str]:
        """Data items beyond the usual ones."""
        items = ["DVID"] if len(self.observed) > 1 else []
        items += ["OCC"] if self.random.within and self.occasions > 1 else []
        items += [STATED] if reduced(self.model) else []
        return items + (["NDEVICES"] if DEVICES in self.par else []) + list(self.cov.values())

    def _pk(self) -> list[str]:
        rows = ["$PK"]
        for name, number in self.model.numbers.items():
            if name not in self.theta:
                continue
            value = with_effects(self.nm, f"THETA({self.theta[name]})", number.covariates, self.columns, self.cov)
            eta = self._eta(name)
            text = with_eta(self.nm, value, eta, form_of(number)) if eta else value
            rows += [*self._flush(), f"  {self.par[name]} = {text}"]
        rename = replacer({**self.par, "t": "TIME"})
        for i, (name, start) in enumerate(self.model.system.initial_expressions("NONMEM").items(), 1):
            if not is_zero(start):
                rows += self._assign(f"A_0({i})", rename(start))
            inlet = self.model.system.inlets.get(name)
            values = (("F", inlet.F, 1.0), ("ALAG", inlet.lag, 0.0), ("D", inlet.duration, None), ("R", inlet.rate, None)) if inlet else ()  # fmt: skip
            for word, value, usual in values:
                if value is not None and value != usual:
                    rows += self._assign(f"{word}{i}", rename(value))
            if name in reduced(self.model):  # a stated duration holds, whatever is available
                rows.append(
                    f"  IF ({STATED}.GT.0) D{i} = {STATED}" if inlet and inlet.duration is not None else f"  D{i} = {STATED}"
                )
        return rows

    def _eta(self, name: str) -> str:
        terms = [f"ETA({self.random.between[name]})"] if name in self.random.between else []
        within = self.random.within.get(name, ())
        if len(within) > 1:
            variable = self.free.take(f"IOV_{name}")
            self.nm.before += [f"{variable} = 0.0"]
            self.nm.before += [f"IF (OCC.EQ.{k}) {variable} = ETA({number})" for k, number in enumerate(within, 1)]
            terms.append(variable)
        elif within:
            terms.append(f"ETA({within[0]})")
        return " + ".join(terms)

    def _flush(self) -> list[str]:
        """Lines an expression needs before it."""
        rows = [f"  {line}" for line in self.nm.before]
        self.nm.before.clear()
        return rows

    def _assign(self, name: str, expression: Any) -> list[str]:
        text = self.nm.code(expression)
        return [*self._flush(), f"  {name} = {text}"]

    def _des(self) -> list[str]:
        system = self.model.system
        needed = needed_ports(system.rates.values(), system.ports)
        local = {name: self.free.take(f"DE_{name}") for name in system.ports if name in needed}
        rename = replacer({**self.par, **self.amount, **local, "t": "T"})
        rows = ["$DES"]
        for name, new in local.items():
            rows += self._assign(new, rename(system.ports[name]))
        for i, rate in enumerate(system.rates.values(), 1):
            rows += self._assign(f"DADT({i})", rename(rate))
        return rows

    def _error(self) -> list[str]:
        rename = replacer({**self.par, **self.amount, **self.port, "t": "TIME"})
        rows, number = ["$ERROR"], 0
        for name, expression in self.model.system.ports.items():
            rows += self._assign(self.port[name], rename(expression))
        kinds: dict[str, dict[str, str]] = {}
        for port, parts in residuals(self.model):
            kinds[port] = {}
            for kind, _ in parts:
                number += 1
                kinds[port][kind] = f"EPS({number})"
        first = self.observed[0] if self.observed else ""
        if not first:
            return [*rows, f"  Y = {next(iter(self.amount.values()))} + EPS(1)"]
        nothing = {"additive": f"EPS({number + 1})"}
        if len(self.observed) == 1:
            return [*rows, f"  IPRED = {self.port[first]}", f"  Y = {with_residual('IPRED', kinds.get(first, nothing), 'EXP')}"]
        rows += [f"  IPRED = {self.port[first]}", f"  Y = {with_residual('IPRED', kinds.get(first, nothing), 'EXP')}"]
        for i, port in enumerate(self.observed[1:], 2):
            rows += [f"  IF (DVID.EQ.{i}) THEN", f"    IPRED = {self.port[port]}",
                     f"    Y = {with_residual('IPRED', kinds.get(port, nothing), 'EXP')}", "  ENDIF"]  # fmt: skip
        return rows

    def _thetas(self) -> list[str]:
        numbers, params = self.model.numbers, self.model.params
        return ["$THETA", *(f"  {_theta(numbers[n], params[n])} ; {i} {self.par[n]}, {numbers[n].unit}" for n, i in self.theta.items())]  # fmt: skip

    def _omegas(self) -> list[str]:
        rows: list[str] = []
        for members, matrix in self.random.blocks:
            rows.append(f"$OMEGA BLOCK({len(members)})" if len(members) > 1 else "$OMEGA")
            for name, values in zip(members, matrix, strict=True):
                text = " ".join(self.nm.number(v) for v in values)
                rows.append(f"  {text} ; {self.random.between[name]} {self.par[name]}, {form_of(self.model.numbers[name])}")
        for name, numbers in self.random.within.items():
            text = self.nm.number(self.random.occasions[name])
            rows += ["$OMEGA BLOCK(1)", f"  {text} ; {numbers[0]} {self.par[name]} between occasions"]
            rows += ["$OMEGA BLOCK(1) SAME" for _ in numbers[1:]]
        return rows

    def _sigmas(self) -> list[str]:
        rows = [f"  {self.nm.number(v)} ; {kind} error of {self.port[port]}" for port, parts in residuals(self.model) for kind, v in parts]  # fmt: skip
        if {p for p, _ in residuals(self.model)} < set(self.observed) or not rows:
            rows.append("  0 FIX ; outputs whose source states no residual error; put your assay's here")
        return ["$SIGMA", *rows]

    def _end(self) -> list[str]:
        shown = list(self.port.values())
        return ["; Simulate:", "$SIMULATION (20310401) ONLYSIMULATION SUBPROBLEMS=1", "; Or estimate:",
                "; $ESTIMATION METHOD=1 INTERACTION MAXEVAL=9999 PRINT=10 SIGL=9 NSIG=3",
                f"$TABLE ID TIME EVID{' DVID' if len(self.observed) > 1 else ''} IPRED {' '.join(shown)} NOAPPEND NOPRINT ONEHEADER FILE=ketasim.tab"]  # fmt: skip


def _theta(number: Number, param: Param) -> str:
    """Start value with bounds where it may be estimated, else FIX. NM-TRAN refuses to start an estimation from 0."""
    value, (low, high) = number.value, param.bounds
    text = repr(float(value)).upper()
    if number.kind != "estimated" or not low < value < high or value == 0.0:
        return f"{text} FIX"
    bounds = [repr(float(low)).upper() if math.isfinite(low) else "-INF", text] + ([repr(float(high)).upper()] if math.isfinite(high) else [])  # fmt: skip
    return f"({', '.join(bounds)})"


def _folded(line: str) -> list[str]:
    """A line as lines of allowed length: code continues after ``&``, comments as new comments, records on new lines."""
    if len(line) <= WIDTH:
        return [line]
    if line.startswith((";", "$INPUT", "$TABLE")):
        start = "; " if line.startswith(";") else "  "
        words, rows = line.split(" "), [""]
        for word in words:
            if len(rows[-1]) + len(word) > WIDTH - 2:
                rows.append(start.rstrip() if start == "; " else " ")
            rows[-1] = f"{rows[-1]} {word}" if rows[-1] else word
        return rows
    code, mark, comment = line.partition(" ; ")
    if mark:
        return [*_folded(code), f"; {comment}"] if len(code) > WIDTH else [f"{code} ; {comment[: WIDTH - len(code) - 3]}"]
    rows, rest = [], line
    while len(rest) > WIDTH:
        at = max(rest.rfind(sign, 40, WIDTH - 2) for sign in (" + ", " - ", "*", "/"))
        at += 1 if rest[at] == " " else 0
        while rest[at - 1 : at + 1] == "**" or rest[at : at + 2] == "**":
            at -= 1
        rows.append(f"{rest[:at].rstrip()} &")
        rest = f"    {rest[at:].lstrip()}"
    return [*rows, rest]
