"""Questions put to the evidence base: rows from a query, pooled by their kind, with a rating of how far to trust the answer.

The rating follows the idea of GRADE (Guyatt 2008, BMJ 336:924, doi:10.1136/bmj.39489.470347.AD) by rules that a program can apply;
it is not an assessment by a panel.
"""

from __future__ import annotations

import math
import tomllib
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np

from ketasim import evidence as base
from ketasim.arguments import checked
from ketasim.errors import InvalidData, UnknownEntry, close_names
from ketasim.synthesis._effect_arms import CountArm
from ketasim.synthesis._effect_designs import crossover_margins
from ketasim.synthesis._effects import EffectSize, effect
from ketasim.synthesis._network import network_meta_analysis
from ketasim.synthesis._network_data import ContinuityCorrected, NetworkData
from ketasim.synthesis._network_input import read_network
from ketasim.synthesis._network_result import NetworkResult
from ketasim.synthesis._pairwise import PairwiseResult, pairwise
from ketasim.synthesis._pairwise_data import PairwiseData
from ketasim.synthesis._pairwise_pool import exponential
from ketasim.synthesis._question_gaps import gaps

#: Studies below which nothing is pooled.
MIN_STUDIES = 2
#: Studies below which a Hartung-Knapp interval says little (t with 3 degrees of freedom or fewer): each study is shown instead.
FEWEST_POOLED = 5
#: Patients below which an estimate counts as imprecise, whatever its interval.
MIN_PATIENTS = 400
LEVELS = ("very low", "low", "moderate", "high")


@dataclass(frozen=True)
class Question:
    """A question: its text, the query for its rows, what kind of rows these are, and how they are grouped.

    small_values : ``good`` or ``bad``, for the order of a league table; more responders are better. disorder : of the trials among which
    is looked for what the question lacks.
    """

    name: str
    asks: str
    rows: str
    query: str
    measure: str = ""
    groups: str = ""
    reference: str = ""
    favours: tuple[str, ...] = ()
    small_values: str = "bad"
    disorder: str = ""


