"""Calibration of a disorder: mode, draws of the posterior, and the entry they are written into."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ketasim.library
from ketasim import library
from ketasim.errors import InvalidOption, close_names
from ketasim.fit._record import digest, short, versions, with_numbers
from ketasim.fit.clinical._arms import FOLDER, read_arms
from ketasim.fit.clinical._drivers import REFERENCE
from ketasim.fit.clinical._objective import Objective, make_objective
from ketasim.fit.clinical._posterior import Mode, Posterior, find_mode, sample
from ketasim.writing import replacing

Floats = NDArray[np.float64]
_LIBRARY = Path(ketasim.library.__file__).parent / "disorder"
_STORED = 1000
#: Disorders with rows of trials beside this file.
DISORDERS = tuple(sorted(path.name.removesuffix("_rows.csv") for path in FOLDER.glob("*_rows.csv")))


@dataclass(frozen=True)
class ClinicalFit:
    """Outcome of a calibration.

    Attributes
    ----------
    objective : what was fitted. mode : where the posterior is highest. posterior : draws in coordinates.
    names : calibrated parameters. median, se, learned : (parameter,); the standard error on the scale of the prior, and the share of the
        prior's variance that the data removed. draws : (draw, parameter). settings : seed, scores, hashes of what it rests on.
    """

    objective: Objective
    mode: Mode
    posterior: Posterior
    names: tuple[str, ...]
    median: Floats
    se: Floats
    learned: Floats
    draws: Floats
    settings: Mapping[str, Any]


def calibrate_disorder(
    disorder: str = "trd", *, seed: int = 20260101, write: bool = True, log: Callable[[str], None] = print
) -> ClinicalFit:
    """Calibrate a disorder on the rows marked ``fit``; hold-outs are never read. Takes a minute.

    Parameters
    ----------
    seed : of the draws. write : store values, posterior and provenance in the library; otherwise only return them.

    Raises
    ------
    InvalidOption: no rows of trials for this disorder. InvalidEntry: the rows break the rules. SolverFailure: no mode is found.
    """
    if disorder not in DISORDERS:
        near = close_names(disorder, DISORDERS)
        raise InvalidOption(
            f"disorder '{disorder}': no rows of trials to calibrate on.{near} There are rows of: {', '.join(DISORDERS)}."
        )
    entry = library.disorder(disorder)
    results = [r for r in read_arms(disorder) if r.use == "fit"]
    objective = make_objective(entry, results)
    log(
        f"{len(results)} rows, {len(objective.design.arms)} arms, {len({r.cluster for r in results})} trials, {len(objective.names)} parameters"
    )
    mode = find_mode(objective, log=log)
    posterior = sample(objective, mode, np.random.default_rng(seed))
    log(f"draws of the posterior: worth {posterior.effective:.0f} independent ones, Pareto shape {posterior.tail:.2f}")
    fit = _outcome(disorder, objective, mode, posterior, seed)
    if write:
        store(fit, disorder)
    return fit


def _outcome(disorder: str, objective: Objective, mode: Mode, posterior: Posterior, seed: int) -> ClinicalFit:
    values = objective.values(posterior.z)
    draws = np.stack([values[name][:, 0] for name in objective.names], axis=1)
    spread = posterior.z.std(axis=0)
    prior_sd = np.array([objective.priors[name].prior_sd for name in objective.names])
    median, learned = np.median(draws, axis=0), np.clip(1.0 - spread**2, 0.0, 1.0)
    at_mode = objective.values(mode.z)
    mean, covariance = objective.predicted(mode.z)
    white = np.linalg.solve(np.linalg.cholesky(covariance), objective.target - mean)
    settings = {
        "disorder": disorder,
        "method": "importance sampling from the normal approximation at the mode, adapted in rounds",
        "seed": seed,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "misfit_at_mode": short(mode.misfit),
        "effective_draws": round(posterior.effective),
        "pareto_shape": short(posterior.tail),
        "whitened_residuals": {"mean": short(white.mean()), "sd": short(white.std())},
        "reference_session": {"regimen": REFERENCE, "S_ref": short(objective.fixed["S_ref"]), "R_ref": short(objective.fixed["R_ref"])},
        "rows_used": len(objective.results),
        "trials_used": sorted({r.arm.trial for r in objective.results}),
        "files_sha256": {p.name: digest(p.read_bytes()) for p in sorted(FOLDER.glob(f"{disorder}_*.csv"))},
        "rows_sha256": digest(repr([(r.arm.key, r.time, r.kind, r.value, r.n, r.se) for r in objective.results]).encode()),
        "equations_sha256": digest(_LIBRARY.joinpath("depression.py").read_bytes()) if disorder == "trd" else "",
        "versions": versions(),
        "quantities": {
            name: {
                "median": short(median[i]), "mode": short(float(at_mode[name])), "q05": short(np.quantile(draws[:, i], 0.05)),
                "q95": short(np.quantile(draws[:, i], 0.95)), "se": short(spread[i] * prior_sd[i]), "learned": short(learned[i]),
                "prior_median": objective.priors[name].prior, "prior_sd": objective.priors[name].prior_sd, "form": objective.priors[name].form,
            }
            for i, name in enumerate(objective.names)
        },
    }  # fmt: skip
    return ClinicalFit(objective, mode, posterior, objective.names, median, spread * prior_sd, learned, draws, settings)


def store(fit: ClinicalFit, disorder: str, folder: Path = _LIBRARY) -> None:
    """Write medians, standard errors and how much was learned into the entry, and posterior and provenance beside it."""
    path = folder / f"{disorder}.toml"
    text = path.read_text(encoding="utf-8")
    for i, name in enumerate(fit.names):
        told = {"value": float(fit.median[i]), "prior.se": float(fit.se[i]), "prior.learned": float(np.round(fit.learned[i], 2))}
        text = with_numbers(text, f"param.{name}", told, path)
    for name in ("S_ref", "R_ref"):
        text = with_numbers(text, f"param.{name}", {"value": fit.objective.fixed[name]}, path)
    with replacing(path) as draft:
        draft.write_text(text, encoding="utf-8")
    with replacing(folder / f"{disorder}.posterior.npz") as draft, draft.open("wb") as file:
        np.savez_compressed(file, names=np.array(fit.names), draws=fit.draws[:_STORED].astype(np.float32))
    with replacing(folder / f"{disorder}.calibration.json") as draft:
        draft.write_text(json.dumps(fit.settings, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
