"""How good is it: predictions against observations nobody fitted, and the review's claims as numbers."""

from ketasim.validate._claims_mechanism import ModelRun, mechanism_claims
from ketasim.validate._claims_pk import ClaimResult, pk_claims, pk_claims_table
from ketasim.validate._disorders import DisorderScore, validate_disorders, write_disorder_tables
from ketasim.validate._figures import fold_error_figure, observed_predicted_figure, write_figures
from ketasim.validate._mechanism import MechanismScore, validate_mechanism, write_mechanism_tables
from ketasim.validate._mechanism_figure import mechanism_figure
from ketasim.validate._register import (
    REGISTER,
    Scored,
    append_register,
    model_hash,
    read_register,
    register_trials,
    score_register,
)
from ketasim.validate._safety_terms import term_rows
from ketasim.validate._score import PkScore, leave_one_out, summarise, validate_pk, write_tables
from ketasim.validate._score_folder import FolderScore, validate_folder, write_folder_tables
from ketasim.validate._score_safety import SafetyScore, validate_safety, write_safety_tables
from ketasim.validate._trial_figures import trial_figure, write_trial_figures
from ketasim.validate._trials import TrialScore, validate_trials, write_trial_tables

__all__ = [
    "REGISTER",
    "ClaimResult",
    "DisorderScore",
    "FolderScore",
    "MechanismScore",
    "ModelRun",
    "PkScore",
    "SafetyScore",
    "Scored",
    "TrialScore",
    "append_register",
    "fold_error_figure",
    "leave_one_out",
    "mechanism_claims",
    "mechanism_figure",
    "model_hash",
    "observed_predicted_figure",
    "pk_claims",
    "pk_claims_table",
    "read_register",
    "register_trials",
    "score_register",
    "summarise",
    "term_rows",
    "trial_figure",
    "validate_disorders",
    "validate_folder",
    "validate_mechanism",
    "validate_pk",
    "validate_safety",
    "validate_trials",
    "write_disorder_tables",
    "write_figures",
    "write_folder_tables",
    "write_mechanism_tables",
    "write_safety_tables",
    "write_tables",
    "write_trial_figures",
    "write_trial_tables",
]
