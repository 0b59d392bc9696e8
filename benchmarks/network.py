"""How long a network meta-analysis of 100 studies takes, step by step, and against a dense textbook solution in the same run.

    python benchmarks/network.py [--studies 100] [--treatments 15] [--repeats 5]

The textbook solution is the electrical network on all pairwise contrasts with dense matrices, written with NumPy as in the tests.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.unit.synthesis_network.networks import random_contrasts, twin

from ketasim.synthesis import (
    contribution,
    decompose_q,
    net_heat,
    network_meta_analysis,
    p_scores,
    ranking,
    read_network,
    split_evidence,
)


def seconds(task: Callable[[], Any], repeats: int) -> float:
    """Median wall time."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        task()
        times.append(time.perf_counter() - begin)
    return sorted(times)[repeats // 2]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("studies", 100), ("treatments", 15), ("repeats", 5)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    rows = random_contrasts(1, treatments=given.treatments, studies=given.studies)
    data = read_network(rows, "md")
    result = network_meta_analysis(data)
    print(
        f"{len(data.studies)} studies, {len(data.treatments)} treatments, {data.n_pairwise} contrasts, {len(data.designs())} designs"
    )
    steps: dict[str, Callable[[], Any]] = {
        "read": lambda: read_network(rows, "md"),
        "fit, tau2 by moments": lambda: network_meta_analysis(data, tau2="dl"),
        "fit, tau2 by REML": lambda: network_meta_analysis(data, tau2="reml"),
        "Q by design": lambda: decompose_q(result),
        "split, back-calculation": lambda: split_evidence(result),
        "split, node by node": lambda: split_evidence(result, method="node-splitting"),
        "net heat": lambda: net_heat(result),
        "P-scores": lambda: p_scores(result.random),
        "ranking, 20,000 draws": lambda: ranking(result.random),
        "contributions": lambda: contribution(result),
    }
    times = {name: seconds(task, given.repeats) for name, task in steps.items()}
    for name, value in times.items():
        print(f"  {name:26s} {1000 * value:9.1f} ms")
    dense = seconds(lambda: twin(rows), given.repeats)
    ours = times["fit, tau2 by moments"]
    print(f"  {'dense textbook solution':26s} {1000 * dense:9.1f} ms, {dense / ours:.1f} times the fit by moments")
    print(f"  all steps together         {1000 * sum(times.values()):9.1f} ms")


if __name__ == "__main__":
    main()
