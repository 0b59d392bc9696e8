"""Trials predicted by a disorder: each left out in turn, hold-outs, and what was never fitted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from ketasim import library
from ketasim.arguments import checked
from ketasim.errors import InvalidOption, close_names
from ketasim.fit.clinical import Objective, Result, find_mode, make_objective, read_arms, sample
from ketasim.fit.clinical._objective import modelled
from ketasim.validate._trial_baselines import BASELINES, class_mean, guesses
from ketasim.writing import replacing

Floats = NDArray[np.float64]
_WITHIN = 1.6448536269514722
#: Draws behind every left-out prediction, and their seed.
_DRAWS, _SEED = 4000, 20260102
_SHARES = ("response", "remission")
_CONTRAST = ("trial", "arm", "time_h", "use", "cluster", "observed", "predicted", "low", "high", "inside")


@dataclass(frozen=True)
class TrialScore:
    """Outcome of `validate_trials`.

    Attributes
    ----------
    table : one line per result: observed, predicted, its 90 % interval for a new trial, what was predicted once the trial's own control arm
        was known, and what the baselines guess. Changes in points, response and remission as shares.
    contrasts : with drug minus without, at the same time, points. model : what was scored.
    expected : set of rows -> mean absolute error of changes that the model expects of itself: mean, 5 %, 95 %.
    summary : one line per use and kind of result, see `summarise_trials`.
    """

    table: pd.DataFrame
    contrasts: pd.DataFrame
    model: str
    expected: dict[str, tuple[float, float, float]]
    summary: pd.DataFrame


@checked
def validate_trials(disorder: str = "trd", only: Sequence[str] = (), log: Callable[[str], None] | None = None) -> TrialScore:
    """Predict every trial of a disorder from the others, and the hold-outs from all of them. Takes three minutes.

    Parameters
    ----------
    only : trials to predict; all by default. log : told about each trial that is left out.

    Raises
    ------
    UnknownEntry: no such disorder. InvalidData: no rows of trials for it. InvalidOption: no such trial.

    Notes
    -----
    Each trial is left out with those that share people with it; the rest is fitted anew, and its posterior predicts the trial. Rows
    that are never fitted (hold-outs, unblinded clinics' response, a trial under anaesthesia) are predicted from all fitted rows.
    """
    entry = library.disorder(disorder)
    every = read_arms(disorder)
    fitted = [r for r in every if r.use == "fit"]
    objective = make_objective(entry, fitted)
    say = log or (lambda _: None)
    parts, memory = [], _Folds(objective, say)
    for cluster in _chosen(every, only):
        rows = [r for r in every if r.cluster == cluster and r.kind != "spread"]
        parts.append(Predicted(rows, *memory.predict(make_objective(entry, rows), cluster)))
    table = pd.DataFrame([line for part in parts for line in part.lines()])
    _guess(table, every)
    contrasts, expected = _contrasts(parts, every), _own_error(parts)
    return TrialScore(table, contrasts, entry.cite, expected, summarise_trials(table, contrasts, expected))


def summarise_trials(
    table: pd.DataFrame, contrasts: pd.DataFrame, expected: Mapping[str, tuple[float, float, float]]
) -> pd.DataFrame:
    """Error and coverage of every kind of result: changes and contrasts in points, response and remission as shares.

    Returns
    -------
    One line per use (fit, holdout, scored) and kind. `mae`, `bias` (predicted minus observed), `mae_by_trial` (mean of the trials' own),
    `inside` (share of 90 % intervals that hold the observation), `given_control` (`mae` of arms with drug, own control arm known), the
    same error of the baselines, and `expected`, `expected_low`, `expected_high`: what `mae` an exact model would show, by simulation.
    """
    kinds = [table[table["kind"] == kind] for kind in ("change", *_SHARES)]
    parts = [part for kind in kinds for _, part in kind.groupby("use", sort=False)]
    parts += [part.assign(kind="contrast") for _, part in contrasts.groupby("use", sort=False)]
    return pd.DataFrame([_scored(part, expected) for part in parts])


def _scored(part: pd.DataFrame, expected: Mapping[str, tuple[float, float, float]]) -> dict[str, Any]:
    """Error of one kind of result of one use."""
    off = part["predicted"] - part["observed"]
    use, kind = str(part["use"].iloc[0]), str(part["kind"].iloc[0])
    line: dict[str, Any] = {
        "use": use, "kind": kind, "rows": len(part), "trials": part["cluster"].nunique(), "mae": off.abs().mean(),
        "mae_by_trial": off.abs().groupby(part["cluster"]).mean().mean(), "bias": off.mean(), "inside": part["inside"].mean(),
    }  # fmt: skip
    for name in (*BASELINES, "given_control", "mean_of_others"):
        line[name] = (part[name] - part["observed"]).abs().mean() if name in part else np.nan
    own = expected.get(use, (np.nan,) * 3) if kind == "change" else (np.nan,) * 3
    return line | dict(zip(("expected", "expected_low", "expected_high"), own, strict=True))


@checked
def write_trial_tables(score: TrialScore, folder: str | Path) -> list[Path]:
    """Write ``trial_rows.csv``, ``trial_contrasts.csv`` and ``trial_summary.csv``; returns the paths.

    Raises
    ------
    OutputError: the folder cannot be written.
    """
    tables = {"rows": score.table, "contrasts": score.contrasts, "summary": score.summary}
    paths = [Path(folder) / f"trial_{name}.csv" for name in tables]
    for path, table in zip(paths, tables.values(), strict=True):
        with replacing(path) as draft:
            table.to_csv(draft, index=False, float_format="%.4g", lineterminator="\n")
    return paths


def _chosen(every: Sequence[Result], only: Sequence[str]) -> list[str]:
    """Clusters to predict."""
    known = {r.arm.trial: r.cluster for r in every if r.kind != "spread"}
    for name in only:
        if name not in known:
            raise InvalidOption(f"trial '{name}': no rows of it.{close_names(name, known)} Trials: {', '.join(known)}.")
    return list(dict.fromkeys(known[name] for name in (only or known)))


class _Folds:
    """Posteriors without one trial each."""

    def __init__(self, objective: Objective, log: Callable[[str], None]) -> None:
        self.objective, self.log = objective, log
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
            mode = find_mode(self.objective, rows=kept, quick=True)
            drawn = sample(self.objective, mode, np.random.default_rng(_SEED), _DRAWS, kept)
            self.known[key] = drawn.z
        return self.known[key]


@dataclass(frozen=True)
class Predicted:
    """Results of one trial, with mean and covariance on the scale they are modelled on."""

    rows: Sequence[Result]
    mean: Floats
    covariance: Floats

    def lines(self) -> list[dict[str, Any]]:
        """What is said of every result."""
        given, given_sd = self._given_controls()
        sd = np.sqrt(np.diag(self.covariance))
        return [self._line(i, self.mean[i], sd[i], given[i], given_sd[i]) for i in range(len(self.rows))]

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
        found = []
        for i, j, observed in _pairs(self.rows):
            mean, variance = self.mean[i], self.covariance[i, i]
            if j is not None:
                mean, variance = mean - self.mean[j], variance + self.covariance[j, j] - 2 * self.covariance[i, j]
            found.append(self._contrast(self.rows[i], observed, mean, variance))
        return found

    def _contrast(self, r: Result, observed: float, predicted: float, variance: float) -> dict[str, Any]:
        half = _WITHIN * float(np.sqrt(variance))
        return {
            "trial": r.arm.trial, "arm": r.arm.arm, "time_h": r.time, "use": r.use, "cluster": r.cluster, "observed": observed,
            "predicted": predicted, "low": predicted - half, "high": predicted + half, "inside": bool(abs(observed - predicted) <= half),
        }  # fmt: skip


def _pairs(rows: Sequence[Result]) -> Iterator[tuple[int, int | None, float]]:
    """Row of an arm with drug, row of its control at the same time, and their difference; a printed difference stands alone."""
    change = {(r.arm.key, r.time): i for i, r in enumerate(rows) if r.kind == "change"}
    for i, r in enumerate(rows):
        j = change.get(((r.arm.trial, _control(r, rows)), r.time))
        if r.kind == "difference" and (r.arm.key, r.time) not in change:
            yield i, None, r.value
        elif r.kind == "change" and r.arm.regimen and j is not None:
            yield i, j, r.value - rows[j].value


def _control(r: Result, rows: Sequence[Result]) -> str:
    """The arm without drug to compare with: the one named, else the first of the trial."""
    others = dict.fromkeys(x.arm.arm for x in rows if x.arm.trial == r.arm.trial and not x.arm.regimen)
    return r.arm.control or next(iter(others), "")


def _contrasts(parts: Sequence[Predicted], every: Sequence[Result]) -> pd.DataFrame:
    """All contrasts, with the mean of those of other fitted trials as a guess."""
    table = pd.DataFrame([line for part in parts for line in part.contrasts()], columns=_CONTRAST)
    known = [(every[i].cluster, observed) for i, _, observed in _pairs(every) if every[i].use == "fit"]
    table["mean_of_others"] = [float(np.mean([x for other, x in known if other != c])) for c in table["cluster"]]
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


def _own_error(parts: Sequence[Predicted]) -> dict[str, tuple[float, float, float]]:
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
