"""The command ``ketasim``: its verbs, each in a file of its own that is imported when the verb is called."""

from __future__ import annotations

from typing import Annotated

import typer

from ketasim.cli._lazy import LazyGroup
from ketasim.cli._settings import settings
from ketasim.cli._verb import DataPacks, Json, Packs, Quiet

#: A new verb is one line here: its name, where its function or its own group stands, its line in the help.
VERBS = {
    "simulate": ("ketasim.cli.simulate:simulate", "A regimen, or an event table, in virtual patients."),
    "compare": ("ketasim.cli.compare:compare", "Several regimens in the same virtual patients."),
    "sensitivity": ("ketasim.cli.sensitivity:sensitivity", "Which parameters decide an outcome."),
    "run": ("ketasim.cli.run:run", "A scenario written down, repeated."),
    "events": ("ketasim.cli.events:events", "A regimen as resolved dosing records; check a table."),
    "population": ("ketasim.cli.population:population", "Draw virtual patients."),
    "nca": ("ketasim.cli.nca:nca", "Non-compartmental analysis of concentrations."),
    "list": ("ketasim.cli.listing:listing", "What the library holds."),
    "describe": ("ketasim.cli.describe:describe", "One entry: equations, numbers, sources."),
    "export": ("ketasim.cli.export:export", "A model as SBML, mrgsolve or NONMEM text."),
    "review": ("ketasim.cli.review:review", "The claims of the review, each run and given a verdict."),
    "cite": ("ketasim.cli.cite:cite", "Sources of models or of a saved result."),
    "doctor": ("ketasim.cli.doctor:doctor", "Is this installation in order?"),
    "version": ("ketasim.cli.version:version", "The version."),
    "evidence": ("ketasim.cli.evidence:app", "Sourced facts: trials, outcomes, safety, affinities, pharmacokinetics."),
    "synthesize": ("ketasim.cli.synthesize:app", "Evidence synthesis: meta-analysis, pairwise and of networks."),
    "validate": ("ketasim.cli.validate:app", "Predictions against published observations."),
    "calibrate": ("ketasim.cli.calibrate:app", "Fit the reference model again."),
}


class Verbs(LazyGroup):
    """The verbs of ``ketasim``."""

    verbs = VERBS


app = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: Rich would double the time to the first line
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Ketamine pharmacology in psychiatry, executable: from dose to plasma.",
    epilog="Research software: explores pharmacology, does not advise on treatment.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from ketasim.cli.version import show

        show()
        raise typer.Exit


@app.callback()
def _everywhere(
    json_: Json = False,
    quiet: Quiet = False,
    pack: Packs = None,
    pack_data: DataPacks = None,
    _show: Annotated[bool, typer.Option("--version", is_eager=True, callback=_version, help="Version, and stop.")] = False,
) -> None:
    settings.reset()
    settings.add(json=json_, quiet=quiet, packs=pack, data_packs=pack_data)
