"""A cohort: patients with their covariates, as labelled arrays. Nothing is drawn here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.errors import InvalidData
from ketasim.population._covariates import COVARIATES
from ketasim.population._random import check_seed

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Cohort:
    """Patients and their covariates.

    Attributes
    ----------
    ids : (n,) int64, or (n,) words where patients have names; each once. With `seed` they fix every random number of a patient.
    covariates : name -> (n,) float64 in the register's unit (AGE year, WT kg, HT cm, BMI kg/m^2, EGFR mL/min/1.73m^2),
        or (n,) words for categories (SEX, RACE, CYP2B6, CHILD_PUGH ...). Read-only.
    seed : seed of the random numbers of these patients.
    name, description, notes : for display; `notes` says what limits the use.
    sources : keys of the sources the covariates rest on. warnings : what was warned of when it was made; goes into every result.
    described : the patients were given one by one, as in a table, not drawn from a population: by default they then differ by their
        covariates alone.

    Examples
    --------
    >>> cohort = Cohort([1, 2], {"WT": [70.0, 82.5], "SEX": ["female", "male"]}, seed=1)
    >>> len(cohort), cohort.take([1])["WT"]
    (2, array([82.5]))
    """

    ids: NDArray[Any]
    covariates: Mapping[str, NDArray[Any]] = field(default_factory=dict[str, NDArray[Any]])
    seed: int = 0
    name: str = ""
    description: str = ""
    notes: str = ""
    sources: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    described: bool = False

    def __post_init__(self) -> None:
        ids = _read_only(_numbers_or_names(self.ids))
        if np.unique(ids).size != ids.size:
            raise InvalidData(
                f"cohort {self.name or ''}: ID {_first_double(ids)} occurs twice. Every patient needs an ID of their own."
            )
        columns: dict[str, NDArray[Any]] = {}
        for name, values in self.covariates.items():
            array = np.asarray(values)
            if array.shape != ids.shape:
                raise InvalidData(
                    f"cohort {self.name or ''}: covariate {name} has shape {array.shape}; needed is {ids.shape}, one per patient."
                )
            columns[name] = _read_only(array.astype(np.float64) if array.dtype.kind in "fiub" else array.astype(np.str_))
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "covariates", columns)
        object.__setattr__(self, "seed", check_seed(self.seed))
        object.__setattr__(self, "sources", tuple(self.sources))
        object.__setattr__(self, "warnings", tuple(self.warnings))

    def __len__(self) -> int:
        return int(self.ids.size)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.covariates[name]

    @property
    def fingerprint(self) -> str:
        """Hash of the patients and their covariates; another cohort of the same name and size has another one."""
        digest = hashlib.sha256(repr((self.ids.dtype.str, *self.covariates)).encode())
        for column in (self.ids, *self.covariates.values()):
            digest.update(column.tobytes())
        return digest.hexdigest()

    def take(self, which: slice | ArrayLike) -> Cohort:
        """The patients at some positions (slice, indices or a mask), with the same ids, seed and therefore random numbers."""
        index = which if isinstance(which, slice) else np.asarray(which)
        columns = {name: values[index] for name, values in self.covariates.items()}
        return replace(self, ids=self.ids[index], covariates=columns)

    def to_frame(self) -> pd.DataFrame:
        """One row per patient: ID and every covariate."""
        import pandas as pd

        return pd.DataFrame({"ID": self.ids, **{name: values.copy() for name, values in self.covariates.items()}})

    def _repr_html_(self) -> str:
        """In a notebook: who they are, and the first of them."""
        from html import escape

        return f"<pre>{escape(self.describe())}</pre>{self.to_frame().head(5).to_html(index=False, border=0)}"

    def describe(self) -> str:
        """Number of patients and, per covariate, mean, SD and range or the share of each level."""
        head = f"{self.name or 'cohort'}: {len(self)} patients, seed {self.seed}"
        lines = [head, *([self.description] if self.description else [])]
        for name, values in self.covariates.items():
            unit = COVARIATES[name].unit if name in COVARIATES else ""
            lines.append(f"  {name:<17}{_summary(values, unit)}")
        if self.notes:
            lines.append(f"Note: {self.notes}")
        if self.sources:
            lines.append(f"Sources: {', '.join(self.sources)}")
        return "\n".join(lines)


def _summary(values: NDArray[Any], unit: str) -> str:
    if values.size == 0:
        return "no patients"
    if values.dtype.kind == "U":
        levels, counts = np.unique(values, return_counts=True)
        return ", ".join(
            f"{level or 'no value'} {100 * count / values.size:.1f} %" for level, count in zip(levels, counts, strict=True)
        )
    values = values[~np.isnan(values)]
    if values.size == 0:
        return "no value"
    spread = float(np.std(values, ddof=1)) if values.size > 1 else 0.0
    return f"mean {np.mean(values):.4g}, SD {spread:.3g}, range {np.min(values):.4g} to {np.max(values):.4g} {unit}".rstrip()


def _numbers_or_names(ids: ArrayLike) -> NDArray[Any]:
    array = np.atleast_1d(np.asarray(ids))
    if array.ndim == 1 and array.dtype.kind in "UO" and all(isinstance(name, str) for name in array):
        return array.astype(np.str_)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iuf"):
        raise InvalidData(
            f"cohort ids must be one row of whole numbers, or of names; got shape {array.shape}, type {array.dtype}."
        )
    whole = array.astype(np.int64)
    if not np.array_equal(whole, array):
        raise InvalidData("cohort ids must be whole numbers, e.g. 1, 2, 3.")
    return whole


def _first_double(ids: NDArray[Any]) -> str:
    values, counts = np.unique(ids, return_counts=True)
    return str(values[counts > 1][0])


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    array = np.array(array)
    array.setflags(write=False)
    return array
