"""A model as SBML Level 3: equations by rate and assignment rules, units, and the doses of a regimen as events."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from ketasim.arguments import checked
from ketasim.errors import InvalidModel, InvalidOption, close_names
from ketasim.exchange._dialect import Sbml, replacer, with_effects
from ketasim.exchange._names import Names
from ketasim.exchange._people import columns
from ketasim.exchange._sbml_events import changes, write_events
from ketasim.exchange._sbml_units import Units

if TYPE_CHECKING:
    from ketasim.dose import EventTemplate
    from ketasim.model import Model

#: Words of SBML's formulas.
_RESERVED = (
    "time",
    "avogadro",
    "pi",
    "exponentiale",
    "true",
    "false",
    "infinity",
    "inf",
    "nan",
    "notanumber",
    "delay",
    "dimensionless",
)


@checked
def export_sbml(model: Model, doses: EventTemplate | None = None, covariates: Mapping[str, float] | None = None) -> str:
    """The model as SBML Level 3 Version 2.

    Parameters
    ----------
    doses : of one person, from ``ketasim.dose.resolve``; they become events. Without, add doses in the tool that reads the file.
    covariates : of that person, e.g. ``{"WT": 82.0}``, as numbers; others take the model's reference values.

    Returns
    -------
    str: states by rate rules, ports by assignment rules, all with units. Parameters that depend on covariates are assignment
    rules over a typical value ``TV_...`` and the covariates, which the reader may change. The person has no random effects.

    Raises
    ------
    InvalidOption: a covariate the model does not use, or one that is no number. InvalidRegimen: steady-state doses or resets.

    Notes
    -----
    Time is in hours; amounts and concentrations in the units of the model. Infusions act through parameters ``input_...``.
    """
    import libsbml

    document = libsbml.SBMLDocument(3, 2)
    _Writer(model, document.createModel(), covariates or {}).write(doses)
    if document.checkInternalConsistency() or document.getNumErrors(libsbml.LIBSBML_SEV_ERROR):
        raise InvalidModel(f"{model.id}: the SBML text is not consistent: {document.getError(0).getMessage()}")
    return libsbml.writeSBMLToString(document)


class _Writer:
    def __init__(self, model: Model, whole: Any, covariates: Mapping[str, float]) -> None:
        self.model, self.whole, self.units, self.sbml = model, whole, Units(whole), Sbml()
        self.columns, self.doses = columns(model), dict[tuple[float, str], str]()
        self.given = {name.upper(): _number(name, value) for name, value in covariates.items()}
        unknown = sorted(set(self.given) - set(self.columns))
        if unknown:
            raise InvalidOption(f"{model.id} has no covariate '{unknown[0]}'.{close_names(unknown[0], self.columns)} It has: {', '.join(self.columns) or 'none'}.")  # fmt: skip
        self.free = Names(_RESERVED)
        self.name = {name: self.free.take(name) for name in (*model.states, *model.params, *model.ports)}
        self.cov = {name: self.free.take(name) for name in self.columns}
        self.typical = {n: self.free.take(f"TV_{n}") for n, number in model.numbers.items() if number.covariates}
        self.rename = replacer({**self.name, "t": "time"})

    def write(self, doses: EventTemplate | None) -> None:
        """Everything, in the order SBML readers like: quantities, then rules, then events."""
        self._frame()
        self._people()
        system, values = self.model.system, self.model.typical()
        initial = system.initial_expressions("SBML")
        for name, state in self.model.states.items():
            start = float(initial[name].subs({s: values[str(s)] for s in initial[name].free_symbols}))
            self._quantity(self.name[name], start, False, state.meaning, state.unit)
        for name, port in self.model.ports.items():
            self._quantity(self.name[name], 0.0, False, port.meaning, port.unit)
        happens = list(changes(self.model, doses, self._named)) if doses is not None else []
        inputs = {c.compartment: self.free.take(f"input_{c.compartment}") for c in happens if c.is_rate}
        for name, own in inputs.items():
            self._quantity(own, 0.0, False, f"rate of input into {name}", f"{self.model.states[name].unit}/h")
        for name, expression in system.ports.items():
            self._rule(self.whole.createAssignmentRule(), self.name[name], self._text(expression))
        for name, expression in system.rates.items():
            text = self._text(expression) + (f" + {inputs[name]}" if name in inputs else "")
            self._rule(self.whole.createRateRule(), self.name[name], text)
        for name, expression in initial.items():
            if expression.free_symbols:
                start = self.whole.createInitialAssignment()
                start.setSymbol(self.name[name])
                start.setMath(self._math(self._text(expression)))
        write_events(self.whole, happens, inputs.__getitem__, lambda e: self._math(self._text(e)))

    def _frame(self) -> None:
        self.whole.setId("ketasim_model")
        self.whole.setName(self.model.id)
        said = f"{self.model.id}, written by ketasim. For research; not for decisions on the care of a patient."
        self.whole.setNotes(f'<body xmlns="http://www.w3.org/1999/xhtml"><p>{escape(said)}</p></body>')
        self.whole.setTimeUnits(self.units.take("h"))
        for set_unit, unit in ((self.whole.setSubstanceUnits, "umol"), (self.whole.setExtentUnits, "umol"), (self.whole.setVolumeUnits, "L")):  # fmt: skip
            set_unit(self.units.take(unit))

    def _people(self) -> None:
        """Covariates, typical values, and the rules that make individual values of them."""
        for name, column in self.columns.items():
            self._quantity(self.cov[name], self.given.get(name, column.value), True, column.note, column.unit or "1")
        for name, number in self.model.numbers.items():
            meaning = self.model.params[name].meaning
            if name in self.typical:
                self._quantity(self.typical[name], number.value, True, f"typical {meaning}", number.unit)
            self._quantity(self.name[name], number.value, name not in self.typical, meaning, number.unit)
        for name, typical in self.typical.items():
            text = with_effects(self.sbml, typical, self.model.numbers[name].covariates, self.columns, self.cov)
            self._rule(self.whole.createAssignmentRule(), self.name[name], text)

    def _quantity(self, name: str, value: float, constant: bool, meaning: str, unit: str) -> None:
        parameter = self.whole.createParameter()
        parameter.setId(name)
        parameter.setConstant(constant)
        parameter.setValue(value)
        parameter.setUnits(self.units.take(unit))
        parameter.setName(f"{meaning} [{unit}]" if meaning else f"{name} [{unit}]")

    def _named(self, value: float, unit: str) -> Any:
        """Symbol of the parameter that holds an amount or a rate of the regimen; equal ones share it."""
        from ketasim.model._trace import symbol

        if (value, unit) not in self.doses:
            self.doses[value, unit] = self.free.take(f"dose_{len(self.doses) + 1}")
            self._quantity(self.doses[value, unit], value, True, "given", unit)
        return symbol(self.doses[value, unit])

    def _rule(self, rule: Any, name: str, text: str) -> None:
        rule.setVariable(name)
        rule.setMath(self._math(text))

    def _text(self, expression: Any) -> str:
        return self.sbml.code(self.rename(expression))

    def _math(self, text: str) -> Any:
        import libsbml

        tree = libsbml.parseL3FormulaWithModel(text, self.whole)
        if tree is None:
            raise InvalidModel(f"an equation has no SBML form: {text} ({libsbml.getLastParseL3Error()})")
        return tree


def _number(name: str, value: Any) -> float:
    """A covariate of the one person, as a number."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InvalidOption(f"covariate {name} = {value!r}: give one number; words by the codes that the file lists.")
    return number
