"""What the model says to a claim: experiments with a rule declared beside them, their stored answers, and how to run them again.

``experiments.toml`` declares, ``experiments.json`` keeps what came out, with the entries it rests on. Nothing is changed to make an experiment
come out; a changed entry makes its stored answers stale until they are run again.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ketasim.arguments import checked
from ketasim.errors import InvalidEntry
from ketasim.writing import replacing

Floats = NDArray[np.float64]
_DECLARED, _STORED = (Path(__file__).parent / f"experiments.{kind}" for kind in ("toml", "json"))
#: Share of draws on the side claimed: at or above the first it is reproduced, at or below the second contradicted; above a half, partly.
SURE, AGAINST, HALF = 0.95, 0.05, 0.5
RULES = ("below", "above", "within", "includes", "wide")
#: What an answer rests on: results of trials; priors, as no data inform it; or the model is built so.
RESTS_ON = {"data": "results of trials", "prior": "priors: no data inform it", "construction": "how the model is built"}
#: The same in a line; results of trials go without saying.
_SAID = {"data": "", "prior": ", prior, not data", "construction": ", by construction"}
OUTCOMES = ("reproduced", "partly", "undecided", "contradicted")
_PEOPLE, _DRAWS, _SEED = 200, 200, 1


@dataclass(frozen=True)
class Arm:
    """One arm: regimen in words, disorder, control arm, and people's own start where it matters."""

    regimen: str
    disorder: str
    control: str = ""

    def command(self, visits: Sequence[float]) -> str:
        """The same on the command line."""
        control = f" --control {self.control}" if self.control else ""
        at = ",".join(f"{t:g}" for t in visits)
        return (
            f'ketasim simulate "{self.regimen}" --disorder {self.disorder}{control} --visits {at} -n {_PEOPLE} --draws {_DRAWS}'
        )


@dataclass(frozen=True)
class Experiment:
    """A question to the model.

    Attributes
    ----------
    claim, title : which claim, and what is asked. arms : by name. weights : arm -> weight; the quantity asked is their weighted sum.
    quantity : of the tables by visit (``change``, ``response``, ...), or ``first:DEFINITION``, ``ever:DEFINITION`` of side effects.
    unit : how it is shown; ``%`` shows shares. at : visits, h; the rule must hold at all of them. minus : visit, h, that is taken off.
    rule, low, high : declared before the run. grounds : what the answer rests on. note : what a reader must know.
    people : of an arm, where the interval is that of a trial of this size; 0 for a very large one.
    """

    claim: str
    title: str
    arms: Mapping[str, Arm]
    weights: Mapping[str, float]
    quantity: str
    unit: str
    at: tuple[float, ...]
    minus: float | None
    rule: str
    low: float
    high: float
    grounds: str
    note: str = ""
    people: int = 0

    @property
    def visits(self) -> tuple[float, ...]:
        """All visits that are needed, h."""
        return tuple(sorted({0.0, *self.at, *(() if self.minus is None else (self.minus,))}))

    @property
    def declared(self) -> str:
        """The rule in words."""
        bound = _number(self.high, self.unit), _number(self.low, self.unit)
        words = {
            "below": f"below {bound[0]} in {SURE:.0%} of draws", "above": f"above {bound[1]} in {SURE:.0%} of draws",
            "within": f"between {bound[1]} and {bound[0]} in {SURE:.0%} of draws", "includes": f"the 90 % interval includes {bound[1]}", "wide": f"the 90 % interval is wider than {bound[1]}",
        }  # fmt: skip
        return words[self.rule]


@dataclass(frozen=True)
class ModelAnswer:
    """What the model says.

    Attributes
    ----------
    found : median and 90 % interval at the last visit. sure : share of draws for which the rule holds; of a rule of the interval 1 or 0.
    outcome : one of `OUTCOMES`. entries : entries it rests on, with revision. stale : an entry has changed since.
    """

    experiment: Experiment
    median: float
    low: float
    high: float
    sure: float
    outcome: str
    entries: tuple[str, ...]
    stale: bool = False

    @property
    def found(self) -> str:
        """Number with interval, and what it rests on."""
        unit = self.experiment.unit
        a, b, c = (_number(x, unit) for x in (self.median, self.low, self.high))
        return f"{a} ({b} to {c}) {unit}".rstrip()

    @property
    def short(self) -> str:
        """Outcome and number in a line."""
        return f"{self.outcome}{_SAID[self.experiment.grounds]}: {self.found}{' (stale)' if self.stale else ''}"

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        e = self.experiment
        return {
            "title": e.title, "found": self.found, "median": self.median, "low": self.low, "high": self.high, "rule": e.declared,
            "share_of_draws": self.sure, "outcome": self.outcome, "rests_on": e.grounds, "note": e.note, "entries": list(self.entries), "stale": self.stale, "commands": [arm.command(e.visits) for arm in e.arms.values()],
        }  # fmt: skip


