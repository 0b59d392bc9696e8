"""The posterior of a disorder's numbers: normal likelihood of arm results with the luck of trials and arms integrated out.

Coordinates are standard normal under the prior. The gradient is exact: each lane of parameters carries an imaginary step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from ketasim.clinical import DisorderEntry, Prior
from ketasim.fit.clinical._arms import Result
from ketasim.fit.clinical._drivers import REFERENCE, peaks
from ketasim.fit.clinical._expected import EFFECTS, Design, Numbers, make_design

Floats = NDArray[np.float64]
#: SDs of the luck of a trial and of an arm, in the order of `EFFECTS`.
SPREADS = ("su", "su2", "sv", "sa")
#: Sampling errors of one arm at two times, or of its change and its response, are taken to correlate by this much.
_WITHIN_ARM = 0.5
#: Share of the variance of an arm's luck that lasts from visit to visit.
_LASTING = 0.5
_TINY = 1e-30
_AT_ONCE = 100
_SIGN = {"change": -1.0, "response": 1.0, "remission": 1.0}


@dataclass(frozen=True)
class Local:
    """The objective around one place.

    Attributes
    ----------
    value : negative log posterior, up to a constant. gradient : (coordinate,). information : expected curvature, (coordinate, coordinate).
    """

    value: float
    gradient: Floats
    information: Floats


@dataclass(frozen=True)
class Objective:
    """Results, priors and what stays fixed.

    Attributes
    ----------
    names : free parameters. fixed : parameter -> number. target : results on the scale they are modelled on: points, probits, log SD.
    sampling : covariance of their sampling errors.
    """

    design: Design
    names: tuple[str, ...]
    priors: Mapping[str, Prior]
    fixed: Mapping[str, float]
    target: Floats
    sampling: Floats

    @property
    def results(self) -> tuple[Result, ...]:
        """Results, in order."""
        return self.design.results

    # -- coordinates --------------------------------------------------------------------------------------------------
    def values(self, z: Numbers) -> dict[str, Numbers]:
        """Parameter -> value at coordinates z, (coordinate,) or (lane, coordinate)."""
        found: dict[str, Numbers] = {name: np.float64(x) for name, x in self.fixed.items()}  # type: ignore[misc]
        for i, name in enumerate(self.names):
            prior, x = self.priors[name], z[..., i]
            raw = np.log(prior.prior) + prior.prior_sd * x if prior.form == "log" else prior.prior + prior.prior_sd * x
            value = np.exp(raw) if prior.form == "log" else raw
            found[name] = value[:, None] if value.ndim else value
        return found

    def coordinates(self, values: Mapping[str, float]) -> Floats:
        """The coordinates at which the free parameters have these values."""
        found = []
        for name in self.names:
            prior, x = self.priors[name], float(values[name])
            off = np.log(x / prior.prior) if prior.form == "log" else x - prior.prior
            found.append(off / prior.prior_sd)
        return np.array(found)

    # -- predictions --------------------------------------------------------------------------------------------------
    def predicted(self, z: Floats) -> tuple[Floats, Floats]:
        """Mean and covariance of all results in new trials, on the scale they are modelled on."""
        mean, covariance = self._moments(z[None])
        return mean[0].real, covariance[0].real

    def predictive(self, draws: Floats) -> tuple[Floats, Floats]:
        """Mean and covariance of all results in new trials under an uncertain posterior, draws (draw, coordinate)."""
        return _pooled([self._moments(some) for some in np.array_split(draws, -(-len(draws) // _AT_ONCE))])

    def predictive_of(self, draws: Sequence[Mapping[str, float]]) -> tuple[Floats, Floats]:
        """The same under draws of the parameters themselves."""
        parts = [draws[i : i + _AT_ONCE] for i in range(0, len(draws), _AT_ONCE)]
        return _pooled(
            [self._at({name: np.array([[float(p[name])] for p in some]) for name in some[0]}, len(some)) for some in parts]
        )

    def _moments(self, z: Numbers) -> tuple[Numbers, Numbers]:
        return self._at(self.values(z), len(z))

    def _at(self, p: Mapping[str, Numbers], lanes: int) -> tuple[Numbers, Numbers]:
        """Mean (lane, result) and covariance (lane, result, result) at parameters."""
        expected = self.design.expected(p)
        kind = expected.value.dtype
        covariance = np.broadcast_to(self.sampling.astype(kind), (lanes, *self.sampling.shape)).copy()
        same = self._same()
        for effect, spread in zip(range(len(EFFECTS)), SPREADS, strict=True):
            moved = np.broadcast_to(expected.moved[effect], (lanes, expected.moved.shape[-1])) * np.reshape(p[spread], (-1, 1))
            if EFFECTS[effect] == "arm":
                shared = moved[:, :, None] * moved[:, None, :] * same["arm"]
                covariance += self.design.mix @ shared @ self.design.mix.T
            else:
                by_result = moved @ self.design.mix.T
                covariance += by_result[:, :, None] * by_result[:, None, :] * same["trial"]
        return np.broadcast_to(expected.value, (lanes, len(self.target))), covariance

    def _same(self) -> dict[str, Floats]:
        """How much of their luck two results of a trial, or two points of an arm, share."""
        cluster = np.array([r.cluster for r in self.results])
        arm, visit = (np.array([getattr(point, name) for point in self.design.points]) for name in ("arm", "visit"))
        same_arm = (arm[:, None] == arm).astype(float)
        return {
            "trial": (cluster[:, None] == cluster).astype(float),
            "arm": same_arm * (_LASTING + (1.0 - _LASTING) * (visit[:, None] == visit)),
        }

    # -- objective ----------------------------------------------------------------------------------------------------
    def value(self, z: Floats, rows: NDArray[np.bool_] | None = None) -> float:
        """Negative log posterior at z from some of the rows."""
        chosen = self._chosen(rows)
        mean, covariance = self.predicted(z)
        return _misfit(self.target[chosen] - mean[chosen], covariance[np.ix_(chosen, chosen)], z)

    def values_at(self, z: Floats, rows: NDArray[np.bool_] | None = None) -> Floats:
        """Negative log posterior at many places, (place, coordinate) -> (place,)."""
        chosen, found = self._chosen(rows), []
        for some in np.array_split(z, -(-len(z) // _AT_ONCE)):
            mean, covariance = self._moments(some)
            factor = np.linalg.cholesky(covariance[:, chosen][:, :, chosen])
            white = np.linalg.solve(factor, (self.target[chosen] - mean[:, chosen])[..., None])[..., 0]
            spread = np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
            found.append(0.5 * (white**2).sum(axis=1) + spread + 0.5 * (some**2).sum(axis=1))
        return np.concatenate(found)

    def local(self, z: Floats, rows: NDArray[np.bool_] | None = None) -> Local:
        """Value, exact gradient and expected information at z."""
        chosen = self._chosen(rows)
        mean, covariance = self._moments(z + 1j * _TINY * np.eye(len(z)))
        mean, covariance = mean[:, chosen], covariance[:, chosen][:, :, chosen]
        residual, at = self.target[chosen] - mean[0].real, covariance[0].real
        slope, turn = mean.imag / _TINY, covariance.imag / _TINY
        inverse = np.linalg.inv(at)
        pull = inverse @ residual
        scaled = inverse @ turn
        gradient = z - slope @ pull + 0.5 * np.trace(scaled, axis1=1, axis2=2) - 0.5 * np.einsum("i,kij,j->k", pull, turn, pull)
        information = np.eye(len(z)) + slope @ inverse @ slope.T + 0.5 * np.einsum("aij,bji->ab", scaled, scaled)
        return Local(_misfit(residual, at, z), gradient, information)

    def _chosen(self, rows: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        return np.arange(len(self.target)) if rows is None else np.flatnonzero(rows)


def _pooled(parts: Sequence[tuple[Numbers, Numbers]]) -> tuple[Floats, Floats]:
    """Mean and covariance over lanes: that within, and that of the means."""
    mean = np.concatenate([m for m, _ in parts])
    within = sum(c.sum(axis=0) for _, c in parts) / len(mean)
    return mean.mean(axis=0), within + np.cov(mean.T, bias=True)


def _misfit(residual: Floats, covariance: Floats, z: Floats) -> float:
    factor = np.linalg.cholesky(covariance)
    white = np.linalg.solve(factor, residual)
    return float(0.5 * white @ white + np.log(np.diag(factor)).sum() + 0.5 * z @ z)


def make_objective(entry: DisorderEntry, results: Sequence[Result]) -> Objective:
    """The posterior of the numbers of an entry that carry a prior, from results of trials."""
    design = make_design(entry, results)
    names = tuple(name for name in entry.priors)
    (_, s_ref, r_ref), *_ = peaks(REFERENCE)
    typical = {name: float(x) for name, x in entry.typical().items()} | {"S_ref": s_ref, "R_ref": r_ref}
    fixed = {name: x for name, x in typical.items() if name not in names}
    target, variance = np.array([modelled(r) for r in results]).T
    return Objective(design, names, dict(entry.priors), fixed, target, _sampling(results, variance))


def modelled(r: Result) -> tuple[float, float]:
    """A result on the scale it is modelled on, and its sampling variance there.

    Shares are shrunk by half a person, so that none is 0 or 1.
    """
    if r.kind in ("change", "difference"):
        return r.value, r.se**2
    if r.kind == "spread":
        return float(np.log(r.value)), 1.0 / (2.0 * (r.n - 1.0))
    share = (r.value * r.n + 0.5) / (r.n + 1.0)
    x = float(ndtri(share))
    return x, share * (1.0 - share) / r.n * 2.0 * np.pi * float(np.exp(x**2))


def _sampling(results: Sequence[Result], variance: Floats) -> Floats:
    """Covariance of sampling errors; those of one arm correlate, a greater fall going with more responders."""
    sign = np.array([_SIGN.get(r.kind, 0.0) for r in results])
    key = [r.arm.key for r in results]
    same = np.array([[a == b for b in key] for a in key])
    sd = np.sqrt(variance)
    covariance = _WITHIN_ARM * np.outer(sign * sd, sign * sd) * same
    np.fill_diagonal(covariance, variance)
    return covariance


def without(objective: Objective, fixed: Mapping[str, float]) -> Objective:
    """The objective with some parameters held at a value: a structure to compare with."""
    names = tuple(name for name in objective.names if name not in fixed)
    return replace(objective, names=names, fixed={**objective.fixed, **fixed})
