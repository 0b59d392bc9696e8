"""``ketasim events``: what a regimen becomes for the solver, record by record; or whether an event table is in order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ketasim.cli import _options as opt
from ketasim.cli._settings import settings
from ketasim.cli._verb import verb
from ketasim.csvtext import absent
from ketasim.dose._tokens import GRAMMAR
from ketasim.errors import InvalidOption

if TYPE_CHECKING:
    import pandas as pd


@verb
def events(
    regimen: Annotated[
        str, typer.Argument(metavar="REGIMEN", help="Text such as 'esketamine nasal 56 mg', or a YAML, TOML or .txt file.")
    ] = "",
    *,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FILE.csv", help="Check and show an event table instead.")
    ] = None,
    drug: opt.Drug = "",
    route: opt.Route = "",
    unit: opt.Unit = "",
    form: opt.Form = "",
    model: opt.Model = "ketasim_reference",
    weight: Annotated[float, typer.Option("--weight", help="Body weight, kg, of the person shown.")] = 70.0,
    population: opt.Population = "",
    n: opt.N = 1,
    seed: opt.Seed = 1,
    expand: Annotated[bool, typer.Option("--expand", help="Every additional dose (ADDL) as a record of its own.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="The table as CSV on standard output.")] = False,
    out: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE.csv", help="Write the table; simulate --data reads it.")
    ] = None,
) -> None:
    """Show a regimen as the resolved event table (NONMEM columns): salt, enantiomers, body weight and schedule worked out.

    \b
    ketasim events "0.5 mg/kg racemic ketamine iv over 40 min, 2/week x 4 week" --weight 82
    ketasim events --data events.csv --model generic/two_cmt
    """
    from ketasim.cli import _outputs, _show, _values

    if bool(regimen) == (data is not None):
        raise InvalidOption('give either a regimen, e.g. "esketamine nasal 56 mg", or --data FILE.csv.')
    if data is not None:
        _values.refuse_typed(
            {"weight": "--weight", "population": "--population", "n": "-n", "expand": "--expand"}, "with --data."
        )
    elif population:
        _values.refuse_typed({"weight": "--weight"}, "with --population, whose patients have weights of their own.")
    else:
        _values.refuse_typed({"n": "-n", "seed": "--seed"}, "without --population.")
    if data is None:
        terms = {"drug": "--drug", "route": "--route", "unit": "--unit", "form": "--form"}
        _values.refuse_typed(terms, "without --data: a regimen says it in words.")
    _outputs.check_file(out, (".csv",))
    described, table = (
        _from_table(data, model, {"drug": drug, "route": route, "unit": unit, "form": form})
        if data is not None
        else _from_regimen(regimen, model, weight, population, n, seed, expand)
    )
    if out is not None:
        from ketasim.dose import write_events

        write_events(table.drop(columns="LABEL", errors="ignore"), out)
        _show.note(f"Written: {out}")
    if settings.json:
        _show.emit_json({"described": described, "events": table.to_dict("records"), "notice": _show.NOTICE})
    elif csv:
        _show.text(table.to_csv(index=False, na_rep=".").rstrip("\n"))
    elif out is None:
        _show.text(described)
        _show.frame(table, numbers_from=0)
    _show.notice()


events.__doc__ = f"{events.__doc__}\n\b\n{GRAMMAR}"


def _from_table(path: Path, model: str, terms: dict[str, str]) -> tuple[str, pd.DataFrame]:
    from ketasim.cli import _values
    from ketasim.dose import read_events

    if not path.is_file():
        raise InvalidOption(f"--data {path}: {absent(path)}")
    data = read_events(path, _values.model_of(model), **terms)
    counts = [_count(data.n_records, "record"), _count(data.n_subjects, "subject"), _count(len(data.groups()), "dosing pattern")]
    return (
        f"{data.name}: {counts[0]} of {counts[1]} in {counts[2]}; in order.",
        data.to_frame(),
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _from_regimen(text: str, model: str, weight: float, population: str, n: int, seed: int, expand: bool) -> tuple[str, Any]:
    import numpy as np

    from ketasim.cli import _show, _values
    from ketasim.dose import resolve

    if not 0.5 <= weight <= 500:
        raise InvalidOption(f"--weight {weight:g}: must lie between 0.5 and 500 kg.")
    regimen = _values.regimen_of(text)
    whole = _values.model_of(model)
    if population:
        cohort = _values.cohort_of(population, n, seed)
        template = resolve(regimen, whole, cohort.covariates, ids=cohort.ids).numbered()
        _show.numbering(cohort)
    else:
        template = resolve(regimen, whole, {"WT": np.array([weight])})
    template = template.expanded() if expand else template
    units = ", ".join(dict.fromkeys(state.unit for state in whole.states.values()))
    return (
        f"{regimen.describe()}\nModel {whole.id}; TIME and II in h, AMT in the compartment's unit ({units}).",
        template.to_frame(whole),
    )
