"""From a checked file to a `Part`: each unit is converted here, once, to the unit the structure declares."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from ketasim.arguments import checked
from ketasim.errors import InvalidEntry, InvalidModel, UnitMismatch, close_names
from ketasim.library._modules import let_travel, module_of
from ketasim.library._posterior import posterior_beside
from ketasim.library._register import covariate_unit
from ketasim.library._schema import (
    CheckpointFile,
    CovariateFile,
    EntryFile,
    NumberFile,
    ObservationFile,
    ResidualFile,
    VariabilityFile,
)
from ketasim.model import (
    CovariateEffect,
    Mechanism,
    Number,
    Observation,
    Param,
    Part,
    ResidualError,
    Structure,
    StudyEffect,
    Variability,
)
from ketasim.model._observation import FAMILIES
from ketasim.units import factor

#: Body weight at which numbers printed per kg are given to the model; the weight effect is then relative to it.
REFERENCE_WEIGHT_KG = 70.0


@checked
def log_variance(cv_percent: float) -> float:
    """Variance of the logarithm of a log-normal quantity with this coefficient of variation, percent: ln(1 + CV^2).

    Examples
    --------
    >>> round(log_variance(30.0), 4)
    0.0862
    """
    return math.log1p((cv_percent / 100.0) ** 2)


def mechanism_of(entry: EntryFile, path: Path, where: str) -> Mechanism:
    """Instance of the class an entry names as ``module:Class``.

    The module is a path from the pack's root (``pk.structures`` is ``pk/structures.py``), or a file beside the entry; a pack may
    name a module of ketasim's library or of an installed package that declares itself as a pack. Modules of a pack import each other by relative imports.
    A constructor may take `analytes` and `sampling`, then it gets the entry's; `options` are passed as they are.
    """
    module_name, colon, class_name = entry.structure.partition(":")
    if not colon:
        raise InvalidEntry(f"{where}: structure is '{entry.structure}'; write 'module:Class', e.g. 'pk.structures:Mammillary'.")
    module = module_of(module_name, path, where)
    cls = getattr(module, class_name, None)
    if not (inspect.isclass(cls) and issubclass(cls, Mechanism)):
        known = [
            n
            for n, c in vars(module).items()
            if inspect.isclass(c) and issubclass(c, Mechanism) and c.__module__ == module.__name__
        ]
        raise InvalidEntry(
            f"{where}: '{class_name}' is no mechanism of module '{module_name}'.{close_names(class_name, known)} "
            f"It has: {', '.join(known)}."
        )
    let_travel(cls)
    accepted = inspect.signature(cls).parameters
    given: dict[str, Any] = {k: v for k, v in (("analytes", entry.analytes), ("sampling", entry.sampling)) if k in accepted}
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.options.items()}
    unknown = sorted(set(options) - set(accepted))
    if unknown:
        raise InvalidEntry(f"{where}: {entry.structure} takes no option '{unknown[0]}'.{close_names(unknown[0], accepted)}")
    try:
        return cls(**given, **options)
    except TypeError as error:
        raise InvalidEntry(f"{where}: {entry.structure} cannot be made from the entry's options: {error}.") from None
    except InvalidEntry as error:
        raise InvalidEntry(f"{where}: {error}") from None


def part_from(entry: EntryFile, path: Path, where: str, inherited: Mapping[str, Number]) -> Part:
    """Part of a checked entry; `inherited` are the numbers of the entry named by ``same_as``."""
    mechanism = mechanism_of(entry, path, where)
    numbers = {name: number for name, number in inherited.items() if name in mechanism.params}
    for name, raw in entry.param.items():
        if name not in mechanism.params:
            raise InvalidEntry(
                f"{where} [param.{name}]: {entry.structure} has no such parameter.{close_names(name, mechanism.params)}"
            )
        numbers[name] = number_from(raw, mechanism.params[name], entry, f"{where} [param.{name}]")
    missing = [name for name in mechanism.params if name not in numbers]
    if missing:
        raise InvalidEntry(f"{where}: no [param.{missing[0]}]. {entry.structure} needs: {', '.join(mechanism.params)}.")
    residual = tuple(_residual(port, raw, mechanism, where) for port, raw in entry.residual.items())
    reported = {
        name: number_from(raw, Param(raw.unit), entry, f"{where} [reported.{name}]") for name, raw in entry.reported.items()
    }
    info = {
        "title": entry.title, "drug": entry.drug, "analytes": entry.analytes, "dose_form": entry.dose_form,
        "sampling": entry.sampling,
        "population": entry.population.model_dump(exclude_defaults=True), "source": entry.source, "note": entry.note,
        "residual_note": entry.residual_note, "reported": reported, "checkpoints": dict(entry.checkpoint), "path": str(path),
        "between_study": _study_effects(entry, mechanism, where), **posterior_beside(path),
    }  # fmt: skip
    ordered = {name: numbers[name] for name in mechanism.params}
    seen = tuple(_observation(port, raw, mechanism, where) for port, raw in entry.observation.items())
    part = Part(
        mechanism, ordered, entry.id, entry.revision, entry.status, _covariances(entry, ordered, where), residual, info, seen
    )
    if not (entry.scope or entry.bind):
        return part
    try:
        return part.scoped(entry.scope, entry.bind)
    except InvalidModel as error:
        raise InvalidEntry(f"{where}: {str(error).removeprefix(f'{part.cite}: ')}") from None


def number_from(raw: NumberFile, param: Param, entry: Any, where: str) -> Number:
    """Number in the unit its parameter declares."""
    covariates = list(raw.covariates)
    if raw.per_kg_power is not None:
        scale = (
            _factor(raw.unit, f"({param.unit})/kg**{raw.per_kg_power:g}", where, entry) * REFERENCE_WEIGHT_KG**raw.per_kg_power
        )
        own = CovariateFile(
            by="WT", form="power", ref=REFERENCE_WEIGHT_KG, exponent=raw.per_kg_power, kind="fixed", at=f"unit {raw.unit}"
        )
        covariates.insert(0, own)
    else:
        scale = _factor(raw.unit, param.unit, where, entry)
    value = raw.value * scale
    low, high = param.bounds
    if not low <= value <= high:
        raise InvalidEntry(f"{where}: value {raw.value:g} {raw.unit} is outside [{low:g}, {high:g}] {param.unit}.")
    se = raw.se * scale if raw.se is not None else abs(value) * (raw.rse_percent or 0.0) / 100.0
    confidence = raw.confidence or {"derived": "derived", "assumed": "assumed"}.get(raw.kind, "read")
    return Number(
        value, param.unit, raw.source or entry.source, raw.at, raw.kind, confidence, raw.note,
        _variability(raw.iiv, scale), _variability(raw.iov, scale), tuple(_effect(c, scale, where) for c in covariates), se,
    )  # fmt: skip


def _study_effects(entry: EntryFile, mechanism: Mechanism, where: str) -> tuple[StudyEffect, ...]:
    """One effect for every list of parameters that shift together."""
    effects = []
    for group, raw in entry.between_study.items():
        for on in raw.on:
            for name in on:
                if name not in mechanism.params:
                    near = close_names(name, mechanism.params)
                    raise InvalidEntry(f"{where} [between_study.{group}]: {entry.structure} has no parameter '{name}'.{near}")
            effects.append(StudyEffect(f"{group}/{'+'.join(on)}", raw.value, on, group, raw.kind, raw.source, raw.at))
        if not raw.on:
            raise InvalidEntry(f'{where} [between_study.{group}]: on is missing. Name the parameters, e.g. on = [["CL"]].')
    return tuple(effects)


def _factor(unit: str, declared: str, where: str, entry: Any) -> float:
    try:
        return factor(unit, declared, where)
    except UnitMismatch as error:
        who, said = getattr(entry, "structure", "it"), str(error)
        said = said if said.startswith(where) else f"{where}: {said}"
        raise UnitMismatch(said.replace("needed is", f"{who} needs")) from None


def _variability(raw: VariabilityFile | None, scale: float) -> Variability | None:
    if raw is None:
        return None
    if raw.cv_percent is not None:
        return Variability(log_variance(raw.cv_percent), "lognormal", raw.kind, raw.at)
    if raw.omega2 is not None:
        return Variability(raw.omega2, "lognormal", raw.kind, raw.at)
    if raw.sd_log is not None:
        return Variability(raw.sd_log**2, "lognormal", raw.kind, raw.at)
    if raw.sd_logit is not None:
        return Variability(raw.sd_logit**2, "logit", raw.kind, raw.at)
    return Variability(((raw.sd or 0.0) * scale) ** 2, "normal", raw.kind, raw.at)


def _effect(raw: CovariateFile, scale: float, where: str) -> CovariateEffect:
    """Covariate effect; an additive coefficient is in the parameter's printed unit and is scaled with it."""
    own = covariate_unit(raw.by, where)
    ref = quantity(raw.ref, own, f"{where} covariate {raw.by}") if isinstance(raw.ref, str) else raw.ref
    coefficient = raw.exponent if raw.exponent is not None else (raw.coefficient or 0.0)
    if raw.form in ("additive", "additive_above"):
        coefficient *= scale
    if raw.form in ("power", "power_below") and ref <= 0:
        raise InvalidEntry(f'{where}: power effect of {raw.by} needs a positive ref, e.g. ref = "70 kg"; got {ref:g}.')
    return CovariateEffect(raw.by, raw.form, ref, coefficient, dict(raw.levels), raw.kind, raw.at, raw.note)


