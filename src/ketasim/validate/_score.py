"""Observed against predicted: one table, fold errors, and what they come to for calibration and hold-out apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ketasim.arguments import checked
from ketasim.errors import InvalidData, InvalidOption
from ketasim.fit import (
    Observation,
    leave_one_study_out,
    make_plan,
    package_observations,
    predict,
    read_observations,
    typical,
    typical_value,
)
from ketasim.library import comedication, load
from ketasim.model import Model, assemble
from ketasim.validate._intervals import interval, new_study_sd, says_how_sure
from ketasim.writing import replacing

FOLDS = (1.25, 1.5, 2.0)
_LISTED = "source listed in holdout.csv"
REFERENCE_MODEL = "ketasim_reference"
#: Hold-out rows without those that say nothing of the model (``not_comparable.csv``), in `PkScore.summary`.
COMPARABLE = "holdout_comparable"
_COLUMNS = (
    "row", "use", "source", "study", "drug", "analyte", "site", "regimen", "metric", "statistic", "unit", "observed", "typical",
    "predicted", "fold", "within", "low", "high", "inside", "not_comparable", "reason",
)  # fmt: skip


@dataclass(frozen=True)
class PkScore:
    """Outcome of `validate_pk`.

    Attributes
    ----------
    table : one line per row of the file, also rows that cannot be predicted (`predicted` is NaN, `reason` says why).
        `typical` is what was observed as that of a typical person: an arithmetic mean with its SD becomes a geometric mean, as
        in the calibration. `fold` is predicted over typical; `within` the smallest of 1.25, 1.5, 2 that holds it, inf if none does.
        `not_comparable` says why a row says nothing of the model.
        `low`, `high`: 90 % interval for a new study, `inside` whether it holds what was observed; NaN where none was asked for.
    summary : per group (calibration, holdout, holdout_comparable, user): rows, studies, GMFE over rows and as mean of the
        studies' own, median fold, shares within 1.25, 1.5 and 2-fold and inside the interval.
    model : what was scored. source : name of the observations.
    """

    table: pd.DataFrame
    summary: pd.DataFrame
    model: str
    source: str
    notes: tuple[str, ...] = field(default=())

    def worst(self, use: str = "holdout", n: int = 10) -> pd.DataFrame:
        """Rows with the largest fold error of one group."""
        rows = self.table[(self.table["use"] == use) & self.table["fold"].notna()]
        order = np.abs(np.log(rows["fold"])).sort_values(ascending=False).index
        return rows.loc[order].head(n)

    def by(self, column: str, use: str = "holdout") -> pd.DataFrame:
        """Rows, studies and GMFE of one group for every value of a column such as ``analyte``, ``metric`` or ``study``."""
        rows = _groups(self.table).get(use, self.table.iloc[:0])
        return pd.DataFrame({value: _scored(part) for value, part in rows.groupby(column, sort=True)}).T

    def not_predicted(self) -> pd.DataFrame:
        """Rows without a prediction, with the reason."""
        return self.table[self.table["predicted"].isna()][["row", "use", "source", "analyte", "metric", "reason"]]


@checked
def validate_pk(
    observations: str | Path | pd.DataFrame | None = None, model: str | Model = REFERENCE_MODEL, draws: int = 0
) -> PkScore:
    """Score a library model against observed exposures.

    Parameters
    ----------
    observations : None for the table of the package (calibration and hold-out rows apart), or a CSV file or DataFrame in the
        format of ``pk_observations.csv``.
    draws : of the model in a new study, for the 90 % intervals; 0 for none. A hundred take some ten seconds with the package's
        table. They need a model that says how sure its values are.
    model : library entry or assembled model; it has to be linear in amounts, as all published ketamine models are. Predictions end 49 h
        after the first dose.

    Returns
    -------
    PkScore

    Notes
    -----
    The prediction is that of the typical person (70 kg unless the row says otherwise), exact to the grid of 0.25-30 min. An
    arithmetic mean of a skewed population lies above its typical person by about sqrt(1 + CV^2): where the SD is printed, the row
    is compared as a geometric mean, elsewhere as it stands.

    Raises
    ------
    InvalidData: the file cannot be read; names line and column. UnknownEntry: no such model.

    Examples
    --------
    >>> score = validate_pk()
    >>> float(score.summary.loc["holdout", "gmfe"]) > 1.0
    True
    """
    assembled = model if isinstance(model, Model) else assemble(load(model))
    rows = package_observations() if observations is None else read_observations(observations)
    if isinstance(draws, bool) or draws < 0 or draws == 1:
        raise InvalidOption(f"draws = {draws}: give 0 for no intervals, or 2 and more, e.g. 100.")
    predicted, problems, sd = _predictions(assembled, rows, draws)
    table = pd.DataFrame(
        [_line(o, predicted.get(i), problems.get(i, o.reason), sd.get(i, math.nan)) for i, o in enumerate(rows)],
        columns=list(_COLUMNS),
    )
    name = "package" if observations is None else "table" if isinstance(observations, pd.DataFrame) else Path(observations).name
    return PkScore(table, summarise(table), assembled.id, name, _notes(table))


@checked
def leave_one_out() -> PkScore:
    """Score of the reference model on its calibration rows, each predicted by a calibration that has not seen its study.

    The public estimate of the error in a new study: it uses no hold-outs.

    Examples
    --------
    >>> score = leave_one_out()
    >>> list(score.summary.index)
    ['left out']
    """
    left = leave_one_study_out()
    lines = [
        _line(replace(o, use="left out"), math.exp(predicted), o.reason, sd)
        for o, predicted, sd in zip(left.observations, left.log_predicted.tolist(), left.sd.tolist(), strict=True)
    ]
    table = pd.DataFrame(lines, columns=list(_COLUMNS))
    return PkScore(table, summarise(table), REFERENCE_MODEL, "package, each study left out in turn")


def _predictions(
    model: Model, rows: Sequence[Observation], draws: int
) -> tuple[dict[int, float], dict[int, str], dict[int, float]]:
    """Prediction per row, the reason of each row without one, and where draws are asked for the SD of its log in a new study."""
    plan = make_plan(model, rows)
    problems = dict(plan.problems)
    effects: dict[str, Mapping[str, float]] = {}
    for i, o in enumerate(rows):
        if i in problems:
            continue
        missing = _missing(model, o, effects)
        if missing:
            problems[i] = missing
    usable = [i for i in range(len(rows)) if i not in problems]
    plan = make_plan(model, [rows[i] for i in usable])
    values = predict(plan, lambda of: typical(model, dict(of[0]), None, effects.get(of[1])))
    found = {i: float(x) for i, x in zip(usable, values, strict=True)}
    if not draws or not says_how_sure(plan):
        return found, problems, {}
    sd = new_study_sd(plan, plan.observations, draws)
    return found, problems, dict(zip(usable, sd.tolist(), strict=True))


def _missing(model: Model, o: Observation, effects: dict[str, Mapping[str, float]]) -> str:
    """What the model lacks for a row with co-medication or binding; fills `effects` with multipliers."""
    if o.metric == "protein_binding_percent" and "fu_s" not in model.params:
        return f"{model.id} has no unbound fraction"
    if not o.comedication or o.comedication in effects:
        return ""
    try:
        found = {name: number.value for name, number in comedication(o.comedication).multipliers.items()}
    except Exception as error:  # one bad row must not hide the others: its reason is shown beside it
        return str(error)
    absent = sorted(set(found) - set(model.params))
    if absent:
        return f"{model.id} has no parameter {absent[0]}, which {o.comedication} changes"
    effects[o.comedication] = found
    return ""


def _line(o: Observation, predicted: float | None, reason: str, sd: float = math.nan) -> dict[str, Any]:
    observed = typical_value(o) if o.value > 0 else o.value
    fold = predicted / observed if predicted is not None and o.value > 0 and predicted > 0 else math.nan
    if predicted is not None and not predicted > 0:
        reason = f"predicted {predicted:g}: a fold error does not exist"
    error = math.exp(abs(math.log(fold))) if fold > 0 else math.nan
    within = next((limit for limit in FOLDS if error <= limit), math.inf) if not math.isnan(error) else math.nan
    low, high = (math.nan, math.nan) if predicted is None else interval(predicted, sd)
    inside = math.nan if math.isnan(low) or math.isnan(fold) else float(low <= observed <= high)
    return {
        "row": o.row, "use": o.use, "source": o.source, "study": o.study, "drug": o.drug, "analyte": o.analyte, "site": o.site,
        "regimen": o.regimen, "metric": o.metric, "statistic": o.statistic, "unit": o.unit, "observed": o.value, "typical": observed,
        "predicted": math.nan if predicted is None else predicted, "fold": fold, "within": within, "low": low, "high": high, "inside": inside,
        "not_comparable": o.not_comparable, "reason": reason,
    }  # fmt: skip


@checked
def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """GMFE and shares per group of `use`, over rows with a prediction; index is the group."""
    if lacking := [name for name in ("fold", "use", "study") if name not in table]:
        raise InvalidData(
            f"the table has no column '{lacking[0]}': give that of a PkScore. It has: {', '.join(map(str, table.columns))}."
        )
    groups = {use: _scored(rows) for use, rows in _groups(table).items()}
    if not groups:
        return pd.DataFrame(columns=list(_scored(table.iloc[:0])))
    return pd.DataFrame(groups).T.astype({"rows": int, "studies": int})


def _groups(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Rows with a fold error by use, and the hold-outs once more without those that are not comparable."""
    scored = table[table["fold"].notna()]
    groups = {str(use): rows for use, rows in scored.groupby("use", sort=True)}
    if "holdout" in groups and "not_comparable" in table:
        groups[COMPARABLE] = groups["holdout"][groups["holdout"]["not_comparable"] == ""]
    return groups


