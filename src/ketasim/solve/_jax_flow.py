"""Exact advance of the linear head as a JAX function of one patient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from ketasim.solve._head import DELTA, N_DENSE, Head

if TYPE_CHECKING:
    from ketasim.solve._jax_equations import Equations

Array = Any
Floats = NDArray[np.float64]
#: Propagators up to 1024 h, so that every time is its binary digits once.
LEVELS = 21
#: Terms of the Taylor series, for norm times step at most 1.
TERMS = 17


def halvings(equations: Equations, q: Floats) -> int:
    """How often `DELTA` is halved before the Taylor series is short enough for the fastest patient. q : (coefficient, patient)."""
    if not equations.entries:
        return 0
    pattern = Head(len(equations.head), tuple((i, j) for i, j, _ in equations.entries))
    inside = [equations.entries[k] for k in pattern.inside]
    sums = np.zeros((len(equations.head), q.shape[1]))
    for _, j, k in inside:
        sums[j] += np.abs(q[k])
    return max(0, int(np.ceil(np.log2(max(float(sums.max()) * DELTA, 1e-300)))))


class Flow:
    """Advance of the head of one patient: see `_linear.py`, whose arithmetic this follows with dense matrices.

    Parameters
    ----------
    q : (block, coefficient). rates : (segment, state), inputs. block : (segment,), which coefficients hold.
    """

    def __init__(self, equations: Equations, q: Array, rates: Array, block: NDArray[np.int64], halvings: int) -> None:
        self.n, self.halvings, self.n_blocks = len(equations.head), halvings, q.shape[0]
        if not self.n:
            return
        self.block = jnp.asarray(block)
        matrix = jnp.zeros((self.n_blocks, self.n, self.n))
        for i, j, k in equations.entries:
            matrix = matrix.at[:, i, j].set(q[:, k])
        self.matrix = matrix
        constant = jnp.zeros((self.n_blocks, self.n))
        for i, k in equations.head_constants:
            constant = constant.at[:, i].set(q[:, k])
        self.c = rates[:, equations.head] + constant[self.block]
        self.one = jnp.asarray([1.0 if k < N_DENSE else 0.0 for k in range(LEVELS)])
        self.levels = jax.vmap(self._levels)(self.matrix)  # (block, level, n, n)
        self.g = self._forcing()

    def _of(self, values: Array, block: Array) -> Array:
        """Values of a block; where there is only one, no copy of them for every segment."""
        return values[0] if self.n_blocks == 1 else values[block]

    def _levels(self, matrix: Array) -> Array:
        """Propagators, less the identity up to level `N_DENSE`: (level, n, n)."""
        h = DELTA * 0.5**self.halvings

        def double(level: Array, _: None) -> tuple[Array, None]:
            return 2.0 * level + level @ level, None

        def climb(level: Array, k: Array) -> tuple[Array, Array]:
            above = jnp.where(k <= N_DENSE, 2.0 * level, 0.0) + level @ level
            above = above + jnp.where(k == N_DENSE, jnp.eye(self.n), 0.0)
            return above, above

        level = _taylor(matrix, h, matrix * h, matrix * h)
        level = jax.lax.scan(double, level, None, length=self.halvings)[0]
        return jnp.concatenate([level[None], jax.lax.scan(climb, level, jnp.arange(1, LEVELS))[1]])

    def _forcing(self) -> Array:
        """What the input adds over the time of every level: (segment, level, n)."""
        start = jnp.zeros(self.n)
        first = jax.vmap(lambda c, block: self._short(start, jnp.asarray(DELTA), c, self._of(self.matrix, block)))(
            self.c, self.block
        )

        def climb(g: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
            level, one = now
            moved = g @ level[0].T if self.n_blocks == 1 else jnp.einsum("sij,sj->si", level[self.block], g)
            g = g + one * g + moved
            return g, g

        above = jax.lax.scan(climb, first, (jnp.moveaxis(self.levels, 1, 0)[:-1], self.one[:-1]))[1]
        return jnp.moveaxis(jnp.concatenate([first[None], above]), 0, 1)

    def _short(self, x: Array, time: Array, c: Array, matrix: Array) -> Array:
        h = time * 0.5**self.halvings

        def part(x: Array, _: Array) -> tuple[Array, None]:
            term = h * (matrix @ x + c)
            return _taylor(matrix, h, x + term, term), None

        return part(x, x)[0] if self.halvings == 0 else jax.lax.scan(part, x, None, length=2**self.halvings)[0]

    def move(self, x: Array, time: Array, segment: Array) -> Array:
        """State after a time: its binary digits, then what is left as a Taylor series, through which time is differentiated."""
        count = jnp.floor(jax.lax.stop_gradient(time) / DELTA + 1e-8)
        bits = jnp.floor(count / 2.0 ** jnp.arange(LEVELS)) % 2.0 > 0
        block = self.block[segment]

        def level(x: Array, now: tuple[Array, ...]) -> tuple[Array, None]:
            matrix, g, one, bit = now
            return jnp.where(bit, one * x + matrix @ x + g, x), None

        x, _ = jax.lax.scan(level, x, (self._of(self.levels, block), self.g[segment], self.one, bits))
        return self._short(x, time - count * DELTA, self.c[segment], self._of(self.matrix, block))

    def derivatives(self, x: Array, segment: Array) -> tuple[Array, Array, Array]:
        """State, first and second derivative."""
        matrix = self._of(self.matrix, self.block[segment])
        v = matrix @ x + self.c[segment]
        return x, v, matrix @ v


def _taylor(matrix: Array, h: Array | float, total: Array, term: Array) -> Array:
    """`total`, which ends with the first term of an exponential's series, and the terms that follow it."""

    def add(carry: tuple[Array, Array], k: Array) -> tuple[tuple[Array, Array], None]:
        total, term = carry
        term = (matrix @ term) * (h / k)
        return (total + term, term), None

    return jax.lax.scan(add, (total, term), jnp.arange(2.0, TERMS + 1))[0][0]