@checked
def quantity(text: str, unit: str, where: str) -> float:
    """Number of a text such as ``"70 kg"``, in `unit`.

    Examples
    --------
    >>> quantity("40 min", "h", "example")
    0.6666666666666666
    """
    number, _, given = text.strip().partition(" ")
    try:
        value = float(number)
    except ValueError:
        raise InvalidEntry(f"{where}: '{text}' is no quantity. Write a number, a space and a unit, e.g. '70 kg'.") from None
    return value * factor(given.strip(), unit, where)


def _residual(port: str, raw: ResidualFile, mechanism: Mechanism, where: str) -> ResidualError:
    if port not in mechanism.writes:
        raise InvalidEntry(f"{where} [residual.{port}]: no such output.{close_names(port, mechanism.writes)}")
    unit = mechanism.writes[port].unit
    scale = factor(raw.unit or unit, unit, f"{where} [residual.{port}]")
    return ResidualError(port, raw.proportional, raw.additive * scale, raw.exponential, raw.at)


def _observation(port: str, raw: ObservationFile, mechanism: Mechanism, where: str) -> Observation:
    place = f"{where} [observation.{port}]"
    if port not in mechanism.writes:
        raise InvalidEntry(f"{place}: no such output.{close_names(port, mechanism.writes)}")
    family = FAMILIES[raw.family]
    known = [f.name for f in fields(family) if f.name not in ("port", "at")]
    given = raw.model_dump(exclude={"family", "at", "kind", "note", "unit"}, exclude_none=True)
    if unknown := [name for name in given if name not in known]:
        raise InvalidEntry(f"{place} {unknown[0]}: is no number of the family '{raw.family}', which takes {', '.join(known)}.")
    scale = factor(raw.unit or mechanism.writes[port].unit, mechanism.writes[port].unit, place)
    values = {name: value * scale if name in ("additive", "low", "high") else value for name, value in given.items()}
    said = f"{raw.at} (assumed: {raw.note})" if raw.kind == "assumed" else raw.at
    try:
        return family(port, **values, at=said)
    except TypeError:
        missing = next(f.name for f in fields(family) if f.name in known and f.name not in given and f.default is MISSING)
        raise InvalidEntry(f"{place}: the family '{raw.family}' needs {missing}.") from None
    except InvalidModel as error:
        raise InvalidEntry(f"{place}: {error}") from None


