"""Pairwise meta-analysis: common and random effects, subgroups, leave-one-out, cumulative."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from ketasim.arguments import checked
from ketasim.errors import InvalidData, InvalidOption, close_names
from ketasim.synthesis._heterogeneity import Heterogeneity, checked_method, estimate_tau2
from ketasim.synthesis._network_table import Table
from ketasim.synthesis._pairwise_data import PairwiseData
from ketasim.synthesis._pairwise_input import read_pairwise
from ketasim.synthesis._pairwise_pool import POOLING, PREDICTION, Pooled, Rules, peto_effects, pool, pool_random

if TYPE_CHECKING:
    import pandas as pd

NOT_STATED = "not stated"


@dataclass(frozen=True)
class Subgroup:
    """Studies that share a value of the subgroup column.

    Attributes
    ----------
    name : the value. rows : indices of its studies. common, random : pooled effects. heterogeneity : within the subgroup.
    """

    name: str
    rows: tuple[int, ...]
    common: Pooled
    random: Pooled
    heterogeneity: Heterogeneity

    def model(self, name: str) -> Pooled:
        """Pooled effect under ``common`` or ``random``."""
        return self.common if name == "common" else self.random

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "subgroup": self.name, "k": len(self.rows), "common": self.common.as_dict(), "random": self.random.as_dict(),
            "heterogeneity": self.heterogeneity.as_dict(),
        }  # fmt: skip


@dataclass(frozen=True)
class GroupTest:
    """Test for a difference between subgroups: Q over their effects, chi2 with groups - 1 degrees of freedom.

    It uses the usual standard errors also under Hartung-Knapp: in subgroups of two or three studies those of Hartung and Knapp may be
    near zero by chance, which their t distribution makes up for, but a chi2 would not.
    """

    model: str
    q: float
    df: int
    p: float

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {"model": self.model, "q": self.q, "df": self.df, "p": self.p}


@dataclass(frozen=True)
class Series:
    """The analysis repeated with changing studies.

    Attributes
    ----------
    kind : ``leave-one-out`` or ``cumulative``. labels : study left out, or added. pooled : effect by step.
    heterogeneity : by step. overall : effect of all studies.
    """

    kind: str
    labels: tuple[str, ...]
    pooled: tuple[Pooled, ...]
    heterogeneity: tuple[Heterogeneity, ...]
    overall: Pooled

    def to_dataframe(self) -> pd.DataFrame:
        """One row per step."""
        import pandas as pd

        name = "omitted" if self.kind == "leave-one-out" else "added"
        rows = [
            {name: label}
            | {k: v for k, v in p.as_dict().items() if k not in ("model", "how", "measure", "level")}
            | {"i2": h.i2, "q": h.q}
            for label, p, h in zip(self.labels, self.pooled, self.heterogeneity, strict=True)
        ]
        return pd.DataFrame(rows)

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {"kind": self.kind, "steps": self.to_dataframe().to_dict("records")}


#: An interval so many times as wide as that of the common effect says nothing of fewer studies than these.
_USELESS, _FEWEST = 4.0, 5


@dataclass(frozen=True)
class PairwiseResult:
    """A pairwise meta-analysis.

    Attributes
    ----------
    data : the studies as pooled. rules : of pooling. common, random : pooled effects. heterogeneity : over all studies.
    subgroup : column, empty if none. subgroups : in order of first appearance. between : tests by model, common first.
    """

    data: PairwiseData
    rules: Rules
    common: Pooled
    random: Pooled
    heterogeneity: Heterogeneity
    subgroup: str = ""
    subgroups: tuple[Subgroup, ...] = ()
    between: tuple[GroupTest, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader has to know of the random-effects interval: by how few studies it rests on, and when it is too narrow."""
        said: list[str] = []
        width, common = (p.ci_high - p.ci_low for p in (self.random, self.common))
        if self.rules.hk and self.data.k > 1 and width < common:
            said.append(
                "The Hartung-Knapp interval is narrower than that of the common effect: the studies agree more than chance would have "
                "them. Tell the wider one, or take the ad hoc form."
            )
        if self.rules.hk and 1 < self.data.k < _FEWEST and width > _USELESS * common:
            half = float(stats.norm.isf((1 - self.random.level) / 2)) * float(
                1 / np.sqrt((1 / (self.data.variance + self.random.tau2)).sum())
            )
            low, high = (self.random.natural(self.random.estimate + side * half) for side in (-1, 1))
            said.append(
                f"{self.data.k} studies cannot be pooled usefully with Hartung-Knapp (t with {self.data.k - 1} df): read the studies "
                f"themselves. The usual interval, which takes tau2 as known, is {low:.3g} to {high:.3g}."
            )
        if math.isfinite(self.random.pi_low):
            df = {"k-2": f"t with {self.data.k - 2} df", "k-1": f"t with {self.data.k - 1} df", "normal": "normal"}
            said.append(f"Prediction interval: {df[self.rules.prediction]} (--prediction).")
        return tuple(said)

    def model(self, name: str) -> Pooled:
        """Pooled effect under ``common`` or ``random``.

        Raises
        ------
        InvalidOption: no such model.
        """
        if name not in ("common", "random"):
            raise InvalidOption(f"no model '{name}'.{close_names(name, ('common', 'random'))} Use common or random.")
        return self.common if name == "common" else self.random

    def leave_one_out(self, model: str = "random") -> Series:
        """The pooled effect without each study in turn."""
        self._need(2, "leave-one-out")
        rows = [[j for j in range(self.data.k) if j != i] for i in range(self.data.k)]
        return self._series("leave-one-out", rows, list(self.data.studies), model)

    def cumulative(self, order: str = "", model: str = "random") -> Series:
        """The pooled effect as studies are added, in the order of the table or by a column read as a covariate."""
        at = np.arange(self.data.k)
        if order:
            values = self.data.numbers(order)
            words = np.array(self.data.column(order))
            at = np.argsort(words if values is None else values, kind="stable")
        labels = [self.data.studies[i] for i in at]
        return self._series("cumulative", [at[: i + 1].tolist() for i in range(self.data.k)], labels, model)

    def _series(self, kind: str, rows: Sequence[Sequence[int]], labels: Sequence[str], model: str) -> Series:
        self.model(model)
        steps = [pool(self.data.take(list(some)), self.rules) for some in rows]
        pooled = tuple(s[0] if model == "common" else s[1] for s in steps)
        return Series(kind, tuple(labels), pooled, tuple(s[2] for s in steps), self.model(model))

    def _need(self, k: int, what: str) -> None:
        if self.data.k < k:
            raise InvalidData(f"{self.data.name}: {what} needs at least {k} studies; here is {self.data.k}.")

    def to_dataframe(self) -> pd.DataFrame:
        """One row per study: effect, interval, weights in percent under both models."""
        z = float(stats.norm.isf((1 - self.rules.level) / 2))
        frame = self.data.to_dataframe()
        frame.insert(3, "ci_low", self.data.effect - z * self.data.se)
        frame.insert(4, "ci_high", self.data.effect + z * self.data.se)
        frame.insert(5, "weight_common", self.common.weights)
        frame.insert(6, "weight_random", self.random.weights)
        if self.data.is_log:
            for place, name in enumerate(("estimate", "ci_low", "ci_high"), 7):
                frame.insert(place, f"exp_{name}", np.exp(frame[name]))
        return frame

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {
            "measure": self.data.measure, "k": self.data.k, "patients": float(np.nansum(self.data.n)) or math.nan,
            "treatment": self.data.treatment, "control": self.data.control, "common": self.common.as_dict(), "random": self.random.as_dict(),
            "heterogeneity": self.heterogeneity.as_dict(), "subgroup": self.subgroup, "subgroups": [g.as_dict() for g in self.subgroups],
            "between": [b.as_dict() for b in self.between], "excluded": dict(self.data.excluded), "corrected": list(self.data.corrected),
            "estimated": list(self.data.estimated), "studies": self.to_dataframe().to_dict("records"),
        }  # fmt: skip


