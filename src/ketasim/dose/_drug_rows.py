"""Dose records in the drug's own terms (drug, route, unit, form) as records of a model: salt, racemate and entrances worked out by `resolve`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ketasim.dose._drugs import ROUTES
from ketasim.dose._plausible import warn_of_implausible
from ketasim.dose._regimen import INFUSIBLE, Dose
from ketasim.dose._resolve import DEVICES, _devices, _given, _in_compartment, _released, _weighed
from ketasim.dose._table import Table
from ketasim.errors import InvalidData, InvalidRegimen

if TYPE_CHECKING:
    from ketasim.model import Model

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: Columns that say a dose in words, and what counts where they are empty.
TERMS: Mapping[str, str] = {"DRUG": "", "ROUTE": "", "UNIT": "mg", "FORM": "base"}


@dataclass(frozen=True)
class DrugTerms:
    """What counts for every dose whose record does not say it itself: drug, route, unit of AMT, form of AMT; empty where not given."""

    drug: str = ""
    route: str = ""
    unit: str = ""
    form: str = ""

    def of(self, column: str) -> str:
        """The word that counts for a column of `TERMS`."""
        return str(getattr(self, column.lower())) or TERMS[column]

    def __bool__(self) -> bool:
        return bool(self.drug or self.route or self.unit or self.form)


@dataclass(frozen=True)
class Expanded:
    """Records of the model.

    Attributes
    ----------
    origin : (record,), the row of the table each record comes from. records : as `Rules.checked` gives them. devices : of nasal doses,
        (record,), or None. said : how amounts were read, in words.
    """

    origin: Ints
    records: dict[str, NDArray[Any]]
    devices: Floats | None
    said: tuple[str, ...]


def has_drug_terms(table: Table, terms: DrugTerms) -> bool:
    """Whether doses are said in words: by a column DRUG or ROUTE or an option, and not by CMT."""
    cmt = table.columns.get("CMT")
    by_number = cmt is not None and (cmt.dtype == object or bool((~np.isnan(cmt) & (cmt != 0)).any()))
    if by_number and terms:
        raise InvalidData(f"{table.name}: column CMT says where doses go, and so do the options. Leave one of them out.")
    if by_number and (beside := [column for column in TERMS if column in table.columns]):
        raise InvalidData(
            f"{table.name}: column CMT says where doses go, and column {beside[0]} says it in words. Leave one of them out: with CMT, "
            "AMT counts in the unit of its compartment."
        )
    in_words = any(column in table.columns for column in ("DRUG", "ROUTE")) or bool(terms)
    return in_words and not by_number


def in_drug_terms(table: Table, records: Mapping[str, NDArray[Any]], model: Model, terms: DrugTerms) -> Expanded:
    """Every dose record as one record per analyte and entrance; others as they are.

    Raises
    ------
    InvalidData: a drug, route, unit or form the model cannot take, or body weight that is missing, with the line.
    """
    dose = np.isin(records["EVID"], (1, 4))
    words = {column: _words(table, column, terms.of(column)) for column in TERMS}
    pieces: list[tuple[Ints, Ints, dict[str, NDArray[Any]]]] = [
        (rows := np.flatnonzero(~dose), np.zeros(len(rows), np.int64), {k: v[rows] for k, v in records.items()})
    ]
    devices, said, doses = np.full(len(dose), np.nan), list[str](), np.flatnonzero(dose)
    code, keys = _kinds([words[column][doses] for column in TERMS])
    for k, key in enumerate(keys):
        rows = doses[code == k]
        prescription, given = _prescription(table, int(rows[0]), key, records["AMT"][rows], rows)
        pieces += _entering(table, prescription, given, rows, records, model)
        own = _devices(prescription, given)
        devices[rows] = np.nan if own is None else own
        said.append(_said(key))
    origin = np.concatenate([rows for rows, _, _ in pieces])
    order = np.lexsort((np.concatenate([place for _, place, _ in pieces]), origin))
    together = {name: np.concatenate([piece[name] for _, _, piece in pieces])[order] for name in records}
    found = _filled_devices(devices, records, model) if DEVICES in model.params else None
    return Expanded(origin[order], together, None if found is None else found[origin[order]], tuple(dict.fromkeys(said)))


def _kinds(columns: list[NDArray[Any]]) -> tuple[Ints, list[tuple[str, ...]]]:
    """Number of each row's combination of words, and the combinations in the order in which they are met."""
    import pandas as pd

    frame = pd.DataFrame(dict(enumerate(columns)))
    code = frame.groupby(list(frame), sort=False, dropna=False).ngroup().to_numpy()
    first = np.unique(code, return_index=True)[1]
    return code, [tuple(str(word) for word in row) for row in frame.iloc[first].itertuples(index=False)]


def _words(table: Table, column: str, default: str) -> NDArray[Any]:
    """Words of a column, row by row; the default where a cell is empty."""
    given = table.columns.get(column)
    if given is None:
        return np.full(table.n, default, object)
    if given.dtype != object:
        if (~np.isnan(given)).any():
            row = int(np.argmax(~np.isnan(given)))
            table.fail(row, column, given[row], f"is a number. Allowed: words, e.g. {_EXAMPLE[column]}.")
        return np.full(table.n, default, object)
    return np.array([default if word is None else word for word in given], object)


