"""What records of an event table may say: NONMEM's rules, one refusal naming file, line, column and value.

All checks work on whole columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ketasim.dose._clock import on_clock
from ketasim.dose._gaps import filled
from ketasim.dose._table import MISSING_TEXT, Table
from ketasim.errors import InvalidData, close_names, listed

if TYPE_CHECKING:
    from ketasim.model import Model

Bools = NDArray[np.bool_]
RESERVED = ("ID", "TIME", "AMT", "RATE", "EVID", "CMT", "ADDL", "II", "SS", "MDV", "DV", "TINF")
_MIDNIGHT = " Past midnight clock times need a column DATE (2026-01-31), or go on: 24:30."
DATES = ("DAT1", "DAT2", "DAT3")


def canonical_names(names: list[str], where: str, model: Model) -> list[str]:
    """Names of columns as ketasim uses them: NONMEM's in capitals, parameters as the model spells them, covariates in capitals.

    Raises
    ------
    InvalidData: ID or TIME missing, a name twice, an empty name, a date column.
    """
    lower: dict[str, list[str]] = {}
    for name in model.params:
        lower.setdefault(name.lower(), []).append(name)
    out: list[str] = []
    for position, name in enumerate(names, 1):
        if not name:
            raise InvalidData(f"{where}: column {position} has no name in the header line.")
        if "/" in name:
            raise InvalidData(f"{where}: column '{name}': the name of a column cannot hold '/'. Rename it.")
        matches = lower.get(name.lower(), [])
        if name.upper() in RESERVED and not (name.upper() == "TINF" and matches):  # NONMEM has no TINF; a model may
            out.append(name.upper())
        elif name in model.params or len(matches) == 1:
            out.append(name if name in model.params else matches[0])
        elif matches:
            raise InvalidData(
                f"{where}: column '{name}' may mean {', '.join(matches)}; write it in the letter case of the model."
            )
        else:
            out.append(name.upper())
    for column in ("ID", "TIME"):
        if column not in out:
            raise InvalidData(f"{where}: no column {column}.{close_names(column, names)} Columns found: {listed(names)}.")
    first: dict[str, int] = {}
    for k, name in enumerate(out):
        if (there := first.setdefault(name, k)) != k:
            raise InvalidData(f"{where}: column {name} is there twice ('{names[there]}' and '{names[k]}'; case does not count).")
    if dates := [d for d in DATES if d in out]:
        raise InvalidData(
            f"{where}: column {dates[0]} is not read, as its order of day and month is not sure. Give a column DATE as 2026-01-31 beside clock times "
            "in TIME (9:30), or TIME as hours from the subject's start."
        )
    return out


class Rules:
    """Checks one table against one model and fills in what the table leaves out."""

    def __init__(self, table: Table, model: Model, in_words: bool = False) -> None:
        """in_words : doses are said by drug and route, so that compartments and modelled rates follow from these."""
        self.table, self.model, self.n, self.in_words = table, model, table.n, in_words

    def column(self, name: str, default: float = 0.0) -> NDArray[np.float64]:
        """A dosing column; missing cells and a missing column become the default."""
        values = self.table.columns.get(name)
        return np.full(self.n, default) if values is None else np.where(np.isnan(values), default, values)

    def refuse(self, bad: Bools, name: str, problem: str, values: NDArray[Any] | None = None) -> None:
        """Refuse the first row that is bad, if there is one."""
        if bad.any():
            row = int(np.argmax(bad))
            own = self.table.columns.get(name)
            shown = values[row] if values is not None else own[row] if own is not None else 0.0
            blank = isinstance(shown, (float, np.floating)) and np.isnan(shown)
            self.table.fail(row, name, "." if blank else shown, problem, int(bad.sum()) - 1)

    def checked(self) -> dict[str, NDArray[Any]]:
        """Every dosing column, complete and lawful: ID TIME AMT RATE EVID CMT ADDL II SS TINF, CMT counted from 0 (-1 none).

        Raises
        ------
        InvalidData: the first record that breaks a rule.
        """
        self.subjects()
        out: dict[str, NDArray[Any]] = {
            "ID": self.table.columns["ID"].astype(np.int64),
            "TIME": on_clock(self.table.columns["TIME"]),
        }
        for name in ("AMT", "RATE", "ADDL", "II", "SS"):
            out[name] = self.column(name)
            self.refuse(~np.isfinite(out[name]), name, "is not finite. Allowed: numbers.")
        out["EVID"] = self.events(out)
        self.clock(out["EVID"])
        dose = (out["EVID"] == 1) | (out["EVID"] == 4)
        self.sizes(out)
        self.misplaced(out, dose)
        out["RATE"], out["TINF"] = self.rates(out, dose)
        self.repeats(out, dose)
        if self.in_words:
            self.refuse(dose & (out["RATE"] < 0), "RATE", "on a dose with a route, which itself says how the drug enters. Give RATE 0, or above 0 for an infusion.")  # fmt: skip
            out["CMT"] = np.where(dose, 0, -1)
        else:
            out["CMT"] = self.compartments(dose)
            self.modelled(out, dose)
        out["II"] = np.where(dose, out["II"], 0.0)
        for name, kind in (("EVID", np.int8), ("ADDL", np.int64), ("SS", np.int8), ("CMT", np.int32)):
            out[name] = out[name].astype(kind)
        return out

    def subjects(self) -> None:
        """ID and TIME: present, whole, one block per subject."""
        ids, time = self.table.columns["ID"], self.table.columns["TIME"]
        self.refuse(np.isnan(ids), "ID", "is missing. Every record needs the number of its subject.")
        self.refuse((ids != np.floor(ids)) | (np.abs(ids) > 2**53), "ID", "is no whole number. Number the subjects 1, 2, 3 ...")
        self.refuse(np.isnan(time), "TIME", "is missing. Every record needs its time in hours.")
        self.refuse(
            ~np.isfinite(time) | (time < 0), "TIME", "is not allowed. Allowed: hours from the subject's start, 0 or more."
        )
        first = np.append(True, ids[1:] != ids[:-1])
        starts = np.flatnonzero(first)
        order = np.argsort(ids[starts], kind="stable")
        again = starts[order[1:][ids[starts[order[1:]]] == ids[starts[order[:-1]]]]]
        if len(again):
            bad = np.zeros(self.n, bool)
            bad[again] = True
            self.refuse(
                bad,
                "ID",
                "has records in two separate blocks. Keep the records of a subject together, or give the second a new number.",
            )

    def clock(self, evid: NDArray[Any]) -> None:
        """TIME: not backwards within a subject, but for a reset, with which the clock may start anew."""
        ids, time = self.table.columns["ID"], on_clock(self.table.columns["TIME"])
        back = np.append(False, (time[1:] < time[:-1]) & (ids[1:] == ids[:-1])) & ~np.isin(evid, (3, 4))
        if back.any():
            above = time[int(np.argmax(back)) - 1]
            self.refuse(back, "TIME", f"is before the record above ({above:g}). Within a subject time must not run backwards, "
                        f"unless the record is a reset (EVID 3 or 4).{_MIDNIGHT if self.table.clock else ''}")  # fmt: skip

    def events(self, out: dict[str, NDArray[Any]]) -> NDArray[Any]:
        """EVID, derived where it is missing: a dose if AMT > 0 or a constant infusion at steady state, else an observation."""
        given = self.table.columns.get("EVID", np.full(self.n, np.nan))
        derived = ((out["AMT"] > 0) | ((out["SS"] > 0) & (out["RATE"] != 0))).astype(float)
        evid = np.where(np.isnan(given), derived, given)
        self.refuse(
            ~np.isin(evid, (0, 1, 2, 3, 4)),
            "EVID",
            "is not allowed. Allowed: 0 observation, 1 dose, 2 other, 3 reset, 4 reset and dose.",
        )
        return evid

    def sizes(self, out: dict[str, NDArray[Any]]) -> None:
        """Values a column may have at all."""
        amt, rate, addl = out["AMT"], out["RATE"], out["ADDL"]
        self.refuse(amt < 0, "AMT", "is negative. Allowed: 0 or more.")
        kinds = "above 0 (infusion), 0 (bolus), -1 (the model's rate), -2 (the model's duration)"
        self.refuse(~((rate >= 0) | (rate == -1) | (rate == -2)), "RATE", f"is not allowed. Allowed: {kinds}.")
        self.refuse((addl < 0) | (addl != np.floor(addl)), "ADDL", "is no number of additional doses. Allowed: 0, 1, 2, ...")
        self.refuse(out["II"] < 0, "II", "is negative. Allowed: hours between doses, 0 or more.")
        self.refuse(
            ~np.isin(out["SS"], (0, 1, 2)),
            "SS",
            "is not allowed. Allowed: 0, 1 (steady state), 2 (steady state added to what is there).",
        )
        mdv = self.column("MDV")
        self.refuse(~np.isin(mdv, (0, 1)), "MDV", "is not allowed. Allowed: 0 (DV is a value), 1 (it is not).")

    def misplaced(self, out: dict[str, NDArray[Any]], dose: Bools) -> None:
        """Dosing values on records that are no dose."""
        for name in ("AMT", "RATE", "ADDL", "SS"):
            bad = ~dose & (out[name] != 0)
            if bad.any():
                evid = int(out["EVID"][int(np.argmax(bad))])
                self.refuse(
                    bad, name, f"stands on a record with EVID {evid}. Allowed: 0 there; a dose needs EVID 1 (or 4, with a reset)."
                )

    def rates(self, out: dict[str, NDArray[Any]], dose: Bools) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """RATE, from the duration of the infusion (Monolix's TINF) where that is given, and that duration."""
        lasts = np.zeros(self.n) if "TINF" in self.model.params else self.column("TINF")
        self.refuse(
            ~(np.isfinite(lasts) & (lasts >= 0)), "TINF", "is not allowed. Allowed: hours of the infusion; 0 for a bolus."
        )
        self.refuse((lasts > 0) & ~dose, "TINF", "stands on a record that is no dose. Allowed: 0 there.")
        self.refuse(
            (lasts > 0) & (out["AMT"] <= 0), "TINF", "without an amount. An infusion that lasts so long needs AMT above 0."
        )
        rate = np.where(lasts > 0, out["AMT"] / np.where(lasts > 0, lasts, 1.0), out["RATE"])
        other = (lasts > 0) & (out["RATE"] != 0) & ~np.isclose(out["RATE"], rate, rtol=1e-9, atol=0.0)
        self.refuse(other, "TINF", "stands beside a RATE that is not AMT / TINF. Give one of them.")
        return rate, lasts

    def repeats(self, out: dict[str, NDArray[Any]], dose: Bools) -> None:
        """ADDL, II and SS together."""
        amt, rate, ii, steady = out["AMT"], out["RATE"], out["II"], dose & (out["SS"] > 0)
        self.refuse(
            dose & (out["ADDL"] > 0) & (ii <= 0), "II", "with ADDL above 0. Additional doses need an interval II above 0.", ii
        )
        constant = (amt == 0) & (rate != 0)
        self.refuse(steady & (ii <= 0) & (rate == -2), "RATE", "with SS and no II. A constant infusion has no duration; give RATE above 0, "
                    "or -1 for the model's rate.", rate)  # fmt: skip
        self.refuse(steady & (ii <= 0) & ~constant, "II", "with SS above 0. Steady state needs an interval II above 0; only a "
                    "constant infusion (AMT 0, RATE above 0 or -1) goes without.", ii)  # fmt: skip
        self.refuse(steady & (ii > 0) & (amt <= 0), "AMT", "with SS and II above 0. Repeated doses need an amount above 0.", amt)
        self.refuse(dose & ~steady & (amt <= 0) & (rate > 0), "AMT", "with RATE above 0. An infusion needs an amount above 0 "
                    "(AMT 0 is the constant infusion at steady state, SS 1).", amt)  # fmt: skip

    def compartments(self, dose: Bools) -> NDArray[Any]:
        """CMT counted from 0, by number or name; a dose without goes into the first, as in NONMEM."""
        given = self.table.columns.get("CMT")
        count = len(self.model.compartments)
        numbers = np.full(self.n, np.nan) if given is None else self.named(given) if given.dtype == object else given
        blank = np.isnan(numbers) | (numbers == 0)
        self.unmeant(dose & blank)
        if given is None:
            return np.where(dose, 0, -1)
        bad = ~blank & ((numbers < 1) | (numbers > count) | (numbers != np.floor(numbers)))
        self.refuse(bad, "CMT", self.compartment_help())
        return np.where(blank, np.where(dose, 0, -1), np.where(blank, 1.0, numbers) - 1)

    def unmeant(self, first: Bools) -> None:
        """Refuse doses without a compartment where the first one is not the only one that drugs enter."""
        ways = {
            (route, analyte): entrances
            for route, by in getattr(self.model, "routes", {}).items()
            for analyte, entrances in by.items()
        }
        entered = {entrance.compartment for entrances in ways.values() for entrance in entrances}
        if not first.any() or not any(analyte for _, analyte in ways) or entered == {self.model.compartments[0]}:
            return
        row = int(np.argmax(first))
        names = listed([f"{k} {name}" for k, name in enumerate(self.model.compartments, 1)], 12)
        raise InvalidData(
            f"{self.table.where(row)}: a dose without CMT would enter '{self.model.compartments[0]}', the first compartment of {self.model.id}, which is "
            f"hardly meant. Say drug and route by columns DRUG and ROUTE, or for all doses (--drug, --route): AMT is then mg, e.g. of racemic_ketamine, iv. Or give CMT: {names}."
        )

    def named(self, given: NDArray[Any]) -> NDArray[np.float64]:
        """Numbers of compartments given by name."""
        exact = {name: k for k, name in enumerate(self.model.compartments, 1)}
        lower = {name.lower(): k for name, k in exact.items() if sum(n.lower() == name.lower() for n in exact) == 1}
        distinct = {str(word) for word in given if word is not None}
        values: dict[Any, float] = {None: np.nan}
        for word in distinct:
            values[word] = exact.get(word, lower.get(word.lower(), _plain(word)))
        unknown = {word for word in distinct if np.isnan(values[word])}
        if unknown:
            bad = np.array([w in unknown for w in given])
            word = str(given[int(np.argmax(bad))])
            self.refuse(bad, "CMT", self.compartment_help(close_names(word, exact)))
        return np.array([values[w] for w in given])

    def compartment_help(self, close: str = "") -> str:
        """What CMT may be."""
        listed = ", ".join(f"{k} {name}" for k, name in enumerate(self.model.compartments, 1))
        return f"is no compartment of {self.model.id}.{close} Allowed: {listed} (number or name); 0 or '.' for the first."

    def modelled(self, out: dict[str, NDArray[Any]], dose: Bools) -> None:
        """RATE -1 and -2 only where the model has a rate or duration for the compartment."""
        if not (dose & (out["RATE"] < 0)).any() or not hasattr(self.model, "system"):
            return
        inlets = self.model.system.inlets
        for code, what in ((-1, "rate"), (-2, "duration")):
            without = [k for k, c in enumerate(self.model.compartments) if c not in inlets or getattr(inlets[c], what) is None]
            bad = dose & (out["RATE"] == code) & np.isin(out["CMT"], without)
            if bad.any():
                name = self.model.compartments[int(out["CMT"][int(np.argmax(bad))])]
                self.refuse(
                    bad,
                    "RATE",
                    f"asks for the model's {what}, and {self.model.id} has none for compartment '{name}'. Give RATE above 0.",
                )

    def parameter(self, name: str, block: NDArray[np.int64], interpolation: str) -> NDArray[np.float64]:
        """Values of a parameter column, within bounds; missing ones as the interpolation has it."""
        values = self.table.columns[name]
        low, high = self.model.params[name].bounds
        self.refuse((values < low) | (values > high) | np.isinf(values), name,
                    f"is not allowed. Allowed: {low:g} to {high:g} {self.model.params[name].unit}; {MISSING_TEXT}.")  # fmt: skip
        whole = filled(values, self.table.columns["TIME"], block, interpolation)
        self.refuse(
            np.isnan(whole),
            name,
            "is missing on every record of this subject. Give at least one value, or leave the column out.",
        )
        return whole


def _plain(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return np.nan