@checked
def pairwise(
    data: PairwiseData | Table | str | Path | pd.DataFrame | Sequence[Mapping[str, Any]], measure: str = "", *, method: str = "reml",
    hk: bool | str = False, pooling: str = "inverse", level: float = 0.95, prediction: str = "k-2", subgroup: str = "",
    subgroup_tau2: str = "separate", treatment: str | Sequence[str] = (), control: str | Sequence[str] = (), covariates: Sequence[str] = (),
    multi_arm: str = "combine", continuity: float = 0.5,
) -> PairwiseResult:  # fmt: skip
    """Meta-analysis of one comparison.

    Parameters
    ----------
    data, measure, treatment, control, multi_arm, continuity : see `read_pairwise`. covariates : columns to keep with the studies.
    method : estimator of tau2: dl, reml, ml, pm, eb, sj or he. hk : Hartung-Knapp interval; ``"adhoc"`` never shrinks the usual one.
    pooling : of the common effect: inverse, mh or peto (peto replaces the study effects too). level : of intervals.
    prediction : k-2, k-1 or normal. subgroup : column whose values divide the studies. subgroup_tau2 : one tau2 per subgroup
        (``separate``), or ``common`` to all, estimated around the subgroup means.

    Raises
    ------
    InvalidData, InvalidOption: see `read_pairwise`; options outside what is allowed.

    Examples
    --------
    >>> rows = [{"study": s, "TE": te, "seTE": 0.2} for s, te in (("one", 0.1), ("two", 0.5), ("three", 0.3))]
    >>> found = pairwise(rows, "md", method="dl")
    >>> round(found.random.estimate, 3), round(found.heterogeneity.q, 3)
    (0.3, 2.0)
    """
    rules = Rules(checked_method(method), _hk(hk), _level(level), _one_of(pooling, tuple(POOLING), "pooling"), _one_of(prediction, PREDICTION, "prediction"))  # fmt: skip
    _one_of(subgroup_tau2, ("separate", "common"), "subgroup_tau2")
    if isinstance(data, PairwiseData):
        found = read_pairwise(data, measure or data.measure)
    elif measure:
        kept = list(dict.fromkeys([*covariates, *([subgroup] if subgroup else [])]))
        found = read_pairwise(
            data, measure, treatment=treatment, control=control, covariates=kept, multi_arm=multi_arm, continuity=continuity
        )
    else:
        raise InvalidOption("an effect measure is needed: md, smd, or, rr, rd or hr.")
    if rules.pooling == "peto":
        found = peto_effects(found)
    common, random, spread = pool(found, rules)
    result = PairwiseResult(found, rules, common, random, spread)
    return _with_subgroups(result, subgroup, subgroup_tau2) if subgroup else result


