"""What `simulate` and `compare` return: a tree of xarray, or arms of it, that know their table."""

from __future__ import annotations

import pandas as pd
import xarray as xr

from ketasim.errors import InvalidOption
from ketasim.results._save import main_table, to_dataframe


class Result(xr.DataTree):
    """A simulated run: an `xarray.DataTree` with its table.

    Examples
    --------
    >>> import ketasim
    >>> result = ketasim.simulate("generic/two_cmt", "100 mg into CENT", times=[0, 1, 2])
    >>> list(result.to_dataframe())
    ['subject', 'time', 'analyte', 'venous', 'unit']
    """

    __slots__ = ()

    @classmethod
    def of(cls, tree: xr.DataTree) -> Result:
        """The same tree; no array is copied."""
        return tree if isinstance(tree, cls) else cls.from_dict(dict(tree.to_dict()))  # type: ignore[arg-type]

    def to_dataframe(self, group: str = "") -> pd.DataFrame:
        """Tidy table of a group; by default the one that a file of the result holds: scores where there are some, else concentrations.

        Examples
        --------
        ``result.to_dataframe("subject")``, ``result.to_dataframe("plasma")``
        """
        return to_dataframe(self, group) if group else main_table(self)


class Comparison(dict[str, Result]):
    """Arms by name, as `compare` and `run` return them: a dict with one table."""

    def to_dataframe(self, group: str = "") -> pd.DataFrame:
        """Tables of the arms, one below the other; the first column, ``arm``, is their name.

        Raises
        ------
        InvalidOption: an arm without that group, named.
        """
        return pd.concat([_labelled(label, result, group) for label, result in self.items()], ignore_index=True)


def _labelled(label: str, result: Result, group: str) -> pd.DataFrame:
    try:
        table = result.to_dataframe(group)
    except InvalidOption as error:
        raise InvalidOption(f"arm {label}: {error}") from None
    table.insert(0, "arm", label)
    return table