@dataclass(frozen=True)
class Certainty:
    """How far to trust an answer: `level` and the reasons for every step down from `high`."""

    level: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class QuestionAnswer:
    """What the evidence base gives for a question.

    Attributes
    ----------
    summary : in words. pairwise, networks : the analysis, by the kind of rows; several networks where no treatment joins them.
    proportions : group -> percent, limits, studies. certainty : None where there are not enough data. rows : as queried. sources : keys.
    """

    question: Question
    summary: str
    rows: tuple[Mapping[str, Any], ...]
    sources: tuple[str, ...]
    pairwise: PairwiseResult | None = None
    networks: tuple[NetworkResult, ...] = ()
    proportions: Mapping[str, tuple[float, float, float, int]] = field(default_factory=dict)
    certainty: Certainty | None = None

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain data."""
        q, c = self.question, self.certainty
        return {
            "question": q.name, "asks": q.asks, "summary": self.summary, "rows": [dict(r) for r in self.rows], "sources": list(self.sources),
            "certainty": None if c is None else {"level": c.level, "reasons": list(c.reasons)},
            "pairwise": None if self.pairwise is None else self.pairwise.as_dict(),
            "networks": [network.as_dict() for network in self.networks],
            "proportions": {
                g: {"percent": p, "ci_low": low, "ci_high": high, "studies": k} for g, (p, low, high, k) in self.proportions.items()
            },
        }  # fmt: skip


@lru_cache(maxsize=1)
def questions() -> tuple[Question, ...]:
    """All questions of the package."""
    content = tomllib.loads(base.path("questions.toml").read_text(encoding="utf-8"))
    return tuple(Question(**{**q, "favours": tuple(q.get("favours", ()))}) for q in content["question"])


@checked
def answer_question(name: str, evidence: base.Evidence | None = None) -> QuestionAnswer:
    """Run one question.

    Raises
    ------
    UnknownEntry: no such question.
    """
    known = {q.name: q for q in questions()}
    if name not in known:
        raise UnknownEntry(f"no question '{name}'.{close_names(name, known)} Questions: {', '.join(known)}.")
    q = known[name]
    whole = evidence or base.load()
    frame = whole.sql(q.query)
    rows = tuple({str(k): (None if v != v else v) for k, v in row.items()} for row in frame.to_dict("records"))
    sources = tuple(dict.fromkeys(str(row["source"]) for row in rows))
    if q.rows == "proportion":
        return _proportions(q, rows, sources)
    crossed = crossover_trials(whole)
    lacks = _lacks(whole, q, rows)
    if len({row["study"] for row in rows}) < MIN_STUDIES:
        return QuestionAnswer(q, _not_enough(q, rows, crossed) + lacks, rows, sources)
    if q.rows == "network":
        return _network(q, rows, sources, crossed)
    answer = _pairwise(q, rows, sources, _bias(whole, rows), crossed)
    return replace(answer, summary=answer.summary + lacks)


def _lacks(whole: base.Evidence, q: Question, rows: Iterable[Mapping[str, Any]]) -> str:
    """Trials that bear on the question but lack a number."""
    found = gaps(whole, q.disorder, {str(row["study"]) for row in rows}) if q.disorder else []
    return " Not usable, missing: " + "; ".join(f"{trial}: {what}" for trial, what in found) + "." if found else ""


@checked
def crossover_trials(evidence: base.Evidence) -> frozenset[str]:
    """Trials whose arms are the same people: their arms are never pooled as independent."""
    trials = evidence.table("trials")
    return frozenset(trials[trials["crossover"] == "yes"]["trial"])


@checked
def effect_of_counts(measure: str, row: Mapping[str, Any], crossed: bool) -> EffectSize:
    """Effect of a row with events1, n1, events2, n2; of a crossover trial by the margins, with its people counted once."""
    e1, n1, e2, n2 = (float(row[k]) for k in ("events1", "n1", "events2", "n2"))
    if crossed:
        n = 0.5 * (n1 + n2)
        return crossover_margins(measure, e1 / n1 * n, e2 / n2 * n, n)
    return effect(measure, CountArm(e1, n1), CountArm(e2, n2))


def _studies(k: int) -> str:
    return "1 study" if k == 1 else f"{k} studies"


def _not_enough(q: Question, rows: Sequence[Mapping[str, Any]], crossed: frozenset[str]) -> str:
    """What one study says, or that there is none."""
    if not rows or q.rows not in ("counts", "interval"):
        found = ", ".join(sorted({str(row["study"]) for row in rows})) or "none"
        return f"Not enough data: {MIN_STUDIES} studies are needed to pool; found: {found}."
    data = PairwiseData.from_effects(_effects(q, rows, crossed))
    return f"{q.measure.upper()}: 1 study, nothing to pool, {_each(data, range(data.k))}."


def _effects(q: Question, rows: Iterable[Mapping[str, Any]], crossed: frozenset[str]) -> dict[str, EffectSize]:
    """Study -> its effect; a study that stands twice is numbered."""
    effects: dict[str, EffectSize] = {}
    for row in rows:
        label = str(row["study"]) if row["study"] not in effects else f"{row['study']} ({len(effects) + 1})"
        if q.rows == "counts":
            effects[label] = effect_of_counts(q.measure, row, str(row["study"]) in crossed)
        else:
            limits = float(row["ci_low"]), float(row["ci_high"])
            effects[label] = effect(q.measure, estimate=float(row["estimate"]), ci=limits)
    return effects


def _bias(whole: base.Evidence, rows: Sequence[Mapping[str, Any]]) -> str:
    """Why risk of bias takes a step; empty where every domain of every trial was judged low."""
    trials = whole.table("trials").drop_duplicates("trial").set_index("trial")
    studies = list(dict.fromkeys(str(row["study"]) for row in rows))
    domains = [c for c in trials.columns if c.startswith("rob_") and c not in ("rob_tool", "rob_overall")]
    judged = {
        s: set(trials.loc[s, domains]) for s in studies if s in trials.index and trials.loc[s, "rob_tool"] != "not assessed"
    }
    high = sorted(s for s, found in judged.items() if "high" in found)
    low = [s for s, found in judged.items() if found == {"low"}]
    if len(low) == len(studies):
        return ""
    unclear = len(judged) - len(high) - len(low)
    parts = (
        (len(studies) - len(judged), "not assessed"), (unclear, "with domains unclear or not judged"),
        (len(high), f"with a domain at high risk ({', '.join(high)})"),
    )  # fmt: skip
    told = ", ".join(f"{n} {what}" for n, what in parts if n)
    return f"risk of bias: of {_studies(len(studies))} {told}; patients notice ketamine"


def _pairwise(
    q: Question, rows: tuple[Mapping[str, Any], ...], sources: tuple[str, ...], bias: str, crossed: frozenset[str]
) -> QuestionAnswer:
    effects = _effects(q, rows, crossed)
    columns = {q.groups: [str(row[q.groups]) for row in rows]} if q.groups else {}
    data = PairwiseData.from_effects(effects, columns)
    groups = len(set(columns.get(q.groups, ()))) > 1
    result = pairwise(data, hk="adhoc", subgroup=q.groups if groups else "")
    certainty = _certainty(result, rows, bias, crossed)
    return QuestionAnswer(q, _summary(result) + _said(q, rows, crossed), rows, sources, result, certainty=certainty)


def _said(q: Question, rows: Iterable[Mapping[str, Any]], crossed: frozenset[str]) -> str:
    """That arms of crossover trials are the same people."""
    here = sorted({str(row["study"]) for row in rows} & crossed) if q.rows != "interval" else []
    return f" Crossover, same people in both arms, correlation 0.5 assumed: {', '.join(here)}." if here else ""


def _each(data: PairwiseData, rows: Iterable[int]) -> str:
    """Effect and interval of single studies."""
    z, show = NormalDist().inv_cdf(0.975), math.exp if data.is_log else float
    effects = [(data.studies[i], float(data.effect[i]), z * math.sqrt(float(data.variance[i]))) for i in rows]
    return ", ".join(f"{name} {show(y):.2f} ({show(y - half):.2f} to {show(y + half):.2f})" for name, y, half in effects)


def _summary(result: PairwiseResult) -> str:
    def shown(x: Any) -> str:
        values = [exponential(v) if result.data.is_log else v for v in (x.estimate, x.ci_low, x.ci_high)]
        return f"{values[0]:.2f} ({values[1]:.2f} to {values[2]:.2f})"

    h = result.heterogeneity
    text = f"{result.data.measure.upper()} {shown(result.random)}, {_studies(result.data.k)}, I2 {h.i2:.0f} %"
    few = f"too few to pool usefully, by study {_each(result.data, range(result.data.k))}"
    if result.data.k < FEWEST_POOLED:
        return f"{result.data.measure.upper()}: {_studies(result.data.k)}, {few}."
    groups = "; ".join(
        f"{g.name}: "
        + (f"{shown(g.random)}, {_studies(len(g.rows))}" if len(g.rows) >= FEWEST_POOLED else _each(result.data, g.rows))
        for g in result.subgroups
    )
    difference = f" (difference between groups p = {result.between[-1].p:.2g})" if result.between else ""
    return f"{text}. {groups}{difference}." if groups else f"{text}."


def _network(
    q: Question, rows: tuple[Mapping[str, Any], ...], sources: tuple[str, ...], crossed: frozenset[str]
) -> QuestionAnswer:
    """One analysis per connected part: what no trial joins is not compared."""
    found = [_part(q, part, crossed) for part in _connected(rows)]
    texts = [text for text, _ in found]
    if len(texts) > 1:
        texts.insert(0, f"{len(found)} networks that no trial joins; nothing can be said across them")
    return QuestionAnswer(
        q, ". ".join(texts) + "." + _said(q, rows, crossed), rows, sources, networks=tuple(network for _, network in found)
    )


def _part(q: Question, rows: Sequence[Mapping[str, Any]], crossed: frozenset[str]) -> tuple[str, NetworkResult]:
    table = [{k: row[k] for k in ("study", "treatment", "events", "n")} for row in rows]
    treatments = [str(row["treatment"]) for row in rows]
    # Without the question's reference, the treatment most patients had: the same whatever the order of rows.
    sizes = {t: sum(float(row["n"]) for row in rows if row["treatment"] == t) for t in sorted(set(treatments))}
    reference = q.reference if q.reference in treatments else max(sizes, key=lambda t: sizes[t])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ContinuityCorrected)
        result = network_meta_analysis(_paired(read_network(table, q.measure), rows, crossed), q.measure, reference)
    corrected = " (0.5 added where an arm had no events or only events)" if said else ""
    shown = [
        (str(row["treat1"]), *(math.exp(row[c]) for c in ("estimate", "ci_low", "ci_high")))
        for row in result.random.versus(reference).to_dict("records")
    ]
    parts = "; ".join(f"{name} {value:.2f} ({low:.2f} to {high:.2f})" for name, value, low, high in shown)
    return f"{q.measure.upper()} against {reference}, {_studies(len({r['study'] for r in rows}))}{corrected}: {parts}", result


def _paired(data: NetworkData, rows: Sequence[Mapping[str, Any]], crossed: frozenset[str]) -> NetworkData:
    """The network with crossover trials of two arms by their margins: arms of the same people are not independent."""
    cell = {(str(row["study"]), str(row["treatment"])): row for row in rows}
    studies = list(data.studies)
    for i, study in enumerate(studies):
        if study.study in crossed and len(study.arms) == 2:
            base_arm, other = (cell[study.study, arm] for arm in study.arms)
            both = {"events1": other["events"], "n1": other["n"], "events2": base_arm["events"], "n2": base_arm["n"]}
            found = effect_of_counts(data.measure, both, True)
            studies[i] = replace(study, effect=np.array([found.estimate]), cov=np.array([[found.variance]]))
    return replace(data, studies=tuple(studies))


def _connected(rows: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Rows by connected part of the network, the largest first."""
    part: dict[str, set[str]] = {}
    for study in dict.fromkeys(str(row["study"]) for row in rows):
        together = {str(row["treatment"]) for row in rows if row["study"] == study}
        for treatment in list(together):
            together |= part.get(treatment, set())
        for treatment in together:
            part[treatment] = together
    distinct = {id(group): group for group in part.values()}
    groups = [[row for row in rows if row["treatment"] in group] for group in distinct.values()]
    return sorted(groups, key=len, reverse=True)


