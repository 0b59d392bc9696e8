"""From a regimen to event records: the only home of salt, racemate, body weight and schedule conversions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.arguments import checked
from ketasim.dose._drugs import DEVICE_MG, DRUGS, LABEL_ROUNDING, TOTALS, molar_mass
from ketasim.dose._plausible import warn_of_implausible
from ketasim.dose._quantity import to_unit
from ketasim.dose._regimen import Dose, Item, Regimen
from ketasim.dose._template import EventTemplate, Floats
from ketasim.dose._text import DRUG_WORDS
from ketasim.errors import InvalidData, InvalidRegimen, UnitMismatch, close_names
from ketasim.units import dimension, factor

if TYPE_CHECKING:
    from ketasim.model import Entrance, Model

#: Parameter that nasal doses set, where a model has it: how many devices the session takes.
DEVICES = "n_devices"


@dataclass
class _Row:
    time: float
    cmt: int
    amt: Floats
    rate: Floats
    duration: float
    ii: float
    addl: int
    label: str
    devices: Floats | None


@checked
def resolve(regimen: Regimen, model: Model, covariates: Mapping[str, ArrayLike], ids: ArrayLike | None = None) -> EventTemplate:
    """Event records of a regimen for subjects of a model.

    Parameters
    ----------
    covariates : name -> (subject,); ``WT`` in kg is needed for doses per kg.
    ids : (subject,), whole numbers or names; default 1, 2, ...

    Returns
    -------
    EventTemplate: amounts in the unit of each compartment (umol of base in ketamine models), repeats compressed as II and ADDL.

    Raises
    ------
    InvalidRegimen: a drug, route or unit the model cannot take. InvalidData: body weight is missing.

    Warns
    -----
    ImplausibleDose: a dose far beyond those of the evidence.

    Notes
    -----
    Per dose: amount as given (times WT, times duration), then the cap, then rounding to devices (nearest multiple, halves up,
    at least one, not above the cap); then moles = mass / molar mass of the form; then the drug's share of each analyte.
    Every entrance of a route gets the whole amount: the model's F divides it.
    """
    n = _count(covariates, ids)
    subjects = _subjects(ids, n)
    rows: list[_Row] = []
    for item in regimen.items:
        _look_at(item.dose, model.species)
        rows += _rows(item, model, covariates, subjects)
    rows.sort(key=lambda row: row.time)
    return EventTemplate(
        np.array([r.time for r in rows]), np.ones(len(rows), np.int64), np.array([r.cmt for r in rows], np.int64),
        np.array([r.amt for r in rows]), np.array([r.rate for r in rows]), np.array([r.ii for r in rows]),
        np.array([r.addl for r in rows], np.int64), np.zeros(len(rows), np.int64), subjects,
        _overrides(rows, model), tuple(r.label for r in rows),
        np.repeat([[r.duration] for r in rows], n, axis=1).reshape(len(rows), n),
    )  # fmt: skip


@lru_cache(maxsize=256)
def _weighed(dose: Dose) -> float:
    """A dose in an adult of 70 kg, mg of the drug as given."""
    given = _given(dose, {"WT": np.array([70.0])}, np.array([1]))
    unit = dose.amount.substance
    mass = (
        given * factor(unit, "umol") * molar_mass(dose.drug, dose.form) / 1000.0
        if unit.endswith("mol")
        else given * factor(unit, "mg")
    )
    return float(mass[0])


def _look_at(dose: Dose, species: str) -> None:
    """Warn of a dose of a drug that nobody gives; what is dosed without a name may be anything. Animals get more per kg by every route."""
    if dose.drug:
        warn_of_implausible(str(dose), _weighed(dose), dose.duration_h, "animal" if species else dose.route)


def _count(covariates: Mapping[str, ArrayLike], ids: ArrayLike | None) -> int:
    sizes = {name: np.size(np.asarray(values)) for name, values in covariates.items()}
    if ids is not None:
        sizes["ids"] = np.size(np.asarray(ids))
    if len(set(sizes.values())) > 1:
        raise InvalidData(f"covariates differ in number of subjects: {', '.join(f'{k} {v}' for k, v in sizes.items())}.")
    return next(iter(sizes.values()), 1)


def _subjects(ids: ArrayLike | None, n: int) -> NDArray[Any]:
    given = np.arange(1, n + 1) if ids is None else np.atleast_1d(np.asarray(ids))
    return given if given.dtype.kind == "U" else given.astype(np.int64)


def _rows(item: Item, model: Model, covariates: Mapping[str, ArrayLike], ids: NDArray[Any]) -> list[_Row]:
    """Records of one item: one per place in the repeating block, analyte and entrance."""
    dose, schedule = item.dose, item.schedule
    rows: list[_Row] = []
    given = _given(dose, covariates, ids)
    devices, lasts = _devices(dose, given), dose.duration_h if dose.duration else 0.0
    for analyte, share, entrances in _released(dose, model):
        for entrance in entrances:
            amount = _in_compartment(dose, given, share, analyte, model, entrance.compartment)
            rate = amount / dose.duration_h if dose.duration else np.full(len(ids), -2.0 if entrance.zero_order else 0.0)
            label = f"{dose}: {analyte or 'dose'}"
            cmt = model.compartments.index(entrance.compartment)
            for time, more in schedule.runs():
                every = schedule.every if more else 0.0
                rows.append(_Row(item.start + time, cmt, amount, rate, lasts, every, more, label, devices))
    return rows


def _given(dose: Dose, covariates: Mapping[str, ArrayLike], ids: NDArray[Any]) -> Floats:
    """What each subject gets, in the substance unit and form of the prescription: (subject,)."""
    unit, amount = dose.amount.substance, np.full(len(ids), dose.amount.value)
    if dose.amount.per_time:
        amount = amount * to_unit(dose.duration_h, "h", dose.amount.per_time)
    if dose.per_kg:
        amount = amount * _weight(dose, covariates, ids)
    limit = np.inf if dose.cap is None else to_unit(dose.cap.value, dose.cap.unit, unit)
    amount = np.minimum(amount, limit)
    if dose.round_to is not None:
        step = to_unit(dose.round_to.value, dose.round_to.unit, unit)
        # A hair above: 42 mg of 28 mg devices is 1.5 and rounds up, whatever the last bit.
        count = np.maximum(np.floor(amount / step + 0.5 + 1e-9), 1.0)
        amount = np.where(amount > 0, np.minimum(count, np.floor(limit / step + 1e-9)) * step, 0.0)
    return amount


def _weight(dose: Dose, covariates: Mapping[str, ArrayLike], ids: NDArray[Any]) -> Floats:
    if "WT" not in covariates:
        have = f"; it has {', '.join(covariates)}" if covariates else ""
        raise InvalidData(
            f"'{dose}' is per kg, but the subjects have no body weight (covariate WT, kg{have}). Give WT, or a dose in mg."
        )
    weight = np.atleast_1d(np.asarray(covariates["WT"], float))
    bad = np.flatnonzero(~(np.isfinite(weight) & (weight > 0)))
    if len(bad):
        others = f" and {len(bad) - 1} more subjects" if len(bad) > 1 else ""
        raise InvalidData(
            f"'{dose}' is per kg, but WT of subject {ids[bad[0]]}{others} is {weight[bad[0]]:g}; it must be above 0 kg."
        )
    return weight


def _moles(dose: Dose, given: Floats) -> Floats:
    """umol of drug: the one place where the salt counts."""
    unit = dose.amount.substance
    if unit.endswith("mol"):
        return given * factor(unit, "umol")
    return given * factor(unit, "mg") * 1000.0 / molar_mass(dose.drug, dose.form)


def _in_compartment(dose: Dose, given: Floats, share: float, analyte: str, model: Model, compartment: str) -> Floats:
    """Amount that enters a compartment, in the unit of its state."""
    unit = model.states[compartment].unit
    kind = {name for name, _ in dimension(unit)}
    if dose.drug and kind == {"substance"}:
        return _moles(dose, given) * share * factor("umol", unit)
    if dose.drug and kind == {"mass"}:
        return _moles(dose, given) * share * (molar_mass(analyte or dose.drug) / 1000.0) * factor("mg", unit)
    try:
        return given * share * factor(dose.amount.substance, unit)
    except UnitMismatch:
        hint = "Name the drug, e.g. 'racemic ketamine'." if kind == {"substance"} else "Give the dose in that unit."
        raise InvalidRegimen(
            f"'{dose}': {model.id} counts compartment '{compartment}' in {unit}, not in {dose.amount.substance}. {hint}"
        ) from None


def _released(dose: Dose, model: Model) -> list[tuple[str, float, tuple[Entrance, ...]]]:
    """(analyte, moles per mole of drug, where it enters) for a route of the model, or for a compartment by name."""
    by_analyte = model.routes.get(dose.route)
    if not by_analyte:
        return _into(dose, model)
    if set(by_analyte) == {""}:
        return [("", 1.0, by_analyte[""])]
    if not dose.drug:
        raise InvalidRegimen(
            f"'{dose}' names no drug, and {model.id} describes {_list(by_analyte)}. Name one of: {', '.join(DRUGS)}."
        )
    parts = DRUGS[dose.drug]
    if all(analyte in by_analyte for analyte in parts):
        return [(analyte, share, by_analyte[analyte]) for analyte, share in parts.items()]
    for total, drug in TOTALS.items():
        if drug == dose.drug and total in by_analyte:
            return [(total, 1.0, by_analyte[total])]
    raise InvalidRegimen(
        f"{model.id} cannot take {DRUG_WORDS.get(dose.drug, dose.drug)} (from '{dose}'): by this route it describes "
        f"{_list(by_analyte)} only, so it takes {_takers(by_analyte)}. Choose a model of {_list(parts)}: ketasim list pk"
    )


def _into(dose: Dose, model: Model) -> list[tuple[str, float, tuple[Entrance, ...]]]:
    from ketasim.model import Entrance

    names = {name.lower(): name for name in model.compartments}
    name = dose.route if dose.route in model.compartments else names.get(dose.route.lower(), "")
    if not name:
        raise InvalidRegimen(
            f"{model.id} has no route '{dose.route}' (from '{dose}').{close_names(dose.route, model.routes)} "
            f"Routes: {_list(model.routes) or 'none'}; compartments ('into ...'): {_list(model.compartments)}."
        )
    kind = {k for k, _ in dimension(model.states[name].unit)}
    if kind not in ({"mass"}, {"substance"}):
        raise InvalidRegimen(f"'{dose}': '{name}' of {model.id} has unit {model.states[name].unit}; only amounts can be dosed.")
    if dose.drug and len(DRUGS[dose.drug]) > 1 and set(model.routes) and {a for by in model.routes.values() for a in by} != {""}:
        raise InvalidRegimen(
            f"'{dose}': {dose.drug} is two enantiomers, and '{name}' is one compartment. "
            "Dose esketamine and arketamine, or use a route."
        )
    analyte = next(iter(DRUGS[dose.drug])) if dose.drug and len(DRUGS[dose.drug]) == 1 else ""
    return [(analyte, 1.0, (Entrance(name),))]


def _takers(by_analyte: Mapping[str, object]) -> str:
    can = [drug for drug, parts in DRUGS.items() if all(a in by_analyte for a in parts)]
    can += [drug for total, drug in TOTALS.items() if total in by_analyte and drug not in can]
    return ", ".join(DRUG_WORDS.get(drug, drug) for drug in can) or "none of the drugs"


def _list(names: Mapping[str, object] | tuple[str, ...]) -> str:
    return ", ".join(names)


def _devices(dose: Dose, given: Floats) -> Floats | None:
    """28 mg devices a nasal dose takes: (subject,)."""
    if dose.route != "nasal" or not dose.drug:
        return None
    mass = _moles(dose, given) * molar_mass(dose.drug) / 1000.0
    return np.maximum(np.ceil(mass / DEVICE_MG * (1.0 - LABEL_ROUNDING)), 1.0)


def _overrides(rows: list[_Row], model: Model) -> dict[str, Floats]:
    """Devices per record. Records that are no nasal dose carry the value of the next one that is, else of the last."""
    nasal = [k for k, row in enumerate(rows) if row.devices is not None]
    if DEVICES not in model.params or not nasal:
        return {}
    source = [next((k for k in nasal if k >= j), nasal[-1]) for j in range(len(rows))]
    return {DEVICES: np.array([rows[k].devices for k in source])}
