"""The exact gradient of the calibration of depression: time per gradient over arms of mixed schedules.

    python benchmarks/gradient.py --arms 100

Prints seconds per gradient of the objective, the number of arms, results and parameters; nothing is kept.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from ketasim import library
from ketasim.fit.clinical import make_objective, read_arms


def main() -> None:
    """Time the objective, alone and with its gradient, on every row there is, repeated until there are enough arms."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--arms", type=int, default=100)
    wanted = options.parse_args().arms
    from dataclasses import replace

    rows, results, copy = read_arms("trd"), [], 0
    while len({r.arm.key for r in results}) < wanted:
        copy += 1
        for r in rows:
            named = [None if a is None else replace(a, trial=f"{a.trial} {copy}") for a in (r.arm, r.against)]
            if len({x.arm.key for x in results} | {named[0].key}) <= wanted:
                results.append(replace(r, arm=named[0], against=named[1]))
    objective = make_objective(library.disorder("trd"), results)
    z = np.zeros(len(objective.names))
    objective.local(z)
    for label, call in (("value", objective.value), ("value, gradient and information", objective.local)):
        begin = time.perf_counter()
        for _ in range(5):
            call(z)
        seconds = (time.perf_counter() - begin) / 5
        print(f"{label}: {seconds:.3f} s; {len(objective.design.arms)} arms, {len(results)} results, {len(z)} parameters")


if __name__ == "__main__":
    main()
