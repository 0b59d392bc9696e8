"""The one symbolic trace: mechanisms are called once with symbols; everything else is generated from what comes back."""

# pyright: reportArgumentType=false, reportReturnType=false, reportCallIssue=false, reportAttributeAccessIssue=false, reportIncompatibleMethodOverride=false, reportAssignmentType=false
# SymPy's annotations give its base class where it returns expressions.

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import sympy

from ketasim.errors import InvalidModel
from ketasim.model._declare import STEADY, Expr, Inlet, Mechanism, State, Structure
from ketasim.units import factor

if TYPE_CHECKING:
    from ketasim.model._assemble import Model

TIME = sympy.Symbol("t", real=True)


@dataclass(frozen=True)
class System:
    """A model's equations as symbols.

    Attributes
    ----------
    states, params : names, in the model's order; their symbols carry the same names.
    ports : port name -> expression over states, parameters, time and *earlier* ports, in evaluation order.
    rates : state name -> expression over states, parameters, time and ports.
    initial : state name -> expression over parameters, and over states of `resting`.
    resting : states that start at a rest only numbers can find -> rate that vanishes there, over parameters and these states.
    inlets : state name -> traced `Inlet` over parameters, only for states that declare one.
    """

    states: tuple[str, ...]
    params: tuple[str, ...]
    ports: Mapping[str, sympy.Expr]
    rates: Mapping[str, sympy.Expr]
    initial: Mapping[str, sympy.Expr]
    inlets: Mapping[str, Inlet]
    resting: Mapping[str, sympy.Expr] = field(default_factory=dict)

    @property
    def uses_time(self) -> bool:
        """Whether any equation depends on time itself."""
        return any(TIME in e.free_symbols for e in (*self.rates.values(), *self.ports.values()))

    def initial_expressions(self, target: str) -> Mapping[str, sympy.Expr]:
        """Initial values over parameters alone.

        Raises
        ------
        InvalidModel: a state starts at a rest that has no closed form, which `target` cannot look for.
        """
        if self.resting:
            raise InvalidModel(
                f"state '{min(self.resting)}' starts at rest, which has no closed form here, and {target} cannot look for it. "
                "Give its initial value as a parameter."
            )
        return self.initial

    def text(self) -> str:
        """All equations, written out so that two models with one text are one model."""
        inlets = {name: (inlet.F, inlet.lag, inlet.duration, inlet.rate) for name, inlet in self.inlets.items()}
        equations = [*self.ports.items(), *self.rates.items(), *self.initial.items(), *self.resting.items()]
        return repr((self.states, self.params, [(name, sympy.srepr(e)) for name, e in equations],
                     [(name, [sympy.srepr(e) for e in values]) for name, values in inlets.items()]))  # fmt: skip

    def explicit_rates(self) -> dict[str, sympy.Expr]:
        """Rates over states, parameters and time only: ports substituted away."""
        known: dict[sympy.Symbol, sympy.Expr] = {}
        for name, expression in self.ports.items():
            known[symbol(name)] = expression.xreplace(known)
        return {name: rate.xreplace(known) for name, rate in self.rates.items()}

    def explicit_ports(self) -> dict[str, sympy.Expr]:
        """Ports over states, parameters and time only."""
        known: dict[sympy.Symbol, sympy.Expr] = {}
        for name, expression in self.ports.items():
            known[symbol(name)] = expression.xreplace(known)
        return {name: known[symbol(name)] for name in self.ports}


def symbol(name: str) -> sympy.Symbol:
    """The symbol of a state, parameter or port."""
    return sympy.Symbol(name, real=True)


def trace(model: Model) -> System:
    """Call every mechanism once with symbols.

    Raises
    ------
    InvalidModel: a mechanism returns rates or ports it did not declare or forgets some, or ports form an algebraic loop.
    """
    p = {name: symbol(name) for name in model.params}
    x = {name: symbol(name) for name in model.states}
    outputs: dict[str, sympy.Expr] = {}
    rates: dict[str, sympy.Expr] = {}
    initial: dict[str, sympy.Expr] = {}
    inlets: dict[str, Inlet] = {}
    added: dict[str, list[sympy.Expr]] = {}
    for index, part in enumerate(model.parts):
        mechanism = part.mechanism
        u = {name: _scaled(symbol(name), model.factors[index, name]) for name in mechanism.reads}
        own_x = {name: x[name] for name in mechanism.states}
        own_x |= {name: _scaled(x[name], model.factors[index, f"add:{name}"]) for name in mechanism.adds}
        own_p = {name: p[name] for name in mechanism.params}
        for name, value in _called(mechanism, "outputs", mechanism.writes, own_x, u, own_p).items():
            value = _scaled(value, model.factors.get((index, f"write:{name}"), 1.0))
            outputs[name] = _combined(outputs[name], value, model.ports[name].combine) if name in outputs else value
        for name, value in _called(mechanism, "rates", {**mechanism.states, **mechanism.adds}, own_x, u, own_p).items():
            if name in mechanism.adds:
                added.setdefault(name, []).append(_scaled(value, 1.0 / model.factors[index, f"add:{name}"]))
            else:
                rates[name] = value
        for name, state in mechanism.states.items():
            initial[name] = _started(mechanism, name, state, own_p)
        if isinstance(mechanism, Structure):
            inlets |= {name: _sympify(_in_hours(inlet, mechanism, name)) for name, inlet in mechanism.inlets(own_p).items()}
    rates |= {name: sympy.Add(rates[name], *shares) for name, shares in added.items()}
    unknown = set(inlets) - set(model.states)
    if unknown:
        raise InvalidModel(f"{model.id}: inlets name '{min(unknown)}', which is no state.")
    ordered = {name: rates[name] for name in model.states}
    system = System(tuple(model.states), tuple(model.params), _sort_ports(outputs, model.id), ordered, initial, inlets)
    return _rested(model, system)


