"""Wiring: parts become one model, or one clear refusal. Nothing is solved here."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ketasim.errors import InvalidModel, InvalidParameter, PortConflict, UnitMismatch, UnmetPort, close_names
from ketasim.model._declare import STEADY, Entrance, Mechanism, Number, Param, Part, Port, ResidualError, State, Structure
from ketasim.model._scope import Scoped, looked_up
from ketasim.units import factor

if TYPE_CHECKING:
    from ketasim.model._observation import Observation
    from ketasim.model._trace import System


@dataclass(frozen=True, repr=False)
class Model:
    """An assembled model: mechanisms, their numbers and who writes and reads each port. Made by `assemble`.

    Attributes
    ----------
    id : what results cite, e.g. ``otto2021@1``.
    params, states, ports : every declaration of the model by name; `ports` are the written ones.
    numbers : parameter name -> sourced value, in the parameter's declared unit.
    routes : route -> analyte -> entrances, of the pharmacokinetic structure.
    factors : (part index, port) -> factor from the writer's unit to the reader's.
    replaced : parameter name -> the sourced value that stood there before `with_values`.
    inputs : ports that are read and that nothing writes, by name. Each is also a parameter, which may change over time.
    """

    id: str
    parts: tuple[Part, ...]
    params: Mapping[str, Param]
    numbers: Mapping[str, Number]
    states: Mapping[str, State]
    ports: Mapping[str, Port]
    writers: Mapping[str, tuple[int, ...]]
    factors: Mapping[tuple[int, str], float]
    routes: Mapping[str, Mapping[str, tuple[Entrance, ...]]]
    correlations: Mapping[tuple[str, str], float] = field(default_factory=dict)
    residual: tuple[ResidualError, ...] = ()
    replaced: Mapping[str, Number] = field(default_factory=dict[str, Number])
    inputs: Mapping[str, Port] = field(default_factory=dict[str, Port])

    @property
    def observations(self) -> tuple[Observation, ...]:
        """How outputs are seen, in the order of the parts."""
        return tuple(observation for part in self.parts for observation in part.observations)

    @property
    def compartments(self) -> tuple[str, ...]:
        """States in order; NONMEM's CMT n is the n-th, counted from 1."""
        return tuple(self.states)

    @property
    def analytes(self) -> tuple[str, ...]:
        """Analytes with a concentration port, in order of declaration."""
        return tuple(dict.fromkeys(port.analyte for port in self.ports.values() if port.analyte))

    @property
    def sites(self) -> tuple[str, ...]:
        """Sampling sites with a concentration port."""
        return tuple(dict.fromkeys(port.site for port in self.ports.values() if port.site))

    def __repr__(self) -> str:
        """One line: its equations and numbers are what `describe` is for."""
        return f"<Model {self.id}: {len(self.states)} states, {len(self.params)} parameters, {len(self.ports)} outputs; see describe()>"  # fmt: skip

    def _repr_html_(self) -> str:
        """In a notebook: equations and numbers as text."""
        from html import escape

        return f"<pre>{escape(self.describe())}</pre>"

    @property
    def cites(self) -> tuple[str, ...]:
        """Parts with their revisions: ``("otto2021@1", ...)``."""
        return tuple(part.cite for part in self.parts)

    def typical(self) -> dict[str, float]:
        """Value of every parameter for the typical individual at reference covariates."""
        return {name: number.value for name, number in self.numbers.items()}

    def with_values(self, values: Mapping[str, float], note: str = "set by the user") -> Model:
        """The same model with some typical values replaced; between-subject variability stays.

        Raises
        ------
        InvalidParameter: a name the model does not have, or a value outside the declared bounds.
        """
        if not hasattr(values, "items"):
            raise InvalidParameter(
                f"parameters are of type {type(values).__name__}: give names with numbers, e.g. {{'CL': 80.0}}."
            )
        numbers, values = dict(self.numbers), dict(values.items())
        for name, value in values.items():
            if name not in numbers:
                raise InvalidParameter(
                    f"{self.id} has no parameter '{name}'.{close_names(name, numbers)} See: ketasim describe {self.id.split('@')[0]}"
                )
            low, high = self.params[name].bounds
            number = _number(value)
            if number is None:
                raise InvalidParameter(f"{self.id}: {name} = {value!r} is no number; give one in {self.params[name].unit}.")
            if not low <= number <= high:
                raise InvalidParameter(f"{self.id}: {name} = {number:g} {self.params[name].unit} is outside [{low:g}, {high:g}].")
            numbers[name] = replace(
                numbers[name], value=number, se=0.0, kind="assumed", confidence="assumed", source="user", note=note
            )
        before = {name: self.numbers[name] for name in values}
        return replace(self, numbers=numbers, replaced=before | dict(self.replaced)) if before else self

    def citations(self) -> list[str]:
        """Source keys of every number of the model, in order of first use."""
        return list(dict.fromkeys(number.source for number in self.numbers.values() if number.source))

    @cached_property
    def species(self) -> str:
        """Species of a model of an animal, as its exposure says; empty for models of people."""
        named = (str(part.info.get("population", {}).get("species", "")) for part in self.parts)
        return next((name for name in named if name), "")

    @cached_property
    def system(self) -> System:
        """The model's equations as symbols, traced once."""
        from ketasim.model._trace import trace

        return trace(self)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of everything the equations depend on, but not the numbers.

        Equations of ketasim's own library are known by their source, which is quicker than tracing them. Others may call whatever they
        like, so that nothing but the traced equations tells them apart.
        """
        digest = hashlib.sha256()
        if all(_is_own(part.mechanism) for part in self.parts):
            digest.update(_own_source())
            digest.update(repr([_facts(part.mechanism) for part in self.parts]).encode())
            digest.update(repr(sorted(self.factors.items())).encode())
        else:
            digest.update(self.system.text().encode())
        return digest.hexdigest()[:24]

    def describe(self, format: Literal["text", "html"] = "text") -> str:
        """Equations, numbers, sources, and who writes and reads each port: read this before running."""
        from ketasim.model._describe import describe

        return describe(self, format)


_PLAIN = (str, int, float, bool, type(None))


def _is_own(mechanism: Mechanism) -> bool:
    """Whether a mechanism is of ketasim's library, with options that `repr` tells apart."""
    if isinstance(mechanism, Scoped):
        return _is_own(mechanism.inner)
    options = vars(mechanism).values()
    plain = all(isinstance(v, _PLAIN) or (isinstance(v, tuple) and all(isinstance(i, _PLAIN) for i in v)) for v in options)
    kind = type(mechanism)
    return plain and kind.__module__.startswith("ketasim.library.") and "<locals>" not in kind.__qualname__


