"""Regimens as plain data and as YAML or TOML files; one regimen or several arms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ketasim.arguments import checked
from ketasim.documents import document, file_text
from ketasim.dose._quantity import number_text
from ketasim.dose._regimen import DAY, Dose, Item, Regimen, Schedule
from ketasim.dose._text import dose_text, item_text, schedule_text
from ketasim.errors import InvalidRegimen, close_names
from ketasim.writing import replacing

#: Key of a dose in a file -> argument of `Dose`.
_KEYS = {
    "amount": "amount",
    "drug": "drug",
    "route": "route",
    "form": "form",
    "over": "duration",
    "max": "cap",
    "round_to": "round_to",
}
_TOP = ("regimen", "doses", "arms")


def to_dict(regimen: Regimen) -> dict[str, Any]:
    """Plain data of a regimen: ``{"doses": [{"amount": "56 mg", "drug": ..., "schedule": "2/week x 4 week"}]}``."""
    if regimen.beside:  # the text says it shortest
        return {"regimen": str(regimen)}
    return {"doses": [_item_dict(item) for item in regimen.items]}


def _item_dict(item: Item) -> dict[str, str]:
    dose = item.dose
    out = {key: str(getattr(dose, name)) for key, name in _KEYS.items() if getattr(dose, name)}
    if not dose.drug:
        out.pop("form", None)
    if item.schedule.n > 1 and not item.schedule.every:
        out["schedule"] = item_text(item)[len(dose_text(dose)) + 2 :]
        return out
    if item.schedule.every:
        out["schedule"] = schedule_text(item.schedule)
    if item.start:
        out["start"] = f"day {number_text(item.start / DAY + 1)}" if item.start % DAY == 0 else f"{number_text(item.start)} h"
    return out


def from_dict(data: Mapping[str, Any], where: str = "regimen") -> Regimen:
    """Inverse of `to_dict`; ``{"regimen": "text in the dose language"}`` is understood too.

    Raises
    ------
    InvalidRegimen: an unknown key, or words without meaning; says in which dose.
    """
    from ketasim.dose._grammar import parse

    if "arms" in data:
        raise InvalidRegimen(f"{where}: it holds several arms, and one regimen is wanted here; read it with read_arms.")
    _known(data, _TOP, where)
    if ("regimen" in data) == ("doses" in data):
        raise InvalidRegimen(
            f"{where}: give either 'regimen' (a text) or 'doses' (a list), e.g. regimen = \"56 mg esketamine nasal\"."
        )
    if "regimen" in data:
        return parse(str(data["regimen"]))
    rows = data["doses"]
    if not isinstance(rows, list) or not rows:
        raise InvalidRegimen(f"{where}: 'doses' must be a list with at least one dose.")
    return Regimen(tuple(item for k, row in enumerate(rows, 1) for item in _items(row, f"{where}, dose {k}")))


def _items(row: Any, where: str) -> tuple[Item, ...]:
    from ketasim.dose._grammar import parse, parse_schedule

    if isinstance(row, str):
        return parse(row).items
    if not isinstance(row, Mapping):
        raise InvalidRegimen(f"{where}: '{row}' must be a text or a table with the keys {', '.join(_KEYS)}, schedule, start.")
    _known(row, (*_KEYS, "schedule", "start"), where)
    for key in ("amount", "route"):
        if key not in row:
            raise InvalidRegimen(f'{where}: \'{key}\' is missing, e.g. amount = "56 mg", drug = "esketamine", route = "nasal".')
    try:
        dose = Dose(**{name: row[key] for key, name in _KEYS.items() if key in row})
        words = str(row.get("schedule", ""))
        start = str(row.get("start", ""))
        if start.replace(".", "", 1).isdigit():
            raise InvalidRegimen(f"start {start}: say the unit, e.g. 'day {start}' or '{start} h'.")
        schedule, shift = parse_schedule(f"{words} starting {start}" if start else words) if words or start else (None, 0.0)
    except InvalidRegimen as error:
        raise InvalidRegimen(f"{where}: {error}") from None
    return (Item(dose, shift, schedule or Schedule()),)


def _known(data: Mapping[str, Any], allowed: tuple[str, ...], where: str) -> None:
    for key in data:
        if key not in allowed:
            raise InvalidRegimen(f"{where}: unknown key '{key}'.{close_names(str(key), allowed)} Allowed: {', '.join(allowed)}.")


def read_regimen(path: str | Path) -> Regimen:
    """The one regimen of a file."""
    arms = read_arms(path)
    if len(arms) > 1:
        raise InvalidRegimen(
            f"{path} holds {len(arms)} arms ({', '.join(arms)}), and one regimen is wanted here; read it with read_arms."
        )
    return next(iter(arms.values()))


@checked
def read_arms(path: str | Path) -> dict[str, Regimen]:
    """Arms of a YAML (.yaml, .yml), TOML or text file, by name; a file with one regimen gives one arm named like the file.

    Raises
    ------
    InvalidRegimen: naming file, arm and dose.
    """
    from ketasim.dose._grammar import parse_arms

    path = Path(path)
    kind = {".yaml": "yaml", ".yml": "yaml", ".toml": "toml"}.get(path.suffix.lower(), "text")
    text = _text_of(path, kind)
    try:
        data: Any = text if kind == "text" else document(text, kind)
    except ValueError as error:
        raise InvalidRegimen(f"{path}: not {kind.upper()} ({error}).") from None
    if isinstance(data, str):
        arms = parse_arms("\n".join(line for line in data.splitlines() if not line.lstrip().startswith("#")))
        return {path.stem: next(iter(arms.values()))} if len(arms) == 1 and ":" not in data else arms
    if not isinstance(data, Mapping):
        raise InvalidRegimen(f"{path}: needed is a table with 'regimen', 'doses' or 'arms'; see docs/how-to/dosing.md.")
    if "arms" not in data:
        return {path.stem: from_dict(data, str(path))}
    _known(data, ("arms",), str(path))
    if not isinstance(data["arms"], Mapping) or not data["arms"]:
        raise InvalidRegimen(f"{path}: 'arms' must be a table of name and regimen, with at least one arm.")
    return {str(name): _arm(arm, f"{path}, arm '{name}'") for name, arm in data["arms"].items()}


def _arm(arm: Any, where: str) -> Regimen:
    from ketasim.dose._grammar import parse

    if isinstance(arm, Mapping):
        return from_dict(arm, where)
    try:
        return parse(str(arm))
    except InvalidRegimen as error:
        raise InvalidRegimen(f"{where}: {error}") from None


def _text_of(path: Path, kind: str) -> str:
    try:
        return file_text(path, kind)
    except ValueError as error:
        raise InvalidRegimen(f"{path}: {error}; a regimen file is YAML, TOML or text.") from None
    except OSError as error:
        raise InvalidRegimen(f"{path}: cannot be read ({error.strerror}).") from None


def write_regimen(regimen: Regimen, path: str | Path) -> None:
    """Write one regimen as YAML or TOML, by the ending of the name."""
    _write(to_dict(regimen), Path(path))


@checked
def write_arms(arms: Mapping[str, Regimen], path: str | Path) -> None:
    """Write several arms as YAML or TOML, by the ending of the name."""
    _write({"arms": {name: to_dict(regimen) for name, regimen in arms.items()}}, Path(path))


def _write(data: dict[str, Any], path: Path) -> None:
    kind = path.suffix.lower()
    if kind not in (".yaml", ".yml", ".toml"):
        raise InvalidRegimen(f"{path}: the ending must be .yaml, .yml or .toml.")
    if kind == ".toml":
        text = _toml(data)
    else:
        import yaml

        text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120)
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def _toml(data: dict[str, Any]) -> str:
    if "regimen" in data:
        return f"regimen = {json.dumps(data['regimen'], ensure_ascii=False)}\n"
    blocks = [("doses", data["doses"])] if "doses" in data else [
        (f"arms.{json.dumps(name, ensure_ascii=False)}.doses", arm["doses"]) for name, arm in data["arms"].items()
    ]  # fmt: skip
    lines: list[str] = []
    for head, rows in blocks:
        for row in rows:
            lines += [f"[[{head}]]", *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in row.items()), ""]
    return "\n".join(lines)
