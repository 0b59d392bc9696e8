"""Columns of a pairwise table by any of their usual names, and numbers with a message that names their place."""

from __future__ import annotations

import math

from ketasim.errors import InvalidData
from ketasim.synthesis._network_table import SYNONYMS, Table, plain_name

#: Role of a column -> spellings in use, without letter case and punctuation; roles not named here are those of networks.
COLUMNS: dict[str, tuple[str, ...]] = {
    "log": ("te", "yi", "logor", "lnor", "lor", "logrr", "lnrr", "lrr", "loghr", "lnhr", "lhr", "logratio", "theta", "logodds"),
    "plain": ("te", "yi", "md", "smd", "g", "d", "diff", "rd", "hedgesg", "cohend", "meandifference", "riskdifference", "theta"),
    "ratio": ("or", "rr", "hr", "oddsratio", "riskratio", "relativerisk", "hazardratio", "ratio"),
    "open": ("estimate", "est", "effect", "effectsize", "es", "point", "y", "value"),
    "error": ("sete", "se", "sei", "stderr", "stderror", "standarderror", "selogor", "selogrr", "seloghr", "selnor", "selnrr", "selnhr",
              "semd", "sesmd", "seestimate", "logse"),
    "variance": ("vi", "var", "variance", "v", "varte"),
    "ci_low": ("cilow", "cilower", "lower", "low", "lcl", "ll", "cilb", "lci", "lowerci", "ci95low", "cilo", "lowerlimit", "ci025"),
    "ci_high": ("cihigh", "ciupper", "upper", "high", "ucl", "ul", "ciub", "uci", "upperci", "ci95high", "cihi", "upperlimit", "ci975"),
    "p": ("p", "pvalue", "pval"),
    "median": ("median", "med"), "q1": ("q1", "p25", "lowerquartile", "firstquartile"),
    "q3": ("q3", "p75", "upperquartile", "thirdquartile"), "minimum": ("min", "minimum"), "maximum": ("max", "maximum"),
    "author": ("author", "authors", "firstauthor"), "year": ("year", "published", "pubyear"),
    "events1": ("events1", "event1", "r1", "evente", "eventse", "eventt", "eventst", "ai", "tpos", "x1", "x1i", "eventstreat",
                "eventstreatment"),
    "events2": ("events2", "event2", "r2", "eventc", "eventsc", "ci", "cpos", "x2", "x2i", "eventscontrol"),
    "none1": ("bi", "tneg", "noevents1"), "none2": ("di", "cneg", "noevents2"),
    "n1": ("n1", "n1i", "ne", "nt", "ntreat", "ntreat1", "ntreatment", "total1"),
    "n2": ("n2", "n2i", "nc", "ncontrol", "total2"),
    "mean1": ("mean1", "m1", "m1i", "meane", "meant", "meantreat", "meantreatment"), "mean2": ("mean2", "m2", "m2i", "meanc", "meancontrol"),
    "sd1": ("sd1", "sd1i", "sde", "sdt", "sdtreat", "sdtreatment"), "sd2": ("sd2", "sd2i", "sdc", "sdcontrol"),
}  # fmt: skip


def find(table: Table, role: str) -> int:
    """Index of the column of a role, -1 if there is none; a spelling higher in the list wins."""
    names = [plain_name(c) for c in table.columns]
    return next((names.index(s) for s in COLUMNS.get(role) or SYNONYMS[role] if s in names), -1)


def found_roles(table: Table, *roles: str) -> dict[str, int]:
    """Columns of the roles that are there."""
    return {role: c for role in roles if (c := find(table, role)) >= 0}


def number(table: Table, row: int, column: int, rule: str = "") -> float:
    """A cell as a number under a rule: ``positive``, ``not negative`` or none; NaN where missing or without a column.

    Raises
    ------
    InvalidData: no number, or against the rule; names file, line, column and value.
    """
    if column < 0:
        return math.nan
    value = table.number(row, column)
    if (rule == "positive" and value <= 0) or (rule == "not negative" and value < 0):
        raise refused(table, row, column, f"must be {'above 0' if rule == 'positive' else '0 or more'}")
    return value


def refused(table: Table, row: int, column: int, rule: str) -> InvalidData:
    """The error for one cell."""
    return InvalidData(f"{table.where(row, column)}: '{table.rows[row][column]}' {rule}.")
