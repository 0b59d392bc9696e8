"""Residual error: size, independence, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from ketasim.errors import InvalidModel, InvalidOption
from ketasim.model import ResidualError
from ketasim.population import sample_residual

N = 40_000
IDS = np.arange(N)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ResidualError("C", proportional=0.1), 10.0),
        (ResidualError("C", additive=3.0), 3.0),
        (ResidualError("C", proportional=0.1, additive=3.0), np.hypot(10.0, 3.0)),
    ],
)
def test_standard_deviation(error: ResidualError, expected: float) -> None:
    # 5 standard errors: false-alarm rate below 1e-6 per line.
    noise = sample_residual(np.full(N, 100.0), error, 1, IDS) - 100.0
    assert abs(noise.mean()) < 5 * expected / np.sqrt(N)
    assert abs(noise.std() / expected - 1) < 5 / np.sqrt(2 * N)


def test_exponential_error_is_lognormal_and_keeps_zero() -> None:
    error = ResidualError("C", exponential=0.3)
    logs = np.log(sample_residual(np.full(N, 50.0), error, 1, IDS) / 50.0)
    assert abs(logs.std() / 0.3 - 1) < 5 / np.sqrt(2 * N)
    np.testing.assert_array_equal(sample_residual(np.zeros((2, 3)), error, 1, [1, 2]), 0.0)


def test_times_in_pieces_and_patients_in_any_order_give_the_same_errors() -> None:
    error, values = ResidualError("C", proportional=0.2, additive=1.0), np.arange(12.0).reshape(3, 4)
    whole = sample_residual(values, error, 1, [4, 5, 6])
    pieces = [sample_residual(values[:, [k]], error, 1, [4, 5, 6], times=[k]) for k in range(4)]
    np.testing.assert_array_equal(np.hstack(pieces), whole)
    np.testing.assert_array_equal(sample_residual(values[::-1], error, 1, [6, 5, 4])[::-1], whole)


def test_ports_and_streams_are_independent() -> None:
    values = np.full(N, 1.0)
    noise = [
        sample_residual(values, ResidualError(p, additive=1.0), 1, IDS, stream=s) - 1
        for p, s in (("A", "x"), ("B", "x"), ("A", "y"))
    ]
    assert np.all(np.abs(np.corrcoef(noise)[np.triu_indices(3, 1)]) < 5 / np.sqrt(N))


def test_refusals() -> None:
    with pytest.raises(InvalidModel, match="excludes"):
        sample_residual([1.0], ResidualError("C", exponential=0.1, additive=1.0), 1, [1])
    with pytest.raises(InvalidModel, match="negative"):
        sample_residual([1.0], ResidualError("C", additive=-1.0), 1, [1])
    with pytest.raises(InvalidOption, match="values have shape"):
        sample_residual([[1.0], [2.0]], ResidualError("C"), 1, [1])
    with pytest.raises(InvalidOption, match="times has shape"):
        sample_residual([[1.0, 2.0]], ResidualError("C"), 1, [1], times=[1])
