"""Doses of a regimen as SBML events."""

# pyright: reportArgumentType=false
# SymPy's annotations give its base class where it returns expressions.

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sympy

from ketasim.errors import InvalidData, InvalidRegimen
from ketasim.model import Inlet
from ketasim.model._trace import symbol

if TYPE_CHECKING:
    from ketasim.dose import EventTemplate
    from ketasim.model import Model


@dataclass(frozen=True)
class Change:
    """At a time, an amount is added to a compartment (`is_rate` false) or to the rate of its input."""

    time: Any
    compartment: str
    is_rate: bool
    amount: Any


Named = Callable[[float, str], Any]


def changes(model: Model, doses: EventTemplate, named: Named) -> Iterator[Change]:
    """What the doses of one person do, over the model's parameters: F, lag, duration and rate stay symbols.

    Parameters
    ----------
    named : (value, unit) -> symbol of the parameter that holds an amount or rate of the regimen.

    Raises
    ------
    InvalidData: more than one person. InvalidRegimen: records that SBML has no events for (steady state, resets).
    """
    if doses.n_subjects != 1:
        raise InvalidData(f"SBML holds the doses of one person; {doses.n_subjects} were given.")
    each = doses.expanded()
    for k in range(len(each.time)):
        evid, steady = int(each.evid[k]), int(each.ss[k])
        if evid == 0:
            continue
        if evid != 1 or steady:
            what = "a steady-state dose (SS)" if steady else f"a record with EVID {evid}"
            raise InvalidRegimen(
                f"record {k + 1} is {what}; SBML events hold single and repeated doses only. Write the doses out, e.g. 'q12h x 20'."
            )
        yield from _dose(model, each, k, named)


def _dose(model: Model, each: EventTemplate, k: int, named: Named) -> Iterator[Change]:
    name = model.compartments[int(each.cmt[k])]
    carried = {symbol(p): sympy.Float(float(v[k, 0])) for p, v in each.overrides.items()}
    inlet = model.system.inlets.get(name, Inlet())
    F, lag = (sympy.sympify(v).xreplace(carried) for v in (inlet.F, inlet.lag))
    unit, rate = model.states[name].unit, float(each.rate[k, 0])
    amount = F * named(float(each.amt[k, 0]), unit)
    at = sympy.Float(float(each.time[k])) + lag
    if rate == 0.0:
        yield Change(at, name, False, amount)
        return
    stated = float(each.duration[k, 0])
    if stated > 0.0:  # the time holds, whatever is available of the amount
        duration = sympy.Float(stated)
        flow = amount / duration
    elif rate == -2.0:
        duration = _declared(inlet.duration, name, "duration", carried)
        flow = amount / duration
    else:
        flow = named(rate, f"{unit}/h") if rate > 0.0 else _declared(inlet.rate, name, "rate", carried)
        duration = amount / flow
    yield Change(at, name, True, flow)
    yield Change(at + duration, name, True, -flow)


def _declared(value: Any, compartment: str, what: str, carried: dict[Any, Any]) -> Any:
    if value is None:
        raise InvalidRegimen(f"the dose into '{compartment}' takes the model's {what}, which the model does not declare.")
    return sympy.sympify(value).xreplace(carried)


def write_events(whole: Any, doses: list[Change], input_of: Callable[[str], str], math: Callable[[Any], Any]) -> None:
    """One event per time, with everything that happens then.

    Parameters
    ----------
    input_of : compartment -> parameter that holds the rate of its input. math : expression -> libSBML's tree.
    """
    at: dict[Any, list[Change]] = {}
    for change in doses:
        at.setdefault(change.time, []).append(change)
    for number, (time, together) in enumerate(at.items(), 1):
        event = whole.createEvent()
        event.setId(f"dose_event_{number}")
        event.setUseValuesFromTriggerTime(False)  # events of one instant add up, in any order
        trigger = event.createTrigger()
        trigger.setInitialValue(False)
        trigger.setPersistent(True)
        trigger.setMath(math(sympy.Ge(symbol("t"), time, evaluate=False)))
        totals: dict[str, Any] = {}
        for change in together:
            target = input_of(change.compartment) if change.is_rate else change.compartment
            totals[target] = totals.get(target, 0) + change.amount
        for target, amount in totals.items():
            assignment = event.createEventAssignment()
            assignment.setVariable(target)
            assignment.setMath(math(symbol(target) + amount))
