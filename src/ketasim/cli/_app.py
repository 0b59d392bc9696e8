"""The command ``ketasim``: its verbs, each in a file of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from ketasim.cli import (
    calibrate,
    cite,
    compare,
    describe,
    doctor,
    events,
    evidence,
    export,
    listing,
    nca,
    population,
    simulate,
    synthesize,
    validate,
    version,
)
from ketasim.cli._settings import settings
from ketasim.cli._verb import Json, Packs, Quiet

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: Rich would double the time to the first line
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Ketamine pharmacology in psychiatry, executable: from dose to plasma.",
    epilog="Research software: explores pharmacology, does not advise on treatment.",
)


def _version(wanted: bool) -> None:
    if wanted:
        version.show()
        raise typer.Exit


@app.callback()
def _everywhere(
    json_: Json = False,
    quiet: Quiet = False,
    pack: Packs = None,
    _show: Annotated[bool, typer.Option("--version", is_eager=True, callback=_version, help="Version, and stop.")] = False,
) -> None:
    settings.reset()
    settings.add(json=json_, quiet=quiet, packs=pack)


for _name, _function, _short in (
    ("simulate", simulate.simulate, "A regimen, or an event table, in virtual patients."),
    ("compare", compare.compare, "Several regimens in the same virtual patients."),
    ("events", events.events, "A regimen as resolved dosing records; check a table."),
    ("population", population.population, "Draw virtual patients."),
    ("nca", nca.nca, "Non-compartmental analysis of concentrations."),
    ("list", listing.listing, "What the library holds."),
    ("describe", describe.describe, "One entry: equations, numbers, sources."),
    ("export", export.export, "A model as SBML, mrgsolve or NONMEM text."),
    ("cite", cite.cite, "Sources of models or of a saved result."),
    ("doctor", doctor.doctor, "Is this installation in order?"),
    ("version", version.version, "The version."),
):
    app.command(_name, short_help=_short)(_function)
app.add_typer(evidence.app, name="evidence", short_help="Sourced facts: trials, outcomes, safety, affinities, pharmacokinetics.")
app.add_typer(synthesize.app, name="synthesize", short_help="Evidence synthesis: meta-analysis, pairwise and of networks.")
app.add_typer(validate.app, name="validate", short_help="Predictions against published observations.")
app.add_typer(calibrate.app, name="calibrate", short_help="Fit the reference model again.")
