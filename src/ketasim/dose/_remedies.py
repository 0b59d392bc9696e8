"""Words people type that stand for no one thing: what to write instead.

A word is here because it is ambiguous, or because a regimen cannot hold what it says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_TWICE = "may mean twice a week or once in two weeks: write '2/week' or 'every 2 week'."
_DAYS = "names a weekday, and days are counted here: write e.g. 'on days 1, 4', or '2/week x 4 week' (days 1 and 4, like Monday and Thursday)."
_CLOCK = "is a time of day, which a regimen does not hold: write 'daily', or times such as 'at 0, 12 h'."
_OTHER = "is none of the drugs here (racemic ketamine, esketamine, arketamine): leave this arm out."
_UNTIL = "leaves the number of doses open: write how many or how long, e.g. 'daily x 14' or 'daily for 2 week'."
_MELTS = "may be sublingual, buccal or oral: write which."

REMEDIES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("biweekly", "bi-weekly", "biw"), _TWICE),
    "bimonthly": "may mean twice a month or once in two months, and a month has no fixed length: write e.g. 'every 2 week' or 'every 8 week'.",
    "monthly": "has no fixed length: write 'every 4 week' or 'every 30 day'.",
    "tiw": "may be read as three times a day: write '3/week'.",
    "ketanest": "was the racemate, and Ketanest S is esketamine: write 'racemic ketamine' or 'Ketanest S'.",
    **dict.fromkeys(("prn", "needed"), "is no schedule: write when the doses are given, e.g. 'on days 1, 4'."),
    **dict.fromkeys(("slow", "slowly"), "says no duration: write e.g. 'over 2 min'."),
    **dict.fromkeys(
        ("repeat", "repeated", "repeating"), "needs a schedule: write e.g. 'every 3 day x 2', or '56 mg then after 3 day 84 mg'."
    ),
    **dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), _DAYS),
    **dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun", "mondays", "thursdays"), _DAYS),
    **dict.fromkeys(("bedtime", "hs", "qhs", "nightly", "night", "morning", "evening", "noon", "qam", "qpm", "am", "pm"), _CLOCK),
    **dict.fromkeys(("placebo", "saline", "midazolam", "sham"), _OTHER),
    **dict.fromkeys(("until", "till", "up", "through"), _UNTIL),
    **dict.fromkeys(("lozenge", "lozenges", "troche", "troches", "rdt", "wafer"), _MELTS),
}

STEADY: Final = (
    "is no number of doses: how many it takes depends on the model and the patient. Write enough of them, e.g. 'daily x 14', and "
    "see whether the last peaks are alike. In an event table SS = 1 asks for steady state (--data FILE.csv)."
)

#: What people count doses in -> what to write.
UNITS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("ml", "cc", "mls"), "is a volume: write the mass of drug, e.g. '50 mg'."),
    **dict.fromkeys(("spray", "sprays", "puff", "puffs"), "is no amount: write mg; a spray of the esketamine device is 14 mg."),
    **dict.fromkeys(("device", "devices"), "is no amount: write mg; an esketamine device is 28 mg."),
    **dict.fromkeys(("tablet", "tablets", "capsule", "capsules", "vial", "vials", "ampoule"), "is no amount: write mg."),
    **dict.fromkeys(("iu", "units"), "is no unit of ketamine: write mg."),
    "month": "a month has no fixed length: write weeks or days.",
    "months": "a month has no fixed length: write weeks or days.",
}
