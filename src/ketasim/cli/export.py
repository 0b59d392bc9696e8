"""``ketasim export``: a model in another tool's language."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ketasim.cli import _options as opt
from ketasim.cli import _show
from ketasim.cli._settings import settings
from ketasim.cli._verb import verb
from ketasim.errors import InvalidOption, close_names

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
    out: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Where to; default standard output.")] = None,
) -> None:
    """Export a model as SBML (Level 3), mrgsolve or NONMEM text.

    \b
    ketasim export sbml pk/otto2021 -o otto2021.xml
    """
    from ketasim import model as language
    from ketasim.cli._outputs import check_writable
    from ketasim.cli._values import parameter_values
    from ketasim.simulation import as_model

    if format not in FORMATS:
        raise InvalidOption(
            f"'{format}' is no format to export to.{close_names(format, FORMATS)} There are: {', '.join(FORMATS)}."
        )
    if model and pk and model != pk:
        raise InvalidOption(f"two models given ('{model}' and '{pk}'); give one.")
    if out is not None:
        check_writable(out)
    values = parameter_values(param, params)
    whole = as_model(model or pk or "ketasim_reference")
    content: str = getattr(language, f"export_{format}")(whole.with_values(values) if values else whole)
    if out is not None:
        from ketasim.dose._writing import replacing

        with replacing(out) as part:
            Path(part).write_text(content, encoding="utf-8")
        _show.note(f"Written: {out}")
    elif settings.json:
        _show.emit_json({"model": whole.id, "format": format, "text": content})
    else:
        _show.text(content.rstrip("\n"))
