"""From a table to a network: format found, names and numbers checked, multi-arm studies made consistent.

Contrast format: one row per pair of arms (treat1 minus treat2, ratios as logarithms) with standard errors; a multi-arm study gives
all its pairs. Arm format: one row per arm with counts or with means.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ketasim.arguments import checked
from ketasim.errors import InvalidData, InvalidOption, close_names, warn
from ketasim.synthesis._network_arms import arm_network
from ketasim.synthesis._network_data import (
    MEASURES,
    Floats,
    ImplausibleVariance,
    NetworkData,
    StudyContrasts,
    StudyExcluded,
    with_lost,
)
from ketasim.synthesis._network_table import Table, read_table

if TYPE_CHECKING:
    import pandas as pd

_NEEDED = (
    "Needed are, in any letter case: contrasts (studlab, treat1, treat2, TE, seTE), counts per arm (study, treatment, events, n) or "
    "means per arm (study, treatment, mean, sd, n)."
)


@checked
def read_network(
    data: Table | str | Path | pd.DataFrame | Sequence[Mapping[str, Any]], measure: str, *, covariates: Sequence[str] = (),
    continuity: float = 0.5,
) -> NetworkData:  # fmt: skip
    """A network from a file, a DataFrame or records, in contrast or arm format.

    Parameters
    ----------
    data : CSV file, DataFrame or list of records. measure : md, smd, or, rr, rd or hr.
    covariates : columns with one value per study to keep, for meta-regression.
    continuity : added to events and to non-events of every arm of a study with a zero (or full) cell.

    Raises
    ------
    InvalidData: what cannot be used, with file, line, column and value. InvalidOption: no such measure, file or column.

    Examples
    --------
    >>> rows = [{"study": s, "treatment": t, "events": e, "n": 50} for s, t, e in
    ...         [("one", "a", 10), ("one", "b", 20), ("two", "b", 12), ("two", "c", 18)]]
    >>> read_network(rows, "or").treatments
    ('a', 'b', 'c')
    """
    measure = checked_measure(measure)
    table = read_table(data)
    wanted = {c: _covariate_column(table, c) for c in covariates}
    if table.find("treat1") >= 0 and table.find("treat2") >= 0:
        network = _from_contrasts(table, measure, wanted)
    elif table.find("treatment") >= 0:
        network = arm_network(table, measure, _need(table, "study"), _per_study(table, wanted), continuity)
    else:
        raise InvalidData(f"{table.name}: neither contrasts nor arms in the columns {', '.join(table.columns)}. {_NEEDED}")
    if not network.studies:
        raise InvalidData(f"{table.name}: no study is left to analyse ({_reasons(network.excluded)}).")
    _check_spelling(network)
    return network


def checked_measure(measure: str) -> str:
    """A measure in lower case.

    Raises
    ------
    InvalidOption: no such measure.
    """
    found = measure.strip().lower()
    if found not in MEASURES:
        raise InvalidOption(f"no effect measure '{measure}'.{close_names(found, MEASURES)} Use one of {', '.join(MEASURES)}.")
    return found


def _need(table: Table, role: str) -> int:
    column = table.find(role)
    if column < 0:
        raise InvalidData(f"{table.name}: no column for '{role}' among {', '.join(table.columns)}. {_NEEDED}")
    return column


def _covariate_column(table: Table, name: str) -> int:
    column = table.column(name)
    if column < 0:
        raise InvalidOption(
            f"{table.name}: no column '{name}'.{close_names(name, table.columns)} It has: {', '.join(table.columns)}."
        )
    return column


def _per_study(table: Table, wanted: Mapping[str, int]) -> Callable[[str, Sequence[int]], dict[str, str]]:
    """A reader of covariates that must not differ between the rows of one study."""

    def read(study: str, rows: Sequence[int]) -> dict[str, str]:
        values = {}
        for name, column in wanted.items():
            found = list(dict.fromkeys(table.rows[r][column] for r in rows if not table.is_missing(r, column)))
            if len(found) > 1:
                raise InvalidData(
                    f"{table.where(rows[0], column)}: study '{study}' has several values ({', '.join(found)}); a covariate of a network "
                    "has one value per study."
                )
            values[name] = found[0] if found else ""
        return values

    return read


def _from_contrasts(table: Table, measure: str, wanted: Mapping[str, int]) -> NetworkData:
    columns = {role: _need(table, role) for role in ("study", "treat1", "treat2", "te", "sete")}
    groups: dict[str, list[int]] = {}
    for r in range(len(table.rows)):
        groups.setdefault(table.text(r, columns["study"]), []).append(r)
    read, excluded = _per_study(table, wanted), dict[str, str]()
    studies, values = [], {name: list[str]() for name in wanted}
    for label, rows in groups.items():
        missing = [r for r in rows if table.is_missing(r, columns["te"]) or table.is_missing(r, columns["sete"])]
        if missing:
            excluded[label] = f"no effect or no standard error (line {table.lines[missing[0]]})"
            warn(f"{table.name}: study '{label}' is left out: {excluded[label]}.", StudyExcluded, stacklevel=4)
            continue
        studies.append(_contrast_study(table, label, rows, columns))
        for name, value in read(label, rows).items():
            values[name].append(value)
    covariates = {name: tuple(v) for name, v in values.items()}
    named = {table.text(r, columns[role]) for r in range(len(table.rows)) for role in ("treat1", "treat2")}
    return NetworkData(tuple(studies), measure, "contrast", None, covariates, with_lost(excluded, named, studies), table.name)


def _contrast_study(table: Table, label: str, rows: Sequence[int], columns: Mapping[str, int]) -> StudyContrasts:
    effects: dict[tuple[str, str], float] = {}
    variances: dict[frozenset[str], float] = {}
    for r in rows:
        one, other = table.text(r, columns["treat1"]), table.text(r, columns["treat2"])
        if one == other:
            raise InvalidData(f"{table.where(r)}: study '{label}' compares '{one}' with itself; two treatments are needed.")
        if frozenset((one, other)) in variances:
            raise InvalidData(
                f"{table.where(r)}: study '{label}' compares '{one}' and '{other}' twice. Keep one row; two trials need two labels."
            )
        se = table.number(r, columns["sete"])
        if not se > 0:
            raise InvalidData(
                f"{table.where(r, columns['sete'])}: the standard error is {table.rows[r][columns['sete']]}; it must be above 0."
            )
        effects[one, other], variances[frozenset((one, other))] = table.number(r, columns["te"]), se**2
    arms = tuple(sorted({t for pair in effects for t in pair}))
    _check_complete(table, label, rows, arms, variances)
    n = _patients(table, rows, columns, arms)
    if len(arms) == 2:
        (one, _), effect = next(iter(effects.items()))
        sign = 1.0 if one == arms[1] else -1.0
        return StudyContrasts(label, arms, np.array([sign * effect]), np.array([[variances[frozenset(arms)]]]), n)
    cov = _base_covariance(table, label, rows, arms, variances)
    decimals = max(table.decimals(r, columns["te"]) for r in rows)
    effect, misfit = _consistent(table, label, rows, arms, effects, cov, decimals)
    return StudyContrasts(label, arms, effect, cov, n, misfit)


def _check_complete(
    table: Table, label: str, rows: Sequence[int], arms: Sequence[str], variances: Mapping[frozenset[str], float]
) -> None:
    absent = [pair for pair in itertools.combinations(arms, 2) if frozenset(pair) not in variances]
    if absent:
        pairs = "; ".join(f"{a} - {b}" for a, b in absent)
        raise InvalidData(
            f"{table.where(rows[0])}: study '{label}' has {len(arms)} arms and {len(rows)} of the {len(rows) + len(absent)} contrasts "
            f"between them; missing: {pairs}. Give all pairs of a multi-arm study, or its arms; two trials need two labels."
        )


def _patients(table: Table, rows: Sequence[int], columns: Mapping[str, int], arms: Sequence[str]) -> tuple[float, ...]:
    """Patients per arm from the columns n1 and n2, where they are."""
    found: dict[str, float] = {}
    for role, name in (("n1", "treat1"), ("n2", "treat2")):
        column = table.find(role)
        if column >= 0:
            found |= {table.text(r, columns[name]): table.number(r, column) for r in rows if not table.is_missing(r, column)}
    return tuple(found[a] for a in arms) if set(found) == set(arms) else ()


def _base_covariance(
    table: Table, label: str, rows: Sequence[int], arms: Sequence[str], variances: Mapping[frozenset[str], float]
) -> Floats:
    """Covariance of the contrasts against the first arm: cov(jb, kb) = (v_jb + v_kb - v_jk) / 2."""
    v = np.array([[variances.get(frozenset((a, b)), 0.0) for b in arms] for a in arms])
    cov = (v[1:, :1] + v[:1, 1:] - v[1:, 1:]) / 2.0
    if np.linalg.eigvalsh(cov)[0] <= 1e-12 * np.max(v):
        raise InvalidData(
            f"{table.where(rows[0])}: the standard errors of the {len(rows)} contrasts of study '{label}' contradict each other: "
            "they are not those of differences between the same arms (none may exceed the sum of two others). Check them."
        )
    n = len(arms)
    # Variance of each arm, were the arms independent (Ruecker & Schwarzer 2014).
    arm_variance = (v.sum(axis=1) - v.sum() / (2 * (n - 1))) / (n - 2)
    if arm_variance.min() < -1e-3 * arm_variance.max():
        who = arms[int(arm_variance.argmin())]
        warn(
            f"{table.name}: study '{label}': its standard errors imply a variance of {arm_variance.min():.3g} for the arm '{who}', "
            "below 0; that cannot come from independent arms. The study is used as given.",
            ImplausibleVariance,
            stacklevel=6,
        )
    return cov


def _consistent(
    table: Table, label: str, rows: Sequence[int], arms: Sequence[str], effects: Mapping[tuple[str, str], float], cov: Floats,
    decimals: int,
) -> tuple[Floats, float]:  # fmt: skip
    """Effects against the first arm from all pairs by weighted least squares, with the weights of Ruecker and Schwarzer (2014).

    The inverse covariance holds the weights: off the diagonal their negative, and its row sums those against the base.
    """
    inverse = np.linalg.inv(cov)
    laplace = np.block([[inverse.sum(), -inverse.sum(axis=0)[None, :]], [-inverse.sum(axis=1)[:, None], inverse]])
    b, y, w = [], [], []
    for (one, other), effect in effects.items():
        j, k = arms.index(one), arms.index(other)
        row = np.zeros(len(arms))
        row[j], row[k] = 1.0, -1.0
        b.append(row[1:])
        y.append(effect)
        w.append(-laplace[j, k])
    design, values, weights = np.array(b), np.array(y), np.array(w)
    solved = np.asarray(cov @ design.T @ (weights * values))
    residual = values - design @ solved
    # Three rounded numbers around a triangle can miss each other by one and a half units of the last decimal.
    allowed = max(1e-3, 1.5 * len(arms) / 3 * 10.0**-decimals)
    if np.abs(residual).max() > allowed:
        worst = int(np.abs(residual).argmax())
        one, other = list(effects)[worst]
        raise InvalidData(
            f"{table.where(rows[0])}: the contrasts of study '{label}' contradict each other: {one} - {other} is {values[worst]:g} but "
            f"follows from the other contrasts as {values[worst] - residual[worst]:.4g}. Check signs (treat1 minus treat2) and numbers."
        )
    return solved, float(weights @ residual**2)


def _reasons(excluded: Mapping[str, str]) -> str:
    return "; ".join(f"{study}: {why}" for study, why in list(excluded.items())[:5]) or "the table is empty"


def _check_spelling(network: NetworkData) -> None:
    seen: dict[str, str] = {}
    for t in network.treatments:
        other = seen.setdefault(t.lower(), t)
        if other != t:
            raise InvalidData(f"{network.name}: the treatment is written '{other}' and '{t}'; write one treatment in one way.")
