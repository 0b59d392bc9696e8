"""Calibration of the ketasim reference model: mode and normal approximation. Its outcome is stored beside the entry."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import ketasim.library
from ketasim import evidence
from ketasim.fit._objective import Objective, make_objective
from ketasim.fit._observations import package_observations
from ketasim.fit._posterior import Mode, find_mode
from ketasim.fit._priors import PRIORS, Prior, Priors, load_priors
from ketasim.fit._record import digest, short, versions, with_numbers
from ketasim.library import load
from ketasim.model import assemble
from ketasim.writing import replacing

MODEL = "ketasim_reference"
_LIBRARY = Path(ketasim.library.__file__).parent
_STORE = _LIBRARY / "pk"
_STORED_DRAWS = 1000


@dataclass(frozen=True)
class Calibration:
    """Outcome of a calibration.

    Attributes
    ----------
    names : calibrated quantities; ``drug.A_x`` are co-medications, ``tau.group`` between-study SDs.
    median, sd : (quantity,) of the posterior, in the units of the priors. draws : (draw, quantity).
    provenance : settings, scores, hashes of what it rests on.
    """

    names: tuple[str, ...]
    median: np.ndarray
    sd: np.ndarray
    draws: np.ndarray
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def values(self) -> dict[str, float]:
        """Name -> posterior median."""
        return dict(zip(self.names, (float(x) for x in self.median), strict=True))


def calibrate_pk(*, seed: int = 20260101, write: bool = True, log: Callable[[str], None] = print) -> Calibration:
    """Calibrate the reference model on the rows of the package marked ``calibration``; hold-outs are never read.

    Takes a minute or two: Gauss-Newton steps to the mode, and the normal approximation there.

    Parameters
    ----------
    seed : of the draws that are stored.
    write : store values, posterior and provenance in the library; otherwise only return them.

    Returns
    -------
    Calibration
    """
    priors = load_priors()
    objective = make_objective(assemble(load(MODEL)), package_observations(), priors)
    studies = len({o.study for o in objective.observations})
    log(f"{len(objective.observations)} rows of {studies} studies, {len(priors.all)} quantities")
    mode = find_mode(objective, log)
    result = _outcome(objective, priors, mode, seed)
    if write:
        store(result)
    return result


def _outcome(objective: Objective, priors: Priors, mode: Mode, seed: int) -> Calibration:
    names = tuple(prior.name for prior in priors.all)
    z = mode.draws(np.random.default_rng(seed), _STORED_DRAWS)
    draws = np.stack(list(priors.values(z.T, np).values()), axis=1)
    at_mode = priors.values(mode.linear.z, np)
    centre = np.array([at_mode[name] for name in names])
    residual = objective.log_observed - mode.linear.log_predicted
    provenance = {
        "model": MODEL,
        "method": "laplace",
        "seed": seed,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "misfit_at_mode": mode.misfit,
        "gmfe_at_mode": float(np.exp(np.mean(np.abs(residual)))),
        "rows_used": len(objective.observations),
        "rows_sha256": _row_hashes(objective),
        "priors_sha256": digest(PRIORS.read_bytes()),
        "structure_sha256": digest((_STORE / f"{MODEL}.py").read_bytes()),
        "versions": versions(),
        "quantities": {p.name: _summary(p, centre[i], at_mode[p.name], draws[:, i]) for i, p in enumerate(priors.all)},
    }
    return Calibration(names, centre, draws.std(axis=0), draws, provenance)


def _summary(prior: Prior, median: float, mode: float, draws: np.ndarray) -> dict[str, Any]:
    """Posterior beside prior of one quantity."""
    return {
        "median": short(median),
        "mode": short(mode),
        "sd": short(draws.std()),
        "q05": short(np.quantile(draws, 0.05)),
        "q95": short(np.quantile(draws, 0.95)),
        "prior_median": prior.median,
        "prior_sd": prior.sd,
        "form": prior.form,
        **({"beside": prior.beside} if prior.beside else {}),
        "unit": prior.unit,
    }


def _row_hashes(objective: Objective) -> dict[str, str]:
    """Hash of every used row of the table, by line number: shows later whether the evidence changed."""
    lines = evidence.path("pk/pk_observations.csv").read_text(encoding="utf-8").splitlines()
    return {str(o.row): digest(lines[o.row - 1].encode())[:16] for o in objective.observations}


def store(result: Calibration, library: Path = _LIBRARY) -> None:
    """Write medians and standard errors into the entries, and posterior and provenance beside them."""
    values, sd = result.values(), dict(zip(result.names, result.sd, strict=True))
    by_file: dict[Path, dict[str, str]] = {}
    for name in result.names:
        group, _, parameter = name.rpartition(".")
        drug = "" if group == "tau" else group
        path = library / ("comedication" if drug else "pk") / f"{drug or MODEL}.toml"
        section = "between_study" if group == "tau" else "multiplier" if drug else "param"
        by_file.setdefault(path, {})[f"{section}.{parameter}"] = name
    for path, sections in by_file.items():
        text = path.read_text(encoding="utf-8")
        for section, name in sections.items():
            text = with_numbers(text, section, {"value": values[name], "se": float(sd[name])}, path)
        with replacing(path) as draft:
            draft.write_text(text, encoding="utf-8")
    with replacing(library / "pk" / f"{MODEL}.posterior.npz") as draft, draft.open("wb") as file:
        np.savez_compressed(file, names=np.array(result.names), draws=result.draws[:_STORED_DRAWS].astype(np.float32))
    provenance = json.dumps(result.provenance, indent=1, ensure_ascii=False)
    with replacing(library / "pk" / f"{MODEL}.calibration.json") as draft:
        draft.write_text(provenance + "\n", encoding="utf-8")