def _rested(model: Model, system: System) -> System:
    """The system with the initial values of states that start where they stay without doses."""
    names = [name for name, state in model.states.items() if state.initial == STEADY]
    if not names:
        return system
    from ketasim.model._rest import at_rest

    others = {name: value for name, value in system.initial.items() if name not in names}
    found, resting = at_rest(names, system.explicit_rates(), others, TIME, model.id)
    return replace(system, initial={name: {**others, **found}[name] for name in system.states}, resting=resting)


def _in_hours(inlet: Inlet, mechanism: Structure, state: str) -> Inlet:
    """The inlet, if parameters that stand alone in it have its dimensions; what equations make of them is not looked at.

    Raises
    ------
    UnitMismatch: e.g. a bioavailability in h.
    """
    amount = mechanism.states[state].unit if state in mechanism.states else ""
    for kind, unit in (("F", "1"), ("lag", "h"), ("duration", "h"), ("rate", f"{amount}/h")):
        value = getattr(inlet, kind)
        if isinstance(value, sympy.Symbol) and str(value) in mechanism.params and (kind != "rate" or amount):
            factor(mechanism.params[str(value)].unit, unit, f"{kind} of '{state}' in {mechanism.name()} is '{value}'")
    return inlet


def _combined(one: sympy.Expr, other: sympy.Expr, how: str) -> sympy.Expr:
    return one * other if how == "product" else one + other


def _started(mechanism: Mechanism, name: str, state: State, p: Mapping[str, sympy.Expr]) -> sympy.Expr:
    """Value a state starts at, over parameters.

    Raises
    ------
    InvalidModel: the expression fails, or uses what is no parameter of the mechanism.
    """
    initial = state.initial
    if initial == STEADY:
        return symbol(name)  # solved for when all rates are known
    if not callable(initial):
        return p[initial] if isinstance(initial, str) else sympy.Float(initial)
    where = f"initial value of '{name}' in {mechanism.name()}"
    try:
        return sympy.sympify(initial(p))
    except KeyError as error:
        raise InvalidModel(f"{where} uses {error}, which is no parameter of it. It has: {', '.join(p)}.") from None
    except (TypeError, ArithmeticError, sympy.SympifyError) as error:
        raise InvalidModel(
            f"{where} fails: {error}. Write it with parameters and ketasim.model.functions: lambda p: p['kin'] / p['kout']."
        ) from None


def _scaled(value: sympy.Expr, by: float) -> sympy.Expr:
    return value if by == 1.0 else sympy.Float(by) * value


def _called(
    mechanism: Mechanism, method: str, declared: Mapping[str, object], *given: Mapping[str, Expr]
) -> dict[str, sympy.Expr]:
    """What a mechanism's equations give for symbols.

    Raises
    ------
    InvalidModel: the equations fail, or give other names than declared.
    """
    where = f"{mechanism.name()}.{method}"
    try:
        got = getattr(mechanism, method)(TIME, *given)
    except KeyError as error:
        kinds = ("its states", "the ports it reads", "its parameters")
        names = "; ".join(f"{kind}: {', '.join(values)}" for kind, values in zip(kinds, given, strict=True) if values)
        raise InvalidModel(f"{where} uses {error}, which is not declared. {names[:1].upper()}{names[1:]}.") from None
    except TypeError as error:
        hint = ""
        if "truth value" in str(error):
            hint = " Equations cannot branch with 'if' on a state or parameter: use where_positive of ketasim.model.functions."
        elif "float" in str(error) or "loop of ufunc" in str(error):
            hint = " Use exp, log, sqrt ... of ketasim.model.functions instead of those of math or numpy."
        raise InvalidModel(f"{where} fails: {error}.{hint}") from error
    except ArithmeticError as error:
        raise InvalidModel(f"{where} fails: {error}.") from error
    if not isinstance(got, Mapping):
        raise InvalidModel(f"{where} returns {type(got).__name__}, not names with their equations. Is a 'return' missing?")
    return _checked(got, declared, where)


def _checked(got: Mapping[str, Expr], declared: Mapping[str, object], where: str) -> dict[str, sympy.Expr]:
    extra, missing = set(got) - set(declared), set(declared) - set(got)
    if extra:
        raise InvalidModel(f"{where} returns '{min(extra)}', which it does not declare.")
    if missing:
        raise InvalidModel(f"{where} does not return '{min(missing)}', which it declares.")
    return {name: sympy.sympify(value) for name, value in got.items()}


def _sympify(inlet: Inlet) -> Inlet:
    values = (inlet.F, inlet.lag, inlet.duration, inlet.rate)
    return Inlet(*(None if v is None else sympy.sympify(v) for v in values))


def _sort_ports(outputs: Mapping[str, sympy.Expr], model_id: str) -> dict[str, sympy.Expr]:
    waiting, done = dict(outputs), dict[str, sympy.Expr]()
    names = {symbol(name): name for name in outputs}
    while waiting:
        ready = [n for n, e in waiting.items() if all(names[s] in done for s in e.free_symbols if s in names)]
        if not ready:
            raise InvalidModel(
                f"{model_id}: ports {', '.join(sorted(waiting))} depend on each other in a loop; break it with a state."
            )
        for name in ready:
            done[name] = waiting.pop(name)
    return done
