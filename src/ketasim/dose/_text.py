"""Regimens as text: the canonical form, which parses back to an equal regimen, and the description for readers."""

from __future__ import annotations

from collections.abc import Sequence

from ketasim.dose._drugs import ROUTES
from ketasim.dose._quantity import number_text, time_text
from ketasim.dose._regimen import DAY, WEEK, WEEK_DAYS, Dose, Item, Regimen, Schedule, end_of, per_week, refuse_unclear
from ketasim.errors import InvalidRegimen

#: How the canonical text spells what has an underscore or is a code.
DRUG_WORDS = {"racemic_ketamine": "racemic ketamine"}
ROUTE_WORDS = {"oral_prolonged_release": "oral prolonged-release"}
_MANY = 12


def dose_text(dose: Dose, say_base: bool = False) -> str:
    """One dose in the words of the grammar."""
    route = ROUTE_WORDS.get(dose.route, dose.route) if dose.route in ROUTES else f"into {dose.route}"
    words = [str(dose.amount), DRUG_WORDS.get(dose.drug, dose.drug), route]
    if dose.form != "base" or (say_base and dose.drug):
        words.append(f"as {dose.form}")
    if dose.duration:
        words.append(f"over {dose.duration}")
    elif dose.route == "iv":
        words.append("bolus")
    words += [f"max {dose.cap}"] if dose.cap else []
    words += [f"round to {dose.round_to}"] if dose.round_to else []
    return " ".join(w for w in words if w)


def schedule_text(schedule: Schedule) -> str:
    """A repeating schedule in the words of the grammar; empty for a single dose."""
    if schedule.missed:
        which = ", ".join(map(str, schedule.missed))
        return f"{schedule_text(schedule.planned)} except dose{'s' if len(schedule.missed) > 1 else ''} {which}"
    if schedule.n == 1 and not schedule.every:
        return ""
    for k in WEEK_DAYS:
        if schedule == per_week(k, schedule.n) and schedule.every == WEEK:
            return f"{k}/week x {schedule.n // k} week" if schedule.n % k == 0 else f"{k}/week x {schedule.n} dose"
    if schedule.every == DAY and len(schedule.offsets) == 1:
        return f"daily x {schedule.n}"
    if len(schedule.offsets) == 1:
        return f"every {time_text(schedule.every)} x {schedule.n}"
    return f"at {', '.join(number_text(t) for t in schedule.offsets)} h of every {time_text(schedule.every)} x {schedule.n} dose"


def item_text(item: Item, say_base: bool = False, chained: bool = False) -> str:
    """One item in the words of the grammar, with its place on the clock unless it is chained by 'then'."""
    text = dose_text(item.dose, say_base)
    if item.schedule.n > 1 and not item.schedule.every:
        return f"{text}, {_list_text(item)}"
    schedule = schedule_text(item.schedule)
    text += f", {schedule}" if schedule else ""
    if chained or not item.start:
        return text
    if item.start % DAY == 0:
        return f"{text} starting day {number_text(item.start / DAY + 1)}"
    return f"{text} starting at {number_text(item.start)} h"


def _list_text(item: Item) -> str:
    times, offsets = item.times, item.schedule.offsets
    if any(t - times[0] != o for t, o in zip(times, offsets, strict=True)):
        # The sum lost a last bit: give both terms, so that the text parses to the same numbers.
        return f"at {', '.join(number_text(o) for o in offsets)} h after {number_text(item.start)} h"
    if all(t % DAY == 0 for t in times):
        return "on days " + ", ".join(number_text(t / DAY + 1) for t in times)
    return "at " + ", ".join(number_text(t) for t in times) + " h"


def regimen_text(regimen: Regimen) -> str:
    """Canonical text of a regimen."""
    say_base = any(item.dose.form != "base" for item in regimen.items)
    text = item_text(regimen.items[0], say_base)
    for k, item in enumerate(regimen.items[1:], 1):
        before = regimen.items[:k]
        chained = _follows(before, item)
        same = chained and item.dose == before[-1].dose and bool(schedule_text(item.schedule))
        text += " then " if chained else " + "
        text += schedule_text(item.schedule) if same else item_text(item, say_base, chained)
    # A course without ketamine is told by what stands in its place.
    nothing = bool(regimen.beside) and all(item.dose.amount.value == 0.0 for item in regimen.items)
    return " + ".join([*(() if nothing else (text,)), *(one.text for one in regimen.beside)])


def _follows(before: Sequence[Item], item: Item) -> bool:
    """Whether 'then' says exactly where the item starts."""
    if item.start != end_of(before) or (item.schedule.n > 1 and not item.schedule.every):
        return False
    try:
        refuse_unclear(before, [item])
    except InvalidRegimen:
        return False
    return True


def describe(regimen: Regimen) -> str:
    """A regimen spelled out for a reader."""
    lines = [f"Regimen: {regimen.text or regimen}"]
    for number, item in enumerate(regimen.items, 1):
        lines.append(f"  {number}. {dose_text(item.dose)}")
        lines.append(f"     {_times_text(item)}")
    count = len(regimen.doses)
    last = regimen.doses[-1][0]
    lines.append(
        f"  {count} {'dose' if count == 1 else 'doses'} in all; last on day {int(last // DAY) + 1}, over at {regimen.end:g} h."
    )
    for one in regimen.beside:
        shown = [f"{time:g}" for time in one.times[:_MANY]] + (["..."] if len(one.times) > _MANY else [])
        lines.append(f"  beside: {one.text} (at {', '.join(shown)} h)")
    notes = list(regimen.notes) + _pattern_notes(regimen)
    return "\n".join(lines + [f"  Assumed: {note}." for note in notes])


def _times_text(item: Item) -> str:
    times = item.times
    shown = times if len(times) <= _MANY else (*times[: _MANY - 1], times[-1])
    if all(t % DAY == 0 for t in times):
        words, unit = [f"{t / DAY + 1:g}" for t in shown], "day " if len(times) == 1 else "days "
    else:
        words, unit = [f"{t:g} h" for t in shown], "at "
    if len(times) > _MANY:
        words.insert(-1, "...")
    count = f"{len(times)} doses: " if len(times) > 1 else "once: "
    return f"{count}{unit}{', '.join(words)} (day 1 is the first day; it starts at 0 h)"


def _pattern_notes(regimen: Regimen) -> list[str]:
    used = {
        len(item.schedule.offsets) for item in regimen.items if item.schedule.every == WEEK and len(item.schedule.offsets) > 1
    }
    return [
        f"{k}/week means days {', '.join(map(str, WEEK_DAYS[k]))} of each week"
        for k in sorted(used)
        if any(item.schedule.planned == per_week(k, item.schedule.n) for item in regimen.items)
    ]