def _facts(mechanism: Mechanism) -> tuple[Any, ...]:
    """What tells a mechanism of ketasim's library from others."""
    if isinstance(mechanism, Scoped):
        return mechanism.scope, sorted(mechanism.bind.items()), *_facts(mechanism.inner)
    return f"{type(mechanism).__module__}.{type(mechanism).__qualname__}", sorted(vars(mechanism).items())


@lru_cache(maxsize=1)
def _own_source() -> bytes:
    """Everything of ketasim that equations of its library are made of."""
    package = Path(__file__).parents[1]
    files = sorted([*(package / "model").glob("*.py"), *(package / "library").rglob("*.py")])
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).digest()


def _number(value: Any) -> float | None:
    """A value as one number; none where it is a text, a truth value or several."""
    try:
        return None if isinstance(value, (str, bool)) else float(value)
    except (TypeError, ValueError):
        return None


def assemble(*parts: Part | Mechanism, id: str = "") -> Model:
    """Wire parts into one model.

    Parameters
    ----------
    parts : library entries (`Part`) or bare mechanisms without parameters.
    id : name of the whole; by default the ids of the parts, joined.

    Returns
    -------
    Model

    Raises
    ------
    UnmetPort: a mechanism reads a port nobody writes.
    PortConflict: two mechanisms write one port that neither sums nor multiplies, or one concentration has two ports.
    UnitMismatch: writer and reader of a port declare different dimensions.
    InvalidModel: a name declared twice with different meaning.
    """
    for part in parts:
        if not isinstance(part, (Part, Mechanism)):
            what = f"'{part}'" if isinstance(part, (str, Path)) else f"something of type {type(part).__name__}"
            raise InvalidModel(f"assemble() got {what}, which is no part and no mechanism. Load an entry first: library.load('pk/otto2021').")  # fmt: skip
    whole = tuple(part if isinstance(part, Part) else Part(part, {}, id=part.name()) for part in parts)
    if not whole:
        raise InvalidModel("assemble() got no parts; give at least one, e.g. assemble(library.pk('otto2021')).")
    whole = looked_up(whole)
    for part in whole:
        _check_units(part)
    params, numbers = _merge_params(whole)
    states = _merge_states(whole)
    ports, writers = _merge_ports(whole)
    inputs = _inputs(whole, ports)
    factors = _wire(whole, {**ports, **inputs}) | _added(whole, states)
    clash = (set(params) & {*states, *ports, *inputs}) | (set(states) & {*ports, *inputs})
    if clash:
        raise InvalidModel(f"the name '{min(clash)}' is used for two kinds of thing (parameter, state, port); rename one.")
    params |= {name: Param(port.unit, port.meaning, port.bounds) for name, port in inputs.items()}
    numbers |= {name: Number(float(port.default or 0.0), port.unit, at="default of the port", kind="assumed", confidence="assumed",
                             note="nothing writes this port: its default, or an input from outside") for name, port in inputs.items()}  # fmt: skip
    routes = _merge_routes(whole, states)
    correlations: dict[tuple[str, str], float] = {}
    for part in whole:
        correlations.update(part.correlations)
    name = id or "+".join(part.cite for part in whole)
    residual = tuple(r for part in whole for r in part.residual)
    return Model(name, whole, params, numbers, states, ports, writers, factors, routes, correlations, residual, inputs=inputs)


