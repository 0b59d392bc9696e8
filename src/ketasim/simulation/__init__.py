"""The verbs simulate and compare: a model, doses and people in; a labelled, provenanced result out."""

from ketasim.simulation._care import with_mechanisms
from ketasim.simulation._cohort import (
    DEFAULT_MODEL,
    DEFAULT_POPULATION,
    as_model,
    compare,
    default_times,
    is_streamed,
    simulate,
    status_text,
    will_stream,
)
from ketasim.simulation._scenario import Scenario, run
from ketasim.simulation._versions import Reading, Versions

__all__ = [
    "DEFAULT_MODEL",
    "DEFAULT_POPULATION",
    "Reading",
    "Scenario",
    "Versions",
    "as_model",
    "compare",
    "default_times",
    "is_streamed",
    "run",
    "simulate",
    "status_text",
    "will_stream",
    "with_mechanisms",
]
