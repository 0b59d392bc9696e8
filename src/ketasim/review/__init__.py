"""The review made executable: its claims as data, each run against the evidence or the model, with a verdict and its reason."""

from ketasim.review._answer import Answer, review, table
from ketasim.review._claims import REVIEW, Claim, claim, claims
from ketasim.review._language import LANGUAGES, Language, language
from ketasim.review._page import write_page
from ketasim.review._rules import VERDICTS

__all__ = [
    "LANGUAGES",
    "REVIEW",
    "VERDICTS",
    "Answer",
    "Claim",
    "Language",
    "claim",
    "claims",
    "language",
    "review",
    "table",
    "write_page",
]
