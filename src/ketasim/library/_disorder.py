"""Disorders and scales: numbers from TOML, equations from the class an entry names."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field

from ketasim.arguments import checked
from ketasim.clinical import SPREAD, STORE, Baseline, ControlArm, Disorder, DisorderEntry, Prior, Scale
from ketasim.errors import InvalidEntry, UnknownEntry, close_names
from ketasim.library._convert import number_from
from ketasim.library._find import files
from ketasim.library._modules import changed, module_of
from ketasim.library._posterior import Posterior, posterior_beside
from ketasim.library._schema import CorrelationFile, NumberFile, Text, _File, read
from ketasim.library._words import check_sources
from ketasim.model import Number, Param


class PriorFile(_File):
    """How sure an estimated number is; see `Prior`."""

    form: Literal["log", "logit", "normal"]
    median: float
    sd: float = Field(gt=0)
    se: float = Field(ge=0)
    learned: float = Field(ge=0, le=1)
    informed_by: str = ""


class EstimateFile(NumberFile):
    """A number with its prior, where it was estimated."""

    prior: PriorFile | None = None


class BaselineFile(_File):
    """Severity at the start."""

    mean: float
    sd: float = Field(ge=0)
    least: float
    source: str = ""
    at: str = ""
    note: str = ""


class ControlFile(_File):
    """One control arm."""

    title: Text
    switches: dict[str, float] = Field(default_factory=dict)
    source: str = ""
    note: str = ""


class DisorderFile(_File):
    """One disorder."""

    id: Text
    title: Text
    revision: int = Field(ge=1)
    status: Literal["checked", "provisional"]
    equations: Text
    source: Text
    scale: Text
    grade: Text
    controlled: bool = True
    shows_without: bool = False
    store_from: str = ""
    population: str = ""
    notes: tuple[str, ...] = ()
    baseline: BaselineFile
    other_scale: dict[str, BaselineFile] = Field(default_factory=dict)
    control: dict[str, ControlFile]
    param: dict[str, EstimateFile] = Field(default_factory=dict)
    correlation: tuple[CorrelationFile, ...] = ()


class ScaleFile(_File):
    """One symptom scale."""

    id: Text
    title: Text
    low: float
    high: float
    response: float = Field(gt=0, lt=1)
    remission: float
    source: Text
    note: str = ""


@checked
def disorder(name: str) -> DisorderEntry:
    """Disorder by name, e.g. ``disorder("trd")``.

    Raises
    ------
    UnknownEntry: no such disorder. InvalidEntry: the file breaks the rules.
    """
    path = _path("disorder", name)
    return _read_disorder(path, (path.stat().st_mtime_ns, changed(path.parents[1])))


def disorders() -> list[DisorderEntry]:
    """All disorders of the library and of packs in use."""
    return [disorder(name) for name in files("disorder")]


@checked
def scale(name: str) -> Scale:
    """Symptom scale by name, e.g. ``scale("madrs")``; raises as `disorder`."""
    path = _path("scales", name)
    where = "/".join(path.parts[-2:])
    entry = read(path, ScaleFile, where)
    check_sources(entry, where)
    if not entry.low < entry.high:
        raise InvalidEntry(f"{where}: low {entry.low:g} is not below high {entry.high:g}.")
    return Scale(**entry.model_dump())


def scales() -> list[Scale]:
    """All symptom scales."""
    return [scale(name) for name in files("scales")]


def _path(shelf: str, name: str) -> Path:
    plain, known = name.strip().lower().removeprefix(f"{shelf}/"), files(shelf)
    if plain not in known:
        what = {"disorder": "disorder", "scales": "scale"}[shelf]
        raise UnknownEntry(f"no {what} '{name}' in the library.{close_names(plain, known)} It has: {', '.join(known)}.")
    return known[plain]


@lru_cache(maxsize=256)
def _read_disorder(path: Path, state: Any) -> DisorderEntry:
    where = "/".join(path.parts[-2:])
    entry = read(path, DisorderFile, where)
    check_sources(entry, where)
    equations = class_of(entry.equations, Disorder, path, where)
    equations.scale = entry.scale
    base = disorder(entry.store_from) if entry.store_from else None
    shared = {name: param for name, param in (STORE | SPREAD).items() if base is not None and name not in entry.param}
    numbers = numbers_of(entry, {n: p for n, p in {**STORE, **SPREAD, **equations.params}.items() if n not in shared}, where)
    priors, correlations = priors_of(entry), dict(_correlations(entry, where))
    posterior: Any = posterior_beside(path).get("posterior", {})
    if base is not None:
        numbers |= {name: base.numbers[name] for name in shared}
    if base is not None and equations.has_store:
        priors |= {name: base.priors[name] for name in shared if name in base.priors}
        correlations |= {pair: value for pair, value in base.correlations.items() if set(pair) <= set(shared)}
        posterior = posterior or (base.posterior.of(shared) if isinstance(base.posterior, Posterior) else {})
    return DisorderEntry(
        entry.id, entry.title, entry.revision, entry.status, equations, scale(entry.scale), Baseline(**entry.baseline.model_dump()),
        numbers, priors,
        {name: _control(name, raw, equations, where) for name, raw in entry.control.items()}, entry.grade, entry.population,
        entry.source, entry.notes, correlations,
        {name: (scale(name), Baseline(**raw.model_dump())) for name, raw in entry.other_scale.items()}, posterior,
        entry.controlled, entry.shows_without,
    )  # fmt: skip


_Equations = TypeVar("_Equations")


def class_of(named: str, kind: type[_Equations], path: Path, where: str) -> _Equations:
    """Instance of the class an entry names as ``module:Class``; it must be a `kind`."""
    module_name, colon, class_name = named.partition(":")
    if not colon:
        raise InvalidEntry(f"{where}: equations is '{named}'; write 'module:Class', e.g. 'disorder.depression:Depression'.")
    module = module_of(module_name, path, where)
    cls = getattr(module, class_name, None)
    if not (inspect.isclass(cls) and issubclass(cls, kind)):
        known = [n for n, c in vars(module).items() if inspect.isclass(c) and issubclass(c, kind) and c is not kind]
        raise InvalidEntry(
            f"{where}: '{class_name}' is no {kind.__name__} of module '{module_name}'.{close_names(class_name, known)} "
            f"It has: {', '.join(known) or 'none'}."
        )
    return cls()


def numbers_of(entry: Any, declared: Mapping[str, Param], where: str) -> dict[str, Number]:
    """Numbers of an entry, complete and in the units declared."""
    for name in entry.param:
        if name not in declared:
            raise InvalidEntry(f"{where} [param.{name}]: {entry.equations} has no such parameter.{close_names(name, declared)}")
    if missing := [name for name in declared if name not in entry.param]:
        raise InvalidEntry(f"{where}: no [param.{missing[0]}] ({declared[missing[0]].meaning}). It needs: {', '.join(declared)}.")
    return {name: number_from(entry.param[name], param, entry, f"{where} [param.{name}]") for name, param in declared.items()}


def priors_of(entry: Any) -> dict[str, Prior]:
    """Priors of the numbers that were estimated."""
    given = ((name, raw.prior) for name, raw in entry.param.items() if raw.prior is not None)
    return {name: Prior(raw.form, raw.se, raw.median, raw.sd, raw.learned, raw.informed_by) for name, raw in given}


def _control(name: str, raw: ControlFile, equations: Disorder, where: str) -> ControlArm:
    for switch in raw.switches:
        if switch not in equations.switches:
            near = close_names(switch, equations.switches)
            raise InvalidEntry(
                f"{where} [control.{name}]: no switch '{switch}'.{near} There are: {', '.join(equations.switches) or 'none'}."
            )
    return ControlArm(name, raw.title, dict.fromkeys(equations.switches, 0.0) | raw.switches, raw.source, raw.note)


def _correlations(entry: DisorderFile, where: str) -> Mapping[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for raw in entry.correlation:
        for name in raw.between:
            if name not in entry.param or entry.param[name].prior is None:
                raise InvalidEntry(f"{where} [[correlation]]: '{name}' is no estimated parameter of it.")
        if raw.correlation is None:
            raise InvalidEntry(f"{where} [[correlation]] of {' and '.join(raw.between)}: give a correlation, no covariance.")
        found[raw.between] = raw.correlation
    return found
