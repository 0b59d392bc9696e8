"""Outputs, states and clinical readings asked for by name: found, refused with the nearest, and put into the result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ketasim.errors import InvalidOption, close_names, listed
from ketasim.model import Model
from ketasim.results import add_shown, clinical_names

if TYPE_CHECKING:
    from ketasim.simulation._care import Care


@dataclass(frozen=True)
class Shown:
    """What was asked for: all names in their order, and which of them are outputs, states and clinical readings."""

    names: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    clinical: tuple[str, ...] = ()

    def check(self, streamed: bool, care: Care | None) -> None:
        """Refuse what a run of this kind does not keep.

        Raises
        ------
        InvalidOption
        """
        if self.states and care is not None and care.policies:
            raise InvalidOption(
                f"show '{self.states[0]}': it is a state, and states are those of the planned doses, not of what policies give. Show outputs, or leave the policies out."
            )
        if streamed and care is not None:
            kept = [care.disorder.scale.id, *(endpoint.measure for endpoint in care.endpoints)]
            if lacking := [name for name in self.clinical if name not in kept]:
                raise InvalidOption(
                    f"show '{lacking[0]}': a streamed cohort does not keep it. It keeps: {', '.join(kept)}. Give fewer people, or stream=False (--no-stream)."
                )

    def add(
        self,
        tree: xr.DataTree,
        model: Model,
        times: NDArray[Any],
        values: Mapping[str, NDArray[Any]],
        lead: str,
        labels: NDArray[Any],
    ) -> None:
        """Put outputs and states into the result; values : name -> (time, `lead`)."""
        if self.names:
            units = {name: (model.ports.get(name) or model.states[name]).unit for name in (*self.ports, *self.states)}
            arrays = {name: (np.asarray(values[name]).T, unit) for name, unit in units.items()}
            add_shown(tree, self.names, arrays, times, lead, labels)


def checked_show(names: Any, model: Model, care: Care | None) -> Shown:
    """What was asked for by name, each once.

    Raises
    ------
    InvalidOption: no list of names, or a name nothing in the model has.
    """
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise InvalidOption(
            f"show = {names!r}: give a list of names, e.g. ['{names if isinstance(names, str) else 'C_venous_s_ketamine'}']."
        )
    asked = tuple(dict.fromkeys(str(name) for name in names))
    clinical = () if care is None else clinical_names(care.disorder, care.endpoints)
    for name in asked:
        if name not in model.ports and name not in model.states and name not in clinical:
            raise InvalidOption(_unknown(name, model, clinical))
    ports = tuple(name for name in asked if name in model.ports)
    states = tuple(name for name in asked if name in model.states and name not in ports)
    return Shown(asked, ports, states, tuple(name for name in asked if name not in ports and name not in states))


def _unknown(name: str, model: Model, clinical: tuple[str, ...]) -> str:
    known = [*model.ports, *model.states, *clinical]
    own = f"ketasim describe {model.id.partition('@')[0]} lists outputs and states"
    if not clinical:
        return f"show '{name}': {model.id} has none of that name.{close_names(name, known)} {own}; scales, side effects and events need a disorder (--disorder)."
    return f"show '{name}': neither {model.id} nor the course has one of that name.{close_names(name, known)} {own}; of the course there are: {listed(clinical)}."
