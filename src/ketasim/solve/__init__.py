"""Event timelines and the numerical engine; knows nothing of drugs."""

from ketasim.solve._driver import STATUS, Reference, Solution, solve, solver_of

__all__ = ["STATUS", "Reference", "Solution", "solve", "solver_of"]