def _proportions(q: Question, rows: tuple[Mapping[str, Any], ...], sources: tuple[str, ...]) -> QuestionAnswer:
    groups: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        groups.setdefault(str(row[q.groups]), []).append((float(row["percent"]), float(row["n"])))
    found = {g: pooled_percentage(studies) for g, studies in groups.items()}
    text = "; ".join(f"{g}: {p:.0f} % ({low:.0f} to {high:.0f}), {_studies(k)}" for g, (p, low, high, k) in found.items())
    return QuestionAnswer(q, f"{text}." if found else _not_enough(q, rows, frozenset()), rows, sources, proportions=found)


@checked
def pooled_percentage(studies: Sequence[tuple[float, float]]) -> tuple[float, float, float, int]:
    """Random-effects mean of percentages on the logit scale (DerSimonian-Laird, 0.5 added to empty cells).

    Parameters
    ----------
    studies : (percent, patients) of each study.

    Returns
    -------
    Estimate, 95 % limits, number of studies.
    """
    if not studies or not all(isinstance(study, tuple) and len(study) == 2 for study in studies):
        raise InvalidData(f"studies = {studies!r}: give (percent, patients) of each study, at least one.")
    cells: list[tuple[float, float]] = []
    for percent, n in studies:
        events = min(max(percent / 100 * n, 0.0), n)
        cells.append((events + 0.5, n - events + 0.5) if events in (0.0, n) else (events, n - events))
    y, v = [math.log(a / b) for a, b in cells], [1 / a + 1 / b for a, b in cells]
    w = [1 / x for x in v]
    mean = sum(a * b for a, b in zip(w, y, strict=True)) / sum(w)
    q = sum(a * (b - mean) ** 2 for a, b in zip(w, y, strict=True))
    spare = sum(w) - sum(a * a for a in w) / sum(w)
    tau2 = max(0.0, (q - (len(y) - 1)) / spare) if spare > 0 else 0.0
    w = [1 / (x + tau2) for x in v]
    mean, se = sum(a * b for a, b in zip(w, y, strict=True)) / sum(w), math.sqrt(1 / sum(w))
    back = [100 / (1 + math.exp(-x)) for x in (mean, mean - 1.96 * se, mean + 1.96 * se)]
    return back[0], back[1], back[2], len(studies)


