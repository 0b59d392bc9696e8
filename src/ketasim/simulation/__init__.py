"""The verbs simulate and compare: a model, doses and people in; a labelled, provenanced result out."""

from ketasim.simulation._cohort import (
    DEFAULT_MODEL,
    DEFAULT_POPULATION,
    as_model,
    compare,
    default_times,
    is_streamed,
    simulate,
    status_text,
)

__all__ = [
    "DEFAULT_MODEL",
    "DEFAULT_POPULATION",
    "as_model",
    "compare",
    "default_times",
    "is_streamed",
    "simulate",
    "status_text",
]
