"""Imports point one way only. Read from the source with `ast`, so that imports inside functions count too."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "ketasim"

_BASE = {"arguments", "csvtext", "documents", "units", "errors", "sources", "cache", "writing"}
_MODEL = _BASE | {"model"}
_INPUT = _MODEL | {"dose", "population"}
_CORE = _INPUT | {"solve", "results", "nca"}
_SIMULATION = _CORE | {"clinical", "library", "simulation"}
_FIT = _SIMULATION | {"evidence", "fit"}
_VALIDATE = _FIT | {"validate"}

#: Package -> packages it may import. A package may always import itself.
ALLOWED = {
    "errors": set[str](),
    "arguments": {"errors"},
    "csvtext": {"errors"},
    "documents": set[str](),
    "writing": {"errors"},
    "cache": {"errors", "writing"},
    "units": {"arguments", "errors", "cache", "writing"},
    "sources": {"arguments", "errors"},
    "model": _BASE,
    "clinical": _INPUT,
    "library": _MODEL | {"clinical", "dose"},
    "evidence": _BASE,
    "dose": _MODEL,
    "population": _MODEL,
    "exchange": _INPUT,
    "solve": _INPUT,
    "results": _INPUT | {"solve", "clinical"},
    "nca": _BASE | {"results"},
    "simulation": _CORE | {"clinical", "library"},
    "fit": _SIMULATION | {"evidence"},
    "validate": _FIT,
    "sensitivity": _FIT - {"evidence"},
    "synthesis": _BASE | {"evidence"},
    "report": _VALIDATE | {"synthesis", "sensitivity"},
    "review": _VALIDATE | {"synthesis", "report"},
    "cli": _VALIDATE | {"sensitivity", "synthesis", "report", "review", "exchange"},
}
#: What content and the engine may never touch, whoever exports it.
FORBIDDEN = {
    "library": {"jax", "numba", "diffrax"},
    "solve": {"typer", "rich", "matplotlib"},
    "model": {"numba", "xarray", "pandas"},
}


def _package(path: Path) -> str:
    inside = path.relative_to(PACKAGE)
    return inside.parts[0].removesuffix(".py")


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted module) of every import; names imported from ``ketasim`` itself count as modules."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import; write the full name"
            if node.module == "ketasim":
                yield from ((node.lineno, f"ketasim.{alias.name}") for alias in node.names)
            elif node.module:
                yield node.lineno, node.module


def _files() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def test_every_package_has_a_layer() -> None:
    assert {_package(p) for p in _files()} <= set(ALLOWED)


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_imports_point_left(package: str) -> None:
    wrong = []
    for path in (p for p in _files() if _package(p) == package):
        for line, module in _imports(path):
            root, *rest = module.split(".")
            if root in FORBIDDEN.get(package, set()):
                wrong.append(f"{path.relative_to(PACKAGE)}:{line} imports {module}, which {package} must not know")
            if root == "ketasim" and rest and rest[0] not in ALLOWED[package] | {package, "__version__"} and rest[0] in ALLOWED:
                wrong.append(f"{path.relative_to(PACKAGE)}:{line} imports {module}: {rest[0]} stands right of {package}")
    assert not wrong, "\n".join(wrong)


def test_nothing_imports_the_command_line() -> None:
    for path in (p for p in _files() if _package(p) != "cli"):
        assert not [m for _, m in _imports(path) if m == "ketasim.cli" or m.startswith("ketasim.cli.")], path


def test_the_order_has_no_circle() -> None:
    """Each package only sees packages that do not see it."""
    for package, allowed in ALLOWED.items():
        for other in allowed:
            assert package not in ALLOWED[other], f"{package} and {other} may import each other"
