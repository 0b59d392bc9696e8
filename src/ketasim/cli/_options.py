"""Options that several verbs share, each declared once. Imports nothing heavy: this file is read by ``ketasim --help``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_LIBRARY = Path(__file__).parents[1] / "library"


def _names(shelf: str, incomplete: str) -> list[str]:
    """Entry names for shell completion, from file names alone."""
    return sorted(p.stem for p in (_LIBRARY / shelf).glob("*.toml") if p.stem.startswith(incomplete))


def complete_model(incomplete: str) -> list[str]:
    """Models that start like this, with or without their shelf."""
    shelf, slash, rest = incomplete.rpartition("/")
    if slash:
        return [f"{shelf}/{name}" for name in _names(shelf, rest)]
    return [name for shelf in ("pk", "generic") for name in _names(shelf, incomplete)]


def complete_population(incomplete: str) -> list[str]:
    """Populations that start like this."""
    return _names("population", incomplete)


def complete_comedication(incomplete: str) -> list[str]:
    """Co-medications that start like this."""
    return _names("comedication", incomplete)


Model = Annotated[
    str,
    typer.Option("--pk", "--model", metavar="NAME", help="Model; see: ketasim list pk.", autocompletion=complete_model),
]
Param = Annotated[
    list[str] | None,
    typer.Option(
        "--param", metavar="NAME=VALUE|NAME*FACTOR", help="Replace a typical value, or multiply it: 'CLint*1.2'; repeatable."
    ),
]
ParamFiles = Annotated[
    list[Path] | None,
    typer.Option("--params", metavar="FILE", help="Values from a JSON, TOML or YAML file; --param wins."),
]
Input = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="NAME=VALUE@TIME,...",
        help="What acts on the model from outside, as steps: stress=0@0,1@24h; repeatable.",
    ),
]
With = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="DRUG",
        help="Co-medication; repeatable. See: ketasim list comedication.",
        autocompletion=complete_comedication,
    ),
]
WithByArm = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="DRUG|ARM:DRUG",
        help="Co-medication of all arms, or of one; repeatable. See: ketasim list comedication.",
        autocompletion=complete_comedication,
    ),
]
Population = Annotated[
    str,
    typer.Option(
        "--population",
        metavar="NAME|FILE",
        help="Library population, own .toml, or .csv with one patient per row.",
        autocompletion=complete_population,
    ),
]
Data = Annotated[Path | None, typer.Option("--data", metavar="FILE.csv", help="NONMEM-style event table instead of a regimen.")]
Drug = Annotated[
    str,
    typer.Option(
        "--drug", metavar="DRUG", help="With --data: of doses without a column DRUG, e.g. racemic_ketamine; AMT is then mg."
    ),
]
Route = Annotated[str, typer.Option("--route", metavar="ROUTE", help="With --data: of doses without a column ROUTE, e.g. iv.")]
Unit = Annotated[
    str,
    typer.Option(
        "--unit", metavar="UNIT", help="With --data: of AMT, where drug and route are said; default mg. Also ug, umol, mg/kg."
    ),
]
Form = Annotated[
    str,
    typer.Option(
        "--form", metavar="base|hydrochloride", help="With --data: what AMT weighs, where drug and route are said; default base."
    ),
]
Keep = Annotated[
    str, typer.Option("--keep", metavar="COLUMN,...", help="With --data: columns of the table to carry to the output.")
]
Analyte = Annotated[
    list[str] | None,
    typer.Option("--analyte", metavar="NAME", help="Only this one in tables, figures and files, e.g. s_norketamine; repeatable."),
]
Site = Annotated[
    str, typer.Option("--site", metavar="plasma|brain|...", help="Only this site in tables, figures and files; default all.")
]
Weight = Annotated[
    float | None, typer.Option("--weight", metavar="KG", help="Body weight of the typical patient; default 70 kg.")
]
Disorder = Annotated[
    str | None,
    typer.Option(
        "--disorder",
        metavar="NAME",
        help="Symptoms and side effects too; see: ketasim list disorder.",
        autocompletion=lambda incomplete: _names("disorder", incomplete),
    ),
]
Control = Annotated[
    str | None,
    typer.Option(
        "--control", metavar="NAME", help="Control arm of the disorder: what everybody gets beside the drug, e.g. midazolam."
    ),
]
Policy = Annotated[
    list[str] | None,
    typer.Option(
        "--policy",
        metavar="RULE",
        help="Rule of care, e.g. hold_on_pressure or missed_sessions(share=0.2); repeatable. See: ketasim list policy.",
        autocompletion=lambda incomplete: _names("policy", incomplete),
    ),
]
Visits = Annotated[
    str, typer.Option("--visits", metavar="TIMES", help="When the scale is read, e.g. '0,24,168' (h) or '0:28d:7d'.")
]
Baseline = Annotated[float | None, typer.Option("--baseline", metavar="POINTS", help="Mean severity at the start, on the scale.")]
Variability = Annotated[
    str,
    typer.Option(
        "--variability",
        metavar="on|off",
        help="Random differences between people; default on for several people of a population, off for people who are described.",
    ),
]
Residual = Annotated[bool, typer.Option("--residual", help="Outputs as an assay would have read them.")]
Replicates = Annotated[
    int, typer.Option("--replicates", min=1, help="So many versions of every subject of an event table or patient table.")
]
Where = Annotated[
    str, typer.Option("--where", metavar="CONDITIONS", help="Only people who meet all, e.g. 'SEX=female, AGE>=65, WT 55..65'.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="One value of a covariate for everybody, e.g. AGE=80; repeatable."),
]
SaveScenario = Annotated[
    Path | None,
    typer.Option("--save-scenario", metavar="FILE", help="Write down what is run (.toml, .json); repeat it: ketasim run FILE."),
]
Arm = Annotated[
    list[str] | None,
    typer.Option(
        "--arm",
        metavar="LABEL:NAME=VALUE,...",
        help="What differs in one arm beside its regimen, e.g. 'old: population=elderly'; repeatable.",
    ),
]
N = Annotated[int, typer.Option("-n", "--patients", min=1, help="Virtual patients; 1 is the typical 70 kg adult.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Same seed, same patients.")]
Typical = Annotated[bool, typer.Option("--typical", help="No random differences between patients.")]
Times = Annotated[
    str,
    typer.Option("--times", metavar="TIMES", help="Output times, e.g. '0,1,2,4', '0:24:0.5' (h) or '0:28d:1h'."),
]
Until = Annotated[str, typer.Option("--until", metavar="TIME", help="End of the simulation, e.g. 28d.")]
Draws = Annotated[
    int,
    typer.Option(
        "--draws",
        min=0,
        metavar="N",
        help="Repeat with N plausible versions of the model: how sure are the medians, or the outputs of a table? All draws go into .zarr.",
    ),
]
BetweenStudy = Annotated[
    bool,
    typer.Option(
        "--between-study/--no-between-study",
        help="With --draws: intervals for a new study, where the model says how studies differ; without: of the typical values alone.",
    ),
]
Show = Annotated[
    list[str] | None,
    typer.Option(
        "--show",
        metavar="NAME",
        help="An output or state of the model, with --disorder a scale, side effect or event: tables and figures hold these; repeatable.",
    ),
]
Out = Annotated[
    list[Path] | None,
    typer.Option("-o", "--output", metavar="FILE", help="By ending: csv parquet zarr json html png svg pdf; repeatable."),
]
Report = Annotated[Path | None, typer.Option("--report", metavar="FILE.html", help="Report with figures and tables.")]
Figure = Annotated[Path | None, typer.Option("--figure", metavar="FILE", help="Figure: png, svg or pdf.")]
Log = Annotated[bool, typer.Option("--log", help="Logarithmic concentration axis in the figure.")]
Rtol = Annotated[
    float | None, typer.Option("--rtol", help="Relative tolerance of the solver; default 1e-6, in single precision 1e-5.")
]
Precision = Annotated[
    str, typer.Option("--precision", metavar="double|single", help="single: half the memory, little more than half the time.")
]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Processor threads; default all.")]
Chunk = Annotated[int, typer.Option("--chunk", min=1, help="Patients solved together; bounds memory, never changes a number.")]
Stream = Annotated[
    bool | None,
    typer.Option("--stream/--no-stream", help="Quantiles only, in bounded memory; default for results above 2 GiB."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue an interrupted streamed run.")]
Interpolation = Annotated[str, typer.Option("--interpolation", help="Between records of an event table: nocb, locf or linear.")]
