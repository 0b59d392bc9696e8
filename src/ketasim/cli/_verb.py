"""What every verb has in common: the global options, packs, and errors as one message."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Annotated, Any, get_type_hints

import typer

from ketasim.cli._errors import guarded
from ketasim.cli._settings import settings

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, notes or notice; warnings stay.")]
Packs = Annotated[
    list[str] | None,
    typer.Option(
        "--pack", metavar="DIR", help="Folder of own models beside ketasim's. Its Python files are run: trust its author."
    ),
]
DataPacks = Annotated[list[str] | None, typer.Option("--pack-data", metavar="DIR", help="The same without its Python files.")]
_COMMON = {"json_": (Json, False), "quiet": (Quiet, False), "pack": (Packs, None), "pack_data": (DataPacks, None)}


def verb(function: Callable[..., None]) -> Callable[..., None]:
    """A command with the global options added, so that they may stand after the verb as well as before it."""
    hints = get_type_hints(function, include_extras=True)
    signature = inspect.signature(function)

    @functools.wraps(function)
    def command(
        *args: Any,
        context: typer.Context,
        json_: bool = False,
        quiet: bool = False,
        pack: list[str] | None = None,
        pack_data: list[str] | None = None,
        **options: Any,
    ) -> None:
        sources = {name: context.get_parameter_source(name) for name in options}
        settings.add(json=json_, quiet=quiet, packs=pack, data_packs=pack_data)
        settings.typed = {name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"}
        with guarded(), quietly():
            use_packs()
            function(*args, **options)

    keyword = inspect.Parameter.KEYWORD_ONLY
    own = [p.replace(annotation=hints[p.name]) for p in signature.parameters.values()]
    added = [inspect.Parameter("context", keyword, annotation=typer.Context)]
    added += [inspect.Parameter(name, keyword, annotation=kind, default=value) for name, (kind, value) in _COMMON.items()]
    command.__signature__ = signature.replace(parameters=[*own, *added], return_annotation=None)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in (*own, *added)}
    return command


@contextmanager
def quietly() -> Generator[None]:
    """Let the engine know of ``--quiet``; it prints nothing else than that it compiles."""
    before = os.environ.get("KETASIM_QUIET")
    if settings.quiet:
        os.environ["KETASIM_QUIET"] = "1"
    try:
        yield
    finally:
        if settings.quiet:
            os.environ.pop("KETASIM_QUIET") if before is None else os.environ.update(KETASIM_QUIET=before)


def use_packs() -> None:
    """Make the entries of ``--pack`` and ``--pack-data`` folders available."""
    if settings.packs or settings.data_packs:
        from ketasim.library import add_pack

        for folder in settings.packs:
            add_pack(folder)
        for folder in settings.data_packs:
            add_pack(folder, code=False)
