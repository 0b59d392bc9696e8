"""The functions equations may use: each accepts floats, NumPy or JAX arrays and SymPy expressions alike.

Nothing else is needed to write a mechanism; comparisons go through `where_positive`, never through Python's ``if``.
"""

from __future__ import annotations

import sys
from typing import Any


def _is_symbolic(*args: Any) -> bool:
    sympy = sys.modules.get("sympy")
    return sympy is not None and any(isinstance(a, sympy.Basic) for a in args)


def _backend(*args: Any) -> Any:
    if any(type(a).__module__.startswith("jax") for a in args):
        import jax.numpy as jnp

        return jnp
    import numpy as np  # listings of models need none

    return np


def exp(x: Any) -> Any:
    """e to the x."""
    if _is_symbolic(x):
        import sympy

        return sympy.exp(x)
    return _backend(x).exp(x)


def log(x: Any) -> Any:
    """Natural logarithm."""
    if _is_symbolic(x):
        import sympy

        return sympy.log(x)
    return _backend(x).log(x)


def sqrt(x: Any) -> Any:
    """Square root."""
    if _is_symbolic(x):
        import sympy

        return sympy.sqrt(x)
    return _backend(x).sqrt(x)


def tanh(x: Any) -> Any:
    """Hyperbolic tangent."""
    if _is_symbolic(x):
        import sympy

        return sympy.tanh(x)
    return _backend(x).tanh(x)


def sin(x: Any) -> Any:
    """Sine of an angle in radians, such as 2 pi t / 24 for what follows the clock."""
    if _is_symbolic(x):
        import sympy

        return sympy.sin(x)
    return _backend(x).sin(x)


def cos(x: Any) -> Any:
    """Cosine of an angle in radians."""
    if _is_symbolic(x):
        import sympy

        return sympy.cos(x)
    return _backend(x).cos(x)


def minimum(a: Any, b: Any) -> Any:
    """Smaller of two values."""
    if _is_symbolic(a, b):
        import sympy

        return sympy.Min(a, b)
    return _backend(a, b).minimum(a, b)


def maximum(a: Any, b: Any) -> Any:
    """Larger of two values."""
    if _is_symbolic(a, b):
        import sympy

        return sympy.Max(a, b)
    return _backend(a, b).maximum(a, b)


def where_positive(x: Any, then: Any, otherwise: Any) -> Any:
    """`then` where x > 0, `otherwise` elsewhere: the one way to switch, because every backend can trace it."""
    if _is_symbolic(x, then, otherwise):
        import sympy

        return sympy.Piecewise((then, sympy.Gt(x, 0)), (otherwise, True))
    return _backend(x, then, otherwise).where(x > 0, then, otherwise)


def hill(x: Any, x50: Any, gamma: Any = 1.0) -> Any:
    """Sigmoid Emax shape x^gamma / (x50^gamma + x^gamma), between 0 and 1."""
    if isinstance(gamma, (int, float)) and gamma == 1.0:
        return x / (x50 + x)
    return x**gamma / (x50**gamma + x**gamma)
