"""Calibration of the ketasim reference model: MAP, Laplace approximation and, where asked for, NUTS.

Slow (minutes); its outcome is stored, so that nothing else has to run it.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import ketasim.library
from ketasim import evidence
from ketasim.errors import InvalidOption, SolverFailure
from ketasim.fit._objective import Objective, jax_objective, make_objective
from ketasim.fit._observations import package_observations
from ketasim.fit._priors import PRIORS, Prior, Priors, load_priors
from ketasim.fit._sampling import sample
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
    names : calibrated quantities; ``drug.A_x`` are co-medications, ``tau.analyte`` between-study SDs.
    median, sd : (quantity,) of the posterior, in the units of the priors. draws : (draw, quantity).
    method : ``nuts`` or ``laplace``. diagnostics : R-hat, ESS and divergences where sampled. provenance : settings, hashes.
    """

    names: tuple[str, ...]
    median: np.ndarray
    sd: np.ndarray
    draws: np.ndarray
    method: str
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def values(self) -> dict[str, float]:
        """Name -> posterior median."""
        return dict(zip(self.names, (float(x) for x in self.median), strict=True))


def calibrate_pk(
    *,
    samples: int = 1600,
    warmup: int = 200,
    chains: int = 4,
    seed: int = 20260101,
    write: bool = True,
    log: Callable[[str], None] = print,
) -> Calibration:
    """Calibrate the reference model on the rows of the package marked ``calibration``; hold-outs are never read.

    Parameters
    ----------
    samples : draws per chain; 0 stops after MAP and Laplace. warmup, chains, seed : of NUTS.
    write : store values, posterior and provenance in the library, but no draws that have not converged; otherwise only return them.

    Returns
    -------
    Calibration
    """
    import jax

    if samples < 0 or chains < 1 or warmup < 0:
        raise InvalidOption(
            f"calibrate pk: samples = {samples}, warmup = {warmup}, chains = {chains} must not be negative (chains at least 1)."
        )
    jax.config.update("jax_enable_x64", True)
    priors = load_priors()
    objective = make_objective(assemble(load(MODEL)), package_observations(), priors)
    log(f"{len(objective.observations)} rows, {len(objective.blocks)} study blocks, {len(priors.all)} quantities")
    value_and_gradient = jax.jit(jax.value_and_grad(jax_objective(objective)))
    mode = _mode(value_and_gradient, len(priors.all), log)
    scale = _laplace_scale(value_and_gradient, mode)
    rng = np.random.default_rng(seed)
    if samples:
        z, diagnostics = sample(value_and_gradient, mode, scale, samples, warmup, chains, seed, log)
        log(
            f"NUTS: largest R-hat {diagnostics['r_hat_max']:.3f}, smallest ESS {diagnostics['ess_min']:.0f}, "
            f"{diagnostics['divergences']} divergences"
        )
        z = rng.permutation(z)  # a user's first few draws must be as good as any others, not neighbours in a chain
    else:
        z, diagnostics = mode + rng.standard_normal((_STORED_DRAWS, len(mode))) @ scale.T, {}
    result = _outcome(objective, priors, z, mode, "nuts" if samples else "laplace", diagnostics, seed)
    if write and samples and not _converged(diagnostics):
        log("NUTS has not converged (R-hat < 1.01, ESS > 400 and no divergences are needed): nothing is stored. More --samples "
            "go on from these chains; --samples 0 stores mode and Laplace approximation.")  # fmt: skip
    elif write:
        store(result, objective)
    return result


def _converged(diagnostics: Mapping[str, Any]) -> bool:
    """Whether draws may stand for the posterior (Vehtari and colleagues 2021 for R-hat and ESS)."""
    return diagnostics["r_hat_max"] < 1.01 and diagnostics["ess_min"] > 400 and diagnostics["divergences"] == 0


