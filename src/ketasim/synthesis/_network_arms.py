"""Arms of studies as contrasts with covariance: counts and means, zero events by a stated rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ketasim.errors import InvalidData, warn
from ketasim.synthesis._network_data import (
    ArmRows,
    ContinuityCorrected,
    Floats,
    NetworkData,
    StudyContrasts,
    StudyExcluded,
    with_lost,
)
from ketasim.synthesis._network_table import Table

_COUNTS, _MEANS = ("or", "rr", "rd"), ("md", "smd")
Reader = Callable[[str, Sequence[int]], dict[str, str]]


def arm_network(table: Table, measure: str, study: int, covariates: Reader, continuity: float = 0.5) -> NetworkData:
    """A network from one row per arm.

    Raises
    ------
    InvalidData: columns, names or numbers that cannot be used; names file, line, column and value.
    """
    columns = _columns(table, measure) | {"study": study}
    groups: dict[str, list[int]] = {}
    for r in range(len(table.rows)):
        groups.setdefault(table.text(r, study), []).append(r)
    excluded, corrected = dict[str, str](), list[str]()
    studies, kept, values = list[StudyContrasts](), list[tuple[tuple[str, ...], dict[str, Floats]]](), dict[str, list[str]]()
    for label, rows in groups.items():
        arms, numbers, why = _arms(table, label, rows, columns)
        one, fixed, why = (None, False, why) if why else contrasts(measure, label, arms, numbers, continuity)
        if one is None:
            excluded[label] = why
            warn(f"{table.name}: study '{label}' is left out: {why}.", StudyExcluded, stacklevel=4)
            continue
        corrected += [label] * fixed
        studies.append(one)
        kept.append((arms, numbers))
        for name, value in covariates(label, rows).items():
            values.setdefault(name, []).append(value)
    if corrected:
        _say_corrected(table.name, corrected, continuity)
    treatments = tuple(sorted({t for s in studies for t in s.arms}))
    excluded = with_lost(excluded, (table.text(r, columns["treatment"]) for r in range(len(table.rows))), studies)
    return NetworkData(
        tuple(studies), measure, "arm", _rows(kept, treatments), {k: tuple(v) for k, v in values.items()}, excluded, table.name
    )


def _say_corrected(name: str, studies: Sequence[str], continuity: float) -> None:
    shown = ", ".join(studies[:5]) + (f" and {len(studies) - 5} more" if len(studies) > 5 else "")
    warn(
        f"{name}: no events (or only events) in an arm of {shown}: {continuity:g} is added to events and to non-events of every arm of "
        "these studies. The Bayesian model for counts needs no correction.",
        ContinuityCorrected,
        stacklevel=5,
    )


def _columns(table: Table, measure: str) -> dict[str, int]:
    if measure == "hr":
        raise InvalidData(
            f"{table.name}: hazard ratios come as contrasts (studlab, treat1, treat2, TE, seTE with log hazard ratios)."
        )
    counts = {"treatment": table.find("treatment"), "events": table.find("events"), "n": table.find("n")}
    means = {role: table.find(role) for role in ("treatment", "mean", "sd", "se", "n")}
    if measure in _COUNTS:
        needed, found = counts, counts
    else:
        scatter = "sd" if means["sd"] >= 0 or means["se"] < 0 else "se"
        found = {role: means[role] for role in ("treatment", "mean", scatter, "n")}
        needed = {r: c for r, c in found.items() if r != "n" or scatter == "sd" or measure == "smd"}
    absent = [role for role, column in needed.items() if column < 0]
    if absent:
        kind = (
            "counts per arm (study, treatment, events, n)"
            if measure in _COUNTS
            else "means per arm (study, treatment, mean, sd, n)"
        )
        raise InvalidData(
            f"{table.name}: the measure {measure} needs {kind}; no column for {', '.join(absent)} among {', '.join(table.columns)}."
        )
    return {role: column for role, column in found.items() if column >= 0}


def _arms(
    table: Table, label: str, rows: Sequence[int], columns: Mapping[str, int]
) -> tuple[tuple[str, ...], dict[str, Floats], str]:
    """Treatments and numbers of one study; the reason if it cannot be used without being wrong."""
    seen: dict[str, int] = {}
    for r in rows:
        name = table.text(r, columns["treatment"])
        if name in seen:
            raise InvalidData(
                f"{table.where(r, columns['treatment'])}: study '{label}' has two arms '{name}' (the other in line "
                f"{table.lines[seen[name]]}). Pool arms of one treatment, or give them names of their own."
            )
        seen[name] = r
    if len(rows) == 1:
        raise InvalidData(
            f"{table.where(rows[0])}: study '{label}' has a single arm ('{next(iter(seen))}'); a comparison needs two. Remove it, or "
            "write the same study label at its other arms."
        )
    roles = [role for role in columns if role not in ("study", "treatment")]
    numbers = {role: np.array([table.number(r, columns[role]) for r in rows]) for role in roles}
    complete = np.all([np.isfinite(v) for v in numbers.values()], axis=0)
    for k, r in enumerate(rows):
        if complete[k]:
            _check_arm(table, r, columns, {role: float(v[k]) for role, v in numbers.items()})
    arms = tuple(t for t, good in zip(seen, complete, strict=True) if good)
    why = "" if len(arms) >= 2 else f"fewer than two arms have all numbers (line {table.lines[rows[int(complete.argmin())]]})"
    numbers = {role: v[complete] for role, v in numbers.items()}
    if "se" in numbers:
        size = numbers.get("n", np.ones(len(arms)))
        numbers = {"mean": numbers["mean"], "sd": numbers["se"] * np.sqrt(size), "n": size}
    return arms, numbers, why


def _check_arm(table: Table, row: int, columns: Mapping[str, int], value: Mapping[str, float]) -> None:
    def refuse(role: str, rule: str) -> None:
        raise InvalidData(f"{table.where(row, columns[role])}: '{table.rows[row][columns[role]]}' {rule}.")

    if "n" in value and not value["n"] > 0:
        refuse("n", "patients; the number must be above 0")
    if "events" in value:
        if value["events"] < 0 or value["events"] > value["n"]:
            refuse("events", f"events among {value['n']:g} patients; the number must lie between 0 and {value['n']:g}")
        if abs(value["events"] - round(value["events"])) > 1e-6 or abs(value["n"] - round(value["n"])) > 1e-6:
            refuse("events", f"events among {value['n']:g} patients; counts are whole numbers")
    for role in ("sd", "se"):
        if role in value and not value[role] > 0:
            refuse(role, "is not above 0; a standard deviation or error must be")


def contrasts(
    measure: str, label: str, arms: tuple[str, ...], numbers: Mapping[str, Floats], continuity: float = 0.5
) -> tuple[StudyContrasts | None, bool, str]:
    """Contrasts against the first arm; whether counts were corrected; or the reason why there are none.

    Notes
    -----
    Arms are independent, so cov = diag(v_k) + v_base for log odds (v = 1/e + 1/(n - e)), log risks (1/e - 1/n), risks
    (p(1 - p)/n) and means (sd^2/n). Standardised differences share the standard deviation pooled over all arms, hence
    cov_jk = 1/n_base + [j=k]/n_j + g_j g_k / (2N) (Gleser & Olkin 2009), with Hedges' small-sample factor.
    """
    n = numbers["n"]
    if measure == "smd":
        effect, cov = _standardised(numbers)
        return (None, False, "too few patients for a pooled standard deviation") if effect is None else (
            StudyContrasts(label, arms, effect, cov, tuple(n)), False, ""
        )  # fmt: skip
    if measure == "md":
        level, variance, fixed = numbers["mean"], numbers["sd"] ** 2 / n, False
    else:
        level, variance, fixed, why = _count_levels(measure, numbers["events"], n, continuity)
        if why:
            return None, False, why
    return StudyContrasts(label, arms, level[1:] - level[0], np.diag(variance[1:]) + variance[0], tuple(n)), fixed, ""


def _count_levels(measure: str, events: Floats, n: Floats, continuity: float) -> tuple[Floats, Floats, bool, str]:
    none, full = bool((events == 0).all()), bool((events == n).all())
    if measure in ("or", "rr") and (none or (full and measure == "or")):
        return n, n, False, f"{'no' if none else 'only'} events in all its arms: it says nothing on the {measure.upper()}"
    zero = bool(((events == 0) | ((events == n) & (measure != "rr"))).any()) or (full and measure == "rr")
    e, m = (events + continuity, n + 2 * continuity) if zero else (events, n)
    if measure == "or":
        return np.log(e / (m - e)), 1 / e + 1 / (m - e), zero, ""
    if measure == "rr":
        return np.log(e / m), 1 / e - 1 / m, zero, ""
    # Risk differences keep their estimate; only a variance of zero is raised.
    return events / n, e / m * (1 - e / m) / m, zero, ""


def standardiser(n: Floats, sd: Floats) -> float:
    """Standard deviation pooled over all arms, divided by Hedges' small-sample factor."""
    from ketasim.synthesis._effects import hedges_factor  # that module builds on this one

    df = float(n.sum() - len(n))
    return float(np.sqrt(((n - 1) * sd**2).sum() / df) / hedges_factor(df))


def _standardised(numbers: Mapping[str, Floats]) -> tuple[Floats, Floats] | tuple[None, Floats]:
    n, mean, sd = numbers["n"], numbers["mean"], numbers["sd"]
    if n.sum() - len(n) < 2:
        return None, n
    g = (mean[1:] - mean[0]) / standardiser(n, sd)
    return g, np.diag(1 / n[1:]) + 1 / n[0] + np.outer(g, g) / (2 * n.sum())


def _rows(kept: Sequence[tuple[tuple[str, ...], dict[str, Floats]]], treatments: tuple[str, ...]) -> ArmRows:
    study = np.concatenate([np.full(len(arms), k) for k, (arms, _) in enumerate(kept)]) if kept else np.array([])
    treatment = np.array([treatments.index(t) for arms, _ in kept for t in arms], dtype=np.int64)
    roles = kept[0][1].keys() if kept else ()
    return ArmRows(study.astype(np.int64), treatment, {role: np.concatenate([v[role] for _, v in kept]) for role in roles})
