"""Event timelines and the numerical engine; knows nothing of drugs."""

from typing import TYPE_CHECKING, Any

from ketasim.arguments import checked
from ketasim.solve import _driver
from ketasim.solve._asked import asked
from ketasim.solve._driver import STATUS, USUAL_RTOL, Reference, Solution

if TYPE_CHECKING:
    from ketasim.solve._jax import differentiable

__all__ = ["STATUS", "USUAL_RTOL", "Reference", "Solution", "differentiable", "solve", "solver_of", "tolerance_of"]

solve = asked(_driver.solve)
solver_of = checked(_driver.solver_of)
tolerance_of = checked(_driver.tolerance_of)


def __getattr__(name: str) -> Any:
    """`differentiable` brings JAX, which takes a second to import: only when asked for."""
    if name == "differentiable":
        from ketasim.solve._jax import differentiable

        return differentiable
    raise AttributeError(f"module 'ketasim.solve' has no attribute '{name}'")
