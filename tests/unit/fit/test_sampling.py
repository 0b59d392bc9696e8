"""NUTS in straightened coordinates: resumable, exact as a change of variables, and right on targets whose moments are known."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from ketasim.fit._sampling import Coordinates, sample

RNG = np.random.default_rng(5)


@pytest.fixture
def sampled(tmp_path, monkeypatch):
    """A function (negative log density, mode, scale, samples) -> draws (chain, draw, n), diagnostics, lines of the log."""
    monkeypatch.setenv("KETASIM_CACHE", str(tmp_path))

    def run(potential, mode, scale, samples):
        said: list[str] = []
        with jax.enable_x64(True):
            value_and_gradient = jax.jit(jax.value_and_grad(potential))
            draws, diagnostics = sample(value_and_gradient, np.asarray(mode), np.asarray(scale), samples, 240, 2, 7, said.append)
        return draws.reshape(2, samples, -1), diagnostics, said

    return run


def test_more_draws_take_up_the_chains_of_fewer_and_find_the_target(sampled) -> None:
    """A correlated normal, sampled in coordinates whitened by a wrong scale."""
    covariance, mode = np.array([[1.0, 0.6], [0.6, 2.0]]), np.array([3.0, -1.0])
    precision = np.linalg.inv(covariance)

    def normal(z):
        return 0.5 * (z - mode) @ precision @ (z - mode)

    few, _, _ = sampled(normal, mode + 0.5, [[0.8, 0.0], [0.3, 1.0]], 40)
    more, diagnostics, said = sampled(normal, mode + 0.5, [[0.8, 0.0], [0.3, 1.0]], 600)
    assert np.array_equal(more[:, :40], few)
    assert sum("NUTS: chain" in line and "goes on after 280 of 840 steps" in line for line in said) == 2
    assert diagnostics["r_hat_max"] < 1.05
    assert diagnostics["divergences"] == 0
    np.testing.assert_allclose(more.mean(axis=(0, 1)), mode, atol=0.25)
    np.testing.assert_allclose(np.cov(more.reshape(-1, 2).T), covariance, atol=0.5)


def test_a_wide_skewed_direction_is_whitened_and_stays_the_target(sampled) -> None:
    """-log of a gamma variable, five times as wide as the scale given, beside a standard normal one; turned by 30 degrees."""
    shape, width = 2.0, 5.0
    turn = np.array([[np.sqrt(0.75), -0.5], [0.5, np.sqrt(0.75)]])

    def skewed(z):
        y = turn.T @ z
        g = -y[0] / width  # log of a gamma variable with this shape
        return -(shape * g - jax.numpy.exp(g)) + 0.5 * y[1] ** 2

    draws, diagnostics, said = sampled(skewed, turn @ [-width * np.log(shape), 0.0], np.eye(2), 4000)
    widths = next(line for line in said if "times as wide" in line).split("up to ")[1].split(" times")[0].split(", ")
    y = np.sort((draws.reshape(-1, 2) @ turn)[:, 0])
    exact = np.sort(-width * np.log(np.random.default_rng(1).gamma(shape, size=200_000)))
    assert float(widths[0]) == pytest.approx(exact.std(), rel=0.2) and float(widths[1]) == pytest.approx(1.0, abs=0.2)
    assert diagnostics["r_hat_max"] < 1.02
    for q in (0.05, 0.25, 0.5, 0.75, 0.95):
        assert np.quantile(y, q) == pytest.approx(np.quantile(exact, q), abs=0.08 * exact.std() + 0.1 * exact.std() * (q > 0.9))


def test_draws_of_a_normal_are_standard_normal_in_their_coordinates() -> None:
    factor = np.tril(RNG.standard_normal((4, 4))) + 3.0 * np.eye(4)
    w = 2.0 + RNG.standard_normal((4000, 4)) @ factor.T
    scale = np.linalg.cholesky(np.cov(RNG.standard_normal((4, 40))))
    coordinates = Coordinates.laplace(RNG.standard_normal(4), scale).whitened(w)
    again = np.linalg.solve(scale, (coordinates.z(RNG.standard_normal((40_000, 4)), np) - coordinates.mode).T).T
    np.testing.assert_allclose(again.mean(axis=0), w.mean(axis=0), atol=0.15)
    np.testing.assert_allclose(np.cov(again.T), np.cov(w.T), rtol=0.1, atol=0.5)
