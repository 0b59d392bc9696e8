"""``ketasim export``: a model in another tool's language, with a regimen's doses where asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ketasim.cli import _options as opt
from ketasim.cli import _show
from ketasim.cli._settings import settings
from ketasim.cli._verb import verb
from ketasim.errors import InvalidOption, close_names

if TYPE_CHECKING:
    from ketasim.dose import EventTemplate
    from ketasim.model import Model

FORMATS = {"sbml": ".xml", "mrgsolve": ".cpp", "nonmem": ".ctl"}


@verb
def export(
    format: Annotated[
        str, typer.Argument(metavar="FORMAT", help="sbml, mrgsolve or nonmem.", autocompletion=lambda: list(FORMATS))
    ],
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Model; see: ketasim list pk.", autocompletion=opt.complete_model)
    ] = "",
    *,
    pk: Annotated[
        str, typer.Option("--pk", "--model", metavar="NAME", help="The same, as an option.", autocompletion=opt.complete_model)
    ] = "",
    param: opt.Param = None,
    params: opt.ParamFiles = None,
    dose: Annotated[
        str, typer.Option("--dose", metavar="REGIMEN", help="Regimen: events in SBML; records of --data for the others.")
    ] = "",
    weight: Annotated[float, typer.Option("--weight", help="Body weight, kg, of the one person dosed.")] = 70.0,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FILE.csv", help="Also write a data set that fits (mrgsolve, nonmem).")
    ] = None,
    population: opt.Population = "",
    n: opt.N = 1,
    seed: opt.Seed = 1,
    times: opt.Times = "",
    occasions: Annotated[
        int, typer.Option("--occasions", min=1, help="Occasions for which between-occasion variability is written.")
    ] = 1,
    out: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Where to; default standard output.")] = None,
) -> None:
    """Export a model as SBML (Level 3), mrgsolve or NONMEM text.

    \b
    ketasim export sbml pk/otto2021 --dose "esketamine iv 10 mg over 30 min" -o otto2021.xml
    ketasim export mrgsolve pk/otto2021 -o otto2021.cpp
    ketasim export nonmem pk/otto2021 --dose "esketamine iv 10 mg over 30 min" --population adults -n 20 --data data.csv -o run1.ctl
    """
    from ketasim.cli._outputs import check_file, check_writable
    from ketasim.cli._values import model_of, parameter_values

    if format not in FORMATS:
        raise InvalidOption(
            f"'{format}' is no format to export to.{close_names(format, FORMATS)} There are: {', '.join(FORMATS)}."
        )
    if model and pk and model != pk:
        raise InvalidOption(f"two models given ('{model}' and '{pk}'); give one.")
    _check_doses(format, dose, data, population, n, weight)
    _check_used(format, data, bool(population) or n > 1, out)
    check_file(data, (".csv",), "--data")
    for path in (out, data):
        if path is not None:
            check_writable(path)
    name = model or pk or "ketasim_reference"
    values = parameter_values(param, params, name)
    whole = model_of(name).with_values(values)
    content = _content(format, whole, dose, weight, occasions, _beside(data, out))
    if data is not None:
        _write_data(format, whole, (dose, times, occasions), weight, (population, n, seed), data)
    _show_or_write(content, whole, format, out)


def _check_doses(format: str, dose: str, data: Path | None, population: str, n: int, weight: float) -> None:
    many = bool(population) or n > 1
    if not 0.5 <= weight <= 500:
        raise InvalidOption(f"--weight {weight:g}: must lie between 0.5 and 500 kg.")
    if format == "sbml" and (data is not None or many):
        raise InvalidOption(
            "an SBML file holds its doses and one person; give --dose and --weight, without --data or --population."
        )
    if format != "sbml" and bool(dose) != (data is not None):
        raise InvalidOption(f"a {format} model holds no doses, its data set does: give --dose and --data FILE.csv together.")
    if many and data is None:
        raise InvalidOption("--population and -n are for the data set; add --dose and --data FILE.csv.")
    if many and not population:
        raise InvalidOption("-n: of whom? Add --population NAME; see: ketasim list population")


def _check_used(format: str, data: Path | None, many: bool, out: Path | None) -> None:
    """Refuse options that would change nothing, and one file for two things."""
    from ketasim.cli._values import refuse_typed

    if data is not None and data == out:
        raise InvalidOption(f"-o and --data both name {out}; give two files.")
    if format == "sbml":
        refuse_typed({"occasions": "--occasions"}, "in SBML, which holds one person without random effects.")
    if data is None:
        refuse_typed({"times": "--times"}, "without a data set; add --dose and --data FILE.csv.")
    if data is None and format != "sbml":
        refuse_typed({"weight": "--weight"}, "without a data set; add --dose and --data FILE.csv.")
    if many:
        refuse_typed({"weight": "--weight"}, "with --population or -n, whose patients have weights of their own.")


def _beside(data: Path | None, out: Path | None) -> str:
    """The data set's name as a control stream in its own folder has to say it."""
    if data is None:
        return "data.csv"
    folder = out.parent if out is not None else Path()
    return data.name if data.resolve().parent == folder.resolve() else str(data.resolve())


def _content(format: str, whole: Model, dose: str, weight: float, occasions: int, data: str) -> str:
    from ketasim import exchange

    if format == "mrgsolve":
        return exchange.export_mrgsolve(whole, occasions=occasions)
    if format == "nonmem":
        return exchange.export_nonmem(whole, occasions=occasions, data=data)
    uses_weight = any(e.by.upper() == "WT" for number in whole.numbers.values() for e in number.covariates)
    person = {"WT": weight} if uses_weight else {}
    return exchange.export_sbml(whole, _doses(whole, dose, {"WT": [weight]}, [1]) if dose else None, person)


def _doses(whole: Model, dose: str, covariates: Any, ids: Any) -> EventTemplate:
    from ketasim.cli._values import regimen_of
    from ketasim.dose import resolve

    return resolve(regimen_of(dose), whole, covariates, ids=ids)


def _write_data(
    format: str, whole: Model, what: tuple[str, str, int], weight: float, people: tuple[str, int, int], path: Path
) -> None:
    import numpy as np

    from ketasim.cli._values import cohort_of, output_times
    from ketasim.exchange import dataset
    from ketasim.exchange._people import columns
    from ketasim.writing import replacing

    (dose, times, occasions), (population, n, seed) = what, people
    if population:
        cohort = cohort_of(population, n, seed)
        ids, covariates = cohort.ids, dict(cohort.covariates)
        _show.numbering(cohort)
    else:
        ids = np.array([1])
        covariates = {name: np.array([column.value]) for name, column in columns(whole).items()} | {"WT": np.array([weight])}
    grid = output_times(times)
    frame = dataset(
        whole, _doses(whole, dose, covariates, ids), covariates,
        times=() if grid is None else grid, occasions=occasions, nonmem=format == "nonmem",
    )  # fmt: skip
    with replacing(path) as part:
        frame.to_csv(part, index=False)
    _show.note(f"Written: {path}")


def _show_or_write(content: str, whole: Model, format: str, out: Path | None) -> None:
    if out is not None:
        from ketasim.writing import replacing

        with replacing(out) as part:
            Path(part).write_text(content, encoding="utf-8")
        _show.note(f"Written: {out}")
    elif settings.json:
        _show.emit_json({"model": whole.id, "format": format, "text": content})
    else:
        _show.text(content.rstrip("\n"))
