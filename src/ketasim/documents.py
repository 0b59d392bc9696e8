"""Texts of TOML, YAML and JSON and files of arrays that users give: bounded before they are read, every failure one `ValueError` in words."""

from __future__ import annotations

import json
import math
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: An escape that may be half of a pair.
_SURROGATE = re.compile(r"\\[uU](?:0000)?[dD][89a-fA-F]")

__all__ = ["arrays", "document", "file_text", "is_number"]

#: Most bytes of a file that are read. What people write by hand is far below; a record of a registry is 10 MB at most.
_MOST = {"toml": 5_000_000, "yaml": 1_000_000, "json": 50_000_000, "text": 1_000_000}


def file_text(path: Path, kind: str) -> str:
    """Text of a file of UTF-8, with or without a byte order mark. kind : ``toml``, ``yaml``, ``json`` or ``text``.

    Raises
    ------
    ValueError: too large to be meant, or no UTF-8. OSError: it cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(_MOST[kind] + 1)
    if len(data) > _MOST[kind]:
        raise ValueError(f"above {_MOST[kind] // 1_000_000} MB, the most that is read of such a file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8, byte {error.start}") from None


def document(text: str, kind: str) -> Any:
    """What a text holds. kind : ``toml``, ``yaml`` or ``json``.

    Raises
    ------
    ValueError: it is not of that kind, is nested beyond what is read, or holds a number of thousands of digits.
    """
    if len(text) > _MOST[kind]:
        raise ValueError(f"above {_MOST[kind] // 1_000_000} MB, the most that is read of such a text")
    try:
        found = _loaded(text, kind)
        if _SURROGATE.search(text):
            json.dumps(found, ensure_ascii=False, default=str).encode()
        return found
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}: {error.msg}") from None
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair (\\ud800 to \\udfff), which is no character") from None
    except (ValueError, TypeError, AttributeError, KeyError) as error:  # libraries fail in these ways on some texts
        raise ValueError(" ".join(str(error).split())[:300]) from None


def _loaded(text: str, kind: str) -> Any:
    if kind == "toml":
        return tomllib.loads(text)
    if kind == "json":
        return json.loads(text)
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Arrays of an ``.npz`` file by name; nothing in it is run.

    Raises
    ------
    ValueError: it is none, or damaged. OSError: it cannot be read.
    """
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as stored:
            return {str(name): stored[name] for name in stored}
    except OSError as error:
        if error.errno is not None:
            raise
    except Exception:  # zipfile, zlib and NumPy fail in a dozen ways on damaged bytes
        pass
    raise ValueError("no file of arrays, or a damaged one")


def is_number(value: object) -> bool:
    """Whether a value of a document is a finite number; yes and no are none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:  # a whole number of 400 digits
        return False
