"""Calibration of adverse event terms: every term on its own, left-out studies predicted, and the entries they are written into."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

import ketasim.library
from ketasim import library
from ketasim.errors import InvalidOption, SolverFailure
from ketasim.fit._record import digest, short, versions
from ketasim.fit.safety._posterior import NAMES, PRIORS, People, TermFit, TermRow, fit_term, over_threshold, shares
from ketasim.writing import replacing

Floats = NDArray[np.float64]
_FOLDER = Path(ketasim.library.__file__).parent / "safety"
#: Terms with fewer studies keep the numbers they have.
FEWEST_STUDIES = 3
_UNITS = {"C50": "ng/mL", "background": "1", "tau": "1", "tau_background": "1"}


@dataclass(frozen=True)
class LeftOut:
    """A row predicted by a fit that never saw its study: 90 % interval of a new study of its size."""

    entry: str
    study: str
    line: int
    group: str
    observed: float
    predicted: float
    low: float
    high: float

    @property
    def inside(self) -> bool:
        """Whether the interval holds what was seen."""
        return self.low <= self.observed <= self.high


@dataclass(frozen=True)
class SafetyFit:
    """Outcome: fits by entry, and what fits without a study say of its rows."""

    terms: Mapping[str, TermFit]
    left_out: tuple[LeftOut, ...]
    seed: int

    def coverage(self, group: str) -> tuple[int, float]:
        """How many left-out rows of a group there are, and the share inside their interval."""
        mine = [one.inside for one in self.left_out if one.group == group]
        return len(mine), float(np.mean(mine)) if mine else float("nan")


def calibrate_terms(
    rows: Mapping[str, Sequence[TermRow]], *, seed: int = 20260101, log: Callable[[str], None] = print
) -> SafetyFit:
    """Fit every term that enough studies tell of; leave each study out once. Takes a minute.

    Parameters
    ----------
    rows : entry of the library -> rows; hold-outs must not be among them.

    Raises
    ------
    InvalidOption: no term has enough studies.
    """
    fits, left = dict[str, TermFit](), list[LeftOut]()
    for name, mine in rows.items():
        studies = list(dict.fromkeys(row.study for row in mine))
        if len(studies) < FEWEST_STUDIES:
            log(f"{name}: {len(studies)} studies, fewer than {FEWEST_STUDIES}: its numbers stay")
            continue
        people = _people(name)
        curves = [over_threshold(row, people) for row in mine]
        fits[name] = fit_term(mine, people, seed, curves)
        for study in studies:
            others = [k for k, row in enumerate(mine) if row.study != study]
            without = fit_term([mine[k] for k in others], people, seed, [curves[k] for k in others])
            left += [
                x
                for row, curve in zip(mine, curves, strict=True)
                if row.study == study
                for x in _predicted(name, without, row, curve, seed)
            ]
        log(f"{name}: {len(mine)} rows of {len(studies)} studies; draws worth {fits[name].effective:.0f}")
    if not fits:
        raise InvalidOption(f"no term has {FEWEST_STUDIES} studies to be calibrated on.")
    seen = {(one.entry, one.line, one.group): one for one in left}
    return SafetyFit(fits, tuple(seen.values()), seed)


def _people(name: str) -> People:
    values = library.endpoint(name).typical()
    return People(float(values["spread"]), float(values["r_person"]))


def _predicted(name: str, fit: TermFit, row: TermRow, curve: Floats, seed: int) -> list[LeftOut]:
    """What a new study of this size would print."""
    rng = np.random.default_rng([seed, row.line])
    c50, background, tau, tau_b = fit.draws.T
    steps = rng.standard_normal((2, len(c50))) / np.sqrt(row.trials)
    log_c50, background = np.log(c50) + tau * steps[0], expit(logit(background) + tau_b * steps[1])
    groups = [("drug", row.with_drug, shares(curve, log_c50, background))]
    groups += [("comparator", row.without, background)] if row.without else []
    found = []
    for group, (k, n), share in groups:
        seen = rng.binomial(max(round(n), 1), share) / max(round(n), 1)
        low, high = np.quantile(seen, (0.05, 0.95))
        found.append(LeftOut(name, row.study, row.line, group, k / n, float(np.median(share)), float(low), float(high)))
    return found


def store_terms(fit: SafetyFit, folder: Path = _FOLDER) -> list[Path]:
    """Write medians, standard errors and how much was learned into the entries, and what they rest on beside them; returns the paths."""
    paths = []
    for name, term in fit.terms.items():
        path = folder / f"{name}.toml"
        text = path.read_text(encoding="utf-8")
        studies = sorted({row.study for row in term.rows})
        for k, parameter in enumerate(NAMES):
            text = _with_section(text, parameter, _section(parameter, term, k, studies))
        with replacing(path) as draft:
            draft.write_text(text, encoding="utf-8")
        paths.append(path)
    paths.append(folder / "terms.calibration.json")
    with replacing(paths[-1]) as draft:
        draft.write_text(json.dumps(_settings(fit), indent=1) + "\n", encoding="utf-8")
    return paths


def _section(parameter: str, term: TermFit, k: int, studies: Sequence[str]) -> str:
    form, median, sd = PRIORS[parameter]
    return (
        f"[param.{parameter}]\nvalue = {term.median[k]:.4g}\nunit = \"{_UNITS[parameter]}\"\nkind = \"estimated\"\nsource = \"ketasim_safety\"\n"
        f"at = \"calibration on {len(term.rows)} rows of {len(studies)} studies: {', '.join(studies)}\"\n"
        f'prior = {{ form = "{form}", median = {median:g}, sd = {sd:g}, se = {term.se[k]:.3g}, learned = {term.learned[k]:.2f}, '
        f'informed_by = "shares of people with the term" }}\n'
    )  # fmt: skip


def _with_section(text: str, parameter: str, section: str) -> str:
    """The file text with one section put in place of the one of that name, or added at the end."""
    pattern = re.compile(rf"^\[param\.{parameter}\]\n(?:(?!\[).*\n?)*", re.MULTILINE)
    if not pattern.search(text):
        return text.rstrip("\n") + "\n\n" + section
    after = pattern.sub(lambda _: section + "\n", text, count=1)
    if f"[param.{parameter}]" not in after:
        raise SolverFailure(f"section [param.{parameter}] could not be written.")
    return after.rstrip("\n") + "\n"


def _settings(fit: SafetyFit) -> dict[str, Any]:
    told = {
        name: {
            "rows": [{"study": r.study, "line": r.line, "regimen": r.regimen, "with_drug": r.with_drug, "without": r.without} for r in term.rows],
            "effective_draws": round(term.effective),
            "quantities": {p: {"median": short(term.median[k]), "q05": short(np.quantile(term.draws[:, k], 0.05)),
                               "q95": short(np.quantile(term.draws[:, k], 0.95)), "se": short(term.se[k]), "learned": short(term.learned[k])}
                           for k, p in enumerate(NAMES)},
        }
        for name, term in fit.terms.items()
    }  # fmt: skip
    return {
        "method": "importance sampling around the mode; studies integrated out by quadrature", "seed": fit.seed,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"), "priors": {k: list(v) for k, v in PRIORS.items()},
        "left_out": [asdict(one) | {"inside": one.inside} for one in fit.left_out],
        "coverage_left_out": {group: {"rows": n, "inside_90": short(share)} for group in ("drug", "comparator") for n, share in [fit.coverage(group)]},
        "rows_sha256": digest(repr(sorted((n, r.line, r.with_drug, r.without) for n, t in fit.terms.items() for r in t.rows)).encode()),
        "versions": versions(), "terms": told,
    }  # fmt: skip
