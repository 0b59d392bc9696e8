"""What arms of a comparison are, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from ketasim.arguments import checked


@checked
def arm_words(results: Mapping[str, xr.DataTree]) -> dict[str, str]:
    """label -> regimen and co-medication, and whatever else is not the same in every arm.

    That is the model, people, values replaced, disorder, control and policies.
    """
    own = {label: _differing(result.attrs) for label, result in results.items()}
    kinds = [kind for kind in next(iter(own.values()), {}) if len({words[kind] for words in own.values()}) > 1]
    return {
        label: "; ".join([_given(result.attrs), *(f"{kind} {own[label][kind] or 'none'}" for kind in kinds)])
        for label, result in results.items()
    }


def _given(attrs: Mapping[Any, Any]) -> str:
    return " with ".join([str(attrs["regimen"]), *map(str, attrs.get("comedication", ()))])


def _differing(attrs: Mapping[Any, Any]) -> dict[str, str]:
    """What else makes an arm, by its kind."""
    replaced = [
        f"{row['name']} {float(row['value']):.4g}{'' if row['unit'] == '1' else ' ' + row['unit']}"
        for row in attrs.get("replaced", ())
    ]
    return {
        "model": str(attrs["model"]),
        "people:": str(attrs.get("population", "")),
        "values replaced:": ", ".join(replaced),
        "disorder": str(attrs.get("disorder", "")),
        "control": str(attrs.get("control", "")),
        "policies:": ", ".join(map(str, attrs.get("policies", ()))),
    }
