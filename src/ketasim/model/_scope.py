"""Scopes and binding: the same equations under other names, so that one mechanism can stand several times in a model."""

# pyright: reportAttributeAccessIssue=false
# What classes declare once is each object's own here: it depends on the scope.

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ketasim.errors import InvalidModel, close_names
from ketasim.model._declare import STEADY, Expr, Inlet, Mechanism, Part, State, Structure

_SCOPE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


class Scoped(Mechanism):
    """A mechanism whose parameters, states and own ports carry the name of a scope in front.

    Attributes
    ----------
    inner : the mechanism, with the names it declares.
    scope : name in front, ``nmda_interneuron`` in ``nmda_interneuron.Ki``; empty where only ports are bound.
    bind : port or state of others, as the mechanism names it -> name in the model.
    """

    inner: Mechanism
    scope: str
    bind: Mapping[str, str]

    def __init__(self, inner: Mechanism, scope: str, bind: Mapping[str, str]) -> None:
        self.inner, self.scope, self.bind = inner, scope, dict(bind)
        self.params = {self.own(name): param for name, param in inner.params.items()}
        self.states = {self.own(name): self._state(state) for name, state in inner.states.items()}
        self.reads = {self.seen(name): port for name, port in inner.reads.items()}
        self.writes = {self.written(name): port for name, port in inner.writes.items()}
        self.adds = {self.seen(name): state for name, state in inner.adds.items()}

    def own(self, name: str) -> str:
        """Name in the model of a parameter or state."""
        return f"{self.scope}.{name}" if self.scope else name

    def seen(self, name: str) -> str:
        """Name in the model of what the mechanism reads, or of a state it adds to."""
        return self.bind.get(name, name)

    def written(self, name: str) -> str:
        """Name in the model of a port the mechanism writes: what several may write is shared, everything else its own."""
        return self.bind.get(name, name if self.inner.writes[name].combine else self.own(name))

    def inside(self, names: Collection[str]) -> Scoped:
        """The same, reading what stands in its scope (or in one around it) rather than what stands outside."""
        found = dict(self.bind)
        for name in (*self.inner.reads, *self.inner.adds):
            around = self.scope
            while name not in found and around:
                if f"{around}.{name}" in names:
                    found[name] = f"{around}.{name}"
                around = around.rpartition(".")[0]
        return self if found == self.bind else type(self)(self.inner, self.scope, found)

    def name(self) -> str:
        """Name of the mechanism, with its scope."""
        return f"{self.inner.name()} ({self.scope})" if self.scope else self.inner.name()

    def rates(self, t: Expr, x: Mapping[str, Expr], u: Mapping[str, Expr], p: Mapping[str, Expr]) -> Mapping[str, Expr]:
        """Rates of the mechanism, under the model's names."""
        own = {name: self.own(name) for name in self.inner.states} | {name: self.seen(name) for name in self.inner.adds}
        return _renamed(self.inner.rates(t, *self._local(x, u, p)), own)

    def outputs(self, t: Expr, x: Mapping[str, Expr], u: Mapping[str, Expr], p: Mapping[str, Expr]) -> Mapping[str, Expr]:
        """Outputs of the mechanism, under the model's names."""
        return _renamed(self.inner.outputs(t, *self._local(x, u, p)), {name: self.written(name) for name in self.inner.writes})

    def _local(self, x: Mapping[str, Expr], u: Mapping[str, Expr], p: Mapping[str, Expr]) -> tuple[dict[str, Expr], ...]:
        states = {name: x[self.own(name)] for name in self.inner.states}
        states |= {name: x[self.seen(name)] for name in self.inner.adds}
        return states, {name: u[self.seen(name)] for name in self.inner.reads}, self._params(p)

    def _params(self, p: Mapping[str, Expr]) -> dict[str, Expr]:
        return {name: p[self.own(name)] for name in self.inner.params}

    def _state(self, state: State) -> State:
        initial = state.initial
        if callable(initial):
            return replace(state, initial=partial(self._start, initial))
        return replace(state, initial=self.own(initial)) if isinstance(initial, str) and initial != STEADY else state

    def _start(self, initial: Callable[[Mapping[str, Expr]], Expr], p: Mapping[str, Expr]) -> Expr:
        return initial(self._params(p))


