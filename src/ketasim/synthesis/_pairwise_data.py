"""Studies of one comparison ready to be pooled: one effect per study, with what it was made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ketasim.errors import InvalidData, InvalidOption, KetasimWarning, close_names
from ketasim.synthesis._effects import EffectSize
from ketasim.synthesis._network_data import MEASURES, NETWORK_MEASURES, WIDEST, Floats

if TYPE_CHECKING:
    import pandas as pd


class SharedLabel(KetasimWarning):
    """One study label stands at several effects, which are taken as independent."""


class AsymmetricInterval(KetasimWarning):
    """A reported interval is not centred on its estimate on the scale it is read on."""


class EstimatedData(KetasimWarning):
    """Means or standard deviations of some studies were estimated from medians or assumed correlations."""


@dataclass(frozen=True)
class PairwiseData:
    """One effect per study.

    Attributes
    ----------
    studies : labels. effect, se : (study,), logarithms for ratios. measure : md, smd, or, rr, rd or hr.
    n1, n2 : (study,), patients in the treated and the control arms, NaN where unknown.
    counts : (study, 4), events and patients of both arms where every effect comes from one two-by-two table, else None.
    columns : covariates as text by study. notes : how effects were obtained, by study. estimated : studies marked so.
    corrected : studies to which 0.5 was added. excluded : studies left out, with the reason. name : of the file.
    treatment, control : names of the arms, empty if unknown.

    Raises
    ------
    InvalidData: no studies, arrays of different length, or effects and errors that cannot be.
    """

    studies: tuple[str, ...]
    effect: Floats
    se: Floats
    measure: str
    n1: Floats
    n2: Floats
    counts: Floats | None = None
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    estimated: tuple[str, ...] = ()
    corrected: tuple[str, ...] = ()
    excluded: Mapping[str, str] = field(default_factory=dict)
    name: str = "table"
    treatment: str = ""
    control: str = ""

    def __post_init__(self) -> None:
        lengths = {len(x) for x in (self.studies, self.effect, self.se, self.n1, self.n2)}
        if lengths == {0} or len(lengths) > 1:
            raise InvalidData(
                f"{self.name}: one effect, standard error and number per study are needed; lengths are {sorted(lengths)}."
            )
        # Squares must not underflow or overflow: weights are their inverse.
        bad = ~(np.isfinite(self.effect) & (self.se > 1e-140) & (self.se < 1e140))
        if bad.any():
            i = int(bad.argmax())
            raise InvalidData(
                f"{self.name}: study '{self.studies[i]}' has the effect {self.effect[i]:g} with standard error {self.se[i]:g}; needed is a "
                "finite effect with a standard error above 0."
            )
        least, most = int(self.se.argmin()), int(self.se.argmax())
        if self.se[most] > WIDEST * self.se[least]:
            raise InvalidData(
                f"{self.name}: the standard errors of '{self.studies[least]}' ({self.se[least]:g}) and '{self.studies[most]}' "
                f"({self.se[most]:g}) differ more than a million times; they cannot be on one scale. Check units and decimal signs."
            )

    @classmethod
    def from_effects(
        cls,
        effects: Mapping[str, EffectSize] | Sequence[EffectSize],
        columns: Mapping[str, Sequence[Any]] | None = None,
        name: str = "table",
    ) -> PairwiseData:
        """From effects by study label; without labels the studies are numbered.

        Raises
        ------
        InvalidData: no effects, or of several measures.
        """
        named = dict(effects) if isinstance(effects, Mapping) else {str(k): e for k, e in enumerate(effects, 1)}
        measures = sorted({e.measure for e in named.values()})
        if len(measures) != 1:
            raise InvalidData(f"effects to pool have one measure; these have {', '.join(measures) or 'none'}.")
        e = list(named.values())
        return cls(
            tuple(named), _array([x.estimate for x in e]), _array([x.se for x in e]), measures[0], _array([x.n1 for x in e]),
            _array([x.n2 for x in e]), None, {k: tuple(str(x) for x in v) for k, v in (columns or {}).items()},
            {k: "; ".join(x.notes) for k, x in named.items() if x.notes}, tuple(k for k, x in named.items() if x.estimated),
            tuple(k for k, x in named.items() if x.corrected), {}, name,
        )  # fmt: skip

    @property
    def k(self) -> int:
        """Number of studies."""
        return len(self.studies)

    @property
    def variance(self) -> Floats:
        """Squared standard errors."""
        return self.se**2

    @property
    def n(self) -> Floats:
        """Patients per study, NaN where unknown."""
        return self.n1 + self.n2

    @property
    def is_log(self) -> bool:
        """Whether effects are logarithms of ratios."""
        return MEASURES[self.measure]

    @property
    def measure_name(self) -> str:
        """The measure in words."""
        return NETWORK_MEASURES[self.measure]

    def take(self, rows: Sequence[int] | NDArray[np.int64] | NDArray[np.bool_]) -> PairwiseData:
        """Some of the studies, in the order given."""
        chosen = np.arange(self.k)[np.asarray(list(rows))]
        studies = tuple(self.studies[i] for i in chosen)
        return PairwiseData(
            studies, self.effect[chosen], self.se[chosen], self.measure, self.n1[chosen], self.n2[chosen],
            None if self.counts is None else self.counts[chosen],
            {name: tuple(v[i] for i in chosen) for name, v in self.columns.items()},
            {s: t for s, t in self.notes.items() if s in studies}, tuple(s for s in self.estimated if s in studies),
            tuple(s for s in self.corrected if s in studies), self.excluded, self.name, self.treatment, self.control,
        )  # fmt: skip

    def column(self, name: str) -> tuple[str, ...]:
        """Values of a covariate as text.

        Raises
        ------
        InvalidOption: the covariate was not read.
        """
        found = [c for c in self.columns if c == name] or [c for c in self.columns if c.lower() == name.lower()]
        if not found:
            raise InvalidOption(
                f"{self.name}: no covariate '{name}'.{close_names(name, self.columns)} Read: {_listed(self.columns)}."
            )
        return self.columns[found[0]]

    def numbers(self, name: str) -> Floats | None:
        """Values of a covariate as numbers, NaN where missing; None if some are words."""
        values = []
        for text in self.column(name):
            try:
                values.append(float(text) if text.strip() else np.nan)
            except ValueError:
                return None
        return _array(values)

    def to_dataframe(self) -> pd.DataFrame:
        """One row per study: effect, standard error, patients, covariates, notes."""
        import pandas as pd

        frame = pd.DataFrame({"study": self.studies, "estimate": self.effect, "se": self.se, "n1": self.n1, "n2": self.n2})
        for name, values in self.columns.items():
            frame[name] = values
        return frame.assign(note=[self.notes.get(s, "") for s in self.studies])

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "measure": self.measure, "k": self.k, "treatment": self.treatment, "control": self.control, "excluded": dict(self.excluded),
            "corrected": list(self.corrected), "estimated": list(self.estimated), "studies": self.to_dataframe().to_dict("records"),
        }  # fmt: skip


def _array(values: Sequence[float]) -> Floats:
    return np.array(values, dtype=np.float64)


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(names) or "none (name covariates when reading)"
