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


def test_a_wide_skewed_direction_is_straightened_and_stays_the_target(sampled) -> None:
    """-log of a gamma variable, five times as wide as the scale given, beside a standard normal one; turned by 30 degrees."""
    shape, width = 2.0, 5.0
    turn = np.array([[np.sqrt(0.75), -0.5], [0.5, np.sqrt(0.75)]])

    def skewed(z):
        y = turn.T @ z
        g = -y[0] / width  # log of a gamma variable with this shape
        return -(shape * g - jax.numpy.exp(g)) + 0.5 * y[1] ** 2

    draws, diagnostics, said = sampled(skewed, turn @ [-width * np.log(shape), 0.0], np.eye(2), 1500)
    assert any("1 directions straightened" in line for line in said)
    y = np.sort((draws.reshape(-1, 2) @ turn)[:, 0])
    exact = np.sort(-width * np.log(np.random.default_rng(1).gamma(shape, size=200_000)))
    assert diagnostics["r_hat_max"] < 1.02
    for q in (0.05, 0.25, 0.5, 0.75, 0.95):
        assert np.quantile(y, q) == pytest.approx(np.quantile(exact, q), abs=0.08 * exact.std() + 0.05 * exact.std() * (q > 0.9))


def test_the_volume_is_that_of_the_change_of_variables() -> None:
    n = 4
    shape = np.array([[0.3, -1.0], [2.5, 0.7], [0.4, -0.8], [0.7, 1.4]])
    scale = np.linalg.cholesky(np.cov(RNG.standard_normal((n, 40))))
    rotation = np.linalg.qr(RNG.standard_normal((n, n)))[0]
    bends = (RNG.standard_normal(1), RNG.standard_normal(3), RNG.standard_normal((6, 2)))
    coordinates = Coordinates(RNG.standard_normal(n), scale, rotation, shape, bends, np.array([0.5, 2.0]))
    flat = Coordinates.laplace(coordinates.mode, scale)
    for x in RNG.standard_normal((5, n)):
        h = 1e-6
        columns = [(coordinates.z(x + e, np) - coordinates.z(x - e, np)) / (2 * h) for e in h * np.eye(n)]
        volume = np.linalg.slogdet(np.array(columns).T)[1] - np.linalg.slogdet(scale)[1]
        assert coordinates.log_volume(x, np) == pytest.approx(volume, abs=1e-7)  # widths 0.5 and 2 cancel
        assert flat.log_volume(x, np) == 0.0
        np.testing.assert_allclose(flat.z(x, np), flat.mode + scale @ x, rtol=1e-12)


def test_what_bends_with_a_wide_direction_is_straightened_too() -> None:
    """A banana: one direction three times as wide as thought, the other a parabola of it."""
    wide = 3.0 * RNG.standard_normal(4000)
    draws = np.stack([wide, 0.2 * wide**2 + 0.5 * RNG.standard_normal(4000)], axis=1)
    coordinates = Coordinates.laplace(np.zeros(2), np.eye(2)).straightened(draws)
    assert coordinates.shape.shape[1] > 0
    again = coordinates.z(RNG.standard_normal((4000, 2)), np)
    left = again[:, 1] - 0.2 * again[:, 0] ** 2
    assert again[:, 0].std() == pytest.approx(3.0, rel=0.1)
    assert left.mean() == pytest.approx(0.0, abs=0.1)
    assert left.std() == pytest.approx(0.5, rel=0.2)


def test_draws_of_a_normal_stay_as_they_are() -> None:
    """Nothing is wide where the Laplace approximation is right."""
    coordinates = Coordinates.laplace(np.zeros(4), np.eye(4)).straightened(RNG.standard_normal((2000, 4)))
    assert coordinates.shape.shape == (4, 0)
