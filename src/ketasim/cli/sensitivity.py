"""``ketasim sensitivity``: which parameters decide an outcome, one at a time and all together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ketasim.cli import _options as opt
from ketasim.cli import _show
from ketasim.cli._settings import settings
from ketasim.cli._verb import verb
from ketasim.errors import InvalidOption, listed

if TYPE_CHECKING:
    from ketasim.sensitivity import Share, Tornado
    from ketasim.simulation import Versions

#: People of a run with a disorder, whose outcomes are means and shares of them.
_PEOPLE = 100
_ENDINGS = (".csv", ".json", ".png", ".svg", ".pdf")
_SHOWN = 15
#: Seconds from which a cost is said before it is spent.
_SOON = 10.0

Of = Annotated[
    list[str] | None,
    typer.Option(
        "--of",
        metavar="OUTCOME",
        help="cmax, auc:s_norketamine, tmax, ...; with --disorder also change, response@168, a side effect; repeatable.",
    ),
]
Over = Annotated[
    str,
    typer.Option(
        "--over",
        metavar="uncertainty|people",
        help="How far parameters lie from their values: how sure they are, or how people differ.",
    ),
]
Range = Annotated[
    list[str] | None,
    typer.Option("--range", metavar="NAME=LOW..HIGH", help="An own range of a parameter, in its unit; repeatable."),
]
Global = Annotated[
    int | None, typer.Option("--global", metavar="SAMPLES", help="Sobol's indices too: all together; a power of two, e.g. 256.")
]
Top = Annotated[int, typer.Option("--top", min=1, help="Of the widest bars of every outcome so many go into --global.")]


@verb
def sensitivity(
    regimen: Annotated[str, typer.Argument(metavar="REGIMEN", help="Text such as 'esketamine nasal 56 mg', or a file with one.")],
    *,
    of: Of = None,
    over: Over = "uncertainty",
    ranges: Range = None,
    together: Global = None,
    top: Top = 10,
    model: opt.Model = "ketasim_reference",
    population: opt.Population = "adults",
    n: Annotated[int, typer.Option("-n", "--patients", min=1, help="Virtual patients; default 1, with --disorder 100.")] = 1,
    where: opt.Where = "",
    set_: opt.Set = None,
    weight: opt.Weight = None,
    seed: opt.Seed = 1,
    typical: opt.Typical = False,
    variability: opt.Variability = "",
    disorder: opt.Disorder = None,
    control: opt.Control = None,
    visits: opt.Visits = "",
    baseline: opt.Baseline = None,
    policy: opt.Policy = None,
    comedication: opt.With = None,
    param: opt.Param = None,
    params: opt.ParamFiles = None,
    until: opt.Until = "",
    out: Annotated[
        list[Path] | None, typer.Option("-o", "--output", metavar="FILE", help="By ending: csv json png svg pdf; repeatable.")
    ] = None,
    threads: opt.Threads = None,
) -> None:
    """Which parameters decide an outcome.

    Each parameter alone goes from the 5th to the 95th percentile of what is known of it, the others stay: the widest bar comes first.

    \b
    ketasim sensitivity "esketamine nasal 56 mg"
    ketasim sensitivity "esketamine oral 1 mg/kg" --of auc:s_norketamine --over people --global 256
    ketasim sensitivity "0.5 mg/kg racemic ketamine iv over 40 min, 2/week x 4 week" --disorder trd --of change -o bars.png
    """
    from ketasim.cli import _outputs, _values

    for path in out or []:
        _outputs.check_file(path, _ENDINGS)
    given = _values.regimen_of(regimen)
    parameters = _values.parameter_values(param, params, model, disorder)
    size = n if disorder is None or "n" in settings.typed else _PEOPLE
    asked = _ranges(ranges)
    options: dict[str, Any] = {
        "until": _values.until_hours(until), "parameters": parameters or None, "comedication": _values.check_comedication(comedication),
        "variability": _values.differences(variability, typical)["variability"], "weight": weight, "threads": threads,
        **_values.care(disorder, control, visits, baseline, policy), **_values.people(population, size, seed, where, set_),
    }  # fmt: skip
    versions, bars, shares = _run(model, given, options, of or [], over, asked, together, top)
    rows = bars.rows()
    for path in out or []:
        _write(path, bars, shares)
        _show.note(f"Written: {path}")
    if settings.json:
        _show.emit_json(
            {
                **_facts(versions, over),
                "tornado": rows,
                "sobol": [share.to_dict() for share in shares],
                "without_effect": bars.idle,
            }
        )
        return
    _show.text(f"{given.text or given}\n{versions.model.id}; {_who(versions)}")
    _show_bars(bars)
    _show_shares(shares)
    _remarks(versions, bars, shares, over)


def _run(
    model: str, given: Any, options: dict[str, Any], of: Sequence[str], over: str, ranges: dict[str, tuple[float, float]], together: int | None, top: int
) -> tuple[Versions, Tornado, list[Share]]:  # fmt: skip
    from ketasim.cli._progress import progress
    from ketasim.sensitivity import factors_of, outcomes_of, saltelli_sample, seconds_per_run, sobol, tornado
    from ketasim.simulation import Versions

    if together is not None:
        saltelli_sample(1, together, 0)  # a wrong number of samples is refused before anything runs
    versions = Versions(model, given, **options)
    outcomes, factors = outcomes_of(versions, of), factors_of(versions, over, ranges)
    _say_cost("One at a time", 2 * len(factors), versions, each := seconds_per_run(versions, factors))
    if together is not None:
        most = min(top * len(outcomes), len(factors))
        _say_cost(f"All together, of up to {most} parameters", (most + 2) * together, versions, each)
    with progress(2 * len(factors) * versions.people, "one at a time") as bar:
        bars = tornado(versions, factors, outcomes, bar)
    if together is None:
        return versions, bars, []
    widest = bars.widest(top)
    with progress((len(widest) + 2) * together * versions.people, "all together") as bar:
        return versions, bars, sobol(versions, widest, outcomes, together, bar)


def _say_cost(what: str, runs: int, versions: Versions, each: float) -> None:
    """How long a part of the analysis takes at most; nothing where that is soon."""
    seconds = runs * each
    if seconds >= _SOON:
        long = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
        many = "1 person" if versions.people == 1 else f"{versions.people:,} people"
        _show.note(f"{what}: {runs:,} runs of {many}, about {long} at most.")


def _ranges(texts: Sequence[str] | None) -> dict[str, tuple[float, float]]:
    """Ranges from texts such as ``Kpuu=0.3..1``."""
    found: dict[str, tuple[float, float]] = {}
    for text in texts or []:
        name, equals, ends = (piece.strip() for piece in text.partition("="))
        low, dots, high = (piece.strip() for piece in ends.partition(".."))
        try:
            if not (name and equals and dots):
                raise ValueError
            found[name] = (float(low), float(high))
        except ValueError:
            raise InvalidOption(f"--range {text!r}: write NAME=LOW..HIGH, e.g. Kpuu=0.3..1.") from None
    return found


def _write(path: Path, bars: Tornado, shares: Sequence[Share]) -> None:
    import json

    from ketasim.report import save_figure, tornado_figure
    from ketasim.writing import replacing

    ending = path.suffix.lower()
    if ending == ".csv":
        import pandas as pd

        table = pd.DataFrame(bars.rows())
        if shares:
            own = pd.DataFrame([share.to_dict() for share in shares])[
                ["outcome", "parameter", "first", "first_low", "first_high", "total", "total_low", "total_high"]
            ]
            table = table.merge(own, how="left", on=["outcome", "parameter"])
        with replacing(path) as part:
            table.to_csv(part, index=False)
    elif ending == ".json":
        with replacing(path) as part:
            part.write_text(
                json.dumps(_show.plain({"tornado": bars.rows(), "sobol": [s.to_dict() for s in shares]}), indent=1),
                encoding="utf-8",
            )
    else:
        save_figure(tornado_figure(bars, shares), path)


def _show_bars(bars: Tornado) -> None:
    for outcome, own in bars.bars.items():
        if not own:
            _show.text(f"\n{outcome}: no parameter changes it.")
            continue
        title = f"{outcome}: {_show.cell(own[0].base)} {_unit(own[0].unit)} as the model stands"
        lines = [
            (bar.factor.name, bar.factor.value, f"{_show.cell(bar.low)} - {_show.cell(bar.high)}", bar.factor.unit, bar.at_low, bar.at_high,
             _relative(bar.swing, bar.base), bar.factor.mark)
            for bar in own[:_SHOWN]
        ]  # fmt: skip
        _show.table(("parameter", "value", "5-95 %", "unit", "outcome at 5 %", "at 95 %", "swing", ""), lines, title)
        if len(own) > _SHOWN:
            _show.note(f"{len(own) - _SHOWN} narrower bars; -o FILE.csv or --json gives all.")


def _show_shares(shares: Sequence[Share]) -> None:
    for outcome in dict.fromkeys(share.outcome for share in shares):
        own = [share for share in shares if share.outcome == outcome]
        one = own[0]
        title = f"{outcome}: mean {_show.cell(one.mean)}, SD {_show.cell(one.sd)} {_unit(one.unit)}; shares of its variance, {one.samples} samples"
        lines = [
            (s.factor.name, _two(s.first), _between(s.first_interval), _two(s.total), _between(s.total_interval), s.factor.mark)
            for s in own
        ]  # fmt: skip
        _show.table(("parameter", "alone", "5-95 %", "with interactions", "5-95 %", ""), lines, title)


def _two(share: float) -> str:
    """Two decimals; what rounds to nothing has no sign."""
    return f"{round(share, 2) + 0.0:.2f}"


def _between(ends: tuple[float, float]) -> str:
    return f"{_two(ends[0])} - {_two(ends[1])}"


def _unit(unit: str) -> str:
    return "" if unit == "1" else unit


def _relative(swing: float, base: float) -> str:
    """Width of a bar as percent of the outcome; as it is where that is zero."""
    if not base:
        return _show.cell(swing)
    share = 100 * swing / abs(base)
    return f"{share:.0f} %" if not share < 1 else f"{share:.1g} %"


def _who(versions: Versions) -> str:
    many = "1 person" if versions.people == 1 else f"{versions.people:,} people"
    how = f"people differ at random (seed {versions.seed})" if versions.varies else "no random effects"
    return f"{many}, {versions.who}; {how}; 0 to {versions.end:g} h"


def _facts(versions: Versions, over: str) -> dict[str, Any]:
    return {
        "model": versions.model.id,
        "regimen": str(versions.regimen),
        "n": versions.people,
        "seed": versions.seed,
        "end_h": versions.end,
        "over": over,
    }


def _remarks(versions: Versions, bars: Tornado, shares: Sequence[Share], over: str) -> None:
    """What the bars rest on."""
    from ketasim.sensitivity import held

    varied = [bar.factor for own in bars.bars.values() for bar in own]
    marked = list(dict.fromkeys(f"{f.name} ({f.mark})" for f in varied if f.mark))
    if marked:
        _show.note(f"No data behind the spread of: {listed(marked)}.")
    if bars.idle:
        _show.note(f"Without effect here: {listed(bars.idle)}.")
    if over == "uncertainty" and (names := held(versions, [*(f.name for f in varied), *bars.idle])):
        _show.note(f"Held, as nothing says how sure they are: {listed(names)}. --range NAME=LOW..HIGH varies one.")
    if shares:
        _show.note("Shares take parameters as independent of each other: correlations of their estimates are left out.")
    _show.notice()
