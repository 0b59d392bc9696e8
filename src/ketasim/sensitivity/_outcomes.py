"""What a sensitivity analysis is of: one number per version of the model, named in the words of results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ketasim.arguments import checked
from ketasim.errors import InvalidOption, close_names
from ketasim.results import redundant_totals, unit_of
from ketasim.simulation import Reading, Versions

#: Word -> exposure parameter.
EXPOSURES = {
    "cmax": "CMAX", "tmax": "TMAX", "auc": "AUCLST", "half_life": "LAMZHL", "auctau": "AUCTAU", "ctrough": "CTROUGH",
    "accumulation": "ARAUC",
}  # fmt: skip
#: Word -> column of the table of visits, and unit.
SYMPTOMS = {
    "score": ("mean", "points"),
    "change": ("change", "points"),
    "response": ("response", "1"),
    "remission": ("remission", "1"),
}
#: When a side effect counts.
_WHEN = ("first", "per_session", "ever")


@dataclass(frozen=True)
class Outcome:
    """One number of a run. label : as asked, made complete. unit : of it. of : reads it."""

    label: str
    unit: str
    of: Callable[[Reading], float]


@checked
def outcomes_of(versions: Versions, asked: Sequence[str] = ()) -> tuple[Outcome, ...]:
    """Outcomes by their words; by default peak and area, and with a disorder change at the last visit instead.

    Parameters
    ----------
    asked : ``cmax``, ``auc:s_norketamine``, ``cmax:s_ketamine@arterial``; with a disorder also ``change``, ``response@168`` (a visit,
        h) and the definitions of side effects, ``cadss_above_4@first``.

    Raises
    ------
    InvalidOption: no such outcome, analyte, site, visit, or a share of one person.
    """
    usual = ("cmax", "auc") if versions.disorder is None else ("change",) if versions.people == 1 else ("change", "response")
    base = versions.read({})
    return tuple(dict.fromkeys(_outcome(versions, base, text.strip()) for text in (asked or usual)))


def _outcome(versions: Versions, base: Reading, text: str) -> Outcome:
    head, _, place = (piece.strip() for piece in text.partition("@"))
    word, _, analyte = (piece.strip() for piece in head.partition(":"))
    if word in EXPOSURES:
        return _exposure(versions, base, word, analyte, place)
    definitions = [] if base.care is None else [row["definition"] for row in base.care.incidences()]
    known = [*EXPOSURES, *(SYMPTOMS if base.care is not None else ()), *definitions]
    if word not in known or analyte:
        symptoms = "" if base.care is not None else " Symptoms and side effects need a disorder, e.g. --disorder trd."
        raise InvalidOption(
            f"outcome '{text}': there is none of that name.{close_names(word, known)} It may be: {', '.join(known)}.{symptoms}"
        )
    if versions.people == 1 and word not in ("score", "change"):
        raise InvalidOption(f"outcome '{text}': it is a share of people, of which one person has none. Give more, e.g. -n 200.")
    return _symptom(versions, word, place) if word in SYMPTOMS else _side_effect(word, place)


def _exposure(versions: Versions, base: Reading, word: str, analyte: str, site: str) -> Outcome:
    if not base.exposure:
        raise InvalidOption(f"outcome '{word}': {versions.model.id} gives no concentrations.")
    parameter, place = EXPOSURES[word], site or next(iter(base.exposure))
    if place not in base.exposure:
        raise InvalidOption(
            f"outcome '{word}@{site}': there is no such site.{close_names(site, base.exposure)} It has: {', '.join(base.exposure)}."
        )
    if parameter not in versions.parameters:
        raise InvalidOption(
            f"outcome '{word}': it is of a dosing interval, and this regimen does not repeat. It may be: cmax, tmax, auc, half_life."
        )
    names, values, unit = base.exposure[place]
    peaks = values[versions.parameters.index("CMAX")]
    there = [a for a, peak in zip(names, peaks, strict=True) if np.nanmax(peak, initial=0.0) > 0]
    name = analyte or _usual(there)
    if name not in there:
        raise InvalidOption(
            f"outcome '{word}:{name}': there is none of it at {place}.{close_names(name, there)} There are: {', '.join(there)}."
        )
    k, i = versions.parameters.index(parameter), names.index(name)

    def of(reading: Reading) -> float:
        found = reading.exposure[place][1][k, i]
        found = found[np.isfinite(found)]
        return float(np.median(found)) if found.size else float("nan")

    shown = f"{word}:{name}" if place == next(iter(base.exposure)) else f"{word}:{name}@{place}"
    return Outcome(shown, unit_of(parameter, unit), of)


def _usual(there: Sequence[str]) -> str:
    """The parent as one would name it: the total of a racemate, else the one enantiomer."""
    kept = [name for name in there if name not in redundant_totals([there])]
    return next((name for name in ("ketamine", "s_ketamine", "r_ketamine") if name in kept), kept[0] if kept else "")


def _symptom(versions: Versions, word: str, place: str) -> Outcome:
    column, unit = SYMPTOMS[word]
    visit = _visit(versions, word, place)

    def of(reading: Reading) -> float:
        return float("nan") if reading.care is None else float(reading.care.visit_statistics()[column][visit])

    return Outcome(f"{word}@{versions.visits[visit]:g} h", unit, of)


def _visit(versions: Versions, word: str, place: str) -> int:
    if not place:
        return len(versions.visits) - 1
    try:
        time = float(place.removesuffix("h").strip())
    except ValueError:
        raise InvalidOption(
            f"outcome '{word}@{place}': give the time of a visit in h, e.g. {word}@{versions.visits[-1]:g}."
        ) from None
    found = np.flatnonzero(np.abs(versions.visits - time) < 1e-6)
    if not len(found):
        times = ", ".join(f"{t:g}" for t in versions.visits)
        raise InvalidOption(f"outcome '{word}@{place}': there is no visit at {time:g} h. Visits: {times} h; --visits sets them.")
    return int(found[0])


def _side_effect(definition: str, when: str) -> Outcome:
    share = when or "ever"
    if share not in _WHEN:
        raise InvalidOption(f"outcome '{definition}@{when}': write {', '.join(_WHEN)}.{close_names(when, _WHEN)}")

    def of(reading: Reading) -> float:
        rows = [] if reading.care is None else reading.care.incidences()
        return next((float(row[share]) for row in rows if row["definition"] == definition), float("nan"))

    return Outcome(f"{definition}@{share}", "1", of)
