"""The review made executable: its claims as data, each run against the evidence or the model, with a verdict and its reason."""

from ketasim.review._answer import Answer, review, table
from ketasim.review._claims import REVIEW, Claim, claim, claims
from ketasim.review._experiments import OUTCOMES, RESTS_ON, Experiment, ModelAnswer, experiments, run_experiments, store_answers
from ketasim.review._language import LANGUAGES, Language, language
from ketasim.review._page import write_page
from ketasim.review._rules import VERDICTS

__all__ = [
    "LANGUAGES",
    "OUTCOMES",
    "RESTS_ON",
    "REVIEW",
    "VERDICTS",
    "Answer",
    "Claim",
    "Experiment",
    "Language",
    "ModelAnswer",
    "claim",
    "claims",
    "experiments",
    "language",
    "review",
    "run_experiments",
    "store_answers",
    "table",
    "write_page",
]
