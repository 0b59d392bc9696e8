"""Event templates: dosing records shared by many subjects, with amounts per subject. The engine's only input for events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.dose._clock import on_clock
from ketasim.errors import InvalidData

if TYPE_CHECKING:
    import pandas as pd

    from ketasim.model import Model

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: NONMEM's columns, in the order they are written.
COLUMNS = ("ID", "TIME", "AMT", "RATE", "EVID", "CMT", "ADDL", "II", "SS")


@dataclass(frozen=True)
class EventTemplate:
    """NONMEM event records of subjects that share times, compartments and schedule. ADDL stays compressed.

    Attributes
    ----------
    time, ii : (record,), h; time ascending from 0. evid, cmt, addl, ss : (record,); ``cmt`` counts compartments from 0,
        -1 where none is meant.
    amt : (record, subject), unit of the compartment. rate : (record, subject), that unit per h; 0 bolus, -1 modelled rate,
        -2 modelled duration.
    ids : (subject,), whole numbers, or words where subjects have names.
    overrides : parameter name -> (record, subject): values carried by the records, in declared units; never missing.
    labels : (record,) what each record is, in words.
    duration : (record, subject), h: of infusions whose duration is stated, whatever part of the amount is available; 0: not
        stated, and an infusion lasts until its rate has given what is available.
    """

    time: Floats
    evid: Ints
    cmt: Ints
    amt: Floats
    rate: Floats
    ii: Floats
    addl: Ints
    ss: Ints
    ids: NDArray[Any]
    overrides: Mapping[str, Floats] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    duration: Floats = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        rows, subjects = len(self.time), len(self.ids)
        object.__setattr__(self, "time", on_clock(self.time))
        if not self.duration.size:
            object.__setattr__(self, "duration", np.zeros((rows, subjects)))
        for name, array in (("amt", self.amt), ("rate", self.rate), ("duration", self.duration), *self.overrides.items()):
            if np.shape(array) != (rows, subjects):
                raise InvalidData(
                    f"event template: {name} has shape {np.shape(array)}; needed is (records, subjects) = {(rows, subjects)}."
                )
        for name in ("evid", "cmt", "ii", "addl", "ss"):
            if np.shape(getattr(self, name)) != (rows,):
                raise InvalidData(
                    f"event template: {name} has shape {np.shape(getattr(self, name))}; needed is (records,) = {(rows,)}."
                )
        if self.labels and len(self.labels) != rows:
            raise InvalidData(f"event template: {len(self.labels)} labels for {rows} records.")
        if rows and np.any(np.diff(self.time) < 0):
            raise InvalidData("event template: records must be sorted by time.")

    @classmethod
    def build(
        cls, *, time: ArrayLike, amt: ArrayLike, ids: ArrayLike, evid: ArrayLike = 1, cmt: ArrayLike = 0, rate: ArrayLike = 0.0,
        ii: ArrayLike = 0.0, addl: ArrayLike = 0, ss: ArrayLike = 0, overrides: Mapping[str, ArrayLike] | None = None,
        labels: Sequence[str] = (), duration: ArrayLike = 0.0,
    ) -> EventTemplate:  # fmt: skip
        """A checked template from anything array-like: broadcast, typed, sorted by time (records at one time keep their order).

        Raises
        ------
        InvalidData: values that no record may have, naming record and column.

        Examples
        --------
        >>> EventTemplate.build(time=[24, 0], amt=[[50.0], [100.0]], ids=[1]).amt.ravel()
        array([100.,  50.])
        """
        times, subjects = np.atleast_1d(np.asarray(time, float)), np.atleast_1d(np.asarray(ids)).astype(np.int64)
        rows = len(times)
        order = np.argsort(times, kind="stable")

        def shared(values: ArrayLike, kind: type) -> NDArray[Any]:
            return np.broadcast_to(np.asarray(values), (rows,)).astype(kind)[order]

        def each(values: ArrayLike) -> Floats:
            array = np.asarray(values, float)
            array = array[:, None] if array.ndim == 1 else array
            return np.ascontiguousarray(np.broadcast_to(array, (rows, len(subjects)))[order])

        template = cls(
            times[order], shared(evid, np.int64), shared(cmt, np.int64), each(amt), each(rate), shared(ii, float),
            shared(addl, np.int64), shared(ss, np.int64), subjects, {name: each(v) for name, v in (overrides or {}).items()},
            tuple(str(labels[int(k)]) for k in order) if labels else (), each(duration),
        )  # fmt: skip
        template._check_values()
        return template

    def _check_values(self) -> None:
        steady = np.isin(self.ss, (1, 2))
        constant = (self.amt == 0).all(axis=1) & (self.rate != 0).all(axis=1) & (self.ii == 0)
        checks = (
            ("time", ~(np.isfinite(self.time) & (self.time >= 0)), "must be a number of hours, 0 or more"),
            ("evid", ~np.isin(self.evid, (0, 1, 2, 3, 4)), "must be 0, 1, 2, 3 or 4"),
            ("amt", ~(np.isfinite(self.amt) & (self.amt >= 0)).all(axis=1), "must be a number, 0 or more"),
            (
                "rate",
                ~((np.isfinite(self.rate) & (self.rate >= 0)) | np.isin(self.rate, (-1, -2))).all(axis=1),
                "must be 0 or more, -1 or -2",
            ),
            (
                "duration",
                ~(np.isfinite(self.duration) & (self.duration >= 0)).all(axis=1),
                "must be a number of hours, 0 or more",
            ),
            (
                "duration",
                ((self.duration > 0) & ((self.rate < 0) | (self.amt <= 0))).any(axis=1),
                "must be 0 without an amount, and beside a rate of -1 or -2",
            ),
            ("cmt", np.isin(self.evid, (1, 4)) & (self.cmt < 0), "must name a compartment for a dose"),
            ("ii", ~(np.isfinite(self.ii) & (self.ii >= 0)), "must be a number of hours, 0 or more"),
            ("addl", self.addl < 0, "must be 0 or more"),
            ("ss", ~np.isin(self.ss, (0, 1, 2)), "must be 0, 1 or 2"),
            ("ii", (self.addl > 0) & (self.ii <= 0), "must be above 0 where addl is"),
            ("ii", steady & (self.ii <= 0) & ~constant, "must be above 0 at steady state"),
        )
        for name, bad, need in checks:
            if bad.any():
                row = int(np.flatnonzero(bad)[0])
                raise InvalidData(
                    f"event template: {name} of record {row + 1} is {np.ravel(getattr(self, name)[row])[0]:g}; it {need}."
                )

    @property
    def n_subjects(self) -> int:
        """Number of subjects."""
        return len(self.ids)

    def take(self, subjects: Ints | slice) -> EventTemplate:
        """The same records for some of the subjects."""
        return EventTemplate(
            self.time, self.evid, self.cmt, self.amt[:, subjects], self.rate[:, subjects], self.ii, self.addl, self.ss,
            self.ids[subjects], {name: values[:, subjects] for name, values in self.overrides.items()}, self.labels,
            self.duration[:, subjects],
        )  # fmt: skip

    def numbered(self) -> EventTemplate:
        """The same for subjects with numbers: those with names are counted 1, 2, 3 ..., as event tables hold no names."""
        return replace(self, ids=np.arange(1, self.n_subjects + 1)) if self.ids.dtype.kind == "U" else self

    def expanded(self) -> EventTemplate:
        """The same with every additional dose (ADDL) as a record of its own; steady-state records keep SS and II on the first."""
        count = self.addl + 1
        row = np.repeat(np.arange(len(self.time)), count)
        k = np.concatenate([np.arange(c) for c in count]) if len(count) else np.zeros(0, np.int64)
        time = on_clock(self.time[row] + k * self.ii[row])
        order = np.argsort(time, kind="stable")
        row, k, time = row[order], k[order], time[order]
        steady = (self.ss[row] > 0) & (k == 0)
        evid = np.where((self.evid[row] == 4) & (k > 0), 1, self.evid[row])  # the reset happens once
        return EventTemplate(
            time, evid, self.cmt[row], self.amt[row], self.rate[row], np.where(steady, self.ii[row], 0.0),
            np.zeros_like(row), np.where(steady, self.ss[row], 0), self.ids, {name: v[row] for name, v in self.overrides.items()},
            tuple(self.labels[int(r)] for r in row) if self.labels else (), self.duration[row],
        )  # fmt: skip

    def to_frame(self, model: Model) -> pd.DataFrame:
        """One row per subject and record with NONMEM's columns; CMT counts from 1 (0: none), units are the compartments'.

        ``TINF`` follows where a duration is stated, h; then columns of overridden parameters, and ``LABEL``, which says each record
        in words.
        """
        import pandas as pd

        subjects, rows = self.n_subjects, len(self.time)
        shared = {"TIME": self.time, "EVID": self.evid, "CMT": self.cmt + 1, "II": self.ii, "ADDL": self.addl, "SS": self.ss}
        columns: dict[str, Any] = {"ID": np.repeat(self.ids, rows), "AMT": self.amt.T.ravel(), "RATE": self.rate.T.ravel()}
        columns |= {name: np.tile(values, subjects) for name, values in shared.items()}
        columns = {name: columns[name] for name in COLUMNS}
        if self.duration.any():
            columns["TINF"] = self.duration.T.ravel()
        columns |= {name: values.T.ravel() for name, values in self.overrides.items()}
        names = [model.compartments[c] if c >= 0 else "none" for c in self.cmt]
        said = self.labels or tuple(_EVENTS[int(e)] for e in self.evid)
        labels = [f"{w} into {c}" if e in (1, 4) else w for w, e, c in zip(said, self.evid, names, strict=True)]
        columns["LABEL"] = np.tile(np.array(labels, dtype=object), subjects)
        return pd.DataFrame(columns)


_EVENTS = {0: "observation", 1: "dose", 2: "other event", 3: "reset", 4: "reset and dose"}
