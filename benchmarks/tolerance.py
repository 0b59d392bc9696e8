"""What a tolerance is worth: true error over tolerance of random regimens and patients of the 18-state study model.

The truth is the other method (implicit steps) at a hundredth of the tolerance. Run: python benchmarks/tolerance.py [--seconds N] [--seed N]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from study_model import study_model

from ketasim.dose import EventTemplate
from ketasim.model import Model
from ketasim.solve import solve

TOLERANCES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)


def regimen(model: Model, rng: np.random.Generator, n: int) -> EventTemplate:
    """One to five dose records of boluses and infusions into either enantiomer's compartment, some repeated."""
    rows = sorted(round(float(rng.uniform(0, 90)), int(rng.integers(0, 5))) for _ in range(rng.integers(1, 6)))
    size = len(rows)
    ones = np.ones((1, n))
    amount = 10 ** rng.uniform(-1, 2.5, size)
    rate = rng.choice([0.0, 0.0, 5.0, 50.0, 500.0], size)
    ii = rng.choice([0.0, 5.5, 24.0, 33.3], size)
    state = np.array([model.compartments.index(name) for name in rng.choice(["central_s", "central_r"], size)])
    return EventTemplate(
        np.array(rows), np.ones(size, np.int64), state, amount[:, None] * ones, rate[:, None] * ones, ii,
        np.where(ii > 0, rng.integers(0, 5, size), 0), np.zeros(size, np.int64), np.arange(1, n + 1),
    )  # fmt: skip


def ratio(model: Model, rng: np.random.Generator, rtol: float) -> float:
    """Largest relative error of any state of any patient at any time, over the tolerance; below 1 % of its peak relative to that:
    states of this model may pass through zero."""
    n, spread = int(rng.integers(1, 20)), rng.choice([0.1, 0.4, 0.8, 1.2])
    params = {k: v * np.exp(spread * rng.standard_normal(n)) for k, v in model.typical().items()}
    grids = (np.arange(0.0, 97.0, 0.5), np.arange(0.0, 200.0), np.arange(0.0, 100.0, 7.3), np.sort(rng.uniform(0, 150, 50)))
    times, template = grids[rng.integers(4)], regimen(model, rng, n)
    exact = solve(model, template, params, times, rtol=rtol * 1e-2, ports=(), method="rodas5p")
    got = solve(model, template, params, times, rtol=rtol, ports=())
    fine = (exact.status == 0) & (got.status == 0)
    floor = 1e-2 * np.abs(exact.states).max(axis=0, keepdims=True) + 1e-300
    error = np.abs(got.states - exact.states) / (np.abs(exact.states) + floor)
    return float(error[:, :, fine].max(initial=0.0)) / rtol


def main() -> None:
    """Draw until the time is up, and print quantiles."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    model, rng = study_model(), np.random.default_rng(chosen.seed)
    found: dict[float, list[float]] = {rtol: [] for rtol in TOLERANCES}
    until = time.monotonic() + chosen.seconds
    while time.monotonic() < until:
        for rtol in TOLERANCES:
            found[rtol].append(ratio(model, rng, rtol))
    print(f"{'rtol':>8s} {'runs':>6s} {'median':>8s} {'99 %':>8s} {'largest':>8s} {'above 10':>9s}   true error / rtol")
    for rtol, ratios in found.items():
        r = np.array(ratios)
        print(f"{rtol:8.0e} {len(r):6d} {np.median(r):8.2f} {np.quantile(r, 0.99):8.2f} {r.max():8.2f} {int((r > 10).sum()):9d}")


if __name__ == "__main__":
    main()
