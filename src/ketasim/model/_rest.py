"""States that start at rest: where they stay without doses, solved for as symbols where that can be done."""

# pyright: reportArgumentType=false, reportReturnType=false, reportCallIssue=false, reportAttributeAccessIssue=false
# SymPy's annotations give its base class where it returns expressions.

from __future__ import annotations

from collections.abc import Collection, Mapping

import sympy
from sympy.solvers.solveset import NonlinearError
from sympy.utilities.iterables import strongly_connected_components

from ketasim.errors import InvalidModel

Expressions = dict[str, sympy.Expr]


def at_rest(
    names: Collection[str], rates: Mapping[str, sympy.Expr], initial: Mapping[str, sympy.Expr], time: sympy.Symbol, model: str
) -> tuple[Expressions, Expressions]:
    """Initial values of states at rest, and what has to vanish where these have no closed form.

    Parameters
    ----------
    names : states at rest. rates : state -> expression over states, parameters and time.
    initial : initial values of all others, over parameters.

    Returns
    -------
    state -> expression over parameters; for states that only numbers can solve, their own symbol. And state -> rate of those.

    Raises
    ------
    InvalidModel: a rate depends on time, or does not depend on the states, so that there is no one place of rest.
    """
    own = {name: sympy.Symbol(name, real=True) for name in names}
    others = {sympy.Symbol(name, real=True): value for name, value in initial.items()}
    balance = {name: rates[name].xreplace(others) for name in names}
    if moving := next((name for name in names if time in balance[name].free_symbols), ""):
        raise InvalidModel(
            f"{model}: state '{moving}' starts steady, but its rate depends on time itself, so that it never rests."
        )
    edges = [(a, b) for a in names for b in names if own[b] in balance[a].free_symbols]
    found: Expressions = {}
    for members in strongly_connected_components((list(names), edges)):
        known = {own[name]: value for name, value in found.items()}
        here = [sympy.together(balance[name].xreplace(known)) for name in members]
        solution = _solved(here, [own[name] for name in members], members, model)
        if solution is None:
            return dict(own), balance  # all together: what has a closed form would otherwise depend on what has none
        found |= dict(zip(members, solution, strict=True))
    return found, {}


def _solved(balance: list[sympy.Expr], states: list[sympy.Symbol], members: list[str], model: str) -> list[sympy.Expr] | None:
    """Where linear rates vanish; None where they are not linear."""
    numerators = [sympy.numer(e) for e in balance]
    try:
        matrix, right = sympy.linear_eq_to_matrix(numerators, states)
    except NonlinearError:
        return None
    if matrix.det() == 0:
        raise InvalidModel(
            f"{model}: {' and '.join(members)} start steady, but the equations have no single place of rest. Give a number, or add what "
            "the state returns to."
        )
    return [sympy.simplify(value) for value in matrix.LUsolve(right)]
