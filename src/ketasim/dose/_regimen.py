"""Doses, how they repeat, and regimens: what is given and when, still in the prescriber's units.

No conversion happens here: that is `resolve`'s business, once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from ketasim.arguments import checked
from ketasim.dose._beside import Beside
from ketasim.dose._drugs import DRUGS, FORMS, ROUTES, Form
from ketasim.dose._quantity import Quantity, amount, number_text, span, to_unit
from ketasim.dose._tokens import meaning
from ketasim.errors import InvalidRegimen, close_names

DAY, WEEK = 24.0, 168.0
#: Days of the week (day 1 is the first) for a number of doses per week: the usual clinic days, e.g. Monday and Thursday.
WEEK_DAYS: Final[Mapping[int, tuple[int, ...]]] = {
    1: (1,), 2: (1, 4), 3: (1, 3, 5), 4: (1, 2, 4, 5), 5: (1, 2, 3, 4, 5), 6: (1, 2, 3, 4, 5, 6), 7: (1, 2, 3, 4, 5, 6, 7),
}  # fmt: skip
#: Doses of a regimen at most: every hour for eleven years. Their times are worked out one by one.
MOST_DOSES: Final = 100_000
_EXAMPLES: Final = {"drug": "esketamine", "route": "nasal", "form": "hydrochloride"}
#: Routes by which a dose can be given over a time; the others take as long as their kinetics say.
INFUSIBLE: Final = ("iv", "im", "sc", "inhaled")


@checked
@dataclass(frozen=True)
class Schedule:
    """How one dose repeats: dose k is at ``offsets[k % m] + (k // m) * every``, for k < n.

    Attributes
    ----------
    offsets : h, ascending, the first is 0. every : h, length of the repeating block, which also
        says when the schedule is over; 0 for a list of times.
    n : number of doses planned. missed : numbers of those not given, from 1, ascending.
    """

    offsets: tuple[float, ...] = (0.0,)
    every: float = 0.0
    n: int = 1
    missed: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.n < 1 or not self.offsets or self.every < 0 or not math.isfinite(self.every):
            raise InvalidRegimen(
                f"a schedule of {self.n} doses every {self.every:g} h has no meaning: at least one dose, and an interval above 0."
            )
        check_number(self.n)
        if any(b <= a for a, b in zip(self.offsets, self.offsets[1:], strict=False)):
            raise InvalidRegimen(f"dose times {', '.join(f'{o:g}' for o in self.offsets)} h must rise, and none may come twice.")
        if self.n > len(self.offsets) and self.every <= self.offsets[-1] - self.offsets[0]:
            raise InvalidRegimen(f"{len(self.offsets)} doses within {self.offsets[-1]:g} h cannot repeat every {self.every:g} h.")
        if self.n < len(self.offsets):
            object.__setattr__(self, "offsets", self.offsets[: self.n])
        lawful = all(0 < k <= self.n for k in self.missed) and all(
            b > a for a, b in zip(self.missed, self.missed[1:], strict=False)
        )
        if not lawful or len(self.missed) >= self.n or (self.missed and not self.every):
            raise InvalidRegimen(
                f"missed doses {', '.join(map(str, self.missed))} of {self.n}: give rising numbers from 1, at least one dose must be left, "
                "and a list of times leaves them out itself."
            )

    @property
    def times(self) -> tuple[float, ...]:
        """Time of every dose that is given, h from the first planned one."""
        m = len(self.offsets)
        missed = set(self.missed)
        return tuple(self.offsets[k % m] + (k // m) * self.every for k in range(self.n) if k + 1 not in missed)

    @property
    def planned(self) -> Schedule:
        """The schedule with no dose missed."""
        return replace(self, missed=()) if self.missed else self

    def runs(self) -> list[tuple[float, int]]:
        """(time of the first, h; how many follow) of doses that are `every` apart with none missed between, place by place."""
        m, found, missed = len(self.offsets), list[tuple[float, int]](), set(self.missed)
        for place, offset in enumerate(self.offsets):
            begin = -1
            for block, k in enumerate(range(place, self.n, m)):
                if k + 1 in missed:
                    begin = -1
                elif begin < 0:
                    begin = block
                    found.append((offset + block * self.every, 0))
                else:
                    found[-1] = (found[-1][0], block - begin)
        return found


def check_number(doses: float) -> None:
    """Refuse more doses than are worked out.

    Raises
    ------
    InvalidRegimen
    """
    if doses > MOST_DOSES:
        raise InvalidRegimen(f"{doses:,.0f} doses: a regimen has at most {MOST_DOSES:,}. Give fewer, or a longer interval.")


def per_week(times: int, doses: int) -> Schedule:
    """Schedule of some doses per week on the usual days (`WEEK_DAYS`)."""
    if times not in WEEK_DAYS:
        raise InvalidRegimen(f"{times} doses per week: give 1 to 7, or more often as 'every 12 h'.")
    return Schedule(tuple(DAY * (d - 1) for d in WEEK_DAYS[times]), WEEK, doses)


class Course:
    """The algebra doses and regimens share: repeat, place, chain, overlay. Every method gives a new `Regimen`."""

    def as_items(self) -> tuple[Item, ...]:
        """Doses with start and schedule."""
        raise NotImplementedError

    def every(self, interval: str | float, n: int) -> Regimen:
        """The same n times, an interval apart.

        Parameters
        ----------
        interval : e.g. ``"3.5 day"``; a bare number is hours. n : number of times.

        Examples
        --------
        >>> [t for t, _ in Dose("56 mg", drug="esketamine", route="nasal").every("3.5 day", n=3).doses]
        [0.0, 84.0, 168.0]
        """
        hours = span(interval, "interval").hours
        if n < 1 or int(n) != n or hours <= 0:
            raise InvalidRegimen(f"every('{interval}', n={n}): the interval must be above 0 and n a whole number, at least 1.")
        return self.repeat(Schedule((0.0,), hours, int(n)))

    def weekly(self, times: int = 1, *, weeks: int) -> Regimen:
        """`times` per week on the usual days (2: days 1 and 4; 3: days 1, 3, 5), for some weeks."""
        if weeks < 1 or int(weeks) != weeks:
            raise InvalidRegimen(f"weekly({times}, weeks={weeks}): weeks must be a whole number, at least 1.")
        return self.repeat(per_week(times, times * int(weeks)))

    def at(self, days: Sequence[float] | float) -> Regimen:
        """On these days, counted from 1 as trial protocols do: day 1 is time 0."""
        given = [float(days)] if isinstance(days, (int, float)) else [float(d) for d in days]
        if not given or min(given) < 1:
            raise InvalidRegimen(f"at({days}): days count from 1 (day 1 is time 0); give at least one.")
        return self.repeat(Schedule(tuple(DAY * (d - given[0]) for d in given), 0.0, len(given))).delay(DAY * (given[0] - 1))

    def delay(self, by: str | float) -> Regimen:
        """The same, later by a time such as ``"3 day"`` (a bare number is hours)."""
        hours = span(by, "delay").hours
        return Regimen(tuple(replace(item, start=item.start + hours) for item in self.as_items()))

    def repeat(self, schedule: Schedule) -> Regimen:
        """The same at every time of a schedule."""
        items = self.as_items()
        if all(item.schedule.n == 1 for item in items):
            return Regimen(tuple(replace(item, schedule=schedule) for item in items))
        out: list[Item] = []
        for item in items:
            check_number(schedule.n * item.schedule.n)
            times = sorted({a + b for a in schedule.times for b in item.schedule.times})
            if len(times) < len(schedule.times) * len(item.schedule.times):
                raise InvalidRegimen(
                    f"repeating '{item.dose}' this way puts two of the same dose at one time; lengthen the interval."
                )
            out.append(replace(item, schedule=Schedule(tuple(times), 0.0, len(times))))
        return Regimen(tuple(out))

    def then(self, other: Course | str, after: str | float | None = None) -> Regimen:
        """This, and when it is over, the other.

        Parameters
        ----------
        other : a dose, a regimen, or a text such as ``"esketamine nasal 84 mg"``.
        after : pause between the two, e.g. ``"3 day"``. A repeating course is over one interval after its last dose
            (2/week x 4 week: after 4 weeks), a list of days when its last day is, an infusion when it stops.

        Raises
        ------
        InvalidRegimen: it is not clear when the first is over (a single dose that is no infusion) and `after` is not given.
        """
        mine, others = self.as_items(), _course(other).as_items()
        if after is None:
            refuse_unclear(mine, others)
        start = end_of(mine) + (span(after, "pause").hours if after is not None else 0.0)
        return Regimen((*mine, *(replace(item, start=item.start + start) for item in others)))

    def __add__(self, other: Course | str) -> Regimen:
        """Both on the same clock."""
        return Regimen((*self.as_items(), *_course(other).as_items()))


@dataclass(frozen=True, init=False)
class Dose(Course):
    """One administration, as prescribed.

    Attributes
    ----------
    amount : e.g. 56 mg, 0.5 mg/kg, 0.27 mg/kg/h (a rate needs a duration).
    drug : ``racemic_ketamine``, ``esketamine``, ``arketamine``; empty for models that know no drug.
    route : iv im sc nasal oral oral_prolonged_release sublingual buccal rectal inhaled ip, or the name of a compartment.
    form : the amount is ``base`` or ``hydrochloride``.
    duration : of an infusion; None for a bolus or for the kinetics of the route itself.
    cap : largest single dose. round_to : device size; doses are rounded to the nearest multiple, at least one.
    notes : what was assumed in reading it; not part of its identity.

    Examples
    --------
    >>> dose = Dose("0.5 mg/kg", drug="racemic_ketamine", route="iv", duration="40 min")
    >>> str(dose.weekly(2, weeks=4))
    '0.5 mg/kg racemic ketamine iv over 40 min, 2/week x 4 week'
    """

    amount: Quantity
    drug: str
    route: str
    form: Form
    duration: Quantity | None
    cap: Quantity | None
    round_to: Quantity | None
    notes: tuple[str, ...] = field(compare=False)

    def __init__(
        self, amount: str | Quantity, drug: str = "", route: str = "iv", duration: str | Quantity | None = None, *,
        form: str | None = None, cap: str | Quantity | None = None, round_to: str | Quantity | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        values = {
            "amount": _amount(amount), "drug": _word("drug", drug), "route": _word("route", route),
            "form": _word("form", form or "base"),
            "duration": None if duration is None else span(duration, "duration", bare=False),
            "cap": None if cap is None else _amount(cap), "round_to": None if round_to is None else _amount(round_to),
            "notes": notes,
        }  # fmt: skip
        if drug and form is None:
            values["notes"] = (
                *notes,
                "amounts are ketamine base, as the form is not stated (1 mg hydrochloride = 0.867 mg base)",
            )
        for name, value in values.items():
            object.__setattr__(self, name, value)
        _check_words(self)
        _check_sizes(self)

    def as_items(self) -> tuple[Item, ...]:
        return (Item(self),)

    def scaled(self, by: float) -> Dose:
        """The same dose with its amount, and its largest amount, times a factor."""
        other = copy(self)
        for name in ("amount", "cap"):
            given: Quantity | None = getattr(self, name)
            if given is not None:
                object.__setattr__(other, name, Quantity(given.value * by, given.unit))
        return other

    @property
    def per_kg(self) -> bool:
        """Whether the amount is per kg of body weight."""
        return self.amount.per_kg

    @property
    def duration_h(self) -> float:
        """Duration of the infusion, h; 0 for none."""
        return self.duration.hours if self.duration else 0.0

    def __str__(self) -> str:
        from ketasim.dose._text import dose_text

        return dose_text(self)


@dataclass(frozen=True)
class Item:
    """A dose with its start (h on the regimen's clock) and schedule."""

    dose: Dose
    start: float = 0.0
    schedule: Schedule = Schedule()

    def __post_init__(self) -> None:
        # One spelling per meaning: the first dose is at `start`.
        first = self.schedule.offsets[0]
        if first:
            moved = tuple(o - first for o in self.schedule.offsets)
            object.__setattr__(self, "schedule", replace(self.schedule, offsets=moved))
            object.__setattr__(self, "start", self.start + first)
        if self.start < 0 or not math.isfinite(self.start):
            raise InvalidRegimen(f"'{self.dose}' would start at {self.start:g} h; a regimen starts at 0 h or later.")

    @property
    def times(self) -> tuple[float, ...]:
        """Every dose time, h."""
        return tuple(self.start + t for t in self.schedule.times)

    @property
    def on_days(self) -> bool:
        """Whether it is a list of doses on whole days."""
        return self.schedule.n > 1 and not self.schedule.every and all(t % DAY == 0 for t in self.times)

    @property
    def end(self) -> float:
        """When what follows may start, h: see `Course.then`."""
        if self.schedule.every:
            return self.start + math.ceil(self.schedule.n / len(self.schedule.offsets)) * self.schedule.every
        return self.times[-1] + (DAY if self.on_days else self.dose.duration_h)


@checked
@dataclass(frozen=True)
class Regimen(Course):
    """Doses over time. Make one with `parse`, from a `Dose` and its methods, or from a file.

    Attributes
    ----------
    items : doses with start and schedule, in the order given. text : as typed, empty when made in Python.
    beside : other drugs and sessions (see `ketasim list drug`); their effects are those of a disorder.
    """

    items: tuple[Item, ...]
    text: str = field(default="", compare=False)
    beside: tuple[Beside, ...] = ()

    def __post_init__(self) -> None:
        if not self.items:
            raise InvalidRegimen("a regimen needs at least one dose, e.g. '0.5 mg/kg racemic ketamine iv over 40 min'.")
        for item in self.items:
            if not isinstance(item, Item):
                raise InvalidRegimen(f"a regimen holds items, not {item!r}; make one of a text with ketasim.parse, or of a Dose: Regimen(dose.as_items()).")  # fmt: skip
        check_number(sum(item.schedule.n for item in self.items))
        named = {bool(item.dose.drug) for item in self.items}
        if len(named) > 1:
            raise InvalidRegimen("some doses of this regimen name a drug and others do not; name it for all or for none.")

    def as_items(self) -> tuple[Item, ...]:
        return self.items

    @property
    def doses(self) -> tuple[tuple[float, Dose], ...]:
        """Every single dose with its time, (h, dose), in order of time."""
        return tuple(sorted(((t, item.dose) for item in self.items for t in item.times), key=lambda pair: pair[0]))

    @property
    def end(self) -> float:
        """End of the last administration, h."""
        return max(item.times[-1] + item.dose.duration_h for item in self.items)

    @property
    def needs_weight(self) -> bool:
        """Whether any dose is per kg."""
        return any(item.dose.per_kg for item in self.items)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed in reading it."""
        return tuple(dict.fromkeys(note for item in self.items for note in item.dose.notes))

    def __str__(self) -> str:
        """Canonical text; parses to an equal regimen."""
        from ketasim.dose._text import regimen_text

        return regimen_text(self)

    def _repr_html_(self) -> str:
        """In a notebook: the regimen spelled out."""
        from html import escape

        return f"<pre>{escape(self.describe())}</pre>"

    def describe(self) -> str:
        """The regimen spelled out: each dose with its times, and every assumption made in reading it."""
        from ketasim.dose._text import describe

        return describe(self)

    def scaled(self, by: float) -> Regimen:
        """The same regimen with every amount times a factor; durations and schedule stay."""
        return replace(self, items=tuple(replace(item, dose=item.dose.scaled(by)) for item in self.items))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for YAML, TOML or JSON."""
        from ketasim.dose._files import to_dict

        return to_dict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Regimen:
        """Inverse of `to_dict`."""
        from ketasim.dose._files import from_dict

        return from_dict(data)

    @classmethod
    def from_file(cls, path: str | Path) -> Regimen:
        """The one regimen of a YAML, TOML or text file; several arms are read by `read_arms`."""
        from ketasim.dose._files import read_regimen

        return read_regimen(path)

    def to_file(self, path: str | Path) -> None:
        """Write as YAML or TOML, by the ending of the name."""
        from ketasim.dose._files import write_regimen

        write_regimen(self, path)


def _course(given: Course | str) -> Course:
    """A course, or what a text in the dose language says."""
    if isinstance(given, Course):
        return given
    from ketasim.dose._grammar import parse

    if not isinstance(given, str):
        raise InvalidRegimen(f"{given!r} is no regimen: give a Dose, a Regimen or a text such as 'esketamine nasal 56 mg'.")
    return parse(given)


def end_of(items: Iterable[Item]) -> float:
    """When all items are over, h."""
    return max(item.end for item in items)


def refuse_unclear(before: Sequence[Item], after: Sequence[Item]) -> None:
    """Refuse 'then' where a reader could not tell when the second part starts."""
    last = max(before, key=lambda item: item.end)
    if last.schedule.every or last.on_days:
        return
    first = min(after, key=lambda item: item.start)
    one_session = (
        first.schedule.n == 1
        and not first.schedule.every
        and last.dose.route == "iv"
        and (last.dose.duration or first.dose.duration)
    )
    if not one_session:
        raise InvalidRegimen(
            f"'then' does not say when '{first.dose}' starts after '{last.dose}'. Give the pause "
            "('then after 3 day ...'), the day ('then starting day 4 ...') or how the first part repeats "
            "('2/week x 4 week then ...'); parentheses repeat a whole session: '(... then ...), 2/week x 4 week'."
        )


def _amount(given: str | Quantity) -> Quantity:
    return amount(given)


def _word(kind: str, word: str) -> str:
    """The name of a drug, route or form that the dose language has another word for, such as ``intravenous`` or ``hcl``."""
    if not isinstance(word, str):
        raise InvalidRegimen(f"dose: {kind} {word!r} must be a word, e.g. '{_EXAMPLES[kind]}'.")
    meant, name = meaning(word)
    # Two letters may well be a compartment; the language's own short names are names already.
    return name if meant == kind and (kind != "route" or len(word) > 2) else word


def _check_words(dose: Dose) -> None:
    if dose.drug and dose.drug not in DRUGS:
        raise InvalidRegimen(
            f"dose: drug '{dose.drug}' is not known.{close_names(dose.drug, DRUGS)} Allowed: {', '.join(DRUGS)}."
        )
    if dose.form not in FORMS:
        raise InvalidRegimen(
            f"dose: form '{dose.form}' is not known.{close_names(dose.form, FORMS)} Allowed: {', '.join(FORMS)}."
        )
    if not dose.route.isidentifier():
        raise InvalidRegimen(
            f"dose: '{dose.route}' is no route.{close_names(dose.route, ROUTES)} Allowed: {', '.join(ROUTES)}, or a compartment."
        )
    if not dose.drug and dose.form != "base":
        raise InvalidRegimen(f"'{dose.amount} as {dose.form}' names no drug; a salt form needs one, e.g. 'racemic ketamine'.")


def _check_sizes(dose: Dose) -> None:
    if dose.duration is not None:
        if dose.duration.value <= 0:
            raise InvalidRegimen(f"'over {dose.duration}': an infusion takes more than 0 min; leave it out for a bolus.")
        if dose.route in ROUTES and dose.route not in INFUSIBLE:
            raise InvalidRegimen(
                f"'{dose.route}' doses are not given over a time ('over {dose.duration}'); these are: {', '.join(INFUSIBLE)}."
            )
    elif dose.amount.per_time:
        raise InvalidRegimen(f"'{dose.amount}' is a rate: say for how long, e.g. 'over 2 h'.")
    for word, size in (("max", dose.cap), ("round to", dose.round_to)):
        if size is None:
            continue
        if "/" in size.unit or size.value <= 0:
            raise InvalidRegimen(f"'{word} {size}' must be an amount above 0, such as '{word} 80 mg'.")
        if size.substance.endswith("mol") != dose.amount.substance.endswith("mol"):
            raise InvalidRegimen(
                f"'{word} {size}' and the dose '{dose.amount}' must both be masses or both amounts of substance."
            )
    if dose.cap and dose.round_to and to_unit(dose.cap.value, dose.cap.unit, dose.round_to.unit) < dose.round_to.value:
        raise InvalidRegimen(f"'max {dose.cap}' is less than one unit of 'round to {dose.round_to}': no dose is possible.")


def hours_list(times: Iterable[float]) -> str:
    """Times in hours, for messages."""
    return ", ".join(number_text(t) for t in times)
