"""``ketasim doctor``: is this installation in order?"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from typing import Any

import typer

from ketasim.cli import _show
from ketasim.cli._settings import settings
from ketasim.cli._verb import verb

_PACKAGES = ("numpy", "scipy", "numba", "jax", "sympy", "pandas", "xarray", "zarr", "pyarrow", "pint", "matplotlib", "typer")


@verb
def doctor() -> None:
    """Check the installation: packages, library, compiler and its cache, a first simulation."""
    rows = [_check(name, look) for name, look in _CHECKS.items()]
    if settings.json:
        _show.emit_json(rows)
    else:
        _show.table(("check", "ok", "seconds", "found"), [list(row.values()) for row in rows], numbers_from=4)
    if not all(row["ok"] for row in rows):
        raise typer.Exit(1)


def _check(name: str, look: Callable[[], str]) -> dict[str, Any]:
    begin = time.perf_counter()
    try:
        ok, found = True, look()
    except Exception as error:  # a doctor names every ailment and goes on
        ok, found = False, f"{type(error).__name__}: {error}"
    return {"check": name, "ok": ok, "seconds": round(time.perf_counter() - begin, 2), "found": found}


def _machine() -> str:
    import os

    from ketasim import __version__

    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"
    return f"ketasim {__version__}, Python {platform.python_version()}, {machine}"


def _packages() -> str:
    from importlib.metadata import version

    return ", ".join(f"{name} {version(name)}" for name in _PACKAGES)


def _library() -> str:
    from ketasim.library import KINDS, entries
    from ketasim.population import population, populations

    counts = ", ".join(f"{len(entries(kind))} {kind}" for kind in KINDS)
    return f"{counts}, {len([population(name) for name in populations()])} populations; every entry loads"


def _simulation() -> str:
    import ketasim

    result = ketasim.simulate("generic/two_cmt", "100 mg into CENT", n=1, until=24.0)
    return f"{result.attrs['model']}: {result['subject']['status'].size} patient, status {int(result['subject']['status'][0])}"


def _reference() -> str:
    import ketasim

    result = ketasim.simulate(dosing="esketamine nasal 56 mg", n=8, seed=1)
    failed = int((result["subject"]["status"].to_numpy() != 0).sum())
    return f"{result.attrs['model']}: 8 patients, {failed} failed"


def _gradients() -> str:
    import jax

    return f"jax on {', '.join(sorted({d.platform for d in jax.devices()}))}"


_CHECKS: dict[str, Callable[[], str]] = {
    "machine": _machine,
    "packages": _packages,
    "library": _library,
    "gradients": _gradients,
    "simulation": _simulation,
    "reference model": _reference,
}