#: Units of time other than the hour, as words of a unit; a year is an age.
_OTHER_TIMES = re.compile(r"(?<![A-Za-z])(s|sec|second|seconds|min|minute|minutes|d|day|days|week|weeks)(?![A-Za-z])")


def _check_units(part: Part) -> None:
    """Numbers are in the unit of their parameters, and equations run in hours."""
    mechanism = part.mechanism
    if unknown := sorted(set(part.numbers) - set(mechanism.params)):
        raise InvalidParameter(
            f"{part.cite}: a number for '{unknown[0]}', which is no parameter of {mechanism.name()}."
            f"{close_names(unknown[0], mechanism.params)} It has: {', '.join(mechanism.params)}."
        )
    for name, param in mechanism.params.items():
        if (other := _OTHER_TIMES.search(param.unit)) and "1.73" not in param.unit:  # mL/min/1.73m^2 is a covariate's
            raise UnitMismatch(
                f"parameter '{name}' of {mechanism.name()} is declared in {param.unit}, and equations run in hours: declare it with h "
                f"instead of {other[1]}. A TOML entry may give its value in any unit of that dimension."
            )
        given = part.numbers[name].unit
        if given != param.unit and factor(given, param.unit, f"number '{name}' of {part.cite}") != 1.0:
            raise UnitMismatch(
                f"number '{name}' of {part.cite} is in {given}, and {mechanism.name()} declares {param.unit}: give it in that unit."
            )
    for name, state in mechanism.states.items():
        if isinstance(state.initial, str) and state.initial in mechanism.params:
            unit = mechanism.params[state.initial].unit
            if factor(unit, state.unit, f"state '{name}' of {mechanism.name()} starts at '{state.initial}'") != 1.0:
                raise UnitMismatch(
                    f"state '{name}' of {mechanism.name()} is in {state.unit} and starts at '{state.initial}', which is in {unit}: "
                    "declare both in one unit."
                )


def _merge_params(parts: tuple[Part, ...]) -> tuple[dict[str, Param], dict[str, Number]]:
    params: dict[str, Param] = {}
    numbers: dict[str, Number] = {}
    for part in parts:
        for name, param in part.mechanism.params.items():
            number = part.numbers[name]
            if name in params and (params[name].unit != param.unit or numbers[name] != number):
                raise InvalidModel(
                    f"parameter '{name}' is declared twice with different values or units (second: {part.cite}). "
                    "Rename it, give both the same number, or give one part a scope (part.scoped)."
                )
            params[name], numbers[name] = param, number
    return params, numbers


def _merge_states(parts: tuple[Part, ...]) -> dict[str, State]:
    states: dict[str, State] = {}
    for part in parts:
        for name, state in part.mechanism.states.items():
            if name in states:
                raise InvalidModel(
                    f"state '{name}' is declared by two mechanisms (second: {part.cite}). Rename one, give one a scope "
                    "(part.scoped), or let one contribute to the other's rate (adds)."
                )
            if isinstance(state.initial, str) and state.initial not in (*part.mechanism.params, STEADY):
                raise InvalidModel(
                    f"{part.cite}: state '{name}' starts at '{state.initial}', which is no parameter of it."
                    f"{close_names(state.initial, (*part.mechanism.params, STEADY))}"
                )
            states[name] = state
    return states


