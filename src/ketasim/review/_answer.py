"""Answers: each claim is run against the evidence base or the reference model and gets a verdict with its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ketasim.arguments import checked
from ketasim.errors import InvalidEntry, InvalidOption
from ketasim.evidence import Evidence, load
from ketasim.review import _rules as rules
from ketasim.review._claims import Claim, claim, claims
from ketasim.review._experiments import ModelAnswer, experiments, run_experiments, stored_answers
from ketasim.review._rules import NOT_TESTABLE, NOT_YET, Finding

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ketasim.synthesis import PairwiseResult
    from ketasim.validate import ModelRun

#: Atomic weights, g/mol (IUPAC 2021, conventional values).
_ATOMS = {"C": 12.011, "H": 1.008, "Cl": 35.45, "N": 14.007, "O": 15.999}
_KETAMINE = {"C": 13, "H": 16, "Cl": 1, "N": 1, "O": 1}


@dataclass(frozen=True)
class Answer:
    """A claim and what became of it.

    Attributes
    ----------
    found : what evidence or model give, number with uncertainty. verdict : one of `VERDICTS`. reason : why.
    rows : the rows behind it. sources : keys of the sources. pooled : the meta-analysis, where there is one. model : the claim run on the
    cascade, where it can be. experiments : the claim run in courses of care. Both stand beside an answer by evidence and change nothing in it.
    """

    claim: Claim
    found: str
    verdict: str
    reason: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
    rows: tuple[Mapping[str, Any], ...] = ()
    sources: tuple[str, ...] = ()
    pooled: PairwiseResult | None = None
    model: ModelRun | None = None
    experiments: tuple[ModelAnswer, ...] = ()

    @property
    def model_text(self) -> str:
        """What the model gives, a line for the cascade and for each experiment; empty where it was not asked."""
        cascade = [] if self.model is None else [f"{self.model_verdict}: {self.model.found}"]
        return "\n".join([*cascade, *(one.short for one in self.experiments)])

    @property
    def model_verdict(self) -> str:
        """Verdict of the cascade; empty where it was not asked. A claim of which it lacks a part is reproduced in part at best."""
        if self.model is None:
            return ""
        lacks = self.model.verdict == rules.REPRODUCED and "model_lacks" in self.claim.answer
        return rules.PARTLY if lacks else self.model.verdict

    def _model_dict(self) -> dict[str, Any] | None:
        if self.model is None:
            return None
        reason = " ".join(filter(None, (self.model.reason, _lacking(self.claim))))
        return {"verdict": self.model_verdict, "found": self.model.found, "reason": reason, "directions": list(self.model.lines)}

    def figure(self) -> Figure | None:
        """Forest plot of what was pooled, or the number found against the range claimed; None where there is neither."""
        from ketasim.report import forest_figure, range_figure

        if self.pooled is not None:
            return forest_figure(self.pooled)
        n = self.numbers
        if not {"value", "low", "high"} <= set(n) or n["low"] == n["high"]:
            return None
        limits = (n["ci_low"], n["ci_high"]) if "ci_low" in n else None
        return range_figure(n["value"], n["low"], n["high"], n["unit"], ci=limits)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, without the rows."""
        c = self.claim
        return {
            "id": c.id, "section": c.section, "kind": c.kind, "claim": c.en, "claim_zh": c.zh, "target": c.target, "method": c.method,
            "how": c.answer["how"], "query": "\n".join(c.queries), "found": self.found, "verdict": self.verdict,
            "reason": self.reason, "numbers": dict(self.numbers), "sources": list(self.sources), "model": self._model_dict(),
            "experiments": [a.as_dict() for a in self.experiments],
        }  # fmt: skip


