"""``ketasim compare``: several regimens in the same virtual patients."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ketasim.cli import _options as opt
from ketasim.cli._verb import verb
from ketasim.errors import InvalidOption


@verb
def compare(
    regimens: Annotated[
        list[str],
        typer.Argument(metavar="REGIMEN...", help="Two or more; 'A: ...' names one. A YAML, TOML or .txt file may hold several."),
    ],
    *,
    model: opt.Model = "ketasim_reference",
    population: opt.Population = "adults",
    n: opt.N = 200,
    where: opt.Where = "",
    set_: opt.Set = None,
    arm: opt.Arm = None,
    seed: opt.Seed = 1,
    typical: opt.Typical = False,
    variability: opt.Variability = "",
    residual: opt.Residual = False,
    disorder: opt.Disorder = None,
    control: opt.Control = None,
    visits: opt.Visits = "",
    baseline: opt.Baseline = None,
    policy: opt.Policy = None,
    draws: opt.Draws = 0,
    between_study: opt.BetweenStudy = True,
    comedication: opt.WithByArm = None,
    param: opt.Param = None,
    params: opt.ParamFiles = None,
    inputs: opt.Input = None,
    times: opt.Times = "",
    until: opt.Until = "",
    save_scenario: opt.SaveScenario = None,
    show: opt.Show = None,
    analyte: opt.Analyte = None,
    site: opt.Site = "",
    out: opt.Out = None,
    report: opt.Report = None,
    figure: opt.Figure = None,
    log: opt.Log = False,
    rtol: opt.Rtol = None,
    precision: opt.Precision = "double",
    threads: opt.Threads = None,
    chunk: opt.Chunk = 2048,
) -> None:
    """Compare regimens in the same virtual patients: exposure of each, and ratios to the first.

    \b
    ketasim compare "nasal: esketamine nasal 56 mg" "iv: 0.5 mg/kg racemic ketamine iv over 40 min" --report out.html
    ketasim compare "alone: esketamine oral 0.2 mg/kg" "both: esketamine oral 0.2 mg/kg" --with both:ticlopidine
    """
    import ketasim
    from ketasim.cli import _outputs, _values
    from ketasim.cli._arms import own_options
    from ketasim.cli._exposure import show_arms
    from ketasim.cli._only import only
    from ketasim.cli._progress import progress
    from ketasim.cli.simulate import check_rtol, command_line

    files = _outputs.checked(out, report, figure)
    arms = _values.arms_of(regimens)
    if times and until:
        raise InvalidOption("--until: no meaning with --times, whose last one is the end.")
    if len(arms) < 2:
        raise InvalidOption("give at least two regimens to compare; one alone: ketasim simulate")
    # Names first: a slip is answered before anything heavy is imported.
    parameters = _values.parameter_values(param, params, model, disorder)
    drugs, people = _values.comedication_by_arm(comedication, arms), _values.people(population, n, seed, where, set_)
    options: dict[str, Any] = {
        "model": model,
        "times": _values.output_times(times),
        "until": None if times else _values.until_hours(until) or _common_end(arms),
        "parameters": parameters or None,
        "inputs": _values.input_steps(inputs),
        "comedication": drugs,
        "draws": draws,
        **_values.care(disorder, control, visits, baseline, policy),
        "between_study": between_study,
        "show": tuple(show or ()),
        "rtol": check_rtol(rtol, precision),
        "precision": precision, "threads": threads, "chunk": chunk, "command": command_line(),
        **_values.differences(variability, typical, residual),
        **people,
    }  # fmt: skip
    own = own_options(arm, arms, options)
    narrow = only(analyte, site, model, own)
    _values.save_scenario(own, options, population, save_scenario)
    _note_on(arms)
    with progress(n * len(arms) * (1 + draws), "comparing") as bar:
        results = ketasim.compare(own, progress=bar, **options)
    results = {label: narrow.of(result, str(own[label].get("model", model))) for label, result in results.items()}
    _outputs.write_arms(results, files, log)
    show_arms(results)


def _note_on(arms: Any) -> None:
    """What was assumed in reading the arms."""
    from ketasim.cli._show import note
    from ketasim.cli.simulate import remarks

    for remark in dict.fromkeys(text for regimen in arms.values() for text in remarks(regimen)):
        note(remark)


def _common_end(arms: Any) -> float:
    """One end for all arms, h, so that exposures cover the same time."""
    return max(max(regimen.end + 24.0, 24.0) for regimen in arms.values())
