"""``--analyte`` and ``--site``: what tables, figures and files are restricted to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ketasim.errors import InvalidOption

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Only:
    """Analytes and the site to show; empty for all."""

    analytes: tuple[str, ...]
    site: str

    def check(self, models: Mapping[str, str]) -> None:
        """Refuse, before anything runs, names a model does not have. models : arm (empty for the only one) -> model."""
        for label, model in models.items():
            try:
                self._chosen(model)
            except InvalidOption as error:
                raise InvalidOption(f"arm {label}: {error}" if label else str(error)) from None

    def of(self, result: xr.DataTree, model: str) -> xr.DataTree:
        """The result with these alone."""
        if not self.analytes and not self.site:
            return result
        from ketasim.cli._values import model_of
        from ketasim.results import narrowed

        return narrowed(result, model_of(model), self.analytes, self.site)

    def _chosen(self, model: str) -> None:
        if self.analytes or self.site:
            from ketasim.cli._values import model_of
            from ketasim.results import chosen

            chosen(model_of(model), self.analytes, self.site)


def only(analytes: Sequence[str] | None, site: str, model: str, arms: Mapping[str, Mapping[str, Any]] | None = None) -> Only:
    """What is asked for, its names checked. arms : of a comparison, whose models may differ."""
    found = Only(tuple(analytes or ()), site)
    found.check({"": model} if arms is None else {label: str(own.get("model", model)) for label, own in arms.items()})
    return found
