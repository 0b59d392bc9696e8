"""Disorders and side effects in words: every number with its source, and how much the data told of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ketasim.clinical._declare import SPREAD, STORE, DisorderEntry, Prior
from ketasim.clinical._safety import STUDIES, Endpoint
from ketasim.model import Number, Param


def described(entry: DisorderEntry | Endpoint) -> str:
    """All that an entry holds, as text."""
    lines = [f"{entry.cite} ({entry.status}): {entry.title}"]
    if isinstance(entry, DisorderEntry):
        lines += _disorder(entry)
        declared: Mapping[str, Param] = {**STORE, **SPREAD, **entry.equations.params}
    else:
        lines += [f"Measured as {entry.measure}, {entry.unit}, {entry.bounds[0]:g} to {entry.bounds[1]:g}."]
        lines += [f"  counts as {d.id}: {d.title} ({d.of} of {d.least:g} or more)" for d in entry.definitions.values()]
        declared = {**STUDIES, **entry.equations.params}
    lines += [f"Evidence: {entry.grade}.", *(f"Note: {note}" for note in entry.notes), "", "Numbers:"]
    return "\n".join([*lines, *_numbers(entry.numbers, entry.priors, declared)])


def _disorder(entry: DisorderEntry) -> Iterable[str]:
    scale, start = entry.scale, entry.baseline
    yield f"Who: {entry.population}."
    yield f"Scale: {scale.title}, {scale.low:g} to {scale.high:g}; response: {scale.response:.0%} of the baseline lost; remission: {scale.remission:g} or less."
    yield f"Baseline: {start.mean:g} (SD {start.sd:g}), at least {start.least:g}. {start.source} {start.at}. {start.note}"
    yield "Control arms:"
    for control in entry.controls.values():
        on = ", ".join(f"{name} = {value:g}" for name, value in control.switches.items() if value)
        yield f"  {control.id}: {control.title} ({on or 'nothing switched on'})"


def _numbers(numbers: Mapping[str, Number], priors: Mapping[str, Prior], declared: Mapping[str, Param]) -> Iterable[str]:
    for name, number in numbers.items():
        yield f"  {name} = {number.value:g} {number.unit}  {declared[name].meaning}  [{number.kind}; {number.source}, {number.at}] {number.note}".rstrip()
        if name in priors:
            prior = priors[name]
            told = "prior, not data" if prior.learned < 0.1 else f"learned {prior.learned:.0%}"
            yield f"      SE {prior.se:g} ({prior.form} scale), prior {prior.prior:g} (SD {prior.prior_sd:g}); {told}: {prior.informed_by}"
