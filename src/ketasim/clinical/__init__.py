"""Disorders in people: sessions fill a store, control arms and the store move a latent scale, people and trials differ."""

from ketasim.clinical._course import Outcome, Rates, Session, improvement, outcome, rates
from ketasim.clinical._declare import (
    SPREAD,
    STORE,
    Baseline,
    ControlArm,
    Disorder,
    DisorderEntry,
    Prior,
    Scale,
)
from ketasim.clinical._describe import described
from ketasim.clinical._people import Patients, TrialEffects, patients, trial_effects
from ketasim.clinical._safety import STUDIES, Definition, Endpoint, Reactions, SideEffect, reactions
from ketasim.clinical._store import Store
from ketasim.clinical._uncertainty import drawn_values

__all__ = [
    "SPREAD",
    "STORE",
    "STUDIES",
    "Baseline",
    "ControlArm",
    "Definition",
    "Disorder",
    "DisorderEntry",
    "Endpoint",
    "Outcome",
    "Patients",
    "Prior",
    "Rates",
    "Reactions",
    "Scale",
    "Session",
    "SideEffect",
    "Store",
    "TrialEffects",
    "described",
    "drawn_values",
    "improvement",
    "outcome",
    "patients",
    "rates",
    "reactions",
    "trial_effects",
]
