"""Streamed cohorts: seconds and peak memory for 1e3 ... 1e6 patients, 28 days, bands of all analytes.

Run: python benchmarks/scale.py [--most 1000000]
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

import ketasim


def main() -> None:
    """Run growing cohorts and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--most", type=int, default=1_000_000)
    options.add_argument("--rtol", type=float, default=1e-4)
    options.add_argument("--precision", default="double")
    chosen = options.parse_args()
    run = {
        "model": "ketasim_reference", "dosing": "esketamine nasal 56 mg, 2/week x 4 week", "population": "adults", "stream": True,
        "times": np.arange(0.0, 673.0), "rtol": chosen.rtol, "precision": chosen.precision,
    }  # fmt: skip
    ketasim.simulate(n=64, **run)
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    n = 1000
    while n <= chosen.most:
        begin = time.perf_counter()
        ketasim.simulate(n=n, **run)
        spent = time.perf_counter() - begin
        memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) / 1024**2
        print(
            f"{n:9,d} patients: {spent:8.1f} s, {spent / n * 1e6:7.1f} us per patient, peak memory above a small run {memory:.2f} GiB",
            flush=True,
        )
        n *= 10


if __name__ == "__main__":
    main()
