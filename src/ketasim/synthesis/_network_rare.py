"""Networks of rare events: odds ratios from the counts themselves, without adding 0.5 to empty cells."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ketasim.arguments import checked
from ketasim.errors import InvalidData, InvalidOption, SolverFailure, close_names
from ketasim.synthesis._network_data import ArmRows, Floats, NetworkData
from ketasim.synthesis._network_result import NetworkEstimates
from ketasim.synthesis._pairwise_data import PairwiseData
from ketasim.synthesis._pairwise_pool import mantel_haenszel

RARE = ("penalised", "mh")
_MOST_STEPS, _NEAR = 200, 1e-10


@checked
def rare_network(data: NetworkData, reference: str = "", *, method: str = "penalised", level: float = 0.95) -> NetworkEstimates:
    """Common-effect odds ratios of a network of counts, for rare events.

    Parameters
    ----------
    data : counts by arm (`read_network` of arms with events and n, measure or). reference : default as of a network.
    method : ``penalised``, logistic regression with a level for each study and Firth's penalty, studies of any number of arms; or ``mh``,
        Mantel-Haenszel odds ratios of each comparison made consistent by least squares, two-arm studies only.

    Notes
    -----
    Firth (1993) takes away the bias of first order of maximum likelihood; for a single table it adds 0.5 to each cell, for several it adds
    less to each, and it is finite where an arm has no events (Evrenoglou et al. 2022). Mantel and Haenszel: variance of Robins, Breslow
    and Greenland (1986); in two stages as Efthimiou et al. (2019) do it. Neither knows heterogeneity: with rare events it cannot be told.

    Raises
    ------
    InvalidOption: no such method, or another measure than or. InvalidData: no counts, a network in parts, or, for ``mh``, a study of more
    than two arms.
    """
    if method not in RARE:
        raise InvalidOption(f"method '{method}'.{close_names(method, RARE)} Use one of {', '.join(RARE)}.")
    if data.measure != "or":
        raise InvalidOption(f"rare events are pooled as odds ratios, not {data.measure}: read the network with measure or.")
    if data.arms is None or "events" not in data.arms.values:
        raise InvalidData(f"{data.name}: rare events need the counts of every arm: study, treatment, events, n.")
    data.check_connected()
    base = data.resolve(reference) if reference else data.default_reference()
    effects, covariance = _penalised(data, data.arms, base) if method == "penalised" else _mantel_haenszel(data, data.arms, base)
    n, place = len(data.treatments), [k for k, name in enumerate(data.treatments) if name != base]
    d, whole = np.zeros(n), np.zeros((n, n))
    d[place] = effects
    whole[np.ix_(place, place)] = covariance
    return NetworkEstimates("common", "or", data.treatments, base, d[:, None] - d[None, :], whole, level=level)


def _design(data: NetworkData, arms: ArmRows, base: str) -> Floats:
    """Columns: a level per study, then an effect per treatment but the reference."""
    others = [k for k, name in enumerate(data.treatments) if name != base]
    levels = arms.study[:, None] == np.arange(len(data.studies))
    return np.hstack([levels, arms.treatment[:, None] == np.array(others)]).astype(float)


def _penalised(data: NetworkData, arms: ArmRows, base: str) -> tuple[Floats, Floats]:
    """Effects and their covariance at the top of the penalised likelihood, by Newton steps on its score."""
    x, y, n = _design(data, arms, base), arms.values["events"], arms.values["n"]
    b = np.zeros(x.shape[1])
    for _ in range(_MOST_STEPS):
        p = 1 / (1 + np.exp(-x @ b))
        w = n * p * (1 - p)
        covariance = np.linalg.inv(x.T @ (w[:, None] * x))
        leverage = w * np.einsum("ij,jk,ik->i", x, covariance, x)
        step = covariance @ (x.T @ (y - n * p + leverage * (0.5 - p)))
        b = b + step * min(1.0, 2.0 / float(np.abs(step).max() or 1.0))
        if float(np.abs(step).max()) < _NEAR:
            k = len(data.studies)
            return b[k:], covariance[k:, k:]
    raise SolverFailure(f"{data.name}: the penalised likelihood found no top in {_MOST_STEPS} steps.")


def _mantel_haenszel(data: NetworkData, arms: ArmRows, base: str) -> tuple[Floats, Floats]:
    """Effects and their covariance from the Mantel-Haenszel odds ratio of each comparison."""
    rows: list[Floats] = []
    effects, variances = list[float](), list[float]()
    others = [name for name in data.treatments if name != base]
    for (one, other), studies in data.comparisons().items():
        found = mantel_haenszel(_tables(data, arms, studies, one, other))
        effects.append(found.estimate)
        variances.append(found.se**2)
        rows.append(np.array([(name == one) - (name == other) for name in others], dtype=float))
    x, w = np.array(rows), 1 / np.array(variances)
    covariance = np.linalg.inv(x.T @ (w[:, None] * x))
    return covariance @ (x.T @ (w * np.array(effects))), covariance


def _tables(data: NetworkData, arms: ArmRows, studies: Sequence[int], one: str, other: str) -> PairwiseData:
    """The two-by-two tables of one comparison."""
    tables = []
    for k in studies:
        if len(data.studies[k].arms) > 2:
            raise InvalidData(
                f"{data.name}: study '{data.studies[k].study}' has {len(data.studies[k].arms)} arms; Mantel-Haenszel networks take two-arm "
                "studies. Use the method penalised."
            )
        mine = np.flatnonzero(arms.study == k)
        cells = {data.treatments[int(arms.treatment[i])]: (arms.values["events"][i], arms.values["n"][i]) for i in mine}
        tables.append([*cells[one], *cells[other]])
    counts, unknown = np.array(tables, dtype=float), np.full(len(tables), math.nan)
    names = tuple(data.studies[k].study for k in studies)
    return PairwiseData(names, np.zeros(len(tables)), np.ones(len(tables)), "or", unknown, unknown, counts, name=data.name)
