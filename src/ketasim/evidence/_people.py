"""Percentages as people: what no whole number of patients can give is another denominator or a slip."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

#: Words in `note` that say why a percentage is of no whole number of people, or why more are in remission than respond.
NO_WHOLE, NOT_HALVED = "no whole person", "remission without response"
#: Metrics whose value is a share of the people counted in `n`.
_SHARES = re.compile(r"(incidence|responders?|remitters?|relapsed|abstinent)_percent")


def whole_people(percent: str, n: float) -> bool:
    """Whether some whole number of `n` people, as a percentage rounded like this one, gives it.

    Examples
    --------
    >>> whole_people("31.6", 19), whole_people("50", 19)
    (True, False)
    """
    half = 0.5 * 10.0 ** -len(percent.partition(".")[2])
    low, high = ((float(percent) + side) / 100 * n for side in (-half, half))
    return math.ceil(low - 1e-9) <= math.floor(high + 1e-9)


def not_people(row: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with the percentages of a row of outcomes or of safety."""
    columns = [name for name in ("response_percent", "remission_percent") if row.get(name)]
    columns += [amount for label, amount in (("metric", "value"), ("other_metric", "other_value"))
                if row.get(amount) and _SHARES.fullmatch(row.get(label, ""))]  # fmt: skip
    n, note = _number(row.get("n", "")), row.get("note", "")
    for name in columns:
        if n > 0 and 0 <= _number(row[name]) <= 100 and NO_WHOLE not in note and not whole_people(row[name], n):
            yield (
                f"column '{name}': {row[name]} % is no whole number of {n:g} people. Put the denominator of the percentage into 'n' "
                f"(in a row of its own where means have another), or say why in note, with the words '{NO_WHOLE}'."
            )
    response, remission = _number(row.get("response_percent", "")), _number(row.get("remission_percent", ""))
    if remission > response and NOT_HALVED not in note:
        yield (
            f"column 'remission_percent': {remission:g} % in remission, but {response:g} % respond. Where people can be in remission "
            f"without a response, say why in note, with the words '{NOT_HALVED}'."
        )


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan
