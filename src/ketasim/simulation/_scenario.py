"""A scenario: everything a run depends on, as plain data that can be written, read, hashed and repeated."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ketasim.arguments import checked
from ketasim.documents import document, file_text
from ketasim.dose import Dose, Regimen
from ketasim.errors import InvalidOption, close_names
from ketasim.model import Model, Part
from ketasim.writing import replacing

if TYPE_CHECKING:
    from ketasim.results import Comparison

FORMAT = "ketasim/1"
#: Arguments of `simulate` that say how a run is done, not what it is.
_HOW = ("cohort", "progress", "checkpoint", "command", "threads", "chunk")
_ENDINGS = (".toml", ".json")


@dataclass(frozen=True)
class Scenario:
    """Arms, and what they share, in the words of `simulate`.

    Attributes
    ----------
    arms : label -> arguments of `simulate` that hold for this arm alone, ``dosing`` among them. shared : arguments of all arms.

    Examples
    --------
    >>> one = Scenario({"nasal": {"dosing": "esketamine nasal 56 mg"}}, {"n": 20, "seed": 3})
    >>> Scenario.from_text(one.to_text(".toml"), ".toml") == one
    True
    >>> len(one.fingerprint)
    64
    """

    arms: Mapping[str, Mapping[str, Any]]
    shared: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        if not self.arms:
            raise InvalidOption("a scenario needs an arm, e.g. [arm.nasal] with dosing = 'esketamine nasal 56 mg'.")
        object.__setattr__(self, "arms", {str(label): _plain(options, f"arm '{label}'") for label, options in self.arms.items()})
        object.__setattr__(self, "shared", _plain(self.shared, "the scenario"))
        for label, options in self.arms.items():
            for name in ("n", "draws", "replicates"):
                if not isinstance((dict(self.shared) | dict(options)).get(name, 1), int):
                    raise InvalidOption(
                        f"arm '{label}', {name} = {(dict(self.shared) | dict(options))[name]!r}: give a whole number."
                    )
            if not (options | self.shared).get("dosing"):
                raise InvalidOption(f"arm '{label}' says no dosing, e.g. dosing = 'esketamine nasal 56 mg'.")

    @property
    def fingerprint(self) -> str:
        """Hash of everything the scenario says: two of one hash are one run."""
        return hashlib.sha256(json.dumps(self._data(), sort_keys=True).encode()).hexdigest()

    def _data(self) -> dict[str, Any]:
        return {"format": FORMAT, **dict(self.shared), "arm": {label: dict(options) for label, options in self.arms.items()}}

    def to_text(self, ending: str = ".toml") -> str:
        """The scenario as TOML or JSON."""
        _check_ending(ending, "a scenario")
        return json.dumps(self._data(), indent=1, ensure_ascii=False) + "\n" if ending == ".json" else _toml(self._data())

    @classmethod
    def from_text(cls, text: str, ending: str = ".toml", name: str = "the scenario") -> Scenario:
        """A scenario from TOML or JSON.

        Raises
        ------
        InvalidOption: it cannot be read, is of another format, or says something `simulate` does not know.
        """
        _check_ending(ending, name)
        try:
            data = document(text, ending[1:])
        except ValueError as error:
            raise InvalidOption(f"{name}: cannot be read as {ending[1:].upper()} ({error}).") from None
        if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
            raise InvalidOption(f'{name}: is no scenario; its first line is format = "{FORMAT}".')
        arms = data.pop("arm", None)
        if not isinstance(arms, dict) or not all(isinstance(options, dict) for options in arms.values()):
            raise InvalidOption(f"{name}: needs arms, e.g. [arm.nasal] with dosing = 'esketamine nasal 56 mg'.")
        return cls(arms, data)

    @classmethod
    def from_file(cls, path: str | Path) -> Scenario:
        """A scenario from a .toml or .json file; raises as `from_text`."""
        path = Path(path)
        _check_ending(path.suffix.lower(), str(path))
        try:
            text = file_text(path, path.suffix.lower()[1:])
        except (OSError, ValueError) as error:
            raise InvalidOption(f"{path}: cannot be read ({error}).") from None
        return cls.from_text(text, path.suffix.lower(), str(path))

    def to_file(self, path: str | Path) -> Path:
        """Write it, whole or not at all, by the ending of the name."""
        path = Path(path)
        _check_ending(path.suffix.lower(), str(path))
        with replacing(path) as draft:
            draft.write_text(self.to_text(path.suffix.lower()), encoding="utf-8")
        return path


@checked
def run(
    scenario: Scenario | str | Path,
    people: tuple[int, int] | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
    threads: int | None = None,
    command: str | None = None,
) -> Comparison:
    """Run a scenario: every arm, in the same people unless the arms say otherwise.

    Parameters
    ----------
    scenario : one, or the file of one. people : the first and the number after the last to run, for shares of a large run; their
        results are those of the whole run.

    Returns
    -------
    label -> result
    """
    from ketasim.simulation._cohort import compare

    if not isinstance(scenario, (Scenario, str, Path)):
        raise InvalidOption(f"run: scenario is of type {type(scenario).__name__}: give a Scenario, or the file of one.")
    given = scenario if isinstance(scenario, Scenario) else Scenario.from_file(scenario)
    arms = {label: dict(options) for label, options in given.arms.items()}
    if people is not None:
        arms = {label: _share(dict(given.shared) | options, people) for label, options in arms.items()}
    shared = {name: value for name, value in given.shared.items() if people is None or name not in ("n", "population")}
    results = compare(arms, **shared, progress=progress, threads=threads, command=command)
    for result in results.values():
        result.attrs["scenario"] = given.fingerprint
    return results


def _share(options: dict[str, Any], people: tuple[int, int]) -> dict[str, Any]:
    """Options of an arm with some of its people."""
    from ketasim.population import population
    from ketasim.simulation._cohort import DEFAULT_POPULATION

    first, stop = people
    n, name = int(options.pop("n", 1)), options.pop("population", None) or DEFAULT_POPULATION
    if not 0 <= first < stop <= n or n < 2:
        raise InvalidOption(f"people = ({first}, {stop}): the arm has {n} people; give a first and a last within them.")
    options["cohort"] = population(name).sample(stop - first, int(options.get("seed", 1)), start=first)
    return options


def _plain(options: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Arguments as plain data; None and empty ones left out.

    Raises
    ------
    InvalidOption: one that `simulate` does not have, that says how and not what, or that is no plain data.
    """
    from ketasim.simulation._cohort import simulate

    known = [name for name in inspect.signature(simulate).parameters if name not in _HOW]
    found: dict[str, Any] = {}
    for name, value in options.items():
        if name not in known:
            raise InvalidOption(
                f"{where}: '{name}' is nothing a scenario says.{close_names(name, known)} It may say: {', '.join(known)}."
            )
        if value is not None and not (isinstance(value, (tuple, list, dict)) and not value):
            found[name] = _value(value, f"{where}, {name}")
    return found


def _value(value: Any, where: str) -> Any:
    if isinstance(value, (Dose, Regimen)):
        return str(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): _value(inner, where) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_value(inner, where) for inner in value]
    if isinstance(value, (Model, Part)) or not isinstance(value, (str, int, float, bool)):
        raise InvalidOption(
            f"{where}: a {type(value).__name__} is no plain data. Name it by its entry in the library or in a pack."
        )
    return value


def _check_ending(ending: str, name: str) -> None:
    if ending not in _ENDINGS:
        raise InvalidOption(f"{name}: a scenario is a {' or '.join(_ENDINGS)} file.")


def _toml(data: Mapping[str, Any]) -> str:
    """TOML of plain data: values, then one table per arm. Python's repr of a float reads back the same."""
    lines = [f"{_key(name)} = {_literal(value)}" for name, value in data.items() if name != "arm"]
    for label, options in data["arm"].items():
        lines += ["", f"[arm.{_key(label)}]", *(f"{_key(name)} = {_literal(value)}" for name, value in options.items())]
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else _text(name)


def _literal(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_literal(v)}" for k, v in value.items()) + " }"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_literal(v) for v in value) + "]"
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _text(value: str) -> str:
    """A text as TOML has it: as JSON, but for the one control character that JSON leaves."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
