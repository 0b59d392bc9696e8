"""What the time words of one part mean together: how often, how long, from when."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import NoReturn

from ketasim.dose._phrases import Words
from ketasim.dose._quantity import number_text, time_text
from ketasim.dose._regimen import WEEK, WEEK_DAYS, Schedule, check_number, per_week
from ketasim.dose._tokens import Token, fail


def schedule_of(text: str, said: Words) -> Schedule | None:
    """Schedule of the words, None for a single dose.

    Raises
    ------
    InvalidRegimen: words that contradict each other, or leave open how often or how long.
    """
    planned = _planned(text, said)
    if not said.missed:
        return planned
    if planned is None or not planned.every:
        what = (
            "a list of days or times: leave the missed one out of it."
            if planned
            else "a schedule, such as 'daily x 10 except dose 3'."
        )
        _refuse(text, said.found["missed"], f"'{said.found['missed'].raw}' {'stands beside' if planned else 'needs'} {what}")
    if said.missed[-1] > planned.n:
        _refuse(text, said.found["missed"], f"there are {planned.n} doses, and no dose {said.missed[-1]} to miss.")
    if len(said.missed) == planned.n:
        _refuse(text, said.found["missed"], "no dose is left; leave this part out.")
    return replace(planned, missed=said.missed)


def _planned(text: str, said: Words) -> Schedule | None:
    if "single" in said.found:
        for name in ("freq", "list", "count"):
            if name in said.found:
                _refuse(text, said.found[name], f"'{said.found[name].raw}' contradicts '{said.found['single'].raw}'.")
        return None
    if said.times:
        return _list(text, said)
    if said.freq is None:
        if said.count is not None:
            known = "for how long" if said.count[0] == "span" else "how many doses"
            _refuse(text, said.found["count"], f"this says {known} but not how often: add 'daily', '2/week' or 'every 3 day'.")
        return None
    if said.count is None:
        _refuse(text, said.found["freq"], f"this says how often but not for how long: write e.g. {_how_long(said)}.")
    kind, value = said.freq
    return _weekly(text, said, int(value)) if kind == "week" else _every(text, said, value)


def place_of(text: str, said: Words) -> tuple[bool, float]:
    """(whether the start is meant on the regimen's clock, shift in h to where the first dose belongs)."""
    if said.times and not said.cycle:
        if "start" in said.found:
            _refuse(text, said.found["start"], "a list of days or times has its own start; leave one of the two out.")
        return "after" not in said.found, said.start + said.times[0]
    if "start" in said.found and "after" in said.found:
        _refuse(text, said.found["after"], "give either 'starting ...' or 'after ...'.")
    shift = said.start + (said.times[0] if said.times else 0.0)
    return "start" in said.found, shift


def _how_long(said: Words) -> str:
    """Examples that go on from the words that say how often."""
    kind, value = said.freq or ("every", 24.0)
    words = said.found["freq"].raw
    in_weeks = kind == "week" or (4 * WEEK) % value == 0
    return f"'{words} for 4 week' or '{words} x 8 dose'" if in_weeks else f"'{words} x 8 dose'"


def _list(text: str, said: Words) -> Schedule:
    first = said.times[0]
    offsets = tuple(t - first for t in said.times)
    if any(b <= a for a, b in pairwise(offsets)):
        _refuse(text, said.found["list"], "days or times must rise, and none may come twice.")
    if not said.cycle:
        for name in ("freq", "count"):
            if name in said.found:
                _refuse(text, said.found[name], "a list of days or times already says when; leave the other schedule out.")
        return Schedule(offsets, 0.0, len(offsets))
    if said.freq is None or said.freq[0] != "every" or said.count is None or said.count[0] == "span":
        _refuse(text, said.found["list"], "write a repeating list as 'at 0, 3 h of every 2 day x 6 dose'.")
    if said.freq[1] <= offsets[-1]:
        _refuse(
            text,
            said.found["freq"],
            f"the times span {number_text(offsets[-1])} h and cannot repeat every {time_text(said.freq[1])}.",
        )
    return Schedule(offsets, said.freq[1], int(said.count[1]))


def _weekly(text: str, said: Words, times: int) -> Schedule:
    kind, value = said.count or ("dose", 1.0)
    if kind == "dose":
        return per_week(times, int(value))
    if kind == "bare":
        n = number_text(value)
        _refuse(text, said.found["count"], f"'{times}/week x {n}' may mean weeks or doses: write 'x {n} week' or 'x {n} dose'.")
    weeks = value / WEEK
    if weeks != int(weeks):
        _refuse(text, said.found["count"], f"{time_text(value)} is no whole number of weeks; write e.g. 'x 4 week' or 'x 6 dose' "
                                           f"(days {', '.join(map(str, WEEK_DAYS[times]))} of each week).")  # fmt: skip
    return per_week(times, times * int(weeks))


def _every(text: str, said: Words, interval: float) -> Schedule:
    kind, value = said.count or ("dose", 1.0)
    if kind != "span":
        return Schedule((0.0,), interval, int(value))
    count = value / interval
    check_number(count)
    if abs(count - round(count)) > 1e-9 or round(count) < 1:
        many = max(1, int(count) + 1)
        rest = f"write 'x {many} dose' (the last {time_text((many - 1) * interval)} after the first)."
        _refuse(text, said.found["count"], f"{time_text(value)} is no whole number of intervals of {time_text(interval)}: {rest}")
    return Schedule((0.0,), interval, round(count))


def _refuse(text: str, token: Token, message: str) -> NoReturn:
    fail(text, token.start, token.end, message)