def _merge_ports(parts: tuple[Part, ...]) -> tuple[dict[str, Port], dict[str, tuple[int, ...]]]:
    ports: dict[str, Port] = {}
    writers: dict[str, tuple[int, ...]] = {}
    for index, part in enumerate(parts):
        for name, port in part.mechanism.writes.items():
            if name in ports:
                first = parts[writers[name][0]].mechanism.name()
                if not port.combine or ports[name].combine != port.combine:
                    raise PortConflict(
                        f"'{name}' is written by {first} and {part.mechanism.name()}. Keep one, give one a scope (part.scoped), or declare "
                        'the port in both with combine="sum" or combine="product".'
                    )
                factor(port.unit, ports[name].unit, f"port '{name}' of {part.mechanism.name()}")
            if port.combine == "product":
                factor(port.unit, "1", f"port '{name}' of {part.mechanism.name()}: values that multiply")
            ports.setdefault(name, port)
            writers[name] = (*writers.get(name, ()), index)
    _check_concentrations(ports)
    return ports, writers


def _check_concentrations(ports: Mapping[str, Port]) -> None:
    """One port per analyte and site: results name a concentration by these."""
    known: dict[tuple[str, str], str] = {}
    for name, port in ports.items():
        if port.analyte and port.site and (first := known.setdefault((port.analyte, port.site), name)) != name:
            raise PortConflict(f"'{first}' and '{name}' are both {port.analyte}, {port.site}: a model has one of each.")


def _inputs(parts: tuple[Part, ...], ports: Mapping[str, Port]) -> dict[str, Port]:
    """Ports that are read with a default and that nothing writes, as their first reader declares them."""
    found: dict[str, Port] = {}
    for part in parts:
        for name, port in part.mechanism.reads.items():
            if name in ports or port.default is None:
                continue
            first = found.setdefault(name, port)
            scale = factor(first.unit, port.unit, f"port '{name}', read by {part.mechanism.name()}")
            if abs((first.default or 0.0) * scale - port.default) > 1e-12 * abs(port.default):
                raise PortConflict(
                    f"port '{name}' has two defaults: {first.default:g} {first.unit}, and {port.default:g} {port.unit} in "
                    f"{part.mechanism.name()}. Give both readers one."
                )
    return found


def _added(parts: tuple[Part, ...], states: Mapping[str, State]) -> dict[tuple[int, str], float]:
    """(part index, ``add:state``) -> factor from the state's unit to that in which another mechanism contributes to it."""
    factors: dict[tuple[int, str], float] = {}
    for index, part in enumerate(parts):
        for name, state in part.mechanism.adds.items():
            where = f"{part.mechanism.name()} adds to state '{name}'"
            if name not in states:
                raise InvalidModel(f"{where}, which no mechanism has.{close_names(name, states)} It has to be a state of another part.")  # fmt: skip
            if name in part.mechanism.states:
                raise InvalidModel(f"{where}, which is its own: give its whole rate instead.")
            factors[index, f"add:{name}"] = factor(states[name].unit, state.unit, where)
    return factors


def _wire(parts: tuple[Part, ...], ports: Mapping[str, Port]) -> dict[tuple[int, str], float]:
    factors: dict[tuple[int, str], float] = {}
    for index, part in enumerate(parts):
        for name, port in part.mechanism.reads.items():
            if name not in ports:
                raise UnmetPort(
                    f"{part.mechanism.name()} reads port '{name}' ({port.unit}), which nothing writes.{close_names(name, ports)} "
                    "Add a mechanism that writes it, bind it to another name (part.scoped), or declare a default."
                )
            try:
                factors[index, name] = factor(ports[name].unit, port.unit)
            except UnitMismatch as error:
                raise UnitMismatch(f"port '{name}', read by {part.mechanism.name()}: {error}") from None
        for name, port in part.mechanism.writes.items():
            if port.unit != ports[name].unit:
                factors[index, f"write:{name}"] = factor(port.unit, ports[name].unit)
    return factors


def _merge_routes(parts: tuple[Part, ...], states: Mapping[str, Any]) -> dict[str, dict[str, tuple[Entrance, ...]]]:
    """Where doses enter: of each route and analyte one structure decides."""
    routes: dict[str, dict[str, tuple[Entrance, ...]]] = {}
    taker: dict[tuple[str, str], Part] = {}
    for part in parts:
        if not isinstance(part.mechanism, Structure):
            continue
        for route, by_analyte in part.mechanism.routes.items():
            for analyte, entrances in by_analyte.items():
                if (first := taker.setdefault((route, analyte), part)) is not part:
                    raise InvalidModel(
                        f"route '{route}' of {analyte or 'the drug'} is taken by {first.cite} and by {part.cite}: a dose enters one of "
                        "them. Keep one, or give their analytes or routes different names."
                    )
                for entrance in entrances:
                    if entrance.compartment not in states:
                        raise InvalidModel(f"route '{route}' of {analyte} enters '{entrance.compartment}', which is no state.")
                routes.setdefault(route, {})[analyte] = entrances
    return routes