def _with_subgroups(result: PairwiseResult, column: str, tau2: str) -> PairwiseResult:
    values = [v.strip() or NOT_STATED for v in result.data.column(column)]
    names = list(dict.fromkeys(values))
    rows = {name: [i for i, v in enumerate(values) if v == name] for name in names}
    shared = None
    if tau2 == "common":
        design = np.array([[float(v == name) for name in names] for v in values])
        shared = estimate_tau2(result.data.effect, result.data.variance, design, result.rules.method)
    groups = []
    for name in names:
        common, random, spread = pool(result.data.take(rows[name]), result.rules, shared)
        groups.append(Subgroup(name, tuple(rows[name]), common, random, spread))
    plain = replace(result.rules, hk="")
    usual = [pool_random(result.data.take(g.rows), plain, g.random.tau2) for g in groups]
    tests = (_between([g.common for g in groups], "common"), _between(usual, "random"))
    return replace(result, subgroup=column, subgroups=tuple(groups), between=tests)


def _between(pooled: Sequence[Pooled], model: str) -> GroupTest:
    y, w = np.array([p.estimate for p in pooled]), 1 / np.array([p.se for p in pooled]) ** 2
    q, df = float(w @ (y - w @ y / w.sum()) ** 2), len(pooled) - 1
    return GroupTest(model, q, df, float(stats.chi2.sf(q, df)) if df else math.nan)


def _hk(hk: bool | str) -> str:
    if isinstance(hk, str):
        return _one_of(hk, ("", "hk", "adhoc"), "hk")
    return "hk" if hk else ""


def _level(level: float) -> float:
    if not 0 < level < 1:
        raise InvalidOption(f"a level of {level:g}; it lies between 0 and 1, e.g. 0.95.")
    return level


def _one_of(value: str, allowed: Sequence[str], what: str) -> str:
    if value not in allowed:
        raise InvalidOption(
            f"{what} '{value}': unknown.{close_names(value, allowed)} Use one of {', '.join(a for a in allowed if a)}."
        )
    return value
