"""``ketasim run``: a scenario written down, repeated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ketasim.cli import _options as opt
from ketasim.cli._verb import verb


@verb
def run(
    scenario: Annotated[Path, typer.Argument(metavar="SCENARIO", help="A .toml or .json file; --save-scenario writes one.")],
    *,
    out: opt.Out = None,
    report: opt.Report = None,
    figure: opt.Figure = None,
    log: opt.Log = False,
    threads: opt.Threads = None,
) -> None:
    """Run a scenario: its arms, people, courses and settings as they are written down.

    \b
    ketasim compare "nasal: esketamine nasal 56 mg" "iv: 0.5 mg/kg racemic ketamine iv over 40 min" --save-scenario two.toml
    ketasim run two.toml --report two.html
    """
    from ketasim.cli import _outputs
    from ketasim.cli._exposure import show_arms, show_result
    from ketasim.cli._progress import progress
    from ketasim.cli.simulate import command_line
    from ketasim.simulation import Scenario
    from ketasim.simulation import run as run_scenario

    files = _outputs.checked(out, report, figure)
    given = Scenario.from_file(scenario)
    people = sum(int((dict(given.shared) | options).get("n", 1)) for options in given.arms.values())
    with progress(people * (1 + int(given.shared.get("draws", 0))), "running") as bar:
        results = run_scenario(given, progress=bar, threads=threads, command=command_line())
    if len(results) == 1:
        one = next(iter(results.values()))
        _outputs.write(one, files, log)
        show_result(one)
    else:
        _outputs.write_arms(results, files, log)
        show_arms(results)
