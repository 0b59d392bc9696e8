"""Joint posterior of an entry's parameters, kept beside the entry as ``NAME.posterior.npz``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ketasim.documents import arrays
from ketasim.errors import InvalidEntry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Posterior(Mapping[str, "Floats"]):
    """Parameter -> (draw,), in the declared unit; read when first asked for, as most runs never ask.

    The file holds ``names`` (parameter,) and ``draws`` (draw, parameter). Draws are in no order: any few are as good as
    any others. ``drug.parameter`` is the effect of a co-medication that was estimated together with the rest.
    """

    def __init__(self, path: Path, only: Collection[str] | None = None) -> None:
        self.path, self.only = path, only

    def of(self, names: Collection[str]) -> Posterior:
        """The same draws of some parameters."""
        return Posterior(self.path, frozenset(names))

    @cached_property
    def _columns(self) -> dict[str, Floats]:
        import numpy as np  # here: a list of the library does not need it

        try:
            stored = arrays(self.path)
        except (OSError, ValueError) as error:
            raise InvalidEntry(f"{self.path.name}: cannot be read ({error}). It has to hold names and draws.") from None
        names, draws = stored.get("names"), stored.get("draws")
        if names is None or draws is None or names.ndim != 1 or draws.dtype.kind not in "fiu":
            raise InvalidEntry(
                f"{self.path.name}: holds {', '.join(stored) or 'nothing'}; needed are names (parameter,) and draws (draw, parameter)."
            )
        if draws.ndim != 2 or draws.shape != (len(draws), len(names)) or not len(draws) or not np.isfinite(draws).all():
            raise InvalidEntry(
                f"{self.path.name}: draws has shape {draws.shape}; needed are finite numbers (draw, {len(names)}), one at least."
            )
        only = set(map(str, names)) if self.only is None else self.only
        return {str(name): draws[:, i].astype(np.float64) for i, name in enumerate(names) if str(name) in only}

    def __getitem__(self, name: str) -> Floats:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


def posterior_beside(path: Path) -> dict[str, Any]:
    """``{"posterior": ...}`` for the entry of a file, empty where it has none."""
    file = path.with_suffix(".posterior.npz")
    return {"posterior": Posterior(file)} if file.is_file() else {}
