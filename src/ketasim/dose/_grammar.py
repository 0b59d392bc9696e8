"""The text grammar of regimens: words of a dose in any order, courses joined by 'then' and '+', sessions in parentheses.

text    = part { ("then" | "+") part }          read from left to right; 'then' starts when all before it is over
part    = "(" text ")" schedule | words          words without an amount repeat the dose before
arms    = [name ":"] text { ";" [name ":"] text }
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ketasim.arguments import checked
from ketasim.dose._beside import Substance, beside_of, split_beside
from ketasim.dose._drugs import DEVICE_MG, DRUGS, ROUTES
from ketasim.dose._phrases import Words, read_words
from ketasim.dose._quantity import Quantity
from ketasim.dose._regimen import DAY, Course, Dose, Item, Regimen, Schedule, end_of
from ketasim.dose._timing import place_of, schedule_of
from ketasim.dose._tokens import Misspelt, Token, check_length, fail, meaning, tokens
from ketasim.errors import InvalidRegimen, close_names

#: Arms of one text at most.
_MOST_ARMS = 1_000

DEVICE_DOSES = (DEVICE_MG, 2 * DEVICE_MG, 3 * DEVICE_MG)


@dataclass
class _Parser:
    text: str
    words: list[Token]
    drug: str = ""
    route: str = ""
    at: int = 0
    last: Dose | None = None

    def peek(self) -> str:
        return self.words[self.at].word if self.at < len(self.words) else ""

    def chain(self, depth: int = 0) -> tuple[Item, ...]:
        """Parts joined by 'then' and '+', from left to right."""
        items = self.part((), "", depth)
        while self.peek() in ("then", "+"):
            joint = self.words[self.at]
            self.at += 1
            items = self.part(items, joint.word, depth, joint)
        return items

    def part(self, before: tuple[Item, ...], joint: str, depth: int, mark: Token | None = None) -> tuple[Item, ...]:
        while self.peek() == ",":
            self.at += 1
        begin = self.at
        inner: tuple[Item, ...] = ()
        if self.peek() == "(":
            inner = self.group(depth)
        said = self.collect()
        if not inner and not said.found:
            where = self.words[begin] if begin < len(self.words) else (mark or self.words[-1])
            fail(
                self.text,
                where.start,
                where.end,
                f"a dose is missing {'before' if begin < len(self.words) else 'after'} '{where.raw}'.",
            )
        if inner:
            self.refuse_dose_words(said)
        else:
            inner = (Item(self.dose(said, self.words[begin])),)
        return self.join(before, joint, inner, said, self.words[begin])

    def group(self, depth: int) -> tuple[Item, ...]:
        opening = self.words[self.at]
        if depth > 8:
            fail(self.text, opening.start, opening.end, "too many parentheses within each other (8 at most).")
        self.at += 1
        items = self.chain(depth + 1)
        if self.peek() != ")":
            fail(self.text, opening.start, opening.end, "'(' has no ')'.")
        self.at += 1
        return items

    def collect(self) -> Words:
        """Words up to the next joint."""
        stop = self.at
        while stop < len(self.words) and self.words[stop].word not in ("then", "+", "(", ")", ";"):
            stop += 1
        said = read_words(self.text, self.words[self.at : stop])
        self.at = stop
        if self.peek() == "(":
            token = self.words[self.at]
            fail(
                self.text,
                token.start,
                token.end,
                "parentheses hold a whole session: '(0.3 mg/kg ketamine iv bolus then ...), 2/week x 4 week'.",
            )
        return said

    def refuse_dose_words(self, said: Words) -> None:
        for name in ("amount", "drug", "route", "form", "over", "bolus", "infusion", "cap", "round_to"):
            if name in said.found:
                token = said.found[name]
                fail(
                    self.text,
                    token.start,
                    token.end,
                    "after ')' only a schedule may follow, such as '2/week x 4 week'; the dose goes inside.",
                )

    # -- one dose -----------------------------------------------------------------------------------------------------
    def dose(self, said: Words, first: Token) -> Dose:
        if said.amount is None:
            dose = self.again(said, first)
        else:
            drug, route, notes = self.drug_and_route(said, first)
            duration, more = self.duration(said, said.amount, route, first)
            form = said.form or (self.last.form if self.last and self.last.drug and drug else None)
            if form == "base" and not said.form and self.last and any("not stated" in n for n in self.last.notes):
                form = None
            dose = self.made(
                first, said.amount, drug, route, duration, form, said.cap, said.round_to, (*notes, *said.notes, *more)
            )
        self.last = dose
        return dose

    def made(
        self, first: Token, amount: Quantity, drug: str, route: str, duration: Quantity | None, form: str | None,
        cap: Quantity | None, round_to: Quantity | None, notes: tuple[str, ...],
    ) -> Dose:  # fmt: skip
        try:
            return Dose(amount, drug, route, duration, form=form, cap=cap, round_to=round_to, notes=notes)  # type: ignore[arg-type]
        except InvalidRegimen as error:
            end = self.words[self.at - 1].end
            fail(self.text, first.start, end, str(error))

    def again(self, said: Words, first: Token) -> Dose:
        """The dose before once more, perhaps over another time or with another cap."""
        if self.last is None:
            end = self.words[self.at - 1].end
            fail(self.text, first.start, end, "no amount: say how much, e.g. '56 mg' or '0.5 mg/kg'.")
        for name in ("drug", "route", "form"):
            if name in said.found:
                token = said.found[name]
                fail(self.text, token.start, token.end, f"'{token.raw}' changes the dose; give its amount too.")
        last = self.last
        duration = said.over or (None if "bolus" in said.found else last.duration)
        form = None if any("not stated" in n for n in last.notes) else last.form
        notes = (*(n for n in last.notes if "not stated" not in n), *said.notes)
        cap, step = said.cap or last.cap, said.round_to or last.round_to
        return self.made(first, last.amount, last.drug, last.route, duration, form, cap, step, notes)

    def drug_and_route(self, said: Words, first: Token) -> tuple[str, str, list[str]]:
        """Drug and route, where left out from the dose before or the defaults; every guess is noted."""
        last = self.last
        notes: list[str] = []
        drug = said.drug or (last.drug if last else "") or self.drug
        route = said.route or (last.route if last else "") or self.route
        amount = said.amount
        device = amount is not None and amount.unit == "mg" and amount.value in DEVICE_DOSES and not said.over
        spray = (
            device
            and drug in ("", "esketamine")
            and route in ("", "nasal")
            and not {"bolus", "infusion", "into"} & set(said.found)
        )
        if spray and not (drug and route):
            notes.append(f"'{amount}' is taken as esketamine nasal spray, whose doses are 28, 56 and 84 mg")
            return "esketamine", "nasal", notes
        if drug == "racemic_ketamine" and "drug" in said.found and said.found["drug"].word == "ketamine":
            notes.append("'ketamine' is the racemate (half S-, half R-ketamine)")
        if not route and (said.over or "bolus" in said.found or "infusion" in said.found or (amount and amount.per_time)):
            notes.append("no route is given; a dose over a time, or a bolus, is taken as iv")
            route = "iv"
        if not route:
            end = self.words[self.at - 1].end
            fail(self.text, first.start, end, f"no route: say how it is given ({', '.join(ROUTES)}).")
        return drug, route, notes

    def duration(self, said: Words, amount: Quantity, route: str, first: Token) -> tuple[Quantity | None, tuple[str, ...]]:
        """How long, and what was assumed."""
        if "bolus" in said.found:
            clash = said.found.get("over") or said.found.get("infusion")
            if clash:
                fail(self.text, clash.start, clash.end, "a bolus is given at once; leave out 'bolus' or the duration.")
            return None, ()
        if said.over is not None:
            return said.over, ()
        before = self.last.duration if self.last and self.last.route == route else None
        restated = "route" in said.found or "into" in said.found
        if before and not restated:
            return before, ()
        end = self.words[self.at - 1].end
        if "infusion" in said.found or amount.per_time:
            what = "an infusion" if "infusion" in said.found else f"'{amount}' is a rate, and"
            fail(self.text, first.start, end, f"{what} needs a duration, e.g. 'over 40 min'.")
        if before and route == "iv":
            fail(
                self.text,
                first.start,
                end,
                f"the dose before was given over {before}; say 'over {before}' or 'bolus' here too.",
            )
        return None, ("an iv dose without a duration is a bolus",) if route == "iv" else ()

    # -- time ---------------------------------------------------------------------------------------------------------
    def join(self, before: tuple[Item, ...], joint: str, inner: tuple[Item, ...], said: Words, first: Token) -> tuple[Item, ...]:
        end = self.words[self.at - 1].end
        try:
            schedule = schedule_of(self.text, said)
            course: Course = Regimen(inner)
            if schedule is not None:
                course = course.repeat(schedule)
            absolute, shift = place_of(self.text, said)
            if joint != "then":
                return (*before, *course.delay(shift).as_items())
            if not absolute:
                after = shift if "after" in said.found else None
                return Regimen(before).then(course, after).items
        except InvalidRegimen as error:
            if "\n" in str(error):
                raise
            fail(self.text, first.start, end, str(error))
        over = end_of(before)
        if shift < over:
            token = said.found.get("start") or said.found["list"]
            fail(self.text, token.start, token.end,
                 f"'then' starts after the part before is over (day {over / DAY + 1:g}); days count from the regimen's first. "
                 "Use '+' for doses on the same days.")  # fmt: skip
        return (*before, *course.delay(shift).as_items())


def parse(text: str, *, drug: str = "", route: str = "") -> Regimen:
    """Regimen of a text.

    Parameters
    ----------
    drug, route : used where the text names none.

    Raises
    ------
    InvalidRegimen: with the text, a mark under the words that were not understood, and what is allowed.

    Examples
    --------
    >>> regimen = parse("0.5 mg/kg racemic ketamine iv over 40 min, 2/week x 4 week")
    >>> len(regimen.doses), regimen.doses[1][0]
    (8, 72.0)
    >>> str(parse("84 mg"))
    '84 mg esketamine nasal'
    """
    if not isinstance(text, str):
        raise InvalidRegimen(f"dose text: it is of type {type(text).__name__}; write e.g. 'esketamine nasal 56 mg'.")
    check_length(text)
    own, others = split_beside(text)
    if others:
        return _with_beside(text, own, others, drug, route)
    try:
        return _parsed(text, drug, route)
    except Misspelt as error:
        try:
            _parsed(error.corrected, drug, route)
        except InvalidRegimen:
            raise InvalidRegimen(str(error)) from None
        raise InvalidRegimen(f"{error}\nWrite: {' '.join(error.corrected.split())}") from None


def _parsed(text: str, drug: str, route: str) -> Regimen:
    words = _without_remarks(tokens(text))
    if not words:
        raise InvalidRegimen("dose text: it is empty; write e.g. '0.5 mg/kg racemic ketamine iv over 40 min, 2/week x 4 week'.")
    separator = next((t for t in words if t.word in (";", ":")), None)
    if separator is not None:
        fail(
            text,
            separator.start,
            separator.end,
            "this separates arms, and one regimen is wanted here; give one arm, or read all with parse_arms.",
        )
    parser = _Parser(text, words, _default(drug, "drug", DRUGS), _default(route, "route", ROUTES))
    items = parser.chain()
    if parser.at < len(words):
        token = words[parser.at]
        fail(
            text,
            token.start,
            token.end,
            f"'{token.raw}' has no partner '('." if token.word == ")" else f"'{token.raw}' is not expected here.",
        )
    return Regimen(items, text=" ".join(text.split()))


def _without_remarks(words: list[Token]) -> list[Token]:
    """The words without parentheses that hold words of a dose, as in "ketamine (iv) 5 mg (40 min)"; those of sessions stay."""
    dropped: set[int] = set()
    for at, token in enumerate(words):
        if token.word != "(" or at == 0 or words[at - 1].word in ("then", "+", "(", ";", ":"):
            continue
        close = next((k for k in range(at + 1, len(words)) if words[k].word in ("(", ")", "then", "+", ";")), None)
        if close is not None and words[close].word == ")":
            dropped |= {at, close}
    return [token for at, token in enumerate(words) if at not in dropped]


def parse_arms(text: str, *, drug: str = "", route: str = "") -> dict[str, Regimen]:
    """Regimens of several arms, ``"low: 28 mg; high: 84 mg"``; an arm without a name is named by its own text.

    Raises
    ------
    InvalidRegimen: as `parse`; also two arms of one name.
    """
    if not isinstance(text, str):
        raise InvalidRegimen(f"dose text: it is of type {type(text).__name__}; write e.g. 'low: 28 mg; high: 84 mg'.")
    arms: dict[str, Regimen] = {}
    pieces = [piece for p in text.replace("\n", ";").split(";") if (piece := p.strip())]
    if len(pieces) > _MOST_ARMS:
        raise InvalidRegimen(f"dose text: it has {len(pieces):,} arms; at most {_MOST_ARMS:,} are read.")
    for piece in pieces:
        label, colon, body = piece.partition(":")
        name = label.strip() if colon else piece
        if name in arms:
            raise InvalidRegimen(f"two arms are called '{name}'; give each its own name, e.g. 'A: 56 mg; B: 84 mg'.")
        if not name:
            raise InvalidRegimen(f"an arm has no name before ':' in '{piece}'; write e.g. 'A: 56 mg'.")
        arms[name] = parse(body if colon else piece, drug=drug, route=route)
    if not arms:
        raise InvalidRegimen(
            "dose text: no arm is given; write e.g. 'A: esketamine nasal 56 mg; B: 0.5 mg/kg ketamine iv over 40 min'."
        )
    return arms


def _with_beside(text: str, own: list[str], others: list[tuple[Substance, str]], drug: str, route: str) -> Regimen:
    """A regimen with other drugs and sessions; without ketamine its sessions are those of the first of them, with a dose of 0."""
    if own:
        regimen = parse(" + ".join(own), drug=drug, route=route)
    else:
        first, words = others[0]
        times = beside_of(first, words, (0.0,)).times
        zero = Dose(Quantity(0.0, "mg"), drug="racemic_ketamine", route="iv", form="base", duration="40 min")
        regimen = Regimen(tuple(Item(zero, time) for time in times))
    beside = tuple(beside_of(one, words, [t for t, _ in regimen.doses]) for one, words in others)
    return replace(regimen, text=" ".join(text.split()), beside=beside)


def parse_schedule(text: str) -> tuple[Schedule | None, float]:
    """Schedule words alone, as files hold them: (schedule, start in h)."""
    said = read_words(text, tokens(text))
    other = [
        token
        for name, token in said.found.items()
        if name not in ("freq", "count", "list", "start", "after", "single", "cycle", "missed")
    ]
    if other:
        fail(
            text,
            other[0].start,
            other[0].end,
            "only a schedule belongs here, such as '2/week x 4 week'; the dose has its own keys.",
        )
    return schedule_of(text, said), place_of(text, said)[1]


def _default(given: str, kind: str, allowed: Iterable[str]) -> str:
    allowed = tuple(allowed)
    if not given or given in allowed:
        return given
    what, name = meaning(given)
    if what != kind:
        raise InvalidRegimen(f"{kind} '{given}' is not known.{close_names(given, allowed)} Allowed: {', '.join(allowed)}.")
    return name


@checked
def with_drug(regimen: Regimen, drug: str) -> Regimen:
    """The regimen with a drug set where none is named."""
    name = _default(drug, "drug", DRUGS)
    return replace(regimen, items=tuple(
        item if item.dose.drug else replace(item, dose=Dose(
            item.dose.amount, name, item.dose.route, item.dose.duration, cap=item.dose.cap, round_to=item.dose.round_to,
            notes=item.dose.notes,
        )) for item in regimen.items
    ))  # fmt: skip
