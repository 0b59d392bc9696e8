"""Concentrations written as below a limit of quantification."""

# pyright: reportAttributeAccessIssue=false, reportCallIssue=false, reportArgumentType=false, reportReturnType=false
# pandas' annotations leave the kind of columns open.

from __future__ import annotations

import pandas as pd

from ketasim.csvtext import as_numbers

#: Words for a value below the limit, beside the limit written as ``<0.5``.
_WORDS = ("BLQ", "BLOQ", "BQL", "<LLOQ")

_LIMIT = r"<\s*\d*\.?\d+(?:[eE][+-]?\d+)?"
HELP = "write a number, '<0.5' or 'BLQ' where it lies below the limit of quantification (blq says what becomes of it; --blq), or '.' where missing"


def concentrations(column: pd.Series) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Concentrations as numbers or as words such as ``<0.5`` and ``BLQ``.

    Parameters
    ----------
    column : (row,).

    Returns
    -------
    values : (row,), zero below a limit. below : (row,), true where the word says so. wrong : (row,), true for other words.
    """
    if pd.api.types.is_numeric_dtype(column):
        none = pd.Series(False, column.index)
        return column, none, none
    words = column.astype(str).str.strip()
    below = words.str.fullmatch(_LIMIT) | words.str.upper().isin(_WORDS)
    values = as_numbers(column.where(~below, 0.0)).astype(float)
    return values, below, values.isna() & column.notna()
