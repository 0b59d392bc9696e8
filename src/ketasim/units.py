"""Units at the border: strings become factors here, once; inside the core only plain numbers in declared units move.

Internal system: h, umol, L, umol/L (and mg, kg for masses of unspecified substance). Pint stays out of every hot path: what
it once said of a unit is kept, because importing it takes a noticeable part of a second.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ketasim.cache import Remembered, cache_directory
from ketasim.errors import UnitMismatch
from ketasim.writing import discard

if TYPE_CHECKING:
    import pint

# The notation of our tables, normalised to Pint's: 'L/h/70kg' is a clearance standardised to 70 kg, not a quotient by mass.
_PER_70KG = re.compile(r"/\s*70\s*kg\b")
#: Letters of a unit at most, and what no unit holds: a power of a power, or one of more than two digits.
_LONGEST, _TOWER = 80, re.compile(r"(?:\*\*|\^)\s*\(?\s*[-+]?(?:\d{3,}|[\d.]+\s*\)?\s*(?:\*\*|\^))")
_ALIASES = {"fraction": "1", "ratio": "1", "": "1", "dimensionless": "1", "percent": "percent", "%": "percent"}


@lru_cache(maxsize=1)
def registry() -> pint.UnitRegistry:
    """The one Pint registry; built on first use because building takes a noticeable part of a second."""
    # Parsing Pint's definitions takes most of that time; Pint keeps the outcome and notices when its files change.
    folder = cache_directory() / "pint"
    try:
        ureg = _registry(folder)
    except Exception:  # Pint believes what lies there, whole or not, and passes on whatever unpickling raises
        discard(folder)
        try:
            ureg = _registry(folder)
        except OSError:  # no room
            ureg = _registry(None)
    ureg.define("mmHg = millimeter_Hg")
    ureg.define("point = []")
    return ureg


def _is_plain(text: str) -> bool:
    """Whether a text can be a unit; Pint evaluates what it is given, towers of powers included."""
    if len(text) > _LONGEST or _TOWER.search(text) or text.count("(") != text.count(")"):
        return False
    return (
        bool(re.search(r"[^\W\d_]|[1%°]", text)) and not text.startswith(("*", "/", ")")) and not text.endswith(tuple("*/^(-+"))
    )


def _registry(kept_in: Path | None) -> pint.UnitRegistry:
    import pint

    return pint.UnitRegistry(case_sensitive=True, cache_folder=kept_in)


@lru_cache(maxsize=1)
def _memory() -> Remembered:
    """Answers of Pint, of this version of Pint and of this file; texts it refuses are not among them."""
    from hashlib import sha256
    from importlib.metadata import version

    key = sha256(version("pint").encode() + Path(__file__).read_bytes()).hexdigest()[:20]
    return Remembered(cache_directory() / f"units_{key}.json")


@lru_cache(maxsize=4096)
def parse_unit(unit: str) -> pint.Unit:
    """Pint unit of a unit string; raises `UnitMismatch` when the text is no unit."""
    import pint

    text = _PER_70KG.sub("", unit.strip())
    text = _ALIASES.get(text, text)
    if not _is_plain(text):
        raise UnitMismatch(
            f"'{unit[:80]}' is not a unit ketasim knows: names, numbers, '*', '/' and powers such as '**2' only. "
            "Write e.g. 'mg', 'L/h', 'umol/L', '1/h', '1'."
        )
    known = registry()
    try:
        return known.parse_units(text if text != "1" else "dimensionless")
    except Exception as error:  # Pint reads a text as Python would, and fails in as many ways
        said = f" ({error})" if isinstance(error, (pint.errors.PintError, ValueError)) and str(error) else ""
        raise UnitMismatch(f"'{unit}' is not a unit ketasim knows{said}. Write e.g. 'mg', 'L/h', 'umol/L', '1/h', '1'.") from None


@lru_cache(maxsize=4096)
def dimension(unit: str) -> tuple[tuple[str, float], ...]:
    """Dimensions of a unit as sorted (name, exponent) pairs; amount of substance, mass and count stay distinct."""
    known = _memory().get(unit)
    if not _is_dimension(known):
        dims = parse_unit(unit).dimensionality
        known = sorted((str(name).strip("[]"), float(str(power))) for name, power in dims.items())
        _memory().keep(unit, known)
    return tuple((str(name), float(power)) for name, power in known)


def _is_dimension(known: Any) -> bool:
    pairs = isinstance(known, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in known)
    return pairs and all(isinstance(name, str) and isinstance(power, float) for name, power in known)


@lru_cache(maxsize=4096)
def factor(unit_from: str, unit_to: str, where: str = "") -> float:
    """Factor f with ``value[unit_to] = f * value[unit_from]``; raises `UnitMismatch` when the dimensions differ."""
    if unit_from == unit_to:
        return 1.0
    if dimension(unit_from) != dimension(unit_to):
        place = f"{where}: " if where else ""
        raise UnitMismatch(
            f"{place}unit '{unit_from}' is {describe_dimension(unit_from)}; needed is {describe_dimension(unit_to)}, e.g. '{unit_to}'."
        )
    key = f"{unit_from} -> {unit_to}"
    magnitude: Any = _memory().get(key)
    if not isinstance(magnitude, float):
        magnitude = registry().Quantity(1.0, parse_unit(unit_from)).to(parse_unit(unit_to)).magnitude
        _memory().keep(key, float(magnitude))
    return float(magnitude)


def describe_dimension(unit: str) -> str:
    """Dimensions in words: ``volume/time`` for 'L/h'."""
    dims = dict(dimension(unit))
    words, below = list[str](), ""
    if dims.get("length") == 3.0:
        words.append("volume")
        dims.pop("length")
    elif dims.get("length") == -3.0:
        below = "/volume"
        dims.pop("length")
    names = {"substance": "amount"}
    words += [names.get(d, d) + ("" if p == 1 else f"^{p:g}") for d, p in dims.items() if p > 0]
    below += "".join("/" + names.get(d, d) + ("" if p == -1 else f"^{-p:g}") for d, p in dims.items() if p < 0)
    return ("*".join(words) or ("1" if below else "a pure number")) + below