_EXAMPLE = {"DRUG": "racemic_ketamine", "ROUTE": "iv", "UNIT": "mg", "FORM": "hydrochloride"}


def _prescription(table: Table, row: int, key: tuple[str, ...], amounts: Floats, rows: Ints) -> tuple[Dose, Floats]:
    """One unit of the dose as prescribed, and how much of it every record gives, in its unit (times body weight where per kg)."""
    drug, route, unit, form = key
    for column, word in (("DRUG", drug), ("ROUTE", route)):
        if not word:
            option = f"--{column.lower()}"
            table.fail(row, column, ".", f"is missing on a dose. Say it, e.g. {_EXAMPLE[column]}, or for all doses by {option}.")
    try:
        dose = Dose(f"1 {unit}", drug=drug, route=route, form=form)
    except InvalidRegimen as error:
        raise InvalidData(f"{table.where(row)}: {str(error).removeprefix('dose: ')}") from None
    covariates: dict[str, Floats] = {}
    if dose.per_kg:
        weight = table.columns.get("WT")
        if weight is None or weight.dtype == object or not (weight[rows] > 0).all():
            bad = row if weight is None or weight.dtype == object else int(rows[np.argmax(~(weight[rows] > 0))])
            table.fail(
                bad, "UNIT", unit, "is per kg, and the record has no body weight. Give WT in kg on every dose, or AMT in mg."
            )
        covariates = {"WT": weight[rows]}  # type: ignore[dict-item]
    return dose, amounts * _given(dose, covariates, rows)


def _entering(
    table: Table, dose: Dose, given: Floats, rows: Ints, records: Mapping[str, NDArray[Any]], model: Model
) -> list[tuple[Ints, Ints, dict[str, NDArray[Any]]]]:  # fmt: skip
    """Records of some doses of one prescription: rows of the table, place among those of a row, columns."""
    rate, lasts = records["RATE"][rows], records["TINF"][rows]
    infused = (rate > 0) | (lasts > 0)
    if infused.any() and dose.route in ROUTES and dose.route not in INFUSIBLE:
        column = "TINF" if (lasts > 0).any() else "RATE"
        row = int(rows[np.argmax(infused)])
        table.fail(
            row,
            column,
            float(records[column][row]),
            f"on a {dose.route} dose. Only {', '.join(INFUSIBLE)} doses are given over a time.",
        )
    _look_at(dose, given, np.where(lasts > 0, lasts, given / np.where(rate > 0, rate, np.inf)))
    try:
        released = _released(dose, model)
        found: list[tuple[Ints, Ints, dict[str, NDArray[Any]]]] = []
        per_unit = given / np.where(records["AMT"][rows] > 0, records["AMT"][rows], 1.0)
        for analyte, share, entrances in released:
            for entrance in entrances:
                place, first = np.full(len(rows), len(found)), not found
                amount = _in_compartment(dose, given, share, analyte, model, entrance.compartment)
                speed = _in_compartment(
                    dose, rate * np.where(rate > 0, per_unit, 1.0), share, analyte, model, entrance.compartment
                )
                columns = {name: values[rows] for name, values in records.items()}
                columns |= {"AMT": amount, "CMT": np.full(len(rows), model.compartments.index(entrance.compartment), np.int32)}
                columns["RATE"] = np.where(infused, speed, -2.0 if entrance.zero_order else 0.0)
                if not first:  # a reset happens once, and what is at steady state is added to the rest of the same dose
                    columns["EVID"] = np.where(columns["EVID"] == 4, 1, columns["EVID"]).astype(np.int8)
                    columns["SS"] = np.where(columns["SS"] == 1, 2, columns["SS"]).astype(np.int8)
                found.append((rows, place, columns))
    except InvalidRegimen as error:
        raise InvalidData(f"{table.where(int(rows[0]))}: {error}") from None
    return found


def _look_at(dose: Dose, given: Floats, lasts: Floats) -> None:
    """Warn of the largest and the smallest dose, should nobody give such a one."""
    if not given.size or not dose.drug:
        return
    for k in {int(np.argmax(given)), int(np.argmin(given))}:
        one = dose.scaled(float(given[k]))
        if not dose.per_kg:
            warn_of_implausible(str(one), _weighed(one), float(lasts[k]), dose.route)


def _filled_devices(devices: Floats, records: Mapping[str, NDArray[Any]], model: Model) -> Floats | None:
    """Devices of every record: of the next nasal dose of the subject, else of the last, else as the model has it; None without nasal doses."""
    import pandas as pd

    if np.isnan(devices).all():
        return None
    by = pd.Series(devices).groupby(records["ID"])
    whole = by.bfill().groupby(records["ID"]).ffill().to_numpy()
    return np.where(np.isnan(whole), model.numbers[DEVICES].value, whole)


def _said(key: tuple[str, ...]) -> str:
    drug, _, unit, form = key
    return f"AMT of {drug.replace('_', ' ')} is read in {unit} of {form}"
