"""The course from prescription to symptoms: time per patient and memory of a streamed cohort.

    python benchmarks/course.py --patients 20000

Prints seconds, ms per patient and the largest memory of the process; nothing is kept.
"""

from __future__ import annotations

import argparse
import resource
import time

import ketasim

COURSE = "0.5 mg/kg racemic ketamine iv over 40 min, 2/week x 4 week"


def main() -> None:
    """Run kinetics alone and the whole course, streamed, after a run that compiles."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--patients", type=int, default=20_000)
    n = options.parse_args().patients
    ketasim.simulate(dosing=COURSE, disorder="trd", n=64, stream=True)
    for label, care in (("kinetics", {}), ("course", {"disorder": "trd", "control": "midazolam"})):
        begin = time.perf_counter()
        ketasim.simulate(dosing=COURSE, n=n, stream=True, seed=1, **care)
        seconds = time.perf_counter() - begin
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            f"{label}: {n:,} patients, 28 days, 8 infusions: {seconds:.1f} s, {1000 * seconds / n:.3f} ms a patient, {peak:.2f} GiB at most"
        )


if __name__ == "__main__":
    main()