def _covariances(entry: EntryFile, numbers: Mapping[str, Number], where: str) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for raw in entry.correlation:
        variances = []
        for name in raw.between:
            if name not in numbers:
                raise InvalidEntry(
                    f"{where} correlation: {entry.structure} has no parameter '{name}'.{close_names(name, numbers)}"
                )
            iiv = numbers[name].iiv
            if iiv is None:
                raise InvalidEntry(f"{where}: correlation between {' and '.join(raw.between)}, but {name} has no iiv.")
            variances.append(iiv.omega2)
        limit = math.sqrt(variances[0] * variances[1])
        covariance = raw.covariance if raw.covariance is not None else (raw.correlation or 0.0) * limit
        if abs(covariance) > limit:
            raise InvalidEntry(
                f"{where}: covariance {covariance:g} of {' and '.join(raw.between)} exceeds {limit:.4g}, a correlation above 1."
            )
        found[raw.between] = covariance
    return found


def routes_of(mechanism: Mechanism) -> tuple[str, ...]:
    """Routes by which a mechanism can be dosed; none for an add-on."""
    return tuple(mechanism.routes) if isinstance(mechanism, Structure) else ()


@checked
def checkpoints(part: Part) -> Mapping[str, CheckpointFile]:
    """Published exposures a part must reproduce, by name."""
    return part.info.get("checkpoints", {})
