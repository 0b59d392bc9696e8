"""A model in other tools' languages: SBML, mrgsolve and NONMEM, all from the one symbolic trace."""

# pyright: reportArgumentType=false, reportReturnType=false, reportCallIssue=false, reportAttributeAccessIssue=false, reportIncompatibleMethodOverride=false, reportAssignmentType=false
# SymPy's annotations give its base class where it returns expressions.

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ketasim.errors import InvalidModel

if TYPE_CHECKING:
    from ketasim.model._assemble import Model


def export_sbml(model: Model) -> str:
    """The model as SBML Level 3 Version 2: states by rate rules, ports by assignment rules, typical parameter values.

    Doses are not part of the model: add them as events, or set amounts, in the tool that reads the file. Amounts keep the model's
    units (named in the notes of each element), time is in hours.
    """
    import libsbml

    document = libsbml.SBMLDocument(3, 2)
    whole = document.createModel()
    whole.setId("ketasim_model")
    whole.setName(model.id)
    values = model.typical()
    for name, value in values.items():
        _quantity(whole, name, value, True, f"{model.params[name].meaning} [{model.params[name].unit}]")
    start = {n: float(e.subs({s: values[str(s)] for s in e.free_symbols})) for n, e in model.system.initial.items()}
    for name, state in model.states.items():
        _quantity(whole, name, start[name], False, f"{state.meaning} [{state.unit}]")
        rule = whole.createRateRule()
        rule.setVariable(name)
        rule.setMath(_math(model.system.rates[name]))
    for name, expression in model.system.ports.items():
        _quantity(whole, name, 0.0, False, f"{model.ports[name].meaning} [{model.ports[name].unit}]")
        rule = whole.createAssignmentRule()
        rule.setVariable(name)
        rule.setMath(_math(expression))
    if document.checkInternalConsistency() or document.getNumErrors(libsbml.LIBSBML_SEV_ERROR):
        raise InvalidModel(f"{model.id}: the SBML text is not consistent: {document.getError(0).getMessage()}")
    return libsbml.writeSBMLToString(document)


def _quantity(whole: Any, name: str, value: float, constant: bool, note: str) -> None:
    parameter = whole.createParameter()
    parameter.setId(name)
    parameter.setConstant(constant)
    parameter.setValue(value)
    parameter.setName(note)


def _math(expression: Any) -> Any:
    import libsbml
    import sympy

    text = sympy.sstr(expression.xreplace({sympy.Symbol("t", real=True): sympy.Symbol("time")}), full_prec=True).replace(
        "**", "^"
    )
    tree = libsbml.parseL3Formula(_piecewise(text))
    if tree is None:
        raise InvalidModel(f"an equation has no SBML form: {text} ({libsbml.getLastParseL3Error()})")
    return tree


def _piecewise(text: str) -> str:
    """SymPy writes Piecewise((a, c), (b, True)); SBML wants piecewise(a, c, b)."""
    text = text.replace("Max(", "max(").replace("Min(", "min(").replace("log(", "ln(")
    while "Piecewise(" in text:
        start = text.index("Piecewise(")
        depth, end = 0, start + len("Piecewise")
        for end in range(start + len("Piecewise"), len(text)):
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            if depth == 0:
                break
        inside = text[start + len("Piecewise(") + 1 : end - 1].replace("), (", ", ").removesuffix(", True")
        text = f"{text[:start]}piecewise({inside}){text[end + 1 :]}"
    return text


def _code(expression: Any) -> str:
    import sympy

    return sympy.ccode(expression)


