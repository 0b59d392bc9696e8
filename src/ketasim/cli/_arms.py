"""``--arm``: what differs in single arms of a comparison, beside the regimen."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from ketasim.cli import _values
from ketasim.errors import InvalidOption, close_names

#: Arguments of `simulate` that may stand several times in one arm.
_LISTS = ("policies", "comedication")
#: Options of the command line that are called otherwise in `simulate`.
_ALSO = {"policy": "policies", "with": "comedication", "pk": "model", "patients": "n"}


def own_options(texts: Sequence[str] | None, arms: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What differs in single arms: ``LABEL: name=value, ...`` each.

    A name is that of an argument of `simulate` or its option, a covariate (``AGE=80``), or a parameter (``CLint=100``, ``CLint*1.2``).
    shared : arguments of all arms; covariates and parameters of an arm are added to theirs.
    """
    from ketasim.simulation import Scenario

    found: dict[str, dict[str, Any]] = {label: {"dosing": regimen} for label, regimen in arms.items()}
    numbers: dict[str, list[str]] = {}
    for text in texts or ():
        label, colon, rest = (piece.strip() for piece in text.partition(":"))
        if not colon or label not in found:
            raise InvalidOption(f"--arm '{text}': write LABEL: name=value; labels are {', '.join(found)}.")
        for pair in rest.split(","):
            _take(text, pair.strip(), found[label], numbers.setdefault(label, []))
    for label, own in found.items():
        if "covariates" in own:
            own["covariates"] = {**(shared.get("covariates") or {}), **own["covariates"]}
        if pairs := numbers.get(label):
            own["parameters"] = _parameters(label, pairs, {**shared, **own})
    Scenario(found)  # a wrong value is refused here
    return found


def _take(text: str, pair: str, own: dict[str, Any], numbers: list[str]) -> None:
    """Put one pair of an arm where it belongs; parameters wait until the model of the arm is known."""
    from ketasim.population import COVARIATES
    from ketasim.simulation import simulate

    sign = "=" if "=" in pair else "*"
    name, there, value = (piece.strip() for piece in pair.partition(sign))
    if not (name and there and value):
        raise InvalidOption(
            f"--arm '{text}': '{pair}' is no name=value, e.g. population=elderly, AGE=80, policy=step_up or CLint*1.2."
        )
    name = _ALSO.get(name, name)
    given = _values.number_or_word(value)
    if sign == "=" and name in _LISTS:
        own.setdefault(name, []).append(given)
    elif sign == "=" and name in inspect.signature(simulate).parameters:
        own[name] = int(given) if isinstance(given, float) and given.is_integer() and name in ("n", "seed") else given
    elif sign == "=" and name in COVARIATES:
        own.setdefault("covariates", {})[name] = given
    else:
        numbers.append(pair)


def _parameters(label: str, pairs: Sequence[str], options: Mapping[str, Any]) -> dict[str, float]:
    """Parameters of an arm beside those of all; a name that is nothing is refused with what it may be."""
    from ketasim.population import COVARIATES
    from ketasim.simulation import simulate

    whole = _values.whole_model(options["model"], options.get("disorder"))
    for pair in pairs:
        name = pair.partition("=" if "=" in pair else "*")[0].strip()
        if name not in whole.numbers:
            known = [*inspect.signature(simulate).parameters, *COVARIATES, *whole.numbers]
            raise InvalidOption(
                f"--arm '{label}: {pair}': '{name}' is no option of simulate, no covariate and no parameter of {whole.id}.{close_names(name, known)}"
            )
    return _values.parameter_values(pairs, None, options["model"], options.get("disorder"), options.get("parameters"))
