"""NUTS for a posterior whose gradient is costly: chains side by side, in coordinates a pilot run has whitened.

The posterior of a calibration has directions in which the data say little: along these it is many times wider than the
curvature at the mode tells. A pilot run in Laplace-whitened coordinates finds them; the draws come from a second run, in
coordinates whitened by the covariance of its draws. Maps that also take skewness and bends out (sinh-arcsinh, triangular) were
tried and made more divergences, not fewer: a pilot's few independent draws do not fix them.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from ketasim.cache import cache_directory
from ketasim.writing import replacing

Log = Callable[[str], None]
_TREE_DEPTH = 7
#: Wanted share of accepted steps, of the pilot and of the draws: these should not diverge.
_PILOT_ACCEPT, _ACCEPT = 0.85, 0.95
_PIECE = 20  # steps between two savings of a chain
_PILOT = (200, 400)  # steps to warm up, draws per chain


@dataclass(frozen=True)
class Coordinates:
    """z = mode + scale R (centre + width x): x is standard normal where z is normal with this centre and covariance.

    Attributes
    ----------
    mode : (n,). scale : (n, n), lower factor of the Laplace covariance. rotation : (n, n), R. centre, width : (n,).
    """

    mode: np.ndarray
    scale: np.ndarray
    rotation: np.ndarray
    centre: np.ndarray
    width: np.ndarray

    @classmethod
    def laplace(cls, mode: np.ndarray, scale: np.ndarray) -> Coordinates:
        """Whitened by the Laplace approximation."""
        n = len(mode)
        return cls(mode, scale, np.eye(n), np.zeros(n), np.ones(n))

    def whitened(self, w: np.ndarray) -> Coordinates:
        """The coordinates in which draws `w` (draw, n) in Laplace-whitened ones are standard normal as far as covariances go."""
        rotation = np.linalg.eigh(np.cov(w.T))[1][:, ::-1]
        y = w @ rotation
        centre = y.mean(axis=0)
        return Coordinates(self.mode, self.scale, rotation, centre, (y - centre).std(axis=0))

    def z(self, x: Any, xp: Any) -> Any:
        """Coordinates of the posterior, for `x` (..., n)."""
        y = xp.asarray(self.centre) + self.width * x
        return self.mode + y @ self.rotation.T @ self.scale.T


def sample(
    value_and_gradient: Any, mode: np.ndarray, scale: np.ndarray, samples: int, warmup: int, chains: int, seed: int, log: Log
) -> tuple[np.ndarray, dict[str, Any]]:
    """Draws (draw, quantity) of a posterior and their diagnostics.

    Every piece of a chain is kept in the cache, so that an interrupted run goes on where it was, and a run with more draws
    takes up those of one with fewer.

    Parameters
    ----------
    value_and_gradient : of the negative log posterior, compiled. mode : (n,), scale : (n, n), of its Laplace approximation.
    samples, warmup : steps per chain.
    """
    coordinates = Coordinates.laplace(mode, scale)
    run = partial(_run, value_and_gradient, chains=chains, seed=seed)
    pilot, _, _ = run(coordinates, _PILOT[1], _PILOT[0], accept=_PILOT_ACCEPT, log=partial(_said, log, "pilot"))
    coordinates = coordinates.whitened(pilot.reshape(-1, len(mode)))
    widest = ", ".join(f"{width:.1f}" for width in coordinates.width[:5])
    log(f"NUTS: the posterior is up to {widest} times as wide as the Laplace approximation")
    x, diverging, steps = run(coordinates, samples, warmup, accept=_ACCEPT, log=partial(_said, log, "NUTS"))
    draws = coordinates.z(x, np)
    return draws.reshape(-1, len(mode)), _diagnostics(draws, diverging, steps, warmup)


def _said(log: Log, stage: str, message: str) -> None:
    log(f"{stage}: {message}")


def _diagnostics(draws: np.ndarray, diverging: np.ndarray, steps: np.ndarray, warmup: int) -> dict[str, Any]:
    """Of draws (chain, draw, quantity)."""
    from numpyro.diagnostics import effective_sample_size, split_gelman_rubin

    return {
        "chains": draws.shape[0], "warmup": warmup, "samples": draws.shape[1],
        "r_hat_max": float(np.max(split_gelman_rubin(draws))), "ess_min": float(np.min(effective_sample_size(draws))),
        "divergences": int(diverging.sum()), "mean_steps": float(steps.mean()), "max_tree_depth": _TREE_DEPTH,
    }  # fmt: skip


def _run(
    value_and_gradient: Any,
    coordinates: Coordinates,
    samples: int,
    warmup: int,
    *,
    accept: float,
    chains: int,
    seed: int,
    log: Log,
) -> tuple[np.ndarray, ...]:
    """Draws (chain, draw, n) in the coordinates, which diverged, and leapfrog steps (chain, draw) of each."""
    import jax
    from numpyro.infer import NUTS

    n = len(coordinates.mode)
    kernel = NUTS(potential_fn=_potential(value_and_gradient, coordinates), max_tree_depth=_TREE_DEPTH, target_accept_prob=accept)
    starts = [
        kernel.init(jax.random.PRNGKey(seed + k), warmup, 0.5 * np.random.default_rng([seed, k]).standard_normal(n), (), {})
        for k in range(chains)
    ]
    begin = time.monotonic()
    advance = jax.jit(lambda state: jax.lax.scan(lambda s, _: _step(kernel, s), state, None, length=_PIECE))
    advance = advance.lower(starts[0]).compile()
    log(f"compiled in {time.monotonic() - begin:.0f} s")
    folder = cache_directory() / f"calibration_{_key(coordinates, warmup, seed, accept)}"
    stop = Event()

    def chain(k: int) -> tuple[np.ndarray, ...]:
        with jax.enable_x64(True):  # a setting of each thread
            return _chain(advance, starts[k], folder / f"chain_{k}.pickle", warmup, samples, k, stop, log)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            done = list(pool.map(chain, range(chains)))
        except BaseException:
            stop.set()  # chains end with the piece they are at; those of the next call take it up
            raise
    return tuple(np.stack(parts) for parts in zip(*done, strict=True))


def _key(coordinates: Coordinates, warmup: int, seed: int, accept: float) -> str:
    """Name of what a chain depends on: a chain is taken up again only under the same."""
    c = coordinates
    places = (c.mode, c.scale, c.rotation, c.centre, c.width)
    settings = ([x.round(6).tolist() for x in places], warmup, seed, _TREE_DEPTH, accept)
    return hashlib.sha256(repr(settings).encode()).hexdigest()[:16]


def _potential(value_and_gradient: Any, coordinates: Coordinates) -> Callable[[Any], Any]:
    """The negative log density in the coordinates x, with the gradient that is compiled already. Their volume is constant."""
    import jax

    jnp = jax.numpy
    target = jax.custom_vjp(lambda z: value_and_gradient(z)[0])
    target.defvjp(value_and_gradient, lambda gradient, weight: (weight * gradient,))
    return lambda x: target(coordinates.z(x, jnp))


def _step(kernel: Any, state: Any) -> tuple[Any, tuple[Any, Any, Any]]:
    """One draw: the next state, and its place, whether it diverged, and its leapfrog steps."""
    state = kernel.sample(state, (), {})
    return state, (state.z, state.diverging, state.num_steps)


def _chain(
    advance: Callable[[Any], Any], state: Any, path: Path, warmup: int, samples: int, chain: int, stop: Event, log: Log
) -> tuple[np.ndarray, ...]:
    """One chain: draws (draw, n), which diverged, and steps per draw. Taken up again from `path` where that exists."""
    import jax

    pieces: list[tuple[np.ndarray, ...]] = []
    if path.is_file():
        pieces, state = pickle.loads(path.read_bytes())
        log(f"chain {chain + 1} goes on after {len(pieces) * _PIECE} of {warmup + samples} steps")
    begin = time.monotonic()
    while len(pieces) * _PIECE < warmup + samples and not stop.is_set():
        state, kept = advance(state)
        pieces.append(tuple(np.asarray(part) for part in kept))
        _keep(path, (pieces, jax.device_get(state)))
        log(f"chain {chain + 1}: {len(pieces) * _PIECE} of {warmup + samples} steps, {warmup} of them to warm up, "
            f"{pieces[-1][2].mean():.0f} leapfrog steps each, {time.monotonic() - begin:.0f} s")  # fmt: skip
    return tuple(np.concatenate(parts)[warmup : warmup + samples] for parts in zip(*pieces, strict=True))


def _keep(path: Path, content: Any) -> None:
    with replacing(path) as draft:
        draft.write_bytes(pickle.dumps(content))
