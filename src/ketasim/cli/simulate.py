"""``ketasim simulate``: a regimen in virtual patients, or an event table, through any model."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ketasim.cli import _options as opt
from ketasim.cli._settings import settings
from ketasim.cli._verb import verb
from ketasim.csvtext import absent
from ketasim.errors import InvalidOption

if TYPE_CHECKING:
    import xarray as xr

    from ketasim.cli._only import Only

_NOT_FOR_TABLES = {
    "where": "--where", "set_": "--set", "save_scenario": "--save-scenario", "disorder": "--disorder", "control": "--control", "visits": "--visits", "baseline": "--baseline", "policy": "--policy",
    "population": "--population", "n": "-n", "weight": "--weight", "stream": "--stream", "resume": "--resume", "log": "--log",
}  # fmt: skip
_OF_TABLES = {"drug": "--drug", "route": "--route", "unit": "--unit", "form": "--form", "keep": "--keep"}


@verb
def simulate(
    regimen: Annotated[
        str, typer.Argument(metavar="REGIMEN", help="Text such as 'esketamine nasal 56 mg', or a YAML, TOML or .txt file.")
    ] = "",
    *,
    data: opt.Data = None,
    drug: opt.Drug = "",
    route: opt.Route = "",
    unit: opt.Unit = "",
    form: opt.Form = "",
    keep: opt.Keep = "",
    model: opt.Model = "ketasim_reference",
    population: opt.Population = "adults",
    n: opt.N = 1,
    where: opt.Where = "",
    set_: opt.Set = None,
    weight: opt.Weight = None,
    seed: opt.Seed = 1,
    typical: opt.Typical = False,
    variability: opt.Variability = "",
    residual: opt.Residual = False,
    replicates: opt.Replicates = 1,
    disorder: opt.Disorder = None,
    control: opt.Control = None,
    visits: opt.Visits = "",
    baseline: opt.Baseline = None,
    policy: opt.Policy = None,
    draws: opt.Draws = 0,
    between_study: opt.BetweenStudy = True,
    comedication: opt.With = None,
    param: opt.Param = None,
    params: opt.ParamFiles = None,
    inputs: opt.Input = None,
    times: opt.Times = "",
    until: opt.Until = "",
    interpolation: opt.Interpolation = "nocb",
    save_scenario: opt.SaveScenario = None,
    show: opt.Show = None,
    analyte: opt.Analyte = None,
    site: opt.Site = "",
    out: opt.Out = None,
    report: opt.Report = None,
    figure: opt.Figure = None,
    log: opt.Log = False,
    stream: opt.Stream = None,
    resume: opt.Resume = False,
    rtol: opt.Rtol = None,
    precision: opt.Precision = "double",
    threads: opt.Threads = None,
    chunk: opt.Chunk = 2048,
) -> None:
    """Simulate a regimen, or the event table of a file.

    \b
    ketasim simulate "esketamine nasal 56 mg, 2/week x 4 week" -n 1000 --report out.html
    ketasim simulate "0.5 mg/kg racemic ketamine iv over 40 min" --with ticlopidine -o curves.csv
    ketasim simulate "0.5 mg/kg racemic ketamine iv over 40 min, 2/week x 4 week" --disorder trd --control midazolam -n 1000
    ketasim simulate --data events.csv --model generic/two_cmt --param CL=5 -o out.csv
    ketasim simulate --data events.csv --model pk/otto2021 --draws 100 -o out.csv
    """
    from ketasim.cli import _outputs, _values
    from ketasim.cli._only import only
    from ketasim.dose import check_interpolation

    files = _outputs.checked(out, report, figure)
    if times and until:
        raise InvalidOption("--until: no meaning with --times, whose last one is the end.")
    if bool(regimen) == (data is not None):
        raise InvalidOption('give either a regimen, e.g. "esketamine nasal 56 mg", or --data FILE.csv.')
    check_interpolation(interpolation)
    if data is None:
        _values.refuse_typed(_OF_TABLES, "without --data: a regimen says it in words.")
    # Names first, the cheapest first: a slip is answered before anything heavy is imported.
    given = _values.regimen_of(regimen) if data is None else _table(data)
    parameters = _values.parameter_values(param, params, model, disorder)
    narrow = only(analyte, site, model)
    drugs = _values.check_comedication(comedication)
    people = _values.people(population, n, seed, where, set_) if data is None else {}
    options: dict[str, Any] = {
        "times": _values.output_times(times),
        "until": _values.until_hours(until),
        "parameters": parameters or None,
        "inputs": _values.input_steps(inputs),
        "comedication": drugs,
        "draws": draws,
        "between_study": between_study,
        "show": tuple(show or ()),
        **_values.differences(variability, typical, residual, replicates),
        **_values.care(disorder, control, visits, baseline, policy),
        "rtol": check_rtol(rtol, precision),
        "precision": precision, "threads": threads, "chunk": chunk, "interpolation": interpolation, "command": command_line(),
    }  # fmt: skip
    if data is not None:
        said = {"drug": drug, "route": route, "unit": unit, "form": form, "keep": _values.words(keep)}
        _events(data, model, options, files, said, narrow)
    else:
        _values.save_scenario(
            {"run": {"dosing": given}}, {"model": model, **options, **people, "weight": weight}, population, save_scenario
        )
        options |= people | {"weight": weight, "stream": stream}
        _regimen(given, model, options, files, resume, log, narrow)


def _table(data: Path) -> None:
    """Refuse an event table that is not there, and options that would be without meaning for it."""
    from ketasim.cli import _values

    _values.refuse_typed(_NOT_FOR_TABLES, "with --data, whose subjects are the patients.")
    if not data.is_file():
        raise InvalidOption(f"--data {data}: {absent(data)}")


def _regimen(
    regimen: Any, model: str, options: dict[str, Any], files: tuple[Path, ...], resume: bool, log: bool, narrow: Only
) -> None:
    import ketasim
    from ketasim.cli import _outputs
    from ketasim.cli._exposure import show_result
    from ketasim.cli._progress import progress
    from ketasim.simulation import as_model, default_times, will_stream

    for remark in remarks(regimen):
        _note(remark)
    size = len(options["cohort"].ids) if "cohort" in options else options["n"]
    times = default_times(regimen, options["until"]) if options["times"] is None else options["times"]
    plain = options["disorder"] is None and not options["draws"] and not options["residual"]
    streamed = plain and will_stream(as_model(model), regimen, size, len(times), options["stream"])
    checkpoint = _checkpoint(files, resume) if streamed else _no_checkpoint(resume)
    try:
        with progress(size * (1 + options["draws"])) as bar:
            result = ketasim.simulate(model, regimen, progress=bar, checkpoint=checkpoint, **options)
    except KeyboardInterrupt:
        if checkpoint is not None and checkpoint.is_file():
            _note("\nStopped. The same command with --resume goes on from here.")
        raise
    result = narrow.of(result, model)
    _outputs.write(result, files, log)
    show_result(result)
    _all_failed(result)


def _events(data: Path, model: str, options: dict[str, Any], files: tuple[Path, ...], said: dict[str, Any], narrow: Only) -> None:
    import ketasim
    from ketasim.cli import _outputs, _show
    from ketasim.cli._exposure import who_text
    from ketasim.cli._progress import progress
    from ketasim.dose import read_events
    from ketasim.results import assumed_sentence, held_sentence, main_table
    from ketasim.simulation import as_model

    if options.pop("until") is not None and options["times"] is None:
        raise InvalidOption(
            "--until has no meaning with --data: its observation records (EVID 0) are the output times, or give --times."
        )
    for path in files:
        if path.suffix.lower() not in _outputs.TABLES:
            raise InvalidOption(f"{path}: an event table gives no report or figure. Use one of {', '.join(_outputs.TABLES)}.")
    whole = as_model(model)
    events = read_events(data, whole, options["interpolation"], **said)
    with progress((len(events.spans) - 1) * (1 + options["draws"])) as bar:
        result = ketasim.simulate(whole, events, progress=bar, **options)
    result = narrow.of(result, model)
    _outputs.write(result, files)
    table = main_table(result)
    if settings.json:
        _show.emit_json(table.to_dict("list"))
    elif not files and not sys.stdout.isatty():
        _show.text(table.to_csv(index=False).rstrip("\n"))
    elif not files:
        _show.frame(table, numbers_from=0)
    if options["draws"] and (held := held_sentence(result)):
        _note(held)
    _note(who_text(result))
    units = ", ".join(dict.fromkeys(whole.states[name].unit for name in whole.compartments))
    if assumed := assumed_sentence({"": result}):
        _note(assumed)
    if events.in_mass:
        _note(
            f"{'; '.join(events.said)}. Concentrations are in ng/mL. Columns DRUG, ROUTE, UNIT and FORM, or the options of that name, say otherwise."
        )
        _show.notice()
        _all_failed(result)
        return
    outputs = ", ".join(dict.fromkeys(port.unit for port in whole.ports.values()))
    _note(f"AMT is read in the unit of its compartment ({units}), states are written in it; outputs are in {outputs}.")
    _show.notice()
    _all_failed(result)


def _all_failed(result: xr.DataTree) -> None:
    """A run that gave nothing is no success."""
    people = result["subject"].to_dataset()
    if "status" in people and (people["status"].to_numpy() != 0).all():
        raise typer.Exit(1)


def _no_checkpoint(resume: bool) -> None:
    """A run that keeps every patient begins anew."""
    if resume:
        raise InvalidOption(
            "--resume: only a streamed run without a disorder can go on (a result above 2 GiB, or --stream). Run it again without --resume."
        )


def _checkpoint(files: tuple[Path, ...], resume: bool) -> Path | None:
    """File that lets a streamed run go on: beside the first output."""
    if not files:
        if resume:
            raise InvalidOption("--resume continues the run of an output file: give the same -o as before.")
        return None
    path = files[0].with_name(files[0].name + ".resume")
    if resume and not path.is_file():
        _note(f"--resume: nothing to continue for {files[0]}; the run starts from the beginning.")
    if not resume:
        path.unlink(missing_ok=True)
    return path


def check_rtol(rtol: float | None, precision: str) -> float:
    """The solver's tolerance; refuses one that the precision cannot keep."""
    from ketasim.solve import tolerance_of

    try:
        return tolerance_of(precision, rtol)
    except InvalidOption as error:
        raise InvalidOption(f"--{error}") from None


def remarks(regimen: Any) -> list[str]:
    """What was assumed in reading a regimen."""
    return [f"Read as: {text}" for text in dict.fromkeys(text for item in regimen.items for text in item.dose.notes)]


def command_line() -> str:
    """The command that repeats this run."""
    # Names of files need not be UTF-8; what is recorded is.
    return shlex.join(["ketasim", *sys.argv[1:]]).encode("utf-8", "backslashreplace").decode()


def _note(text: str) -> None:
    from ketasim.cli._show import note

    note(text)