def _number(x: float, unit: str) -> str:
    return f"{100 * x:.0f}" if unit.startswith("%") else f"{x:.1f}" if abs(x) >= 0.95 or x == 0 else f"{x:.2g}"


# -- declared ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def experiments() -> tuple[Experiment, ...]:
    """All experiments, in the order of their file.

    Raises
    ------
    InvalidEntry: one of them is not well formed.
    """
    content = tomllib.loads(_DECLARED.read_text(encoding="utf-8"))
    return tuple(_experiment(one) for one in content["experiment"])


def _experiment(given: Mapping[str, Any]) -> Experiment:
    where = f"experiments.toml, claim {given.get('claim', '?')}"
    try:
        arms = {
            name: Arm(
                arm["regimen"], arm.get("disorder", given.get("disorder", "trd")), arm.get("control", given.get("control", ""))
            )
            for name, arm in given["arms"].items()
        }
        made = Experiment(
            given["claim"], given["title"], arms, given["weights"], given["quantity"], given.get("unit", "points"),
            tuple(float(t) for t in given["at_h"]), given.get("minus_at_h"), given["rule"], float(given.get("low", 0.0)),
            float(given.get("high", 0.0)), given["grounds"], given.get("note", ""), int(given.get("people", 0)),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidEntry(f"{where}: not well formed ({type(error).__name__}: {error}).") from None
    if made.rule not in RULES or made.grounds not in RESTS_ON or set(made.weights) - set(made.arms):
        raise InvalidEntry(
            f"{where}: rule '{made.rule}' ({', '.join(RULES)}), grounds '{made.grounds}' ({', '.join(RESTS_ON)}), or a weight of no arm."
        )
    return made


# -- run --------------------------------------------------------------------------------------------------------------


@checked
def run_experiments(claims: Iterable[str] = (), log: Callable[[str], None] | None = None) -> list[ModelAnswer]:
    """Run the experiments of some claims now, all by default. Takes seconds each.

    Parameters
    ----------
    claims : ids such as ``B1``. log : told about each experiment.
    """
    chosen, runs = set(claims), _Runs()
    asked = [e for e in experiments() if not chosen or e.claim in chosen]
    runs.expect(asked)
    found = []
    for one in asked:
        if log is not None:
            log(f"{one.claim}: {one.title}")
        found.append(_answer(one, runs))
    return found


class _Runs:
    """Arms, each simulated once at all visits that any experiment asks of it."""

    def __init__(self) -> None:
        self.visits: dict[Arm, set[float]] = {}
        self.trees: dict[Arm, Any] = {}

    def expect(self, asked: Iterable[Experiment]) -> None:
        """Note the visits that will be asked for."""
        for one in asked:
            for arm in one.arms.values():
                self.visits.setdefault(arm, set()).update(one.visits)

    def tree(self, arm: Arm) -> Any:
        """The result of an arm."""
        if arm not in self.trees:
            from ketasim.simulation import simulate

            options: dict[str, Any] = {"control": arm.control} if arm.control else {}
            visits = sorted(self.visits[arm])
            self.trees[arm] = simulate(
                dosing=arm.regimen, disorder=arm.disorder, visits=visits, n=_PEOPLE, draws=_DRAWS, seed=_SEED, **options
            )
        return self.trees[arm]

    def drawn(self, one: Experiment, time: float) -> Floats:
        """The weighted sum in every draw, (draw,)."""
        kind, _, definition = one.quantity.partition(":")
        parts = []
        for name, weight in one.weights.items():
            tree = self.tree(one.arms[name])
            if definition:
                values = tree["draws_incidence"][kind].sel(definition=definition)
            else:
                values = tree["draws_visit"][kind].sel(visit=time)
            parts.append(weight * np.asarray(values, float))
            if one.people:
                parts.append(weight * self._sampling(tree, time, one.people, name))
        return np.sum(parts, axis=0)

    @staticmethod
    def _sampling(tree: Any, time: float, people: int, arm: str) -> Floats:
        """What the people of an arm bring to its mean change, (draw,)."""
        sd = np.asarray(tree["draws_visit"]["change_sd"].sel(visit=time), float)
        return sd / np.sqrt(people) * np.random.default_rng([_SEED, people, *arm.encode()]).standard_normal(len(sd))


def _answer(one: Experiment, runs: _Runs) -> ModelAnswer:
    off = runs.drawn(one, one.minus) if one.minus is not None else 0.0
    drawn = [runs.drawn(one, time) - off for time in one.at]
    ends = [tuple(float(q) for q in np.quantile(x, (0.05, 0.95))) for x in drawn]
    last = drawn[-1]
    if one.rule in ("includes", "wide"):
        sure = float(all(low <= one.low <= high if one.rule == "includes" else high - low > one.low for low, high in ends))
        outcome = "reproduced" if sure else "contradicted"
    else:
        held = np.all([_holds(one, x) for x in drawn], axis=0)
        sure = float(held.mean())
        outcome = (
            "reproduced" if sure >= SURE else "contradicted" if sure <= AGAINST else "partly" if sure >= HALF else "undecided"
        )
    return ModelAnswer(one, float(np.median(last)), *ends[-1], sure, outcome, _entries(one))


def _holds(one: Experiment, x: Floats) -> NDArray[np.bool_]:
    if one.rule == "below":
        return x < one.high
    return x > one.low if one.rule == "above" else (x >= one.low) & (x <= one.high)


@lru_cache(maxsize=64)
def _cites(disorder: str) -> tuple[str, ...]:
    from ketasim import library

    return (library.disorder(disorder).cite, library.load("ketasim_reference").cite)


@lru_cache(maxsize=1)
def _effects() -> dict[str, str]:
    from ketasim import library

    return {definition: e.cite for e in library.endpoints() for definition in e.definitions}


def _entries(one: Experiment) -> tuple[str, ...]:
    """Entries an answer rests on, with revision."""
    found = [cite for arm in one.arms.values() for cite in _cites(arm.disorder)]
    definition = one.quantity.partition(":")[2]
    return tuple(dict.fromkeys([*found, *([_effects()[definition]] if definition else [])]))


# -- stored -----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def stored_answers() -> Mapping[str, tuple[ModelAnswer, ...]]:
    """Claim -> answers as they were stored; stale where an entry has changed since."""
    kept = json.loads(_STORED.read_text(encoding="utf-8")) if _STORED.is_file() else {"answers": []}
    by_key = {(a["claim"], a["title"]): a for a in kept["answers"]}
    found: dict[str, tuple[ModelAnswer, ...]] = {}
    for one in experiments():
        if answer := by_key.get((one.claim, one.title)):
            numbers = (answer["median"], answer["low"], answer["high"], answer["share_of_draws"], answer["outcome"])
            entries = tuple(answer["entries"])
            found[one.claim] = (*found.get(one.claim, ()), ModelAnswer(one, *numbers, entries, stale=entries != _entries(one)))
    return found


@checked
def store_answers(answers: Sequence[ModelAnswer]) -> Path:
    """Keep answers beside the experiments, in place of those stored of the same claims; returns the path.

    Raises
    ------
    OutputError: the file cannot be written.
    """
    new = {a.experiment.claim for a in answers}
    before = json.loads(_STORED.read_text(encoding="utf-8"))["answers"] if _STORED.is_file() else []
    lines = [line for line in before if line["claim"] not in new]
    lines += [
        {
            "claim": a.experiment.claim, "title": a.experiment.title, "median": _short(a.median), "low": _short(a.low), "high": _short(a.high),
            "share_of_draws": _short(a.sure), "outcome": a.outcome, "entries": list(a.entries),
        }
        for a in answers
    ]  # fmt: skip
    settings = {"people": _PEOPLE, "draws": _DRAWS, "seed": _SEED, "answers": lines}
    with replacing(_STORED) as draft:
        draft.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
    stored_answers.cache_clear()
    return _STORED


def _short(x: float) -> float:
    return float(f"{x:.4g}")
