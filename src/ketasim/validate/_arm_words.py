"""How an arm was treated, read from the words of a table of trials: a regimen, the switches of a disorder, and what had to be assumed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ketasim.dose import parse
from ketasim.errors import KetasimError

Row = Mapping[str, str]
_DRUGS = {"racemic_ketamine": "racemic ketamine", "esketamine": "esketamine", "arketamine": "arketamine"}
_INERT = ("placebo", "saline", "")
#: Comparators whose course is read as that of a newly started antidepressant.
AS_ANTIDEPRESSANT = ("quetiapine", "aripiprazole")
_DAY = 24.0
#: An infusion of unstated duration takes this long, min.
_INFUSION = "40"


@dataclass(frozen=True)
class Treatment:
    """How an arm was treated.

    Attributes
    ----------
    regimen : text, empty without drug. until : h; what is given later is not told in words that are understood.
    assumed : what the table leaves open, and how it was read.
    """

    regimen: str
    until: float = float("inf")
    assumed: tuple[str, ...] = ()


class NotUnderstood(Exception):
    """Words that cannot be turned into a treatment; carries the reason."""


def treatment(row: Row, last: float) -> Treatment:
    """The treatment of an arm; last : time of the trial's last result, h.

    Raises
    ------
    NotUnderstood: the arm got something that is not simulated, or its words are not understood.
    """
    drug = row["drug"]
    if re.search(r"\bect\b", f"{row['background']} {row['schedule']}".lower()):
        raise NotUnderstood("given with ECT, whose effect is not simulated")
    if drug in (*_INERT, "midazolam"):
        return Treatment("")
    if drug in AS_ANTIDEPRESSANT:
        return Treatment("", assumed=(f"{drug} read as a new antidepressant",))
    if drug not in _DRUGS:
        raise NotUnderstood(f"the effect of '{drug}' is not simulated")
    assumed: list[str] = []
    one = _dose(row, assumed)
    when, until = _schedule(row["schedule"].lower(), last, assumed)
    text = f"{one}, {when}" if when else one
    try:
        parse(text)
    except KetasimError as error:
        raise NotUnderstood(f"regimen '{text}' is not understood ({str(error).splitlines()[0]})") from None
    return Treatment(text, until, tuple(assumed))


# -- one dose ---------------------------------------------------------------------------------------------------------


def _dose(row: Row, assumed: list[str]) -> str:
    """One dose in the words of a regimen."""
    amount = _amount(row["dose"], assumed)
    if not row["dose_unit"] or not row["route"]:
        raise NotUnderstood("unit or route of the dose is not told")
    route, words = row["route"], f"{row['schedule']} {row['note']}".lower()
    if route == "oral" and re.search(r"extended.release|prolonged.release", words):
        route = "oral prolonged-release"
    over = ""
    if route == "iv":
        minutes = row["infusion_min"] or _INFUSION
        if not row["infusion_min"]:
            assumed.append(f"infused over {_INFUSION} min")
        over = "" if float(minutes) == 0 else f" over {minutes} min"
    return f"{amount} {row['dose_unit']} {_DRUGS[row['drug']]} {route}{over}"


def _amount(text: str, assumed: list[str]) -> str:
    """A number; of a range its middle."""
    numbers = [float(x) for x in re.findall(r"\d+(?:\.\d+)?", text)]
    if not numbers:
        raise NotUnderstood("the dose is not told")
    if re.fullmatch(r"\d+(?:\.\d+)?", text.strip()):
        return text.strip()
    middle = (min(numbers) + max(numbers)) / 2
    assumed.append(f"dose {text} read as {middle:g}")
    return f"{middle:g}"


# -- when -------------------------------------------------------------------------------------------------------------

_NUMBERS = {"one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "eight": "8", "ten": "10", "twelve": "12"}


def _schedule(words: str, last: float, assumed: list[str]) -> tuple[str, float]:
    """The words of a regimen for when doses are given, and until when (h) they hold."""
    words = re.sub(r"\(.*?\)", "", words)
    words = re.sub(r"\b(" + "|".join(_NUMBERS) + r")\b", lambda m: _NUMBERS[m[1]], words).strip(" ,;.")
    parts = [part.strip(" ,;.") for part in re.split(r"\bthen\b|;", words)]
    parts = [part for part in parts if part] or [""]
    if not words:
        assumed.append("a single dose")
    said, until = _phrase(parts[0], last, assumed)
    for part in parts[1:]:
        if _other_treatment(part):
            continue
        try:
            more, _ = _phrase(part, last, assumed)
        except NotUnderstood:
            return said, min(until, _end(said))
        said = f"{said} then {more}"
    return said, until


def _other_treatment(words: str) -> bool:
    """Words of something that is not a dose: therapy, training, another drug."""
    return bool(re.search(r"training|cbt|therapy|exposure|observation|follow.?up|cycloserine", words)) and "/week" not in words


def _end(said: str) -> float:
    """When a schedule is over, h: an interval after its last dose, of unequal ones the longer."""
    times = [time for time, _ in parse(f"1 mg esketamine iv, {said}" if said else "1 mg esketamine iv").doses]
    gaps = [late - early for early, late in pairwise(times)][-2:]
    return times[-1] + max(gaps, default=_DAY)


def _phrase(words: str, last: float, assumed: list[str]) -> tuple[str, float]:
    """One schedule."""
    for pattern, read in _PHRASES:
        if found := re.match(pattern, words):
            return read(found.groups(), last, assumed)
    raise NotUnderstood(f"schedule '{words}' is not understood")


def _times_in(groups: Sequence[str], last: float, assumed: list[str]) -> tuple[str, float]:
    """So many doses in so many days or weeks: the same number each week if that comes out even, else evenly spaced in whole days."""
    n, days = int(groups[0]), float(groups[1]) * (7 if groups[2].startswith("week") else 1)
    if n == 1:
        return "", float("inf")
    weekly = n * 7 / days
    if abs(weekly - round(weekly)) < 0.05 and round(weekly) <= 7:
        return f"{round(weekly)}/week x {n} dose", float("inf")
    return f"every {max(1, round((days - 1) / (n - 1)))} day x {n}", float("inf")


def _weekly(groups: Sequence[str], last: float, assumed: list[str]) -> tuple[str, float]:
    """So many a week; without an end, until the last result."""
    per, weeks = groups
    if not weeks:
        weeks = str(max(1, -(-int(last) // 168)))
        assumed.append(f"{per}/week for {weeks} weeks, to the last result")
    return f"{per}/week x {weeks} week", float("inf")


def _induction(groups: Sequence[str], last: float, assumed: list[str]) -> tuple[str, float]:
    """An induction as labels of nasal esketamine have it."""
    assumed.append("induction read as twice a week")
    return f"2/week x {groups[0]} week", float("inf")


def _label(groups: Sequence[str], last: float, assumed: list[str]) -> tuple[str, float]:
    """The schedule of the label of nasal esketamine, to the last result."""
    assumed.append("label schedule: 2/week for 4 weeks, 1/week for 4 weeks, then once in 2 weeks")
    later = max(0, -(-int(last - 8 * 168) // 336))
    return "2/week x 4 week then 1/week x 4 week" + (f" then every 2 week x {later}" if later else ""), float("inf")


_PHRASES = (
    (r"(?:flexible )?(?:per |as |according to )?(?:the )?(?:smpc|label)\b", _label),
    (r"day 1$", lambda *_: ("", float("inf"))),
    (r"(\d+)-week induction", _induction),
    (r"(\d)\s*/\s*week in each (\d+).week period", _weekly),
    (r"$|single|one dose|1 (?:dose|infusion|session)|once\b(?! (?:a|per) week|.*weekly)", lambda g, *_: ("", float("inf"))),
    (r"(\d)\s*(?:/|x |times (?:a|per) |per )\s*week\b(?:.*?(?:x|for)\s*(?:up to )?(\d+)\s*(?:weeks?|wk))?", _weekly),
    (r"(?:twice|2x)\s*(?:a |per )?week(?:ly)?(?:.*?(?:x|for)\s*(?:up to )?(\d+)\s*(?:weeks?|wk))?",
     lambda g, *rest: _weekly(("2", g[0]), *rest)),
    (r"(?:thrice|3x)\s*(?:a |per )?week(?:ly)?(?:.*?(?:x|for)\s*(?:up to )?(\d+)\s*(?:weeks?|wk))?",
     lambda g, *rest: _weekly(("3", g[0]), *rest)),
    (r"(?:once )?(?:weekly|every week)\s*(?:x|for)\s*(\d+)", lambda g, *_: (f"every 1 week x {g[0]}", float("inf"))),
    (r"(\d+)\s*(?:infusions?|doses?|sessions?|treatments?|injections?)?\s*(?:in|over|within)\s*(\d+)\s*(days?|weeks?)", _times_in),
    (r"(\d+)\s*(?:infusions?|doses?)?\s*(?:at|every)\s*(\d+)[ -]?h", lambda g, *_: (f"every {g[1]} h x {g[0]}", float("inf"))),
    (r"(\d+)\s*(?:infusions?|doses?):\s*(\d+) h and (\d+) h", lambda g, *_: (f"at {g[1]}, {g[2]} h", float("inf"))),
    (r"days? (\d+(?:(?:\s*,\s*|\s*and\s*)\d+)+)", lambda g, *_: (f"on days {', '.join(re.findall(r'[0-9]+', g[0]))}", float("inf"))),
    (r"every (\d+) (day|week)s? x (\d+)", lambda g, *_: (f"every {g[0]} {g[1]} x {g[2]}", float("inf"))),
    (r"every other day x (\d+)", lambda g, *_: (f"every 2 day x {g[0]}", float("inf"))),
    (r"(?:once )?daily (?:x|for) (\d+) weeks?", lambda g, *_: (f"daily x {7 * int(g[0])}", float("inf"))),
    (r"(?:once )?daily (?:x|for) (\d+)", lambda g, *_: (f"daily x {g[0]}", float("inf"))),
)  # fmt: skip


# -- control ----------------------------------------------------------------------------------------------------------


def switches(row: Row, trial: Sequence[Row], known: Mapping[str, str]) -> dict[str, float]:
    """Switches of a disorder that an arm's words turn on. trial : all arms; known : what the disorder has."""
    words, background = (_said(row, trial, name).lower() for name in ("population", "background"))
    design = _said(row, trial, "design").lower()
    blind = any("blind" in _said(arm, trial, "design").lower() for arm in trial)
    hospital = re.search(r"imminent|hospital|inpatient|emergency|intent", words)
    on = {
        "midazolam": any(arm["drug"] == "midazolam" for arm in trial),
        "open_label": not blind
        and bool(re.search(r"open|single.arm|retrospective|naturalistic|uncontrolled|case|extension", design)),
        "inpatient": row["disorder"] == "mdsi" or bool("suicid" in words and hospital),
        "new_antidepressant": bool(
            re.search(r"\bnew\b|newly|initiated|optimi[sz]ed|started|standard of care", f"{background} {design}")
        ),
        "stabiliser": bool(re.search(r"lithium|valproate|stabili[sz]er", f"{words} {background}")),
        "sri": bool(re.search(r"\bss?ri\b.*(?:continued|stable)", background)),
    }
    return {name: 1.0 for name, yes in on.items() if yes and name in known}


def _said(row: Row, trial: Sequence[Row], column: str) -> str:
    """A cell; ``same`` means what the arms before said."""
    said = ""
    for arm in trial:
        said = arm[column] if arm[column] != "same" else said
        if arm is row:
            break
    return said
