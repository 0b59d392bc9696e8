"""What several results warn of, for readers."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from ketasim.arguments import checked


@checked
def warnings_of(results: Mapping[str, xr.DataTree]) -> list[str]:
    """Warnings of all results, each once; what concerns some of several arms only is preceded by their labels."""
    arms: dict[str, list[str]] = {}
    for label, result in results.items():
        for text in result.attrs.get("warnings", ()):
            arms.setdefault(str(text), []).append(label)
    return [text if len(labels) == len(results) else f"{', '.join(labels)}: {text}" for text, labels in arms.items()]


@checked
def assumed_sentence(arms: Mapping[str, xr.DataTree]) -> str:
    """Covariates the models use and the patients given do not have, with what counts in their place; empty where there are none."""
    named = dict.fromkeys(str(item) for result in arms.values() for item in result.attrs.get("assumed_covariates", ()))
    return f"Not given of the patients, and taken as: {', '.join(named)}." if named else ""
