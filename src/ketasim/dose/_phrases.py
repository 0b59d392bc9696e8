"""The words of one part of a dose text, each understood once: amount, drug, route, form, duration, limits, time words.

What the time words mean together is `_timing`'s matter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import NoReturn

from ketasim.dose._quantity import SUBSTANCE_UNITS, TIME_UNITS, WEIGHT_WORDS, Quantity, amount_unit, unknown_time_unit
from ketasim.dose._regimen import MOST_DOSES
from ketasim.dose._remedies import REMEDIES, STEADY, UNITS
from ketasim.dose._tokens import BRANDS, FILLERS, Token, fail, misspelt, nearest, phrase_at
from ketasim.errors import close_names

_TIMES = {"once": 1, "twice": 2, "thrice": 3}
_PER_DAY = {"qd": 1, "od": 1, "bid": 2, "tid": 3, "qid": 4}
_ADVERBS = {"hourly": "h", "daily": "day", "weekly": "week"}
_INTERVALS = {"qod": 48.0, "eod": 48.0, "qw": 168.0, "qwk": 168.0, "fortnightly": 336.0}
_ORDINALS = {
    word: k
    for k, word in enumerate(
        ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"), start=1
    )
}  # fmt: skip
_EXAMPLE = "For example: 0.5 mg/kg ketamine iv over 40 min, 2/week x 4 week. All words: ketasim events --help"
_COUNTED = ("time", "times", "dose", "doses", "infusion", "infusions", "injection", "injections", "session", "sessions")
_INTERVAL = re.compile(r"q(\d+)(h|hr|hrs|d|day|days|w|wk|week|weeks)")


@dataclass
class Words:
    """What the words of one part said; `found` keeps where, for messages.

    ``freq``: ("every", hours) or ("week", times). ``count``: ("dose", n), ("span", hours) or ("bare", n).
    """

    amount: Quantity | None = None
    drug: str = ""
    brand: str = ""
    route: str = ""
    form: str = ""
    over: Quantity | None = None
    cap: Quantity | None = None
    round_to: Quantity | None = None
    freq: tuple[str, float] | None = None
    count: tuple[str, float] | None = None
    times: list[float] = field(default_factory=list[float])
    cycle: bool = False
    missed: tuple[int, ...] = ()
    start: float = 0.0
    notes: list[str] = field(default_factory=list[str])
    found: dict[str, Token] = field(default_factory=dict[str, Token])


def read_words(text: str, words: list[Token]) -> Words:
    """Understand the words of one part.

    Raises
    ------
    InvalidRegimen: pointing at the word that has no meaning, or comes a second time.
    """
    reader = _Reader(text, words)
    while reader.at < len(words):
        reader.step()
    said = reader.said
    if said.brand:
        brand = BRANDS[said.brand]
        if brand.route and said.route not in ("", brand.route):
            other = said.found["route"]
            drug = brand.drug.replace("_", " ")
            fail(
                text,
                other.start,
                other.end,
                f"'{said.brand.title()}' is given by the route {brand.route}: for another name the drug, {drug}.",
            )
        said.form, said.route = said.form or "base", said.route or brand.route
        said.notes.append(brand.note)
    return said


class _Reader:
    def __init__(self, text: str, words: list[Token]) -> None:
        self.text, self.words, self.at, self.said = text, words, 0, Words()

    # -- small steps --------------------------------------------------------------------------------------------------
    def peek(self, ahead: int = 0) -> str:
        return self.words[self.at + ahead].word if self.at + ahead < len(self.words) else ""

    def kind(self, ahead: int = 0) -> str:
        return self.words[self.at + ahead].kind if self.at + ahead < len(self.words) else ""

    def take(self, *allowed: str) -> str:
        """The next word if it is one of these, else nothing."""
        word = self.peek()
        if word and word in allowed:
            self.at += 1
            return word
        return ""

    def refuse(self, message: str, first: Token | None = None, hint: str = "") -> NoReturn:
        last = self.words[min(self.at, len(self.words) - 1)]
        begin = first or last
        fail(self.text, begin.start, max(last.end, begin.end), message, hint)

    def note(self, name: str, token: Token) -> None:
        if name in self.said.found:
            earlier = self.said.found[name].raw
            fail(self.text, token.start, token.end,
                 f"'{token.raw}' gives the {_SLOTS.get(name, name)} a second time (after '{earlier}'). "
                 "Join two doses by 'then' or '+'.")  # fmt: skip
        self.said.found[name] = token

    def number(self, what: str) -> float:
        if self.kind() != "number":
            got = f", not '{self.words[self.at].raw}'" if self.at < len(self.words) else ""
            self.refuse(f"{what} needs a number{got}.", self.words[max(self.at - 1, 0)] if not got else None)
        self.at += 1
        return float(self.words[self.at - 1].word)

    def time_unit(self, what: str) -> str:
        self.take("-")
        unit = TIME_UNITS.get(self.peek())
        if unit is None:
            message = (
                unknown_time_unit(self.words[self.at].raw)
                if self.at < len(self.words)
                else "a unit of time is missing: s, min, h, day, week."
            )
            self.refuse(f"{what}: {message}", None)
        self.at += 1
        return unit

    def time(self, what: str) -> Quantity:
        value = self.number(what)
        return Quantity(value, self.time_unit(what))

    # -- dispatch -----------------------------------------------------------------------------------------------------
    def step(self) -> None:
        """Understand one group of words, and remember all of it for messages."""
        token, known = self.words[self.at], set(self.said.found)
        self.read(token)
        end = self.words[self.at - 1].end
        for name in set(self.said.found) - known:
            self.said.found[name] = replace(token, raw=self.text[token.start : end], end=end)

    def read(self, token: Token) -> None:
        if token.kind == "number":
            return self.after_number(token)
        if token.word == "-" and self.kind(1) == "number":
            self.refuse("a dose cannot be negative, and '-' has no other meaning before a number here.", token)
        handler = _HANDLERS.get(token.word)
        if handler is not None and not (token.word == "by" and phrase_at(self.words, self.at)):
            self.at += 1
            return handler(self, token)
        hit = phrase_at(self.words, self.at)
        if hit is not None:
            return self.vocabulary(hit, token)
        interval = _INTERVAL.fullmatch(token.word)
        if interval:
            self.at += 1
            return self.freq(token, "every", Quantity(float(interval[1]), TIME_UNITS[interval[2]]).hours)
        if token.word in FILLERS and self.peek(1) not in ("needed",):
            self.at += 1
            return None
        return self.unknown(token)

    def unknown(self, token: Token) -> NoReturn:
        """Refuse a word: with what to write instead, with the one that was probably meant, or with an example."""
        if self.peek(1) in ("steady", "steady-state") or token.word in ("steady", "steady-state"):
            while self.peek(1) in ("steady", "steady-state", "state"):
                self.at += 1
            said = self.text[token.start : self.words[self.at].end]
            self.refuse(f"'{said}' {STEADY}", token)
        if token.word == "as" and self.peek(1) == "needed":
            self.at += 1
            self.refuse(f"'as needed' {REMEDIES['needed']}", token)
        if token.word in REMEDIES:
            self.refuse(f"'{token.raw}' {REMEDIES[token.word]}", token)
        if token.word == "q":
            self.refuse("'q' and its interval are one word, such as 'q12h' or 'q2d'.", token)
        near = nearest(token.word)
        if not near:
            self.refuse(f"'{token.raw}' is not understood. Leave it out, or say it in other words.", token, _EXAMPLE)
        misspelt(self.text, token, near)

    def vocabulary(self, hit: tuple[int, str, str], token: Token) -> None:
        count, name, value = hit
        last = self.words[self.at + count - 1]
        whole = Token(
            "word",
            " ".join(t.word for t in self.words[self.at : self.at + count]),
            self.text[token.start : last.end],
            token.start,
            last.end,
        )
        if name == "brand":
            self.said.brand = value
            name, value = "drug", BRANDS[value].drug
        if getattr(self.said, name) != value or name not in self.said.found:
            self.note(name, whole)
        setattr(self.said, name, value)
        self.at += count

    # -- what starts with a number ------------------------------------------------------------------------------------
    def after_number(self, token: Token) -> None:
        value = float(token.word)
        if (
            self.peek(1) == ","
            and self.kind(2) == "number"
            and self.words[self.at + 2].start == self.words[self.at + 1].end == token.end + 1
        ):
            self.refuse(
                f"'{token.raw},{self.words[self.at + 2].raw}' is no number; write 0.5 with a point and 1000 without a comma.",
                token,
            )
        self.at += 1
        self.take("-")
        if self.peek() in SUBSTANCE_UNITS:
            return self.amount_words(token, value)
        times = bool(self.take("x", "times", "time"))
        if self.take("/", "per", "a", "each") or (times and self.peek() in _ADVERBS):
            return self.rate(token, value)
        if times and not self.peek().isdigit() and TIME_UNITS.get(self.peek()) is None:
            return self.counted(token, value)
        if self.take(*_COUNTED):
            return self.counted(token, value)
        unit = TIME_UNITS.get(self.peek())
        if unit in ("s", "min", "h") and "over" not in self.said.found:
            return self.bare_time(token, Quantity(value, unit))
        if unit:
            said = f"{token.raw} {self.words[self.at].raw}"
            self.refuse(
                f"'{said}' alone is not clear: write 'x {said}' (how long it goes on) or 'after {said}' (when it starts).", token
            )
        if self.peek() in UNITS:
            self.refuse(f"'{token.raw} {self.words[self.at].raw}' {UNITS[self.peek()]}", token)
        if self.at < len(self.words) and self.kind() == "word" and not phrase_at(self.words, self.at):
            near = close_names(self.peek(), SUBSTANCE_UNITS, 1) if len(self.peek()) < 4 else ""
            self.refuse(
                f"'{token.raw} {self.words[self.at].raw}': no unit of amount.{near or ' Write e.g. mg, mg/kg or ug/kg/min.'}",
                token,
            )
        self.at -= 1
        return self.refuse(f"'{token.raw}' has no unit: write e.g. '{token.raw} mg'.", token)

    def bare_time(self, token: Token, time: Quantity) -> None:
        """Such as "iv 40 min" or "40-min infusion": what else could a short time be."""
        self.at += 1
        self.note("over", token)
        self.said.over = time
        self.said.notes.append(f"'{time}' is how long the dose is given")

    def counted(self, token: Token, value: float) -> None:
        self.set_count(token, "dose", value)

    def amount_words(self, token: Token, value: float) -> None:
        self.note("amount", token)
        self.said.amount = Quantity(value, self.amount_unit())
        if self.peek() in ("/", "per") and self.kind(1) == "number" and TIME_UNITS.get(self.peek(2)):
            self.at += 1  # "0.5 mg/kg/40 min": the amount, and how long
            self.note("over", self.words[self.at])
            self.said.over = self.time("over")
            self.said.notes.append(f"'{self.said.amount}/{self.said.over}' is {self.said.amount} over {self.said.over}")

    def amount_unit(self) -> str:
        substance = SUBSTANCE_UNITS[self.peek()]
        self.at += 1
        per_kg, per_time = False, ""
        while self.peek() in ("/", "per") and self.kind(1) != "number":
            word = self.peek(1)
            if word in WEIGHT_WORDS and not per_kg and not per_time:
                per_kg = True
            elif word in TIME_UNITS and not per_time:
                per_time = TIME_UNITS[word]
            else:
                self.at = min(self.at + 1, len(self.words) - 1)
                self.refuse(
                    f"'{self.words[self.at].raw}' is no part of an amount.",
                    None,
                    "Allowed: mg, mg/kg, mg/h, mg/kg/h, ug/kg/min and the like.",
                )
            self.at += 2
        return amount_unit(substance, per_kg, per_time)

    def mass(self, word: str) -> Quantity:
        value = self.number(word)
        if self.peek() not in SUBSTANCE_UNITS:
            self.refuse(f"'{word}' needs an amount such as '80 mg'.", None)
        return Quantity(value, self.amount_unit())

    def rate(self, token: Token, value: float) -> None:
        """Such as "2/week", "3 times a day", "1/2 week" (one in two weeks), "2 x weekly"."""
        adverb = _ADVERBS.get(self.peek())
        length = self.number("how often") if self.kind() == "number" else 1.0
        if adverb:
            self.at += 1
        unit = adverb or self.time_unit("how often")
        self.per(token, value, Quantity(length, unit))

    def per(self, token: Token, times: float, each: Quantity) -> None:
        if times != int(times) or times < 1 or each.value <= 0:
            self.refuse("give a whole number of doses, such as '2/week'.", token)
        if times == 1:
            return self.freq(token, "every", each.hours)
        if each.value != 1:
            self.refuse(f"{times:g} doses in {each}: say on which days, e.g. 'on days 1, 4', or as '2/week'.", token)
        if each.unit == "week":
            if times > 7:
                self.refuse("more than 7 a week: write e.g. 'every 12 h'.", token)
            return self.freq(token, "week", times)
        return self.freq(token, "every", each.hours / times)

    def freq(self, token: Token, kind: str, value: float) -> None:
        self.note("freq", token)
        if value <= 0:
            self.refuse("the interval must be above 0.", token)
        self.said.freq = (kind, value)

    def set_count(self, token: Token, kind: str, value: float) -> None:
        self.note("count", token)
        if value <= 0 or (kind != "span" and value != int(value)) or (kind != "span" and value > MOST_DOSES):
            self.refuse(f"give a whole number of doses, at least 1 (and at most {MOST_DOSES}).", token)
        self.said.count = (kind, value)

    def number_list(self, what: str) -> list[float]:
        """Such as "1, 4 and 7" or "1-5"."""
        values = [self.number(what)]
        while True:
            if self.peek() in ("-", "to") and self.kind(1) == "number":
                self.at += 1
                stop = self.number(what)
                if stop <= values[-1] or stop != int(stop) or values[-1] != int(values[-1]) or stop > 100000:
                    self.refuse("a range runs upwards between whole numbers, such as '1-5'.", None)
                values += [float(v) for v in range(int(values[-1]) + 1, int(stop) + 1)]
            elif self.peek() in (",", "and") and self.kind(1) == "number" and not self.begins_amount(1):
                self.at += 1
                values.append(self.number(what))
            elif self.peek() == "," and self.peek(1) == "and" and self.kind(2) == "number":
                self.at += 1
            elif what == "days" and self.peek() in (",", "and") and self.peek(1) in ("day", "days") and self.kind(2) == "number":
                self.at += 2
                values.append(self.number(what))
            else:
                return values

    def begins_amount(self, ahead: int) -> bool:
        return self.peek(ahead + 1) in SUBSTANCE_UNITS or self.peek(ahead + 1) in ("/", "x", "times", "per")


_SLOTS = {
    "freq": "schedule",
    "count": "number of doses",
    "cap": "maximum",
    "round_to": "rounding",
    "over": "duration",
    "list": "days",
    "after": "start",
    "missed": "missed doses",
}


# -- what starts with a keyword: one function per word ---------------------------------------------------------------
def _over(r: _Reader, token: Token) -> None:
    r.note("over", token)
    r.said.over = r.time("over")


def _for(r: _Reader, token: Token) -> None:
    """Such as "for 4 weeks", "for 5 doses"; without a schedule "for 2 h" is how long an infusion runs."""
    value = r.number("for")
    if r.take(*_COUNTED):
        return r.set_count(token, "dose", value)
    length = Quantity(value, r.time_unit("for"))
    rate = r.said.amount is not None and r.said.amount.per_time
    has_schedule = (
        (length.unit in ("day", "week") and not rate and "infusion" not in r.said.found)
        or r.said.freq is not None
        or any(t.word in ("every", "daily", "weekly", "week") or _INTERVAL.fullmatch(t.word) for t in r.words[r.at :])
    )
    if has_schedule and r.said.count is None:
        return r.set_count(token, "span", length.hours)
    r.note("over", token)
    r.said.over = length
    return None


def _times(r: _Reader, token: Token) -> None:
    """Such as "x 4 week", "x 8 doses", "x 4"."""
    value = r.number("x")
    if r.take(*_COUNTED):
        return r.set_count(token, "dose", value)
    if r.peek() in TIME_UNITS or r.peek().startswith("month"):
        return r.set_count(token, "span", Quantity(value, r.time_unit("x")).hours)
    return r.set_count(token, "bare", value)


def _every(r: _Reader, token: Token) -> None:
    """Such as "every 2 days", "every other day", "every day"."""
    value = r.number("every") if r.kind() == "number" else 2.0 if r.take("other", "second") else 3.0 if r.take("third") else 1.0
    r.freq(token, "every", Quantity(value, r.time_unit("every")).hours)


def _adverb(r: _Reader, token: Token) -> None:
    r.freq(token, "every", Quantity(1.0, _ADVERBS[token.word]).hours)


def _times_per(r: _Reader, token: Token) -> None:
    """Such as "twice weekly", "once a day", "twice per week"; "once" alone is a single dose."""
    n = float(_TIMES[token.word])
    adverb = _ADVERBS.get(r.peek())
    if adverb:
        r.at += 1
        return r.per(token, n, Quantity(1.0, adverb))
    if r.take("/", "per", "a", "each"):
        length = r.number("how often") if r.kind() == "number" else 1.0
        return r.per(token, n, Quantity(length, r.time_unit("how often")))
    if r.peek() == "every" and n == 1:
        return None
    if n == 1:
        return _single(r, token)
    r.refuse(f"'{token.raw}' of what: write e.g. '{token.raw} weekly'.", token)
    return None


def _per_day(r: _Reader, token: Token) -> None:
    r.freq(token, "every", 24.0 / _PER_DAY[token.word])


def _interval(r: _Reader, token: Token) -> None:
    r.freq(token, "every", _INTERVALS[token.word])


def _missed(r: _Reader, token: Token) -> None:
    """Such as "except dose 3", "except doses 3 and 5", "without the third dose"."""
    r.note("missed", token)
    r.take("the")
    if r.peek() in _ORDINALS:
        numbers = [float(_ORDINALS[r.peek()])]
        r.at += 1
        r.take("dose")
    else:
        if not r.take("dose", "doses", "session", "sessions", "infusion", "infusions"):
            r.refuse(f"'{token.raw}' needs the numbers of doses, counted from 1: write e.g. '{token.raw} dose 3'.", token)
        numbers = r.number_list(token.raw)
    if any(k < 1 or k != int(k) for k in numbers):
        r.refuse("doses are counted from 1, in whole numbers.", token)
    r.said.missed = tuple(sorted({int(k) for k in numbers}))


def _single(r: _Reader, token: Token) -> None:
    r.note("single", token)


def _on(r: _Reader, token: Token) -> None:
    if not r.take("day", "days"):
        r.refuse("'on' needs days, such as 'on days 1, 4, 7' (day 1 is the first day).", token)
    _days(r, token)


def _days(r: _Reader, token: Token) -> None:
    r.note("list", token)
    days = r.number_list("days")
    if min(days) < 1:
        r.refuse("days count from 1: day 1 is the first day.", token)
    r.said.times = [24.0 * (d - 1) for d in days]


def _at(r: _Reader, token: Token) -> None:
    """Such as "at 0, 12 h", "at hours 0, 12", "at day 8"; with "of every" a repeating block."""
    if r.peek() == "most":
        return _cap(r, token)
    if r.take("day", "days"):
        return _days(r, token)
    named = "h" if r.take("hour", "hours", "h") else ""
    r.note("list", token)
    values = r.number_list("at")
    unit = named or r.time_unit("at")
    r.said.times = [Quantity(v, unit).hours for v in values]
    if r.peek() == "of" and r.peek(1) == "every":
        r.take("of")
        r.said.found["cycle"], r.said.cycle = token, True
    return None


def _starting(r: _Reader, token: Token) -> None:
    """Such as "starting day 2", "from week 5", "starting at 12 h"."""
    r.take("on", "at", "in")
    unit = TIME_UNITS.get(r.peek())
    r.note("start", token)
    if unit in ("day", "week"):
        r.at += 1
        number = r.number(f"starting {unit}")
        if number < 1:
            r.refuse(f"{unit}s count from 1: {unit} 1 is the first {unit}.", token)
        r.said.start = Quantity(number - 1, unit).hours
    else:
        r.said.start = r.time("starting").hours


def _after(r: _Reader, token: Token) -> None:
    r.note("after", token)
    r.said.start = r.time("after").hours


def _cap(r: _Reader, token: Token) -> None:
    r.take("of", "at", "most", "to", "than", "more")
    r.take("than", "of")
    r.note("cap", token)
    r.said.cap = r.mass(token.raw)


def _round(r: _Reader, token: Token) -> None:
    if not r.take("to"):
        r.refuse(f"'{token.raw}' needs the device size, e.g. 'round to 28 mg'.", token)
    r.take("the")
    r.take("nearest")
    r.note("round_to", token)
    r.said.round_to = r.mass("round to")


def _bolus(r: _Reader, token: Token) -> None:
    r.note("bolus", token)


def _infusion(r: _Reader, token: Token) -> None:
    r.note("infusion", token)


def _into(r: _Reader, token: Token) -> None:
    if r.kind() != "word":
        r.refuse("'into' needs the name of a compartment, e.g. 'into central'.", token)
    r.note("route", token)
    r.said.found["into"] = token
    r.said.route = r.words[r.at].raw
    r.at += 1


_HANDLERS = {
    "over": _over, "in": _over, "within": _over, "for": _for, "x": _times, "*": _times, "every": _every, "on": _on, "day": _days, "days": _days, "at": _at,
    "starting": _starting, "start": _starting, "from": _starting, "after": _after, "max": _cap, "maximum": _cap,
    "cap": _cap, "capped": _cap,
    "round": _round, "rounded": _round, "bolus": _bolus, "push": _bolus, "infusion": _infusion, "drip": _infusion, "into": _into, "single": _single,
    **dict.fromkeys(("except", "without", "missing", "missed", "skip", "skipping", "omit", "omitting"), _missed),
    **dict.fromkeys(_INTERVALS, _interval), **dict.fromkeys(_ADVERBS, _adverb), **dict.fromkeys(_TIMES, _times_per), **dict.fromkeys(_PER_DAY, _per_day),
}  # fmt: skip
