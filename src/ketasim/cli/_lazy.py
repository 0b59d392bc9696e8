"""Verbs loaded when they are called: the help of the whole, completion and a wrong name import none of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from ketasim.cli._errors import stop


class Unloaded(TyperCommand):
    """What is known of a verb before its module is imported: its name, a line of help and where it stands."""

    def __init__(self, name: str, target: str, short_help: str) -> None:
        super().__init__(name, short_help=short_help, rich_markup_mode=None)
        self.target = target

    def loaded(self) -> TyperCommand | TyperGroup:
        """The verb itself; ``module:name`` names a function or a `typer.Typer` with verbs of its own."""
        module, _, attribute = self.target.partition(":")
        found: Any = getattr(import_module(module), attribute)
        # A callback makes Typer build a group also around a single command.
        around = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False, callback=_nothing)
        if isinstance(found, typer.Typer):
            around.add_typer(found, name=self.name, short_help=self.short_help)
        else:
            around.command(self.name, short_help=self.short_help)(found)
        group: Any = get_command(around)
        return _each_once(group.commands[self.name])


class LazyGroup(TyperGroup):
    """A group whose verbs stand in `verbs`: name -> (``module:name``, line of help)."""

    verbs: Mapping[str, tuple[str, str]] = {}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name, (target, short_help) in self.verbs.items():
            self.add_command(Unloaded(name, target, short_help))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The verb named by the first word, loaded; a name that is no verb is refused without loading any."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, self.loaded(name) if name and command else command, rest

    def loaded(self, name: str) -> TyperCommand | TyperGroup:
        """One verb, loaded."""
        command: Any = self.commands[name]
        if isinstance(command, Unloaded):
            self.commands[name] = command = command.loaded()
        return command

    def every(self) -> Iterator[tuple[str, ...]]:
        """Names of all verbs, all loaded; those of a verb with verbs of its own as (verb, subordinate verb)."""
        for name in list(self.commands):
            command = self.loaded(name)
            if isinstance(command, TyperGroup):
                yield from ((name, below) for below in command.commands)
            else:
                yield (name,)


def _each_once(command: TyperCommand | TyperGroup) -> TyperCommand | TyperGroup:
    """The command, which refuses an option that holds one value and is given twice (Click would silently take the last)."""
    if isinstance(command, TyperGroup):
        for below in command.commands.values():
            _each_once(below)  # type: ignore[arg-type]
        return command
    parse: Any = command.parse_args

    def parse_args(ctx: Any, args: list[str]) -> list[str]:
        _, _, order = command.make_parser(ctx).parse_args(list(args))
        for param, times in Counter(param for param in order if _holds_one(param)).items():
            if times > 1 and not ctx.resilient_parsing:
                name = "/".join([*param.opts, *param.secondary_opts])
                stop(f"{name} is given {times} times, but holds one value. Give it once.", 2)
        return parse(ctx, args)

    command.parse_args = parse_args
    return command


def _holds_one(param: Any) -> bool:
    """Whether a second one contradicts the first: values, and switches with an off; a plain flag says the same twice."""
    return (
        param.param_type_name == "option"
        and not param.multiple
        and not param.count
        and bool(not param.is_flag or param.secondary_opts)
    )


def _nothing() -> None:
    pass
