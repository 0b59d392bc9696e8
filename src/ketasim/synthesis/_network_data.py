"""A network of trials ready to be analysed: studies as contrasts against their first arm with covariance, and its graph."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ketasim.errors import InvalidData, KetasimWarning, UnknownEntry, close_names

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

#: Largest over smallest standard error; beyond, weights would cancel in double precision.
WIDEST = 1e6
#: Measures of a network, and whether they are analysed on the log scale.
MEASURES: dict[str, bool] = {"md": False, "smd": False, "or": True, "rr": True, "rd": False, "hr": True}
NETWORK_MEASURES = {
    "md": "mean difference", "smd": "standardised mean difference", "or": "odds ratio", "rr": "risk ratio", "rd": "risk difference",
    "hr": "hazard ratio",
}  # fmt: skip


class StudyExcluded(KetasimWarning):
    """A study carries no information on relative effects, or lacks numbers, and was left out."""


class ContinuityCorrected(KetasimWarning):
    """Counts of zero were raised by one half."""


class ImplausibleVariance(KetasimWarning):
    """The standard errors of a multi-arm study imply a negative variance of one arm."""


@dataclass(frozen=True)
class StudyContrasts:
    """One study: effects of its other arms against its first.

    Attributes
    ----------
    study : label. arms : treatments, the first is the base. effect : (arms - 1,), arm minus base, log scale for ratios.
    cov : (arms - 1, arms - 1), their covariance within the study. n : patients per arm; empty if unknown.
    misfit : what rounding of the contrasts of a multi-arm study adds to Q; 0 for two arms and for arm data.
    """

    study: str
    arms: tuple[str, ...]
    effect: Floats
    cov: Floats
    n: tuple[float, ...] = ()
    misfit: float = 0.0

    @property
    def design(self) -> tuple[str, ...]:
        """Treatments compared, sorted."""
        return tuple(sorted(self.arms))

    def pair(self, one: str, other: str) -> tuple[float, float]:
        """Effect of `one` against `other` in this study, and its variance."""
        c = np.zeros(len(self.arms))
        c[self.arms.index(one)] += 1.0
        c[self.arms.index(other)] -= 1.0
        return float(c[1:] @ self.effect), float(c[1:] @ self.cov @ c[1:])


@dataclass(frozen=True)
class ArmRows:
    """Arm-level data as given, for likelihoods of counts and means; one entry per arm, studies in a row.

    Attributes
    ----------
    study, treatment : (arm,), index into the studies and treatments of the network. values : (arm,) arrays by role
        (``events, n`` or ``mean, sd, n``).
    """

    study: NDArray[np.int64]
    treatment: NDArray[np.int64]
    values: Mapping[str, Floats]


def with_lost(excluded: Mapping[str, str], named: Iterable[str], studies: Sequence[StudyContrasts]) -> dict[str, str]:
    """Studies left out, the last with the treatments that no study is left of: they are in no result."""
    lost = sorted({one for one in named if one} - {arm for study in studies for arm in study.arms})
    if not (lost and excluded):
        return dict(excluded)
    last = next(reversed(list(excluded)))
    words = f"treatment{'s' if len(lost) > 1 else ''} {', '.join(lost)} {'are' if len(lost) > 1 else 'is'} left out with it"
    return {**excluded, last: f"{excluded[last]}; {words}"}


@dataclass(frozen=True)
class NetworkData:
    """Studies of a network, and what was noticed on reading them.

    Attributes
    ----------
    studies : one `StudyContrasts` each. treatments : sorted names. measure : one of md, smd, or, rr, rd, hr.
    form : ``contrast`` or ``arm``, as given. arms : the arm-level rows, if given.
    covariates : column -> one value per study (text). excluded : studies left out, with the reason. name : of the file.
    """

    studies: tuple[StudyContrasts, ...]
    measure: str
    form: str = "contrast"
    arms: ArmRows | None = None
    covariates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    excluded: Mapping[str, str] = field(default_factory=dict)
    name: str = "table"
    treatments: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.treatments:
            object.__setattr__(self, "treatments", tuple(sorted({t for s in self.studies for t in s.arms})))
        spread = {s.study: np.sqrt(np.diag(s.cov)) for s in self.studies if s.cov.size}
        if not spread:
            return
        least, most = min(spread, key=lambda k: spread[k].min()), max(spread, key=lambda k: spread[k].max())
        if spread[most].max() > WIDEST * spread[least].min():
            raise InvalidData(
                f"{self.name}: the standard errors of '{least}' ({spread[least].min():g}) and '{most}' ({spread[most].max():g}) differ "
                "more than a million times; they cannot be on one scale. Check units and decimal signs."
            )

    @property
    def is_log(self) -> bool:
        """Whether effects are logarithms of ratios."""
        return MEASURES[self.measure]

    @property
    def n_pairwise(self) -> int:
        """Pairwise comparisons within studies, all pairs of multi-arm studies counted."""
        return sum(len(s.arms) * (len(s.arms) - 1) // 2 for s in self.studies)

    @property
    def n_contrasts(self) -> int:
        """Independent contrasts: arms less one, summed over studies."""
        return sum(len(s.arms) - 1 for s in self.studies)

    def index(self, treatment: str) -> int:
        """Place of a treatment in `treatments`."""
        return self.treatments.index(treatment)

    def designs(self) -> dict[tuple[str, ...], list[int]]:
        """Sets of treatments compared, and the studies of each."""
        found: dict[tuple[str, ...], list[int]] = {}
        for k, study in enumerate(self.studies):
            found.setdefault(study.design, []).append(k)
        return dict(sorted(found.items(), key=lambda item: (len(item[0]), item[0])))

    def comparisons(self) -> dict[tuple[str, str], list[int]]:
        """Pairs of treatments with direct evidence, and the studies of each."""
        found: dict[tuple[str, str], list[int]] = {}
        for k, study in enumerate(self.studies):
            for one, other in itertools.combinations(study.design, 2):
                found.setdefault((one, other), []).append(k)
        return dict(sorted(found.items()))

    def components(self) -> list[tuple[str, ...]]:
        """Connected parts of the network, the largest first."""
        return components(self.treatments, [s.arms for s in self.studies])

    def patients(self) -> dict[str, float]:
        """Patients per treatment; NaN where a study does not say."""
        total = dict.fromkeys(self.treatments, 0.0)
        for study in self.studies:
            for k, arm in enumerate(study.arms):
                total[arm] += study.n[k] if study.n else np.nan
        return total

    def resolve(self, treatment: str) -> str:
        """A treatment as the network writes it, whatever the letter case.

        Raises
        ------
        UnknownEntry: no such treatment.
        """
        if treatment in self.treatments:
            return treatment
        close = [t for t in self.treatments if t.lower() == treatment.strip().lower()]
        if len(close) == 1:
            return close[0]
        raise UnknownEntry(
            f"no treatment '{treatment}' in {self.name}.{close_names(treatment, self.treatments)} "
            f"There are: {', '.join(self.treatments)}."
        )

    def default_reference(self) -> str:
        """A control by name if there is one, else the treatment in most studies."""
        counts = {t: sum(t in s.arms for s in self.studies) for t in self.treatments}
        controls = [t for t in self.treatments if t.lower().startswith(("plac", "pbo", "control", "saline", "sham"))]
        return max(controls or self.treatments, key=lambda t: (counts[t], -self.index(t)))

    def check_connected(self) -> None:
        """Refuse a network in parts, naming them.

        Raises
        ------
        InvalidData: there is more than one part.
        """
        parts = self.components()
        if len(parts) > 1:
            named = "; ".join(f"({k}) {', '.join(part)}" for k, part in enumerate(parts, 1))
            raise InvalidData(
                f"{self.name}: the network is disconnected, in {len(parts)} parts without a study between them: {named}. Analyse "
                "each part by itself, add a study that joins them, or, if treatments share components ('A+B'), use a component "
                "network (--components)."
            )

    def take(self, keep: Sequence[int]) -> NetworkData:
        """The network of some of the studies, in the order given."""
        keep = list(keep)
        arms = _take_arms(self.arms, keep) if self.arms is not None else None
        covariates = {name: tuple(values[k] for k in keep) for name, values in self.covariates.items()}
        return replace(
            self, studies=tuple(self.studies[k] for k in keep), arms=arms, covariates=covariates, treatments=self.treatments
        )

    def to_dataframe(self) -> pd.DataFrame:
        """All pairwise contrasts of all studies: study, treat1, treat2, effect, se."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for study in self.studies:
            for one, other in itertools.combinations(study.design, 2):
                effect, variance = study.pair(one, other)
                rows.append({"study": study.study, "treat1": one, "treat2": other, "effect": effect, "se": variance**0.5})
        return pd.DataFrame(rows)


def _take_arms(arms: ArmRows, keep: Sequence[int]) -> ArmRows:
    order = np.concatenate([np.flatnonzero(arms.study == k) for k in keep]) if len(keep) else np.array([], dtype=np.int64)
    new = np.concatenate([np.full(int((arms.study == k).sum()), i) for i, k in enumerate(keep)]) if len(keep) else order
    return ArmRows(new.astype(np.int64), arms.treatment[order], {name: v[order] for name, v in arms.values.items()})


def components(treatments: Iterable[str], joined: Iterable[Sequence[str]]) -> list[tuple[str, ...]]:
    """Connected parts of a graph whose hyperedges are the arms of studies; the largest part first."""
    home = {t: t for t in treatments}

    def root(t: str) -> str:
        while home[t] != t:
            home[t] = home[home[t]]
            t = home[t]
        return t

    for arms in joined:
        for arm in arms[1:]:
            home[root(arm)] = root(arms[0])
    parts: dict[str, list[str]] = {}
    for t in home:
        parts.setdefault(root(t), []).append(t)
    return sorted((tuple(sorted(p)) for p in parts.values()), key=lambda p: (-len(p), p))
