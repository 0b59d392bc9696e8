"""How sure a result is: the same patients under many plausible versions of the model's typical values."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ketasim.errors import InvalidOption
from ketasim.model import Model
from ketasim.population import study_effects, undrawn
from ketasim.results import NEW_STUDY, TYPICAL_VALUES, WHOLE, add_draws, mass_concentrations, other_ports

if TYPE_CHECKING:
    from ketasim.simulation._cohort import _Cohort, _Common

Floats = NDArray[np.float64]
#: Quantiles over patients that are kept of every draw.
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
#: Exposure parameters kept of every draw, by number: CMAX and AUCLST.
_DRAWN = [WHOLE.index("CMAX"), WHOLE.index("AUCLST")]


def check_draws(draws: int, model: Model, streamed: bool) -> None:
    """Refuse draws that cannot be made.

    Raises
    ------
    InvalidOption: a negative number, a streamed cohort, a model of whose typical values nothing says how sure they are, or more draws
    than its posterior holds.
    """
    if isinstance(draws, bool) or not isinstance(draws, (int, np.integer)) or draws < 0:
        raise InvalidOption(f"draws = {draws}: give a whole number of draws, e.g. 100, or 0 for none.")
    if draws and streamed:
        raise InvalidOption(
            f"draws = {draws}: a streamed cohort keeps no patients to repeat. Give fewer people, or leave stream out."
        )
    if draws and not any(n.se > 0 for n in model.numbers.values()) and not any(p.info.get("posterior") for p in model.parts):
        raise InvalidOption(
            f"draws = {draws}: {model.id} has neither a posterior nor standard errors, so nothing says how sure its values are."
        )
    for part in model.parts:
        stored = min((np.size(values) for values in (part.info.get("posterior") or {}).values()), default=draws)
        if draws > stored:
            raise InvalidOption(f"draws = {draws:,}: the posterior of {part.cite} holds {stored:,}; more would repeat the first.")


def with_draws(run: _Cohort, draws: int, progress: Callable[[int, int], None] | None) -> xr.DataTree:
    """Result of a run as it stands, with groups ``draws`` (bands over time) and ``draws_exposure`` added."""
    total = run.people.n * (draws + 1)

    def moved(number: int) -> Callable[[int, int], None] | None:
        return None if progress is None else partial(_report, progress, number, total)

    result = run.complete(moved(0))
    curves: dict[str, list[Floats]] = {}
    exposures: dict[str, list[Floats]] = {}
    labels: dict[str, tuple[tuple[str, ...], str]] = {}
    others: dict[str, list[Floats]] = {name: [] for name in other_ports(run.common.model)}
    failed = np.zeros(draws, np.int64)
    levels = LEVELS if run.people.n > 1 else (0.5,)
    for k in range(draws):
        pieces, ports = run.drawn(k).solved(moved(k + 1))
        failed[k] = sum(int((piece[3].status != 0).sum()) for piece in pieces)
        for site, (names, values, unit) in mass_concentrations(run.common.model, ports).items():
            labels[site] = (names, unit)
            alive = values[..., np.isfinite(values).all(axis=(0, 1))]
            curves.setdefault(site, []).append(_over_patients(alive, levels))
            found = np.concatenate([piece[4][site][1] for piece in pieces], axis=-1)[_DRAWN]
            exposures.setdefault(site, []).append(_over_patients(found[..., np.isfinite(found).all(axis=(0, 1))], levels))
        for name, drawn in others.items():
            drawn.append(_over_patients(ports[name][:, np.isfinite(ports[name]).all(axis=0)], levels))
    stacked = {site: (names, np.stack(curves[site]), np.stack(exposures[site]), unit) for site, (names, unit) in labels.items()}
    units = {name: (np.stack(drawn), run.common.model.ports[name].unit) for name, drawn in others.items()}
    return add_draws(result, run.times, levels, stacked, units, failed, undrawn(run.common.model), kind_of_draw(run.common))


def kind_of_draw(common: _Common) -> str:
    """Whether a draw is a new study or typical values alone."""
    differs = bool(study_effects(common.model)) or any(drug.between_study for drug in common.comedication)
    return NEW_STUDY if common.between_study and differs else TYPICAL_VALUES


def _report(progress: Callable[[int, int], None], number: int, total: int, done: int, of: int) -> None:
    """Progress of repetition `number` as part of the whole."""
    progress(number * of + done, total)


def _over_patients(values: Floats, levels: tuple[float, ...]) -> Floats:
    """Quantiles over the last axis, (level, ...), interpolated linearly; NaN where nobody is left."""
    if not values.shape[-1]:
        return np.full((len(levels), *values.shape[:-1]), np.nan)
    ordered = np.sort(values, axis=-1)
    position = np.array(levels) * (values.shape[-1] - 1)
    low = position.astype(int)
    high, share = np.minimum(low + 1, values.shape[-1] - 1), position - low
    return np.moveaxis(ordered[..., low] * (1.0 - share) + ordered[..., high] * share, -1, 0)