@checked
def review(
    names: Iterable[str] = (),
    evidence: Evidence | None = None,
    progress: Callable[[str], None] | None = None,
    *,
    rerun: bool = False,
) -> list[Answer]:
    """Answers to claims of the review, all by default.

    Parameters
    ----------
    names : ids such as ``P7``. evidence : the evidence base, also with a user's tables merged in.
    rerun : run the experiments in the model now, seconds to half a minute each, instead of telling what was stored.

    Raises
    ------
    UnknownEntry: no such claim.
    """
    chosen = [claim(name) for name in names] or list(claims())
    whole = evidence or load()
    runs = _Runs(whole)
    model = _models([one.id for one in chosen], rerun, progress)
    answers = []
    for one in chosen:
        if progress is not None:
            progress(one.id)
        answers.append(replace(runs.answer(one), experiments=tuple(model.get(one.id, ()))))
    return answers


def _models(ids: list[str], rerun: bool, progress: Callable[[str], None] | None) -> Mapping[str, Sequence[ModelAnswer]]:
    """Claim -> answers of the model, stored or run now."""
    if not rerun:
        return stored_answers()
    found: dict[str, list[ModelAnswer]] = {}
    for answer in run_experiments(ids, progress):
        found.setdefault(answer.experiment.claim, []).append(answer)
    return found