def _certainty(result: PairwiseResult, rows: Sequence[Mapping[str, Any]], bias: str, crossed: frozenset[str]) -> Certainty:
    """Steps down from `high`; see docs/explanation/certainty.md."""
    reasons = [bias] if bias else []
    h, r = result.heterogeneity, result.random
    if result.data.k < FEWEST_POOLED:
        reasons.append(f"imprecision: {_studies(result.data.k)}, too few to pool")
        return Certainty(LEVELS[max(0, len(LEVELS) - 2 - len(reasons))], tuple(reasons))
    if h.i2 > 50:
        reasons.append(f"inconsistency: I2 {h.i2:.0f} %")
    if r.ci_low <= 0 <= r.ci_high:
        reasons.append("imprecision: the interval includes no effect")
    sizes = ((str(row["study"]) in crossed, float(row.get("n1") or 0), float(row.get("n2") or 0)) for row in rows)
    patients = sum(max(n1, n2) if same else n1 + n2 for same, n1, n2 in sizes)
    if not r.ci_low <= 0 <= r.ci_high and (0 < patients < MIN_PATIENTS or result.data.k < 5):
        reasons.append(f"imprecision: {f'{patients:.0f} patients' if patients else f'{result.data.k} studies'}")
    return Certainty(LEVELS[max(0, len(LEVELS) - 1 - len(reasons))], tuple(reasons))
