"""Pages made from the declarations: the command line, the catalogue and the Python packages. Runs before every build of the documentation."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
_ENVIRONMENT = [
    ("`KETASIM_DEBUG=1`", "show tracebacks and all warnings"),
    (
        "`KETASIM_CACHE=FOLDER`",
        "where compiled models are kept; default `~/.cache/ketasim`; refused where others may write to it",
    ),
    ("`KETASIM_QUIET=1`", "do not say that a model is compiled"),
]
_MADE = "<!-- Made by docs/generate.py from the declarations; changes here are lost. -->\n"


#: Packages with a page of their own, in the order in which they are met.
PACKAGES = (
    "simulation", "dose", "population", "results", "report", "library", "model", "solve", "nca", "sensitivity", "exchange", "validate", "fit",
    "evidence", "synthesis", "review",
)  # fmt: skip


def on_config(config: Any) -> Any:
    """Hook of MkDocs: every decision and every package gets its place in the navigation."""
    pages = [f"decisions/{path.name}" for path in sorted((HERE / "decisions").glob("*.md"))]
    python = [{f"ketasim.{name}": f"reference/python/{name}.md"} for name in PACKAGES]
    config["nav"] = [*config["nav"], {"Python": python}, {"Decisions": pages}]
    return config


def on_pre_build(config: Any) -> None:
    """Hook of MkDocs: pages made from the declarations."""
    write_pages(HERE / "reference")


def write_pages(folder: Path) -> None:
    """Write all pages; unchanged ones are left alone, so that a watching server does not turn in circles."""
    python = [(f"python/{name}.md", package_page(name)) for name in PACKAGES]
    for name, content in (("cli.md", command_line_page()), ("catalogue.md", catalogue_page()), *python):
        path, text = folder / name, _MADE + content
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def command_line_page() -> str:
    """Help of every command, as the command prints it."""
    from typer.main import get_command
    from typer.testing import CliRunner

    from ketasim.cli._app import app

    os.environ["COLUMNS"] = "100"
    runner = CliRunner()

    def shown(*words: str) -> str:
        done = runner.invoke(app, [*words, "--help"], prog_name="ketasim", terminal_width=100)
        return f"```text\n{done.output.strip()}\n```\n"

    parts = ["# Command line\n", "Options of the first block may stand before or after the command.\n", shown()]
    verbs: Any = get_command(app)
    for words in verbs.every():
        parts += [f"## ketasim {' '.join(words)}\n", shown(*words)]
    parts += ["## Environment\n", table(("variable", "effect"), _ENVIRONMENT)]
    return "\n".join(parts)


def package_page(name: str) -> str:
    """Public names of a package: functions and classes with their docstrings, constants in a list."""
    package = import_module(f"ketasim.{name}")
    parts, constants = [f"# ketasim.{name}\n", f"{(package.__doc__ or '').strip()}\n"], list[str]()
    for public in sorted(package.__all__, key=str.lower):
        thing = getattr(package, public)
        if not callable(thing) or not getattr(thing, "__qualname__", ""):
            constants.append(public)
            continue
        # Where it is defined is where its docstring is read; where it is public is what the reader imports.
        parts.append(
            f"::: {thing.__module__}.{thing.__qualname__}\n    options:\n      heading: {public}\n      toc_label: {public}\n"
        )
    if constants:
        parts.append(f"## Constants\n\n{', '.join(f'`{c}`' for c in constants)}\n")
    return "\n".join(parts)


def catalogue_page() -> str:
    """Every entry of the library with its numbers, and what is missing."""
    from ketasim.library import KINDS, comedications, entries, load, not_simulable, wholes
    from ketasim.population import population, populations

    parts = [
        "# Catalogue\n",
        "`provisional` entries still wait for an independent second entry of their numbers or for agreement with a published checkpoint.\n",
    ]
    titles = {"pk": "Pharmacokinetic models", "generic": "Generic models", "mechanism": "Mechanisms"}
    for kind in KINDS:
        found = entries(kind)
        if found:
            rows = [
                (f"[{e.id}](#{e.kind}-{e.id.lower()})", e.title, ", ".join(e.routes), ", ".join(e.analytes), e.sampling, e.status)
                for e in found
            ]
            parts += [f"## {titles[kind]}\n", table(("entry", "what", "routes", "analytes", "site", "status"), rows)]
    parts += [
        "## Cascades\n",
        "An exposure and the mechanisms that follow it, under one name: [mechanisms](../explanation/mechanisms.md).\n",
        table(("entry", "what", "parts", "status"), [(f"`{w.name}`", w.title, ", ".join(w.parts), w.status) for w in wholes()]),
    ]
    parts += ["## Populations\n"]
    people = [population(name) for name in populations()]
    parts += [
        table(("entry", "what", "covariates", "status"), [(f"`{p.id}`", p.title, ", ".join(p.blocks), p.status) for p in people])
    ]
    parts += ["## Co-medications\n"]
    drugs = [
        (f"`{c.id}`", c.mechanism, ", ".join(f"{k} x {v.value:g}" for k, v in c.multipliers.items()) or "no number yet", c.status)
        for c in comedications()
    ]
    parts += [table(("entry", "mechanism", "factors", "status"), drugs)]
    gaps = [(f"`{g.id}`", g.title, g.reason, g.instead) for g in not_simulable()]
    if gaps:
        parts += ["## Published models that cannot be run\n", table(("model", "what", "why", "instead"), gaps)]
    parts += ["## Numbers\n"]
    for kind in KINDS:
        for entry in entries(kind):
            parts += [_entry(load(entry.name), entry)]
    return "\n".join(parts)


def _entry(part: Any, entry: Any) -> str:
    from ketasim.sources import bibliography, format_citation

    known = bibliography()
    numbers = [
        (f"`{name}`", f"{n.value:.6g}", n.unit, part.mechanism.params[name].meaning, n.kind, n.source, n.at)
        for name, n in part.numbers.items()
        if name in part.mechanism.params
    ]
    cited = [f"- `{key}`: {format_citation(key)}" for key in entry.sources if key in known]
    head = f'<h3 id="{entry.kind}-{entry.id.lower()}">{part.cite}</h3>\n\n{_plain(entry.title)}\n'
    return "\n".join([head, table(("name", "value", "unit", "meaning", "kind", "source", "place"), numbers), *cited, ""])


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(_plain(value) for value in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ").replace("*", "\\*")


if __name__ == "__main__":
    write_pages(HERE / "reference")
