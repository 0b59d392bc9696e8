"""Trials predicted by a disorder: each left out in turn, hold-outs, and what was never fitted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from ketasim import library
from ketasim.arguments import checked
from ketasim.fit.clinical import Objective, Result, find_mode, make_objective, read_arms, sample
from ketasim.fit.clinical._objective import modelled
from ketasim.validate._trial_baselines import BASELINES, class_mean, guesses

Floats = NDArray[np.float64]
_WITHIN = 1.6448536269514722
#: Draws behind every left-out prediction, and their seed.
_DRAWS, _SEED = 2000, 20260102
_SHARES = ("response", "remission")


@dataclass(frozen=True)
class TrialScore:
    """Outcome of `validate_trials`.

    Attributes
    ----------
    table : one line per result: observed, predicted, its 90 % interval for a new trial, what was predicted once the trial's own control arm
        was known, and what the baselines guess. Changes in points, response and remission as shares.
    contrasts : with drug minus without, at the same time, points. model : what was scored.
    expected : set of rows -> mean absolute error that the model expects of itself: mean, 5 %, 95 %.
    """

    table: pd.DataFrame
    contrasts: pd.DataFrame
    model: str
    expected: dict[str, tuple[float, float, float]]


@checked
def validate_trials(disorder: str = "trd", log: Callable[[str], None] | None = None) -> TrialScore:
    """Predict every trial of a disorder from the others, and the hold-outs from all of them. Takes some minutes.

    Parameters
    ----------
    log : told about each trial that is left out.

    Raises
    ------
    UnknownEntry: no such disorder. InvalidData: no rows of trials for it.

    Notes
    -----
    Each trial is left out with those that share people with it; the rest is fitted anew, and its posterior predicts the trial. Rows
    that are never fitted (hold-outs, unblinded clinics' response, a trial under anaesthesia) are predicted from all fitted rows.
    """
    entry = library.disorder(disorder)
    every = read_arms(disorder)
    fitted = [r for r in every if r.use == "fit"]
    objective = make_objective(entry, fitted)
    full = find_mode(objective, quick=True)
    say = log or (lambda _: None)
    parts, memory = [], _Folds(objective, full.z, say)
    for cluster in dict.fromkeys(r.cluster for r in every if r.kind != "spread"):
        rows = [r for r in every if r.cluster == cluster and r.kind != "spread"]
        parts.append(_Predicted(rows, *memory.predict(make_objective(entry, rows), cluster)))
    table = pd.concat([part.table() for part in parts], ignore_index=True)
    _guess(table, every)
    return TrialScore(table, _contrasts(parts), entry.cite, _own_error(parts))


class _Folds:
    """Posteriors without one trial each."""

    def __init__(self, objective: Objective, start: Floats, log: Callable[[str], None]) -> None:
        self.objective, self.start, self.log = objective, start, log
        self.known: dict[bytes, Floats] = {}

    def predict(self, of: Objective, cluster: str) -> tuple[Floats, Floats]:
        """Mean and covariance of results of a trial under the posterior of all others."""
        return of.predictive(self._draws(self._kept(cluster), cluster))

    def _kept(self, cluster: str) -> NDArray[np.bool_]:
        """Rows of the fit that share nobody with a trial."""
        shared = {s for r in self.objective.results if r.cluster == cluster for s in r.arm.shares}
        return np.array(
            [r.cluster != cluster and r.cluster not in shared and cluster not in r.arm.shares for r in self.objective.results]
        )

    def _draws(self, kept: NDArray[np.bool_], cluster: str) -> Floats:
        key = kept.tobytes()
        if key not in self.known:
            self.log(f"without {cluster}: {int(kept.sum())} rows" if not kept.all() else f"all {len(kept)} rows")
            mode = find_mode(self.objective, self.start, kept, quick=True)
            drawn = sample(self.objective, mode, np.random.default_rng(_SEED), _DRAWS, kept)
            self.known[key] = drawn.z
        return self.known[key]


@dataclass(frozen=True)
class _Predicted:
    """Results of one trial, with mean and covariance on the scale they are modelled on."""

    rows: Sequence[Result]
    mean: Floats
    covariance: Floats

    def table(self) -> pd.DataFrame:
        """One line per result."""
        given, given_sd = self._given_controls()
        sd = np.sqrt(np.diag(self.covariance))
        return pd.DataFrame([self._line(i, self.mean[i], sd[i], given[i], given_sd[i]) for i in range(len(self.rows))])

    def _line(self, i: int, mean: float, sd: float, given: float, given_sd: float) -> dict[str, Any]:
        r = self.rows[i]
        show: Callable[[float], float] = (lambda x: float(ndtr(x))) if r.kind in _SHARES else float
        low, high = show(mean - _WITHIN * sd), show(mean + _WITHIN * sd)
        target = modelled(r)[0]
        return {
            "trial": r.arm.trial, "arm": r.arm.arm, "against": r.against.arm if r.against else "", "time_h": r.time, "kind": r.kind,
            "use": r.use, "cluster": r.cluster, "group": r.arm.group, "drug": bool(r.arm.regimen), "n": r.n, "observed": r.value,
            "predicted": show(mean), "low": low, "high": high, "inside": bool(abs(target - mean) <= _WITHIN * sd),
            "given_control": show(given), "inside_given_control": bool(abs(target - given) <= _WITHIN * given_sd),
            "sd": sd, "source": r.source,
        }  # fmt: skip

    def _given_controls(self) -> tuple[Floats, Floats]:
        """Predictions of arms with drug once the changes of the arms without are known; NaN where there are none."""
        control = [i for i, r in enumerate(self.rows) if not r.arm.regimen and r.kind == "change"]
        drug = [i for i, r in enumerate(self.rows) if r.arm.regimen and r.kind != "difference"]
        mean, sd = np.full(len(self.rows), np.nan), np.full(len(self.rows), np.nan)
        if control and drug:
            target = np.array([modelled(self.rows[i])[0] for i in control])
            gain = np.linalg.solve(self.covariance[np.ix_(control, control)], self.covariance[np.ix_(control, drug)]).T
            mean[drug] = self.mean[drug] + gain @ (target - self.mean[control])
            left = self.covariance[np.ix_(drug, drug)] - gain @ self.covariance[np.ix_(control, drug)]
            sd[drug] = np.sqrt(np.diag(left))
        return mean, sd

    def contrasts(self) -> list[dict[str, Any]]:
        """Drug minus control at the same time, and printed differences where no arm values stand."""
        change = {(r.arm.key, r.time): i for i, r in enumerate(self.rows) if r.kind == "change"}
        found = []
        for i, r in enumerate(self.rows):
            j = change.get(((r.arm.trial, self._control(r)), r.time))
            if r.kind == "difference":
                if (r.arm.key, r.time) not in change:
                    found.append(self._contrast(r, r.value, self.mean[i], self.covariance[i, i]))
            elif r.kind == "change" and r.arm.regimen and j is not None:
                spread = self.covariance[i, i] + self.covariance[j, j] - 2 * self.covariance[i, j]
                found.append(self._contrast(r, r.value - self.rows[j].value, self.mean[i] - self.mean[j], spread))
        return found

    def _control(self, r: Result) -> str:
        others = dict.fromkeys(x.arm.arm for x in self.rows if x.arm.trial == r.arm.trial and not x.arm.regimen)
        return r.arm.control or next(iter(others), "")

    def _contrast(self, r: Result, observed: float, predicted: float, variance: float) -> dict[str, Any]:
        half = _WITHIN * float(np.sqrt(variance))
        return {
            "trial": r.arm.trial, "arm": r.arm.arm, "time_h": r.time, "use": r.use, "cluster": r.cluster, "observed": observed,
            "predicted": predicted, "low": predicted - half, "high": predicted + half, "inside": bool(abs(observed - predicted) <= half),
        }  # fmt: skip


def _contrasts(parts: Sequence[_Predicted]) -> pd.DataFrame:
    """All contrasts, with the mean of those of other fitted trials as a guess."""
    table = pd.DataFrame([line for part in parts for line in part.contrasts()])
    fitted = table[table["use"] == "fit"]
    table["mean_of_others"] = [float(fitted.loc[fitted["cluster"] != c, "observed"].mean()) for c in table["cluster"]]
    return table


def _guess(table: pd.DataFrame, every: Sequence[Result]) -> None:
    """Add what the baselines guess, each row from other trials."""
    for name in BASELINES:
        table[name] = np.nan
    key = {(r.arm.key, r.time, r.kind): r for r in every}
    for cluster, lines in table.groupby("cluster", sort=False):
        rows = [key[(line.trial, line.arm), line.time_h, line.kind] for line in lines.itertuples()]
        others = [r for r in every if r.cluster != cluster and r.use != "holdout"]
        change = [i for i, r in enumerate(rows) if r.kind == "change"]
        if change:
            train = [r for r in others if r.kind == "change" and r.use == "fit"]
            table.loc[lines.index[change], list(BASELINES)] = guesses(train, [rows[i] for i in change]).T
        for i, r in enumerate(rows):
            train = [x for x in others if x.kind == r.kind]
            if r.kind in _SHARES and train:
                table.loc[lines.index[i], list(BASELINES[:2])] = [class_mean(train, r), class_mean(train, r, weighted=False)]


def _own_error(parts: Sequence[_Predicted]) -> dict[str, tuple[float, float, float]]:
    """What mean absolute error of changes the model expects of itself, by simulation from its own predictions."""
    rng, found = np.random.default_rng(_SEED), dict[str, tuple[float, float, float]]()
    for use in ("fit", "holdout", "scored"):
        errors = []
        for part in parts:
            chosen = [i for i, r in enumerate(part.rows) if r.kind == "change" and r.use == use]
            if chosen:
                spread = part.covariance[np.ix_(chosen, chosen)]
                errors.append(np.abs(rng.multivariate_normal(np.zeros(len(chosen)), spread, 4000)))
        if errors:
            mae = np.concatenate(errors, axis=1).mean(axis=1)
            found[use] = (float(mae.mean()), float(np.quantile(mae, 0.05)), float(np.quantile(mae, 0.95)))
    return found