def _scored(rows: pd.DataFrame) -> dict[str, float]:
    """What the fold errors of some rows come to."""
    error = np.abs(np.log(rows["fold"].to_numpy(float)))
    if not len(error):
        return dict.fromkeys(
            ("rows", "studies", "gmfe", "gmfe_by_study", "median_fold", *map(_share, FOLDS), "inside_90"), math.nan
        )
    of_studies = pd.Series(error, index=rows.index).groupby(rows["study"]).mean()
    return {
        "rows": len(rows),
        "studies": rows["study"].nunique(),
        "gmfe": math.exp(error.mean()),
        "gmfe_by_study": math.exp(of_studies.mean()),
        "median_fold": float(rows["fold"].median()),
        **{_share(limit): float(np.mean(error <= math.log(limit) + 1e-12)) for limit in FOLDS},
        "inside_90": float(rows["inside"].mean()) if "inside" in rows else math.nan,
    }


def _share(limit: float) -> str:
    return f"within_{limit:g}"


def _notes(table: pd.DataFrame) -> tuple[str, ...]:
    skipped = int(table["predicted"].isna().sum())
    notes = (
        [f"{skipped} of {len(table)} rows have no prediction; not_predicted(), or --rows, gives the reasons."] if skipped else []
    )
    holdout = table[(table["use"] == "holdout") & table["fold"].notna()]
    listed = holdout[holdout["reason"] == _LISTED]
    if 0 < len(listed) < len(holdout):
        gmfe = math.exp(float(np.abs(np.log(listed["fold"])).mean()))
        other = len(holdout) - len(listed)
        notes.append(
            f"{other} hold-out {'row is a hold-out trial' if other == 1 else 'rows are hold-out trials'} under another key; "
            f"without {'it' if other == 1 else 'them'} the hold-out GMFE is {gmfe:.3g}."
        )
    return tuple(notes)


@checked
def write_tables(score: PkScore, folder: str | Path) -> list[Path]:
    """Write ``pk_rows.csv`` and ``pk_summary.csv``; returns the paths.

    Raises
    ------
    OutputError: the folder cannot be written.
    """
    out = Path(folder)
    paths = [out / "pk_rows.csv", out / "pk_summary.csv"]
    with replacing(paths[0]) as rows, replacing(paths[1]) as summary:
        score.table.to_csv(rows, index=False, float_format="%.6g", lineterminator="\n")
        score.summary.to_csv(summary, index_label="use", float_format="%.6g", lineterminator="\n")
    return paths
