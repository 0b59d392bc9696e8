"""Amounts and times as people give them: a number with a unit, kept as given and converted on demand.

No arithmetic between quantities; that is the business of `resolve`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from ketasim.arguments import checked
from ketasim.errors import InvalidRegimen, close_names
from ketasim.units import factor

_TIME_WORDS: Final = {
    "s": ("s", "sec", "secs", "second", "seconds"),
    "min": ("min", "mins", "minute", "minutes"),
    "h": ("h", "hr", "hrs", "hour", "hours"),
    "day": ("d", "day", "days"),
    "week": ("w", "wk", "wks", "week", "weeks"),
}
_SUBSTANCE_WORDS: Final = {
    "g": ("g", "gram", "grams"),
    "mg": ("mg", "mgs", "milligram", "milligrams"),
    "ug": ("ug", "mcg", "microgram", "micrograms", "µg", "μg"),
    "ng": ("ng", "nanogram", "nanograms"),
    "mol": ("mol",),
    "mmol": ("mmol",),
    "umol": ("umol", "µmol", "μmol"),
    "nmol": ("nmol",),
}

#: Word -> unit of time; `min` to `week`. A month is no unit here: its length varies.
TIME_UNITS: Final[dict[str, str]] = {word: unit for unit, words in _TIME_WORDS.items() for word in words}
#: Word -> unit of mass or amount of substance.
SUBSTANCE_UNITS: Final[dict[str, str]] = {word: unit for unit, words in _SUBSTANCE_WORDS.items() for word in words}
#: Word -> unit of body weight in "per kg".
WEIGHT_WORDS: Final[tuple[str, ...]] = ("kg", "kilogram", "kilo")

AMOUNT_FORMS: Final = (
    "mg, ug, g (or umol), each also per kg, and per h or min with a duration: '56 mg', '0.5 mg/kg', '0.27 mg/kg/h'"
)
TIME_FORMS: Final = "s, min, h, day, week"


@checked
@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with a unit, as given.

    Attributes
    ----------
    value : the number. unit : canonical spelling, e.g. ``mg/kg/h`` or ``min``.
    """

    value: float
    unit: str

    def __post_init__(self) -> None:
        if not math.isfinite(self.value) or self.value < 0:
            raise InvalidRegimen(f"'{number_text(self.value)} {self.unit}' is no amount: it must be a finite number, 0 or more.")

    def __str__(self) -> str:
        return f"{number_text(self.value)} {self.unit}"

    @property
    def substance(self) -> str:
        """Unit of mass or amount of substance, without the denominators."""
        return self.unit.split("/")[0]

    @property
    def per_kg(self) -> bool:
        """Whether it is per kg of body weight."""
        return "kg" in self.unit.split("/")[1:]

    @property
    def per_time(self) -> str:
        """Time unit of a rate of infusion, empty when it is no rate."""
        last = self.unit.split("/")[-1]
        return last if "/" in self.unit and last in _TIME_WORDS else ""

    @property
    def hours(self) -> float:
        """A time in hours."""
        return to_unit(self.value, self.unit, "h")


def to_unit(value: float, unit: str, wanted: str) -> float:
    """Value in another unit; divides where that is the exact direction, so that 40 min is 40/60 h to the last bit."""
    scale = factor(unit, wanted)
    return value / round(1.0 / scale) if scale < 1.0 else value * scale


def number_text(value: float) -> str:
    """Shortest text that gives the same number back."""
    short = f"{value:.15g}"
    return short if float(short) == value else repr(value)


def time_text(hours: float) -> str:
    """A time span in a unit a reader likes, giving the same hours back: ``2 week``, ``3 day``, ``40 min``, ``5.5 h``."""
    if hours and hours % 168.0 == 0.0:
        return f"{number_text(hours / 168.0)} week"
    if hours and hours % 24.0 == 0.0:
        return f"{number_text(hours / 24.0)} day"
    minutes = round(hours * 60.0)
    if hours < 2.0 and minutes and minutes / 60.0 == hours and minutes != 60:
        return f"{minutes} min"
    return f"{number_text(hours)} h"


_NUMBER = re.compile(r"\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*")


def amount(text: str | Quantity) -> Quantity:
    """Amount of a text such as ``0.5 mg/kg``.

    Raises
    ------
    InvalidRegimen: no number, or no unit of amount.
    """
    if isinstance(text, Quantity):
        return text
    if not isinstance(text, str):
        raise InvalidRegimen(f"amount {text!r}: give the number with its unit, as text. Allowed: {AMOUNT_FORMS}.")
    value, rest = _split(text, "amount", AMOUNT_FORMS)
    pieces = [p.strip() for p in re.split(r"/|\bper\b", rest.lower())]
    unit = SUBSTANCE_UNITS.get(pieces[0])
    if unit is None:
        raise InvalidRegimen(
            f"'{text}': '{pieces[0]}' is no unit of amount.{close_names(pieces[0], SUBSTANCE_UNITS)} Allowed: {AMOUNT_FORMS}."
        )
    per_kg, per_time = False, ""
    for piece in pieces[1:]:
        if piece in WEIGHT_WORDS and not per_kg and not per_time:
            per_kg = True
        elif piece in TIME_UNITS and not per_time:
            per_time = TIME_UNITS[piece]
        else:
            raise InvalidRegimen(f"'{text}': '/{piece}' has no meaning here. Allowed: {AMOUNT_FORMS}.")
    return Quantity(value, amount_unit(unit, per_kg, per_time))


def amount_unit(substance: str, per_kg: bool, per_time: str) -> str:
    """Canonical unit of an amount."""
    return substance + ("/kg" if per_kg else "") + (f"/{per_time}" if per_time else "")


def span(text: str | float | Quantity, what: str = "time", *, bare: bool = True) -> Quantity:
    """Time span of a text such as ``40 min``; a bare number is hours. bare : whether that is allowed.

    Raises
    ------
    InvalidRegimen: no number, or no unit of time.
    """
    if isinstance(text, Quantity):
        return text
    if not isinstance(text, str):
        if not bare or isinstance(text, bool) or not isinstance(text, (int, float)):
            raise InvalidRegimen(f"{what} {text!r}: give the number with its unit, e.g. '40 min'. Allowed: {TIME_FORMS}.")
        return Quantity(float(text), "h")
    value, rest = _split(text, what, TIME_FORMS)
    unit = TIME_UNITS.get(rest.lower())
    if unit is None:
        raise InvalidRegimen(f"{what} '{text}': {unknown_time_unit(rest)}")
    return Quantity(value, unit)


def unknown_time_unit(word: str) -> str:
    """Why a word is no unit of time, and what is."""
    if word.lower().startswith("month"):
        return "a month has no fixed length; write e.g. '4 week' or '30 day'."
    return f"'{word}' is no unit of time.{close_names(word, TIME_UNITS)} Allowed: {TIME_FORMS}."


def _split(text: str, what: str, allowed: str) -> tuple[float, str]:
    match = _NUMBER.match(text)
    if match is None:
        raise InvalidRegimen(f"{what} '{text}' does not start with a number. Allowed: {allowed}.")
    return float(match[1]), text[match.end() :].strip()
