"""NONMEM-style event tables: read, grouped for the engine, written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ketasim.arguments import checked
from ketasim.dose._drug_rows import TERMS, DrugTerms, Expanded, has_drug_terms, in_drug_terms
from ketasim.dose._gaps import check_interpolation
from ketasim.dose._resolve import DEVICES
from ketasim.dose._rules import RESERVED, Rules, canonical_names
from ketasim.dose._table import day_words, from_frame, from_start, read_table
from ketasim.dose._template import COLUMNS, EventTemplate, Floats, Ints
from ketasim.errors import InvalidData, InvalidOption, close_names
from ketasim.writing import replacing

if TYPE_CHECKING:
    import pandas as pd

    from ketasim.model import Model


class EventGroup(NamedTuple):
    """Spans of subjects whose records agree in everything but amounts and values.

    Attributes
    ----------
    template : their records, EVID 0 included. spans : (subject,), positions in `EventData.spans`.
    times : (time,), h: distinct times of their observations (EVID 0), ascending; empty where there are none.
    """

    template: EventTemplate
    spans: Ints
    times: Floats


@dataclass(frozen=True)
class EventData:
    """A checked event table, column by column.

    Attributes
    ----------
    name : of the file. records : ID TIME AMT RATE EVID CMT ADDL II SS TINF -> (record,); CMT counts from 0, -1 where none is meant.
    overrides : parameter -> (record,), in declared units, no gaps.
    covariates : other columns -> (record,): numbers with NaN, or text with None, where missing.
    values : DV and MDV where the table has them -> (record,), NaN where missing.
    kept : columns to carry to the output -> (record,), in the order asked for. in_mass : doses were said by drug and route, so that
        concentrations are reported in ng/mL. said : how amounts were read, in words.
    """

    name: str
    records: dict[str, NDArray[Any]]
    overrides: dict[str, Floats] = field(default_factory=dict)
    covariates: dict[str, NDArray[Any]] = field(default_factory=dict)
    values: dict[str, Floats] = field(default_factory=dict)
    kept: dict[str, NDArray[Any]] = field(default_factory=dict)
    in_mass: bool = False
    said: tuple[str, ...] = ()

    @cached_property
    def starts(self) -> Ints:
        """First record of each subject, and the number of records at the end: (subject + 1,)."""
        ids = self.records["ID"]
        return np.concatenate(([0], np.flatnonzero(ids[1:] != ids[:-1]) + 1, [len(ids)])).astype(np.int64)

    @cached_property
    def spans(self) -> Ints:
        """First record of each span, and the number of records at the end: (span + 1,).

        A span is what one clock times: a subject, or, where a reset set TIME back, each part of one.
        """
        time = self.records["TIME"]
        return np.union1d(self.starts, np.flatnonzero(time[1:] < time[:-1]) + 1)

    @property
    def ids(self) -> Ints:
        """(subject,), in the order of the table."""
        return self.records["ID"][self.starts[:-1]]

    @property
    def n_subjects(self) -> int:
        """Number of subjects."""
        return len(self.starts) - 1

    @property
    def n_records(self) -> int:
        """Number of records."""
        return len(self.records["ID"])

    def rows(self, spans: Ints) -> Ints:
        """(record, span): positions in the columns, for spans of one group."""
        length = int(self.spans[spans[0] + 1] - self.spans[spans[0]])
        return self.spans[spans][None, :] + np.arange(length)[:, None]

    @property
    def observations(self) -> pd.DataFrame:
        """Records with EVID 0: ID, TIME, CMT from 1 (0: none), and DV, MDV where the table has them."""
        frame = self.to_frame()
        return frame.loc[frame["EVID"] == 0, ["ID", "TIME", "CMT", *self.values]].reset_index(drop=True)

    def subjects(self) -> pd.DataFrame:
        """One row per subject: ID and the first value of each covariate."""
        import pandas as pd

        block = np.repeat(np.arange(self.n_subjects), np.diff(self.starts))
        frame = pd.DataFrame({"ID": self.ids})
        for name, column in self.covariates.items():
            first = pd.Series(column).groupby(block).first()
            frame[name] = first.reindex(np.arange(self.n_subjects)).to_numpy()
        return frame

    def groups(self) -> list[EventGroup]:
        """Spans with identical structure together, in order of first appearance; never two of one subject.

        Identical are times, EVID, CMT, II, ADDL, SS and the kind of RATE (above 0, 0, -1, -2); amounts, rates and
        values differ per subject.
        """
        codes, lengths = self._codes(), np.diff(self.spans)
        subject = np.searchsorted(self.starts, self.spans[:-1], side="right") - 1
        which = np.arange(len(lengths)) - np.searchsorted(subject, subject)  # first, second ... span of its subject
        found: list[Ints] = []
        for length in np.unique(lengths):
            members = np.flatnonzero(lengths == length)
            records = codes[self.spans[members][:, None] + np.arange(length)[None, :]]
            matrix = np.column_stack([which[members].astype(codes.dtype), records])
            found += [members[part] for part in _same_rows(matrix)]
        found.sort(key=lambda members: int(members[0]))
        return [self._group(members) for members in found]

    def _codes(self) -> NDArray[Any]:
        """One number per distinct record structure: (record,). Exact, no hashing."""
        import pandas as pd

        rate = self.records["RATE"]
        kind = np.where(rate > 0, 1, rate).astype(np.int8)
        code, uniques = pd.factorize(self.records["TIME"])
        size = len(uniques)
        for column in (*(self.records[name] for name in ("EVID", "CMT", "II", "ADDL", "SS")), kind):
            other, values = pd.factorize(column)
            if len(values) > 1:
                code, uniques = pd.factorize(code.astype(np.int64) * len(values) + other)
                size = len(uniques)
        return code.astype(np.int32 if size < 2**31 else np.int64)

    def _group(self, members: Ints) -> EventGroup:
        rows = self.rows(members)
        r, first = self.records, rows[:, 0]
        template = EventTemplate(
            r["TIME"][first], r["EVID"][first].astype(np.int64), r["CMT"][first].astype(np.int64), r["AMT"][rows],
            r["RATE"][rows], r["II"][first], r["ADDL"][first].astype(np.int64), r["SS"][first].astype(np.int64), r["ID"][rows[0]],
            {name: values[rows] for name, values in self.overrides.items()}, duration=r["TINF"][rows],
        )  # fmt: skip
        return EventGroup(template, members, np.unique(template.time[template.evid == 0]))

    @cached_property
    def table(self) -> pd.DataFrame:
        """Every record as `to_frame` gives it."""
        return self.to_frame()

    def to_frame(self) -> pd.DataFrame:
        """The table with NONMEM's columns, CMT from 1 (0: none), then values, parameters, covariates."""
        import pandas as pd

        columns = {name: self.records[name] + 1 if name == "CMT" else self.records[name] for name in COLUMNS}
        if self.records["TINF"].any():
            columns["TINF"] = self.records["TINF"]
        return pd.DataFrame(columns | self.values | self.overrides | self.covariates)