class ScopedStructure(Scoped, Structure):
    """A pharmacokinetic structure in a scope."""

    def __init__(self, inner: Structure, scope: str, bind: Mapping[str, str]) -> None:
        super().__init__(inner, scope, bind)
        self.routes = {
            route: {
                analyte: tuple(replace(entrance, compartment=self.own(entrance.compartment)) for entrance in entrances)
                for analyte, entrances in by_analyte.items()
            }
            for route, by_analyte in inner.routes.items()
        }

    def inlets(self, p: Mapping[str, Expr]) -> Mapping[str, Inlet]:
        """Inlets of the structure, under the model's names."""
        return _renamed(self.inner.inlets(self._params(p)), {name: self.own(name) for name in self.inner.states})


def _renamed(values: Any, names: Mapping[str, str]) -> Any:
    """A mapping under other names; what is none, or has a name nobody declared, is left for the trace to refuse."""
    return {names.get(name, name): value for name, value in values.items()} if isinstance(values, Mapping) else values


def scoped(part: Part, scope: str, bind: Mapping[str, str]) -> Part:
    """The part in a scope; one that stands in a scope already moves into this one.

    Raises
    ------
    InvalidModel: the scope is no name, or `bind` names no port of the mechanism.
    """
    old = part.mechanism
    inner = old.inner if isinstance(old, Scoped) else old
    local = {old.own(name): name for name in inner.params} if isinstance(old, Scoped) else {}
    ports = {old.written(name): name for name in inner.writes} if isinstance(old, Scoped) else {}
    _check(inner, scope, bind, part.cite)
    before = old.bind if isinstance(old, Scoped) else {}
    kind = ScopedStructure if isinstance(inner, Structure) else Scoped
    new = kind(inner, scope, {**before, **bind})  # type: ignore[arg-type]

    def own(name: str) -> str:
        return new.own(local.get(name, name))

    stored = part.info.get("posterior") or {}  # of parameters, and of what is none: ``drug.parameter``
    drawn = {own(name) if local.get(name, name) in inner.params else name: draws for name, draws in stored.items()}
    return replace(
        part,
        mechanism=new,
        info=_info(part, drawn, own),
        numbers={own(name): number for name, number in part.numbers.items()},
        correlations={(own(a), own(b)): value for (a, b), value in part.correlations.items()},
        residual=tuple(replace(r, port=new.written(ports.get(r.port, r.port))) for r in part.residual),
        observations=tuple(replace(o, port=new.written(ports.get(o.port, o.port))) for o in part.observations),
    )


def _info(part: Part, posterior: Mapping[str, Any], own: Callable[[str], str]) -> Mapping[str, Any]:
    """What an entry says besides, with the names of parameters that stand in it."""
    shifts = tuple(replace(e, on=tuple(own(name) for name in e.on)) for e in part.info.get("between_study", ()))
    changed = {"posterior": posterior, "between_study": shifts}
    return {**part.info, **{key: value for key, value in changed.items() if key in part.info}}


def _check(inner: Mechanism, scope: str, bind: Mapping[str, str], where: str) -> None:
    if scope and not _SCOPE.fullmatch(scope):
        raise InvalidModel(f"{where}: scope '{scope}' is no name. Use letters, digits and underscores, e.g. nmda_interneuron.")
    known = (*inner.reads, *inner.writes, *inner.adds)
    for name, target in bind.items():
        if name not in known:
            raise InvalidModel(
                f"{where}: bind names '{name}', which is no port of {inner.name()}.{close_names(name, known)} It has: {', '.join(known)}."
            )
        if not isinstance(target, str) or not _SCOPE.fullmatch(target):
            raise InvalidModel(f"{where}: bind gives '{name}' the name {target!r}: give the name of a port, e.g. C_brain_unbound_s_ketamine.")  # fmt: skip
    for names in ((*inner.reads,), (*inner.writes,)):
        targets = [bind.get(name, name) for name in names]
        if len(set(targets)) < len(targets):
            twice = next(name for name in targets if targets.count(name) > 1)
            raise InvalidModel(f"{where}: bind gives two ports of {inner.name()} the one name '{twice}'.")


def local_numbers(part: Part) -> dict[str, Any]:
    """Numbers under the names the mechanism itself declares."""
    old = part.mechanism
    if not isinstance(old, Scoped):
        return dict(part.numbers)
    return {name: part.numbers[old.own(name)] for name in old.inner.params}


def looked_up(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """The parts, each reading what stands in its own scope before what stands outside."""
    names = {name for part in parts for name in (*part.mechanism.writes, *part.mechanism.states)}
    return tuple(
        replace(part, mechanism=part.mechanism.inside(names)) if isinstance(part.mechanism, Scoped) else part for part in parts
    )
