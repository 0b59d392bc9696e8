"""Disorders in people: sessions fill a store, control arms and the store move a latent scale, people and trials differ."""

from ketasim.clinical._course import Activity, Carry, Course, Outcome, Rates, Session, outcome, rates
from ketasim.clinical._declare import (
    SPREAD,
    STORE,
    Baseline,
    ControlArm,
    Disorder,
    DisorderEntry,
    Floats,
    Prior,
    Scale,
    Values,
    View,
)
from ketasim.clinical._describe import described
from ketasim.clinical._people import Patients, TrialEffects, patients, trial_effects
from ketasim.clinical._policy import Level, Policy, PolicyEntry, Seen
from ketasim.clinical._safety import STUDIES, Definition, Endpoint, Reactions, SideEffect, reactions
from ketasim.clinical._store import Store
from ketasim.clinical._uncertainty import drawn_values, study_differs

__all__ = [
    "SPREAD",
    "STORE",
    "STUDIES",
    "Activity",
    "Baseline",
    "Carry",
    "ControlArm",
    "Course",
    "Definition",
    "Disorder",
    "DisorderEntry",
    "Endpoint",
    "Floats",
    "Level",
    "Outcome",
    "Patients",
    "Policy",
    "PolicyEntry",
    "Prior",
    "Rates",
    "Reactions",
    "Scale",
    "Seen",
    "Session",
    "SideEffect",
    "Store",
    "TrialEffects",
    "Values",
    "View",
    "described",
    "drawn_values",
    "outcome",
    "patients",
    "rates",
    "reactions",
    "study_differs",
    "trial_effects",
]
