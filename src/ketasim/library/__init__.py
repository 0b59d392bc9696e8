"""Content: published models as data, mechanisms as equations, populations, co-medications. Never imports the solver."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Shelves are packages and functions of one name: loaded first, the packages leave their names to the functions.
import ketasim.library.disorder  # pyright: ignore[reportUnusedImport]
import ketasim.library.generic  # pyright: ignore[reportUnusedImport]
import ketasim.library.mechanism  # pyright: ignore[reportUnusedImport]
import ketasim.library.pk  # pyright: ignore[reportUnusedImport]
import ketasim.library.policy  # pyright: ignore[reportUnusedImport]
import ketasim.library.safety  # noqa: F401  # pyright: ignore[reportUnusedImport]
from ketasim.library._comedication import Comedication, comedication, comedications
from ketasim.library._convert import REFERENCE_WEIGHT_KG, checkpoints, log_variance, quantity
from ketasim.library._find import (
    KINDS,
    Entry,
    Whole,
    add_pack,
    entries,
    generic,
    load,
    mechanism,
    model_id,
    pack,
    parts,
    pk,
    register,
    remove_pack,
    whole,
    wholes,
)
from ketasim.library._gaps import Gap, not_simulable
from ketasim.library._register import Name, Register

if TYPE_CHECKING:
    from ketasim.library._disorder import disorder, disorders, scale, scales
    from ketasim.library._endpoint import endpoint, endpoints
    from ketasim.library._policy import policies, policy, policy_from

__all__ = [
    "KINDS",
    "REFERENCE_WEIGHT_KG",
    "Comedication",
    "Entry",
    "Gap",
    "Name",
    "Register",
    "Whole",
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
    "model_id",
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
    "whole",
    "wholes",
]

#: Clinical entries bring NumPy, which a list of models does without: loaded when asked for.
_LATER = {
    **dict.fromkeys(("disorder", "disorders", "scale", "scales"), "ketasim.library._disorder"),
    **dict.fromkeys(("endpoint", "endpoints"), "ketasim.library._endpoint"),
    **dict.fromkeys(("policies", "policy", "policy_from"), "ketasim.library._policy"),
}
# The packages of these names are loaded above; their names are those of the functions.
for _name in ("disorder", "policy"):
    globals().pop(_name, None)


def __getattr__(name: str) -> Any:
    """Functions of clinical entries, on first use."""
    if name in _LATER:
        globals()[name] = found = getattr(import_module(_LATER[name]), name)
        return found
    raise AttributeError(f"module 'ketasim.library' has no attribute '{name}'")