def export_mrgsolve(model: Model) -> str:
    """The model as mrgsolve text: typical values, doses' F, lag, duration and rate, equations, outputs, variances.

    Covariate effects are not written out: set the parameters per subject, or compute them in ``$MAIN``.
    """
    system = model.system
    lines = [
        "$PROB",
        f"{model.id}, written by ketasim. Time in h, amounts and concentrations in the units named below.",
        "",
        "$PARAM @annotated",
    ]
    lines += [f"{n} : {number.value!r} : {model.params[n].meaning or n} ({number.unit})" for n, number in model.numbers.items()]
    lines += ["", "$CMT @annotated"] + [f"{n} : {s.meaning or n} ({s.unit})" for n, s in model.states.items()]
    lines += ["", "$MAIN"]
    lines += [f"{n}_0 = {_code(e)};" for n, e in system.initial.items() if e != 0]
    for name, inlet in system.inlets.items():
        for word, value in (("F", inlet.F), ("ALAG", inlet.lag), ("D", inlet.duration), ("R", inlet.rate)):
            if value is not None:
                lines.append(f"{word}_{name} = {_code(value)};")
    used = {s for e in system.rates.values() for s in e.free_symbols}
    lines += ["", "$ODE"] + [
        f"double ode_{n} = {_code(_renamed(e, system.ports))};" for n, e in system.ports.items() if any(str(s) == n for s in used)
    ]
    lines += [f"dxdt_{n} = {_code(_renamed(e, system.ports))};" for n, e in system.rates.items()]
    lines += ["", "$TABLE"] + [f"double {n} = {_code(e)};" for n, e in system.ports.items()]
    lines += ["", "$CAPTURE", " ".join(system.ports), ""]
    etas = [(n, number.iiv) for n, number in model.numbers.items() if number.iiv is not None]
    if etas:
        lines += (
            ["$OMEGA @annotated"]
            + [f"ETA_{n} : {v.omega2!r} : {v.form} variability of {n}" for n, v in etas if v is not None]
            + [""]
        )
    return "\n".join(lines)


def _renamed(expression: Any, ports: Any) -> Any:
    import sympy

    known = {sympy.Symbol(n, real=True): sympy.Symbol(f"ode_{n}", real=True) for n in ports}
    return expression.xreplace(known)


def export_nonmem(model: Model) -> str:
    """The model as a NONMEM control stream (ADVAN13): typical values as THETA, variances as OMEGA. Adjust $DATA and $ERROR to your data."""
    import sympy

    system = model.system
    amounts = {sympy.Symbol(n, real=True): sympy.Symbol(f"A({i})") for i, n in enumerate(model.states, 1)}

    def code(expression: Any) -> str:
        return (
            sympy.fcode(expression.xreplace(amounts), source_format="free", standard=95)
            .replace("&\n", "")
            .replace("d0", "D0")
            .replace("\n", " ")
        )

    lines = [
        f"$PROBLEM {model.id}, written by ketasim",
        "$INPUT ID TIME AMT RATE EVID CMT ADDL II SS DV MDV",
        "$DATA data.csv IGNORE=@",
    ]
    lines += ["$SUBROUTINES ADVAN13 TOL=9", "$MODEL"] + [f"  COMP=({n.upper()[:20]})" for n in model.states] + ["$PK"]
    etas = [n for n, number in model.numbers.items() if number.iiv is not None]
    for i, name in enumerate(model.numbers, 1):
        effect = f"*EXP(ETA({etas.index(name) + 1}))" if name in etas else ""
        lines.append(f"  {name} = THETA({i}){effect}")
    for name, inlet in system.inlets.items():
        number = list(model.states).index(name) + 1
        for word, value in (("F", inlet.F), ("ALAG", inlet.lag), ("D", inlet.duration), ("R", inlet.rate)):
            if value is not None and str(value) != f"{word}{number}":
                lines.append(f"  {word}{number} = {code(value)}")
    lines += ["$DES"] + [f"  DADT({i}) = {code(e)}" for i, e in enumerate(system.explicit_rates().values(), 1)]
    lines += ["$ERROR"] + [f"  {n} = {code(e)}" for n, e in system.explicit_ports().items()]
    first = next(iter(system.ports), "F")
    lines += [f"  IPRED = {first}", "  Y = IPRED*(1+EPS(1))", "$THETA"]
    lines += [f"  {number.value!r} ; {n} {number.unit}" for n, number in model.numbers.items()]
    if etas:
        lines += ["$OMEGA"] + [f"  {model.numbers[n].iiv.omega2!r} ; {n}" for n in etas]  # type: ignore[union-attr]
    return "\n".join([*lines, "$SIGMA", "  0.05 ; illustrative start value, set your own", ""])