class _Runs:
    """What several claims share: the evidence base, and one run of the model."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self._pk: dict[str, Any] | None = None

    def answer(self, one: Claim) -> Answer:
        """Run one claim by the method it names."""
        by_method = {"pk": self._from_pk, "evidence": self._from_rows, "synthesis": self._from_pool, "computed": self._computed}
        by_method["experiment"] = self._from_cascade
        if one.method in by_method:
            answer = by_method[one.method](one)
            return answer if answer.model or one.method == "pk" else replace(answer, model=_on_cascade(one.id))
        if one.method == "model" and any(e.claim == one.id for e in experiments()):
            return Answer(
                one, "-", NOT_TESTABLE, "No finding in the evidence base bears on it; the model's answer stands beside."
            )
        verdict = NOT_YET if one.method == "model" else NOT_TESTABLE
        return Answer(one, "-", verdict, str(one.answer["how"]))

    def _rows(self, answer: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
        frame = self.evidence.sql(answer["query"])
        return tuple({str(k): _plain(v) for k, v in row.items()} for row in frame.to_dict("records"))

    def _from_rows(self, one: Claim) -> Answer:
        rows = self._rows(one.answer)
        return self._closed(one, self._ruled(rows, one.answer), rows)

    def _ruled(self, rows: tuple[Mapping[str, Any], ...], answer: Mapping[str, Any]) -> Finding:
        return _by_rule(
            [dict(row) | {"paper": self.evidence.families.get(str(row["source"]), row["source"])} for row in rows], answer
        )

    def _from_pool(self, one: Claim) -> Answer:
        from ketasim.synthesis import PairwiseData, crossover_trials, effect_of_counts, pairwise

        rows = self._rows(one.answer)
        if len(rows) < rules.MIN_STUDIES:
            finding = Finding(f"{len(rows)} studies", NOT_TESTABLE, f"Pooling needs {rules.MIN_STUDIES} studies.")
            return self._closed(one, finding, rows)
        measure = str(one.answer["measure"])
        crossed = crossover_trials(self.evidence)
        arms = {str(r["study"]): effect_of_counts(measure, r, r["study"] in crossed) for r in rows}
        pooled = pairwise(PairwiseData.from_effects(arms), hk="adhoc")
        show = _exponential if pooled.data.is_log else float
        value, low, high = (show(x) for x in (pooled.random.estimate, pooled.random.ci_low, pooled.random.ci_high))
        verdict, reason = rules.interval(value, low, high, 1.0 if pooled.data.is_log else 0.0, str(one.answer["side"]))
        h = pooled.heterogeneity
        found = f"{measure.upper()} {value:.2f} ({low:.2f} to {high:.2f}), {len(rows)} studies, I2 {h.i2:.0f} %"
        numbers = {
            "measure": measure,
            "estimate": value,
            "ci_low": low,
            "ci_high": high,
            "studies": len(rows),
            "tau2": h.tau2,
            "I2": h.i2,
        }
        return self._closed(one, Finding(found, verdict, reason, numbers), rows, pooled)

    def _from_pk(self, one: Claim) -> Answer:
        if self._pk is None:
            from ketasim.validate import pk_claims

            self._pk = {result.id: result for result in pk_claims()}
        r = self._pk[one.id]
        limits = f" ({r.ci_low:.3g} to {r.ci_high:.3g})" if r.ci_low == r.ci_low else ""
        numbers = {"value": r.value, "unit": r.unit, "low": r.low, "high": r.high}
        if limits:
            numbers |= {"ci_low": r.ci_low, "ci_high": r.ci_high}
        keys = one.answer.get("sources", ())
        return Answer(one, f"{r.value:.3g} {r.unit}{limits}", r.verdict, r.reason, numbers, sources=tuple(keys))

    def _from_cascade(self, one: Claim) -> Answer:
        run = _on_cascade(one.id)
        if run is None:
            raise InvalidEntry(f"claims.toml, claim {one.id}: no experiment of it stands in claim_experiments.csv.")
        if one.kind == "gap":
            return Answer(one, run.found, NOT_TESTABLE, f"The claim leaves it open. {run.reason}".strip(), model=run)
        answer = Answer(one, run.found, "", "", model=run)
        reason = run.reason or "Every direction comes out; the numbers of the cascade were chosen with such findings in sight."
        return replace(answer, verdict=answer.model_verdict, reason=" ".join(filter(None, (reason, _lacking(one)))))

    def _computed(self, one: Claim) -> Answer:
        if one.answer.get("rule") != "molar_mass":
            raise InvalidEntry(f"claims.toml, claim {one.id}: what is computed is 'molar_mass', not '{one.answer.get('rule')}'.")
        mass = sum(_ATOMS[atom] * n for atom, n in _KETAMINE.items())
        verdict = rules.REPRODUCED if abs(mass - 237.73) < 0.05 else rules.CONTRADICTED
        found = f"C13H16ClNO: {mass:.2f} g/mol"
        return Answer(
            one, found, verdict, "The molar mass follows from the formula; pKa was not tested.", {"value": mass, "unit": "g/mol"}
        )

    def _closed(
        self, one: Claim, finding: Finding, rows: tuple[Mapping[str, Any], ...], pooled: PairwiseResult | None = None
    ) -> Answer:
        if also := one.answer.get("also"):
            second = self._rows(also)
            finding = rules.joined(finding, str(also["part"]), self._ruled(second, also))
            rows = (*rows, *second)
        sources = tuple(dict.fromkeys(str(row["source"]) for row in rows if row.get("source") in self.evidence.sources))
        return Answer(one, finding.found, finding.verdict, finding.reason, finding.numbers, rows, sources, pooled)


def _on_cascade(name: str) -> ModelRun | None:
    from ketasim.validate import mechanism_claims

    return mechanism_claims([name]).get(name)


def _lacking(one: Claim) -> str:
    return f"Not in the model: {one.answer['model_lacks']}." if "model_lacks" in one.answer else ""


def _by_rule(rows: Sequence[Mapping[str, Any]], a: Mapping[str, Any]) -> Finding:
    kind = a["rule"]
    if kind == "share":
        return rules.share(rows)
    if kind == "range":
        values = [float(row["value"]) for row in rows if row["value"] is not None]
        return rules.in_range(values, a["low"], a["high"], a["unit"], len({row["paper"] for row in rows}))
    if kind == "few":
        return rules.few(rows, a["most"])
    if kind == "many":
        return rules.many(rows, a["least"])
    if kind == "covered":
        return rules.covered(rows, a["events"])
    return rules.incidence(rows, a["expected"], a["tolerance"])


def _exponential(x: float) -> float:
    import math

    return math.exp(x)


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        value = value.item()
    return None if value is None or value != value else value


@checked
def table(answers: Iterable[Answer]) -> pd.DataFrame:
    """Answers as a table, one row per claim."""
    import pandas as pd

    columns = ["id", "section", "kind", "claim", "found", "verdict", "reason", "model"]
    answers = list(answers)
    if not all(isinstance(answer, Answer) for answer in answers):
        raise InvalidOption("table: give answers of ketasim.review.review().")
    return pd.DataFrame([a.as_dict() | {"model": a.model_text} for a in answers], columns=columns)