def _mode(value_and_gradient: Any, n: int, log: Callable[[str], None]) -> np.ndarray:
    """Posterior mode in standard normal coordinates, from the prior medians."""
    from scipy.optimize import minimize

    def both(z: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = value_and_gradient(z)
        return float(value), np.asarray(gradient, float)

    found = minimize(both, np.zeros(n), jac=True, method="L-BFGS-B", options={"maxiter": 1000, "ftol": 1e-12, "gtol": 1e-5})
    log(f"MAP: negative log posterior {found.fun:.3f} after {found.nit} steps ({found.message})")
    if not np.isfinite(found.fun):
        raise SolverFailure(
            "calibrate pk: the posterior is not finite at its mode; check the priors and the rows marked calibration."
        )
    return np.asarray(found.x)


def _laplace_scale(value_and_gradient: Any, mode: np.ndarray, step: float = 0.01) -> np.ndarray:
    """Lower factor of the Laplace covariance: central differences of the gradient, eigenvalues kept above 0.2 of the prior's."""
    hessian = np.array(
        [
            (np.asarray(value_and_gradient(mode + e)[1]) - np.asarray(value_and_gradient(mode - e)[1])) / (2 * step)
            for e in step * np.eye(len(mode))
        ]
    )
    eigenvalues, vectors = np.linalg.eigh(0.5 * (hessian + hessian.T))
    return np.linalg.cholesky((vectors / np.maximum(eigenvalues, 0.2)) @ vectors.T)


def _outcome(
    objective: Objective, priors: Priors, z: np.ndarray, mode: np.ndarray, method: str, diagnostics: Mapping[str, Any], seed: int
) -> Calibration:
    names = tuple(prior.name for prior in priors.all)
    draws = np.stack(list(priors.values(z.T, np).values()), axis=1)
    at_mode = priors.values(mode, np)
    centre = np.median(draws, axis=0) if method == "nuts" else np.array([at_mode[name] for name in names])
    residual = objective.log_observed - np.log(objective.predictions(mode, np))
    provenance = {
        "model": MODEL,
        "method": method,
        "seed": seed,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "settings": dict(diagnostics),
        "negative_log_posterior_at_mode": float(objective.negative_log_posterior(mode, np)),
        "gmfe_at_mode": float(np.exp(np.mean(np.abs(residual)))),
        "rows_used": len(objective.observations),
        "rows_sha256": _row_hashes(objective),
        "priors_sha256": _hash(PRIORS.read_bytes()),
        "structure_sha256": _hash((_STORE / f"{MODEL}.py").read_bytes()),
        "versions": _versions(),
        "quantities": {p.name: _summary(p, centre[i], at_mode[p.name], draws[:, i]) for i, p in enumerate(priors.all)},
    }
    return Calibration(names, centre, draws.std(axis=0), draws, method, diagnostics, provenance)


def _summary(prior: Prior, median: float, mode: float, draws: np.ndarray) -> dict[str, Any]:
    """Posterior beside prior of one quantity."""
    return {
        "median": _short(median),
        "mode": _short(mode),
        "sd": _short(draws.std()),
        "q05": _short(np.quantile(draws, 0.05)),
        "q95": _short(np.quantile(draws, 0.95)),
        "prior_median": prior.median,
        "prior_sd": prior.sd,
        "form": prior.form,
        **({"beside": prior.beside} if prior.beside else {}),
        "unit": prior.unit,
    }


def _short(x: float) -> float:
    return float(f"{x:.4g}")


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _row_hashes(objective: Objective) -> dict[str, str]:
    """Hash of every used row of the table, by line number: shows later whether the evidence changed."""
    lines = evidence.path("pk/pk_observations.csv").read_text(encoding="utf-8").splitlines()
    return {str(o.row): _hash(lines[o.row - 1].encode())[:16] for o in objective.observations}


def _versions() -> dict[str, str]:
    out = {"python": platform.python_version()}
    for package in ("ketasim", "jax", "numpyro", "scipy", "numpy"):
        try:
            out[package] = version(package)
        except PackageNotFoundError:
            out[package] = "not installed"
    return out


def store(result: Calibration, objective: Objective, library: Path = _LIBRARY) -> None:
    """Write medians and standard errors into the entries, and posterior and provenance beside them."""
    values, sd = result.values(), dict(zip(result.names, result.sd, strict=True))
    by_file: dict[Path, dict[str, str]] = {}
    for name in result.names:
        if name.startswith("tau."):
            continue
        drug, _, parameter = name.rpartition(".")
        path = library / ("comedication" if drug else "pk") / f"{drug or MODEL}.toml"
        by_file.setdefault(path, {})[f"{'multiplier' if drug else 'param'}.{parameter}"] = name
    for path, sections in by_file.items():
        text = path.read_text(encoding="utf-8")
        for section, name in sections.items():
            text = _with_number(text, section, values[name], float(sd[name]), path)
        with replacing(path) as draft:
            draft.write_text(text, encoding="utf-8")
    with replacing(library / "pk" / f"{MODEL}.posterior.npz") as draft, draft.open("wb") as file:
        np.savez_compressed(file, names=np.array(result.names), draws=result.draws[:_STORED_DRAWS].astype(np.float32))
    provenance = json.dumps(result.provenance, indent=1, ensure_ascii=False)
    with replacing(library / "pk" / f"{MODEL}.calibration.json") as draft:
        draft.write_text(provenance + "\n", encoding="utf-8")


def _with_number(text: str, section: str, value: float, se: float, path: Path) -> str:
    """The file text with value and se of one section replaced; every other character stays."""
    pattern = re.compile(rf"(^\[{re.escape(section)}\]\n(?:(?!\[).*\n)*)", re.MULTILINE)
    found = pattern.search(text)
    if not found:
        raise SolverFailure(f"{path.name}: no section [{section}] to write the calibrated value into.")
    body = re.sub(r"^value = .*$", f"value = {value:.4g}", found[1], flags=re.MULTILINE)
    body = re.sub(r"^se = .*$", f"se = {se:.3g}", body, flags=re.MULTILINE)
    return text[: found.start()] + body + text[found.end() :]
