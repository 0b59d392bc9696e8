"""Run experiments of the review and store what came out: ``python tools/review_experiments.py [CLAIM ...]``. All take ten minutes."""

from __future__ import annotations

import sys

from ketasim.review import run_experiments, store_answers


def main() -> None:
    """Run, store, say where."""
    answers = run_experiments(sys.argv[1:], log=print)
    for answer in answers:
        print(f"{answer.experiment.claim}: {answer.found}: {answer.outcome}")
    print(f"Written: {store_answers(answers)}")


if __name__ == "__main__":
    main()
