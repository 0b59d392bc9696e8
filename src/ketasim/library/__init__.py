"""Content: published models as data, mechanisms as equations, populations, co-medications. Never imports the solver."""

# Shelves are packages and functions of one name: loaded first, the packages leave their names to the functions.
import ketasim.library.disorder  # pyright: ignore[reportUnusedImport]
import ketasim.library.generic  # pyright: ignore[reportUnusedImport]
import ketasim.library.mechanism  # pyright: ignore[reportUnusedImport]
import ketasim.library.pk  # pyright: ignore[reportUnusedImport]
import ketasim.library.policy  # pyright: ignore[reportUnusedImport]
import ketasim.library.safety  # noqa: F401  # pyright: ignore[reportUnusedImport]
from ketasim.library._comedication import Comedication, comedication, comedications
from ketasim.library._convert import REFERENCE_WEIGHT_KG, checkpoints, log_variance, quantity
from ketasim.library._disorder import disorder, disorders, scale, scales
from ketasim.library._endpoint import endpoint, endpoints
from ketasim.library._find import (
    KINDS,
    Entry,
    add_pack,
    entries,
    generic,
    load,
    mechanism,
    pack,
    parts,
    pk,
    register,
    remove_pack,
)
from ketasim.library._gaps import Gap, not_simulable
from ketasim.library._policy import policies, policy, policy_from
from ketasim.library._register import Name, Register

__all__ = [
    "KINDS",
    "REFERENCE_WEIGHT_KG",
    "Comedication",
    "Entry",
    "Gap",
    "Name",
    "Register",
    "add_pack",
    "checkpoints",
    "comedication",
    "comedications",
    "disorder",
    "disorders",
    "endpoint",
    "endpoints",
    "entries",
    "generic",
    "load",
    "log_variance",
    "mechanism",
    "not_simulable",
    "pack",
    "parts",
    "pk",
    "policies",
    "policy",
    "policy_from",
    "quantity",
    "register",
    "remove_pack",
    "scale",
    "scales",
]
