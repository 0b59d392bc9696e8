"""The linear head: who belongs to it, propagators against SciPy's matrix exponential, exactness over long and odd times."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm

from ketasim import library
from ketasim.dose import parse, resolve
from ketasim.model import assemble
from ketasim.solve import solve
from ketasim.solve._head import DELTA, LANES, N_DENSE, Head, levels_for, linear_head
from ketasim.solve._linear import propagators


@pytest.mark.parametrize(
    ("linear", "rest", "head"),
    [
        ({(0, 0), (1, 0), (1, 1)}, set(), (0, 1)),  # a cascade is all head
        ({(0, 0), (1, 0), (1, 1)}, {1}, (0,)),  # saturable second state
        ({(0, 0), (0, 1), (1, 1)}, {1}, ()),  # the linear state reads the saturable one
        ({(0, 0), (1, 1), (2, 1), (2, 2)}, {0}, (1, 2)),  # an unlinked block stays
    ],
)
def test_head_is_the_largest_linear_set_that_reads_only_itself(
    linear: set[tuple[int, int]], rest: set[int], head: tuple[int, ...]
) -> None:
    n = 1 + max(i for pair in linear for i in pair)
    assert linear_head(n, dict.fromkeys(linear), dict.fromkeys(rest)) == head


def dense_propagators(A: np.ndarray, n_levels: int) -> np.ndarray:
    """Levels as dense matrices (level, n, n) of one patient, all lanes alike."""
    n = len(A)
    entries = tuple((int(i), int(j)) for i, j in np.argwhere(A != 0))
    head = Head(n, entries)
    m = len(head.reach)
    at_a, at_norm, at_h, at_spare = 0, len(entries) * LANES, (len(entries) + 1) * LANES, (len(entries) + 2) * LANES
    at_terms = at_spare + 2 * m * LANES
    at_levels = at_terms + LANES
    w = np.zeros(at_levels + n_levels * m * LANES)
    for k, (i, j) in enumerate(entries):
        w[at_a + k * LANES : at_a + (k + 1) * LANES] = A[i, j]
    w[at_norm : at_norm + LANES] = min(np.abs(A).sum(axis=0).max(), np.abs(A).sum(axis=1).max())
    value = np.arange(len(entries)) * LANES
    first_a, left_a, right_a = head.products(entries)
    first_s, left_s, right_s = head.products(head.reach)
    propagators(
        w, DELTA, n_levels, N_DENSE, at_norm, at_h, at_levels, at_spare, at_terms, head.depth, head.diagonal, first_a, value[left_a], right_a * LANES,
        head.own, value, first_s, left_s * LANES, right_s * LANES,
    )  # fmt: skip
    out = np.zeros((n_levels, n, n))
    for level in range(n_levels):
        for q, (i, j) in enumerate(head.reach):
            out[level, i, j] = w[at_levels + (level * m + q) * LANES]
    return out


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.01, 1.0, 50.0, 3000.0]))
def test_propagators_are_matrix_exponentials(seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    A = np.abs(rng.standard_normal((4, 4))) * (rng.random((4, 4)) < 0.5) * size
    np.fill_diagonal(A, 0.0)
    np.fill_diagonal(A, -A.sum(axis=0) - rng.random(4) * size)  # compartments that lose what they give
    levels = dense_propagators(A, 12)
    for k in range(12):
        exact = expm(A * DELTA * 2.0**k) - (np.eye(4) if k < N_DENSE else 0.0)
        np.testing.assert_allclose(levels[k], exact, rtol=1e-9, atol=1e-13)


def test_slow_rates_do_not_drown_in_the_rounding_of_one() -> None:
    # 1e-5/h over a year, with a fast neighbour that forces short first steps: expm(A t) squared 30 times would lose it.
    A = np.array([[-1e-5, 0.0], [1e-5, -2000.0]])
    levels = dense_propagators(A, 17)
    assert levels[0, 0, 0] == pytest.approx(np.expm1(-1e-5 * DELTA), rel=1e-13)
    assert levels[16, 0, 0] == pytest.approx(np.exp(-1e-5 * 64.0), rel=1e-13)


def test_decay_is_exact_at_any_time() -> None:
    model = assemble(library.load("pk/clements1981"))
    template = resolve(parse("0.5 mg/kg ketamine iv"), model, {"WT": np.array([70.0])})
    params = {k: np.array([v]) for k, v in model.typical().items()} | {k: v[0] for k, v in template.overrides.items()}
    odd = np.array([0.0, 1e-7, 0.001, 1 / 3, np.pi, 7.7, 100.0])
    fine = np.unique(np.concatenate([odd, np.linspace(0, 100, 357)]))
    few = solve(model, template, params, odd).states[:, :, 0]
    many = solve(model, template, params, fine).states[np.isin(fine, odd)][:, :, 0]
    np.testing.assert_allclose(many, few, rtol=1e-10, atol=1e-15 * few.max())


def test_a_linear_model_has_no_truncation_error_and_needs_no_tolerance() -> None:
    model = assemble(library.load("pk/clements1981"))
    template = resolve(parse("0.5 mg/kg ketamine iv over 40 min"), model, {"WT": np.array([70.0])})
    params = {k: np.array([v]) for k, v in model.typical().items()} | {k: v[0] for k, v in template.overrides.items()}
    rough, fine = (solve(model, template, params, np.arange(25.0), rtol=rtol) for rtol in (1e-2, 1e-10))
    assert np.array_equal(rough.states, fine.states)
    assert rough.error.max() == 0.0


@pytest.mark.parametrize(("gap", "levels"), [(1e-9, 1), (DELTA, 1), (1.0, 11), (1.9, 11), (64.0, 17), (1e4, 17)])
def test_levels_reach_the_longest_gap(gap: float, levels: int) -> None:
    assert levels_for(gap) == levels