def _same_rows(matrix: NDArray[Any]) -> Iterator[Ints]:
    """Positions of equal rows of a matrix, together."""
    if len(matrix) == 1:
        yield np.zeros(1, np.int64)
        return
    packed = np.ascontiguousarray(matrix).view(np.dtype((np.void, matrix.dtype.itemsize * matrix.shape[1]))).ravel()
    _, inverse = np.unique(packed, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(inverse[order])) + 1)


def read_events(
    source: str | Path | pd.DataFrame, model: Model, interpolation: str = "nocb", *, drug: str = "", route: str = "", unit: str = "",
    form: str = "", keep: Sequence[str] = (),
) -> EventData:  # fmt: skip
    """Read an event table: ID TIME AMT RATE EVID CMT ADDL II SS MDV DV, parameters and covariates; any letter case.

    Parameters
    ----------
    source : CSV file (comma or tab), or a table in memory. model : gives compartments and parameter names.
    interpolation : what stands in empty cells of parameters: nocb, locf or linear.
    drug, route, unit, form : of every dose whose record has none of its own in a column DRUG, ROUTE, UNIT (mg) or FORM (base): AMT is
        then in that unit, and each dose becomes what enters the model by that route. keep : columns to carry to the output.

    Returns
    -------
    EventData: a column named like a parameter overrides it, record by record; other columns are covariates.

    Raises
    ------
    InvalidData: one message with file, line, column, value and what is allowed.
    """

    check_interpolation(interpolation)
    if not hasattr(model, "params"):
        raise InvalidOption(
            f"read_events: model is of type {type(model).__name__}: give a Model, e.g. ketasim.simulation.as_model('pk/otto2021')."
        )

    def numeric(name: str) -> bool:
        return name in model.params or (name in (*RESERVED, "DATE") and name != "CMT")

    def canonical(names: list[str], where: str) -> list[str]:
        return canonical_names(names, where, model)

    if isinstance(source, (str, Path)):
        table = read_table(Path(source), canonical, numeric)
    else:
        table = from_frame(source, canonical, numeric)
    given = dict(table.columns)
    from_start(table)
    terms = DrugTerms(drug, route, unit, form)
    in_words = has_drug_terms(table, terms)
    rules = Rules(table, model, in_words)
    data = EventData(table.name, rules.checked(), kept=_kept(given, keep, table.name))
    block = np.repeat(np.arange(data.n_subjects), np.diff(data.starts))
    used = (*RESERVED, *(TERMS if in_words else ()))
    for name, column in table.columns.items():
        if name in ("DV", "MDV"):
            data.values[name] = column
        elif name in model.params:
            data.overrides[name] = rules.parameter(name, block, interpolation)
        elif name not in used and not (name == "C" and column.dtype != object and np.isnan(column).all()):
            data.covariates[name] = column
    return _expanded(data, in_drug_terms(table, data.records, model, terms)) if in_words else data


