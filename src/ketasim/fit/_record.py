"""How the outcome of a calibration is written down: numbers into entries, and what they rest on beside them."""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ketasim.errors import SolverFailure


def short(x: float) -> float:
    """Four significant digits."""
    return float(f"{x:.4g}")


def digest(data: bytes) -> str:
    """Hash that shows later whether something changed."""
    return hashlib.sha256(data).hexdigest()


def versions() -> dict[str, str]:
    """Versions of what computed."""
    out = {"python": platform.python_version()}
    for package in ("ketasim", "scipy", "numpy"):
        try:
            out[package] = version(package)
        except PackageNotFoundError:
            out[package] = "not installed"
    return out


def with_numbers(text: str, section: str, numbers: Mapping[str, float], path: Path) -> str:
    """The file text with some numbers of one section replaced; every other character stays.

    Parameters
    ----------
    numbers : key -> number; ``prior.se`` is the key ``se`` of the inline table ``prior``.
    """
    pattern = re.compile(rf"(^\[{re.escape(section)}\]\n(?:(?!\[).*\n)*)", re.MULTILINE)
    found = pattern.search(text)
    if not found:
        raise SolverFailure(f"{path.name}: no section [{section}] to write the calibrated value into.")
    body = found[1]
    for name, number in numbers.items():
        inline, _, key = name.rpartition(".")
        before = rf"^({inline} = \{{.*\b{key} = )" if inline else rf"^({key} = )"
        digits = 4 if key == "value" else 3
        body = re.sub(before + r"[-+.\de]+", rf"\g<1>{number:.{digits}g}", body, flags=re.MULTILINE)
    return text[: found.start()] + body + text[found.end() :]
