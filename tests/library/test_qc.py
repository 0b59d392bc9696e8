"""Second entries: the numbers that another reader typed from the evidence, without seeing the first, must be equal."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from ketasim import library
from ketasim.model import Number
from ketasim.units import factor

QC = Path(library.__file__).parent / "qc" / "pk"
#: Both entries type the same decimal number; what is left is rounding of unit conversion.
RTOL = 1e-12

SECOND = {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted(QC.glob("*.toml"))}
NUMBERS = [(entry, name) for entry, table in SECOND.items() for name in table if name != "covariance"]


@pytest.mark.parametrize(("entry", "name"), NUMBERS)
def test_second_entry_agrees(entry: str, name: str) -> None:
    number, second = library.pk(entry).numbers[name], SECOND[entry][name]
    scale = _scale(second["unit"], number.unit)
    assert number.value == pytest.approx(second["value"] * scale, rel=second.get("tolerance", RTOL))
    assert _variance(number.iiv) == pytest.approx(_second_variance(second), rel=RTOL)
    assert _variance(number.iov) == pytest.approx(second.get("nu2", 0.0), rel=RTOL)
    se = second.get("se", second["value"] * second.get("rse_percent", 0.0) / 100.0) * scale
    assert number.se == pytest.approx(se, rel=RTOL)
    assert _effects(number, second) == pytest.approx(_second_effects(second), rel=RTOL)


@pytest.mark.parametrize("entry", SECOND)
def test_second_entry_is_complete(entry: str) -> None:
    """Each number of the entry's own file stands in the second entry and the other way round."""
    path = Path(library.pk(entry).info["path"])
    first = set(tomllib.loads(path.read_text(encoding="utf-8"))["param"])
    assert first == set(SECOND[entry]) - {"covariance"}


@pytest.mark.parametrize("entry", SECOND)
def test_second_entry_has_the_same_covariances(entry: str) -> None:
    first = {"-".join(pair): value for pair, value in library.pk(entry).correlations.items()}
    assert first == pytest.approx(SECOND[entry].get("covariance", {}), rel=1e-10)  # typed with eleven digits


@pytest.mark.parametrize("entry", SECOND)
def test_second_entry_is_another_file_and_no_copy(entry: str) -> None:
    first, second = Path(library.pk(entry).info["path"]), QC / f"{entry}.toml"
    assert first.resolve() != second.resolve()
    assert not re.search(r"same_as|\[param\.", second.read_text(encoding="utf-8"))


def _scale(printed: str, unit: str) -> float:
    """Factor from the printed unit, at 70 kg where it is per kg."""
    absolute, power = _per_kg(printed)
    return factor(absolute, unit) * 70.0**power


def _per_kg(printed: str) -> tuple[str, float]:
    """Unit without body weight, and the power of weight that was printed."""
    found = re.search(r"/kg(?:\^([\d.]+))?", printed)
    return (printed.replace(found[0], ""), float(found[1] or 1.0)) if found else (printed, 0.0)


def _variance(variability: Any) -> float:
    return variability.omega2 if variability else 0.0


def _second_variance(second: dict[str, Any]) -> float:
    if "cv_percent" in second:
        return library.log_variance(second["cv_percent"])
    return second.get("omega2", second.get("sd_logit", 0.0) ** 2)


def _effects(number: Number, second: dict[str, Any]) -> dict[str, float]:
    """Those of the first entry, but for what it marks assumed and the second reader left out: no source has a number."""
    found = {}
    for effect in number.covariates:
        if effect.kind == "assumed" and effect.form == "power" and "exponent" not in second:
            continue
        found |= {"exponent": effect.coefficient} if effect.form == "power" else {}
        found |= {"per_year_above_60": effect.coefficient} if effect.form == "additive_above" else {}
        found |= dict(effect.levels)
    return found


def _second_effects(second: dict[str, Any]) -> dict[str, float]:
    found = {key: second[key] for key in ("exponent", "per_year_above_60") if key in second}
    power = _per_kg(second["unit"])[1]
    return found | ({"exponent": power} if power else {}) | second.get("factor", {})