def _kept(columns: Mapping[str, NDArray[Any]], names: Sequence[str], where: str) -> dict[str, NDArray[Any]]:
    """Columns to carry to the output, as they stand in the table."""
    if isinstance(names, str):
        raise InvalidOption(f"keep = '{names}': give a list of columns, e.g. ['{names}'].")
    lower = {name.lower(): name for name in columns}
    found: dict[str, NDArray[Any]] = {}
    for name in names:
        own = lower.get(str(name).lower())
        if own is None:
            raise InvalidData(
                f"{where}: no column '{name}' to keep.{close_names(str(name), columns)} Columns: {', '.join(columns)}."
            )
        if own not in ("ID", "TIME"):  # they are there anyway
            found[own] = day_words(columns[own]) if own == "DATE" else columns[own]
    return found


def _expanded(data: EventData, found: Expanded) -> EventData:
    """The table with one record per analyte and entrance of every dose."""

    def each(columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return {name: values[found.origin] for name, values in columns.items()}

    overrides = each(data.overrides)
    if found.devices is not None and DEVICES not in overrides:
        overrides[DEVICES] = found.devices
    return EventData(
        data.name,
        found.records,
        overrides,
        each(data.covariates),
        each(data.values),
        each(data.kept),
        in_mass=True,
        said=found.said,
    )


@checked
def write_events(
    events: EventData | EventTemplate | pd.DataFrame, path: str | Path, model: Model | None = None, labels: bool = False
) -> None:
    """Write events as CSV with NONMEM's columns, whole or not at all; `read_events` gives the same back.

    Parameters
    ----------
    model : needed for an `EventTemplate`. labels : also a column LABEL that says each record in words.

    Raises
    ------
    OutputError: the file cannot be written; nothing is left behind.
    """
    if isinstance(events, EventTemplate):
        if model is None:
            raise InvalidOption("write_events: an EventTemplate needs its model, e.g. write_events(template, path, model).")
        frame = events.to_frame(model)
    else:
        frame = events.to_frame() if isinstance(events, EventData) else events
    if not labels and "LABEL" in frame and isinstance(events, EventTemplate):
        frame = frame.drop(columns="LABEL")
    if not len(frame.columns):
        raise InvalidData("write_events: the table has no columns.")
    with replacing(path) as part:
        frame.to_csv(part, index=False, na_rep=".")
